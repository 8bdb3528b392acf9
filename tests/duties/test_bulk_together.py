"""Everybody of a list is answered as she would be alone, though stores are asked for many at once.

Two equal worlds: in one every case is carried out by itself, in the other as a run. Made hard on
purpose: shared mailboxes, namesakes, one person under three spellings, the same key in different
types, lines that lead to one person, texts of others that name somebody.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kept import deployment
from kept.controller import Controller, foresee, together
from kept.duties import rights
from kept.duties.rights import Request, bulk
from kept.duties.rights.bulk import carry_out, open_run
from kept.embedded import SUPERUSER, Server
from kept.errors import KeptError, StoreError
from kept.model.select import KeyTable, Select
from kept.records.bulk import End, Ended
from kept.stores.base import Session
from kept.stores.sqlite import SQLiteSession
from kept.terms.identifiers import parse
from tests.world import NOW, edit, make

WHY = "all of them were told"
_numbers = itertools.count(1)

DESK = """
system: desk
title: Desk
country: US
datasets:
  ticket:
    key: [id]
    origin: provided
    retention: messages
    clock: at
    activities: [communicate]
    fields:
      id: {nullable: false}
      customer: {category: identifier.account}
      words: {category: free-text, free_text: redact}
      handled_by: {others: staff}
      at: {type: datetime}
    links:
      - {fields: [customer], to: customer, system: shop, on: [id], kind: owned-by}
      - {fields: [handled_by], to: worker, on: [id], kind: accessed-by}
  worker:
    key: [id]
    erase: overwrite
    retention: account
    fields:
      id: {nullable: false}
      name: {category: contact.name, nullable: false, overwrite: erased}
"""

LETTERS = """
  letters:
    title: Newsletter
    key: [id]
    retention: marketing-preferences
    activities: [newsletter]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false}
      basis: {stamp: basis}
"""

LINES = (
    "email=ana@example.org", "email=BEN@example.org", "account=1", "email=cleo@example.org",
    "email=family@example.org", "account=20", "phone=+49 30 777", "email=kim.a@example.org",
    "email=kim.b@example.org", "email=ZOE@Example.org", "email=zoe+shop@example.org",
    "email=stranger@example.org", "cookie=leads-nowhere", "name=Kim Park",
    "email=zoe@example.org,account=10", "phone=+49 30 123456,email=ana@example.org", "account=31",
)  # fmt: skip


def _rows(draw: random.Random) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Fixed hard cases, and people drawn from so few names that they meet."""
    people: list[tuple[int, str, str, str | None]] = [
        (10, "kim.a@example.org", "Kim Park", None), (11, "kim.b@example.org", "Park, Kim", None),
        (12, "kim.c@example.org", "kim  park", "+49 30 777"),
        (20, "family@example.org", "Eve Two", None), (21, "Family@Example.org", "Adam", "030 777"),
        (30, "zoe@example.org", "Zoe Three", None), (31, "zoe+shop@example.org", "Zoe Three", None),
    ]  # fmt: skip
    for n in range(40, 52):
        who = draw.choice(("ana", "ben", "zoe", "max", "Zoe+x", "kim.a"))
        at = draw.choice(("example.org", "Example.ORG", "example.net"))
        phone = draw.choice((None, "+49 30 123456", "030 777", "+49 40 1"))
        name = draw.choice(("Ana O'Neill", "Max One", "Kim Park", "Zoe Three"))
        people.append((n, f"{who}{draw.choice(('', n))}@{at}", name, phone))
    seen: set[object] = {"ana@example.org", "Ben@Example.org", "cleo@example.org"}
    for number, mail, name, phone in people:
        if mail not in seen:
            seen.add(mail)
            yield ("customer", (number, mail, name, phone, "2024-01-01 00:00:00"))
    known = [1, 2, 3, 10, 11, 12, 20, 21, 30, 31]
    for n in range(10, 60):
        one, at = draw.choice(known), f"2024-0{draw.randint(1, 9)}-02 00:00:00"
        basis = draw.choice(("contract", "consent", None))
        yield ("signup", (n, one, draw.choice(("trial", "more")), at, basis))
        if n % 5 == 0:
            yield ("invoice", (n, one, "3.00", at))
        mail = draw.choice(("zoe@example.org", " ZOE@example.org", "Zoe@Example.Org", "x@y.org"))
        said = draw.choice(("called", "ask ana@example.org", "kim.b@example.org is Kim Park"))
        yield ("note", (n, mail, said, at))


