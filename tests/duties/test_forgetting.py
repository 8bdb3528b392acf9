"""The desk forgets by its own rule: whom, what and how it was checked. Its figures stay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import disclosure, figures, holds, incidents, rights
from kept.duties.rights import (
    Request,
    complaints,
    entering,
    forgetting,
    intake,
    proving,
    scanned,
)
from kept.terms.identifiers import parse
from tests.scans import PNG
from tests.world import NOW, make

CHOICES = """[choices]
"retention.rights-cases" = "P24M"
"retention.identity-proof" = "P30D"
"retention.disclosures" = "P24M"
"""
SECRETS = ("cleo", "Cleo", "example.org", "passport", "burglar", "rude")
CONTROL = "rights.desk-data-goes"
MONTH = dt.timedelta(days=31)


@pytest.fixture
def world(tmp_path: Path, kept_url: str) -> Path:
    directory = make(tmp_path / "w", kept_url)
    file = directory / "kept.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("[choices]\n", CHOICES, 1), "utf-8")
    return directory


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def fill(controller: Controller, world: Path) -> str:
    """A case that is over with a note, a question, a complaint and an incident; the case's id."""
    actor = controller.actors.of("Jo", "privacy-officer", NOW)
    who = (parse("email=cleo@example.org"),)
    request = Request((who,), evidence="a passport was looked at")
    id_ = rights.access(controller, request, NOW, out=world / "c.zip").case
    case = controller.cases.get(id_)
    with controller.database.connection() as c:
        controller.papers.add(case, "answer", b"Cleo", {}, actor, NOW, connection=c)
        c.execute("UPDATE case_proof SET about = '\\x01'")
        controller.casework.note(case, "Cleo was rude", actor, NOW, connection=c)
    came = entering.Came("letter", NOW.date(), who, ("question",), "Who is Cleo?")
    (asked,), _ = entering.add(controller, came, actor, NOW)
    entering.close(controller, asked.id, "answered", "told", None, actor, NOW)
    complaint = complaints.add(
        controller, complaints.Came("letter", NOW.date(), "You were rude", who[0]), actor, NOW
    )
    complaints.answer(
        controller, complaint.id, "upheld", "We were rude", "letter", actor, NOW, country="DE"
    )
    made, _ = incidents.enter(
        controller, kinds=["availability"], places=["shop.note"], nature="a burglar came",
        noticed=NOW, happened=None, actor=actor, now=NOW,
    )  # fmt: skip
    incidents.judge(controller, made.id, "none", "locked", {"measures": "a lock"}, actor, NOW)
    incidents.close(controller, made.id, "buy locks", actor, NOW)
    return id_


def judged(controller: Controller, now: dt.datetime) -> tuple[Outcome, list[str]]:
    evidence = run(controller, registered(), now, names=[CONTROL])[0]
    return evidence.outcome, [f.words for f in evidence.findings]


def living(controller: Controller) -> int:
    """Keys of the desk's own records that still open something."""
    with controller.database.connection() as c:
        (row,) = c.execute(
            "SELECT count(*) FROM subject_key WHERE subject < 0 AND wrapped IS NOT NULL"
            " AND class IN ('case', 'intake', 'complaint', 'incident')"
        ).fetchall()
    return int(row[0])


