"""Reach: from identifiers to exactly the rows that are hers."""

from __future__ import annotations

import decimal
import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.datamap.world import World, random_world

from kept.datamap.map import DataMap, Dataset, Field, Link, OnErase, Owner, System
from kept.datamap.reach import Place, Reach, reach, shape
from kept.errors import IdentifierError, MapError
from kept.model.codec import decode_keys, encode_keys
from kept.model.select import KeyTable
from kept.model.values import normal
from kept.terms.identifiers import Identifier

ANA = Identifier("email", "ana@example.org")
BEN = Identifier("email", "ben@example.org")


def email(name: str = "email", **more: object) -> Field:
    return Field(
        name,
        category="contact.email",
        identifies="email",
        folded=True,
        **more,  # type: ignore[arg-type]
    )


def number(name: str = "id") -> Field:
    return Field(name, "integer")


def table(name: str, *fields: Field, links: tuple[Link, ...] = (), **more: object) -> Dataset:
    return Dataset(name, ("id",), {f.name: f for f in (number(), *fields)}, links, **more)  # type: ignore[arg-type]


def owned(field: str, to: str, on: str = "id", system: str | None = None) -> Link:
    return Link((field,), to, (on,), Owner.OWNED, system)


def one_system(*datasets: Dataset, **more: object) -> DataMap:
    made = System("shop", datasets={d.name: d for d in datasets}, store="memory")
    return DataMap({"shop": made, **more})  # type: ignore[dict-item]


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 10**9))
def test_exactly_the_rows_that_the_links_say_are_hers(seed: int) -> None:
    world, people = random_world(seed)
    found, _ = world.search(reach(world.datamap, people))
    assert {place: set(t.rows) for place, t in found.items()} == world.hers(people)


def test_the_random_worlds_reach_every_kind_of_way() -> None:
    """The property above is empty unless its worlds have joins, rounds, rows and strangers."""
    joined = rounds = found = several = shared = 0
    for seed in range(300):
        world, people = random_world(seed)
        look = reach(world.datamap, people)
        met, took = world.search(look)
        ways = [
            w for place in shape(world.datamap).places for w in shape(world.datamap).ways(place)
        ]
        joined += any(way.path for way in ways)
        rounds += took > 1
        found += bool(met)
        several += any(len(shape(world.datamap).ways(p)) > 1 for p in met)
        shared += any(len({k for _, k in t.rows}) < len(t.rows) for t in met.values())
    assert min(joined, rounds, found, several, shared) > 30, (
        joined,
        rounds,
        found,
        several,
        shared,
    )


def test_one_look_up_by_email_then_every_table_by_its_number() -> None:
    datamap = one_system(
        table("users", email()),
        table("orders", number("user_id"), links=(owned("user_id", "users"),)),
        table("lines", number("order_id"), links=(owned("order_id", "orders"),)),
    )
    look = reach(datamap, [[ANA]])
    (seek,) = look.seek["shop"]
    assert (seek.dataset, seek.key) == ("users", ("id",))
    look = look.next({"shop": {"users": KeyTable(("id",), ((0, (7,)), (0, (None,))))}})
    assert not look.seek
    users, orders, lines = look.selects["shop"]
    assert users.routes[0].folded
    assert orders.routes[0].path == ()
    assert orders.routes[0].keys == KeyTable(("user_id",), ((0, (7,)),))
    assert [join.to for join in lines.routes[0].path] == ["orders"]
    assert lines.routes[0].keys == KeyTable(("user_id",), ((0, (7,)),))


def test_a_number_is_looked_for_in_texts_as_both_write_it() -> None:
    users = Dataset("users", ("id",), {"id": Field("id", "decimal"), "email": email()})
    orders = table("orders", Field("user_id", "text"), links=(owned("user_id", "users"),))
    look = reach(one_system(users, orders), [[ANA]])
    met = KeyTable(("id",), ((0, (decimal.Decimal("10.00"),)), (0, (decimal.Decimal("2.5"),))))
    look = look.next({"shop": {"users": met}})
    found = look.selects["shop"][1].routes[0].keys.rows
    assert found == ((0, ("10.00",)), (0, ("10",)), (0, ("2.5",)))


