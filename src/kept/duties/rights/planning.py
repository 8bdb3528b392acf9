"""What an erasure means to do: found, held against laws and holds, planned; sealed; asked again.

`draw_up` reads only. `keep` seals beside the plan by what she is looked for once more;
`ask_again` and `met_again` look, by the same search.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kept.controller import REGISTRY, SUBJECT, Controller, Place
from kept.controller.naming import Compared, compared, identifier, recognised
from kept.controller.staff import takes_two
from kept.datamap.map import DataMap, Owner
from kept.datamap.reach import shape
from kept.datamap.sides import sides
from kept.decide import due, mentions, reasons, ties
from kept.decide.plan import plan as make_plan
from kept.decide.plan import stayed
from kept.duties.rights import anonymity, carry, free_text, objection, restriction
from kept.duties.rights.child import sealing
from kept.duties.rights.covering import (
    coverage,
    covered_late,
    going_over,
    has_met,
    known_of,
    take_over,
)
from kept.duties.rights.doubt import doubts, refuse_several
from kept.duties.rights.former import Former, former, told_anew, with_former
from kept.duties.rights.receipts import BEFORE
from kept.duties.rights.request import refilled, refuse_mixed
from kept.duties.rights.whose import Named, strangers, without
from kept.ledger.entry import Entry, name
from kept.model.codec import encode_plan
from kept.model.plan import Action, Plan, Reason, Step
from kept.model.select import KeyRow, KeySet, KeyTable
from kept.model.values import Value
from kept.records.actor import Actor
from kept.records.case import NEEDLES, Case, StepState
from kept.records.declared import SYSTEM
from kept.records.doubt import Doubt, Pair
from kept.records.hold import Hold
from kept.records.subject import suppression_mac
from kept.records.suppression import ERASURE, FACT
from kept.terms.identifiers import Identifier
from kept.terms.rights import CHILD

#: What whoever approves an erasure under a hold has to know.
REGISTRY_GOES: Final = (
    "what is held stays; who she is to Kept, her addresses there and what she chose go all the"
    " same. Where these are needed too, take her package first (`kept rights access`)"
)
#: Under these names is sealed by what she is looked for again, at the end and in a system that
#: was away: the identifiers found in her own rows, and the values that lead from rows to rows.
_NAMES, _VALUES = NEEDLES, "values"
#: Beside the identifiers, for looking beneath the rows: each spelling that was met in them.
_SPELT = "spelt"
#: And what named her before it was corrected.
_REPLACED = "replaced"
#: And what her rows say that leads to somebody else.
_THEIRS = "theirs"
#: And what may, in a system that is away.
_UNSURE = "unsure"
#: And how rows call her, while there is a system in which nobody could look for who is called so.
_CALLED = "called"
#: And by what rows named her that were made anonymous: none of it may be met in them again.
_FORMER = "former"
_BETWEEN = "\n"  # a system and its dataset, as one name


def draw_up(
    controller: Controller,
    case: Case,
    people: Sequence[Sequence[Identifier]],
    now: dt.datetime,
    values: Mapping[Place, KeyTable] | None = None,
    *,
    about: Sequence[Sequence[Identifier]] | None = None,
    replaced: Sequence[Named] = (),
    strange: frozenset[Compared] = frozenset(),
    certain: Sequence[Sequence[Identifier]] = (),
    unsure: frozenset[Compared] = frozenset(),
    shown: bool = False,
    also: Mapping[Place, KeyTable] | None = None,
) -> tuple[Plan, Known, dict[Place, KeyTable]]:
    """Find, hold against laws and holds, plan: the plan, everybody with all identifiers, and the
    values by which rows lead to others. Reads only; new doubtful matches are put in the
    queue, and what other cases have met is left out of the plan: it goes over (`keep`).
    `values` are those that were found
    before; by `about` she is looked for in texts of others, beside what her rows say;
    `replaced` is what named her before it was corrected, `strange` what leads to somebody else,
    `unsure` what may, and `certain` what is hers, as it was known when the case was begun.
    `shown`: only to be shown, so what would be refused is a warning. `also`: rows that she was
    found in and is no more.
    """
    bundle = controller.bundle
    located = controller.locate(people, values=values)
    found = controller.keys(located)
    doubtful: tuple[str, ...] = ()
    if shown:
        doubtful = tuple(
            f"{one.words}; with --yes it is refused without --same-person REASON"
            for one in doubts(controller, people, found)
            if not controller.cases.is_same_person(case)
        )
    else:
        refuse_several(controller, case, people, found)
    stayed = controller.retained(case, people)
    once = former(controller, people, found, replaced)
    if once.hers:
        people = with_former(people, once.hers)
        about = about and with_former(about, once.hers)
        located = controller.locate(people, values=values)
        found = controller.keys(located)
    located.unreached.update(once.away)
    located.warnings += once.words
    refuse_mixed(controller, case, found, stayed.held)
    located.unreached.update(stayed.unread)
    located.warnings += () if stayed.held else refilled(located)
    called: Sequence[tuple[int, tuple[str, ...]]] = ()
    met: tuple[Pair, ...] = ()
    if values is None:
        covers = coverage(controller, case, found, now)
        located.warnings += covers.words
        called = covers.called if covers.unasked or located.unreached else ()
        met = covers.met
    for place, table in (*stayed.tables.items(), *(also or {}).items()):
        if place[0] not in located.unreached:
            rows = found[place].rows if place in found else ()
            found[place] = KeyTable(table.fields, tuple(dict.fromkeys((*rows, *table.rows))))
    laws = due.laws(bundle.retention)
    late, unsure = strangers(controller, people, found, certain, unsure)
    strange = strange | late
    known = _known(
        people, controller, found, called=called, met=met, replaced=once, theirs=strange,
        unsure=unsure,
    )  # fmt: skip
    if (place := (SYSTEM.name, "identity_doubt")) in found:
        over = going_over(controller, case, known.people, met) if values is None else []
        waits = controller.doubts.pairs(case, [one for one, _ in over])
        table = found[place]
        rows = tuple(row for row in table.rows if row[1][0] not in waits)
        found[place] = KeyTable(table.fields, rows)
    subjects = subjects_of(controller, case, known.people)
    standing = [h for h in controller.holds.all(now) if binding(case, h)]
    holds = [h for h in standing if h.subject is None or h.subject in subjects]
    datamap = controller.realised({system for system, _ in found})
    if case.ground == CHILD:
        datamap = sealing(datamap)
    foreign = controller.foreign_keys()
    # A hold on her was placed on a number that an erasure forgot: what it keeps it keeps still.
    before = due.standing(stayed.held, {h.id for h in standing})
    kept = of_others(controller, [h for h in standing if h not in holds], datamap, found)
    places = [(h.system, h.dataset) for h in holds] + list(before) + list(kept)
    theirs = controller.sides(datamap, found, found, located.selects)
    hidden = located.hidden | theirs.places
    asked = ties.questions(datamap, found, laws, places, foreign, hidden)
    dates, tied = controller.answer(asked)
    today = now.astimezone(dt.UTC).date()
    scopes = [
        due.HoldScope(h.reason(), subjects[h.subject] if h.subject else None, h.system, h.dataset)
        for h in holds
    ]
    held = due.merge(
        due.statutory(datamap, found, laws, dates, tied, today),
        due.explicit(found, scopes, today),
        {place: groups for place, groups in before.items() if place in found},
        kept,
    )
    # Whoever is erased is known no more, and comes back as somebody new: the one way to what is
    # held is the locator. Holds that name her number need nobody behind it.
    known_still = bool(held.keys() & REGISTRY)
    held = {place: reasons for place, reasons in held.items() if place not in REGISTRY}
    edges = {row: tuple(to for to in those if to[0] not in REGISTRY)
             for row, those in tied.edges.items()}  # fmt: skip
    tied = replace(tied, edges=edges)
    abilities = controller.abilities
    made = make_plan(
        "erasure", datamap, found, held, tied,
        {s: a for s, a in abilities.items() if s not in located.unreached},
        people=len(people), foreign_keys=foreign, unreached=located.unreached,
        warnings=(
            *doubtful, *located.warnings, *stayed.words, *(REGISTRY_GOES,) * known_still,
            *free_text.unread(controller, located.unreached),
        ),
        clause=_erasure_clause(controller), sides=theirs,
    )  # fmt: skip
    made = controller.anonymity.settled(_once(controller, made, stayed.tables))
    made = free_text.redacted(controller, made, about or people, found, now, strange)
    return made, known, located.values


def of_others(
    controller: Controller,
    holds: Sequence[Hold],
    datamap: DataMap,
    found: Mapping[Place, KeyTable],
) -> due.Held:
    """What a hold on somebody else keeps of rows that are several people's, and with it of others
    that are both of theirs.
    """
    shared = [place for place, table in found.items() if table.rows and of_several(datamap, place)]
    holds = [h for h in holds if any(h.covers(*place) for place in shared)]
    kept: dict[Place, list[tuple[KeyTable, Reason]]] = {}
    for hold in holds:
        why = replace(hold.reason(), words=reasons.OF_ANOTHER)  # the ground is not hers to read
        for place, keys in free_text.theirs(controller, [hold]).items():
            table = found.get(place, KeyTable(()))
            rows = tuple(row for row in table.rows if ties.norm(row[1]) in keys)
            if rows and place[0] != SYSTEM.name:
                kept.setdefault(place, []).append((KeyTable(table.fields, rows), why))
    return {place: tuple(groups) for place, groups in kept.items()}


def of_several(datamap: DataMap, place: Place) -> bool:
    """Whether the rows there may be several people's."""
    system = datamap.systems.get(place[0])
    dataset = system.datasets.get(place[1]) if system else None
    return dataset is not None and any(link.kind is Owner.SHARED for link in dataset.links)


