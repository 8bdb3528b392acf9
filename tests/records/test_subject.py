from __future__ import annotations

import datetime as dt
import random
import threading
from pathlib import Path

import pytest

from kept.database import Database, at_once
from kept.errors import Shredded, UsageError
from kept.keys import PERSON
from kept.model.plan import Reason
from kept.model.select import KeyTable
from kept.records.consent import Said
from kept.records.subject import Subjects, identity_mac, label, suppression_mac
from kept.terms.identifiers import Identifier, parse

from .conftest import records_on

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)
ANA = Identifier("email", "ana@example.org")
ANA_PHONE = Identifier("phone", "+49 30 123456")
BEA = Identifier("email", "bea@example.org")


def test_looking_up_makes_nobody(records) -> None:
    assert records.subjects.find([ANA, BEA, Identifier("name", "Ana")]) == ()
    assert records.subjects.find([]) == ()
    assert records.subjects.find_many([[ANA], [BEA]]) == [(), ()]
    assert (
        records.count("subject") == records.count("identity") == records.count("subject_key") == 0
    )


def test_one_person_under_three_spellings(records) -> None:
    one = records.subjects.of([ANA], NOW)
    for spelling in ("ANA@Example.ORG", "  ana@example.org "):
        assert records.subjects.of([Identifier("email", spelling)], NOW) == one
    assert records.subjects.of([ANA_PHONE, ANA], NOW) == one
    assert records.subjects.find([Identifier("phone", "+4930123456")]) == (one,)
    assert records.subjects.of([BEA], NOW) == one + 1  # dense
    assert {(i.kind, i.value, e) for i, e in records.subjects.identifiers(one)} == {
        ("email", "ana@example.org", "asserted"),
        ("phone", "+4930123456", "asserted"),
    }


def test_a_shared_mailbox_leads_to_both(records) -> None:
    office = Identifier("email", "office@example.org")
    ana, bea = records.subjects.of([ANA], NOW), records.subjects.of([BEA], NOW)
    records.subjects.link(ana, [office], "used", NOW)
    records.subjects.link(bea, [office], "used", NOW)
    assert records.subjects.find([office]) == (ana, bea)
    assert records.subjects.find_many([[BEA], [office], []]) == [(bea,), (ana, bea), ()]
    assert records.subjects.of([office, BEA], NOW) == bea
    # Nobody is merged, and what is somebody's stays hers.
    assert records.subjects.of([ANA, BEA], NOW) == ana
    assert records.subjects.find([BEA]) == (bea,)


def test_names_and_addresses_lead_to_nobody(records) -> None:
    weak = [
        Identifier("name", "Ana Maier"),
        Identifier("ip", "10.0.0.1"),
        Identifier("device", "x"),
    ]
    one = records.subjects.of([ANA, *weak], NOW)
    assert records.subjects.find(weak) == ()
    assert len(records.subjects.identifiers(one)) == 1
    with pytest.raises(UsageError, match="do not name one person"):
        records.subjects.of(weak, NOW)


def test_stronger_evidence_stays(records) -> None:
    one = records.subjects.of([ANA], NOW)
    for evidence, met in (("used", "used"), ("verified", "verified"), ("asserted", "verified")):
        records.subjects.link(one, [ANA], evidence, NOW)
        assert [e for _, e in records.subjects.identifiers(one)] == [met]
    with pytest.raises(UsageError, match="no such evidence"):
        records.subjects.link(one, [ANA], "sure", NOW)


def test_no_value_stands_in_the_database(records) -> None:
    records.subjects.of([ANA, parse("account=4711-AB"), ANA_PHONE], NOW)
    with records.database.connection() as c:
        text = str(c.execute("SELECT i::text, s::text FROM identity i, subject s").fetchall())
    for value in ("ana@", "example", "4711-", "4930123456"):
        assert value not in text
        assert value.encode().hex() not in text


def test_quotes_and_unicode(records) -> None:
    odd = [
        Identifier("account", "O'Brien\"; DROP TABLE subject; --"),
        Identifier("account", "%_\\ ünï 😀"),
        Identifier("email", "ana@bücher.example"),
    ]
    numbers = [records.subjects.of([i], NOW) for i in odd]
    assert len(set(numbers)) == 3
    assert [records.subjects.find([i]) for i in odd] == [(n,) for n in numbers]
    assert records.subjects.find([Identifier("email", "ana@xn--bcher-kva.example")]) == (
        numbers[2],
    )


