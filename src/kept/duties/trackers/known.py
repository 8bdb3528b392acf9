"""Who an unknown cookie or host may be, by lists that the operator imported. They allow nothing."""

from __future__ import annotations

import datetime as dt
import hashlib

from kept.controller import Controller
from kept.decide import known
from kept.decide.known import Suggestion
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.known import Source

_LARGEST = 64 * 1024 * 1024


def take(
    controller: Controller, body: bytes, source: str, licence: str, dated: dt.date,
    now: dt.datetime,
) -> Source:  # fmt: skip
    """Import a list; an older one under the same name goes."""
    if len(body) > _LARGEST:
        raise UsageError("the list is too long", expected=f"at most {_LARGEST:,} bytes")
    if not source.strip() or not licence.strip():
        raise UsageError("a list without its source or its licence is not kept")
    if dated > controller.day(now):
        raise UsageError("the list is of a day that has not come")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("the list cannot be read", expected="a text in UTF-8") from None
    kind, rows, left = known.read(text.replace("\0", ""))
    digest = hashlib.sha256(body).hexdigest()
    made = Source(source.strip()[:120], kind, dated, licence.strip()[:120], digest, now, left,
                  len(rows))  # fmt: skip
    entry = {
        "source": name(made.source), "licence": name(made.licence), "rows": len(rows),
        "left": left, "file": digest,
    }  # fmt: skip
    with controller.database.connection() as c:
        controller.known_names.replace(made, rows, connection=c)
        controller.ledger.append_in(c, [Entry("trackers.imported", now, entry)])
    return made


def suggest(controller: Controller, kind: str, met: str, domain: str = "") -> Suggestion | None:
    """Who something may be; None where no list knows it."""
    if kind not in ("host", "cookie"):
        return None
    which: known.Kind = "host" if kind == "host" else "cookie"
    return known.suggest(controller.known_names.of(which, met.rstrip("*")), met.rstrip("*"), domain)


def words(one: Suggestion | None) -> str:
    """A suggestion in words; with what it is for only where the lists agree."""
    if one is None:
        return "–"
    what = "the lists do not agree what for" if one.conflict else (
        f"likely: {one.likely}" if one.likely else "what for, the list does not say")  # fmt: skip
    return "; ".join(filter(None, (one.provider, what, f"by {', '.join(one.sources)}")))
