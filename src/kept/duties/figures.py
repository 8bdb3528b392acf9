"""Figures of requests, from what is on record: nobody types one, and none is stored.

A case counts only where the ledger says that it was opened, and as answered only when the person
was told (`records.answered`). Groups of few are put together and
counts of few are left out, with a second one beside them, so that sums do not give them away.
One year at a time: the difference of two tables would say what each of them hides.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, LiteralString

from kept.controller import Controller
from kept.records.answered import DAY, PARTLY, values
from kept.records.case import State
from kept.terms.clock_rules import RULES

#: The choice of a bundle that says how many people a group has at least; and without one.
_CHOICE: Final = "statistics.minimum-group"
LEAST: Final = 5
OTHERS: Final = "others"
#: How a request can stand; done partly is an erasure after which a law or a hold keeps something,
#: and what was granted but for a part that was refused. An objection of which nothing is followed
#: is refused.
OUTCOMES: Final = ("whole", "partly", "refused", "withdrawn", "open")

_QUERY: Final[LiteralString] = f"""
WITH one AS (
    SELECT r."right" AS right_,
        CASE k.region WHEN 'unknown' THEN k.region ELSE coalesce(g.regime, 'none') END AS regime,
        coalesce(i.channel, 'staff') AS channel, r.state, k.extended, k.due,
        coalesce(k.arrived, (r.opened_at AT TIME ZONE %(zone)s)::date) AS arrived,
        {DAY} AS answered,
        {PARTLY} AS partly, r.unmet
    FROM rights_case r
    LEFT JOIN case_clock k USING (number)
    LEFT JOIN (SELECT c.case_number, min(n.channel) AS channel FROM intake_case c
        JOIN intake n USING (number) GROUP BY c.case_number) i ON i.case_number = r.number
    LEFT JOIN unnest(%(rules)s::text[], %(regimes)s::text[]) AS g (rule, regime)
        ON g.rule = split_part(k.rule, ':', 1)
    WHERE r.id = ANY(%(cases)s) AND r.opened_at <= %(now)s
), told AS (
    SELECT *, CASE WHEN state = %(withdrawn)s THEN state WHEN answered IS NULL THEN 'open'
        WHEN state = %(refused)s OR unmet = 'whole' THEN %(refused)s
        WHEN partly THEN 'partly' ELSE 'whole' END AS outcome
    FROM one WHERE extract(year FROM arrived) = %(year)s
)
SELECT right_, regime, channel, count(*),
    count(*) FILTER (WHERE outcome = 'whole'), count(*) FILTER (WHERE outcome = 'partly'),
    count(*) FILTER (WHERE outcome = %(refused)s), count(*) FILTER (WHERE outcome = %(withdrawn)s),
    count(*) FILTER (WHERE outcome = 'open'),
    percentile_disc(0.5) WITHIN GROUP (ORDER BY answered - arrived)
        FILTER (WHERE outcome IN ('whole', 'partly', %(refused)s)),
    count(*) FILTER (WHERE outcome IN ('whole', 'partly', %(refused)s) AND answered > due),
    count(*) FILTER (WHERE extended),
    max(%(today)s::date - arrived) FILTER (WHERE outcome = 'open'),
    array_agg(answered - arrived) FILTER (WHERE outcome IN ('whole', 'partly', %(refused)s))
