"""`kept map check` names every table and column that no map names, on real engines."""

from __future__ import annotations

import re
import socket
import sqlite3
from pathlib import Path

import psycopg
import pytest
import yaml
from tests.app.conftest import ROOT, Kept
from tests.stores.discover import worlds
from tests.world import REFERENCE

from kept.stores import refusals

#: Shapes of tables that could be overlooked; none of them is in the map.
NEW = (
    'CREATE TABLE "Leads 2026" (mail text)',
    "CREATE TABLE empty_one (id integer primary key)",
    "CREATE VIEW shown AS SELECT imie FROM klienci",
    'ALTER TABLE klienci ADD COLUMN "Notes on her" text',
    "ALTER TABLE klienci ADD COLUMN telefon text",
    "ALTER TABLE zamowienia ADD COLUMN dostawa text",
)
#: What only PostgreSQL has.
POSTGRESQL = (
    "CREATE SCHEMA archive",
    "CREATE TABLE archive.klienci (id integer primary key, imie text)",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM klienci",
    "CREATE TABLE log (at date) PARTITION BY RANGE (at)",
    "CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_every_table_and_column_without_a_map_is_named(
    engine: str, kept: Kept, tmp_path: Path, fresh_pg_url: str
) -> None:
    file = tmp_path / "shop.sqlite"
    if engine == "sqlite":
        url = worlds.into_sqlite(file, worlds.POLISH)
    else:
        url = fresh_pg_url
        worlds.into_postgresql(url, worlds.POLISH)
    (tmp_path / "kept.toml").write_text(
        f'bundle = "{REFERENCE}"\ndatabase = "{fresh_pg_url}"\n\n[systems.shop]\n'
        f'store = "{engine}"\nurl = "{url}"\nmode = "observe"\nmap = "shop.yml"\n',
        "utf-8",
    )
    made = kept("map", "discover", url, "--write", tmp_path / "shop.yml", "--dir", tmp_path)
    assert made.status == 0, made.err
    draft = kept("map", "check", "--json", "--dir", tmp_path)
    assert draft.document["problems"] == []
    assert draft.status == 0
    # What a draft leaves open is no error of form, and is said all the same, with its lines.
    left = [n["words"] for n in draft.document["notes"] if "still to decide" in n["words"]]
    assert len(left) == 2
    lines = (tmp_path / "shop.yml").read_text("utf-8").splitlines()
    first = int(left[1].partition("shop.yml:")[2].partition(",")[0])
    assert "# ?" in lines[first - 1]
    # As many are to be decided as the draft asks, each said once; and each of them asks.
    asked = [question for line in lines for question in line.split("# ? ")[1:]]
    assert draft.document["undecided"] == len(asked)
    assert f"{len(asked)} questions marked `# ?`" in made.out
    assert all("?" in question for question in asked)
    if engine == "sqlite":  # the database of the other one is to hold what the world made, only
        doctor = kept("doctor", "--dir", tmp_path)
        assert "used for; name it under `activities:`" in doctor.out

    more = [*NEW, *(POSTGRESQL if engine == "postgresql" else ())]
    if engine == "sqlite":
        with sqlite3.connect(file) as connection:
            for statement in more:
                connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(url) as there:
            for statement in more:
                there.execute(statement)
    checked = kept("map", "check", "--json", "--dir", tmp_path)
    assert checked.status == 1
    said = {p["what"] for p in checked.document["problems"]}
    tables = {"Leads 2026", "empty_one", "shown"}
    if engine == "postgresql":
        tables |= {"archive.klienci", "counted", "log"}
    columns = {
        "klienci": ("Notes on her", "telefon"),
        "zamowienia": ("dostawa",),
    }
    assert said == {f"`{t}` is there, but no map names it" for t in tables} | {
        f"{t}: the field `{c}` is there, but no map names it"
        for t, several in columns.items()
        for c in several
    }
    words = kept("map", "check", "--dir", tmp_path)
    assert all(name in words.out for name in (*tables, "Notes on her", "telefon", "dostawa"))


