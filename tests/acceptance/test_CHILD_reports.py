"""CHILD: anybody reports that a record is a child's; it is frozen at once, and a person decides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from kept.controls.registry import registered
from kept.decide.facts import GROUNDS, kind_of
from kept.duties.rights import Request, entering, freeze_reported, reported, tend
from kept.duties.rights.request import open_case
from kept.errors import Denied
from kept.ledger.entry import Entry
from kept.model.decision import Ask
from kept.records.intake import State
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.asking import Desk, desk
from tests.world import sql

FORM = "/privacy/requests/child"
EVIDENCE = "she showed us her letter"


@pytest.fixture
def asked(kept_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("reported") / "world", kept_url) as one:
        yield one


def allowed(one: Desk, identifier: str) -> set[str]:
    """The purposes that the door allows for somebody, whatever grounds arise in the act."""
    found = set()
    grounds = [
        n for n in one.controller.rules.facts
        if kind_of(n) in GROUNDS and kind_of(n) in ("consent", "contract", "request", "terms")
    ]  # fmt: skip
    for a in one.controller.bundle.activities.values():
        ask = Ask(a.purpose, a.categories[0], a.contexts[0], region="EEA")
        decided = one.controller.decide(ask, parse(identifier), one.now, arising=grounds)
        if decided.allow:
            found.add(a.purpose)
    return found


def report(one: Desk, about: str, **more: str) -> str:
    answer = one.post(FORM, {"about": about, "once": about + str(one.now), **more})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def ran(one: Desk, control: str) -> tuple[int, list[str]]:
    """What a control looked at, and what it found."""
    import kept.duties  # noqa: F401 — makes the controls known

    met = list(registered()[control].check(one.controller, one.now))
    return (
        sum(m.count for m in met if hasattr(m, "count")),
        [m.words for m in met if hasattr(m, "words")],
    )


def test_CHILD_3_a_stranger_reports_a_case_opens_and_nobody_is_enrolled(asked: Desk) -> None:
    people = asked.rows("intake", "suppression", "ledger_entry", "ledger_head", "ledger_tile",
                        "subject_key")  # fmt: skip
    at = report(asked, "ana@example.org", reporter="teacher@example.org", words="she is 11")
    page = asked.get(at).text
    assert "We have your report" in page
    assert "ana" not in page
    (one,) = asked.controller.intakes.all(open_only=True)
    assert one.asked == ("child-report",)
    listed = kept(asked.directory, "request", "list").document["requests"]
    assert [r["request"] for r in listed] == [one.id]
    # The reporter is on no list, is known nowhere and got no mail.
    assert asked.rows(*{t for t in asked.rows() if t not in people}) == people
    assert asked.inbox.letters == []
    assert asked.held("email=teacher@example.org") == frozenset()


def test_CHILD_5_from_the_report_on_nothing_is_done_with_the_record(asked: Desk) -> None:
    """By every identifier of her row, also by those that nobody gave; a stranger's goes on."""
    who = asked.controller.subjects.of([parse("email=ana@example.org")], asked.now)
    asked.controller.consents.grant(who, "marketing.email", asked.now, source="form")
    hers = ("email=ana@example.org", "account=1", "phone=+49 30 123456")
    before = allowed(asked, hers[0])
    assert {p for p in before if not p.startswith(("rights", "storage"))}
    strangers = allowed(asked, "email=ben@example.org")
    # A request of her own that is open already goes on.
    request = Request(((parse(hers[0]),),), evidence=EVIDENCE)
    case, _, _ = open_case(asked.controller, "access", request, asked.now)
    report(asked, "ANA@example.org")
    asked.later(seconds=1)
    words = asked.controller.bundle.vocabulary
    for identifier in hers:
        left = allowed(asked, identifier)
        assert all(
            any(words.within("purposes", p, free) for free in ("rights", "storage")) for p in left
        ), identifier
    assert allowed(asked, "email=ben@example.org") == strangers
    assert asked.controller.audience(Ask("marketing.email", "contact.email"), asked.now) == []
    ran_ = kept(asked.directory, "rights", "access", "--case", case.id, "--out",
                asked.directory.parent / "pack.zip", "--now", asked.now.isoformat())  # fmt: skip
    assert ran_.status == 0, ran_.said
    # A report alone erases nothing.
    assert sql(asked.directory, "SELECT count(*) FROM customer") == [(3,)]


def test_CHILD_5_nobody_but_a_person_ends_a_report(asked: Desk) -> None:
    at = report(asked, "ana@example.org")
    for do in ("withdraw", "code", "again", "decide"):
        asked.post(at, {"do": do, "code": "00000000"})
    (one,) = asked.controller.intakes.all(open_only=True)
    refused = kept(asked.directory, "request", "close", one.id, "--reason", "x")
    assert refused.status == 2
    assert "decided, not closed" in refused.said
    assert "child" in asked.held("email=ana@example.org")
    assert "We have your report" in asked.get(at).text


