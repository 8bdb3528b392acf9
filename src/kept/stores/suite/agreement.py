"""The laws against the model: random predicates and changes, and the memory store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from kept.model.change import Change, Const, PerRow, Template
from kept.model.predicate import (
    And,
    Before,
    Bits,
    Contains,
    Eq,
    In,
    IsNull,
    Not,
    Or,
    Predicate,
    matches,
)
from kept.model.select import Join, KeyTable, Route, Select
from kept.model.values import Value
from kept.stores.memory import MemoryStore
from kept.stores.suite.laws import Laws
from kept.stores.suite.sample import (
    BY_NAME,
    DATASETS,
    PERSON,
    SIZE,
    TO_ORDER,
    TO_PERSON,
    lacking,
    moment,
    order_of,
    sample,
    say,
)


class AgreementLaws(Laws):
    """On anything that can be asked, the store agrees with the law written out."""

    def test_predicates_agree_with_the_law(self) -> None:
        """Random predicates find the rows that model.predicate.matches says."""
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st

        store = self.fresh()
        rows = sample()["person"]

        @settings(
            max_examples=self.examples * 3,
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(_predicates(st, rows, self.without))
        def agree(predicate: Predicate) -> None:
            expected = sorted([r["id"] for r in rows if matches(predicate, r)], key=repr)
            assert self.ids(store, predicate) == expected

        agree()

    def test_sequences_agree_with_memory(self) -> None:
        """Random changes leave the same rows, and give the same counts, as the memory store."""
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st

        @settings(
            max_examples=self.examples,
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(_changes(st, self.without), min_size=1, max_size=5))
        def agree(changes: list[Change]) -> None:
            store = self.fresh()
            rows = {
                name: [
                    {f: v for f, v in r.items() if name != "person" or f not in self.without}
                    for r in given_rows
                ]
                for name, given_rows in sample().items()
            }
            model = MemoryStore("model", DATASETS, rows=rows)
            for change in changes:
                with store.session() as ours, model.session() as theirs:
                    assert ours.count([change.select]) == theirs.count([change.select])
                    assert (
                        ours.keys([change.select])[change.select.dataset].normalised()
                        == theirs.keys([change.select])[change.select.dataset].normalised()
                    )
            assert self.do(store, *changes) == self.do(model, *changes)
            expected = {
                name: sorted(found, key=partial(order_of, BY_NAME[name]))
                for name, found in self.content(model).items()
            }
            assert self.content() == lacking(expected, self.without)

        agree()


def _predicates(st: Any, rows: Sequence[Mapping[str, Value]], without: frozenset[str]) -> Any:
    """Predicates over the sample's fields; most values stand in some row."""
    fields = [f for f in PERSON.fields if f not in without]
    stray: list[Value] = [
        None,
        "",
        "ana",
        "%",
        0,
        5,
        True,
        1.5,
        dt.date(1990, 2, 1),
        b"",
        moment(2),
    ]

    def values(field: str) -> Any:
        return st.sampled_from([r[field] for r in rows] + stray)

    def leaf(field: str) -> Any:
        options = [
            st.builds(Eq, st.just(field), values(field)),
            st.builds(In, st.just(field), st.lists(values(field), max_size=4).map(tuple)),
            st.just(IsNull(field)),
        ]
        if field in ("born", "seen"):
            moments = [dt.date(1990, 2, 1), moment(2), moment(2).replace(tzinfo=dt.UTC)]
            options.append(st.builds(Before, st.just(field), st.sampled_from(moments)))
        if field == "bits":
            words = st.sampled_from([0, 1, 4, 5, 7, 2**62])
            options.append(st.builds(Bits, st.just(field), words, words))
        if field in ("email", "name"):
            texts = st.sampled_from(["ana@x.de", "ana", "a%", "àé@x.de", "o'hara \"\\"])
            options.append(st.builds(Eq, st.just(field), texts, st.just(True)))
            parts = st.lists(st.sampled_from(["ana", "a%", "_a", "àé", "", "xde", "@x.d", '"']))
            options.append(st.builds(Contains, st.just(field), parts.map(tuple), st.booleans()))
        return st.one_of(options)

    leaves = st.sampled_from(fields).flatmap(leaf)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(And, st.lists(inner, max_size=3).map(tuple)),
            st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
            st.builds(Not, inner),
        ),
        max_leaves=6,
    )


def _changes(st: Any, without: frozenset[str]) -> Any:
    """Changes that no constraint forbids: lines go first, keys are never assigned."""
    person = st.sampled_from([0, 0, 1, 2])
    number = st.sampled_from([None, 1, 2, 4, 5, 8, 10, 12, "1", "x", 99])
    mail = st.sampled_from(["ana@x.de", "a_a@x.de", "%", "àé@x.de"])

    def route(field: str, value: Any, path: tuple[Join, ...], folded: bool) -> Any:
        rows = st.lists(st.tuples(person, st.tuples(value)), min_size=1, max_size=4)
        return st.builds(
            Route, st.builds(KeyTable, st.just((field,)), rows.map(tuple)), st.just(path),
            st.just(folded),
        )  # fmt: skip

    def routes(key: str, path: tuple[Join, ...]) -> Any:
        ways = [route(key, number, (), False), route("id", number, path, False),
                route("email", mail, path, True), route("email", mail, path, False)]  # fmt: skip
        return st.lists(st.one_of(ways), min_size=1, max_size=3).map(tuple)

    line = st.builds(
        Select, st.just("line"), st.just(("order_id", "n")), routes("n", (TO_ORDER, TO_PERSON))
    )
    rows_of_person = st.builds(Select, st.just("person"), st.just(("id",)), routes("id", ()))
    texts = st.sampled_from(["", "x'", "ana@x.de", None])
    assign = st.fixed_dictionaries(
        {"name": st.one_of(st.builds(Const, texts), st.just(Template("{id}/{email}")))},
        optional={
            "email": st.one_of(
                st.just(Template("e-{id}")),
                st.just(PerRow(lambda r: say(r["id"], ":", r["name"]))),
            ),
            "bits": st.builds(Const, st.sampled_from([None, 0, 5])),
        },
    )
    orders = st.builds(
        Select, st.just("order"), st.just(("id",)), routes("person_id", (TO_PERSON,))
    )
    mark = st.fixed_dictionaries({"select": st.builds(Const, texts)})
    return st.one_of(
        st.builds(Change, line),
        st.builds(Change, rows_of_person, assign),
        st.builds(Change, orders, mark),
        st.builds(Change, line, st.fixed_dictionaries({SIZE: st.builds(Const, texts)})),
    )
