"""From a browser to whoever is known by the site's own cookie in it: a no goes along, a yes never.

What is refused in a browser is kept for its cookie as a keyed hash: whatever leaves the servers
about that cookie, or about the person it is known to be, is denied from the next decision on. A
yes lifts only what the same browser had refused, so that signing in widens nothing: what a
person herself refused stays refused.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from types import MappingProxyType

from kept.controller import Controller
from kept.database import Connection
from kept.decide.visit import ALLOWS, Visit
from kept.errors import IdentifierError
from kept.ledger.entry import Entry, name
from kept.model.choice import Choices
from kept.records.suppression import BROWSER, FACT
from kept.terms.identifiers import Identifier


def reach(controller: Controller, cookie: str | None, choices: Choices, now: dt.datetime) -> int:
    """Carry a choice to the site's own cookie; how many purposes changed there."""
    if not cookie:
        return 0
    try:
        one = Identifier("cookie", cookie)
    except IdentifierError:
        return 0
    changed = 0
    known = controller.subjects.find([one])
    with controller.database.connection() as connection:
        entries: list[Entry] = []
        for aim, yes in choices.aims.items():
            for purpose in controller.bundle.visits.aims[aim].covers:
                channel = f"{FACT}objection:{purpose}"
                if yes:
                    moved = controller.suppressions.lift(
                        one, channel=channel, source=BROWSER, connection=connection
                    )
                else:
                    moved = bool(
                        controller.suppressions.add(
                            [one], now, channel=channel, source=BROWSER, connection=connection
                        )
                    )
                if moved:
                    changed += 1
                    kind = "objection.lifted" if yes else "objection.made"
                    body = {"purpose": name(purpose), "source": name(BROWSER)}
                    entries.append(Entry(kind, now, body))
                if not yes:
                    entries += _withdraw(controller, known, purpose, now, connection)
        if entries:
            controller.ledger.append_in(connection, entries)
    return changed


def heed(controller: Controller, cookie: str | None, visit: Visit, now: dt.datetime) -> int:
    """Carry a signal to the site's own cookie, and so to whoever is known by it: a no to sharing
    where nothing was chosen in this browser, and never a yes; how many purposes changed there.
    """
    heard = {aim: False for aim, why in visit.why.items() if why == "signal"}
    if not cookie or not heard:
        return 0
    try:
        known = controller.suppressions.channels(Identifier("cookie", cookie))
    except IdentifierError:
        return 0
    aims = controller.bundle.visits.aims
    # Said once it is said: every page that is asked about would change her record else.
    if all(f"{FACT}objection:{p}" in known for aim in heard for p in aims[aim].covers):
        return 0
    edition = controller.bundle.edition
    return reach(controller, cookie, Choices(controller.day(now), edition, heard), now)


def _withdraw(
    controller: Controller, people: tuple[int, ...], purpose: str, now: dt.datetime,
    connection: Connection,
) -> list[Entry]:  # fmt: skip
    """Take back what those known by the cookie had agreed to; nothing where nobody had."""
    entries = []
    for subject in people:
        held = controller.consents.facts(subject, now, connection=connection).held
        if f"consent:{purpose}" in held:
            controller.consents.withdraw(
                subject, purpose, now, source=BROWSER, connection=connection
            )
            body = {
                "purpose": name(purpose),
                "source": name(BROWSER),
                "subject": controller.vault.pseudonym(subject, "case", now, connection=connection),
                "had": True,
            }
            entries.append(Entry("consent.withdrawn", now, body))
    return entries


def narrowed(controller: Controller, visit: Visit, cookie: str | None, now: dt.datetime) -> Visit:
    """A visit without what the person known by the site's own cookie has refused herself.

    Only ever less: who is signed in has what she refused, and nothing that she did not allow here.
    """
    if not cookie:
        return visit
    try:
        held = controller.facts(Identifier("cookie", cookie), now).held
    except IdentifierError:
        return visit
    why = dict(visit.why)
    for name_, reason in visit.why.items():
        aim = controller.bundle.visits.aims[name_]
        no = {f"{kind}:{p}" for kind in ("objection", "withdrawn") for p in aim.covers}
        if reason in ALLOWS and not aim.necessary and held & {*no, "restricted", "erased"}:
            why[name_] = "refused"
    return replace(visit, why=MappingProxyType(why))
