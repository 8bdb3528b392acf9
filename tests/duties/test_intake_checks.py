"""`rights.requests-need-no-account`: the forms as strangers get them, and faults planted there."""

from __future__ import annotations

import contextlib
import functools
import http.server
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from kept import deployment
from kept.app import web
from kept.controller import Controller
from kept.controls.evidence import Evidence, Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from tests.serving import running
from tests.world import NOW, make

NAME = "rights.requests-need-no-account"
MAIL = '[mail]\nurl = "letters"\nfrom = "privacy@example.net"\n'


@pytest.fixture(scope="module")
def here(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("asked") / "world", kept_module_url, extra=MAIL)
    with Controller.open(deployment.read(directory)) as controller:
        yield controller


@functools.lru_cache(maxsize=1)
def application(controller: Controller) -> Litestar:
    """Put together once for all that is planted in what it says."""
    return web.make(controller, token=None, shows="text", clock=lambda: NOW)


@contextlib.contextmanager
def serving(
    controller: Controller, change: Callable[[str], str], status: int, headers: dict[str, str]
) -> Iterator[None]:
    """What the application says, with a fault planted, on a server of its own."""
    with TestClient(application(controller)) as client:

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = change(client.get(self.path).text).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        with running(http.server.HTTPServer(("127.0.0.1", 0), Handler)) as controller.site_url:
            yield


def look(
    controller: Controller, change: Callable[[str], str] = str, status: int = 200, *,
    control: str = NAME, **headers: str,
) -> Evidence:  # fmt: skip
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with serving(controller, change, status, named):
        return run(controller, registered(), NOW, names=[control])[0]


def test_RIGHT_16_the_forms_as_they_are(here: Controller) -> None:
    met = look(here)
    assert (met.outcome, met.findings) == (Outcome.PASS, ())
    assert met.looked_at >= 2 + 9


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.replace('value="erasure"', 'value="other"'),
        lambda page: page.replace('name="words"', 'name="passport"'),
        lambda page: page.replace('type="email"', 'type="password"'),
        lambda page: page.replace("</main>", "<script>1</script></main>"),
        lambda page: page.replace("<main", '<main onclick="x()"'),
        lambda page: page.replace('method="post"', ""),
    ],
)
def test_RIGHT_16_what_is_planted_in_a_form_is_seen(
    here: Controller, change: Callable[[str], str]
) -> None:
    assert look(here, change).outcome is Outcome.FAIL


WAYS = "publication.choices-have-a-way"


def test_PREAM_5_every_choice_has_a_way_that_answers(here: Controller) -> None:
    met = look(here, control=WAYS)
    assert (met.outcome, met.findings) == (Outcome.PASS, ())
    # By another road: the rights that the reference text names, each on the page.
    assert met.looked_at == 13
    assert look(here, status=503, control=WAYS).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda page: page.replace('value="portability"', ""), "`portability` is not offered"),
        (lambda page: page.replace('value="stop-mailing"', ""), "`stop-mailing` is not offered"),
        (lambda page: page.replace("/privacy/complaints", "/"), "nothing leads to `/privacy/co"),
    ],
)
def test_PREAM_5_a_choice_without_a_way_is_seen(
    here: Controller, change: Callable[[str], str], words: str
) -> None:
    met = look(here, change, control=WAYS)
    assert met.outcome is Outcome.FAIL
    assert words in met.findings[0].words


def test_RIGHT_16_a_cookie_or_an_error_is_seen(here: Controller) -> None:
    assert look(here, Set_Cookie="id=1").outcome is Outcome.FAIL
    assert look(here, status=503).outcome is Outcome.FAIL


def test_RIGHT_16_a_stranger_in_its_place_is_not_looked_at(here: Controller) -> None:
    mark = here.vault.mac("page", b"").hex()
    met = look(here, lambda page: page.replace(mark, mark[::-1]))
    assert (met.outcome, met.looked_at) == (Outcome.VACUOUS, 0)


def test_RIGHT_16_without_mail_nothing_can_be_asked_on_the_page(
    kept_url: str, tmp_path: Path
) -> None:
    directory = make(tmp_path / "silent", kept_url)
    with Controller.open(deployment.read(directory)) as controller:
        met = look(controller)
    assert met.outcome is Outcome.FAIL
    assert any("nothing can be asked" in f.words for f in met.findings)
