"""How often one person's request waits for Kept's own database: counted on the wire, not timed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.database import Database
from kept.duties import rights
from kept.duties.collect import storing, taking
from kept.terms.identifiers import Identifier, parse
from tests import forms
from tests.world import NOW


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """How often something was sent and then waited for, since it was asked last.

    libpq itself writes down every message: F goes to the server, B comes back.
    """
    whole = Database.connection
    with contextlib.ExitStack() as files:
        traced: dict[int, Any] = {}

        @contextlib.contextmanager
        def connection(self: Database, *, quick: bool = False) -> Iterator[Any]:
            with whole(self, quick=quick) as c:
                number = c.info.backend_pid
                if number not in traced:
                    traced[number] = files.enter_context((tmp_path / str(number)).open("w+b"))
                    c.pgconn.trace(traced[number].fileno())
                yield c

        monkeypatch.setattr(Database, "connection", connection)
        read = dict[int, int]()

        def count() -> int:
            found = 0
            for number in traced:
                lines = (tmp_path / str(number)).read_text("utf-8", "replace").splitlines()
                ways = [p[1] for line in lines if len(p := line.split("\t")) > 2 and p[1] in "FB"]
                turns = sum(a + b == "FB" for a, b in itertools.pairwise(ways))
                found += turns - read.get(number, 0)
                read[number] = turns
            return found

        yield count


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def _of(who: Identifier) -> rights.Request:
    return rights.Request(((who,),), override="test")


def test_one_person_waits_for_kept_itself_a_few_dozen_times(
    controller: Controller, trips: Callable[[], int], tmp_path: Path
) -> None:
    """It was 143 and 252 with a transaction around each statement.

    Eight are the clock of the request and who opened whom; six how well it is known who asks,
    what is refused in part, and who had her data.
    """
    rights.access(controller, _of(parse("email=cleo@example.org")), NOW, out=tmp_path / "1.zip")
    trips()
    rights.access(controller, _of(parse("email=ben@example.org")), NOW, out=tmp_path / "2.zip")
    answered = trips()
    rights.erase(controller, _of(parse("email=ana@example.org")), NOW)
    erased = trips()
    assert 0 < answered <= 60
    assert 0 < erased <= 90


def test_a_form_waits_twice_for_kept_itself_whoever_is_made_by_it(
    kept_url: str, trips: Callable[[], int], tmp_path: Path
) -> None:
    """It was 18 times where somebody new agreed to something."""
    shop = forms.shop(tmp_path / "shop", kept_url)
    with Controller.open(deployment.read(shop)) as controller:
        shown = taking.prepared(controller, "contact", "unknown", None)
        for turn, more in enumerate([[], [("newsletter", "yes")]] * 3):
            fields = [("email", f"p{turn}@example.org"), ("message", "Hello"), *more]
            sent = taking.Sent(fields, forms.SITE, shown.hash, once=f"n{turn}")
            answer = storing.submit(controller, "contact", sent, NOW)
            assert answer.taken
            assert len(answer.consents) == len(more)
            waited = trips()
        assert waited == 2
        assert len(controller.subjects.find([parse("email=p5@example.org")])) == 1
