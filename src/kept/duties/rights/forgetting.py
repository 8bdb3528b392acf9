"""The desk forgets too: what it keeps of requests, complaints and incidents goes by its own rule.

What is over stays for the period that the policy has for requests, counted from its end. Then
whom and what it was about is struck out and the keys destroyed; that there was a request, when, and
how it ended stays for the figures, and says nothing of anybody. Proof of who asks has a rule of
its own, which may be shorter. A period that nobody decided lets nothing go.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.due import due
from kept.ledger.entry import Entry
from kept.records.declared import DATASETS
from kept.records.struck import ended, proven, strike, strike_proof

#: The category of the policy whose rule holds here.
_CASES: Final = "rights-case"
#: What goes, in words.
WORDS: Final[Mapping[str, str]] = {
    "cases": "cases that are over forgot whom they were about",
    "proofs": "cases forgot how it was checked who asks",
    "requests": "requests that are over forgot what was asked",
    "complaints": "complaints that are over forgot what was written",
    "incidents": "incidents that are closed forgot what was written",
}
_PERIOD: Final = "by the policy’s period for requests, from their end"
_WITH_CASE: Final = "with the case it belongs to"
#: Dataset of the desk → how it goes. What holds something of people has to stand here.
GOES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("rights_case", "intake", "complaint", "complaint_act", "incident", "incident_act"), _PERIOD
    ),
    **dict.fromkeys(
        ("case_person", "case_subject", "case_sealed", "case_event", "case_note", "case_clock",
         "case_clock_change", "case_recipient", "case_owner", "case_run", "case_residue",
         "case_step", "case_part", "case_proof", "case_letter", "case_redaction",
         "case_redaction_act", "intake_case"),
        _WITH_CASE,
    ),
    "intake_code": "ten minutes after it was sent; the row when its request is over",
    "intake_scan": "when nothing is left to do on the request that came as this letter",
    "case_delivery": "at its day or its last download: its key, its file and its words",
    "outbox": "at once when it went; that it went, after thirty days",
    "reminder": "after four hundred days",
}  # fmt: skip
_GRACE: Final = dt.timedelta(days=2)


def keep(controller: Controller, *, proof: bool = False) -> str | None:
    """The period of the policy for requests; None where nobody decided it. `proof`: that for proof
    of who asks, which is the one kind of data below them, where the policy has a rule for it.
    """
    within = controller.bundle.vocabulary.within
    rules = {
        r.category: r.keep for r in controller.bundle.retention.values()
        if within("categories", r.category, _CASES)
    }  # fmt: skip
    below = [period for category, period in rules.items() if category != _CASES]
    return below[0] if proof and below else rules.get(_CASES)


def forget(controller: Controller, now: dt.datetime) -> dict[str, int]:
    """Let go what is past its time, as of `now`; what that was, in counts. Repeatable."""
    today, gone = controller.day(now), {}
    with controller.database.connection() as c:
        over = [
            (n, id_) for n, id_, at in ended(c)
            if due(keep(controller), controller.day(at), today)
        ]  # fmt: skip
        if over:
            numbers = [n for n, _ in over]
            strike(controller.vault, numbers, now, c)
            controller.intakes.strike(numbers, (), connection=c)
            gone["cases"] = len(over)
        for what, found, let_go in (
            ("requests", controller.intakes.over(connection=c), controller.intakes.forget),
            ("complaints", controller.complaints.over(connection=c), controller.complaints.strike),
            ("incidents", controller.incidents.over(connection=c), controller.incidents.strike),
        ):
            past = _past(controller, found, keep(controller), today)
            if past:
                let_go(past, connection=c)
                gone[what] = len(past)
        proofs = _past(controller, proven(c), keep(controller, proof=True), today)
        if proofs:
            strike_proof(proofs, c)
            gone["proofs"] = len(proofs)
        controller.ledger.append_in(
            c,
            [
                Entry("desk.forgot", now, {"what": what, "count": n, "before": today.isoformat()})
                for what, n in gone.items()
            ],
        )
    for _, id_ in over:
        controller.forget_tasks(id_)
    return gone


def _past(
    controller: Controller, found: Sequence[tuple[int, dt.datetime]], period: str | None,
    today: dt.date,
) -> list[int]:  # fmt: skip
    return [n for n, at in found if due(period, controller.day(at), today)]


#: What is left of what, when it ended, and which rule it has: counted in the tables themselves.
_LEFT: Final = """
SELECT 'a case' AS what, closed_at AS at, false AS proof FROM rights_case c
    WHERE closed_at IS NOT NULL AND (sealed IS NOT NULL
        OR EXISTS (SELECT FROM case_person p WHERE p.number = c.number)
        OR EXISTS (SELECT FROM case_note n WHERE n.number = c.number)
        OR EXISTS (SELECT FROM case_sealed s WHERE s.number = c.number)
        OR EXISTS (SELECT FROM case_letter l WHERE l.number = c.number)
        OR EXISTS (SELECT FROM case_proof f WHERE f.number = c.number AND f.about IS NOT NULL)
        OR EXISTS (SELECT FROM subject_key k WHERE k.subject = -c.number AND k.class = 'case'
            AND k.wrapped IS NOT NULL))
