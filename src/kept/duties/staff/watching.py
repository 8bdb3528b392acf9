"""What stands out of what staff does: many people opened within an hour, and who approves what.

Whatever shows a person's data to staff calls `noted` first; whatever approves a plan calls
`may_approve` first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from kept.controller import Controller
from kept.errors import Denied
from kept.ledger.entry import Entry, name
from kept.records.account import Account
from kept.records.actor import Actor
from kept.terms import separation


def noted(
    controller: Controller, actor: Actor, what: Iterable[str], records: int, now: dt.datetime
) -> bool:
    """Note whom somebody opens: ids of cases or people, and how many records of them.

    True: an alert was raised, because within an hour there were more than kept.toml [desk] takes
    for usual. One alert an hour is raised of the same name.
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


def may_approve(
    controller: Controller, who: str, did: Iterable[separation.Did], rows: int, *,
    early: bool = False,
) -> None:  # fmt: skip
    """Refuse an approval that needs another person: `who` is the name of an account, `did` what
    accounts did in the case, `rows` what its plan destroys. Raises Denied.
    """
    large = separation.is_large(rows, controller.desk.large)
    why = separation.approving(who, did, large=large, early=early)
    if why:
        raise Denied(f"this approval is not yours: {why}", fix="another approver looks at it")