def test_each_goes_by_its_rule_and_the_figures_stay(controller: Controller, world: Path) -> None:
    id_ = fill(controller, world)
    before = figures.counted(controller, NOW.year, NOW)
    assert forgetting.forget(controller, NOW + dt.timedelta(days=20)) == {}
    # The proof first; the rest after two years, to the day.
    assert forgetting.forget(controller, NOW + MONTH) == {"proofs": 1}
    case = controller.cases.get(id_)
    assert case.evidence
    assert controller.cases.words(case).evidence == ""
    last = dt.datetime(NOW.year + 2, NOW.month, NOW.day, 12, tzinfo=dt.UTC)
    assert forgetting.forget(controller, last - dt.timedelta(days=1)) == {}
    assert living(controller) >= 4
    gone = forgetting.forget(controller, last)
    assert gone == {"cases": 1, "requests": 1, "complaints": 1, "incidents": 1}
    assert forgetting.forget(controller, last) == {}
    assert living(controller) == 0
    case = controller.cases.get(id_)
    assert controller.cases.identifiers(case) == [[]]
    assert controller.casework.notes(case) == []
    with controller.database.connection() as c:
        left = c.execute(
            "SELECT (SELECT count(*) FROM case_letter), (SELECT count(about) FROM case_proof)"
        ).fetchone()
    assert left == (0, 0), "neither letters nor the hash of an address outlive it"
    assert controller.cases.naming(parse("email=cleo@example.org")) == []
    (complaint,) = controller.complaints.all()
    assert (complaint.struck, complaint.acts[-1].words) == (True, "")
    assert controller.incidents.all()[0].said("nature") == ""
    assert figures.counted(controller, NOW.year, NOW) == before
    assert [e.body["what"] for _, e in controller.ledger.entries(kind="desk.forgot")] == [
        "proofs", "cases", "requests", "complaints", "incidents",
    ]  # fmt: skip
    assert judged(controller, last + MONTH)[1] == []
    # Whatever else proves cases still holds.
    names = [n for n in registered() if n.startswith(("rights.", "security.incid"))]
    failed = [e.control for e in run(controller, registered(), last, names=names)
              if e.outcome is Outcome.ERROR]  # fmt: skip
    assert failed == []


@pytest.mark.parametrize(
    "left", ["case", "letter", "address", "proof", "request", "complaint", "incident"]
)
def test_the_control_fails_where_something_stays(
    controller: Controller, world: Path, left: str
) -> None:
    fill(controller, world)
    late = NOW + dt.timedelta(days=800)
    if left == "proof":
        late = NOW + dt.timedelta(days=40)
    else:
        forgetting.forget(controller, late)
        assert judged(controller, late) == (Outcome.VACUOUS, [])
    sin = {
        "case": "INSERT INTO case_person SELECT number, 0, 'email', '\\x00' FROM rights_case",
        "letter": "INSERT INTO case_letter (number, kind, sealed, made_at, actor) SELECT number,"
        " 'answer', '\\x00', now(), (SELECT min(actor) FROM actor) FROM rights_case",
        "address": "UPDATE case_proof SET about = '\\x00'",
        "proof": "SELECT 1",
        "request": "UPDATE intake SET mac = '\\x00' WHERE ended_at IS NOT NULL",
        "complaint": "UPDATE complaint_act SET sealed = '\\x00'",
        "incident": "UPDATE incident SET sealed = '\\x00'",
    }[left]
    with controller.database.connection() as c:
        c.execute(sin.encode())
    outcome, words = judged(controller, late)
    assert outcome is Outcome.FAIL
    assert words == ["of 1 that are past their time something of people is left"]


def test_a_period_that_nobody_decided_lets_nothing_go(tmp_path: Path, kept_url: str) -> None:
    with Controller.open(deployment.read(make(tmp_path / "w", kept_url))) as controller:
        fill(controller, tmp_path / "w")
        late = NOW + dt.timedelta(days=9999)
        assert forgetting.forget(controller, late) == {}
        assert judged(controller, late) == (Outcome.VACUOUS, [])


LATE = NOW + dt.timedelta(days=800)


def hold(controller: Controller, now: dt.datetime, **what: object) -> str:
    actor = controller.actors.of("Jo", "privacy-officer", now)
    clause = holds.allowing(controller.bundle)[0]
    made = holds.place(
        controller, ground="A court asked for it", clause=clause, actor=actor, now=now,
        **what,  # type: ignore[arg-type]
    )  # fmt: skip
    return made.id