def test_what_proves_who_logs_in_is_drafted_as_secret(kept: Kept, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.sqlite") as connection:
        connection.execute(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, username TEXT,"
            " password_hash TEXT, agent TEXT)"
        )
    connection.close()
    url = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    made = kept("map", "discover", url, "--write", tmp_path / "shop.yml", "--dir", tmp_path)
    assert made.status == 0, made.said
    lines = (tmp_path / "shop.yml").read_text("utf-8").splitlines()
    (agent,) = (line for line in lines if line.strip().startswith("agent:"))
    assert "# ? does it name somebody else? say `others: staff`" in agent
    secret = [line.split(":")[0].strip() for line in lines if "secret: true" in line]
    assert secret == ["password_hash"]


def test_what_is_named_like_a_secret_is_asked_about_until_the_map_says(
    kept: Kept, place: Path
) -> None:
    file = place / "datamap" / "example.yml"
    with sqlite3.connect(place / "example.sqlite3") as connection:
        for column in ("senha", "resetToken", "pwd_hash", "token_count"):
            connection.execute(f"ALTER TABLE customer ADD COLUMN {column} TEXT")
    bare = file.read_text("utf-8")

    def notes(said: str) -> list[str]:
        names = ("senha", "resetToken", "pwd_hash")
        fields = "".join(f"      {name}: {{category: contact{said}}}\n" for name in names)
        fields += "      token_count: text\n"
        file.write_text(bare.replace("      country: text\n", f"      country: text\n{fields}"))
        ran = kept("map", "check", "--json", "--dir", place)
        assert ran.document["problems"] == [], ran.said
        return [n["words"] for n in ran.document["notes"] if "log-in" in n["words"]]

    (asked,) = notes("")
    assert "`customer.senha`, `customer.resetToken`, `customer.pwd_hash`)" in asked
    assert "secret: true" in asked
    assert "secret: false" in asked
    assert "example.yml:5)" in asked
    assert notes(", secret: true") == notes(", secret: false") == []


def test_texts_are_asked_about_until_the_map_says_who_may_be_named_there(
    kept: Kept, place: Path
) -> None:
    file = place / "datamap" / "example.yml"
    bare = file.read_text("utf-8")
    assert "free_text: redact" in bare

    def notes(said: str) -> list[str]:
        file.write_text(bare.replace(", free_text: redact", said), "utf-8")
        ran = kept("map", "check", "--json", "--dir", place)
        assert ran.document["problems"] == [], ran.said
        return [n["words"] for n in ran.document["notes"] if "named in" in n["words"]]

    (asked,) = notes("")
    assert "1 text (`message.words`)" in asked
    for word in ("`free_text: redact`", "`delete`", "`true`"):
        assert word in asked
    for said in ("redact", "delete", "true", "false"):
        assert notes(f", free_text: {said}") == []


def test_the_showcase_hands_out_no_secret() -> None:
    """Every column of the example company that proves a log-in is said to be secret."""
    datasets = yaml.safe_load((ROOT / "examples/company/datamap/customers.yml").read_text("utf-8"))
    said = {
        (name, field)
        for name, dataset in datasets["datasets"].items()
        for field, words in dataset["fields"].items()
        if isinstance(words, dict) and words.get("secret") is True
    }
    assert said == {("account", "password_hash"), ("login_session", "token_hash")}


def test_a_map_that_is_a_draft_erases_nothing(kept: Kept, place: Path) -> None:
    file = place / "datamap" / "example.yml"
    decided = file.read_text("utf-8")
    file.write_text(decided.replace("datetime\n", "datetime  # ? is this so\n", 1), "utf-8")
    line = next(n for n, words in enumerate(file.read_text().splitlines(), 1) if "# ?" in words)
    asked = ("rights", "erase", "--identity", "email=ana@example.org", "--override", "a test")
    plan = kept(*asked, "--dir", place)
    assert "1 question of the map of example is undecided" in plan.out.replace("\n", " ")
    refused = kept(*asked, "--yes", "--dir", place)
    assert refused.status == 2
    assert f"example.yml:{line}" in refused.err

    def left() -> int:
        with sqlite3.connect(place / "example.sqlite3") as connection:
            (count,) = connection.execute("SELECT count(*) FROM message").fetchone()
        return int(count)

    assert left() == 3
    file.write_text(decided, "utf-8")
    assert kept(*asked, "--yes", "--dir", place).status == 0
    assert left() == 1


def test_a_database_that_cannot_be_asked_is_told_with_what_to_mend(
    kept: Kept, tmp_path: Path, fresh_pg_url: str
) -> None:
    (tmp_path / "text.sqlite").write_text("no database at all")
    closed = "postgresql://kept:geheim-77@127.0.0.1:1/shop"
    role = re.sub(r"user=\w+", "user=nobody_77", fresh_pg_url)
    base = re.sub(r"///\w+", "///nothing_77", fresh_pg_url)
    assert len({fresh_pg_url, role, base}) == 3
    for url, met, mend in (
        (closed, "port 1; nothing answers there", "Check host and port in the URL"),
        (role, "it refused the login", "Check user and password of the URL"),
        (base, "it has no such database", "Check the name of the database in the URL"),
        (f"sqlite:///{tmp_path / 'none.sqlite'}", "met no file there", "Check the URL"),
        (f"sqlite:///{tmp_path}", "met a directory", "Check the URL"),
        (f"sqlite:///{tmp_path / 'text.sqlite'}", "a file of another kind", "Check the URL"),
        ("mysql://kept:geheim-77@host/shop", "met mysql://…", "MariaDB is mariadb://"),
        ("geheim-77@host://shop", "met no URL", "keep it in the environment as env:NAME"),
        (str(tmp_path / "text.sqlite"), "met no URL", "sqlite:/// before the path of the file"),
        ("env:KEPT_NO_SUCH", "no `KEPT_NO_SUCH`", "export KEPT_NO_SUCH=…"),
    ):
        ran = kept("map", "discover", url)
        assert ran.status in (1, 2)
        assert met in ran.err, ran.err
        assert mend in ran.err, ran.err
        assert "kept.toml" not in ran.err
        assert "geheim" not in ran.said


def test_what_the_network_met_is_told_in_words() -> None:
    assert refusals.of_socket(socket.gaierror(-2, "x")) == refusals.NO_HOST
    assert refusals.of_socket(ConnectionRefusedError()) == refusals.NOBODY
    assert refusals.of_socket(TimeoutError()) == refusals.LATE
    assert refusals.of_socket(None) == ""
    named = psycopg.OperationalError(
        "failed to resolve host 'a.invalid': Name or service not known"
    )
    assert refusals.of_libpq(named) == refusals.NO_HOST
    assert "the host in" in refusals.fix(refusals.NO_HOST)