def test_a_number_that_the_link_holds_itself_needs_no_look_up() -> None:
    users = table("users", Field("n", "integer", "identifier.account", "account"))
    orders = table("orders", number("user_n"), links=(owned("user_n", "users", "n"),))
    look = reach(one_system(users, orders), [[Identifier("account", "42")]])
    assert not look.seek
    assert look.selects["shop"][1].routes[0].keys == KeyTable(("user_n",), ((0, (42,)),))


def test_an_identifier_that_no_column_can_hold_finds_nothing() -> None:
    users = table("users", Field("n", "integer", "identifier.account", "account"))
    assert reach(one_system(users), [[Identifier("account", "not a number")]]).selects == {}


def test_a_person_who_is_nobody_leaves_nothing_to_ask() -> None:
    datamap = one_system(
        table("users", email()), table("o", number("u"), links=(owned("u", "users"),))
    )
    look = reach(datamap, [[ANA]]).next({"shop": {"users": KeyTable(("id",))}})
    assert not look.seek
    assert [s.dataset for s in look.selects["shop"]] == ["users"]
    assert look.unreached == ()
    assert reach(datamap, []).selects == {}
    assert reach(datamap, [[]]).selects == {}


def test_many_people_share_one_round_and_identifiers_may_be_shared() -> None:
    datamap = one_system(
        table("users", email()), table("o", number("u"), links=(owned("u", "users"),))
    )
    world = World(
        datamap,
        {
            ("shop", "users"): [
                {"id": 1, "email": " ANA@example.org"}, {"id": 2, "email": "ben@example.org"},
            ],
            ("shop", "o"): [{"id": 5, "u": 1}, {"id": 6, "u": 2}, {"id": 7, "u": None}],
        },
    )  # fmt: skip
    found, rounds = world.search(reach(datamap, [[ANA], [ANA, BEN], [BEN]]))
    assert rounds == 1
    assert set(found["shop", "o"].rows) == {(0, (5,)), (1, (5,)), (1, (6,)), (2, (6,))}


def test_several_identifying_fields_and_two_links_to_one_parent_are_several_routes() -> None:
    orders = table(
        "orders", number("buyer"), number("receiver"), email("invoice_to"), email("copy_to"),
        links=(owned("buyer", "users"), owned("receiver", "users")),
    )  # fmt: skip
    look = reach(one_system(table("users", email()), orders), [[ANA]])
    look = look.next({"shop": {"users": KeyTable(("id",), ((0, (7,)),))}})
    routes = look.selects["shop"][1].routes
    assert {r.fields for r in routes} == {("buyer",), ("receiver",), ("invoice_to",), ("copy_to",)}


def test_keys_of_one_system_seed_the_next_in_the_type_it_has() -> None:
    support = System(
        "support",
        datasets={
            "tickets": table(
                "tickets", Field("customer"),
                links=(owned("customer", "users", "id", "shop"),),
            ),
            "messages": table("messages", number("ticket"), links=(owned("ticket", "tickets"),)),
        },
        store="memory",
    )  # fmt: skip
    crm = System(
        "crm",
        datasets={"cards": table("cards", Field("ref", "uuid"),
                                 links=(owned("ref", "tickets", "id", "support"),))},
        store="memory",
    )  # fmt: skip
    datamap = one_system(table("users", email()), support=support, crm=crm)
    look = reach(datamap, [[ANA]])
    assert list(look.seek) == ["shop"]
    look = look.next({"shop": {"users": KeyTable(("id",), ((0, (7,)),))}})
    assert list(look.seek) == ["support"]
    assert look.seek["support"][0].routes[0].keys.rows == ((0, ("7",)),)
    look = look.next({"support": {"tickets": KeyTable(("id",), ((0, (70,)),))}})
    assert not look.seek
    assert look.selects["support"][1].routes[0].keys == KeyTable(("ticket",), ((0, (70,)),))
    # 70 is no UUID: it finds nothing there, rather than the wrong row or an error.
    assert "crm" not in look.selects


