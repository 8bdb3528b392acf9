"""Mail of somebody else: a customer's own mailing, or a partner's. Nothing of theirs is touched.

Who complains is told both ways to have it stopped; of her nothing is kept but that it was asked.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from kept.controller import Controller
from kept.duties.rights.intake import clean, ended, within_limits
from kept.ledger.entry import Entry
from kept.records.intake import State


@dataclass(frozen=True, slots=True)
class Guidance:
    """What is told: whose mail it is (a kind of terms.asks), and the name as it was given."""

    kind: str
    name: str


def complain(
    controller: Controller, kind: str, sender: str, *, once: str, source: str, now: dt.datetime
) -> Guidance:
    """Record that somebody complained, and what she is told. Raises TooMany past the limits."""
    sender = clean(sender)[:200]
    with controller.database.connection() as c:
        controller.intakes.one_at_a_time(c)
        if controller.intakes.by_once(once, connection=c) is None:
            within_limits(controller, None, source, now, c)
            one = controller.intakes.take(
                "web", (kind,), {}, now, state=State.ENTERED, source=source, once=once,
                connection=c,
            )  # fmt: skip
            body = {"request": one.id, "channel": one.channel, "kinds": [kind]}
            controller.ledger.append_in(c, [Entry("request.taken", now, body)])
            ended(controller, one, State.ANSWERED, "guidance", None, now, c, forget=True)
    return Guidance(kind, sender)
