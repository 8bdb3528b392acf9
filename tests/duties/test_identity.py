"""Who is who: what is proven covers, what is weak does not, what is doubtful waits for a human."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.app.cli import main
from kept.controller import Controller, alike
from kept.controls.registry import Finding
from kept.duties import holds, rights
from kept.duties.rights import Request, identity
from kept.duties.rights.doubt import Ambiguous
from kept.duties.rights.erased import erased_stay_erased
from kept.duties.rights.letter import letter
from kept.duties.rights.planning import undecided
from kept.errors import Denied, UsageError
from kept.records.actor import Actor
from kept.records.struck import strike
from kept.stores.sqlite import SQLiteSession
from kept.stores.tasks import Answered, Outcome
from kept.terms.identifiers import Identifier, parse
from tests.world import NOW, edit, sql

ANA, WORK, OLD = (parse(f"email={m}@example.org") for m in ("ana", "ana.work", "ana.old"))
WHY = "she typed the codes that were sent there"


@pytest.fixture
def desk(world: Path) -> Iterator[Controller]:
    """The shop, in which three notes were left under three addresses."""
    sql(
        world,
        "INSERT INTO note VALUES (11, 'Ana.Work@example.org', 'at work', '2026-01-01 00:00:00'),"
        " (12, 'ana.old@EXAMPLE.org', 'long ago', '2026-01-01 00:00:00')",
    )
    with Controller.open(deployment.read(world)) as controller:
        yield controller


def _who(controller: Controller, role: str = "verifier") -> Actor:
    return controller.actors.of("Jo", role, NOW)


def _prove(controller: Controller, *identifiers: Identifier, to: Identifier = ANA) -> None:
    for one in (to, *identifiers):
        identity.link(controller, one, to, "verified", WHY, _who(controller), NOW)


def _request(*people: Identifier, case: str | None = None) -> Request:
    return Request((people,) if people else (), override="she called", case=case)


def _notes(world: Path) -> list[int]:
    return [int(str(row[0])) for row in sql(world, "SELECT id FROM note ORDER BY id")]


def _found(controller: Controller, world: Path, *who: Identifier, name: str) -> dict[str, int]:
    answer = rights.access(controller, _request(*who), NOW, out=world / f"{name}.zip")
    steps = (s for s in answer.steps if s.store == "shop" and s.counts.found)
    return {s.dataset: s.counts.found for s in steps}


def test_RIGHT_19_all_proven_addresses_are_covered_by_a_request_under_any(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: given one person with three addresses proven theirs, all three are covered."""
    assert _found(desk, world, ANA, name="before")["note"] == 1
    _prove(desk, WORK, OLD)
    by_old = _found(desk, world, OLD, name="old")
    assert by_old == _found(desk, world, ANA, name="ana")
    assert (by_old["note"], by_old["customer"], by_old["signup"]) == (3, 1, 1)
    shown = rights.preview(desk, _request(WORK), NOW)
    assert any("2 further e-mail addresses, proven" in w for w in shown.warnings)
    assert not any("example" in w for w in shown.warnings)
    done = rights.erase(desk, _request(case=shown.case), NOW)
    assert done.complete
    assert _notes(world) == [2]
    assert "ana@example.org" not in str(sql(world, "SELECT * FROM customer"))
    # What is kept under any of them is found by any of them, and none is written to again.
    assert desk.suppressions.channels(OLD) == desk.suppressions.channels(ANA) != frozenset()
    # Her links, with what was said of them, went with her.
    with desk.database.connection() as c:
        for table in ("identity", "identity_event", "identity_tie", "identity_doubt"):
            assert c.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_RIGHT_19_a_link_covers_once_both_ends_are_proven(desk: Controller) -> None:
    identity.link(desk, WORK, ANA, "verified", WHY, _who(desk), NOW)
    assert not identity.covers(desk, ANA, WORK)
    assert not identity.covers(desk, WORK, ANA)
    _prove(desk)
    assert identity.covers(desk, ANA, WORK)
    assert identity.covers(desk, WORK, ANA)
    assert not identity.covers(desk, ANA, OLD)


@pytest.mark.parametrize("level", ["asserted", "seen", "used"])
def test_RIGHT_19_weak_evidence_widens_nothing_and_is_named(
    desk: Controller, world: Path, level: str
) -> None:
    """RIGHT-19: a weak level never widens a search by itself; what is left out is said."""
    _prove(desk)
    identity.link(desk, OLD, ANA, level, WHY, _who(desk), NOW)
    answer = rights.access(desk, _request(ANA), NOW, out=world / "out.zip")
    assert [s.counts.found for s in answer.steps if s.dataset == "note"] == [1]
    assert answer.covers.unproven == {"email": 1}
    assert any("weak evidence was not covered" in w for w in answer.warnings)
    # Nor does it lead back from what is weak to what is proven.
    assert _found(desk, world, OLD, name="old") == {"note": 1}
    assert rights.erase(desk, _request(ANA), NOW).complete
    assert _notes(world) == [2, 11, 12]


