"""Security: where data lies, who answers for it, and whether the place is closed (Art. 32 GDPR).

A place is safe in an aspect when that was measured there, or when it cannot be measured and a
person vouches for it. What was measured to be unsafe nobody can vouch for.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import System
from kept.deployment import FILE
from kept.errors import StoreError
from kept.model.safety import ASPECTS, Aspect, Declared, Measured, Safety
from kept.records.declared import SYSTEM

#: The head of a table in TOML.
_HEAD: Final = re.compile(r"\s*\[\s*([\w.\"-]+)\s*\]")
_DECLARE: Final = 'declared.{} = {{by = "NAME", date = 2026-01-31, how = "…"}}'


@dataclass(frozen=True, slots=True)
class Standing:
    """One aspect of one place. `safe` None: nobody knows. `declared` is what it rests on, where a
    person vouches for it and nothing was measured.
    """

    aspect: Aspect
    safe: bool | None
    words: str
    fix: str
    declared: Declared | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """One place of data: a row of the register."""

    system: str
    title: str | None
    country: str | None
    owner: str | None
    standing: tuple[Standing, ...]
    safety: Safety
    problem: StoreError | None = None

    def document(self) -> dict[str, Any]:
        """The row as JSON; no personal data."""
        return {
            "system": self.system,
            "title": self.title,
            "country": self.country,
            "owner": self.owner,
            **{
                s.aspect: {
                    "safe": s.safe,
                    "words": s.words,
                    "declared_by": s.declared.by if s.declared else None,
                    "declared_on": s.declared.date.isoformat() if s.declared else None,
                }
                for s in self.standing
            },
        }


def register(controller: Controller, now: dt.datetime) -> list[Registered]:
    """The register of all places of data: of the map, of kept.toml, and as measured."""
    systems, safety = controller.datamap.systems, controller.safety()
    lines = _lines(controller)
    found = []
    for name, system in systems.items():
        met = safety.get(name, Safety())
        problem = met if isinstance(met, StoreError) else None
        known = Safety() if isinstance(met, StoreError) else met
        why = f"it could not be asked: {problem.what}" if problem is not None else ""
        found.append(
            Registered(
                name,
                system.title,
                system.country,
                system.owner,
                tuple(_standing(system, one, known.measured, why, now, lines) for one in ASPECTS),
                known,
                problem,
            )
        )
    return found


def _standing(
    system: System, aspect: Aspect, measured: tuple[Measured, ...], why: str, now: dt.datetime,
    lines: Mapping[str, int],
) -> Standing:  # fmt: skip
    met = [m for m in measured if m.aspect == aspect]
    bad = next((m for m in met if m.holds is False), None)
    if bad is not None:
        return Standing(aspect, False, bad.words, bad.fix)
    if met and all(m.holds for m in met):
        return Standing(aspect, True, "; ".join(m.words for m in met), "")
    declared = [d for d in system.declared if d.about == aspect]
    valid = next((d for d in declared if d.in_force(now)), None)
    if valid is not None:
        words = f"declared by {valid.by} on {valid.date}: {valid.how}"
        return Standing(aspect, True, words, "", valid)
    unclear = [m.words for m in met if m.holds is None]
    words = "; ".join(unclear) or why or "nothing about it can be measured"
    words += ", and nobody vouches for it" + (" any more, or yet" if declared else "")
    fix = f"have somebody look, then {_write(system.name, _DECLARE.format(aspect), lines)}"
    return Standing(aspect, None, words, fix)


def _lines(controller: Controller) -> dict[str, int]:
    """Table of kept.toml → the line in which it begins."""
    try:
        text = (controller.reach.directory / FILE).read_text("utf-8")
    except OSError:  # gone since it was read
        return {}
    heads = ((n, _HEAD.match(line)) for n, line in enumerate(text.splitlines(), 1))
    return {met[1].replace('"', ""): n for n, met in heads if met}


def _write(system: str, text: str, lines: Mapping[str, int]) -> str:
    """How somebody writes a line about a place: what, and where in kept.toml."""
    table = system if system == SYSTEM.name else f"systems.{system}"
    if table in lines:
        return f"write below line {lines[table]} of {FILE}, `[{table}]`, a line: {text}"
    return f"write at the end of {FILE} a line `[{table}]`, once, and below it a line: {text}"


@control("security.stores-are-closed")
def stores_are_closed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every place of data is known by country and owner, encrypted, and closed to others.

    Data that can be seen beside a known place, and that no system of the map names, is a finding.
    """
    rows, lines = register(controller, now), _lines(controller)
    for row in rows:
        for what, key in ((row.country, "country"), (row.owner, "owner")):
            if not what:
                yield Finding(
                    row.system,
                    f"nothing says its {key}",
                    _write(row.system, f'{key} = "…"', lines),
                )
        # Kept's own place is there in any world: it alone is nothing to look at.
        looked = 0 if row.system == SYSTEM.name else len(row.standing)
        yield Looked(looked, row.system, row.system)
        if row.problem is not None:
            yield unasked(row.system, row.problem)
        for one in row.standing:
            # Of a place that does not answer, what nobody vouches for is not known to be amiss.
            if not one.safe and row.problem is None:
                yield Finding(row.system, f"{ASPECTS[one.aspect]}: {one.words}", one.fix)
    known = frozenset().union(*(row.safety.names for row in rows))
    seen = {name: (row.system, words) for row in rows for name, words in row.safety.seen.items()}
    for name, (system, words) in sorted(seen.items()):
        if name not in known and not any(name.startswith(f"{one}/") for one in known):
            yield Finding(
                system,
                f"beside it lies {words}, which no system of the map is",
                "name it as a system in kept.toml with its map, or remove it",
            )
