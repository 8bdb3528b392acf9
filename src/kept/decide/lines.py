"""What may be taken of a line of a list that somebody gave: column by column, before it is stored.

Pure. The same judgement as for a form (`decide.form`), for what nobody types into a page: a line
about somebody who is certainly too young is refused first, whatever else stands in it; where a
column says how old somebody is and cannot be read, nobody can say that she is old enough. What is
not declared is left out. A consent without its proof is none. How a day is written is declared,
and never guessed. Nothing here repeats a value.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kept.decide import form as judging
from kept.decide.form import LONG, SHORT, Consent, Read
from kept.decide.notice import asks, leading
from kept.decide.use import Rules
from kept.errors import IdentifierError, UsageError
from kept.model.decision import Ask, Decision, Facts
from kept.policy.bundle import Bundle
from kept.policy.imports import NAMING, plain
from kept.policy.shapes import Column, Import
from kept.terms import ages, regimes
from kept.terms.identifiers import Identifier
from kept.terms.spreadsheets import is_formula

#: What stands for yes in a list.
YES: Final = frozenset(("yes", "y", "on", "true", "1", "ja", "oui", "x"))
_WORDS: Final = frozenset(("text", "textarea"))
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:[.,][0-9]{1,6})?")
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_ISO: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ]\d\d:\d\d.*)?")
_DAY: Final = re.compile(r"(\d{1,4})([-/.])\s?(\d{1,2})\2\s?(\d{1,4})")
#: How a day is written → where year, month and day stand.
_ORDERS: Final = {
    "year-month-day": (0, 1, 2), "day-month-year": (2, 1, 0), "month-day-year": (2, 0, 1),
}  # fmt: skip
_MANY: Final = 4_096


class Amiss(StrEnum):
    """Why a line is not taken: words of a closed list, for counters."""

    AGE = "age"
    UNCLEAR = "age-unclear"  # what it says of an age cannot be read
    COLUMNS = "columns"  # more cells than columns, or fewer
    UNREADABLE = "unreadable"
    FORMULA = "formula"
    LONG = "long"
    MISSING = "missing"
    MALFORMED = "malformed"
    ORIGIN = "origin"  # it does not say where it is from
    PROOF = "proof"  # it rests on a consent that nothing proves
    DENIED = "denied"


#: Why, in words for whoever brings the list in.
REASONS: Final[Mapping[Amiss, str]] = MappingProxyType(
    {
        Amiss.AGE: "it is about somebody too young; nothing of it is kept",
        Amiss.UNCLEAR: "how old somebody is stands in it, and cannot be read",
        Amiss.COLUMNS: "it has more cells than there are columns, or fewer",
        Amiss.UNREADABLE: "there are characters in it that are no text",
        Amiss.FORMULA: "a cell of it is a formula",
        Amiss.LONG: "a cell of it is too long",
        Amiss.MISSING: "something that is needed is missing",
        Amiss.MALFORMED: "something in it cannot be what it should be",
        Amiss.ORIGIN: "it does not say where it is from, at which address or on which day",
        Amiss.PROOF: "its consent is without proof of when, to what and where it was given",
        Amiss.DENIED: "it may not be stored",
    }
)


@dataclass(slots=True)
class Line:
    """One line, as far as it is of the import: clean values of declared columns.

    `why` it is not taken, `column` where that shows. `people` are what names whoever it is about;
    `doubt` names columns in which it may say that she is too young. `unproven`: a consent in it
    counts for nothing.
    """

    number: int
    why: Amiss | None = None
    column: str = ""
    values: dict[str, str] = field(default_factory=dict)
    people: tuple[Identifier, ...] = ()
    region: str = "unknown"
    doubt: tuple[str, ...] = ()
    unproven: bool = False


class Reading:
    """The columns of one list, by the names in its first line; reads line after line."""

    def __init__(
        self, bundle: Bundle, one: Import, head: list[str], now: dt.datetime, *,
        dated: bool = False, grows: bool = False,
    ) -> None:  # fmt: skip
        """`head` may grow while lines are read (`grows`); `dated`: days in it are no texts.

        UsageError where a needed column is missing, or one stands there twice.
        """
        self._bundle, self._import, self._head = bundle, one, head
        self._now, self._dated = now, dated
        self._known = -1
        self._places: list[tuple[int, Column]] = []
        self._ages: list[int] = []
        # Where a day begins first it is fourteen hours ahead.
        self._latest = (now.astimezone(dt.UTC) + dt.timedelta(hours=14)).date()
        self._days: dict[str, dt.date] = {}
        self._regions = tuple(c for c in one.columns.values() if c.region)
        self._needed = tuple(c.name for c in one.columns.values() if c.required)
        self._consents = tuple(c for c in one.columns.values() if c.consent)
        self._says: dict[str, str] = {c.says: c.name for c in one.columns.values() if c.says}
        self._dropped: tuple[str, ...] = ()
        self._place(strict=not grows)

    def _place(self, *, strict: bool) -> None:
        columns = self._import.columns.values()
        called = {plain(n): c for c in columns for n in (c.name, *c.names)}
        places: dict[str, int] = {}
        dropped = []
        for at, name in enumerate(self._head):
            column = called.get(plain(name))
            if column is None:
                dropped.append(name)
            elif column.name in places:
                raise UsageError(
                    f"the column `{column.name}` stands in the list twice",
                    fix="take one of them out",
                )
            else:
                places[column.name] = at
        missing = [c.name for c in columns if c.required and c.name not in places]
        if missing and strict:
            raise UsageError(
                f"the list has no column `{missing[0]}`",
                expected=f"columns of {', '.join(self._import.columns)}",
                fix="name its columns in its first line, as the policy does under `names:`",
            )
        self._places = [(places[c.name], c) for c in columns if c.name in places]
        years = self._bundle.minimum_age
        self._ages = [] if years is None else [
            at for at, name in enumerate(self._head) if ages.asks_age(name)
        ]  # fmt: skip
        self._dropped, self._known = tuple(dropped), len(self._head)

    def left_out(self) -> tuple[str, ...]:
        """Names of columns of the list that are not declared, and so not taken."""
        if len(self._head) != self._known:
            self._place(strict=False)
        return self._dropped

    def line(self, number: int, cells: Sequence[str]) -> Line:
        """One line of the list."""
        if len(self._head) != self._known:
            self._place(strict=False)
        years, count = self._bundle.minimum_age, len(cells)
        line = Line(number)
        if self._regions:
            line.region = self._region(cells)
        if years is not None:
            for at in self._ages:
                said = cells[at] if at < count else ""
                if said and (why := self._age(self._head[at], said, years, line.region)):
                    line.why, line.column = why, self._head[at]
                    return line
        values = line.values
        people: list[Identifier] = []
        doubt: list[str] = []
        for at, column in self._places:
            value = cells[at] if at < count else ""
            if not value:
                continue
            name, kind = column.name, column.type
            why, value = self._clean(column, value)
            if why is None and (named := NAMING.get(kind)) is not None:
                try:
                    one = Identifier(named, value)
                    _ = one.normalised
                    people.append(one)
                except IdentifierError:
                    why = None if kind == "tel" else Amiss.MALFORMED
            if why is not None:
                line.why, line.column = why, name
                return line
            if value:
                values[name] = value
                free = kind in _WORDS and column.says is None
                if free and years is not None and ages.tells_of_younger(
                    value, years, self._day_in(line.region)
                ):  # fmt: skip
                    doubt.append(name)
        line.people, line.doubt = tuple(people), tuple(doubt)
        for name in self._needed:
            if name not in values:
                line.why, line.column = Amiss.MISSING, name
                return line
        for need in self._import.needs:
            if self._says[need] not in values:
                line.why, line.column = Amiss.ORIGIN, self._says[need]
                return line
        for column in self._consents:
            if column.name in values and not self._proved(column, values):
                del values[column.name]
                line.unproven = True
        return line

    def origin(self, line: Line) -> dict[str, str]:
        """What a line itself says of where it is from: source, address, date."""
        return {
            str(what): line.values[name] for what, name in self._says.items() if name in line.values
        }

    def _day_in(self, region: str) -> dt.date:
        """Which day it is at the latest everywhere in a region."""
        day = self._days.get(region)
        if day is None:
            day = self._days[region] = ages.today_in(region, self._now)
        return day

    def _age(self, name: str, said: str, years: int, region: str) -> Amiss | None:
        today = self._day_in(region)
        if (younger := ages.told(name, said, years, today)) is not None:
            return Amiss.AGE if younger else None
        # A day or a month alone says nothing, and can be read.
        return Amiss.UNCLEAR if ages.under(said, years, today) is None else None

    def _region(self, cells: Sequence[str]) -> str:
        said: dict[str, str] = {}
        for at, column in self._places:
            if column.region and at < len(cells) and cells[at]:
                said[column.region] = cells[at]
        country = said.get("country", "")
        if not _COUNTRY.fullmatch(country):
            return "unknown"
        return regimes.region_of(country.upper(), said.get("part"))

    def _proved(self, column: Column, values: Mapping[str, str]) -> bool:
        proof = column.proof or {}
        when = values.get(proof.get("when", ""), "")
        if not when or any(proof.get(what, "") not in values for what in ("words", "where")):
            return False
        return dt.date.fromisoformat(when) <= self._latest

    def _clean(self, column: Column, value: str) -> tuple[Amiss | None, str]:
        """Why a cell is not what it should be, and its clean value."""
        kind = column.type
        if not value.isprintable() and judging.unreadable(value):
            return (Amiss.FORMULA if value[:1] == "=" else Amiss.UNREADABLE), ""
        if is_formula(value):
            return Amiss.FORMULA, ""
        if len(value) > (LONG if kind == "textarea" else SHORT):
            return Amiss.LONG, ""
        if kind != "textarea" and ("  " in value or not value.isprintable()):
            value = " ".join(value.split())
        if kind in _WORDS or kind in NAMING:
            return None, value
        if kind == "checkbox":
            return None, "yes" if value.casefold() in YES else ""
        if kind == "date":
            day = _day(value, column.order or "")
            return (None, day) if day else (Amiss.MALFORMED, "")
        if kind == "country":
            return (None, value.upper()) if _COUNTRY.fullmatch(value) else (Amiss.MALFORMED, "")
        return (None, value) if _NUMBER.fullmatch(value) else (Amiss.MALFORMED, "")


def _day(value: str, order: str) -> str:
    """A day as 2026-01-31; empty where it is none, or its year has not all four digits."""
    if met := _ISO.fullmatch(value):
        parts = [int(met[1]), int(met[2]), int(met[3])]
    elif met := _DAY.fullmatch(value):
        given = (met[1], met[3], met[4])
        year, month, day = (given[at] for at in _ORDERS[order])
        if len(year) != 4 or len(month) > 2 or len(day) > 2:
            return ""
        parts = [int(year), int(month), int(day)]
    else:
        return ""
    try:
        return dt.date(*parts).isoformat()
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What may be done with lines of one shape about people of whom the same is known."""

    taken: bool
    decision: Decision
    withheld: frozenset[str] = frozenset()
    consents: tuple[Consent, ...] = ()


