"""kept-verify on exported files: the whole ones pass, every change is found."""

from __future__ import annotations

import ast
import base64
import datetime as dt
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

import kept_verify
from kept.database import Database
from kept.errors import LedgerError, UsageError
from kept.ledger.entry import Entry, encode
from kept.ledger.log import Ledger
from kept.ledger.proof import KeySigner, sign_checkpoint

NOW = dt.datetime(2026, 11, 23, 20, 16, 14, tzinfo=dt.UTC)
SIGNER = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ORIGIN = "example.com/kept"
SIZE = 1300


def entry(number: int) -> Entry:
    if number % 3 == 0:
        return Entry("epoch.opened", NOW, {"epoch": number})
    if number % 97 == 0:
        finding = {"count": number, "what": "rows-overdue", "where": "shop/customer"}
        return Entry(
            "control.ran",
            NOW,
            {"control": "c", "code": "0" * 64, "outcome": "fail", "looked_at": number,
             "findings": [finding, finding], "clauses": ["RET-2"]},
        )  # fmt: skip
    body = {"purpose": "statistics", "allowed": number % 2 == 0, "clauses": ["USE-1", "USE-2"]}
    return Entry("use.decided", NOW, body)


@pytest.fixture(scope="module")
def ledger(kept_module_db: Database) -> Ledger:
    ledger = Ledger(kept_module_db, SIGNER, ORIGIN)
    ledger.append_many(map(entry, range(700)))
    ledger.checkpoint(NOW)
    ledger.append_many(map(entry, range(700, SIZE)))
    ledger.checkpoint(NOW)
    ledger.append_many(map(entry, range(SIZE, SIZE + 3)))
    return ledger


@pytest.fixture(scope="module")
def notes(ledger: Ledger) -> dict[int, bytes]:
    """Size → note of every checkpoint that was signed."""
    with ledger.database.connection() as connection:
        rows = connection.execute("SELECT size, note FROM ledger_checkpoint").fetchall()
    return {size: bytes(note) for size, note in rows}


@pytest.fixture(scope="module")
def exported(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "log"
    result = ledger.export(target)
    assert (result.entries, result.unsigned) == (SIZE, 3)
    assert result.files == sum(path.is_file() for path in target.rglob("*"))
    return target


@pytest.fixture
def log(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "log"))


def problems(log: Path, **given: object) -> list[str]:
    return kept_verify.verify(log, **given).problems  # type: ignore[arg-type]


# ---- whole ---------------------------------------------------------------------------------


def test_a_whole_export_passes_and_says_what_it_could_not_check(log: Path) -> None:
    report = kept_verify.verify(log)
    assert report.problems == []
    assert (report.entries, report.origin) == (SIZE, ORIGIN)
    assert report.signed_at == int(NOW.timestamp())
    words = " ".join(report.unchecked)
    assert "no --key was given" in words
    assert "no --since was given" in words


def test_with_key_and_earlier_checkpoint_nothing_of_that_is_left_unchecked(
    log: Path, ledger: Ledger, notes: dict[int, bytes]
) -> None:
    key = kept_verify.read_key(str(ledger.key))
    for size in (700, SIZE):
        report = kept_verify.verify(log, key, notes[size])
        assert report.problems == []
        assert not any("--" in words for words in report.unchecked)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 513, 768, 1000, 1024, 1299, 1300])
def test_any_earlier_size_can_be_continued_and_forks_of_it_are_found(
    log: Path, ledger: Ledger, size: int
) -> None:
    root = ledger.consistency(size).first_root
    good = sign_checkpoint(ORIGIN, size, root, 5, SIGNER)
    assert problems(log, since=good.note) == []
    bad = sign_checkpoint(ORIGIN, size, bytes(32), 5, SIGNER)
    assert "FORK" in problems(log, since=bad.note)[0]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 65_536 + 300])
def test_sizes_around_a_tile(kept_db: Database, tmp_path: Path, size: int) -> None:
    ledger = Ledger(kept_db, SIGNER, ORIGIN)
    ledger.append_many(Entry("epoch.opened", NOW, {"epoch": i}) for i in range(size))
    ledger.checkpoint(NOW)
    ledger.export(tmp_path / "log")
    report = kept_verify.verify(tmp_path / "log")
    assert (report.problems, report.entries) == ([], size)


