"""What a person can allow and stop by herself, of all that a policy is about. Pure.

A purpose that rests on her consent somewhere, or that an objection ends without a reason: these
are hers alone to decide. What an objection has to be weighed against is asked for, not switched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from kept.decide.effects import absolute
from kept.decide.facts import known_basis
from kept.decide.use import Rules, use
from kept.model.decision import Ask, Facts
from kept.policy.bundle import Bundle
from kept.policy.shapes import Activity

#: How the page puts them together: what reaches her, what is picked for her, what visits leave,
#: and the rest.
Group = Literal["messages", "picked", "visits", "other"]
GROUPS: Final[tuple[Group, ...]] = ("messages", "picked", "other", "visits")
#: The purposes that stand for "send me no advertising, and pick none for me".
PROMOTION: Final = ("marketing", "advertising")
#: Regions by whose rules it is asked whether something may happen at all.
_WHERE: Final = ("EEA", "other")


@dataclass(frozen=True, slots=True)
class Offer:
    """One purpose. `titles` are those of its activities, `asks` the uses that it covers;
    `consents` whether it rests on consent anywhere.
    """

    purpose: str
    titles: tuple[str, ...]
    group: Group
    consents: bool
    asks: tuple[Ask, ...]


def offers(bundle: Bundle) -> tuple[Offer, ...]:
    """All of them, in the order in which they are shown."""
    words = bundle.vocabulary
    found: dict[str, list[Activity]] = {}
    for a in bundle.activities.values():
        consents = "consent" in {known_basis(words, b) for b in a.bases.values()}
        if consents or absolute(words, a.purpose):
            found.setdefault(a.purpose, []).append(a)
    made = [
        Offer(
            purpose,
            tuple(dict.fromkeys(a.title for a in rows)),
            _group(bundle, purpose, rows),
            any(known_basis(words, b) == "consent" for a in rows for b in a.bases.values()),
            tuple(
                Ask(purpose, a.categories[0], context, "controller", region)
                for a in rows
                for context in a.contexts
                for region in _WHERE
            ),
        )
        for purpose, rows in found.items()
    ]
    return tuple(sorted(made, key=lambda one: GROUPS.index(one.group)))


def promotion(bundle: Bundle) -> tuple[str, ...]:
    """Of PROMOTION, what a policy does anything for."""
    served = {a.purpose for a in bundle.activities.values()}
    words = bundle.vocabulary
    return tuple(
        p for p in PROMOTION if p in words.purposes and served & words.below("purposes", p)
    )


def happens(rules: Rules, offer: Offer, facts: Facts) -> bool:
    """Whether anything of it may be done with what is known of her, by the rules of any region."""
    return any(use(rules, ask, facts).allow for ask in offer.asks)


def _group(bundle: Bundle, purpose: str, rows: list[Activity]) -> Group:
    above = bundle.vocabulary.above("purposes", purpose)
    if "marketing" in above:
        return "messages"
    if all(set(a.contexts) <= {"site-visit"} for a in rows):
        return "visits"
    if not above.isdisjoint(("advertising", "profiling")):
        return "picked"
    return "other"
