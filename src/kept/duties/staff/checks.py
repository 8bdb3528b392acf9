"""Controls on staff: who may what is looked at again, and reading in bulk is noticed."""

from __future__ import annotations

import datetime as dt
import http.client
import re
import urllib.parse
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.terms import separation

#: Said by whoever is not let in: the routes that anybody may ask have no role in the table.
_REFUSED: Final = (401, 403)
#: Whoever may come without a login.
_PUBLIC: Final = frozenset({"guest", "person"})
_PLACE: Final = re.compile(r"\{[^}]+\}")
_WHERE = "the staff's desk"
_REVIEW = "a privacy officer looks at /desk/accounts, takes away what is too much, and says so"


@control("security.access-is-reviewed")
def access_is_reviewed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Who of the staff may see what is looked at again in time, and roles apart stay apart."""
    accounts = {a.number: a for a in controller.accounts.all(now) if a.disabled_at is None}
    grants = controller.accounts.grants()
    yield Looked(len(grants), _WHERE)
    oldest = now - dt.timedelta(days=controller.desk.review_days)
    late = [
        g
        for g in grants
        if g.holds(now) and g.account in accounts and max(g.at, g.reviewed_at or g.at) < oldest
    ]
    if late:
        days = controller.desk.review_days
        yield Finding(
            _WHERE, f"{len(late)} roles were not looked at again within {days} days", _REVIEW
        )
    broken = [
        g for g in grants
        if g.until is not None and g.reviewed_at is None and g.at < now - dt.timedelta(days=7)
    ]  # fmt: skip
    if broken:
        yield Finding(
            _WHERE,
            f"{len(broken)} roles were taken in an emergency, and no officer looked into it"
            " within a week",
            _REVIEW,
        )
    both = sum(separation.together(a.roles) is not None for a in accounts.values())
    if both:
        yield Finding(_WHERE, f"{both} accounts hold roles that are kept apart", _REVIEW)


@control("security.bulk-reads-are-noticed")
def bulk_reads_are_noticed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever of the staff opened many people within an hour, an alert was raised about it.

    What is many is what kept.toml said at that time.
    """
    usual = (controller.desk.people, controller.desk.records)
    hours = controller.watch.hours(now - dt.timedelta(days=30))
    yield Looked(len(hours), _WHERE)
    missed = [hour for hour, _, alerted in hours if hour.too_much(usual) and not alerted]
    if missed:
        yield Finding(
            _WHERE,
            f"{len(missed)} times many people were opened within an hour, and no alert was raised",
            "ask who it was and why; see whether the thresholds in kept.toml [desk] were raised",
        )
    waiting = [
        a for a in controller.watch.alerts(unseen=True) if a.at < now - dt.timedelta(days=7)
    ]  # fmt: skip
    if waiting:
        yield Finding(
            _WHERE,
            f"nobody looked into {len(waiting)} alerts within a week",
            "a privacy officer looks into them at /desk/accounts",
        )


@control("security.doors-are-guarded")
def doors_are_guarded(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever is not logged in is let in nowhere: every route with roles is asked, and refuses.

    Not those of people who ask: anybody may send such a form, and proves who it is by a code.
    Where nothing is served, or another program answers, nothing was looked at.
    """
    del now
    asked = [s for s in controller.surfaces if s.kind == "http" and s.roles - _PUBLIC]
    if controller.site_url is None or not asked:
        return
    base = urllib.parse.urlsplit(controller.site_url)
    kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    answers: list[tuple[str, int]] = []
    for surface in asked:
        connection = kind(base.hostname or "", base.port, timeout=10)
        try:
            connection.request(
                surface.method,
                _PLACE.sub("1", surface.name),
                "" if surface.changes else None,
                {"Origin": f"{base.scheme}://{base.netloc}",
                 "Content-Type": "application/x-www-form-urlencoded"},
            )  # fmt: skip
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return  # nothing is served now: nothing was looked at
        finally:
            connection.close()
        answers.append((f"{surface.method} {surface.name}", status))
    # A site that leads no visitor to the desk answers these paths itself, with whatever it has: a
    # page for every path is no open door, and a page that is missing no door that was tried.
    if not any(status in _REFUSED for _, status in answers) and not _is_desk(base, kind):
        return
    yield Looked(len(answers), "routes with roles")
    for route, status in answers:
        # A desk that is not served is let in by nobody either.
        if status not in _REFUSED and status != 404:
            yield Finding(
                route, f"it answers {status} to somebody who is not logged in",
                "look at what stands before the server, and at the guard of that route",
            )  # fmt: skip


def _is_desk(base: urllib.parse.SplitResult, kind: type[http.client.HTTPConnection]) -> bool:
    """Whether the page there on which the staff logs in is that of Kept."""
    connection = kind(base.hostname or "", base.port, timeout=10)
    try:
        connection.request("GET", "/desk/login")
        return b'action="/desk/login"' in connection.getresponse().read(100_000)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
