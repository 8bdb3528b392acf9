"""Due: until when rows stay, and who says so."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.datamap.map import DataMap, Dataset, Field, Link, Owner, System
from kept.decide.due import Law, due, hold_until, laws, merge, split, statutory, strength
from kept.decide.ties import Ties, norm
from kept.model.plan import Reason
from kept.model.select import KeyTable
from kept.model.values import Value
from kept.policy.shapes import LawHold, RetentionClass

LAW = Law("invoices", "§ 147 AO", "books are kept by law", "P10Y", "KEEP-1")
TODAY = dt.date(2024, 5, 1)
EAST = dt.timezone(dt.timedelta(hours=14))


@pytest.mark.parametrize(
    ("keep", "clock", "until"),
    [
        ("P10Y", dt.date(2020, 2, 29), dt.date(2030, 2, 28)),
        ("P1M", dt.date(2024, 1, 31), dt.date(2024, 2, 29)),
        ("P30D", dt.datetime(2024, 1, 1, 23, 59, tzinfo=dt.UTC), dt.date(2024, 1, 31)),
        (
            "P1Y",
            dt.datetime(2024, 1, 1, 23, 59, tzinfo=dt.UTC).replace(tzinfo=None),
            dt.date(2025, 1, 1),
        ),
        ("P1Y", dt.datetime(2024, 1, 1, 5, tzinfo=EAST), dt.date(2024, 12, 31)),
        ("P1Y", "2023-07-01 10:00:00", dt.date(2024, 7, 1)),
        ("P1Y", "2023-07-01", dt.date(2024, 7, 1)),
        ("P1Y", None, None),
        (None, dt.date(2020, 1, 1), None),
        ("P1Y", "0000-00-00", None),
        ("P1Y", "soon", None),
        ("P1Y", 20200101, None),
        ("P999Y", dt.date(9999, 1, 1), None),
    ],
)
def test_the_end_of_a_hold(keep: str | None, clock: Value, until: dt.date | None) -> None:
    assert hold_until(keep, clock) == until


@given(st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)), st.integers(0, 200))
def test_a_row_is_due_from_its_day_on_and_not_a_day_before(clock: dt.date, months: int) -> None:
    keep = f"P{months}M"
    until = hold_until(keep, clock)
    assert until is not None
    assert due(keep, clock, until)
    assert not due(keep, clock, until - dt.timedelta(days=1))
    assert not due(keep, None, until)
    assert not due(None, clock, until)


@given(
    st.dictionaries(
        st.integers(0, 30), st.none() | st.dates(dt.date(2005, 1, 1), dt.date(2024, 5, 1)),
        max_size=12,
    )
)  # fmt: skip
def test_split_gives_every_row_one_side(dates: dict[int, dt.date | None]) -> None:
    rows = tuple((who, (key,)) for key in dates for who in (0, 1))
    held, free = split(KeyTable(("id",), rows), LAW, {(k,): d for k, d in dates.items()}, TODAY)
    named = [row for table, _ in held for row in table.rows] + list(free.rows)
    assert sorted(named) == sorted(rows)
    for table, why in held:
        assert why.until is None or why.until > TODAY
        assert (why.law, why.clause) == ("§ 147 AO", "KEEP-1")
        for _, (key,) in table.rows:
            clock = dates[key]
            assert hold_until("P10Y", clock) == why.until
    for _, (key,) in free.rows:
        clock = dates[key]
        assert clock is not None
        assert due("P10Y", clock, TODAY)


def test_keys_that_come_back_in_another_type_are_the_same_keys() -> None:
    table = KeyTable(("id",), ((0, ("7",)),))
    _, free = split(table, LAW, {norm((7,)): dt.date(2000, 1, 1)}, TODAY)
    assert free == table


def test_a_period_that_is_not_decided_has_no_end_and_says_so() -> None:
    law = Law("invoices", "§ 147 AO", "books are kept by law", None, "KEEP-1")
    table = KeyTable(("id",), ((0, (1,)),))
    ((_, why),), free = split(table, law, {(1,): dt.date(1990, 1, 1)}, TODAY)
    assert why.until is None
    assert "not decided" in why.words
    assert not free.rows


def test_laws_of_a_bundle_are_those_of_its_classes_that_have_one() -> None:
    def one(name: str, law: LawHold | None) -> RetentionClass:
        return RetentionClass(
            name, "contact", "creation", "P1Y", None, ("erase",), ("KEEP-1",), law, None, 1
        )  # fmt: skip

    hold = LawHold("§ 147 AO", "books are kept by law", "P10Y")
    assert laws({"a": one("a", None), "invoices": one("invoices", hold)}) == {"invoices": LAW}
    # The clause that lets them stay is the one to name, where the law has one.
    cited = one("invoices", replace(hold, clause="HOLD-1"))
    assert laws({"invoices": cited}) == {"invoices": replace(LAW, clause="HOLD-1")}


def chain(clock: str | None = None) -> DataMap:
    def one(name: str, to: str | None, **more: object) -> Dataset:
        fields = {"id": Field("id", "integer"), "up": Field("up", "integer")}
        links = (Link(("up",), to, ("id",), Owner.OWNED),) if to else ()
        return Dataset(name, ("id",), fields, links, "invoices", **more)  # type: ignore[arg-type]

    datasets = [
        one("invoice", None, clock="made"), one("line", "invoice"), one("tax", "line"),
        one("own", "invoice", clock=clock or "made"),
    ]  # fmt: skip
    return DataMap({"s": System("s", datasets={d.name: d for d in datasets}, store="memory")})


def keys(*ids: int) -> KeyTable:
    return KeyTable(("id",), tuple((0, (i,)) for i in ids))


def test_rows_without_a_date_of_their_own_share_the_fate_of_those_they_belong_to() -> None:
    found = {("s", "invoice"): keys(1, 2), ("s", "line"): keys(10, 20, 30), ("s", "tax"): keys(100)}
    dates = {("s", "invoice"): {(1,): dt.date(2020, 1, 1), (2,): dt.date(2000, 1, 1)}}
    edges = {
        (("s", "line"), (10,)): ((("s", "invoice"), (1,)),),
        (("s", "line"), (20,)): ((("s", "invoice"), (2,)),),
        (("s", "tax"), (100,)): ((("s", "line"), (10,)),),
    }
    held = statutory(chain(), found, {"invoices": LAW}, dates, Ties(edges=edges), TODAY)
    told = {p[1]: {k: w.until for t, w in r for _, (k,) in t.rows} for p, r in held.items()}
    assert told == {
        "invoice": {1: dt.date(2030, 1, 1)},
        "line": {10: dt.date(2030, 1, 1), 30: None},  # whose invoice is not known stays
        "tax": {100: dt.date(2030, 1, 1)},
    }


def test_rows_with_a_date_of_their_own_count_by_it() -> None:
    found = {("s", "invoice"): keys(1), ("s", "own"): keys(10)}
    dates = {
        ("s", "invoice"): {(1,): dt.date(2020, 1, 1)},
        ("s", "own"): {(10,): dt.date(2000, 1, 1)},
    }
    held = statutory(chain(), found, {"invoices": LAW}, dates, Ties(), TODAY)
    assert list(held) == [("s", "invoice")]


def test_a_reason_without_an_end_is_the_strongest() -> None:
    dated = Reason("a", "law", dt.date(2090, 1, 1), "C")
    endless = Reason("b", None, None, "C")
    assert max(dated, endless, key=strength) is endless
    later = Reason("a", "law", dt.date(2091, 1, 1), "C")
    assert max(dated, later, key=strength) is later
    place = ("s", "a")
    assert merge({place: ((keys(1), dated),)}, {place: ((keys(1), later),)}) == {
        place: ((keys(1), dated), (keys(1), later))
    }
