"""What may run in a visit: laws of the judgement, under both bundles and any choices."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.decide.visit import judge, under_gpc
from kept.model.choice import Choices
from kept.policy.bundle import Bundle, load
from kept.policy.trackers import Tracker
from kept.policy.visits import NOTHING
from kept.terms.regimes import REGIONS
from kept.terms.signals import ASKS_FIRST, Signals

POLICIES = Path(__file__).parents[2] / "policies"
BUNDLES = [load(POLICIES / name) for name in ("interop.io", "huettenbund")]
REFERENCE = BUNDLES[0]
TODAY = dt.date(2026, 11, 29)


@st.composite
def visits(draw: st.DrawFn) -> tuple[Bundle, str, Choices | None, Signals]:
    bundle = draw(st.sampled_from(BUNDLES))
    region = draw(st.sampled_from([*REGIONS, "", "MOON"]))
    names = st.sampled_from([*bundle.visits.aims, "no-such"])
    rows = st.sampled_from([*bundle.trackers, "no-such"])
    said = draw(
        st.none()
        | st.builds(
            Choices,
            on=st.just(TODAY),
            edition=st.just(bundle.edition),
            aims=st.dictionaries(names, st.booleans()),
            trackers=st.dictionaries(rows, st.booleans(), max_size=3),
        )
    )
    return bundle, region, said, Signals(draw(st.booleans()), draw(st.booleans()))


@given(visits())
def test_an_explicit_choice_wins_then_the_signal_then_the_region(
    case: tuple[Bundle, str, Choices | None, Signals],
) -> None:
    bundle, region, choices, signals = case
    visit = judge(bundle.visits, region, choices, signals)
    chosen = dict(choices.aims) if choices else {}
    assert set(visit.why) == set(bundle.visits.aims)
    for aim in bundle.visits.aims.values():
        on = aim.id in visit.allowed
        if aim.necessary:
            assert on
        elif aim.id in chosen:
            assert on == chosen[aim.id]
        elif (
            (signals.gpc and aim.id in bundle.visits.gpc)
            or region in ASKS_FIRST
            or region not in REGIONS
        ):
            assert not on
        else:
            assert on == (bundle.visits.rules["default"][aim.id] == "opt-out")
    assert not (signals.gpc and visit.ask)


@given(visits())
def test_a_tracker_runs_only_where_all_its_aims_or_its_own_switch_allow(
    case: tuple[Bundle, str, Choices | None, Signals],
) -> None:
    bundle, region, choices, signals = case
    visit = judge(bundle.visits, region, choices, signals)
    own = dict(choices.trackers) if choices else {}
    for row in bundle.trackers.values():
        needed = all(bundle.visits.aims[aim].necessary for aim in row.aims)
        if needed:
            assert visit.allows(row)
        elif row.id in own:
            assert visit.allows(row) == own[row.id]
        elif row.embed or (signals.gpc and row.provider is not None):
            said = dict(choices.aims) if choices else {}
            free = {aim.id for aim in bundle.visits.aims.values() if aim.necessary}
            assert visit.allows(row) == all(said.get(aim) or aim in free for aim in row.aims)
        else:
            assert visit.allows(row) == (set(row.aims) <= visit.allowed)


@given(visits())
def test_under_the_signal_nothing_reaches_others_without_a_yes(
    case: tuple[Bundle, str, Choices | None, Signals],
) -> None:
    bundle, region, choices, signals = case
    silent = judge(bundle.visits, region, choices, Signals(False, signals.dnt))
    heard = judge(bundle.visits, region, choices, Signals(True, signals.dnt))
    # Whoever hears it from the page judges as who hears it from the header.
    late = under_gpc(bundle.visits, silent)
    assert (late.why, late.signals, late.ask) == (heard.why, heard.signals, heard.ask)
    said = dict(choices.aims) if choices else {}
    own = dict(choices.trackers) if choices else {}
    free = {aim.id for aim in bundle.visits.aims.values() if aim.necessary}
    assert heard.shared <= heard.allowed
    assert heard.shared == {aim for aim in heard.why if aim in free or said.get(aim)}
    assert silent.shared == silent.allowed
    for row in bundle.trackers.values():
        assert late.allows(row) == heard.allows(row)
        assert not heard.allows(row) or silent.allows(row)
        if row.provider is not None and not free.issuperset(row.aims) and heard.allows(row):
            assert own.get(row.id, all(said.get(aim) or aim in free for aim in row.aims))
        if row.provider is None and not set(row.aims) & bundle.visits.gpc:
            assert heard.allows(row) == silent.allows(row)


@given(visits())
def test_dnt_decides_nothing(case: tuple[Bundle, str, Choices | None, Signals]) -> None:
    bundle, region, choices, signals = case
    with_it = judge(bundle.visits, region, choices, Signals(signals.gpc, True))
    without = judge(bundle.visits, region, choices, Signals(signals.gpc, False))
    assert with_it.why == without.why


@given(visits())
def test_a_signal_never_allows_more(case: tuple[Bundle, str, Choices | None, Signals]) -> None:
    bundle, region, choices, _ = case
    silent = judge(bundle.visits, region, choices)
    assert judge(bundle.visits, region, choices, Signals(gpc=True)).allowed <= silent.allowed


@pytest.mark.parametrize("region", sorted(ASKS_FIRST | {"MOON", ""}))
def test_nothing_runs_before_a_choice_where_the_law_asks_first(region: str) -> None:
    visit = judge(REFERENCE.visits, region)
    assert visit.allowed == {"operate"}
    assert visit.ask
    assert [t.id for t in REFERENCE.trackers.values() if visit.allows(t)] == [
        "own-choices", "own-session",
    ]  # fmt: skip


@pytest.mark.parametrize("region", ["US", "US-CA", "US-VA", "other"])
def test_declared_tags_run_elsewhere_until_refused(region: str) -> None:
    visit = judge(REFERENCE.visits, region)
    rows = REFERENCE.trackers.values()
    assert [t.id for t in rows if not visit.allows(t)] == [t.id for t in rows if t.embed]
    assert any(t.embed for t in rows)
    assert not visit.ask
    no = Choices(TODAY, REFERENCE.edition, dict.fromkeys(REFERENCE.visits.optional, False))
    assert judge(REFERENCE.visits, region, no).allowed == {"operate"}


def test_a_tracker_without_an_aim_or_with_an_unknown_one_never_runs() -> None:
    row = REFERENCE.trackers["google-analytics"]
    for aims in ((), ("no-such",), ("operate", "no-such")):
        strange = _with(row, aims)
        yes = Choices(TODAY, REFERENCE.edition, {"no-such": True}, {row.id: True})
        assert not judge(REFERENCE.visits, "US", yes).allows(strange)


def test_a_no_to_one_aim_is_a_no_to_a_tracker_that_serves_two() -> None:
    both = _with(REFERENCE.trackers["google-analytics"], ("analyse", "advertise"))
    yes = Choices(TODAY, REFERENCE.edition, {"advertise": True})
    # Under the signal a yes to one of two is none to what serves both.
    assert judge(REFERENCE.visits, "US", yes).allows(both)
    assert not judge(REFERENCE.visits, "US", yes, Signals(gpc=True)).allows(both)
    no = Choices(TODAY, REFERENCE.edition, {"advertise": False})
    assert judge(REFERENCE.visits, "US").allows(both)
    assert not judge(REFERENCE.visits, "US", no).allows(both)


def test_a_bundle_that_says_nothing_allows_nothing() -> None:
    row = REFERENCE.trackers["own-choices"]
    for region in REGIONS:
        visit = judge(NOTHING, region)
        assert not visit.allowed
        assert not visit.ask
        assert not visit.allows(row)


def _with(row: Tracker, aims: tuple[str, ...]) -> Tracker:
    return dataclasses.replace(row, aims=aims)
