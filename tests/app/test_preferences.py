"""What a person allowed, in her own hands: seen by a link, stopped at once, back by a code."""

from __future__ import annotations

import datetime as dt
import email.message
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from tests.asking import Desk, desk, links, text
from tests.forms import Fields, sent
from tests.world import NOW

import kept_verify
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide.use import use
from kept.duties import rights
from kept.duties.preferences import changing, letters
from kept.duties.rights import Request
from kept.model.decision import Ask
from kept.records.preference import read, token, way_of
from kept.records.suppression import BROWSER
from kept.terms.identifiers import Identifier, parse

OWN: Final = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("preferences") / "world"
    with desk(directory, kept_module_url, extra=f'[site]\nurl = "{OWN}"\n[api]\n') as one:
        one.client.app.state["token"] = "for-programs"  # type: ignore[attr-defined]
        yield one


@pytest.fixture
def her(world: Desk, request: pytest.FixtureRequest) -> str:
    """Somebody nobody has met, from a place of her own; an hour later than whoever came before."""
    world.later(hours=1, minutes=1)
    name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))[:40]
    world.source = f"198.51.100.{len(name)}"
    return f"{name}@example.org"


def allowed(world: Desk, who: str, purpose: str = "marketing.email", region: str = "EEA") -> bool:
    """What the door says."""
    ask = Ask(purpose, "contact.email", "site-form", region=region)
    facts = world.controller.facts(parse(f"email={who}"), world.now)
    return use(world.controller.rules, ask, facts).allow


def subscribe(world: Desk, who: str, form: str = "newsletter") -> None:
    answer = sent(world.controller, form, world.now, email=who)
    assert answer.taken, answer.reason


def page_of(world: Desk, who: str) -> str:
    """Her page, by the way that everybody has: she types her address, and opens her mail."""
    answer = world.post("/privacy/preferences", {"email": who})
    assert answer.status_code == 200, answer.text
    found = re.search(rf"{OWN}(/p/\S+)", text(world.inbox.to(who)[-1]))
    assert found
    return found[1]


def save(world: Desk, path: str, *, off: str = "", on: str = "") -> httpx.Response:
    """Save the page as a browser does, with one box changed."""
    shown = Fields(world.get(path).text)
    fields = [f for f in shown.fields if f != ("on", off)] + ([("on", on)] if on else [])
    assert off == "" or ("on", off) in shown.fields
    return world.post(path, _grouped([*fields, ("do", "save")]))


