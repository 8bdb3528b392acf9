"""Rectification (GDPR Art. 16): put right at the source and in its copies, and kept right.

The source is a field of the map. A copy is a field of the same category (or naming the person by
the same kind of identifier) in her rows of another dataset, in whatever system, that holds the
same wrong value; another field of the same row is none, though it may hold the same word.
Where people serve a system nobody can look: they are asked to put it right wherever it stands.
What a law keeps stays as it was. What was made of the wrong value is asked to be made anew
(`derived`). Each correction is remembered, the wrong value as a keyed hash (what named her also
sealed, see `former`): an import that brings it back is found, and `correct_again` puts it right
once more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kept.controller import Controller, Located, Place
from kept.controller.naming import identifier
from kept.database import Connection
from kept.datamap.map import DataMap, Dataset, Field
from kept.decide import correct, due, ties
from kept.duties.rights import carry, derived, recipients
from kept.duties.rights.covering import coverage
from kept.duties.rights.derived import Anew
from kept.duties.rights.doubt import refuse_several
from kept.duties.rights.identity import of_case
from kept.duties.rights.planning import known_by, subjects_of
from kept.duties.rights.proving import require_both, require_known_asker
from kept.duties.rights.recipients import Informed
from kept.duties.rights.request import (
    REPEATED,
    Request,
    open_case,
    searched,
    step_document,
    way_on,
)
from kept.duties.rights.wish import WISH, wished
from kept.errors import IdentifierError, UsageError
from kept.model.plan import Action, Obstacle, Plan, StepResult
from kept.model.select import KeyRow, KeySet, KeyTable, by_key
from kept.model.values import Value, coerce, fold, normal
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.declared import SYSTEM
from kept.records.recipient import Message
from kept.records.subject import LINKING
from kept.stores.tasks import RIGHT, Notice
from kept.terms.identifiers import Identifier

_BEGUN: Final = (State.EXECUTING, State.EXECUTED, State.CHECKED)
#: Why a value is not put right to which rows refer that cannot follow.
_JOINED: Final = "its rows refer to what is wrong by their key, which nothing changes"
_BY_HAND: Final = "put both right by hand, at once"
#: Why a value is not put right by which rows are hers, while the other end says what it said.
_SEVERED: Final = "rows that would be put right alone are hers by what is wrong there"
#: Why it is not put right of rows that are kept as they are, and not of what they belong to.
_KEPT: Final = "rows that a law or a hold keeps as they are would be hers no more"
#: And why a copy is not, by which its own row is known; for the rest would not be all of it.
_KEY: Final = "what is wrong is the key of her row there, which nothing changes"
_ALONE: Final = "put it right there by hand"


@dataclass(frozen=True, slots=True)
class RectifyAnswer:
    """What was planned and, once executed, what happened.

    `executed` False: nothing was written. `complete` False while a system could not be asked, a
    step was not read back, or nothing was found to put right. `fields` are those that the steps
    are about, in their order; empty where that is not known any more (the case was closed before).
    `told`: who had the value, and how each stands; `anew`: what was made of it, and how that does.
    """

    case: str
    executed: bool
    complete: bool
    steps: tuple[StepResult, ...]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    told: tuple[Informed, ...] = ()
    anew: tuple[Anew, ...] = ()

    def document(self) -> dict[str, Any]:
        """The answer as JSON; no value, neither the wrong one nor the right."""
        return {
            "case": self.case,
            "right": "rectification",
            "executed": self.executed,
            "complete": self.complete,
            "steps": [
                step_document(s) | ({"field": self.fields[n]} if self.fields else {})
                for n, s in enumerate(self.steps)
            ],
            "unreached": [{"store": s, "why": why} for s, why in self.unreached],
            "warnings": list(self.warnings),
            "statements": {s: list(lines) for s, lines in self.statements.items()},
            "told": [one.document() for one in self.told],
            "anew": [one.document() for one in self.anew],
        }


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be put right: the field at the source, what stands there, what is right."""

    place: Place
    field: str
    wrong: Value
    right: Value


