"""Anonymising: coarse is coarse however often, and nobody is alone."""

from __future__ import annotations

import datetime as dt
import decimal
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.datamap import anonymise
from kept.datamap.map import DataMap, Dataset, Field, Link, OnErase, System
from kept.decide.anonymise import Crowd, left, settle
from kept.errors import UsageError
from kept.model.codec import decode_plan, encode_plan
from kept.model.generalise import generalise, method, takes
from kept.model.plan import Action, Plan, Step
from kept.model.select import KeyTable
from kept.model.values import Value

METHODS = st.one_of(
    st.sampled_from(["suppress", "keep", "year", "month"]),
    st.builds("band-{}".format, st.integers(1, 10**6)),
    st.builds("prefix-{}".format, st.integers(1, 50)),
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.dates(),
    st.datetimes(), st.datetimes(timezones=st.just(dt.UTC)), st.binary(),
    st.floats(allow_nan=False, min_value=-1e15, max_value=1e15),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12),
)  # fmt: skip


@given(METHODS, VALUES)
def test_done_twice_it_is_done_once(how: str, value: Value) -> None:
    once = generalise(how, value)
    assert generalise(how, once) == once


@given(METHODS, VALUES, VALUES)
def test_it_makes_no_two_values_differ_that_were_alike(how: str, a: Value, b: Value) -> None:
    if a == b and type(a) is type(b):
        assert generalise(how, a) == generalise(how, b)


@given(METHODS.filter(lambda m: m != "keep"), VALUES)
def test_a_value_that_the_method_is_not_for_does_not_stay(how: str, value: Value) -> None:
    kinds = {bool: "boolean", int: "integer", float: "real", decimal.Decimal: "decimal",
             str: "text", dt.date: "date", dt.datetime: "datetime", bytes: "bytes"}  # fmt: skip
    kind = kinds.get(type(value))
    if how == "suppress" or (kind is not None and not takes(how, kind)):  # type: ignore[arg-type]
        assert generalise(how, value) is None


@pytest.mark.parametrize("how", ["", "band", "band-0", "band--1", "prefix-x", "hash", "year-2"])
def test_there_is_no_such_method(how: str) -> None:
    with pytest.raises(UsageError):
        method(how)


DATASET = Dataset(
    "visit", ("id",),
    {
        "id": Field("id", "integer"),
        "customer": Field("customer", "integer", category="identifier.account"),
        "age": Field("age", "integer", category="support-case", anonymise="band-10"),
        "town": Field("town", category="support-case", anonymise="prefix-1"),
    },
    (Link(("customer",), "customer", ("id",)),),
    on_erase=OnErase.ANONYMISE, k=3,
)  # fmt: skip
PLACE = ("desk", "visit")
WORLD = DataMap({"desk": System("desk", datasets={"visit": DATASET})})

rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 30), st.sampled_from(["Ab", "Ac", "Bc", ""])),
    min_size=1, max_size=25,
)  # fmt: skip
there = st.dictionaries(
    st.tuples(st.sampled_from([0, 10, 20, 30]), st.sampled_from(["A", "B", ""])),
    st.integers(1, 3), max_size=4,
)  # fmt: skip


@given(rows, there)
def test_no_group_that_stays_is_smaller_than_k(
    told: list[tuple[int, int, str]], crowd: dict[tuple[Value, ...], int]
) -> None:
    table = KeyTable(("id",), tuple((who, (n,)) for n, (who, _, _) in enumerate(told)))
    step = Step(1, *PLACE, Action.ANONYMISE, table, assign=anonymise.assigned(DATASET))
    said = {(n,): (age, town) for n, (_, age, town) in enumerate(told)}
    made = settle(Plan("erasure", 6, (step,), ()), WORLD, {PLACE: Crowd(said, crowd)})
    # Every row once, in one of two ways.
    assert sorted(r for s in made.steps for r in s.keys.rows) == sorted(table.rows)
    assert [s.number for s in made.steps] == list(range(1, len(made.steps) + 1))
    people: dict[tuple[Value, ...], set[int]] = {}
    for who, (n,) in table.rows:
        people.setdefault(left(WORLD, PLACE, said[n,]), set()).add(who)
    for one in made.steps:
        kept = one.assign == anonymise.assigned(DATASET)
        assert kept or one.assign == anonymise.assigned(DATASET, rare=True)
        groups = Counter(left(WORLD, PLACE, said[key]) for _, key in one.keys.rows)
        for group in groups:
            alike = len(people[group]) + crowd.get(group, 0)
            assert (alike >= 3) == kept
    assert decode_plan(encode_plan(made)).steps == made.steps


def test_nothing_that_leads_to_anybody_is_left() -> None:
    for rare in (False, True):
        assigned = anonymise.assigned(DATASET, rare=rare)
        assert {"customer"} <= assigned.keys()
        assert "id" not in assigned
    assert anonymise.told(DATASET) == ("age", "town")
