"""The stored judgement agrees with `use`: as a value, and on every engine that renders it."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from tests.laws import worlds
from tests.laws.test_decide_laws import BUNDLES, LAW
from tests.laws.worlds import RULES, WORDS, World, activity
from tests.mariadb import PROGRAM
from tests.stores.engines import opened

from kept.decide.compile import columns, compile, words
from kept.decide.facts import WORD_BITS
from kept.decide.use import Rules, use
from kept.errors import UsageError
from kept.model.decision import Ask, Facts
from kept.model.predicate import NOTHING, Bits, Predicate, fields_of, matches
from kept.policy.shapes import Activity
from kept.stores.dialects import render

NAMES = ("w0", "w1", "w2", "w3", "w4", "w5")
_MASK = (1 << WORD_BITS) - 1

Row = tuple[int | None, ...]


def row_of(word: int) -> Row:
    return tuple(word >> (WORD_BITS * i) & _MASK for i in range(len(NAMES)))


def fields(row: Row) -> dict[str, int | None]:
    return dict(zip(NAMES, row, strict=True))


def telling(rules: Rules, ask: Ask, also: Sequence[int]) -> dict[Row, bool | None]:
    """Rows on which every check of the judgement decides, alone and not, each with the answer
    of `use`; rows with nulls, for which only the laws of nulls are known.
    """
    judge = rules.judge(ask)
    granted = 0
    for check in judge.checks:
        granted |= check.needs
    everything = (1 << len(rules.facts)) - 1
    found = {0, granted, everything, everything & ~granted, *also}
    for check in judge.checks:
        found |= {
            granted & ~check.needs,
            granted | check.forbids,
            granted | check.forbids | check.lifts,
            everything & ~check.forbids,
        }
    rows: dict[Row, bool | None] = {row_of(w): use(rules, ask, w).allow for w in found}
    for i in range(columns(rules)):
        for word in (granted, everything):
            row = row_of(word)
            rows[(*row[:i], None, *row[i + 1 :])] = None
    return rows


@LAW
@given(worlds.WORLDS)
def test_the_predicate_holds_exactly_where_use_allows(world: World) -> None:
    register, ask, facts = world
    rules = Rules(register, WORDS)
    predicate = compile(rules, ask, NAMES)
    for row, allow in telling(rules, ask, [rules.word(facts)]).items():
        if allow is not None:
            assert matches(predicate, fields(row)) == allow


@LAW
@given(worlds.WORLDS)
def test_what_is_stored_are_the_facts_themselves(world: World) -> None:
    register, ask, facts = world
    rules = Rules(register, WORDS)
    stored = words(rules, facts)
    assert len(stored) == columns(rules)
    assert all(0 <= word <= _MASK for word in stored)
    row: dict[str, object] = dict(zip(NAMES, stored, strict=False))
    assert matches(compile(rules, ask, NAMES), row) == use(rules, ask, facts).allow  # type: ignore[arg-type]


@LAW
@given(worlds.WORLDS)
def test_a_null_word_never_allows_more(world: World) -> None:
    register, ask, facts = world
    rules = Rules(register, WORDS)
    predicate = compile(rules, ask, NAMES)
    for row, allow in telling(rules, ask, [rules.word(facts)]).items():
        if allow is None and matches(predicate, fields(row)):
            for filling in (0, _MASK):
                full = [filling if part is None else part for part in row]
                word = sum(part << (WORD_BITS * i) for i, part in enumerate(full))
                assert use(rules, ask, word).allow
    nothing_known: Row = (None,) * len(NAMES)
    assert not matches(predicate, fields(nothing_known))


def test_what_no_facts_can_allow_matches_nothing() -> None:
    rules = Rules([activity()], WORDS)
    assert compile(rules, Ask("support", "contact"), NAMES) == NOTHING


def test_the_usual_judgement_reads_few_columns() -> None:
    rules = Rules.of(next(iter(BUNDLES.values())))
    ask = Ask("marketing.email", "contact.email", "site-form", "provider", "EEA")
    assert columns(rules) > 1
    assert len(fields_of(compile(rules, ask, NAMES))) <= 2


def test_too_few_columns_are_refused() -> None:
    rules = Rules.of(next(iter(BUNDLES.values())))
    with pytest.raises(UsageError, match="columns"):
        compile(rules, Ask("marketing", "contact"), ("w0",))


# On the engines.

Match = Callable[[Predicate, Sequence[Row]], set[int]]


@pytest.fixture(scope="module")
def postgresql(pg_url: str) -> Iterator[Match]:
    with psycopg.connect(pg_url, autocommit=True) as connection:
        kinds = ", ".join(f"{name} bigint" for name in NAMES)
        connection.execute(f"CREATE TABLE facts (id int PRIMARY KEY, {kinds})")

        def match(predicate: Predicate, rows: Sequence[Row]) -> set[int]:
            text, params = render(predicate, "postgresql", dict.fromkeys(NAMES, "integer"))
            with connection.transaction():
                connection.execute("TRUNCATE facts")
                with connection.cursor().copy(
                    f"COPY facts (id, {', '.join(NAMES)}) FROM STDIN"
                ) as copy:
                    for number, row in enumerate(rows):
                        copy.write_row((number, *row))
                found = connection.execute(f"SELECT id FROM facts WHERE {text}", params)
                return {number for (number,) in found}

        yield match


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Match]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    kinds = ", ".join(f"{name} integer" for name in NAMES)
    connection.execute(f"CREATE TABLE facts (id integer PRIMARY KEY, {kinds})")
    places = ", ".join("?" * (len(NAMES) + 1))

    def match(predicate: Predicate, rows: Sequence[Row]) -> set[int]:
        text, params = render(predicate, "sqlite", dict.fromkeys(NAMES, "integer"))
        connection.execute("DELETE FROM facts")
        connection.executemany(
            f"INSERT INTO facts VALUES ({places})", [(n, *row) for n, row in enumerate(rows)]
        )
        found = connection.execute(f"SELECT id FROM facts WHERE {text}", params)
        return {number for (number,) in found}

    yield match
    connection.close()


def agree(
    engines: Sequence[Match], rules: Rules, ask: Ask, facts: Facts, met: Counter[str]
) -> None:
    rows = telling(rules, ask, [rules.word(facts)])
    predicate = compile(rules, ask, NAMES)
    found = [match(predicate, list(rows)) for match in engines]
    judge = rules.judge(ask)
    for number, (row, allow) in enumerate(rows.items()):
        told = {number in one for one in found}
        assert told == {matches(predicate, fields(row))}
        if allow is not None:
            assert told == {allow}
            word = sum((part or 0) << (WORD_BITS * i) for i, part in enumerate(row))
            met[judge.deciding(word)] += 1


@pytest.fixture(scope="module")
def mariadb(maria_url: str) -> Iterator[Match]:
    with opened(maria_url) as connection, connection.cursor() as cursor:
        kinds = ", ".join(f"{name} bigint" for name in NAMES)
        cursor.execute(f"CREATE TABLE facts (id int PRIMARY KEY, {kinds})")
        places = ", ".join(["%s"] * (len(NAMES) + 1))

        def match(predicate: Predicate, rows: Sequence[Row]) -> set[int]:
            text, params = render(predicate, "mariadb", dict.fromkeys(NAMES, "integer"))
            cursor.execute("DELETE FROM facts")
            cursor.executemany(
                f"INSERT INTO facts VALUES ({places})", [(n, *row) for n, row in enumerate(rows)]
            )
            cursor.execute(f"SELECT id FROM facts WHERE {text}", params)
            return {number for (number,) in cursor.fetchall()}

        yield match


def test_every_engine_agrees_with_use(
    postgresql: Match, sqlite: Match, request: pytest.FixtureRequest
) -> None:
    """The same worlds for all, made once: making them takes far longer than asking."""
    engines = [postgresql, sqlite]
    engines += [request.getfixturevalue("mariadb")] if PROGRAM is not None else []
    met: Counter[str] = Counter()

    @settings(LAW, max_examples=300, derandomize=True, database=None)
    @given(worlds.WORLDS)
    def look(world: World) -> None:
        register, ask, facts = world
        agree(engines, Rules(register, WORDS), ask, facts, met)

    look()
    # What chance did not bring is looked for: every rule is the deciding one somewhere.
    for rule in sorted(RULES - set(met)):

        def decides(world: World, rule: str = rule) -> bool:
            register, ask, facts = world
            rules = Rules(register, WORDS)
            return rules.judge(ask).deciding(rules.word(facts)) == rule

        register, ask, facts = find(
            worlds.WORLDS,
            decides,
            settings=settings(LAW, max_examples=20_000, derandomize=True, database=None),
        )
        agree(engines, Rules(register, WORDS), ask, facts, met)
    assert set(met) == RULES, RULES - set(met)


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_every_engine_agrees_with_use_under_every_bundle(
    postgresql: Match, sqlite: Match, name: str
) -> None:
    rules = Rules.of(BUNDLES[name])
    allowed: Counter[str] = Counter()
    activities: tuple[Activity, ...] = tuple(BUNDLES[name].activities.values())
    tried = 0
    for a in activities:
        for region in worlds.regions_of(BUNDLES[name], a):
            tried += 1
            for recipient in ("controller", *a.recipients[:1]):
                ask = Ask(a.purpose, a.categories[0], a.contexts[0], recipient, region)
                agree([postgresql, sqlite], rules, ask, Facts(), allowed)
    assert tried >= len(activities)
    assert allowed["allow"] >= tried


@given(st.integers(0, (1 << 63) - 1), st.integers(0, 62))
@settings(max_examples=50, deadline=None)
def test_all_63_bits_of_a_word_are_usable(
    postgresql: Match, sqlite: Match, word: int, bit: int
) -> None:
    rows = [(word, None, None, None, None, None), (_MASK, *(None,) * 5), (0, *(None,) * 5)]
    predicate = Bits("w0", 1 << bit, 1 << bit)
    expected = {n for n, row in enumerate(rows) if (row[0] or 0) >> bit & 1}
    assert postgresql(predicate, rows) == sqlite(predicate, rows) == expected


def test_the_facts_of_a_person_are_never_negative() -> None:
    many = [
        activity(n, purpose=p, bases={"default": b})
        for n, (p, b) in enumerate((p, b) for p in worlds.PURPOSES for b in worlds.BASES)
    ]
    rules = Rules((dataclasses.replace(a, id=f"a{i}") for i, a in enumerate(many)), WORDS)
    assert columns(rules) > 1
    held = Facts(frozenset(rules.facts))
    assert all(0 < word <= _MASK for word in words(rules, held))
