"""RIGHT-10: whoever complains is heard: by a form, a letter or a call, and by an authority."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from kept.app import mail
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties.rights import complaints, own
from kept.duties.rights.answer import Stays
from kept.errors import UsageError
from kept.ledger.entry import Entry
from kept.records.complaint import Complaint
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.asking import Desk, desk, text

FORM = "/privacy/complaints"
CONTROL = "rights.complaints-are-heard"
WORDS = "You wrote to me <b>again</b>, after I said no."


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("complaints") / "world", kept_module_url) as one:
        yield one


def judged(asked: Desk) -> tuple[Outcome, list[str]]:
    evidence = run(asked.controller, registered(), asked.now, names=[CONTROL])[0]
    return evidence.outcome, [f.words for f in evidence.findings]


def send(asked: Desk, once: str, **fields: str) -> str:
    answer = asked.post(FORM, {"words": WORDS, "once": once, "region": "UK", **fields})
    assert answer.status_code == 303, answer.text
    mail.deliver(asked.controller, lambda: asked.now)
    return answer.headers["Location"]


def newest(asked: Desk) -> Complaint:
    return asked.controller.complaints.all()[-1]


def test_RIGHT_10_a_form_without_account_is_acknowledged_answered_and_names_the_authority(
    asked: Desk,
) -> None:
    assert judged(asked)[0] is Outcome.VACUOUS
    page = asked.get(FORM)
    assert "no account" in page.text
    assert "/privacy/authorities" in page.text
    assert "set-cookie" not in page.headers
    empty = asked.post(FORM, {"words": " ", "email": "", "once": "x"})
    assert empty.status_code == 400
    assert "what went wrong" in empty.text
    assert "where our answer goes" in empty.text
    assert asked.post(FORM, {"words": WORDS, "email": "no@@x", "once": "x"}).status_code == 400
    subjects = asked.sql("SELECT count(*) FROM subject")
    # Known here or not: the same words, and nobody is looked up.
    pages = {}
    for who in ("ana@example.org", "nobody@example.net"):
        at = send(asked, who, email=who)
        # What differs are the numbers, the tokens, and the addresses as they were typed.
        pages[who] = re.sub(
            r"[0-9a-f-]{30,}|complaints/[\w-]{43}|\w•••@\w•••\.\w+|[0-9A-Z]{20,}",
            "",
            asked.get(at).text,
        )
    assert len(set(pages.values())) == 1
    assert "We have your complaint" in pages["ana@example.org"]
    assert asked.sql("SELECT count(*) FROM subject") == subjects
    one = newest(asked)
    assert (one.state, one.confirm_by) == ("acknowledged", one.arrived + dt.timedelta(days=30))
    (came,) = asked.inbox.to("nobody@example.net")
    assert one.id in text(came)
    assert "authority" in text(came)
    # Sent twice it is one.
    count = len(asked.controller.complaints.all())
    assert send(asked, "nobody@example.net", email="nobody@example.net") in text(came)
    assert len(asked.controller.complaints.all()) == count
    assert judged(asked) == (Outcome.PASS, [])

    for command in ("note", "answer"):
        file = asked.directory / "words.txt"
        file.write_text("The list of the newsletter was out of date.", "utf-8")
        more = ("--outcome", "upheld") if command == "answer" else ()
        done = kept(asked.directory, "complaint", command, one.id, *more, "--words-file", file,
                    "--now", asked.now.isoformat())  # fmt: skip
        assert done.status == 0, done.said
    letter = text(asked.inbox.to("nobody@example.net")[-1])
    for part in ("You are right", "out of date", "Information Commissioner", "court"):
        assert part in letter, part
    assert "We have answered it" in asked.get(at).text
    assert judged(asked) == (Outcome.PASS, [])
    said = str([e.body for _, e in asked.controller.ledger.entries()])
    rows = str(asked.sql("SELECT * FROM complaint, complaint_act"))
    for word in ("nobody@", "again", "newsletter", "out of date"):
        assert word not in said
        assert word not in rows


def test_RIGHT_10_a_letter_waits_to_be_acknowledged_and_who_is_late_is_found(asked: Desk) -> None:
    """Also by a postal address alone, from the form: then a person writes."""
    asked.later(days=1)
    at = send(asked, "post", email="", post="4 Mill Lane\nBath")
    one = newest(asked)
    assert (one.state, complaints.missing(one)[0][:6]) == ("received", "say by")
    assert "You hear from us by" in asked.get(at).text
    actor = asked.controller.actors.of("Jo", "intake", asked.now)
    came = complaints.Came("letter", asked.now.date(), WORDS, post="Mill Lane", region="UK")
    two = complaints.add(asked.controller, came, actor, asked.now)
    assert judged(asked) == (Outcome.PASS, [])
    asked.later(days=31)
    assert judged(asked) == (Outcome.FAIL, ["nobody said in time that it had come"] * 2)
    late = asked.now - dt.timedelta(days=20)
    for c in (one, two):
        with pytest.raises(UsageError, match="nothing can be mailed"):
            complaints.acknowledge(asked.controller, c.id, "mail", late, actor, asked.now)
        complaints.acknowledge(asked.controller, c.id, "letter", late, actor, asked.now)
    assert judged(asked) == (Outcome.PASS, [])
    with pytest.raises(UsageError, match="cannot have gone"):
        complaints.acknowledge(
            asked.controller, two.id, "letter", one.arrived_at - dt.timedelta(days=9), actor,
            asked.now,
        )  # fmt: skip


def test_RIGHT_10_an_authority_writes_and_it_is_a_case_with_its_day(asked: Desk) -> None:
    actor = asked.controller.actors.of("Jo", "privacy-officer", asked.now)
    due = asked.now.date() + dt.timedelta(days=14)
    came = complaints.Came("letter", asked.now.date(), "Please explain.", authority="ICO", due=due)
    one = complaints.add(asked.controller, came, actor, asked.now)
    assert (one.by_whom, one.due, one.next_day) == ("authority", due, due)
    with pytest.raises(UsageError, match="only an authority"):
        complaints.add(
            asked.controller,
            complaints.Came("letter", asked.now.date(), "x", due=due), actor, asked.now,
        )  # fmt: skip
    with pytest.raises(UsageError, match="ends otherwise"):
        complaints.answer(asked.controller, one.id, "upheld", "x", "letter", actor, asked.now)
    one = complaints.answer(
        asked.controller, one.id, "settled", "We explained.", "letter", actor, asked.now
    )
    assert not one.open
    with pytest.raises(UsageError, match="has ended"):
        complaints.note(asked.controller, one.id, "x", actor, asked.now)
    assert judged(asked)[0] is Outcome.PASS


def test_a_complaint_is_linked_with_a_case_only_where_both_are_the_same_persons(
    asked: Desk,
) -> None:
    asked.later(hours=2)
    at_hers = asked.proven("access", email="ana@example.org")
    (case,) = asked.controller.cases.naming(parse("email=ana@example.org"))
    assert "We are working" in asked.get(at_hers).text
    actor = asked.controller.actors.of("Jo", "privacy-officer", asked.now)
    strange = send(asked, "strange", email="mallory@example.net", about=case.id)
    mallory = newest(asked)
    at = send(asked, "hers", email="ANA@example.org", about=case.id)
    hers = newest(asked)
    for one in (mallory, hers):
        assert one.case is None  # what is typed in a form links nothing
        with pytest.raises(UsageError, match="not known who complains"):
            complaints.link(asked.controller, one.id, case.id, actor, asked.now)
    for page, who in ((strange, "mallory@example.net"), (at, "ANA@example.org")):
        asked.post(page, {"do": "send"})
        mail.deliver(asked.controller, lambda: asked.now)
        wrong = "00000000" if asked.inbox.code(who) != "0000 0000" else "11111111"
        asked.post(page, {"do": "code", "code": wrong})
        again = asked.get(page).text
        assert "That was not the code" in again
        assert 'aria-describedby="code-hint code-wrong" aria-invalid="true"' in again
        asked.post(page, {"do": "code", "code": asked.inbox.code(who)})
        assert "(confirmed)" in asked.get(page).text
    with pytest.raises(UsageError, match="names nobody"):
        complaints.link(asked.controller, mallory.id, case.id, actor, asked.now)
    linked = complaints.link(asked.controller, hers.id, case.id, actor, asked.now)
    assert linked.case == case.id
    assert [c.id for c in asked.controller.complaints.of_case(case.number)] == [hers.id]
    assert judged(asked) == (Outcome.PASS, [])

    # Access shows her what she wrote; what somebody else wrote under her address, that it came.
    forged = send(asked, "forged", email="ana@example.org", words="I am not Ana")
    assert forged
    lines = own.holds(asked.controller, [[parse("email=ana@example.org")]], Stays({}))
    told = " ".join(lines)
    assert "after I said no" in told
    assert "not Ana" not in told
    assert newest(asked).id in told
    assert asked.post(at, {"do": "withdraw"}).status_code == 303
    assert "You took it back" in asked.get(at).text


def test_the_control_fails_where_somebody_is_not_heard(asked: Desk) -> None:
    """Each sin alone, undone before the next; those that only an entry can show come last."""
    (over, *_) = [c for c in asked.controller.complaints.all() if c.outcome == "upheld"]
    open_ = newest(asked)
    assert open_.open
    sins = [
        ("UPDATE complaint SET id = reverse(id) WHERE number = %s", [
            "1 that the ledger names are not in the register",
            "the register holds some that nobody entered",
        ]),
        ("UPDATE complaint SET ended_at = NULL WHERE number = %s",
         ["the ledger says that it ended, the register does not"]),
    ]  # fmt: skip
    with asked.controller.database.connection() as c:
        (ended,) = c.execute(
            "SELECT ended_at FROM complaint WHERE number = %s", (over.number,)
        ).fetchall()
    for sin, words in sins:
        asked.change(sin, over.number)
        assert judged(asked) == (Outcome.FAIL, words)
        asked.change("UPDATE complaint SET id = %s, ended_at = %s WHERE number = %s",
                     over.id, ended[0], over.number)  # fmt: skip
    assert judged(asked) == (Outcome.PASS, [])
    before = over.acts[-1]
    with asked.controller.database.connection() as c:
        asked.controller.complaints.act(
            over, "answered", before.actor, asked.now, words="We never said that.", connection=c
        )
    assert judged(asked) == (Outcome.FAIL, ["the answer on record is not the one that was sent"])
    asked.change("DELETE FROM complaint_act WHERE number = %s AND turn = %s",
                 over.number, len(over.acts) + 1)  # fmt: skip
    body = {"complaint": open_.id, "actor": "operator"}
    with asked.controller.database.connection() as c:
        asked.controller.ledger.append_in(
            c, [Entry("complaint.moved", asked.now, {**body, "act": "linked"})]
        )
    assert judged(asked)[1] == ["it was linked before it was known whose it is"]
    with asked.controller.database.connection() as c:
        asked.controller.ledger.append_in(
            c, [Entry("complaint.ended", asked.now, {**body, "outcome": "upheld"})]
        )
        asked.controller.complaints.end(open_, "upheld", asked.now, connection=c)
    assert "its answer named no authority" in judged(asked)[1]
