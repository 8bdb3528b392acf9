"""Until when the role `support` sees a person: while something is owed to her, in an open case.

Here alone it is said when a case, a request or a complaint is over for that role. The guard of the
desk asks for every path below one of them, pages ask what to offer, and so do commands.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Set
from typing import Final, TypeAlias

from kept.controller import Controller
from kept.errors import Denied
from kept.records import answered
from kept.records.case_state import FINISHED, Case, State
from kept.records.complaint import Complaint
from kept.records.intake import Intake

#: The role that sees a person only while something is owed to her.
SUPPORT: Final = "support"
#: What a person has here, and what names her.
About: TypeAlias = Case | Intake | Complaint


def over(controller: Controller, one: About, now: dt.datetime) -> bool:
    """Whether nothing is owed any more: a case has ended and she was told, or she took it back; a
    complaint has ended; every case of a request is over, and nothing else is left to do on it,
    whether or not the job has entered its end yet.
    """
    if isinstance(one, Complaint):
        return not one.open
    if isinstance(one, Intake):
        return (one.ended_at is not None or one.only_cases) and all(
            over(controller, controller.cases.get(id_), now) for _, id_ in one.cases
        )
    if one.state not in FINISHED:
        return False
    told = answered.days(controller.database, [one.number], now, controller.desk.zone)
    return one.state is State.WITHDRAWN or one.number in told


def counting(
    controller: Controller, roles: Set[str], one: About, now: dt.datetime
) -> frozenset[str]:
    """Those of somebody's roles that count for it: all, and `support` only until it is over."""
    if SUPPORT in roles and over(controller, one, now):
        return frozenset(roles - {SUPPORT})
    return frozenset(roles)


def require(controller: Controller, roles: Set[str], one: About, now: dt.datetime) -> None:
    """Refuse whoever has none but `support` of the roles that may, once it is over. Denied."""
    if roles and not counting(controller, roles, one, now):
        raise Denied(
            "support sees whom it is about while something is owed to the person; this one is over",
            fix="ask a privacy officer",
        )
