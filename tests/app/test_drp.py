"""The Data Rights Protocol: what an agent may ask, every way to be refused, and what it is told."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.agent import Client
from tests.app.conftest import ROOT
from tests.asking import Desk, desk, text
from tests.world import NOW

from kept import migrations
from kept.app import promptly
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import holds, rights
from kept.duties.rights import (
    Request,
    access,
    agent_status,
    agents,
    clock,
    close_case,
    delivery,
    mailing,
    signed,
    tend,
)
from kept.duties.rights.letter import answer_case
from kept.duties.rights.parts import refuse_part
from kept.errors import UsageError
from kept.ledger.entry import Entry
from kept.records.case_state import State
from kept.terms.identifiers import parse

ANA, NOBODY = "ana@example.org", "nobody-at-all@example.org"
PATH = "/v1/data-rights-request"


@dataclass
class House:
    """A deployment with the protocol on, and two agents of its directory."""

    desk: Desk
    one: Client
    other: Client
    example: Client

    def agent(self, id_: str) -> Client:
        return Client(id_, self.send, lambda: self.desk.now)

    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> httpx.Response:
        return self.desk.client.request(
            method, path, headers=headers, content=body, follow_redirects=False
        )


def opened(directory: Path, url: str, **options: Any) -> Iterator[House]:
    house = House.__new__(House)
    house.one, house.other = house.agent("AGENT_ONE"), house.agent("AGENT_OTHER")
    directory.mkdir(parents=True)
    house.example = house.agent("AGENT_EXAMPLE")
    house.example.key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    entries = [
        house.one.entry("agent.example.org"), house.other.entry(),
        house.example.entry("status.agent.example"),
    ]  # fmt: skip
    (directory / "agents.json").write_text(json.dumps(entries), "utf-8")
    extra = (
        '[drp]\non = true\nbusiness = "OUR_HOUSE"\ndirectory = "agents.json"\n'
        f"verifications = {json.dumps(options.pop('verifications', ['email']))}\n"
    )
    with desk(directory, url, extra=extra, **options) as made:
        house.desk = made
        assert house.one.set_up().status_code == 200
        assert house.other.set_up().status_code == 200
        yield house


@pytest.fixture(scope="module")
def module_house(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from opened(tmp_path_factory.mktemp("drp") / "world", kept_module_url)


@pytest.fixture
def house(module_house: House) -> House:
    """Each test asks a while after the one before."""
    module_house.desk.later(hours=2)
    module_house.desk.inbox.letters.clear()
    return module_house


def only_case(house: House, request_id: str) -> str:
    ((id_,),) = house.desk.sql(
        "SELECT r.id FROM agent_request a JOIN intake_case k ON k.number = a.intake"
        " JOIN rights_case r ON r.number = k.case_number WHERE a.id = %s",
        request_id,
    )
    return str(id_)


# — what can be asked —————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(
    ("exercise", "regime", "right"),
    [
        ("access", "ccpa", "access"), ("access:categories", None, "access"),
        ("access:specific", "ccpa", "access"), ("deletion", "ccpa", "erasure"),
        ("access", "gdpr", "access"), ("rectification", "gdpr", "rectification"),
        ("restriction", "gdpr", "restriction"), ("objection", "gdpr", "objection"),
        ("portability", "gdpr", "portability"), ("withdrawal", "gdpr", "withdrawal"),
    ],
)  # fmt: skip
def test_what_an_agent_verified_opens_the_case_with_its_clock(
    house: House, exercise: str, regime: str | None, right: str
) -> None:
    email = f"{right}-{uuid.uuid4().hex[:8]}@example.org"
    name = str(uuid.uuid4())
    answer = house.one.ask(
        exercise, email, email_verified=True, regime=regime, agent__request__id=name
    )
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert answer.headers["content-type"].startswith("application/json")
    assert uuid.UUID(said["request_id"])
    assert (said["agent_request_id"], said["status"]) == (name, "in_progress")
    assert "reason" not in said
    case = house.desk.controller.cases.get(only_case(house, said["request_id"]))
    assert (case.right, case.state) == (right, State.IDENTIFIED)
    words = house.desk.controller.cases.words(case).evidence
    assert words is not None
    assert "AGENT_ONE of the directory attested" in words
    counted = house.desk.controller.clocks.of(case)
    assert counted is not None
    assert counted.region == {"ccpa": "US-CA", "gdpr": "EEA", None: "unknown"}[regime]
    assert said["expected_by"] == f"{counted.due.isoformat()}T23:59:59Z"
    assert said["received_at"].startswith(f"{house.desk.now:%Y-%m-%dT%H:%M}")
    assert not house.desk.inbox.to(email)
    assert house.one.status(said["request_id"]).json() == said


def test_without_the_agents_word_the_person_types_a_code(house: House) -> None:
    said = house.one.ask("deletion", NOBODY, regime="ccpa", email_verified=False).json()
    assert (said["status"], said["reason"]) == ("in_progress", "need_user_verification")
    assert said["expected_by"] == (house.desk.now.date() + dt.timedelta(days=45)).isoformat() + (
        "T23:59:59Z"
    )
    before = house.desk.sql("SELECT count(*) FROM rights_case")
    (letter,) = house.desk.inbox.to(NOBODY)
    assert said["user_verification_url"] in text(letter)
    assert "A service that asks for people, Agent " in text(letter)  # she is told which
    page = urllib.parse.urlsplit(said["user_verification_url"]).path
    assert house.desk.get(page).status_code == 200
    house.desk.post(page, {"do": "again"})
    (_, again) = house.desk.inbox.to(NOBODY)
    assert "A service that asks for people, Agent " in text(again)
    assert said["user_verification_url"] in text(again)
    then = house.desk.post(page, {"do": "code", "code": house.desk.inbox.code(NOBODY)})
    assert then.status_code == 303
    assert house.desk.sql("SELECT count(*) FROM rights_case") == [(before[0][0] + 1,)]
    now = house.one.status(said["request_id"]).json()
    assert (now["status"], now.get("reason")) == ("in_progress", None)
    assert now["expected_by"] == said["expected_by"]
    assert "user_verification_url" not in now
    assert house.desk.get(page).status_code == 404  # the page is hers alone now


def test_what_nobody_confirms_expires_and_leaves(house: House) -> None:
    said = house.one.ask("access", "late@example.org").json()
    house.desk.later(hours=25)
    assert house.one.status(said["request_id"]).json()["status"] == "expired"
    tend(house.desk.controller, house.desk.now)
    assert house.one.status(said["request_id"]).json()["status"] == "expired"
    agent_status.keep_up(house.desk.controller, house.desk.now)
    assert house.one.status(said["request_id"]).json()["status"] == "expired"


def test_an_opt_out_is_done_at_once_and_an_opt_in_after_a_code_only(house: House) -> None:
    for exercise, claims in (("sale:opt-out", {}), ("sale:opt_out", {"email_verified": True})):
        email = f"{uuid.uuid4().hex[:8]}@example.org"
        said = house.one.ask(exercise, email, regime="ccpa", **claims).json()
        assert said["status"] == "fulfilled", said
        assert "expires_at" in said
        assert "results_url" not in said  # no delivery exists
        held = house.desk.held(f"email={email}")
        assert {"objection:advertising.targeted", "objection:marketing.partner-offers"} <= held
    back = house.one.ask("sale:opt-in", email, regime="ccpa", email_verified=True).json()
    assert back["reason"] == "need_user_verification"
    assert "objection:advertising.targeted" in house.desk.held(f"email={email}")
    page = urllib.parse.urlsplit(back["user_verification_url"]).path
    house.desk.post(page, {"do": "code", "code": house.desk.inbox.code(email)})
    assert house.one.status(back["request_id"]).json()["status"] == "fulfilled"
    assert "objection:advertising.targeted" not in house.desk.held(f"email={email}")


def test_an_opt_in_frees_the_address_whose_code_was_typed_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a number for which only the agent vouches: its owner may be another, who objected."""
    controller, sold = house.desk.controller, "objection:advertising.targeted"
    assert controller.drp is not None
    both = dataclasses.replace(controller.drp, verifications=("email", "phone_number"))
    monkeypatch.setattr(controller, "drp", both)
    for number, sure in (("+4930123451", True), ("+4930123452", False)):
        house.desk.later(hours=2)
        email = f"{uuid.uuid4().hex[:8]}@example.org"
        hers = {"phone_number": number, "phone_number_verified": sure, "regime": "ccpa"}
        out = house.one.ask("sale:opt-out", email, **hers).json()
        assert out["status"] == "fulfilled", out
        back = house.one.ask("sale:opt-in", email, **hers).json()
        assert back["reason"] == "need_user_verification"
        assert sold in house.desk.held(f"phone={number}")  # the agent's word alone frees nothing
        page = urllib.parse.urlsplit(back["user_verification_url"]).path
        house.desk.post(page, {"do": "code", "code": house.desk.inbox.code(email)})
        assert house.one.status(back["request_id"]).json()["status"] == "fulfilled"
        assert sold not in house.desk.held(f"email={email}")
        assert sold in house.desk.held(f"phone={number}")
    only = ["rights.objections-stop-the-purpose"]
    (fine,) = run(controller, registered(), house.desk.now, names=only)
    assert not fine.findings
    # What she did not take back is still looked at.
    phone, channel = parse("phone=+4930123451"), f":{sold}"
    assert controller.suppressions.lift(phone, channel=channel)
    assert run(controller, registered(), house.desk.now, names=only)[0].findings
    controller.suppressions.add([phone], house.desk.now, channel=channel, source="objection")


