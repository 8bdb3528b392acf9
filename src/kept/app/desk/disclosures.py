"""To whom data of one person was given: listed without whose it was, and noted."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State

from kept.app.desk.asked import people, rows_of
from kept.app.desk.guard import Asked, Form, form
from kept.app.desk.render import back, page, said
from kept.app.desk.working import actor, may
from kept.controller import Controller
from kept.duties import disclosure
from kept.errors import KeptError, UsageError
from kept.terms.disclosures import COMPELLED, OF_HER
from kept.terms.identifiers import KINDS

#: Lines on the page; all of them stand in `kept disclosure list`.
_SHOWN: Final = 200


@get("/disclosures", sync_to_thread=True)
def listed(request: Asked, state: State) -> Response[str]:
    """Every line of the record, the newest first."""
    return _page(request, state)


@post("/disclosures/add", status_code=303, sync_to_thread=True)
def add(request: Asked, state: State) -> Response[Any]:
    """Note that data of one person was given to somebody."""
    sent, controller, now = form(request), state.controller, state.clock()
    try:
        who = actor(request, state, "disclosure add")
        until, law = sent.one("until"), sent.one("law").strip()
        if bool(until) != bool(law):
            raise UsageError(
                "nobody is kept from knowing without an end, or without a law",
                expected="both the law that forbids to tell her, and the day on which that ends",
            )
        disclosure.note(
            controller, people(sent), sent.one("to"), _day(sent.one("on")), sent.all("what"),
            sent.one("ground"), who, now, title=sent.one("name").strip() or None,
            barred=(_day(until), law) if until else None,
        )  # fmt: skip
        controller.ledger.checkpoint(now)
    except KeptError as problem:
        return _page(request, state, said(problem), sent)
    return back("/desk/disclosures", "disclosed")


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError("that is no day", expected="a day as 2026-01-31") from None


def _page(
    request: Asked, state: State, problem: str | None = None, sent: Form | None = None
) -> Response[str]:
    controller: Controller = state.controller
    words = controller.bundle.vocabulary
    lanes = {id_: term.label for id_, term in words.recipients.items()}
    known = {
        **lanes, **{n: w.title or lanes.get(n, n) for n, w in controller.reach.ways.items()},
        **{r.id: r.name for r in controller.bundle.recipients.values()},
    }  # fmt: skip
    lines = list(reversed(controller.passed.all()))
    today = controller.day(state.clock())
    return page(
        request, "desk_disclosures.html.j2", 400 if problem else 200, problem=problem,
        lines=[
            (p, p.title or known.get(p.recipient, p.recipient),
             [words.categories[c].label if c in words.categories else c for c in p.categories],
             p.barred(today))
            for p in lines[:_SHOWN]
        ],
        left=max(0, len(lines) - _SHOWN), grounds=OF_HER, compelled=COMPELLED, known=known,
        categories=words.categories, kinds=KINDS, today=today.isoformat(),
        typed=sent or Form([]), rows=rows_of(sent or Form([])), can=may(request, "disclosure add"),
    )  # fmt: skip


HANDLERS: Final = [listed, add]
