"""What an impediment stops at the door and what it leaves alone, activity by activity. Pure.

The door's own judgement is asked, so that what a person is told is what will happen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kept.decide.use import ABSOLUTE, Rules
from kept.model.decision import Ask, Facts
from kept.policy.shapes import Activity
from kept.terms.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Effect:
    """One activity of the register: its basis in the region asked for, and whether it stops."""

    activity: Activity
    basis: str
    stops: bool


def effects(rules: Rules, facts: Iterable[str], region: str) -> list[Effect]:
    """The activities that have a basis in `region`, each with whether one of `facts` stops it.

    It stops where every use that it covers is denied because of them.
    """
    bits = 0
    for fact in facts:
        bits |= rules.layout.bits(fact)
    found = []
    for activity in rules.register.sound:
        basis = rules.register.basis(activity, region)
        if basis is None:
            continue
        stops = all(
            any(check.forbids & bits for check in rules.judge(ask).checks)
            for ask in _asks(activity, region)
        )
        found.append(Effect(activity, basis, stops))
    return found


def allowed(rules: Rules, facts: Facts, region: str) -> frozenset[str]:
    """The activities of which the door allows any use at all for whom these facts hold."""
    word = rules.word(facts)
    return frozenset(
        a.id for a in rules.register.sound
        if any(rules.judge(ask)(word).allow for ask in _asks(a, region))
    )  # fmt: skip


def _asks(activity: Activity, region: str) -> Iterator[Ask]:
    for category, context in itertools.product(activity.categories, activity.contexts):
        yield Ask(activity.purpose, category, context, "controller", region)


def absolute(words: Vocabulary, purpose: str) -> bool:
    """Whether an objection to the purpose needs no weighing (GDPR Art. 21(2) and (3))."""
    return not words.above("purposes", purpose).isdisjoint(ABSOLUTE)