UNION ALL
SELECT 'a case', closed_at, true FROM rights_case
    WHERE closed_at IS NOT NULL AND length(evidence) > 0
UNION ALL
SELECT 'a request', ended_at, false FROM intake
    WHERE ended_at IS NOT NULL AND (sealed IS NOT NULL OR reach IS NOT NULL OR mac IS NOT NULL)
UNION ALL
SELECT 'a complaint', ended_at, false FROM complaint p WHERE ended_at IS NOT NULL
    AND (sealed IS NOT NULL OR mac IS NOT NULL OR EXISTS (SELECT FROM complaint_act e
        WHERE e.number = p.number AND e.sealed IS NOT NULL))
UNION ALL
SELECT 'an incident', e.at, false FROM incident i JOIN incident_act e USING (number)
    WHERE e.act = 'closed' AND (i.sealed IS NOT NULL OR EXISTS (SELECT FROM incident_act o
        WHERE o.number = i.number AND o.sealed IS NOT NULL))
"""


@control("rights.desk-data-goes")
def desk_data_goes(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Of what is over nothing is left of anybody once its period is past, and mail is forgotten.

    Everything that the desk keeps of people has a way to go. Where nobody decided the period,
    nothing of that kind was looked at.
    """
    today = controller.day(now - _GRACE)
    periods = {False: keep(controller), True: keep(controller, proof=True)}
    with controller.database.connection() as c:
        rows = c.execute(_LEFT).fetchall()
        mail = c.execute(
            "SELECT count(*), count(*) FILTER (WHERE queued_at < %s) FROM outbox",
            (now - dt.timedelta(days=32),),
        ).fetchone()
    late: dict[str, int] = {}
    for what, at, proof in rows:
        if due(periods[proof], controller.day(at), today):
            late[what] = late.get(what, 0) + 1
    fix = "see that `kept serve` runs, or run `kept retain run`"
    for what, n in sorted(late.items()):
        yield Finding(what, f"of {n} that are past their time something of people is left", fix)
    assert mail is not None
    if mail[1]:
        yield Finding("mail", f"{mail[1]} messages are remembered after their time", fix)
    for dataset in DATASETS:
        holds = any(f.category for f in dataset.fields.values())
        if dataset.name.startswith(_OURS) and holds and dataset.name not in GOES:
            yield Finding("the desk", f"nothing says how `{dataset.name}` goes")
    decided = [row for row in rows if periods[row[2]] is not None]
    yield Looked(len(decided) + mail[0], "ended cases, requests, complaints, incidents; mail")


_OURS: Final = ("rights_case", "case_", "intake", "complaint", "incident", "outbox", "reminder")
