"""Every shipped control in a world in which it passes, and in one in which it fails.

A control with nothing to look at is vacuous. Each failing world plants exactly one fault, by a
road that the control does not use.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kept import deployment
from kept.app import web
from kept.app.surface import DESK, ROUTES, SURFACES
from kept.controller import Controller, Located, Place
from kept.controls.evidence import Evidence, Outcome
from kept.controls.history import latest
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.datamap import reach
from kept.decide.use import Rules
from kept.decide.visit import Visit
from kept.duties import disclosure, holds, incidents, measures, publication, release, rights, staff
from kept.duties import page as policy_page
from kept.duties.measures import software
from kept.duties.rights import Request, entering, paper, redaction
from kept.duties.rights.letter import answer_case
from kept.duties.rights.request import open_case
from kept.errors import ConfigError
from kept.ledger.entry import Entry
from kept.model.decision import Ask, Facts
from kept.model.safety import WORDS
from kept.model.select import KeyTable
from kept.policy import bundle
from kept.stores.sqlite import SQLiteStore
from kept.stores.tasks import Answered
from kept.stores.tasks import Outcome as Outcome_
from kept.terms import support
from kept.terms.identifiers import parse
from tests import forms, importing, releasing
from tests.networks import network
from tests.scans import PNG
from tests.serving import running
from tests.world import NOW, ROOT, edit, make, sql, vouch

Prepare: TypeAlias = Callable[[Path], None]


@contextlib.contextmanager
def _opened(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as controller:
        yield controller


def _run(world: Path, name: str) -> Evidence:
    with _opened(world) as controller:
        return run(controller, registered(), NOW, names=[name])[0]


def _publish(world: Path) -> None:
    with _opened(world) as controller:
        publication.publish(controller, NOW, set(registered()))


def _decide(world: Path) -> None:
    with _opened(world) as controller:
        controller.decide(Ask("marketing.email", "contact.email"), None, NOW)


def _incident(at: dt.datetime) -> Prepare:
    """An incident that was noticed then, and judged by nobody."""

    def prepare(world: Path) -> None:
        with _opened(world) as controller:
            incidents.enter(
                controller, kinds=["availability"], places=["shop.note"], nature="a disk broke",
                noticed=at, happened=None, actor=controller.actors.of("Kim", "operator", at),
                now=at,
            )  # fmt: skip

    return prepare


def _came(words: str) -> Prepare:
    """A mail of Ana with these words."""

    def prepare(world: Path) -> None:
        with _opened(world) as controller:
            ana = (parse("email=ana@example.org"),)
            came = entering.Came("email", NOW.date(), ana, (), words)
            entering.add(controller, came, controller.actors.of("Kim", "operator", NOW), NOW)

    return prepare


def _complained(at: dt.datetime) -> Prepare:
    """A complaint by letter, which nobody has acknowledged."""

    def prepare(world: Path) -> None:
        with _opened(world) as controller:
            came = rights.complaints.Came("letter", at.date(), "You wrote again.", region="UK")
            actor = controller.actors.of("Kim", "operator", at)
            rights.complaints.add(controller, came, actor, at)

    return prepare


def _handled(field: str) -> Prepare:
    """A colleague's address stands in Ana's notes, in a field that the map has like this."""

    def prepare(world: Path) -> None:
        sql(world, "ALTER TABLE note ADD COLUMN handled_by TEXT")
        sql(world, "UPDATE note SET handled_by = 'cleo@example.org'")
        # Where people write what they like, she is found by the patterns.
        sql(world, "UPDATE note SET words = 'Ask Cleo@example.org, not me (+49 30 123456)'")
        edit(world / "shop.yml", "      words:", f"      handled_by: {field}\n      words:")

    return prepare


@pytest.mark.parametrize("said", ["true", "redact"])
def test_what_keeps_others_out_of_packages_is_not_what_the_map_says_already(
    said: str, kept_url: str, tmp_path: Path
) -> None:
    world = make(tmp_path / "shop", kept_url)
    edit(world / "shop.yml", "free_text: true", f"free_text: {said}")
    sql(world, "UPDATE note SET words = 'Ask Cleo Drop Table, not me'")
    sql(world, "UPDATE customer SET name = 'Cleo Drop Table' WHERE id = 3")
    with _opened(world) as controller:
        (met,) = run(controller, registered(), NOW, names=["rights.packages-hold-nobody-else"])
    (finding,) = met.findings
    assert "`free_text" not in finding.fix
    assert "in `words`, a text already" in finding.fix
    assert "redacted before it goes" in finding.fix


def _erase(world: Path) -> None:
    with _opened(world) as controller:
        request = Request(people=((parse("email=ana@example.org"),),), override="test")
        assert rights.erase(controller, request, NOW).complete


def _lettered(world: Path) -> None:
    """An erasure that is complete, one request that is refused, a letter for each."""
    _erase(world)
    with _opened(world) as controller:
        ben = Request(((parse("email=ben@example.org"),),), override="test")
        refused = rights.preview(controller, ben, NOW).case
        officer = controller.actors.of("Pia", "privacy-officer", NOW)
        rights.close_case(controller, refused, "refused", "no", officer, NOW, code="excessive")
        for case in controller.cases.all():
            answer_case(controller, case.id, NOW, role="operator")


def _delivered(world: Path) -> None:
    """Two packages behind links: one waits, one was fetched for the last time."""
    with _opened(world) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        ben = Request(((parse("email=ben@example.org"),),), evidence="test")
        for number in range(2):
            out = world / f"ben-{number}.zip"
            case = rights.access(controller, ben, NOW, out=out).case
            made = rights.delivery.deliver(controller, case, out, actor, NOW, downloads=1)
        code = rights.delivery.code_for(controller, case, NOW)
        got = rights.delivery.fetch(controller, made.token, code, NOW)
        assert got is not None
        assert b"".join(got[1]) == out.read_bytes()


def _looked_at(world: Path) -> None:
    """Ana's package, of which one struck and another approved what concerns others."""
    sql(world, "UPDATE note SET words = 'Ask max@else.example' WHERE id = 1")
    with _opened(world) as controller:
        ana = Request(((parse("email=ana@example.org"),),), evidence="test")
        case = open_case(controller, "access", ana, NOW)[0].id
        red = controller.actors.of("Red", "redactor", NOW)
        stands = redaction.look(controller, case, red, NOW).stands
        stands = redaction.redact(controller, case, stands.revision, red, NOW, done=True).stands
        abel = controller.actors.of("Abel", "approver", NOW)
        redaction.approve(controller, case, stands.revision, abel, NOW)
        rights.access(controller, Request((), case=case), NOW, out=world / "ana.zip")


def _disclosed(world: Path) -> None:
    """A court asked for what is held of Ana and of Ben; of his a law forbids to tell."""
    with _opened(world) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        for who, barred in (("ana", None), ("ben", (dt.date(2027, 1, 1), "§ 1"))):
            one = (parse(f"email={who}@example.org"),)
            disclosure.note(
                controller, one, "authority", NOW.date(), ["contact.email"], "court-order", actor,
                NOW, title="A court", barred=barred,
            )  # fmt: skip
            request = Request((one,), override="test")
            rights.access(controller, request, NOW, out=world / f"{who}.zip")


def _asked_on(day: dt.date, region: str = "EEA") -> Prepare:
    """Ana's letter came on a day, and nobody has answered it."""

    def ask(world: Path) -> None:
        with _opened(world) as controller:
            ana = (parse("email=ana@example.org"),)
            rights.preview(controller, Request((ana,), region=region, arrived=day), NOW)

    return ask


def _longer(world: Path) -> None:
    """Ana's letter came forty days ago; after twenty she was told that it takes longer."""
    came = NOW.date() - dt.timedelta(days=40)
    _asked_on(came)(world)
    with _opened(world) as controller:
        who = controller.actors.of("Pia", "privacy-officer", NOW)
        [case] = controller.cases.all()
        sent = came + dt.timedelta(days=20)
        then = NOW - dt.timedelta(days=20)
        rights.clock.extend(controller, case.id, "complex", "Two months more.", sent, who, then)


def _answered(world: Path) -> None:
    """Every letter is answered."""
    with _opened(world) as controller:
        controller.deliver(NOW)
        for task in controller.tasks():
            answer = Answered(Outcome_.DONE, "Jo", NOW, "their letter")
            rights.recipients.record(controller, task.id, answer, "operator")


def _by_post(world: Path) -> None:
    """Somebody wrote on paper that mail be stopped; the answer was posted to her."""
    came = NOW - dt.timedelta(days=3)
    with _opened(world) as controller:
        jo = controller.actors.of("Jo", "privacy-officer", NOW)
        letter = entering.Came(
            "letter", came.date(), (parse("phone=+49 30 123456"),), ("stop-mailing",), "", "EEA",
            ("Bea Post", "1 Long Road", "8001 Zürich"), (PNG,),
        )  # fmt: skip
        (one,), _ = entering.add(controller, letter, jo, came)
        ((_, case),) = one.cases
        paper.make(controller, case, (), jo, came)
        paper.posted(controller, case, None, came.date(), jo, came)
        rights.tend(controller, NOW)


def _unposted(world: Path) -> None:
    """The same a month ago, and nobody made the answer."""
    came = NOW - dt.timedelta(days=30)
    with _opened(world) as controller:
        jo = controller.actors.of("Jo", "privacy-officer", NOW)
        letter = entering.Came(
            "letter", came.date(), (parse("phone=+49 30 123456"),), ("stop-mailing",), "", "EEA",
            ("Bea Post", "1 Long Road", "8001 Zürich"),
        )  # fmt: skip
        entering.add(controller, letter, jo, came)


def _asked(at: dt.datetime) -> Prepare:
    """Somebody asks for Ana's data and types no code."""

    def prepare(world: Path) -> None:
        with _opened(world) as controller:
            form = rights.Form(("access",), "ana@example.org", "", "0" * 32, "192.0.2.1")
            rights.intake.ask(controller, form, at)

    return prepare


def _proven(world: Path) -> None:
    """Ana came with a paper, and was deleted."""
    with _opened(world) as controller:
        case = rights.preview(controller, Request(((parse("email=ana@example.org"),),)), NOW).case
        vera = controller.actors.of("Vera", "verifier", NOW)
        rights.proving.record(
            controller, case, "facts", "she named two orders", vera, NOW, paper=b"%PDF"
        )
        assert rights.erase(controller, Request((), case=case), NOW).complete


def _reported(world: Path) -> None:
    with _opened(world) as controller:
        rights.reported.report(
            controller, "ana@example.org", "", "", once="1", source="192.0.2.1", now=NOW
        )
        assert rights.freeze_reported(controller, NOW) == 0


def _lifted(world: Path) -> None:
    """Somebody takes the freeze away, beside every record."""
    with _opened(world) as controller, controller.database.connection() as c:
        assert c.execute("DELETE FROM suppression WHERE channel = ':child'").rowcount


def _child(world: Path) -> None:
    with _opened(world) as controller:
        request = Request(((parse("email=ana@example.org"),),), override="test", ground="child")
        case = rights.erase(controller, request, NOW)
        assert not case.complete
    _answered(world)
    with _opened(world) as controller:
        again = Request((), case=case.case)
        assert rights.erase(controller, again, NOW).complete


def _linked(world: Path) -> None:
    """Ana, with an address proven hers under which a note was left, and one that is not."""
    sql(world, "INSERT INTO note VALUES (50, 'Ana.Work@example.org', 'x', '2026-01-01 00:00:00')")
    with _opened(world) as controller:
        ana, *others = (parse(f"email={m}@example.org") for m in ("ana", "ana.work", "ana.old"))
        who = controller.actors.of("Jo", "verifier", NOW)
        for one, level in zip((ana, *others), ("verified", "verified", "asserted"), strict=True):
            rights.identity.link(controller, one, ana, level, "she typed a code", who, NOW)