def _world(directory: Path, url: str, seed: int) -> Path:
    draw = random.Random(seed)
    world = make(
        directory, url,
        extra=f'\n[systems.desk]\nstore = "sqlite"\nurl = "sqlite:///{directory / "desk.sqlite"}"\n'
        'mode = "act"\nmap = "desk.yml"\n',
    )  # fmt: skip
    (world / "desk.yml").write_text(DESK, "utf-8")
    before = "words: {category: free-text, free_text: true,"
    edit(world / "shop.yml", before, before.replace("true", "redact"))
    edit(world / "shop.yml", "datasets:\n", f"datasets:{LETTERS}")
    shop = sqlite3.connect(world / "shop.sqlite")
    with shop:
        shop.execute("CREATE TABLE letters (id INTEGER PRIMARY KEY, email TEXT, basis TEXT)")
        for n, mail in enumerate(("ANA@example.org", "ben@example.org", "ana@example.org")):
            shop.execute("INSERT INTO letters VALUES (?, ?, 'consent')", (n, mail))
        for table, row in _rows(draw):
            shop.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    shop.close()
    desk = sqlite3.connect(world / "desk.sqlite")
    with desk:
        desk.execute("CREATE TABLE worker (id TEXT PRIMARY KEY, name TEXT NOT NULL)")
        desk.execute(
            "CREATE TABLE ticket (id TEXT PRIMARY KEY, customer TEXT, words TEXT, handled_by TEXT,"
            " at TEXT)"
        )
        desk.execute("INSERT INTO worker VALUES ('1', 'Wim Worker')")
        for n in range(40):
            # The number of a customer, as a text: with a nought before it, it is another.
            one = draw.choice(("1", "2", "01", "10", "20", "30", "31", None))
            words = draw.choice(("Wim Worker helped", "write to zoe@example.org", "hi", None))
            row = (str(n), one, words, draw.choice(("1", None)), "2024-03-01 00:00:00")
            desk.execute("INSERT INTO ticket VALUES (?, ?, ?, ?, ?)", row)
    desk.close()
    return world


Twins = Callable[[int], tuple[Path, Path]]


@pytest.fixture
def twins(pg_server: Server, _kept_template: str, tmp_path: Path) -> Iterator[Twins]:
    """Two deployments over equal data."""
    made: list[str] = []

    def make_two(seed: int) -> tuple[Path, Path]:
        found = []
        for which in ("alone", "run"):
            name = f"kept_twin_{next(_numbers)}_{which}"
            url = pg_server.make_database(name, template=_kept_template)
            made.append(name)
            found.append(_world(tmp_path / f"{seed}-{which}", url, seed))
        return found[0], found[1]

    yield make_two
    with psycopg.connect(pg_server.url("postgres", SUPERUSER), autocommit=True) as connection:
        for name in made:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


Act = Callable[[Controller, Request, Path], Any]


def _withdraw(controller: Controller, request: Request, *, erase: bool) -> Any:
    return rights.withdraw(controller, request, ["marketing"], NOW, region="EEA", erase=erase)


ACTS: dict[str, tuple[str, Act]] = {
    "access": ("access", lambda c, r, out: rights.access(c, r, NOW, out=out)),
    "port": ("portability", lambda c, r, out: rights.port(c, r, NOW, out=out)),
    "restrict": ("restriction", lambda c, r, _: rights.restrict(c, r, "accuracy", NOW)),
    "object": ("objection", lambda c, r, _: rights.object_to(c, r, ["marketing"], NOW)),
    "withdraw": ("withdrawal", lambda c, r, _: _withdraw(c, r, erase=False)),
    "withdraw and erase": ("withdrawal", lambda c, r, _: _withdraw(c, r, erase=True)),
}


def _told(text: str, cases: Sequence[str]) -> str:
    """Without what differs by chance: which case it is."""
    for n, case in enumerate(cases):
        text = text.replace(case, f"<case {n}>")
    return text


def _content(path: Path, cases: Sequence[str]) -> dict[str, str]:
    """Every byte of a package, but for the hashes of what names the case."""
    with zipfile.ZipFile(path) as archive:
        found = {name: _told(archive.read(name).decode(), cases) for name in archive.namelist()}
    manifest = json.loads(found["manifest.json"])
    files = {name: one["bytes"] for name, one in manifest["files"].items()}
    found["manifest.json"] = json.dumps([manifest["rules"], files])
    return found


