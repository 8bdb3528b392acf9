"""Whether what names a person leads to somebody else as well.

What stands in rows of hers need not be her: who attached something to a message of hers is not, and
an address of before may be another's by now. By what is somebody else's nobody is suppressed or
looked for. Where a correction has still to put an address right, the rows there are hers by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from kept.controller import SUBJECT, Controller, Place
from kept.controller.naming import Compared, compared, identifier, recognised
from kept.datamap.map import Owner
from kept.decide.ties import norm
from kept.duties.rights.wish import wished
from kept.model.select import KeyTable
from kept.records.declared import SYSTEM
from kept.records.subject import LINKING, identity_mac
from kept.terms.identifiers import Identifier

MEMORY: Final[Place] = (SYSTEM.name, "correction")
#: Whose it is, and by what she is named.
Named: TypeAlias = tuple[int, Identifier]


def strangers(
    controller: Controller, people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable], known: Sequence[Sequence[Identifier]] = (),
    unsure: Collection[Compared] = (),
) -> tuple[frozenset[Compared], frozenset[Compared]]:  # fmt: skip
    """(person, kind, value as it is compared) of what stands in rows that belong to hers, and leads
    to somebody else: who attached something to a message of hers is not her. By it nobody is
    suppressed or looked for in texts, and no way leads from it to what stays of hers. What stands
    in her own row, was `known` for hers before, or leads to nobody but these people, names her. And
    what of that may lead to somebody in a system that could not be asked: as `unsure` it is asked
    of again, though the row may be gone.
    """
    links = {place: controller.datamap.dataset(*place).links for place in found}
    there = {place: t for place, t in found.items() if place[0] != SYSTEM.name and t.rows}
    below = {
        place: table for place, table in there.items()
        if any(link.kind is not Owner.ACCESSED for link in links[place])
    }  # fmt: skip
    given = compared(people) | compared(known)
    said = [(who, Identifier(kind, value)) for who, kind, value in sorted(unsure)]
    said += recognised(controller.spelt(below, people)) if below else []
    asked = [
        (who, one)
        for (who, kind, _), one in {(w, i.kind, i.normalised): i for w, i in said}.items()
        if kind in LINKING and (who, kind, one.normalised) not in given
    ]
    if asked:
        own = {place: table for place, table in there.items() if place not in below}
        hers = {
            (who, one.kind, one.normalised)
            for who, one in recognised(controller.spelt(own, people))
        }
        asked = [(who, one) for who, one in asked if (who, one.kind, one.normalised) not in hers]
    if not asked:
        return frozenset(), frozenset()
    others, away = elsewhere(controller, people, asked, found)
    every = [(who, one.kind, one.normalised) for who, one in asked]
    theirs = frozenset(one for n, one in enumerate(every) if n in others)
    theirs -= _among(controller, theirs, found)
    return theirs, frozenset(every) - theirs if away else frozenset()


def _among(
    controller: Controller, theirs: Collection[Compared], found: Mapping[Place, KeyTable]
) -> frozenset[Compared]:
    """Those of `theirs` that lead to several of these people, and to nobody beside them."""
    times = Counter((kind, value) for _, kind, value in theirs)
    asked = [(0, Identifier(*one)) for one, people in times.items() if people > 1]
    if not asked:
        return frozenset()
    every = {p: KeyTable(t.fields, tuple((0, key) for key in t.values)) for p, t in found.items()}
    beside, _ = elsewhere(controller, [[]], asked, every)
    left = {(one.kind, one.value) for n, (_, one) in enumerate(asked) if n not in beside}
    return frozenset(one for one in theirs if one[1:] in left)


def without(
    known: Sequence[Sequence[Identifier]], those: Collection[Compared]
) -> list[list[Identifier]]:
    """Everybody without what leads to somebody else (`strangers`)."""
    return [
        [i for i in one if (who, i.kind, i.normalised) not in those]
        for who, one in enumerate(known)
    ]


def numbers(found: Mapping[Place, KeyTable]) -> dict[int, set[int]]:
    """Under which numbers these people are registered."""
    mine: dict[int, set[int]] = {}
    for place in (SUBJECT, MEMORY):
        for who, key in found[place].rows if place in found else ():
            mine.setdefault(who, set()).add(int(str(key[0])))
    return mine


def elsewhere(
    controller: Controller, people: Sequence[Sequence[Identifier]], asked: Sequence[Named],
    found: Mapping[Place, KeyTable],
) -> tuple[set[int], Mapping[str, str]]:  # fmt: skip
    """Those of `asked`, by their turn, which name somebody else; systems that may know of more, and
    could not be asked.
    """
    mine, alone = numbers(found), [[one] for _, one in asked]
    others = {
        n for n, (who, led) in enumerate(zip((w for w, _ in asked),
                                             controller.subjects.find_many(alone), strict=True))
        if set(led) - mine.get(who, set())
    }  # fmt: skip
    located = controller.locate(alone)
    waiting = [_waiting(controller, [one, *people[who]], one) for who, one in asked]
    for place, table in controller.keys(located).items():
        # Of Kept's own rows the registry says whose they are; by letter anybody can be asked about.
        if place[0] == SYSTEM.name or controller.abilities[place[0]].word:
            continue
        rows = {(who, norm(key)) for who, key in found[place].rows} if place in found else set()
        others |= {
            n for n, key in table.rows
            if (asked[n][0], norm(key)) not in rows and place[0] not in waiting[n]
        }  # fmt: skip
    apart = controller.doubts.apart([one for _, one in asked])
    for n, (who, one) in enumerate(asked):
        decided = apart.get(identity_mac(controller.vault, one), set())
        if any(identity_mac(controller.vault, i) in decided for i in people[who]):
            others.add(n)
    return others, located.unreached


def _waiting(
    controller: Controller, named: Sequence[Identifier], was: Identifier
) -> frozenset[str]:
    """Systems in which a correction that was begun has still to put this right."""
    found: set[str] = set()
    for case in controller.cases.begun("rectification", [i for i in named if i.kind in LINKING]):
        wish, plan = wished(controller, case), controller.cases.plan(case)
        wrong = wish and identifier(was.kind, wish[2])
        if plan is not None and wrong is not None and was.normalised == wrong.normalised:
            found |= {system for system, _ in plan.unreached}
            found |= {s.system for s in controller.cases.steps(case) if not s.state.over}
    return frozenset(found)
