"""Views of pages: the door and retention reach them; each control in worlds where it passes, fails,
and looks at nothing.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide import views as deciding
from kept.duties import visits
from kept.duties.visits.reach import reach
from kept.duties.visits.views import View, record
from kept.model.choice import Choices
from kept.records.view import Row
from kept.terms.identifiers import Identifier
from tests.world import NOW, edit, make

DECLARED: Final = "visits.views-hold-what-is-declared"
ALLOWED: Final = "visits.views-were-allowed"
ONCE: Final = "visits.views-count-once"
EVERY: Final = (DECLARED, ALLOWED, ONCE)
COOKIE: Final = "c00kie-of-a-browser"
ASSESSED: Final = (
    '\n[documents."assessment:own-analytics"]\nsigner = "Jo"\ndate = 2020-01-31\n'
    'file = "assessment.md"\n'
)


@pytest.fixture
def world(tmp_path: Path, kept_url: str) -> Iterator[Controller]:
    with Controller.open(deployment.read(_world(tmp_path, kept_url))) as controller:
        yield controller


def _world(base: Path, url: str) -> Path:
    directory = make(base / "world", url)
    edit(directory / "kept.toml", '"retention.invoices" = "P10Y"',
         '"retention.invoices" = "P10Y"\n"retention.navigation" = "P30D"')  # fmt: skip
    (directory / "assessment.md").write_text("Whoever reads wants better pages.\n", "utf-8")
    with (directory / "kept.toml").open("a") as file:
        file.write(ASSESSED)
    return directory


def view(
    cookie: str | None = COOKIE, *, region: str = "EEA", why: str = "allowed",
    at: dt.datetime = NOW, dropped: int = 0, number: bytes | None = None,
) -> View:  # fmt: skip
    row = Row(number or secrets.token_bytes(16), at, "shop.test", "/product", "search.example",
              "Firefox", "DE", None, region, why)  # fmt: skip
    return View(row, cookie, dropped)


def outcomes(controller: Controller, now: dt.datetime = NOW) -> dict[str, Outcome]:
    return {e.control: e.outcome for e in run(controller, registered(), now, names=EVERY)}


def words(controller: Controller, name: str, now: dt.datetime = NOW) -> str:
    found = run(controller, registered(), now, names=[name])[0]
    assert found.outcome is Outcome.FAIL, found
    return " ".join(f.words for f in found.findings)


def rows(controller: Controller) -> list[tuple[Any, ...]]:
    with controller.database.connection() as c:
        return c.execute("SELECT page, mac, why, version FROM visit_event ORDER BY at").fetchall()


def entries(controller: Controller) -> list[dict[str, Any]]:
    return [dict(e.body) for _, e in controller.ledger.entries(kind="views.recorded")]


def statement(controller: Controller, words: str) -> None:
    with controller.database.connection() as c:
        c.execute(words.encode())


def test_a_view_is_recorded_once_with_what_is_declared(world: Controller) -> None:
    assert outcomes(world) == dict.fromkeys(EVERY, Outcome.VACUOUS)
    one = view(dropped=2)
    assert record(world, [one, one, view(None, region="US", why="until-refused")], 3, NOW) == 2
    assert record(world, [one], 0, NOW) == 0
    assert [row[0] for row in rows(world)] == ["/product"] * 2
    assert {row[3] for row in rows(world)} == {world.bundle.version}
    assert COOKIE.encode() not in b"".join(row[1] or b"" for row in rows(world))
    first, second = entries(world)
    assert {k: first[k] for k in ("activity", "rows", "refused", "repeated", "dropped")} == {
        "activity": "own-analytics", "rows": 2, "refused": 3, "repeated": 1, "dropped": 4,
    }  # fmt: skip
    assert first["bases"] == ["consent", "legitimate-interest"]
    assert (second["rows"], second["repeated"]) == (0, 1)
    assert outcomes(world) == dict.fromkeys(EVERY, Outcome.PASS)


@pytest.mark.parametrize("region", ["EEA", "UK", "CH", "unknown"])
def test_without_a_yes_the_door_denies_where_it_is_asked_first(
    world: Controller, region: str
) -> None:
    """Even if whoever stands before the door took the view for an allowed one."""
    assert record(world, [view(region=region, why="until-refused")], 0, NOW) == 0
    assert rows(world) == []
    assert entries(world)[0]["refused"] == 1


def test_without_an_assessment_of_the_interest_nothing_rests_on_it(
    tmp_path: Path, kept_url: str
) -> None:
    directory = _world(tmp_path, kept_url)
    edit(directory / "kept.toml", ASSESSED, "")
    with Controller.open(deployment.read(directory)) as controller:
        assert record(controller, [view(region="US", why="until-refused")], 0, NOW) == 0
        assert record(controller, [view()], 0, NOW) == 1


def test_a_no_of_the_browser_or_of_the_person_is_heard_at_once(world: Controller) -> None:
    no = Choices(NOW.date(), world.bundle.edition, MappingProxyType({"analyse": False}))
    reach(world, COOKIE, no, NOW)
    later = NOW + dt.timedelta(minutes=1)
    assert record(world, [view(at=later), view("an0ther-c00kie", at=later)], 0, later) == 1
    ana = Identifier("email", "ana@example.org")
    who = world.subjects.of([ana, Identifier("cookie", "an0ther-c00kie")], NOW)
    world.consents.object_to(who, "analytics.own", later, source="page")
    last = later + dt.timedelta(minutes=1)
    assert record(world, [view("an0ther-c00kie", at=last)], 0, last) == 0
    assert outcomes(world, last) == dict.fromkeys(EVERY, Outcome.PASS)


TAMPER: Final = {
    "ALTER TABLE visit_event ADD COLUMN screen text": (DECLARED, "`screen` is nothing"),
    "UPDATE visit_event SET page = '/product?email=ana@example.org'": (DECLARED, "more than their"),
    "UPDATE visit_event SET referrer = 'https://mail.example/ana'": (DECLARED, "than their host"),
    "UPDATE visit_event SET country = '52.5,13.4'": (DECLARED, "finer than a country"),
    "UPDATE visit_event SET browser = 'Mozilla/5.0 (X11) canvas 81ab'": (DECLARED, "their type"),
    "UPDATE visit_event SET mac = 'raw'": (DECLARED, "no keyed hash"),
    "UPDATE visit_event SET at = at + interval '1 day'": (DECLARED, "in the future"),
    "UPDATE visit_event SET why = 'not-asked'": (ALLOWED, "in EEA although `not-asked`"),
    "UPDATE visit_event SET why = 'until-refused'": (ALLOWED, "in EEA although `until-refused`"),
    "UPDATE visit_event SET why = 'refused', region = 'US'": (ALLOWED, "although `refused`"),
    "UPDATE visit_event SET at = at - interval '40 days'": (ALLOWED, "past the time"),
    "INSERT INTO suppression SELECT mac, ':objection:analytics.own', 'cookie', 'browser',"
    " at - interval '1 minute' FROM visit_event": (ALLOWED, "refusal of their browser"),
    "INSERT INTO suppression SELECT mac, '', 'cookie', 'erasure', at - interval '1 minute'"
    " FROM visit_event": (ALLOWED, "refusal of their browser"),
    "INSERT INTO visit_event SELECT sha256(id), at, site, page, referrer, browser, country, mac,"
    " region, why, version, 'log' FROM visit_event": (ONCE, "another road"),
    "INSERT INTO visit_event SELECT sha256(id), at, site, page, referrer, browser, country, mac,"
    " region, why, version, batch FROM visit_event": (ONCE, "more views than were recorded"),
}  # fmt: skip


@pytest.mark.parametrize("words_", TAMPER, ids=lambda text: text[:60])
def test_each_control_fails(world: Controller, words_: str) -> None:
    assert record(world, [view()], 0, NOW) == 1
    statement(world, words_)
    name, finding = TAMPER[words_]
    assert finding in words(world, name)
    others = {n: o for n, o in outcomes(world).items() if n != name}
    assert set(others.values()) == {Outcome.PASS}


def test_a_view_after_the_person_refused_is_found(world: Controller) -> None:
    who = world.subjects.of([Identifier("cookie", COOKIE)], NOW - dt.timedelta(days=1))
    assert record(world, [view()], 0, NOW) == 1
    before = NOW - dt.timedelta(hours=1)
    world.consents.object_to(who, "analytics.own", before, source="page")
    assert "refusal of whose they are" in words(world, ALLOWED)


def test_a_log_for_the_same_activity_would_count_twice(tmp_path: Path, kept_url: str) -> None:
    directory = _world(tmp_path, kept_url)
    edit(directory / "shop.yml", "activities: [communicate]", "activities: [own-analytics]")
    edit(directory / "shop.yml", "about: {category: contact.email,",
         "about: {category: navigation.pages,")  # fmt: skip
    with Controller.open(deployment.read(directory)) as controller:
        assert outcomes(controller)[ONCE] is Outcome.VACUOUS
        assert record(controller, [view()], 0, NOW) == 1
        assert "counts twice" in words(controller, ONCE)


def test_an_undeclared_field_is_not_kept(tmp_path: Path, kept_url: str) -> None:
    directory = _world(tmp_path, kept_url)
    edit(directory / "policy" / "policy.yml", ", navigation.location, cookie]", "]")
    with Controller.open(deployment.read(directory)) as controller:
        assert record(controller, [view()], 0, NOW) == 1
        with controller.database.connection() as c:
            (row,) = c.execute("SELECT country, mac, browser FROM visit_event").fetchall()
        assert row == (None, None, "Firefox")
        statement(controller, "UPDATE visit_event SET country = 'DE'")
        assert "`country`, which is not declared" in words(controller, DECLARED)


def test_a_policy_that_declares_none_records_none(tmp_path: Path, kept_url: str) -> None:
    directory = _world(tmp_path, kept_url)
    file = directory / "policy" / "policy.yml"
    text = file.read_text("utf-8")
    start, end = text.index("  events:\n"), text.index("  texts:\n")
    file.write_text(text[:start] + text[end:], "utf-8")
    with Controller.open(deployment.read(directory)) as controller:
        assert record(controller, [view()], 1, NOW) == 0
        assert (rows(controller), entries(controller)) == ([], [])
        assert deciding.reason(controller.bundle, None) is None  # type: ignore[arg-type]


def test_views_go_when_their_class_is_over_but_for_holds(world: Controller) -> None:
    long_ago = NOW - dt.timedelta(days=31)
    who = world.subjects.of([Identifier("cookie", COOKIE)], long_ago)
    record(world, [view(at=long_ago), view("an0ther", at=long_ago), view(None)], 0, NOW)
    pia = world.actors.of("Pia", "privacy-officer", NOW)
    clause = next(iter(world.bundle.clauses))
    world.holds.add(ground="a dispute", clause=clause, actor=pia, now=NOW, subject=who)
    assert visits.views.forget(world, NOW) == 1
    assert visits.views.forget(world, NOW) == 0
    assert len(rows(world)) == 2
    (entry,) = [dict(e.body) for _, e in world.ledger.entries(kind="views.forgotten")]
    assert (entry["rows"], entry["held"]) == (1, 1)
