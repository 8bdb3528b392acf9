"""The tables of Kept's own database, as numbered SQL files; alembic keeps the record.

Each file runs in one transaction together with its record, so a kill leaves either both or
neither. A new file `NNNN_name.sql` comes with `versions/vNNNN.py`, which names it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from kept.errors import DatabaseError

HERE: Final = Path(__file__).parent
#: Key of the advisory lock that one migrating process holds ("kept" in ASCII).
_LOCK: Final = 0x6B657074


@cache
def known() -> tuple[str, ...]:
    """Numbers of the SQL files of this version of Kept, in order."""
    return tuple(sorted(path.name.partition("_")[0] for path in HERE.glob("[0-9]*_*.sql")))


def migrate(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Bring the database to this version's tables; the numbers that were run.

    Two processes may call it at once: the second waits, then finds nothing to do.
    Raises DatabaseError where the tables are of a newer Kept, or may not be made.
    """
    connection.rollback()
    connection.autocommit = True
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        at = current(connection)
        ours = known()
        if at is not None and at not in ours:
            raise DatabaseError(
                "Kept's database was made by a newer Kept",
                expected=f"tables up to number {ours[-1]}",
                met=f"number {at}",
                fix="upgrade this installation of kept; nothing was changed",
            )
        todo = [number for number in ours if at is None or number > at]
        if todo:
            _may_create(connection)
            connection.autocommit = False
            _upgrade(connection)
            connection.autocommit = True
        return todo
    finally:
        if not connection.closed:
            connection.rollback()
            connection.autocommit = True
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def current(connection: psycopg.Connection[tuple[Any, ...]]) -> str | None:
    """The number of the newest file that was run, or None for an empty database."""
    there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if there is None or there[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def run(name: str) -> None:
    """Run the SQL file `name` in the transaction that alembic has open. For versions/ only."""
    from alembic import op

    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    # Straight on the driver without parameters: the file may hold many statements, and
    # its colons and percent signs are SQL's own.
    driver.execute((HERE / name).read_bytes())


def _may_create(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    row = connection.execute(
        "SELECT has_schema_privilege(current_schema(), 'CREATE'), current_user, current_database()"
    ).fetchone()
    assert row is not None
    if not row[0]:
        raise DatabaseError(
            "Kept may not make its tables",
            expected=f"the right CREATE on a schema of database `{row[2]}`",
            met=f"the role `{row[1]}` without it",
            fix=f"run: GRANT CREATE ON SCHEMA public TO {sql.Identifier(row[1]).as_string()}; "
            "or make that role the owner of the database",
        )


def _upgrade(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    # Imported here: a database that is up to date is opened without alembic and SQLAlchemy.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool
    )
    failure: DatabaseError | None = None
    with engine.connect() as bound:
        config.attributes["connection"] = bound
        try:
            command.upgrade(config, "head")
        except psycopg.Error as error:
            failure = DatabaseError(
                "Kept's tables could not be made",
                met=f"{type(error).__name__} ({error.sqlstate})",
                fix="the database is as it was before; mend the cause and start again",
            )
    if failure is not None:
        raise failure