def binding(case: Case, hold: Hold) -> bool:
    """Whether a hold keeps rows from this erasure. From that of a child only a law does."""
    return case.ground != CHILD or hold.law is not None


def subjects_of(
    controller: Controller, case: Case, known: Sequence[Sequence[Identifier]]
) -> dict[int, int]:
    """Subject → who of the case: those of its opening, and those by all that names her now.

    A hold may have made her a subject since, or have named her by something else.
    """
    found = controller.subjects.find_many(known)
    pairs = (*enumerate(found), *enumerate(case.subjects))
    return {subject: person for person, those in pairs for subject in those}


def _once(controller: Controller, made: Plan, stayed: Mapping[Place, KeyTable]) -> Plan:
    """The plan without writing over what an earlier case has written over: it was counted there,
    and now it only stays.
    """
    steps: list[Step] = []
    for s in made.steps:
        before = stayed.get((s.system, s.dataset))
        if s.action is Action.OVERWRITE and s.reason is not None and before is not None:
            old = {ties.norm(key) for key in before.values}
            of_old = [row for row in s.keys.rows if ties.norm(row[1]) in old]
            asked = replace(s, keys=KeyTable(s.keys.fields, tuple(of_old)))
            done = controller.written_before(asked) if of_old else frozenset()
            stays = tuple(row for row in of_old if ties.norm(row[1]) in done)
            left = tuple(row for row in s.keys.rows if row not in stays)
            if stays:
                table = KeyTable(s.keys.fields, stays)
                steps.append(replace(s, action=Action.RETAIN, keys=table, assign={}))
            if not left:
                continue
            s = replace(s, keys=KeyTable(s.keys.fields, left))
        steps.append(s)
    return replace(made, steps=tuple(replace(s, number=n) for n, s in enumerate(steps, 1)))