def test_CHILD_5_unfounded_frees_what_it_froze_and_no_more(asked: Desk) -> None:
    ana = "email=ana@example.org"
    who = asked.controller.subjects.of([parse(ana)], asked.now)
    asked.controller.consents.grant(who, "marketing.email", asked.now, source="form")
    before = asked.held(ana)
    report(asked, "ana@example.org")
    asked.later(minutes=1)
    report(asked, "+49 30 123456")
    first, second = asked.controller.intakes.all(open_only=True)
    with pytest.raises(Denied):
        reported.decide(asked.controller, first.id, "unfounded", "she is 30", actor="x",
                        role="intake", now=asked.now)  # fmt: skip
    decide = ("request", "decide", "--now", asked.now.isoformat(), "--reason", "she is 30")
    done = kept(asked.directory, *decide, first.id, "--outcome", "unfounded")
    assert done.status == 0, done.said
    assert "child" in asked.held(ana)  # the other report still stands
    assert kept(asked.directory, *decide, first.id, "--outcome", "unfounded").status == 2
    assert kept(asked.directory, *decide, second.id, "--outcome", "unfounded").status == 0
    assert asked.held(ana) == before
    assert asked.sql("SELECT count(*) FROM suppression") == [(0,)]
    assert asked.sql("SELECT count(*) FROM intake WHERE sealed IS NOT NULL") == [(0,)]


def test_CHILD_5_confirmed_is_erased_and_only_keyed_hashes_are_left(asked: Desk) -> None:
    # She had asked before: what she asked forgets her too.
    earlier = asked.proven("access", "question", email="ana@example.org", words="I am Ana O'Neill")
    asked.post(earlier, {"do": "withdraw"})
    report(asked, "ana@example.org", words="Ana O'Neill is 11", reporter="aunt@example.org")
    (one,) = asked.controller.intakes.all(open_only=True)
    now = asked.now.isoformat()
    done = kept(asked.directory, "request", "decide", one.id, "--outcome", "confirmed",
                "--reason", "her school wrote to us", "--now", now)  # fmt: skip
    assert done.status == 0, done.said
    ((_, case),) = asked.controller.intakes.get(one.id).cases
    assert asked.controller.cases.get(case).ground == "child"
    # Until it is carried out it stays frozen, and nothing is gone.
    assert "child" in asked.held("email=ana@example.org")
    assert sql(asked.directory, "SELECT count(*) FROM note WHERE about LIKE 'ana%'") == [(1,)]
    kept(asked.directory, "rights", "erase", "--case", case, "--yes", "--now", now)
    (task,) = kept(asked.directory, "task", "list").document["tasks"]
    kept(asked.directory, "task", "done", task["task"], "--now", now,
         "--evidence", "they wrote that it is gone")  # fmt: skip
    over = kept(asked.directory, "rights", "erase", "--case", case, "--yes", "--now", now)
    assert (over.status, over.document["complete"]) == (0, True), over.said
    for (table,) in asked.sql("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"):
        dump = repr(asked.sql(f'SELECT * FROM "{table}"')).lower()
        for word in ("ana@", "neill", "aunt@", "30123456", "30 123456"):
            assert word not in dump, table
    assert asked.sql("SELECT count(*) FROM intake WHERE sealed IS NOT NULL OR mac IS NOT NULL"
                     " OR reach IS NOT NULL") == [(0,)]  # fmt: skip
    assert asked.sql("SELECT count(*) > 0 FROM suppression WHERE kind = 'email'") == [(True,)]


def test_CHILD_5_a_system_that_is_away_is_frozen_as_soon_as_it_answers(asked: Desk) -> None:
    """What was given is frozen at once all the same."""
    shop = asked.directory / "shop.sqlite"
    shop.rename(asked.directory / "away")
    report(asked, "ana@example.org")
    (one,) = asked.controller.intakes.all(open_only=True)
    assert one.frozen_at == asked.now
    assert "child" in asked.held("email=ana@example.org")
    assert "child" not in asked.held("account=1")
    assert freeze_reported(asked.controller, asked.now) == 1
    if shop.exists():
        shop.unlink()
    (asked.directory / "away").rename(shop)
    assert freeze_reported(asked.controller, asked.now) == 0
    assert "child" in asked.held("account=1")


def test_CHILD_3_reports_come_by_letter_too_and_are_frozen_when_they_are_entered(
    asked: Desk,
) -> None:
    actor = asked.controller.actors.of("Jo", "intake", asked.now)
    came = entering.Came("phone", asked.now.date(), (), (), "My son is 12 and gets your mail")
    (one,), seen = entering.add(asked.controller, came, actor, asked.now)
    assert seen is not None
    assert seen.kinds == ("child-report",)
    # Whose record it is somebody has to find out, and nothing is said to be frozen before.
    met = kept(asked.directory, "request", "show", one.id, json=False)
    assert "Nothing is frozen: say whose record it is" in met.out
    assert kept(asked.directory, "request", "show", one.id).document["frozen_at"] is None
    person = (parse("email=cleo@example.org"),)
    entering.classify(asked.controller, one.id, ["child-report"], person, actor, asked.now)
    assert "child" in asked.held("email=cleo@example.org")
    assert tend(asked.controller, asked.now) == 0