def _grouped(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def kinds(world: Desk, after: int) -> list[tuple[str, Any]]:
    """(kind, purpose) of the entries from that number on."""
    return [(e.kind, e.body.get("purpose")) for n, e in world.controller.ledger.entries()
            if n >= after]  # fmt: skip


def test_a_yes_of_a_form_is_taken_back_in_one_press(world: Desk, her: str) -> None:
    """RIGHT-7: the letter that confirms the yes holds the way back; the next decision denies."""
    subscribe(world, her)
    assert allowed(world, her)
    world.post("/privacy/preferences", {"email": "wake@example.org"})
    letter = world.inbox.to(her)[0]
    assert "Send news and marketing by e-mail" in text(letter)
    (path,) = {link.removeprefix(OWN) for link in links(letter) if "/p/" in link}
    before = world.rows()
    page = world.get(path)
    assert world.rows() == before
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "noindex" in page.headers["x-robots-tag"]
    assert her not in page.text
    assert f"{her[0]}•••@e•••.org" in page.text
    assert "On. You allowed it on 23 November 2026, on the form “Get our news”." in page.text
    assert "Get our news" in page.text
    count = world.controller.ledger.size()
    answer = save(world, path, off="marketing.email")
    assert answer.status_code == 200
    assert not allowed(world, her)
    assert not allowed(world, her, region="US-VA")
    assert kinds(world, count) == [
        ("consent.withdrawn", "marketing.email"), ("objection.made", "marketing.email"),
    ]  # fmt: skip
    assert "Off. You said no on 23 November 2026." in answer.text
    assert her not in json.dumps([str(e) for e in world.controller.ledger.entries()])
    # The same again changes nothing; nor does a page that was open since before.
    count = world.controller.ledger.size()
    again = world.post(path, {"do": "save", "was": "marketing.email"})
    assert "Nothing was changed." in again.text
    assert world.controller.ledger.size() == count


def test_one_topic_goes_and_another_stays(world: Desk, her: str) -> None:
    """UNSUB-2: exactly what was switched off is off."""
    subscribe(world, her)
    subscribe(world, her, "partner-offers")
    path = page_of(world, her)
    save(world, path, off="marketing.partner-offers")
    assert allowed(world, her)
    assert not allowed(world, her, "marketing.partner-offers")


def test_stop_all_and_back_by_undo(world: Desk, her: str) -> None:
    subscribe(world, her)
    path = page_of(world, her)
    answer = world.post(path, {"do": "stop"})
    assert "All news and advertising is off" in answer.text
    assert not allowed(world, her)
    assert not allowed(world, her, "marketing.post")
    undo = dict(Fields(answer.text).fields)["undo"]
    # Nobody else's page takes it back, and nothing that is none of ours does.
    world.source = "203.0.113.9"
    other = page_of(world, "else@example.org")
    for path_, token_ in ((other, undo), (path, path.removeprefix("/p/")), (path, undo[:-3])):
        answer = world.post(path_, {"do": "undo", "undo": token_})
        assert "cannot be undone" in answer.text
    assert not allowed(world, her)
    answer = world.post(path, {"do": "undo", "undo": undo})
    assert "as it was before" in answer.text
    assert allowed(world, her)
    assert "cannot be undone" in world.post(path, {"do": "undo", "undo": undo}).text
    assert allowed(world, her)


def test_undo_ends_after_an_hour_and_with_the_next_word(world: Desk, her: str) -> None:
    subscribe(world, her)
    path = page_of(world, her)
    undo = dict(Fields(world.post(path, {"do": "stop"}).text).fields)["undo"]
    world.later(minutes=61)
    assert "cannot be undone" in world.post(path, {"do": "undo", "undo": undo}).text
    assert not allowed(world, her)
    one = parse(f"email={her}")
    way = way_of(world.controller.vault, "page", one, world.now)
    fresh = changing.narrow(world.controller, way, ["testimonial"], world.now)
    (subject,) = world.controller.subjects.find([one])
    world.controller.consents.restrict(subject, True, world.now, source="test")
    assert not changing.undo(world.controller, way, fresh.undo, world.now)


def test_by_the_link_alone_nothing_is_switched_on(world: Desk, her: str) -> None:
    """A forwarded link: whoever has it narrows, and gets no further without a code."""
    subscribe(world, her)
    subscribe(world, her, "partner-offers")
    path = page_of(world, her)
    world.post(path, {"do": "stop"})
    step = save(world, path, on="marketing.email")
    assert "we have to know that it is you" in step.text
    assert not allowed(world, her)
    fields = {"do": "send", "want": ["marketing.email"]}
    wrong = world.post(path, {**fields, "email": "mallory@example.org"})
    assert wrong.status_code == 400
    assert not world.inbox.to("mallory@example.org")
    typed = her.replace("by_the", "By_The")  # as she types it
    answer = world.post(path, {**fields, "email": typed})
    ask = dict(Fields(answer.text).fields)["ask"]
    code = world.inbox.code(typed)
    bad = "0000 0000" if code != "0000 0000" else "1111 1111"
    assert world.post(path, {"do": "code", "ask": ask, "code": bad}).status_code == 400
    # The code is good on her page alone.
    world.source = "203.0.113.7"
    other = page_of(world, "other@example.org")
    assert "no longer good" in world.post(other, {"do": "code", "ask": ask, "code": code}).text
    assert not allowed(world, her)
    count = world.controller.ledger.size()
    answer = world.post(path, {"do": "code", "ask": ask, "code": code})
    assert "On again, as of now" in answer.text
    assert allowed(world, her)
    # What she said no to besides stays so.
    assert not allowed(world, her, "marketing.partner-offers")
    assert not allowed(world, her, "marketing.post", region="other")
    given = [e.body for n, e in world.controller.ledger.entries(kind="consent.given") if n >= count]
    assert [(b["source"], b["purpose"]) for b in given] == [("preferences-code", "marketing.email")]
    kept = world.controller.notices.get(str(given[0]["wording"]))
    assert kept is not None
    assert kept.form == "newsletter"  # on the very words of her first yes
    assert "no longer good" in world.post(path, {"do": "code", "ask": ask, "code": code}).text


def test_whoever_has_a_link_tries_few_addresses(world: Desk, her: str) -> None:
    subscribe(world, her)
    path = page_of(world, her)
    world.post(path, {"do": "stop"})
    tried = {"do": "send", "want": ["marketing.email"], "email": "mallory@example.org"}
    met = [world.post(path, tried).status_code for _ in range(30)]
    assert met[0] == 400
    assert met[-1] == 429


def test_a_code_ends_after_five_tries_and_ten_minutes(world: Desk, her: str) -> None:
    subscribe(world, her)
    path = page_of(world, her)
    world.post(path, {"do": "stop"})
    fields = {"do": "send", "want": "marketing.email", "email": her}
    ask = dict(Fields(world.post(path, fields).text).fields)["ask"]
    code = world.inbox.code(her)
    bad = f"{(int(code.replace(' ', '')) + 1) % 10**8:08}"
    for _ in range(5):
        world.post(path, {"do": "code", "ask": ask, "code": bad})
    assert "no longer good" in world.post(path, {"do": "code", "ask": ask, "code": code}).text
    ask = dict(Fields(world.post(path, fields).text).fields)["ask"]
    world.later(minutes=11)
    late = world.post(path, {"do": "code", "ask": ask, "code": world.inbox.code(her)})
    assert "no longer good" in late.text
    assert not allowed(world, her)


def test_who_was_refused_for_before_anybody_knew_her(world: Desk, her: str) -> None:
    """Nobody is made by a no; and it holds when she is first met."""
    path = page_of(world, her)
    page = world.get(path)
    assert "Nothing that you allowed or refused is on record" in page.text
    world.post(path, {"do": "stop"})
    assert not world.controller.subjects.find([parse(f"email={her}")])
    answer = sent(world.controller, "trial", world.now, email=her, newsletter="yes")
    assert [c.purpose for c in answer.unmet] == ["marketing.email"]
    # It goes by a code, although nothing was ever allowed; after that she may say yes on a form.
    step = save(world, path, on="marketing.email")
    assert "want" in Fields(step.text).names
    fields = {"do": "send", "want": "marketing.email", "email": her}
    ask = dict(Fields(world.post(path, fields).text).fields)["ask"]
    answer = world.post(path, {"do": "code", "ask": ask, "code": world.inbox.code(her)})
    assert "Your no is taken back" in answer.text
    subscribe(world, her)
    assert allowed(world, her)


def test_the_words_and_the_work_are_the_same_for_everybody(world: Desk, her: str) -> None:
    subscribe(world, her)
    known = world.post("/privacy/preferences", {"email": her})
    unknown = world.post("/privacy/preferences", {"email": f"un-{her}"})
    assert (
        (known.status_code, known.text) == (unknown.status_code, unknown.text) == (200, known.text)
    )
    for _ in range(2):
        world.post("/privacy/preferences", {"email": her})
    refused = world.post("/privacy/preferences", {"email": her})
    assert refused.status_code == 429
    assert world.post("/privacy/preferences", {"email": "no address"}).status_code == 400
    world.later(hours=1, minutes=1)
    letters.tend(world.controller, world.now)
    assert world.sql("SELECT count(*) FROM preference_mail") == [(0,)]


def test_one_press_of_a_mail_program(world: Desk, her: str) -> None:
    """RFC 8058: a GET does nothing, a POST at once, twice as well, and whoever's link it is alike.
    Of a link that is none nobody is told that something stopped.
    """
    subscribe(world, her)
    subscribe(world, her, "partner-offers")
    made = letters.links(world.controller, Identifier("email", her), world.now, "marketing.email")
    path = made.unsubscribe.removeprefix(OWN)
    unknown = letters.links(world.controller, Identifier("email", "x@y.example"), world.now)
    others = (unknown.unsubscribe.removeprefix(OWN),)
    forged = f"{path[:-9]}{'A' if path[-9] != 'A' else 'B'}{path[-8:]}"
    none = ("/u/none-of-ours", f"{path}x", forged)
    before = world.rows()
    gets = {world.get(p).text for p in (path, *others, *none)}
    assert len(gets) == 1
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in gets.pop()
    assert world.rows() == before
    assert world.post(path, {}).status_code == 400
    assert world.post(path, {"List-Unsubscribe": "yes"}).status_code == 400
    assert allowed(world, her)
    for answer in [world.post(p, {"List-Unsubscribe": "One-Click"}) for p in none]:
        assert (answer.status_code, "Stopped" in answer.text) == (404, False)
        assert "Nothing was changed by it" in answer.text
    assert allowed(world, her)
    said = {world.post(p, {"List-Unsubscribe": "One-Click"}).text for p in (path, path, *others)}
    assert len(said) == 1
    assert "Stopped" in said.pop()
    assert not allowed(world, her)
    assert allowed(world, her, "marketing.partner-offers")
    assert not list(world.client.cookies)
    # A letter of long ago, about what the policy has no more: all that it may have been.
    old = way_of(world.controller.vault, "stop", parse(f"email=old-{her}"), world.now, "gone")
    press = f"/u/{token(world.controller.vault, old)}"
    world.post(press, {"List-Unsubscribe": "One-Click"})
    assert ":objection:marketing" in world.controller.suppressions.channels(
        parse(f"email=old-{her}")
    )
    # The other form in which the pair may come, and a link without a purpose: all advertising.
    all_of_it = letters.links(world.controller, Identifier("email", her), world.now)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--'
    )
    answer = world.client.post(
        all_of_it.unsubscribe.removeprefix(OWN), content=body,
        headers={"Content-Type": 'multipart/form-data; boundary="b"'},
    )  # fmt: skip
    assert answer.status_code == 200
    assert not allowed(world, her, "marketing.partner-offers")