def _erasure_clause(controller: Controller) -> str:
    """The clause that promises erasure: the first of kind right whose activity is `rights`."""
    for activity in controller.bundle.serving("rights"):
        if activity.clauses:
            return activity.clauses[0]
    return next(iter(controller.bundle.clauses))


def known_by(
    people: Sequence[Sequence[Identifier]],
    controller: Controller,
    found: Mapping[Place, KeyTable],
) -> list[list[Identifier]]:
    """Everybody with all identifiers: those given and those that her own rows hold."""
    return _all(people, controller.identifiers(found, people))


def _all(
    people: Sequence[Sequence[Identifier]], more: Iterable[tuple[int, Identifier]]
) -> list[list[Identifier]]:
    known = [{(i.kind, i.normalised): i for i in one} for one in people]
    for who, i in more:
        known[who].setdefault((i.kind, i.normalised), i)
    return [list(one.values()) for one in known]


_NOTHING: Final = Former()


@dataclass(frozen=True, slots=True)
class Known:
    """Everybody with all identifiers, each once; each spelling that was met, which finds it in
    bytes; what she is called, while a system is away in which others may be called so, too; and
    the pairs of the doubtful matches that wait; what named her before a correction; and what her
    rows say that leads to somebody else, and is none of her identifiers (`theirs`), or is one as
    long as nobody is met whom it leads to in a system that is away (`unsure`).
    """

    people: list[list[Identifier]]
    spelt: tuple[KeyRow, ...]
    called: Sequence[tuple[int, tuple[str, ...]]] = ()
    met: tuple[Pair, ...] = ()
    replaced: Former = _NOTHING
    theirs: frozenset[Compared] = frozenset()
    unsure: frozenset[Compared] = frozenset()