def preview_rectification(
    controller: Controller, request: Request, at: str, value: str, now: dt.datetime,
    *, was: str | None = None,
) -> RectifyAnswer:  # fmt: skip
    """Open a case and show where the value would be put right; nothing is written."""
    place, item = _source(controller, at)
    right = _right(item, value)
    case, _, people = open_case(controller, "rectification", request, now)
    if case.state in (*_BEGUN, State.AWAITING, State.CLOSED):
        raise _ended(case)
    found, located = _find(controller, case, people)
    located.warnings += coverage(controller, case, found, now).words
    wanted = _wanted(controller, located, found, place, item, right, was)
    made = _plan(controller, case, located, found, wanted, now)
    return RectifyAnswer(
            case.id, False, False, carry.shown(made), made.unreached,
            (*made.warnings, *_in_the_way(made)), fields=_fields(made),
            told=recipients.informed(controller, case, _had(controller, case, made, wanted)),
        )  # fmt: skip


def rectify(
    controller: Controller, request: Request, at: str | None, value: str | None, now: dt.datetime,
    *, was: str | None = None,
) -> RectifyAnswer:  # fmt: skip
    """Put `value` at the field `at` (system.dataset.field) and its copies, and remember it.

    `was` names the wrong value where her rows hold several. Given a case that was begun, `at`
    and `value` are known and not asked again. Raises UsageError for a field that cannot be put
    right so, or where nothing says which value is the wrong one.
    """
    if request.case is None or at is not None or value is not None:
        if at is None or value is None:
            raise UsageError(
                "it is not said what is to be put right", expected="the field and its right value"
            )
        place, item = _source(controller, at)
        right = _right(item, value)
    case, actor, people = open_case(controller, "rectification", request, now)
    require_known_asker(controller, case)
    if at is not None:
        require_both(controller, case, item, right)
    with (
        way_on(controller, case),
        controller.cases.alone(case) as case,
        controller.cases.person_alone(people),
    ):
        if case.state in (State.AWAITING, State.CLOSED):
            return _closed(controller, case)
        found, located = _find(controller, case, people)
        if case.state in _BEGUN:
            wanted = _unsealed(controller, case)
            made = carry.sealed(controller, case)
            if made.unreached:
                again = _plan(controller, case, located, found, wanted, now)
                made = carry.asked_again(controller, case, made, again, now)
                with controller.database.connection() as connection:
                    _remember(controller, case, people, wanted, made, actor, now, connection)
            found, located = _as_written(controller, people, made, wanted)
        else:
            if at is None:
                raise UsageError(
                    "it is not said what is to be put right", expected="the field and its value"
                )
            located.warnings += coverage(controller, case, found, now).words
            wanted = _wanted(controller, located, found, place, item, right, was)
            made = _plan(controller, case, located, found, wanted, now)
            carry.refuse_obstacles(made)
            case = _commit(controller, case, people, wanted, made, actor, now)
        carried = carry.carry_out(controller, case, made, actor, now)
        complete = carried.done and not made.unreached and bool(made.steps)
        complete = complete and searched(controller, people)
        case = controller.cases.get(case.id)
        whom = _had(controller, case, made, wanted)
        messages = _messages(controller, people, found, wanted, whom) if complete else {}
        anew, rows = _derived(controller, case, located, found, made, now) if complete else ({}, {})
        known = known_by(people, controller, found) if anew else []
        with controller.database.connection() as connection:
            recipients.note(controller, case, Notice.CORRECTED, messages, now, connection)
            derived.note(
                controller, case, anew, rows, known, _label(controller, wanted), now, connection
            )  # fmt: skip
            if complete:
                entry = carry.closed(case, made, carried, now, complete=True)
                controller.ledger.append_in(connection, [entry])
            waits = controller.recipients.expected(case, connection=connection)
            controller.cases.finish(case, complete, actor, now, waits=waits, connection=connection)
        return RectifyAnswer(
            case.id, True, complete, carried.steps, made.unreached, made.warnings,
            carried.statements, _fields(made), recipients.informed(controller, case, whom),
            derived.stands(controller, case),
        )  # fmt: skip


def _had(
    controller: Controller, case: Case, made: Plan, wanted: _Wanted
) -> dict[str, recipients.Given]:
    """Who had the value that is put right."""
    item = controller.datamap.dataset(*wanted.place).fields[wanted.field]
    named = controller.cases.identifiers(case)
    return recipients.given(controller, recipients.meant(made), item.category, named)


