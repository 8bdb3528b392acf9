"""Data protection authorities: where people can complain, country by country (GDPR Art. 77).

The rows lie in `authorities.json` beside this module, each with its sources, the day on which it
was looked at and how (`BY`). What nobody has confirmed is said to be so.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

#: How a row came to be known, in words for everybody.
BY: Final[Mapping[str, str]] = {
    "page": "Read on a page of the authority itself.",
    "list": "Taken from a public list; not confirmed on a page of the authority.",
    "elsewhere": "Read elsewhere; not confirmed on a page of the authority.",
}
#: Region → the country that speaks for it; the EEA is many, the rest of the world is none.
_REGIONS: Final = {"UK": "GB", "CH": "CH", "US": "US", "US-CA": "US-CA", "US-VA": "US-VA"}
_SPELT: Final = {"EL": "GR", "UK": "GB"}


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority. `country` is ISO 3166 alpha-2, `part` the part of its subdivision code.

    `covers` names the bodies that it is there for, where that is not everybody; `languages` are
    those (ISO 639) in which it takes a complaint, as far as known; `by` is one of BY.
    """

    id: str
    country: str
    name: str
    sources: tuple[str, ...]
    by: str
    checked_on: dt.date
    part: str | None = None
    covers: str | None = None
    address: tuple[str, ...] = ()
    phone: str | None = None
    email: str | None = None
    form: str | None = None
    web: str | None = None
    languages: tuple[str, ...] = ()
    note: str | None = None

    @property
    def confirmed(self) -> bool:
        """Whether it was read on a page of the authority itself."""
        return self.by == "page"

    @property
    def place(self) -> str:
        """The country, and its part where the authority is that of a part, in words."""
        country = countries()[self.country]
        return country if self.part is None else f"{country}, {parts()[self.code]}"

    @property
    def code(self) -> str:
        """ISO 3166-1 or 3166-2: DE, DE-BE."""
        return self.country if self.part is None else f"{self.country}-{self.part}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id, "country": self.country, "part": self.part, "place": self.place,
            "covers": self.covers, "name": self.name, "address": list(self.address),
            "phone": self.phone, "email": self.email, "form": self.form, "web": self.web,
            "languages": list(self.languages), "note": self.note, "sources": list(self.sources),
            "confirmed": self.confirmed, "checked_on": self.checked_on.isoformat(),
        }  # fmt: skip

    def lines(self) -> tuple[str, ...]:
        """How it can be reached, a line each."""
        said = (
            self.name,
            ", ".join(self.address),
            self.phone and f"Telephone: {self.phone}",
            self.email and f"E-mail: {self.email}",
            self.form and f"Form: {self.form}",
            self.web and f"Web: {self.web}",
            self.languages and f"Language: {', '.join(map(language, self.languages))}",
        )
        return tuple(line for line in said if line)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which authorities somebody is pointed to. `certain` False: her country is not known, so it
    is that of the organisation, or nobody's.
    """

    authorities: tuple[Authority, ...]
    certain: bool


@cache
def _read() -> Mapping[str, Any]:
    text = resources.files("kept.terms").joinpath("authorities.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


@cache
def directory() -> tuple[Authority, ...]:
    """All of them, by country, that of the whole country first."""
    lists = ("address", "languages", "sources")
    return tuple(
        Authority(
            **{
                **row,
                **{key: tuple(row.get(key, ())) for key in lists},
                "checked_on": dt.date.fromisoformat(row["checked_on"]),
            }
        )
        for row in _read()["authorities"]
    )


def countries() -> Mapping[str, str]:
    """ISO 3166 alpha-2 → the country in words, of those in the directory."""
    found: Mapping[str, str] = _read()["countries"]
    return found


def parts() -> Mapping[str, str]:
    """ISO 3166-2 → the part in words, of those that have an authority of their own here."""
    found: Mapping[str, str] = _read()["parts"]
    return found


def language(code: str) -> str:
    """ISO 639 → the language in words."""
    return str(_read()["languages"].get(code, code))


def the_list() -> str:
    """The public list from which rows were taken."""
    return str(_read()["list"])


def of_country(country: str) -> tuple[Authority, ...]:
    """Every authority of a country, also those of its parts and for certain bodies; () for none."""
    code = _country(country)
    return tuple(one for one in directory() if one.country == code)


def authority_of(
    country: str | None,
    subdivision: str | None = None,
    region: str | None = None,
    *,
    lead: str | None = None,
) -> Choice:
    """To whom somebody can complain who lives there.

    `country` is ISO 3166 alpha-2 (EL and UK are understood), `subdivision` ISO 3166-2 with or
    without the country. Where no country is known its `region` may stand for one; else it is the
    authority of `lead`, the country of the organisation, and that is not certain. () where the
    directory has none at all: then the list has to do.
    """
    code = _country(country)
    if code not in countries():
        near = _REGIONS.get(region or "", "")
        code, _, part = near.partition("-")
        subdivision = part or None
    if code in countries():
        return Choice(_those(code, subdivision), True)
    code = _country(lead)
    return Choice(_those(code, None), False) if code in countries() else Choice((), False)


def _country(text: str | None) -> str:
    code = (text or "").strip().upper()
    return _SPELT.get(code, code)


def _those(country: str, subdivision: str | None) -> tuple[Authority, ...]:
    """Those of the part, where it has any, else those of the whole country; for everybody."""
    here = [one for one in of_country(country) if one.covers is None]
    part = (subdivision or "").strip().upper().removeprefix(f"{country}-")
    near = tuple(one for one in here if part and one.part == part)
    return near or tuple(one for one in here if one.part is None)