def test_two_systems_that_lead_to_each_other_end() -> None:
    a = table("a", email(), number("b_id"), links=(owned("b_id", "b", "id", "two"),))
    b = table("b", number("a_id"), links=(owned("a_id", "a", "id", "one"),))
    datamap = DataMap(
        {
            "one": System("one", datasets={"a": a}, store="memory"),
            "two": System("two", datasets={"b": b}, store="memory"),
        }
    )
    rows = {
        ("one", "a"): [
            {"id": 1, "email": "ana@example.org", "b_id": None},
            {"id": 2, "email": None, "b_id": 20},
            {"id": 3, "email": None, "b_id": 99},
        ],
        ("two", "b"): [{"id": 20, "a_id": 1}, {"id": 21, "a_id": 2}, {"id": 22, "a_id": 3}],
    }
    found, rounds = World(datamap, rows).search(reach(datamap, [[ANA]]))
    assert {k for _, k in found["one", "a"].rows} == {(1,), (2,)}
    assert {k for _, k in found["two", "b"].rows} == {(20,), (21,)}
    assert rounds >= 3


def test_staff_are_not_followed_and_answers_to_answers_are() -> None:
    chief = Link(("chief",), "staff", ("id",), Owner.ACCESSED)
    handled = Link(("by",), "staff", ("id",), Owner.ACCESSED)
    datamap = one_system(
        table("staff", email(), number("chief"), links=(chief,)),
        table("cases", number("by"), email("customer"), links=(handled,)),
        table("talk", email("writer"), number("under"), links=(owned("under", "talk"),)),
    )
    rows = {
        ("shop", "staff"): [
            {"id": 1, "email": "ana@example.org", "chief": None},
            {"id": 2, "email": "ben@example.org", "chief": 1},
        ],
        ("shop", "cases"): [{"id": 5, "by": 1, "customer": "carl@example.org"}],
        ("shop", "talk"): [
            {"id": 1, "writer": "ana@example.org", "under": None},
            {"id": 2, "writer": None, "under": 1},
            {"id": 3, "writer": None, "under": 2},
            {"id": 4, "writer": "ben@example.org", "under": 4},
        ],
    }
    found, _ = World(datamap, rows).search(reach(datamap, [[ANA]]))
    assert found["shop", "staff"].rows == ((0, (1,)),)
    assert ("shop", "cases") not in found
    assert {k for _, k in found["shop", "talk"].rows} == {(1,), (2,), (3,)}


def test_answers_that_answer_each_other_end() -> None:
    datamap = one_system(
        table("talk", email("writer"), number("under"), links=(owned("under", "talk"),))
    )
    rows = [
        {"id": 1, "writer": "ana@example.org", "under": 2},
        {"id": 2, "writer": None, "under": 1},
        {"id": 3, "writer": None, "under": 3},
    ]
    found, rounds = World(datamap, {("shop", "talk"): rows}).search(reach(datamap, [[ANA]]))
    assert {k for _, k in found["shop", "talk"].rows} == {(1,), (2,)}
    assert rounds <= 3


def test_what_is_given_and_what_is_looked_up_meet_in_one_route() -> None:
    users = table("users", email())
    account = Field("id", "integer", "identifier.account", "account")
    users = Dataset("users", ("id",), {**users.fields, "id": account})
    orders = table("orders", number("u"), links=(owned("u", "users"),))
    rows = {
        ("shop", "users"): [{"id": 1, "email": "x"}, {"id": 2, "email": "ana@example.org"}],
        ("shop", "orders"): [{"id": 5, "u": 1}, {"id": 6, "u": 2}],
    }
    look = reach(one_system(users, orders), [[ANA, Identifier("account", "1")]])
    found, _ = World(one_system(users, orders), rows).search(look)
    assert {k for _, k in found["shop", "orders"].rows} == {(5,), (6,)}
    look = look.next({"shop": {"users": KeyTable(("id",), ((0, (2,)),))}})
    (route,) = look.selects["shop"][1].routes
    assert set(route.keys.rows) == {(0, (1,)), (0, (2,))}


def test_case_counts_where_it_makes_two_visitors() -> None:
    visits = table("visits", Field("cookie", category="identifier.cookie", identifies="cookie"))
    look = reach(one_system(visits), [[Identifier("cookie", "aBc")]])
    assert {k for _, k in look.selects["shop"][0].routes[0].keys.rows} == {("aBc",)}


def test_a_promise_of_folded_values_makes_plain_equality() -> None:
    datamap = one_system(table("users", email(indexed_exact=True)))
    (route,) = reach(datamap, [[Identifier("email", "ANA@Example.ORG")]]).selects["shop"][0].routes
    assert not route.folded
    assert (0, ("ana@example.org",)) in route.keys.rows