def _messages(
    controller: Controller, people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable], wanted: _Wanted, whom: Mapping[str, recipients.Given],
) -> dict[str, Message]:  # fmt: skip
    """What they are told: by what they know her, and what is right."""
    item = controller.datamap.dataset(*wanted.place).fields[wanted.field]
    known = known_by(people, controller, found)
    if item.identifies and wanted.wrong is not None:
        # They know her by what was wrong; what is right they are told beside it.
        before = Identifier(item.identifies, str(wanted.wrong))
        known = [[before, *(i for i in one if i.value != str(wanted.right))] for one in known]
    right = f"{RIGHT}{_label(controller, wanted)}"
    return recipients.messages(whom, known, (right, str(wanted.right)))


def _label(controller: Controller, wanted: _Wanted) -> str:
    """What is put right, in words."""
    item = controller.datamap.dataset(*wanted.place).fields[wanted.field]
    return controller.bundle.vocabulary.categories[str(item.category)].label


@dataclass(frozen=True, slots=True)
class Undone:
    """A correction whose wrong value stands there again, in `rows` rows of the person."""

    subject: int
    where: str
    rows: int


def undone(controller: Controller, away: dict[str, str]) -> Iterator[Undone]:
    """The corrections that something undid. Counts only; a system of theirs that could not be
    asked goes into `away`, with the reason. Where people serve a system nobody can look: what they
    said stands.
    """
    inspector = controller.inspect()
    for subject, keys, located, hashes in _remembered(controller):
        for (system, dataset, name), wrong in hashes.items():
            if system in located.unreached:
                away[system] = located.unreached[system]
                continue
            table = keys.get((system, dataset))
            if table is None or _served(controller, system):
                continue

            def meant(value: Value, wrong: frozenset[bytes] = wrong, of: int = subject) -> bool:
                return controller.corrections.hash_of(of, value) in wrong

            hers = controller.her_part(located, (system, dataset), table, name)
            rows = inspector.holding(system, dataset, hers, name, meant)
            if rows:
                yield Undone(subject, ".".join((system, dataset, name)), rows)


def correct_again(
    controller: Controller, now: dt.datetime, *, actor: str, role: str
) -> list[RectifyAnswer]:
    """Put right once more what something undid, each in a case of its own."""
    answers = []
    for correction in controller.corrections.all():
        people = (controller.subjects.sure(correction.subject),)
        place = (correction.system, correction.dataset)
        located = controller.locate(people)
        table = controller.keys(located).get(place)
        if table is None:
            continue
        again = None
        for _, said in _values(controller, located, place, table, correction.field):
            if controller.corrections.hash_of(correction.subject, said) == correction.wrong:
                again = said
        if again is None or correction.right is None:
            continue
        request = Request(
            people, actor, role, override="a correction that was asked for before was undone"
        )
        answers.append(
            rectify(
                controller, request, correction.where, str(correction.right), now, was=str(again)
            )
        )
    return answers


def _remembered(
    controller: Controller,
) -> Iterator[
    tuple[
        int, Mapping[Place, KeyTable], Located,
        dict[tuple[str, str, str], frozenset[bytes]],
    ]
]:  # fmt: skip
    """By person: her rows, how they were found, and the hashes of what is wrong, field by field."""
    by: dict[int, dict[tuple[str, str, str], set[bytes]]] = {}
    for one in controller.corrections.all():
        fields = by.setdefault(one.subject, {})
        fields.setdefault((one.system, one.dataset, one.field), set()).add(one.wrong)
    for subject, fields in by.items():
        located = controller.locate([controller.subjects.sure(subject)])
        keys = controller.keys(located)
        yield subject, keys, located, {f: frozenset(h) for f, h in fields.items()}


def _source(controller: Controller, at: str) -> tuple[Place, Field]:
    """The field that a name `system.dataset.field` means, if it can be put right."""
    system, _, rest = at.partition(".")
    name, _, last = rest.rpartition(".")
    there = controller.datamap.systems.get(system)
    dataset = there.datasets.get(name) if there else None
    item = dataset.fields.get(last) if dataset else None
    if dataset is None or item is None or system == SYSTEM.name:
        raise UsageError(
            "there is no such field in the map",
            expected="system.dataset.field, as the map names them",
            fix="see `kept map show`",
        )
    why = _unfit(dataset, item)
    if why:
        raise UsageError(f"`{at}` cannot be put right: {why}", fix="name the field it comes from")
    return (system, name), item


