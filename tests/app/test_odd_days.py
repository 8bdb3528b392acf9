"""Clocks that go forward and back, a day that most years do not have, and a flood of reports."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.asking import Desk, desk

from kept.duties.rights import Request, freeze_reported, intake, preview, reminding, reported
from kept.errors import Denied
from kept.terms.identifiers import parse

ANA = "ana@example.org"
HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def asked(kept_module_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    place: Path = tmp_path_factory.mktemp("odd") / "world"
    with desk(place, kept_module_url, extra='[desk]\nzone = "Europe/Berlin"\n') as one:
        yield one


@pytest.mark.parametrize(("day", "hours"), [("2027-03-28", 23), ("2027-10-31", 25)])
def test_a_day_on_which_clocks_change_is_one_day(asked: Desk, day: str, hours: int) -> None:
    odd = dt.date.fromisoformat(day)
    start = dt.datetime.combine(odd, dt.time(), dt.UTC) - 24 * HOUR
    days = [asked.controller.day(start + n * HOUR) for n in range(96)]
    assert days == sorted(days)
    lengths = {d: len(list(g)) for d, g in itertools.groupby(days)}
    assert lengths[odd] == hours
    assert lengths[odd + dt.timedelta(days=1)] == 24


@pytest.mark.parametrize("change", ["2027-03-28T00:55", "2027-10-31T00:55"])
def test_a_code_lives_ten_minutes_also_when_clocks_change(asked: Desk, change: str) -> None:
    """By the clock on the wall it would be an hour and ten minutes, or end before it began."""
    for minutes, good in ((9, True), (11, False)):
        asked.now = dt.datetime.fromisoformat(change).replace(tzinfo=dt.UTC)
        asked.inbox.letters.clear()
        at = asked.ask("access", email=ANA, words=f"{minutes} {change}")
        asked.later(minutes=minutes)
        typed = asked.post(at, {"do": "code", "code": asked.inbox.code(ANA)})
        assert (typed.headers["Location"] != at) is good


def test_what_comes_on_a_leap_day_has_its_month(asked: Desk) -> None:
    asked.now = dt.datetime(2028, 2, 28, 23, 30, tzinfo=dt.UTC)  # half past midnight in Berlin
    request = Request(((parse(f"email={ANA}"),),), region="EEA")
    case = preview(asked.controller, request, asked.now).case
    assert case is not None
    clock = asked.controller.clocks.of(asked.controller.cases.get(case))
    assert clock is not None
    assert (clock.arrived, clock.due) == (dt.date(2028, 2, 29), dt.date(2028, 3, 29))


def test_a_flood_of_reports_freezes_few_and_waits_for_a_person(
    asked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports stop every use of a record: from one place few an hour, from all together so many;
    beyond that they wait, the officers are alerted, and who asks for herself is heard all the same.
    """
    asked.now = dt.datetime(2028, 5, 3, 12, tzinfo=dt.UTC)
    controller = asked.controller
    monkeypatch.setattr(reported, "AT_ONCE", (3, 10))
    monkeypatch.setattr(intake, "limits", lambda _: (*intake.LIMITS, 30))

    def report(n: int) -> int:
        about = f"p{n}@example.org"
        return asked.post(
            "/privacy/requests/child", {"about": about, "once": f"{n:032x}", "words": "eleven"}
        ).status_code

    def frozen() -> int:
        return sum("child" in asked.held(f"email=p{n}@example.org") for n in range(60))

    before = {one.id for one in controller.intakes.all()}
    assert {report(n) for n in range(30)} == {303}
    assert frozen() == 3
    (alert,) = controller.watch.alerts(unseen=True)
    assert (alert.what, alert.people) == ("report-flood", 4)
    # Others are not kept from being heard by it: what waits uses up nothing.
    for n in range(30, 45):
        asked.source = f"198.51.100.{n}"
        assert report(n) == 303
    assert frozen() == 10
    assert len(controller.watch.alerts(unseen=True)) == 1, "one an hour"
    # Nothing is lost, and nobody gets a mail for each: the officers hear of all together.
    held = controller.intakes.held()
    assert len(held) == 45 - 10
    assert len({one.id for one in controller.intakes.all()} - before) == 45
    calls = [c for c in reminding.calls(controller, asked.now) if c.officers]
    assert not {c.about for c in calls} & {one.id for one in held}
    assert [c.words.count("35 wait") for c in calls if c.about == "reports"] == [1]
    # The job freezes none of them before somebody says so; then what was named, and no more.
    assert freeze_reported(controller, asked.now) == 0
    assert frozen() == 10
    some = [one.id for one in held[:5]]
    kim = {"actor": "Kim", "now": asked.now}
    with pytest.raises(Denied):
        reported.release(controller, some, "freeze", "", role="intake", **kim)  # type: ignore[arg-type]
    made = reported.release(controller, some, "freeze", "", role="privacy-officer", **kim)  # type: ignore[arg-type]
    assert (made.done, made.left) == (tuple(some), ())
    assert frozen() == 15
    rest = [one.id for one in controller.intakes.held()]
    done = reported.release(controller, rest, "unfounded", "all from one office",
                            role="privacy-officer", **kim)  # type: ignore[arg-type]  # fmt: skip
    assert (len(done.done), controller.intakes.held(), frozen()) == (30, [], 15)
    # Who asks for something of her own is not shut out by reports.
    assert asked.ask("access", email="gil@example.org")
    # An hour later others are frozen at once again.
    asked.later(hours=1, seconds=1)
    assert report(59) == 303
    assert frozen() == 16