def test_where_an_address_is_too_little_the_agent_reads_how_she_shows_who_she_is(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same whoever she is; where more is asked for, the signed statement as well."""
    controller = house.desk.controller
    said = {}
    for level in (1, 2, 3):
        proof = {"access": level}
        house.desk.later(hours=2)
        monkeypatch.setattr(controller, "desk", dataclasses.replace(controller.desk, proof=proof))
        for email in (ANA, NOBODY):
            asked = house.one.ask("access", email, regime="gdpr", email_verified=True).json()
            details = house.one.status(asked["request_id"]).json()["processing_details"]
            assert said.setdefault(level, details) == details
    assert said[1] == "We are working on it."
    assert said[2].startswith(f"{said[1]} The person has to show that it is she who asks. Tell")
    assert "signed statement" not in said[2]
    assert "send us a signed statement" in said[3]
    assert "write to us" in said[3]


def test_a_policy_that_counts_nothing_as_checked_asks_the_person(
    kept_url: str, tmp_path: Path
) -> None:
    for house in opened(tmp_path / "world", kept_url, verifications=[]):
        said = house.one.ask("access", ANA, email_verified=True).json()
        assert said["reason"] == "need_user_verification"
        phone = house.one.ask(
            "access", None, phone_number="+4930123456", phone_number_verified=True
        ).json()
        assert (phone["status"], phone["reason"]) == ("denied", "insuf_verification")
        assert house.desk.sql("SELECT count(*) FROM rights_case") == [(0,)]
        assert b"4930123456" not in repr(house.desk.sql("SELECT * FROM agent_request")).encode()


def test_the_answer_is_the_same_for_whom_we_know_and_whom_not(house: House) -> None:
    met = []
    for email in (ANA, NOBODY):
        said = house.other.ask("access", email, email_verified=True).json()
        met.append({k: v for k, v in said.items() if "request_id" not in k})
    assert met[0] == met[1]


# — how it stands —————————————————————————————————————————————————————————————————————————


def test_a_package_fulfils_and_nothing_held_is_no_match(house: House, tmp_path: Path) -> None:
    for email, status, reason in ((ANA, "fulfilled", None), (NOBODY, "denied", "no_match")):
        said = house.one.ask("access", email, email_verified=True).json()
        case = only_case(house, said["request_id"])
        out = tmp_path / f"{status}.zip"
        access(house.desk.controller, Request((), case=case), house.desk.now, out=out)
        if email == ANA:  # made is not handed over
            now = house.one.status(said["request_id"]).json()
            assert (now["status"], now["expected_by"]) == ("in_progress", said["expected_by"])
            assert "still to be handed" in now["processing_details"]
            actor = house.desk.controller.actors.of("Pia", "privacy-officer", house.desk.now)
            delivery.deliver(house.desk.controller, case, out, actor, house.desk.now)
        now = house.one.status(said["request_id"]).json()
        assert (now["status"], now.get("reason")) == (status, reason)
        assert "expires_at" in now


def test_a_package_of_what_was_reached_fulfils_nothing_once_the_rest_is(
    house: House, tmp_path: Path
) -> None:
    controller, now = house.desk.controller, house.desk.now
    said = house.one.ask("access", ANA, email_verified=True).json()
    case = only_case(house, said["request_id"])
    actor = controller.actors.of("Pia", "privacy-officer", now)
    shop, gone = house.desk.directory / "shop.sqlite", house.desk.directory / "gone"
    first, second = tmp_path / "1.zip", tmp_path / "2.zip"
    shop.rename(gone)
    assert not access(controller, Request((), case=case), now, out=first).complete
    delivery.deliver(controller, case, first, actor, now)
    gone.rename(shop)
    house.desk.later(hours=1)
    now = house.desk.now
    assert access(controller, Request((), case=case), now, out=second).complete
    stands = house.one.status(said["request_id"]).json()
    assert (stands["status"], stands.get("results_url")) == ("in_progress", None)
    with pytest.raises(UsageError, match="that is not the package"):
        delivery.deliver(controller, case, first, actor, now)
    delivery.deliver(controller, case, second, actor, now)
    assert house.one.status(said["request_id"]).json()["status"] == "fulfilled"


def test_what_an_agent_does_not_read_the_person_is_still_to_be_told(house: House) -> None:
    """Why it was refused, or that staff say that it was taken back; what he takes back he knows."""
    controller = house.desk.controller
    actor = controller.actors.of("Pia", "privacy-officer", house.desk.now)

    def ended(exercise: str, how: str) -> tuple[bool, str]:
        said = house.one.ask(exercise, ANA, email_verified=True).json()
        case = only_case(house, said["request_id"])
        if how == "revoked":
            assert house.one.revoke(said["request_id"]).json()["status"] == how
        else:
            close_case(controller, case, how, "a word", actor, house.desk.now, code="excessive")  # type: ignore[arg-type]
        house.desk.later(hours=2)
        now = house.desk.now
        untold, _ = controller.worklist.untold(now, controller.desk.zone, None)
        return case in [one.id for one in untold], house.one.status(said["request_id"]).json()[
            "status"
        ]

    assert ended("deletion", "refused") == (True, "denied")
    assert ended("access", "refused") == (True, "denied")
    assert ended("deletion", "withdrawn") == (True, "revoked")
    assert ended("deletion", "revoked") == (False, "revoked")
    assert ended("access", "revoked") == (False, "revoked")


@pytest.mark.parametrize("exercise", ["access", "deletion"])
def test_of_a_part_that_was_refused_the_agent_reads_no_more_than_is_so(
    house: House, tmp_path: Path, exercise: str
) -> None:
    """Nobody looked through it, so it is not said that nothing is held; she is to be told why."""
    controller, now = house.desk.controller, house.desk.now
    operator = controller.actors.of("Pia", "operator", now)
    who = "cleo" if exercise == "access" else "ben"
    said = house.one.ask(exercise, f"{who}@example.org", email_verified=True).json()
    case = only_case(house, said["request_id"])
    asked = Request((), case=case, actor="Pia", role="operator")
    if exercise == "access":
        refuse_part(controller, case, "shop", "law-forbids", "a court", operator, now)
        access(controller, asked, now, out=tmp_path / "1.zip")
    else:
        hers = [parse("email=ben@example.org")]
        holds.place(controller, ground="a court", clause="RET-10", actor=operator, now=now,
                    person=hers, system="shop", dataset="note")  # fmt: skip
        rights.erase(controller, asked, now)
    stands = house.one.status(said["request_id"]).json()
    assert (stands["status"], stands.get("reason")) == (
        ("in_progress", None) if exercise == "access" else ("fulfilled", None)
    )
    if exercise == "deletion":
        assert "but for a part" in stands["processing_details"]

    def untold() -> bool:
        every, _ = controller.worklist.untold(house.desk.now, controller.desk.zone, None)
        return case in [one.id for one in every]

    assert untold()
    mailing.mail_answer(controller, case, operator, now)
    house.desk.later(minutes=1)
    tend(controller, house.desk.now)
    promptly.at_once(controller, lambda: house.desk.now)
    assert not untold()
    assert house.one.status(said["request_id"]).json()["status"] == "fulfilled"


@pytest.mark.parametrize(
    ("purpose", "outcome", "status"),
    [
        ("analytics", "refused", "denied"), ("service", None, "denied"),
        ("analytics", "upheld", "fulfilled"), ("marketing", None, "fulfilled"),
    ],
)  # fmt: skip
def test_an_objection_that_is_not_followed_is_not_carried_out(
    house: House, purpose: str, outcome: Literal["upheld", "refused"] | None, status: str
) -> None:
    """Weighed and overruled, or against what nobody can object to: she is still to be told why."""
    controller, now = house.desk.controller, house.desk.now
    who = f"{purpose}-{outcome}@example.org".lower()
    said = house.one.ask("objection", who, email_verified=True, regime="gdpr").json()
    case = only_case(house, said["request_id"])
    asked = Request((), case=case, actor="Pia", role="privacy-officer")
    rights.object_to(controller, asked, [purpose], now, region="EEA")
    if outcome:
        rights.weigh(
            controller, case, outcome, "we need it", actor="Pia", role="privacy-officer", now=now
        )
    assert controller.cases.get(case).state is State.CLOSED
    stands = house.one.status(said["request_id"]).json()
    assert (stands["status"], stands.get("reason")) == (
        status, "other" if status == "denied" else None
    )  # fmt: skip
    untold, _ = controller.worklist.untold(now, controller.desk.zone, None)
    assert (case in [one.id for one in untold]) == (status == "denied")
    # A database of before has it from the ledger.
    house.desk.change("ALTER TABLE rights_case DROP COLUMN unmet")
    house.desk.change("UPDATE case_clock SET untold = false")
    house.desk.change((migrations.HERE / "0052_unmet.sql").read_text("utf-8").replace("%", "%%"))
    met = controller.cases.get(case).unmet
    assert met == ("whole" if status == "denied" else None)
    untold, _ = controller.worklist.untold(now, controller.desk.zone, None)
    assert (case in [one.id for one in untold]) == (status == "denied")


@pytest.mark.parametrize(
    ("purposes", "outcome", "met"),
    [
        (("marketing", "service"), None, "part"), (("analytics", "service"), "upheld", "part"),
        (("analytics", "service"), "refused", "whole"),
        (("marketing", "analytics", "service"), "refused", "part"),
    ],
)  # fmt: skip
def test_an_objection_of_which_nobody_can_object_to_a_part_is_followed_in_part(
    house: House, purposes: tuple[str, ...], outcome: Literal["upheld", "refused"] | None, met: str
) -> None:
    controller = house.desk.controller
    who = f"{'-'.join(purposes)}-{outcome}@example.org".lower()
    said = house.one.ask("objection", who, email_verified=True, regime="gdpr").json()
    case = only_case(house, said["request_id"])
    asked = Request((), case=case, actor="Pia", role="privacy-officer")
    rights.object_to(controller, asked, purposes, house.desk.now, region="EEA")
    if outcome:
        letter = answer_case(controller, case, house.desk.now, role="approver").text()
        assert "but for what rests on grounds" in " ".join(letter.split())
        rights.weigh(
            controller, case, outcome, "we need it", actor="Pia", role="privacy-officer",
            now=house.desk.now,
        )  # fmt: skip
    assert controller.cases.get(case).unmet == met
    letter = " ".join(answer_case(controller, case, house.desk.now, role="approver").text().split())
    assert ("In part we follow your objection" in letter) == (met == "part")
    assert "It is done." not in letter
    untold, _ = controller.worklist.untold(house.desk.now, controller.desk.zone, None)
    assert case in [one.id for one in untold]
    # What ended is noted; he reads the same of it afterwards.
    first = house.one.status(said["request_id"]).json()["processing_details"]
    assert ("but for a part" in first) == (met == "part")
    assert agent_status.keep_up(controller, house.desk.now) == 0
    assert house.one.status(said["request_id"]).json()["processing_details"] == first


def test_a_package_that_waits_is_where_results_url_says_and_opens_with_her_code_only(
    house: House, tmp_path: Path
) -> None:
    controller = house.desk.controller
    said = house.one.ask("access", ANA, email_verified=True).json()
    case = only_case(house, said["request_id"])
    out = tmp_path / "package.zip"
    access(controller, Request((), case=case), house.desk.now, out=out)
    assert "results_url" not in house.one.status(said["request_id"]).json()
    actor = controller.actors.of("Pia", "privacy-officer", house.desk.now)
    made = delivery.deliver(controller, case, out, actor, house.desk.now)
    now = house.one.status(said["request_id"]).json()
    assert now["status"] == "fulfilled"
    assert now["expires_at"] == f"{made.ends_at:%Y-%m-%dT%H:%M:%SZ}"
    assert made.token not in repr(house.desk.sql("SELECT * FROM agent_request"))
    page = urllib.parse.urlsplit(now["results_url"]).path
    assert page == f"/privacy/delivery/{made.token}"
    shown = house.desk.get(page)
    assert shown.status_code == 200
    assert ANA not in shown.text
    assert delivery.fetch(controller, made.token, "12345678", house.desk.now) is None
    until = house.desk.now + dt.timedelta(minutes=10)
    assert rights.mail_code(controller, controller.cases.get(case), "12345678", until)
    house.desk.later(days=6)
    delivery.sweep(controller, house.desk.now)
    assert "results_url" not in house.one.status(said["request_id"]).json()


def test_refused_withdrawn_and_extended_are_told_in_the_words_of_the_protocol(
    house: House,
) -> None:
    controller, now = house.desk.controller, house.desk.now
    officer = controller.actors.of("Pia", "privacy-officer", now)
    refused = house.one.ask("deletion", "r@example.org", email_verified=True).json()
    close_case(controller, only_case(house, refused["request_id"]), "refused",
               "she is Maria Secret", officer, now, code="excessive")  # fmt: skip
    answer = house.one.status(refused["request_id"])
    assert (answer.json()["status"], answer.json()["reason"]) == (
        "denied", "too_many_requests",
    )  # fmt: skip
    assert "Maria" not in answer.text
    longer = house.one.ask("deletion", "l@example.org", email_verified=True, regime="gdpr").json()
    clock.extend(controller, only_case(house, longer["request_id"]), "complex", "It is complex.",
                 now.date(), officer, now)  # fmt: skip
    moved = house.one.status(longer["request_id"]).json()
    assert moved["expected_by"] > longer["expected_by"]
    assert "what she asks for is complex" in moved["processing_details"]


def test_an_agent_takes_back_its_own_request_and_nobody_elses(house: House) -> None:
    for claims in ({"email_verified": True}, {}):
        said = house.one.ask("deletion", "back@example.org", **claims).json()
        id_ = said["request_id"]
        for answer in (house.other.status(id_), house.other.revoke(id_),
                       house.other.status(str(uuid.uuid4()))):  # fmt: skip
            assert answer.status_code == 403
            assert answer.json() == house.other.status(str(uuid.uuid4())).json()
        assert house.one.status(id_).json()["status"] == "in_progress"
        unsigned = house.one.call("DELETE", f"{PATH}/{id_}", b'{"reason": "no"}')
        assert unsigned.status_code == 400
        assert house.one.revoke(id_).json()["status"] == "revoked"
        assert house.one.status(id_).json()["status"] == "revoked"
        again = house.one.revoke(id_, house.one.envelope(reason="twice"))
        assert (again.status_code, again.json()["code"]) == (409, "409")
        assert house.one.status(id_).json()["status"] == "revoked"


@pytest.mark.parametrize("right", ["deletion", "access"])
def test_what_an_agent_took_back_waits_for_no_word_to_the_person(house: House, right: str) -> None:
    """It reads itself that it is revoked."""
    id_ = house.one.ask(right, f"{right}@example.org", email_verified=True).json()["request_id"]
    case = only_case(house, id_)
    assert house.one.revoke(id_).json()["status"] == "revoked"
    controller = house.desk.controller
    assert controller.cases.get(case).state is State.WITHDRAWN
    told, _ = controller.worklist.untold(house.desk.now, controller.desk.zone, None)
    assert case not in [one.id for one in told]


# — refused —————————————————————————————————————————————————————————————————————————————


def nothing_changed(house: House) -> Any:
    return house.desk.rows("ledger_entry", "ledger_tile", "ledger_head", "agent_seen", "actor")


def refusals(house: House) -> list[tuple[str, Any, int, bool]]:
    """(name, body, status, fatal): each is amiss in its own way and in all that come after it."""
    one, stranger = house.one, house.agent("AGENT_ONE")
    late = {"issued-at": "2020-01-01T00:00:00Z", "expires-at": "2020-01-01T00:05:00Z"}
    soon = {
        "issued-at": (house.desk.now + dt.timedelta(minutes=2)).isoformat(),
        "expires-at": (house.desk.now + dt.timedelta(minutes=4)).isoformat(),
    }
    bad = {"exercise": "nothing", "email": "no address"}
    base = one.envelope(**bad)
    broken = bytearray(base64.b64decode(one.signed(base)))
    broken[3] ^= 1
    altered = base64.b64encode(base64.b64decode(one.signed(base))[:-1] + b" ")
    text = json.dumps(base)
    deep = '{"a":' + "[" * 9_000 + "]" * 9_000 + "}"
    return [
        ("not base64", b"*" + stranger.signed(base | late), 400, False),
        ("truncated", base64.b64encode(b"x" * 40), 400, False),
        ("another key", stranger.signed({**base, "agent-id": "AGENT_OTHER"}), 403, False),
        ("another agent's key", house.other.signed(base), 403, False),
        ("a flipped bit", base64.b64encode(broken), 403, False),
        ("an altered text", altered, 403, False),
        ("too long", one.signed({**base, "x": "y" * 30_000}), 413, True),
        ("no JSON", one.signed(b"{nothing"), 400, True),
        ("no object", one.signed(b"[]"), 400, True),
        ("no UTF-8", one.signed(b'{"a": "\xff"}'), 400, True),
        ("half a sign", one.signed(b'{"a": "\\ud800"}'), 400, True),
        ("a key twice", one.signed((text[:-1] + ', "exercise": "access"}').encode()), 400, True),
        ("deep", one.signed(deep.encode()), 400, True),
        ("no number", one.signed((text[:-1] + ', "n": NaN}').encode()), 400, True),
        ("for another agent", one.signed(
            {**base, "agent-id": "AGENT_OTHER", "business-id": "THEIRS", **late}), 403, False),
        ("for another business", one.signed({**base, "business-id": "THEIRS", **late}), 403,
         False),
        ("no moment", one.signed({**base, "issued-at": "yesterday"}), 400, True),
        ("no zone", one.signed({**base, "issued-at": "2026-11-23T12:00:00"}), 400, True),
        ("to come", one.signed({**base, **soon}), 400, False),
        ("past", one.signed({**base, **late}), 400, False),
        ("good for long", one.signed({**base, "expires-at": (
            house.desk.now + dt.timedelta(hours=1)).isoformat()}), 400, False),
        ("another version", one.signed({**base, "drp.version": "0.5"}), 400, True),
        ("unknown exercise", one.signed(base), 400, True),
        ("an extension without its regime", one.signed(
            one.exercise("rectification", ANA, regime="ccpa")), 400, True),
        ("unknown regime", one.signed(one.exercise("access", ANA, regime="mars")), 400, True),
        ("no address", one.signed(one.exercise("access", "no address")), 400, True),
        ("a claim of another kind", one.signed(
            one.exercise("access", ANA, email_verified="yes")), 400, True),
        ("told elsewhere", one.signed(
            one.exercise("access", ANA, status_callback="https://elsewhere.example.org/")), 400,
         True),
        ("told without https", one.signed(
            one.exercise("access", ANA, status_callback="http://agent.example.org/")), 400, True),
        ("told at another port", one.signed(
            one.exercise("access", ANA, status_callback="https://agent.example.org:22/")), 400,
         True),
        ("told with a name", one.signed(
            one.exercise("access", ANA, status_callback="https://agent.example.org@evil.test/")),
         400, True),
    ]  # fmt: skip


def test_each_message_that_is_amiss_is_refused_for_the_first_thing_and_leaves_nothing(
    house: House,
) -> None:
    before = nothing_changed(house)
    for what, body, status, fatal in refusals(house):
        answer = house.one.call("POST", PATH, body)
        assert answer.status_code == status, (what, answer.text)
        said = answer.json()
        assert said["code"] == str(status), what
        assert said.get("fatal", False) is fatal, (what, said)
        assert said["message"], what
        assert ANA not in answer.text, what
    assert nothing_changed(house) == before
    assert not house.desk.inbox.letters


def test_the_checks_are_made_in_the_order_of_the_protocol(house: House) -> None:
    """What is amiss in all ways at once is refused for the first; each mend shows the next."""
    agent = house.desk.controller.drp
    assert agent is not None
    one = agent.agents["AGENT_ONE"]
    said: dict[str, Any] = {
        "agent-id": "X", "business-id": "X", "issued-at": "2099-01-01T00:00:00Z",
        "expires-at": "2020-01-01T00:00:00Z", "drp.version": "1.0",
    }  # fmt: skip
    mends = [
        ("agent-id", {"agent-id": "AGENT_ONE"}),
        ("business-id", {"business-id": "OUR_HOUSE"}),
        ("issued-at", {"issued-at": house.desk.now.isoformat()}),
        ("expires-at", {"expires-at": (house.desk.now + dt.timedelta(minutes=9)).isoformat()}),
    ]
    stranger = house.agent("AGENT_ONE")
    with pytest.raises(signed.Refused) as no:
        signed.opened(b"!" + stranger.signed(said), one)
    assert no.value.why == "not-base64"
    with pytest.raises(signed.Refused) as no:
        signed.opened(stranger.signed(b"no json"), one)
    assert no.value.why == "signature"
    for why, mend in mends:
        message = signed.opened(house.one.signed(said), one)
        with pytest.raises(signed.Refused) as no:
            signed.checked(house.desk.controller, message, one, "OUR_HOUSE", house.desk.now)
        assert no.value.why == why
        said |= mend
    message = signed.opened(house.one.signed(said), one)
    signed.checked(house.desk.controller, message, one, "OUR_HOUSE", house.desk.now)
    with pytest.raises(signed.Refused) as no:
        signed.checked(house.desk.controller, message, one, "OUR_HOUSE", house.desk.now)
    assert no.value.why == "replay"


def test_a_message_counts_once_and_a_name_is_one_request(house: House) -> None:
    said = house.one.exercise("access", "twice@example.org", email_verified=True)
    first = house.one.post(said)
    assert first.status_code == 200
    replay = house.one.post(said)
    assert (replay.status_code, replay.json().get("fatal")) == (409, None)
    anew = house.one.post({**said, "expires-at": (
        house.desk.now + dt.timedelta(minutes=6)).isoformat()})  # fmt: skip
    assert anew.json() == first.json()
    other = house.one.post({**said, "exercise": "deletion"})
    assert (other.status_code, other.json()["fatal"]) == (409, True)
    # Another agent may call its own request the same.
    theirs = house.other.ask(
        "access", "twice@example.org", agent__request__id=said["agent-request-id"]
    )
    assert theirs.json()["request_id"] != first.json()["request_id"]


def test_a_clock_that_is_a_little_ahead_is_taken_and_met_messages_are_forgotten(
    house: House,
) -> None:
    ahead = (house.desk.now + dt.timedelta(seconds=20)).isoformat()
    assert house.one.ask("access", "ahead@example.org", issued__at=ahead).status_code == 200
    assert house.desk.sql("SELECT count(*) > 0 FROM agent_seen") == [(True,)]
    house.desk.later(hours=1)
    house.one.ask("access", "ahead@example.org")
    assert house.desk.sql("SELECT count(*) FROM agent_seen") == [(1,)]


def test_more_than_a_few_for_one_person_wait(house: House) -> None:
    for _ in range(agents.LIMITS[1]):
        assert house.one.ask("access", "many@example.org").status_code == 200
    more = house.one.ask("access", "many@example.org")
    assert (more.status_code, more.json().get("fatal")) == (429, None)
    assert house.one.ask("access", "else@example.org").status_code == 200
    house.desk.later(hours=2)
    assert house.one.ask("access", "many@example.org").status_code == 200


# — who calls —————————————————————————————————————————————————————————————————————————————


def test_a_token_is_given_for_the_key_alone_and_only_its_hash_is_kept(house: House) -> None:
    token = house.one.token
    assert token
    assert len(token) >= 43
    assert token not in repr(house.desk.sql("SELECT * FROM agent_token"))
    assert house.one.call("GET", "/v1/agent/AGENT_ONE").json() == {}
    stranger = house.agent("AGENT_ONE")
    unknown = house.agent("AGENT_NOBODY")
    answers = [
        stranger.set_up(), unknown.set_up(),
        house.one.call("POST", "/v1/agent/AGENT_OTHER", house.one.signed(house.one.envelope())),
        house.one.call("POST", "/v1/agent/AGENT_ONE",
                       house.one.signed(house.one.envelope(agent__id="AGENT_OTHER"))),
        house.one.call("POST", "/v1/agent/AGENT_ONE", b"nothing"),
        house.one.call("GET", "/v1/agent/AGENT_OTHER"),
        unknown.call("GET", "/v1/agent/AGENT_ONE"),
    ]  # fmt: skip
    assert [(a.status_code, a.content) for a in answers] == [(403, b"")] * len(answers)
    for wrong in (None, "x" * 43, token[:-1], house.desk.sql("SELECT encode(mac, 'hex') FROM"
                  " agent_token")[0][0]):  # fmt: skip
        stranger.token = wrong
        answer = stranger.ask("access", ANA)
        assert answer.status_code == 401
        assert answer.json()["code"] == "401"
    assert house.one.set_up().status_code == 200
    assert house.one.token != token
    stranger.token = token  # the one before is of no use any more
    assert stranger.call("GET", "/v1/agent/AGENT_ONE").status_code == 403


def test_the_bearer_of_one_with_a_message_of_another_is_refused(house: House) -> None:
    body = house.other.signed(house.other.exercise("access", ANA))
    answer = house.one.call("POST", PATH, body)
    assert answer.status_code == 403
    assert house.other.call("POST", PATH, body).status_code == 200


def test_off_by_default_nothing_is_there(kept_url: str, tmp_path: Path) -> None:
    with desk(tmp_path / "world", kept_url) as made:
        for method, path in (
            ("POST", PATH), ("GET", f"{PATH}/x"), ("DELETE", f"{PATH}/x"),
            ("GET", "/v1/agent/AGENT_ONE"), ("POST", "/v1/agent/AGENT_ONE"),
        ):  # fmt: skip
            assert made.client.request(method, path, content=b"x").status_code == 404


# — what the agent is told ————————————————————————————————————————————————————————————————


def test_it_is_told_what_changed_once_on_its_hosts_without_a_word_of_the_person(
    house: House,
) -> None:
    told: list[tuple[str, Any]] = []
    down = True

    def send(url: str, words: Any) -> bool:
        told.append((url, dict(words)))
        return not down

    controller = house.desk.controller
    url = "https://agent.example.org/status?of=1"
    said = house.one.ask("deletion", "told@example.org", email_verified=True,
                         status_callback=url).json()  # fmt: skip
    agent_status.keep_up(controller, house.desk.now)
    told.clear()
    agent_status.tell_agents(controller, house.desk.now, send)
    told.clear()
    house.desk.later(minutes=1)
    officer = controller.actors.of("Pia", "privacy-officer", house.desk.now)
    close_case(controller, only_case(house, said["request_id"]), "refused", "no", officer,
               house.desk.now, code="legal-duty")  # fmt: skip
    assert agent_status.keep_up(controller, house.desk.now) == 0
    assert agent_status.tell_agents(controller, house.desk.now, send) == 1  # it is down
    assert agent_status.tell_agents(controller, house.desk.now, send) == 0  # not at once again
    down = False
    house.desk.later(minutes=5)
    assert agent_status.tell_agents(controller, house.desk.now, send) == 0
    assert agent_status.tell_agents(controller, house.desk.now, send) == 0
    assert [u for u, _ in told] == [url, url]
    assert told[-1][1]["status"] == "denied"
    assert told[-1][1]["request_id"] == said["request_id"]
    assert "told@example.org" not in repr(told)
    assert set(told[-1][1]) <= {
        "request_id", "agent_request_id", "status", "reason", "received_at", "processing_details",
        "expires_at", "expected_by",
    }  # fmt: skip
    house.desk.later(days=61)
    agent_status.keep_up(controller, house.desk.now)
    assert house.one.status(said["request_id"]).status_code == 403  # it was let go of


def blocks(page: str, language: str) -> list[str]:
    return [part.partition("\n```")[0] for part in page.split(f"```{language}\n")[1:]]


def test_the_example_of_the_docs_is_what_is_sent_and_answered(house: House) -> None:
    page = (ROOT / "docs" / "how-to" / "agents.md").read_text("utf-8")
    entry, said, answer = (json.loads(text) for text in blocks(page, "json"))
    house.desk.now, later = NOW, house.desk.now
    try:
        assert entry == house.example.entry("status.agent.example")
        assert said == house.example.exercise(
            "deletion", "ana@example.org", email_verified=True, regime="ccpa",
            agent__request__id="2f1c", status_callback="https://status.agent.example/kept",
        )  # fmt: skip
        assert house.example.set_up().status_code == 200
        body = house.example.signed(said)
        assert body.decode() == "".join(blocks(page, "text")[0].split())
        met = house.example.call("POST", PATH, body)
        assert met.status_code == 200
        assert met.json() | {"request_id": answer["request_id"]} == answer
    finally:
        house.desk.now = later


def test_what_agents_ask_keeps_the_promises_and_leaves_nobody_in_the_ledger(
    house: House,
) -> None:
    controller = house.desk.controller
    email = f"ledger-{uuid.uuid4().hex[:8]}@example.org"
    for exercise, claims in (("access", {}), ("sale:opt-out", {}),
                             ("deletion", {"email_verified": True})):  # fmt: skip
        assert house.one.ask(exercise, email, name="Zoe Secretive", **claims).status_code == 200
    tend(controller, house.desk.now)
    names = ["rights.unverified-leave-nothing", "rights.objections-stop-the-purpose"]
    for met in run(controller, registered(), house.desk.now, names=names):
        assert met.outcome is Outcome.PASS, met.findings
        assert met.looked_at > 0
    controller.ledger.checkpoint(house.desk.now)
    assert not controller.ledger.verify().problems
    stored = repr(house.desk.sql("SELECT convert_from(leaf, 'UTF8') FROM ledger_entry"))
    assert '"agent.asked"' in stored
    tables = ("agent_request", "intake", "intake_code", "outbox", "case_event", "rights_case")
    for rows in (stored, *(repr(house.desk.sql(f"SELECT * FROM {t}")) for t in tables)):
        assert email not in rows
        assert "Secretive" not in rows  # long: what is sealed is any bytes


def test_an_objection_that_was_lifted_without_her_asking_is_found(house: House) -> None:
    controller = house.desk.controller
    only = ["rights.objections-stop-the-purpose"]
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    said = house.one.ask("sale:opt-out", email).json()
    case = only_case(house, said["request_id"])
    (fine,) = run(controller, registered(), house.desk.now, names=only)
    assert fine.outcome is Outcome.PASS, fine.findings
    body = {"purpose": "advertising.targeted", "source": "request", "request": "nobodys",
            "of": case}  # fmt: skip
    controller.ledger.append(Entry("objection.lifted", house.desk.now, body))
    (met,) = run(controller, registered(), house.desk.now, names=only)
    assert [f.words for f in met.findings] == ["an objection was lifted that she did not take back"]