def _served(controller: Controller, system: str) -> bool:
    """Whether people serve a system: what they say is all that can be known of it."""
    abilities = controller.abilities.get(system)
    return abilities is not None and abilities.word


def _unfit(dataset: Dataset, item: Field) -> str | None:
    if item.category is None:
        return "the map does not say that it is personal data"
    if item.name in dataset.key:
        return "it is the key of its row"
    if dataset.said(item) == "derived":
        return "it is made of other data"
    return None


def _right(item: Field, value: str) -> Value:
    """The value as its column holds it; it is never repeated in an error."""
    if item.identifies is not None:
        try:
            _ = Identifier(item.identifies, value).normalised
        except IdentifierError:
            raise UsageError(
                "the value is not one that this field can hold", expected=str(item.identifies)
            ) from None
    if not value.strip():
        raise UsageError("the right value is empty", expected="a value")
    right = coerce(value, item.type)
    if right is None and item.type == "boolean" and value in ("true", "false"):
        right = value == "true"
    if right is None:
        raise UsageError("the value is not one that this field can hold", expected=item.type)
    return right


def _find(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]]
) -> tuple[dict[Place, KeyTable], Located]:
    located = controller.locate(people)
    found = controller.keys(located)
    refuse_several(controller, case, people, found)
    return {p: table for p, table in found.items() if p[0] != SYSTEM.name}, located


def _as_written(
    controller: Controller, people: Sequence[Sequence[Identifier]], made: Plan, wanted: _Wanted
) -> tuple[dict[Place, KeyTable], Located]:
    """Her rows in a case that goes on: what names her may be put right already."""
    kind = controller.datamap.dataset(*wanted.place).fields[wanted.field].identifies
    if kind:
        whose = {who for those in recipients.meant(made).values() for who in those}
        right = Identifier(kind, str(wanted.right))
        people = [(*one, right) if who in whose else one for who, one in enumerate(people)]
    located = controller.locate([tuple(one) for one in people])
    found = controller.keys(located)
    return {p: table for p, table in found.items() if p[0] != SYSTEM.name}, located


def _values(
    controller: Controller, located: Located, place: Place, table: KeyTable, name: str
) -> Iterator[tuple[KeyRow, Value]]:
    """Her rows of a dataset, each with what one field of it says; where the row is somebody else's
    as well, only if the field is hers. For her own case only.
    """
    table = controller.her_part(located, place, table, name)
    select = by_key(place[1], table, tuple(dict.fromkeys((*table.fields, name))))
    asked = Located(located.people, {place[0]: (select,)})
    for _, batch in controller.read(asked):
        at = [batch.columns.index(k) for k in table.fields]
        value = batch.columns.index(name)
        for who, row in zip(batch.persons, batch.rows, strict=True):
            yield (who, tuple(row[i] for i in at)), row[value]
    located.unreached.update(asked.unreached)


def _same(item: Field, one: Value, other: Value) -> bool:
    """Whether two values are the same, however spelt where spelling does not count."""
    if one is None or other is None:
        return one is other
    if isinstance(one, str) and isinstance(other, str) and (item.folded or item.identifies):
        return fold(one) == fold(other)
    return normal(one) == normal(other)


def _in_the_way(made: Plan) -> Iterator[str]:
    """What a plan will be refused for, where no step shows it."""
    shown = {(s.system, s.dataset) for s in made.steps}
    for system, one in made.obstacles:
        if (system, one.dataset) not in shown:
            yield f"`{system}.{one.dataset}` stands in the way: {one.words}. First {one.fix}"


