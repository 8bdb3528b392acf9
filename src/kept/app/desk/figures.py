"""How much there is to do and how timely it is done, as plots; lists to take along.

Every figure is counted from cases and their clocks; none is typed in. Months with few answers are
not shown apart: who was late in the only case of a month would be told by it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from kept.app.desk.guard import Asked, session
from kept.app.desk.render import page
from kept.app.desk.sheets import KINDS, Rows
from kept.app.desk.start import stands
from kept.app.desk.working import near
from kept.app.surface import LISTS as MAY_TAKE
from kept.controller import Controller
from kept.duties.figures import OUTCOMES, least_group, parted, percent, requests
from kept.terms import clocks
from kept.terms.clock_rules import EXTENSIONS
from kept.terms.refusals import REFUSALS
from kept.terms.rights import RIGHTS

#: Weeks ahead and months back that are drawn; cases in one list.
_WEEKS: Final = 8
_MONTHS: Final = 12
_MOST: Final = 100_000
_CHUNK: Final = 5_000
#: Parts of a month that shows what was in time and what was late.
_BOTH: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it stands for, its parts (picture, words, count) and their sum."""

    label: str
    parts: tuple[tuple[str, str, int], ...]
    note: str = ""

    @property
    def sum(self) -> int:
        """All of it."""
        return sum(count for _, _, count in self.parts)


@get("/figures", sync_to_thread=True)
def figures(request: Asked, state: State) -> Response[str]:
    """What is due in which week, and what was answered in time in which month."""
    controller: Controller = state.controller
    now = state.clock()
    least, this = least_group(controller), controller.day(now).year
    given = request.query_params.get("year", "")
    year = int(given) if given.isascii() and given.isdigit() and len(given) == 4 else this
    found = requests(controller, min(max(year, 1970), this), now)
    load, months = _load(controller, now), _months(controller, now, least)
    answered = sum(b.sum for b in months if len(b.parts) == _BOTH)
    in_time = sum(n for b in months if len(b.parts) == _BOTH for s, _, n in b.parts if s == "fine")
    return page(
        request, "desk_figures.html.j2", load=load, months=months, least=least, found=found,
        this=this, rights=RIGHTS, outcomes=OUTCOMES, percent=percent,
        most=max((row.received for row in found.rows), default=1),
        why={"refused": {k: k.replace("-", " ") for k in REFUSALS}, "extended": EXTENSIONS},
        load_most=max([b.sum for b in load], default=0),
        months_most=max([b.sum for b in months], default=0),
        answered=answered, in_time=in_time, months_back=_MONTHS,
        lists=_LISTS if session(request).account.roles & MAY_TAKE else {},
    )  # fmt: skip


@get("/lists/{name:str}", sync_to_thread=True)
def list_(request: Asked, state: State, name: FromPath[str]) -> Response[bytes]:
    """A list as CSV or XLSX; without a name of a person, and without formulas."""
    stem, _, kind = name.partition(".")
    if stem not in _LISTS or kind not in KINDS:
        raise NotFoundException
    one, now = _LISTS[stem], state.clock()
    media, make = KINDS[kind]
    file = f"{stem}-{state.controller.day(now)}.{kind}"
    return Response(
        make(one.title, one.rows(state.controller, now)), media_type=media,
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )  # fmt: skip


