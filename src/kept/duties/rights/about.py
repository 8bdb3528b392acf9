"""What a person is told of each dataset (GDPR Art. 15(1), 12(1)), in words of everyday.

What for and on which ground (a), which categories (b), who receives it (c), how long (d), where
it came from (g), whether it is used to judge her by machine (h); and what follows for her. What
the organisation has not said is said to be so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from kept.controller import Controller
from kept.controller.naming import THEIRS
from kept.datamap.map import Dataset, Field
from kept.policy.bundle import Bundle
from kept.policy.shapes import Activity, Clock
from kept.policy.spoken import own
from kept.records.declared import SYSTEM
from kept.terms.origins import ORIGINS, Origin
from kept.terms.tongues import count, law, say

_CLOCKS: Final[Mapping[Clock, str]] = {
    "creation": "{time} after it was made",
    "last_interest": "{time} after your last sign of interest",
    "need_closed": "{time} after it was last needed",
    "contract_end": "{time} after the contract ended",
    "closed": "{time} after the matter was closed",
}
_UNITS: Final = {
    "Y": ("{n} year", "{n} years"), "M": ("{n} month", "{n} months"), "D": ("{n} day", "{n} days"),
}  # fmt: skip
#: Where the next word of a name in camel case begins.
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Type of the map, as people call it.
_TYPES: Final[Mapping[str, str]] = {
    "text": "text", "integer": "whole number", "decimal": "number", "real": "number",
    "boolean": "yes or no", "date": "day", "datetime": "day and time", "uuid": "identifier",
    "bytes": "file, as base64", "json": "structured text", "other": "text",
}  # fmt: skip
_FROM: Final[Mapping[Origin | None, str]] = {
    "provided": "From you",
    "observed": "Noted while you used our services",
    "derived": "Worked out from other data",
    "others": "From others, not from you",
    "own": "Written by us",
    None: "Where it came from is not written down",
}
#: Legal basis → what follows for her.
_FOLLOWS: Final[Mapping[str, str]] = {
    "consent": "You said yes to it. You can take that back at any time; then it stops, and what"
    " was done before stays lawful.",
    "contract": "It is needed for a contract with you, or to prepare one. We cannot carry the"
    " contract out without it.",
    "legitimate-interest": "We need it for a purpose of ours that we hold to be fair. You can"
    " object to it; against advertising you need no reason.",
    "legal-obligation": "A law tells us to do it. We cannot leave it out when somebody asks.",
}  # fmt: skip


def _interest(bundle: Bundle, activity: Activity) -> str:
    """The interest that an activity rests on, and whose it is, as it is told on forms."""
    assert activity.interest is not None
    words, whose = own(activity.interest.words), own(activity.interest.whose)
    return say("That purpose: {words}. The interest is {whose}.", words=words, whose=whose)


def living(controller: Controller, dataset: Dataset) -> dict[str, Any]:
    """What is told of rows that are in use."""
    bundle = controller.bundle
    activities = [bundle.activities[a] for a in dataset.activities if a in bundle.activities]
    words = bundle.vocabulary
    bases = once(b for a in activities for b in a.bases.values())
    rule = bundle.retention.get(dataset.retention or "")
    return {
        "why": once(own(a.title) for a in activities),
        "categories": once(
            own(words.categories[category].label)
            for f in dataset.personal
            if (category := f.category or "") in words.categories and f.others not in THEIRS
        ),
        "sources": sources(bundle, dataset),
        "bases": [own(words.bases[b].label) for b in bases],
        "stamped": any(f.stamp == "basis" for f in dataset.fields.values()) and len(bases) > 1,
        "follows": [
            *(say(_FOLLOWS[b]) for b in bases if b in _FOLLOWS),
            *once(_interest(bundle, a) for a in activities if a.interest is not None),
        ],
        "recipients": [
            _recipient(bundle, r) for r in once(r for a in activities for r in a.recipients)
        ],
        "keep": _keep(bundle, dataset.retention),
        "law": own(rule.law.words) if rule is not None and rule.law is not None else None,
        "profiling": profiling(bundle, activities),
        # What Kept holds to answer people is explained where its system is named.
        "stated": bool(activities) or dataset.name in SYSTEM.datasets,
    }  # fmt: skip


def profiling(bundle: Bundle, activities: Iterable[Activity]) -> bool:
    """Whether one of the activities makes a profile of the person."""
    within = bundle.vocabulary.within
    return any(within("purposes", a.purpose, "profiling") for a in activities)


def sources(bundle: Bundle, dataset: Dataset, names: Collection[str] | None = None) -> list[str]:
    """Where the fields (of those `names`) came from; which ones is said where they differ."""
    found: dict[tuple[Origin | None, str], list[str]] = {}
    tied = {*dataset.key, *(name for link in dataset.links for name in link.fields)}
    for item in dataset.fields.values():
        origin = dataset.whence(item, bundle.vocabulary)
        # What only ties rows together, and what nobody said anything of, is no word of her.
        ties = item.category is None and item.name in tied
        asked = names is None or item.name in names
        if asked and item.others not in THEIRS and not ties and (item.category or origin):
            given = _giver(dataset, item, origin)
            found.setdefault((origin, given), []).append(readable(item.name))
    order = (*ORIGINS, None)
    return [
        _from(*whence) + (f": {', '.join(found[whence])}" if len(found) > 1 else "")
        for whence in sorted(found, key=lambda one: (order.index(one[0]), one[1]))
    ]


def _giver(dataset: Dataset, item: Field, origin: Origin | None) -> str:
    """Who gave what came from others, by name; empty where the map does not say it."""
    return (item.source or dataset.source or "") if origin == "others" else ""


def _from(origin: Origin | None, giver: str) -> str:
    return say("From {who}, not from you", who=giver) if giver else say(_FROM[origin])


def fielded(bundle: Bundle, dataset: Dataset, item: Field) -> dict[str, str]:
    """A field in words: its name in the files, what it is, its kind, where it came from."""
    tied = {n for link in dataset.links for n in link.fields}
    term = bundle.vocabulary.categories.get(item.category or "")
    if item.name in dataset.key:
        means = say("names the record")
    elif item.name in tied:
        means = say("leads to another record of yours")
    else:
        means = own(term.label) if term else readable(item.name)
    origin = dataset.whence(item, bundle.vocabulary)
    ties = item.category is None and item.name in tied | {*dataset.key}
    return {
        "name": item.name, "means": means, "kind": say(_TYPES[item.type]),
        "from": say("Holds the records together") if ties
        else _from(origin, _giver(dataset, item, origin)),
    }  # fmt: skip


def _recipient(bundle: Bundle, name: str) -> str:
    """A recipient by name, or a lane with those of it that the policy names."""
    if name in bundle.recipients:
        one = bundle.recipients[name]
        return own(one.name) + (f" ({one.country})" if one.country else "")
    words = bundle.vocabulary
    named = [
        own(one.name) + (f" ({one.country})" if one.country else "")
        for one in bundle.recipients.values()
        if words.within("recipients", one.lane, name)
    ]
    label = own(words.recipients[name].label)
    return (
        f"{label}: {', '.join(named)}"
        if named
        else say("{label} (our policy names none of them; ask us who)", label=label)
    )


def _keep(bundle: Bundle, retention: str | None) -> tuple[str, ...]:
    """How long, in sentences: for the organisation's own use, and where a law asks for more."""
    rule = bundle.retention.get(retention or "")
    if rule is None:
        return (say("No period has been set for this yet."),)
    ours = _period(rule.keep, rule.clock)
    if rule.law is None:
        return (f"{ours}." if ours else say("No period has been set for this yet."),)
    by_law = _period(rule.law.keep, rule.clock)
    return (
        say("For our own use: {time}.", time=ours or say("no period has been set yet")),
        say(
            "Because a law asks for it ({law}): {time}.",
            law=law(rule.law.citation),
            time=by_law or say("no period has been set yet"),
        ),
    )


