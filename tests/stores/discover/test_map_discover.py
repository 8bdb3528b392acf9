"""`kept map discover`: what it prints, what it never prints, how it ends."""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.stores.discover import worlds
from tests.stores.discover.test_discover import ENGINES, VIEW, open_world

from kept.embedded import SUPERUSER, Server
from kept.stores.discover import discover, document, draft
from kept.stores.sql import PostgreSQLStore

COMMAND = [sys.executable, "-m", "kept.app", "map", "discover"]


# ------------------------------------------------------------ nothing personal comes out

CANARY = "Zquixotic"
#: The server's message repeats the value that it could not convert.
BROKEN = 'CREATE VIEW "Broken" AS SELECT "UserName"::integer AS "Number" FROM "Users"'


def canaries(world: list[worlds.Table]) -> list[str]:
    """A canary in every text column and, as a number, in every whole-number column but keys."""
    made = []
    for table, columns, _ in world:
        for name, (kind, what) in columns.items():
            if kind == "text":
                value = f"'{CANARY}@example.org'" if what == "email" else f"'{CANARY} 77{name}'"
                made.append(f'UPDATE "{table}" SET "{name}" = {value}')
            elif kind == "json":
                value = f'\'{{"{CANARY}": "{CANARY}", "user_id": 7715131771}}\''
                made.append(f'UPDATE "{table}" SET "{name}" = {value}')
            elif kind == "integer" and what == "small":
                made.append(f'UPDATE "{table}" SET "{name}" = 1771513177')
    return made


@pytest.mark.parametrize("engine", ENGINES)
def test_no_value_ever_comes_out(
    engine: str,
    fresh_pg_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    more = [*canaries(worlds.ENGLISH), VIEW]
    if engine == "postgresql":
        more.append(BROKEN)
    store = open_world(engine, worlds.ENGLISH, fresh_pg_url, tmp_path, *more)
    url = fresh_pg_url if engine == "postgresql" else f"sqlite:///{tmp_path / 's.sqlite'}"
    found = discover(store, year=2026)
    texts = [json.dumps(document(found)), draft(found, "s"), repr(found), caplog.text]
    out = tmp_path / "out"
    for more in ([], ["--json"], ["--full", "--write", str(out / "s.yml")]):
        command = [*COMMAND, url, *more]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ran.returncode == (1 if engine == "postgresql" else 0), ran.stderr
        texts += [ran.stdout, ran.stderr]
    texts += [
        p.read_text("utf-8") for p in tmp_path.rglob("*") if p.suffix != ".sqlite" and p.is_file()
    ]
    texts += list(capfd.readouterr())
    for text in texts:
        assert CANARY.lower() not in text.lower()
        assert "177151317" not in text
    assert any("contact.email" in text for text in texts)


def test_the_command_speaks_json(tmp_path: Path) -> None:
    url = worlds.into_sqlite(tmp_path / "s.sqlite", worlds.POLISH)
    command = [*COMMAND, url, "--json"]
    made = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    (orders,) = (d for d in made["datasets"] if d["name"] == "zamowienia")
    (link,) = orders["links"]
    assert link["column"] == "klient_id"
    assert link["to"] == "klienci.id"
    assert link["kind"] == "owned-by"
    assert 0 <= link["confidence"] <= 1
    assert link["evidence"]


def test_what_leads_to_people_whom_no_word_calls_people_is_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "choir.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(
            """
            CREATE TABLE singer (singer_no INTEGER PRIMARY KEY, mail TEXT NOT NULL, voice TEXT);
            CREATE TABLE hall (hall_no INTEGER PRIMARY KEY, title TEXT);
            CREATE TABLE booking (booking_no INTEGER PRIMARY KEY, seats INTEGER,
                singer_no INTEGER REFERENCES singer, hall_no INTEGER REFERENCES hall);
            INSERT INTO singer VALUES (1, 'bea@example.org', 'alto');
            INSERT INTO singer VALUES (2, 'cem@example.org', 'bass');
            INSERT INTO hall VALUES (1, 'Great'), (2, 'Small');
            INSERT INTO booking VALUES (1, 2, 1, 1), (2, 4, 2, 2);
            """
        )
    written = tmp_path / "choir.yml"
    command = [*COMMAND, f"sqlite:///{file}", "--write", str(written)]
    subprocess.run(command, capture_output=True, check=True)
    asked = [line for line in written.read_text("utf-8").splitlines() if "`owned-by`" in line]
    (line,) = asked
    assert "fields: [singer_no], to: singer" in line
    assert "# ? rows of `singer` name people by their addresses" in line
    assert "nobody's" not in line