def test_CHILD_5_the_control_sees_a_report_that_is_not_frozen(asked: Desk) -> None:
    assert ran(asked, "children.reported-is-frozen") == (0, [])
    report(asked, "ana@example.org")
    assert ran(asked, "children.reported-is-frozen") == (1, [])
    # Somebody lifts it by hand, beside every record.
    with_hand = "DELETE FROM suppression WHERE channel = ':child' RETURNING mac"
    assert asked.sql(with_hand)
    looked, found = ran(asked, "children.reported-is-frozen")
    assert (looked, len(found)) == (1, 1)
    assert "allowed although it was reported" in found[0]


def test_CHILD_5_the_control_sees_a_freeze_that_came_too_late(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kept.app.promptly.rights.freeze_reported", lambda *_: 0)
    report(asked, "ana@example.org")
    asked.later(seconds=59)
    assert ran(asked, "children.reported-is-frozen")[1] == []
    asked.later(seconds=2)
    (found,) = ran(asked, "children.reported-is-frozen")[1]
    assert "for more than a minute" in found


def test_CHILD_5_the_control_sees_reports_that_wait_too_long_or_for_nothing(asked: Desk) -> None:
    name = "children.reported-is-frozen"
    for n in range(4):
        report(asked, f"p{n}@example.org")
    assert "So many reports came" in asked.get(report(asked, "p4@example.org")).text
    held = asked.controller.intakes.held()
    assert len(held) == 2, "from one source three an hour are frozen at once"
    assert ran(asked, name) == (5, [])
    # Of a crowd that a person does not see to within a day nothing is kept silent.
    asked.later(days=1, minutes=1)
    assert (
        ran(asked, name)[1]
        == ["it waited for a person for more than a day, and nothing was frozen"] * 2
    )
    reported.release(asked.controller, [h.id for h in held], "freeze", "", actor="Kim",
                     role="privacy-officer", now=asked.now)  # fmt: skip
    asked.later(days=9)
    assert len(ran(asked, name)[1]) == 2, "that it was late stays to be seen"
    # One that waits although nothing came before it, and of which nobody was told.
    with asked.controller.database.connection() as c:
        one = asked.controller.intakes.take(
            "web", ("child-report",), {"about": [], "words": "x"}, asked.now,
            state=State.ENTERED, held=True, connection=c,
        )  # fmt: skip
        for kind, body in (
            ("request.taken", {"channel": "web", "kinds": ["child-report"]}),
            ("report.held", {"by": "all", "frozen": 0}),
        ):
            entry = Entry(kind, asked.now, {"request": one.id, **body})
            asked.controller.ledger.append_in(c, [entry])
    assert ran(asked, name)[1][2:] == [
        "it waits for a person, and no more came than is frozen at once",
        "it waits for a person, and nobody was alerted",
    ]


def test_RIGHT_17_the_control_sees_what_nobody_confirmed_and_what_is_left_of_it(
    asked: Desk,
) -> None:
    name = "rights.unverified-leave-nothing"
    assert ran(asked, name) == (0, [])
    asked.ask("access", email="dan@example.org")
    asked.proven("access", email="ana@example.org")
    looked, found = ran(asked, name)
    assert looked >= 3
    assert found == []
    asked.now += dt.timedelta(hours=27)
    (late,) = ran(asked, name)[1]
    assert "still there after their day" in late
    tend(asked.controller, asked.now)
    assert ran(asked, name)[1] == []
    # A key that outlives its request, and a case that somebody unknown opened.
    asked.controller.vault.seal(-999_999, "intake", b"left", b"said")
    case = Request(((parse("email=eve@example.org"),),), "by herself", "person")
    open_case(asked.controller, "access", case, asked.now)
    found = ran(asked, name)[1]
    assert any("keys of requests that are gone" in f for f in found)
    assert any("nobody knows who" in f for f in found)


def test_CHILD_5_what_somebody_decides_meanwhile_stops_nobody(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.later(days=1)
    controller, known = asked.controller, {one.id for one in asked.controller.intakes.held()}
    for n in range(6):
        report(asked, f"race{n}@example.org")
    waits = [one for one in controller.intakes.held() if one.id not in known]
    first, *rest = waits
    assert rest
    kim = {"actor": "Kim", "role": "privacy-officer", "now": asked.now}
    reported.decide(controller, first.id, "unfounded", "a prank", **kim)
    # The list was read before that.
    monkeypatch.setattr(type(controller.intakes), "held", lambda _: waits)
    ids = [one.id for one in waits]
    made = reported.release(controller, ids, "freeze", "", **kim)
    assert (made.done, made.left) == (tuple(one.id for one in rest), (first.id,))
    assert all(controller.intakes.get(id_).frozen_at for id_ in made.done)
