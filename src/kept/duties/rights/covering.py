"""What a search for a person covers: what is proven hers, and what a human has to decide first.

Names no value: kinds and counts only.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kept.controller import Controller, Place
from kept.controller.alike import Alike, Met
from kept.ledger.entry import Entry
from kept.model.select import KeyTable
from kept.records.case import Case
from kept.records.doubt import Pair
from kept.records.identity import Known
from kept.records.subject import LINKING
from kept.terms.identifiers import KINDS, Identifier
from kept.terms.likeness import REASONS


@dataclass(frozen=True, slots=True)
class Coverage:
    """Kinds → how many further identifiers were searched by (`added`), and how many were not:
    linked by weak evidence (`unproven`), or others' as well (`shared`). `doubts`: reason → rows
    that may be hers, of which none is read or changed. `unasked`: systems in which nobody could
    look for such rows.
    """

    added: Mapping[str, int] = field(default_factory=dict)
    unproven: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    doubts: Mapping[str, int] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What the person and whoever answers her should know."""
        found = []
        if self.added:
            found.append(f"also searched by {_kinds(self.added)}, proven to be the same person's")
        if self.unproven:
            found.append(
                f"{_kinds(self.unproven)} linked to her by weak evidence"
                f" {_was(self.unproven)} not covered: it has to be proven hers, or she be asked"
            )
        if self.shared:
            found.append(
                f"{_kinds(self.shared)} that others use as well {_was(self.shared)} not covered"
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
        if self.unasked:
            found.append(f"nobody could look for doubtful matches in {', '.join(self.unasked)}")
        return tuple(found)

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "added": dict(self.added),
            "unproven": dict(self.unproven),
            "shared": dict(self.shared),
            "doubts": dict(self.doubts),
            "unasked": list(self.unasked),
        }


def coverage(
    controller: Controller, case: Case, found: Mapping[Place, KeyTable], now: dt.datetime
) -> Coverage:
    """What the search of a case covers; doubtful matches that are new are put in the queue.

    `found` are the rows of its people. Nothing of a doubtful match is read but by what it is
    somebody's.
    """
    people, known = _people(controller, case)
    alike = controller.alike(people, found)
    doubts, new = _undecided(controller, people, alike)
    if new:
        with controller.database.connection() as connection:
            count = controller.doubts.add(case, new, now, connection=connection)
            if count:
                what = sorted({pair.reason for pair in new})
                body = {"case": case.id, "count": count, "what": what}
                controller.ledger.append_in(connection, [Entry("identity.doubted", now, body)])
    hers = [{_named(i) for i in own} for own in alike.hers]
    return Coverage(
        _counted(more.added for more in known),
        # What her own rows hold that were found goes or is shown with them.
        _counted(
            [i for i in more.unproven if _named(i) not in own]
            for more, own in zip(known, hers, strict=True)
        ),
        _counted(more.shared for more in known),
        {reason: len(doubts[reason]) for reason in REASONS if reason in doubts},
        tuple(sorted(alike.unreached)),
    )


def doubtful(controller: Controller, case: Case) -> int:
    """How many records look like those of the people of a case by now, and nobody has decided yet
    whether they are. Where their own rows are gone only what was given says what is like them, and
    at least those are counted that wait with the case.
    """
    people, _ = _people(controller, case)
    rows = controller.keys(controller.locate(people))
    doubts, _ = _undecided(controller, people, controller.alike(people, rows))
    return max(len(set().union(*doubts.values())), len(controller.doubts.all(case=case.id)))


def _people(controller: Controller, case: Case) -> tuple[list[tuple[Identifier, ...]], list[Known]]:
    """The people of a case, each by what was given and what is proven to be hers, too; and what is
    known of each.
    """
    given = controller.cases.identifiers(case)
    known = controller.identities.known(given)
    return [(*one, *more.added) for one, more in zip(given, known, strict=True)], known


def _undecided(
    controller: Controller, people: Sequence[Sequence[Identifier]], alike: Alike
) -> tuple[dict[str, set[tuple[Place, tuple[object, ...]]]], list[Pair]]:
    """Reason → the rows that are like those of people and were not settled, and the pairs of
    identifiers that somebody can settle them by.
    """
    doubts: dict[str, set[tuple[Place, tuple[object, ...]]]] = {}
    new: list[Pair] = []
    for who, one in enumerate(people):
        met = [m for m in alike.met if m.who == who]
        mine = [i for i in (*one, *alike.hers[who]) if i.kind in LINKING]
        settled = controller.doubts.outcomes(mine, _others(met))
        anchor = min(
            (i for i in one if i.kind in LINKING), key=lambda i: LINKING.index(i.kind),
            default=None,
        )  # fmt: skip
        for m in met:
            if m.other is not None and _named(m.other) in settled:
                continue
            doubts.setdefault(m.reason, set()).add((m.place, m.key))
            if m.other is not None and anchor is not None:
                new.append(Pair(anchor, m.other, m.reason))
    return doubts, new


def _others(met: Sequence[Met]) -> list[Identifier]:
    return list({_named(m.other): m.other for m in met if m.other is not None}.values())


def _named(one: Identifier) -> tuple[str, str]:
    return one.kind, one.normalised


def _counted(people: Iterable[Iterable[Identifier]]) -> dict[str, int]:
    return dict(sorted(Counter(i.kind for one in people for i in one).items()))


def _kinds(counts: Mapping[str, int]) -> str:
    parts = []
    for kind, count in counts.items():
        word = KINDS[kind]
        more = {"address": "addresses"}.get(word.rpartition(" ")[2])
        plural = word.replace("address", more) if more else f"{word}s"
        parts.append(f"{count} further {word if count == 1 else plural}")
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _was(counts: Mapping[str, int]) -> str:
    return "was" if sum(counts.values()) == 1 else "were"