def test_whose_a_row_of_staff_is_that_names_somebody_by_an_address_is_asked_about(
    tmp_path: Path,
) -> None:
    file = tmp_path / "helpdesk.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(
            """
            CREATE TABLE agents (agent_id INTEGER PRIMARY KEY, name TEXT, mail TEXT);
            CREATE TABLE tickets (ticket_no INTEGER PRIMARY KEY, from_email TEXT NOT NULL,
                agent_id INTEGER);
            CREATE TABLE shifts (shift_no INTEGER PRIMARY KEY, agent_id INTEGER, hours INTEGER);
            INSERT INTO agents VALUES (1, 'Bea', 'bea@shop.example');
            INSERT INTO agents VALUES (2, 'Cem', 'cem@shop.example');
            INSERT INTO tickets VALUES (1, 'ana@example.org', 1), (2, 'dan@example.org', 2);
            INSERT INTO shifts VALUES (1, 1, 8), (2, 2, 6);
            """
        )
    written = tmp_path / "helpdesk.yml"
    command = [*COMMAND, f"sqlite:///{file}", "--write", str(written)]
    subprocess.run(command, capture_output=True, check=True)
    links = [line for line in written.read_text("utf-8").splitlines() if "to: agents" in line]
    tickets, shifts = sorted(links, key=lambda line: "did for whoever" not in line)
    assert "# ? is a row what somebody of `agents` did for whoever `from_email` names?" in tickets
    assert "kind: owned-by" in shifts
    assert "# ?" not in shifts


