"""Lists of others that say who a cookie or a host may be: read, and asked for a suggestion.

Their words are not purposes of ours: what a list calls functional or necessary may need a consent
all the same, so they suggest and never allow. Two formats: the CSV of the Open Cookie Database,
and the rules of filter lists (Adblock Plus) that name a host.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from kept.errors import UsageError

Kind = Literal["cookie", "host"]
#: What a list calls it, and what it is likely for; anything else is for somebody to say.
_LIKELY: Final = {
    "marketing": "advertise", "analytics": "analyse", "personalization": "personalise",
    "personalisation": "personalise",
}  # fmt: skip
_COLUMNS: Final = ("Platform", "Category", "Cookie / Data Key name", "Domain", "Retention period",
                   "Wildcard match")  # fmt: skip
#: A prefix of fewer signs than this says nothing without its domain.
_SHORT: Final = 4
_LONGEST: Final = 160
_HOST: Final = re.compile(
    r"\|\|([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+)\^?(?:\$([a-z0-9,~_-]+))?", re.ASCII | re.I
)
#: Options that narrow what is asked for, not by whom.
_OPTIONS: Final = frozenset(
    (
        "third-party", "3p", "script", "image", "subdocument", "xmlhttprequest", "ping",
        "websocket", "stylesheet", "font", "media", "object", "other", "popup", "all",
        "important",
    )
)  # fmt: skip
_UNITS: Final = {"second": 0, "minute": 0, "min": 0, "hour": 0, "day": 1, "week": 7, "month": 30,
                 "year": 365}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """A row of a list. `likely` is an aim, or "" where it does not tell; `days` 0: a visit."""

    kind: Kind
    name: str
    prefix: bool
    domain: str
    provider: str
    likely: str
    days: int | None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Who something may be. `conflict`: the lists do not agree on what it is for."""

    provider: str
    likely: str
    sources: tuple[str, ...]
    conflict: bool


def read(text: str) -> tuple[str, list[Known], int]:
    """(format, rows, how many rows were not understood); UsageError where it is neither."""
    head = text.lstrip("\ufeff")
    if head.partition("\n")[0].startswith("ID,Platform,"):
        return ("open-cookie-database", *_cookies(head))
    if re.match(r"\s*(\[Adblock|!)", head) or head.lstrip().startswith("||"):
        return ("filter-list", *_filters(head))
    raise UsageError(
        "this is no list that can be read",
        expected="the CSV of the Open Cookie Database, or a filter list ([Adblock Plus …])",
    )


def _cookies(text: str) -> tuple[list[Known], int]:
    rows, left = [], 0
    reader = csv.DictReader((f"{line}\n" for line in text.split("\n")), strict=True)
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UsageError("the list lacks columns", expected=", ".join(_COLUMNS),
                         met=f"no {', '.join(missing)}")  # fmt: skip
    try:
        for row in reader:
            made = _cookie(row)
            rows += [made] if made else []
            left += made is None
    except csv.Error as problem:
        raise UsageError("the list is no CSV", met=f"line {reader.line_num}: {problem}") from None
    return rows, left


def _cookie(row: dict[str, str]) -> Known | None:
    platform, category, name, domain, period, wildcard = ((row[c] or "").strip() for c in _COLUMNS)
    prefix = wildcard == "1"
    if name.endswith("*"):
        name, prefix = name[:-1], True
    if not name or len(name) > _LONGEST or re.search(r"[*%\s/]", name):
        return None
    return Known("cookie", name, prefix, domain[:_LONGEST].lower(), platform[:_LONGEST],
                 _LIKELY.get(category.lower(), ""), days(period))  # fmt: skip


def days(period: str) -> int | None:
    """A length of time in words, in days; 0 for less than one, None where it does not say."""
    text = period.lower().strip()
    if "session" in text:
        return 0
    met = re.fullmatch(r"([0-9]{1,5})\s*([a-z]+?)s?", text)
    if met is None or met[2] not in _UNITS:
        return None
    return int(met[1]) * _UNITS[met[2]]


def _filters(text: str) -> tuple[list[Known], int]:
    rows: dict[str, Known] = {}
    left = 0
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith(("!", "[")):
            continue
        met = _HOST.fullmatch(line)
        options = set((met[2] or "").lower().split(",")) - {""} if met else set()
        if met is None or not options <= _OPTIONS:
            left += 1
            continue
        host = met[1].lower()
        rows[host] = Known("host", host, False, "", "", "", None)
    return list(rows.values()), left


def suggest(rows: Iterable[Known], name: str, domain: str = "") -> Suggestion | None:
    """Who a name may be: an exact row comes before a prefix, a longer prefix before a shorter.

    A short prefix fits strangers: it counts only with its domain.
    """
    fitting: list[Known] = []
    for row in rows:
        if row.kind == "host":
            fits = name == row.name or name.endswith("." + row.name)
        elif row.prefix:
            short = len(row.name) < _SHORT
            fits = name.startswith(row.name) and (not short or _at(row.domain, domain))
        else:
            fits = name == row.name
        fitting += [row] if fits else []
    if not fitting:
        return None
    exact = [row for row in fitting if row.name == name]
    longest = max(len(row.name) for row in fitting)
    best = exact or [row for row in fitting if len(row.name) == longest]
    near = [row for row in best if _at(row.domain, domain)] or best
    likely = {row.likely for row in near}
    conflict = len(likely) > 1
    who = list(dict.fromkeys(row.provider for row in near if row.provider))
    return Suggestion(
        provider=" or ".join(who), likely=likely.pop() if len(likely) == 1 else "",
        sources=tuple(dict.fromkeys(row.source for row in near)), conflict=conflict,
    )  # fmt: skip


def _at(said: str, domain: str) -> bool:
    """Whether free text names the domain of a cookie, or one above it."""
    names = re.findall(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", said)
    return bool(domain) and any(domain == n or domain.endswith("." + n) for n in names)


def candidates(name: str, kind: Kind) -> Sequence[str]:
    """All names under which a row can stand that fits this one."""
    if kind == "host":
        labels = name.split(".")
        return [".".join(labels[n:]) for n in range(len(labels) - 1)]
    return [name[:n] for n in range(1, len(name) + 1)]