def test_it_holds_after_an_erasure(world: Desk, her: str) -> None:
    subscribe(world, her)
    path = page_of(world, her)
    stop = letters.links(world.controller, Identifier("email", her), world.now).unsubscribe
    world.post(stop.removeprefix(OWN), {"List-Unsubscribe": "One-Click"})
    people = world.controller.subjects.find([parse(f"email={her}")])
    world.controller.vault.shred(people, {"person"}, world.now)
    world.controller.subjects.forget(people)
    assert her not in world.get(path).text
    assert world.get(path).status_code == 200
    assert not allowed(world, her)
    answer = world.post(stop.removeprefix(OWN), {"List-Unsubscribe": "One-Click"})
    assert "Stopped" in answer.text


def test_a_yes_after_an_erasure(world: Desk, her: str) -> None:
    """A form alone does not lift it (whoever knows her address can send one); her code does."""
    who, fields = parse(f"email={her}"), {"email": her, "words": "Good."}
    subscribe(world, her)
    assert sent(world.controller, "testimonial", world.now, **fields).taken
    path = page_of(world, her)
    save(world, path, off="testimonial")
    save(world, path, off="marketing.email")
    assert rights.erase(world.controller, Request(((who,),), override="test"), world.now)
    assert not world.controller.subjects.find([who])
    assert not sent(world.controller, "testimonial", world.now, **fields).taken
    step = save(world, path, on="testimonial")
    assert "want" in Fields(step.text).names
    send = {"do": "send", "want": "testimonial", "email": her}
    ask = dict(Fields(world.post(path, send).text).fields)["ask"]
    answer = world.post(path, {"do": "code", "ask": ask, "code": world.inbox.code(her)})
    assert "Your no is taken back" in answer.text
    assert sent(world.controller, "testimonial", world.now, **fields).taken
    # The rest stays.
    assert ":withdrawn:marketing.email" in world.controller.suppressions.channels(who)


