"""The register of activities: which of them speak to an Ask, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from kept.decide.facts import BASES, GROUNDS, known_basis
from kept.model.decision import Ask
from kept.policy.shapes import Activity
from kept.terms import regimes
from kept.terms.vocabulary import Kind, Vocabulary

#: The parts of an Ask, in the order in which they are compared.
PARTS: Final = ("purpose", "category", "recipient", "context")
#: How many terms are remembered with what covers them.
_MANY: Final = 4096


class Register:
    """The activities of a bundle in an order of their own, each once."""

    def __init__(
        self,
        activities: Iterable[Activity],
        vocabulary: Vocabulary,
        clauses: Container[str] | None = None,
    ) -> None:
        """`clauses` are those of the policy; None: not known, whatever is named may be one."""
        self.vocabulary = vocabulary
        self.activities = _distinct(activities)
        self._covering: dict[tuple[str, str], int] = {}
        self._flaws = {id(a): flaw(a, vocabulary, clauses) for a in self.activities}

    @property
    def sound(self) -> tuple[Activity, ...]:
        """The activities that can be judged."""
        return tuple(a for a in self.activities if self.flaw(a) is None)

    def flaw(self, activity: Activity) -> str | None:
        """Why one of `activities` cannot be judged, or None where it can."""
        return self._flaws[id(activity)]

    def covering(self, part: str, ask: Ask) -> int:
        """The activities that cover that part of the Ask: a bit each, in their order.

        A word that is not in the vocabulary may mean anything: its activity covers all, so
        that it forbids all that it may have been about.
        """
        term: str = getattr(ask, part)
        found = self._covering.get((part, term))
        if found is None:
            found = sum(
                1 << n for n, a in enumerate(self.activities) if self._covers(part, a, term)
            )
            if len(self._covering) < _MANY:
                self._covering[part, term] = found
        return found

    def _covers(self, part: str, activity: Activity, term: str) -> bool:
        words = self.vocabulary
        if part == "purpose":
            return _reaches(words, "purposes", term, (activity.purpose,))
        if part == "category":
            return not activity.categories or _reaches(
                words, "categories", term, activity.categories
            )
        if part == "recipient":
            # The organisation that keeps the register is no recipient of its own data.
            return term == "controller" or _reaches(words, "recipients", term, activity.recipients)
        return _anywhere(activity) or term in activity.contexts

    def missing(self, ask: Ask) -> str | None:
        """The first part of the Ask that no activity covers, or None where one covers all."""
        left = -1
        for part in PARTS:
            left &= self.covering(part, ask)
            if not left:
                return part
        return None

    def speaking(self, ask: Ask) -> tuple[Activity, ...]:
        """The activities whose rules an Ask has to meet."""
        bits = -1
        for part in PARTS[:3]:
            bits &= self.covering(part, ask)
        left = [a for n, a in enumerate(self.activities) if bits >> n & 1]
        general = [a for a in left if _anywhere(a)]
        if ask.context != "any":
            return tuple([a for a in left if ask.context in a.contexts] or general)
        # Not said: any of the narrower contexts may be the one, and consent is the strictest.
        narrow = [
            a
            for a in left
            if not _anywhere(a) and (self.flaw(a) or self.basis(a, ask.region) == "consent")
        ]
        return (*general, *narrow)

    def basis(self, activity: Activity, region: str) -> str | None:
        """The basis of the activity in a region, one of BASES; None where it has none there.

        In an unknown region: consent if any region asks for it, else that of the EEA.
        """
        bases = activity.bases
        if region not in regimes.REGIONS or region == "unknown":
            kinds = {known_basis(self.vocabulary, basis) for basis in bases.values()}
            if BASES[0] in kinds:
                return BASES[0]
        for name in regimes.rules_of(region):
            if name in bases:
                return known_basis(self.vocabulary, bases[name])
        return None


def flaw(
    activity: Activity, words: Vocabulary, clauses: Container[str] | None = None
) -> str | None:
    """Why an activity cannot be judged, or None where it can.

    Nothing is done with data that the policy does not speak of: an activity without a clause,
    or with one that the policy does not have (`clauses`; None: not known), cannot be judged.
    """
    if not activity.clauses:
        return "it is bound to no clause"
    if clauses is not None:
        for name in sorted(activity.clauses):
            if name not in clauses:
                return f"`{name}` is not a clause of the policy"
    terms: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("purposes", (activity.purpose,)),
        ("categories", activity.categories),
        ("recipients", activity.recipients),
    )
    for kind, names in terms:
        for name in sorted(names):
            if name not in words.tree(kind):
                return f"`{name}` is not among the {kind} of the vocabulary"
    if not activity.categories or not activity.contexts or not activity.bases:
        return "it names no category, no context of collection or no legal basis"
    for region, basis in sorted(activity.bases.items()):
        if region != "default" and region not in regimes.REGIONS[:-1]:
            return f"`{region}` is not a region"
        if known_basis(words, basis) is None:
            return f"`{basis}` is not a legal basis"
    for fact in sorted(activity.requires):
        if fact.partition(":")[0] not in GROUNDS:
            return f"it requires `{fact}`, which is not a ground"
    return None


def _distinct(activities: Iterable[Activity]) -> tuple[Activity, ...]:
    """Each once, in an order that does not depend on the one given; lines do not count."""

    def content(a: Activity) -> tuple[object, ...]:
        return (
            a.id,
            a.purpose,
            sorted(a.categories),
            sorted(a.contexts),
            sorted(a.bases.items()),
            sorted(a.requires),
            sorted(a.recipients),
            sorted(a.clauses),
        )

    found = {repr(content(a)): a for a in activities}
    return tuple(found[key] for key in sorted(found))


def _anywhere(activity: Activity) -> bool:
    return not activity.contexts or "any" in activity.contexts


def _reaches(words: Vocabulary, kind: Kind, term: str, names: Iterable[str]) -> bool:
    """Whether one of the names covers the term; a name that nobody knows covers all."""
    tree = words.tree(kind)
    return any(name not in tree or words.within(kind, term, name) for name in names)
