"""`choices.taken-back-as-easily` in worlds in which it passes, fails, and looks at nothing."""

from __future__ import annotations

import http.server
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest
from litestar.testing import TestClient

from kept import deployment
from kept.app import web
from kept.controller import Controller
from kept.controls import served
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties.preferences import changing
from kept.records.preference import way_of
from kept.terms.identifiers import parse
from tests import forms
from tests.serving import running
from tests.world import NOW, make

NAME: Final = "choices.taken-back-as-easily"
MAIL: Final = '[mail]\nurl = "letters"\nfrom = "privacy@example.net"\n'
ANA, BEN = parse("email=ana.new@example.org"), parse("email=ben.new@example.org")


@pytest.fixture(scope="module")
def here(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("back") / "world", kept_module_url, extra=MAIL)
    with Controller.open(deployment.read(directory)) as controller:
        yield controller


def look(controller: Controller) -> tuple[Outcome, list[str]]:
    met = run(controller, registered(), NOW, names=[NAME])[0]
    return met.outcome, [f"{f.where}: {f.words}" for f in met.findings]


def as_it_is(path: str, page: str) -> str:
    del path
    return page


@contextmanager
def serving(controller: Controller) -> Iterator[list[Callable[[str, str], str]]]:
    """What the application says on a server of its own, with the fault that is planted last."""
    change = [as_it_is]
    with TestClient(web.make(controller, token=None, shows="text", clock=lambda: NOW)) as client:

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = client.get(self.path)
                body = change[-1](self.path, answer.text).encode()
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        with running(http.server.HTTPServer(("127.0.0.1", 0), Handler)) as controller.site_url:
            yield change


def on(prefix: str, before: str, after: str) -> Callable[[str, str], str]:
    def change(path: str, page: str) -> str:
        assert not path.startswith(prefix) or before in page
        return page.replace(before, after) if path.startswith(prefix) else page

    return change


SWITCH: Final = 'name="on" value="marketing.email" checked'
FAULTS: Final[dict[str, tuple[Callable[[str, str], str], str]]] = {
    "no switch": (on("/p/", SWITCH, 'name="on" value="x" checked'), "there is no switch"),
    "a switch that is fixed": (on("/p/", SWITCH, f"{SWITCH} disabled"), "there is no switch"),
    "more to type than for the yes": (
        on("/p/", SWITCH, f'type="password" name="password"><input {SWITCH}'), "it takes 4 steps",
    ),
    "no way from the choices": (
        on("/privacy/choices", "/privacy/preferences", "/privacy/x"), "does not lead",
    ),
    "no button for all": (on("/p/", 'value="stop"', 'value="s"'), "there is no one button"),
    "a question before it stops": (
        on("/u/", 'type="hidden"', 'type="text"'), "more than one press",
    ),
    "a password on the way": (
        on("/privacy/preferences", 'type="email"', 'type="email"><input type="password"'),
        "something else than an address",
    ),
}  # fmt: skip


def test_it_is_as_easy_and_it_stays(here: Controller) -> None:
    assert look(here) == (Outcome.VACUOUS, [])
    here.site_url = "http://127.0.0.1:9"
    assert forms.sent(here, "newsletter", email=ANA.value).taken
    assert look(here) == (Outcome.VACUOUS, [])  # nothing is served there: no page was looked at
    assert forms.sent(here, "newsletter", email=BEN.value).taken
    # It reads what a page does, in whatever language it speaks.
    english, here.bundle = here.bundle, replace(here.bundle, languages=("de",))
    with serving(here):
        shown = served.fetch(here.site_url, "/privacy/preferences")
        assert shown is not None
        assert "Link zusenden" in shown[1]
        assert look(here) == (Outcome.PASS, [])
    here.bundle = english
    with serving(here) as planted:
        assert look(here) == (Outcome.PASS, [])
        way = way_of(here.vault, "page", ANA, NOW)
        changing.narrow(here, way, ["marketing.email"], NOW)
        assert look(here) == (Outcome.PASS, [])
        for words, (change, finding) in FAULTS.items():
            planted[:] = [change]
            met, found = look(here)
            assert met is Outcome.FAIL, words
            assert any(finding in one for one in found), (words, found)
        planted[:] = [as_it_is]
        site, here.site_url = here.site_url, None
        assert "no letter with the way back" in look(here)[1][0]
        here.site_url = site
        _comes_back(here)


def _comes_back(controller: Controller) -> None:
    """An import says yes for her; the door forgets; a code is on record that nobody sent."""
    (subject,) = controller.subjects.find([ANA])
    planted = (
        ([("withdrawn:marketing.email", False)], "import", "she did not end it"),
        ([("consent:marketing.email", True)], changing.BY_CODE, "the ledger does not have"),
        ([("consent:marketing.email", True)], changing.UNDONE, "the ledger does not have"),
    )
    for facts, source, finding in planted:
        controller.consents.record(subject, facts, NOW, source=source)
        met, found = look(controller)
        assert met is Outcome.FAIL
        assert any(finding in one for one in found), found
        with controller.database.connection() as c:
            c.execute("DELETE FROM fact WHERE subject = %s AND source = %s", (subject, source))
    assert look(controller) == (Outcome.PASS, [])
    rules: Any = controller.rules
    layout = rules.layout
    for fact in ("objection:marketing.email", "withdrawn:marketing.email"):
        layout._implied[fact] = 0  # the door does not know these facts any more
    met, found = look(controller)
    assert met is Outcome.FAIL
    assert any("allowed although" in one for one in found)
    layout._implied.clear()
