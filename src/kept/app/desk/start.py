"""The first page of the desk: what is to be done, and what is due first."""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any, Final

from litestar import Response, get
from litestar.datastructures import State

from kept.app.desk.guard import Asked, session
from kept.app.desk.render import page
from kept.app.desk.working import Shown, may, near
from kept.controller import Controller
from kept.duties.rights import casework
from kept.errors import StoreError
from kept.records.case_state import State as CaseState
from kept.records.worklist import Line, Untold
from kept.terms import clocks
from kept.terms.asks import ASKS, CHILD_REPORT, UNCLEAR
from kept.terms.rights import RIGHTS

#: Cases on one page, and requests above them.
PAGE: Final = 50
_ASKED: Final = 20
_PLACE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d{1,18})")
#: States in which a case can wait, in words.
STATES: Final = {
    CaseState.RECEIVED: "to be checked who asks", CaseState.ACKNOWLEDGED: "told that it has come",
    CaseState.IDENTIFIED: "known who asks", CaseState.PLANNED: "looked at",
    CaseState.APPROVED: "approved", CaseState.EXECUTING: "being carried out",
    CaseState.EXECUTED: "to be read back", CaseState.CHECKED: "not complete",
}  # fmt: skip
#: What is said where it was checked who asks, and that is too little for what is asked.
UNKNOWN: Final = "not known well enough who asks"
#: What is said where nothing but an answer of recipients is left.
WAITS: Final = "waits for recipients"
#: Kinds whose title speaks to the person who asks.
_ASKS: Final = {CHILD_REPORT: "A report of data of a child", UNCLEAR: "Not clear what is asked"}
_WHOSE: Final = {"mine": "mine", "nobodys": "nobody’s"}
_DUE: Final = {"late": "late", "today": "due today or late", "week": "due this week or late"}


@get("/", sync_to_thread=True)
def start(request: Asked, state: State) -> Response[str]:
    """What waits, most urgent first; of a case no name of a person stands here."""
    controller: Controller = state.controller
    now, who = state.clock(), session(request).account
    today = controller.day(now)
    week = today + dt.timedelta(days=6 - today.weekday())
    asked = request.query_params
    right = asked.get("right") if asked.get("right") in RIGHTS else None
    at = next((s for s in STATES if s == asked.get("state")), None)
    whose = asked.get("whose") if asked.get("whose") in _WHOSE else None
    due = asked.get("due") if asked.get("due") in _DUE else None
    day = dt.timedelta(days=1)
    before = {None: None, "late": today, "today": today + day, "week": week + day}[due]
    met = _PLACE.fullmatch(asked.get("after", ""))
    mine = who.number if whose == "mine" else None
    lines = controller.worklist.page(
        right=right, state=at, owner=mine, nobodys=whose == "nobodys", before=before,
        after=_place(met) if met else None, most=PAGE + 1,
    )  # fmt: skip
    filters = {"due": due, "right": right, "state": at, "whose": whose}
    chosen = {name: value for name, value in filters.items() if value}
    last = lines[PAGE - 1] if len(lines) > PAGE else None
    onward = None
    if last is not None:
        after = f"{last.due}.{last.number}"
        onward = "/desk?" + urllib.parse.urlencode({**chosen, "after": after})
    # Under a number, and of whose task it is, stands all; by what else a case is chosen waits to be
    # done.
    untold, silent = ([], 0) if chosen.keys() - {"due", "whose"} or met else (
        controller.worklist.untold(
            now, controller.desk.zone, _ASKED, before, owner=mine, nobodys=whose == "nobodys"
        )
    )  # fmt: skip
    return page(
        request, "desk_start.html.j2", rights=RIGHTS, states=STATES, whose=_WHOSE, dues=_DUE,
        chosen=chosen, onward=onward, later=bool(met),
        lines=[_line(controller, one, today) for one in lines[:PAGE]],
        tally=controller.worklist.tally(today, week, now, controller.desk.zone),
        held=len(controller.intakes.held()),
        loops=[(id_, RIGHTS[right].title if right in RIGHTS else right, n, anew, since)
               for id_, right, n, anew, since in controller.recipients.open_loops()],
        away=[(g.system, max(g.days(now), 0), g.since) for g in controller.away.all()],
        doubts=controller.doubts.waiting()[0], tasks=_tasks(request, controller),
        complaints=len(controller.complaints.all(open_only=True)),
        unsent=controller.mailed.unsent(), silent=silent,
        untold=[_dated(controller, one, today) for one in untold],
        asked=[_asked(one, today) for one in controller.intakes.to_do(_ASKED)],
    )  # fmt: skip


def _tasks(request: Asked, controller: Controller) -> int | None:
    """How many tasks wait for whoever asks; None: one cannot be read, which the page of the tasks
    says, and which does not keep anybody from this one.
    """
    if not may(request, "task done"):
        return 0
    try:
        return sum(t.open for t in casework.serves(controller, session(request).account))
    except StoreError:
        return None


def asks(kinds: Iterable[str]) -> str:
    """What is asked, in words for the staff."""
    return ", ".join(_ASKS.get(k) or (ASKS[k].title if k in ASKS else k) for k in kinds)


def stands(one: Line) -> str:
    """How a case of a list stands, in words."""
    if one.waits:
        return WAITS
    if one.state is CaseState.IDENTIFIED and not one.known:
        return UNKNOWN
    # What she chose holds already; a system is still to be asked, or it is to be weighed.
    holds = one.state in (CaseState.CHECKED, CaseState.NOTIFIED)
    if holds and one.right in ("restriction", "objection"):
        return "in force, and not finished"
    return STATES.get(one.state, one.state.value)


def _place(met: re.Match[str]) -> tuple[dt.date, int] | None:
    try:
        return dt.date.fromisoformat(met[1]), int(met[2])
    except ValueError:
        return None


def _line(controller: Controller, one: Line, today: dt.date) -> dict[str, Any]:
    made = _dated(controller, one, today)
    made["stands"] = stands(one)
    if one.paused and today <= one.due:
        made["near"] = Shown("paused", "stands still")
    return made


def _dated(controller: Controller, one: Line | Untold, today: dt.date) -> dict[str, Any]:
    """What was asked for, and how near the day of the answer is."""
    days = controller.workdays
    left = days.left(today, one.due) if today <= one.due else -(today - one.due).days
    return {
        "one": one,
        "right": RIGHTS[one.right].title if one.right in RIGHTS else one.right,
        "near": near(clocks.light(today, one.due, days), left),
    }


def _asked(one: Any, today: dt.date) -> dict[str, Any]:
    child = CHILD_REPORT in one.asked
    days = (today - one.arrived).days
    return {
        "one": one,
        "child": child,
        "what": asks(one.asked),
        "left": "freeze it, or decide" if one.held
        else "decide: is it a child’s?" if child
        else "say what is asked" if UNCLEAR in one.asked
        else "answer" if one.outcome else "is being opened",
        "since": "today" if days <= 0 else "yesterday" if days == 1 else f"{days} days ago",
    }  # fmt: skip


HANDLERS: Final = [start]
