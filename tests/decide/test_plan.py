"""Plan: every row found has one fate, and carrying it out never stops half-way."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.datamap.world import Key, Place, World, links_within, random_world

from kept.datamap.load import load
from kept.datamap.map import DataMap, Dataset, Field, Link, OnErase, Owner, System
from kept.datamap.reach import reach
from kept.decide.due import Held, HoldScope, Law, explicit, merge, statutory
from kept.decide.plan import plan, reads
from kept.decide.ties import Ties, questions
from kept.errors import UsageError
from kept.model.abilities import Abilities
from kept.model.change import Const, Template
from kept.model.plan import Action, Mode, Plan, Reason
from kept.model.select import Batch, KeyTable
from kept.terms.identifiers import Identifier

ABLE = Abilities(grain="store", rehearse=True)
LAW = Reason("books are kept", "§ 257 HGB", dt.date(2033, 1, 1), "KEEP-1")
CASE = Reason("a dispute is open", None, None, "KEEP-2", hold="h-1")
TODAY = dt.date(2024, 5, 1)


@dataclass
class Case:
    """A world, what was found in it for some people, and what of that is held."""

    world: World
    people: Sequence[Sequence[Identifier]]
    found: dict[Place, KeyTable]
    held: Held

    @property
    def datamap(self) -> DataMap:
        return self.world.datamap

    def ties(self, found: Mapping[Place, KeyTable] | None = None) -> Ties:
        places = [(s, d) for s, d in self.held]
        asks = questions(self.datamap, self.found if found is None else found, (), places)
        return asks.ties({s: self.world.keys(s, q) for s, q in asks.references.items()})

    def plan(self) -> Plan:
        able = dict.fromkeys(self.datamap.systems, ABLE)
        return plan(
            "erasure", self.datamap, self.found, self.held, self.ties(), able,
            people=len(self.people), clause="KEEP-3",
        )  # fmt: skip

    def fates(self, made: Plan) -> dict[tuple[Place, Key], Action]:
        return {((s.system, s.dataset), k): s.action for s in made.steps for k in s.keys.values}


def random_case(seed: int) -> Case:
    world, people = random_world(seed)
    found, _ = world.search(reach(world.datamap, people))
    dice = random.Random(seed + 1)
    held: dict[Place, tuple[tuple[KeyTable, Reason], ...]] = {}
    for place, table in found.items():
        if dice.random() < 0.4:
            some = [r for r in table.rows if dice.random() < 0.5]
            both = [r for r in table.rows if dice.random() < 0.3]
            held[place] = tuple(
                (KeyTable(table.fields, tuple(rows)), why)
                for rows, why in ((some, LAW), (both, CASE))
                if rows
            )
    return Case(world, people, found, held)


def must_stay(case: Case) -> dict[tuple[Place, Key], bool]:
    """Which found rows may not go (True: they stay whole), by brute force over all rows."""
    world = case.world
    hers = {(place, key) for place, t in case.found.items() for key in t.values}
    stays = {(p, k): True for p, r in case.held.items() for t, _ in r for k in t.values}
    for place, key in hers:
        if case.datamap.dataset(*place).on_erase is OnErase.OVERWRITE:
            stays.setdefault((place, key), False)
    grown = True
    while grown:
        grown = False
        for place, links in links_within(case.datamap).items():
            for link in links:
                to = (place[0], link.to)
                for row in world.rows[place]:
                    mine = (place, world.key(place, row))
                    values = [row[name] for name in link.fields]
                    if (mine in hers and mine not in stays) or None in values:
                        continue
                    for target in world.rows[to]:
                        its = (to, world.key(to, target))
                        if values == [target[name] for name in link.on] and its != mine:
                            grown = grown or (its in hers and its not in stays)
                            if its in hers:
                                stays.setdefault(its, False)
    return stays


seeds = st.integers(0, 10**9)
laws = settings(max_examples=300, deadline=None)


@laws
@given(seeds)
def test_every_found_row_is_in_exactly_one_step_and_no_other_row_is(seed: int) -> None:
    case = random_case(seed)
    named = [
        ((s.system, s.dataset), row) for s in case.plan().steps for row in set(s.keys.rows)
    ]  # fmt: skip
    assert len(named) == len(set(named))
    assert set(named) == {(place, row) for place, t in case.found.items() for row in t.rows}
    keys = [((s.system, s.dataset), key) for s in case.plan().steps for key in s.keys.values]
    assert len(keys) == len(set(keys))


@laws
@given(seeds)
def test_rows_go_unless_something_that_stays_needs_them(seed: int) -> None:
    case = random_case(seed)
    stays = must_stay(case)
    for row, action in case.fates(case.plan()).items():
        if row not in stays:
            assert action is Action.DELETE
        elif stays[row]:
            assert action is Action.RETAIN
        else:
            personal = case.datamap.dataset(*row[0]).personal
            assert action is (Action.OVERWRITE if personal else Action.RETAIN)


@laws
@given(seeds)
def test_carried_out_in_its_order_a_plan_breaks_no_foreign_key(seed: int) -> None:
    case = random_case(seed)
    made = case.plan()
    links = links_within(case.datamap)
    before = {p: [dict(r) for r in rows] for p, rows in case.world.rows.items()}
    case.world.carry_out(made, links)
    touched = {row for row, action in case.fates(made).items() if action is not Action.RETAIN}
    for place, rows in before.items():
        key = [case.world.key(place, row) for row in rows]
        kept = [r for r, k in zip(rows, key, strict=True) if (place, k) not in touched]
        after = [
            r for r in case.world.rows[place] if (place, case.world.key(place, r)) not in touched
        ]
        assert kept == after, "a row that is not in the plan was changed"


@laws
@given(seeds)
def test_what_stays_says_why_by_which_law_until_when_and_by_which_clause(seed: int) -> None:
    case = random_case(seed)
    for step in case.plan().steps:
        if step.action is Action.RETAIN:
            assert step.reason is not None
            assert step.reason.words
            assert step.reason.clause
            assert not step.assign
        if step.action is Action.OVERWRITE:
            dataset = case.datamap.dataset(step.system, step.dataset)
            assert step.assign
            assert not set(step.assign) & set(dataset.key)
            assert set(step.assign) <= {f.name for f in dataset.personal}
        if step.action is Action.DELETE:
            assert step.reason is None


@laws
@given(seeds)
def test_the_strongest_of_two_reasons_is_the_one_named(seed: int) -> None:
    case = random_case(seed)
    made = case.plan()
    for place, reasons in case.held.items():
        endless = {k for t, why in reasons if why is CASE for k in t.values}
        dated = {k for t, why in reasons if why is LAW for k in t.values} - endless
        for step in made.steps:
            if (step.system, step.dataset) == place and step.reason == LAW:
                assert set(step.keys.values) <= dated
            elif (step.system, step.dataset) == place and step.reason == CASE:
                assert set(step.keys.values) == endless


@laws
@given(seeds, seeds)
def test_the_order_of_what_comes_in_does_not_matter(seed: int, order: int) -> None:
    case = random_case(seed)
    made = case.plan()
    dice = random.Random(order)

    def shuffled(table: KeyTable) -> KeyTable:
        rows = [*table.rows, *table.rows[:1]]
        dice.shuffle(rows)
        return KeyTable(table.fields, tuple(rows))

    places = list(case.found)
    dice.shuffle(places)
    case.found = {place: shuffled(case.found[place]) for place in places}
    case.held = {p: tuple((shuffled(t), w) for t, w in reversed(r)) for p, r in case.held.items()}
    for rows in case.world.rows.values():
        dice.shuffle(rows)
    assert case.plan() == made


def test_the_random_cases_have_every_fate() -> None:
    """The laws above are empty unless their cases hold, delete, overwrite and keep shells."""
    seen: dict[str, int] = dict.fromkeys(("retain", "overwrite", "delete", "chain", "shell"), 0)
    for seed in range(400):
        case = random_case(seed)
        made = case.plan()
        for step in made.steps:
            seen[step.action.value] += 1
            words = step.reason.words if step.reason else ""
            seen["chain"] += step.action is Action.OVERWRITE and "What stays of" in words
            seen["shell"] += step.action is Action.RETAIN and "What stays of" in words
    assert min(seen.values()) > 10, seen


def test_a_plan_is_the_preview_numbered_in_its_order() -> None:
    made = random_case(7).plan()
    assert [s.number for s in made.steps] == list(range(1, len(made.steps) + 1))
    assert {(s.system, s.mode, s.grain) for s in made.systems} >= {("s0", Mode.OBSERVE, "store")}


# — the music shop ————————————————————————————————————————————————————————————————————————

MUSIC = Path(__file__).parents[1] / "datamap" / "music.yml"
INVOICES = Law("invoices", "§ 147 AO", "books are kept by law", "P10Y", "KEEP-1")
ANA = [Identifier("email", "Ana@Example.org")]


def shop() -> World:
    datamap = load({"shop": MUSIC}, {"shop": Mode.ACT}, {"shop": "memory"})
    day = dt.datetime
    return World(
        datamap,
        {
            ("shop", "employee"): [
                {"employee_id": 1, "email": "boss@shop.example", "reports_to": None,
                 "hire_date": day(2002, 1, 1), "first_name": "B", "last_name": "O"},
                {"employee_id": 2, "email": "rep@shop.example", "reports_to": 1,
                 "hire_date": day(2003, 1, 1), "first_name": "R", "last_name": "E"},
            ],
            ("shop", "customer"): [
                {"customer_id": 1, "email": "ana@example.org", "support_rep_id": 2,
                 "first_name": "Ana", "last_name": "A", "phone": None, "country": "DE"},
                {"customer_id": 2, "email": "ben@example.org", "support_rep_id": 2,
                 "first_name": "Ben", "last_name": "B", "phone": None, "country": "FR"},
            ],
            ("shop", "invoice"): [
                {"invoice_id": 10, "customer_id": 1, "invoice_date": day(2013, 5, 1)},
                {"invoice_id": 11, "customer_id": 1, "invoice_date": day(2014, 5, 2)},
                {"invoice_id": 12, "customer_id": 1, "invoice_date": day(2020, 2, 29)},
                {"invoice_id": 20, "customer_id": 2, "invoice_date": day(2020, 2, 29)},
            ],
            ("shop", "invoice_line"): [
                {"invoice_line_id": n * 10 + i, "invoice_id": n, "track_id": i}
                for n in (10, 11, 12, 20) for i in (1, 2)
            ],
            ("shop", "track"): [{"track_id": i, "name": "song"} for i in (1, 2)],
        },
    )  # fmt: skip


def erasure(
    world: World,
    person: Sequence[Identifier],
    *,
    rules: Mapping[str, Law] | None = None,
    holds: Sequence[HoldScope] = (),
    today: dt.date = TODAY,
    able: Abilities = ABLE,
    datamap: DataMap | None = None,
) -> Plan:
    """The whole way from an identifier to a plan, with a store in plain lists."""
    rules = {"invoices": INVOICES} if rules is None else rules
    datamap = datamap or world.datamap
    found, _ = world.search(reach(world.datamap, [person]))
    asks = questions(datamap, found, rules, [(h.system, h.dataset) for h in holds])
    dates = {}
    for system, selects in asks.dates.items():
        batches = []
        for number, select in enumerate(selects):
            named = set(select.routes[0].keys.values)
            place = (system, select.dataset)
            rows = [r for r in world.rows[place] if world.key(place, r) in named]
            columns = tuple(reversed(select.fields))  # a store may order columns as it likes
            batches.append((number, Batch(columns, [tuple(r[c] for c in columns) for r in rows],
                                          [0] * len(rows))))  # fmt: skip
        dates |= asks.dated(system, batches)
    ties = asks.ties({s: world.keys(s, q) for s, q in asks.references.items()})
    held = merge(
        statutory(datamap, found, rules, dates, ties, today), explicit(found, holds, today)
    )
    return plan("erasure", datamap, found, held, ties, {"shop": able}, clause="KEEP-3")


def told(made: Plan) -> list[tuple[str, str, list[Key]]]:
    return [(s.dataset, s.action.value, s.keys.values) for s in made.steps]


def test_a_row_with_a_null_in_its_key_goes_only_where_a_store_can_name_it() -> None:
    world = shop()
    (shop_,) = world.datamap.systems.values()
    key = ("invoice_line_id", "track_id")
    datasets = {
        n: replace(d, key=key) if n == "invoice_line" else d for n, d in shop_.datasets.items()
    }
    datamap = replace(world.datamap, systems={"shop": replace(shop_, datasets=datasets)})
    lost = {"invoice_line_id": 103, "invoice_id": 10, "track_id": None}
    for changed in (lost, {**lost, "invoice_line_id": None}):
        rows = {**world.rows, ("shop", "invoice_line"): [changed]}
        holed = replace(world, datamap=datamap, rows=rows)
        kinds = [
            [o.kind for _, o in erasure(holed, ANA, able=replace(ABLE, null_keys=able)).obstacles]
            for able in (False, True)
        ]
        assert kinds == [["key"], [] if changed is lost else ["key"]]


def test_a_customer_goes_and_her_invoices_stay_as_the_law_wants() -> None:
    world = shop()
    made = erasure(world, ANA)
    assert told(made) == [
        ("invoice_line", "retain", [(111,), (112,)]),
        ("invoice_line", "retain", [(121,), (122,)]),
        ("invoice_line", "delete", [(101,), (102,)]),
        ("invoice", "retain", [(11,)]),
        ("invoice", "retain", [(12,)]),
        ("invoice", "delete", [(10,)]),
        ("customer", "overwrite", [(1,)]),
    ]
    untils = [s.reason.until for s in made.steps if s.dataset == "invoice" and s.reason]
    assert untils == [dt.date(2024, 5, 2), dt.date(2030, 2, 28)]
    customer = made.steps[-1]
    assert customer.assign["email"] == Template("erased-{customer_id}@erased.invalid")
    assert customer.assign["phone"] == Const(None)
    assert set(customer.assign) == {"first_name", "last_name", "phone", "email"}
    assert customer.reason == Reason(
        "What stays of “invoice” refers to it.", "§ 147 AO", dt.date(2030, 2, 28), "KEEP-1"
    )
    assert made.obstacles == ()
    assert made.warnings == ()
    world.carry_out(made, links_within(world.datamap))


def test_the_day_on_which_the_last_invoice_may_go_all_goes() -> None:
    made = erasure(shop(), ANA, today=dt.date(2030, 2, 28))
    assert {s.action for s in made.steps} == {Action.DELETE}
    assert [s.dataset for s in made.steps] == ["invoice_line", "invoice", "customer"]
    one_day_less = erasure(shop(), ANA, today=dt.date(2030, 2, 27))
    assert ("invoice", "retain", [(12,)]) in told(one_day_less)


def test_without_a_law_nothing_is_read_beyond_the_keys() -> None:
    world = shop()
    found, _ = world.search(reach(world.datamap, [ANA]))
    asks = questions(world.datamap, found, ())
    assert asks.dates == {}
    assert asks.references == {}
    made = erasure(world, ANA, rules={})
    assert {s.action for s in made.steps} == {Action.DELETE}


def test_with_a_law_only_dates_and_two_references_are_read() -> None:
    world = shop()
    found, _ = world.search(reach(world.datamap, [ANA]))
    asks = questions(world.datamap, found, {"invoices"})
    assert [(s.dataset, s.fields) for s in asks.dates["shop"]] == [
        ("invoice", ("invoice_id", "invoice_date"))
    ]
    assert [(s.dataset, [r.fields for r in s.routes]) for s in asks.references["shop"]] == [
        ("invoice", [("customer_id",)]),
        ("invoice_line", [("invoice_id",)]),
    ]


def test_an_invoice_without_a_date_stays_and_says_so() -> None:
    world = shop()
    world.rows["shop", "invoice"][0]["invoice_date"] = None
    made = erasure(world, ANA)
    (step,) = [s for s in made.steps if s.dataset == "invoice" and (10,) in s.keys.values]
    assert step.action is Action.RETAIN
    assert step.reason is not None
    assert step.reason.until is None
    assert "No date to count from" in step.reason.words
    assert made.steps[-1].reason is not None
    assert made.steps[-1].reason.until is None


def test_an_explicit_hold_keeps_its_scope_and_nothing_else() -> None:
    hold = HoldScope(CASE, 0, "shop", "customer")
    made = erasure(shop(), ANA, rules={}, holds=[hold])
    assert told(made)[-1] == ("customer", "retain", [(1,)])
    assert {s.action for s in made.steps[:-1]} == {Action.DELETE}
    over = HoldScope(replace(CASE, until=TODAY), 0, "shop", "customer")
    assert {s.action for s in erasure(shop(), ANA, rules={}, holds=[over]).steps} == {Action.DELETE}
    other = HoldScope(CASE, 1, "shop", "customer")
    assert {s.action for s in erasure(shop(), ANA, rules={}, holds=[other]).steps} == {
        Action.DELETE
    }


def test_lines_that_go_while_their_invoice_stays_are_pointed_out() -> None:
    hold = HoldScope(CASE, 0, "shop", "invoice")
    made = erasure(shop(), ANA, rules={}, holds=[hold])
    (warning,) = made.warnings
    assert "rows of `invoice_line` go although rows of `invoice`" in warning


def test_staff_whom_others_rows_refer_to_are_emptied() -> None:
    world = shop()
    made = erasure(world, [Identifier("email", "rep@shop.example")])
    assert told(made) == [("employee", "overwrite", [(2,)])]
    deleting = replace(world.datamap.dataset("shop", "employee"), on_erase=OnErase.DELETE)
    datasets = {**world.datamap.systems["shop"].datasets, "employee": deleting}
    world.datamap = DataMap({"shop": replace(world.datamap.systems["shop"], datasets=datasets)})
    made = erasure(world, [Identifier("email", "rep@shop.example")])
    assert told(made) == [("employee", "overwrite", [(2,)])]
    others = Reason("What stays of “customer” refers to it.", None, None, "KEEP-3")
    assert made.steps[0].reason == others
    world.rows["shop", "customer"] = []
    made = erasure(world, [Identifier("email", "rep@shop.example")])
    assert told(made) == [("employee", "delete", [(2,)])]


def test_a_field_that_may_not_be_null_is_an_obstacle_with_its_fix() -> None:
    world = shop()
    system = world.datamap.systems["shop"]
    customer = system.datasets["customer"]
    phone = replace(customer.fields["phone"], nullable=False)
    changed = replace(customer, fields={**customer.fields, "phone": phone})
    datamap = DataMap({"shop": replace(system, datasets={**system.datasets, "customer": changed})})
    made = erasure(world, ANA, datamap=datamap)
    ((name, obstacle),) = made.obstacles
    assert (name, obstacle.dataset, obstacle.kind) == ("shop", "customer", "not-null")
    assert "`customer.phone`" in obstacle.fix
    # Where the row may go, nothing has to be written over it.
    assert erasure(world, ANA, rules={}, datamap=datamap).obstacles == ()


def test_what_a_store_cannot_do_is_an_obstacle() -> None:
    made = erasure(shop(), ANA, able=replace(ABLE, delete=False, update=False))
    assert {(o.dataset, o.words) for _, o in made.obstacles} == {
        ("invoice_line", "the store cannot delete rows"),
        ("invoice", "the store cannot delete rows"),
        ("customer", "the store cannot change rows"),
    }
    made = erasure(shop(), ANA, able=replace(ABLE, reads_back=False))
    assert any("cannot be read back" in words for words in made.warnings)


def test_systems_that_were_not_asked_are_named() -> None:
    world = shop()
    datamap = DataMap({**world.datamap.systems, "later": System("later"), "down": System("down")})
    made = plan("erasure", datamap, {}, {}, Ties(), {"shop": ABLE}, unreached={"down": "no answer"})
    assert made.unreached == (("down", "no answer"), ("later", "it was not asked"))
    assert made.steps == ()


def test_a_real_foreign_key_counts_though_no_link_names_it() -> None:
    datasets = {
        "users": Dataset("users", ("id",), {
            "id": Field("id", "integer"), "nick": Field("nick"),
            "email": Field("email", category="contact.email", identifies="email")}),
        "log": Dataset("log", ("id",), {"id": Field("id", "integer"), "nick": Field("nick")}),
    }  # fmt: skip
    datamap = DataMap({"shop": System("shop", datasets=datasets, store="memory")})
    rows = {
        ("shop", "users"): [{"id": 1, "nick": "ana", "email": "ana@example.org"},
                            {"id": 2, "nick": "anna", "email": "ana@example.org"}],
        ("shop", "log"): [{"id": 5, "nick": "ana"}, {"id": 6, "nick": None}],
    }  # fmt: skip
    world = World(datamap, rows)
    real = {
        ("shop", "log"): (Link(("nick",), "users", ("nick",)),),
        ("shop", "audit"): (Link(("who",), "users", ("id",)),),
    }
    found, _ = world.search(reach(datamap, [ANA]))
    asks = questions(datamap, found, (), (), real)
    (select,) = asks.references["shop"]
    assert select.routes[0].path[0].on == ("nick",)
    ties = asks.ties({"shop": world.keys("shop", [select])})
    made = plan("erasure", datamap, found, {}, ties, {"shop": ABLE}, foreign_keys=real)
    assert told(made) == [("users", "overwrite", [(1,)]), ("users", "delete", [(2,)])]
    assert made.warnings == (
        "`audit` of `shop` refers to `users` and is not mapped; it may hold rows that are to go",
    )


def test_a_row_that_refers_to_itself_is_no_reason_to_stay() -> None:
    own = Link(("up",), "z", ("id",), Owner.ACCESSED)
    z = Dataset(
        "z",
        ("id",),
        {
            "id": Field("id", "integer"),
            "up": Field("up", "integer"),
            "email": Field("email", category="contact.email", identifies="email"),
        },
        (own,),
    )
    a = Dataset(
        "a",
        ("id",),
        {"id": Field("id", "integer"), "z": Field("z", "integer")},
        (Link(("z",), "z", ("id",)),),
    )
    datamap = DataMap({"s": System("s", datasets={"a": a, "z": z}, store="memory")})
    rows = {
        ("s", "z"): [{"id": 1, "up": 1, "email": "ana@example.org"}],
        ("s", "a"): [{"id": 5, "z": 1}],
    }
    case = Case(World(datamap, rows), [ANA], {}, {})
    case.found, _ = case.world.search(reach(datamap, [ANA]))
    assert told(case.plan()) == [("a", "delete", [(5,)]), ("z", "delete", [(1,)])]
    case.held = {("s", "a"): ((case.found["s", "a"], LAW),)}
    made = case.plan()
    assert told(made) == [("a", "retain", [(5,)]), ("z", "overwrite", [(1,)])]
    assert made.steps[1].reason == replace(LAW, words="What stays of “a” refers to it.")


def test_a_foreign_key_to_what_is_written_over_is_pointed_out() -> None:
    datasets = {
        "users": Dataset("users", ("id",), {
            "id": Field("id", "integer"),
            "email": Field("email", category="contact.email", identifies="email")}),
        "log": Dataset("log", ("id",), {"id": Field("id", "integer"), "to": Field("to")}),
    }  # fmt: skip
    datamap = DataMap({"shop": System("shop", datasets=datasets, store="memory")})
    rows = {
        ("shop", "users"): [{"id": 1, "email": "ana@example.org"}],
        ("shop", "log"): [{"id": 5, "to": "ana@example.org"}],
    }
    world = World(datamap, rows)
    real = {("shop", "log"): (Link(("to",), "users", ("email",)),)}
    found, _ = world.search(reach(datamap, [ANA]))
    asks = questions(datamap, found, (), (), real)
    ties = asks.ties({"shop": world.keys("shop", asks.references["shop"])})
    made = plan("erasure", datamap, found, {}, ties, {"shop": ABLE}, foreign_keys=real)
    assert told(made) == [("users", "overwrite", [(1,)])]
    assert "`email` of `users` is written over, and `log` refers to it" in made.warnings[0]


def test_datasets_that_refer_to_each_other_in_a_circle_are_said() -> None:
    def one(name: str, to: str, kind: Owner) -> Dataset:
        fields = {"id": Field("id", "integer"), "x": Field("x", "integer")}
        if kind is Owner.ACCESSED:
            fields["email"] = Field("email", category="contact.email", identifies="email")
        return Dataset(name, ("id",), fields, (Link(("x",), to, ("id",), kind),))

    datasets = {"a": one("a", "b", Owner.ACCESSED), "b": one("b", "a", Owner.OWNED)}
    datamap = DataMap({"shop": System("shop", datasets=datasets, store="memory")})
    rows = {
        ("shop", "a"): [{"id": 1, "x": 2, "email": "ana@example.org"}],
        ("shop", "b"): [{"id": 2, "x": 1}],
    }
    case = Case(World(datamap, rows), [ANA], {}, {})
    case.found, _ = case.world.search(reach(datamap, [ANA]))
    made = case.plan()
    assert told(made) == [("b", "delete", [(2,)]), ("a", "delete", [(1,)])]
    assert "in a circle" in made.warnings[0]


def test_answers_that_do_not_cover_the_rows_are_refused() -> None:
    world = shop()
    found, _ = world.search(reach(world.datamap, [ANA]))
    held = {("shop", "invoice"): ((found["shop", "invoice"], LAW),)}
    with pytest.raises(UsageError, match="which rows of `invoice` refer to `customer`"):
        plan("erasure", world.datamap, found, held, Ties(), {"shop": ABLE})
    asks = questions(world.datamap, found, {"invoices"})
    with pytest.raises(UsageError, match="Ask the system again"):
        plan("erasure", world.datamap, found, held, asks.ties({}), {"shop": ABLE})


@pytest.mark.parametrize(
    ("place", "fields", "words"),
    [
        (("shop", "nowhere"), ("id",), "which the map does not have"),
        (("other", "customer"), ("customer_id",), "which the map does not have"),
        (("shop", "track"), ("track_id",), "which the map says are nobody's"),
        (("shop", "customer"), ("email",), "not named by its key"),
    ],
)
def test_rows_that_the_map_does_not_give_to_anybody_are_refused(
    place: Place, fields: tuple[str, ...], words: str
) -> None:
    found = {place: KeyTable(fields, ((0, (1,)),))}
    with pytest.raises(UsageError, match=words):
        plan("erasure", shop().datamap, found, {}, Ties(), {"shop": ABLE})


def test_rows_of_a_store_of_unknown_abilities_are_refused() -> None:
    found = {("shop", "customer"): KeyTable(("customer_id",), ((0, (1,)),))}
    with pytest.raises(UsageError, match="what its store can do"):
        plan("erasure", shop().datamap, found, {}, Ties(), {})


def test_a_right_that_reads_has_one_step_per_dataset() -> None:
    world = shop()
    look = reach(world.datamap, [ANA])
    look = look.next({s: world.keys(s, q) for s, q in look.seek.items()})
    made = reads("access", world.datamap, look.selects, {"shop": ABLE}, warnings=look.warnings)
    assert [(s.number, s.dataset, s.action) for s in made.steps] == [
        (1, "employee", Action.READ), (2, "customer", Action.READ), (3, "invoice", Action.READ),
        (4, "invoice_line", Action.READ),
    ]  # fmt: skip
    assert all(s.select is not None and not s.keys.rows for s in made.steps)