def _known(
    people: Sequence[Sequence[Identifier]],
    controller: Controller,
    found: Mapping[Place, KeyTable],
    before: Sequence[KeyRow] = (),
    called: Sequence[tuple[int, tuple[str, ...]]] = (),
    met: tuple[Pair, ...] = (),
    replaced: Former = _NOTHING,
    theirs: frozenset[Compared] = frozenset(),
    unsure: frozenset[Compared] = frozenset(),
) -> Known:
    said = controller.spelt(found, people)
    given = ((who, i.value) for who, one in enumerate(people) for i in one)
    # A value may stand elsewhere without the blanks that are around it in one row.
    texts = ((who, (text.strip(),)) for who, text in (*given, *((w, t) for w, _, t in said)))
    spelt = tuple(dict.fromkeys((*before, *texts)))
    known = without(_all(people, recognised(said)), theirs)
    return Known(known, spelt, called, met, replaced, theirs, unsure)


def keep(
    controller: Controller,
    case: Case,
    made: Plan,
    known: Known,
    values: Mapping[Place, KeyTable],
    actor: Actor,
    now: dt.datetime,
    connection: Any,
    once: Sequence[KeyRow] = (),
    came: Collection[tuple[str, str]] = (),
    approved: bool = True,
) -> list[Entry]:
    """Beside the sealed plan: the suppression, the way back to what stays, and by what she is
    looked for once more when all is done. The entries of the plan, to be appended in the same
    transaction. `came`: what rows say that are left to her; what was met of these is decided.
    `approved`: with that; else what was added waits for another person.
    """
    retained = [
        (s.system, s.dataset, s.keys, s.reason)
        for s in made.steps
        if s.reason is not None
        and s.action is not Action.DELETE
        and not reasons.theirs(s.reason.words)  # theirs to use, and no way back to her
    ]
    flat = [i for one in known.people for i in one]
    controller.suppressions.add(flat, now, source=ERASURE, connection=connection)
    outlive(controller, made, now, connection)
    take_over(controller, case, known.people, known.met, connection)
    gone = [i for i in flat if (i.kind, i.normalised) not in came]
    controller.doubts.forget(case, gone, connection=connection)
    controller.locator.store(case, known.people, retained, now, connection=connection)
    named = tuple((who, (i.kind, i.value)) for who, one in enumerate(known.people) for i in one)
    sealed = {
        _NAMES: KeySet(
            {
                _NAMES: KeyTable(("kind", "value"), named),
                _SPELT: KeyTable(("value",), known.spelt),
                _REPLACED: KeyTable(
                    ("kind", "value"),
                    tuple((w, (i.kind, i.value)) for w, i in known.replaced.asked),
                ),
                _CALLED: KeyTable(("name",), tuple(known.called)),
                _THEIRS: _sealed(known.theirs),
                _UNSURE: _sealed(known.unsure),
            }
        ),
        _VALUES: KeySet({_BETWEEN.join(place): table for place, table in values.items()}),
    }
    former = [*once, *controller.anonymity.former(made.steps)]
    if former:
        table = KeyTable(("value",), tuple(dict.fromkeys(former)))
        sealed[_FORMER] = KeySet({_FORMER: table})
    controller.cases.seal_keys(case, sealed, connection=connection)
    entries = _planned(controller, case, made, actor, now)
    return [
        *(entries if approved else entries[:1]),
        Entry("suppression.added", now, {"case": case.id, "reason": "erasure"}),
    ]


def _sealed(those: Collection[Compared]) -> KeyTable:
    return KeyTable(
        ("kind", "value"), tuple((w, (kind, value)) for w, kind, value in sorted(those))
    )


def _opened(table: KeyTable) -> frozenset[Compared]:
    return frozenset((w, str(kind), str(value)) for w, (kind, value) in table.rows)