class Judge:
    """The judgement of lines; those that are alike are judged once."""

    def __init__(self, bundle: Bundle, rules: Rules, one: Import) -> None:
        self._bundle, self._rules, self._import = bundle, rules, one
        self._lead = leading(bundle, one.form)
        self._asks: dict[str, dict[str, Ask]] = {}
        self._made: dict[object, Outcome] = {}

    def __call__(self, line: Line, facts: Facts) -> Outcome:
        """What may be done with a line."""
        shape = (tuple(line.values), facts.held, facts.unknown, line.region)
        made = self._made.get(shape)
        if made is None:
            if len(self._made) >= _MANY:
                self._made.clear()
            made = self._made[shape] = self._judge(line, facts)
        return made

    def _judge(self, line: Line, facts: Facts) -> Outcome:
        form, region = self._import.form, line.region
        wanted = self._asks.get(region)
        if wanted is None:
            wanted = self._asks[region] = asks(form, region, self._lead)
        arising = judging.grounds(self._bundle, form, line.values)
        known = Facts(facts.held | arising, facts.unknown, facts.epoch)
        met = Read(line.values, region=region)
        verdict = judging.judge(self._bundle, self._rules, form, met, known, wanted)
        if "erased" in facts.held and verdict.taken:
            # Whatever it is for: nobody brings in again whom the organisation erased.
            reason = "the person's data was erased"
            return Outcome(False, Decision(False, verdict.decision.because, reason))
        left = frozenset(line.values) - verdict.values.keys()
        return Outcome(verdict.taken, verdict.decision, left, verdict.consents)
