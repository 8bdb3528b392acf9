"""RIGHT: who asks is found out in proportion, on her own page, at the desk and by command."""

from __future__ import annotations

import random
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept.app import promptly
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import Request, entering, mailing, new_address, proving
from kept.duties.rights.request import also_open, close_case, open_case
from kept.errors import Denied
from kept.records.case_state import ENDS
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.asking import Desk, desk, links, text
from tests.world import NOW, make, sql

ANA, NEW, NOBODY = "ana@example.org", "ana.new@example.org", "nobody@example.net"
EXTRA = """[desk]
country = "CY"
large = 2
login = "https://shop.example/account"
[desk.proof]
access = 2
[desk.facts]
"shop.customer.phone" = "Your telephone number"
"shop.customer.name" = "Your whole name"
"shop.invoice.total" = "What one of our invoices came to"
"""
RIGHT = {"told-0": "+49 (30) 123456", "told-1": "Ana O'Neill"}
WRONG = {"told-0": "+49 (30) 123457", "told-1": "Anna Oneil"}


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("levels") / "world", kept_module_url, extra=EXTRA) as one:
        yield one


@pytest.fixture(autouse=True)
def _another_day(request: pytest.FixtureRequest) -> None:
    if "asked" in request.fixturenames:
        one: Desk = request.getfixturevalue("asked")
        one.later(hours=2)
        one.inbox.letters.clear()
        one.source = f"198.51.100.{one.now.day * 10 % 200 + one.now.hour % 24}"


def _page(asked: Desk, at: str) -> str:
    """What a page says, without the tokens and names of this one request."""
    text = re.sub(r"<b>[^<]*•[^<]*</b>", "", asked.get(at).text)
    return text.replace(at, "")


def test_RIGHT_17_where_an_address_is_too_little_two_things_are_asked_and_nobody_learns(
    asked: Desk, tmp_path: Path
) -> None:
    pages = {email: asked.proven("access", email=email) for email in (ANA, NOBODY)}
    cases = {
        a: c for c in asked.controller.cases.all() if c.right == "access" for a in pages
        if parse(f"email={a}") in asked.controller.cases.identifiers(c)[0]
    }  # fmt: skip
    first = [_page(asked, at) for at in pages.values()]
    assert first[0] == first[1]
    assert "Tell us two things that only you know" in first[0]
    assert "Your telephone number" in first[0]
    with pytest.raises(Denied, match="not known well enough"):
        rights.access(asked.controller, Request((), case=cases[ANA].id), asked.now,
                      out=tmp_path / "no.zip")  # fmt: skip
    # Right or wrong, known or not: one answer, one page.
    seen = []
    for at, told in ((pages[ANA], WRONG), (pages[NOBODY], RIGHT), (pages[NOBODY], WRONG),
                     (pages[ANA], RIGHT)):  # fmt: skip
        answer = asked.post(at, {"do": "tell", **told})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{at}?told=1")
        seen.append(_page(asked, f"{at}?told=1").replace("?told=1", ""))
    assert (seen[0], seen[2]) == (seen[1], seen[3])
    assert "we say to nobody whether it was right" in seen[0]
    levels = [asked.controller.cases.get(cases[a].id).proof for a in (ANA, NOBODY)]
    assert levels == [2, 1]
    # Nothing of it is left, in any table.
    assert asked.controller.cases.with_typed() == []
    out = tmp_path / "ana.zip"
    done = rights.access(asked.controller, Request((), case=cases[ANA].id), asked.now, out=out)
    assert done.complete
    # Three times, and not once more; too little is said to be too little.
    assert asked.post(pages[NOBODY], {"do": "tell", "told-0": "1"}).status_code == 400
    asked.post(pages[NOBODY], {"do": "tell", **WRONG})
    assert "told us all that you can" in asked.get(pages[NOBODY]).text
    assert asked.post(pages[NOBODY], {"do": "tell", **RIGHT}).status_code == 400
    assert asked.controller.cases.get(cases[NOBODY].id).proof == 1
    names = ["rights.asker-known-well-enough", "rights.proof-ends-with-its-case"]
    proved = run(asked.controller, registered(), asked.now, names=names)
    assert {e.outcome for e in proved} == {Outcome.PASS}


