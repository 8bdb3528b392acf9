"""Kept's own tables are answered, erased and scanned like any other store's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept.database import Database
from kept.datamap.map import OnErase, Owner
from kept.keys import FileCustodian, Vault
from kept.model.change import Change
from kept.model.select import Join, KeyTable, Route, Select, by_key
from kept.records.actor import Actors
from kept.records.case import Cases
from kept.records.consent import Consents
from kept.records.declared import DATASETS, SYSTEM
from kept.records.subject import Subjects
from kept.records.suppression import Suppressions
from kept.stores.own import NAME, OwnStore
from kept.terms.identifiers import Identifier
from kept.terms.vocabulary import SHIPPED

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)
ANA, BEA = Identifier("email", "ana@example.org"), Identifier("email", "bea@example.org")


@pytest.fixture
def own(kept_db: Database) -> Iterator[OwnStore]:
    store = OwnStore(kept_db, DATASETS)
    yield store
    store.close()


def test_every_table_is_declared_as_it_is(own: OwnStore) -> None:
    real = {d.name: d for d in own.datasets()}
    assert set(real) == {d.name for d in DATASETS} == set(SYSTEM.datasets)
    for declared in DATASETS:
        met = real[declared.name]
        assert declared.key == met.key
        assert {(f.name, f.type, f.nullable) for f in declared.fields.values()} == {
            (f.name, f.type, f.nullable) for f in met.fields.values()
        }, declared.name
        # What the database enforces towards other tables stands in the map as a link.
        links = {(link.fields, link.to, link.on) for link in declared.links}
        named = {(link.fields, link.to, link.on) for link in met.links}
        assert named <= links | {
            (("epoch",), "key_epoch", ("epoch",)),
            (("number",), "rights_case", ("number",)),
        }, declared.name


def test_words_are_those_of_the_vocabulary() -> None:
    for dataset in DATASETS:
        for field in dataset.personal:
            assert field.category in SHIPPED.categories, (dataset.name, field.name)
        assert dataset.clock is None or dataset.clock in dataset.fields
        for link in dataset.links:
            target = SYSTEM.datasets[link.to]
            assert set(link.fields) <= set(dataset.fields)
            assert set(link.on) <= set(target.fields)
    assert SYSTEM.name == NAME


def test_what_an_erasure_leaves_is_of_classes_of_its_own() -> None:
    left = {d.retention for d in DATASETS if d.on_erase is OnErase.NEVER and d.personal}
    assert left == {"case", "suppression", "locator", "hold"}
    # Nothing that stays points at what goes: the database would refuse, or take it along.
    for dataset in DATASETS:
        if dataset.on_erase is OnErase.NEVER and dataset.name not in ("hold", "rights_case"):
            for link in dataset.links:
                if link.kind is Owner.OWNED:
                    assert SYSTEM.datasets[link.to].on_erase is OnErase.NEVER


def test_answered_and_erased_like_any_other(
    kept_db: Database, own: OwnStore, tmp_path: Path
) -> None:
    vault = Vault(kept_db, FileCustodian(tmp_path / "keys"), now=NOW)
    subjects, consents = Subjects(kept_db, vault), Consents(kept_db)
    suppressions = Suppressions(kept_db, vault)
    ana, bea = subjects.of([ANA], NOW), subjects.of([BEA], NOW)
    for who in (ana, bea):
        consents.grant(who, "marketing", NOW, source="form")
    actor = Actors(kept_db).of("Pia", "intake", NOW)
    cases = Cases(kept_db, vault, subjects)
    case = cases.open("erasure", [[ANA]], actor, "test", NOW)
    suppressions.add([ANA], NOW, source="erasure")

    seed = KeyTable(("subject",), ((0, (ana,)),))
    route = Route(seed, (Join(("subject",), "subject", ("subject",)),))
    of_fact = Select("fact", ("seq",), (route,))
    of_identity = Select("identity", ("mac", "subject"), (route,))
    to_case = Route(
        seed,
        (
            Join(("number",), "case_subject", ("number",)),
            Join(("subject",), "subject", ("subject",)),
        ),
    )
    of_case = Select("rights_case", ("number",), (to_case,))
    with own.session() as session:
        found = dict.fromkeys(range(3), 0)
        for index, batch in session.read([of_fact, of_identity, of_case]):
            found[index] += len(batch.rows)
            assert set(batch.persons) == {0}
        assert found == {0: 2, 1: 1, 2: 1}
        keys = session.keys([of_fact, of_identity])
    with own.session(write=True) as session:
        people = by_key("subject", seed)
        counts = session.apply(
            [
                Change(by_key("fact", keys["fact"])),
                Change(by_key("identity", keys["identity"])),
                Change(people),
            ],
            "case-1/1",
        )
        assert [c.changed for c in counts] == [2, 1, 1]
        session.commit()
    assert subjects.find([ANA]) == ()
    assert subjects.find([BEA]) == (bea,)
    assert consents.facts(bea, NOW).held == {"consent:marketing"}
    assert suppressions.channels(ANA) == {""}
    assert cases.identifiers(cases.get(case.id)) == [[ANA]]