def test_what_is_nobodys_is_passed_through() -> None:
    datamap = one_system(
        table("users", email()),
        table("member", number("u"), links=(owned("u", "users"),), on_erase=OnErase.NEVER),
        table("post", number("m"), links=(owned("m", "member"),)),
    )
    look = reach(datamap, [[ANA]]).next({"shop": {"users": KeyTable(("id",), ((0, (7,)),))}})
    assert [s.dataset for s in look.selects["shop"]] == ["users", "post"]


def test_what_was_not_searched_is_said() -> None:
    datamap = one_system(
        table("users", email()),
        table("visits", Field("cookie", category="identifier.cookie", identifies="cookie")),
        table("lost", Field("name", category="contact.name", identifies="name")),
        table("genre", Field("title")),
    )
    look = reach(
        datamap, [[ANA, Identifier("ip", "192.0.2.1")], [Identifier("cookie", "x")], [ANA]]
    )
    assert look.unheld == ("ip",)
    assert [(u.dataset, u.people) for u in look.unreached] == [
        ("users", (1,)), ("visits", (0, 2)), ("lost", (0, 1, 2)),
    ]  # fmt: skip
    words = " ".join(look.warnings)
    assert "entered by ip" in words
    assert "`visits` of `shop` was not searched: it can only be entered by cookie" in words
    assert "no identifier and no link" in words
    assert "ana" not in words
    assert "192" not in words


@pytest.mark.parametrize("never", [True, False])
def test_rows_that_only_say_who_handles_them_are_named_as_not_searched(never: bool) -> None:
    """Whoever wrote `accessed-by` where they are hers sees it in the answer, also of `never`."""
    handled = (Link(("u",), "users", ("id",), Owner.ACCESSED),)
    paid = Field("total", category=None if never else "transaction.paid")
    on_erase = OnErase.NEVER if never else OnErase.DELETE
    datamap = one_system(
        table("users", email()),
        table("purchase", number("u"), paid, links=handled, on_erase=on_erase),
        table("genre", Field("title"), on_erase=OnErase.NEVER),
        table(
            "tag", number("g"), on_erase=OnErase.NEVER,
            links=(Link(("g",), "genre", ("id",), Owner.ACCESSED),),
        ),
    )  # fmt: skip
    assert reach(datamap, [[ANA]]).warnings == (
        "`purchase` of `shop` was not searched: no identifier and no link leads to it",
    )


def test_a_name_finds_nobody() -> None:
    datamap = one_system(table("people", Field("name", category="contact.name", identifies="name")))
    look = reach(datamap, [[Identifier("name", "Maria Lopez")]])
    assert look.selects == {}
    assert look.warnings[0] == "a name alone identifies nobody and was not searched for"


def test_a_system_without_a_store_is_not_asked() -> None:
    later = System("later", datasets={"users": table("users", email())})
    assert reach(DataMap({"later": later}), [[ANA]]).selects == {}


def test_known_keys_are_hers_and_lead_on() -> None:
    orders = table("orders", number("u"), links=(owned("u", "users"),))
    lines = table("lines", number("o"), links=(owned("o", "orders"),))
    datamap = one_system(table("users", email()), orders, lines)
    rows = {
        ("shop", "users"): [{"id": 1, "email": "x"}],
        ("shop", "orders"): [{"id": 5, "u": 1}, {"id": 6, "u": None}, {"id": 7, "u": None}],
        ("shop", "lines"): [{"id": 50, "o": 5}, {"id": 60, "o": 6}, {"id": 70, "o": 7}],
    }
    look = reach(datamap, [[BEN]], {("shop", "orders"): KeyTable(("id",), ((0, (6,)),))})
    found, _ = World(datamap, rows).search(look)
    assert {p: t.rows for p, t in found.items()} == {
        ("shop", "orders"): ((0, (6,)),),
        ("shop", "lines"): ((0, (60,)),),
    }
    assert look.unreached == ()


def test_an_answer_to_another_question_is_refused() -> None:
    datamap = one_system(
        table("users", email()), table("o", number("u"), links=(owned("u", "users"),))
    )
    with pytest.raises(MapError, match="other fields than asked"):
        reach(datamap, [[ANA]]).next({"shop": {"users": KeyTable(("email",), ((0, ("x",)),))}})


def test_a_circle_of_owners_is_refused_even_in_a_map_made_by_hand() -> None:
    a = table("a", email(), number("b"), links=(owned("b", "b"),))
    b = table("b", number("a"), links=(owned("a", "a"),))
    with pytest.raises(MapError, match="in a circle"):
        reach(one_system(a, b), [[ANA]])


