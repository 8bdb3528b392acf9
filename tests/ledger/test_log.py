"""The log on a real PostgreSQL: order, one writer, crashes, and every kind of tampering."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kept.database import Database
from kept.errors import DatabaseError, LedgerError, Tampered
from kept.ledger.entry import Entry, encode
from kept.ledger.log import Ledger
from kept.ledger.proof import EMPTY_ROOT, KeySigner, VerifierKey, fold, leaf_hash, read_checkpoint

NOW = dt.datetime(2026, 11, 23, 20, 16, 14, tzinfo=dt.UTC)
ORIGIN = "example.com/kept"
SECRET = bytes(range(32))


def opened(database: Database) -> Ledger:
    return Ledger(database, KeySigner(Ed25519PrivateKey.from_private_bytes(SECRET)), ORIGIN)


@pytest.fixture
def ledger(kept_db: Database) -> Ledger:
    return opened(kept_db)


def some(count: int, first: int = 0) -> list[Entry]:
    return [Entry("epoch.opened", NOW, {"epoch": first + i}) for i in range(count)]


def tamper(database: Database, statement: str, *values: object) -> int:
    """What an owner of the tables could do, who means it."""
    with database.connection() as connection:
        for table in ("ledger_entry", "ledger_tile", "ledger_checkpoint"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return connection.execute(statement.encode(), values).rowcount


def stored_root(ledger: Ledger) -> bytes:
    return fold(b"".join(leaf_hash(encode(entry)[1]) for _, entry in ledger.entries()))


# ---- append and read -----------------------------------------------------------------------


def test_an_empty_ledger_is_whole_and_can_be_signed(ledger: Ledger) -> None:
    assert ledger.size() == 0
    assert ledger.newest() is None
    assert ledger.checkpoint(NOW).root == EMPTY_ROOT
    report = ledger.verify()
    assert (report.ok, report.entries, report.signed) == (True, 0, 0)
    assert ledger.append_many([]) == range(0)


def test_batches_of_any_size_give_one_tree(ledger: Ledger) -> None:
    draw, size = random.Random(2), 0
    for count in (1, 254, 1, 1, 255, 256, 512, 3, 700, 1):
        if draw.random() < 0.5:
            ledger = opened(ledger.database)  # type: ignore[arg-type]
        assert ledger.append_many(some(count, size)) == range(size, size + count)
        size += count
        if draw.random() < 0.5:
            ledger.checkpoint(NOW)
    assert [(i, e.body["epoch"]) for i, e in ledger.entries()] == [(i, i) for i in range(size)]
    signed = ledger.checkpoint(NOW)
    assert (signed.size, signed.root) == (size, stored_root(ledger))
    assert signed.time == int(NOW.timestamp())
    report = ledger.verify()
    assert (report.ok, report.problems, report.signed) == (True, (), size)
    assert report.root == signed.root_text
    for index in (0, 255, 256, 511, 1500, size - 1):
        found = ledger.inclusion(index)
        assert found.holds()
        assert found.root == signed.root
        assert found.leaf == leaf_hash(encode(some(1, index)[0])[1])
        assert ledger.inclusion(index, index + 1).holds()
        assert ledger.consistency(index).holds()
        assert ledger.consistency(index, min(index + 300, size)).holds()
    for call in (lambda: ledger.inclusion(size), lambda: ledger.inclusion(0, size + 1),
                 lambda: ledger.consistency(0, size + 1)):  # fmt: skip
        with pytest.raises(LedgerError):
            call()


def test_more_than_65536_entries_make_a_third_level(ledger: Ledger) -> None:
    ledger.append_many(some(65_000))
    opened(ledger.database).append_many(some(2_000, 65_000))  # type: ignore[arg-type]
    ledger.append_many(some(1, 67_000))
    report = ledger.verify()
    assert (report.ok, report.entries) == (True, 67_001)
    assert ledger.checkpoint(NOW).root == stored_root(ledger)
    assert ledger.inclusion(66_000).holds()
    assert ledger.consistency(65_001).holds()


def test_entries_by_kind_and_range(ledger: Ledger) -> None:
    two = Entry("use.decided", NOW, {"purpose": "statistics", "allowed": True})
    ledger.append_many([*some(2), two, *some(1, 2), two])
    assert [i for i, _ in ledger.entries(kind="use.decided")] == [2, 4]
    assert [i for i, _ in ledger.entries(1, 4, kind="epoch.opened")] == [1, 3]
    assert [i for i, _ in ledger.entries(3)] == [3, 4]
    assert list(ledger.entries(kind="case.opened")) == []
    with pytest.raises(LedgerError):
        list(ledger.entries(kind="no.such"))


def test_a_bad_entry_writes_nothing_of_its_batch(ledger: Ledger) -> None:
    for place in (0, 100, 600):
        batch = some(700)
        batch[place] = Entry("epoch.opened", NOW, {"epoch": -1})
        with pytest.raises(LedgerError):
            ledger.append_many(batch)
    assert ledger.size() == 0
    assert ledger.append_many(some(2)) == range(2)
    assert ledger.verify().ok


def test_a_record_and_its_entry_commit_together_or_not_at_all(ledger: Ledger) -> None:
    ledger.append_many(some(5))
    with ledger.database.connection() as connection:
        connection.execute("CREATE TABLE record (entry bigint)")

    class ChangedMyMind(Exception):
        pass

    for fails in (True, False, True, False):
        try:
            with ledger.database.connection() as connection:
                (index,) = ledger.append_in(connection, some(1, 99))
                connection.execute("INSERT INTO record VALUES (%s)", (index,))
                if fails:
                    raise ChangedMyMind
        except ChangedMyMind:
            pass
    with ledger.database.connection() as connection:
        records = connection.execute("SELECT entry FROM record ORDER BY 1").fetchall()
    assert records == [(5,), (6,)]
    assert ledger.size() == 7
    assert ledger.verify().ok


def test_what_comes_before_the_entries_is_written_once_whatever_the_head(ledger: Ledger) -> None:
    """Sent along where the head is known, again where nothing is, and kept where it has moved."""
    with ledger.database.connection() as connection:
        connection.execute("CREATE TABLE record (turn bigint PRIMARY KEY)")
    other = Ledger(ledger.database, ledger._signer, ledger.origin)
    turns = [(who, end) for who in ("new", "known", "moved", "full") for end in (True, False)]
    for turn, (who, end) in enumerate(turns):
        if who == "new":
            ledger._last = None
        if who == "moved":
            other.append(some(1)[0])
        if who == "full":  # the next entry makes a tile full
            ledger.append_many(some(255 - ledger.size() % 256))
        size = ledger.size()
        before = [("INSERT INTO record VALUES ($1::bigint)", (turn,))]
        with ledger.database.connection(quick=True) as connection:
            (index,) = ledger.append_in(connection, some(1, 99), end=end, before=before)
        assert index == size
    with pytest.raises(DatabaseError), ledger.database.connection(quick=True) as connection:
        ledger.append_in(
            connection, some(1), end=True, before=[("INSERT INTO record VALUES (0)", ())]
        )
    with ledger.database.connection() as connection:
        records = connection.execute("SELECT turn FROM record ORDER BY 1").fetchall()
    assert records == [(turn,) for turn in range(len(turns))]
    assert ledger.size() == index + 1
    assert ledger.verify().ok


def test_a_head_that_moved_is_not_overwritten(ledger: Ledger) -> None:
    ledger.append_many(some(3))

    def append_on_an_old_snapshot() -> None:
        with ledger.database.connection() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT 1")
            other = threading.Thread(target=ledger.append_many, args=(some(1, 3),))
            other.start()
            other.join()
            ledger.append_in(connection, some(1, 50))

    with pytest.raises((LedgerError, DatabaseError)):
        append_on_an_old_snapshot()
    assert ledger.size() == 4
    assert ledger.verify().ok


def test_the_tables_refuse_careless_changes(ledger: Ledger) -> None:
    ledger.append_many(some(300))
    ledger.checkpoint(NOW)
    for statement in (
        "DELETE FROM ledger_entry WHERE index = 4",
        "UPDATE ledger_entry SET kind = 7",
        "TRUNCATE ledger_entry",
        "DELETE FROM ledger_tile",
        "DELETE FROM ledger_checkpoint",
    ):
        with pytest.raises(DatabaseError), ledger.database.connection() as connection:
            connection.execute(statement.encode())
    assert ledger.verify().ok


# ---- concurrency and crashes ---------------------------------------------------------------

WRITER = textwrap.dedent("""
    import datetime as dt, sys
    from pathlib import Path
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from kept.database import Database
    from kept.ledger.entry import Entry
    from kept.ledger.log import Ledger
    from kept.ledger.proof import KeySigner
    url, directory, name, rounds = sys.argv[1:]
    database = Database(url)
    database._pool.open()
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    ledger = Ledger(database, KeySigner(key), "example.com/kept")
    now = dt.datetime.now(dt.UTC)
    print("ready", flush=True)
    for turn in range(int(rounds)):
        size = 1 + turn * 37 % 300
        span = ledger.append_many(
            Entry("epoch.opened", now, {"epoch": i, "actor": name}) for i in range(size)
        )
        print(span.start, span.stop, flush=True)
        if turn % 5 == 0:
            ledger.checkpoint(now)
    database.close()
