"""What named a person before it was corrected: hers still, where it is nobody else's.

It stands in texts, with those who were told of her, and in what people serve. But a typing error
may be another's address: what leads to anybody else, or to rows that nothing else says are hers,
names her no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kept.controller import Controller, Place
from kept.controller.naming import compared
from kept.duties.rights.covering import kinds, was
from kept.duties.rights.whose import MEMORY, Named, elsewhere, numbers
from kept.model.select import KeyTable
from kept.terms.identifiers import Identifier

#: What is said of it says this.
_FORMER: Final = "of before a correction"
_OTHERS: Final = (
    "others use it as well, or it leads to records of which nothing else says that they are hers"
)


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
    mine = numbers(found)
    asked = list(dict.fromkeys((*before, *_remembered(controller, found, mine))))
    given = compared(people)
    asked = [(who, i) for who, i in asked if (who, i.kind, i.normalised) not in given]
    if not asked:
        return Former()
    others, away = elsewhere(controller, people, asked, found)
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


def _remembered(
    controller: Controller, found: Mapping[Place, KeyTable], mine: Mapping[int, set[int]]
) -> list[Named]:
    if MEMORY not in found:
        return []
    every = sorted({n for those in mine.values() for n in those})
    known = [(c.subject, c.was) for c in controller.corrections.of(every) if c.was is not None]
    return [(who, one) for who, those in mine.items() for n, one in known if n in those]


def _counted(those: Sequence[Named]) -> Mapping[str, int]:
    return Counter(one.kind for _, one in sorted(those, key=lambda named: named[1].kind))


def _kinds(those: Sequence[Named]) -> str:
    return kinds(_counted(those))
