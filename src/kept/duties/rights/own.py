"""What Kept itself holds of a person for her requests, in sentences for her.

Beside the rows of its own database that are listed like all others: records that lead to her by
a keyed hash alone are no rows of hers there, and would otherwise go without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

from kept.controller import Controller
from kept.datamap.reach import WEAK
from kept.duties.rights.answer import Stays
from kept.duties.rights.clock import came
from kept.duties.rights.recipients import informed
from kept.records.case import Case
from kept.records.suppression import ALL
from kept.terms.identifiers import Identifier
from kept.terms.tongues import count, day, say


def _complaints(controller: Controller, strong: Sequence[Identifier]) -> list[str]:
    """Complaints from what names her. What one says only where it is known to be hers: anybody
    can write another's address on a form.
    """
    met = {c.number: c for i in strong for c in controller.complaints.naming(i)}
    lines = []
    for _, one in sorted(met.items()):
        said = controller.complaints.said(one).get("words") if one.verified_at else None
        name = f"{one.id}" if one.open else f"{one.id}, {say('ended')}"
        came = "A complaint from your address of {day} (number {number}), sealed."
        if said:
            came = "A complaint from your address of {day} (number {number}), sealed: “{words}”."
            lines.append(say(came, day=day(one.arrived), number=name, words=said))
        else:
            lines.append(say(came, day=day(one.arrived), number=name))
    return lines


def _stands(case: Case) -> str:
    """How a request of hers stands, if nothing is to be done for her any more."""
    if case.closed_at:
        return say("ended")
    return say("done; others are still to answer") if case.done_at else ""


def holds(
    controller: Controller, people: Sequence[Sequence[Identifier]], stays: Stays
) -> list[str]:
    """Her requests with their numbers and days, what is remembered of her, what stays sealed."""
    strong = [i for one in people for i in one if i.kind not in WEAK]
    cases = {c.number: c for i in strong for c in controller.cases.naming(i)}
    days = came(controller, list(cases.values()))
    lines = []
    if cases:
        each = "; ".join(
            say(
                "{right} of {day} (case {number})",
                right=say(c.right),
                day=day(days[number]),
                number=f"{c.id}, {stands}" if (stands := _stands(c)) else c.id,
            )
            for number, c in sorted(cases.items())
        )
        lines.append(
            count(len(cases), "{n} request in your name, sealed: {each}.",
                  "{n} requests in your name, sealed: {each}.", each=each)
        )  # fmt: skip
    for _, c in sorted(cases.items()):
        if told := "; ".join(one.said for one in informed(controller, c)):
            lines.append(
                say("Who was to hear of your {right} (case {number}): {told}.", right=say(c.right),
                    number=c.id, told=told)
            )  # fmt: skip
    lines += _complaints(controller, strong)
    channels = set().union(*controller.suppressions.channels_of(strong)) if strong else set()
    if ALL in channels:
        lines.append(
            say(
                "That what names you is not to be used again, as a hash that nobody can turn back"
                " into it, so that it is known when it comes back."
            )
        )
    if channels - {ALL}:
        lines.append(
            say(
                "What you decided about the use of your data, under a hash of what names you, so"
                " that it holds wherever that is met."
            )
        )
    reasons = [(r, len(t.values)) for groups in stays.tables.values() for r, t in groups.items()]
    if reasons:
        ends = [r.until for r, _ in reasons]
        last = max((e for e in ends if e), default=None)
        kept = count(sum(n for _, n in reasons), "{n} record", "{n} records")
        found = "Where {rows} of yours that had to stay can be found, sealed."
        if last and None not in ends:
            found = (
                "Where {rows} of yours that had to stay can be found until {day} at the latest,"
                " sealed."
            )
            lines.append(say(found, rows=kept, day=day(last)))
        else:
            lines.append(say(found, rows=kept))
    return lines
