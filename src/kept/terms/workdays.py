"""The days on which people work, by place: without its weekends and public holidays.

What is a public holiday where is the word of the library `holidays`; its version is kept with
what was counted by it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Final

from kept.errors import UsageError

_DAY: Final = dt.timedelta(days=1)
_SATURDAY: Final = 5
#: What the calendar is called where no place is known: only weekends are free.
_NO_PLACE: Final = "weekends"


def _library() -> ModuleType:
    """Read when it is needed: it takes as long as the rest of a short command."""
    import holidays

    return holidays


@dataclass(frozen=True, slots=True)
class _Year:
    weekend: frozenset[int]
    worked: frozenset[dt.date]
    free: Mapping[dt.date, str]


@lru_cache(maxsize=256)
def _year(country: str, part: str | None, year: int) -> _Year:
    made = _library().country_holidays(country, subdiv=part, years=year, language="en_US")
    worked = frozenset(getattr(made, "weekend_workdays", ()))
    return _Year(frozenset(made.weekend), worked, {day: made[day] for day in made})


@dataclass(frozen=True, slots=True)
class Workdays:
    """The working days of a place; without one, all but Saturday and Sunday."""

    country: str | None = None
    part: str | None = None

    @classmethod
    def at(cls, country: str | None, part: str | None = None) -> Workdays:
        """Those of a country (ISO 3166 alpha-2) and its part. UsageError for an unknown one."""
        if country is None:
            return cls()
        known = _library().list_supported_countries()
        if country not in known:
            raise UsageError(
                f"the public holidays of `{country}` are not known",
                expected="a country as ISO 3166 has it, as CY, GB or US",
            )
        if part is not None and part not in known[country]:
            raise UsageError(
                f"`{part}` is not a part of {country} with public holidays of its own",
                expected=f"one of {', '.join(known[country]) or 'none'}",
            )
        return cls(country, part)

    @property
    def place(self) -> str:
        """As it is written down: CY, US-VA, or nothing."""
        return "-".join(p for p in (self.country, self.part) if p)

    @property
    def calendar(self) -> str:
        """Whose word on public holidays it is, with its version."""
        return _NO_PLACE if self.country is None else f"holidays-{_library().__version__}"

    def holiday(self, day: dt.date) -> str | None:
        """The name of the public holiday on a day."""
        return None if self.country is None else self._of(day).free.get(day)

    def works(self, day: dt.date) -> bool:
        """Whether people work on a day."""
        if self.country is None:
            return day.weekday() < _SATURDAY
        year = self._of(day)
        resting = day.weekday() in year.weekend and day not in year.worked
        return not resting and day not in year.free

    def left(self, day: dt.date, until: dt.date) -> int:
        """How many working days come after `day`, up to and with `until`."""
        return sum(self.works(day + _DAY * n) for n in range(1, (until - day).days + 1))

    def _of(self, day: dt.date) -> _Year:
        assert self.country is not None
        return _year(self.country, self.part, day.year)
