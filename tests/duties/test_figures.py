"""Figures of requests: the same as the ledger's by other code, and few are never told apart."""

from __future__ import annotations

import datetime as dt
import itertools
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept import deployment
from kept.controller import Controller
from kept.duties import figures, rights
from kept.duties.figures import OUTCOMES, Row, covered, grouped
from kept.duties.rights import Request, close_case, mailing
from kept.duties.rights.parts import refuse_part
from kept.duties.rights.request import open_case
from kept.terms.identifiers import Identifier
from kept.terms.refusals import REFUSALS
from tests.world import NOW, make

DAY = dt.timedelta(days=1)
END = NOW + 60 * DAY  # in the next year


@pytest.fixture(scope="module")
def controller(
    tmp_path_factory: pytest.TempPathFactory, kept_module_url: str
) -> Iterator[Controller]:
    """Six accesses answered, one late; erasures carried out, refused, taken back and open, and one
    that ended of which nobody was told.
    """
    directory = make(tmp_path_factory.mktemp("figures") / "w", kept_module_url)
    with Controller.open(deployment.read(directory)) as opened:
        officer = opened.actors.of("Pia", "privacy-officer", NOW)

        def asked(name: str, arrived: int = 0) -> Request:
            who = ((Identifier("email", f"{name}@example.org"),),)
            day = NOW.date() - arrived * DAY
            return Request(who, region="UK", arrived=day, override="a test")

        def told(case: str, at: dt.datetime) -> None:
            mailing.handed(opened, case, at.date(), officer, at)

        for n, days in enumerate((0, 3, 4, 4, 9, 40)):
            request = asked("cleo", days)
            made = rights.access(opened, request, NOW, out=directory / f"{n}.zip")
            told(made.case, NOW)
        told(rights.erase(opened, asked("ana", 2), NOW).case, NOW)  # an invoice stays
        told(rights.erase(opened, asked("cleo", 1), NOW + DAY).case, NOW + 2 * DAY)
        rights.erase(opened, asked("cleo", 1), NOW + DAY)
        for outcome in ("refused", "withdrawn"):
            case = rights.preview(opened, asked("ben"), NOW).case
            code = next(iter(REFUSALS))
            close_case(opened, case, outcome, "words", officer, NOW + 5 * DAY, code=code)  # type: ignore[arg-type]
            if outcome == "refused":
                told(case, NOW + 5 * DAY)
        rights.preview(opened, asked("ben", 20), NOW)
        yield opened


def from_the_ledger(controller: Controller, year: int) -> dict[tuple[str, str], dict[str, Any]]:
    """The same by the ledger's entries alone, one after the other."""
    cases: dict[str, dict[str, Any]] = {}
    for kind in ("case.opened", "case.moved", "case.closed", "clock.moved"):
        for _, entry in controller.ledger.entries(kind=kind):
            body = entry.body
            case = cases.setdefault(str(body["case"]), {"outcome": "open", "extended": False})
            day = entry.at.astimezone(controller.desk.zone).date()
            if kind == "case.opened":
                case.update(right=body["right"], arrived=dt.date.fromisoformat(body["arrived"]),
                            due=body["due"], rule=str(body["rule"]).partition(":")[0])  # fmt: skip
            elif kind == "case.moved" and body["state"] == "withdrawn":
                case.update(outcome="withdrawn", day=day)
            elif kind == "case.moved" and body["state"] == "refused":
                case.update(end="refused")
            elif kind == "case.closed":
                stays = body.get("retained", 0) + body.get("isolated", 0)
                part = stays and case["right"] == "erasure"
                case.update(end="partly" if part else "whole")
            elif kind == "clock.moved":
                case.update(due=body["due"])
                case["extended"] |= body["act"] == "extended"
                if body["act"] == "posted":  # it ended before, in this world
                    case.update(outcome=case["end"], day=dt.date.fromisoformat(body["dated"]))
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for case in cases.values():
        if case["arrived"].year == year:
            groups.setdefault((case["right"], case["rule"].partition("-")[0].upper()), []).append(
                case
            )
    made = {}
    for name, group in groups.items():
        answered = [c for c in group if c["outcome"] in ("whole", "partly", "refused")]
        days = [(c["day"] - c["arrived"]).days for c in answered]
        made[name] = {
            "received": len(group),
            **{o: sum(c["outcome"] == o for c in group) for o in OUTCOMES},
            "median": statistics.median_low(days) if days else None,
            "late": sum(c["day"].isoformat() > c["due"] for c in answered),
            "extended": sum(c["extended"] for c in group),
        }
    return made


def test_the_table_is_what_the_ledger_says(controller: Controller) -> None:
    rows = figures.counted(controller, 2026, END)
    expected = from_the_ledger(controller, 2026)
    assert {(r.right, r.regime) for r in rows} == set(expected) == {
        ("access", "UK"), ("erasure", "UK"),
    }  # fmt: skip
    for row in rows:
        one = expected[(row.right, row.regime)]
        assert {name: getattr(row, name) for name in one} == one
        assert row.channel == "staff"
    access, erasure = rows
    assert (access.received, access.whole, access.late, access.median) == (6, 6, 1, 4)
    assert (erasure.partly, erasure.whole, erasure.refused, erasure.withdrawn) == (1, 1, 1, 1)
    # Of one that ended nobody was told, so it waits.
    assert (erasure.open, erasure.oldest) == (2, (END.date() - NOW.date()).days + 20)
    assert figures.counted(controller, 2025, END) == []


