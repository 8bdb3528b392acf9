"""The conformance suite: the laws of a store, for its author to run with pytest.

    class TestMyStore(StoreSuite):
        def make(self, rows): ...   # a store filled with exactly these rows, everything else gone
        def open(self): ...         # another handle on what `make` filled last

The rows are those of `DATASETS`: make such tables, collections or files in a real engine,
never in a double of it. What a store cannot do it says in its `abilities`; the suite then
asks for what remains. Field types that an engine does not have are named in `without`.
"""

from __future__ import annotations

import abc
import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final, TypeAlias

from kept.datamap.map import Dataset, Field, Link
from kept.errors import KeptError, NotAble, UsageError
from kept.model.change import Assignment, Change, Const, PerRow, Template
from kept.model.plan import Counts
from kept.model.predicate import (
    NOTHING,
    And,
    Before,
    Bits,
    Eq,
    In,
    IsNull,
    Not,
    Or,
    Predicate,
    matches,
)
from kept.model.select import Join, KeyTable, Route, Select, by_key
from kept.model.values import Value
from kept.stores.base import Session, Store
from kept.stores.memory import MemoryStore

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Value]]]


def _dataset(name: str, key: tuple[str, ...], fields: Iterable[Field], *links: Link) -> Dataset:
    return Dataset(name, key, {f.name: f for f in fields}, links)


PERSON: Final = _dataset(
    "person",
    ("id",),
    (
        Field("id", "integer", nullable=False),
        Field("email", identifies="email", folded=True),
        Field("name"),
        Field("bits", "integer"),
        Field("score", "decimal"),
        Field("weight", "real"),
        Field("active", "boolean"),
        Field("born", "date"),
        Field("seen", "datetime"),
        Field("token", "uuid"),
        Field("photo", "bytes"),
    ),
)
ORDER: Final = _dataset(
    "order",  # a reserved word, on purpose
    ("id",),
    (Field("id", "integer", nullable=False), Field("person_id", "integer"), Field("select")),
    Link(("person_id",), "person", ("id",)),
)
LINE: Final = _dataset(
    "line",
    ("order_id", "n"),
    (
        Field("order_id", "integer", nullable=False),
        Field("n", "integer", nullable=False),
        Field("Größe %s"),
    ),
    Link(("order_id",), "order", ("id",)),
)
#: What `make` fills. Keys are unique; nothing else is.
DATASETS: Final = (PERSON, ORDER, LINE)

_TO_PERSON: Final = Join(("person_id",), "person", ("id",))
_TO_ORDER: Final = Join(("order_id",), "order", ("id",))
_SIZE: Final = "Größe %s"


def _person(number: int, email: str | None, **fields: Value) -> dict[str, Value]:
    row: dict[str, Value] = dict.fromkeys(PERSON.fields)
    return {**row, "id": number, "email": email, **fields}


def _moment(day: int, hour: int = 0, microsecond: int = 0) -> dt.datetime:
    # without an offset, as most companies store it
    return dt.datetime(2024, 1, day, hour, 0, 0, microsecond, tzinfo=dt.UTC).replace(tzinfo=None)


def sample() -> dict[str, list[dict[str, Value]]]:
    """The rows with which most laws are tried: namesakes, nulls, wildcards, quotes, blanks."""
    token = uuid.UUID("6f2c0d3e-1111-4222-8333-abcdefabcdef")
    return {
        "person": [
            _person(1, "ana@x.de", name="Ana", bits=5, score=decimal.Decimal("1.50"), weight=0.1,
                    active=True, born=dt.date(1990, 1, 31), seen=_moment(1, 12), token=token,
                    photo=b"\x00\xff'"),
            _person(2, " Ana@X.de\t", name="ana", bits=4, score=decimal.Decimal(2), active=False,
                    born=dt.date(1990, 2, 1), seen=_moment(2), photo=b""),
            _person(3, "a_a@x.de", name="A%", bits=0, seen=_moment(2, 0, 1)),
            _person(4, "aXa@x.de", name="O'Hara \"\\", bits=2**62 + 1, born=dt.date(2000, 1, 1)),
            _person(5, None, name=None),
            _person(6, "ÀÉ@x.de", name="Ana ", bits=7),
            _person(7, "àé@x.de", name="ANA"),
            _person(8, "ana@x.de", name="Namesake"),
        ],
        "order": [
            {"id": 10, "person_id": 1, "select": "one"},
            {"id": 11, "person_id": 1, "select": None},
            {"id": 12, "person_id": 2, "select": "two"},
            {"id": 13, "person_id": None, "select": "nobody's"},
            {"id": 14, "person_id": 4, "select": "one"},
            {"id": 15, "person_id": 8, "select": "x"},
            {"id": 1, "person_id": 6, "select": "the number of somebody else"},
        ],
        "line": [
            {"order_id": 10, "n": 1, _SIZE: "s"},
            {"order_id": 10, "n": 2, _SIZE: "m"},
            {"order_id": 11, "n": 1, _SIZE: None},
            {"order_id": 12, "n": 2, _SIZE: "s"},
            {"order_id": 12, "n": 1, _SIZE: "s"},
            {"order_id": 13, "n": 1, _SIZE: "s"},
            {"order_id": 1, "n": 1, _SIZE: "l"},
            {"order_id": 2, "n": 10, _SIZE: "l"},
        ],
    }  # fmt: skip


