"""Two at once, on real engines: nothing lost, nothing done twice, no case stuck, others untouched.

Each side is a process of its own that opened the deployment before; both are let go together.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.acceptance.conftest import decisions, kept
from tests.stores.engines import opened
from tests.world import REFERENCE, ROOT

#: People of the shop: each test has two of her own, 900 and on are nobody's business.
PEOPLE = (*range(1, 41), *range(900, 910))
SCHEMA = (
    "CREATE TABLE customer (id INTEGER PRIMARY KEY, email VARCHAR(90) NOT NULL,"
    " name VARCHAR(90) NOT NULL)",
    "CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL,"
    " what VARCHAR(90) NOT NULL, FOREIGN KEY (customer) REFERENCES customer (id))",
    "CREATE INDEX purchase_of ON purchase (customer)",
    "CREATE INDEX customer_mail ON customer (email)",
)
MAP = """\
system: shop
title: Shop
country: US
datasets:
  customer:
    key: [id]
    retention: account
    activities: [account, service]
    fields:
      id: {type: integer, category: identifier.account, identifies: account, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      name: {category: contact.name, nullable: false, overwrite: erased}
  purchase:
    key: [id]
    retention: transactions-free
    activities: [trial]
    fields:
      id: {type: integer, nullable: false}
      customer: {type: integer, category: identifier.account, nullable: false}
      what: {category: transaction.free, nullable: false, overwrite: erased}
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by}
"""  # noqa: E501

#: Reads one command as JSON, says that it is ready, waits to be let go, says how it came out.
_DRIVER = """
import datetime as dt, json, sys
from pathlib import Path
from kept import deployment
from kept.controller import Controller
from kept.duties import holds, rights
from kept.duties.rights.bulk import carry_out, open_run
from kept.errors import KeptError
from kept.terms.identifiers import parse

WHY = "both were let go at once"
now = lambda: dt.datetime.now(dt.UTC)

def request(who, case=None):
    people = () if case else (tuple(parse(one) for one in who),)
    return rights.Request(people, override=WHY, case=case)

def erase(c, who, case=None):
    a = rights.erase(c, request(who, case), now())
    return {"case": a.case, "complete": a.complete,
            "changed": sum(s.counts.changed for s in a.steps if s.store == "shop")}

def access(c, who, out):
    a = rights.access(c, request(who), now(), out=Path(out))
    return {"case": a.case, "complete": a.complete,
            "found": sum(s.counts.found for s in a.steps if s.store == "shop")}

def rectify(c, who, value):
    a = rights.rectify(c, request(who), "shop.customer.name", value, now())
    return {"case": a.case, "complete": a.complete,
            "changed": sum(s.counts.changed for s in a.steps if s.store == "shop")}

def restrict(c, who):
    a = rights.restrict(c, request(who), "accuracy", now())
    return {"case": a.case, "complete": a.complete}

def hold(c, who):
    actor = c.actors.of("Kim", "operator", now())
    h = holds.place(c, ground="a dispute", clause="RET-10", actor=actor, now=now(),
                    person=tuple(parse(one) for one in who))
    return {"hold": h.id}

def bulk(c, everybody, batch):
    lines = ((n, tuple(parse(one) for one in who)) for n, who in enumerate(everybody, 1))
    run = open_run(c, "erasure", lines, rights.Request((), override=WHY), now(), batch=batch)
    run = carry_out(c, run, rights.Request((), override=WHY),
                    lambda seeing, one, at: rights.erase(seeing, one, at) and None, now)
    ends = [(one.case, one.end.outcome.value, one.end.counts.changed) for one in c.bulks.lines(run)]
    return {"run": run.id, "state": run.state.value, "ends": ends}

with Controller.open(deployment.read(Path(sys.argv[1]))) as controller:
    controller.realised(["shop", "own"])
    for line in sys.stdin:
        name, given = json.loads(line)
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            told = globals()[name](controller, **given)
        except KeptError as problem:
            told = {"error": type(problem).__name__, "what": problem.what}
        print(json.dumps(told), flush=True)
