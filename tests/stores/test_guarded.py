"""How safe a place of data is: the oracles are chmod, the server's own files, and drawn devices."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kept.embedded import SUPERUSER, Server
from kept.errors import StoreError
from kept.model.safety import Measured, Safety
from kept.stores import guarded
from kept.stores import guarded_servers as servers
from kept.stores.http_client import Client
from kept.stores.http_describe import Limits
from kept.stores.lake import ParquetStore
from kept.stores.mailbox import MailboxStore
from kept.stores.mariadb import MariaDBStore
from kept.stores.postgresql import PostgreSQLStore
from kept.stores.sqlite import SQLiteStore
from kept.terms.support import Software


def held(safety: Safety) -> dict[str, bool | None]:
    return {m.aspect: m.holds for m in safety.measured}


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory to which every account finds its way."""
    directory = Path(tempfile.mkdtemp(prefix="kept-tests-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("folder", "file", "log", "closed"),
    [
        (0o755, 0o600, 0o600, True),
        (0o755, 0o640, 0o600, True),
        (0o755, 0o644, 0o600, False),
        (0o755, 0o602, 0o600, False),
        (0o755, 0o600, 0o644, False),
        (0o700, 0o644, 0o644, True),
        (0o711, 0o644, 0o644, False),
    ],
)
def test_files_are_closed_by_their_modes(
    shared: Path, folder: int, file: int, log: int, closed: bool
) -> None:
    place = shared / "desk"
    place.mkdir()
    (place / "desk.sqlite").touch()
    with sqlite3.connect(place / "desk.sqlite") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    (place / "desk.sqlite-wal").touch()
    (place / "desk.sqlite").chmod(file)
    (place / "desk.sqlite-wal").chmod(log)
    place.chmod(folder)
    met = SQLiteStore("desk", (), str(place / "desk.sqlite")).safety()
    assert held(met)["exposure"] is closed
    assert held(met)["transport"] is True
    assert not met.seen


def test_data_beside_a_known_place_is_seen(shared: Path) -> None:
    with sqlite3.connect(shared / "desk.sqlite") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    shutil.copy(shared / "desk.sqlite", shared / "desk.of.ana.bak")
    (shared / "notes.txt").write_text("SQLite is nice", "utf-8")
    met = SQLiteStore("desk", (), str(shared / "desk.sqlite")).safety()
    assert list(met.seen) == [guarded.name(shared / "desk.of.ana.bak")]
    assert met.names == {guarded.name(shared / "desk.sqlite")}
    with pytest.raises(StoreError):
        SQLiteStore("desk", (), str(shared / "none.sqlite")).safety()


def test_a_lake_is_as_open_as_its_widest_file(shared: Path) -> None:
    lake = shared / "lake"
    (lake / "visits").mkdir(parents=True)
    for name in ("a.parquet", "b.parquet"):
        (lake / "visits" / name).write_bytes(b"")
        (lake / "visits" / name).chmod(0o600)
    store = ParquetStore("lake", (), str(lake))
    assert held(store.safety())["exposure"] is True
    (lake / "visits" / "b.parquet").chmod(0o604)
    assert held(store.safety())["exposure"] is False


def test_letters_and_services(tmp_path: Path, shared: Path) -> None:
    letters = shared / "letters"
    letters.mkdir(mode=0o700)
    store = MailboxStore("agency", (), "letters", options={"directory": shared})
    assert held(store.safety()) == {"exposure": None, "transport": None}
    letters.chmod(0o755)
    assert held(store.safety())["exposure"] is False
    client = Client("vendor", "https://vendor.example/api", Limits(), {})
    assert client.way.holds is True
    assert "certificate" in client.way.words


def _drive(root: Path, number: str, uuid: str | None = None) -> Path:
    """A device as Linux shows it under /sys/dev/block."""
    device = root / number
    (device / "slaves").mkdir(parents=True)
    if uuid is not None:
        (device / "dm").mkdir()
        (device / "dm" / "uuid").write_text(f"{uuid}\n", "ascii")
    return device


def test_an_encrypted_drive_is_known_by_what_lies_under_it(tmp_path: Path) -> None:
    plain, luks = _drive(tmp_path, "8:1"), _drive(tmp_path, "254:0", "CRYPT-LUKS2-ab-root")
    volume = _drive(tmp_path, "254:1", "LVM-cd")
    both = _drive(tmp_path, "254:2", "LVM-ef")
    (volume / "slaves" / "dm-0").symlink_to(luks)
    for number, under in enumerate((luks, plain)):
        (both / "slaves" / f"d{number}").symlink_to(under)

    def met(number: str) -> Measured:
        return guarded.encrypted(Path("/x"), guarded.Mount(number, "ext4", "/dev/x"), tmp_path)

    assert [met(n).holds for n in ("254:0", "254:1")] == [True, True]
    # A plain drive may encrypt itself: nobody can tell from here, and that is no pass.
    assert [met(n).holds for n in ("8:1", "254:2", "9:9")] == [None, None, None]


def test_the_file_system_under_a_file_is_the_deepest_and_the_last(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 0:40 / /far\\040away rw shared:1 - nfs4 server:/x rw\n"
        "3 1 0:41 / /far rw - tmpfs tmpfs rw\n"
        "broken\n",
        "utf-8",
    )
    kinds = {
        path: found.kind if (found := guarded.mount(Path(path), mounts)) else None
        for path in ("/far away/x", "/far/x", "/farther", "/")
    }
    assert kinds == {"/far away/x": "nfs4", "/far/x": "tmpfs", "/farther": "ext4", "/": "ext4"}
    assert guarded.way(guarded.mount(Path("/far away/x"), mounts)).holds is None
    assert guarded.mount(Path("/x"), tmp_path / "none") is None


def test_a_postgresql_on_this_machine(fresh_pg_url: str, pg_server: Server) -> None:
    store = PostgreSQLStore("shop", (), fresh_pg_url)
    met = store.safety()
    assert held(met) == {"transport": True, "exposure": True}
    (name,) = met.names
    other = PostgreSQLStore("shop", (), pg_server.url("postgres", SUPERUSER)).safety()
    # Each sees the other under its own name.
    assert name in other.seen
    assert all(word.startswith("the database `") for word in other.seen.values())
    files = PostgreSQLStore("shop", (), fresh_pg_url, options={"data_directory": "/"}).safety()
    assert "encryption" in held(files)


@pytest.mark.parametrize(
    ("rule", "safe", "said"),
    [
        ("local all all trust", True, "no rule"),
        ("host all all 127.0.0.1/32 trust", True, "no rule"),
        ("host all all 0.0.0.0/0 reject", True, "no rule"),
        ("hostssl all all 10.0.0.0/8 scram-sha-256", True, "named networks"),
        ("hostssl all all 10.0.0.0/8 trust", False, "without a password"),
        ("host all all 10.0.0.0/8 scram-sha-256", False, "without TLS"),
        ("hostssl all all 0.0.0.0/0 scram-sha-256", None, "every address"),
        ("hostssl all all all scram-sha-256", None, "every address"),
    ],
)
def test_the_rules_of_a_postgresql_are_read(
    pg_server: Server, rule: str, safe: bool | None, said: str
) -> None:
    """The server is never told to use the rule: it is only read, as it would be."""
    file = pg_server.data / "pg_hba.conf"
    before = file.read_text("utf-8")
    here = [("shop", "then", False, False, True, "*", True, "18.1 (Debian)", False)]
    try:
        file.write_text(f"{rule}\n", "utf-8")
        with psycopg.connect(pg_server.url("postgres", SUPERUSER)) as connection:

            def ask(text: str) -> list[tuple[object, ...]]:
                if "pg_postmaster_start_time" in text:
                    return list(here)  # as of a server that listens to the network
                return connection.execute(text.encode()).fetchall()

            met = servers.postgresql(ask, None)
    finally:
        file.write_text(before, "utf-8")
    by = {m.aspect: m for m in met.measured}
    assert by["exposure"].holds is safe
    assert said in by["exposure"].words
    assert by["transport"].holds is True


def test_a_postgresql_across_the_network_without_tls() -> None:
    def ask(text: str) -> list[tuple[object, ...]]:
        asked = "pg_postmaster_start_time" in text
        return (
            [("shop", "then", False, False, False, "*", False, "18.1 (Debian)", True)]
            if asked
            else []
        )

    met = servers.postgresql(ask, None)
    assert held(met) == {"transport": False, "exposure": None}
    assert (met.software, met.unsaved) == ((Software("PostgreSQL", "18.1"),), True)


def test_a_mariadb(fresh_maria_url: str) -> None:
    met = MariaDBStore("shop", (), fresh_maria_url).safety()
    assert held(met)["transport"] is True
    assert held(met)["encryption"] is None  # its tables are plain; its drive nobody knows
    assert len(met.names) == 1
    assert not met.names & set(met.seen)


@pytest.mark.parametrize(
    ("said", "safe"),
    [
        ({"bind_address": "127.0.0.1"}, True),
        ({"bind_address": "*", "skip_networking": "ON"}, True),
        ({"bind_address": "*", "require_secure_transport": "OFF"}, False),
        ({"bind_address": "127.0.0.1,10.0.0.1"}, False),
        ({"bind_address": "*", "require_secure_transport": "ON"}, None),
    ],
)
def test_the_doors_of_a_mariadb(said: dict[str, str], safe: bool | None) -> None:
    assert servers.listening(said).holds is safe