def _load(controller: Controller, now: dt.datetime) -> list[Bar]:
    """What waits, by the week in which it is due, with its light."""
    today, days = controller.day(now), controller.workdays
    monday = today - dt.timedelta(days=today.weekday())
    made: dict[int, dict[str, int]] = {week: {} for week in range(-1, _WEEKS + 1)}
    for day, count in controller.worklist.by_due():
        week = -1 if day < today else min((day - monday).days // 7, _WEEKS)
        shape = near(clocks.light(today, day, days), days.left(today, day)).shape
        shape = "hurry" if shape == "soon" and day == today else shape
        made[week][shape] = made[week].get(shape, 0) + count
    words = {"late": "late", "hurry": "nearly late", "soon": "soon", "fine": "in good time"}
    bars = []
    for week, counts in made.items():
        first = monday + dt.timedelta(weeks=week)
        label = {-1: "late", 0: "this week", _WEEKS: "later"}.get(
            week, f"from {first.day} {first:%B}"
        )
        bars.append(Bar(label, tuple((s, w, counts.get(s, 0)) for s, w in words.items())))
    return bars


def _months(controller: Controller, now: dt.datetime, least: int) -> list[Bar]:
    """What was answered in each month, in time or late; those of fewer than `least` without their
    parts.
    """
    today = controller.day(now)
    first = (today.replace(day=1) - dt.timedelta(days=31 * (_MONTHS - 1))).replace(day=1)
    since = dt.datetime.combine(first, dt.time(), controller.desk.zone)
    bars = []
    for month, good, late in controller.worklist.answered(since, now, controller.desk.zone):
        label = f"{month:%B %Y}"
        if good + late < least:
            bars.append(Bar(label, (), f"fewer than {least}"))
        elif not parted(good, late, least):
            # One part of too few would follow from the other.
            bars.append(Bar(label, (("soon", "answered", good + late),)))
        else:
            bars.append(Bar(label, (("fine", "in time", good), ("late", "late", late))))
    return bars


@dataclass(frozen=True, slots=True)
class List:
    """A list to take along."""

    title: str
    hint: str
    rows: Callable[[Controller, dt.datetime], Rows]


def _open_cases(controller: Controller, now: dt.datetime) -> Rows:
    today = controller.day(now)

    def rows() -> Iterable[Sequence[object]]:
        after, left = None, _MOST
        while left > 0:
            lines = controller.worklist.page(after=after, most=min(_CHUNK, left))
            if not lines:
                return
            for one in lines:
                light = clocks.light(today, one.due, controller.workdays).value
                yield (
                    one.id, one.right,
                    stands(one),
                    one.due.isoformat(),
                    "paused" if one.paused and light != "overdue" else light,
                    "yes" if one.extended else "no", "yes" if one.known else "no", one.owner or "",
                )  # fmt: skip
            after, left = (lines[-1].due, lines[-1].number), left - len(lines)

    head = ("case", "right", "state", "due", "light", "extended", "known who asks", "task of")
    return head, rows()


def _processing(controller: Controller, now: dt.datetime) -> Rows:
    """The record of processing activities (GDPR Art. 30): the register, with where data lies."""
    del now
    bundle = controller.bundle
    systems: dict[str, list[str]] = {}
    for system in controller.datamap.systems.values():
        for dataset in system.datasets.values():
            for activity in dataset.activities:
                systems.setdefault(activity, []).append(f"{system.name}.{dataset.name}")

    def term(tree: str, key: str) -> str:
        found = getattr(bundle.vocabulary, tree).get(key)
        return str(found.label) if found else key

    rows = (
        (
            a.id, a.title, term("purposes", a.purpose),
            "; ".join(term("categories", c) for c in a.categories),
            "; ".join(f"{region}: {basis}" for region, basis in a.bases.items()),
            "; ".join(_recipient(controller, r) for r in a.recipients),
            a.retention, "; ".join(a.clauses), "; ".join(sorted(systems.get(a.id, ()))),
        )
        for a in bundle.activities.values()
    )  # fmt: skip
    return (
        ("activity", "title", "purpose", "categories of data", "legal basis by region",
         "recipients", "kept by the rule", "clauses of the policy", "where it lies"),
        rows,
    )  # fmt: skip


def _recipient(controller: Controller, key: str) -> str:
    known = controller.bundle.recipients.get(key)
    term = controller.bundle.vocabulary.recipients.get(key)
    return (known and known.name) or (term and term.label) or key


def _recipients(controller: Controller, now: dt.datetime) -> Rows:
    del now
    bundle, ways = controller.bundle, controller.reach.ways
    rows: list[tuple[Any, ...]] = []
    for one in bundle.recipients.values():
        used = [a.id for a in bundle.activities.values()
                if one.id in a.recipients or one.lane in a.recipients]  # fmt: skip
        rows.append((
            one.id, one.name, one.lane, one.country or "", "; ".join(used),
            "; ".join(one.clauses), "yes" if one.id in ways else "no",
        ))  # fmt: skip
    rows += [
        (w.name, w.title or w.name, w.lane or "", "", "", "", "yes")
        for w in ways.values() if w.name not in bundle.recipients
    ]  # fmt: skip
    head = (
        "recipient",
        "name",
        "lane",
        "country",
        "activities",
        "clauses",
        "can be told by letter",
    )
    return head, rows


_LISTS: Final = {
    "cases": List("Cases that wait", "What is due when, and whose task it is.", _open_cases),
    "processing": List(
        "Record of processing", "What is done with which data, for what (GDPR Art. 30).",
        _processing,
    ),
    "recipients": List("Recipients", "Who may get data, and for which activities.", _recipients),
}  # fmt: skip

HANDLERS: Final = [figures, list_]