def test_RIGHT_17_who_has_to_prove_more_is_told_of_the_ways_that_are_open(asked: Desk) -> None:
    """On her page and by mail, by form and by letter; the same whoever she is."""
    login, statement = "https://shop.example/account", "send us a signed statement"
    pages = [asked.proven("access", email=who, region="US-CA") for who in (ANA, NOBODY)]
    seen = [_page(asked, at) for at in pages]
    assert seen[0] == seen[1]
    assert all(words in seen[0] for words in (login, statement, "One of these is enough"))
    for who in (ANA, NOBODY):
        mail = " ".join(text(asked.inbox.to(who)[-1]).split())
        assert f"ask us from there: {login}" in mail
        assert statement in mail
        assert "The questions stand on that page." in mail
    # What was right shows nowhere; what the staff saw of a login does.
    case = asked.controller.cases.all()[-2]
    vera = asked.controller.actors.of("Vera", "verifier", asked.now)
    proving.record(asked.controller, case.id, "facts", "she named them", vera, asked.now)
    assert _page(asked, pages[0]) == seen[0]
    proving.record(asked.controller, case.id, "login", "she wrote there", vera, asked.now)
    assert "How you can show" not in _page(asked, pages[0])
    # Less is needed: less is named. By letter she has no page, so a person asks.
    lower = _page(asked, asked.proven("access", email=NOBODY))
    assert login in lower
    assert statement not in lower
    assert "How you can show" not in asked.get(asked.proven("erasure", email=NOBODY)).text
    asked.inbox.letters.clear()
    ines = asked.controller.actors.of("Ines", "intake", asked.now)
    day = asked.now.date()
    for region in ("US-CA", "EEA"):
        who = f"letter-{region.lower()}@example.org"
        her = (parse(f"email={who}"),)
        came = entering.Came("email", day, her, ("portability",), "all of it", region)
        entering.add(asked.controller, came, ines, asked.now)
        promptly.at_once(asked.controller, lambda: asked.now)
        mail = " ".join(text(asked.inbox.to(who)[-1]).split())
        assert (statement in mail, "say how we reach you" in mail) == (region == "US-CA",) * 2
        assert ("You need do nothing more now" in mail) == (region == "EEA")


def test_RIGHT_17_no_more_is_asked_than_it_takes(asked: Desk) -> None:
    at = asked.proven("erasure", "stop-mailing", email=NOBODY)
    assert "only you know" not in asked.get(at).text
    found = {c.right: c for c in asked.controller.cases.all()[-2:]}
    assert (found["erasure"].proof, found["erasure"].needs) == (1, 1)
    # An end of advertising takes no proof at all, and was carried out.
    assert found["objection"].needs == 0
    assert "objection:marketing" in asked.held(f"email={NOBODY}")


