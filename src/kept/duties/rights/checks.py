"""What proves that rights are carried out as promised."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller, Place
from kept.controller.inspect import Inspector, Packed, Rows
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import Dataset, Link, Owner
from kept.duties.rights import lost
from kept.errors import StoreError
from kept.records.case import State
from kept.records.declared import SYSTEM

_TRANSACTIONS: Final = ("transaction.free", "transaction.paid")
#: People of each dataset that are looked up both ways.
SAMPLE: Final = 25
#: People of each dataset for whom a package is rehearsed.
FEW: Final = 10


@control("rights.access-is-complete")
def access_is_complete(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """For people drawn from the data, the answer holds all their rows and nobody else's.

    The oracle walks from the person's own row along the links of the map, one plain comparison
    after the other; the answer is found by routes and joins.
    """
    inspector = controller.inspect()
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            if dataset.on_erase == "never" or not _names_people(dataset):
                continue
            where = f"{system}.{dataset.name}"
            try:
                people = inspector.some(system, dataset, SAMPLE).singles()
                looked = 0
                for person in people:
                    answer = inspector.reach(person)
                    walked = _walk(controller, inspector, person)
                    places = {p for p in (*answer, *walked) if p[0] == system}
                    for place in sorted(places):
                        got = answer[place].hashes() if place in answer else frozenset()
                        meant = walked[place].hashes() if place in walked else frozenset()
                        looked += len(meant)
                        missing, foreign = len(meant - got), len(got - meant)
                        if missing:
                            yield Finding(
                                ".".join(place), f"an answer lacks {missing} of a person's rows"
                            )
                        if foreign:
                            yield Finding(
                                ".".join(place), f"an answer holds {foreign} rows of somebody else"
                            )
            except StoreError as problem:
                yield unasked(where, problem)
                continue
            yield Looked(looked, where, system)


@control("rights.packages-hold-nobody-else")
def packages_hold_nobody_else(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """What a package would hand out names nobody of those whom the systems know but its person.

    For people drawn from the data. The oracle goes through every person and every member of staff
    whom the systems know, and compares addresses, numbers and names by their hashes; what is
    covered follows from rules and patterns.
    """
    inspector = controller.inspect()
    packages: list[Packed] = []
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            if dataset.on_erase == "never" or not _names_people(dataset) or system == SYSTEM.name:
                continue
            where = f"{system}.{dataset.name}"
            try:
                made = [
                    inspector.package(person)
                    for person in inspector.some(system, dataset, FEW).singles()
                ]
            except StoreError as problem:
                yield unasked(where, problem)
                continue
            packages += made
            yield Looked(sum(one.looked for one in made), where, system)
    handling = {
        (link.system or system.name, link.to)
        for system in controller.datamap.systems.values()
        for dataset in system.datasets.values()
        for link in dataset.links
        if link.kind is Owner.ACCESSED
    }
    for system in inspector.systems if packages else []:
        for dataset in controller.datamap.systems[system].datasets.values():
            if system == SYSTEM.name or not (
                _names_people(dataset) or (system, dataset.name) in handling
            ):
                continue
            try:
                named = inspector.named(system, dataset, packages)
            except StoreError as problem:
                yield unasked(system, problem)
                continue
            for place, times in sorted(named.items()):
                yield Finding(
                    ".".join(place),
                    f"packages name people of `{system}.{dataset.name}` whose they are not,"
                    f" {times} times",
                    "say of the field who stands there: `others: staff`, `others: person`; or"
                    " `free_text: true` where people write what they like",
                )


@control("rights.transactions-are-mapped")
def transactions_are_mapped(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Free and paid transactions are mapped as people's data, each with its retention class."""
    inspector = controller.inspect()
    within = controller.bundle.vocabulary.within
    met: set[str] = set()
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            kinds = {
                kind
                for kind in _TRANSACTIONS
                for f in dataset.personal
                if f.category and within("categories", f.category, kind)
            }
            if not kinds:
                continue
            met |= kinds
            where = f"{system}.{dataset.name}"
            if dataset.retention not in controller.bundle.retention:
                yield Finding(where, "transactions without a retention class")
            owned = any(link.kind is not Owner.ACCESSED for link in dataset.links)
            if not owned and not any(f.identifies for f in dataset.fields.values()):
                yield Finding(where, "transactions that no link ties to a person")
            try:
                yield Looked(inspector.count(system, dataset), where, system)
            except StoreError as problem:
                yield unasked(where, problem)
    # What an activity says it uses has to be found somewhere in the map under that label.
    served = {
        activity
        for system in controller.datamap.systems.values()
        for dataset in system.datasets.values()
        for activity in dataset.activities
    }
    for name in sorted(served & set(controller.bundle.activities)):
        for kind in controller.bundle.activities[name].categories:
            if kind in _TRANSACTIONS and kind not in met:
                yield Finding(
                    "the data map",
                    f"`{name}` is served, which uses `{kind}`, and no dataset is labelled so",
                    "label the fields of these transactions with their category",
                )


