"""What is left in a PostgreSQL: pages, indexes, statistics, log; the oracle reads its files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.stores import test_conformance
from tests.stores.engines import fill_postgresql

from kept.datamap.map import Dataset, Field
from kept.embedded import SUPERUSER, Server
from kept.errors import StoreError
from kept.model.residue import Fate, Needles, Residue
from kept.stores import looking
from kept.stores.base import Store
from kept.stores.postgresql import PostgreSQLStore
from kept.stores.suite import DATASETS, Rows

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ANA, LONG = "ana@residue.example", "ana.long@residue.example"
PERSON = Dataset("person", ("id",), {n: Field(n, "text") for n in ("id", "mail", "note")})


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def url(fresh_pg_url: str) -> str:
    run(
        fresh_pg_url,
        "CREATE TABLE person (id int PRIMARY KEY, mail text UNIQUE, note text)"
        " WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)",
        "ALTER TABLE person ALTER note SET STORAGE EXTERNAL",
        f"INSERT INTO person SELECT n, CASE n WHEN 150 THEN '{ANA}' ELSE 'p' || n || '@x.de' END,"
        f" CASE n WHEN 150 THEN repeat('x', 5000) || '{LONG}' || repeat('y', 500) END"
        " FROM generate_series(1, 300) n",
        "ANALYZE person",
    )
    return fresh_pg_url


def store(url: str, files: Path | None, **options: object) -> PostgreSQLStore:
    given = {**({"data_directory": str(files)} if files else {}), **options}
    return PostgreSQLStore("shop", (PERSON,), url, options=given)


def told(made: Store, *texts: str) -> dict[str, Residue]:
    found = {r.layer: r for r in made.residue(Needles(texts or (ANA, LONG)), NOW)}
    made.close()
    return found


def test_a_deleted_row_is_met_until_its_table_is_written_anew(url: str, pg_server: Server) -> None:
    made = store(url, pg_server.data)
    living = told(made)
    assert {living[n].fate for n in ("tables", "indexes", "planner statistics")} == {Fate.UNTIL}
    assert living["tables"].found == 2  # one of them in a long value beside the table
    run(url, "DELETE FROM person WHERE id = 150")
    dead = told(made)
    assert "in pages of `person` where no row is any more" in dead["tables"].words
    (plain,) = made.scrubbing()
    assert plain.what.startswith("VACUUM (ANALYZE)")
    made.scrub()
    assert told(made)["planner statistics"].fate is not Fate.UNSEEN
    (full,) = made.scrubbing(full=True)
    assert "ACCESS EXCLUSIVE" in full.locks
    made.scrub(full=True)
    clean = told(made)
    assert {n: clean[n].fate for n in ("tables", "indexes")} == {
        "tables": Fate.GONE, "indexes": Fate.GONE,
    }  # fmt: skip
    assert clean["write-ahead log"].fate is Fate.UNTIL


def test_what_is_not_shown_is_not_gone(url: str, pg_server: Server) -> None:
    plain = _without_checkpoint(pg_server, url)
    for made in (
        store(url, None), store(url, Path("/nowhere")), store(plain, pg_server.data)
    ):  # fmt: skip
        fates = {n: r.fate for n, r in told(made).items() if n != "write-ahead log"}
        assert set(fates.values()) == {Fate.UNSEEN}, fates


def _without_checkpoint(server: Server, url: str) -> str:
    """A role that may read the table, but not ask for a checkpoint."""
    database = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(server.url("postgres", SUPERUSER), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS plain_one")
        admin.execute("CREATE ROLE plain_one LOGIN")
        admin.execute(f'GRANT CONNECT ON DATABASE "{database}" TO plain_one')
    return server.url(str(database), "plain_one")


def test_too_much_to_look_through_is_not_gone(
    url: str, pg_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MOST", 1000)
    found = told(store(url, pg_server.data))
    assert {r.fate for r in found.values()} == {Fate.UNSEEN}
    assert {r.fate for r in told(store(url, pg_server.data), "ab").values()} == {Fate.UNSEEN}


def test_a_compressed_log_is_not_called_gone(url: str, pg_server: Server) -> None:
    with psycopg.connect(pg_server.url("postgres", SUPERUSER), autocommit=True) as admin:
        database = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        admin.execute(f'ALTER DATABASE "{database}" SET wal_compression = on')
    nowhere = told(store(url, pg_server.data), "nobody.at.all@residue.example")
    assert nowhere["tables"].fate is Fate.GONE
    assert nowhere["write-ahead log"].fate is Fate.UNSEEN


def test_tables_of_another_role_are_left_and_named(url: str, pg_server: Server) -> None:
    database = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    made = store(url, pg_server.data)
    with psycopg.connect(pg_server.url(database, SUPERUSER), autocommit=True) as admin:
        admin.execute("ALTER TABLE person OWNER TO postgres")
        admin.execute("GRANT SELECT ON person TO company")
    (left,) = made.scrubbing(full=True)
    assert left.what == "nothing with public.person"
    made.scrub(full=True)
    run(pg_server.url(database, SUPERUSER), "ALTER TABLE person OWNER TO company")
    locked = store(url, None, lock_timeout=0.1)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE person IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError, match="in use by others"):
            locked.scrub()


class TestWithFiles(test_conformance.TestPostgreSQL):
    """The laws of what is left, where the files of the server may be read."""

    @pytest.fixture(autouse=True)
    def _files(self, pg_server: Server) -> None:
        self.files = pg_server.data

    def make(self, rows: Rows) -> Store:
        fill_postgresql(self.url, rows)
        return self.open()

    def open(self) -> Store:
        return PostgreSQLStore(
            "shop", DATASETS, self.url, options={"data_directory": str(self.files)}
        )

    def beneath(self, layer: str) -> Iterator[bytes]:
        """The files of the layer, by their names in the catalogue."""
        if layer == "write-ahead log":
            yield from (f.read_bytes() for f in (self.files / "pg_wal").iterdir() if f.is_file())
            return
        kinds = {"tables": "'r', 't'", "indexes": "'i'", "planner statistics": "'r'"}[layer]
        schema = "=" if layer == "planner statistics" else "<>"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")  # else the disk is older than the rows
            paths = connection.execute(
                "SELECT pg_relation_filepath(c.oid) FROM pg_class c WHERE"
                f" relnamespace {schema} 'pg_catalog'::regnamespace AND relkind IN ({kinds})"
                + (" AND relname LIKE 'pg\\_statistic'" if schema == "=" else "")
                + " AND pg_relation_filepath(c.oid) IS NOT NULL"
            ).fetchall()
        yield from ((self.files / p).read_bytes() for (p,) in paths if (self.files / p).exists())


for _name in [n for n in dir(TestWithFiles) if n.startswith("test_")]:
    if "gone_is_said" not in _name and "tell_no_value" not in _name:
        setattr(TestWithFiles, _name, None)


class GoneWhenNoQueryFindsIt(PostgreSQLStore):
    """As many products do: VACUUM has run, so it is gone."""

    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        self.scrub()
        return [Residue("tables", Fate.GONE, "vacuumed", looked=8192)]


def test_vacuumed_is_not_gone(pg_url: str, pg_server: Server) -> None:
    class Suite(TestWithFiles):
        __test__ = False

        def open(self) -> Store:
            return GoneWhenNoQueryFindsIt("shop", DATASETS, self.url)

    suite = Suite()
    suite.url, suite.files = pg_url, pg_server.data
    with pytest.raises(AssertionError):
        suite.test_gone_is_said_only_of_what_was_looked_at()
