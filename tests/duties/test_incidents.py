"""Incidents: whom it hit is counted by the map and the stores, and told in time."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.app import mail
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import incidents
from kept.errors import UsageError
from kept.records.actor import Actor
from kept.records.incident import Incident, State
from kept.terms import incident_rules
from kept.terms.clocks import Light
from tests.world import NOW, STATS, edit, make, sql

HOUR = dt.timedelta(hours=1)
CONTROL = "security.incidents-are-told-in-time"
NATURE = "A backup with the table of Ana O'Neill lay open on a server."


@pytest.fixture
def world(tmp_path: Path, kept_url: str) -> Path:
    return make(tmp_path / "w", kept_url, extra='\n[mail]\nurl = "out"\nfrom = "desk@kept.test"\n')


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def officer(controller: Controller) -> Actor:
    return controller.actors.of("Kim", "privacy-officer", NOW)


def enter(
    controller: Controller, *places: str, noticed: dt.datetime = NOW, now: dt.datetime = NOW
) -> Incident:
    made, _ = incidents.enter(
        controller, kinds=["confidentiality"], places=places or ["shop.customer"], nature=NATURE,
        noticed=noticed, happened=None, actor=officer(controller), now=now,
    )  # fmt: skip
    return made


def judge(controller: Controller, one: Incident, risk: str, now: dt.datetime = NOW) -> Incident:
    words = {"measures": "the server was closed", "consequences": "unwanted mail"}
    return incidents.judge(
        controller, one.id, risk, "many addresses", words, officer(controller), now
    )


def notify(controller: Controller, one: Incident, at: dt.datetime, late: str = "") -> Incident:
    return incidents.notified(
        controller, one.id, to="the authority of Berlin", way="portal", sent=at, late=late,
        actor=officer(controller), now=at,
    )  # fmt: skip


def outcome(controller: Controller, now: dt.datetime) -> tuple[Outcome, list[str]]:
    evidence = run(controller, registered(), now, names=[CONTROL])[0]
    return evidence.outcome, [f.words for f in evidence.findings]


def entries(controller: Controller, kind: str) -> list[dict[str, Any]]:
    return [dict(e.body) for _, e in controller.ledger.entries(kind=kind)]


def test_whom_it_hit_is_counted_over_tables_and_named_by_references(
    controller: Controller, world: Path
) -> None:
    """Invoices of Ana and Ben, notes under their addresses in another spelling: two people."""
    one = enter(controller, "shop.invoice", "shop.note:about")
    found = controller.concerned(one)
    assert [(h.dataset, h.rows, h.people, h.nobodys) for h in found.hits] == [
        ("invoice", 3, 2, 0), ("note", 2, 2, 0),
    ]  # fmt: skip
    assert len(found.people) == 2
    assert found.hits[1].categories == ("contact.email",)
    assert found.unreached == {}
    assert {p.reference for p in found.people} == {
        p.reference for p in controller.concerned(one).people
    }
    assert "example.org" not in repr(found)
    other = controller.concerned(enter(controller, "shop.note"))
    assert not {p.reference for p in other.people} & {p.reference for p in found.people}
    # A note about somebody else is a third; one about nobody who can be named is nobody's.
    sql(world, "INSERT INTO note VALUES (3, 'dora@example.org', 'x', '2024-06-02 00:00:00')")
    sql(world, "INSERT INTO note VALUES (4, 'a passer-by', 'x', '2024-06-02 00:00:00')")
    found = controller.concerned(one)
    assert (len(found.people), found.hits[1].people, found.hits[1].nobodys) == (3, 3, 1)


def test_a_key_of_another_type_leads_to_the_same_person(world: Path) -> None:
    sql(world, "ALTER TABLE note ADD COLUMN whose TEXT")
    sql(world, "UPDATE note SET whose = '1', about = 'somebody'")
    edit(
        world / "shop.yml",
        "      about: {",
        "      whose: {category: identifier.account}\n      about: {",
    )
    with (world / "shop.yml").open("a") as file:
        file.write("    links: [{fields: [whose], to: customer, on: [id], kind: owned-by}]\n")
    with Controller.open(deployment.read(world)) as controller:
        found = controller.concerned(enter(controller, "shop.note", "shop.customer"))
    assert [(h.people, h.nobodys) for h in found.hits] == [(1, 0), (3, 0)]
    assert len(found.people) == 3


def test_a_system_that_is_away_is_named(controller: Controller, world: Path) -> None:
    one = enter(controller)
    (world / "shop.sqlite").rename(world / "gone")
    found = controller.concerned(one)
    assert set(found.unreached) == {"shop"}
    assert "`shop` could not be counted" in incidents.notice(controller, one, found)


def test_from_entry_to_end_with_words_sealed_and_a_ledger_of_nobody(
    controller: Controller, world: Path
) -> None:
    one = enter(controller, noticed=NOW - HOUR)
    assert (one.state, one.due) == (State.OPEN, NOW + 71 * HOUR)
    for fails in (
        lambda: incidents.close(controller, one.id, "x", officer(controller), NOW),
        lambda: incidents.mail(controller, one.id, officer(controller), NOW),
    ):
        with pytest.raises(UsageError):
            fails()
    one = judge(controller, one, "high")
    assert one.state is State.JUDGED
    assert len(incidents.missing(one)) == 2
    text = incidents.notice(controller, one, controller.concerned(one))
    email = controller.bundle.organisation.email
    for part in ("about 3", "unwanted mail", "the server was closed", email, NATURE,
                 "Customers: 3 people, 3 records", "GDPR Art. 33(1)"):  # fmt: skip
        assert part in text, part
    one = notify(controller, one, NOW + HOUR)
    assert (one.state, one.waiting) == (State.NOTIFIED, False)
    told = incidents.mail(controller, one.id, officer(controller), NOW + HOUR)
    assert (told.mailed, told.left, told.incident.state) == (3, 0, State.TOLD)
    assert mail.deliver(controller, lambda: NOW + HOUR).sent == 3
    letters = [f.read_bytes() for f in sorted((world / "out").iterdir())]
    assert len(letters) == 3
    one = incidents.close(controller, one.id, "backups are locked", officer(controller), NOW + HOUR)
    assert one.state is State.CLOSED
    with pytest.raises(UsageError, match="closed"):
        judge(controller, one, "none")
    said = json.dumps([e.body for _, e in controller.ledger.entries()])
    with controller.database.connection() as c:
        rows = str(c.execute("SELECT * FROM incident, incident_act").fetchall())
    for word in ("example.org", "Neill", "Berlin", "locked", "backup"):
        assert word not in said
        assert word not in rows
    assert entries(controller, "incident.opened")[0]["people"] == 3
    assert outcome(controller, NOW + 1000 * HOUR) == (Outcome.PASS, [])


def test_late_needs_a_reason_and_silence_too(controller: Controller) -> None:
    one = judge(controller, enter(controller), "high")
    late = NOW + 73 * HOUR
    with pytest.raises(UsageError, match="not said"):
        notify(controller, one, late)
    one = notify(controller, one, late, "the log was looked through first")
    assert entries(controller, "incident.notified")[0]["late"] is True
    assert "Why this comes late: the log" in incidents.notice(
        controller, one, controller.concerned(one)
    )
    with pytest.raises(UsageError, match="ground"):
        incidents.untold(controller, one.id, "lazy", "x", officer(controller), late)
    incidents.untold(controller, one.id, "protected", "encrypted", officer(controller), late)
    assert outcome(controller, late) == (Outcome.PASS, [])


@pytest.mark.parametrize(
    ("done", "hours", "words"),
    [
        ((), 71, []),
        ((), 73, ["nobody judged it in time"]),
        (("risk",), 73, ["the authority was not told in time"]),
        (("none",), 73, []),
        (("high", "notify"), 73, ["the people concerned were not told"]),
        (("risk", "notify"), 73, []),
        (("gone",), 1, ["1 incidents that the ledger names are not in the register"]),
        (("planted",), 1, ["the register holds incidents that nobody entered"]),
    ],
)
def test_the_control_fails_where_somebody_was_not_told(
    controller: Controller, done: tuple[str, ...], hours: int, words: list[str]
) -> None:
    assert outcome(controller, NOW)[0] is Outcome.VACUOUS
    one = enter(controller)
    for what in done:
        if what == "notify":
            notify(controller, one, NOW + HOUR)
        elif what in ("gone", "planted"):
            with controller.database.connection() as c:
                c.execute(
                    "DELETE FROM incident" if what == "gone" else
                    "INSERT INTO incident (id, kinds, places, noticed_at, entered_at, actor, rule,"
                    " due) SELECT 'planted', kinds, places, noticed_at, entered_at, actor, rule,"
                    " due FROM incident"
                )  # fmt: skip
        else:
            judge(controller, one, what)
    expected = Outcome.FAIL if words else Outcome.PASS
    assert outcome(controller, NOW + hours * HOUR) == (expected, words)


def test_who_was_not_reached_is_told_otherwise_before_it_is_closed(
    controller: Controller, world: Path
) -> None:
    sql(world, "INSERT INTO customer VALUES (4, '', 'Dora', NULL, '2024-03-01 00:00:00')")
    one = judge(controller, enter(controller), "high")
    who = officer(controller)
    notify(controller, one, NOW + HOUR)
    told = incidents.mail(controller, one.id, who, NOW)
    assert (told.mailed, told.left, told.unreached) == (3, 1, ())
    with pytest.raises(UsageError, match="these words already"):
        incidents.mail(controller, one.id, who, NOW)
    # Of three letters nobody takes two.
    with controller.database.connection() as c:
        c.execute("UPDATE outbox SET good_until = %s WHERE number > 1", (NOW,))
    assert mail.deliver(controller, lambda: NOW).sent == 1
    assert controller.outbox.tidy(NOW) == 2
    assert (incidents.tend(controller, NOW), incidents.tend(controller, NOW)) == (2, 0)
    late = NOW + 73 * HOUR
    assert outcome(controller, late) == (
        Outcome.FAIL, ["of 4 people concerned 3 were not told"]
    )  # fmt: skip
    with pytest.raises(UsageError, match="closed yet") as met:
        incidents.close(controller, one.id, "backups are locked", who, NOW)
    assert "3 of 4 people concerned" in str(met.value)
    # Mail that came to nothing may be tried again, and only that.
    assert incidents.mail(controller, one.id, who, NOW).mailed == 2
    incidents.told(controller, one.id, way="letter", people=1, sent=NOW, actor=who, now=NOW)
    with pytest.raises(UsageError, match="recorded already"):  # pressed twice
        incidents.told(controller, one.id, way="letter", people=1, sent=NOW, actor=who, now=NOW)
    assert outcome(controller, late) == (Outcome.PASS, [])
    # Whoever has other words to read gets them, and is still one person.
    incidents.judge(controller, one.id, "high", "more is known", {"advice": "wait"}, who, NOW)
    told = incidents.mail(controller, one.id, who, NOW)
    assert (told.mailed, told.incident.told, told.incident.concerned) == (3, 4, 4)
    assert [e["people"] for e in entries(controller, "incident.told")] == [3, 2, 1, 0]
    assert incidents.missing(told.incident) == []
    with pytest.raises(UsageError, match="closed yet") as met:
        incidents.close(controller, one.id, "backups are locked", who, NOW)
    assert "3 that a mail server has not taken" in str(met.value)
    mail.deliver(controller, lambda: NOW)
    incidents.close(controller, one.id, "backups are locked", who, NOW)


@pytest.fixture
def two(world: Path) -> Path:
    """Beside the shop a system that knows Ana by her address, and Dora whom nobody else knows."""
    (world / "stats.yml").write_text(STATS, "utf-8")
    with sqlite3.connect(world / "stats.sqlite") as own:
        own.execute("CREATE TABLE score (id INTEGER PRIMARY KEY, mail TEXT, worth TEXT)")
        own.execute("INSERT INTO score VALUES (1, 'ana@example.org', 'high'),"
                    " (2, 'dora@example.org', 'low')")  # fmt: skip
    with (world / "kept.toml").open("a") as file:
        file.write(f'[systems.stats]\nstore = "sqlite"\nurl = "sqlite:///{world}/stats.sqlite"\n'
                   'mode = "act"\nmap = "stats.yml"\n')  # fmt: skip
    return world


def test_whom_a_system_names_that_was_away_is_told_before_it_is_closed(two: Path) -> None:
    """And who had the words gets them once, by whatever name she is known when it answers."""
    with Controller.open(deployment.read(two)) as controller:
        who, late = officer(controller), NOW + 73 * HOUR
        one = enter(controller, "shop.customer", "stats.score")
        (two / "shop.sqlite").rename(two / "gone")
        judge(controller, one, "high")
        notify(controller, one, NOW)
        told = incidents.mail(controller, one.id, who, NOW)
        assert (told.mailed, told.left, told.unreached) == (2, 0, ("shop",))
        incidents.told(controller, one.id, way="letter", people=1, sent=NOW, actor=who, now=NOW)
        mail.deliver(controller, lambda: NOW)
        with pytest.raises(UsageError, match="closed yet") as met:
            incidents.close(controller, one.id, "backups are locked", who, NOW)
        assert "shop answers whom else it hit" in str(met.value)
        assert outcome(controller, late) == (
            Outcome.FAIL, ["whom it hit could not be asked everywhere, and nobody did it again"]
        )  # fmt: skip
        (two / "gone").rename(two / "shop.sqlite")
        told = incidents.mail(controller, one.id, who, NOW)
        assert (told.mailed, told.unreached) == (2, ())  # Ben and Cleo; Ana had it
        assert entries(controller, "incident.told")[-1]["people"] == 2
        mail.deliver(controller, lambda: NOW)
        assert outcome(controller, late) == (Outcome.PASS, [])
        incidents.close(controller, one.id, "backups are locked", who, NOW)


def test_whom_a_system_of_letters_holds_is_told_in_the_way_that_is_named(two: Path) -> None:
    toml = (two / "kept.toml").read_text("utf-8")
    url = f'store = "sqlite"\nurl = "sqlite:///{two}/stats.sqlite"'
    assert url in toml
    (two / "kept.toml").write_text(toml.replace(url, 'store = "mailbox"\nurl = "letters"'), "utf-8")
    letters = STATS.replace("[id]", "[who]").replace(
        "id: {type: integer, nullable: false}", "who: {nullable: false}"
    )
    (two / "stats.yml").write_text(letters, "utf-8")
    with Controller.open(deployment.read(two)) as controller:
        who = officer(controller)
        one = enter(controller, "shop.customer", "stats.score")
        judge(controller, one, "high")
        notify(controller, one, NOW)
        incidents.mail(controller, one.id, who, NOW)
        mail.deliver(controller, lambda: NOW)
        with pytest.raises(UsageError, match="closed yet") as met:
            incidents.close(controller, one.id, "backups are locked", who, NOW)
        assert "asked by letter only, in any way but mail" in str(met.value)
        incidents.told(controller, one.id, way="letter", people=1, sent=NOW, actor=who, now=NOW)
        incidents.close(controller, one.id, "backups are locked", who, NOW)


def test_what_stays_away_is_told_in_public(two: Path) -> None:
    with Controller.open(deployment.read(two)) as controller:
        who = officer(controller)
        one = enter(controller, "stats.score")
        (two / "stats.sqlite").unlink()
        judge(controller, one, "high")
        notify(controller, one, NOW)
        incidents.told(controller, one.id, way="public", people=9, sent=NOW, actor=who, now=NOW)
        assert outcome(controller, NOW + 73 * HOUR) == (Outcome.PASS, [])
        incidents.close(controller, one.id, "nothing of it is left", who, NOW)


def test_what_cannot_be_is_refused(controller: Controller) -> None:
    for places, noticed, why in (
        (["shop.nothing"], NOW, "not on the map"),
        (["shop.note:about,colour"], NOW, "columns"),
        (["shop.note"], NOW + HOUR, "cannot be"),
        ([], NOW, "no place"),
    ):
        with pytest.raises(UsageError, match=why):
            incidents.enter(
                controller, kinds=["integrity"], places=places, nature="x", noticed=noticed,
                happened=None, actor=officer(controller), now=NOW,
            )  # fmt: skip
    assert controller.incidents.all() == []
    assert entries(controller, "incident.opened") == []


def test_72_hours_run_through_the_weekend_and_a_proposal_does_not_count() -> None:
    rule = incident_rules.applying(NOW)
    assert (rule.id, rule.hours) == ("gdpr-33", 72)
    assert [r.id for r in incident_rules.RULES if not r.holds_on(NOW.date())] == ["omnibus-33"]
    due = NOW + dt.timedelta(hours=72)
    lights = [incident_rules.light(due - h * HOUR, due) for h in (60, 48, 24, 0, -1)]
    assert lights == [Light.GREEN, Light.AMBER, Light.RED, Light.RED, Light.OVERDUE]


def test_mail_that_is_not_set_up_says_so(world: Path) -> None:
    edit(world / "kept.toml", '[mail]\nurl = "out"\nfrom = "desk@kept.test"\n', "")
    with Controller.open(deployment.read(world)) as controller:
        one = judge(controller, enter(controller), "high")
        with pytest.raises(UsageError, match="no way for mail"):
            incidents.mail(controller, one.id, officer(controller), NOW)
