from __future__ import annotations

import datetime as dt
import decimal
import uuid

import pytest

from kept.errors import Denied, Shredded
from kept.model.plan import Reason
from kept.model.select import KeyTable
from kept.terms.identifiers import Identifier

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ANA, BEA = Identifier("email", "ana@example.org"), Identifier("email", "bea@example.org")
PHONE = Identifier("phone", "+4930123456")
UNTIL = dt.date(2030, 12, 31)
LAW = Reason("books", "HGB §257", UNTIL, "X-1")
INVOICES = KeyTable(("id",), ((0, (1,)), (0, (2,)), (1, (3,))))


def case_of(records, *people):
    return records.cases.open("erasure", people, records.actor, "test", NOW)


@pytest.fixture
def stored(records):
    case = case_of(records, [ANA, PHONE], [BEA])
    made = records.locator.store(
        case, [[ANA, PHONE], [BEA]], [("shop", "invoice", INVOICES, LAW)], NOW
    )
    assert made == 2
    return case


def test_the_way_back_leads_through_a_case_that_names_her(records, stored) -> None:
    asked = case_of(records, [Identifier("email", "ANA@example.org")])
    found = records.locator.find(asked, [[ANA]])
    assert found == {
        ("shop", "invoice"): [(KeyTable(("id",), ((0, (1,)), (0, (2,)))), LAW)],
    }  # fmt: skip
    both = case_of(records, [BEA], [PHONE])
    assert records.locator.find(both, [[BEA], [PHONE]]) == {
        ("shop", "invoice"): [
            (KeyTable(("id",), ((0, (3,)),)), LAW),
            (KeyTable(("id",), ((1, (1,)), (1, (2,)))), LAW),
        ]
    }
    with pytest.raises(Denied, match="names the identifier"):
        records.locator.find(asked, [[ANA], [BEA]])


def test_names_lead_nowhere(records, stored) -> None:
    name = Identifier("name", "Ana Maier")
    case = case_of(records, [ANA, name])
    records.locator.store(
        case, [[ANA, name]], [("s", "d", KeyTable(("k",), ((0, (9,)),)), LAW)], NOW
    )
    asked = case_of(records, [name])
    assert records.locator.find(asked, [[name]]) == {}
    assert records.locator.find(asked, [[]]) == {}


def test_nothing_readable_is_stored(records, stored) -> None:
    with records.database.connection() as c:
        names = [c.execute(f"SELECT t::text FROM {t} t").fetchall()
                 for t in ("locator", "locator_name", "retained")]  # fmt: skip
    assert "ana@" not in str(names)
    assert "HGB" not in str(names)


def test_everybody_else_leaves_them_out(records, stored) -> None:
    macs = set(records.locator.marks("shop", "invoice"))
    assert len(macs) == 3
    assert records.locator.marks("shop", "other") == {}
    hidden = records.locator.veil().hidden
    assert hidden("shop", "invoice", [(1,), (4,), (3,), (2,)]) == [True, False, True, True]
    assert hidden("desk", "invoice", [(1,)]) == [False]
    # The same key as another engine spells it.
    same = [("1",), (decimal.Decimal("1.0"),), (1.0,)]
    assert hidden("shop", "invoice", same) == [True] * 3
    one = uuid.uuid4()
    assert records.locator.key_mac("a", "b", (one,)) == records.locator.key_mac(
        "a", "b", (str(one),)
    )
    assert records.locator.key_mac("a", "b", ("1", "2")) != records.locator.key_mac(
        "a", "b", ("12",)
    )


def test_a_resumed_case_stores_once(records, stored) -> None:
    records.locator.store(stored, [[ANA, PHONE], [BEA]], [("shop", "invoice", INVOICES, LAW)], NOW)
    assert records.count("locator") == 2
    assert records.count("retained") == 3
    assert records.locator.store(stored, [[ANA], [BEA]], [], NOW) == 0
    assert records.count("locator") == records.count("locator_name") == 0