def keys(fields: Sequence[str] | str, *rows: tuple[int, Any]) -> KeyTable:
    """A KeyTable from (person, value) or (person, values)."""
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    return KeyTable(names, tuple((p, v if isinstance(v, tuple) else (v,)) for p, v in rows))


def people(*routes: Route, only: Predicate = NOTHING, fields: tuple[str, ...] = ()) -> Select:
    """A Select of persons."""
    return Select("person", ("id",), routes, And() if routes and only == NOTHING else only, fields)


def lines(*routes: Route) -> Select:
    """A Select of lines."""
    return Select("line", ("order_id", "n"), routes)


def of(name: str, *ids: int) -> Select:
    """Rows of a dataset with a numeric key, by key."""
    return by_key(name, keys("id", *((0, i) for i in ids)))


class StoreSuite(abc.ABC):
    """The laws, each a test. An author gives `make` and `open`."""

    #: Fields of person that the engine has no type for.
    without: ClassVar[frozenset[str]] = frozenset()
    #: Constraints that `make` put on the tables (`unique`: the keys; `not-null`: the keys;
    #: `foreign-key`: the links) for the rehearsal to run into.
    constraints: ClassVar[frozenset[str]] = frozenset()
    #: Random sequences tried against the memory store.
    examples: ClassVar[int] = 40

    @abc.abstractmethod
    def make(self, rows: Rows) -> Store:
        """A store that holds exactly `rows`, mapped by `DATASETS`."""

    @abc.abstractmethod
    def open(self) -> Store:
        """Another handle on what `make` filled last."""

    # ------------------------------------------------------------ helpers

    def fresh(self, rows: Rows | None = None) -> Store:
        """A store with the sample (or `rows`), less the fields that the engine lacks."""
        given = sample() if rows is None else rows
        return self.make(
            {
                name: [
                    {f: v for f, v in row.items() if name != "person" or f not in self.without}
                    for row in given.get(name, ())
                ]
                for name in ("person", "order", "line")
            }
        )

    def content(self, store: Store | None = None) -> dict[str, list[dict[str, Value]]]:
        """Every row, read through a fresh handle, sorted by key."""
        opened = self.open() if store is None else store
        found: dict[str, list[dict[str, Value]]] = {}
        with opened.session() as session:
            for dataset in DATASETS:
                first = dataset.key[0]
                select = Select(
                    dataset.name, dataset.key, (), Or((IsNull(first), Not(IsNull(first))))
                )
                rows = [
                    dict(zip(batch.columns, row, strict=True))
                    for _, batch in session.read([select])
                    for row in batch.rows
                ]
                found[dataset.name] = sorted(rows, key=partial(_order, dataset))
        if store is None:
            opened.close()
        return found

    def read(self, store: Store, select: Select) -> list[tuple[int, tuple[Value, ...]]]:
        """(person, key) of the rows of a Select, sorted."""
        found: list[tuple[int, tuple[Value, ...]]] = []
        with store.session() as session:
            for index, batch in session.read([select]):
                assert index == 0
                at = [batch.columns.index(name) for name in select.key]
                pairs = zip(batch.persons, batch.rows, strict=True)
                found += [(who, tuple(row[i] for i in at)) for who, row in pairs]
        return sorted(found, key=repr)

    def ids(self, store: Store, only: Predicate) -> list[Value]:
        """Keys of the persons that match a predicate."""
        found = self.read(store, Select("person", ("id",), (), And((only,))))
        return sorted((key[0] for _, key in found), key=repr)

    def do(self, store: Store, *changes: Change) -> list[Counts]:
        """Apply and commit."""
        with store.session(write=True) as session:
            counts = session.apply(changes, "step")
            session.commit()
        return counts

    def supported(self, predicate: Predicate) -> bool:
        """Whether the predicate reads only fields that the engine has."""
        from kept.model.predicate import fields_of

        return not (fields_of(predicate) & self.without)

    # ------------------------------------------------------------ reading

    def test_it_names_what_is_really_there(self) -> None:
        """Every dataset with its fields."""
        there = {d.name: d for d in self.fresh().datasets()}
        for dataset in DATASETS:
            assert dataset.name in there
            wanted = set(dataset.fields) - self.without
            assert wanted <= set(there[dataset.name].fields)

    def test_it_reads_back_the_values_that_were_stored(self) -> None:
        """Every type comes back as it was, nulls as nulls."""
        self.fresh()
        expected = {
            name: sorted(
                (
                    {f: v for f, v in row.items() if name != "person" or f not in self.without}
                    for row in rows
                ),
                key=partial(_order, _BY_NAME[name]),
            )
            for name, rows in sample().items()
        }
        assert self.content() == expected
        types = [[type(v) for v in row.values()] for row in self.content()["person"]]
        assert types == [[type(v) for v in row.values()] for row in expected["person"]]

    def test_it_reads_exactly_the_matching_rows(self) -> None:
        """By key, by other fields, by several keys at once."""
        store = self.fresh()
        assert self.read(store, of("person", 2)) == [(0, (2,))]
        assert self.read(store, of("person", 2, 4, 99)) == [(0, (2,)), (0, (4,))]
        assert self.ids(store, Eq("name", "Ana")) == [1]
        assert self.ids(store, In("name", ("Ana", "ANA", "nobody"))) == [1, 7]
        composite = keys(("order_id", "n"), (0, (10, 2)), (0, (12, 1)))
        assert self.read(store, lines(Route(composite))) == [(0, (10, 2)), (0, (12, 1))]

    def test_it_matches_exactly(self) -> None:
        """Case, blanks, wildcards, quotes and backslashes are letters like others."""
        store = self.fresh()
        for text, ids in (
            ("ana", [2]), ("ANA", [7]), ("Ana ", [6]), ("A%", [3]), ("a%", []), ("A_", []),
            ("%", []), ("O'Hara \"\\", [4]), ("' OR '1'='1", []), ("", []), ("Ana\0", []),
        ):  # fmt: skip
            assert self.ids(store, Eq("name", text)) == ids
            assert self.ids(store, In("name", (text, "no such"))) == ids
            route = Route(keys("name", (0, text)))
            assert [k for _, (k,) in self.read(store, people(route))] == ids
        assert self.ids(store, Eq("email", "a_a@x.de")) == [3]

    def test_a_null_matches_nothing(self) -> None:
        """Neither as a value, nor as a key, nor at a link."""
        store = self.fresh()
        assert self.ids(store, Eq("name", None)) == []
        assert self.ids(store, In("name", (None,))) == []
        assert self.ids(store, Not(Eq("name", None))) == list(range(1, 9))
        assert self.ids(store, IsNull("name")) == [5]
        assert self.read(store, people(Route(keys("email", (0, None))))) == []
        assert self.read(store, people(Route(keys("email", (0, None), (1, "a_a@x.de"))))) == [
            (1, (3,))
        ]
        path = (_TO_PERSON,)
        nobody = Select("order", ("id",), (Route(keys("email", (0, None)), path),))
        assert self.read(store, nobody) == []
        # order 11 has no `select`, person 5 has no name: that joins nothing
        path = (Join(("select",), "person", ("name",)),)
        nobody = Select("order", ("id",), (Route(keys("id", (0, 5), (0, 6)), path),))
        assert self.read(store, nobody) == []

    def test_not_is_the_complement(self) -> None:
        """What does not match matches Not, nulls included."""
        store = self.fresh()
        for predicate in (
            Eq("name", "Ana"), In("name", ("Ana", "ana")), Bits("bits", 1, 1), IsNull("email"),
            Before("seen", _moment(2)), Eq("email", "ana@x.de", folded=True), NOTHING,
            And((Eq("name", "Ana"), Bits("bits", 4, 4))), Or((Eq("name", "A%"), IsNull("name"))),
        ):  # fmt: skip
            if self.supported(predicate):
                yes, no = self.ids(store, predicate), self.ids(store, Not(predicate))
                assert sorted([*yes, *no], key=repr) == list(range(1, 9))
                assert self.ids(store, Not(Not(predicate))) == yes

    def test_before_is_strict(self) -> None:
        """A moment is not before itself; a microsecond counts; undated rows never match."""
        store = self.fresh()
        if "seen" not in self.without:
            assert self.ids(store, Before("seen", _moment(2))) == [1]
            assert self.ids(store, Before("seen", _moment(2, 0, 1))) == [1, 2]
            aware = _moment(2, 0, 2).replace(tzinfo=dt.UTC)
            assert self.ids(store, Before("seen", aware)) == [1, 2, 3]
            east = dt.timezone(dt.timedelta(hours=2))
            assert self.ids(store, Before("seen", _moment(2).replace(tzinfo=east))) == [1]
            assert self.ids(store, Before("seen", dt.date(2024, 1, 2))) == [1]
        if "born" not in self.without:
            assert self.ids(store, Before("born", dt.date(1990, 1, 31))) == []
            assert self.ids(store, Before("born", dt.date(1990, 2, 1))) == [1]
            assert self.ids(store, Before("born", _moment(1))) == [1, 2, 4]

    def test_folding_is_ascii_and_blanks_only(self) -> None:
        """Another case of A-Z and blanks around are the same; no other letter is."""
        store = self.fresh()
        assert self.ids(store, Eq("email", "ana@x.de", folded=True)) == [1, 2, 8]
        assert self.ids(store, Eq("email", "ana@x.de")) == [1, 8]
        assert self.ids(store, Eq("email", "àé@x.de", folded=True)) == [7]
        assert self.ids(store, In("email", ("Àé@x.de", "axa@x.de"), folded=True)) == [4]
        route = Route(keys("email", (0, "ana@x.de"), (1, "axa@x.de")), folded=True)
        assert self.read(store, people(route)) == [(0, (1,)), (0, (2,)), (0, (8,)), (1, (4,))]

    def test_bits(self) -> None:
        """A word masked equals a value; a null word never does."""
        store = self.fresh()
        assert self.ids(store, Bits("bits", 5, 4)) == [2]
        assert self.ids(store, Bits("bits", 1, 0)) == [2, 3]
        assert self.ids(store, Bits("bits", 2**62, 2**62)) == [4]
        assert self.ids(store, Bits("bits", 0, 0)) == [1, 2, 3, 4, 6]

    def test_it_compares_every_type(self) -> None:
        """A value finds its row and no other, in each type that the engine has."""
        store = self.fresh()
        row = sample()["person"][0]
        for field in ("score", "weight", "active", "born", "seen", "token", "photo"):
            if field not in self.without:
                assert self.ids(store, Eq(field, row[field])) == [1], field
                assert self.ids(store, In(field, (row[field], row[field]))) == [1], field
                route = Route(keys(field, (0, row[field])))
                assert self.read(store, people(route)) == [(0, (1,))], field

    def test_keys_of_a_foreign_type_are_understood(self) -> None:
        """1, "1" and 1.0 are the same key; what no column can hold finds nothing."""
        store = self.fresh()
        same: list[Value] = [2, "2", decimal.Decimal("2.0"), 2.0]
        for value in same:
            assert self.read(store, people(Route(keys("id", (0, value))))) == [(0, (2,))]
        foreign: list[Value] = [
            "two",
            2**70,
            "2 or 1=1",
            dt.date(2024, 1, 1),
            b"2",
            "02",
            2.5,
            "\ud800",
        ]
        for value in foreign:
            assert self.read(store, people(Route(keys("id", (0, value))))) == []
            mixed = keys("id", (0, value), (0, 3))
            assert self.read(store, people(Route(mixed))) == [(0, (3,))]

    def test_it_follows_the_join_path(self) -> None:
        """A row is hers by the path, not because some number is the same."""
        store = self.fresh()
        path = (_TO_ORDER, _TO_PERSON)
        one = Route(keys("id", (0, 1)), path)
        assert self.read(store, lines(one)) == [(0, (10, 1)), (0, (10, 2)), (0, (11, 1))]
        by_mail = Route(keys("email", (0, "ana@x.de")), path, folded=True)
        assert [k for _, k in self.read(store, lines(by_mail))] == [
            (10, 1), (10, 2), (11, 1), (12, 1), (12, 2),
        ]  # fmt: skip
        orders = Select("order", ("id",), (Route(keys("id", (0, 1)), (_TO_PERSON,)),))
        assert self.read(store, orders) == [(0, (10,)), (0, (11,))]
        nobody = Select("order", ("id",), (Route(keys("id", (0, 5)), (_TO_PERSON,)),))
        assert self.read(store, nobody) == []

    def test_every_row_has_its_person(self) -> None:
        """Several people in one Select; a row of two people comes once for each."""
        store = self.fresh()
        path = (_TO_ORDER, _TO_PERSON)
        both = Route(keys("id", (7, 1), (3, 2), (5, 1), (9, 5)), path)
        assert self.read(store, lines(both)) == [
            (3, (12, 1)), (3, (12, 2)), (5, (10, 1)), (5, (10, 2)), (5, (11, 1)),
            (7, (10, 1)), (7, (10, 2)), (7, (11, 1)),
        ]  # fmt: skip
        assert self.read(store, people(only=Eq("name", "Ana"))) == [(-1, (1,))]
        single = Route(keys("id", (4, 1)), path)
        assert {who for who, _ in self.read(store, lines(single))} == {4}

    def test_a_row_on_several_routes_counts_once(self) -> None:
        """For each person."""
        store = self.fresh()
        routes = (
            Route(keys("id", (0, 1), (1, 2))),
            Route(keys("email", (0, "ana@x.de"), (1, "a_a@x.de")), folded=True),
        )
        select = people(*routes)
        assert self.read(store, select) == [
            (0, (1,)), (0, (2,)), (0, (8,)), (1, (2,)), (1, (3,)),
        ]  # fmt: skip
        with store.session() as session:
            assert session.count([select, people(routes[0]), lines(Route(keys("n", (0, 1))))]) == [
                4, 2, 5,
            ]  # fmt: skip
        one = people(Route(keys("id", (2, 1))), Route(keys("name", (2, "Ana"))))
        assert self.read(store, one) == [(2, (1,))]
        # a path that is not unique: two orders of one person lead to the same row
        back = Join(("id",), "order", ("person_id",))
        shop = people(Route(keys("select", (0, "one"), (1, "one"), (0, "x")), (back,)))
        assert self.read(store, shop) == [
            (0, (1,)), (0, (4,)), (0, (8,)), (1, (1,)), (1, (4,)),
        ]  # fmt: skip

    def test_keys_come_with_their_person(self) -> None:
        """The same rows as `read`, as typed keys, several Selects of a dataset together."""
        store = self.fresh()
        path = (_TO_ORDER, _TO_PERSON)
        with store.session() as session:
            found = session.keys(
                [
                    lines(Route(keys("id", (0, 1), (1, 2)), path)),
                    lines(Route(keys("n", (1, 2)))),
                    people(Route(keys("id", (0, 99)))),
                ]
            )
        assert set(found["line"].rows) == {
            (0, (10, 1)), (0, (10, 2)), (0, (11, 1)), (1, (12, 1)), (1, (12, 2)), (1, (10, 2)),
        }  # fmt: skip
        assert len(found["line"].rows) == 6
        assert found["line"].fields == ("order_id", "n")
        assert len(found["person"]) == 0

    def test_only_narrows_the_routes(self) -> None:
        """Both must hold."""
        store = self.fresh()
        route = Route(keys("email", (0, "ana@x.de"), (1, "a_a@x.de")), folded=True)
        select = people(route, only=Not(Eq("name", "ana")))
        assert self.read(store, select) == [(0, (1,)), (0, (8,)), (1, (3,))]
        with store.session() as session:
            assert session.count([select]) == [3]

    def test_fields_and_order_of_selects(self) -> None:
        """Only the wanted fields, in their order; every batch names its Select."""
        store = self.fresh()
        wanted = Select("person", ("id",), (Route(keys("id", (0, 4))),), fields=("name", "id"))
        with store.session() as session:
            found = list(session.read([of("order", 10), wanted, of("person", 99), of("order", 12)]))
        assert [index for index, _ in found] == [0, 1, 3]
        assert found[1][1].columns == ("name", "id")
        assert found[1][1].rows == [("O'Hara \"\\", 4)]

    def test_many_keys(self) -> None:
        """Thousands of keys at once, most of them of nobody."""
        store = self.fresh()
        many = keys("id", *((i, i) for i in range(5000)))
        assert self.read(store, people(Route(many))) == sorted(
            ((i, (i,)) for i in range(1, 9)), key=repr
        )
        names = keys("name", *((i % 3, f"n'{i}\\\"") for i in range(3000)), (1, "O'Hara \"\\"))
        assert self.read(store, people(Route(names))) == [(1, (4,))]
        assert self.ids(store, In("name", (*(f"n{i}" for i in range(40_000)), "A%"))) == [3]

    # ------------------------------------------------------------ writing

    def test_a_second_handle_sees_what_was_committed(self) -> None:
        """And, where the grain is larger than the item, nothing before."""
        store = self.fresh()
        before = self.content()
        with store.session(write=True) as session:
            session.apply([Change(of("person", 3))], "step")
            if store.abilities.grain == "store":
                other = self.open()
                if store.abilities.snapshot:
                    with other.session() as reader:
                        assert reader.count([of("person", 3)]) == [1]
                other.close()
            session.commit()
        assert self.content()["person"] == [r for r in before["person"] if r["id"] != 3]

    def test_without_commit_nothing_happened(self) -> None:
        """Leaving a session, or rolling back, undoes it (where the grain allows)."""
        store = self.fresh()
        if store.abilities.grain != "store":
            return
        before = self.content()
        change = Change(of("person", 3))
        with store.session(write=True) as session:
            session.apply([change], "step")
        assert self.content() == before
        with store.session(write=True) as session:
            session.apply([change], "step")
            session.rollback()
            assert session.apply([Change(of("person", 4), {"name": Const("x")})], "next") == [
                Counts(1, 1)
            ]
            session.commit()
        after = self.content()
        assert [r["id"] for r in after["person"]] == list(range(1, 9))
        assert [r["name"] for r in after["person"] if r["id"] == 4] == ["x"]

    def test_it_deletes_the_matching_rows_and_no_others(self) -> None:
        """By key, by composite key, by path, by condition."""
        store = self.fresh()
        before = self.content()
        composite = keys(("order_id", "n"), (0, (10, 2)), (0, (12, 1)))
        counts = self.do(
            store,
            Change(lines(Route(composite))),
            Change(lines(Route(keys("email", (0, "ana@x.de")), (_TO_ORDER, _TO_PERSON)))),
            Change(of("order", 12, 99)),
            Change(people(only=Eq("name", "A%"))),
        )
        assert counts == [Counts(2, 2), Counts(2, 2), Counts(1, 1), Counts(1, 1)]
        gone = {("line", 10, 2), ("line", 12, 1), ("line", 10, 1), ("line", 11, 1)}
        left = self.content()
        assert left["line"] == [
            r for r in before["line"] if ("line", r["order_id"], r["n"]) not in gone
        ]
        assert left["order"] == [r for r in before["order"] if r["id"] != 12]
        assert left["person"] == [r for r in before["person"] if r["id"] != 3]

    def test_a_change_of_nothing_changes_nothing(self) -> None:
        """Keys that are null or that no column can hold never widen to everything."""
        store = self.fresh()
        before = self.content()
        try:
            Select("person", ("id",))
        except UsageError:
            pass
        else:
            raise AssertionError("a selection of everything was not refused")
        counts = self.do(
            store,
            Change(people(Route(keys("id", (0, None))))),
            Change(people(Route(keys("id", (0, "x"))), only=Not(IsNull("id")))),
            Change(people(Route(keys("id")))),
            Change(people(only=Not(And()))),
            Change(people(Route(keys("id", (0, None)))), {"name": Const("x")}),
        )
        assert counts == [Counts()] * 5
        assert self.content() == before

    def test_repeating_a_change_does_no_more(self) -> None:
        """And its counts are those of the attempt, not of the one before."""
        store = self.fresh()
        delete = Change(of("order", 10, 11))
        overwrite = Change(of("person", 1, 2), {"name": Const(None), "email": Template("e-{id}")})
        assert self.do(store, delete, overwrite) == [Counts(2, 2), Counts(2, 2)]
        after = self.content()
        assert self.do(store, delete, overwrite) == [Counts(0, 0), Counts(2, 0)]
        assert self.content() == after
        more = Change(of("order", 10, 12))
        some = Change(of("person", 2, 3), {"name": Const(None)})
        assert self.do(store, more, some) == [Counts(1, 1), Counts(2, 1)]

    def test_it_sets_the_given_fields_and_leaves_the_rest(self) -> None:
        """Constants, nulls, templates and functions of the row, each seeing the row as it was."""
        store = self.fresh()
        before = {r["id"]: r for r in self.content()["person"]}
        assign: dict[str, Assignment] = {
            "email": Template("erased-{id}@{{x}}.{name}"),
            "name": Const("O'\"\\%s ? $1 :a ü"),
            "bits": Const(None),
        }
        assert self.do(store, Change(of("person", 1, 4, 5), assign)) == [Counts(3, 3)]
        after = {r["id"]: r for r in self.content()["person"]}
        for number, row in before.items():
            if number in (1, 4, 5):
                name = _say(row["name"] or "")
                row = {
                    **row, "email": f"erased-{number}@{{x}}.{name}", "bits": None,
                    "name": "O'\"\\%s ? $1 :a ü",
                }  # fmt: skip
            assert after[number] == row

    def test_a_function_sees_the_row_as_it_was(self) -> None:
        """And writes to that row only."""
        store = self.fresh()
        before = {r["id"]: r for r in self.content()["person"]}
        change = Change(
            people(Route(keys("name", (0, "Ana"), (1, "ana"), (1, "A%")))),
            {
                "name": PerRow(lambda row: _say("was ", row["name"], " of ", row["email"])),
                "email": PerRow(lambda row: _say(row["id"], "-", row["name"])),
            },
        )
        assert self.do(store, change) == [Counts(3, 3)]
        after = {r["id"]: r for r in self.content()["person"]}
        for number, row in before.items():
            if number in (1, 2, 3):
                row = {
                    **row, "name": _say("was ", row["name"], " of ", row["email"]),
                    "email": _say(number, "-", row["name"]),
                }  # fmt: skip
            assert after[number] == row

    def test_it_writes_every_type(self) -> None:
        """What is set is what is read."""
        store = self.fresh()
        new: dict[str, Value] = {
            "bits": 2**63 - 1, "score": decimal.Decimal("-3.25"), "weight": -2.5, "active": True,
            "born": dt.date(1900, 2, 28), "seen": _moment(31, 23, 123456),
            "token": uuid.UUID(int=7), "photo": b"'\\\x00\n", "name": "ß'\"\\\n\t%?$1",
        }  # fmt: skip
        new = {field: value for field, value in new.items() if field not in self.without}
        constants = {field: Const(value) for field, value in new.items()}
        computed = {field: PerRow(partial(_always, value)) for field, value in new.items()}
        assert self.do(store, Change(of("person", 3), constants)) == [Counts(1, 1)]
        assert self.do(store, Change(of("person", 5), computed)) == [Counts(1, 1)]
        for row in self.content()["person"]:
            if row["id"] in (3, 5):
                assert {field: row[field] for field in new} == new
        again = {**constants, "name": Const(new["name"])}
        assert self.do(store, Change(of("person", 3, 5), again)) == [Counts(2, 0)]

    def test_changes_happen_in_order(self) -> None:
        """Each sees what those before it left."""
        store = self.fresh()
        counts = self.do(
            store,
            Change(of("person", 3), {"name": Const("step")}),
            Change(people(only=Eq("name", "step")), {"name": Const("step two")}),
            Change(people(only=Eq("name", "step"))),
            Change(people(only=Eq("name", "step two"))),
        )
        assert counts == [Counts(1, 1), Counts(1, 1), Counts(0, 0), Counts(1, 1)]

    def test_a_rehearsal_leaves_no_trace(self) -> None:
        """Obstacles are found, named by kind and dataset without values; nothing is written."""
        store = self.fresh()
        changes = [Change(lines(Route(keys(("order_id", "n"), (0, (10, 1))))))]
        if not store.abilities.rehearse:
            with store.session(write=True) as session:
                _raises(NotAble, lambda: session.rehearse(changes))
            return
        before = self.content()
        with store.session(write=True) as session:
            assert session.rehearse(changes) == []
            session.commit()
        assert self.content() == before
        tries: list[tuple[str, Change]] = [
            ("unique", Change(of("person", 1, 2), {"id": Const(77)})),
            ("not-null", Change(of("person", 1), {"id": Const(None)})),
            ("foreign-key", Change(of("person", 1))),
        ]
        for kind, change in tries:
            if kind in self.constraints:
                with store.session(write=True) as session:
                    met = session.rehearse([*changes, change])
                    assert [(o.dataset, o.kind) for o in met] == [("person", kind)], kind
                    assert "77" not in repr(met)
                    assert session.apply(changes, "step") == [Counts(1, 1)]
                assert self.content() == before

    def test_errors_hold_no_personal_data(self) -> None:
        """Neither in the message nor in any error behind it."""
        store = self.fresh()
        private = "Geheim-4711"
        wrong: list[Callable[[Session], Any]] = [
            lambda s: list(s.read([Select("no such", ("id",), (), Eq("id", private))])),
            lambda s: s.count([people(only=Eq("no such", private))]),
            lambda s: s.apply([Change(of("person", 1), {"no such": Const(private)})], "a"),
            lambda s: s.apply([Change(of("person", 1), {"bits": Const(private)})], "b"),
        ]
        if "unique" in self.constraints:
            wrong.append(lambda s: s.apply([Change(of("person", 1, 2), {"id": Const(4711)})], "c"))
        for work in wrong:
            with store.session(write=True) as session:
                error = _raises(KeptError, partial(work, session))
            behind: BaseException | None = error
            while behind is not None:
                assert private not in str(behind)
                assert "4711" not in repr(behind.args)
                behind = behind.__cause__ or behind.__context__

    def test_an_error_leaves_the_store_as_it_was(self) -> None:
        """As far as the grain promises; and the next session works."""
        store = self.fresh()
        before = self.content()
        if store.abilities.grain == "store":
            bad = Change(of("person", 2), {"bits": Const("no number")})
            with store.session(write=True) as session:
                _raises(KeptError, lambda: session.apply([Change(of("person", 3)), bad], "a"))
                session.commit()
            assert [r for r in self.content()["person"] if r["id"] != 3] == [
                r for r in before["person"] if r["id"] != 3
            ]
        assert self.do(store, Change(of("order", 15)))[0].found == 1

    def test_a_snapshot_sees_one_moment(self) -> None:
        """What others commit meanwhile does not show."""
        store = self.fresh()
        if not store.abilities.snapshot:
            return
        other = self.open()
        with store.session() as session:
            assert session.count([of("order", 15)]) == [1]
            if self.writes_while_read:
                self.do(other, Change(of("order", 15)))
            assert session.count([of("order", 15)]) == [1]
        with store.session() as session:
            assert session.count([of("order", 15)]) == [0 if self.writes_while_read else 1]
        other.close()

    #: Whether others can commit while a reading session is open.
    writes_while_read: ClassVar[bool] = True

    def test_a_closed_session_is_of_no_use(self) -> None:
        """Closing twice is allowed."""
        session = self.fresh().session()
        session.close()
        session.close()
        _raises(KeptError, lambda: session.count([of("person", 1)]))

    # ------------------------------------------------------------ against the model

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
                name: sorted(found, key=partial(_order, _BY_NAME[name]))
                for name, found in self.content(model).items()
            }
            assert self.content() == _lacking(expected, self.without)

        agree()


