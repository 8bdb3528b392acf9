"""What stands out of what staff does: many people opened within an hour.

Whatever shows a person's data to staff calls `noted` first. Whatever approves the plan of a case
calls `Controller.approving` first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from kept.controller import Controller
from kept.ledger.entry import Entry, name
from kept.records.account import Account
from kept.records.actor import Actor


def noted(
    controller: Controller, actor: Actor, what: Iterable[str], records: int, now: dt.datetime
) -> bool:
    """Note whom somebody opens: ids of cases or people, and how many records of them in all.

    True: an alert was raised, because within an hour there were as many as kept.toml [desk] takes
    for too many. One alert an hour is raised about the same name.
    """
    with controller.database.connection() as c:
        entries = controller.noted(actor, what, records, now, connection=c)
        if entries:
            controller.ledger.append_in(c, entries)
    return bool(entries)


def shown(
    controller: Controller, account: Account, actor: Actor, what: tuple[str, str], records: int,
    now: dt.datetime,
) -> None:  # fmt: skip
    """Note that somebody was shown whom a case or a request names, and what was said there:
    `what` is (`case` or `request`, its id). It is counted, and entered before it is shown.
    """
    kind, id_ = what
    with controller.database.connection() as c:
        entries = controller.noted(actor, [id_], records, now, connection=c)
        body = {kind: id_, "records": records, "account": account.id, "actor": name(actor.role)}
        controller.ledger.append_in(c, [Entry("data.shown", now, body), *entries])
