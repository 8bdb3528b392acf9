"""What proves that rights are carried out as promised."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from kept.controller import Controller, Place
from kept.controller.inspect import Inspector, Packed, Rows
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import Dataset, Link, Owner
from kept.datamap.others import texts
from kept.duties.rights import lost
from kept.errors import StoreError
from kept.records.case import State
from kept.records.declared import SYSTEM
from kept.terms.identifiers import Identifier

_TRANSACTIONS: Final = ("transaction.free", "transaction.paid")
#: People of each dataset that are looked up both ways.
SAMPLE: Final = 25
#: People of each dataset for whom a package is rehearsed, or who are asked for by what they say.
FEW: Final = 10
#: States of an erasure of which all is done.
_DONE: Final = (State.AWAITING, State.CLOSED)


@control("rights.access-is-complete")
def access_is_complete(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """For people drawn from the data, the answer holds all their rows and nobody else's.

    Each is asked for by the key of her row, and by every value in it that names her: address,
    number, whatever the map says. The oracle looks for that value field by field, and walks from
    the rows along the links of the map, one plain comparison after the other; the answer is found
    by routes and joins.
    """
    inspector = controller.inspect()
    asked: set[tuple[str, str]] = set()
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            if dataset.on_erase == "never" or not _kinds(dataset):
                continue
            where = f"{system}.{dataset.name}"
            looked = 0
            try:
                people = inspector.some(system, dataset, SAMPLE).singles()
                for person in people if _names_people(dataset) else ():
                    answer = inspector.reach(person)
                    walked = _walk(controller, inspector, person)
                    # What names her may be the key of one table and stand in others as well.
                    for one in inspector.named_by(person):
                        for place, rows in _named(controller, inspector, one).items():
                            walked[place] = (
                                walked[place].plus(rows) if place in walked else rows
                            )  # fmt: skip
                    here = {p for p in (*answer, *walked) if p[0] == system}
                    looked += sum(len(walked[p].hashes()) for p in here if p in walked)
                    yield from _lacking(answer, walked)
                    for place in sorted(here):
                        meant = walked[place].hashes() if place in walked else frozenset()
                        got = answer[place].hashes() if place in answer else frozenset()
                        if foreign := len(got - meant):
                            yield Finding(
                                ".".join(place), f"an answer holds {foreign} rows of somebody else"
                            )
                for one in (i for p in people[:FEW] for said in inspector.says(p) for i in said):
                    if (one.kind, one.normalised) in asked:
                        continue
                    asked.add((one.kind, one.normalised))
                    named = _named(controller, inspector, one)
                    looked += sum(len(rows) for rows in named.values())
                    yield from _lacking(inspector.found([[one]]), named, f" found by {one.kind}")
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
                    _mended(controller.datamap.dataset(*place)),
                )


def _mended(dataset: Dataset) -> str:
    """What keeps others out of packages of a dataset."""
    said = texts(dataset)
    if not said:
        return (
            "say of the field who stands there: `others: staff`, `others: person`; or"
            " `free_text: redact` where people write what they like"
        )
    return (
        "say of each further field who stands there: `others: staff`, `others: person`; in"
        f" {', '.join(f'`{name}`' for name in said)}, a text already, only addresses, numbers and"
        " names of staff are covered: have the package redacted before it goes"
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

    Where people carry a step out, and nothing can be read back, the ledger has it on their word.

    A case that was refused or withdrawn says so, and changed nothing. Every case that the ledger
    says was opened is on record, and every erasure that it says is complete is closed there.
    """
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT c.id, c.state, c.complete,"
            " coalesce(bool_or(s.problem IS NOT NULL), false),"
            " coalesce(array_agg(s.step) FILTER (WHERE NOT s.verified), '{}'),"
            " coalesce(sum(s.changed), 0), coalesce(sum(s.retained), 0)"
            " FROM rights_case c LEFT JOIN case_step s USING (number)"
            " WHERE c.done_at IS NOT NULL AND c.\"right\" = 'erasure'"
            " GROUP BY c.id, c.state, c.complete"
        ).fetchall()
    told = {
        e.body["case"]: e.body
        for _, e in controller.ledger.entries(kind="case.closed")
        if e.body["right"] == "erasure"
    }
    # the last attempt counts: what people said may have been asked of a system since
    words = {
        (e.body["case"], int(e.body["step"])): e.body.get("word", False)
        for _, e in controller.ledger.entries(kind="step.done")
    }
    ended = {
        (e.body["case"], e.body["state"])
        for _, e in controller.ledger.entries(kind="case.moved")
        if "case" in e.body
    }
    for case, state, complete, failed, unread, changed, retained in rows:
        if complete and (failed or not all(words.get((case, step)) for step in unread)):
            yield Finding("a case", "an answer says complete although a step was not read back")
        if state not in _DONE:
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
    closed = {row[0] for row in rows if row[1] in _DONE}
    opened = {str(e.body["case"]) for _, e in controller.ledger.entries(kind="case.opened")}
    yield from lost.cases(controller, {*opened, *told})
    for case, answer in told.items():
        if answer["complete"] and case not in closed:
            yield Finding("a case", "an answer says complete, and its case is not closed")
    yield Looked(len(rows), "closed cases")


def _names_people(dataset: Dataset) -> bool:
    return all(dataset.fields[f].identifies for f in dataset.key)


def _kinds(dataset: Dataset) -> dict[str, str | None]:
    """Field → kind, of the fields by which somebody is found; namesakes are not."""
    fields = dataset.fields.values()
    return {f.name: f.identifies for f in fields if f.identifies and f.identifies != "name"}


def _lacking(
    answer: Mapping[Place, Rows], meant: Mapping[Place, Rows], how: str = ""
) -> Iterator[Finding]:
    for place, rows in sorted(meant.items()):
        got = answer[place].hashes() if place in answer else frozenset()
        if missing := len(rows.hashes() - got):
            yield Finding(".".join(place), f"an answer{how} lacks {missing} of a person's rows")


def _named(controller: Controller, inspector: Inspector, one: Identifier) -> dict[Place, Rows]:
    """The rows that say this, wherever they are, and all that belong to them."""
    found: dict[Place, Rows] = {}
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            kinds = _kinds(dataset)
            if dataset.on_erase == "never" or one.kind not in kinds.values():
                continue
            rows = inspector.naming(system, dataset, kinds, [one])
            for place, more in _walk(controller, inspector, rows).items() if len(rows) else ():
                found[place] = found[place].plus(more) if place in found else more
    return found


def _walk(controller: Controller, inspector: Inspector, person: Rows) -> dict[Place, Rows]:
    """From rows to all that belong to them, in their own system: breadth first, link by link."""
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