def test_a_yes_to_a_part_after_an_erasure(world: Desk, her: str) -> None:
    """Of what she had taken back as a whole the rest stays taken back."""
    who, controller = parse(f"email={her}"), world.controller
    subscribe(world, her)
    (subject,) = controller.subjects.find([who])
    save(world, path := page_of(world, her), off="marketing.email")
    controller.consents.withdraw(subject, "marketing", world.now, source="list")
    assert rights.erase(controller, Request(((who,),), override="test"), world.now)
    save(world, path, on="marketing.email")
    send = {"do": "send", "want": "marketing.email", "email": her}
    ask = dict(Fields(world.post(path, send).text).fields)["ask"]
    world.post(path, {"do": "code", "ask": ask, "code": world.inbox.code(her)})
    left = {c for c in controller.suppressions.channels(who) if "withdrawn" in c}
    assert ":withdrawn:marketing.phone" in left
    assert left.isdisjoint({":withdrawn:marketing", ":withdrawn:marketing.email"})


def test_what_was_taken_back_before_an_erasure_is_lifted_by_no_link(world: Desk, her: str) -> None:
    """A no and that no taken back at once leave all as it was: who holds a letter of hers can."""
    who, controller = parse(f"email={her}"), world.controller
    subscribe(world, her)
    (subject,) = controller.subjects.find([who])
    controller.consents.withdraw(subject, "marketing.email", world.now, source="request")
    assert rights.erase(controller, Request(((who,),), override="test"), world.now)
    # She is known again by another name, by which she agreed, and then by her address too.
    other = Identifier("phone", f"+49 30 {len(her)}98765")
    again = controller.subjects.of([other], world.now)
    agreed = [("consent:marketing.email", True)]
    controller.consents.record(again, agreed, world.now, source="form")
    controller.subjects.link(again, [who], "used", world.now)
    way = way_of(controller.vault, "page", who, world.now)
    done = changing.narrow(controller, way, ["marketing.email"], world.now)
    assert changing.undo(controller, way, done.undo, world.now)
    assert "consent:marketing.email" in controller.consents.facts(again, world.now).held
    assert ":withdrawn:marketing.email" in controller.suppressions.channels(who)