def _narrow(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches that know of nothing but what was given."""
    monkeypatch.setattr(
        controller.identities, "widen", lambda people: tuple(tuple(one) for one in people)
    )


def _taken_back(world: Path) -> None:
    with _opened(world) as controller:
        who = controller.subjects.of([parse("email=ben@example.org")], NOW)
        controller.consents.grant(who, "marketing.email", NOW, source="form")
        controller.consents.withdraw(who, "marketing.email", NOW, source="page")


def _objected(world: Path) -> None:
    """Ana, who is known, and somebody whom nobody knows."""
    with _opened(world) as controller:
        controller.subjects.of([parse("email=ana@example.org")], NOW)
        for who in ("email=ana@example.org", "email=new@example.net"):
            request = Request(((parse(who),),), override="test")
            answer = rights.object_to(controller, request, ["marketing", "site.improve"], NOW)
            assert answer.stops
            assert answer.weighed


def _ported(world: Path) -> None:
    with _opened(world) as controller:
        request = Request(((parse("email=ana@example.org"),),), override="test")
        assert rights.port(controller, request, NOW, out=world / "along.zip").complete


def _another_basis(controller: Controller, _: pytest.MonkeyPatch) -> None:
    """In one region the door takes for a contract what the register says rests on an interest."""
    mild = {
        **controller.bundle.activities,
        "improve-site": replace(
            controller.bundle.activities["improve-site"],
            bases={"EEA": "consent", "default": "contract"},
        ),
    }
    controller.rules = Rules(mild.values(), controller.bundle.vocabulary)


def _corrected(world: Path) -> None:
    with _opened(world) as controller:
        request = Request(((parse("email=ana@example.org"),),), override="test")
        answer = rights.rectify(controller, request, "shop.customer.name", "Ana Neill", NOW)
        assert answer.complete


def _restricted(world: Path) -> None:
    """Ana's is lifted after word; Ben's stands, but for what he agrees to."""
    with _opened(world) as controller:
        for number, who in enumerate(("email=ana@example.org", "email=ben@example.org")):
            request = Request(((parse(who),),), override="test")
            answer = rights.restrict(controller, request, "claims", NOW, but=["communicate"])
            assert answer.complete
            if number == 0:
                by = {"actor": "Pia", "role": "operator"}
                rights.notify(controller, answer.case, "by letter", now=NOW, **by)
                later = NOW + dt.timedelta(seconds=1)
                assert rights.lift(controller, answer.case, "over", now=later, **by)[1]


def _withdrew(world: Path) -> None:
    with _opened(world) as controller:
        before = NOW - dt.timedelta(days=30)
        who = controller.subjects.of([parse("email=ana@example.org")], before)
        controller.consents.grant(who, "site.improve", before, source="form")
        request = Request(((parse("email=ana@example.org"),),), override="test")
        assert rights.withdraw(controller, request, ["site.improve"], NOW).complete


def _own(world: Path, statement: str) -> None:
    """Tamper with Kept's own tables, as somebody with the database password could."""
    with _opened(world) as controller, controller.database.connection() as connection:
        connection.execute(statement.encode())


def _staffed(world: Path) -> None:
    with _opened(world) as controller:
        staff.add(controller, "ana", "Ana", ["privacy-officer", "approver"], "new", None, NOW)


def _read_in_bulk(world: Path) -> None:
    """One who reads much, whom the alert names, and one who does not."""
    with _opened(world) as controller:
        for who, people in (("bo", 100), ("cy", 99)):
            actor = controller.actors.of(who, "support", NOW)
            cases = [f"{who}-{n}" for n in range(people)]
            assert staff.noted(controller, actor, cases, 200, NOW) == (people == 100)


def _nothing(world: Path) -> None:
    del world


@dataclass(frozen=True)
class Case:
    """How a control comes to pass, to fail, and (where it can) to look at nothing.

    `passes`, `fails`, `vacuous` prepare the files before the deployment is opened; `breaks`
    plants its fault into the open Controller: a door that judges wrongly, a store that lies.
    """

    passes: Prepare = _nothing
    fails: Prepare | None = None
    breaks: Callable[[Controller, pytest.MonkeyPatch], None] | None = None
    vacuous: Prepare | None = None


def _wider_door(controller: Controller, _: pytest.MonkeyPatch) -> None:
    """The door judges by a register with an activity that the published one does not have."""
    bundle = controller.bundle
    rogue = replace(
        bundle.activities["communicate"], id="rogue", purpose="advertising.targeted",
        categories=("support-case",), bases={"default": "legal-obligation"}, requires=(),
    )  # fmt: skip
    controller.rules = Rules([*bundle.activities.values(), rogue], bundle.vocabulary)


def _uncited(controller: Controller, _: pytest.MonkeyPatch) -> None:
    bundle = controller.bundle
    bare = replace(bundle.activities["newsletter"], clauses=())
    controller.bundle = replace(bundle, activities={**bundle.activities, "newsletter": bare})


def _loses_a_row(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = controller.keys

    def fewer(found: Located) -> dict[Place, KeyTable]:
        tables = whole(found)
        table = tables.get(("shop", "invoice"))
        if table is not None:
            tables["shop", "invoice"] = KeyTable(table.fields, table.rows[1:])
        return tables

    monkeypatch.setattr(controller, "keys", fewer)


def _old_facts(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts from before the consent was taken back, as a cache would give them."""
    old = Facts(frozenset({"consent:marketing.email", "preference:email"}))
    monkeypatch.setattr(controller.consents, "facts", lambda *_: old)


def _edited(file: str, before: str, after: str) -> Callable[[Controller, pytest.MonkeyPatch], None]:
    """A file of the bundle is changed while the deployment runs."""

    def change(controller: Controller, _: pytest.MonkeyPatch) -> None:
        edit(controller.bundle_directory / file, before, after)

    return change


def _empty(*tables: str) -> Prepare:
    def empty(world: Path) -> None:
        for table in tables:
            sql(world, f"DELETE FROM {table}")

    return empty


def _statement(text: str) -> Prepare:
    def carry_out(world: Path) -> None:
        sql(world, text)

    return carry_out


def _tampered(statement: str) -> Prepare:
    return lambda world: _own(world, statement)


def _text(file: str, before: str, after: str) -> Prepare:
    return lambda world: edit(world / file, before, after)


#: Somebody decided how long requests are kept.
_TWO_YEARS = _text("kept.toml", "[choices]\n", '[choices]\n"retention.rights-cases" = "P24M"\n')


def _then(*steps: Prepare) -> Prepare:
    def all_of_them(world: Path) -> None:
        for step in steps:
            step(world)

    return all_of_them


_JOINED = """[recipients.later]
title = "Later Ltd"
lane = "co-marketing"
policy = "https://later.example/privacy"

[recipients.deskline]"""


def _sent(world: Path) -> None:
    """Somebody wrote, somebody started a trial, somebody registered with partners."""
    forms.equip(world)
    with _opened(world) as controller:
        for form in ("contact", "trial", "webinar"):
            more = {"message": "Hello?"} if form == "contact" else {}
            answer = forms.sent(controller, form, email=f"{form}@example.org", **more)
            assert answer.taken, answer


def _without_imports(world: Path) -> None:
    (world / "policy" / "imports.yml").unlink()


def _brought(world: Path) -> None:
    """A partner gave a list, and a provider facts."""
    importing.equip(world)
    leads = importing.written(world, importing.lead("lea@example.org"), "kid,too,few")
    facts = importing.written(world, "lea@example.org,Head", head="email,Title", name="facts.csv")
    with _opened(world) as controller:
        assert importing.brought(controller, leads).counts["taken"] == 1
        assert importing.brought(controller, facts, "provider-facts", None).counts["taken"] == 1


def _released(world: Path) -> None:
    """Somebody registered with partners, and went to one of them."""
    with network() as partner:
        releasing.shop(world, releasing.release_of("ww", "windowworks", partner.url))
        with _opened(world) as controller:
            assert forms.sent(controller, "webinar", email="wilma@example.org").taken
            assert releasing.ran(controller, "ww").confirmed == 1


def _in_audiences(world: Path, *, before: int = 0, recalled: bool = True) -> None:
    """Ana was in three audiences and said no so many days ago; whether she was taken back."""
    said = NOW - dt.timedelta(days=before)
    with network() as networks:
        releasing.audiences(world, networks.url)
        sql(world, "INSERT INTO reader VALUES (1, 'ana@example.org', '2026-01-01 00:00:00', 'x')")
        with _opened(world) as controller:
            ana = controller.subjects.of([parse("email=ana@example.org")], said)
            controller.consents.grant(ana, releasing.PURPOSE, said, source="test")
            for name in ("spring", "autumn", "managers"):
                releasing.ran(controller, name, said)
            controller.consents.object_to(ana, "advertising", said, source="test")
            if recalled:
                assert release.recall(controller, lambda: NOW).confirmed == 3


def _nobody_removed(world: Path) -> None:
    _in_audiences(world, before=2, recalled=False)


def _forgotten(world: Path) -> None:
    """An audience that a network holds and that nothing fills any more."""
    _in_audiences(world)
    edit(world / "kept.toml", 'audiences = ["managers"]', 'audiences = ["managers", "old"]')


def _anonymous(world: Path) -> None:
    """Notes are not deleted but made anonymous."""
    file, erased = world / "shop.yml", "free_text: true, nullable: false, overwrite: erased}\n"
    at = "      at: {type: datetime, nullable: false"
    edit(file, "    title: Notes\n", "    title: Notes\n    erase: anonymise\n    k: 2\n")
    edit(file, f"{erased}{at}}}", f'{erased}{at}, anonymise: year, overwrite: "1970-01-01"}}')


def _prove(world: Path) -> None:
    with _opened(world) as controller:
        run(controller, registered(), NOW)


def _lost(world: Path) -> None:
    """Runs that failed; and the records of those that are newest, taken away."""
    _prove(world)
    edit(world / "shop.yml", "category: transaction.free", "category: free-text")
    _prove(world)
    _own(
        world,
        "DELETE FROM control_run r WHERE EXISTS (SELECT FROM control_run o"
        " WHERE o.control = r.control AND o.entry < r.entry)",
    )


#: A row of Ana is put into the shop, with a time of its own.
_AGAIN = "INSERT INTO note VALUES (77, ' Ana@Example.org', 'again', '{}')"
#: The archive says what was never published.
_FORGED = 'UPDATE policy_version SET units = \'[["text", "We sell all your data"]]\''

#: What nobody can measure of a place on a drive, and how a person vouches for it.
_VOUCHED = 'encryption = {by = "Jo", date = 2026-01-31, expires = 2026-12-31, how = "LUKS"}'


def _safe(world: Path) -> None:
    """Everything that the register of places asks for is there, and the files are closed."""
    vouch(world, _VOUCHED)


_VISIT = """  visit:
    title: Visits
    key: [id]
    retention: navigation
    clock: at
    activities: [improve-site]
    fields:
      id: {type: integer, nullable: false}
      who: {category: identifier.cookie, identifies: cookie}
      place: {category: navigation.ip, identifies: ip}
      page: {category: navigation.pages}
      at: {type: datetime}
"""


def _visits(world: Path) -> None:
    """Visits by cookie and IP address, under names that say nothing."""
    sql(world, "CREATE TABLE visit (id INTEGER PRIMARY KEY, who TEXT, place TEXT, page TEXT,"
               " at TEXT)")  # fmt: skip
    sql(world, "INSERT INTO visit VALUES (1, 'c0ffee-1', '192.0.2.7', '/', '2026-11-01 00:00:00'),"
               " (2, 'c0ffee-2', '2001:db8::1', '/', '2026-11-01 00:00:00')")  # fmt: skip
    with (world / "shop.yml").open("a", encoding="utf-8") as file:
        file.write(_VISIT)


def _abroad(world: Path, statement: str) -> None:
    """A statement by hand on the copy."""
    with contextlib.closing(sqlite3.connect(world / "cyprus.sqlite")) as connection, connection:
        connection.executescript(statement)


def _copied_abroad(world: Path) -> None:
    """Customers and notes lie in another country as well, copied row by row."""
    shutil.copy(world / "shop.sqlite", world / "cyprus.sqlite")
    _abroad(world, "DROP TABLE signup; DROP TABLE invoice")
    text = (world / "shop.yml").read_text("utf-8").replace("system: shop", "system: cyprus")
    text = text.replace("country: US", "country: CY")
    head, _, rest = text.partition("  signup:\n")
    text = head + "  note:\n" + rest.partition("  note:\n")[2]
    for name in ("customer", "note"):
        text = text.replace(f"  {name}:\n", f"  {name}:\n    copy_of: shop.{name}\n", 1)
    (world / "cyprus.yml").write_text(text, "utf-8")
    with (world / "kept.toml").open("a", encoding="utf-8") as file:
        file.write('\n[systems.cyprus]\nstore = "sqlite"\nurl = "cyprus.sqlite"\nmode = "act"\n'
                   'map = "cyprus.yml"\n')  # fmt: skip


def _without_systems(world: Path) -> None:
    _safe(world)
    text = (world / "kept.toml").read_text("utf-8")
    (world / "kept.toml").write_text(text.partition("[systems.shop]")[0], "utf-8")
    (world / "shop.sqlite").unlink()


def _eager(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is declared may run, whoever chose what."""
    monkeypatch.setattr(Visit, "allows", lambda visit, tracker: True)


def _unsaid(controller: Controller, _: pytest.MonkeyPatch) -> None:
    """A button of others that is said to be under our policy."""
    rows = dict(controller.bundle.trackers)
    rows["facebook-like"] = replace(rows["facebook-like"], outside=False)
    controller.bundle = replace(controller.bundle, trackers=rows)


CASES: dict[str, Case] = {
    "trackers.choice-governs": Case(breaks=_eager),
    "trackers.scope-is-said": Case(breaks=_unsaid),
    "publication.version-is-dated": Case(
        passes=_publish,
        fails=_then(_publish, _text("policy/text.md", "last updated", "changed")),
        vacuous=_nothing,
    ),
    "publication.archive-is-complete": Case(
        passes=_publish,
        fails=_then(_publish, _tampered(_FORGED)),
        vacuous=_nothing,
    ),
    "publication.contact-points-held-once": Case(
        fails=_text("policy/text.md", "{org.email}", "info@interop.io"),
    ),
    "publication.references-resolve": Case(breaks=_edited("text.md", "{ref:", "{ref:NO")),
    "publication.terms-are-defined": Case(breaks=_edited("text.md", "[[", "[[Undefined ")),
    "activities.bound-to-clauses": Case(
        passes=_decide, fails=_text("shop.yml", "    activities: [trial]\n", "")
    ),
    "activities.purposes-cite-clauses": Case(breaks=_uncited),
    "use.outside-the-matrix-is-denied": Case(breaks=_wider_door),
    "map.every-column-is-labelled": Case(
        fails=_statement("ALTER TABLE customer ADD COLUMN mobile TEXT")
    ),
    "rights.access-is-complete": Case(
        breaks=_loses_a_row, vacuous=_empty("signup", "invoice", "note", "customer")
    ),
    "rights.packages-hold-nobody-else": Case(
        passes=_handled("{others: staff}"),
        fails=_handled("text"),
        vacuous=_empty("customer"),
    ),
    "rights.transactions-are-mapped": Case(
        fails=_text("shop.yml", "category: transaction.free", "category: free-text"),
        vacuous=_empty("signup", "invoice"),
    ),
    "rights.answers-tell-what-was-done": Case(
        passes=_erase,
        fails=_then(_erase, _tampered("UPDATE case_step SET verified = false")),
        vacuous=_nothing,
    ),
    "rights.answers-claim-what-was-done": Case(
        passes=_lettered,
        fails=_then(_lettered, _tampered("UPDATE case_step SET state = 'failed' WHERE step = 1")),
        vacuous=_nothing,
    ),
    "rights.answers-name-an-authority": Case(
        passes=_lettered,
        fails=_then(_text("policy/policy.yml", "country: US", "country: BR"), _lettered),
        vacuous=_nothing,
    ),
    "rights.complaints-are-heard": Case(
        passes=_complained(NOW),
        fails=_complained(NOW - dt.timedelta(days=31)),
        vacuous=_nothing,
    ),
    "rights.others-mail-is-untouched": Case(
        passes=_came("Stop the newsletters of one of your customers"),
        fails=_then(
            _came("Stop the newsletters of one of your customers"),
            _tampered("UPDATE intake SET frozen_at = arrived_at"),
        ),
        vacuous=_nothing,
    ),
    "rights.wishes-open-their-case": Case(
        passes=_came("Remove me from everything, and delete all my data"),
        fails=_then(
            _came("Remove me from everything, and delete all my data"),
            _tampered("UPDATE rights_case SET \"right\" = 'erasure'"),
        ),
        vacuous=_came("How long do you keep logs?"),
    ),
    "rights.questions-are-tracked": Case(
        passes=_came("How long do you keep logs?"),
        fails=_then(_came("How long do you keep logs?"), _tampered("DELETE FROM intake")),
        vacuous=_nothing,
    ),
    "rights.desk-data-goes": Case(
        passes=_then(_TWO_YEARS, _erase, _answered),
        fails=_then(
            _TWO_YEARS, _erase, _tampered("UPDATE rights_case SET closed_at = '2020-01-01'")
        ),
        vacuous=_erase,
    ),
    "rights.authorities-are-listed": Case(
        fails=_text("policy/policy.yml", "country: US", "country: BR"),
    ),
    "rights.deliveries-end": Case(
        passes=_delivered,
        fails=_then(_delivered, _tampered("UPDATE case_delivery SET ends_at = '2026-01-01'")),
        vacuous=_nothing,
    ),
    "disclosure.told-unless-barred": Case(
        passes=_disclosed,
        # Noted for him before his package was made, and not told.
        fails=_then(
            _disclosed,
            _tampered(
                "UPDATE passed_on SET barred_until = '2026-01-02', passed_on = '2026-01-01'"
                " WHERE barred_until IS NOT NULL"
            ),
        ),
        vacuous=_nothing,
    ),
    "rights.redactions-took-two": Case(
        passes=_looked_at,
        fails=_then(
            _looked_at,
            _tampered(
                "UPDATE case_redaction_act t SET actor = a.actor FROM actor a WHERE a.name = 'Red'"
            ),
        ),
        vacuous=_nothing,
    ),
    "rights.answered-in-time": Case(
        passes=_then(_longer, _erase),
        # Nobody moved its day, and it came long ago.
        fails=_asked_on(NOW.date() - dt.timedelta(days=40)),
        vacuous=_nothing,
    ),
    "rights.extension-told-in-time": Case(
        passes=_longer,
        fails=_then(
            _asked_on(NOW.date()),
            _tampered("UPDATE case_clock SET extended = true, due = due + 61"),
        ),
        vacuous=_nothing,
    ),
    "rights.erased-stay-erased": Case(
        passes=_then(_erase, _statement(_AGAIN.format("2026-12-01 00:00:00"))),
        fails=_then(_erase, _statement(_AGAIN.format("2024-06-01 00:00:00"))),
        vacuous=_nothing,
    ),
    "rights.recipients-are-told": Case(
        passes=_then(_corrected, _restricted, _erase, _answered),
        fails=_then(_text("kept.toml", "[recipients.provider]", "[recipients.public]"), _erase),
        vacuous=_nothing,
    ),
    "rights.child-cases-name-nobody": Case(
        passes=_child,
        fails=_then(
            _child,
            _tampered(
                "INSERT INTO case_person SELECT number, 0, 'email', '\\x00' FROM rights_case"
            ),
        ),
        vacuous=_erase,
    ),
    "rights.isolated-is-unreadable": Case(
        passes=_erase,
        fails=_then(_text("shop.yml", "    stays: in-place\n", ""), _erase),
        vacuous=_nothing,
    ),
    "rights.anonymised-is-nobodys": Case(
        passes=_then(_anonymous, _erase),
        fails=_then(
            _anonymous, _erase, _statement("UPDATE note SET at = '2024-01-01' WHERE id = 1")
        ),
        vacuous=_anonymous,
    ),
    "rights.texts-name-nobody-unfound": Case(
        passes=_text("shop.yml", "free_text: true", "free_text: redact"),
        fails=_text("shop.yml", ", free_text: true", ""),
        vacuous=_text("shop.yml", ", free_text: true", ", free_text: false"),
    ),
    "rights.what-is-kept-ends": Case(
        passes=_erase,
        fails=_then(_erase, _tampered("UPDATE locator SET until = '2026-01-01'")),
        vacuous=_nothing,
    ),
    "rights.objections-stop-the-purpose": Case(
        passes=_objected,
        fails=_then(
            _objected,
            _tampered("DELETE FROM suppression WHERE kind = 'email'; DELETE FROM fact"),
        ),
        vacuous=_nothing,
    ),
    "rights.restrictions-stop-every-use": Case(
        passes=_restricted,
        fails=_then(_restricted, _tampered("DELETE FROM suppression; DELETE FROM fact")),
        vacuous=_nothing,
    ),
    "rights.hold-in-every-region": Case(breaks=_another_basis),
    "rights.what-is-portable-is-known": Case(
        passes=_ported,
        fails=_then(
            _text(
                "policy/vocabulary.yml",
                "categories:\n",
                "categories:\n  shoe-size: {parent: null, label: Size of shoes}\n",
            ),
            _text("shop.yml", "    origin: provided\n", ""),
            _text("shop.yml", "since: {", "since: {origin: observed, "),
            _text("shop.yml", "category: contact.phone", "category: shoe-size"),
        ),
    ),
    "rights.corrections-hold": Case(
        passes=_corrected,
        fails=_then(
            _corrected, _statement("UPDATE customer SET name = 'ANA O''Neill' WHERE id = 1")
        ),
        vacuous=_nothing,
    ),
    "rights.withdrawals-stop-consent-only": Case(
        passes=_withdrew,
        fails=_then(_withdrew, _tampered("DELETE FROM fact WHERE fact LIKE 'withdrawn:%'")),
        vacuous=_nothing,
    ),
    "rights.withdrawals-are-forward-only": Case(
        passes=_withdrew,
        fails=_then(_withdrew, _tampered("DELETE FROM fact WHERE fact LIKE 'consent:%' AND holds")),
        vacuous=_nothing,
    ),
    "rights.proven-addresses-are-covered": Case(passes=_linked, breaks=_narrow, vacuous=_nothing),
    "rights.nobody-is-merged": Case(
        passes=_linked,
        fails=_then(_linked, _tampered("UPDATE identity SET evidence = 'verified'")),
        vacuous=_nothing,
    ),
    "collect.basis-is-stamped": Case(
        fails=_statement("UPDATE signup SET basis = NULL WHERE id = 1"), vacuous=_empty("signup")
    ),
    "collect.forms-take-what-is-declared": Case(
        # A program of the company's adds what the form did not ask.
        passes=_sent,
        fails=_then(_sent, _statement("UPDATE message SET address = 'Street 1'")),
    ),
    "collect.imports-hold-what-is-declared": Case(
        # A program adds to a row what the list was not to say.
        passes=_brought,
        fails=_then(_brought, _statement("UPDATE lead SET score = '9'")),
        vacuous=_without_imports,
    ),
    "collect.only-what-is-needed-is-required": Case(
        fails=_text(
            "policy/forms.yml",
            "label: Name, required: false",
            "label: Name, required: false, value: Jane Doe",
        ),
    ),
    "collect.only-from-our-sites": Case(
        fails=_text(
            "policy/forms.yml",
            "  path: /contact\n",
            "  path: /contact\n  site: https://old.example\n",
        ),
    ),
    "release.only-to-the-named": Case(
        passes=_released,
        fails=_then(
            _released,
            _tampered("UPDATE notice_text SET shown = jsonb_set(shown, '{partners}', '[]')"),
        ),
        vacuous=_nothing,
    ),
    "audiences.opt-outs-are-removed": Case(
        passes=_in_audiences, fails=_nobody_removed, vacuous=_nothing
    ),
    "audiences.none-for-children": Case(passes=_in_audiences, fails=_forgotten, vacuous=_nothing),
    "collect.nobody-too-young": Case(
        fails=_text(
            "policy/forms.yml",
            "    name: {category: contact.name",
            "    birth_date: {category: contact.name",
        ),
        vacuous=_text("policy/policy.yml", "minimum_age: 16\n", ""),
    ),
    "notice.demands-are-told": Case(
        passes=_sent,
        fails=_then(
            _sent,
            _tampered("UPDATE notice_text SET shown = jsonb_set(shown, '{fields,0,words}', '[]')"),
        ),
    ),
    "notice.interests-are-told": Case(
        passes=_sent,
        fails=_then(
            _sent, _tampered("UPDATE notice_text SET shown = jsonb_set(shown, '{told}', '[]')")
        ),
        vacuous=_nothing,
    ),
    "notice.can-be-shown-again": Case(
        passes=_sent,
        # The words on the form are others now, under the same version.
        fails=_then(_sent, _text("policy/forms.yml", "so that we can answer you", "as we like it")),
        vacuous=_nothing,
    ),
    "notice.partners-are-named": Case(
        passes=_sent,
        # One joins in after people have registered.
        fails=_then(_sent, _text("kept.toml", "[recipients.deskline]", _JOINED)),
        vacuous=_nothing,
    ),
    "notice.controller-is-named": Case(
        fails=_text("policy/text.md", "European Economic Area", "some countries")
    ),
    "choices.consent-decides": Case(
        passes=_taken_back,
        breaks=_old_facts,
        vacuous=_nothing,
    ),
    "evidence.every-clause-has-a-trail": Case(
        passes=_prove,
        fails=_then(
            _prove,
            _tampered(
                "UPDATE control_run SET document = jsonb_set(document, '{outcome}', '\"pass\"')"
                " || '{\"looked_at\": 999}'"
            ),
        ),
    ),
    "security.stores-are-closed": Case(
        passes=_safe,
        fails=_then(_safe, _text("kept.toml", 'owner = "Sales"\n', "")),
        vacuous=_without_systems,
    ),
    "security.access-is-reviewed": Case(
        passes=_staffed,
        fails=_then(
            _staffed,
            lambda world: _own(
                world, "UPDATE account_role SET granted_at = granted_at - interval '181 days'"
            ),
        ),
        vacuous=_nothing,
    ),
    "security.measures-are-checked": Case(
        passes=_safe,
        fails=_then(_safe, _text("kept.toml", "restore = ", "# ")),
        vacuous=_without_systems,
    ),
    "security.incidents-are-told-in-time": Case(
        passes=_incident(at=NOW),
        fails=_incident(at=NOW - dt.timedelta(hours=73)),
        vacuous=_nothing,
    ),
    "security.bulk-reads-are-noticed": Case(
        passes=_read_in_bulk,
        fails=_then(_read_in_bulk, lambda world: _own(world, "DELETE FROM desk_alert")),
        vacuous=_nothing,
    ),
    "navigation.traces-are-personal": Case(
        passes=_visits,
        fails=_then(_visits, _text("shop.yml", ", identifies: ip}", "}")),
        vacuous=_nothing,
    ),
    "sharing.copies-keep-the-rules": Case(
        passes=_then(_copied_abroad, _erase),
        fails=_then(_copied_abroad, lambda world: _abroad(world, "UPDATE customer SET name = 'x'")),
        vacuous=_nothing,
    ),
    "rights.unverified-leave-nothing": Case(
        passes=_asked(NOW),
        # Nobody confirmed it, and nothing let it go.
        fails=_asked(NOW - 2 * rights.intake.UNCONFIRMED),
        vacuous=_nothing,
    ),
    "rights.proof-ends-with-its-case": Case(
        passes=_proven,
        # As a version that forgets to destroy it, or a restored backup, would leave it.
        fails=_then(
            _proven,
            _tampered(
                "INSERT INTO case_sealed (number, name, sealed)"
                " SELECT number, 'paper:1', '\\x01' FROM rights_case WHERE done_at IS NOT NULL"
            ),
        ),
        vacuous=_nothing,
    ),
    "rights.letters-count-from-arrival": Case(
        passes=_by_post,
        fails=_unposted,
        vacuous=_nothing,
    ),
    "rights.asker-known-well-enough": Case(
        passes=_proven,
        fails=_then(_proven, _tampered("UPDATE rights_case SET needs = 3")),
        vacuous=_nothing,
    ),
    "children.reported-is-frozen": Case(
        passes=_reported,
        fails=_then(_reported, _lifted),
        vacuous=_nothing,
    ),
    "ledger.is-whole": Case(
        passes=_decide,
        fails=_then(
            _prove,
            _tampered(
                "ALTER TABLE ledger_entry DISABLE TRIGGER USER;"
                " UPDATE ledger_entry SET leaf = set_byte(leaf, 8, get_byte(leaf, 8) # 1)"
                " WHERE index = 0"
            ),
        ),
    ),
}
#: Tested below, in front of a server.
SERVED = "publication.policy-page-is-clean"
#: And these elsewhere: in `test_intake_checks`, and with the table of routes.
ASKED = "rights.requests-need-no-account"
WAYS = "publication.choices-have-a-way"
DOORS = "security.doors-are-guarded"
MEASURES = "security.measures-are-checked"
#: Where nobody listens.
NOBODY = "http://127.0.0.1:1"
#: Those over visits: in `test_visit_checks`.
PAGES = {
    "trackers.nothing-undeclared",  # tests/app/test_reports.py
    "trackers.letters-load-nothing",  # tests/duties/test_scans.py
    "trackers.scans-find-what-is-declared",  # there as well
    "trackers.reading-asks-nothing",  # there as well
    "trackers.held-against-activities",
    "trackers.networks-are-registered",
    "trackers.own-widgets-send-nothing",
    "trackers.outbound-links-are-known",  # tests/acceptance/test_COOK_pages.py
    "trackers.partner-pages-say-whose",
    "trackers.boxes-say-whose-policy",  # tests/acceptance/test_COOK_pages.py
    "trackers.pages-are-guarded",  # tests/acceptance/test_COOK_pages.py
    "choices.taken-back-as-easily",  # tests/duties/test_preference_checks.py
}
VISITS = {
    "visits.choices-page-tells-all", "visits.choices-stand-as-made", "visits.opt-out-links-work",
    "visits.trackers-obey-choices", "visits.supplied-addresses-lead-there",
    # tests/duties/test_view_checks.py
    "visits.views-count-once", "visits.views-hold-what-is-declared", "visits.views-were-allowed",
}  # fmt: skip


def test_every_shipped_control_has_its_worlds() -> None:
    assert set(CASES) | {SERVED, ASKED, WAYS, DOORS} | VISITS | PAGES == set(registered())
    assert all(case.fails or case.breaks for case in CASES.values())


def test_every_shipped_control_is_named_by_a_bundle() -> None:
    named = {
        name
        for file in (ROOT / "policies").glob("*/policy.yml")
        for clause in bundle.load(file.parent).clauses.values()
        for name in clause.controls
    }
    assert set(registered()) <= named


@pytest.mark.parametrize("name", sorted(CASES))
def test_passes(world: Path, name: str) -> None:
    CASES[name].passes(world)
    met = _run(world, name)
    assert (met.outcome, met.findings) == (Outcome.PASS, ())
    assert met.looked_at > 0


@pytest.mark.parametrize("name", sorted(CASES))
def test_fails(world: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    if case.breaks is None:
        assert case.fails
        case.fails(world)
        assert _run(world, name).outcome is Outcome.FAIL
        return
    case.passes(world)
    with _opened(world) as controller:
        case.breaks(controller, monkeypatch)
        met = run(controller, registered(), NOW, names=[name])[0]
    assert met.outcome is Outcome.FAIL, met.findings


def test_every_right_once_and_no_control_fails(world: Path) -> None:
    """Whatever one right leaves in the records is no fault to a control of another."""
    _safe(world)
    edit(world / "shop.yml", "free_text: true", "free_text: delete")
    _publish(world)
    _withdrew(world)
    who = Request(((parse("email=ana@example.org"),),), override="test")
    with _opened(world) as controller:
        by = rights.rectify(controller, who, "shop.invoice.total", "11.00", NOW, was="10.00")
        assert by.steps[0].counts.retained == 1  # a law keeps the invoice as it was written
        assert rights.access(controller, who, NOW, out=world / "all.zip").complete
        assert rights.port(controller, who, NOW, out=world / "along.zip").complete
        assert rights.restrict(controller, who, "claims", NOW).complete
    _objected(world)

    def amiss() -> list[tuple[str, Outcome, str]]:
        with _opened(world) as controller:
            done = run(controller, registered(), NOW)
        bad = (Outcome.FAIL, Outcome.ERROR)
        return [(e.control, e.outcome, e.findings[0].words) for e in done if e.outcome in bad]

    assert amiss() == []
    _erase(world)
    assert amiss() == []


def test_a_store_that_cannot_be_asked_is_no_broken_promise(world: Path) -> None:
    """Not a pass either; and what is found amiss elsewhere is still amiss."""
    edit(world / "shop.yml", "free_text: true", "free_text: delete")
    _publish(world)
    with _opened(world) as controller:
        ben = Request(((parse("email=ben@example.org"),),), override="test")
        assert rights.rectify(controller, ben, "shop.customer.name", "Ben Unal", NOW).complete
    _linked(world)
    _erase(world)
    (world / "other.yml").write_text(_OTHER, "utf-8")
    with contextlib.closing(sqlite3.connect(world / "other.sqlite")) as c:
        c.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, mail TEXT, strange TEXT)")
    with (world / "kept.toml").open("a") as file:
        file.write(
            '\n[systems.other]\nstore = "sqlite"\nmode = "act"\nmap = "other.yml"\n'
            f'url = "sqlite:///{world / "other.sqlite"}"\n'
        )
    _safe(world)
    away = world.parent / "away.sqlite"
    (world / "shop.sqlite").rename(away)

    def found() -> dict[str, Evidence]:
        with _opened(world) as controller:
            return {e.control: e for e in run(controller, registered(), NOW)}

    met = found()
    unasked = {name for name, e in met.items() if any(f.unasked for f in e.findings)}
    assert unasked >= {
        "collect.basis-is-stamped", "map.every-column-is-labelled", "rights.access-is-complete",
        "rights.corrections-hold", "rights.erased-stay-erased", "rights.packages-hold-nobody-else",
        "rights.isolated-is-unreadable", "rights.texts-name-nobody-unfound",
        "rights.transactions-are-mapped", "security.stores-are-closed",
    }  # fmt: skip
    assert {n for n, e in met.items() if e.outcome is Outcome.ERROR} == unasked - {_LABELLED}
    # A column that no map names is seen in the other system.
    assert {n for n, e in met.items() if e.outcome is Outcome.FAIL} == {_LABELLED}
    # The trail of what could not be asked is no altered trail.
    assert found()["evidence.every-clause-has-a-trail"].outcome is Outcome.PASS
    edit(world / "other.yml", "mail: {", "strange: {type: text}\n      mail: {")
    assert found()[_LABELLED].outcome is Outcome.ERROR
    away.rename(world / "shop.sqlite")
    assert {e.outcome for e in found().values()} <= {Outcome.PASS, Outcome.VACUOUS}


_LABELLED = "map.every-column-is-labelled"
_OTHER = """
system: other
title: Another
country: US
datasets:
  person:
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
"""


def test_a_row_that_looks_as_if_it_came_by_a_form_is_known(world: Path) -> None:
    """All its stamps are right: somebody copied them from a row that is true."""
    name = "collect.forms-take-what-is-declared"
    _sent(world)
    assert _run(world, name).outcome is Outcome.PASS
    columns = "form, email, message, basis, activity, notice, at"
    sql(world, f"INSERT INTO message ({columns}) SELECT {columns} FROM message")
    met = _run(world, name)
    assert met.outcome is Outcome.FAIL
    assert [f.words for f in met.findings] == [
        "1 row more than the ledger says came by the form contact"
    ]
    sql(world, "DELETE FROM message")
    assert _run(world, name).outcome is Outcome.PASS


def test_an_entry_that_is_not_found_by_its_kind_is_no_whole_ledger(world: Path) -> None:
    _then(
        _prove,
        _tampered(
            "ALTER TABLE ledger_entry DISABLE TRIGGER USER;"
            " UPDATE ledger_entry SET kind = kind + 1 WHERE index = 0"
        ),
    )(world)
    met = _run(world, "ledger.is-whole")
    assert met.outcome is Outcome.FAIL
    assert "entry 0 is filed under another kind" in [f.words for f in met.findings]


@pytest.mark.parametrize("kind", ["email", "phone", "account"])
def test_who_is_not_found_by_what_names_her_is_missed(
    world: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reach._identifying
    with _opened(world) as controller:
        monkeypatch.setattr(
            reach,
            "_identifying",
            lambda dataset: [f for f in whole(dataset) if f.identifies != kind],
        )
        monkeypatch.setattr(reach, "_SHAPES", [])
        met = run(controller, registered(), NOW, names=["rights.access-is-complete"])[0]
    assert met.outcome is Outcome.FAIL
    assert any(f"found by {kind} lacks" in finding.words for finding in met.findings)


def test_an_address_that_is_a_key_leads_to_what_others_hold_under_it(world: Path) -> None:
    """Who reads a letter is known by her address alone, and may be a customer as well."""
    sql(world, "CREATE TABLE reader (email TEXT PRIMARY KEY NOT NULL)")
    sql(world, "INSERT INTO reader VALUES ('ANA@example.org'), ('cleo@example.org')")
    with (world / "shop.yml").open("a", encoding="utf-8") as file:
        file.write(
            "  reader:\n    key: [email]\n    retention: messages\n"
            "    fields:\n      email: {category: contact.email, identifies: email,"
            " nullable: false}\n"
        )
    met = _run(world, "rights.access-is-complete")
    assert (met.outcome, met.findings) == (Outcome.PASS, ())


def test_a_promise_of_small_letters_that_is_not_kept_is_seen(world: Path) -> None:
    """The map says that addresses are stored folded; Ben's is not, so nobody finds him by it."""
    line = "email: {category: contact.email, identifies: email"
    edit(world / "shop.yml", line, f"{line}, indexed_exact: true")
    assert _run(world, "rights.access-is-complete").outcome is Outcome.FAIL


@pytest.mark.parametrize("name", sorted(n for n, c in CASES.items() if c.vacuous))
def test_looks_at_nothing(world: Path, name: str) -> None:
    prepare = CASES[name].vacuous
    assert prepare
    prepare(world)
    met = _run(world, name)
    assert (met.outcome, met.looked_at, met.findings) == (Outcome.VACUOUS, 0, ())


_ELSE = "https://tracker.example"
#: In the place of what stands there (the first time): what a proxy, or somebody, puts there.
_PUT: dict[str, tuple[str, str]] = {
    "another host": ("</body>", f'<img src="{_ELSE}/p.gif"></body>'),
    "a script": ("</body>", "<script>1</script></body>"),
    "a section is missing": ('id="RET"', 'id="gone"'),
    "other words": ("When that time is over", "Some day"),
    "style import": ("</head>", f"<style>@import url({_ELSE}/x.css);</style></head>"),
    "style of a tag": ("<body", f'<body style="background:url({_ELSE}/p.gif)"'),
    "onload": ("<body", f"<body onload=\"fetch('{_ELSE}')\""),
    "script as a link": ("</main>", '<p><a href="javascript:alert(1)">x</a></p></main>'),
    "script in a link of ours": ('href="/privacy/versions"', 'href="javascript:alert(1)"'),
    "refresh": ("</head>", f'<meta http-equiv=refresh content="0;url={_ELSE}"></head>'),
    "base": ("<head>", f'<head><base href="{_ELSE}/">'),
    "another icon": ('href="/assets/kept.svg"', f'href="{_ELSE}/kept.svg"'),
    "srcset": ("</body>", f'<img srcset="/a.png 1x, {_ELSE}/p.gif 2x"></body>'),
    "srcset beside src": ("</body>", f'<img src=/a.png srcset="{_ELSE}/p.gif 2x"></body>'),
    "poster": ("</body>", f'<video poster="{_ELSE}/p.gif"></video></body>'),
    "picture of a drawing": ("</body>", f'<svg><image href="{_ELSE}/p.gif"/></svg></body>'),
    "drawn elsewhere": ('fill="none"', f'fill="url({_ELSE}/p.svg#x)"'),
    "form": ("</body>", f'<form action="{_ELSE}"><input name=e></form></body>'),
    "frame": ("</body>", f'<iframe srcdoc="<img src={_ELSE}/x>"></iframe></body>'),
    "ping": ("<a href", f'<a ping="{_ELSE}" href'),
    "hidden": ("<main", "<main hidden"),
    "hidden as a class": ('<main id="main">', '<main id="main"><div class="side">'),
    "hidden heading": ("<h2>", '<h2 class="sr">'),
    "said twice": ('<main id="main"', '<main id="main" id="main"'),
    "a comment": ("</main>", "<!-- x --></main>"),
    "not closed": ("</main>", ""),
    "said to the contrary": ("</main>", "<p>None of this applies to you.</p></main>"),
    "said before": ("<body>", "<body>Closed."),
    "said of a sentence": ('title="', 'title="Not true: '),
    "another meaning": ("<dd>", "<dd>Nothing of "),
    "a word that leads astray": ('class="term" href="#', 'class="term" href="#not-'),
    "said in the standing": ("</footer>", "<p>3 open</p></footer>"),
}
_LOAD = {"Link": f"<{_ELSE}/x.css>; rel=preload; as=style"}
_POLICY = "Content-Security-Policy"
_HEADERS: dict[str, dict[str, str]] = {
    "a cookie": {"Set-Cookie": "id=1"},
    "a link": _LOAD,
    "refresh": {"Refresh": f"0;url={_ELSE}"},
    "reports": {"NEL": "{}"},
    "no policy for browsers": {_POLICY: ""},
    "a lax policy for browsers": {_POLICY: web.HEADERS[_POLICY] + "; script-src *"},
    "another spelling": {"Content-Type": "text/html; charset=utf-7"},
}


def _wrapped(page: str, tag: str) -> str:
    return page.replace("<main", f"<{tag}><main", 1).replace("</main>", f"</main></{tag}>", 1)


_BAD: dict[str, tuple[Callable[[str], str], dict[str, str]]] = {
    **{name: (lambda page, at=at: page.replace(*at, 1), {}) for name, at in _PUT.items()},
    **{f"header: {name}": (lambda page: page, headers) for name, headers in _HEADERS.items()},
    **{f"in a {t}": (lambda page, t=t: _wrapped(page, t), {}) for t in ("noscript", "details")},
    "an old page": (lambda page: re.sub('(name="kept" content="[0-9a-f]+ )', r"\1f", page), {}),
}


@pytest.fixture(scope="module")
def served(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """One deployment for all that is planted in its page."""
    with _opened(make(tmp_path_factory.mktemp("served") / "world", kept_module_url)) as controller:
        yield controller


@pytest.fixture(scope="module")
def browsing(served: Controller) -> Iterator[TestClient[Litestar]]:
    """Its pages: what shows them is put together once, and asked anew each time."""
    with TestClient(web.make(served, token=None, shows="live", clock=lambda: NOW)) as client:
        yield client


def _look(
    controller: Controller, whole: str, fault: str | None = None, style: bytes | None = None
) -> Evidence:
    """What the control says of that page, with the fault in it."""
    change, headers = _BAD[fault] if fault else (lambda page: page, {})
    page = change(whole)
    assert fault is None or page != whole or headers, fault
    with _serving(page, headers, style) as controller.site_url:
        return run(controller, registered(), NOW, names=[SERVED])[0]


def _page(controller: Controller, shows: str) -> str:
    with TestClient(web.make(controller, token=None, shows=shows, clock=lambda: NOW)) as client:
        return client.get("/privacy").text


@pytest.mark.parametrize("fault", list(_BAD))
def test_what_is_planted_in_the_policy_page_is_seen(
    served: Controller, browsing: TestClient[Litestar], fault: str
) -> None:
    met = _look(served, browsing.get("/privacy").text, fault)
    assert met.outcome is Outcome.FAIL
    assert not any(_ELSE in f.words for f in met.findings)


def test_policy_page_is_clean(world: Path) -> None:
    """As a draft and published, with and without its marks, whatever the last checks said."""
    with _opened(world) as controller:
        for _ in range(2):
            for shows in ("text", "live"):
                met = _look(controller, _page(controller, shows))
                assert (met.outcome, met.findings) == (Outcome.PASS, ())
            publication.publish(controller, NOW, set(registered()))
        gone = run(controller, registered(), NOW, names=[SERVED])[0]  # nothing listens any more
        assert gone.outcome is Outcome.VACUOUS
        hidden = _look(controller, _page(controller, "live"), style=b"main { display: none }")
        assert hidden.outcome is Outcome.FAIL


@pytest.mark.parametrize("hour", [0, 5, 11, 23])
def test_an_age_is_judged_at_any_hour(world: Path, hour: int) -> None:
    """It is another day elsewhere: who is where on a list is not what a form is told."""
    now = NOW.replace(hour=hour, minute=40)
    with _opened(world) as controller:
        met = run(controller, registered(), now, names=["collect.nobody-too-young"])[0]
    assert (met.outcome, met.findings) == (Outcome.PASS, ())


@pytest.mark.parametrize("leak", [None, "/desk/accounts", "/api/v1/decide"])
def test_doors_are_guarded(world: Path, leak: str | None) -> None:
    """Every route of the table, asked over HTTP of the real application; one of them leaks."""
    with _opened(world) as controller:
        controller.surfaces = SURFACES
        controller.site_url = NOBODY  # at the usual port somebody's demonstration may be served
        gone = run(controller, registered(), NOW, names=[DOORS])[0]
        assert gone.outcome is Outcome.VACUOUS
        app = web.make(controller, token="t", shows="text", clock=lambda: NOW)
        with TestClient(app) as client, _answering(client, leak) as controller.site_url:
            met = run(controller, registered(), NOW, names=[DOORS])[0]
    assert met.looked_at == sum(bool(s.roles - {"guest", "person"}) for s in (*ROUTES, *DESK)) > 20
    assert met.outcome is (Outcome.FAIL if leak else Outcome.PASS), met.findings
    assert [f.where.split()[1] for f in met.findings] == ([leak] if leak else [])


@pytest.mark.parametrize("status", [200, 404])
def test_a_site_that_answers_for_the_desk_is_no_desk(world: Path, status: int) -> None:
    """Behind a gateway the address is that of the site, which leads nobody to the desk."""
    with _opened(world) as controller, _site(status) as controller.site_url:
        controller.surfaces = SURFACES
        met = run(controller, registered(), NOW, names=[DOORS])[0]
        assert (met.outcome, met.findings) == (Outcome.VACUOUS, ())
    # Kept's own, with every door open, is not taken for such a site.
    with _opened(world) as controller, _site(status, login=True) as controller.site_url:
        controller.surfaces = SURFACES
        met = run(controller, registered(), NOW, names=[DOORS])[0]
        assert met.outcome is (Outcome.FAIL if status == 200 else Outcome.PASS)


@contextlib.contextmanager
def _site(status: int, *, login: bool = False) -> Iterator[str]:
    """A server with one answer to everything; `login`: the page of the desk to log in."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b'<form action="/desk/login">' if login and self.path == "/desk/login" else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as at:
        yield at


@contextlib.contextmanager
def _answering(client: TestClient[Litestar], leak: str | None) -> Iterator[str]:
    """The application on a port, but that whoever asks for `leak` is let in."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = client.request(self.command, self.path, headers=dict(self.headers),
                                    follow_redirects=False)  # fmt: skip
            self.send_response(200 if self.path == leak else answer.status_code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with running(http.server.HTTPServer(("127.0.0.1", 0), Handler)) as at:
        yield at


def test_a_page_of_another_deployment_is_not_looked_at(world: Path) -> None:
    with _opened(world) as controller:
        with TestClient(web.make(controller, token=None, shows="live", clock=lambda: NOW)) as one:
            page = one.get("/privacy").text
        mark = policy_page.marks(controller)[0]
        for other in (page.replace(mark, mark[::-1]), page.replace('name="kept"', 'name="x"')):
            with _serving(other, {"Set-Cookie": "id=1"}) as controller.site_url:
                met = run(controller, registered(), NOW, names=[SERVED])[0]
            assert (met.outcome, met.looked_at) == (Outcome.VACUOUS, 0)


@pytest.mark.parametrize("of_old", [False, True])
@pytest.mark.parametrize(
    "forged",
    [
        _FORGED,
        "UPDATE policy_version SET rules_sha256 = text_sha256",
        "UPDATE policy_version SET at = at - interval '1 day'",
        "INSERT INTO policy_version SELECT entry + 1000, policy, version, text_sha256,"
        " rules_sha256, units, at FROM policy_version",
        "DELETE FROM policy_version",
    ],
)
def test_nothing_in_the_archive_is_forged(
    world: Path, forged: str, of_old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a version from before its entry held a hash of the archive, the bundle tells."""
    if of_old:
        _published_before_there_was_a_hash(monkeypatch)
    _publish(world)
    name = "publication.archive-is-complete"
    assert _run(world, name).outcome is Outcome.PASS
    _own(world, forged)
    assert _run(world, name).outcome is Outcome.FAIL


def test_an_old_version_that_cannot_be_told_from_a_forged_one_does_not_pass(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _published_before_there_was_a_hash(monkeypatch)
    _publish(world)
    monkeypatch.undo()
    edit(world / "policy/policy.yml", "version: 2023-06-27", "version: 2023-06-28")
    _publish(world)
    met = _run(world, "publication.archive-is-complete")
    assert met.outcome is Outcome.FAIL
    assert "cannot be told" in met.findings[0].words


def _published_before_there_was_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def old(kind: str, at: dt.datetime, body: dict[str, str]) -> Entry:
        return Entry(kind, at, {k: v for k, v in body.items() if k != "archive"})

    monkeypatch.setattr(publication, "Entry", old)


def _isolated(world: Path) -> None:
    """Ana's rows that a law keeps are out of sight, Ben's stay by a hold on him."""
    file = world / "shop.yml"
    edit(file, "stays: in-place", "stays: isolated")
    for title in ("Customers", "Trials", "Notes"):
        edit(file, f"title: {title}", f"title: {title}\n    stays: isolated")
    _erase(world)
    with _opened(world) as controller:
        ben = parse("email=ben@example.org")
        who = controller.actors.of("Jo", "privacy-officer", NOW)
        holds.place(controller, ground="a claim", clause="RET-10", actor=who, now=NOW, person=[ben])
        request = Request(people=((ben,),), override="test")
        assert rights.erase(controller, request, NOW).complete


_KEPT, _SEEN = "rights.what-is-kept-ends", "rights.isolated-is-unreadable"
_ANSWERS = "rights.answers-tell-what-was-done"
#: What somebody does by hand, in Kept's database or in the shop, and the control that tells.
BY_HAND: dict[str, tuple[str, Prepare, Prepare]] = {
    "copies gone": (_SEEN, _isolated, _tampered("DELETE FROM isolated")),
    "a row gone": (_SEEN, _isolated, _statement("DELETE FROM invoice WHERE id = 1")),
    "a held row gone": (_SEEN, _isolated, _statement("DELETE FROM note WHERE id = 2")),
    "one copy gone": (
        _SEEN,
        _isolated,
        _tampered("DELETE FROM isolated WHERE entry = (SELECT min(entry) FROM isolated)"),
    ),
    "no way back": (_KEPT, _isolated, _tampered("DELETE FROM locator")),
    "one way back less": (
        _KEPT,
        _isolated,
        _tampered("DELETE FROM locator WHERE entry = (SELECT max(entry) FROM locator)"),
    ),
    "kept longer": (
        _KEPT,
        _isolated,
        _tampered("UPDATE locator SET until = '2099-01-01' WHERE until IS NOT NULL"),
    ),
    "a hold gone": (_KEPT, _isolated, _tampered("DELETE FROM hold")),
    "a hold released": (_KEPT, _isolated, _tampered("UPDATE hold SET released_at = now()")),
    "a hold on less": (_KEPT, _isolated, _tampered("UPDATE hold SET system = 'shop'")),
    "a hold on somebody else": (
        _KEPT,
        _isolated,
        _tampered("UPDATE hold SET subject = subject + 1000"),
    ),
    "a last day put off": (
        "rights.answered-in-time",
        _asked_on(NOW.date()),
        _tampered("UPDATE case_clock SET due = due + 1"),
    ),
    "nobody said that it has come": (
        "rights.answered-in-time",
        _asked_on(NOW.date(), region="US-CA"),
        _asked_on(NOW.date() - dt.timedelta(days=20), region="US-CA"),
    ),
    "a clock taken away": (
        "rights.answered-in-time",
        _asked_on(NOW.date()),
        _tampered("DELETE FROM case_clock"),
    ),
    "a notice dated back": (
        "rights.extension-told-in-time",
        _longer,
        _tampered("UPDATE case_clock_change SET dated = dated - 5 WHERE act = 'extended'"),
    ),
    "a notice without its words": (
        "rights.extension-told-in-time",
        _longer,
        _tampered("UPDATE case_clock_change SET words = NULL"),
    ),
    "an extension that nobody took": (
        "rights.extension-told-in-time",
        _longer,
        _tampered("DELETE FROM case_clock_change WHERE act = 'extended'"),
    ),
    "one case of two": (
        _ANSWERS,
        _isolated,
        _tampered("DELETE FROM rights_case WHERE number = (SELECT min(number) FROM rights_case)"),
    ),
    "a case opened again": (
        _ANSWERS,
        _isolated,
        _tampered(
            "UPDATE rights_case SET closed_at = NULL, state = 'checked'"
            " WHERE number = (SELECT min(number) FROM rights_case)"
        ),
    ),
    "a column of which nobody says whose it is": (
        "rights.what-is-portable-is-known",
        _ported,
        _text("shop.yml", "    origin: provided\n", ""),
    ),
    "a note of the organisation given along": (
        "rights.what-is-portable-is-known",
        _ported,
        _text("shop.yml", "stamp: basis", "stamp: basis, origin: provided"),
    ),
    **{
        f"one case of two: {control}": (
            control,
            prepare,
            _tampered(
                "DELETE FROM rights_case WHERE number = (SELECT max(number) FROM rights_case)"
            ),
        )
        for control, prepare in {
            "rights.objections-stop-the-purpose": _objected,
            "rights.restrictions-stop-every-use": _restricted,
            "rights.withdrawals-stop-consent-only": _withdrew,
            "rights.withdrawals-are-forward-only": _withdrew,
            "rights.what-is-portable-is-known": _ported,
        }.items()
    },
}


@pytest.mark.parametrize("what", sorted(BY_HAND))
def test_what_somebody_does_by_hand_is_noticed(world: Path, what: str) -> None:
    control, prepare, by_hand = BY_HAND[what]
    prepare(world)
    assert _run(world, control).outcome is Outcome.PASS
    by_hand(world)
    assert _run(world, control).outcome is Outcome.FAIL


_STAY = "rights.erased-stay-erased"


@pytest.mark.parametrize(
    "back",
    [
        "INSERT INTO note VALUES (77, 'ANA@example.org', 'again', '2024-06-01 00:00:00')",
        # Her number is known from her own row, her telephone as well.
        "INSERT INTO customer VALUES (9, 'n@example.net', 'Ana', '+49 (30) 123456', '2024-01-01')",
        "UPDATE customer SET name = 'Ana O''Neill', email = 'x@example.net' WHERE id = 1",
    ],
)
def test_rows_put_back_by_an_import_are_found_long_after(world: Path, back: str) -> None:
    _erase(world)
    later = NOW.replace(year=2028)
    with _opened(world) as controller:
        met = run(controller, registered(), later, names=[_STAY])[0]
        assert (met.outcome, met.findings) == (Outcome.PASS, ())
        sql(world, back)
        met = run(controller, registered(), later, names=[_STAY])[0]
        assert met.outcome is Outcome.FAIL
        assert "ana" not in repr(met.findings).lower()
        # It may have been there all the time, under an address that nobody had proven.
        assert "again" not in met.findings[0].words
        assert "`kept identity doubts`" in met.findings[0].fix


def test_who_came_back_is_not_found_again(world: Path) -> None:
    """She agreed to something since; whoever asks only what is left of her did not come back."""
    _erase(world)
    sql(world, _AGAIN.format("2024-06-01 00:00:00"))
    later, ana = NOW + dt.timedelta(days=9), parse("email=ana@example.org")
    with _opened(world) as controller:
        who = controller.subjects.of([ana], later)
        assert run(controller, registered(), later, names=[_STAY])[0].outcome is Outcome.FAIL
        controller.consents.grant(who, "marketing.email", later, source="form")
        later += dt.timedelta(days=1)
        assert run(controller, registered(), later, names=[_STAY])[0].outcome is Outcome.PASS


def test_rows_without_a_time_are_hers_again_only_with_younger_ones(world: Path) -> None:
    edit(
        world / "shop.yml",
        "    clock: at\n    activities: [communicate]",
        "    activities: [communicate]",
    )
    _erase(world)
    sql(world, _AGAIN.format("2024-06-01 00:00:00"))
    assert _run(world, _STAY).outcome is Outcome.FAIL
    sql(world, "INSERT INTO customer VALUES (9, 'ana@example.org', 'Ana', NULL, '2026-12-01')")
    assert _run(world, _STAY).outcome is Outcome.PASS


def test_nobody_whose_erasure_is_not_over_is_missed(world: Path) -> None:
    with _opened(world) as controller:
        request = Request(people=((parse("email=ana@example.org"),),), override="test")
        rights.preview(controller, request, NOW)
        assert run(controller, registered(), NOW, names=[_STAY])[0].outcome is Outcome.VACUOUS


def test_what_was_isolated_or_held_is_not_found_again(world: Path) -> None:
    _isolated(world)
    met = _run(world, _STAY)
    assert (met.outcome, met.findings) == (Outcome.PASS, ())


def test_what_has_ended_is_not_missed(world: Path) -> None:
    """A hold that was released and a law whose day came let rows go: that is as promised."""
    _isolated(world)
    with _opened(world) as controller:
        who = controller.actors.of("Jo", "operator", NOW)
        [hold] = controller.holds.all(NOW)
        holds.release(controller, hold.id, "settled", who, NOW)
        for later in (NOW + dt.timedelta(days=1), NOW.replace(year=2036)):
            if later.year == NOW.year:
                assert run(controller, registered(), later, names=[_KEPT])[0].outcome == "pass"
            answer = rights.expire(controller, later)
            assert answer.complete
            assert answer.gone
            for name in (_KEPT, _SEEN):
                met = run(controller, registered(), later, names=[name])[0]
                assert met.outcome in ("pass", "vacuous"), met.findings


@pytest.mark.parametrize("left", ["older", "none"])
def test_an_older_run_does_not_stand_in_for_one_that_was_taken_away(world: Path, left: str) -> None:
    _lost(world)
    if left == "none":
        _own(world, "DELETE FROM control_run")
    with _opened(world) as controller:
        shown = {e.control: e for e in latest(controller)}
        assert all(e.outcome is Outcome.ERROR for e in shown.values())
        assert bool(shown) is (left == "older")
        with TestClient(web.make(controller, token=None, shows="live", clock=lambda: NOW)) as one:
            page = one.get("/privacy").text
        assert 'href="#m-pass"' not in page
    met = _run(world, "evidence.every-clause-has-a-trail")
    assert met.outcome is Outcome.FAIL
    words = "newest run of `rights" if left == "none" else "was altered or broke off"
    assert any(words in f.words for f in met.findings)
    _prove(world)
    assert _run(world, "evidence.every-clause-has-a-trail").outcome is Outcome.PASS


def test_what_a_pass_is_about_to_run_is_not_missing(world: Path) -> None:
    trail = "evidence.every-clause-has-a-trail"
    _publish(world)
    assert _run(world, "activities.purposes-cite-clauses").outcome is Outcome.PASS
    assert _run(world, trail).outcome is Outcome.PASS  # no pass over the whole policy was made
    with _opened(world) as controller:
        done = {e.control: e for e in run(controller, registered(), NOW)}
    assert (done[trail].outcome, done[trail].findings) == (Outcome.PASS, ())
    assert _run(world, trail).outcome is Outcome.PASS


def test_a_control_that_no_whole_pass_has_run_is_missing(world: Path) -> None:
    """One that a clause was given after the last pass, until the next one."""
    trail, late = "evidence.every-clause-has-a-trail", "rights.authorities-are-listed"
    file = world / "policy" / "clauses.yml"
    edit(file, f"[{late}]", "[ledger.is-whole]")
    assert late not in file.read_text("utf-8")
    _prove(world)
    assert _run(world, trail).outcome is Outcome.PASS
    edit(file, "[ledger.is-whole]", f"[{late}]")
    met = _run(world, trail)
    assert (met.outcome, [f.words for f in met.findings]) == (
        Outcome.FAIL,
        [f"its control `{late}` never ran"],
    )
    with _opened(world) as controller:
        done = {e.control: e for e in run(controller, registered(), NOW)}
    assert done[trail].outcome is Outcome.PASS
    assert _run(world, trail).outcome is Outcome.PASS


_COPIES = "sharing.copies-keep-the-rules"
_ANA_IS_GONE = "DELETE FROM note WHERE about = 'ANA@example.org'"

#: What is amiss with a copy, and what is said of it.
ABROAD: dict[str, tuple[Prepare, str]] = {
    "somebody gone at the source only": (
        _statement(_ANA_IS_GONE), "1 rows of the copy are not at their source any more",
    ),
    "put right at the source only": (
        _statement("UPDATE customer SET name = 'Ana Neill' WHERE id = 1"),
        "1 rows say something else than at their source",
    ),
    "another day": (
        lambda world: _abroad(world, "UPDATE note SET at = '2026-06-01 00:00:00' WHERE id = 1"),
        "1 rows say something else than at their source",
    ),
    "kept longer": (
        _text("cyprus.yml", "retention: messages", "retention: account"),
        "it may be kept longer than at its source, `shop.note`",
    ),
    "for more": (
        _text("cyprus.yml", "[communicate]", "[communicate, newsletter]"),
        "it serves `newsletter`, unlike its source",
    ),
    "another label": (
        _text("cyprus.yml", "words: {category: free-text, free_text: true", "words: {type: text"),
        "`words` is labelled otherwise than at its source",
    ),
    "not written to": (
        _text("kept.toml", 'url = "cyprus.sqlite"\nmode = "act"', 'url = "cyprus.sqlite"'),
        "it is in mode observe",
    ),
    "not connected": (
        _text("kept.toml", 'store = "sqlite"\nurl = "cyprus.sqlite"\n', ""),
        "the copy and its source cannot both be asked",
    ),
    "nowhere": (
        _text("cyprus.yml", "country: CY\n", ""), "nothing says in which country the copy lies",
    ),
    "not declared": (
        _text("cyprus.yml", "    copy_of: shop.note\n", ""),
        "2 rows are the same as in `shop.note`, and nothing says that one is a copy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(ABROAD))
def test_a_copy_with_rules_of_its_own_is_named(world: Path, what: str) -> None:
    amiss, words = ABROAD[what]
    _copied_abroad(world)
    amiss(world)
    met = _run(world, _COPIES)
    assert met.outcome is Outcome.FAIL
    assert any(words in f.words for f in met.findings), met.findings
    assert "ana" not in repr(met.findings).lower()


_TRACES = "navigation.traces-are-personal"


def _known_by(cookie: str) -> Prepare:
    def link(world: Path) -> None:
        with _opened(world) as controller:
            ana = parse("email=ana@example.org")
            who = controller.actors.of("Jo", "verifier", NOW)
            one = parse(f"cookie={cookie}")
            rights.identity.link(controller, one, ana, "verified", "she showed it", who, NOW)

    return link


#: What is amiss with a column of traces, and what is said of it.
TRACES: dict[str, tuple[Prepare, str]] = {
    "not personal": (
        _text("shop.yml", "place: {category: navigation.ip, identifies: ip}", "place: text"),
        "`place` holds IP addresses (by what it holds), and the map says that it is not personal",
    ),
    "a table that no map names": (
        _then(_statement("CREATE TABLE raw (line INTEGER, at_host TEXT)"),
              _statement("INSERT INTO raw VALUES (1, '198.51.100.9')")),
        "`at_host` holds IP addresses (by what it holds), and no map names it",
    ),
    "by its name": (
        _statement("ALTER TABLE customer ADD COLUMN lastDeviceId TEXT"),
        "`lastDeviceId` holds device ids (by its name), and no map names it",
    ),
    "a known cookie": (
        _then(_known_by("c0ffee-1"),
              _text("shop.yml", "who: {category: identifier.cookie, identifies: cookie}",
                    "who: {category: free-text}")),
        "`who` holds ids of cookies or visitors (by what it holds), and nobody is found by it",
    ),
    "by its category": (
        _text("shop.yml", "identifier.cookie, identifies: cookie", "cookie"),
        "`who` holds ids of cookies or visitors (by its category), and nobody is found by it",
    ),
    "no activity": (
        _text("shop.yml", "    activities: [improve-site]\n", ""), "serves no activity",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(TRACES))
def test_a_trace_outside_the_rules_is_named(world: Path, what: str) -> None:
    amiss, words = TRACES[what]
    _visits(world)
    assert _run(world, _TRACES).outcome is Outcome.PASS
    amiss(world)
    met = _run(world, _TRACES)
    assert met.outcome is Outcome.FAIL
    assert any(words in f.words for f in met.findings), met.findings
    said = repr(met.findings)
    assert not any(one in said for one in ("192.0.2", "198.51", "2001:db8", "c0ffee"))


def _copied(name: str) -> Prepare:
    def copy(world: Path) -> None:
        shutil.copy(world / "shop.sqlite", world / name)

    return copy


def _open_to_all(world: Path) -> None:
    """Everybody finds the way to the directory, and may read the shop."""
    (world / "shop.sqlite").chmod(0o644)
    for directory in (world, *world.parents):
        mode = stat.S_IMODE(directory.stat().st_mode)
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


#: What is amiss with a place, and what is said of it.
PLACES: dict[str, tuple[Prepare, str, str]] = {
    "no owner": (_text("kept.toml", 'owner = "Sales"\n', ""), "shop", "nothing says its owner"),
    "no country": (_text("shop.yml", "country: US\n", ""), "shop", "nothing says its country"),
    "no country of Kept": (
        _text("kept.toml", 'country = "DE"\n', ""), "own", "nothing says its country",
    ),
    "no word": (
        _text("kept.toml", f"declared = {{{_VOUCHED}}}\n\n", "\n"), "own",
        "nobody vouches for it",
    ),
    "a word of old": (
        _text("kept.toml", "expires = 2026-12-31", "expires = 2026-11-22"),
        "own", "nobody vouches for it any more, or yet",
    ),
    "a word from tomorrow": (
        _text("kept.toml", "date = 2026-01-31", "date = 2026-11-24"),
        "own", "nobody vouches for it any more, or yet",
    ),
    "a copy beside it": (_copied("shop.bak"), "own", "`shop.bak`, which no system of the map is"),
    "open to all": (_open_to_all, "shop", "every account of this machine can read"),
    "the settings open to all": (_open_to_all, "own", "every account of this machine can read"),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(PLACES))
def test_a_place_that_is_not_closed_is_named(world: Path, what: str) -> None:
    amiss, system, words = PLACES[what]
    _safe(world)
    before = {p: stat.S_IMODE(p.stat().st_mode) for p in world.parents}
    amiss(world)
    try:
        met = _run(world, "security.stores-are-closed")
    finally:
        for directory, mode in before.items():
            if stat.S_IMODE(directory.stat().st_mode) != mode:
                directory.chmod(mode)
    assert met.outcome is Outcome.FAIL
    assert any(f.where == system and words in f.words for f in met.findings), met.findings


def _late_staff(world: Path) -> None:
    with _opened(world) as controller:
        week = NOW - dt.timedelta(days=8)
        staff.add(controller, "ana", "Ana", ["privacy-officer"], "new", None, week)


def _sign(world: Path) -> None:
    assert _run(world, "ledger.is-whole").outcome is Outcome.PASS


def _open_key(world: Path) -> None:
    with _opened(world):
        pass  # makes the keys
    (world / "keys").chmod(0o755)
    next(p for p in (world / "keys").iterdir() if p.name != "master").chmod(0o640)


def _secret(name: str, mode: int) -> Prepare:
    """The secret of the API lies in a file."""

    def prepare(world: Path) -> None:
        (world / "secrets").mkdir(mode=0o755)
        (world / "secrets/token").write_text("0123456789abcdef", "utf-8")
        (world / "secrets/token").chmod(mode)
        edit(world / "kept.toml", "[choices]\n", f'[api]\ntoken = "{name}"\n\n[choices]\n')

    return prepare


def _settings(*edits: tuple[str, str]) -> Prepare:
    return _then(*(_text("kept.toml", before, after) for before, after in edits))


_TABLES = """[api]
token = "0123456789abcdef"
[login.oidc]
issuer = "https://id.example"
client = "kept"
amr = []
[site]
url = "http://kept.example"
forms_per_hour = 0

[choices]
"""
#: Measures that do not hold: how that comes about, what each is called, and how it is told.
AMISS: dict[str, tuple[Prepare, dict[str, str]]] = {
    "staff": (
        _then(_late_staff, lambda world: _own(
            world, "UPDATE account_role SET granted_at = granted_at - interval '181 days'"
        )),
        {
            "login": "1 account with a role had a week",
            "review": "`security.access-is-reviewed`: the staff's desk: 1 roles were not looked at",
        },
    ),
    "the place and the record": (
        _then(_settings(('owner = "Sales"\n', "")), _decide, _sign, _tampered(
            "ALTER TABLE ledger_entry DISABLE TRIGGER USER;"
            " UPDATE ledger_entry SET leaf = set_byte(leaf, 8, get_byte(leaf, 8) # 1)"
            " WHERE index = 0"
        )),
        {
            "places": "`security.stores-are-closed`: shop: nothing says its owner",
            "record": "`ledger.is-whole`: ",
        },
    ),
    "settings": (
        _settings(
            ("[choices]\n", _TABLES),
            ('"notices"', '"smtp://post.example?password=a"\nto = "a@b.c"\nfrom = "a@b.c"'),
            ("2020-01-31, how = \"all of them\", days = 3650", "2026-10-18, how = \"all\""),
            ("2020-01-31, how = \"into an empty server\", days = 3650",
             "2025-11-22, how = \"all\""),
        ),
        {
            "login": "need not say that it asked for two proofs",
            "secrets": "itself holds 2 secrets: api.token, recipients.url",
            "way": "the pages are served without encryption",
            "limits": "one source may send as many forms as it likes",
            "updates": "it was done last on 2026-10-18, and that was good until 2026-11-22",
            "restore": "it was done last on 2025-11-22, and that was good until 2026-11-22",
        },
    ),
    "keys and words": (
        _then(_open_key, _secret("file:secrets/token", 0o640), _settings(
            ("updates = ", "# "),
            ("2020-01-31, how = \"into an empty server\"", "2026-11-24, how = \"all\""),
        )),
        {
            "secrets": "can reach 2 files with keys or secrets",
            "updates": "nobody says when that was done last",
            "restore": "on 2026-11-24, which has not come",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(AMISS))
def test_measures_that_do_not_hold_are_named(world: Path, what: str) -> None:
    amiss, told = AMISS[what]
    _safe(world)
    amiss(world)
    met = _run(world, MEASURES)
    assert met.outcome is Outcome.FAIL
    found = {f.where: f for f in met.findings if told.get(f.where, "\0") in f.words}
    assert found.keys() == told.keys(), met.findings
    assert {f.where for f in met.findings} == told.keys()
    assert all(f.fix for f in found.values())
    assert "0123456789" not in str(met.findings)


def _seen(world: Path, measure: str) -> list[str]:
    """What one measure finds amiss, without running what others check."""
    with _opened(world) as controller:
        all_ = measures.standings(controller, NOW, lambda _: None)
    return sorted(s.words for one in all_ if one.measure.id == measure for s in one.amiss)


def test_of_logins_elsewhere_somebody_may_vouch(world: Path) -> None:
    _safe(world)
    edit(world / "kept.toml", "[choices]\n", _TABLES)
    assert len(_seen(world, "login")) == 1
    word = 'login = {by = "Jo", date = 2025-11-24, how = "asks at every login"}\n'
    edit(world / "kept.toml", "[measures]\n", f"[measures]\n{word}")
    assert _seen(world, "login") == []
    edit(world / "kept.toml", "2025-11-24", "2025-11-22")
    assert len(_seen(world, "login")) == 1


def test_a_secret_that_lies_elsewhere_is_none_in_the_settings(world: Path) -> None:
    _safe(world)
    _secret("file:secrets/token", 0o600)(world)
    edit(world / "kept.toml", "[api]\n", '[keys]\npassphrase = "env:KEPT_TEST"\n[api]\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEPT_TEST", "open sesame")
        assert _seen(world, "secrets") == []


def test_a_folder_among_the_keys_is_no_file_that_was_looked_at(world: Path) -> None:
    _safe(world)

    def words() -> str:
        with _opened(world) as controller:
            all_ = measures.standings(controller, NOW, lambda _: None)
        return next(one.words for one in all_ if one.measure.id == "secrets")

    before = words()
    (world / "keys" / "older").mkdir(0o700)
    assert words() == before


#: Software as it may name itself → what is said of it at NOW; None: it is mended.
_RUNS: dict[str, tuple[support.Software, str | None]] = {
    "mended": (support.Software("PostgreSQL", "15.14"), None),
    "past its last day": (
        support.Software("PostgreSQL", "14.9"),
        "PostgreSQL 14 (shop): it is mended no more since 2026-11-12",
    ),
    "two numbers": (
        support.Software("MariaDB", "10.6.25"),
        "MariaDB 10.6 (shop): it is mended no more since 2026-07-06",
    ),
    "by the system": (support.Software("OpenSSL", "3.0.19", shipped=True), None),
    "not by the system": (
        support.Software("OpenSSL", "3.0.19"),
        "OpenSSL 3.0 (shop): it is mended no more since 2026-09-07",
    ),
    "unknown": (
        support.Software("PostgreSQL", "99.1"),
        "PostgreSQL 99 (shop): nobody here knew on 2026-11-30 until when it is mended",
    ),
    "without a version": (
        support.Software("MariaDB", "?"),
        "MariaDB ? (shop): nobody here knew on 2026-11-30 until when it is mended",
    ),
}


def test_software_that_nobody_mends_is_named(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _safe(world)
    monkeypatch.setattr(software, "_system", lambda: ("debian", "12"))
    runs = tuple(one for one, _ in _RUNS.values())
    whole = SQLiteStore.safety
    monkeypatch.setattr(SQLiteStore, "safety", lambda self: replace(whole(self), software=runs))

    told = _seen(world, "software")
    assert told == sorted(words for _, words in _RUNS.values() if words)
    # Somebody mends one for the company; its word ends.
    word = '[measures.supported]\n"PostgreSQL 99" = {by = "Jo", date = 2026-01-31, how = "paid"'
    edit(world / "kept.toml", "[choices]\n", f"{word}, expires = 2026-12-31}}\n\n[choices]\n")
    assert _seen(world, "software") == [one for one in told if "99" not in one]
    edit(world / "kept.toml", "expires = 2026-12-31}\n\n[ch", "expires = 2026-11-22}\n\n[ch")
    assert _seen(world, "software") == told


def test_a_word_for_software_ends_one_day(world: Path) -> None:
    _safe(world)
    word = '[measures.supported]\n"OpenSSL 3.0" = {by = "Jo", date = 2026-01-31, how = "paid"'
    edit(world / "kept.toml", "[choices]\n", f"{word}, expires = 2036-01-29}}\n\n[choices]\n")
    assert deployment.read(world).measures.supported["OpenSSL 3.0"].by == "Jo"
    edit(world / "kept.toml", "2036-01-29", "9999-12-31")
    with pytest.raises(ConfigError, match="never ends"):
        deployment.read(world)


def test_the_last_day_of_all_in_a_word_is_read(world: Path) -> None:
    """It has not come, and says so; no command breaks off because of it."""
    _safe(world)
    text = (world / "kept.toml").read_text("utf-8")
    day = deployment.read(world).measures.words["updates"].date
    (world / "kept.toml").write_text(text.replace(str(day), "9999-12-31"), "utf-8")
    with _opened(world) as controller:
        all_ = measures.standings(controller, NOW, lambda _: None)
    (met,) = [one for one in all_ if one.measure.id == "updates"]
    assert met.holds is False
    assert "which has not come" in met.words


def test_an_archive_whose_last_try_failed_is_named(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _safe(world)
    assert _seen(world, "restore") == []
    whole = SQLiteStore.safety
    monkeypatch.setattr(SQLiteStore, "safety", lambda self: replace(whole(self), unsaved=True))
    assert _seen(world, "restore") == ["the last try of shop to archive its log failed"]


def test_packages_of_other_versions_are_named(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _safe(world)
    lock = tmp_path / "requirements.lock"
    lock.write_text("jinja2==0.1 \\\n    --hash=sha256:00\nnot-installed==1.0\n", "utf-8")
    monkeypatch.setattr(software, "_LOCK", lock)
    (told,) = _seen(world, "software")
    assert told.startswith("1 package of another version than tested: jinja2 ")
    lock.write_text("not-installed==1.0\n", "utf-8")
    (seen,) = software._packages(lock)
    assert seen.holds is None  # nothing was looked at


def test_measures_of_places_that_do_not_answer_are_not_known(world: Path) -> None:
    _safe(world)
    (world / "shop.sqlite").unlink()
    met = _run(world, MEASURES)
    assert met.outcome is Outcome.ERROR
    assert {f.where for f in met.findings} == {"places", "software"}


def test_every_measure_has_a_check_that_is_there() -> None:
    assert len({m.id for m in measures.MEASURES}) == len(measures.MEASURES)
    for one in measures.MEASURES:
        assert one.guards
        assert one.controls or one.look or one.word, one.id
        assert set(one.controls) <= set(registered()) - {MEASURES}
        assert one.word in {None, *WORDS}
    assert {g for m in measures.MEASURES for g in m.guards} == {"access", "use", "disclosure"}
    # That of `login` stands where a provider of logins says nothing.
    assert {m.word for m in measures.MEASURES} - {None} == WORDS.keys() - {"login"}


@contextlib.contextmanager
def _serving(page: str, headers: dict[str, str], style: bytes | None = None) -> Iterator[str]:
    sent = {"Content-Type": "text/html; charset=utf-8", **web.HEADERS, **headers}
    css = (ROOT / "src/kept/app/assets/kept.css").read_bytes() if style is None else style

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = css if self.path.startswith("/assets/") else page.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with running(http.server.HTTPServer(("127.0.0.1", 0), Handler)) as at:
        yield at


def test_what_is_too_much_today_says_nothing_of_the_hours_before(world: Path) -> None:
    _read_in_bulk(world)
    kept = world / "kept.toml"
    kept.write_text(kept.read_text("utf-8") + "\n[desk]\npeople = 50\n", "utf-8")
    with _opened(world) as controller:
        assert controller.desk.people == 50
        (evidence,) = run(controller, registered(), NOW, names=["security.bulk-reads-are-noticed"])
    assert evidence.outcome is Outcome.PASS, evidence.findings
    # Of hours of which it is not known, what is said today counts; and raising it hides nothing.
    _own(world, "UPDATE desk_opening SET most_people = NULL, most_records = NULL")
    assert _run(world, "security.bulk-reads-are-noticed").outcome is Outcome.FAIL