def test_RIGHT_17_a_new_address_takes_the_place_of_the_old_one_when_both_confirmed(
    asked: Desk,
) -> None:
    """By the form; and asked by letter, when the staff have codes sent to both."""
    field, controller = "shop.customer.email", asked.controller
    asked.proven("erasure", email=ANA)
    open_ = controller.cases.all()[-1]
    asked.later(minutes=1)
    at = asked.ask("rectification", email=ANA, changed=NEW, words="my address changes")
    for address in (NEW, ANA):
        # The answer of a case that is open goes to the newest one that was confirmed at both.
        assert mailing.proven_address(controller, open_) == ANA
        asked.post(at, {"do": "code", "code": asked.inbox.code(address)})
    by_form = controller.cases.all()[-1]
    for one in (open_, by_form):
        assert mailing.proven_address(controller, one) == NEW
    asked.later(minutes=1)
    asked.proven("restriction", email=ANA)
    assert mailing.proven_address(controller, controller.cases.all()[-1]) == ANA, "proven since"
    assert [p.way for p in controller.cases.proofs(by_form)] == ["code", "both"]
    assert controller.cases.confirmed(by_form, parse(f"email={NEW}"))
    vera = controller.actors.of("Vera", "verifier", asked.now)
    # What she takes back changes nothing; nor does it for others who read that address.
    close_case(controller, by_form.id, "withdrawn", "she rang", vera, asked.now)
    assert mailing.proven_address(controller, open_) == ANA
    letter = Request(((parse(f"email={ANA}"),),), "Ines", "intake", evidence="a letter came")
    case = open_case(controller, "rectification", letter, asked.now)[0].id
    with pytest.raises(Denied, match="not confirmed at the old one and at itself"):
        rights.rectify(controller, Request((), case=case), field, NEW, asked.now)
    asked.inbox.letters.clear()
    new_address.confirm_address(controller, case, NEW, vera, asked.now)
    promptly.at_once(controller, lambda: asked.now)
    for n, address in enumerate((NEW, ANA)):
        mail = asked.inbox.to(address)[-1]
        (link,) = {u.path for u in map(urllib.parse.urlsplit, links(mail)) if len(u.path) > 50}
        asked.post(link, {"do": "code", "code": asked.inbox.code(address)})
        ways = [p.way for p in controller.cases.proofs(controller.cases.get(case))]
        assert ways == ["checked", *["both"] * n]
        assert mailing.proven_address(controller, open_) == (NEW if n else ANA)
    with pytest.MonkeyPatch.context() as shared:
        shared.setattr(type(controller.subjects), "find", lambda *_, **__: (1, 2))
        assert mailing.proven_address(controller, open_) == ANA
    # That address and no other.
    with pytest.raises(Denied, match="not confirmed"):
        rights.rectify(controller, Request((), case=case), field, "eve@example.net", asked.now)
    assert rights.rectify(controller, Request((), case=case), field, NEW, asked.now).complete
    assert sql(asked.directory, "SELECT email FROM customer WHERE id = 1") == [(NEW,)]
    sql(asked.directory, "UPDATE customer SET email = 'ana@example.org' WHERE id = 1")


@pytest.mark.parametrize("seed", range(3))
def test_RIGHT_17_a_flood_of_look_alikes_closes_delays_and_shadows_nothing(
    asked: Desk, seed: int, tmp_path: Path
) -> None:
    """Whatever strangers do under her address, by form and by letter, in whatever order: her own
    request is confirmed, stands alone, keeps its day and is carried out.
    """
    chance, controller = random.Random(seed), asked.controller
    asked.later(days=2)
    who = f"flood{seed}@example.org"
    sql(asked.directory, "INSERT INTO customer VALUES (?, ?, 'F', NULL, '2026-01-01 00:00:00')",
        100 + seed, who)  # fmt: skip
    strangers: list[str] = []
    letters: list[str] = []

    def stranger() -> None:
        asked.source = f"203.0.113.{chance.randrange(200)}"
        match chance.choice(("ask", "ask", "code", "again", "withdraw", "letter", "wait")):
            case "ask" if len(strangers) < 9:
                right = chance.choice(("erasure", "access", "restriction"))
                strangers.append(asked.ask(right, email=who, words=str(chance.random())))
            case "code" if strangers:
                asked.post(chance.choice(strangers), {"do": "code", "code": "00000000"})
            case "again" if strangers:
                asked.post(chance.choice(strangers), {"do": "again"})
            case "withdraw" if strangers:
                asked.post(chance.choice(strangers), {"do": "withdraw"})
            case "letter":
                came = entering.Came(
                    "letter", asked.now.date(), (parse(f"email={who}"),), ("erasure",), ""
                )
                ines = controller.actors.of("Ines", "intake", asked.now)
                (entered,), _ = entering.add(controller, came, ines, asked.now)
                letters.extend(id_ for _, id_ in entered.cases)
            case "wait":
                asked.later(seconds=30)

    def some() -> None:
        for _ in range(chance.randrange(2, 6)):
            stranger()

    some()
    asked.source = f"198.51.100.{230 + seed}"
    hers = asked.ask("erasure", email=who)
    before = controller.cases.all()
    code = asked.inbox.code(who)
    some()
    answer = asked.post(hers, {"do": "code", "code": code})
    assert answer.status_code == 303
    mine = [c for c in controller.cases.all() if c not in before and c.evidence]
    (one,) = mine
    clock = controller.clocks.of(one)
    some()
    # Not linked with anything, however many there are; none of them knows who asks.
    others = also_open(controller, one.id)
    assert (others.linked, others.unlinked) == ((), len(letters))
    for id_ in letters:
        with pytest.raises(Denied, match="no evidence"):
            rights.erase(controller, Request((), case=id_), asked.now)
    assert controller.clocks.of(controller.cases.get(one.id)) == clock
    assert controller.cases.get(one.id).state not in ENDS
    # The same right verified twice is linked, and a person decides.
    twice = Request(((parse(f"email={who}"),),), evidence="she called")
    second = open_case(controller, "access", twice, asked.now)[0].id
    assert [c.id for c in also_open(controller, one.id).linked] == [second]
    assert rights.erase(controller, Request((), case=one.id), asked.now).complete
    assert not sql(asked.directory, "SELECT 1 FROM customer WHERE email = ?", who)


