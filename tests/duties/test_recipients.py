"""Recipients are told what became of her data, and she is told who they are (GDPR Art. 19)."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Evidence, Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import disclosure, rights
from kept.duties.rights import Request
from kept.duties.rights.recipients import Informed, informed, record
from kept.errors import ConfigError, Denied, UsageError
from kept.records.case import State
from kept.stores.tasks import Answered, Task
from kept.stores.tasks import Outcome as Said
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.world import NOW, edit, sql

ANA = parse("email=ana@example.org")
DAY = dt.timedelta(days=1)
#: The bundle names nobody who hosts or mails; the register gives notes to a mailing house too.
WAYS = """[recipients.provider]
title = "The hosting house"
recorded = false
[recipients.mailer]
title = "The mailing house"
lane = "partner"
days = 5
recorded = false
"""


@pytest.fixture
def shop(world: Path) -> Path:
    hosting = '[recipients.provider]\ntitle = "The hosting house"\nrecorded = false\n'
    edit(world / "kept.toml", hosting, WAYS)
    # Messages go to partners too, so does a name; a telephone number does not.
    edit(world / "policy" / "activities.yml", "  recipients: [provider]\n  retention: messages",
         "  recipients: [provider, partner]\n  retention: messages")  # fmt: skip
    return world


@pytest.fixture
def controller(shop: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(shop)) as opened:
        yield opened


def _ask(**more: Any) -> Request:
    return Request(((ANA,),), override="test", **more)


def _states(told: tuple[Informed, ...]) -> dict[str, str]:
    return {one.recipient: one.state for one in told}


def _say(outcome: Said, words: str = "their letter", at: dt.datetime = NOW) -> Answered:
    return Answered(outcome, "Jo", at, words)


def _task(controller: Controller, recipient: str) -> Task:
    return next(t for t in controller.tasks() if t.dataset == recipient and t.open)


def _last(controller: Controller, recipient: str) -> Task:
    return [t for t in controller.tasks() if t.dataset == recipient][-1]


def _letter(shop: Path, recipient: str) -> str:
    (path,) = (shop / "notices" / recipient).glob("*.txt")
    return path.read_text("utf-8")


def _proof(controller: Controller, now: dt.datetime = NOW) -> Evidence:
    return run(controller, registered(), now, names=["rights.recipients-are-told"])[0]


def test_each_gets_one_notice_of_an_erasure_and_its_answer_is_awaited(
    controller: Controller, shop: Path
) -> None:
    shown = rights.preview(controller, _ask(), NOW)
    assert _states(shown.told) == {"provider": "waits", "mailer": "waits"}
    assert {one.said for one in shown.told} == {
        "The hosting house: it is told by letter when all is done",
        "The mailing house: it is told by letter when all is done",
    }
    assert controller.tasks() == []
    answer = rights.erase(controller, Request((), case=shown.case), NOW)
    assert answer.complete
    assert answer.document()["told"] == [
        {"recipient": "mailer", "title": "The mailing house", "state": "waits"},
        {"recipient": "provider", "title": "The hosting house", "state": "waits"},
    ]
    assert len(controller.deliver(NOW).sent) == 2
    assert rights.erase(controller, Request((), case=shown.case), NOW).told == answer.told
    assert controller.deliver(NOW + DAY).sent == ()
    # What finds her and what for, and nothing else: the mailing house never had her number.
    letter = _letter(shop, "mailer")
    assert letter.count("ana@example.org") == 1
    assert "Communicate with you and answer what you ask" in letter
    for other in ("O'Neill", "123456", "account", "trial", "10.00", "Ben"):
        assert other not in letter
    assert "account: 1" in _letter(shop, "provider")
    # Reminded in its own time, and asked no more when it has answered.
    (late,) = controller.deliver(NOW + 5 * DAY).sent
    assert (late.dataset, len(late.reminded)) == ("mailer", 1)
    assert _proof(controller).outcome is Outcome.PASS
    record(controller, late.id, _say(Said.NOTHING), "operator")
    assert list((shop / "notices" / "mailer").glob("*.txt")) == []
    case = controller.cases.get(answer.case)
    assert _states(informed(controller, case)) == {"provider": "waits", "mailer": "told"}
    # Nobody waits for ever.
    assert _proof(controller, NOW + 32 * DAY).outcome is Outcome.FAIL
    record(controller, _task(controller, "provider").id, _say(Said.CANNOT), "operator")
    assert _states(informed(controller, case))["provider"] == "cannot"
    assert _proof(controller).outcome is Outcome.FAIL
    text = str([e for _, e in controller.ledger.entries()]).lower()
    assert "ana" not in text.replace("analytics", "").replace("advance", "")
    with controller.database.connection() as connection:
        sealed = connection.execute("SELECT count(*) FROM case_recipient WHERE sealed IS NOT NULL")
        assert sealed.fetchone() == (0,)


def test_a_case_is_open_until_each_has_answered_and_her_answer_does_not_wait(
    controller: Controller,
) -> None:
    answer = rights.erase(controller, _ask(), NOW)
    case = controller.cases.get(answer.case)
    assert (case.state, case.complete, case.done_at, case.closed_at) == (
        State.AWAITING, True, NOW, None,
    )  # fmt: skip
    # Her clock has stopped, nothing of what it took is left sealed, and the letter can go out.
    assert rights.clock.answered(case)
    assert rights.clock.standings(controller, NOW + 90 * DAY) == []
    assert controller.cases.plan(case) is None
    assert [one[0] for one in controller.recipients.open_loops()] == [case.id]
    text = " ".join(rights.letter.letter(controller, case.id, NOW).text().split())
    assert "The mailing house: it is told by letter; the answer is waited for." in text
    with pytest.raises(UsageError, match="carried out already"):
        rights.close_case(controller, case.id, "withdrawn", "x", case.actor, NOW)
    early = "UPDATE rights_case SET state = 'closed', closed_at = done_at"
    assert _proof(controller).outcome is Outcome.PASS
    with controller.database.connection() as connection:
        connection.execute(early)
    assert "ended before it answered" in str(_proof(controller).findings)
    with controller.database.connection() as connection:
        connection.execute("UPDATE rights_case SET state = 'awaiting', closed_at = NULL")
    # One answers, then the other: that it cannot is an answer too, and an open point.
    record(controller, _task(controller, "mailer").id, _say(Said.NOTHING, at=NOW + DAY), "operator")
    assert controller.cases.get(case.id).state is State.AWAITING
    text = " ".join(rights.letter.letter(controller, case.id, NOW + DAY).text().split())
    assert "The mailing house: it was told, and has answered." in text
    assert "The hosting house: it is told by letter; the answer is waited for." in text
    last = NOW + 2 * DAY
    record(controller, _task(controller, "provider").id, _say(Said.CANNOT, at=last), "operator")
    over = controller.cases.get(case.id)
    assert (over.state, over.done_at, over.closed_at) == (State.CLOSED, NOW, last)
    (settled,) = [dict(e.body) for _, e in controller.ledger.entries(kind="recipients.settled")]
    assert settled == {"case": case.id, "right": "erasure", "done": 1, "cannot": 1, "left": 0,
                       "escalated": 0}  # fmt: skip
    assert controller.cases.events(over)[-1].actor.name == "Jo"
    # What it answers later is on record, and ends nothing twice.
    record(controller, _last(controller, "provider").id, _say(Said.DONE, at=last), "operator")
    assert len(list(controller.ledger.entries(kind="recipients.settled"))) == 1
    assert _proof(controller, last).outcome is Outcome.PASS


def test_that_it_is_out_of_proportion_only_somebody_who_answers_for_it_may_say(
    controller: Controller,
) -> None:
    case = controller.cases.get(rights.erase(controller, _ask(), NOW).case)
    task = _task(controller, "mailer")
    with pytest.raises(Denied):
        record(controller, task.id, _say(Said.LEFT), "support")
    with pytest.raises(UsageError, match="evidence"):
        record(controller, task.id, _say(Said.LEFT, " "), "operator")
    record(controller, task.id, _say(Said.LEFT, "it was dissolved in 2019"), "privacy-officer")
    assert _states(informed(controller, case)) == {"provider": "waits", "mailer": "left out"}
    assert _proof(controller).outcome is Outcome.PASS
    with controller.database.connection() as connection:
        connection.execute("UPDATE case_recipient SET outcome = 'done'")
    assert _proof(controller).outcome is Outcome.FAIL


def test_whom_nobody_can_reach_is_named_and_told_once_there_is_a_way(shop: Path) -> None:
    # A lane of which nobody is set up stands for whoever is in it.
    edit(shop / "kept.toml", WAYS, WAYS.partition("[recipients.mailer]")[0])
    ran = kept(shop, "rights", "erase", "--identity", "email=ana@example.org", "--override", "test",
               "--yes", "--now", NOW.isoformat())  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True)
    told = {t["recipient"]: t for t in ran.document["told"]}
    assert told["partner"]["state"] == "no way to tell"
    assert "[recipients.partner]" in told["partner"]["fix"]
    shown = kept(shop, "case", "show", ran.document["case"], json=False).out
    assert "it is NOT told" in shown
    with Controller.open(deployment.read(shop)) as controller:
        (finding,) = _proof(controller).findings
        assert finding.where == "recipient partner"
    with (shop / "kept.toml").open("a") as file:
        file.write("\n[recipients.partner]\n")
    (sent,) = kept(shop, "task", "send", "--now", NOW.isoformat()).document["sent"]
    assert sent["dataset"] == "partner"
    assert "ana@example.org" in _letter(shop, "partner")


def test_a_correction_is_told_to_who_had_the_value(controller: Controller, shop: Path) -> None:
    answer = rights.rectify(controller, _ask(), "shop.customer.name", "Ana Neill", NOW)
    assert answer.complete
    # Partners get messages of hers; her row of customers serves no activity of theirs.
    assert _states(answer.told) == {"provider": "waits"}
    controller.deliver(NOW)
    letter = _letter(shop, "provider")
    assert "Please correct it as well" in letter
    assert "right: Name: Ana Neill" in letter
    assert "email: ana@example.org" in letter
    assert "O'Neill" not in letter
    record(controller, _task(controller, "provider").id, _say(Said.DONE), "operator")
    assert _proof(controller).outcome is Outcome.PASS
    # By the wrong address they know her, and are told the right one.
    moved = rights.rectify(controller, _ask(), "shop.customer.email", "ana@example.net", NOW)
    assert _states(moved.told) == {"provider": "waits", "mailer": "waits"}
    controller.deliver(NOW)
    letter = _letter(shop, "mailer")
    assert "email: ana@example.org" in letter
    assert letter.count("ana@example.net") == 1


def test_a_restriction_is_told_and_she_is_told_who_was(controller: Controller, shop: Path) -> None:
    answer = rights.restrict(controller, _ask(), "accuracy", NOW)
    assert _states(answer.told) == {"provider": "waits", "mailer": "waits"}
    controller.deliver(NOW)
    assert "do not use it until you hear from us" in " ".join(_letter(shop, "provider").split())
    record(controller, _task(controller, "mailer").id, _say(Said.DONE), "operator")
    assert _proof(controller).outcome is Outcome.PASS
    out = shop / "pack.zip"
    assert rights.access(controller, _ask(), NOW, out=out).complete
    with zipfile.ZipFile(out) as pack:
        own = " ".join(json.loads(pack.read("answer.json"))["own"])
        page = pack.read("index.html").decode()
    for said in ("The mailing house: it was told", "The hosting house: it is told by letter"):
        assert said in own
        assert said in page
    # Taken out of the records, it is missed.
    with controller.database.connection() as connection:
        connection.execute("DELETE FROM case_recipient WHERE recipient = 'mailer'")
    assert _proof(controller).outcome is Outcome.FAIL


def test_nobody_is_told_before_it_is_done(shop: Path) -> None:
    edit(shop / "kept.toml", 'mode = "act"', 'mode = "observe"')
    with Controller.open(deployment.read(shop)) as controller:
        answer = rights.erase(controller, _ask(), NOW)
        assert not answer.complete
        assert _states(answer.told) == {"provider": "waits", "mailer": "waits"}
        assert controller.tasks() == []
        # Who never gave anything to anybody has nobody to be told.
        nobody = Request(((parse("email=nobody@example.org"),),), override="test")
        assert rights.preview(controller, nobody, NOW).told == ()
    sql(shop, "DELETE FROM customer WHERE id = 3")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[recipients.provider]", "[recipients.hosting]", "not a recipient of this policy"),
        ("provider]", 'provider]\nlane = "partner"', "has its lane in the policy"),
        ("provider]", "provider]\nfax = 7", "`fax` is not a setting"),
        ("[recipients.provider]", '[recipients."../x"]', "cannot be the name"),
        ('url = "notices"', "", "how letters to `provider` go"),
        ('url = "notices"', 'url = "smtp://mail.example"', "whose address stands under `to`"),
    ],
)
def test_what_cannot_be_a_recipient_is_refused(
    shop: Path, before: str, after: str, said: str
) -> None:
    edit(shop / "kept.toml", before, after)
    with pytest.raises(ConfigError) as refused:
        Controller.open(deployment.read(shop))
    assert said in refused.value.what


def test_a_ground_is_one_of_the_law_and_stays_that_of_the_case(controller: Controller) -> None:
    with pytest.raises(UsageError, match="no such ground"):
        rights.preview(controller, _ask(ground="whim"), NOW)
    case = rights.preview(controller, _ask(), NOW).case
    assert rights.preview(controller, Request((), case=case, ground="child"), NOW).case == case
    with pytest.raises(UsageError, match="another ground"):
        rights.preview(controller, Request((), case=case, ground="unlawful"), NOW)
    opened = [e.body.get("ground") for _, e in controller.ledger.entries(kind="case.opened")]
    assert opened == [None]


def test_a_recipient_of_whom_all_is_recorded_is_told_by_its_record(shop: Path) -> None:
    edit(shop / "kept.toml", "days = 5\nrecorded = false", "days = 5\nrecorded = true")
    with Controller.open(deployment.read(shop)) as controller:
        actor = controller.actors.of("Jo", "privacy-officer", NOW)
        disclosure.note(
            controller, (ANA,), "mailer", NOW.date(), ["contact.email"], "task", actor, NOW
        )
        ben = Request(((parse("email=ben@example.org"),),), override="test")
        assert _states(rights.preview(controller, ben, NOW).told) == {"provider": "waits"}
        for request, told in ((_ask(), {"mailer", "provider"}), (ben, {"provider"})):
            assert set(_states(rights.erase(controller, request, NOW).told)) == told
        assert _proof(controller).outcome is Outcome.PASS
        tampered = (
            "UPDATE case_recipient SET recipient = 'public' WHERE recipient = 'mailer'",
            "INSERT INTO case_recipient SELECT max(number), 'mailer', 'tell-erased', NULL, NULL,"
            " now(), NULL FROM rights_case",
        )
        for statement, words in zip(tampered, ("was not told", "had nothing of hers"), strict=True):
            with controller.database.connection() as c:
                c.execute(statement.encode())
            met = _proof(controller)
            assert met.outcome is Outcome.FAIL
            assert any(words in f.words for f in met.findings), met.findings
