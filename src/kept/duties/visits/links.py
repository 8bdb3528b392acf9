"""Links by which people opt out elsewhere: which there are, for whom, and whether they still work.

What others do with an opt-out nobody here can see; that is said. A link is looked at only where
the operator wrote its host into kept.toml: this house asks no host by itself.
"""

from __future__ import annotations

import datetime as dt
import http.client
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from kept.controller import Controller
from kept.ledger.entry import Entry, name
from kept.model.choice import DAYS
from kept.policy.bundle import Bundle
from kept.policy.shapes import Link
from kept.records.visit import Look
from kept.terms.addresses import place_of
from kept.terms.regimes import start_of

#: Asks an address: the status and where it was sent on to; None where nobody answers.
Ask: TypeAlias = Callable[[str], tuple[int, str | None] | None]
_SECONDS: Final = 10.0
#: How a link can stand that is no use to anybody.
DEAD: Final = frozenset({"gone", "moved", "unreachable"})


@dataclass(frozen=True, slots=True)
class OptOut:
    """A link by which somebody opts out elsewhere: whose trackers it is for."""

    link: Link
    of: tuple[str, ...]


def opt_outs(bundle: Bundle, eu: bool | None = None) -> list[OptOut]:
    """The opt-outs elsewhere that are for somebody in the EU, elsewhere, or who knows where."""
    found: dict[str, list[str]] = {}
    for row in bundle.trackers.values():
        for one in row.opt_out:
            found.setdefault(one, []).append(row.title)
    fits = {True: ("EU", None), False: ("elsewhere", None), None: ("EU", "elsewhere", None)}[eu]
    return [
        OptOut(link, tuple(found[link.id]))
        for link in bundle.links.values()
        if link.id in found and link.where in fits
    ]


def watched(controller: Controller) -> list[Link]:
    """The links of the policy that the operator lets be looked at: where people are sent to."""
    sent = {o.link.id for o in opt_outs(controller.bundle)}
    sent |= {row.policy for row in controller.bundle.trackers.values() if row.policy}
    sent |= {link.id for link in controller.bundle.links.values() if link.needed}
    return [
        link
        for link in controller.bundle.links.values()
        if link.id in sent and link.url and place_of(link.url) in controller.looks
    ]


def look(controller: Controller, now: dt.datetime, ask: Ask | None = None) -> list[Look]:
    """Look at every link that may be looked at, and keep how it stood."""
    ask = ask or _ask
    made = []
    for link in watched(controller):
        assert link.url is not None
        answer = ask(link.url)
        status = answer[0] if answer else None
        one = Look(link.id, link.url, now, _outcome(link.url, answer), status)
        with controller.database.connection() as connection:
            controller.visits.looked(one, connection=connection)
            body = {"link": name(link.id), "outcome": name(one.outcome)}
            extra = {} if one.status is None else {"status": one.status}
            controller.ledger.append_in(connection, [Entry("link.looked", now, {**body, **extra})])
        made.append(one)
    return made


def stands(url: str, ask: Ask | None = None) -> str:
    """How any address stands that leads elsewhere: there, moved, gone, unreachable."""
    return _outcome(url, (ask or _ask)(url))


def _outcome(url: str, answer: tuple[int, str | None] | None) -> str:
    if answer is None:
        return "unreachable"
    status, onward = answer
    if 300 <= status < 400:
        return "moved" if _is_home(url, onward) else "there"
    # Somebody who keeps programs out is still there for people.
    return "there" if 200 <= status < 300 or status in (401, 403, 405, 429) else "gone"


def _is_home(url: str, onward: str | None) -> bool:
    """Whether an address now leads to a front page: what was there is not any more."""
    if onward is None:
        return True
    before = urllib.parse.urlsplit(url)
    after = urllib.parse.urlsplit(urllib.parse.urljoin(url, onward))
    deep = before.path.strip("/") or before.query
    return bool(deep) and not after.path.strip("/") and not after.query


def _ask(url: str) -> tuple[int, str | None] | None:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS)
        try:
            connection.request("GET", path, headers={"Accept": "text/html"})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None


def forget(controller: Controller, now: dt.datetime) -> int:
    """Let choices go whose proof nobody needs any more; how many.

    A choice counts for 180 days; from then on the period of the class for preferences runs. Where
    the operator has not decided it, nothing goes.
    """
    keep = next(
        (r.keep for r in controller.bundle.retention.values() if r.category == "preference"), None
    )
    if keep is None:
        return 0
    return controller.visits.forget(start_of(now, keep) - dt.timedelta(days=DAYS))
