"""Doubt whether rows that one identifier leads to are one person's: a human decides.

A dataset owns people where other rows belong to its rows and its own belong to nobody else's
(customers; not their orders). Two of its rows behind one identifier that name different people
are a shared mailbox as likely as a double entry: nothing is shown or changed before somebody
says which, and why (GDPR Art. 12(6), and 15(4): the rights of others).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller, Place
from kept.datamap.map import Dataset
from kept.datamap.reach import shape
from kept.duties.rights.receipts import BEFORE
from kept.errors import IdentifierError, KeptError
from kept.model.select import KeyTable
from kept.model.values import Value, fold
from kept.records.case import Case
from kept.records.subject import identity_mac
from kept.terms.identifiers import Identifier

#: Kinds that are one person's: rows in which one of them differs name different people.
_STRONG: Final = frozenset(("account", "email", "phone"))


class Ambiguous(KeptError):
    """An identifier that leads to several people; nothing was read or changed.

    `who` are those of the case of whom that is so, by their place in it.
    """

    who: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What one person was named by leads to `rows` rows of an owning dataset, which name
    different people.

    `who`: her place in the case; `by`: the kinds of identifiers by which one of them can be named
    instead; `decided`: somebody has decided that what the rows say is another's.
    """

    who: int
    system: str
    dataset: str
    rows: int
    by: tuple[str, ...]
    decided: bool = False

    @property
    def words(self) -> str:
        """Where, and how many; never what they say."""
        if self.decided:
            return (
                f"what was given leads to a record in `{self.system}.{self.dataset}` with an"
                " address or number that was decided to be another's"
                if self.rows == 1
                else f"what was given leads to records in `{self.system}.{self.dataset}` with"
                f" {self.rows} addresses or numbers that were decided to be others'"
            )
        return (
            f"what was given leads to {self.rows} records in `{self.system}.{self.dataset}` that"
            " name different people"
        )


def refuse_several(
    controller: Controller,
    case: Case,
    people: Sequence[Sequence[Identifier]],
    keys: Mapping[Place, KeyTable],
) -> None:
    """Refuse identifiers that lead to several people: a shared mailbox, a cookie of a library.

    Raises Ambiguous, before anything is shown, unless the case records why they are the same.
    """
    met = list(doubts(controller, people, keys, case=case))
    if met and not controller.cases.is_same_person(case):
        doubt = met[0]
        instead = f"name her by {' or '.join(doubt.by)} instead" if doubt.by else "ask her"
        if doubt.decided:
            instead = (
                "leave out what both use (a new case by what is hers alone; `kept identity unlink`"
                " where it is linked to her), or decide anew what is wrong"
                " (`kept identity doubts --settled --show`)"
            )
        fix = (
            f"{instead}, after a person has looked; or, where they are one person, say why with"
            f" --same-person REASON (case {case.id})"
        )
        if case.state not in BEFORE and not doubt.decided:
            # It keeps what it began with; what was unlinked since is not known to be hers any more.
            fix = (
                f"case {case.id} was begun by all of what was given, and what proved that it is one"
                " person's is undone since: where it is hers, link it again (`kept identity link`)"
                " or say why with --same-person REASON; where it is not, open a new case by what is"
                " hers alone, and leave this one open, with what it waits for, to whoever answers"
                " for it"
            )
        problem = Ambiguous(
            f"{doubt.words}; nothing was shown or changed", expected="identifiers of one person",
            fix=fix,
        )  # fmt: skip
        problem.who = tuple(dict.fromkeys(one.who for one in met))
        raise problem


def _proven(controller: Controller, case: Case) -> list[frozenset[Identifier]]:
    """What was proven to be each one's when an erasure began: it went with her first rows, and what
    a system holds that was away is hers all the same, but for what was decided to be another's
    since. Of any other case, and before it began, what is proven now counts alone.
    """
    given = controller.cases.identifiers(case)
    if case.right != "erasure" or case.state in BEFORE:
        return [frozenset() for _ in given]
    found = []
    covered = controller.cases.covered(case) or given
    apart = controller.doubts.apart([i for one in covered for i in one])
    for one, every in zip(given, covered, strict=True):
        macs = {identity_mac(controller.vault, i) for i in one}
        others = set().union(*(apart.get(mac, ()) for mac in macs))
        added = [
            i for i in every
            if i not in one and identity_mac(controller.vault, i) not in others
        ]  # fmt: skip
        # Of several that were given it is not known which of them it was that proved the others.
        found.append(frozenset((*added, *(one if added and len(one) == 1 else ()))))
    return found


def doubts(
    controller: Controller,
    people: Sequence[Sequence[Identifier]],
    keys: Mapping[Place, KeyTable],
    *,
    case: Case | None = None,
) -> Iterator[Doubt]:
    """Where rows found for one person may be those of several. `case`: what was proven to be hers
    when it began counts.
    """
    ways = shape(controller.datamap)
    owning = {
        to
        for place in ways.places
        for _, to in ways.links(place)
        if to != place and not any(end != to for _, end in ways.links(to))
    }
    for place, table in keys.items():
        if controller.abilities[place[0]].word:
            continue  # by letter anybody can be asked about: that leads to no row of anybody
        dataset = controller.datamap.dataset(*place)
        # A key that identifies: one row for each person, whoever else refers to it.
        own = all(dataset.fields[f].identifies for f in dataset.key)
        if not own and place not in owning:
            continue
        mine: dict[int, dict[tuple[Value, ...], None]] = {}
        for who, key in table.rows:
            mine.setdefault(who, {})[key] = None
        for who, rows in mine.items():
            if len(rows) < 2:
                continue
            given = people[who]
            most = _unlike(controller, place, table.fields, list(rows), own=own)
            if most and len(given) > 1:
                then = _proven(controller, case)[who] if case is not None else frozenset()
                most = _apart(controller, place, given, then, own=own)
            if most:
                yield Doubt(who, *place, most, _narrower(dataset, {i.kind for i in given}))
    yield from _decided(controller, people, keys)


