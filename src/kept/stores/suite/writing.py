"""The laws of writing: what changes, what stays, what is reported."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from kept.errors import KeptError, NotAble, UsageError
from kept.model.change import Assignment, Change, Const, PerRow, Template
from kept.model.generalise import Generalise
from kept.model.plan import Counts
from kept.model.predicate import (
    And,
    Eq,
    IsNull,
    Not,
)
from kept.model.redact import Redact
from kept.model.select import Route, Select
from kept.model.values import Value
from kept.stores.base import Session
from kept.stores.suite.laws import Laws
from kept.stores.suite.sample import (
    TO_ORDER,
    TO_PERSON,
    always,
    keys,
    lines,
    moment,
    of,
    people,
    raises,
    say,
)


class WritingLaws(Laws):
    """What was to change has changed, nothing else has, and the counts say so."""

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
            Change(lines(Route(keys("email", (0, "ana@x.de")), (TO_ORDER, TO_PERSON)))),
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
                name = say(row["name"] or "")
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
                "name": PerRow(lambda row: say("was ", row["name"], " of ", row["email"])),
                "email": PerRow(lambda row: say(row["id"], "-", row["name"])),
            },
        )
        assert self.do(store, change) == [Counts(3, 3)]
        after = {r["id"]: r for r in self.content()["person"]}
        for number, row in before.items():
            if number in (1, 2, 3):
                row = {
                    **row, "name": say("was ", row["name"], " of ", row["email"]),
                    "email": say(number, "-", row["name"]),
                }  # fmt: skip
            assert after[number] == row

    def test_it_makes_values_coarse_and_takes_passages_out(self) -> None:
        """Each by its own row; done twice it is done once."""
        store = self.fresh()
        assign: dict[str, Assignment] = {
            "name": Generalise("prefix-1"), "bits": Generalise("band-4"),
        }  # fmt: skip
        if "born" not in self.without:
            assign["born"] = Generalise("year")
        text = {"name": Const("of ANA@x.de, not of diana@x.de; ana@x.de. ana@x.de.evil")}
        before = {r["id"]: r for r in self.content()["person"]}
        assert self.do(store, Change(of("person", 1, 4), assign)) == [Counts(2, 2)]
        assert self.do(store, Change(of("person", 1, 4), assign)) == [Counts(2, 0)]
        redact = Change(of("person", 2, 6), {"name": Redact((("email", "ana@x.de"),))})
        assert self.do(store, Change(of("person", 2), text), redact) == [Counts(1, 1), Counts(2, 1)]
        assert self.do(store, redact) == [Counts(2, 0)]
        after = {r["id"]: r for r in self.content()["person"]}
        years = {1: dt.date(1990, 1, 1), 4: dt.date(2000, 1, 1)}
        for number, row in before.items():
            if number in years:
                row = {**row, "name": str(row["name"])[:1], "bits": int(str(row["bits"])) // 4 * 4}
                row = {**row, "born": years[int(str(number))]} if "born" in assign else row
            elif number == 2:
                row = {**row, "name": "of [-], not of diana@x.de; [-]. ana@x.de.evil"}
            assert after[number] == row

    def test_it_writes_every_type(self) -> None:
        """What is set is what is read."""
        store = self.fresh()
        new: dict[str, Value] = {
            "bits": 2**63 - 1, "score": decimal.Decimal("-3.25"), "weight": -2.5, "active": True,
            "born": dt.date(1900, 2, 28), "seen": moment(31, 23, 123456),
            "token": uuid.UUID(int=7), "photo": b"'\\\x00\n", "name": "ß'\"\\\n\t%?$1",
        }  # fmt: skip
        new = {field: value for field, value in new.items() if field not in self.without}
        constants = {field: Const(value) for field, value in new.items()}
        computed = {field: PerRow(partial(always, value)) for field, value in new.items()}
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
                raises(NotAble, lambda: session.rehearse(changes))
            return
        before = self.content()
        with store.session(write=True) as session:
            assert session.rehearse(changes) == []
            session.commit()
        assert self.content() == before
        tries: list[tuple[str, Change]] = [
            ("unique", Change(of("person", 3, 7), {"id": Const(77)})),  # nothing refers to them
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
                error = raises(KeptError, partial(work, session))
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
                raises(KeptError, lambda: session.apply([Change(of("person", 3)), bad], "a"))
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

    def test_a_closed_session_is_of_no_use(self) -> None:
        """Closing twice is allowed."""
        session = self.fresh().session()
        session.close()
        session.close()
        raises(KeptError, lambda: session.count([of("person", 1)]))
