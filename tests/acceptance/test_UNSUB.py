"""UNSUB, RIGHT-7, RET-7: what somebody allowed she takes back by herself, in as few steps."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from tests.acceptance.conftest import World, get
from tests.forms import Fields

GROUNDS = ("consent:marketing.email", "preference:email")


def _letters(world: World, email: str) -> list[str]:
    """What Kept wrote to somebody, the newest last."""
    found = []
    for file in sorted(
        (world.directory / "letters").glob("*.eml"), key=lambda f: f.stat().st_mtime
    ):
        met = message_from_bytes(file.read_bytes(), policy=default)
        assert isinstance(met, EmailMessage)
        body = met.get_body(("plain",))
        if email in str(met["To"]) and body is not None:
            found.append(body.get_content())
    return found


def _own_page(world: World, email: str) -> str:
    """The path of her page, from the newest letter that names it; it may take a moment."""
    for _ in range(200):
        for words in reversed(_letters(world, email)):
            found = re.search(r"/p/\S+", words)
            if found:
                return found[0]
        time.sleep(0.1)
    raise AssertionError("no letter came")


def _press(world: World, path: str, fields: list[tuple[str, str]]) -> tuple[int, str]:
    request = urllib.request.Request(world.url + path, urllib.parse.urlencode(fields).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.read().decode()


def _news(world: World, email: str) -> bool:
    """At the running door, with nothing made up."""
    return world.ask("marketing.email", "contact.email", email=email).allow


def test_RIGHT_7_a_yes_is_taken_back_in_no_more_steps_than_it_took(world: World) -> None:
    """A form on the company's own site, its letter, one page, one press; no account, no script."""
    email, browser = world.stranger(), world.browser()
    status, said = browser.send("/newsletter", email=email)  # she types her address, and presses
    assert status == 201, said
    assert _news(world, email)
    path = _own_page(world, email)
    page = get(world.url + path)
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert email not in page.text
    assert "password" not in page.text
    assert "<script" not in page.text
    shown = Fields(page.text)
    fields = [f for f in shown.fields if f != ("on", "marketing.email")]
    assert len(fields) == len(shown.fields) - 1
    status, text = _press(world, path, [*fields, ("do", "save")])  # she unticks it, and presses
    assert (status, "Off, as of now" in text) == (200, True)
    for region in ("EEA", "US-VA", "other"):
        assert not world.ask("marketing.email", "contact.email", *GROUNDS, region=region,
                             email=email).allow  # fmt: skip
    # What does not rest on it goes on; the ledger does not say who.
    assert world.ask("site.improve", "navigation", "consent:site.improve", context="site-visit",
                     email=email).allow  # fmt: skip
    assert email not in json.dumps(world.ledger())
    other = world.stranger()
    assert world.browser().send("/newsletter", email=other)[0] == 201  # somebody still allows it
    world.proven("RIGHT-7")
    # A yes that comes from elsewhere is found: she did not end her no.
    with world.sql() as connection:
        connection.execute(
            "INSERT INTO fact (subject, fact, holds, valid_from, known_from, source)"
            " SELECT subject, fact, false, now(), now(), 'import' FROM fact"
            " WHERE source = 'preferences' AND fact = 'withdrawn:marketing.email' AND holds"
            " ORDER BY seq DESC LIMIT 1"
        )
    try:
        assert world.proof("RIGHT-7")["outcome"] == "fail"
    finally:
        with world.sql() as connection:
            connection.execute(
                "DELETE FROM fact WHERE source = 'import' AND fact = 'withdrawn:marketing.email'"
            )
    world.proven("RIGHT-7")


def test_UNSUB_2_one_topic_goes_and_another_stays(world: World) -> None:
    """Topics on their channels one by one, all at once, and reached from the site by anybody."""
    email, browser = world.stranger(), world.browser()
    for form in ("newsletter", "partner-offers"):
        assert browser.send(f"/{form}", email=email)[0] == 201
    assert "/privacy/preferences" in get(f"{world.url}/privacy/choices").text
    status, text = _press(world, "/privacy/preferences", [("email", email)])
    assert (status, email in text) == (200, False)
    path = _own_page(world, email)
    shown = Fields(get(world.url + path).text)
    fields = [f for f in shown.fields if f != ("on", "marketing.partner-offers")]
    _press(world, path, [*fields, ("do", "save")])
    assert _news(world, email)
    assert not world.ask("marketing.partner-offers", "contact.email", email=email).allow
    world.proven("UNSUB-2")
    _press(world, path, [("do", "stop")])
    assert not _news(world, email)
    assert not world.ask("marketing.post", "contact.address", "consent:marketing.post",
                         "preference:post", email=email).allow  # fmt: skip
    world.proven("UNSUB-2")


def test_RET_7_one_press_stops_the_mail_and_deletes_nothing(world: World) -> None:
    """“Stop” and “delete me” are two things: the one at once, the other by the form for it."""
    email, browser = world.stranger(), world.browser()
    assert browser.send("/newsletter", email=email)[0] == 201
    made = world.kept("preferences", "link", "--identity", f"email={email}").document
    before = world.rows()
    press = made["unsubscribe"].removeprefix(world.url)
    get(world.url + press)  # a scanner opens it
    assert _news(world, email)
    cases = world.kept("case", "list").document
    status, text = _press(world, press, [("List-Unsubscribe", "One-Click")])
    assert (status, "Nothing of yours was deleted" in text) == (200, True)
    assert not _news(world, email)
    assert world.rows() == before
    assert world.kept("case", "list").document == cases
    assert "/privacy/requests?asked=erasure" in get(made["preferences"]).text