def _wanted(
    controller: Controller, located: Located, found: Mapping[Place, KeyTable], place: Place,
    item: Field, right: Value, was: str | None,
) -> _Wanted:  # fmt: skip
    """What stands at the source, which has to be one value."""
    table = found.get(place)
    if table is not None and _served(controller, place[0]):
        return _Wanted(place, item.name, _said_wrong(place, item, was), right)
    if table is None:
        away = located.unreached.get(place[0])
        raise UsageError(
            f"`{place[0]}.{place[1]}` holds nothing of hers"
            if away is None
            else f"`{place[0]}` could not be asked: {away}",
            fix="name the field at which her value stands",
        )
    said = [v for _, v in _values(controller, located, place, table, item.name)]
    if was is not None:
        given = coerce(was, item.type)
        said = [v for v in said if v is not None and _same(item, v, given)]
    other = [v for v in said if not _same(item, v, right)]
    distinct: list[Value] = []
    for value in other:
        if not any(_same(item, value, known) for known in distinct):
            distinct.append(value)
    if len(distinct) > 1:
        raise UsageError(
            f"her rows of `{place[0]}.{place[1]}` hold {len(distinct)} values in `{item.name}`",
            expected="one that is wrong",
            fix="say which is wrong with --was",
        )
    if not distinct and not said:
        raise UsageError(
            "what was said to be wrong stands nowhere in her rows", fix="see what is held first"
        )
    # Right at the source already: it may still be wrong in a copy.
    wrong = distinct[0] if distinct else coerce(was, item.type) if was is not None else said[0]
    return _Wanted(place, item.name, wrong, right)


def _said_wrong(place: Place, item: Field, was: str | None) -> Value:
    """What is wrong where people alone can look."""
    wrong = None if was is None else coerce(was, item.type)
    if wrong is None:
        raise UsageError(
            f"`{place[0]}.{place[1]}` is served by people, so what stands there is not known",
            expected="what is wrong, as it can stand in the letter to them",
            fix="say which is wrong with --was",
        )
    return wrong


