from __future__ import annotations

import datetime as dt

import pytest

from kept.errors import UsageError
from kept.model.plan import Reason
from kept.records.suppression import ALL
from kept.terms.identifiers import Identifier

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ANA, BEA = Identifier("email", "ana@example.org"), Identifier("email", "bea@example.org")


def test_a_hold_from_its_placing_to_its_release(records) -> None:
    ana = records.subjects.of([ANA], NOW)
    on_ana = records.holds.add(
        ground="claim before a court", clause="X-1", actor=records.actor, now=NOW, subject=ana
    )
    until = (NOW + 10 * DAY).date()
    on_shop = records.holds.add(
        ground="books", law="HGB §257", clause="X-2", actor=records.actor, now=NOW + DAY,
        system="shop", dataset="invoice", until=until,
    )  # fmt: skip
    assert records.holds.all(NOW) == [on_ana, on_shop]
    assert records.holds.applying([ana], NOW) == [on_ana, on_shop]
    assert records.holds.applying([ana + 1], NOW) == [on_shop]
    assert on_shop.reason() == Reason("books", "HGB §257", until, "X-2", on_shop.id)
    assert on_ana.covers("any", "thing")
    assert [on_shop.covers(*x) for x in (("shop", "invoice"), ("shop", "x"), ("x", "invoice"))] == [
        True, False, False,
    ]  # fmt: skip
    assert records.holds.all(NOW + 10 * DAY) == [on_ana]  # its last day is the day before
    released = records.holds.release(on_ana.id, records.actor, "settled", NOW + DAY)
    assert released.released_at == NOW + DAY
    assert records.holds.applying([ana], NOW + DAY) == [on_shop]
    assert len(records.holds.all(NOW, released=True)) == 2
    for id_ in (on_ana.id, "nonsense"):
        with pytest.raises(UsageError, match="no such open hold"):
            records.holds.release(id_, records.actor, "again", NOW)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "hold on everything"),
        ({"dataset": "x", "subject": 1}, "without its system"),
        ({"subject": 1, "ground": " "}, "no ground"),
    ],
)
def test_holds_that_are_refused(records, more: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        records.holds.add(
            **{"ground": "g", "clause": "X", "actor": records.actor, "now": NOW, **more}
        )


def _words(records) -> bytes:
    with records.database.connection() as c:
        rows = c.execute("SELECT ground, why FROM hold ORDER BY number").fetchall()
    return b"|".join(w or b"" for row in rows for w in row)


def test_the_words_of_a_hold_are_sealed_those_from_before_too(records) -> None:
    held = records.holds.add(
        ground="Ana sues", clause="X-1", actor=records.actor, now=NOW, system="shop"
    )
    records.holds.release(held.id, records.actor, "Ana settled", NOW)
    assert b"Ana" not in _words(records)
    with records.database.connection() as c:
        c.execute("UPDATE hold SET ground = 'Ana sued', why = 'Ana paid'::bytea")
    again = type(records.holds)(records.database, records.vault)
    assert b"Ana" not in _words(records)
    (old,) = again.all(NOW, released=True)
    assert old.ground == "Ana sued"
    before = _words(records)
    type(records.holds)(records.database, records.vault)
    assert _words(records) == before


def test_actors(records) -> None:
    again = records.actors.of("Pia", "privacy-officer", NOW)
    assert again == records.actor == records.actors.named(again.id)
    assert records.actors.of("Pia", "auditor", NOW).id == again.id + 1
    with pytest.raises(UsageError, match="no such role"):
        records.actors.of("Pia", "boss", NOW)
    with pytest.raises(UsageError, match="no name"):
        records.actors.of(" ", "auditor", NOW)
    with pytest.raises(KeyError):
        records.actors.named(999)


def test_suppressions(records) -> None:
    add = records.suppressions.add
    assert add([ANA, Identifier("name", "Ana")], NOW, source="erasure") == 1
    assert add([ANA], NOW, source="erasure") == 0
    assert add([ANA], NOW, channel="post", source="letter") == 1
    assert add([], NOW, source="x") == add([Identifier("ip", "::1")], NOW, source="x") == 0
    upper = Identifier("email", "ANA@EXAMPLE.ORG")
    assert records.suppressions.channels(upper) == {ALL, "post"}
    assert records.suppressions.channels_of([BEA, ANA]) == [frozenset(), {ALL, "post"}]
    assert records.suppressions.lift(upper, channel="post")
    assert not records.suppressions.lift(upper, channel="post")
    assert records.suppressions.channels(ANA) == {ALL}


def test_a_suppression_outlives_the_person_and_meets_her_again(records) -> None:
    ana = records.subjects.of([ANA], NOW)
    records.suppressions.add([ANA], NOW, source="erasure")
    records.vault.shred([ana], ["person"], NOW)
    records.subjects.forget([ana])
    new = records.subjects.of([ANA], NOW + DAY)
    assert new != ana
    assert records.consents.facts(new, NOW + DAY).held == {"suppressed"}
    with records.database.connection() as c:
        text = str(c.execute("SELECT s::text FROM suppression s").fetchall())
    assert "ana@" not in text
