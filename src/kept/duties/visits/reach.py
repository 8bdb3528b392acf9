"""From a browser to whoever is known by the site's own cookie in it: a no goes along, a yes never.

What is refused in a browser is kept for its cookie as a keyed hash: whatever leaves the servers
about that cookie, or about the person it is known to be, is denied from the next decision on. A
yes lifts only what the same browser had refused, so that signing in widens nothing: what a
person herself refused stays refused.
"""

from __future__ import annotations

import datetime as dt

from kept.controller import Controller
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
    with controller.database.connection() as connection:
        entries = []
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
        if entries:
            controller.ledger.append_in(connection, entries)
    return changed
