"""What named a person before it was corrected: hers still, where it is nobody else's.

It stands in texts, with those who were told of her, and in what people serve. But a typing error
may be another's address: what leads to anybody else, or to rows that nothing else says are hers,
names her no more. Where a correction has still to put it right, the rows there are hers by it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kept.controller import SUBJECT, Controller, Place, naming
from kept.datamap.map import Owner
from kept.decide.ties import norm
from kept.duties.rights.covering import kinds, was
from kept.errors import IdentifierError
from kept.model.select import KeyTable
from kept.model.values import Value
from kept.records.case import Case
from kept.records.declared import SYSTEM
from kept.records.subject import LINKING, identity_mac
from kept.terms.identifiers import Identifier, normalise

_MEMORY: Final[Place] = (SYSTEM.name, "correction")
#: Under which name the wish of a correction is sealed with its case.
WISH: Final = "wanted"
#: What is said of it says this.
_FORMER: Final = "of before a correction"
_OTHERS: Final = (
    "others use it as well, or it leads to records of which nothing else says that they are hers"
)
#: Whose it is, and by what she is named.
Named = tuple[int, Identifier]
#: The same as it is compared: kind and normalised value.
Called = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Former:
    """What named people before it was corrected: `hers`, and `later`, of which nobody can say
    whether others use it, as systems are `away` (with the reason), so it is asked again; and all
    of it in words.
    """

    hers: Sequence[Named] = ()
    later: Sequence[Named] = ()
    words: tuple[str, ...] = ()
    away: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Named, ...]:
        """What is asked of when an erasure goes on."""
        return (*self.hers, *self.later)


def former(
    controller: Controller, people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable], before: Sequence[Named] = (),
) -> Former:  # fmt: skip
    """What named these people before it was corrected, and names nobody else, with what was left
    out. `found` are their rows; `before` is what was asked of when an erasure began: the memory of
    it may be gone, and what was away may lead to others.
    """
    mine = _numbers(found)
    asked = list(dict.fromkeys((*before, *_remembered(controller, found, mine))))
    given = {(who, i.kind, i.normalised) for who, one in enumerate(people) for i in one}
    asked = [(who, i) for who, i in asked if (who, i.kind, i.normalised) not in given]
    if not asked:
        return Former()
    others, away = _others(controller, people, asked, found, mine)
    left = [one for n, one in enumerate(asked) if n in others]
    open_ = [one for n, one in enumerate(asked) if n not in others]
    hers, later = ([], open_) if away else (open_, [])
    words: tuple[str, ...] = ()
    if hers:
        words += (f"also searched by {_kinds(hers)} {_FORMER}",)
    if later:
        words += (
            f"{_kinds(later)} {_FORMER} {was(_counted(later))} not covered: whether"
            f" others use it as well could not be looked for in {', '.join(sorted(away))}",
        )
    if left:
        words += (f"{_kinds(left)} {_FORMER} {was(_counted(left))} not covered: {_OTHERS}",)
    return Former(hers, later, words, away if later else {})


def strangers(
    controller: Controller, people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable], known: Sequence[Sequence[Identifier]] = (),
    unsure: Collection[Called] = (),
) -> tuple[frozenset[Called], frozenset[Called]]:  # fmt: skip
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
    given = {
        (who, i.kind, i.normalised) for those in (people, known)
        for who, one in enumerate(those) for i in one
    }  # fmt: skip
    said = [(who, Identifier(kind, value)) for who, kind, value in sorted(unsure)]
    said += naming.recognised(controller.spelt(below, people)) if below else []
    asked = [
        (who, one)
        for (who, kind, _), one in {(w, i.kind, i.normalised): i for w, i in said}.items()
        if kind in LINKING and (who, kind, one.normalised) not in given
    ]
    if asked:
        own = {place: table for place, table in there.items() if place not in below}
        hers = {
            (who, one.kind, one.normalised)
            for who, one in naming.recognised(controller.spelt(own, people))
        }
        asked = [(who, one) for who, one in asked if (who, one.kind, one.normalised) not in hers]
    if not asked:
        return frozenset(), frozenset()
    others, away = _others(controller, people, asked, found, _numbers(found))
    called = [(who, one.kind, one.normalised) for who, one in asked]
    theirs = frozenset(one for n, one in enumerate(called) if n in others)
    theirs -= _among(controller, theirs, found)
    return theirs, frozenset(called) - theirs if away else frozenset()


def _among(
    controller: Controller, theirs: Collection[Called], found: Mapping[Place, KeyTable]
) -> frozenset[Called]:
    """Those of `theirs` that lead to several of these people, and to nobody beside them."""
    times = Counter((kind, value) for _, kind, value in theirs)
    asked = [(0, Identifier(*one)) for one, people in times.items() if people > 1]
    if not asked:
        return frozenset()
    every = {p: KeyTable(t.fields, tuple((0, key) for key in t.values)) for p, t in found.items()}
    beside, _ = _others(controller, [[]], asked, every, _numbers(every))
    left = {(one.kind, one.value) for n, (_, one) in enumerate(asked) if n not in beside}
    return frozenset(one for one in theirs if one[1:] in left)


def without(
    known: Sequence[Sequence[Identifier]], those: Collection[Called]
) -> list[list[Identifier]]:
    """Everybody without what leads to somebody else (`strangers`)."""
    return [
        [i for i in one if (who, i.kind, i.normalised) not in those]
        for who, one in enumerate(known)
    ]


def told_anew(words: Sequence[str], once: Former) -> tuple[str, ...]:
    """What was said of a plan, with this in the place of what was said before: but what was found
    to be others' is asked no more, and stays said.
    """
    kept = (w for w in words if _FORMER not in w or w.endswith(_OTHERS))
    return tuple(dict.fromkeys((*kept, *once.words)))


def with_former(
    people: Sequence[Sequence[Identifier]], those: Sequence[Named]
) -> list[tuple[Identifier, ...]]:
    """Everybody also by what named her before it was corrected."""
    return [(*one, *(i for w, i in those if w == who)) for who, one in enumerate(people)]


def wished(controller: Controller, case: Case) -> tuple[Place, str, Value, Value] | None:
    """Where (place, field) a correction puts which value (wrong, right); None once it is over."""
    sealed = controller.cases.sealed_keys(case, WISH)
    if sealed is None:
        return None
    ((_, (system, dataset, name, wrong, right)),) = sealed[WISH].rows
    return (str(system), str(dataset)), str(name), wrong, right


def _numbers(found: Mapping[Place, KeyTable]) -> dict[int, set[int]]:
    """Under which numbers these people are registered."""
    mine: dict[int, set[int]] = {}
    for place in (SUBJECT, _MEMORY):
        for who, key in found[place].rows if place in found else ():
            mine.setdefault(who, set()).add(int(str(key[0])))
    return mine


def _remembered(
    controller: Controller, found: Mapping[Place, KeyTable], mine: Mapping[int, set[int]]
) -> list[Named]:
    if _MEMORY not in found:
        return []
    numbers = sorted({n for those in mine.values() for n in those})
    known = [(c.subject, c.was) for c in controller.corrections.of(numbers) if c.was is not None]
    return [(who, one) for who, those in mine.items() for n, one in known if n in those]


def _others(
    controller: Controller, people: Sequence[Sequence[Identifier]], asked: Sequence[Named],
    found: Mapping[Place, KeyTable], mine: Mapping[int, set[int]],
) -> tuple[set[int], Mapping[str, str]]:  # fmt: skip
    """Those of `asked`, by their turn, which name somebody else; systems that may know of more, and
    could not be asked.
    """
    alone = [[one] for _, one in asked]
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
        if wish is not None and plan is not None and was.normalised == read(was.kind, wish[2]):
            found |= {system for system, _ in plan.unreached}
            found |= {s.system for s in controller.cases.steps(case) if not s.state.over}
    return frozenset(found)


def read(kind: str, value: Value) -> str | None:
    """A value of a row as an identifier is compared; None where it is none."""
    with contextlib.suppress(IdentifierError):  # a slip of the pen may be no address at all
        return normalise(kind, str(value))
    return None


def _counted(those: Sequence[Named]) -> Mapping[str, int]:
    return Counter(one.kind for _, one in sorted(those, key=lambda named: named[1].kind))


def _kinds(those: Sequence[Named]) -> str:
    return kinds(_counted(those))