def test_whoever_is_forgotten_comes_back_as_somebody_new(records) -> None:
    one = records.subjects.of([ANA], NOW)
    records.consents.grant(one, "marketing", NOW, source="form")
    records.vault.shred([one], ["person"], NOW)
    with pytest.raises(Shredded):
        records.subjects.identifiers(one)
    assert records.subjects.forget([one]) == 1
    assert records.subjects.find([ANA]) == ()
    assert [records.count(t) for t in ("subject", "identity", "fact", "subject_epoch")] == [0] * 4
    assert records.subjects.of([ANA], NOW) == one + 1


def test_two_requests_of_one_new_person_make_one(records) -> None:
    found: list[int] = []

    def ask() -> None:
        subjects = Subjects(records.database, records.vault)
        found.append(subjects.of([ANA, ANA_PHONE], NOW))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert records.count("subject") == 1


def test_the_records_work_on_an_older_postgresql(older_pg_url: str, tmp_path: Path) -> None:
    with Database.open(older_pg_url, tmp_path) as database:
        records = records_on(database, tmp_path / "keys")
        one = records.subjects.of([ANA], NOW)
        records.consents.grant(one, "marketing", NOW, source="form")
        assert records.consents.refresh(lambda _: 1, "r", NOW) == 1
        records.suppressions.add([ANA], NOW, source="erasure")
        case = records.cases.open("erasure", [[ANA]], records.actor, "test", NOW)
        rows = KeyTable(("id",), ((0, (1,)),))
        law = Reason("books", None, NOW.date(), "X-1")
        records.locator.store(case, [[ANA]], [("shop", "invoice", rows, law)], NOW)
        assert records.locator.find(case, [[ANA]]) == {("shop", "invoice"): [(rows, law)]}
        assert records.locator.expire(NOW) == 1
        records.vault.turn(NOW + dt.timedelta(days=99))
        assert [i for i, _ in records.subjects.identifiers(one)] == [ANA]
        assert records.subjects.forget([one]) == 1


def _whole(records, domain: str) -> list[object]:
    """All that is known of the people of one domain, without what is drawn by lot."""
    with records.database.connection() as c:
        rows = c.execute(
            "SELECT mac, subject, kind, sealed, suppress, evidence, linked_at FROM identity"
            " ORDER BY subject, kind, linked_at, mac"
        ).fetchall()
        facts = c.execute(
            "SELECT subject, fact, holds, valid_from, known_from, source, notice FROM fact"
            " ORDER BY subject, seq"
        ).fetchall()
        epochs = c.execute("SELECT subject, epoch FROM subject_epoch ORDER BY 1").fetchall()
        keys = c.execute(
            "SELECT subject, class, generation, final FROM subject_key ORDER BY 1, 2, 3"
        ).fetchall()
        made = c.execute("SELECT subject, made_at FROM subject ORDER BY 1").fetchall()
    names, number = [], dict[int, int]()
    for mac, subject, kind, sealed, suppress, *rest in rows:
        plain = records.vault.unseal(subject, PERSON, sealed, label(kind)).decode()
        if domain in plain:
            number.setdefault(subject, len(number))
            one = Identifier(kind, plain)
            assert bytes(mac) == identity_mac(records.vault, one)
            assert bytes(suppress) == suppression_mac(records.vault, one)
            names.append((number[subject], kind, plain.replace(domain, ""), *rest))
    return [sorted(names), *([(number[r[0]], *r[1:]) for r in table if r[0] in number]
                             for table in (facts, epochs, keys, made))]  # fmt: skip


