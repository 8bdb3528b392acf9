"""RIGHT: until when a request is to be answered, from the day on which it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World, kept
from tests.world import edit, make

ANA = ("--identity", "email=ana@example.org", "--override", "acceptance")
MONDAY, THURSDAY = "2026-11-16", "2026-11-19T10:00:00Z"


@pytest.fixture
def desk(kept_url: str, tmp_path: Path) -> Path:
    """A desk in Cyprus, with nothing to do yet."""
    made = make(tmp_path / "desk", kept_url)
    chosen = '"rights.response-time.eea" = "P1M"\n"rights.response-time.elsewhere" = "P45D"'
    edit(made / "kept.toml", "[choices]", f'[desk]\ncountry = "CY"\n[choices]\n{chosen}')
    return made


def _open(desk: Path, *more: object) -> dict[str, Any]:
    """A case of Ana's to erase what is held of her, as it is shown."""
    opened = kept(desk, "rights", "erase", *ANA, *more)
    now = more[more.index("--now") + 1]
    shown = kept(desk, "case", "show", opened.document["case"], "--now", now)
    document: dict[str, Any] = shown.document
    return document


def _listed(desk: Path, now: str) -> list[tuple[str, str]]:
    cases = kept(desk, "case", "list", "--sort", "due", "--now", now).document["cases"]
    return [(c["due"], c["light"]) for c in cases]


def test_RIGHT_13_the_clock_of_a_letter_starts_on_the_day_on_which_it_came(desk: Path) -> None:
    """It came on Monday and is entered on Thursday."""
    came = _open(desk, "--region", "DE", "--arrived", MONDAY, "--now", THURSDAY)
    entered = _open(desk, "--region", "DE", "--now", THURSDAY)
    assert (came["clock"]["arrived"], came["due"]) == (MONDAY, "2026-12-16")
    # 19 December is a Saturday.
    assert (entered["clock"]["arrived"], entered["due"]) == ("2026-11-19", "2026-12-21")
    # Which day it came is not a thing of the future.
    ahead = kept(desk, "rights", "erase", *ANA, "--arrived", "2026-11-20", "--now", THURSDAY)
    assert (ahead.status, "still to come" in ahead.err) == (2, True)
    wrong = kept(desk, "rights", "erase", *ANA, "--arrived", "Monday", "--now", THURSDAY)
    assert (wrong.status, "ISO 8601" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("region", "came", "due", "source"),
    [
        ("EEA", "2026-01-31", "2026-03-02", "GDPR Art. 12(3) and (6)"),  # 28 is a Saturday
        ("DE", "2026-03-31", "2026-04-30", "GDPR Art. 12(3) and (6)"),
        ("UK", "2026-08-31", "2026-09-30", "UK GDPR Art. 12(3) and 12A; ICO, time limits"),
        ("US-CA", "2026-03-05", "2026-04-19", "11 CCR § 7021"),
        # Easter of Cyprus, not of Germany: 13 April is its Monday.
        ("CY", "2026-03-13", "2026-04-14", "GDPR Art. 12(3) and (6)"),
        ("unknown", "2026-03-05", "2026-03-20", "LGPD Art. 19"),
    ],
)
def test_RIGHT_14_a_figure_for_each_region(
    desk: Path, region: str, came: str, due: str, source: str
) -> None:
    case = _open(desk, "--region", region, "--now", f"{came}T09:00:00Z")
    assert case["due"] == due
    assert (case["clock"]["source"], case["clock"]["place"]) == (source, "CY")
    assert case["clock"]["calendar"].startswith("holidays-")