def _plan(
    controller: Controller, case: Case, located: Located, found: Mapping[Place, KeyTable],
    wanted: _Wanted, now: dt.datetime,
) -> Plan:  # fmt: skip
    """Where the wrong value stands in her rows, and the steps that put it right. Reads only."""
    datamap = controller.realised({system for system, _ in found})
    source = datamap.dataset(*wanted.place).fields[wanted.field]
    wrong: list[correct.Wrong] = []
    warnings: list[str] = [*located.warnings]
    keyed: list[tuple[str, Obstacle]] = []
    keys: dict[Place, KeyTable] = {}
    fields, hers, apart, copies = _where(controller, datamap, found, wanted)
    for place, table in found.items():
        here = place == wanted.place
        for item in fields[place]:
            if wanted.wrong is None and not here:
                continue
            where = ".".join((*place, item.name))
            key = item.name in datamap.dataset(*place).key
            if key or (place, item.name) in apart:
                stands = (
                    0
                    if _served(controller, place[0])
                    else sum(
                        _same(source, value, wanted.wrong)
                        for _, value in _values(controller, located, place, table, item.name)
                    )
                )
                if stands and (place, item.name) in copies and source.identifies in LINKING:
                    keys[place] = table  # she would be written to, or known, by what is wrong
                elif stands and (place, item.name) in copies:
                    warnings.append(
                        f"`{where}` holds what is wrong in {stands} of her rows, whose key it is;"
                        " it was left as it is. Put it right in that system"
                    )
                elif stands and key:
                    keyed.append((place[0], Obstacle(place[1], "other", _JOINED, _BY_HAND)))
                elif stands:
                    warnings.append(f"rows are joined by `{where}`; it was left as it is")
                continue
            if _served(controller, place[0]):
                if not _same(source, wanted.wrong, wanted.right):
                    wrong.append(correct.Wrong(place, item.name, table, wanted.right, wanted.wrong))
                continue
            rows, differing = [], 0
            for row, said in _values(controller, located, place, table, item.name):
                if _same(source, said, wanted.wrong):
                    rows.append(row)
                elif said is not None and not _same(source, said, wanted.right):
                    differing += 1
            right = coerce(wanted.right, item.type)
            if rows and right is not None:
                wrong.append(
                    correct.Wrong(place, item.name, KeyTable(table.fields, tuple(rows)), right)
                )
            elif rows:
                warnings.append(f"`{where}` holds a copy in another form; it was left as it is")
            if differing and not here:
                warnings.append(
                    f"`{where}` says something else in {differing} of her rows; they were left as"
                    " they are"
                )
    keyed += _severed(controller, located, found, wanted, source, hers)
    hit = {one.place: one.rows for one in wrong}
    held = _held(controller, case, located, found, datamap, {**keys, **hit}, now)
    keyed += [
        (place[0], Obstacle(place[1], "other", _KEY, _ALONE))
        for place, table in keys.items()
        if len(table.rows) > sum(len(stays.rows) for stays, _ in held.get(place, ()))
    ]
    abilities = {s: a for s, a in controller.abilities.items() if s not in located.unreached}
    made = correct.plan(
        datamap, wrong, held, abilities, unreached=located.unreached, warnings=warnings
    )
    keyed += _kept_apart(made, hers)
    anew, _ = _derived(controller, case, located, found, made, now)
    more = tuple(
        f"{', '.join(f'`{n}`' for n in names)} of `{'.'.join(place)}` is made of other data;"
        " whoever serves it is asked to make it anew"
        for place, names in sorted(anew.items())
    )
    return replace(
        made, warnings=(*made.warnings, *more), obstacles=(*made.obstacles, *keyed)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Owned:
    """By which fields rows are hers: those that stay as they are, and those of which both ends
    change, as (what refers, to what).
    """

    stays: set[correct.At]
    moves: set[tuple[correct.At, correct.At]]


def _severed(
    controller: Controller, located: Located, found: Mapping[Place, KeyTable], wanted: _Wanted,
    source: Field, hers: _Owned,
) -> Iterator[tuple[str, Obstacle]]:  # fmt: skip
    """What says what is wrong, stays, and is that by which rows that would change are hers."""
    for place, name in sorted(hers.stays):
        if place not in found or _served(controller, place[0]):
            continue
        said = _values(controller, located, place, found[place], name)
        if any(_same(source, value, wanted.wrong) for _, value in said):
            fix = f"put `{'.'.join((*place, name))}` right: what refers to it goes along"
            yield place[0], Obstacle(place[1], "other", _SEVERED, fix)


def _kept_apart(made: Plan, hers: _Owned) -> Iterator[tuple[str, Obstacle]]:
    """Rows of which one end of what joins them is kept as it is while the other changes."""
    does: dict[correct.At, set[Action]] = {}
    for s in made.steps:
        for name in s.assign:
            does.setdefault(((s.system, s.dataset), name), set()).add(s.action)
    for a, b in sorted(hers.moves):
        if {Action.RETAIN, Action.OVERWRITE} <= does.get(a, set()) | does.get(b, set()):
            yield a[0][0], Obstacle(a[0][1], "other", _KEPT, _BY_HAND)


def _where(
    controller: Controller, datamap: DataMap, found: Mapping[Place, KeyTable], wanted: _Wanted
) -> tuple[dict[Place, list[Field]], _Owned, set[correct.At], set[correct.At]]:
    """The fields in which the wrong value may stand, by place: the source, its copies, and by which
    her rows refer to it (also a key, which cannot change). By which of them rows are hers. And
    those of the copies that stay: by which rows are joined, and keys.
    """
    here = datamap.dataset(*wanted.place)
    every = {
        (place, f.name)
        for place in found
        if place != wanted.place
        for f in correct.copies(
            datamap.dataset(*place), here.fields[wanted.field], tuple(here.fields.values())
        )
    }
    keys = {(place, n) for place, n in every if n in datamap.dataset(*place).key}
    change, by_engine, apart = correct.together(
        datamap, controller.foreign_keys(), (wanted.place, wanted.field), every - keys
    )
    keys -= change | by_engine | apart
    pairs = {
        (a, (wanted.place, wanted.field) if b in by_engine else b)
        for a, b in correct.owned(datamap) if a in change
    }  # fmt: skip
    hers = _Owned({b for _, b in pairs} - change, {(a, b) for a, b in pairs if b in change})
    return {
        place: [f for n, f in datamap.dataset(*place).fields.items()
                if (place, n) in change | apart | keys]
        for place in found
    }, hers, apart, keys  # fmt: skip


def _held(
    controller: Controller, case: Case, located: Located, found: Mapping[Place, KeyTable],
    datamap: DataMap, rows: Mapping[Place, KeyTable], now: dt.datetime,
) -> due.Held:  # fmt: skip
    """Which of these rows a law keeps as they are."""
    laws = due.laws(controller.bundle.retention)
    known = known_by(located.people, controller, found)
    holds = controller.holds.applying(list(subjects_of(controller, case, known)), now)
    asked = ties.questions(
        datamap, rows, laws, [(h.system, h.dataset) for h in holds], controller.foreign_keys()
    )
    dates, tied = controller.answer(asked)
    today = now.astimezone(dt.UTC).date()
    return due.statutory(datamap, rows, laws, dates, tied, today)


def _derived(
    controller: Controller, case: Case, located: Located, found: Mapping[Place, KeyTable],
    made: Plan, now: dt.datetime,
) -> tuple[dict[Place, tuple[str, ...]], dict[Place, KeyTable]]:  # fmt: skip
    """What is to be made anew because of what is put right (place → fields), and in which rows."""
    whose = {who for those in recipients.meant(made).values() for who in those}
    datamap = controller.realised({system for system, _ in found})
    made_of = {
        place: names
        for place in found
        if (names := derived.fields(datamap.dataset(*place), controller.bundle.vocabulary))
    }
    hers = {
        place: KeyTable(found[place].fields, rows)
        for place in made_of
        if (rows := tuple(row for row in found[place].rows if row[0] in whose))
    }
    if not hers:
        return {}, {}
    held = _held(controller, case, located, found, datamap, hers, now)
    free = {}
    for place, table in hers.items():
        kept = {ties.norm(key) for stays, _ in held.get(place, ()) for _, key in stays.rows}
        rows = tuple(row for row in table.rows if ties.norm(row[1]) not in kept)
        if rows:
            free[place] = KeyTable(table.fields, rows)
    return derived.holding(controller, located, free, made_of), free


def _fields(made: Plan) -> tuple[str, ...]:
    """The field that each step is about, in the order of their numbers."""
    return tuple(", ".join(s.assign) for s in sorted(made.steps, key=lambda s: s.number))


def _commit(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]], wanted: _Wanted,
    made: Plan, actor: Actor, now: dt.datetime,
) -> Case:  # fmt: skip
    """The plan, what is put right, and the memory of it, before the first write."""
    with controller.database.connection() as connection:
        then = (State.APPROVED, State.EXECUTING)
        case = controller.cases.seal_plan(case, made, actor, now, then=then, connection=connection)
        row = (*wanted.place, wanted.field, wanted.wrong, wanted.right)
        table = KeyTable(("system", "dataset", "field", "wrong", "right"), ((0, row),))
        wish = {WISH: KeySet({WISH: table})}
        controller.cases.seal_keys(case, wish, connection=connection)
        entries = carry.planned(case, "rectification", made, actor, now)
        controller.ledger.append_in(connection, entries)
        _remember(controller, case, people, wanted, made, actor, now, connection)
    return case