def test_a_value_of_another_kind_is_refused_without_being_repeated() -> None:
    with pytest.raises(IdentifierError) as met:
        reach(one_system(table("users", email())), [[Identifier("email", "no-address")]]).selects  # noqa: B018
    assert "no-address" not in str(met.value)


def test_the_shape_is_worked_out_once_per_map() -> None:
    datamap = one_system(table("users", email()))
    assert shape(datamap) is shape(datamap)
    assert shape(one_system(table("users", email()))) is not shape(datamap)


def test_ids_of_other_types_are_found_by_text() -> None:
    key = uuid.UUID(int=5)
    field = Field("n", "uuid", "identifier.account", "account")
    look = reach(one_system(table("users", field)), [[Identifier("account", str(key).upper())]])
    assert look.selects["shop"][0].routes[0].keys.rows == ((0, (key,)),)
    assert normal(key) == str(key)


def _without(world: World, look: Reach, away: str) -> tuple[dict[Place, KeyTable], Reach]:
    """What is found while a system is away, and the finished search."""
    while look.seek:
        look = look.next({s: world.keys(s, se) for s, se in look.seek.items() if s != away})
    found = {
        (system, dataset): table
        for system, selects in look.selects.items()
        if system != away
        for dataset, table in world.keys(system, selects).items()
    }
    return {place: table for place, table in found.items() if table.rows}, look


def _sealed(values: dict[Place, KeyTable]) -> dict[Place, KeyTable]:
    """As they come back from having been sealed."""
    packed = {place: json.dumps(encode_keys(table)) for place, table in values.items()}
    return {place: decode_keys(json.loads(text)) for place, text in packed.items()}


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
def test_a_search_goes_on_when_a_system_is_back_and_the_rest_is_gone(
    seed: int, first: bool
) -> None:
    """Both searches together find what one undisturbed search finds, wherever rows hang."""
    world, people = random_world(seed)
    away = list(world.datamap.systems)[0 if first else -1]
    hers = world.hers(people)
    found, look = _without(world, reach(world.datamap, people), away)
    for place, table in found.items():
        gone = set(table.values)
        world.rows[place] = [r for r in world.rows[place] if world.key(place, r) not in gone]
    rest, _ = world.search(reach(world.datamap, people, values=_sealed(look.values)))
    assert rest.keys() <= shape(world.datamap).hanging({away})
    # A row of two people goes as soon as it is found for one of them.
    both = {
        place: {*found.get(place, KeyTable(())).values, *rest.get(place, KeyTable(())).values}
        for place in (*found, *rest)
    }
    assert both == {place: {key for _, key in rows} for place, rows in hers.items()}


def test_that_property_has_worlds_in_which_only_the_values_lead_there() -> None:
    led = 0
    for seed in range(300):
        world, people = random_world(seed)
        away = list(world.datamap.systems)[-1]
        found, look = _without(world, reach(world.datamap, people), away)
        for place, table in found.items():
            gone = set(table.values)
            world.rows[place] = [r for r in world.rows[place] if world.key(place, r) not in gone]
        blind, _ = world.search(reach(world.datamap, people))
        rest, _ = world.search(reach(world.datamap, people, values=look.values))
        led += rest != blind
    assert led > 5


def test_values_of_another_map_are_left_out() -> None:
    customer = table("customer", email())
    order = table(
        "ticket", number("customer"), links=(owned("customer", "customer", system="shop"),)
    )
    desk = System("desk", datasets={"ticket": order}, store="memory")
    datamap = one_system(customer, desk=desk)
    known = {("shop", "customer"): KeyTable(("id",), ((0, (7,)),))}
    look = reach(datamap, [[ANA]], values=known)
    assert look.values == known
    assert [r.keys.rows for s in look.selects["desk"] for r in s.routes] == [((0, (7,)),)]
    for other in (
        {("shop", "customer"): KeyTable(("number",), ((0, (7,)),))},
        {("shop", "gone"): KeyTable(("id",), ((0, (7,)),))},
        {("shop", "customer"): KeyTable(("id",), ())},
    ):
        look = reach(datamap, [[ANA]], values=other)
        assert look.values == {}
        assert "desk" not in look.selects