def test_RIGHT_14_who_is_nearly_late_is_said_before_and_who_is_late_is_seen(desk: Path) -> None:
    case = _open(desk, "--region", "EEA", "--now", "2026-03-05T09:00:00Z")
    id_ = case["case"]
    assert case["due"] == "2026-04-06"  # 5 April is a Sunday, and no holiday there yet
    on = {
        "2026-03-06": "green", "2026-03-26": "amber", "2026-03-31": "red", "2026-04-06": "red",
        "2026-04-07": "overdue",
    }  # fmt: skip
    reminded: list[tuple[str, str]] = []
    for day, light in on.items():
        assert _listed(desk, f"{day}T12:00:00Z") == [("2026-04-06", light)], day
        told = kept(desk, "case", "remind", "--now", f"{day}T12:00:00Z").document["reminded"]
        reminded += [(one["light"], one["role"]) for one in told]
    assert reminded == [
        ("amber", "operator"), ("red", "privacy-officer"), ("overdue", "privacy-officer"),
    ]  # fmt: skip
    # The doctor goes by the clock of this machine, which is later than all that.
    doctor = kept(desk, "doctor")
    [row] = [c for c in doctor.document["checks"] if c["name"] == "answers"]
    assert (doctor.status, row["ok"]) == (1, False)
    assert any(id_ in fix for fix in row["fixes"])
    late = _prove(desk, "2026-04-07T12:00:00Z")
    assert late.status == 1
    assert "waits 1 days past" in late.out
    assert "ana" not in (late.out + doctor.out).lower().replace("banana", "")


def _prove(desk: Path, now: str) -> Ran:
    return kept(desk, "prove", "--clause", "RIGHT-14", "--now", now)


def test_RIGHT_14_no_extension_without_its_notice_inside_the_first_period(desk: Path) -> None:
    case = _open(desk, "--region", "EEA", "--now", "2026-03-05T09:00:00Z")
    now = ("--now", "2026-04-01T12:00:00Z")
    extend = ("case", "extend", case["case"], "--reason", "complex", "--words", "It takes longer.")
    assert kept(desk, *extend, *now).status == 2  # no notice is named
    told = kept(desk, *extend, "--notice-sent", "2026-03-31", *now)
    # From the original start: three months after 5 March.
    assert (told.status, told.document["due"]) == (0, "2026-06-05")
    again = kept(desk, *extend, "--notice-sent", "2026-03-31", *now)
    assert (again.status, "extended before" in again.err) == (2, True)
    shown = kept(desk, "case", "show", case["case"], *now, json=False)
    assert "may take longer" in shown.out
    assert "2026-04-06" in shown.out
    assert "It takes longer" not in shown.out
    assert _prove(desk, now[1]).status == 0


def test_RIGHT_14_a_notice_that_is_entered_afterwards_extends_nothing(desk: Path) -> None:
    case = _open(desk, "--region", "EEA", "--now", "2026-03-05T09:00:00Z")
    now = ("--now", "2026-04-20T12:00:00Z")
    extend = ("case", "extend", case["case"], "--reason", "complex", "--words", "It takes longer.")
    for day in ("2026-04-07", "2026-04-01"):  # after the first period, and said to be inside it
        late = kept(desk, *extend, "--notice-sent", day, *now)
        assert (late.status, "no notice was entered" in late.err) == (2, True)
    assert _listed(desk, now[1]) == [("2026-04-06", "overdue")]
    assert _prove(desk, now[1]).status == 1


def test_RIGHT_14_a_clock_stands_still_only_where_the_law_lets_it(desk: Path) -> None:
    uk, eea = (
        _open(desk, "--region", region, "--now", "2026-06-01T09:00:00Z")["case"]
        for region in ("UK", "EEA")
    )
    asked = ("--reason", "clarification", "--on", "2026-06-03", "--now", "2026-06-03T12:00:00Z")
    refused = kept(desk, "case", "pause", eea, *asked)
    assert (refused.status, "does not let the clock stand still" in refused.err) == (2, True)
    assert kept(desk, "case", "pause", uk, *asked).document["light"] == "paused"
    gone_on = kept(desk, "case", "resume", uk, "--now", "2026-06-08T12:00:00Z").document
    assert (gone_on["due"], gone_on["clock"]["unpaused"]) == ("2026-07-06", "2026-07-01")


def test_RIGHT_14_requests_of_the_company_are_answered_in_time(world: World) -> None:
    email = world.stranger()
    asked = ("rights", "erase", "--identity", f"email={email}", "--override", "acceptance")
    ran = world.kept(*asked, "--region", "DE")
    shown = world.kept("case", "show", ran.document["case"]).document
    assert shown["light"] in ("green", "amber")
    assert shown["clock"]["rule"].startswith("eea:")
    end = (
        "case",
        "refuse",
        ran.document["case"],
        "--reason",
        "not-identified",
        "--words",
        "Nobody by that name.",
    )
    assert world.kept(*end).status == 0
    world.proven("RIGHT-14")
