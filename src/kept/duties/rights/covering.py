"""What a search for a person covers: what is proven hers, and what a human has to decide first.

Names no value: kinds and counts only.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kept.controller import Controller, Place
from kept.controller.alike import Alike, Met
from kept.database import Connection
from kept.datamap.reach import within
from kept.duties.rights.receipts import BEFORE
from kept.errors import Shredded
from kept.ledger.entry import Entry
from kept.model.select import KeySet, KeyTable
from kept.model.values import Value
from kept.records.case import NEEDLES, Case, State
from kept.records.declared import SYSTEM
from kept.records.doubt import SAME, Doubt, Pair
from kept.records.identity import Known
from kept.records.subject import LINKING
from kept.terms.identifiers import KINDS, Identifier
from kept.terms.likeness import REASONS
from kept.terms.rights import CHILD

_UNASKED: Final = "nobody could look for doubtful matches in "
#: States in which nobody has looked at what a case would do.
_UNSEEN: Final = (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED)
#: Where a row lies, and its key.
_Row = tuple[Place, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Kinds → how many further identifiers were searched by (`added`), and how many were not:
    linked by weak evidence (`unproven`), or others' as well (`shared`). `doubts`: reason → rows
    that may be hers, of which none is read or changed; `nameless` of them, by place, hold nothing
    by which the queue could name them. `unasked`: systems in which nobody could look for such rows.
    `called`: the names by which they were looked for, and `met` the pairs that wait, never told
    (`Alike.called`).
    """

    added: Mapping[str, int] = field(default_factory=dict)
    unproven: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    doubts: Mapping[str, int] = field(default_factory=dict)
    nameless: Mapping[Place, int] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()
    called: tuple[tuple[int, tuple[str, ...]], ...] = ()
    met: tuple[Pair, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What the person and whoever answers her should know."""
        found = []
        if self.added:
            found.append(f"also searched by {kinds(self.added)}, proven to be the same person's")
        if self.unproven:
            found.append(
                f"{kinds(self.unproven)} linked to her by weak evidence"
                f" {was(self.unproven)} not covered: it has to be proven hers, or she be asked"
            )
        if self.shared:
            found.append(
                f"{kinds(self.shared)} that others use as well {was(self.shared)} not covered"
            )
        for reason, rows in self.doubts.items():
            what = "1 record" if rows == 1 else f"{rows} records"
            said = REASONS[reason]
            if rows == 1:
                said = said.replace("carry", "carries", 1)
            found.append(
                f"{what} elsewhere {said}: whether that is hers a person has to decide;"
                " until then it is not in this answer"
            )
        for (system, dataset), rows in self.nameless.items():
            found.append(
                f"{'1 record' if rows == 1 else f'{rows} records'} of these in `{dataset}` of"
                f" `{system}` {'holds' if rows == 1 else 'hold'} nothing by which that could be"
                " decided elsewhere: somebody has to look there, and where it is hers put right"
                " there what is to lead to her"
            )
        if self.unasked:
            found.append(f"{_UNASKED}{', '.join(self.unasked)}")
        return tuple(found)

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "added": dict(self.added),
            "unproven": dict(self.unproven),
            "shared": dict(self.shared),
            "doubts": dict(self.doubts),
            "nameless": {".".join(place): rows for place, rows in self.nameless.items()},
            "unasked": list(self.unasked),
        }


def coverage(
    controller: Controller, case: Case, found: Mapping[Place, KeyTable], now: dt.datetime
) -> Coverage:
    """What the search of a case covers; doubtful matches that are new are put in the queue, and
    those of other cases stay with these.

    `found` are the rows of its people. Nothing of a doubtful match is read but by what it is
    somebody's.
    """
    people, known = _people(controller, case)
    alike = controller.alike(people, found)
    doubts, nameless, pairs = _queued(controller, case, people, alike, (0, 0), now)
    hers = [{_named(i) for i in own} for own in alike.hers]
    return Coverage(
        _counted(more.added for more in known),
        # What her own rows hold that were found goes or is shown with them.
        _counted(
            [i for i in more.unproven if _named(i) not in own]
            for more, own in zip(known, hers, strict=True)
        ),
        _counted(more.shared for more in known),
        doubts,
        nameless,
        tuple(sorted(alike.unreached)),
        tuple(alike.called),
        pairs,
    )


def covered_late(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]],
    known: Sequence[Sequence[Identifier]], called: Sequence[tuple[int, tuple[str, ...]]],
    found: Mapping[Place, KeyTable], back: Collection[str], said: Sequence[str], now: dt.datetime,
) -> tuple[tuple[str, ...], Sequence[tuple[int, tuple[str, ...]]]]:  # fmt: skip
    """The warnings of an erasure (`said`) once what `back` names answers, and what she is called by
    now: doubtful matches there, and elsewhere by what only her rows there say, are counted and
    queued like the others. `found` is what is there of `people`; `known` and `called` are what her
    rows had said, which is not proven to be hers.
    """
    alike = controller.alike(people, found, known, called)
    # What her rows there say tells what is like her elsewhere, too; by the rest it was looked for.
    there = {place: table for place, table in found.items() if not within(place, back)}
    old = {(m.who, m.place, m.key) for m in controller.alike(people, there, known, called).met}
    alike.met = [
        m for m in alike.met if within(m.place, back) or (m.who, m.place, m.key) not in old
    ]
    before = _met(controller, case, planned=True)
    doubts, nameless, pairs = _queued(controller, case, people, alike, before, now)
    with controller.database.connection() as connection:
        take_over(controller, case, (*people, *alike.hers), pairs, connection)
    away = [w.removeprefix(_UNASKED).split(", ") for w in said if w.startswith(_UNASKED)]
    still = {s for several in away for s in several if s not in back or s in alike.unreached}
    late = Coverage(doubts=doubts, nameless=nameless, unasked=tuple(sorted(still)))
    return (*(w for w in said if not w.startswith(_UNASKED)), *late.words), alike.called


def _met(controller: Controller, case: Case, *, planned: bool = False) -> tuple[int, int]:
    """How many records a case met that look like hers, and how many of them the queue cannot name,
    as it was entered last; `planned`: before its plan was sealed last, whatever was cut off since.
    """
    found = sealed = (0, 0)
    kinds = ("identity.doubted", "plan.made")
    for _, e in controller.ledger.entries(kind=kinds, case=case.id):
        if e.kind == "plan.made":
            sealed = found
        else:
            found = int(e.body.get("rows", 0)), int(e.body.get("nameless", 0))
    return sealed if planned else found


def has_met(controller: Controller, case: Case) -> bool:
    """Whether a case met records that look like hers when it was looked at."""
    return _met(controller, case) != (0, 0)


def _queued(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]], alike: Alike,
    before: tuple[int, int], now: dt.datetime,
) -> tuple[dict[str, int], dict[Place, int], tuple[Pair, ...]]:  # fmt: skip
    """Reason → rows in doubt, by place those that the queue cannot name, and the pairs by which it
    names the others, which are in it from now on; how many rows there are is entered, with those
    of `before`.
    """
    doubts, pairs = _undecided(controller, people, alike)
    met = set().union(*doubts.values())
    nameless = met - pairs.keys()
    new = tuple(dict.fromkeys(one for several in pairs.values() for one in several))
    rows = before[0] + len(met), before[1] + len(nameless)
    # What was entered when it was looked at before is not entered again.
    entered = (0, 0) if case.state in _UNSEEN else _met(controller, case)
    with controller.database.connection() as connection:
        count = controller.doubts.add(case, new, now, connection=connection) if new else 0
        # When her rows are gone nothing says any more what was like them.
        if count or (case.right == "erasure" and rows != entered):
            body = {
                "case": case.id, "count": count, "what": sorted(doubts),
                "rows": rows[0], "nameless": rows[1],
            }  # fmt: skip
            controller.ledger.append_in(connection, [Entry("identity.doubted", now, body)])
    return (
        {reason: len(doubts[reason]) for reason in REASONS if reason in doubts},
        dict(sorted(Counter(place for place, _ in nameless).items())),
        new,
    )


def going_over(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]],
    met: Sequence[Pair] = (),
) -> list[tuple[Doubt, Pair]]:  # fmt: skip
    """What other cases have met of these people, given by all that is theirs, and goes over to
    their erasure with its plan, but for what was theirs all the same. `met` are the pairs that wait
    and that the erasure has met itself: of these also what was met by another's rows.
    """
    hers = [i for one in people for i in one if i.kind in LINKING]
    own = {_named(i) for i in hers}
    found: dict[str, tuple[Doubt, Pair]] = {}
    for one in controller.doubts.met_with(hers):
        with contextlib.suppress(Shredded):  # the case of a child forgot whose it is
            pair = controller.doubts.pair(one)
            if _named(pair.other) not in own:
                found[one.id] = one, pair
    found |= {one.id: (one, pair) for one, pair in controller.doubts.waiting_as(met)}
    return [(one, pair) for one, pair in found.values() if one.case != case.id]


def take_over(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]],
    met: Sequence[Pair], connection: Connection,
) -> None:  # fmt: skip
    """Keep with an erasure that is carried out what goes over to it: what was met by rows of hers
    that went before, or in a system that is away now, is not to be met again when she is gone.
    What was decided is decided where it goes on, in a system that was away, and what is a child's
    has to go before the case of the child is over.
    """
    taken = going_over(controller, case, people, met)
    controller.doubts.take(case, taken, connection=connection)


def doubtful(controller: Controller, case: Case) -> int:
    """How many records look like those of the people of a case, and nobody has decided yet whether
    they are: of an erasure that was begun those that it met, for her own rows are gone, which said
    what is like them; once some are decided, at least that many. Of another case by now.
    """
    if case.right == "erasure" and case.state not in BEFORE:
        rows, nameless = _met(controller, case)
        began = [e.at for e in controller.cases.events(case) if e.state is State.EXECUTING][:1]
        # What was decided before was not in doubt, and is none of these.
        known = [
            one for one in _doubts(controller, case)
            if one.settled_at is None or all(one.settled_at >= at for at in began)
        ]  # fmt: skip
        if not known:  # what could be decided was, or went with her in another case
            return nameless
        waits = sum(one.outcome is None for one in known)
        return max(rows, waits) if waits == len(known) else waits + nameless
    people, _ = _people(controller, case)
    own = controller.keys(controller.locate(people))
    doubts, _ = _undecided(controller, people, controller.alike(people, own))
    return len(set().union(*doubts.values()))


def decided_since(controller: Controller, case: Case, *, unasked: bool = False) -> bool:
    """Whether something stands that was decided to be of the person of a case after it was carried
    out for the last time: its answer does not cover that. An erasure that goes on takes nothing
    that it did not meet when it began, so there it is whatever stands, however it was cut off.
    `unasked`: or may stand, in a system that could not be asked.
    """
    erases = case.right == "erasure"
    began = State.EXECUTING if erases else State.EXECUTED
    ran = [e.at for e in controller.cases.events(case) if e.state is began]
    if not ran:
        return False
    since = min(ran) if erases else max(ran)
    others = []
    for one in _doubts(controller, case):
        if one.outcome == SAME and one.settled_at is not None and one.settled_at > since:
            with contextlib.suppress(Shredded):  # the case of a child forgot whose it is
                others.append(controller.doubts.pair(one).other)
    if not others:
        return False
    located = controller.locate([others])
    found = controller.keys(located)
    stands = any(table.rows for place, table in found.items() if place[0] != SYSTEM.name)
    return stands or (unasked and bool(located.unreached))


def _doubts(controller: Controller, case: Case) -> list[Doubt]:
    """The doubtful matches of a case, decided or not. Those of an erasure go over to the next one
    of the same person; of a child also what any other case has met, which is forgotten with it.
    """
    mine = controller.doubts.all(settled=True, case=case.id)
    if case.right != "erasure" or (mine and case.ground != CHILD):
        return mine
    with contextlib.suppress(Shredded):  # the case of a child forgot whose it is
        for one in controller.doubts.met_with(known_of(controller, case)):
            later = one.number > case.number and controller.cases.get(one.case).right == "erasure"
            if one.case != case.id and (later or case.ground == CHILD):
                mine.append(one)
    return mine


def known_of(controller: Controller, case: Case) -> list[Identifier]:
    """By what the people of a case were given, and what was sealed beside its plan."""
    sealed = (controller.cases.sealed_keys(case, NEEDLES) or KeySet()).get(NEEDLES, KeyTable(()))
    return [
        *(i for one in controller.cases.identifiers(case) for i in one),
        *(Identifier(str(kind), str(value)) for _, (kind, value) in sealed.rows),
    ]


def _people(controller: Controller, case: Case) -> tuple[list[tuple[Identifier, ...]], list[Known]]:
    """The people of a case, each by what was given and what is proven to be hers, too; and what is
    known of each.
    """
    given = controller.cases.identifiers(case)
    known = controller.identities.known(given)
    return [(*one, *more.added) for one, more in zip(given, known, strict=True)], known


def _undecided(
    controller: Controller, people: Sequence[Sequence[Identifier]], alike: Alike
) -> tuple[dict[str, set[_Row]], dict[_Row, list[Pair]]]:
    """Reason → the rows that are like those of people and were not settled, and of each row the
    pairs of identifiers that somebody can settle it by, where there are any.
    """
    doubts: dict[str, set[_Row]] = {}
    pairs: dict[_Row, list[Pair]] = {}
    for who, one in enumerate(people):
        met = [m for m in alike.met if m.who == who]
        mine = [i for i in (*one, *alike.hers[who]) if i.kind in LINKING]
        before = controller.doubts.before(mine, _others(met))
        anchor = min(
            (i for i in one if i.kind in LINKING), key=lambda i: LINKING.index(i.kind),
            default=None,
        )  # fmt: skip
        for m in met:
            # What waits by another identifier of hers is the same question.
            by, outcome = anchor, None
            if m.other is not None and _named(m.other) in before:
                by, outcome = before[_named(m.other)]
            if outcome is not None:
                continue
            row = (m.place, m.key)
            doubts.setdefault(m.reason, set()).add(row)
            if m.other is not None and by is not None:
                pairs.setdefault(row, []).append(Pair(by, m.other, m.reason))
    return doubts, pairs


def _others(met: Sequence[Met]) -> list[Identifier]:
    return list({_named(m.other): m.other for m in met if m.other is not None}.values())


def _named(one: Identifier) -> tuple[str, str]:
    return one.kind, one.normalised


def _counted(people: Iterable[Iterable[Identifier]]) -> dict[str, int]:
    return dict(sorted(Counter(i.kind for one in people for i in one).items()))


def kinds(counts: Mapping[str, int]) -> str:
    """How many further identifiers of which kind, in words."""
    parts = []
    for kind, count in counts.items():
        word = KINDS[kind]
        more = {"address": "addresses"}.get(word.rpartition(" ")[2])
        plural = word.replace("address", more) if more else f"{word}s"
        parts.append(f"{count} further {word if count == 1 else plural}")
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def was(counts: Mapping[str, int]) -> str:
    """The verb that follows `kinds`."""
    return "was" if sum(counts.values()) == 1 else "were"
