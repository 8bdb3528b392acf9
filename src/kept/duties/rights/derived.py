"""What was made of wrong data may be wrong as well (GDPR Art. 16): it is made anew.

Which value rests on which the map does not say, and no program knows how a score is worked out.
So with a correction whoever serves a system is asked to make anew what the map says was made of
other data in rows of hers, in every dataset; what the engine itself makes follows by itself, and
what a law keeps stays. The case is open until that is done, or officers know that it is not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller, Located, Place
from kept.database import Connection
from kept.datamap.map import Dataset
from kept.duties.rights.receipts import title
from kept.ledger.entry import Entry, name
from kept.model.select import KeyTable, by_key
from kept.records import recipient
from kept.records.case import Case
from kept.records.recipient import Message, Noted
from kept.records.subject import LINKING
from kept.stores.tasks import Derived, Outcome
from kept.terms.identifiers import Identifier
from kept.terms.tongues import day, say
from kept.terms.vocabulary import Vocabulary

_WORDS: Final[Mapping[str, str]] = {
    "asked": "whoever serves it was asked on {day} to make it anew, and has not answered yet",
    "anew": "it was made anew, by the word of whoever serves it, of {day}",
    "untouched": "none of it rests on what was wrong, by the word of whoever serves it, of {day}",
    "cannot": "whoever serves it says, on {day}, that it cannot be made anew",
    "erased": "nothing of it is there any more: what we held of you there was erased on {day}",
    "silent": "whoever serves it was asked on {day} to make it anew and has not answered; whoever"
    " answers for your data here goes after it",
}
_LEFT: Final = ("asked", "cannot", "silent")


@dataclass(frozen=True, slots=True)
class Anew:
    """A dataset of hers in which something is to be made anew, and how that stands since when:
    asked, anew, untouched, cannot, erased, or silent (officers know).
    """

    system: str
    dataset: str
    where: str
    state: str
    on: dt.date

    @property
    def said(self) -> str:
        """In words for the person."""
        return f"{self.where}: {say(_WORDS[self.state], day=day(self.on))}"

    @property
    def left(self) -> bool:
        """Whether it is not made anew."""
        return self.state in _LEFT

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "store": self.system, "dataset": self.dataset, "state": self.state,
            "on": self.on.isoformat(),
        }  # fmt: skip


def fields(dataset: Dataset, words: Vocabulary) -> tuple[str, ...]:
    """The fields of a dataset whose values were made of other data about her, but by no engine."""
    tied = {*dataset.key, *(n for link in dataset.links for n in link.fields)}
    return tuple(
        f.name
        for f in dataset.fields.values()
        if f.name not in tied
        and f.identifies is None
        and f.computed is None
        and f.others not in ("staff", "person")
        and (f.category or f.origin)
        and dataset.whence(f, words) == "derived"
    )


def holding(
    controller: Controller, located: Located, rows: Mapping[Place, KeyTable],
    derived: Mapping[Place, Sequence[str]],
) -> dict[Place, tuple[str, ...]]:  # fmt: skip
    """Which of the `derived` fields hold anything in these rows; all where nobody can look."""
    found: dict[Place, tuple[str, ...]] = {}
    for place, table in rows.items():
        names = derived[place]
        met = set[str]()
        if controller.abilities[place[0]].word:
            met.update(names)
        else:
            select = by_key(place[1], table, tuple(dict.fromkeys((*table.fields, *names))))
            asked = Located(located.people, {place[0]: (select,)})
            for _, batch in controller.read(asked):
                at = [(n, batch.columns.index(n)) for n in names]
                met |= {n for n, i in at for row in batch.rows if row[i] is not None}
            met.update(names if asked.unreached else ())
        if met:
            found[place] = tuple(n for n in names if n in met)
    return found


def note(
    controller: Controller, case: Case, wanted: Mapping[Place, tuple[str, ...]],
    rows: Mapping[Place, KeyTable], known: Sequence[Sequence[Identifier]], corrected: str,
    now: dt.datetime, connection: Connection,
) -> None:  # fmt: skip
    """Record what is to be made anew, with the end of the case; the tasks follow."""
    asked = {}
    for place, names in wanted.items():
        people = []
        for who in sorted({who for who, _ in rows[place].rows}):
            hers = _named(controller, place[0], known[who])
            people.append((*((i.kind, i.value) for i in hers), ("corrected", corrected)))
        asked[".".join(place)] = Message(tuple(people), names)
    new = controller.recipients.note(case, Derived.ANEW, asked, now, connection=connection)
    if new:
        body = {"case": case.id, "right": case.right, "places": [name(one) for one in new]}
        controller.ledger.append_in(connection, [Entry("derived.asked", now, body)])


def _named(
    controller: Controller, system: str, known: Sequence[Identifier]
) -> list[Identifier]:  # fmt: skip
    """Of what names her, that by which the system knows people at all: whoever serves it needs,
    and is told, no other.
    """
    datasets = controller.datamap.systems[system].datasets.values()
    kinds = {f.identifies for dataset in datasets for f in dataset.fields.values()}
    linking = [i for i in known if i.kind in LINKING]
    return [i for i in linking if i.kind in kinds] or linking or list(known)


def stands(controller: Controller, case: Case) -> tuple[Anew, ...]:
    """What of a case is to be made anew, and how each stands."""
    noted = controller.recipients.of([case.number])
    return tuple(
        _stands(controller, one, *one.place) for one in noted if one.place is not None
    )  # fmt: skip


def _stands(controller: Controller, one: Noted, system: str, dataset: str) -> Anew:
    known = controller.datamap.systems.get(system)
    there = known.datasets.get(dataset) if known else None
    where = f"{(there and there.title) or dataset} ({title(controller, system)})"
    match one.outcome:
        case Outcome.DONE:
            state = "anew"
        case Outcome.NOTHING:
            state = "untouched"
        case Outcome.CANNOT:
            state = "cannot"
        case recipient.ERASED:
            state = "erased"
        case _:
            state = "asked" if one.escalated_at is None else "silent"
    at = one.answered_at if one.outcome and one.answered_at else one.noted_at
    return Anew(system, dataset, where, state, controller.day(at))