def test_it_dies_on_its_day(records, stored) -> None:
    last = dt.datetime(2030, 12, 30, 23, 0, tzinfo=dt.UTC)
    assert records.locator.expire(last) == 0
    with records.database.connection() as c:
        row = c.execute("SELECT entry, sealed FROM locator ORDER BY entry").fetchone()
    assert row is not None
    assert records.locator.expire(last + DAY) == 2
    assert set(records.locator.marks("shop", "invoice")) == set()
    asked = case_of(records, [ANA])
    assert records.locator.find(asked, [[ANA]]) == {}
    with pytest.raises(Shredded):  # a copy of the row from a backup opens no more
        records.vault.unseal(-row[0], "locator", row[1], b"locator")


def test_it_dies_with_its_hold(records) -> None:
    hold = records.holds.add(
        ground="claim", clause="X", actor=records.actor, now=NOW, system="shop"
    )
    case = case_of(records, [ANA])
    rows = KeyTable(("id",), ((0, (1,)),))
    records.locator.store(case, [[ANA]], [("shop", "invoice", rows, hold.reason())], NOW)
    endless = Reason("not known", None, None, "X")
    other = case_of(records, [BEA])
    records.locator.store(other, [[BEA]], [("shop", "invoice", rows, endless)], NOW)
    assert records.locator.expire(NOW + 9999 * DAY) == 0
    records.holds.release(hold.id, records.actor, "settled", NOW + DAY)
    assert records.locator.expire(NOW) == 0
    assert records.locator.expire(NOW + DAY) == 1
    # The same row is still held for the other reason.
    assert records.locator.veil().hidden("shop", "invoice", [(1,)]) == [True]


def test_what_a_row_said_dies_and_the_others_go_on_under_a_new_key(records, stored) -> None:
    place, locator = ("shop", "invoice"), records.locator
    copies = {locator.key_mac(*place, (n,)): {"total": f"{n} euros"} for n in (1, 2)}
    locator.isolated.seal(stored.number, place, copies, NOW)
    with records.database.connection() as c:
        entry, *before = c.execute(
            "SELECT entry, i.sealed, l.sealed FROM isolated i JOIN locator l USING (entry)"
        ).fetchone()
    hers = KeyTable(("id",), INVOICES.rows[:2])
    later = Reason("it is referred to", None, UNTIL, "X-1")
    with records.database.connection() as c:
        assert locator.renew(entry, hers, later, connection=c) is None
        new = locator.renew(entry, hers, later, emptied=[(2,)], connection=c)
        assert new not in (None, entry)
        locator.drop([entry], NOW, connection=c)
    asked = case_of(records, [ANA])
    assert locator.find(asked, [[ANA]]) == {place: [(hers, later)]}
    assert len(locator.marks(*place)) == 3
    assert list(locator.isolated.known(place, list(copies)).values()) == [{"total": "1 euros"}]
    for sealed, label in zip(before, (b"isolated", b"locator"), strict=True):
        with pytest.raises(Shredded):  # nor does a copy of it from a backup say anything
            records.vault.unseal(-entry, "locator", sealed, label)


def test_an_erasure_does_not_cut_it(records, stored) -> None:
    ana = records.subjects.of([ANA], NOW)
    records.vault.shred([ana], ["person", "account"], NOW)
    records.subjects.forget([ana])
    asked = case_of(records, [ANA])
    assert len(records.locator.find(asked, [[ANA]])) == 1


def test_many_people_and_rows(records) -> None:
    people = [[Identifier("email", f"p{n}@example.org")] for n in range(500)]
    case = records.cases.open("erasure", people, records.actor, "test", NOW)
    rows = KeyTable(("id",), tuple((n % 500, (n,)) for n in range(5000)))
    assert records.locator.store(case, people, [("shop", "invoice", rows, LAW)], NOW) == 500
    assert len(set(records.locator.marks("shop", "invoice"))) == 5000
    found = records.locator.find(case, people)[("shop", "invoice")]
    assert sorted(key for table, _ in found for key in table.rows) == sorted(rows.rows)