def _remember(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]], wanted: _Wanted,
    made: Plan, actor: Actor, now: dt.datetime, connection: Connection,
) -> None:  # fmt: skip
    """Remember the correction, and by a new identifier also her."""
    fields = [
        (s.system, s.dataset, name)
        for s in made.steps
        if s.action is not Action.RETAIN
        for name in s.assign
    ]
    subject = of_case(controller, case, people, actor, now, connection)
    kind = controller.datamap.dataset(*wanted.place).fields[wanted.field].identifies
    controller.corrections.add(
        subject, fields, wanted.wrong, wanted.right, now, was=_naming(kind, wanted.wrong),
        connection=connection,
    )  # fmt: skip
    if kind in LINKING:
        one = Identifier(str(kind), str(wanted.right))
        if set(controller.subjects.find([one], connection=connection)) <= {subject}:
            controller.subjects.link(subject, [one], "used", now, connection=connection)


def _naming(kind: str | None, wrong: Value) -> Identifier | None:
    """What was wrong, where somebody can be named by it."""
    return identifier(str(kind), wrong) if kind in LINKING else None


def _unsealed(controller: Controller, case: Case) -> _Wanted:
    wish = wished(controller, case)
    if wish is None:
        raise _ended(case)
    return _Wanted(*wish)


def _closed(controller: Controller, case: Case) -> RectifyAnswer:
    """A case that is done already, from its record: whoever lost the answer gets it again."""
    if not case.complete:
        raise _ended(case)
    steps = tuple(r.result() for r in controller.cases.steps(case))
    told, anew = recipients.informed(controller, case), derived.stands(controller, case)
    return RectifyAnswer(case.id, True, True, steps, (), (REPEATED,), told=told, anew=anew)


def _ended(case: Case) -> UsageError:
    return UsageError(
        f"case {case.id} is {case.state}; it cannot be planned any more",
        fix="open a new case for the same person, or go on with --yes",
    )