def disclosed(controller: Controller, email: str, **more: object) -> None:
    actor = controller.actors.of("Jo", "privacy-officer", NOW)
    disclosure.note(
        controller, (parse(f"email={email}"),), "authority", NOW.date(), ["contact.email"],
        "court-order", actor, NOW, title="A court", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_hold_on_a_person_keeps_what_the_desk_has_of_her(
    controller: Controller, world: Path
) -> None:
    id_ = fill(controller, world)
    disclosed(controller, "cleo@example.org")
    disclosed(controller, "ben@example.org")
    one = hold(controller, NOW + MONTH, person=[parse("email=cleo@example.org")])
    # An incident names nobody, and of others nothing is kept.
    gone = forgetting.forget(controller, LATE)
    assert gone == {"incidents": 1, "disclosures": 1}
    kept = forgetting.held(controller, LATE)
    assert {(k.what, k.count, k.hold.id, k.hold.ground) for k in kept} == {
        (what, 1, one, "A court asked for it")
        for what in ("cases", "proofs", "requests", "complaints", "disclosures")
    }
    assert controller.cases.identifiers(controller.cases.get(id_)) != [[]]
    assert judged(controller, LATE + MONTH)[1] == []
    # Every day is the same, and is not said anew.
    before = len(list(controller.ledger.entries(kind="desk.forgot")))
    assert forgetting.forget(controller, LATE + MONTH) == {}
    assert len(list(controller.ledger.entries(kind="desk.forgot"))) == before
    # What is gone although the hold stands is missed.
    with controller.database.connection() as c:
        numbers = [n for n, _ in controller.intakes.over(connection=c)]
        controller.intakes.forget(numbers, connection=c)
    assert judged(controller, LATE + MONTH)[1] == ["of 1 that holds keep 1 are gone"]
    # Released, it goes; so long the control waits for the next run.
    jo = controller.actors.of("Jo", "operator", LATE)
    holds.release(controller, one, "the court has decided", jo, LATE + MONTH)
    assert judged(controller, LATE + MONTH)[1] == []
    assert len(judged(controller, LATE + 2 * MONTH)[1]) == 3
    gone = forgetting.forget(controller, LATE + 2 * MONTH)
    assert gone == {"cases": 1, "complaints": 1, "disclosures": 1}
    assert judged(controller, LATE + 2 * MONTH)[1] == []


def test_a_hold_on_the_desk_keeps_what_it_names_of_everybody(
    controller: Controller, world: Path
) -> None:
    fill(controller, world)
    hold(controller, NOW, system="own", dataset="complaint_act", until=LATE.date() + 2 * MONTH)
    assert "complaints" not in forgetting.forget(controller, LATE)
    assert judged(controller, LATE + MONTH)[1] == []
    assert forgetting.forget(controller, LATE + 3 * MONTH) == {"complaints": 1}
    assert judged(controller, LATE + 3 * MONTH)[1] == []


def test_a_disclosure_forgets_whose_it_was_and_no_earlier(
    controller: Controller, world: Path
) -> None:
    disclosed(controller, "ben@example.org")
    until = NOW.date() + dt.timedelta(days=900)
    disclosed(controller, "cleo@example.org", barred=(until, "§ 1 of a law"))
    assert forgetting.forget(controller, NOW + dt.timedelta(days=700)) == {}
    assert judged(controller, LATE)[1] == ["of 1 that are past their time something of people is"
                                           " left"]  # fmt: skip
    # Who may not know of it yet is still to be told.
    assert forgetting.forget(controller, LATE) == {"disclosures": 1}
    [line, _] = sorted(controller.passed.all(), key=lambda p: p.barred_until is not None)
    assert controller.passed.of([parse("email=ben@example.org")]) == []
    assert line.recipient == "authority", "to whom what was given stays"
    assert len(controller.passed.of([parse("email=cleo@example.org")])) == 1
    name = "disclosure.told-unless-barred"
    assert run(controller, registered(), LATE, names=[name])[0].findings == ()
    with controller.database.connection() as c:
        controller.passed.strike([2], NOW, connection=c)
    [seen] = run(controller, registered(), LATE, names=[name])
    assert [f.words for f in seen.findings] == ["one forgot whose data it was before its time"]


def lettered(controller: Controller, email: str, at: dt.datetime) -> tuple[str, str]:
    """A letter with a scan and a copy of an identity paper, and a paper as proof; (its request,
    its case).
    """
    actor = controller.actors.of("Jo", "privacy-officer", at)
    who = (parse(f"email={email}"),)
    came = entering.Came("letter", at.date(), who, ("access",), "x", scans=(PNG,))
    (one,), _ = entering.add(controller, came, actor, at)
    scanned.add(controller, one.id, PNG, actor, at, identity=True)
    case = controller.intakes.get(one.id).cases[0][1]
    proving.record(controller, case, "login", "she showed it", actor, at, paper=b"passport")
    return one.id, case


def test_a_hold_keeps_the_scan_of_a_letter_until_its_release_and_no_identity_paper(
    controller: Controller,
) -> None:
    jo = controller.actors.of("Jo", "privacy-officer", NOW)
    letters = [lettered(controller, f"{name}@example.org", NOW) for name in ("cleo", "ben", "ana")]
    numbers = [controller.intakes.get(one).number for one, _ in letters]
    one = hold(controller, NOW, person=[parse("email=cleo@example.org")])

    def there() -> list[list[bool]]:
        return [[s.identity for s in controller.letter_scans.of(n)] for n in numbers]

    assert there() == [[False, True]] * 3
    for _, case in letters[:2]:
        rights.close_case(controller, case, "withdrawn", "she rang", jo, NOW)
        assert controller.cases.papers(controller.cases.get(case)) == []
    # Copies of identity papers at once, whatever is held; whose the hold is, within the minute.
    assert there() == [[False], [False], [False, True]]
    later = NOW + dt.timedelta(minutes=1)
    intake.tend(controller, later)
    assert there() == [[False], [], [False, True]]
    said = [dict(e.body) for _, e in controller.ledger.entries(kind="proof.destroyed")]
    assert sorted((e["what"], e.get("case") or e.get("request"), e["count"]) for e in said) == (
        sorted([*(("paper", case, 1) for _, case in letters[:2]),
                *(("scan", id_, 1) for id_, _ in letters[:2])])
    )  # fmt: skip
    intake.tend(controller, later)
    assert len(list(controller.ledger.entries(kind="proof.destroyed"))) == len(said)
    # It can be opened, the controls know why it is there, and every day says it once.
    assert scanned.opened(controller, letters[0][0], None)[1] == PNG
    assert forgetting.forget(controller, NOW + MONTH) == {"proofs": 1}
    assert forgetting.forget(controller, NOW + MONTH) == {}
    assert ("scans", 1, one) in {
        (k.what, k.count, k.hold.id) for k in forgetting.held(controller, NOW + MONTH)
    }
    assert judged(controller, NOW + MONTH) == (Outcome.PASS, [])
    (letter,) = run(controller, registered(), NOW, names=["rights.letters-count-from-arrival"])
    assert letter.outcome is Outcome.PASS
    # Somebody who keeps it longer is found; after the release it goes by itself.
    holds.release(controller, one, "it is over", jo, NOW + MONTH)
    holds.release(
        controller, one, "it is over", controller.actors.of("Al", "privacy-officer", NOW),
        NOW + MONTH,
    )  # fmt: skip
    assert judged(controller, NOW + MONTH + dt.timedelta(days=4))[0] is Outcome.FAIL
    intake.tend(controller, NOW + MONTH)
    assert there() == [[], [], [False, True]]
    assert forgetting.forget(controller, NOW + MONTH) == {"proofs": 1}
    assert judged(controller, NOW + MONTH + dt.timedelta(days=4)) == (Outcome.PASS, [])