def _planned(
    controller: Controller, case: Case, made: Plan, actor: Actor, now: dt.datetime
) -> list[Entry]:
    """The entries of a plan that was sealed, and of its approval: the second only where nothing of
    it waits for another person.
    """
    digest = controller.digest(encode_plan(made))
    planned = {
        "case": case.id,
        "right": "erasure",
        "plan": digest,
        "steps": len(made.steps),
        "people": made.people,
        "rows": sum(s.rows for s in made.steps),
        "systems": [name(p.system) for p in made.systems],
        "unreached": [name(s) for s, _ in made.unreached],
    }
    body = {"case": case.id, "plan": digest, "actor": name(actor.role)}
    return [Entry("plan.made", now, planned), Entry("plan.approved", now, body)]


def outlive(controller: Controller, made: Plan, now: dt.datetime, connection: Any) -> None:
    """What the people of a plan said no to holds when their numbers are gone, too; and ends where
    the case that it came from decides so.
    """
    people: dict[int, list[int]] = {}
    for who, number in _numbers(made):
        people.setdefault(who, []).append(number)
    new = controller.suppressions.outlive([*people.values()], now, connection=connection)
    if not new:
        return
    found: dict[bytes, set[str]] = {}
    for mac, channel in new:
        found.setdefault(mac, set()).add(channel.removeprefix(FACT))
    for numbers_ in people.values():
        named = [i for n in numbers_ for i, _ in controller.subjects.identifiers(n)]
        more = [(i, fact) for i in named
                for fact in found.get(suppression_mac(controller.vault, i), ())]  # fmt: skip
        own = [i for i in named if {*controller.subjects.find([i])} <= {*numbers_}]
        hers = [("", str(n)) for n in numbers_] + [(i.kind, i.value) for i in own]
        objection.also_for(controller, hers, more, connection)
        restriction.also_for(controller, hers, more, connection)


def _numbers(made: Plan) -> Iterator[tuple[int, int]]:
    """(who, number) of the numbers of people that go by a plan."""
    for step in made.steps:
        if (step.system, step.dataset) == SUBJECT:
            for who, key in step.keys.rows:
                yield who, int(str(key[0]))


def numbers(made: Plan) -> list[int]:
    """The numbers of people that go by a plan."""
    return sorted({number for _, number in _numbers(made)})


@dataclass(frozen=True, slots=True)
class Sought:
    """What was sealed beside the plan, opened: everybody with the identifiers given and those
    sealed, the values by which her rows led to others, by what rows named her that were made
    anonymous, how all of it was spelt, and what she is called, field by field; what named her
    before a correction; and what her rows said that leads to somebody else, or may.
    """

    known: list[list[Identifier]]
    values: dict[Place, KeyTable]
    former: tuple[KeyRow, ...]
    spelt: tuple[KeyRow, ...]
    called: Sequence[tuple[int, tuple[str, ...]]]
    replaced: tuple[Named, ...]
    theirs: frozenset[Compared]
    unsure: frozenset[Compared]


def sought(controller: Controller, case: Case, people: Sequence[Sequence[Identifier]]) -> Sought:
    """What was sealed beside the plan of the case."""
    names, tables, former = (
        one or KeySet()
        for one in controller.cases.all_sealed_keys(case, (_NAMES, _VALUES, _FORMER))
    )
    known = [list(one) for one in people]
    nothing = KeyTable(())
    for who, (kind, value) in names.get(_NAMES, nothing).rows:
        known[who].append(Identifier(str(kind), str(value)))
    values: dict[Place, KeyTable] = {}
    for at, table in tables.items():
        system, _, dataset = at.partition(_BETWEEN)
        values[system, dataset] = table
    return Sought(
        known, values, tuple(row for t in former.values() for row in t.rows),
        names.get(_SPELT, nothing).rows,
        tuple((w, tuple(map(str, name))) for w, name in names.get(_CALLED, nothing).rows),
        tuple((w, Identifier(str(kind), str(value)))
              for w, (kind, value) in names.get(_REPLACED, nothing).rows),
        _opened(names.get(_THEIRS, nothing)),
        _opened(names.get(_UNSURE, nothing)),
    )  # fmt: skip


def undecided(controller: Controller, case: Case) -> list[Doubt]:
    """What waits to be decided of the people of a case. Of a child also what other cases have met,
    or taken over: they are forgotten with this one. Of an erasure that was only looked at also what
    goes over to it when it is carried out.
    """
    waits = controller.doubts.all(case=case.id)
    if case.ground == CHILD:
        waits += controller.doubts.naming(known_of(controller, case))
    elif case.right == "erasure" and case.state in BEFORE and has_met(controller, case):
        met = controller.doubts.met_with(known_of(controller, case))
        waits += [one for one in met if one.outcome is None]
    return list({one.id: one for one in waits}.values())


