"""Mail of somebody else: a customer's own mailing, or a partner's. Nothing of theirs is touched.

Who complains is told both ways to have it stopped; of her nothing is kept but that it was asked.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.duties.rights.intake import clean, ended, turning_away, within_limits
from kept.ledger.entry import Entry
from kept.policy.bundle import Bundle
from kept.policy.shapes import Recipient
from kept.records.intake import State
from kept.terms.asks import MAIL_OF_PARTNER

#: The lane of partners in the vocabulary.
PARTNER: Final = "partner"


@dataclass(frozen=True, slots=True)
class Guidance:
    """What is told: whose mail it is (a kind of terms.asks), the name as it was given, and the
    address of that partner's own policy, where it is registered.
    """

    kind: str
    name: str
    policy: str = ""


def partners(bundle: Bundle) -> dict[str, Recipient]:
    """Name, in small letters → partner that the register names."""
    within = bundle.vocabulary.within
    return {
        r.name.casefold(): r for r in bundle.recipients.values()
        if within("recipients", r.lane, PARTNER)
    }  # fmt: skip


def complain(
    controller: Controller, kind: str, sender: str, *, once: str, source: str, now: dt.datetime
) -> Guidance:
    """Record that somebody complained, and what she is told. Raises TooMany past the limits."""
    sender = clean(sender)[:200]
    with turning_away(controller, now), controller.database.connection() as c:
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
    known = partners(controller.bundle).get(sender.casefold())
    policy = (known.policy or "") if known is not None and kind == MAIL_OF_PARTNER else ""
    return Guidance(kind, sender, policy)