def test_what_is_granted_but_for_a_part_is_not_counted_as_whole(
    kept_url: str, tmp_path: Path
) -> None:
    with Controller.open(deployment.read(make(tmp_path / "w", kept_url))) as controller:
        officer = controller.actors.of("Pia", "privacy-officer", NOW)
        who = ((Identifier("email", "ana@example.org"),),)
        case, _, _ = open_case(controller, "access", Request(who, override="a test"), NOW)
        refuse_part(controller, case.id, "shop.note", "others-rights", "a word", officer, NOW)
        rights.access(controller, Request((), case=case.id), NOW, out=tmp_path / "a.zip")
        mailing.handed(controller, case.id, NOW.date(), officer, NOW)
        (row,) = figures.counted(controller, 2026, END)
        assert (row.received, row.whole, row.partly) == (1, 0, 1)
        # Of whom nobody said where she lives the strictest rule counts, and not its country.
        assert row.regime == "unknown"


def test_a_row_that_somebody_typed_counts_nothing(controller: Controller) -> None:
    before = figures.counted(controller, 2026, END)
    with controller.database.connection() as c:
        c.execute(
            'INSERT INTO rights_case (id, "right", state, actor, people, opened_at, changed_at,'
            " closed_at, complete) SELECT 'typed', 'access', 'closed', actor, 1, opened_at,"
            " changed_at, closed_at, true FROM rights_case WHERE closed_at IS NOT NULL LIMIT 1"
        )
    assert figures.counted(controller, 2026, END) == before
    with controller.database.connection() as c:
        c.execute("DELETE FROM rights_case WHERE id = 'typed'")


def test_what_is_shown_hides_the_few(controller: Controller) -> None:
    shown = figures.requests(controller, 2026, END)
    assert (shown.received, shown.least, shown.expired) == (12, 5, 0)
    access, erasure = shown.rows
    assert (access.received, access.whole, access.median) == (6, 6, 4)
    assert access.late is None, "one late of six would be one person"
    assert [getattr(erasure, name) for name in OUTCOMES] == [None] * 5
    assert figures.requests(controller, 2025, END).received is None


def test_reasons_are_what_the_ledger_says_and_few_are_not_told(controller: Controller) -> None:
    met: dict[str, int] = {}
    for _, entry in controller.ledger.entries(kind="case.moved"):
        if entry.body["state"] == "refused":
            met[str(entry.body["code"])] = met.get(str(entry.body["code"]), 0) + 1
    told = {r: n for what, r, n in figures.reasons(controller, 2026, END) if what == "refused"}
    assert told == met == {next(iter(REFUSALS)): 1}
    assert figures.requests(controller, 2026, END).reasons.get("refused", ()) == ()


@given(st.lists(st.integers(1, 12), max_size=6))
def test_reasons_of_few_are_put_together(counts: list[int]) -> None:
    made = figures.gathered([(f"r{n}", count) for n, count in enumerate(counts)], 5)
    assert all(n >= 5 for _, n in made)
    assert sum(n for _, n in made) == (sum(counts) if sum(counts) >= 5 else 0)


@given(st.integers(0, 20), st.integers(0, 20))
def test_parts_of_a_month_stand_apart_only_where_neither_is_of_few(good: int, late: int) -> None:
    apart = figures.parted(good, late, 5)
    assert apart == (good + late >= 5 and good not in range(1, 5) and late not in range(1, 5))


COUNTS = st.tuples(*[st.integers(0, 12)] * 5)


def row(counts: tuple[int, ...], name: str = "access") -> Row:
    days = tuple(range(sum(counts[:3])))
    return Row(name, "EEA", "web", sum(counts), *counts, None, min(1, len(days)), 0, 3, days)


@given(COUNTS)
def test_no_count_of_few_follows_from_the_others(counts: tuple[int, ...]) -> None:
    """Every count of 1 to 4 could, by all that is shown, be another."""
    if sum(counts) < 5:
        return
    safe = covered(row(counts), 5)
    shown = {n: getattr(safe, n) for n in OUTCOMES}
    for name, value in shown.items():
        assert value is None or value == 0 or value >= 5, (name, value)
    hidden = [n for n, value in shown.items() if value is None]
    left = safe.received - sum(v for v in shown.values() if v is not None)
    if hidden:
        assert len(hidden) > 1
        assert left >= 5
    if safe.late is not None:
        assert safe.late == 0 or safe.late >= 5


@given(st.lists(COUNTS, max_size=6))
def test_groups_of_few_are_put_together_and_nobody_is_lost(all_: list[tuple[int, ...]]) -> None:
    rows = [row(counts, f"r{n}") for n, counts in enumerate(all_) if sum(counts)]
    made = grouped(rows, 5)
    assert all(r.received >= 5 for r in made)
    total = sum(r.received for r in rows)
    assert sum(r.received for r in made) == (total if total >= 5 else 0)
    for one in made:
        assert one.received == sum(getattr(one, name) for name in OUTCOMES)
    assert len({(r.right, r.regime, r.channel) for r in made}) == len(made)
    assert all(a != b for a, b in itertools.combinations(made, 2))