def look_again(
    controller: Controller, case: Case, made: Plan, people: Sequence[Sequence[Identifier]],
    actor: Actor, now: dt.datetime,
) -> Plan:  # fmt: skip
    """The sealed plan, where of what is left to delete somebody else has rows by now: they stay for
    them, with what hangs on them. StoreError where that cannot be asked.
    """
    settled = {r.number for r in controller.cases.steps(case) if r.state is StepState.DONE}
    settled |= controller.cases.waits(case).steps
    left = [
        s for s in made.steps
        if s.action is Action.DELETE and s.number not in settled and len(s.keys)
        and s.system in controller.abilities
        and s.dataset in controller.datamap.systems[s.system].datasets
    ]  # fmt: skip
    if not any(sides(controller.datamap.dataset(s.system, s.dataset)) for s in left):
        return made
    datamap = controller.realised({s.system for s in left})
    found = _tables(left)
    own = _tables(s for s in made.steps if s.action is not Action.REDACT)
    named = sought(controller, case, people).known
    known = {(i.kind, i.normalised) for one in named for i in one}

    def says(_: Place, __: ties.Key, kind: str, value: Value) -> bool:
        one = identifier(kind, value)
        return one is not None and (one.kind, one.normalised) in known

    theirs = controller.sides(datamap, found, own, says=says)
    first = 1 + max(s.number for s in made.steps)
    among = {s.number for s in left}
    steps, added = stayed(
        datamap, made.steps, among, theirs, first, _erasure_clause(controller)
    )  # fmt: skip
    if not added:
        return made
    extended = replace(made, steps=tuple(steps))
    with controller.database.connection() as connection:
        controller.cases.extend_plan(case, extended, added, now, connection=connection)
        entries = _planned(controller, case, extended, actor, now)
        waits = controller.cases.waits(case).steps
        controller.ledger.append_in(connection, entries[:1] if waits else entries)
    return extended


def _tables(steps: Iterable[Step]) -> dict[Place, KeyTable]:
    """The rows of these steps, place by place."""
    found: dict[Place, KeyTable] = {}
    for s in steps:
        before = found[s.system, s.dataset].rows if (s.system, s.dataset) in found else ()
        found[s.system, s.dataset] = KeyTable(s.keys.fields, (*before, *s.keys.rows))
    return found


