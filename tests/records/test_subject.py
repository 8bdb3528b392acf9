from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest

from kept.database import Database
from kept.errors import Shredded, UsageError
from kept.model.plan import Reason
from kept.model.select import KeyTable
from kept.records.subject import Subjects
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
    for value in ("ana@", "example", "4711", "4930123456"):
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