def test_rows_that_nobody_seems_to_own_are_not_overlooked_in_silence(tmp_path: Path) -> None:
    """Names beside addresses, addresses inside texts, and what lies behind such a table."""
    file = tmp_path / "choir.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(
            """
            CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, given TEXT, alias TEXT,
                voice TEXT, email TEXT);
            CREATE TABLE booking (id INTEGER PRIMARY KEY, singer_id INTEGER, seats INTEGER);
            CREATE TABLE fitting (id INTEGER PRIMARY KEY, booking_id INTEGER, remark TEXT);
            CREATE TABLE letter (id INTEGER PRIMARY KEY, singer_id INTEGER, body TEXT);
            CREATE TABLE hall (id INTEGER PRIMARY KEY, name TEXT, summary TEXT);
            CREATE TABLE hiker (id INTEGER PRIMARY KEY, nick TEXT, born TEXT);
            CREATE TABLE berth (id INTEGER PRIMARY KEY, moored_by TEXT, street TEXT, zip TEXT);
            CREATE TABLE horn (id INTEGER PRIMARY KEY, blown TEXT, dial TEXT);
            CREATE TABLE stay (id INTEGER PRIMARY KEY, hiker_id INTEGER, night TEXT);
            """
        )
        for n in range(1, 31):
            first, last = worlds.FIRST[n % 8], worlds.LAST[n % 7]
            mail = f"{first}.{n}@example.org".lower()
            voice = ("Alto", "Bass")[n % 2]
            alias = f"{last[:3]}{first[-3:].lower()}{chr(96 + n % 26)}"
            row = (n, f"{first} {last}", first, alias, voice, mail)
            made.execute("INSERT INTO singer VALUES (?, ?, ?, ?, ?, ?)", row)
            made.execute("INSERT INTO booking VALUES (?, ?, ?)", (n, n, n % 4))
            text = f"longer sleeves and one more button please, number {n}"
            made.execute("INSERT INTO fitting VALUES (?, ?, ?)", (n, n, text))
            body = f"Dear all, please answer to {mail} about rehearsal {n}"
            made.execute("INSERT INTO letter VALUES (?, ?, ?)", (n, n, body))
            made.execute("INSERT INTO hiker VALUES (?, ?, ?)", (n, alias, f"{1950 + n}-03-{n:02}"))
            name = f"{first} {last}"
            made.execute(
                "INSERT INTO berth VALUES (?, ?, ?, ?)", (n, name, f"Hafenweg {n}", f"{10100 + n}")
            )
            number = f"+49 30 9018{n:02}{n:02}"
            made.execute("INSERT INTO horn VALUES (?, ?, ?)", (n, name, number))
            made.execute("INSERT INTO stay VALUES (?, ?, ?)", (n, n, "2026-07-01"))
            about = " ".join(worlds.PROSE[(n * k) % len(worlds.PROSE)] for k in range(1, 9))
            made.execute("INSERT INTO hall VALUES (?, ?, ?)", (n, f"Hall {n}", about))
    written = tmp_path / "choir.yml"
    command = [*COMMAND, f"sqlite:///{file}", "--write", str(written)]
    subprocess.run(command, capture_output=True, check=True)
    drafted = written.read_text("utf-8").splitlines()
    lines = {}
    dataset = ""
    for line in drafted:
        if line.startswith("  ") and line[2:3].isalpha():
            dataset = line.strip(" :")
        elif line.startswith("      "):
            lines[dataset, line.strip().split(":")[0]] = line
    for column in ("name", "given"):
        assert "category: contact.name" in lines["singer", column]
        assert "# ? is this the name of whoever is reached" in lines["singer", column]
    for place in (("singer", "alias"), ("berth", "moored_by"), ("horn", "blown")):
        assert "# ? is this the name of whoever is reached" in lines[place]
    assert "# ? is this where somebody lives?" in lines["berth", "street"]
    assert "?" not in lines["singer", "voice"]
    assert "30 of 30 values: text with an address in it" in lines["letter", "body"]
    assert "free_text: true" in lines["letter", "body"]
    assert "?" not in lines["hall", "name"]
    assert "# ? may people be named in this text?" in lines["hall", "summary"]
    links = [line for line in drafted if "kind: accessed-by" in line]
    assert ["`owned-by`" in line for line in links] == [True] * 4
    assert any("rows of `hiker` say something of people (`born`)" in line for line in links)
    (far,) = (line for line in links if "to: booking" in line)
    assert "may be the data of whoever is meant in `singer`" in far
    assert "say what it holds: `remark` (free-text)" in far
    assert ["erase: never" in line for line in drafted].count(True) == 1, "that of `hall`"
    # By a date of birth or a street alone nobody is found; by an address or a number she is.
    lost = [
        drafted[at + 1].strip(" :")
        for at, line in enumerate(drafted)
        if "nothing in it leads to whoever that is: write `identifies:`" in line
    ]
    assert sorted(lost) == ["berth", "hiker"]
    assert _asked([*command[:-2], "--json"], "nothing in it leads to whoever that is") == {
        ("berth", "id"),
        ("hiker", "id"),
    }