def test_an_export_does_not_touch_other_files(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="directory of its own"):
        ledger.export(tmp_path / "log")
    assert [p.name for p in tmp_path.rglob("*")] == ["log", "mine"]
    (tmp_path / "log" / "mine").unlink()
    ledger.export(tmp_path / "log")
    assert problems(tmp_path / "log") == []


def test_without_a_checkpoint_there_is_nothing_to_export(kept_db: Database, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="checkpoint"):
        Ledger(kept_db, SIGNER, ORIGIN).export(tmp_path / "log")
    assert list(tmp_path.glob("*log*")) == []


# ---- changed -------------------------------------------------------------------------------


def flipped(path: Path, at: int, bit: int) -> bytes:
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
    return data


def test_random_flips_over_all_bytes_are_all_found(log: Path) -> None:
    files = [path for path in log.rglob("*") if path.is_file()]
    sizes = [path.stat().st_size for path in files]
    draw = random.Random(11)
    for _ in range(300):
        (path,) = draw.choices(files, sizes)
        at, bit = draw.randrange(path.stat().st_size), draw.randrange(8)
        good = flipped(path, at, bit)
        assert problems(log), f"{path.relative_to(log)} byte {at} bit {bit}"
        path.write_bytes(good)
    assert problems(log) == []


@pytest.mark.parametrize("name", ["checkpoint", "key"])
def test_every_byte_of_the_small_files_counts(log: Path, name: str) -> None:
    path = log / name
    for at in range(path.stat().st_size):
        good = flipped(path, at, at % 8)
        assert problems(log), f"byte {at}"
        path.write_bytes(good)


