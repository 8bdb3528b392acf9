"""A view of a page as a browser tells of it, and what may be kept of it.

What a browser sends comes from strangers. Only what the policy declares is read at all, each field
is made so coarse that it names nobody, and whatever else was sent is counted and dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import msgspec

from kept.decide.sightings import pattern, shown_host
from kept.decide.visit import ALLOWS, Visit, Why
from kept.policy.bundle import Bundle
from kept.terms.addresses import host_in

#: Where browsers send it.
PATH: Final = "/c"
#: Bytes of a message that are read at all.
LARGEST: Final = 2048
#: What a browser may say beside what is dropped.
_KNOWN: Final = frozenset({"id", "page", "referrer"})
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HOST: Final = re.compile(r"(?=.{1,120}\Z)[a-z0-9*-]{1,63}(\.[a-z0-9-]{1,63})+", re.ASCII)
#: What a browser calls itself → what it is, the first that is met. Its edition, its machine and its
#: add-ons would tell browsers apart, and are nothing of its type.
_BROWSERS: Final = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)  # fmt: skip
OTHER: Final = "other"
BROWSERS: Final = frozenset({OTHER, *(name for _, name in _BROWSERS)})

#: Why nothing is kept of a message.
Amiss = Literal["unreadable", "no id", "no page"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a browser told: the number that it gave this view, the kind of page, the host that
    led there (None: none, or the site itself), and how many things more that nobody asked for.
    """

    id: bytes
    page: str
    referrer: str | None
    dropped: int


_reads: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode


def read(body: bytes, host: str) -> Told | Amiss:
    """What a message says, or what is amiss with it. `host` is the site's own."""
    try:
        said = _reads(body)
        number, page = _text(said["id"]), _text(said["page"])
        referrer = _text(said["referrer"]) if "referrer" in said else ""
    except KeyError as missing:
        return "no id" if missing.args == ("id",) else "no page"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "unreadable"
    if _ID.fullmatch(number) is None:
        return "no id"
    if not page.startswith("/") or len(page) > LARGEST:
        return "no page"
    dropped = len(said) - len(said.keys() & _KNOWN)
    return Told(bytes.fromhex(number), _page(page), _referrer(referrer, host), dropped)


@lru_cache(maxsize=4096)
def _page(path: str) -> str:
    return pattern(path)


@lru_cache(maxsize=4096)
def _referrer(address: str, host: str) -> str | None:
    met = host_in(address) if address else None
    if met is None or met == host:
        return None
    shown = shown_host(met)
    return shown if _HOST.fullmatch(shown) else None


@lru_cache(maxsize=4096)
def browser(agent: str) -> str:
    """The type of a browser, by what it calls itself."""
    return next((name for mark, name in _BROWSERS if mark in agent), OTHER)


def country(text: str) -> str | None:
    """The country of what the operator's server says of a visitor; a part of it is too fine."""
    place = text.partition("-")[0].upper()
    return place if len(place) == 2 and place.isascii() and place.isalpha() else None


def reason(bundle: Bundle, visit: Visit) -> Why | None:
    """Why a view may be recorded, by what the visitor chose and the rule of her region; None: it
    may not, or the policy has none recorded.
    """
    events = bundle.visits.events
    activity = bundle.activities.get(events.activity) if events else None
    aim = bundle.visits.covering(activity.purpose) if activity else None
    why = visit.why.get(aim) if aim else None
    return why if why in ALLOWS else None
