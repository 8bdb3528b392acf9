"""Values as the person reads them: dates in words, long texts folded, pictures by their size."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import json
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from markupsafe import Markup, escape

from kept.duties.rights.tables import plain
from kept.model.cover import ROLES
from kept.model.values import Value, sizable
from kept.terms.tongues import count, day, say, spoken

#: Characters from which a text is folded, and how many of it are shown then.
_LONG: Final = 320
_LEAD: Final = 180
_COVERED: Final = frozenset(ROLES.values())
_DATA: Final = "data, not text"
#: Words with a hyphen that stay whole: addresses, and "e-mail" itself.
_ADDRESS: Final = re.compile(r"([^\s@<>,;]+@[^\s@<>,;]+|[Ee]-[Mm]ail)")
_JOINT: Final = re.compile(r"(?=@)|(?<=\.)")
_SEAM: Final = re.compile(r"(?<=[/._])(?=.)")
#: The longest part of an address that is never broken, in characters; a longer one may break
#: anywhere, so that no hyphen at the end of a line is taken for one that was put there.
_BOUND: Final = 16
#: How files begin → what people call them.
_KINDS: Final = (
    (b"\x89PNG\r\n", "picture (PNG)"), (b"\xff\xd8\xff", "picture (JPEG)"),
    (b"GIF8", "picture (GIF)"), (b"%PDF", "document (PDF)"), (b"PK\x03\x04", "archive or document"),
)  # fmt: skip

Kind: TypeAlias = Literal["", "none", "short", "covered", "long", "code"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as text, and how it is set. `lead`: what is seen of it before it is unfolded."""

    text: str
    kind: Kind = ""
    lead: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing is stored there."""
        return self.kind == "none"


def cell(value: Value, type_: str = "text") -> Cell:
    """A value of a column of that type (of the map) for the page."""
    if value is None or value == "":
        return Cell("–", "none")
    if isinstance(value, str):
        if value in _COVERED:
            return Cell(say(value), "covered")
        return _structured(value) if type_ == "json" else _text(_roles(value))
    text = words(value)
    return Cell(text, "short" if len(text) < 20 else "")


def words(value: Value) -> str:
    """A value as people read it; bytes only by what and how many they are."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, bytes):
        met = (name for head, name in _KINDS if value.startswith(head))
        return f"{say(next(met, _DATA))}, {_size(len(value))}"
    if isinstance(value, dt.datetime):
        return _moment(value)
    if isinstance(value, dt.date):
        return day(value)
    if isinstance(value, decimal.Decimal) and sizable(value):
        return f"{value:,}" if spoken().tongue.thousands == "," else _turned(f"{value:,}")
    return str(plain(value))


def _moment(value: dt.datetime) -> str:
    """To the minute, in UTC where the zone is known; that it is UTC the page says once."""
    if value.utcoffset():
        # The first and the last hours of the calendar may have no time in UTC.
        with contextlib.suppress(OverflowError):
            value = value.astimezone(dt.UTC)
    return f"{day(value.date())}, {value:%H:%M}"


def _text(value: str) -> Cell:
    if len(value) <= _LONG:
        return Cell(value, "short" if len(value) < 20 else "")
    head = value[:_LEAD]
    cut = head.rfind(" ")
    return Cell(value, "long", f"{head[: cut if cut > _LEAD // 2 else _LEAD].rstrip()} …")


def _structured(value: str) -> Cell:
    try:
        known = json.loads(value)
    except ValueError:
        return _text(value)
    if not isinstance(known, (dict, list)):
        return _text(str(known))
    lead = count(len(known), "{n} entry", "{n} entries")
    return Cell(json.dumps(known, ensure_ascii=False, indent=2), "code", lead)


def _size(size: int) -> str:
    if size < 1000:
        return count(size, "{n} byte", "{n} bytes")
    text = f"{size / 1000:,.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"
    return text if spoken().tongue.thousands == "," else _turned(text)


def _turned(text: str) -> str:
    """A number in a language that writes the comma where English writes the point."""
    return text.translate(str.maketrans(",.", ".,"))


def _roles(text: str) -> str:
    """A text in which others are covered, what stands for them in the language spoken."""
    if "[" not in text:
        return text
    for role in _COVERED:
        for what in ("", "'s e-mail address", "'s telephone number"):
            text = text.replace(f"[{role}{what}]", f"[{say(role + what)}]")
    return text


def whole(text: str) -> Markup:
    """A text for the page in which an address breaks at its @ and dots, and never at a hyphen."""
    return Markup("").join(
        _bound(part) if i % 2 else escape(part) for i, part in enumerate(_ADDRESS.split(text))
    )


def jointed(name: str) -> Markup:
    """The name of a file or column for the page, which may break after / . and _ only."""
    return Markup("<wbr>").join(_SEAM.split(name))


def _bound(address: str) -> Markup:
    def part(text: str) -> Markup:
        kind = "bound" if len(text) <= _BOUND else "run"
        return Markup('<span class="{}">{}</span>').format(kind, text)

    parts = [p for p in _JOINT.split(address) if p]
    return Markup("<wbr>").join(part(p) if "-" in p else escape(p) for p in parts)