def _period(keep: str | None, clock: Clock) -> str | None:
    if keep is None:
        return None
    return say(_CLOCKS[clock], time=count(int(keep[1:-1]), *_UNITS[keep[-1]]))


def readable(name: str) -> str:
    """A name of a column as words: `made_at` and `madeAt` are "made at"."""
    words = _HUMP.sub(" ", name).replace("_", " ").split()
    return " ".join(w.lower() if w.istitle() else w for w in words) or name


def titled(dataset: Dataset) -> str:
    """What people call a dataset: its title, else its name as words."""
    if dataset.title:
        return dataset.title
    words = readable(dataset.name)
    return words[:1].upper() + words[1:]


def once(words: Iterable[str]) -> list[str]:
    """Each word where it comes first."""
    return list(dict.fromkeys(words))


def choices(rights: Iterable[str]) -> list[tuple[str, str]]:
    """(what she can ask for, what that means), of the rights named."""
    said = {
        "rectification": ("Have it corrected", "Tell us what is wrong and what is right."),
        "erasure": ("Have it deleted", "What a law makes us keep stays, and we say which."),
        "restriction": ("Have its use stopped", "We keep it and do nothing else with it, for"
                        " instance while you and we disagree about it."),
        "objection": ("Object to a use", "Against advertising and profiles you need no reason."),
        "withdrawal": ("Take back a consent", "As easily as you gave it, from now on."),
        "portability": ("Take it along", "What you gave us, as files that another service can"
                        " load."),
    }  # fmt: skip
    return [said[right] for right in rights if right in said]