@control("rights.answers-tell-what-was-done")
def answers_tell_what_was_done(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """No answer says complete unless every step was read back; it says what the record says.

    A case that was refused or withdrawn says so, and changed nothing. Every case that the ledger
    says was opened is on record, and every erasure that it says is complete is closed there.
    """
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT c.id, c.state, c.complete, count(s.step),"
            " count(s.step) FILTER (WHERE s.verified AND s.problem IS NULL),"
            " coalesce(sum(s.changed), 0), coalesce(sum(s.retained), 0)"
            " FROM rights_case c LEFT JOIN case_step s USING (number)"
            " WHERE c.closed_at IS NOT NULL AND c.\"right\" = 'erasure'"
            " GROUP BY c.id, c.state, c.complete"
        ).fetchall()
    told = {
        e.body["case"]: e.body
        for _, e in controller.ledger.entries(kind="case.closed")
        if e.body["right"] == "erasure"
    }
    ended = {
        (e.body["case"], e.body["state"])
        for _, e in controller.ledger.entries(kind="case.moved")
        if "case" in e.body
    }
    for case, state, complete, steps, verified, changed, retained in rows:
        if complete and steps != verified:
            yield Finding("a case", "an answer says complete although a step was not read back")
        if state != State.CLOSED:
            if changed:
                yield Finding("a case", "rows were changed by a case that was not carried out")
            if (case, state) not in ended:
                yield Finding("a case", "the ledger does not say how a case ended")
            continue
        answer = told.get(case)
        if answer is None:
            yield Finding("a case", "the ledger holds no answer for a case that is closed")
        elif (answer["complete"], answer.get("changed"), answer.get("retained")) != (
            complete, int(changed), int(retained),
        ):  # fmt: skip
            yield Finding("a case", "the answer is not what the record of its steps says")
    closed = {row[0] for row in rows if row[1] == State.CLOSED}
    opened = {str(e.body["case"]) for _, e in controller.ledger.entries(kind="case.opened")}
    yield from lost.cases(controller, {*opened, *told})
    for case, answer in told.items():
        if answer["complete"] and case not in closed:
            yield Finding("a case", "an answer says complete, and its case is not closed")
    yield Looked(len(rows), "closed cases")


def _names_people(dataset: Dataset) -> bool:
    return all(dataset.fields[f].identifies for f in dataset.key)


def _walk(controller: Controller, inspector: Inspector, person: Rows) -> dict[Place, Rows]:
    """From one row to all that belong to it, in its own system: breadth first, link by link."""
    system = controller.datamap.systems[person.system]
    found: dict[Place, Rows] = {(system.name, person.dataset): person}
    frontier = [person]
    while frontier:
        parents = frontier.pop()
        for child in system.datasets.values():
            for link in child.links:
                if not _leads(link, parents.dataset) or child.on_erase == "never":
                    continue
                rows = inspector.along(system.name, child, link, parents)
                place = (system.name, child.name)
                if len(rows) and (place not in found or not rows.hashes() <= found[place].hashes()):
                    found[place] = rows if place not in found else found[place].plus(rows)
                    frontier.append(rows)
    return found


def _leads(link: Link, dataset: str) -> bool:
    return link.system is None and link.to == dataset and link.kind is not Owner.ACCESSED
