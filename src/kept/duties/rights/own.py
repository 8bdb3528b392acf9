"""What Kept itself holds of a person for her requests, in sentences for her.

Beside the rows of its own database that are listed like all others: records that lead to her by
a keyed hash alone are no rows of hers there, and would otherwise go without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

from kept.controller import Controller
from kept.datamap.reach import WEAK
from kept.duties.rights.about import many
from kept.duties.rights.answer import Stays
from kept.duties.rights.recipients import informed
from kept.policy.render import day
from kept.records.suppression import ALL
from kept.terms.identifiers import Identifier


def _complaints(controller: Controller, strong: Sequence[Identifier], language: str) -> list[str]:
    """Complaints from what names her. What one says only where it is known to be hers: anybody
    can write another's address on a form.
    """
    met = {c.number: c for i in strong for c in controller.complaints.naming(i)}
    lines = []
    for _, one in sorted(met.items()):
        said = controller.complaints.said(one).get("words") if one.verified_at else None
        words = f", sealed: “{said}”" if said else ", sealed"
        came = day(one.arrived, language)
        lines.append(
            f"A complaint from your address of {came} (number {one.id}"
            f"{'' if one.open else ', ended'}){words}."
        )
    return lines


def holds(
    controller: Controller, people: Sequence[Sequence[Identifier]], stays: Stays
) -> list[str]:
    """Her requests with their numbers and days, what is remembered of her, what stays sealed."""
    language = controller.bundle.languages[0]
    strong = [i for one in people for i in one if i.kind not in WEAK]
    cases = {c.number: c for i in strong for c in controller.cases.naming(i)}
    lines = []
    if cases:
        each = "; ".join(
            f"{c.right} of {day(c.opened_at.date(), language)} (case {c.id}"
            f"{', ended' if c.closed_at else ''})"
            for _, c in sorted(cases.items())
        )
        lines.append(f"{many(len(cases), 'request')} in your name, sealed: {each}.")
    for _, c in sorted(cases.items()):
        if told := "; ".join(one.said for one in informed(controller, c)):
            lines.append(f"Who was to hear of your {c.right} (case {c.id}): {told}.")
    lines += _complaints(controller, strong, language)
    channels = set().union(*controller.suppressions.channels_of(strong)) if strong else set()
    if ALL in channels:
        lines.append(
            "That what names you is not to be used again, as a hash that nobody can turn back into"
            " it, so that it is known when it comes back."
        )
    if channels - {ALL}:
        lines.append(
            "What you decided about the use of your data, under a hash of what names you, so that"
            " it holds wherever that is met."
        )
    reasons = [(r, len(t.values)) for groups in stays.tables.values() for r, t in groups.items()]
    if reasons:
        ends = [r.until for r, _ in reasons]
        last = max((e for e in ends if e), default=None)
        until = f" until {day(last, language)} at the latest" if last and None not in ends else ""
        kept = many(sum(n for _, n in reasons), "record")
        lines.append(f"Where {kept} of yours that had to stay can be found{until}, sealed.")
    return lines