def ask_again(
    controller: Controller,
    case: Case,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    actor: Actor,
    now: dt.datetime,
    among: frozenset[Place] = frozenset(),
) -> Plan:
    """The sealed plan with steps for systems that could not be asked before and now can, and for
    rows elsewhere that only they lead to: what the plan would have been, had they been there.
    In the places of `among` also with steps for her rows that came since all was done.

    Steps that were planned before stay as they are; what is still away stays named. Where the case
    destroys more with those that are added than one person answers for, or early, they wait for
    another than this one (`Cases.waits`).
    """
    before = sought(controller, case, people)
    known = before.known
    about = searched_by(known, made)
    with controller.database.connection() as connection:
        take_over(controller, case, about, (), connection)
    shared, _, _ = controller.left_to_others(made.steps)
    again, fresh, values = draw_up(
        controller,
        case,
        people,
        now,
        before.values,
        about=without(about, before.theirs),
        replaced=before.replaced,
        strange=before.theirs,
        certain=without(known, before.unsure),
        unsure=before.unsure,
        also=shared,
    )
    away = {system for system, _ in made.unreached}
    back = away - {system for system, _ in again.unreached}
    if not back and not among:
        return made
    hanging = shape(controller.datamap).hanging(back) | among
    # Of what nobody could say before whether others use it: texts everywhere name her by it.
    said = compared(known)
    late = [(w, i) for w, i in fresh.replaced.hers if (w, i.kind, i.normalised) not in said]
    known = [list(one) for one in with_former(known, late)]
    # What cannot be planned there now is as far away as what cannot be asked.
    stopped = dict(again.unreached)
    for system, obstacle in again.obstacles:
        stopped.setdefault(system, f"`{obstacle.dataset}`: {obstacle.words}. {obstacle.fix}")
    concerned = away | {system for system, _ in hanging}
    abilities = controller.abilities
    planned: dict[Place, set[ties.Key]] = {}
    others: set[tuple[str, str, ties.Key]] = set()  # left to somebody who may have gone as well
    for s in made.steps:
        if s.action is Action.REDACT:
            continue  # named in the same text again, or not at all
        # A row that went and is there again has to go again. Of what people answer for, only
        # their word is known: they are named by what she is asked for by, which never goes.
        asked = s.system in abilities and abilities[s.system].word
        if s.reason is not None and reasons.theirs(s.reason.words):
            for key in s.keys.values:
                others.add((s.system, s.dataset, ties.norm(key)))
        if s.action is not Action.DELETE or (s.system, s.dataset) not in among or asked:
            keys = planned.setdefault((s.system, s.dataset), set())
            keys |= {ties.norm(key) for key in s.keys.values}
    first = 1 + max((s.number for s in made.steps), default=0)
    added: list[Step] = []
    for s in again.steps:
        place = (s.system, s.dataset)
        texts = bool(late) and s.action is Action.REDACT
        if (place in hanging or texts) and s.system not in stopped:
            old = planned.get(place, set())
            if s.action is Action.DELETE:
                old = {key for key in old if (*place, key) not in others}
            rows = tuple(row for row in s.keys.rows if ties.norm(row[1]) not in old)
            if rows:
                table = KeyTable(s.keys.fields, rows)
                added.append(replace(s, number=first + len(added), keys=table))
    if not back and not added:
        return made
    had = {p.system for p in made.systems}
    warnings, called = made.warnings, before.called
    if back:
        named = with_former(people, late)
        there = controller.keys(controller.locate(named, values=before.values))
        warnings, called = covered_late(
            controller, case, people, known, called, there, back, warnings, now
        )  # fmt: skip
    warnings = told_anew(warnings, fresh.replaced)
    extended = replace(
        made,
        warnings=warnings,
        steps=(*made.steps, *added),
        systems=(*made.systems, *(p for p in again.systems if p.system not in had)),
        unreached=tuple((s, why) for s, why in sorted(stopped.items()) if s in concerned),
    )
    hers = _tables(s for s in added if s.action is not Action.REDACT)  # those are rows of others
    found = _known(
        known, controller, hers, before.spelt, called if extended.unreached else (),
        replaced=fresh.replaced, theirs=fresh.theirs, unsure=fresh.unsure,
    )  # fmt: skip
    left = controller.identifiers(_left(controller, case, again, extended))
    came = {(i.kind, i.normalised) for _, i in left}
    waits = bool(carry.destroyed(added)) and takes_two(
        case, carry.destroyed(extended.steps), controller.desk
    )
    with controller.database.connection() as connection:
        late_theirs = fresh.theirs & before.unsure
        _give_back(controller, case, (Identifier(k, v) for _, k, v in late_theirs), connection)
        with connection.pipeline():
            controller.cases.extend_plan(case, extended, added, now, connection=connection)
            entries = keep(
                controller, case, extended, found, values, actor, now, connection, before.former,
                came=came, approved=not waits,
            )  # fmt: skip
            if waits:
                those = [s.number for s in added]
                entries += carry.drawn_up(controller, case, those, actor, now, connection)
        controller.ledger.append_in(connection, entries)
    return extended


def given_back(
    controller: Controller, case: Case, made: Plan, people: Sequence[Sequence[Identifier]],
    actor: Actor, now: dt.datetime,
) -> Plan:  # fmt: skip
    """The sealed plan without what named her before a correction and is somebody else's since: it
    goes from no text any more, and what suppressed it for this erasure is taken back.
    """
    before = sought(controller, case, people)
    if not before.replaced:
        return made
    found = controller.keys(controller.locate(people, values=before.values))
    once = former(controller, people, found, before.replaced)
    theirs = [one for one in before.replaced if one not in once.asked]
    if not theirs:
        return made
    pairs = {(who, i.kind, i.normalised) for who, i in theirs}
    values = {(who, text) for who, i in theirs for text in (i.value, i.normalised)}
    known = without(before.known, pairs)
    spelt = tuple(row for row in before.spelt if (row[0], str(row[1][0])) not in values)
    named = {(i.kind, i.value) for _, i in theirs}
    made = replace(
        made,
        steps=tuple(mentions.without(s, named) for s in made.steps),
        warnings=told_anew(made.warnings, once),
    )
    with controller.database.connection() as connection:
        _give_back(controller, case, (i for _, i in theirs), connection)
        controller.cases.extend_plan(case, made, (), now, connection=connection)
        left = Known(known, spelt, before.called, replaced=once,
                     theirs=before.theirs, unsure=before.unsure)  # fmt: skip
        entries = keep(
            controller, case, made, left, before.values, actor, now, connection, before.former,
            approved=not controller.cases.waits(case).steps,
        )  # fmt: skip
        controller.ledger.append_in(connection, entries)
    return made


