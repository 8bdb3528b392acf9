"""Versions: what was published, whether it changed under its date, and how two differ.

Published is a value; who publishes writes it down (into the ledger) and hands it back here.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kept.errors import BundleError
from kept.policy.bundle import Bundle
from kept.policy.problem import Problem
from kept.policy.render import ShownSection, render


@dataclass(frozen=True, slots=True)
class Published:
    """That a policy was published: its date in force, the hashes (hex) of text and rules."""

    id: str
    version: dt.date
    text_sha256: str
    rules_sha256: str

    def body(self) -> dict[str, str]:
        """As JSON, for a record of it."""
        return {
            "id": self.id,
            "version": self.version.isoformat(),
            "text_sha256": self.text_sha256,
            "rules_sha256": self.rules_sha256,
        }

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Published:
        """From that JSON. Raises BundleError where it is not such a record."""
        try:
            return cls(
                str(body["id"]),
                dt.date.fromisoformat(body["version"]),
                str(body["text_sha256"]),
                str(body["rules_sha256"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                "this is no record of a publication",
                expected="id, version, text_sha256 and rules_sha256",
                fix="read it from the entry that publishing wrote",
            ) from error


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `before` is None for what is new, `after` for what is gone.

    `what` is the code of a section for a text, the path of a value (`retention.cookies.keep`)
    for a rule.
    """

    of: Literal["text", "rules"]
    what: str
    before: str | None
    after: str | None


def publish(bundle: Bundle) -> Published:
    """The record of this bundle. Whether it may be published: see `changed`."""
    return Published(bundle.id, bundle.version, bundle.text_digest, bundle.rules_digest)


def changed(bundle: Bundle, published: Published) -> list[Problem]:
    """What was changed since it was published, without a new version."""
    where = f"policy.yml:{bundle.lines.get('version', 1)}"
    if bundle.id != published.id:
        return [
            Problem(
                f"policy.yml:{bundle.lines.get('id', 1)}",
                f"the published policy has the id {published.id}, this one {bundle.id}",
                f"write `id: {published.id}`, or publish the new policy in a place of its own",
            )
        ]
    if bundle.version < published.version:
        return [
            Problem(
                where,
                f"version {published.version} is published, and this one is older",
                "set `version` to the date on which the text comes into force",
            )
        ]
    if bundle.version > published.version:
        return []
    fix = "set `version` to the date on which the change comes into force, or undo the change"
    chosen = f"{fix}; the choices of kept.toml are rules as well"
    problems = []
    for name, now, then in (
        ("text", bundle.text_digest, published.text_sha256),
        ("rules", bundle.rules_digest, published.rules_sha256),
    ):
        if now != then:
            what = f"the {name} of version {published.version} changed after it was published"
            problems.append(Problem(where, what, chosen if name == "rules" else fix))
    return problems


def differences(old: Bundle, new: Bundle) -> tuple[Difference, ...]:
    """How two versions differ, the text by sentence as shown, the rules by value."""
    return (*_text(old, new), *_rules("", old.rules(), new.rules()))


def _text(old: Bundle, new: Bundle) -> Iterator[Difference]:
    before, after = _lines(render(old)), _lines(render(new))
    words = [line for _, line in before], [line for _, line in after]
    matcher = difflib.SequenceMatcher(None, *words, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        # Within a changed run sentences are paired in order; what is left over came or went.
        for n in range(max(b - a, d - c)):
            was = before[a + n] if a + n < b else None
            now = after[c + n] if c + n < d else None
            section = (now or was or ("", ""))[0]
            yield Difference("text", section, was and was[1], now and now[1])


def _lines(sections: tuple[ShownSection, ...]) -> list[tuple[str, str]]:
    return [(section.id, unit.words) for section in sections for unit in section.units]


def _rules(path: str, old: Any, new: Any) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            inner = f"{path}.{key}" if path else key
            yield from _rules(inner, old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif old is _ABSENT or new is _ABSENT or old != new or type(old) is not type(new):
        yield Difference("rules", path, _shown(old), _shown(new))


class _Absent:
    """Not there, which is something else than null."""


_ABSENT = _Absent()


def _shown(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    if isinstance(value, list):
        return ", ".join(str(_shown(inner)) for inner in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_shown(inner)}" for key, inner in value.items())
    return "not decided" if value is None else str(value)
