"""Facts as bits: their kinds, what each implies, and the place of each in a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kept.model.decision import Facts
from kept.policy.shapes import Activity
from kept.terms.vocabulary import Kind, Vocabulary

#: Kinds of facts that can make a use lawful; the only ones that turn a deny into an allow.
GROUNDS: Final = frozenset(
    (
        "consent", "contract", "assessment", "citation", "request", "preference", "terms", "hold",
        "agreed",
    )
)  # fmt: skip

#: Kinds of facts that only ever forbid.
IMPEDIMENTS: Final = frozenset(
    ("objection", "withdrawn", "restricted", "child", "isolated", "suppressed", "erased")
)

#: Stands for every fact that no rule knows how to judge.
UNJUDGED: Final = "unjudged"

#: Legal bases (GDPR Art. 6(1)), the strictest first: the person decides, she may object, she
#: agreed, the law decides.
BASES: Final = ("consent", "legitimate-interest", "contract", "legal-obligation")

#: What a restriction leaves (GDPR Art. 18(2)): storing, legal claims, protecting others, an
#: important public interest; and, by the kind of fact that lifts it, what she agrees to.
UNRESTRICTED: Final = ("rights", "storage", "dispute", "disclosure.protection", "public-interest")

#: What forbids whatever it is for: fact → (words, purposes that it leaves alone, the kind of
#: ground that lifts it for the ground's own purpose). Rights are carried out whatever else is
#: forbidden.
FREEZES: Final[Mapping[str, tuple[str, tuple[str, ...], str | None]]] = {
    "erased": ("the person's data was erased", ("rights", "storage"), "hold"),
    "child": ("the person may be a child", ("rights", "storage"), None),
    "isolated": ("the data is isolated", ("rights", "storage"), "hold"),
    "restricted": ("its use is restricted", UNRESTRICTED, "agreed"),
    UNJUDGED: ("a fact about the person could not be judged", ("rights", "storage"), None),
}

#: What a hold can be for. Nothing is held in order to promote.
HELD_FOR: Final = ("legal-requirement", "dispute", "disclosure")

#: Bits in one stored word: a signed 64-bit column holds 63.
WORD_BITS: Final = 63

_MANY: Final = 4096


def kind_of(fact: str) -> str:
    """The kind of a fact: `consent` of `consent:marketing`."""
    return fact.partition(":")[0]


def known_basis(words: Vocabulary, basis: str) -> str | None:
    """The one of BASES that a basis is or lies below."""
    above = words.above("bases", basis)
    return next((known for known in BASES if known in above), None)


class Layout:
    """Every fact that some rule may look at (`names`, in the order of their bits).

    What stands together in one judgement stands together here, so that a stored judgement
    reads few columns: what freezes everything, then channels, then the grounds that are of no
    purpose, then purpose by purpose. Only activities that can be judged are to be given.
    """

    def __init__(self, activities: Iterable[Activity], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.names = _names(activities, vocabulary)
        self.place: Mapping[str, int] = {name: 1 << i for i, name in enumerate(self.names)}
        self._implied: dict[str, int] = {}

    def bits(self, fact: str) -> int:
        """The bits of a fact, which stands for all that it implies.

        Consent to a purpose is consent to what lies below it. An objection to a purpose, or a
        withdrawal, also forbids what lies below it and, because it contains that purpose, what
        lies above. No bits where no rule depends on the fact; the bit of UNJUDGED where none
        knows what it means: an impediment of unknown reach forbids everything.
        """
        found = self._implied.get(fact)
        if found is None:
            found = 0
            for name in self._implies(fact):
                found |= self.place.get(name, 0)
            if len(self._implied) < _MANY:
                self._implied[fact] = found
        return found

    def word(self, facts: Facts) -> int:
        """Facts as bits. A ground that could not be judged does not stand, an impediment that
        could not be judged does.
        """
        word = 0
        unknown = facts.unknown
        for fact in facts.held:
            if fact not in unknown or kind_of(fact) not in GROUNDS:
                word |= self.bits(fact)
        for fact in unknown:
            if kind_of(fact) not in GROUNDS:
                word |= self.bits(fact)
        return word

    def _implies(self, fact: str) -> Iterable[str]:
        words = self.vocabulary
        kind, mark, about = fact.partition(":")
        if kind in ("consent", "hold", "agreed"):
            return (f"{kind}:{p}" for p in words.below("purposes", about))
        if kind in GROUNDS:
            return (fact,)
        if fact == "suppressed":
            return (f"suppressed:{channel}" for channel in words.channels)
        tree: Kind = "channels" if kind == "suppressed" else "purposes"
        if kind in ("objection", "withdrawn", "suppressed") and about in words.tree(tree):
            return (f"{kind}:{t}" for t in words.above(tree, about) | words.below(tree, about))
        return (fact,) if kind in FREEZES and not mark else (UNJUDGED,)


def _names(activities: Iterable[Activity], words: Vocabulary) -> tuple[str, ...]:
    names = dict.fromkeys((*FREEZES, *(f"suppressed:{c}" for c in sorted(words.channels))))
    grounds: set[str] = set()
    asked: set[str] = set()
    of_basis = {"legitimate-interest": "assessment:{}", "legal-obligation": "citation:{}"}
    for a in activities:
        asked |= words.below("purposes", a.purpose)
        bases = {known_basis(words, basis) for basis in a.bases.values()}
        grounds |= {"contract"} if "contract" in bases else set()
        grounds |= {name.format(a.id) for basis, name in of_basis.items() if basis in bases}
        grounds |= set(a.requires)
    names.update(dict.fromkeys(sorted(grounds)))
    for purpose in sorted(asked):
        held = not words.above("purposes", purpose).isdisjoint(HELD_FOR)
        kinds = ("consent", "objection", "withdrawn", "agreed", "hold")[: 5 if held else 4]
        names.update(dict.fromkeys(f"{kind}:{purpose}" for kind in kinds))
    return tuple(names)