def _decided(
    controller: Controller,
    people: Sequence[Sequence[Identifier]],
    keys: Mapping[Place, KeyTable],
) -> Iterator[Doubt]:
    """Where rows found for one person say what somebody has decided to be another's: a number that
    both use leads there, beside the identifier of which that was decided.
    """
    others = _others(controller, people)
    for place, table in keys.items() if any(others) else ():
        if controller.abilities[place[0]].word:
            continue
        met: dict[int, set[bytes]] = {}
        for who, one in controller.identifiers({place: table}):
            if (mac := identity_mac(controller.vault, one)) in others[who]:
                met.setdefault(who, set()).add(mac)
        for who, macs in met.items():
            yield Doubt(who, *place, len(macs), (), decided=True)


def _others(controller: Controller, people: Sequence[Sequence[Identifier]]) -> list[set[bytes]]:
    """Of everybody who is named by several identifiers the `identity_mac` of those of which was
    decided that what says them is another's.
    """
    several = [i for one in people if len(one) > 1 for i in one]
    apart = controller.doubts.apart(several) if several else {}
    given = [{identity_mac(controller.vault, i) for i in one} for one in people]
    return [set().union(*(apart.get(mac, ()) for mac in one)) - one for one in given]


def hers_alone(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]]
) -> tuple[tuple[Identifier, ...], ...]:
    """Everybody without what leads to rows that were decided to be another's, where she is named by
    something else. For a case that was begun: by what it names her cannot be changed any more.
    """
    others = _others(controller, people)
    kept = [tuple(one) for one in people]
    if not any(others) or controller.cases.is_same_person(case):
        return tuple(kept)
    for who, one in enumerate(kept):
        hers = [
            i for i in one
            if not others[who].intersection(
                identity_mac(controller.vault, said)
                for _, said in controller.identifiers(controller.keys(controller.locate([[i]])))
            )
        ]  # fmt: skip
        kept[who] = tuple(hers) or one
    return tuple(kept)


def _apart(
    controller: Controller, place: Place, given: Sequence[Identifier],
    proven: frozenset[Identifier], *, own: bool,
) -> int:  # fmt: skip
    """How many rows there are of which no single identifier, and no proof, says one person.

    Two addresses of hers may lead to two rows; one address should not. Where a row is a person
    (`own`), several need proof that they are hers, identifier by identifier.
    """

    def rows(one: Identifier) -> KeyTable:
        found = controller.keys(controller.locate([[one]])).get(place)
        return found or KeyTable(controller.datamap.dataset(*place).key, ())

    tied = proven.union(controller.identities.tied(given)) if own else set(given)
    most, hers, loose = 0, set[tuple[Value, ...]](), set[tuple[Value, ...]]()
    for one in given:
        alone = rows(one)
        most = max(most, _unlike(controller, place, alone.fields, alone.values, own=own))
        (hers if one in tied else loose).update(alone.values)
    strange = loose - hers
    return max(most, len(hers | loose) if strange and len(hers | loose) > 1 else 0)


def _narrower(dataset: Dataset, given: set[str]) -> tuple[str, ...]:
    kinds = {f.identifies for f in dataset.fields.values() if f.identifies in _STRONG}
    return tuple(sorted(str(kind) for kind in kinds - given))


def _unlike(
    controller: Controller,
    place: Place,
    fields: tuple[str, ...],
    rows: Sequence[tuple[Value, ...]],
    *,
    own: bool,
) -> int:
    """How many rows there are, where they name different people; else 0."""
    if len(rows) < 2:
        return 0
    if own:
        return len(rows)
    dataset = controller.datamap.dataset(*place)
    is_name = controller.bundle.vocabulary.is_name
    naming = {
        f.name: f.identifies if f.identifies in _STRONG else None
        for f in dataset.fields.values()
        if f.identifies in _STRONG or f.identifies == "name" or is_name(f.category)
    }
    if not naming:
        return 0
    said: dict[str, set[str]] = {}
    keys = KeyTable(fields, tuple((0, row) for row in rows))
    for name, value in controller.naming(place, keys, tuple(naming)):
        if value is not None and str(value).strip():
            said.setdefault(name, set()).add(_same(naming[name], str(value)))
    return len(rows) if any(len(values) > 1 for values in said.values()) else 0


def _same(kind: str | None, value: str) -> str:
    """The form in which two spellings of one value are equal."""
    if kind is not None:
        try:
            return Identifier(kind, value).normalised
        except IdentifierError:
            return fold(value)
    # Two machines write the accents of one name in two ways.
    return " ".join(unicodedata.normalize("NFC", value).split()).casefold()