@pytest.mark.parametrize("known", [True, False])
def test_a_yes_after_a_withdrawal_by_a_request(world: Desk, her: str, known: bool) -> None:
    """She was erased since, or had never agreed: no words are known on which it could hold again,
    and no form could ask her.
    """
    who, fields = parse(f"email={her}"), {"email": her, "words": "Good."}
    if known:
        assert sent(world.controller, "testimonial", world.now, **fields).taken
    asked = Request(((who,),), override="test")
    both = ["testimonial", "marketing.email"]
    assert rights.withdraw(world.controller, asked, both, world.now, erase=True).complete
    if known:
        assert rights.erase(world.controller, asked, world.now).complete
        assert not world.controller.subjects.find([who])
    world.later(minutes=1)
    assert not sent(world.controller, "testimonial", world.now, **fields).taken
    path = page_of(world, her)
    assert "want" in Fields(save(world, path, on="testimonial").text).names
    send = {"do": "send", "want": "testimonial", "email": her}
    ask = dict(Fields(world.post(path, send).text).fields)["ask"]
    answer = world.post(path, {"do": "code", "ask": ask, "code": world.inbox.code(her)})
    assert "Your no is taken back" in answer.text
    names = ["rights.withdrawals-stop-consent-only", "choices.taken-back-as-easily"]
    for _ in range(2):
        met = run(world.controller, registered(), world.now, names=names)
        assert all(one.outcome is not Outcome.FAIL for one in met), met
        world.later(minutes=1)
        assert sent(world.controller, "testimonial", world.now, **fields).taken
    # The rest stays.
    assert "withdrawn:marketing.email" in world.controller.facts(who, world.now).held


