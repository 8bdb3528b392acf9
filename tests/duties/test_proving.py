"""Who asks: the level that a case takes, the ways that reach it, and what is left of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import Request, casework, proving
from kept.errors import ConfigError, Denied, UsageError
from kept.records.case import Case
from kept.records.case_proof import TRIES
from kept.terms.identifiers import parse
from tests.world import NOW, edit, make, sql

ANA = (parse("email=ana@example.org"),)
PHONE, NAME = "shop.customer.phone", "shop.customer.name"
FACTS = f'"{PHONE}" = "Your telephone number"\n"{NAME}" = "Your name"\n'
ASKED = (
    FACTS + '"shop.invoice.total" = "What an invoice came to"\n"shop.customer.email" = "Address"\n'
    '"shop.invoice.at" = "When"\n'
)


@pytest.fixture(scope="module")
def controller(
    tmp_path_factory: pytest.TempPathFactory, kept_module_url: str
) -> Iterator[Controller]:
    desk = '[desk]\ncountry = "DE"\n[desk.proof]\naccess = 2\nportability = 3\n'
    extra = f"{desk}[desk.facts]\n{ASKED}"
    directory = make(tmp_path_factory.mktemp("proving") / "world", kept_module_url, extra=extra)
    with Controller.open(deployment.read(directory)) as opened:
        yield opened


def _case(controller: Controller, right: str = "access", **more: Any) -> str:
    request = Request(**{"people": (ANA,), "region": "EEA", **more})
    return rights.request.open_case(controller, right, request, NOW)[0].id


def _get(controller: Controller, case: str) -> Case:
    return controller.cases.get(case)


def _vera(controller: Controller) -> Any:
    return controller.actors.of("Vera", "verifier", NOW)


def _told(controller: Controller, case: str, **answers: str) -> int:
    places = {"phone": PHONE, "name": NAME, "total": "shop.invoice.total",
              "email": "shop.customer.email", "at": "shop.invoice.at"}  # fmt: skip
    given = {places[key]: value for key, value in answers.items()}
    left = proving.tell(controller, case, given, _vera(controller), NOW)
    assert proving.compare(controller, NOW) == 0
    return left


def _proved(controller: Controller, now: dt.datetime = NOW) -> dict[str, Outcome]:
    names = ["rights.proof-ends-with-its-case", "rights.asker-known-well-enough"]
    return {e.control: e.outcome for e in run(controller, registered(), now, names=names)}


def test_the_answer_says_all_that_her_identity_rests_on(controller: Controller) -> None:
    case = _case(controller, evidence="she typed the code")
    for way, words in (("facts", "by telephone"), ("facts", "again"), ("statement", "by post")):
        proving.record(controller, case, way, words, _vera(controller), NOW)
    said = rights.request.verification(controller, _get(controller, case))
    assert said == (
        "Yes. How: She typed the code; two things were told that are held of her;"
        " a signed statement came."
    )


def test_an_address_is_too_little_where_more_is_asked(
    controller: Controller, tmp_path: Path
) -> None:
    case = _case(controller, evidence="she answered from her address")
    assert (_get(controller, case).proof, _get(controller, case).needs) == (1, 2)
    out = tmp_path / "ana.zip"
    with pytest.raises(Denied, match=r"not known well enough.*L2.*met: L1") as met:
        rights.access(controller, Request((), case=case), NOW, out=out)
    assert f"kept case prove {case}" in str(met.value)
    assert not out.exists()
    with pytest.raises(Denied, match="not known well enough"):
        casework.pack(controller, case, out, _vera(controller), NOW)
    proving.record(controller, case, "facts", "she named two orders", _vera(controller), NOW)
    assert rights.access(controller, Request((), case=case), NOW, out=out).complete
    assert set(_proved(controller).values()) == {Outcome.PASS}
    entries = [e.body for _, e in controller.ledger.entries(kind="identity.proven")]
    assert (entries[-1]["way"], entries[-1]["level"], entries[-1]["needs"]) == ("facts", 2, 2)


def test_a_signed_statement_counts_beside_two_facts_only(controller: Controller) -> None:
    case = _case(controller, "portability", evidence="a code")
    for way, level in (("statement", 1), ("facts", 3), ("checked", 3)):
        proving.record(controller, case, way, "as noted", _vera(controller), NOW)
        assert _get(controller, case).proof == level
    assert [p.way for p in controller.cases.proofs(_get(controller, case))] == [
        "checked", "statement", "facts", "checked",
    ]  # fmt: skip
    assert proving.standing(controller, _get(controller, case)).enough


def test_whoever_answers_for_it_needs_no_level(controller: Controller, tmp_path: Path) -> None:
    case = _case(controller, override="a court ordered it")
    out = tmp_path / "o.zip"
    assert rights.access(controller, Request((), case=case), NOW, out=out).complete
    assert _proved(controller)["rights.asker-known-well-enough"] is Outcome.PASS


@pytest.mark.parametrize(
    ("answers", "level"),
    [
        ({"phone": "0049 30 123456", "name": "x"}, 1),  # spelt otherwise, and one is wrong
        ({"phone": "+4930-123456", "name": "ana o’neill"}, 2),
        ({"phone": "+49 30 123456", "total": "12,00"}, 2),  # one of several
        ({"total": "10.00", "name": "Ben"}, 1),
        # What she gave to be found by she knows without being herself.
        ({"email": "ana@example.org", "phone": "+49 30 123456"}, 1),
    ],
)
def test_two_right_answers_prove_her(
    controller: Controller, answers: dict[str, str], level: int
) -> None:
    case = _case(controller, evidence="a code")
    assert _told(controller, case, **answers) == TRIES - 1
    assert _get(controller, case).proof == level
    # Nothing of it is left, and nothing stood anywhere in the clear.
    assert controller.cases.with_typed() == []
    with controller.database.connection() as c:
        row = c.execute("SELECT string_agg(s::text, '') FROM case_sealed s").fetchone()
    assert row is not None
    assert not any(value in (row[0] or "") for value in answers.values())


@pytest.mark.parametrize(
    ("answers", "level"),
    [
        ({"at": "1 May 2024", "total": "10"}, 2),
        ({"at": "1. Mai 2010", "phone": "030 123456"}, 2),
        ({"at": "01/05/2024", "total": "10 €"}, 2),
        ({"at": "05/01/2024", "total": "10 €"}, 1),  # not both readings
        ({"at": "2 May 2024", "total": "10.00"}, 1),
        ({"at": "May 2024", "total": "10.00"}, 1),
        ({"phone": "040 123456", "name": "Ana O'Neill"}, 1),
    ],
)
def test_what_is_the_same_is_right_in_every_common_spelling(
    controller: Controller, answers: dict[str, str], level: int
) -> None:
    """Days, sums and telephone numbers have one reading each; by her number tries are new."""
    number = (parse("account=1"),)
    case = _case(controller, evidence="a letter", people=(number,))
    assert _told(controller, case, **answers) == TRIES - 1
    assert _get(controller, case).proof == level


def test_one_thing_that_is_known_counts_once_wherever_it_is_held(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day on which two things happened is one answer to two questions."""
    both = {"shop.invoice.at": "When", "shop.signup.at": "When you began", NAME: "Name"}
    desk = dataclasses.replace(controller.desk, facts=both)
    monkeypatch.setattr(controller, "desk", desk)
    at, shop = "2024-04-01 00:00:00", controller.directory
    sql(shop, "INSERT INTO customer VALUES (9, 'dora@example.org', 'Dora Day', NULL, ?)", at)
    sql(shop, "INSERT INTO signup VALUES (9, 9, 'trial', ?, 'contract')", at)
    sql(shop, "INSERT INTO invoice VALUES (9, 9, '9.00', ?)", at)
    for name_, level in (("somebody", 1), ("Dora Day", 2)):
        people = ((parse("email=dora@example.org"),),)
        case = _case(controller, evidence="a letter", people=people)
        given = {"shop.invoice.at": "1 April 2024", "shop.signup.at": "1.4.2024", NAME: name_}
        proving.tell(controller, case, given, _vera(controller), NOW)
        assert proving.compare(controller, NOW) == 0
        assert _get(controller, case).proof == level