_BY_NAME: Final = {d.name: d for d in DATASETS}


def _lacking(
    content: dict[str, list[dict[str, Value]]], without: frozenset[str]
) -> dict[str, list[dict[str, Value]]]:
    people_ = [{f: v for f, v in r.items() if f not in without} for r in content["person"]]
    return {**content, "person": people_}


def _order(dataset: Dataset, row: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(repr(row.get(name)).rjust(12) for name in dataset.key)


def _say(*parts: Value) -> str:
    return "".join(str(part) for part in parts)


def _always(value: Value, _: Mapping[str, Value]) -> Value:
    return value


def _raises(kind: type[KeptError], work: Callable[[], Any]) -> KeptError:
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


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
        _moment(2),
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
            moments = [dt.date(1990, 2, 1), _moment(2), _moment(2).replace(tzinfo=dt.UTC)]
            options.append(st.builds(Before, st.just(field), st.sampled_from(moments)))
        if field == "bits":
            words = st.sampled_from([0, 1, 4, 5, 7, 2**62])
            options.append(st.builds(Bits, st.just(field), words, words))
        if field in ("email", "name"):
            texts = st.sampled_from(["ana@x.de", "ana", "a%", "àé@x.de", "o'hara \"\\"])
            options.append(st.builds(Eq, st.just(field), texts, st.just(True)))
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
        Select, st.just("line"), st.just(("order_id", "n")), routes("n", (_TO_ORDER, _TO_PERSON))
    )
    rows_of_person = st.builds(Select, st.just("person"), st.just(("id",)), routes("id", ()))
    texts = st.sampled_from(["", "x'", "ana@x.de", None])
    assign = st.fixed_dictionaries(
        {"name": st.one_of(st.builds(Const, texts), st.just(Template("{id}/{email}")))},
        optional={
            "email": st.one_of(
                st.just(Template("e-{id}")),
                st.just(PerRow(lambda r: _say(r["id"], ":", r["name"]))),
            ),
            "bits": st.builds(Const, st.sampled_from([None, 0, 5])),
        },
    )
    orders = st.builds(
        Select, st.just("order"), st.just(("id",)), routes("person_id", (_TO_PERSON,))
    )
    mark = st.fixed_dictionaries({"select": st.builds(Const, texts)})
    return st.one_of(
        st.builds(Change, line),
        st.builds(Change, rows_of_person, assign),
        st.builds(Change, orders, mark),
        st.builds(Change, line, st.fixed_dictionaries({_SIZE: st.builds(Const, texts)})),
    )