@pytest.mark.parametrize("use_", ["page", "stop", "back"])
def test_links_are_bound_to_what_they_are_for(world: Desk, use_: Any) -> None:
    vault = world.controller.vault
    way = way_of(vault, use_, parse("email=ana@example.org"), NOW, "marketing.email")
    made = token(vault, way)
    assert read(vault, made, use_) == way
    assert "ana" not in made
    assert len(made) < 120
    for other in {"page", "stop", "back"} - {use_}:
        assert read(vault, made, other) is None  # type: ignore[arg-type]
    for at in range(0, len(made), 7):  # any letter changed
        changed = made[:at] + ("A" if made[at] != "A" else "B") + made[at + 1 :]
        assert read(vault, changed, use_) is None
    for odd in ("", "A", "é" * 40, "A" * 400, made + made, made[:-4]):
        assert read(vault, odd, use_) is None
    assert letters.way(world.controller, made, use_, NOW) == way
    assert letters.way(world.controller, made, use_, NOW + dt.timedelta(days=6 * 365)) is None


def test_a_link_that_is_over_says_where_a_new_one_comes_from(world: Desk) -> None:
    for method in (world.get, lambda path: world.post(path, {"do": "stop"})):
        answer = method("/p/nobody-asked")
        assert answer.status_code == 404
        assert "/privacy/preferences" in Fields(answer.text).links
    assert world.get("/p/nobody-asked/receipt").status_code == 404


def test_another_site_changes_nothing(world: Desk, her: str) -> None:
    subscribe(world, her)
    path = page_of(world, her)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "http://["},
    ):  # fmt: skip
        answer = world.client.post(
            path, content="do=stop",
            headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
        )  # fmt: skip
        assert answer.status_code == 400
    assert allowed(world, her)


def test_a_signal_of_a_known_person_is_her_no(world: Desk, her: str) -> None:
    """Global Privacy Control: written down when she saves, never by a GET, never as a yes."""
    subscribe(world, her)
    path = page_of(world, her)
    before = world.rows()
    page = world.client.get(path, headers={"Sec-GPC": "1"})
    assert "Global Privacy Control" in page.text
    assert world.rows() == before
    world.client.post(
        path, content="do=save",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Sec-GPC": "1"},
    )  # fmt: skip
    held = world.held(f"email={her}")
    assert "objection:advertising.targeted" in held
    assert allowed(world, her)  # news that she asked for is no sharing
    # What she undoes is what she did: the signal stays.
    stopped = world.client.post(
        path, content="do=stop",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Sec-GPC": "1"},
    )  # fmt: skip
    world.post(path, {"do": "undo", "undo": dict(Fields(stopped.text).fields)["undo"]})
    assert allowed(world, her)
    assert "objection:advertising.targeted" in world.held(f"email={her}")


def test_a_receipt_can_be_checked_by_anybody(world: Desk, her: str) -> None:
    subscribe(world, her)
    subscribe(world, her, "partner-offers")
    path = page_of(world, her)
    save(world, path, off="marketing.email")
    before = world.rows()
    answer = world.get(f"{path}/receipt")
    assert world.rows() == before
    assert "attachment" in answer.headers["content-disposition"]
    assert her not in answer.text
    report = kept_verify.receipt(answer.content, None)
    assert not report.problems
    said = {
        p["dct:title"]: p["dpv:hasConsentStatus"][0]["@type"][0]
        for p in answer.json()["record"]["dpv:hasProcess"]
    }
    assert said["Send news and marketing by e-mail"] == "dpv:ConsentWithdrawn"
    assert "dpv:ConsentGiven" in said.values()


