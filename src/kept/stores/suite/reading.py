"""The laws of reading: which rows, whose, in which form."""

from __future__ import annotations

import datetime as dt
import decimal
from functools import partial

from kept.model.predicate import (
    NOTHING,
    And,
    Before,
    Bits,
    Contains,
    Eq,
    In,
    IsNull,
    Not,
    Or,
)
from kept.model.select import Join, Route, Select
from kept.model.values import Value
from kept.stores.suite.laws import Laws
from kept.stores.suite.sample import (
    BY_NAME,
    DATASETS,
    TO_ORDER,
    TO_PERSON,
    keys,
    lines,
    moment,
    of,
    order_of,
    people,
    sample,
)


class ReadingLaws(Laws):
    """What is read is what is there and hers, no row more or less."""

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
                key=partial(order_of, BY_NAME[name]),
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
        path = (TO_PERSON,)
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
            Before("seen", moment(2)), Eq("email", "ana@x.de", folded=True), NOTHING,
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
            assert self.ids(store, Before("seen", moment(2))) == [1]
            assert self.ids(store, Before("seen", moment(2, 0, 1))) == [1, 2]
            aware = moment(2, 0, 2).replace(tzinfo=dt.UTC)
            assert self.ids(store, Before("seen", aware)) == [1, 2, 3]
            east = dt.timezone(dt.timedelta(hours=2))
            assert self.ids(store, Before("seen", moment(2).replace(tzinfo=east))) == [1]
            assert self.ids(store, Before("seen", dt.date(2024, 1, 2))) == [1]
        if "born" not in self.without:
            assert self.ids(store, Before("born", dt.date(1990, 1, 31))) == []
            assert self.ids(store, Before("born", dt.date(1990, 2, 1))) == [1]
            assert self.ids(store, Before("born", moment(1))) == [1, 2, 4]

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

    def test_it_finds_what_a_text_holds(self) -> None:
        """Letter by letter, A-Z in either case and no other; bare: without blanks and signs."""
        store = self.fresh()
        assert self.ids(store, Contains("email", ("ana@x",))) == [1, 2, 8]
        assert self.ids(store, Contains("email", ("a_a", "%"))) == [3]
        assert self.ids(store, Contains("email", ("àé",))) == [7]
        assert self.ids(store, Contains("email", ("anax",))) == []
        assert self.ids(store, Contains("email", ("@xde",), bare=True)) == [1, 2, 3, 4, 6, 7, 8]
        assert self.ids(store, Contains("name", ("o'hara \"\\",))) == [4]
        assert self.ids(store, Contains("name", ())) == []
        many = tuple(f"nobody {n}" for n in range(3000))
        assert self.ids(store, Contains("email", (*many, "ana@x"))) == [1, 2, 8]
        assert 5 in self.ids(store, Not(Contains("name", ("a",))))

    def test_it_finds_a_telephone_number_however_it_is_grouped(self) -> None:
        """By its digits alone, with the text as it stands; then by just that text."""
        spelt = (
            "+493055500", "+49 30 555 00", "+49-30-555-00", "+49 (30) 55500", " 0049/30.555 00\t",
            "030/555-00", "(030) 55500", "49 30 55500",
            "+49\u00a030\u202f555\u200700", "+49\u200930\u2010555\u201100",
            "030\u2012555\u201300", "tel:+49\u201430\u2015555\u221200",
        )  # fmt: skip
        others = ("+49 30 5550", "+49 30 555\u00b700", "+49 31 55500", "30x55500", "", None)
        rows = [
            {"id": n, "email": f"{n}@x.de", "name": text}
            for n, text in enumerate((*spelt, *others), 1)
        ]
        store = self.fresh({"person": rows})
        digits = Contains("name", ("3055500",), bare=True)
        assert self.ids(store, digits) == sorted(range(1, len(spelt) + 1), key=repr)
        with store.session() as session:
            told = [
                str(row[batch.columns.index("name")])
                for _, batch in session.read([people(only=digits, fields=("id", "name"))])
                for row in batch.rows
            ]
        assert sorted(told) == sorted(spelt)
        route = Route(keys("name", *((n, text) for n, text in enumerate(spelt))))
        assert self.read(store, people(route)) == sorted(
            ((n, (n + 1,)) for n in range(len(spelt))), key=repr
        )

    def test_great_numbers_are_exact(self) -> None:
        """One more is another number, alone and in a list."""
        store = self.fresh()
        for number, ids in ((2**62, []), (2**62 + 1, [4]), (2**62 + 2, [])):
            assert self.ids(store, Eq("bits", number)) == ids
            assert self.ids(store, In("bits", (number, 3))) == ids
            for route in (
                Route(keys("bits", (0, number))),
                Route(keys("bits", (0, number), (0, 3))),
            ):
                assert [k for _, (k,) in self.read(store, people(route))] == ids

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
        path = (TO_ORDER, TO_PERSON)
        one = Route(keys("id", (0, 1)), path)
        assert self.read(store, lines(one)) == [(0, (10, 1)), (0, (10, 2)), (0, (11, 1))]
        by_mail = Route(keys("email", (0, "ana@x.de")), path, folded=True)
        assert [k for _, k in self.read(store, lines(by_mail))] == [
            (10, 1), (10, 2), (11, 1), (12, 1), (12, 2),
        ]  # fmt: skip
        orders = Select("order", ("id",), (Route(keys("id", (0, 1)), (TO_PERSON,)),))
        assert self.read(store, orders) == [(0, (10,)), (0, (11,))]
        nobody = Select("order", ("id",), (Route(keys("id", (0, 5)), (TO_PERSON,)),))
        assert self.read(store, nobody) == []

    def test_every_row_has_its_person(self) -> None:
        """Several people in one Select; a row of two people comes once for each."""
        store = self.fresh()
        path = (TO_ORDER, TO_PERSON)
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
        path = (TO_ORDER, TO_PERSON)
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