def test_every_file_and_every_length_counts(log: Path) -> None:
    draw = random.Random(12)
    for path in [path for path in log.rglob("*") if path.is_file()]:
        good = path.read_bytes()
        cuts = {0, 1, len(good) - 1, len(good) // 2, draw.randrange(len(good))}
        for bad in [good[:cut] for cut in cuts] + [good + b"\0", good + good, good + b"\n"]:
            path.write_bytes(bad)
            assert problems(log), f"{path.relative_to(log)} of {len(bad)} bytes"
        path.unlink()
        assert problems(log), f"{path.relative_to(log)} missing"
        path.write_bytes(good)
    assert problems(log) == []


def test_swapped_files_are_found(log: Path) -> None:
    for folder in ("tile/0", "tile/entries"):
        one, other = log / folder / "000", log / folder / "001"
        for _ in range(2):
            a, b = one.read_bytes(), other.read_bytes()
            one.write_bytes(b)
            other.write_bytes(a)
            assert bool(problems(log)) is (_ == 0)


def bundle(leaves: list[bytes]) -> bytes:
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


@pytest.mark.parametrize(
    "change",
    [
        lambda leaves: leaves[:5] + leaves[6:],
        lambda leaves: [leaves[1], leaves[0], *leaves[2:]],
        lambda leaves: [*leaves, leaves[0]],
        lambda leaves: [*leaves[:-1], leaves[0]],
        lambda leaves: [leaves[0] + leaves[1], b"", *leaves[2:]],
        lambda leaves: [],
    ],
)
def test_dropped_swapped_and_added_entries_are_found(
    log: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    path = log / "tile/entries/001"
    path.write_bytes(bundle(change(kept_verify.split(path.read_bytes()))))
    assert problems(log)


@pytest.mark.parametrize(
    "name",
    ["README", ".hidden", "tile/0/005", "tile/0/006", "tile/0/005.p/21", "tile/0/x000/001",
     "tile/0/5", "tile/1/000.p/6", "tile/1/000.p/05", "tile/00/000", "tile/64/000",
     "tile/entries/006", "tile/entries/005.p/256", "tile/entries/005.p/0", "tile/2/000.p/1",
     "tile/0/001.p/300", "tile/entries/001.tmp", "checkpoint.old"],
)  # fmt: skip
def test_unknown_files_are_refused(log: Path, name: str) -> None:
    path = log / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((log / "tile/0/000").read_bytes())
    assert any(name in words for words in problems(log))


def test_the_name_of_a_file_forges_no_line(log: Path) -> None:
    (log / "x\nOK  9999 entries\x1b[2J\r\u202e").write_bytes(b"")
    ran = run(log)
    assert ran.returncode == 1
    assert not [line for line in ran.stdout.splitlines() if line.startswith("OK")]
    assert all(c.isascii() and (c.isprintable() or c == "\n") for c in ran.stdout)
    assert "does not belong in a ledger" in ran.stdout


def test_the_name_of_a_key_moves_no_cursor(tmp_path: Path) -> None:
    """An empty ledger that says it is signed by a key of this name; so it is."""
    name = "x\u009b2J\u202eKO"
    key = kept_verify.Key(name, SIGNER.public_bytes)
    body = f"{name}\n0\n{base64.b64encode(kept_verify.EMPTY_ROOT).decode()}\n"
    lines = ""
    for kind, extra, message in (
        (1, b"", body.encode()),
        (4, bytes(8), b"cosignature/v1\ntime 0\n" + body.encode()),
    ):
        raw = key.key_id(kind) + extra + SIGNER.sign(message)
        lines += f"— {name} {base64.b64encode(raw).decode()}\n"
    (tmp_path / "checkpoint").write_text(f"{body}\n{lines}", "utf-8")
    (tmp_path / "key").write_text(f"{key}\n", "utf-8")
    ran = run(tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "key     x\\x9b2J\\u202eKO+" in ran.stdout
    assert all(c.isascii() and (c.isprintable() or c == "\n") for c in ran.stdout)


def test_folders_in_folders_without_end_are_unknown_files(log: Path) -> None:
    here = os.open(log, os.O_RDONLY)
    try:
        for _ in range(3_000):
            os.mkdir("d", dir_fd=here)
            deeper = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
    finally:
        os.close(here)
    try:
        ran = run(log)
    finally:  # what Python removes it would remove by recursion
        subprocess.run(["rm", "-rf", "--", str(log / "d")], check=True)
    assert (ran.returncode, ran.stderr) == (1, "")
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("  ! ")]
    assert line.startswith("  ! d/d/d/")
    assert len(line) < 500


def test_a_partial_tile_left_behind_must_be_the_beginning_of_the_full_one(log: Path) -> None:
    hashes = (log / "tile/0/002").read_bytes()
    leaves = kept_verify.split((log / "tile/entries/002").read_bytes())
    for folder, good in (("tile/0", hashes[: 188 * 32]), ("tile/entries", bundle(leaves[:188]))):
        path = log / folder / "002.p" / "188"
        path.parent.mkdir()
        path.write_bytes(good)
        assert problems(log) == []  # C2SP lets it stay
        for at in random.Random(3).sample(range(len(good)), 10):
            flipped(path, at, 3)
            assert any("002.p/188" in words for words in problems(log))
            path.write_bytes(good)
        path.write_bytes(good[:-32])
        assert any("002.p/188" in words for words in problems(log))
        path.write_bytes(good)


def test_links_and_other_things_are_refused(log: Path, tmp_path: Path) -> None:
    path = log / "tile/0/001"
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    assert any("tile/0/001" in words for words in problems(log))
    path.unlink()
    os.mkfifo(path)
    assert any("tile/0/001" in words for words in problems(log))
    path.unlink()
    outside.rename(path)
    assert problems(log) == []
    (log / "tile/9").mkdir()
    assert any("tile/9" in words for words in problems(log))
    (log / "tile/9").rmdir()
    moved = tmp_path / "moved"
    (log / "tile").rename(moved)
    (log / "tile").symlink_to(moved)
    assert any("tile" in words for words in problems(log))


def forged(log: Path, leaves: list[bytes], signer: KeySigner = SIGNER) -> None:
    """Another history of the same form, signed by `signer`: what a fork or a lax writer makes."""
    shutil.rmtree(log)
    (log / "tile/0").mkdir(parents=True)
    (log / "tile/entries").mkdir()
    name = f"000.p/{len(leaves)}"
    hashes = b"".join(kept_verify.sha256(b"\0" + leaf).digest() for leaf in leaves)
    for folder, data in (("tile/0", hashes), ("tile/entries", bundle(leaves))):
        (log / folder / "000.p").mkdir()
        (log / folder / name).write_bytes(data)
    note = sign_checkpoint(ORIGIN, len(leaves), kept_verify.fold(hashes), 5, signer).note
    (log / "checkpoint").write_bytes(note)
    (log / "key").write_text(f"{kept_verify.Key(ORIGIN, signer.public_bytes)}\n")


def test_rollback_and_fork_relative_to_what_was_given(
    log: Path, notes: dict[int, bytes], ledger: Ledger
) -> None:
    forged(log, [encode(entry(i))[1] for i in range(200)])
    assert problems(log) == []  # nothing in it can show it
    assert "ROLLBACK" in problems(log, since=notes[700])[0]
    earlier = sign_checkpoint(ORIGIN, 100, ledger.consistency(100).first_root, 5, SIGNER).note
    assert problems(log, since=earlier) == []
    forged(log, [encode(entry(i + 1))[1] for i in range(200)])
    assert "FORK" in problems(log, since=earlier)[0]
    assert problems(log, since=earlier.replace(b"100", b"101"))


def test_another_signer_is_found_only_with_the_key(log: Path, ledger: Ledger) -> None:
    other = KeySigner(Ed25519PrivateKey.generate())
    forged(log, [encode(entry(i))[1] for i in range(20)], other)
    report = kept_verify.verify(log)
    assert report.problems == []
    assert any("proves only" in words for words in report.unchecked)
    assert problems(log, key=kept_verify.read_key(str(ledger.key)))


GOOD = encode(entry(1))[1]


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        GOOD + b" ",
        b" " + GOOD,
        GOOD.replace(b'"v":1', b'"v":1.0'),
        GOOD.replace(b'"v":1', b'"v":true'),
        GOOD.replace(b'"v":1', b'"v":2'),
        GOOD.replace(b":false", b":null"),
        GOOD.replace(b":false", b":0.5"),
        GOOD.replace(b":false", b":-1"),
        GOOD.replace(b":false", b":01"),
        GOOD.replace(b":false", b":NaN"),
        GOOD.replace(b":false", b":1" + b"0" * 15),
        GOOD.replace(b":false", b':"ana@x.de"'),
        GOOD.replace(b":false", b':"two words"'),
        GOOD.replace(b"statistics", b"statistic\\u0073"),
        GOOD.replace(b"statistics", "statistiqué".encode()),
        GOOD.replace(b'"allowed":false', b'"allowed":false,"allowed":false'),
        GOOD.replace(b'"allowed":false,', b"").replace(b'"body":{', b'"body":{"z":1,'),
        GOOD.replace(b'"v":1', b'"v":1,"w":1'),
        GOOD.replace(b"2026", b"26"),
        GOOD.replace(b"Z", b"+00:00"),
        GOOD.replace(b'"body":{', b'"body":{"' + b"[" * 9000),
        GOOD.replace(b":false", b":" + b"[" * 9000),
    ],
)  # fmt: skip
def test_lax_entries_are_refused_even_if_signed(log: Path, leaf: bytes) -> None:
    forged(log, [GOOD, leaf, GOOD])
    assert any("entry 1 " in words for words in problems(log))
    assert problems(log, tree_only=True) == []