def test_nobody_learns_by_trying(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known or not, right or wrong: the same words, the same work, and no look into any store."""
    statements: list[list[str]] = []
    hashed = controller.vault.mac
    stranger = (parse("email=nobody@example.net"),)
    cases = [_case(controller, evidence="a code"),
             _case(controller, evidence="a code", people=(stranger,))]  # fmt: skip
    for case in cases:
        for phone in ("+49 30 123456", "+49 30 000000"):
            with monkeypatch.context() as patch:
                patch.setattr(Controller, "locate", _never)
                patch.setattr(Controller, "read", _never)
                seen: list[str] = []

                def noted(use: str, data: bytes, seen: list[str] = seen) -> bytes:
                    seen.append(use)
                    return hashed(use, data)

                patch.setattr(controller.vault, "mac", noted)
                given = {PHONE: phone, NAME: "Ana O'Neill"}
                proving.tell(controller, case, given, _vera(controller), NOW)
                statements.append(seen)
    assert all(seen == statements[0] for seen in statements)
    assert statements[0].count("told") == len(controller.desk.facts)
    proving.compare(controller, NOW)
    # The last that was typed counts, and it was wrong.
    assert [_get(controller, case).proof for case in cases] == [1, 1]


def _never(*_: object, **__: object) -> None:
    raise AssertionError("somebody was looked up")


def test_three_tries_and_not_one_more(controller: Controller) -> None:
    case = _case(controller, people=((parse("email=tess@example.org"),),), evidence="a code")
    assert [_told(controller, case, phone="1", name="y") for _ in range(TRIES)] == [2, 1, 0]
    with pytest.raises(UsageError, match="often enough"):
        _told(controller, case, phone="+49 30 123456", name="Ana O'Neill")
    assert _get(controller, case).proof == 1
    other = _case(controller, people=((parse("email=tim@example.org"),),), evidence="a code")
    for few in ({"phone": "+49 30 123456"}, {"phone": " ", "name": "Ana"}, {"phone": "9" * 201}):
        with pytest.raises(UsageError, match="too little"):
            _told(controller, other, **few)
    with pytest.raises(UsageError, match="not asked"):
        proving.tell(controller, other, {"shop.note.words": "x", NAME: "y"}, _vera(controller), NOW)
    assert controller.cases.tries_left(_get(controller, other)) == TRIES


def test_a_paper_goes_when_the_case_ends(controller: Controller) -> None:
    for end in ("withdrawn", "refused"):
        case = _case(controller, "erasure", evidence="a code")
        record = (controller, case, "login", "she wrote from her account", _vera(controller), NOW)
        proving.record(*record, paper=b"passport of Ana")
        assert controller.cases.papers(_get(controller, case)) == [b"passport of Ana"]
        officer = controller.actors.of("Pia", "privacy-officer", NOW)
        rights.close_case(controller, case, end, "no", officer, NOW, code="excessive")  # type: ignore[arg-type]
        assert controller.cases.papers(_get(controller, case)) == []
        with pytest.raises(UsageError, match="has ended"):
            proving.record(*record)
        with pytest.raises(UsageError, match="has ended"):
            _told(controller, case, phone="1", name="y")
    assert _proved(controller)["rights.proof-ends-with-its-case"] is Outcome.PASS


def test_a_paper_outlives_no_interruption(controller: Controller) -> None:
    case = _case(controller, "erasure", evidence="a code")
    proving.record(controller, case, "login", "noted", _vera(controller), NOW, paper=b"%PDF")
    request = Request((), "Pia", "operator", case=case)
    casework.look(controller, case, {}, controller.actors.of("Pia", "operator", NOW), NOW)
    assert len(controller.cases.papers(_get(controller, case))) == 1
    del request
    for words, way, paper in (("", "login", None), ("x", "code", None), ("x", "login", b"")):
        with pytest.raises(UsageError):
            proving.record(controller, case, way, words, _vera(controller), NOW, paper=paper)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[desk.proof]\nacces = 2\n", "how well it has to be known"),
        ("[desk.proof]\naccess = 4\n", "how well it has to be known"),
        ('[desk.facts]\n"phone" = "Your number"\n', "what people are asked"),
        ('[desk.facts]\n"shop.customer.phone" = ""\n', "what people are asked"),
    ],
)
def test_settings_that_mean_nothing_are_refused(world: Path, table: str, says: str) -> None:
    edit(world / "kept.toml", "[choices]", f"{table}[choices]")
    with pytest.raises(ConfigError, match=says):
        deployment.read(world)


def test_another_case_is_no_way_to_go_on_guessing(controller: Controller) -> None:
    """Nine tries within thirty days for whoever is named, known or not; then a person looks."""
    for who in ("dan@example.org", "nobody@example.org"):
        given = (parse(f"email={who}"),)
        for _ in range(3):
            case = _case(controller, people=(given,), evidence="a code")
            assert [_told(controller, case, phone="1", name="x") for _ in range(3)] == [2, 1, 0]
        case = _case(controller, people=(given,), evidence="a code")
        with pytest.raises(UsageError, match="often enough"):
            _told(controller, case, phone="1", name="x")
        assert controller.cases.tries_left(_get(controller, case)) == 0


def test_a_row_that_says_less_is_needed_convinces_no_control(
    controller: Controller, tmp_path: Path
) -> None:
    case = _case(controller, evidence="a code")
    with controller.database.connection() as c:
        c.execute("UPDATE rights_case SET proof = 3, needs = 0 WHERE id = %s", (case,))
    rights.access(controller, Request((), case=case), NOW, out=tmp_path / "taken.zip")
    with controller.database.connection() as c:
        c.execute("UPDATE rights_case SET needs = 0 WHERE id = %s", (case,))
    assert _proved(controller)["rights.asker-known-well-enough"] is Outcome.FAIL
