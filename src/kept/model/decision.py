"""Ask, Facts, Decision: may this be done with this person's data, as of a moment?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants to do with personal data.

    `purpose`, `category`, `recipient`, `context` (of collection) are vocabulary terms;
    `region` is a region of terms.regimes (`unknown` gets the strictest rules).
    """

    purpose: str
    category: str
    context: str = "any"
    recipient: str = "controller"
    region: str = "unknown"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one person as of a moment: names of facts that hold.

    Grounds (`consent:<purpose>`, `contract`, `request:<partner>` …) can turn a deny into an
    allow; impediments (`objection:<purpose>`, `restricted`, `child`, `isolated`, `suppressed`)
    only ever forbid. `unknown` names facts that could not be judged: each forbids whatever
    depends on it. `epoch` grows with every choice of the person.
    """

    held: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow or deny, with the clauses that decided. A deny says what would be missing."""

    allow: bool
    because: tuple[str, ...]
    reason: str
    basis: str | None = None
    activity: str | None = None