""")


def writer(database: Database, tmp_path: Path, name: str, rounds: int) -> subprocess.Popen[str]:
    script = tmp_path / f"{name}.py"  # one each: another may just be reading its own
    script.write_text(WRITER)
    return subprocess.Popen(
        [sys.executable, str(script), database.url, str(tmp_path), name, str(rounds)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def test_processes_append_at_once_and_no_index_is_given_twice(
    kept_db: Database, tmp_path: Path
) -> None:
    writers = [writer(kept_db, tmp_path, f"w{n}", 20) for n in range(4)]
    spans = []
    for number, one in enumerate(writers):
        out, _ = one.communicate(timeout=60)
        assert one.returncode == 0
        lines = out.splitlines()[1:]
        assert len(lines) == 20
        spans += [(*map(int, line.split()), f"w{number}") for line in lines]
    spans.sort()
    assert [start for start, *_ in spans] == [0, *(stop for _, stop, _ in spans[:-1])]
    ledger = opened(kept_db)
    report = ledger.verify()
    assert (report.ok, report.problems, report.entries) == (True, (), spans[-1][1])
    by = {index: entry.body["actor"] for index, entry in ledger.entries()}
    assert all(by[i] == name for start, stop, name in spans for i in range(start, stop))


def test_kill_9_in_the_middle_leaves_a_whole_ledger(kept_db: Database, tmp_path: Path) -> None:
    draw, done = random.Random(), 0
    for turn in range(6):
        one = writer(kept_db, tmp_path, f"w{turn}", 100_000)
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0.005, 0.25))
        one.send_signal(signal.SIGKILL)
        out = one.stdout.read()
        one.wait()
        told = [int(line.split()[1]) for line in out.splitlines() if line.count(" ") == 1]
        done = max([done, *told])
        ledger = opened(kept_db)
        ledger.append_many(some(1))  # waits until the server has noticed the death
        report = ledger.verify()
        assert (report.ok, report.problems) == (True, ())
        assert report.entries > done  # what was acknowledged is there
        done = report.entries
        assert ledger.checkpoint(NOW).size == done


# ---- tampering -----------------------------------------------------------------------------


@pytest.fixture
def signed(ledger: Ledger) -> Ledger:
    """1,000 entries, two checkpoints, all verified."""
    ledger.append_many(some(600))
    ledger.checkpoint(NOW)
    ledger.append_many(some(400, 600))
    ledger.checkpoint(NOW)
    assert ledger.verify().ok
    return ledger


COLUMNS = [
    ("ledger_entry", "leaf"),
    ("ledger_tile", "root"),
    ("ledger_tile", "hashes"),
    ("ledger_head", "root"),
    ("ledger_head", "edge"),
    ("ledger_checkpoint", "root"),
    ("ledger_checkpoint", "note"),
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_random_flips_of_stored_bytes_are_all_found(
    signed: Ledger, table: str, column: str
) -> None:
    draw = random.Random(f"{table}.{column}")
    database: Database = signed.database  # type: ignore[assignment]
    with database.connection() as connection:
        rows = connection.execute(
            f"SELECT ctid::text, {column} FROM {table} ORDER BY 1".encode()
        ).fetchall()
    for _ in range(25):
        place, good = draw.choice(rows)
        at = draw.randrange(len(good))
        bad = good[:at] + bytes([good[at] ^ 1 << draw.randrange(8)]) + good[at + 1 :]
        change = f"UPDATE {table} SET {column} = %s WHERE {column} = %s"
        assert tamper(database, change, bad, good) >= 1
        assert not opened(database).verify().ok, f"{place} byte {at}"
        assert tamper(database, change, good, bad) >= 1
    assert opened(database).verify().ok


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_entry WHERE index = 0",
        "DELETE FROM ledger_entry WHERE index = 300",
        "DELETE FROM ledger_entry WHERE index = 999",
        "DELETE FROM ledger_entry WHERE index >= 990",
        "DELETE FROM ledger_entry",
        "UPDATE ledger_entry SET index = 5000 WHERE index = 999",
        "UPDATE ledger_entry SET kind = 26 WHERE index = 3",
        "UPDATE ledger_entry SET leaf = leaf || ' ' WHERE index = 3",
        (
            "UPDATE ledger_entry a SET leaf = b.leaf FROM ledger_entry b"
            " WHERE (a.index, b.index) IN ((3, 4), (4, 3))"
        ),
        (
            "UPDATE ledger_entry a SET leaf = b.leaf FROM ledger_entry b"
            " WHERE (a.index, b.index) IN ((3, 990), (990, 3))"
        ),
        "INSERT INTO ledger_entry SELECT 1000, kind, leaf FROM ledger_entry WHERE index = 1",
        "DELETE FROM ledger_tile WHERE index = 1",
        "UPDATE ledger_tile SET index = 7 WHERE index = 2",
        "UPDATE ledger_tile SET level = 1 WHERE index = 0",
        (
            "UPDATE ledger_tile a SET root = b.root, hashes = b.hashes FROM ledger_tile b"
            " WHERE (a.index, b.index) IN ((1, 2), (2, 1))"
        ),
        "INSERT INTO ledger_tile SELECT level, 3, root, hashes FROM ledger_tile WHERE index = 1",
        "DELETE FROM ledger_head",
        "UPDATE ledger_head SET size = 999",
        "UPDATE ledger_head SET size = 1001",
        "UPDATE ledger_head SET size = 0, root = sha256(''), edge = ''",
        "UPDATE ledger_checkpoint SET size = 601 WHERE size = 600",
        (
            "UPDATE ledger_checkpoint a SET note = b.note FROM ledger_checkpoint b"
            " WHERE a.size <> b.size"
        ),
        (
            "INSERT INTO ledger_checkpoint SELECT 700, root, note FROM ledger_checkpoint"
            " WHERE size = 600"
        ),
    ],
)
def test_drops_swaps_and_truncations_are_found(signed: Ledger, statement: str) -> None:
    database: Database = signed.database  # type: ignore[assignment]
    assert tamper(database, statement) > 0
    report = opened(database).verify()
    assert not report.ok
    assert report.problems


def test_the_structure_alone_does_not_see_entries_and_says_so(signed: Ledger) -> None:
    database: Database = signed.database  # type: ignore[assignment]
    tamper(database, "UPDATE ledger_entry SET leaf = leaf || ' ' WHERE index = 3")
    shallow = signed.verify(deep=False)
    assert shallow.ok
    assert any("entries themselves" in words for words in shallow.unchecked)
    assert not signed.verify().ok
    with pytest.raises(Tampered, match="entry 3"):
        list(signed.entries())


def test_an_entry_filed_under_another_kind_is_found_by_every_reader(
    signed: Ledger, tmp_path: Path
) -> None:
    database: Database = signed.database  # type: ignore[assignment]
    tamper(database, "UPDATE ledger_entry SET kind = 26 WHERE index = 3")
    ledger = opened(database)
    assert ledger.verify().problems == ("entry 3 is filed under another kind",)
    for read in (
        lambda: list(ledger.entries()),
        lambda: list(ledger.entries(kind="epoch.destroyed")),
        lambda: ledger.export(tmp_path / "copy"),
    ):
        with pytest.raises(Tampered, match="entry 3: an entry is filed under another kind"):
            read()
    assert list(tmp_path.iterdir()) == []


def rewrite(database: Database, entries: list[Entry]) -> None:
    """Another history, made by somebody who owns the tables and knows how a tree is made."""
    for table in ("ledger_entry", "ledger_tile", "ledger_checkpoint"):
        tamper(database, f"DELETE FROM {table}")
    tamper(database, "UPDATE ledger_head SET size = 0, root = sha256(''), edge = ''")
    opened(database).append_many(entries)


def test_rollback_and_fork_are_found_by_whoever_kept_a_checkpoint(signed: Ledger) -> None:
    database: Database = signed.database  # type: ignore[assignment]
    first = signed.newest()
    assert first is not None
    signed.append_many(some(10, 1000))
    assert signed.verify(since=first.note).ok

    rewrite(database, some(700))
    assert opened(database).verify().ok  # nothing inside can show it, and the report says so
    assert any("rolled back" in words for words in opened(database).verify().unchecked)
    back = opened(database).verify(since=first.note)
    assert not back.ok
    assert "rolled back" in back.problems[0]

    rewrite(database, [*some(3), *some(1, 77), *some(1200, 4)])
    fork = opened(database).verify(since=first.note)
    assert not fork.ok
    assert "forked" in fork.problems[0]
    assert not opened(database).verify(since=first.note.replace(b"1000", b"1001")).ok


def test_nothing_is_signed_or_appended_on_a_changed_end(signed: Ledger) -> None:
    database: Database = signed.database  # type: ignore[assignment]
    tamper(database, "UPDATE ledger_entry SET leaf = leaf || ' ' WHERE index = 998")
    with pytest.raises(Tampered):
        opened(database).append(some(1)[0])
    with pytest.raises(Tampered):
        opened(database).checkpoint(NOW)


def test_a_tree_that_does_not_continue_its_checkpoint_is_not_signed(signed: Ledger) -> None:
    database: Database = signed.database  # type: ignore[assignment]
    note = signed.newest()
    assert note is not None
    rewrite(database, some(1200, 5))
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ledger_checkpoint VALUES (%s, %s, %s)", (1000, note.root, note.note)
        )
    with pytest.raises(Tampered, match="continue"):
        opened(database).checkpoint(NOW)


def test_a_checkpoint_is_made_once_per_head(signed: Ledger) -> None:
    newest = signed.newest()
    assert signed.checkpoint(NOW + dt.timedelta(days=1)) == newest
    assert newest is not None
    assert read_checkpoint(newest.note, VerifierKey.parse(str(signed.key))) == newest


def test_another_key_is_not_taken_for_ours(signed: Ledger) -> None:
    other = Ledger(signed.database, KeySigner(Ed25519PrivateKey.generate()), ORIGIN)
    assert not other.verify().ok
    with pytest.raises(Tampered):
        other.checkpoint(NOW)