def test_RIGHT_17_by_command_the_same_verbs_as_at_the_desk(kept_url: str, tmp_path: Path) -> None:
    world = make(tmp_path / "world", kept_url, extra=EXTRA)
    now = ("--now", NOW.isoformat())
    ines = ("--actor", "ines", "--role", "approver", *now)
    abel = ("--actor", "abel", "--role", "approver", *now)
    came = kept(world, "rights", "erase", "--identity", f"email={ANA}", "--region", "DE", *ines)
    case = came.document["case"]
    assert kept(world, "case", "note", case, "--words", "she is in a hurry", *ines).status == 0
    kept(world, "account", "add", "vera", "--role", "verifier", *now)
    assert kept(world, "case", "give", case, "--to", "vera", *ines).document["owner"] == "vera"
    assert kept(world, "case", "give", case, "--to", "vero", *ines).status == 2
    assert kept(world, "case", "give", case, *ines).document["owner"] is None
    proof = kept(world, "case", "prove", case, "--words", "we called her back", *abel)
    assert proof.document["proof"] == {
        "level": 1, "needs": 1, "enough": True, "source": "EDPB 01/2022 no. 65",
        "why": "whoever holds the address is taken for her",
    }  # fmt: skip
    planned = kept(world, "case", "plan", case, "--actor", "pat", "--role", "approver", *now)
    plan = planned.document["plan"]
    approve = ("case", "approve", case, "--plan", plan)
    offered = kept(world, "case", "show", case, *now, json=False).out
    assert f"case approve {case} --plan {plan}" in offered
    assert "rights erase" not in offered, "nobody approved it yet"
    refused = kept(world, *approve, *ines)
    assert (refused.status, "another person" in refused.err) == (1, True)
    assert kept(world, *approve, "--actor", "m", "--role", "verifier", *now).status == 1
    assert kept(world, *approve, *abel).document["state"] == "approved"
    done = kept(world, "rights", "erase", "--case", case, "--yes", *ines)
    assert (done.status, done.document["complete"]) == (0, True)
    shown = kept(world, "case", "show", case, *now)
    assert (shown.document["notes"], shown.document["proof"]["level"]) == (1, 1)
    assert "hurry" not in shown.out
    assert "hurry" in kept(world, "case", "show", case, "--show", *now, json=False).out
    # What only she knows, by telephone: what came of it is not said, whatever was typed.
    said = []
    for phone in ("+49 30 123456", "+49 30 123457"):
        ben = kept(world, "rights", "access", "--identity", "email=cleo@example.org",
                   "--out", tmp_path / f"{phone[-1]}.zip", *now)  # fmt: skip
        id_ = re.findall(r"[Cc]ase ([0-9a-f-]{36})", ben.err)[0]
        file = tmp_path / "told"
        file.write_text(f"shop.customer.phone={phone}\nshop.customer.name=Cleo; DROP TABLE\n")
        told = kept(world, "case", "tell", id_, "--answers-file", file, *abel, json=False)
        assert told.status == 0
        said.append(told.out)
        level = kept(world, "case", "show", id_, *now).document["proof"]
        assert (level["level"], level["needs"], level["enough"]) == (0, 2, False)
    assert said[0] == said[1]
    assert proving.THANKS[:30] in said[0].replace("\n", " ")