def test_names_alone_and_addresses_in_lists_are_asked_about(tmp_path: Path) -> None:
    """No address beside a name, no blank beside an address, and staff beside what is of people."""
    file = tmp_path / "hut.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(
            """
            CREATE TABLE hikers (id INTEGER PRIMARY KEY, name TEXT, hut TEXT);
            CREATE TABLE hikes (id INTEGER PRIMARY KEY, hiker_id INTEGER, peak TEXT);
            CREATE TABLE guestbook (id INTEGER PRIMARY KEY, who TEXT, entry TEXT);
            CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT, price TEXT);
            CREATE TABLE dispatch (id INTEGER PRIMARY KEY, addr TEXT, sent TEXT);
            CREATE TABLE todo (id INTEGER PRIMARY KEY, what TEXT, done TEXT);
            CREATE TABLE horn (id INTEGER PRIMARY KEY, dial TEXT);
            CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT);
            CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
            CREATE TABLE ticket (id INTEGER PRIMARY KEY, customer_id INTEGER, state TEXT);
            CREATE TABLE reply (id INTEGER PRIMARY KEY, ticket_id INTEGER, staff_id INTEGER);
            CREATE TABLE shift (id INTEGER PRIMARY KEY, staff_id INTEGER, hours INTEGER);
            """
        )
        for n in range(1, 57):
            name = f"{worlds.FIRST[n % 8]} {worlds.LAST[n % 7]}"
            mail = f"p{n}@example.org"
            call = f"ring +49 30 9018{n:02}{n:02} please"
            dial = f"+49\u202f30\u202f9018{n:02}{n:02}"
            for table, row in (
                ("hikers", (name, "Stone Hut")), ("hikes", (n % 40 + 1, "Peak")),
                ("guestbook", (name, "lovely")), ("goods", (f"Wool Sock{chr(96 + n % 26)}", "7")),
                ("dispatch", (f"{mail};q{mail}", "x")), ("todo", (call, "no")), ("horn", (dial,)),
                ("customer", (mail,)), ("staff", (name, f"s{mail}")), ("ticket", (n, "open")),
                ("reply", (n % 50 + 1, n % 9 + 1)), ("shift", (n % 9 + 1, n % 8)),
            ):  # fmt: skip
                marks = ", ".join("?" * (len(row) + 1))
                made.execute(f"INSERT INTO {table} VALUES ({marks})", (n, *row))
    command = [*COMMAND, f"sqlite:///{file}", "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    found = {d["name"]: d for d in json.loads(done.stdout)["datasets"]}

    def decide(one: dict[str, Any]) -> str:
        return "".join(e[11:] for e in one["evidence"] if e.startswith("to decide: "))

    def asked(dataset: str, column: str) -> str:
        (met,) = (f for f in found[dataset]["fields"] if f["name"] == column)
        return decide(met)

    def link(dataset: str, column: str) -> tuple[str, str]:
        (met,) = (k for k in found[dataset]["links"] if k["column"] == column)
        return met["kind"], decide(met)

    assert asked("hikers", "name") == asked("guestbook", "who") == "is this the name of a person?"
    assert "rows of `hikers` may name people (`name`)" in link("hikes", "hiker_id")[1]
    assert asked("goods", "name") == asked("hikers", "hut") == ""
    assert "may people be named in this text?" in asked("dispatch", "addr")
    assert "may people be named in this text?" in asked("todo", "what")
    (dial,) = (f for f in found["horn"]["fields"] if f["name"] == "dial")
    assert dial["category"] == "contact.phone"
    assert "did for whoever a row of `ticket` is about?" in link("reply", "staff_id")[1]
    assert link("shift", "staff_id") == ("owned-by", "")


def shape(value: object) -> object:
    """Keys and kinds of a document; of a list, those of all its members."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(inner)) for inner in value})
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def test_the_document_has_these_keys_and_no_other(tmp_path: Path) -> None:
    url = worlds.into_sqlite(tmp_path / "s.sqlite", worlds.ENGLISH, (VIEW,))
    ran = subprocess.run([*COMMAND, url, "--json"], capture_output=True, text=True, check=True)
    made = json.loads(ran.stdout)
    assert set(made) == {"datasets"}
    fields, links = [], []
    for dataset in made["datasets"]:
        assert set(dataset) == {"name", "fields", "links"}
        fields += dataset["fields"]
        links += dataset["links"]
    told = {"confidence": "number", "evidence": ['"str"']}
    kinds = [{"name": "str", "category": what, **told} for what in ("NoneType", "str")]
    assert shape(fields) == sorted(map(json.dumps, kinds))
    assert shape(links) == [json.dumps({"column": "str", "to": "str", "kind": "str", **told})]
    assert {k["kind"] for k in links} == {"owned-by", "accessed-by", "shared"}
    assert all(k["evidence"] for k in (*fields, *links))
    (tied,) = (d["links"] for d in made["datasets"] if d["name"] == "Followers")
    for link in tied:
        assert any(e.startswith("outcome: delete when either person") for e in link["evidence"])
    assert len(tied) == 2


def test_a_role_that_may_only_select_is_enough(pg_server: Server, fresh_pg_url: str) -> None:
    worlds.into_postgresql(fresh_pg_url, worlds.ENGLISH, (VIEW,))
    name = psycopg.conninfo.conninfo_to_dict(fresh_pg_url)["dbname"]
    with psycopg.connect(pg_server.url(name, SUPERUSER), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS kept_looks")
        connection.execute("CREATE ROLE kept_looks LOGIN")
        connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO kept_looks')
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO kept_looks")
        # What the planner knows must not come between the two.
        connection.execute("ANALYZE")
        found = discover(PostgreSQLStore("s", (), pg_server.url(name, "kept_looks")), year=2026)
        whole = discover(PostgreSQLStore("s", (), fresh_pg_url), year=2026)
        connection.execute("DROP OWNED BY kept_looks")
    assert document(found) == document(whole)
    assert found.unseen == {}


def test_it_can_be_stopped(pg_server: Server, fresh_pg_url: str, tmp_path: Path) -> None:
    slow = 'CREATE VIEW "Slow" AS SELECT pg_sleep(30)::text AS "Long" FROM "Users"'
    worlds.into_postgresql(fresh_pg_url, worlds.ENGLISH[:1], (slow,))
    file = tmp_path / "s.yml"
    running = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = %s AND state = 'active' AND query LIKE '%%"Slow"%%'
    """
    name = psycopg.conninfo.conninfo_to_dict(fresh_pg_url)["dbname"]
    with psycopg.connect(pg_server.url("postgres", SUPERUSER), autocommit=True) as connection:

        def until(wanted: int) -> None:
            deadline = time.monotonic() + 20
            while connection.execute(running, [name]).fetchone() != (wanted,):
                assert time.monotonic() < deadline
                time.sleep(0.05)

        process = subprocess.Popen(
            [*COMMAND, fresh_pg_url, "--write", str(file)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # Whoever runs the tests may ignore it (a job in the background).
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        until(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        until(0)  # the server does not go on with it either
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert not file.exists()


def test_what_no_word_explains_is_asked_about_where_its_values_are_keys_of_people(
    tmp_path: Path,
) -> None:
    """Two members in one row, a number kept as a text, and a number beside an address: each was
    `erase: never`, or found by one kind of value alone, and nothing was asked. Small numbers, as
    those of shelves, are in every key, and not spread over it.
    """
    file = tmp_path / "club.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(
            """
            CREATE TABLE mitglied (mnr INTEGER PRIMARY KEY, vorname TEXT, nachname TEXT, mail TEXT);
            CREATE TABLE werbung (id INTEGER PRIMARY KEY, geworben INTEGER, werber INTEGER);
            CREATE TABLE lent (id INTEGER PRIMARY KEY, geber INTEGER, nehmer INTEGER, an TEXT);
            CREATE TABLE plans (subscriber TEXT, plan TEXT);
            CREATE TABLE goods (id INTEGER, quantity INTEGER, few INTEGER, shelf INTEGER);
            CREATE TABLE waiting (contact TEXT, added TEXT);
            """
        )
        for n in range(1, 61):
            name = worlds.FIRST[n % 8], worlds.LAST[n % 7]
            reach = f"w{n}@example.org" if n % 4 else f"+49 30 9018{n:02}{n:02}"
            for table, row in (
                ("mitglied", (n, *name, f"p{n}@example.org")), ("werbung", (n, n, 61 - n)),
                ("plans", (str(n), "gold")), ("goods", (n, n, n % 9 + 1, n % 25 + 1)),
                ("waiting", (reach, "2026")),
                # nobody, as programs write it; and a text in a column of numbers
                ("lent", (n, n if n % 3 else 0, n if n % 4 else -1, str(n) if n % 5 else "")),
                ("goods", (n, "n/a", "", n % 25 + 1)),
            ):  # fmt: skip
                made.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    written = tmp_path / "club.yml"
    command = [*COMMAND, f"sqlite:///{file}", "--write", str(written)]
    subprocess.run(command, capture_output=True, check=True)
    drafted = written.read_text("utf-8").splitlines()
    asked = [line for line in drafted if "stand in `mitglied.mnr`, and no word" in line]
    assert [line.partition("stand in")[0].strip(" #?") for line in asked] == [
        "all values of `geber`, `nehmer`, `an`", "all values of `subscriber`",
        "all values of `geworben`, `werber`",
    ]  # fmt: skip
    (contact,) = (line for line in drafted if line.strip().startswith("contact:"))
    assert "# ? 15 of 60 values: a telephone number. Rows are found by" in contact
    assert _asked([*command[:-2], "--json"], "stand in `mitglied.mnr`, and no word") == {
        ("lent", "geber"), ("lent", "nehmer"), ("lent", "an"), ("plans", "subscriber"),
        ("werbung", "geworben"), ("werbung", "werber"),
    }  # fmt: skip


def test_keys_in_lists_in_documents_and_as_other_numbers_are_asked_about(tmp_path: Path) -> None:
    """Of several numbers in a text, or behind letters, no link can be written; it is asked. What a
    table calls its own rows by, and versions and prices, are not.
    """
    file = tmp_path / "tours.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(
            """
            CREATE TABLE guide (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
            CREATE TABLE tour (code TEXT, guides TEXT, data TEXT, lead REAL, second NUMERIC(10,0),
                               badge TEXT, build TEXT, fee NUMERIC(10,2));
            """
        )
        for n in range(1, 121):
            last = worlds.LAST[n % 7]
            made.execute("INSERT INTO guide VALUES (?, ?, ?)", (n, last, f"g{n}@example.org"))
            document = json.dumps({"x": 121 - n, "of": [n, 1]})
            row = (f"T-{n:05}", f"{n},{121 - n}", document, float(n), n, f"B-{n // 2 + 1:06}",
                   f"{n % 3}.{n % 30}.{n % 7}", n + 0.5)  # fmt: skip
            made.execute("INSERT INTO tour VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    command = [*COMMAND, f"sqlite:///{file}", "--json"]
    assert _asked(command, "stand in `guide.id`, and no word") == {
        ("tour", "data"), ("tour", "lead"), ("tour", "second"),
    }  # fmt: skip
    assert _asked(command, "several numbers in one value") == {("tour", "guides")}
    assert _asked(command, "zeros or letters before them") == {("tour", "badge")}


def _asked(command: list[str], words: str) -> set[tuple[str, str]]:
    """(dataset, field) of the evidence in which `--json` asks that."""
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        (dataset["name"], one["name"])
        for dataset in json.loads(ran.stdout)["datasets"]
        for one in dataset["fields"]
        if any(e.startswith("to decide:") and words in e for e in one["evidence"])
    }


def test_what_stands_behind_addresses_and_among_other_words_is_asked_about(tmp_path: Path) -> None:
    """Keys of a table that names people by their addresses, in words that nobody here knows, and
    single addresses and numbers in a column of other words: all of it was `erase: never`.
    """
    file = tmp_path / "dukkan.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(
            """
            CREATE TABLE kisi (no INTEGER PRIMARY KEY, ad TEXT, soyad TEXT, eposta TEXT);
            CREATE TABLE siparis (no INTEGER PRIMARY KEY, kimin INTEGER, tutar INTEGER);
            CREATE TABLE degisiklik (
                no INTEGER PRIMARY KEY, eden TEXT, aranan TEXT, kim TEXT);
            """
        )
        for n in range(1, 61):
            eden = f"w{n}@example.org" if n % 20 == 0 else f"sistem-{n}"
            aranan = f"+49 30 9018{n:02}{n:02}" if n % 20 == 0 else f"dahili {n}"
            kim = "+49 30 901810" if n == 20 else "dahili"
            for table, row in (
                ("kisi", (n + 700, worlds.FIRST[n % 8], worlds.LAST[n % 7], f"k{n}@example.org")),
                ("siparis", (n, 761 - n, n % 9)), ("degisiklik", (n, eden, aranan, kim)),
            ):  # fmt: skip
                made.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    written = tmp_path / "dukkan.yml"
    command = [*COMMAND, f"sqlite:///{file}", "--write", str(written)]
    subprocess.run(command, capture_output=True, check=True)
    drafted = written.read_text("utf-8")
    assert "all values of `kimin` stand in `kisi.no`, and no word says why" in drafted
    said = dict(line.strip().split(":", 1) for line in drafted.splitlines() if ": " in line)
    assert "text with an address in it" in said["eden"]
    assert "text with a telephone number in it" in said["aranan"]
    assert "text with a telephone number in it" in said["kim"]


def test_what_is_no_number_silences_no_question(fresh_pg_url: str) -> None:
    """NaN is greater than all, and stands for nothing in what programs write of whole numbers."""
    with psycopg.connect(fresh_pg_url) as made:
        made.execute("CREATE TABLE kisi (no integer PRIMARY KEY, ad text, eposta text)")
        for table, kind in (("siparis", "double precision"), ("kargo", "numeric")):
            made.execute(f"CREATE TABLE {table} (no integer PRIMARY KEY, kimin {kind})")
        for n in range(1, 61):
            made.execute("INSERT INTO kisi VALUES (%s, 'x', %s)", (n + 700, f"k{n}@example.org"))
            for table in ("siparis", "kargo"):
                kimin = "NaN" if n == 9 else str(761 - n)
                made.execute(f"INSERT INTO {table} VALUES (%s, %s::float8)", (n, kimin))
    command = [*COMMAND, fresh_pg_url, "--json"]
    assert _asked(command, "stand in `kisi.no`, and no word says why") == {
        ("siparis", "kimin"), ("kargo", "kimin"),
    }  # fmt: skip


def test_without_the_extra_it_says_what_is_missing(tmp_path: Path) -> None:
    url = worlds.into_sqlite(tmp_path / "s.sqlite", worlds.ENGLISH, (VIEW,))
    absent = (
        "import sys; sys.modules.update(dict.fromkeys(('sqlglot', 'stdnum')));"
        "from kept.app.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", absent, "map", "discover", url, "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    made = {d["name"]: d for d in json.loads(ran.stdout)["datasets"]}
    assert [k["to"] for k in made["Orders"]["links"]] == ["Users.Id", "Users.Id"]
    (reach,) = (f for f in made["Mailing"]["fields"] if f["name"] == "Reach")
    assert reach["category"] == "contact.email"
    assert "views were not traced" in ran.stderr
    assert "install `kept[discover]`" in ran.stderr
    whole = subprocess.run([*COMMAND, url, "--json"], capture_output=True, text=True, check=True)
    assert whole.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [["nowhere"], ["sqlite:///no/such/file"], ["oracle://x/y"], ["env:KEPT_NO_SUCH"],
     ["sqlite:///x", "--sample", "0"]],
)  # fmt: skip
def test_wrong_use_is_said(arguments: list[str], tmp_path: Path) -> None:
    command = [*COMMAND, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode in (1, 2)
    assert ran.stderr.startswith("kept: ")
    assert "Traceback" not in ran.stderr


def test_a_map_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    url = worlds.into_sqlite(tmp_path / "s.sqlite", worlds.POLISH)
    file = tmp_path / "map.yml"
    file.write_text("mine")
    command = [*COMMAND, url, "--write", str(file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    assert file.read_text() == "mine"
