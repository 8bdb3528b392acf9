"""The embedded server's life and death, and Kept's database by URL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kept import embedded, migrations
from kept.database import Database, connecting, without_values
from kept.embedded import SUPERUSER, Server, url_of
from kept.errors import DatabaseError


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A deployment directory whose server, if it was left, is stopped at the end."""
    yield tmp_path
    if (tmp_path / "postgres" / "data" / "postmaster.pid").exists():
        server = Server(tmp_path / "postgres")
        server.acquire()
        server.release()
    assert not _runs(tmp_path)


def _pid(directory: Path) -> int | None:
    file = directory / "postgres" / "data" / "postmaster.pid"
    return int(file.read_text().split("\n")[0]) if file.exists() else None


def _runs(directory: Path) -> bool:
    pid = _pid(directory)
    return pid is not None and embedded._is_postgres(pid)


def _python(directory: Path, body: str, **more: object) -> subprocess.Popen[str]:
    """Another process that opens the database of `directory` and goes on with `body`."""
    code = (
        "import sys, time, os, signal\nfrom pathlib import Path\n"
        "from kept.database import Database\n"
        f"d = Database.open('embedded', Path({str(directory)!r}))\n" + textwrap.dedent(body)
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.PIPE, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read())
    return line


def test_starts_stops_and_keeps_what_was_committed(directory: Path) -> None:
    with Database.open("embedded", directory) as database, database.connection() as c:
        c.execute("CREATE TABLE t (a int)")
        c.execute("INSERT INTO t VALUES (1)")
    assert _pid(directory) is None
    with Database.open("embedded", directory) as database:
        with database.connection() as c:
            assert c.execute("SELECT a FROM t").fetchall() == [(1,)]
        database.close()  # twice
    assert _pid(directory) is None