def test_links_for_a_companys_own_letters(world: Desk, her: str) -> None:
    def ask(body: Any, key: str = "for-programs") -> httpx.Response:
        return world.client.post(
            "/api/v1/preferences-link", json=body, headers={"Authorization": f"Bearer {key}"}
        )

    who = {"kind": "email", "value": her}
    assert ask({"subject": who}, "wrong").status_code == 401
    assert ask({"subject": {"kind": "name", "value": "Ana"}}).status_code == 400
    assert ask({"subject": who, "purpose": "service.payment"}).status_code == 400
    said = ask({"subject": who, "purpose": "marketing.email"}).json()
    assert said["headers"]["List-Unsubscribe"] == f"<{said['unsubscribe']}>"
    # What RFC 8058 adds is for https alone.
    assert "List-Unsubscribe-Post" not in said["headers"]
    letter = email.message.EmailMessage()
    for name, value in said["headers"].items():
        letter[name] = value
    assert world.get(said["preferences"].removeprefix(OWN)).status_code == 200


def test_a_no_of_a_browser_stays_when_she_says_yes_by_a_code(world: Desk, her: str) -> None:
    """What the page did not write it does not lift."""
    subscribe(world, her)
    one = parse(f"email={her}")
    world.controller.suppressions.add(
        [one], world.now, channel=":objection:marketing.email", source=BROWSER
    )
    path = page_of(world, her)
    assert "You told us so elsewhere" in world.get(path).text
    fields = {"do": "send", "want": "marketing.email", "email": her}
    ask = dict(Fields(world.post(path, fields).text).fields)["ask"]
    world.post(path, {"do": "code", "ask": ask, "code": world.inbox.code(her)})
    assert not allowed(world, her)


def test_a_no_that_a_request_recorded_leads_to_no_form_that_would_refuse_her(
    world: Desk, her: str
) -> None:
    """The page led to forms, none of which takes her yes."""
    request = Request(((parse(f"email={her}"),),), override="test")
    rights.object_to(world.controller, request, ["marketing.email"], world.now)
    text = world.get(page_of(world, her)).text
    said = text[text.index('for="on-marketing.email"') :].split("</p>")[0]
    assert "You told us so elsewhere" in said
    assert "on the form" not in said


def test_who_shares_an_address_lifts_nobody_elses_no(world: Desk, her: str) -> None:
    """A code to an address of two says whose it is of neither, whatever the page did not offer."""
    path, no, controller = page_of(world, her), "marketing.email", world.controller
    for phone in ("phone=+4930901820", "phone=+4930901821"):
        both = [parse(phone), parse(f"email={her}")]
        number = controller.subjects.of(both[:1], world.now, evidence="account")
        controller.subjects.link(number, both, "account", world.now)
    world.post(path, {"do": "stop"})
    asked = world.post(path, {"do": "send", "want": no, "email": her})
    ask = dict(Fields(asked.text).fields)["ask"]
    world.post(path, {"do": "code", "ask": ask, "code": world.inbox.code(her)})
    for phone in ("phone=+4930901820", "phone=+4930901821"):
        assert ":objection:marketing" in controller.suppressions.channels(parse(phone))


def test_a_signal_goes_along_with_who_is_known_by_the_sites_cookie(world: Desk, her: str) -> None:
    """Signed in, her browser sends the signal: it is her no, once; never a yes."""
    subscribe(world, her)
    (subject,) = world.controller.subjects.find([parse(f"email={her}")])
    cookie = parse("cookie=c-4711")
    world.controller.subjects.link(subject, [cookie], "account", world.now)

    def visit(gpc: bool) -> Any:
        body = {"cookie": "visitor=c-4711", "gpc": gpc, "country": "US"}
        answer = world.client.post(
            "/api/v1/visit", json=body, headers={"Authorization": "Bearer for-programs"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    visit(gpc=False)
    assert "objection:advertising.targeted" not in world.held(f"email={her}")
    visit(gpc=True)
    assert "objection:advertising.targeted" in world.held(f"email={her}")
    assert allowed(world, her)
    count, epoch = world.controller.ledger.size(), world.controller.consents.epochs([subject])
    visit(gpc=True)
    # From another browser, without the signal, she is refused for all the same.
    assert "advertise" not in visit(gpc=False)["allowed"]
    assert (world.controller.ledger.size(), world.controller.consents.epochs([subject])) == (
        count, epoch,
    )  # fmt: skip