def _give_back(
    controller: Controller, case: Case, theirs: Iterable[Identifier], connection: Any
) -> None:
    """Take back what suppressed somebody else for this erasure."""
    macs = [suppression_mac(controller.vault, i) for i in theirs]
    entries = controller.ledger.entries(kind="suppression.added", case=case.id) if macs else ()
    for at in [e.at for _, e in entries]:
        controller.suppressions.lift_hashed(
            macs, sources=(ERASURE,), since=at, connection=connection
        )


def _left(controller: Controller, case: Case, again: Plan, made: Plan) -> dict[Place, KeyTable]:
    """Rows that came since where she may have come back of her own will: none of them goes."""
    done = {r.number for r in controller.cases.steps(case) if r.state is StepState.DONE}
    met = {
        (s.system, s.dataset, ties.norm(key))
        for s in made.steps
        if s.number not in done or s.action is not Action.DELETE
        for key in s.keys.values
    }
    found: dict[Place, KeyTable] = {}
    for s in again.steps:
        place = (s.system, s.dataset)
        rows = tuple(row for row in s.keys.rows if (*place, ties.norm(row[1])) not in met)
        if rows and s.action is not Action.REDACT:
            before = found[place].rows if place in found else ()
            found[place] = KeyTable(s.keys.fields, (*before, *rows))
    return found


def met_again(
    controller: Controller,
    before: Sought,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    among: frozenset[Place],
    now: dt.datetime,
) -> tuple[dict[Place, int], set[int], dict[str, str]]:
    """Rows of hers, and texts that name her, although all steps are done; of whom; systems not
    asked.

    The same search as in the beginning, by the same identifiers and by the values that led from
    her rows to others: what a trigger, an import or another program wrote meanwhile is met.
    """
    located = controller.locate(people, values=before.values)
    there = controller.keys(located)
    staying: dict[Place, set[ties.Key]] = {}
    for s in made.steps:
        if s.action not in (Action.DELETE, Action.REDACT):
            keys = staying.setdefault((s.system, s.dataset), set())
            keys |= {ties.norm(key) for key in s.keys.values}
    met: dict[Place, int] = {}
    whose: set[int] = set()
    for place, table in there.items():
        old = staying.get(place, set())
        new = [(who, key) for who, key in table.rows if ties.norm(key) not in old]
        # Of what people answer for, only their word is known.
        if new and place in among and not controller.abilities[place[0]].word:
            met[place] = len({key for _, key in new})
            whose |= {who for who, _ in new}
    _, nobodys, silent = controller.left_to_others(made.steps)
    for place, table in nobodys.items():
        if place in among:
            met[place] = met.get(place, 0) + len(table.values)
            whose |= {who for who, _ in table.rows}
    about = without(searched_by(before.known, made), before.theirs)
    named, away = free_text.left(controller, about, there, now)
    for (place, _), people_ in named.items():
        if place in among:
            met[place] = met.get(place, 0) + 1
            whose |= people_
    return met, whose, {**away, **located.unreached, **silent}


def searched_by(known: Sequence[Sequence[Identifier]], made: Plan) -> list[list[Identifier]]:
    """By what texts of others are searched once more: also by what they were searched by before."""
    more = mentions.needles(made)
    return [
        [*one, *(Identifier(kind, value) for kind, value in more.get(who, ()))]
        for who, one in enumerate(known)
    ]


def still_known(controller: Controller, before: Sought, made: Plan) -> anonymity.Tested:
    """A result as it is after the test whether rows that were made anonymous lead to anybody."""
    names = [one for person in before.known for one in person]
    names += [Identifier(kind, value) for _, kind, value in before.theirs]
    values = [str(key[0]) for _, key in before.former]
    return anonymity.proven(controller, made, names, values)
