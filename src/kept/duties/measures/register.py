"""The register of measures: what each guards against, how it is checked, and how it stands."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from kept.controller import Controller
from kept.controls.evidence import Evidence, Outcome
from kept.deployment import FILE
from kept.duties.measures import looks, software
from kept.duties.measures.looks import Places, Seen
from kept.model.safety import WORDS, Declared

Guard: TypeAlias = Literal["access", "use", "disclosure"]
Look: TypeAlias = Callable[[Controller, dt.datetime, Places], Iterator[Seen]]
#: What a control came to; None: it never ran.
Ran: TypeAlias = Callable[[str], Evidence | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure, and what it guards against without right (GDPR Art. 5(1)(f)).

    It is checked by each of `controls`, by a `look`, or by a person's `word` in kept.toml (of
    model.safety.WORDS); by one of the three at least.
    """

    id: str
    title: str
    guards: tuple[Guard, ...]
    controls: tuple[str, ...] = ()
    look: Look | None = None
    word: str | None = None

    @property
    def check(self) -> str:
        """How it is checked, in words."""
        looked = ("measured",) * (self.look is not None)
        word = (f"a person's word, [measures] {self.word}",) * (self.word is not None)
        return ", ".join((*self.controls, *looked, *word))


MEASURES: Final = (
    Measure("login", "Staff prove twice who they are", ("access",), look=looks.login),
    Measure(
        "roles", "Every door asks who comes, and in which role", ("access", "disclosure"),
        ("security.doors-are-guarded",),
    ),
    Measure(
        "review", "Who may what is looked at again", ("access", "use"),
        ("security.access-is-reviewed",),
    ),
    Measure(
        "limits", "Nobody tries without end", ("access",), look=looks.limits,
    ),
    Measure(
        "purposes", "Each use is asked about at one door", ("use",),
        ("use.outside-the-matrix-is-denied",),
    ),
    Measure(
        "bulk", "Reading in bulk is noticed", ("use", "disclosure"),
        ("security.bulk-reads-are-noticed",),
    ),
    Measure(
        "askers", "Nothing is given out before it is known who asks", ("disclosure",),
        ("rights.asker-known-well-enough",),
    ),
    Measure(
        "places", "Data lies encrypted, in places closed to others", ("access", "disclosure"),
        ("security.stores-are-closed",),
    ),
    Measure("way", "Pages and letters go encrypted", ("disclosure",), look=looks.way),
    Measure("secrets", "Keys and passwords are for their owner alone", ("access",),
            look=looks.secrets),
    Measure(
        "record", "What was done cannot be altered unseen", ("use", "disclosure"),
        ("ledger.is-whole",),
    ),
    Measure(
        "incidents", "What went wrong is judged and told in time", ("disclosure",),
        ("security.incidents-are-told-in-time",),
    ),
    Measure(
        "software", "Somebody mends the faults of what runs", ("access", "disclosure"),
        look=software.look,
    ),
    Measure("updates", "Updates are brought in", ("access", "disclosure"), word="updates"),
    Measure(
        "restore", "What was destroyed or altered can be brought back", ("use",),
        look=software.unsaved, word="restore",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """How a measure stands: what was seen of it, since when, and on whose word."""

    measure: Measure
    seen: tuple[Seen, ...]
    at: dt.datetime | None = None
    word: Declared | None = None

    @property
    def holds(self) -> bool | None:
        """None: there was nothing to look at."""
        met = [one.holds for one in self.seen if one.holds is not None]
        return all(met) if met else None

    @property
    def amiss(self) -> list[Seen]:
        """What does not hold, or could not be asked."""
        return [one for one in self.seen if one.holds is False]

    @property
    def words(self) -> str:
        """How it stands: what is amiss, else what was seen."""
        return "; ".join(one.words for one in self.amiss or self.seen)

    def document(self) -> dict[str, Any]:
        """The row as JSON; no personal data but the name of who vouches."""
        of = self.measure
        return {
            "measure": of.id,
            "title": of.title,
            "guards": list(of.guards),
            "controls": list(of.controls),
            "measured": of.look is not None,
            "word": of.word,
            "holds": self.holds,
            "words": self.words,
            "fixes": [one.fix for one in self.amiss if one.fix],
            "looked_at": self.at.isoformat() if self.at else None,
            "declared_by": self.word.by if self.word else None,
            "declared_on": self.word.date.isoformat() if self.word else None,
            "declared_until": str(self.word.expires) if self.word else None,
        }


def standings(controller: Controller, now: dt.datetime, ran: Ran) -> list[Standing]:
    """How every measure stands. `ran` says what a control came to, and when."""
    places = functools.cache(controller.safety)
    return [_standing(controller, one, now, ran, places) for one in MEASURES]


def _standing(
    controller: Controller, of: Measure, now: dt.datetime, ran: Ran, places: Places
) -> Standing:
    seen: list[Seen] = []
    evidence = [(name, ran(name)) for name in of.controls]
    for name, one in evidence:
        seen += _came(name, one)
    at = min((one.at for _, one in evidence if one is not None), default=None)
    if of.look is not None:
        seen += of.look(controller, now, places)
        at = min(now, at or now)
    word = controller.measures.words.get(of.word) if of.word else None
    if of.word is not None:
        seen.append(_said(of.word, word, controller.measures.words, now))
    return Standing(of, tuple(seen), at, word)


def _came(name: str, one: Evidence | None) -> Iterator[Seen]:
    """What a control came to, as something seen."""
    if one is None:
        yield Seen(None, f"`{name}` never ran", "run `kept prove`")
    elif one.outcome is Outcome.VACUOUS:
        yield Seen(None, f"`{name}` found nothing to look at")
    elif one.outcome is Outcome.PASS:
        yield Seen(True, f"`{name}` looked at {one.looked_at:,} and found nothing amiss")
    # Of a control that broke off nothing is known to be amiss either.
    broken = one is not None and one.outcome is Outcome.ERROR
    for unasked in (False, True):
        found = one.findings if one is not None else ()
        met = [f for f in found if (f.unasked or broken) is unasked]
        if met:
            more = f", and {len(met) - 1:,} more" if len(met) > 1 else ""
            words = f"`{name}`: {met[0].where}: {met[0].words}{more}"
            yield Seen(False, words, met[0].fix, unasked)


def _said(word: str, one: Declared | None, all_: Mapping[str, Declared], now: dt.datetime) -> Seen:
    """How a person's word stands."""
    if one is not None and one.in_force(now):
        words = f"{one.by}, {one.date}: {one.how}; good until {one.expires}"
        return Seen(True, words)
    if one is None:
        words = "nobody says when that was done last"
    elif one.date > now.astimezone(dt.UTC).date():
        words = f"it is said to have been done on {one.date}, which has not come"
    else:
        words = f"it was done last on {one.date}, and that was good until {one.expires}"
    what = {"updates": "bring the updates in", "restore": "bring data back from a backup, on trial"}
    below = "" if all_ else " below a line `[measures]`"
    fix = (
        f"{what[word]}, then write in {FILE}{below}:"
        f' {word} = {{by = "NAME", date = 2026-01-31, how = "…"}}; it is good for {WORDS[word]}'
        " days, or as many as `days` in it says"
    )
    return Seen(False, words, fix)