def _answered(
    world: Path, named: Sequence[str], right: str, act: Act, *, together: bool
) -> tuple[dict[int, object], int]:
    """Line → what became of it: a document with its package, or a refusal; how often was asked."""
    found: dict[int, object] = {}
    people = [(n, tuple(parse(p) for p in line.split(","))) for n, line in enumerate(named)]
    with Controller.open(deployment.read(world)) as controller:
        run = open_run(controller, right, people, Request((), override=WHY), NOW)
        cases = [one.case for one in controller.bulks.lines(run)]
        with _asked() as asked:

            def carry(seeing: Controller, request: Request, now: dt.datetime) -> End:
                assert request.case is not None
                n, out = cases.index(request.case), world / f"{request.case}.zip"
                try:
                    document = act(seeing, request, out).document()
                except KeptError as problem:
                    found[n] = _told(f"{type(problem).__name__}: {problem}", cases)
                    raise
                document.pop("manifest_sha256", None)
                text = _told(json.dumps(document).replace(str(world), ""), cases)
                found[n] = (text, _content(out, cases) if out.exists() else None)
                return End(Ended.DONE)

            if together:
                carry_out(controller, run, Request((), override=WHY), carry, lambda: NOW)
            else:
                for case in cases:
                    try:
                        carry(controller, Request((), case=case), NOW)
                    except StoreError:
                        raise
                    except KeptError:
                        continue
        return found, asked[0]


@contextmanager
def _asked() -> Iterator[list[int]]:
    """How many Selects the shops were asked."""
    counted = [0]
    patch = pytest.MonkeyPatch()

    def counting(name: str) -> None:
        whole = getattr(SQLiteSession, name)

        def ask(self: Session, selects: Sequence[Select]) -> Any:
            counted[0] += len(selects)
            return whole(self, selects)

        patch.setattr(SQLiteSession, name, ask)

    counting("read")
    counting("keys")
    try:
        yield counted
    finally:
        patch.undo()


#: A right, a world, and whether no more is held in memory than the rows of one or two people.
TRIED = [*((what, 1, False) for what in ACTS), ("access", 2, False), ("access", 1, True)]


@pytest.mark.parametrize(("what", "seed", "little"), TRIED)
def test_the_answer_of_each_is_that_of_her_own_request(
    twins: Twins, what: str, seed: int, little: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, act = ACTS[what]
    alone, run = twins(seed)
    named = list(LINES)
    random.Random(seed).shuffle(named)
    if little:
        monkeypatch.setattr(foresee, "EACH", 12)
        monkeypatch.setattr(foresee, "MOST", 20)
        monkeypatch.setattr(together, "MOST", 25)
        monkeypatch.setattr(bulk, "TOGETHER", 5)
    single, often = _answered(alone, named, right, act, together=False)
    batch, seldom = _answered(run, named, right, act, together=True)
    # Who is named by what leads nowhere is set apart before anything is asked.
    nowhere = {named.index("cookie=leads-nowhere"), named.index("name=Kim Park")}
    assert set(single) - set(batch) <= nowhere
    for n, told in batch.items():
        assert told == single[n], named[n]
    if what == "withdraw and erase":
        # Of two lines that lead to one person's letters the second finds none.
        gone = [json.loads(t[0])["due"] for t in batch.values() if isinstance(t, tuple)]
        assert sum(len(due) for due in gone) == 2
    refused = [n for n, told in batch.items() if isinstance(told, str)]
    assert named.index("email=family@example.org") in refused or what == "object"
    assert len(refused) < len(batch) / 2
    assert seldom < often / (1 if little else 2)


def test_what_may_be_hers_is_judged_person_by_person(twins: Twins) -> None:
    """Whoever else is named in the same request: her namesake is one all the same."""
    world, _ = twins(1)
    people = [tuple(parse(p) for p in line.split(",")) for line in LINES]
    with Controller.open(deployment.read(world)) as controller:
        own = controller.keys(controller.locate(people))
        whole = controller.alike(people, own)
        met = 0
        for who, one in enumerate(people):
            hers = {
                place: KeyTable(table.fields, tuple((0, k) for w, k in table.rows if w == who))
                for place, table in own.items()
            }
            alone = controller.alike([one], {p: t for p, t in hers.items() if t.rows})
            told = {(m.reason, m.place, m.key) for m in whole.met if m.who == who}
            assert told == {(m.reason, m.place, m.key) for m in alone.met}, LINES[who]
            assert {i.value for i in whole.hers[who]} == {i.value for i in alone.hers[0]}
            met += len(told)
        reasons = {m.reason for m in whole.met}
    assert met > 10
    assert {"namesake", "plus-tag"} <= reasons


def test_what_cannot_be_asked_for_all_is_named_in_the_answer_of_each(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that is away is away for everybody, and in words that are hers."""
    alone, run = twins(1)
    right, act = ACTS["access"]
    for world in (alone, run):
        (world / "desk.sqlite").unlink()
    named = ["email=ana@example.org", "account=20", "email=stranger@example.org"]
    single, _ = _answered(alone, named, right, act, together=False)
    batch, _ = _answered(run, named, right, act, together=True)
    assert batch == single
    documents = [json.loads(told[0]) for told in batch.values() if isinstance(told, tuple)]
    assert all(not one["complete"] for one in documents)
    assert any(one["unreached"] for one in documents)