def test_many_are_made_as_one_after_another(records) -> None:
    """The same people, links, keys and facts, whether a list is taken line by line or at once."""
    lot = random.Random(66)

    def people(domain: str) -> list[list[Identifier]]:
        made = []
        for _ in range(60):
            some = lot.sample(range(20), lot.randint(1, 3))
            kinds = lot.choices(("email", "account"), k=3)
            both = zip(some, kinds, strict=False)
            made.append([Identifier(kind, f"p{n}@{domain}") for n, kind in both])
        return made

    def begun(domain: str) -> None:
        """Two who are known, and a mailbox of both."""
        one, two = ([Identifier("email", f"p{n}@{domain}")] for n in (0, 1))
        for who in (one, two):
            number = records.subjects.of(who, NOW - dt.timedelta(days=9))
            records.subjects.link(number, [Identifier("email", f"p2@{domain}")], "used", NOW)
            records.consents.grant(number, "contact", NOW, source="form")

    def said(subject: int, turn: int) -> Said:
        facts = [("consent:contact", True), ("preference:email", turn % 3 > 0)][: turn % 2 + 1]
        return Said(subject, facts, NOW - dt.timedelta(hours=turn), f"n{turn}")

    begun("one.test")
    state = lot.getstate()
    for turn, person in enumerate(people("one.test")):
        subject = records.subjects.of(person, NOW)
        one = said(subject, turn)
        epoch = records.consents.record(
            subject, one.facts, NOW, source="x", valid_from=one.since, notice=one.notice
        )
        assert epoch == records.consents.facts(subject, NOW).epoch
    begun("all.test")
    lot.setstate(state)
    numbers = records.subjects.of_many(people("all.test"), NOW)
    lines = [said(subject, turn) for turn, subject in enumerate(numbers)]
    epochs = records.consents.record_many(lines, NOW, source="x")
    assert records.consents.facts(numbers[-1], NOW).epoch == epochs[-1]
    one, together = _whole(records, "one.test"), _whole(records, "all.test")
    assert one == together
    assert len(one[0]) > len(set(numbers)) > 5
    assert records.subjects.of_many([], NOW) == records.consents.record_many([], NOW, source="x")
    with pytest.raises(UsageError, match="do not name one person"):
        records.subjects.of_many([[ANA], [Identifier("name", "Ana")]], NOW)


def test_somebody_new_is_made_with_what_is_sent_along_as_anybody_else_is(records) -> None:
    """By the statements of a form, which go out together."""
    now = NOW + dt.timedelta(minutes=1)
    facts = [("consent:contact", True), ("preference:email", True)]
    by_steps = Identifier("email", "a@steps.test")
    number = records.subjects.of([by_steps], now)
    for turn in range(2):
        records.consents.record(number, facts[: turn + 1], now, source="form:x", notice="n")
    along = Identifier("email", "a@along.test")
    with records.database.connection(quick=True) as c:
        _, given, epoch = at_once(c, [*records.subjects.claimed(along), records.vault.current()])
        new = given[0][0]
        assert new == number + 1
        key = records.vault.newborn(new, PERSON, epoch[0][0])
        said = [Said(new, facts[: turn + 1], now, "n") for turn in range(2)]
        at_once(c, records.subjects.made(new, along, key, now))
        at_once(c, records.consents.first(said, now, source="form:x"))
    assert _whole(records, "steps.test") == _whole(records, "along.test")
    assert records.vault.pseudonym(new, PERSON, now) == key.pseudonym(now)
    assert records.subjects.identifiers(new) == [(along, "asserted")]
    with records.database.connection(quick=True) as c:  # she is known now: no number is given out
        assert at_once(c, records.subjects.claimed(along))[1] == [(None,)]


def test_two_who_come_at_once_are_one_person(records) -> None:
    """Whoever comes second waits until the first is through, and finds her."""
    with records.database.connection(quick=True) as c:
        number = at_once(c, records.subjects.claimed(ANA))[1][0][0]
        found: list[int] = []
        second = threading.Thread(target=lambda: found.append(records.subjects.of([ANA], NOW)))
        second.start()
        second.join(0.3)
        assert second.is_alive()
        epoch = at_once(c, [records.vault.current()])[0][0][0]
        at_once(c, records.subjects.made(
            number, ANA, records.vault.newborn(number, PERSON, epoch), NOW
        ))  # fmt: skip
    second.join()
    assert found == [number]


def test_what_is_sought_first_knows_who_is_tied(records) -> None:
    ana, bea = records.subjects.of([ANA], NOW), records.subjects.of([BEA], NOW)
    with records.database.connection(quick=True) as c:
        rows = at_once(c, [records.subjects.sought(ANA)])[0]
        assert records.subjects.met(ANA, rows, connection=c) == (ana,)
        c.execute(
            "INSERT INTO identity_tie (subject, other, mac, made_at)"
            " VALUES (%s, %s, 'x', %s), (%s, %s, 'x', %s)",
            (ana, bea, NOW, bea, ana, NOW),
        )
        rows = at_once(c, [records.subjects.sought(ANA)])[0]
        assert records.subjects.met(ANA, rows, connection=c) == (ana, bea)