JSONS = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=6) | st.none() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab_c", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
PLAIN = st.recursive(
    st.booleans()
    | st.integers(0, 10**15 - 1)
    | st.from_regex(r"[a-z0-9][a-z.:-]{0,5}", fullmatch=True),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab_c", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def entry_of(body: object) -> bytes:
    whole = {"at": "2026-11-23T20:16:14.123Z", "body": body, "kind": "use.decided", "v": 1}
    try:
        return rfc8785.dumps(whole)  # type: ignore[arg-type]
    except rfc8785.CanonicalizationError:
        return json.dumps(whole).encode()


@settings(max_examples=200)
@given(
    st.lists(st.dictionaries(st.text("abc_", min_size=1, max_size=2), PLAIN | JSONS, max_size=3)),
    st.data(),
)
def test_the_short_cut_accepts_what_the_whole_check_accepts(
    bodies: list[dict[str, object]], data: st.DataObject
) -> None:
    leaves = [entry_of(body) for body in bodies]
    for leaf in list(leaves):
        at = data.draw(st.integers(0, len(leaf) - 1))
        leaves.append(leaf[:at] + data.draw(st.binary(max_size=2)) + leaf[at + 1 :])
    forms = kept_verify.Forms()
    for leaf in leaves * 2:
        assert forms.accept(leaf) is kept_verify.is_entry(leaf)


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=3), PLAIN, max_size=4))
def test_plain_values_are_entries_in_rfc_8785(body: dict[str, object]) -> None:
    assert kept_verify.is_entry(entry_of(body))