FROM told GROUP BY right_, regime, channel ORDER BY right_, regime, channel
"""


#: Why requests were refused, and why answers took longer, among those of one year.
_REASONS: Final[LiteralString] = f"""
SELECT what, reason, count(*) FROM (
    SELECT 'refused' AS what, r.refusal AS reason FROM rights_case r LEFT JOIN case_clock k
        USING (number) WHERE r.refusal IS NOT NULL AND r.state = 'refused'
        AND {DAY} IS NOT NULL AND r.id = ANY(%(cases)s) AND extract(year FROM coalesce(k.arrived,
            (r.opened_at AT TIME ZONE %(zone)s)::date)) = %(year)s
    UNION ALL
    SELECT 'extended', e.reason FROM case_clock_change e JOIN case_clock k USING (number)
        JOIN rights_case r USING (number) WHERE e.act = 'extended' AND k.extended
        AND e.at <= %(now)s AND r.id = ANY(%(cases)s)
        AND extract(year FROM k.arrived) = %(year)s
) told GROUP BY what, reason ORDER BY what, count(*) DESC, reason
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One group. `median` and `oldest` in days; `late` are answers after their last day; None is
    either nothing to say or not to be said (`hidden` names which were left out).
    """

    right: str
    regime: str
    channel: str
    received: int
    whole: int | None
    partly: int | None
    refused: int | None
    withdrawn: int | None
    open: int | None
    median: int | None
    late: int | None
    extended: int | None
    oldest: int | None
    days: tuple[int, ...] = ()
    hidden: frozenset[str] = frozenset()

    @property
    def answered(self) -> int:
        """How many were answered."""
        return len(self.days)

    @property
    def on_time(self) -> float | None:
        """Share of the answers that came in time."""
        if self.late is None or not self.days:
            return None
        return 1 - self.late / len(self.days)

    @property
    def extension_rate(self) -> float | None:
        """Share of the requests whose time was extended."""
        return None if self.extended is None else self.extended / self.received


@dataclass(frozen=True, slots=True)
class Figures:
    """A year. `rows` are safe to show; `received` None: too few in all. `expired` is how many
    requests nobody confirmed, of which no more is known than that; `unproven` their share among
    all that asked for a code. `reasons`: refused or extended → (why, how many), () where some
    group hides how many there are: the sum would give it away.
    """

    year: int
    least: int
    rows: tuple[Row, ...]
    received: int | None
    expired: int | None
    unproven: float | None = None
    reasons: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)


def requests(controller: Controller, year: int, now: dt.datetime) -> Figures:
    """The figures of the requests that arrived in a year, as of `now`."""
    least = least_group(controller)
    rows = grouped(counted(controller, year, now), least)
    received = sum(row.received for row in rows)
    left = sum(
        int(e.body["count"])
        for _, e in controller.ledger.entries(kind="request.left")
        if e.at <= now and controller.day(e.at).year == year
    )
    proven = sum(
        1
        for _, e in controller.ledger.entries(kind="request.taken")
        if e.body.get("verified") == "code" and e.at <= now and controller.day(e.at).year == year
    )
    few = 0 < left < least or 0 < proven < least or not left + proven
    safe = tuple(covered(row, least) for row in rows)
    why = {
        what: gathered([(r, n) for w, r, n in reasons(controller, year, now) if w == what], least)
        for what in ("refused", "extended")
        if safe and not any(what in row.hidden for row in safe)
    }
    return Figures(
        year, least, safe, received or None, None if 0 < left < least else left,
        None if few else left / (left + proven), why,
    )  # fmt: skip


def reasons(controller: Controller, year: int, now: dt.datetime) -> list[tuple[str, str, int]]:
    """(refused or extended, why, how many) of the requests of a year: not to be shown."""
    entries = controller.ledger.entries(kind="case.opened")
    cases = [str(e.body["case"]) for _, e in entries if e.at <= now]
    with controller.database.connection() as c:
        rows = c.execute(
            _REASONS,
            values(now, controller.desk.zone) | {"cases": cases, "year": year},
        ).fetchall()
    return [(str(what), str(why), int(n)) for what, why, n in rows]


def gathered(counts: Sequence[tuple[str, int]], least: int) -> tuple[tuple[str, int], ...]:
    """Counts by reason, those of too few put together with the next larger; () where all are."""
    kept = sorted(counts, key=lambda one: (-one[1], one[0]))
    few = 0
    while kept and (kept[-1][1] < least or 0 < few < least):
        few += kept.pop()[1]
    return (*kept, *(((OTHERS, few),) if few >= least else ()))


def parted(good: int, late: int, least: int) -> bool:
    """Whether answers in time and late may stand apart: neither of them of too few."""
    return good + late >= least and not (0 < good < least or 0 < late < least)


def least_group(controller: Controller) -> int:
    """How many a figure has to be about at least."""
    choice = controller.bundle.choices.get(_CHOICE)
    value = choice.value if choice is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) else LEAST


def counted(controller: Controller, year: int, now: dt.datetime) -> list[Row]:
    """Every group as it is, however small: not to be shown."""
    entries = controller.ledger.entries(kind="case.opened")
    cases = [str(e.body["case"]) for _, e in entries if e.at <= now]
    with controller.database.connection() as c:
        found = c.execute(
            _QUERY,
            values(now, controller.desk.zone)
            | {
                "today": controller.day(now), "year": year, "cases": cases,
                "refused": State.REFUSED, "withdrawn": State.WITHDRAWN,
                "rules": [rule.id for rule in RULES], "regimes": [rule.regime for rule in RULES],
            },
        ).fetchall()  # fmt: skip
    return [replace(Row(*row), days=tuple(sorted(row[-1] or ()))) for row in found]


def grouped(rows: Sequence[Row], least: int) -> list[Row]:
    """The groups, those of too few put together with the next larger ones; [] where all together
    are too few.
    """
    kept = sorted(rows, key=lambda r: (-r.received, r.right, r.regime, r.channel))
    few: list[Row] = []
    while kept and (kept[-1].received < least or 0 < sum(r.received for r in few) < least):
        few.append(kept.pop())
    if sum(r.received for r in few) >= least:
        kept.append(_together(few))
    return kept


def covered(row: Row, least: int) -> Row:
    """The row without counts of too few; one more is left out where a sum would give one away."""
    counts = {name: int(getattr(row, name)) for name in OUTCOMES}
    hidden = {name for name, n in counts.items() if 0 < n < least}
    # What is left of the sum must be of enough, and of more than one count.
    for name in sorted(counts, key=lambda n: (counts[n] == 0, counts[n])):
        if hidden and (len(hidden) < 2 or sum(counts[n] for n in hidden) < least):
            hidden.add(name)
    answered = sum(counts[n] for n in ("whole", "partly", "refused"))
    on_time = answered - (row.late or 0)
    # How many were answered may follow from the share that was late.
    unsaid = bool(hidden & {"whole", "partly", "refused"}) and answered != row.received
    few = answered < least or 0 < (row.late or 0) < least or 0 < on_time < least
    hidden |= {"late"} if unsaid or few else set()
    if 0 < (row.extended or 0) < least or 0 < row.received - (row.extended or 0) < least:
        hidden.add("extended")
    hidden |= {"median"} if answered < least else set()
    hidden |= {"oldest"} if counts["open"] < least else set()
    empty = dict.fromkeys(hidden)
    return replace(row, **empty, hidden=frozenset(hidden))  # type: ignore[arg-type]


def _together(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    days = tuple(sorted(day for row in rows for day in row.days))

    def total(name: str) -> int:
        return sum(getattr(row, name) or 0 for row in rows)

    def same(name: str) -> str:
        met = {getattr(row, name) for row in rows}
        return str(met.pop()) if len(met) == 1 else OTHERS

    return Row(
        right=same("right"), regime=same("regime"), channel=same("channel"),
        received=total("received"), whole=total("whole"), partly=total("partly"),
        refused=total("refused"), withdrawn=total("withdrawn"), open=total("open"),
        median=days[(len(days) - 1) // 2] if days else None, late=total("late"),
        extended=total("extended"),
        oldest=max((r.oldest for r in rows if r.oldest is not None), default=None), days=days,
    )  # fmt: skip


def percent(share: float | None) -> str | None:
    """A share in whole percent, as people read it."""
    return None if share is None else f"{share:.0%}"
