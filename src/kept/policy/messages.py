"""What is amiss with messages.yml: languages that the policy has not, words that stand nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kept.policy.bundle import Bundle
from kept.policy.problem import Problem
from kept.terms.vocabulary import KINDS


def check(bundle: Bundle) -> Iterator[Problem]:
    """Every problem of it."""
    said = set(_words(bundle)) if bundle.messages else set()
    for language, words in bundle.messages.items():
        where = f"messages.yml:{bundle.message_lines.get((language,), 1)}"
        if language not in bundle.languages:
            fix = "add it to `languages`, or remove its words"
            yield Problem(where, f"{language} is no language of this policy", fix)
        for one in words:
            if one not in said:
                where = f"messages.yml:{bundle.message_lines.get((language, one), 1)}"
                fix = "spell it as the file does that says it, or remove it"
                yield Problem(where, f"no file says {one[:60]!r}", fix)


def _words(bundle: Bundle) -> Iterator[str]:
    yield bundle.title
    for kind in KINDS:
        yield from (term.label for term in bundle.vocabulary.tree(kind).values())
    for part in (bundle.activities, bundle.retention, bundle.recipients, bundle.links,
                 bundle.forms, bundle.trackers, bundle.visits.aims):  # fmt: skip
        yield from _texts(list(part.values()))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, Sequence):
        for one in value:
            yield from _texts(one)
    elif hasattr(value, "__dataclass_fields__"):
        yield from _texts([getattr(value, name) for name in value.__dataclass_fields__])