def test_RIGHT_19_what_her_own_rows_say_is_not_called_left_out(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: her row that was found holds the number, so it is shown, and goes, with it."""
    phone = parse("phone=+49 30 123456")
    _prove(desk)
    for one in (phone, OLD):
        identity.link(desk, one, ANA, "asserted", WHY, _who(desk), NOW)
    answer = rights.access(desk, _request(ANA), NOW, out=world / "out.zip")
    assert answer.covers.unproven == {"email": 1}
    assert not any("telephone" in w for w in rights.erase(desk, _request(ANA), NOW).warnings)


def test_RIGHT_19_an_unlink_restores_what_stood_before(desk: Controller) -> None:
    """RIGHT-19: links are reversible; what was linked since keeps its own; each is an entry."""
    _prove(desk, WORK)
    identity.link(desk, OLD, ANA, "asserted", WHY, _who(desk), NOW)
    identity.link(desk, OLD, ANA, "verified", WHY, _who(desk), NOW)
    assert set(desk.identities.widen([[ANA]])[0]) == {ANA, WORK, OLD}
    assert identity.unlink(desk, OLD, ANA, "mistaken", _who(desk), NOW) == ("verified", "asserted")
    assert desk.identities.widen([[ANA]])[0] == (ANA, WORK)
    assert identity.unlink(desk, OLD, WORK, "mistaken", _who(desk), NOW) == ("asserted", None)
    identity.link(desk, OLD, ANA, "verified", WHY, _who(desk), NOW)
    assert set(desk.identities.widen([[WORK]])[0]) == {ANA, WORK, OLD}
    history = desk.identities.history([ANA])
    assert [h.act for h in history].count("unlink") == 2
    assert {h.reason for h in history} == {WHY, "mistaken"}
    entries = [e for kind in ("identity.linked", "identity.unlinked")
               for _, e in desk.ledger.entries(kind=kind)]  # fmt: skip
    assert len(entries) == len(history)
    assert all(e.body["actor"] == "verifier" for e in entries)
    assert "ana" not in str([e.body for e in entries]).lower()
    with desk.database.connection() as c:
        stored = str(c.execute("SELECT identity_event::text FROM identity_event").fetchall())
    assert "mistaken" not in stored


def test_RIGHT_19_who_is_who_is_not_for_everybody_to_say(desk: Controller) -> None:
    """RIGHT-19: separation of roles, closed levels, and nobody is merged without a word."""
    for role in ("support", "intake", "marketer", "auditor"):
        with pytest.raises(Denied, match="who is who"):
            identity.link(desk, WORK, ANA, "verified", WHY, _who(desk, role), NOW)
    _prove(desk)
    for level in ("name", "certain"):
        with pytest.raises(UsageError, match="evidence"):
            identity.link(desk, WORK, ANA, level, WHY, _who(desk), NOW)
    with pytest.raises(UsageError, match="known by a name"):
        identity.link(desk, parse("name=Ana O'Neill"), ANA, "verified", WHY, _who(desk), NOW)
    assert identity.unlink(desk, ANA, ANA, WHY, _who(desk), NOW) == ("verified", "asserted")
    with pytest.raises(UsageError, match="all by which"):
        identity.unlink(desk, ANA, ANA, WHY, _who(desk), NOW)
    _prove(desk)
    ben = parse("email=ben@example.org")
    _prove(desk, to=ben)
    with pytest.raises(UsageError, match="nobody was merged"):
        identity.link(desk, ben, ANA, "verified", WHY, _who(desk), NOW)
    assert desk.identities.widen([[ANA], [ben]]) == ((ANA,), (ben,))


def test_RIGHT_19_what_two_people_share_widens_nobody(desk: Controller, world: Path) -> None:
    """RIGHT-19: an office mailbox proven for both leads from neither to the other."""
    office, ben = parse("email=office@example.org"), parse("email=ben@example.org")
    sql(world, "INSERT INTO note VALUES (20, 'office@example.org', 'us', '2026-01-01 00:00:00')")
    _prove(desk, office)
    _prove(desk, to=ben)
    actor = _who(desk)
    identity.link(desk, office, ben, "verified", WHY, actor, NOW, shared=True)
    assert desk.identities.widen([[ANA], [ben], [office]]) == ((ANA,), (ben,), (office,))
    known = desk.identities.known([[ANA], [office]])
    assert known[0].shared == (office,)
    assert known[1].several
    assert _found(desk, world, ANA, name="ana")["note"] == 1
    assert _found(desk, world, ben, name="ben")["note"] == 1


def test_RIGHT_19_two_numbers_of_one_person_are_tied_and_untied(desk: Controller) -> None:
    """RIGHT-19: tied they are one, with the impediments of both; untied what they were."""
    _prove(desk)
    _prove(desk, to=WORK)
    (work,) = desk.subjects.find([WORK])
    desk.consents.withdraw(work, "marketing.email", NOW, source="page")
    assert "withdrawn:marketing.email" not in desk.facts(ANA, NOW).held
    identity.link(desk, WORK, ANA, "verified", WHY, _who(desk), NOW, same=True)
    assert desk.identities.widen([[ANA], [WORK]]) == ((ANA, WORK), (WORK, ANA))
    assert "withdrawn:marketing.email" in desk.facts(ANA, NOW).held
    # What was done last is undone, and nothing of what stood before.
    assert identity.unlink(desk, WORK, ANA, WHY, _who(desk), NOW) == ("verified", None)
    assert desk.identities.widen([[ANA], [WORK]]) == ((ANA,), (WORK,))
    assert "withdrawn:marketing.email" not in desk.facts(ANA, NOW).held


def test_RIGHT_19_a_hold_on_one_address_keeps_what_another_leads_to(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: holds, restriction and objection use the same widened set."""
    _prove(desk, WORK, OLD)
    actor = desk.actors.of("Jo", "privacy-officer", NOW)
    clause = holds.allowing(desk.bundle)[0]
    hold = holds.place(
        desk, ground="a court case", clause=clause, actor=actor, now=NOW, person=[OLD],
        system="shop", dataset="note",
    )  # fmt: skip
    assert holds.covered(desk, hold, [ANA]) == 3
    done = rights.erase(desk, _request(WORK), NOW)
    kept = [s for s in done.steps if s.dataset == "note"]
    assert sum(s.counts.retained + s.counts.isolated for s in kept) == 3


def test_RIGHT_19_an_objection_under_one_address_holds_under_all(desk: Controller) -> None:
    """RIGHT-19: at the next decision, whichever address is asked about."""
    _prove(desk, WORK, OLD)
    assert rights.object_to(desk, _request(OLD), ["marketing"], NOW).stops
    held = desk.facts(ANA, NOW).held
    assert held == desk.facts(WORK, NOW).held == desk.facts(OLD, NOW).held
    assert "objection:marketing" in held


def test_RIGHT_19_one_address_of_two_customers_is_refused_although_proven(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: three addresses may lead to three accounts; one that leads to two may not."""
    sql(
        world,
        "INSERT INTO customer VALUES (21, 'ana.work@example.org', 'Ana Other', NULL, '2026-01-01')",
    )
    with pytest.raises(Ambiguous):
        rights.erase(desk, _request(ANA, WORK), NOW)
    _prove(desk, WORK, OLD)
    shown = rights.preview(desk, _request(ANA), NOW)
    assert not any("name different people" in w for w in shown.warnings)
    assert _found(desk, world, ANA, name="ana")["customer"] == 2
    with pytest.raises(Ambiguous):
        rights.erase(desk, _request(ANA, WORK, parse("email=ben@example.org")), NOW)


_NEW = "INSERT INTO customer VALUES (31, 'other@example.org', {}, '2026-01-01')"
CANDIDATES = {
    "namesake": _NEW.format("'O''Neill ANA', NULL"),
    "plus-tag": "INSERT INTO note VALUES (31, 'ana+shop@example.org', 'x', '2026-01-01')",
    "national": _NEW.format("'Zed', '030 123456'"),
    "unproven": _NEW.format("'Ana O''Neill', '+4930123456'"),
    "shared": _NEW.format("'Somebody Else', '004930123456'"),
}
#: The same, as other machines and people write it.
GROUPED = {
    "unproven": _NEW.format("'Ana O''Neill', '0049 (0)30 12-34-56'"),
    "shared": _NEW.format("'Somebody Else', '+49\u201330\u2013123\u202f456'"),
}


@pytest.mark.parametrize("reason", GROUPED)
def test_RIGHT_19_a_number_of_hers_with_its_country_is_not_called_one_without(
    desk: Controller, world: Path, reason: str
) -> None:
    """RIGHT-19: however it is grouped, it is one that her rows say and nobody has proven."""
    sql(world, GROUPED[reason])
    answer = rights.access(desk, _request(ANA), NOW, out=world / "out.zip")
    assert answer.covers.doubts.get(reason) == 1
    assert "national" not in answer.covers.doubts
    assert not any("without its country" in w for w in answer.warnings)


@pytest.mark.parametrize(
    "phone", ["+49 30 123456 / +49 171 1234567", "01149 30 123456", "+49 30 123456 ext. 7",
              "+49 (30) 123456 (home)", "Tel. 030/123456"],
)  # fmt: skip
def test_RIGHT_19_a_number_with_more_beside_it_waits_for_a_human(
    desk: Controller, world: Path, phone: str
) -> None:
    """RIGHT-19: no search takes such a value for hers, and none passes over it in silence."""
    sql(world, _NEW.format(f"'Zed', '{phone}'"))
    by_number = _request(parse("phone=+49 30 123456"))
    answer = rights.access(desk, by_number, NOW, out=world / "out.zip")
    assert answer.covers.doubts.get("national") == 1
    assert any("without its country, or with more beside it" in w for w in answer.warnings)


def test_RIGHT_19_what_an_access_met_first_is_still_to_be_decided_after_the_erasure(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: the match goes over to the case of the erasure; both letters say that there is
    such a record, and the erasure leaves it.
    """
    sql(world, _NEW.format("'Zed', '+49 30 123456 ext. 7'"))
    by_number = _request(parse("phone=+49 30 123456"), parse("email=ana@example.org"))
    seen = rights.access(desk, by_number, NOW, out=world / "out.zip")
    before = desk.doubts.all()
    assert [d.case for d in before] == [seen.case]
    # Not before it is carried out: who looks at what an erasure would do, or is refused it, moves
    # nothing away from the case that met it.
    planned = rights.preview(desk, by_number, NOW)
    assert not [s for s in planned.steps if s.dataset == "identity_doubt" and s.counts.changed]
    assert [d.case for d in undecided(desk, desk.cases.get(planned.case))] == [seen.case]
    with pytest.raises(UsageError, match="not what it was"):
        rights.erase(desk, by_number, NOW, approved="another plan")
    assert desk.doubts.all() == before
    gone = rights.erase(desk, by_number, NOW)
    assert [d.case for d in desk.doubts.all()] == [gone.case]
    for case in (seen.case, gone.case):
        text = " ".join(letter(desk, case, NOW).text().split())
        said = "by nothing proven to be yours: 1 record, where a name or a number like yours"
        assert said in text
    (doubt,) = desk.doubts.all()
    identity.settle(desk, doubt.id, "different", "not hers", _who(desk), NOW)
    assert "nothing proven to be yours" not in letter(desk, gone.case, NOW).text()


def test_RIGHT_19_what_waits_of_somebody_who_is_known_stays_and_what_is_settled_is_hers(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: an erasure of somebody who is known takes no undecided match along; a letter calls
    no record hers by nothing that somebody decided to be hers.
    """
    sql(world, CANDIDATES["plus-tag"])
    first = rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    (doubt,) = desk.doubts.all()
    assert "nothing proven to be yours: 1 record" in _letter(desk, first.case)
    identity.settle(desk, doubt.id, "same", "she typed the code", _who(desk), NOW)
    assert "nothing proven to be yours" not in _letter(desk, first.case)
    sql(world, _NEW.format("'Zed', '+49 30 123456 ext. 7'"))
    by_number = _request(parse("phone=+49 30 123456"), ANA)
    seen = rights.access(desk, by_number, NOW, out=world / "b.zip")
    assert seen.case in {d.case for d in desk.doubts.all()}
    waited = len({(d.reason, d.kind, d.other) for d in desk.doubts.all()})
    gone = rights.erase(desk, by_number, NOW)
    assert [d.case for d in desk.doubts.all()] == [gone.case] * waited


def test_RIGHT_19_the_letter_of_an_erasure_counts_what_waits_with_it(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: her name went with her rows; that a namesake waits for somebody did not."""
    sql(world, CANDIDATES["namesake"])
    gone = rights.erase(desk, _request(ANA), NOW)
    (doubt,) = desk.doubts.all()
    assert "nothing proven to be yours: 1 record" in _letter(desk, gone.case)
    identity.settle(desk, doubt.id, "different", "another one", _who(desk), NOW)
    assert "nothing proven to be yours" not in _letter(desk, gone.case)


def test_RIGHT_19_a_row_that_nothing_names_is_told_with_its_place_and_counted_in_the_letter(
    world: Path,
) -> None:
    """RIGHT-19: nothing in it leads to anybody, so the queue cannot hold it; whoever answers reads
    where it is, and an erasure is not silent of it when her own rows are gone.
    """
    edit(world / "shop.yml", "identifies: account, nullable", "nullable")
    edit(world / "shop.yml", "identifies: email, nullable: false, overwrite: \"erased-{id}",
         "nullable: false, overwrite: \"erased-{id}")  # fmt: skip
    sql(world, CANDIDATES["namesake"])
    with Controller.open(deployment.read(world)) as controller:
        gone = rights.erase(controller, _request(parse("phone=+49 30 123456")), NOW)
        assert controller.doubts.all() == []
        assert any("1 record of these in `customer` of `shop`" in w for w in gone.warnings)
        assert "nothing proven to be yours: 1 record" in _letter(controller, gone.case)


def test_RIGHT_19_who_was_decided_to_be_another_is_not_left_to_decide_by_an_erasure(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: what her access had met and somebody decided needs nobody to decide any more."""
    sql(world, CANDIDATES["plus-tag"])
    rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    (doubt,) = desk.doubts.all()
    identity.settle(desk, doubt.id, "different", "another one", _who(desk), NOW)
    gone = rights.erase(desk, _request(ANA), NOW)
    assert "nothing proven to be yours" not in _letter(desk, gone.case)


def test_RIGHT_19_what_was_decided_to_be_hers_after_an_erasure_is_told_and_found(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: the letter does not call it done and nothing else, and a control finds the row
    until another erasure took it.
    """
    sql(world, CANDIDATES["plus-tag"])
    gone = rights.erase(desk, _request(ANA), NOW)
    (doubt,) = desk.doubts.all()
    later = NOW + dt.timedelta(days=1)
    assert not [f for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]
    identity.settle(desk, doubt.id, "same", "she typed the code", _who(desk), later)
    said = "we decided that something else is yours, too. It was not deleted"
    assert said in _letter(desk, gone.case)
    assert [f.where for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]
    rights.erase(desk, _request(ANA), later)
    assert said not in _letter(desk, gone.case)
    assert not [f for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]


@pytest.mark.parametrize("reason", ["shared", "unproven"])
def test_RIGHT_19_who_shares_a_number_with_somebody_erased_and_is_another_is_not_she(
    desk: Controller, world: Path, reason: str
) -> None:
    """RIGHT-19: the control asked whose the row is, and found it for good whatever was decided."""
    sql(world, CANDIDATES[reason])
    rights.erase(desk, _request(ANA), NOW)
    later = NOW + dt.timedelta(days=1)
    assert [f.where for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]
    for doubt in desk.doubts.all():
        identity.settle(desk, doubt.id, "different", "mother and daughter", _who(desk), later)
    assert not [f for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]
    sql(world, "UPDATE customer SET email = 'ana@example.org' WHERE id = 31")
    assert [f.where for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]


def test_RIGHT_19_what_went_with_a_later_erasure_waits_for_nobody_in_the_first_letter(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: a match goes over to the next erasure of hers, and what is decided there to be
    hers goes with her; the letter of the first said for good that somebody is to decide.
    """
    sql(world, CANDIDATES["plus-tag"])
    first, second = (rights.erase(desk, _request(ANA), NOW) for _ in range(2))
    later = NOW + dt.timedelta(days=1)
    for case in (first.case, second.case):
        assert "nothing proven to be yours: 1 record" in _letter(desk, case)
    (doubt,) = desk.doubts.all()
    identity.settle(desk, doubt.id, "same", "she typed the code", _who(desk), later)
    for case in (first.case, second.case):
        assert "nothing proven to be yours" not in _letter(desk, case)
        assert "something else is yours, too" in _letter(desk, case)
    gone = rights.erase(desk, _request(parse("email=ana+shop@example.org")), later)
    for case in (first.case, second.case, gone.case):
        assert "yours, too" not in _letter(desk, case)
        assert "nothing proven to be yours" not in _letter(desk, case)


def test_RIGHT_19_one_row_waits_once_by_whichever_number_she_asks(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: who asks by another number of hers asks the same of it, and it is decided once."""
    sql(world, CANDIDATES["plus-tag"])
    for n, who in enumerate((ANA, parse("account=1"))):
        rights.access(desk, _request(who), NOW, out=world / f"{n}.zip")
        assert [d.reason for d in desk.doubts.all()].count("plus-tag") == 1


def test_RIGHT_19_a_system_that_comes_back_is_looked_through_for_what_is_like_her(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: an erasure that goes on there queues and counts what only looks like hers, once."""
    sql(world, CANDIDATES["namesake"])
    shop = world / "shop.sqlite"
    away = shop.rename(world / "away")
    gone = rights.erase(desk, _request(ANA), NOW)
    assert any("doubtful matches in shop" in w for w in gone.warnings)
    away.rename(shop)
    went_on = rights.erase(desk, _request(case=gone.case), NOW)
    assert not any("doubtful matches in shop" in w for w in went_on.warnings)
    assert any("1 record elsewhere carries the same name" in w for w in went_on.warnings)
    assert [d.case for d in desk.doubts.all()] == [gone.case]
    assert "nothing proven to be yours: 1 record" in _letter(desk, gone.case)


def test_RIGHT_19_the_case_of_a_child_is_over_when_what_looks_like_hers_is_decided(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: when it is over it forgets by what; nobody could decide, nor see the queue."""
    sql(world, CANDIDATES["plus-tag"])
    request = Request(((ANA,),), override="her mother called", ground="child")
    gone = rights.erase(desk, request, NOW)
    _all_answered(desk)
    (doubt,) = desk.doubts.all()
    assert not rights.erase(desk, _request(case=gone.case), NOW).complete
    assert desk.doubts.pair(doubt).one == ANA
    identity.settle(desk, doubt.id, "different", "another child", _who(desk), NOW)
    assert rights.erase(desk, _request(case=gone.case), NOW).complete
    assert desk.doubts.all() == []
    with pytest.raises(SystemExit) as end:
        main(["identity", "doubts", "--settled", "--show", "--dir", str(world)])
    assert end.value.code == 0


def test_RIGHT_19_the_case_of_a_child_is_over_when_what_was_decided_to_be_hers_is_gone(
    desk: Controller, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """RIGHT-19: the case ended as done, forgot by what it stands there, and the row stayed."""
    sql(world, CANDIDATES["plus-tag"])

    def gone(*who: Identifier, case: str | None = None) -> tuple[str, bool]:
        people = (who,) if who else ()
        request = Request(people, override="her mother called", ground="child", case=case)
        done = rights.erase(desk, request, NOW)
        desk.deliver(NOW)
        for task in desk.tasks():
            if task.answer is None:
                answered = Answered(Outcome.DONE, "Jo", NOW, "their letter")
                rights.recipients.record(desk, task.id, answered, "operator")
        return done.case, done.complete

    first, _ = gone(ANA)
    with pytest.raises(SystemExit):
        main(["case", "show", first, "--dir", str(world)])
    assert "Before it can end, to decide what may be the child's: " in capsys.readouterr().out
    (doubt,) = desk.doubts.all()
    later = NOW + dt.timedelta(seconds=1)
    identity.settle(desk, doubt.id, "same", "her mother says so", _who(desk), later)
    assert gone(case=first) == (first, False)
    with pytest.raises(SystemExit):
        main(["case", "show", first, "--dir", str(world)])
    assert "what was decided to be the child's goes with an erasure" in capsys.readouterr().out
    assert "something else is yours, too" in _letter(desk, first)
    second, _ = gone(desk.doubts.pair(doubt).other)
    assert 31 not in _notes(world)
    assert gone(case=second) == (second, True)
    assert gone(case=first) == (first, True)


def test_RIGHT_19_the_case_of_a_child_waits_for_what_was_decided_after_it_was_cut_off(
    desk: Controller, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RIGHT-19: cut off before its end was entered, it took nothing along that was decided to be
    hers, ended as done all the same, and had forgotten by what that stands there.
    """
    sql(world, CANDIDATES["plus-tag"])
    request = Request(((ANA,),), override="her mother called", ground="child")
    with monkeypatch.context() as cut:
        cut.setattr(type(desk.cases), "finish", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rights.erase(desk, request, NOW)
    (doubt,) = desk.doubts.all()
    later = NOW + dt.timedelta(minutes=1)
    identity.settle(desk, doubt.id, "same", "her mother says so", _who(desk), later)
    for _ in range(2):
        went_on = rights.erase(desk, _request(case=doubt.case), later + dt.timedelta(minutes=1))
        assert (31 in _notes(world), went_on.complete) == (True, False)
        desk.deliver(NOW)
        for task in desk.tasks():
            if task.answer is None:
                answered = Answered(Outcome.DONE, "Jo", NOW, "their letter")
                rights.recipients.record(desk, task.id, answered, "operator")


def test_RIGHT_19_what_waits_goes_with_what_says_whose_it_may_be(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: it waited for good, nobody could open it, and the next erasure failed of it."""
    sql(world, CANDIDATES["plus-tag"])
    rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    assert desk.doubts.waiting()[0] == 1
    with desk.database.connection() as c:
        strike(desk.vault, [desk.cases.naming(ANA)[0].number], NOW, c)
    assert desk.doubts.waiting() == (0, None)
    away = (world / "shop.sqlite").rename(world / "away")
    gone = rights.erase(desk, _request(ANA), NOW)
    assert [s for s, _ in gone.unreached] == ["shop"]
    away.rename(world / "shop.sqlite")
    rights.erase(desk, _request(case=gone.case), NOW)
    assert [d.case for d in desk.doubts.all()] == [gone.case]


def test_RIGHT_19_what_waits_stays_when_its_system_is_away_while_she_is_erased(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: nobody could look for it, and its match went with her: it was lost."""
    sql(world, CANDIDATES["namesake"])
    rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    (before,) = desk.doubts.all()
    pair = desk.doubts.pair(before)
    (world / "shop.sqlite").rename(world / "away")
    gone = rights.erase(desk, _request(ANA), NOW)
    (after,) = desk.doubts.all()
    assert (after.case, desk.doubts.pair(after)) == (gone.case, pair)
    assert "nothing proven to be yours: 1 record" in _letter(desk, gone.case)


def test_RIGHT_19_a_system_without_her_that_comes_back_is_looked_through_for_who_is_called_so(
    world: Path,
) -> None:
    """RIGHT-19: her name goes with her rows; who is called so where nobody could look waits."""
    (world / "club.yml").write_text(
        "system: club\ntitle: Club\ncountry: US\ndatasets:\n  member:\n    key: [id]\n"
        "    retention: messages\n    clock: at\n    activities: [communicate]\n    fields:\n"
        "      id: {type: integer, nullable: false}\n"
        "      mail: {category: contact.email, identifies: email}\n"
        "      called: {category: contact.name}\n      at: {type: datetime}\n"
        "      tel: {category: contact.phone, identifies: phone}\n",
        "utf-8",
    )
    with (world / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[systems.club]\nstore = "sqlite"\nmode = "act"\nmap = "club.yml"\n'
            f'url = "sqlite:///{world / "club.sqlite"}"\n'
        )
    with contextlib.closing(sqlite3.connect(world / "away")) as club:
        club.executescript(
            "CREATE TABLE member (id INTEGER PRIMARY KEY, mail TEXT, called TEXT, at TEXT,"
            " tel TEXT);"
            "INSERT INTO member VALUES (1, 'o@example.org', 'O''Neill ANA', '2026-01-01', NULL),"
            " (2, 'p@example.org', 'Somebody Else', '2026-01-01', NULL),"
            " (3, NULL, 'Ana O''Neill', '2026-01-01', '+49 30 123456')"
        )
    with Controller.open(deployment.read(world)) as desk:
        gone = rights.erase(desk, _request(ANA), NOW)
        assert any("doubtful matches in club" in w for w in gone.warnings)
        (world / "away").rename(world / "club.sqlite")
        went_on = rights.erase(desk, _request(case=gone.case), NOW)
        assert not any("doubtful matches in club" in w for w in went_on.warnings)
        # And for what carries her number, which her rows said and nobody has proven.
        assert {(d.case, d.reason, d.kind) for d in desk.doubts.all()} == {
            (gone.case, "namesake", "email"), (gone.case, "unproven", "email")
        }  # fmt: skip
        assert "nothing proven to be yours: 2 records" in _letter(desk, gone.case)


def test_RIGHT_19_what_was_decided_to_be_anothers_stays_when_an_erasure_goes_on(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: the decision went with her first rows, and the row of her mother, with a number
    of both, with the system that was away. It could not be refused: the case names that number.
    """
    sql(world, "UPDATE customer SET phone = NULL")
    sql(world, CANDIDATES["unproven"])
    rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    (doubt,) = desk.doubts.all()
    identity.settle(desk, doubt.id, "different", "mother and daughter", _who(desk), NOW)
    (world / "shop.sqlite").rename(world / "away")
    both = _request(ANA, parse("phone=+49 30 123456"))
    gone = rights.erase(desk, both, NOW)
    assert not gone.complete
    (world / "away").rename(world / "shop.sqlite")
    assert rights.erase(desk, _request(case=gone.case), NOW).complete
    there = str(sql(world, "SELECT email FROM customer"))
    assert "other@example.org" in there
    assert "ana@example.org" not in there
    # It may be hers all the same by what nobody has proven: that is asked, and told.
    (waits,) = desk.doubts.all()
    assert (waits.case, waits.reason, waits.other) == (gone.case, "unproven", "phone")
    assert "nothing proven to be yours: 1 record" in _letter(desk, gone.case)


def _all_answered(controller: Controller) -> None:
    """Every recipient who was told says that it is done."""
    controller.deliver(NOW)
    for task in controller.tasks():
        answered = Answered(Outcome.DONE, "Jo", NOW, "their letter")
        rights.recipients.record(controller, task.id, answered, "operator")


def _letter(controller: Controller, case: str) -> str:
    return " ".join(letter(controller, case, NOW).text().split())


def test_RIGHT_19_what_waits_stays_with_a_later_erasure_that_did_not_meet_it_again(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: what one erasure had met was deleted undecided by the next one of the same person,
    of which the rows are not like it; so the case of a child ended, too.
    """
    sql(world, CANDIDATES["plus-tag"])
    sql(world, CANDIDATES["namesake"])
    child = Request(((ANA,),), override="her mother called", ground="child")
    first = rights.erase(desk, child, NOW).case
    _all_answered(desk)
    waits = {d.reason: d for d in desk.doubts.all()}
    later = NOW + dt.timedelta(days=1)
    identity.settle(desk, waits["plus-tag"].id, "same", "her mother says so", _who(desk), later)
    pair = desk.doubts.pair(waits["namesake"])
    second = rights.erase(desk, _request(parse("email=ana+shop@example.org")), later)
    assert 31 not in _notes(world)
    (left,) = desk.doubts.all()
    assert (left.case, desk.doubts.pair(left)) == (second.case, pair)
    assert "nothing proven to be yours: 1 record" in _letter(desk, second.case)
    assert not rights.erase(desk, _request(case=first), later).complete
    identity.settle(desk, left.id, "different", "another child", _who(desk), later)
    assert rights.erase(desk, _request(case=first), later).complete


@pytest.mark.parametrize("when", ["before", "after"])
def test_RIGHT_19_what_is_decided_to_be_a_childs_keeps_its_case_whichever_case_has_it(
    desk: Controller, world: Path, when: str
) -> None:
    """RIGHT-19: the child came back, and was erased by a number that the case does not name: what
    was decided to be the child's stood there, and the case was over and had forgotten it.
    """
    sql(world, CANDIDATES["plus-tag"])
    child = Request(((ANA,),), override="her mother called", ground="child")
    first = rights.erase(desk, child, NOW).case
    _all_answered(desk)
    doubt = next(d for d in desk.doubts.all() if d.reason == "plus-tag")
    day = dt.timedelta(days=1)
    if when == "before":
        identity.settle(desk, doubt.id, "same", "her mother says so", _who(desk), NOW + day)
    sql(
        world,
        "INSERT INTO customer VALUES (40, 'ana@example.org', 'Zed', '+49 30 123456', '2026-01-01')",
    )
    rights.erase(desk, _request(parse("phone=+49 30 123456")), NOW + 2 * day)
    if when == "after":
        doubt = next(d for d in desk.doubts.all() if d.reason == "plus-tag")
        identity.settle(desk, doubt.id, "same", "her mother says so", _who(desk), NOW + 3 * day)
    for d in desk.doubts.all():
        identity.settle(desk, d.id, "different", "another child", _who(desk), NOW + 3 * day)
    assert not rights.erase(desk, _request(case=first), NOW + 4 * day).complete
    assert 31 in _notes(world)
    rights.erase(desk, _request(parse("email=ana+shop@example.org")), NOW + 5 * day)
    assert rights.erase(desk, _request(case=first), NOW + 6 * day).complete


def test_RIGHT_19_what_was_met_since_an_erasure_began_waits_when_it_goes_on(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: she came back, an access met somebody like her; the case of a child that went on
    took her rows, deleted what waited, and was over.
    """
    child = Request(((ANA,),), override="her mother called", ground="child")
    first = rights.erase(desk, child, NOW).case
    _all_answered(desk)
    sql(
        world,
        "INSERT INTO customer VALUES (40, 'ana@example.org', 'Ana O''Neill', NULL, '2026-01-01')",
    )
    sql(world, CANDIDATES["namesake"])
    rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    (before,) = desk.doubts.all()
    assert not rights.erase(desk, _request(case=first), NOW).complete
    assert not sql(world, "SELECT id FROM customer WHERE id = 40")
    (after,) = desk.doubts.all()
    assert (after.id, after.case) == (before.id, first)
    identity.settle(desk, after.id, "different", "another child", _who(desk), NOW)
    assert rights.erase(desk, _request(case=first), NOW).complete


def test_RIGHT_19_what_was_decided_to_be_anothers_is_not_hers_by_a_number_of_both(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: a number that both use is decided to be hers; the row of whoever was decided to be
    another went with her, and was shown to her, unasked.
    """
    sql(world, "UPDATE customer SET phone = NULL")
    sql(world, CANDIDATES["unproven"])
    rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    (doubt,) = desk.doubts.all()
    identity.settle(desk, doubt.id, "different", "mother and daughter", _who(desk), NOW)
    _prove(desk, parse("phone=+49 30 123456"))
    for asks in (rights.erase, lambda *a: rights.access(*a, out=world / "b.zip")):
        with pytest.raises(Ambiguous, match="with an address or number that was decided to be"):
            asks(desk, _request(ANA), NOW)
    assert any("decided to be another's" in w for w in rights.preview(
        desk, _request(ANA), NOW).warnings)  # fmt: skip
    identity.settle(desk, doubt.id, "same", "she showed her papers", _who(desk), NOW)
    assert rights.erase(desk, _request(ANA), NOW).complete
    assert not sql(world, "SELECT id FROM customer WHERE id = 31")


def test_RIGHT_19_accents_written_in_two_ways_are_one_name(desk: Controller, world: Path) -> None:
    """RIGHT-19: two rows of one person are hers, and a namesake is one in either spelling."""
    name = "Zoë Łukasz-Müller"
    rows = ((31, "+49 30 555001", "NFC"), (32, "+49 30 555001", "NFD"), (33, None, "NFD"))
    for key, phone, form in rows:
        sql(world, "INSERT INTO customer VALUES (?, ?, ?, ?, '2026-01-01')", key,
            f"z{key}@example.org", unicodedata.normalize(form, name), phone)  # fmt: skip
    edit(world / "shop.yml", "identifies: account, nullable", "nullable")
    edit(world / "shop.yml", "identifies: email, nullable: false, overwrite: \"erased-{id}",
         "nullable: false, overwrite: \"erased-{id}")  # fmt: skip
    with Controller.open(deployment.read(world)) as controller:
        by_number = _request(parse("phone=+49 30 555001"))
        answer = rights.access(controller, by_number, NOW, out=world / "z.zip")
    assert [s.counts.found for s in answer.steps if s.dataset == "customer"] == [2]
    assert answer.covers.doubts == {"namesake": 1}


@pytest.mark.parametrize("reason", CANDIDATES)
def test_RIGHT_19_a_doubtful_match_waits_for_a_human(
    desk: Controller, world: Path, reason: str
) -> None:
    """RIGHT-19: it is counted, named as not covered, queued once, not read and not changed."""
    sql(world, CANDIDATES[reason])
    answer = rights.access(desk, _request(ANA), NOW, out=world / "out.zip")
    assert answer.covers.doubts.get(reason) == 1
    assert any("a person has to decide" in w for w in answer.warnings)
    assert b"other@example.org" not in (world / "out.zip").read_bytes()
    assert [s.counts.found for s in answer.steps if s.dataset == "customer"] == [1]
    waiting = desk.doubts.all()
    assert reason in {d.reason for d in waiting}
    count = len(waiting)
    rights.preview(desk, _request(ANA), NOW)
    assert len(desk.doubts.all()) == count
    with desk.database.connection() as c:
        stored = str(c.execute("SELECT identity_doubt::text FROM identity_doubt").fetchall())
    assert "example.org" not in stored
    for doubt in waiting:
        identity.settle(desk, doubt.id, "different", "two people", _who(desk), NOW)
    again = rights.access(desk, _request(ANA), NOW, out=world / "again.zip")
    assert again.covers.doubts == {}
    assert desk.doubts.all() == []
    settled = [e.body for _, e in desk.ledger.entries(kind="identity.settled")]
    assert [e["outcome"] for e in settled] == ["different"] * count


def test_many_people_are_looked_for_under_a_tag_in_one_look_at_each_row(
    desk: Controller, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RIGHT-19: a row is not searched once for each of them, and whose it may be is known."""
    sql(world, CANDIDATES["plus-tag"])
    asked: list[str] = []
    whole = SQLiteSession._execute

    def noting(self: SQLiteSession, dataset: str | None, text: str, params: Any = ()) -> Any:
        asked.append(text)
        return whole(self, dataset, text, params)

    monkeypatch.setattr(SQLiteSession, "_execute", noting)
    others = [[parse(f"email=nobody{n}@example.org")] for n in range(60)]
    met = desk.alike([*others, [ANA]], {}).met
    assert [m.who for m in met if m.reason == "plus-tag"] == [60]
    assert max(text.count("instr(") for text in asked) == 1


def test_RIGHT_19_a_match_that_is_settled_covers_and_can_be_settled_anew(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: same: both are one person's from now on; different: as if it had not been."""
    sql(world, CANDIDATES["plus-tag"])
    assert _found(desk, world, ANA, name="a")["note"] == 1
    (doubt,) = desk.doubts.all()
    with pytest.raises(Denied):
        identity.settle(desk, doubt.id, "same", "hers", _who(desk, "support"), NOW)
    identity.settle(desk, doubt.id, "same", "she typed the code", _who(desk), NOW)
    assert _found(desk, world, ANA, name="b")["note"] == 2
    assert _found(desk, world, parse("email=ana+shop@example.org"), name="c")["note"] == 2
    identity.settle(desk, doubt.id, "different", "it was not she", _who(desk), NOW)
    assert _found(desk, world, ANA, name="d")["note"] == 1
    assert desk.doubts.all() == []


def test_RIGHT_19_what_so_many_carry_is_no_name(desk: Controller, world: Path) -> None:
    """RIGHT-19: a placeholder tells nobody apart and fills no queue."""
    shop = sqlite3.connect(world / "shop.sqlite")
    shop.executemany(
        "INSERT INTO customer VALUES (?, ?, 'Ana O''Neill', NULL, '2026-01-01')",
        [(n, f"p{n}@example.org") for n in range(100, 130)],
    )
    shop.commit()
    shop.close()
    answer = rights.access(desk, _request(ANA), NOW, out=world / "out.zip")
    assert answer.covers.doubts == {}


def test_RIGHT_19_an_unverified_request_makes_nobody(desk: Controller, world: Path) -> None:
    """RIGHT-19: a preview with doubtful matches knows of a case, of no person."""
    sql(world, CANDIDATES["namesake"])
    rights.preview(desk, Request(((ANA,),)), NOW)
    with desk.database.connection() as c:
        assert c.execute("SELECT count(*) FROM subject").fetchone() == (0,)


@pytest.mark.parametrize("machine", ["ip=192.0.2.7", "device=d-1"])
def test_a_machine_widens_only_where_it_is_proven_and_leads_to_nobody(
    desk: Controller, machine: str
) -> None:
    one = parse(machine)
    _prove(desk)
    for evidence in ("asserted", "seen", "used"):
        with pytest.raises(UsageError, match=f"identifier of kind {one.kind}"):
            identity.link(desk, one, ANA, evidence, WHY, _who(desk), NOW)
    with pytest.raises(UsageError, match=f"identifier of kind {one.kind}"):
        identity.link(desk, ANA, one, "verified", WHY, _who(desk), NOW)
    assert desk.identities.widen([[ANA]]) == ((ANA,),)
    identity.link(desk, one, ANA, "verified", WHY, _who(desk), NOW)
    assert [i.normalised for i in desk.identities.widen([[ANA]])[0]] == [
        ANA.normalised, one.normalised,
    ]  # fmt: skip
    assert desk.subjects.find([one]) == ()
    assert desk.identities.widen([[one]]) == ((one,),)


@pytest.mark.parametrize(("others", "met"), [(5, 6), (11, 0)])
def test_RIGHT_19_a_list_of_people_with_one_name_meets_each_row_once(
    desk: Controller, world: Path, others: int, met: int
) -> None:
    """RIGHT-19: each is judged as if she were alone, and what many carry is nobody's name; but rows
    of that name are read once for all, and not once for each: of `unknown` there are many.
    """
    for n in range(50, 52 + others):
        mail = f"guest{n}@example.org"
        row = "INSERT INTO customer VALUES (?, ?, 'Unknown Guest', NULL, '2026-01-01')"
        sql(world, row, n, mail)
    people = [[parse(f"email=guest{n}@example.org")] for n in (50, 51)]
    own = desk.keys(desk.locate(people))
    found = desk.alike(people, own).met
    assert [sum(m.who == who and m.reason == "namesake" for m in found) for who in (0, 1)] == [
        met, met
    ]  # fmt: skip
    selects = [s for place, s in asked(desk, people, own) if place == ("shop", "customer")]
    named = [r for s in selects for r in s.routes if r.keys.fields == ("name",)]
    assert len({number for route in named for number, _ in route.keys.rows}) == 1


def test_RIGHT_19_what_stays_of_the_erased_makes_no_name_common(world: Path) -> None:
    """RIGHT-19: rows that a law keeps of somebody who is gone are shown to nobody, and do not hide
    who else is called as she is.
    """
    add = "INSERT INTO customer VALUES (?, ?, 'Ines Roth', NULL, '2026-01-01')"
    for n in range(60, 72):
        sql(world, add, n, f"gone{n}@example.org")
    with Controller.open(deployment.read(world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        holds.place(
            controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
            system="shop", dataset="customer",
        )  # fmt: skip
        for n in range(60, 72):
            rights.erase(controller, _request(parse(f"email=gone{n}@example.org")), NOW)
        sql(world, add, 80, "ines@example.org")
        sql(world, add, 81, "other@example.org")
        people = [[parse("email=ines@example.org")]]
        own = controller.keys(controller.locate(people))
        met = [m for m in controller.alike(people, own).met if m.reason == "namesake"]
        assert [m.key for m in met] == [(81,)]


def asked(desk: Controller, people: Any, own: Any) -> list[Any]:
    """What is asked to look for what is like these people."""
    is_name = desk.bundle.vocabulary.is_name
    return list(alike.asked(desk.datamap, desk._stores, is_name, people, own))


def test_RIGHT_19_a_proof_that_was_taken_back_shows_nobody_else_in_a_case_that_goes_on(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: an access that had begun goes on by what is proven now."""
    ben = parse("email=ben@example.org")
    _prove(desk, ben)
    (world / "shop.sqlite").rename(world / "away")
    begun = rights.access(desk, _request(ANA), NOW, out=world / "a.zip")
    identity.unlink(desk, ben, ANA, WHY, _who(desk), NOW)
    (world / "away").rename(world / "shop.sqlite")
    with pytest.raises(Ambiguous):
        rights.access(desk, _request(case=begun.case), NOW, out=world / "b.zip")


def test_RIGHT_19_a_link_that_an_erasure_took_is_said_to_be_gone_and_what_is_left_can_be_kept(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: it was said that there never was such a link, while it still led the erasure."""
    ben = parse("email=ben@example.org")
    _prove(desk, ben)
    (world / "shop.sqlite").rename(world / "away")
    begun = rights.erase(desk, _request(ANA), NOW)
    assert not begun.complete
    with pytest.raises(UsageError) as refused:
        identity.unlink(desk, ben, ANA, WHY, _who(desk), NOW)
    assert f"the erasure of case {begun.case} has begun" in str(refused.value)
    holds.place(
        desk, ground="whose the rows are", clause="RET-10", actor=_who(desk), now=NOW,
        system="shop",
    )  # fmt: skip
    (world / "away").rename(world / "shop.sqlite")
    rights.erase(desk, _request(case=begun.case), NOW)
    assert [r[0] for r in sql(world, "SELECT id FROM customer WHERE email LIKE 'ben@%'")] == [2]
    with pytest.raises(UsageError, match="is not linked"):
        identity.unlink(desk, parse("email=cleo@example.org"), ANA, WHY, _who(desk), NOW)


def test_RIGHT_19_what_anothers_case_decided_blinds_no_look_for_the_erased(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: that her address is not his says nothing of whether she is back."""
    rights.erase(desk, _request(parse("phone=+49 30 123456")), NOW)
    of_ben = "name, NULL, '2026-01-01' FROM customer WHERE email LIKE 'ben@%'"
    sql(world, f"INSERT INTO customer SELECT 50, 'ana@example.org', {of_ben}")
    later = NOW + dt.timedelta(days=1)

    def found() -> list[str]:
        return [f.where for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]

    assert found()
    his = _request(parse("email=ben@example.org"))
    met = rights.access(desk, his, later, out=world / "b.zip").case
    assert desk.doubts.all(case=met)
    for one in desk.doubts.all(case=met):
        identity.settle(desk, one.id, "different", "two people", _who(desk), later)
    assert found()


def test_RIGHT_19_what_anothers_erasure_decided_blinds_no_look_for_the_erased(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: who is not he may all the same be one who was erased, and is back."""
    hers = "'ben+x@example.org'"
    row = f"INSERT INTO customer VALUES (60, {hers}, 'Xenia Y', '+49 30 777777', '2026-01-01')"
    sql(world, row)
    rights.erase(desk, _request(parse("phone=+49 30 777777")), NOW)
    sql(world, f"INSERT INTO note VALUES (60, {hers}, 'hi', '2026-01-01 00:00:00')")
    later = NOW + dt.timedelta(days=1)

    def found() -> list[str]:
        return [f.where for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]

    assert found() == ["shop.note"]
    met = rights.erase(desk, _request(parse("email=ben@example.org")), later).case
    (doubt,) = desk.doubts.all(case=met)
    identity.settle(desk, doubt.id, "different", "two people", _who(desk), later)
    assert found() == ["shop.note"]


def test_RIGHT_19_what_the_case_of_a_child_decided_stands_when_it_has_forgotten_her(
    desk: Controller, world: Path
) -> None:
    """RIGHT-19: who shares her number and is another is not she, whatever her case still knows."""
    sql(world, CANDIDATES["shared"])
    child = Request(((ANA,),), override="her mother called", ground="child")
    gone = rights.erase(desk, child, NOW).case
    _all_answered(desk)
    later = NOW + dt.timedelta(days=1)
    for doubt in desk.doubts.all():
        identity.settle(desk, doubt.id, "different", "mother and daughter", _who(desk), later)
    assert rights.erase(desk, _request(case=gone), later).complete
    assert desk.cases.identifiers(desk.cases.get(gone)) == [[]]
    assert not [f for f in erased_stay_erased(desk, later) if isinstance(f, Finding)]
