"""What people typed, and pages about them: in no address, and kept by nothing on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import pytest
from tests.asking import Desk, desk

WORDS = "my aunt zoe was written to"
#: What the few forms that go into an address ask for: a country to look at, a list's filters.
ADDRESSED = {"country", "due", "right", "state", "whose"}


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("private") / "world", kept_module_url) as one:
        yield one


def test_what_people_typed_is_shown_again_to_nobody_who_comes_after(asked: Desk) -> None:
    zoe = "zoe@example.fr"
    refused = {
        "/privacy/requests": {"email": zoe, "words": WORDS},
        "/privacy/requests/child": {"words": WORDS, "reporter": "zoe@"},
        "/privacy/complaints": {"email": "zoe@", "words": WORDS},
        "/privacy/preferences": {"email": "zoe@"},
    }
    for path, fields in refused.items():
        answer = asked.post(path, fields)
        assert answer.status_code == 400, path
        assert "zoe" in answer.text, path
        # Nothing on the way keeps it; her browser may, or who goes back has to type all again.
        assert answer.headers["cache-control"] in ("private", "no-store"), path
    taken = [
        asked.send("access", email=zoe),
        asked.post("/privacy/requests/child", {"about": zoe, "once": "c" * 32}),
        asked.post("/privacy/complaints", {"email": zoe, "words": WORDS, "once": "d" * 32}),
    ]
    for answer in taken:
        assert answer.status_code == 303
        # The way to her page is in nobody's memory either, and names nobody.
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search("zoe|example", answer.headers["location"])
        page = asked.get(answer.headers["location"])
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers.get("set-cookie") is None


@pytest.mark.parametrize(
    "whence", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://other.example"}]
)
def test_no_other_site_sends_a_form_for_its_reader(asked: Desk, whence: dict[str, str]) -> None:
    forms = {
        "/privacy/requests": "asked=erasure&email=zoe@example.fr&once=1",
        "/privacy/requests/child": "about=zoe@example.fr&once=2",
        "/privacy/requests/mail": "asked=mail-of-partner&name=Acme&once=3",
        "/privacy/complaints": "words=late&email=zoe@example.fr&once=4",
        "/privacy/preferences": "email=zoe@example.fr",
    }
    before = asked.rows()
    for path, body in forms.items():
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = asked.client.post(path, content=body, headers=kind | whence)
        assert answer.status_code == 400, path
        assert "Another site sent this form" in answer.text, path
    assert asked.rows() == before


def test_no_form_puts_into_an_address_what_people_type() -> None:
    folder = resources.files("kept.app").joinpath("templates")
    looked = 0
    for file in folder.iterdir():
        if not file.name.endswith(".j2"):
            continue
        for form in re.findall(r"<form\b.*?</form>", file.read_text("utf-8"), re.S):
            looked += 1
            if 'method="post"' in form.partition(">")[0]:
                continue
            names = set(re.findall(r'<(?:input|select|textarea)[^>]*\bname="([^"]+)"', form))
            assert names <= ADDRESSED, (file.name, names)
            assert "<textarea" not in form
            assert not re.search(r'type="(text|email|search|password|tel)"', form), file.name
    assert looked > 60
