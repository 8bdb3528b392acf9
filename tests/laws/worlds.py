"""Worlds for the laws of deciding: registers, asks and facts, few words so that they meet.

`permits` is the oracle: the same judgement, written from the laws for one person at a time
over names of facts. It shares no code with `kept.decide`, and only the trees of the
vocabulary with anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hypothesis import strategies as st

from kept.model.decision import Ask, Facts
from kept.policy import bundle as policy_bundle
from kept.policy.shapes import Activity
from kept.terms import regimes
from kept.terms.vocabulary import SHIPPED, Kind, Term, Vocabulary

POLICIES = Path(__file__).resolve().parents[2] / "policies"

WORDS = SHIPPED.with_terms(
    {
        "purposes": [
            Term("newsletter", "marketing.email", "Newsletter"),
            Term("alerts", "service", "Alerts by e-mail", channel="email"),
            Term("audit", "legal-requirement", "Audit"),
        ],
        "bases": [Term("explicit-consent", "consent", "Explicit consent")],
        "recipients": [Term("mailer", "provider", "The mailer")],
    }
)

PURPOSES = (
    "marketing", "marketing.email", "newsletter", "advertising.targeted", "personalisation",
    "service", "service.provide", "alerts", "legal-requirement", "audit", "dispute", "rights",
    "storage", "analytics.own",
)  # fmt: skip
CATEGORIES = ("contact", "contact.email", "navigation", "navigation.ip")
CONTEXTS = ("any", "site-form", "sales")
RECIPIENTS = ("provider", "mailer", "partner", "ad-network", "authority")
REGIONS = (*regimes.REGIONS, "Mars")
BASES = ("consent", "contract", "legitimate-interest", "legal-obligation", "explicit-consent")
REQUIRED = (
    "preference:email",
    "terms",
    "request:partner-a",
    "citation:tax-code",
    "consent:service",
)
TYPO = "tpyo"

#: Every kind of rule that can decide.
RULES = frozenset(
    (
        "word", "purpose", "category", "recipient", "context", "region", "unjudgeable", "erased",
        "child", "isolated", "restricted", "unjudged", "suppressed", "objection", "withdrawn",
        "consent", "contract", "assessment", "citation", "requires", "allow",
    )
)  # fmt: skip

GROUNDS = frozenset(
    (
        "consent", "contract", "assessment", "citation", "request", "preference", "terms", "hold",
        "agreed",
    )
)  # fmt: skip


def activity(number: int = 0, **changes: object) -> Activity:
    """A plain activity: marketing by consent in the EEA, else in a legitimate interest."""
    plain: dict[str, object] = {
        "id": f"a{number}",
        "title": "",
        "purpose": "marketing",
        "categories": ("contact",),
        "contexts": ("any",),
        "bases": {"EEA": "consent", "default": "legitimate-interest"},
        "requires": (),
        "recipients": ("provider",),
        "retention": "",
        "clauses": (f"C-{number}",),
        "line": number,
    }
    return Activity(**{**plain, **changes})  # type: ignore[arg-type]


# Strategies are made once, of few draws each: making them anew for every example costs more
# than all that is tested.
_PICK = st.integers(0, 2**16)
_CATEGORY_SETS = (("contact",), ("contact",), ("contact.email", "navigation"), ("navigation.ip",))
_CONTEXT_SETS = (("any",), ("any",), ("any",), ("site-form",), ("sales", "any"), ("sales",))
_BASE_SETS = (
    *({"default": basis} for basis in BASES for _ in range(2)),
    *(
        {region: one, "default": other}
        for region in ("EEA", "UK", "US")
        for one in BASES[:4]
        for other in BASES[1:]
    ),
    *({"EEA": "consent"}, {"US": "contract"}, {"US-CA": "explicit-consent"}) * 3,
    {"UK": "consent", "EEA": "contract", "US": "consent"},
)
_REQUIRED_SETS = ((), (), (), *((fact,) for fact in REQUIRED), REQUIRED[:2])
_RECIPIENT_SETS = (
    (),
    ("provider",),
    ("mailer", "partner"),
    ("ad-network",),
    ("provider", "authority"),
)
_FLAWS: tuple[dict[str, object], ...] = (
    {"purpose": TYPO},
    {"categories": ("contact", TYPO)},
    {"categories": ()},
    {"recipients": (TYPO,)},
    {"contexts": ()},
    {"bases": {}},
    {"bases": {"EAA": "consent", "default": "contract"}},
    {"bases": {"default": TYPO}},
    {"requires": ("restricted",)},
    {"requires": (TYPO,)},
)
_NO_FLAW: dict[str, object] = {}


def _made(
    number: int,
    purpose: str,
    categories: tuple[str, ...],
    contexts: tuple[str, ...],
    bases: dict[str, str],
    requires: tuple[str, ...],
    recipients: tuple[str, ...],
    flaw: dict[str, object],
) -> Activity:
    plain = {
        "purpose": purpose,
        "categories": categories,
        "contexts": contexts,
        "bases": bases,
        "requires": requires,
        "recipients": recipients,
    }
    return activity(number, **{**plain, **flaw})


def _activities(flaws: tuple[dict[str, object], ...]) -> st.SearchStrategy[Activity]:
    return st.builds(
        _made,
        st.integers(0, 5),
        st.sampled_from(PURPOSES),
        st.sampled_from(_CATEGORY_SETS),
        st.sampled_from(_CONTEXT_SETS),
        st.sampled_from(_BASE_SETS),
        st.sampled_from(_REQUIRED_SETS),
        st.sampled_from(_RECIPIENT_SETS),
        st.sampled_from(flaws),
    )


def _registers(of: st.SearchStrategy[Activity]) -> st.SearchStrategy[tuple[Activity, ...]]:
    def twins(found: list[Activity], twin: Activity, wanted: bool) -> tuple[Activity, ...]:
        """With another activity for the same use, now and then."""
        if not wanted:
            return tuple(found)
        first = found[0]
        return (
            *found,
            dataclasses.replace(first, id=twin.id, bases=twin.bases, contexts=twin.contexts),
        )

    return st.builds(twins, st.lists(of, min_size=1, max_size=4), of, st.booleans())


_SOUND = _registers(_activities((_NO_FLAW,)))
_ANY = _registers(_activities(((_NO_FLAW,) * 90) + _FLAWS))
_ASK = st.tuples(*[_PICK] * 8)


def _asked(register: Sequence[Activity], picks: Sequence[int], words: Vocabulary) -> Ask:
    """Mostly something that an activity covers, with one part changed now and then."""
    which, purpose, category, context, recipient, region, odd, change = picks
    one = register[which % len(register)]

    def below(kind: Kind, names: Iterable[str], number: int, other: str) -> str:
        found = sorted({t for name in names for t in words.below(kind, name)})
        return found[number % len(found)] if found else other

    contexts = (*one.contexts, *one.contexts, *one.contexts, "any", "site-form", "elsewhere")
    recipients = ("controller", "controller", *one.recipients)
    ask = Ask(
        below("purposes", (one.purpose,), purpose, "marketing"),
        below("categories", one.categories, category, "contact"),
        contexts[context % len(contexts)],
        recipients[recipient % len(recipients)],
        REGIONS[region % len(REGIONS)],
    )
    changes: dict[int, tuple[str, tuple[str, ...]]] = {
        0: ("purpose", PURPOSES),
        1: ("category", CATEGORIES),
        2: ("recipient", RECIPIENTS),
    }
    if odd % 18 in changes:
        part, choice = changes[odd % 18]
        choice = (*choice, TYPO)
        ask = dataclasses.replace(ask, **{part: choice[change % len(choice)]})
    return ask


def asks(register: Sequence[Activity], words: Vocabulary = WORDS) -> st.SearchStrategy[Ask]:
    """Something asked of that register."""
    return _ASK.map(lambda picks: _asked(register, picks, words))


def names_of_facts(register: Sequence[Activity], ask: Ask, words: Vocabulary) -> tuple[str, ...]:
    """The facts that could matter to an Ask: grounds first, then impediments."""
    up = sorted(words.above("purposes", ask.purpose))
    down = sorted(words.below("purposes", ask.purpose))
    grounds = [f"{kind}:{p}" for kind in ("consent", "hold", "agreed") for p in up]
    grounds += [f"{kind}:{a.id}" for kind in ("assessment", "citation") for a in register]
    grounds += ["contract", *(fact for a in register for fact in a.requires)]
    impediments = [f"{kind}:{p}" for kind in ("objection", "withdrawn") for p in (*up, *down)]
    impediments += [
        "restricted", "child", "isolated", "erased", "suppressed", "suppressed:email",
        "suppressed:post", f"objection:{TYPO}", "suppressed:pigeon", "banned", "objection:support",
        "child:x",
    ]  # fmt: skip
    return tuple(dict.fromkeys((*grounds, *impediments)))


def kind(fact: str) -> str:
    return fact.split(":")[0]


_FEW = st.lists(_PICK, max_size=3)
_FACTS = st.tuples(st.integers(0, 3), _FEW, st.lists(_PICK, max_size=2), _FEW, st.integers(0, 3))


def _known(names: Sequence[str], picks: tuple[int, list[int], list[int], list[int], int]) -> Facts:
    """All grounds but a few, and few impediments, so that every rule gets its turn."""
    how, few, against, doubt, epoch = picks
    grounds = [name for name in names if kind(name) in GROUNDS]
    rest = [name for name in names if kind(name) not in GROUNDS]
    some = {grounds[n % len(grounds)] for n in few}
    held = some if how == 0 else set(grounds) - some
    if how > 1:
        held |= {rest[n % len(rest)] for n in against[:1]}
    elif how == 1:
        held |= {rest[n % len(rest)] for n in against}
    unknown = {names[n % len(names)] for n in doubt[:1] if doubt[0] % 3 == 0}
    return Facts(frozenset(held), frozenset(unknown), epoch)


def facts(
    register: Sequence[Activity], ask: Ask, words: Vocabulary = WORDS
) -> st.SearchStrategy[Facts]:
    """What is known of a person, as far as it could matter to the Ask."""
    names = names_of_facts(register, ask, words)
    return _FACTS.map(lambda picks: _known(names, picks))


World = tuple[tuple[Activity, ...], Ask, Facts]


def _world(register: tuple[Activity, ...], ask: Sequence[int], known: object) -> World:
    asked = _asked(register, ask, WORDS)
    return register, asked, _known(names_of_facts(register, asked, WORDS), known)  # type: ignore[arg-type]


#: A register, something asked, and what is known of a person.
WORLDS = st.builds(_world, _ANY, _ASK, _FACTS)
#: The same, where every activity can be judged.
SOUND_WORLDS = st.builds(_world, _SOUND, _ASK, _FACTS)


def bundles() -> dict[str, policy_bundle.Bundle]:
    """Every bundle found in policies/."""
    found = sorted(path.parent for path in POLICIES.glob("*/policy.yml"))
    return {path.name: policy_bundle.load(path) for path in found}


def regions_of(bundle: policy_bundle.Bundle, a: Activity) -> tuple[str, ...]:
    """Regions in which an activity has a basis, one for each basis; those that the bundle names."""
    found: dict[str | None, str] = {}
    for region in bundle.regions:
        found.setdefault(basis_in(bundle.vocabulary, a, region), region)
    found.pop(None, None)
    return tuple(found.values())


# The oracle.


def _below(words: Vocabulary, tree: Mapping[str, Term], term: str, name: str) -> bool:
    at: str | None = term
    while at in tree:
        if at == name:
            return True
        at = tree[at].parent
    return False


def _basis(words: Vocabulary, name: str) -> str | None:
    for basis in ("consent", "contract", "legitimate-interest", "legal-obligation"):
        if _below(words, words.bases, name, basis):
            return basis
    return None


def broken(words: Vocabulary, a: Activity) -> bool:
    return (
        a.purpose not in words.purposes
        or not a.categories
        or not a.contexts
        or not a.bases
        or any(c not in words.categories for c in a.categories)
        or any(r not in words.recipients for r in a.recipients)
        or any(
            b not in ("default", "EEA", "UK", "CH", "US-CA", "US-VA", "US", "other")
            for b in a.bases
        )
        or any(_basis(words, b) is None for b in a.bases.values())
        or any(kind(f) not in GROUNDS for f in a.requires)
    )


def covering(words: Vocabulary, register: Iterable[Activity], ask: Ask) -> list[Activity]:
    """Activities for that purpose, category and recipient, whatever the context."""
    return [
        a
        for a in register
        if (
            a.purpose not in words.purposes or _below(words, words.purposes, ask.purpose, a.purpose)
        )
        and (
            not a.categories
            or any(
                c not in words.categories or _below(words, words.categories, ask.category, c)
                for c in a.categories
            )
        )
        and (
            ask.recipient == "controller"
            or any(
                r not in words.recipients or _below(words, words.recipients, ask.recipient, r)
                for r in a.recipients
            )
        )
    ]


def basis_in(words: Vocabulary, a: Activity, region: str) -> str | None:
    """The basis of an activity in a region, by the laws of the unknown and of the levels."""
    chain = {
        "UK": ("UK", "EEA", "default"),
        "CH": ("CH", "EEA", "default"),
        "US-CA": ("US-CA", "US", "default"),
        "US-VA": ("US-VA", "US", "default"),
        "US": ("US", "default"),
        "other": ("default",),
    }.get(region, ("EEA", "default"))
    if region not in ("EEA", "UK", "CH", "US-CA", "US-VA", "US", "other") and any(
        _basis(words, b) == "consent" for b in a.bases.values()
    ):
        return "consent"
    for name in chain:
        if name in a.bases:
            return _basis(words, a.bases[name])
    return None


def speaking(words: Vocabulary, register: Iterable[Activity], ask: Ask) -> list[Activity]:
    """Whose rules have to be met, by the law of contexts; none where no activity covers."""
    left = covering(words, register, ask)
    general = [a for a in left if not a.contexts or "any" in a.contexts]
    if ask.context != "any":
        exact = [a for a in left if ask.context in a.contexts]
        return exact or general
    if not general:
        return []
    return general + [
        a
        for a in left
        if a not in general and (broken(words, a) or basis_in(words, a, ask.region) == "consent")
    ]


def permits(words: Vocabulary, register: Sequence[Activity], ask: Ask, facts: Facts) -> bool:
    """The judgement, slowly."""
    if (
        ask.purpose not in words.purposes
        or ask.category not in words.categories
        or ask.recipient not in words.recipients
    ):
        return False
    speak = speaking(words, register, ask)
    if not speak or any(broken(words, a) for a in speak):
        return False
    rows = [(a, b) for a in speak if (b := basis_in(words, a, ask.region)) is not None]
    if not rows:
        return False

    def is_(*roots: str) -> bool:
        return any(_below(words, words.purposes, ask.purpose, root) for root in roots)

    def has(ground: str) -> bool:
        return ground in facts.held and ground not in facts.unknown

    def has_for(name: str, purpose: str) -> bool:
        return any(
            has(f"{name}:{p}") for p in words.purposes if _below(words, words.purposes, purpose, p)
        )

    against = {f for f in facts.held | facts.unknown if kind(f) not in GROUNDS}
    hold = is_("legal-requirement", "dispute", "disclosure") and has_for("hold", ask.purpose)
    bases = {basis for _, basis in rows}
    refusable = bases & {"consent", "legitimate-interest"} or is_(
        "marketing", "advertising", "profiling"
    )
    channel: str | None = None
    at: str | None = ask.purpose
    while at is not None and channel is None:
        channel, at = words.purposes[at].channel, words.purposes[at].parent
    for fact in against:
        name, mark, about = fact.partition(":")
        if name in ("erased", "isolated") and not mark:
            forbids = not is_("rights", "storage") and not hold
        elif name == "restricted" and not mark:
            left = ("rights", "storage", "dispute", "disclosure.protection", "public-interest")
            forbids = not is_(*left) and not has_for("agreed", ask.purpose)
        elif name == "child" and not mark:
            forbids = not is_("rights", "storage")
        elif name in ("objection", "withdrawn") and about in words.purposes:
            forbids = bool(refusable) and (
                is_(about) or _below(words, words.purposes, about, ask.purpose)
            )
        elif name == "suppressed" and (not mark or about in words.channels):
            forbids = (channel is not None or is_("marketing", "advertising")) and (
                not mark or channel is None or about == channel
            )
        else:
            forbids = not is_("rights", "storage")
        if forbids:
            return False
    strictest = [row for row in rows if row[1] == "consent"] or rows
    for a, basis in strictest:
        cited = [fact for fact in a.requires if kind(fact) == "citation"]
        met = {
            "consent": has_for("consent", ask.purpose),
            "contract": has("contract"),
            "legitimate-interest": has(f"assessment:{a.id}"),
            "legal-obligation": all(map(has, cited)) if cited else has(f"citation:{a.id}"),
        }[basis]
        if not met:
            return False
    return all(
        has_for("consent", fact.partition(":")[2]) if kind(fact) == "consent" else has(fact)
        for a, _ in rows
        for fact in a.requires
    )