# ---- notes ---------------------------------------------------------------------------------


def test_lax_base64_is_refused(log: Path) -> None:
    note = (log / "checkpoint").read_text()
    root = note.split("\n")[2]
    last = root[-2]
    other = next(
        c
        for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        if c != last and base64.b64decode(root[:-2] + c + "=") == base64.b64decode(root)
    )
    body = note.split("\n\n")[0].replace(root, root[:-2] + other + "=") + "\n"
    key = kept_verify.Key(ORIGIN, SIGNER.public_bytes)
    lines = ""
    for kind, extra, message in (
        (1, b"", body.encode()),
        (4, bytes(8), b"cosignature/v1\ntime 0\n" + body.encode()),
    ):
        raw = key.key_id(kind) + extra + SIGNER.sign(message)
        lines += f"— {ORIGIN} {base64.b64encode(raw).decode()}\n"
    (log / "checkpoint").write_text(body + "\n" + lines)
    assert "spelling" in problems(log)[0]


def test_signatures_of_unknown_keys_are_said_not_trusted(log: Path) -> None:
    witness = "— witness.example/w1 " + base64.b64encode(bytes(72)).decode() + "\n"
    with (log / "checkpoint").open("a") as file:
        file.write(witness)
    report = kept_verify.verify(log)
    assert report.problems == []
    assert any(words.startswith("1 signatures") for words in report.unchecked)


# ---- the command ---------------------------------------------------------------------------


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The file alone, in an isolated interpreter that cannot import anything of Kept."""
    script = Path(kept_verify.__file__)
    guard = (
        "import runpy, sys\n"
        "sys.modules['kept'] = None\n"
        f"sys.argv = {['kept-verify', *map(str, arguments)]!r}\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    return subprocess.run([sys.executable, "-I", "-c", guard], capture_output=True, text=True)


def test_the_command_and_its_exit_status(
    log: Path, ledger: Ledger, notes: dict[int, bytes], tmp_path: Path
) -> None:
    (tmp_path / "since").write_bytes(notes[700])
    (tmp_path / "known").write_text(f"{ledger.key}\n")
    good = run(log, "--key", ledger.key, "--since", tmp_path / "since", "--json")
    assert good.returncode == 0, good.stderr
    result = json.loads(good.stdout)
    assert (result["ok"], result["entries"], result["problems"]) == (True, SIZE, [])
    assert run(log, "--key", tmp_path / "known").stdout.startswith("OK")
    flipped(log / "tile/entries/003", 700, 2)
    bad = run(log)
    assert bad.returncode == 1
    assert bad.stdout.startswith("BROKEN")
    assert json.loads(run(log, "--json").stdout)["ok"] is False
    for wrong in ((tmp_path / "nowhere",), (), (log, "--key", "nonsense"),
                  (log, "--since", tmp_path / "nothing"),
                  (log, "--since", log / "key"),
                  (log, "--since", log / "tile/entries/000"), (log, "--what")):  # fmt: skip
        assert run(*wrong).returncode == 2
    assert run(tmp_path).returncode == 1


def test_it_imports_only_the_standard_library_and_cryptography() -> None:
    named: set[str] = set()
    for node in ast.walk(ast.parse(Path(kept_verify.__file__).read_text())):
        if isinstance(node, ast.ImportFrom):
            named.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            named |= {one.name.partition(".")[0] for one in node.names}
    assert named - set(sys.stdlib_module_names) == {"cryptography"}


def test_what_is_missing_is_named_with_what_to_do(log: Path, tmp_path: Path) -> None:
    nowhere = run(tmp_path / "nowhere")
    assert f"'{tmp_path / 'nowhere'}' is no directory" in nowhere.stderr
    guard = "import sys; sys.modules['cryptography'] = None; import kept_verify"
    bare = subprocess.run(
        [sys.executable, "-c", guard], capture_output=True, text=True, check=False
    )
    assert bare.returncode == 2
    assert bare.stderr == (
        "kept-verify: the package `cryptography` is missing: pip install cryptography\n"
    )