def test_works_as_an_ordinary_role_without_a_port(directory: Path) -> None:
    with Database.open("embedded", directory) as database:
        with database.connection() as c:
            assert c.execute(
                "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole,"
                " session_user = current_user FROM pg_roles WHERE rolname = current_user"
            ).fetchone() == ("kept", False, False, False, False, True)
            assert c.execute("SHOW listen_addresses").fetchone() == ("",)
            assert c.execute("SHOW timezone").fetchone() == ("UTC",)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                c.execute("SELECT * FROM pg_authid")
            c.rollback()
        data = directory / "postgres" / "data"
        assert stat.S_IMODE(data.stat().st_mode) & 0o077 == 0
        hba = (data / "pg_hba.conf").read_text().split("\n")
        assert [line for line in hba if line.strip()] == ["local all all peer map=kept"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try to come as somebody else")
def test_another_account_is_not_let_in(directory: Path) -> None:
    with Database.open("embedded", directory) as database:
        where = directory / "postgres" / "data"
        os.chmod(where, 0o711)  # even where the directory is open, the server asks who it is
        (where / ".s.PGSQL.5432").chmod(0o777)
        psql = Path(embedded._binaries()) / "psql"
        done = subprocess.run(
            [str(psql), database.url, "-c", "select 1"],
            user="nobody", group="nogroup", extra_groups=[], capture_output=True, text=True,
            cwd="/", check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert "peer authentication failed" in done.stderr.lower()


@pytest.mark.skipif(os.geteuid() != 0, reason="is what every other test here does")
def test_runs_as_an_ordinary_user(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.chown(home, "nobody", "nogroup")
    process = _python(
        tmp_path / "root",
        f"""
        # By now every module is loaded: nobody need not be able to read this Python.
        d.close()
        os.setgroups([]); os.setgid({pwd.getpwnam("nobody").pw_gid})
        os.setuid({pwd.getpwnam("nobody").pw_uid})
        d = Database.open("embedded", Path({str(home)!r}))
        with d.connection() as c: print(c.execute("select current_user").fetchone()[0])
        print(Path({str(home)!r}, "postgres", "data").stat().st_uid == os.getuid())
        d.close()
        """,
        cwd="/",
    )
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.split()) == (0, ["kept", "True"]), err
    assert _pid(home) is None


def test_processes_share_one_server_and_the_last_stops_it(directory: Path) -> None:
    first = _python(directory, "print('up', flush=True); sys.stdin.read()")
    assert _line(first) == "up"
    pid = _pid(directory)
    second = Database.open("embedded", directory)
    assert _pid(directory) == pid
    first.communicate("", timeout=30)  # ends without close: atexit leaves for it
    assert first.returncode == 0
    with second.connection() as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    second.close()
    assert _pid(directory) is None


def test_many_start_at_once(directory: Path) -> None:
    body = "\nwith d.connection() as c: print(c.execute('select 1').fetchone()[0])\nd.close()"
    processes = [_python(directory, body) for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.strip()) == (0, "1"), err
    assert _pid(directory) is None


def test_killed_processes_leave_nothing_wrong(directory: Path) -> None:
    victim = _python(
        directory,
        """
        with d.connection() as c: c.execute("create table kept_it (a int)")
        with d.connection() as c:
            c.execute("insert into kept_it values (1)")
            print("in", flush=True); time.sleep(60)
        """,
    )
    assert _line(victim) == "in"
    victim.kill()
    victim.wait()
    # Nobody was left to stop the server but the one who watched for that.
    for _ in range(200):
        if _pid(directory) is None:
            break
        time.sleep(0.1)
    assert _pid(directory) is None
    with Database.open("embedded", directory) as database, database.connection() as c:
        assert c.execute("SELECT count(*) FROM kept_it").fetchone() == (0,)
    assert _pid(directory) is None


def test_a_killed_process_stops_nobody_elses_server(directory: Path) -> None:
    victim = _python(directory, "print('up', flush=True); sys.stdin.read()")
    assert _line(victim) == "up"
    with Database.open("embedded", directory) as database:
        pid = _pid(directory)
        victim.kill()
        victim.wait()
        watch = ["pgrep", "-f", f"kept.embedded.*{directory}"]
        for _ in range(200):  # its watchdog looks, and goes; ours stays
            left = subprocess.run(watch, capture_output=True, text=True, check=False).stdout
            if len(left.split()) == 1:
                break
            time.sleep(0.1)
        assert len(left.split()) == 1
        assert _pid(directory) == pid
        with database.connection() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
    assert subprocess.run(watch, capture_output=True, check=False).stdout == b""


def test_a_killed_server_is_started_again(directory: Path) -> None:
    database = Database.open("embedded", directory)
    with database.connection() as c:
        c.execute("CREATE TABLE t AS SELECT 7 AS a")
    pid = _pid(directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DatabaseError, match="cannot be reached"):
        Database.open(database.url, directory)
    database.close()
    with Database.open("embedded", directory) as again, again.connection() as c:
        assert c.execute("SELECT a FROM t").fetchone() == (7,)


def test_a_stale_pid_of_another_program_does_not_stop_it(directory: Path) -> None:
    Database.open("embedded", directory).close()
    file = directory / "postgres" / "data" / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"]) as other:
        file.write_text(f"{other.pid}\n{file.parent}\n0\n5432\n\n\n\n")
        with Database.open("embedded", directory) as database, database.connection() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
        other.kill()


def test_an_unfinished_cluster_is_made_anew(directory: Path) -> None:
    half = directory / "postgres" / "new-0000"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    Database.open("embedded", directory).close()
    assert not half.exists()


def test_a_deep_directory_gets_a_private_socket(directory: Path) -> None:
    deep = directory / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    server = Server(deep / "postgres")
    server.acquire()
    try:
        sockets = server.socket_directory
        assert sockets != server.data
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        with psycopg.connect(server.url(SUPERUSER, SUPERUSER)) as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.release()
    shutil.rmtree(sockets)


def test_a_cluster_of_another_version_is_refused(directory: Path) -> None:
    data = directory / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("14\n")
    with pytest.raises(DatabaseError, match=r"another version.*met PostgreSQL 14"):
        Database.open("embedded", directory)
    shutil.rmtree(data)


def test_the_log_holds_no_values(directory: Path) -> None:
    with Database.open("embedded", directory) as database:
        for statement in (
            "SELECT 'ana@example.org'::int",
            "INSERT INTO subject_key VALUES (8, 'ana@example.org')",
        ):
            with pytest.raises(DatabaseError) as caught, database.connection() as c:
                c.execute(statement)
            assert "ana@" not in str(caught.value)
            assert "ana@" not in "".join(traceback.format_exception(caught.value))
            assert "ana@" not in str(caught.value.__context__)
            assert caught.value.__cause__ is None
    assert "ana@" not in (directory / "postgres" / "log").read_text()


def test_small_when_idle(directory: Path) -> None:
    with Database.open("embedded", directory) as database, database.connection() as c:
        row = c.execute("SELECT setting::int * 8 / 1024 FROM pg_settings WHERE name ="
                        " 'shared_buffers'").fetchone()  # fmt: skip
        assert row is not None
        assert row[0] <= 64


# — by URL ————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mysql://x/y", "is not one that Kept knows"),
        ("embeded", "is not one that Kept knows"),
        ("postgresql://kept:secret-word@127.0.0.1:1/kept", "refused"),
        ("postgresql:///kept?host=/nowhere", "No such file"),
        ("postgresql://[bad", "unreadable URL"),
    ],
)
def test_a_wrong_url_says_what_to_do(spec: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as caught:
        Database.open(spec, tmp_path)
    text = str(caught.value)
    assert words in text
    assert "kept.toml" in text
    assert "secret-word" not in text


def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        start = time.monotonic()
        with pytest.raises(DatabaseError, match="cannot be reached"):
            Database.open(f"postgresql://kept@127.0.0.1:{port}/kept?connect_timeout=2", tmp_path)
        assert time.monotonic() - start < 30


def test_a_missing_database_is_named(pg_server: Server, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        Database.open(pg_server.url("nosuch"), tmp_path)


def test_a_role_that_may_not_create_is_told_the_grant(pg_server: Server, tmp_path: Path) -> None:
    pg_server.make_database("guarded")
    pg_server.make_database("guarded_other", role="guest")
    with psycopg.connect(pg_server.url("guarded", SUPERUSER)) as c:
        c.execute("GRANT CONNECT ON DATABASE guarded TO guest")
    with pytest.raises(DatabaseError, match=r'GRANT CREATE ON SCHEMA public TO "guest"'):
        Database.open(pg_server.url("guarded", "guest"), tmp_path)


def test_an_older_postgresql_by_a_superusers_url(older_pg_url: str, tmp_path: Path) -> None:
    for _ in range(2):
        with Database.open(older_pg_url, tmp_path) as database, database.connection() as c:
            assert c.info.server_version // 10000 in (15, 16, 17)
            row = c.execute(
                "SELECT rolsuper, session_user FROM pg_roles WHERE rolname = session_user"
            ).fetchone()
            assert row == (False, "kept_postgres")
            assert migrations.current(c) == migrations.known()[-1]
    secret = tmp_path / "keys" / "database.password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    # A lost password is replaced; the tables are still there.
    secret.unlink()
    Database.open(older_pg_url, tmp_path).close()


# — migrations ————————————————————————————————————————————————————————————————————————————


def test_a_newer_schema_is_refused(kept_db: Database, tmp_path: Path) -> None:
    with kept_db.connection() as c:
        c.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match=r"newer Kept.*number 9999.*Upgrade"):
        Database.open(kept_db.url, tmp_path)
    with kept_db.connection() as c:
        assert migrations.current(c) == "9999"


def test_a_migration_that_fails_leaves_nothing(fresh_pg_url: str, tmp_path: Path) -> None:
    with psycopg.connect(fresh_pg_url) as c:
        c.execute("CREATE TABLE locator (in_the_way int)")
    with pytest.raises(DatabaseError, match=r"could not be made.*DuplicateTable"):
        Database.open(fresh_pg_url, tmp_path)
    with psycopg.connect(fresh_pg_url) as c:
        tables = c.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        assert [t for (t,) in tables if t != "alembic_version"] == ["locator"]
        assert migrations.current(c) is None
        c.execute("DROP TABLE locator")
    Database.open(fresh_pg_url, tmp_path).close()


def test_two_processes_migrate_at_once(fresh_pg_url: str, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from kept.database import Database;"
        f"Database.open({fresh_pg_url!r}, Path({str(tmp_path)!r})).close()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err


def test_every_file_has_its_revision() -> None:
    revisions = sorted(p.stem for p in (migrations.HERE / "versions").glob("v*.py"))
    assert revisions == [f"v{number}" for number in migrations.known()]
    for number in migrations.known():
        text = (migrations.HERE / "versions" / f"v{number}.py").read_text()
        (name,) = migrations.HERE.glob(f"{number}_*.sql")
        assert f'revision = "{number}"' in text
        assert f'run("{name.name}")' in text


# — transactions and errors ———————————————————————————————————————————————————————————————


def test_a_connection_is_one_transaction(kept_db: Database) -> None:
    def broken() -> None:
        with kept_db.connection() as c:
            c.execute("INSERT INTO subject (made_at) VALUES (now())")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    with kept_db.connection() as c, kept_db.within(c) as same:
        assert same is c
        assert c.execute("SELECT count(*) FROM subject").fetchone() == (0,)


def test_a_connection_that_the_server_ended_is_not_handed_out(kept_db: Database) -> None:
    """Also where it was used a moment ago, so that nobody asks whether it is still there."""
    with kept_db.connection() as one, kept_db.connection() as other:
        gone = {c.info.backend_pid for c in (one, other)}
    with psycopg.connect(kept_db.url, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(n, 5000) FROM unnest(%s) n", (list(gone),))
    with kept_db.connection() as one, kept_db.connection() as other:
        assert gone.isdisjoint(c.info.backend_pid for c in (one, other))
        assert one.execute("SELECT 1").fetchone() == other.execute("SELECT 1").fetchone()


def test_by_statement_each_stands_by_itself(kept_db: Database) -> None:
    with kept_db.by_statement() as connection:
        connection.execute("CREATE TABLE probe_alone (n int)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT FROM probe_nothing")
        # The error undid nothing, and left nothing to undo.
        connection.execute("INSERT INTO probe_alone VALUES (1)")
    with kept_db.connection() as connection:
        assert connection.execute("SELECT n FROM probe_alone").fetchall() == [(1,)]
        with kept_db.by_statement(connection) as same:
            assert same is connection
            same.execute("DROP TABLE probe_alone")
        assert not connection.autocommit


def test_errors_name_tables_and_no_values(kept_db: Database) -> None:
    twice = "INSERT INTO key_check VALUES (%(n)s, ''), (%(n)s, '')"
    with pytest.raises(DatabaseError) as caught, kept_db.connection() as c:
        c.execute(twice, {"n": "ana@example.org"})
    assert "UniqueViolation (23505), table `key_check`, constraint `key_check_pkey`" in str(
        caught.value
    )
    assert "ana@" not in repr(caught.value) + str(caught.value)


def test_errors_without_a_state() -> None:
    assert "lost" in str(without_values(psycopg.OperationalError("host=1.2.3.4 x")))
    assert "1.2.3.4" not in str(without_values(psycopg.OperationalError("host=1.2.3.4 x")))


def test_urls_are_quoted(pg_server: Server) -> None:
    name = "odd name/ä?x"
    url = pg_server.make_database(name)
    with connecting(url) as c:
        assert c.execute("SELECT current_database()").fetchone() == (name,)
    assert "p%40%2F%20" in url_of(user="a", password="p@/ ", dbname="d")
