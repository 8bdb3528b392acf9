"""Navigation: what a browser leaves behind is personal data where it can lead to somebody.

GDPR Art. 4(1) and recital 30: addresses of machines, cookies and devices identify people.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import Dataset, Field, OnErase
from kept.errors import IdentifierError, NotAble, StoreError
from kept.records.declared import SYSTEM
from kept.terms.identifiers import KINDS, Identifier

#: Rows of a dataset that are looked at for what they hold.
_SAMPLE: Final = 500
#: So much of what a column says has to be of a kind, in tenths.
_MOST: Final = 6
#: The longest and the shortest text that is held against the cookies of known people.
_LEAST, _LONGEST = 8, 200
_KIND_OF: Final = {
    "navigation.ip": "ip", "identifier.cookie": "cookie", "cookie": "cookie",
    "identifier.device": "device",
}  # fmt: skip
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: The words of a name of a column → what it holds; the whole name, or its end.
_ENDS: Final = {
    ("ip",): "ip", ("ip", "address"): "ip", ("ip", "addr"): "ip", ("ipaddress",): "ip",
    ("remote", "addr"): "ip", ("remote", "address"): "ip", ("client", "addr"): "ip",
    ("cookie",): "cookie", ("cookie", "id"): "cookie", ("visitor",): "cookie",
    ("visitor", "id"): "cookie", ("session", "key"): "cookie", ("session", "token"): "cookie",
    ("tracking", "id"): "cookie", ("anonymous", "id"): "cookie", ("advertising", "id"): "cookie",
    ("gclid",): "cookie", ("fbclid",): "cookie", ("idfa",): "cookie", ("gaid",): "cookie",
    ("device", "id"): "device", ("device", "token"): "device", ("push", "token"): "device",
    ("imei",): "device", ("imsi",): "device", ("udid",): "device", ("mac", "address"): "device",
    ("fingerprint",): "device",
}  # fmt: skip
_TEXTS: Final = ("text", "other", "uuid")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")


@control("navigation.traces-are-personal")
def traces_are_personal(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every column with addresses of machines, cookies or device ids is under the rules.

    It is known by its category, by its name, or by what a sample of its rows holds; whether the
    map names the table or not. It needs a category, the kind of identifier by which it is found,
    a retention class and an activity.
    """
    inspector = controller.inspect()
    for system in inspector.systems:
        if system == SYSTEM.name:
            continue
        mapped = controller.datamap.systems[system].datasets
        try:
            reality = inspector.reality(system)
        except StoreError as problem:
            yield unasked(system, problem)
            continue
        for there in reality:
            known = mapped.get(there.name)
            where = f"{system}.{there.name}"
            try:
                held = inspector.judged(
                    system, there, _SAMPLE, lambda values: _held(controller, values)
                )
            except NotAble:
                held = {}  # a service that lists no rows shows only how things are called
            except StoreError as problem:
                yield unasked(where, problem)
                continue
            traces = 0
            for name, real in there.fields.items():
                item = known.fields.get(name) if known is not None else None
                kind, by = _trace(real, item, held.get(name))
                if kind is not None:
                    traces += 1
                    yield from _judged(where, name, f"{_plural(kind)} ({by})", kind, known, item)
            yield Looked(traces, where, system)


def _trace(real: Field, item: Field | None, held: str | None) -> tuple[str | None, str]:
    """(the kind of trace that a column is, how that is known), or (None, "")."""
    if item is not None and item.identifies in ("ip", "cookie", "device"):
        return item.identifies, "as the map says"
    category = _KIND_OF.get((item.category if item is not None else None) or "")
    if category is not None:
        return category, "by its category"
    if held is not None:
        return held, "by what it holds"
    named = _named(real.name) if real.type in (*_TEXTS, "bytes") else None
    return (named, "by its name") if named is not None else (None, "")


def _named(column: str) -> str | None:
    words = tuple(word.lower() for word in _WORD.findall(column))
    return next((_ENDS[end] for n in range(len(words)) if (end := words[n:]) in _ENDS), None)


def _judged(
    where: str, name: str, what: str, kind: str, known: Dataset | None, item: Field | None
) -> Iterator[Finding]:
    """What is missing, so that the rules do not reach the column."""
    head = f"`{name}` holds {what}"
    if known is None or item is None:
        yield Finding(where, f"{head}, and no map names it", "map it with its category")
        return
    if item.others is not None:  # somebody has looked: it is another's, or nobody's
        return
    if item.category is None:
        yield Finding(where, f"{head}, and the map says that it is not personal", "give it a"
                      " `category:` and say whom it names under `identifies:`")  # fmt: skip
    elif not item.secret and item.identifies is None:
        yield Finding(where, f"{head}, and nobody is found by it", f"write `identifies: {kind}`")
    if known.retention is None:
        yield Finding(where, f"{head}, and has no retention class", "name one under `retention:`")
    if not known.activities:
        yield Finding(where, f"{head}, and serves no activity", "name one under `activities:`")
    if known.on_erase is OnErase.NEVER:
        yield Finding(where, f"{head}, and is never erased", "take `erase: never` away")


def _held(controller: Controller, values: Sequence[str]) -> str | None:
    """What most of these texts are: addresses of machines, cookies of known people, devices."""
    met = Counter(kind for kind in map(_kind, values) if kind is not None)
    for kind, count in met.items():
        if count * 10 >= len(values) * _MOST:
            return kind
    likely = [[one] for v in dict.fromkeys(values) if (one := _cookie(v)) is not None]
    return "cookie" if likely and any(controller.subjects.find_many(likely)) else None


def _cookie(text: str) -> Identifier | None:
    """A text that could be a cookie."""
    if not _LEAST <= len(text) <= _LONGEST or "@" in text:
        return None
    try:
        one = Identifier("cookie", text)
        return one if one.normalised else None
    except IdentifierError:
        return None


def _kind(text: str) -> str | None:
    if _MAC.fullmatch(text):
        return "device"
    if text.count(".") == 3 or text.count(":") >= 2:
        try:
            ipaddress.ip_address(text.partition("/")[0])
        except ValueError:
            return None
        return "ip"
    return None


def _plural(kind: str) -> str:
    return {"ip": "IP addresses", "cookie": "ids of cookies or visitors"}.get(
        kind, f"{KINDS[kind]}s"
    )