"""


@dataclass
class Shop:
    """A deployment over one engine, two processes at work in it, and a way past both."""

    directory: Path
    engine: str
    url: str
    workers: list[subprocess.Popen[str]]

    def connect(self) -> Any:
        if self.engine == "sqlite":
            return sqlite3.connect(self.url, timeout=30)
        if self.engine == "postgresql":
            return psycopg.connect(self.url)
        return opened(self.url)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Statements by hand, committed; the rows of the last."""
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            connection.commit()
        return rows

    def at_once(self, *commands: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Each command in a process of its own, all let go together; what each said."""
        for worker, command in zip(self.workers, commands, strict=True):
            print(json.dumps(command), file=worker.stdin, flush=True)
        for worker in self.workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in self.workers:
            print("go", file=worker.stdin, flush=True)
        told = []
        for worker in self.workers:
            assert worker.stdout is not None
            told.append(json.loads(worker.stdout.readline()))
        return told

    def ended(self, answer: dict[str, Any], who: list[str]) -> dict[str, Any]:
        """The answer, gone on with where somebody else was at it: no case is stuck."""
        if "error" not in answer:
            return answer
        assert answer["error"] == "Busy", answer
        cases = kept(self.directory, "case", "list").document["cases"]
        over = ("awaiting", "closed", "checked")
        (case,) = [c["case"] for c in cases if c["state"] not in over][-1:]
        ran = kept(self.directory, "rights", "erase", "--case", case, "--yes")
        assert ran.status == 0, ran.said
        changed = sum(s["changed"] for s in ran.document["steps"] if s["store"] == "shop")
        return {"case": case, "complete": True, "changed": changed}

    def rows(self, number: int) -> tuple[int, int]:
        """Rows of somebody: (customer, purchase)."""
        found = self.sql(
            f"SELECT (SELECT count(*) FROM customer WHERE id = {number}),"
            f" (SELECT count(*) FROM purchase WHERE customer = {number})"
        )
        return int(found[0][0]), int(found[0][1])

    def others(self) -> list[list[tuple[Any, ...]]]:
        """The rows of those that nobody asks about, as they stand."""
        return [
            self.sql("SELECT * FROM customer WHERE id >= 900 ORDER BY id"),
            self.sql("SELECT * FROM purchase WHERE customer >= 900 ORDER BY id"),
        ]


def who(number: int) -> list[str]:
    return [f"email=person.{number}@example.org"]


@pytest.fixture(scope="module", params=["postgresql", "sqlite", "mariadb"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp(f"together-{request.param}")
    if request.param == "postgresql":
        url = own_url = request.getfixturevalue("pg_url")
    elif request.param == "mariadb":
        url = own_url = request.getfixturevalue("maria_url")
    else:
        own_url, url = str(directory / "shop.sqlite"), f"sqlite:///{directory / 'shop.sqlite'}"
    (directory / "shop.yml").write_text(MAP, "utf-8")
    (directory / "kept.toml").write_text(
        f'bundle = "{REFERENCE}"\ndatabase = "embedded"\n[systems.shop]\n'
        f'store = "{request.param}"\nurl = "{url}"\nmode = "act"\nmap = "shop.yml"\n',
        "utf-8",
    )
    made = Shop(directory, request.param, own_url, [])
    made.sql(
        *SCHEMA,
        *(
            f"INSERT INTO customer VALUES ({n}, 'person.{n}@example.org', 'Person {n}')"
            for n in PEOPLE
        ),
        *(
            f"INSERT INTO purchase VALUES ({100 * n + i}, {n}, 'thing {i}')"
            for n in PEOPLE
            for i in range(3)
        ),
    )
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            worker = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _DRIVER, str(directory)], cwd=ROOT, text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
            made.workers.append(worker)
        yield made
        for worker in made.workers:
            assert worker.stdin is not None
            worker.stdin.close()
            assert worker.wait(60) == 0


def test_erased_twice_at_once_each_row_is_counted_once(shop: Shop) -> None:
    before = shop.others()
    told = shop.at_once(("erase", {"who": who(1)}), ("erase", {"who": who(1)}))
    answers = [shop.ended(one, who(1)) for one in told]
    # A customer and three purchases: by one of the two, the other found nothing any more.
    assert sorted(one["changed"] for one in answers) == [0, 4]
    assert all(one["complete"] for one in answers)
    assert shop.rows(1) == (0, 0)
    assert shop.others() == before


def test_an_answer_during_an_erasure_is_whole_or_says_that_it_is_not(shop: Shop) -> None:
    before = shop.others()
    out = shop.directory / "of-two.zip"
    erased, given = shop.at_once(
        ("erase", {"who": who(2)}), ("access", {"who": who(2), "out": str(out)})
    )  # fmt: skip
    assert erased["complete"]
    assert shop.rows(2) == (0, 0)
    # All four rows or none were read; or some, and then the answer says so.
    assert given["found"] in (0, 4) or not given["complete"], given
    assert shop.others() == before


def test_nothing_is_put_right_in_a_row_that_was_emptied(shop: Shop) -> None:
    """The erasure keeps her customer row for a hold's sake; a correction must not refill it."""
    before = shop.others()
    kept_ = kept(
        shop.directory, "hold", "add", "--ground", "a dispute", "--clause", "RET-10", "--system",
        "shop", "--dataset", "purchase", "--identity", who(3)[0],
    )  # fmt: skip
    assert kept_.status == 0, kept_.said
    told = shop.at_once(
        ("erase", {"who": who(3)}), ("rectify", {"who": who(3), "value": "Put Right"})
    )  # fmt: skip
    assert told[0].get("complete"), told
    # Put right first and erased then, or erased first: then there was nothing to put right.
    assert told[1].get("complete") or told[1].get("changed") == 0 or "error" in told[1], told
    assert shop.sql("SELECT name FROM customer WHERE id = 3") == [("erased",)]
    assert shop.others() == before


def test_a_hold_and_an_erasure_at_once_agree(shop: Shop) -> None:
    before = shop.others()
    erased, held = shop.at_once(("erase", {"who": who(4)}), ("hold", {"who": who(4)}))
    customer, purchases = shop.rows(4)
    if "error" in held:
        assert held["error"] == "Busy", held
    # Whatever came first: all of it stays for the hold, or all of it went before there was one.
    assert (customer, purchases) in ((1, 3), (0, 0)), (erased, held)
    if (customer, purchases) == (0, 0):
        assert (erased["complete"], erased["changed"]) == (True, 4), erased
    else:
        assert (erased.get("changed", 0), "hold" in held) == (0, True), (erased, held)
    assert shop.others() == before


def test_a_restriction_and_an_erasure_at_once_both_end(shop: Shop) -> None:
    told = shop.at_once(("erase", {"who": who(5)}), ("restrict", {"who": who(5)}))
    for one in told:
        assert one.get("complete") or one.get("error") == "Busy", told
    assert shop.rows(5) == (0, 0) or told[0].get("error") == "Busy"


def test_a_list_and_one_of_it_at_once(shop: Shop) -> None:
    before = shop.others()
    everybody = [who(n) for n in range(10, 20)]
    listed, single = shop.at_once(
        ("bulk", {"everybody": everybody, "batch": 5}), ("erase", {"who": who(12)})
    )  # fmt: skip
    single = shop.ended(single, who(12))
    assert listed["state"] == "over", listed
    changed = [count for _, _, count in listed["ends"]]
    assert sorted(changed[:2] + changed[3:]) == [4] * 9
    # Hers are counted by the list or by her own case, and by one of them only.
    assert sorted((changed[2], single["changed"])) == [0, 4], (listed, single)
    assert [outcome for _, outcome, _ in listed["ends"]].count("done") >= 9
    assert all(shop.rows(n) == (0, 0) for n in range(10, 20))
    assert shop.others() == before


def test_two_lists_in_opposite_order_at_once(shop: Shop) -> None:
    before = shop.others()
    some = [who(n) for n in range(20, 30)]
    told = shop.at_once(
        ("bulk", {"everybody": some, "batch": 5}),
        ("bulk", {"everybody": some[::-1], "batch": 5}),
    )
    for one in told:
        if one["state"] != "over":  # somebody else was at it for long: the same run goes on
            ran = kept(shop.directory, "rights", "erase", "--case", one["run"], "--yes")
            assert ran.status == 0, ran.said
    counted = 0
    for one in told:
        shown = kept(shop.directory, "case", "show", one["run"]).document
        assert shown["complete"], shown
        counted += shown["rows"]["changed"]
    assert counted == 10 * 4
    assert all(shop.rows(n) == (0, 0) for n in range(20, 30))
    assert shop.others() == before


def test_an_import_that_goes_on_is_caught_up_with_or_named(shop: Shop) -> None:
    stop, begun = threading.Event(), threading.Event()
    written: dict[int, int] = {30: 0, 950: 0}

    def bring() -> None:
        number = 50_000
        with contextlib.closing(shop.connect()) as connection:
            cursor = connection.cursor()
            if shop.engine != "sqlite":
                cursor.execute("SELECT 1")
            cursor.execute("INSERT INTO customer VALUES (950, 'person.950@example.org', 'New')")
            connection.commit()
            while not stop.is_set():
                number += 1
                for customer in (30, 950):
                    try:
                        cursor.execute(
                            f"INSERT INTO purchase SELECT {number * 2 + (customer == 950)}, id,"
                            f" 'brought' FROM customer WHERE id = {customer}"
                        )
                        brought = cursor.rowcount
                        connection.commit()
                        written[customer] += max(brought, 0)
                    except (sqlite3.Error, psycopg.Error, pymysql.Error):
                        connection.rollback()  # her customer row went in between
                begun.set()
                stop.wait(0.002)

    thread = threading.Thread(target=bring)
    thread.start()
    try:
        assert begun.wait(30)
        erased, _ = shop.at_once(("erase", {"who": who(30)}), ("erase", {"who": who(6)}))
    finally:
        stop.set()
        thread.join()
    left = shop.rows(30)
    if "error" in erased:
        # A foreign key of a row that came in between: nothing was written, and the words say why.
        assert erased["error"] in ("Obstructed", "Busy"), erased
    elif erased["complete"]:
        assert left == (0, 0), (erased, left)
    if left != (0, 0):
        assert not erased.get("complete")
        cases = kept(shop.directory, "case", "list").document["cases"]
        mine = [
            c["case"]
            for c in cases
            if c["state"] not in ("awaiting", "closed") and c["right"] == "erasure"
        ][-1]
        ran = kept(shop.directory, "rights", "erase", "--case", mine, "--yes")
        assert ran.status == 0, ran.said
        assert shop.rows(30) == (0, 0)
    # Nobody else lost a row to it, and none of what was brought for another is missing.
    assert written[30] > 0
    assert shop.rows(950) == (1, written[950])


def test_the_ledger_is_whole_and_no_case_is_stuck(shop: Shop) -> None:
    """Last in this file: after all that was let go at once on this engine."""
    ended = kept(shop.directory, "ledger", "verify")
    assert ended.status == 0, ended.said
    copy = shop.directory / "ledger"
    assert kept(shop.directory, "ledger", "export", copy).status == 0
    done = [e["body"] for e in decisions(copy) if e["kind"] == "step.done"]
    steps = [(e["case"], e["step"], e["attempt"]) for e in done]
    assert len(steps) == len(set(steps)) > 20
    for case in kept(shop.directory, "case", "list").document["cases"]:
        if case["state"] in ("awaiting", "closed", "withdrawn") or case["right"] == "restriction":
            continue
        if case["right"] == "rectification":
            assert case["state"] in ("received", "identified", "checked", "planned"), case
            continue
        access = ("access", "--out", shop.directory / f"{case['case']}.zip")
        verb = access if case["right"] == "access" else ("erase", "--yes")
        ran = kept(shop.directory, "rights", *verb, "--case", case["case"])
        assert ran.status == 0, (case, ran.said)
