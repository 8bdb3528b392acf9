"""Evidence: what was looked at, by which code, when, over which systems, with what outcome."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kept.controls.registry import Finding


class Outcome(StrEnum):
    """What a run of a control came to."""

    PASS = "pass"  # noqa: S105 — a word, not a password; looked at something, found nothing amiss
    FAIL = "fail"  # at least one fault was found
    VACUOUS = "vacuous"  # looked at nothing; never shown as kept
    ERROR = "error"  # could not be run, or not everywhere; never shown as kept
    EXPIRED = "expired"  # rests on a document or a person's word whose time is over


#: The worst outcome of several decides for a clause.
_WORST = (Outcome.FAIL, Outcome.ERROR, Outcome.EXPIRED, Outcome.VACUOUS, Outcome.PASS)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run of one control.

    `looked_at` counts things examined, `places` where; `asked` of `known` systems of the
    organisation were looked into (both 0 where the control is not about them); `own`: so were
    Kept's own records. `full`: its pass ran every control that the policy names. `entry` is its
    index in the ledger once it is written.
    """

    control: str
    sentence: str
    code: str
    policy: str
    text_digest: str
    rules_digest: str
    map_digest: str
    at: dt.datetime
    outcome: Outcome
    looked_at: int
    places: int
    asked: int
    known: int
    own: bool = False
    full: bool = False
    findings: tuple[Finding, ...] = ()
    entry: int | None = None

    @property
    def scope(self) -> str:
        """The scope in words, said wherever the outcome is shown."""
        if not self.asked:
            return "Kept's own records" if self.own else "not about systems"
        beside = " and Kept's own records" if self.own else ""
        return f"{self.asked} of {self.known} known systems{beside}"


def gathered(findings: Iterable[Finding]) -> list[tuple[Finding, int]]:
    """Findings that say the same as one, with how often it was found; in the order of the first."""
    return list(Counter(findings).items())


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a clause from those of its controls; of none: vacuous."""
    return next((o for o in _WORST if o in outcomes), Outcome.VACUOUS)
