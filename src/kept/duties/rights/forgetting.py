"""The desk forgets too: what it keeps of requests, complaints and incidents goes by its own rule.

What is over stays for the period that the policy has for requests, counted from its end. Then
whom and what it was about is struck out and the keys destroyed; that there was a request, when, and
how it ended stays for the figures, and says nothing of anybody. Proof of who asks has a rule of
its own, which may be shorter, and so have disclosures. A period that nobody decided lets nothing
go, and neither does a hold (`keeping`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, LiteralString

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.database import Connection
from kept.decide.due import due
from kept.duties.rights.keeping import Kept, by_holds, summed
from kept.errors import VaultError
from kept.ledger.entry import Entry
from kept.records.declared import DATASETS, SYSTEM
from kept.records.struck import ended, proven, strike, strike_proof
from kept.terms.identifiers import Identifier, parse

#: The category of the policy whose rule holds here.
_CASES: Final = "rights-case"
_DISCLOSED: Final = "disclosure-record"
#: What goes, in words.
WORDS: Final[Mapping[str, str]] = {
    "cases": "cases that are over forgot whom they were about",
    "proofs": "cases forgot how it was checked who asks",
    "requests": "requests that are over forgot what was asked",
    "scans": "letters on which nothing is left to do lost their scans",
    "complaints": "complaints that are over forgot what was written",
    "incidents": "incidents that are closed forgot what was written",
    "disclosures": "disclosures forgot whose data it was",
}
#: The same of what a hold keeps.
STAY: Final[Mapping[str, str]] = {
    "cases": "cases that are over still name whom they were about",
    "proofs": "cases still say how it was checked who asks",
    "requests": "requests that are over still say what was asked",
    "scans": "letters on which nothing is left to do still have their scans",
    "complaints": "complaints that are over still say what was written",
    "incidents": "incidents that are closed still say what was written",
    "disclosures": "disclosures still name whose data it was",
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
         "case_step", "case_part", "case_proof", "case_letter", "case_mail", "case_redaction",
         "case_redaction_act", "intake_case"),
        _WITH_CASE,
    ),
    "passed_on": "by the policy’s period for disclosures, from the day on which she may know",
    "passed_person": "with the disclosure it belongs to",
    "release_member": "when whoever has her data confirms that it is gone",
    "intake_code": "ten minutes after it was sent; the row when its request is over",
    "intake_scan": "when nothing is left to do on the request that came as this letter, and no hold"
    " keeps it; a copy of an identity paper whatever is held",
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


def keep_disclosures(controller: Controller) -> str | None:
    """The period of the policy for records of disclosures; None where nobody decided it."""
    within = controller.bundle.vocabulary.within
    rules = controller.bundle.retention.values()
    return next((r.keep for r in rules if within("categories", r.category, _DISCLOSED)), None)


def held(controller: Controller, now: dt.datetime) -> list[Kept]:
    """What would be let go as of `now`, and stays because of a hold. Writes nothing."""
    with controller.database.connection() as c:
        return summed(by_holds(controller, _late(controller, now, c), now, c))


def forget(controller: Controller, now: dt.datetime) -> dict[str, int]:
    """Let go what is past its time and held by nothing, as of `now`; what that was, in counts.
    Repeatable.
    """
    today = controller.day(now)
    with controller.database.connection() as c:
        late = _late(controller, now, c)
        stays = by_holds(controller, late, now, c)
        go = {what: [n for n in those if n not in stays[what]] for what, those in late.items()}
        go["proofs"] = [n for n in go["proofs"] if n not in set(go["cases"])]
        ids = dict(_ids(c, go["cases"]))
        if go["cases"]:
            strike(controller.vault, go["cases"], now, c)
            controller.intakes.strike(go["cases"], (), connection=c)
        if go["requests"]:
            controller.intakes.forget(go["requests"], connection=c)
        controller.letter_scans.gone(go["scans"], connection=c)
        if go["complaints"]:
            controller.complaints.strike(go["complaints"], connection=c)
        if go["incidents"]:
            controller.incidents.strike(go["incidents"], connection=c)
        if go["disclosures"]:
            controller.passed.strike(go["disclosures"], now, connection=c)
        strike_proof(go["proofs"], c)
        before = {what: n for what, (_, n) in told_held(controller).items()}
        entries = []
        for what, those in go.items():
            body = {"what": what, "count": len(those), "before": today.isoformat()}
            # Also that holds keep as many as before is worth no entry of every day.
            if those or len(stays[what]) != before.get(what, 0):
                more = {"held": len(stays[what])} if stays[what] or before.get(what) else {}
                entries.append(Entry("desk.forgot", now, {**body, **more}))
        controller.ledger.append_in(c, entries)
    for id_ in ids.values():
        controller.forget_tasks(id_)
    return {what: len(those) for what, those in go.items() if those}


def forget_scans(controller: Controller, now: dt.datetime) -> int:
    """Let scans go of letters on which nothing is left to do, that waited because a hold might
    keep them and none does (any more); of how many letters. Repeatable.
    """
    with controller.database.connection() as c:
        late = {"scans": controller.letter_scans.over_all(connection=c)}
        stays = by_holds(controller, late, now, c)["scans"]
        go = [n for n in late["scans"] if n not in stays]
        if go:
            controller.letter_scans.gone(go, connection=c)
            body = {"what": "scans", "count": len(go), "before": controller.day(now).isoformat()}
            controller.ledger.append_in(c, [Entry("desk.forgot", now, body)])
    return len(go)


def told_held(controller: Controller) -> dict[str, tuple[dt.datetime, int]]:
    """Kind → (when, how many) holds kept of it, as the ledger says last."""
    said: dict[str, tuple[dt.datetime, int]] = {}
    for _, e in controller.ledger.entries(kind="desk.forgot"):
        if "held" in e.body:
            said[str(e.body["what"])] = (e.at, int(e.body["held"]))
    return said


def _ids(c: Connection, numbers: Sequence[int]) -> list[tuple[int, str]]:
    return [(n, id_) for n, id_, _ in ended(c) if n in set(numbers)]


def _late(controller: Controller, now: dt.datetime, c: Connection) -> dict[str, list[int]]:
    """Kind → numbers of what is past its time, whether or not a hold keeps it."""
    today, period = controller.day(now), keep(controller)
    over: dict[str, list[tuple[int, dt.datetime]]] = {
        "cases": [(n, at) for n, _, at in ended(c)],
        "requests": controller.intakes.over(connection=c),
        "complaints": controller.complaints.over(connection=c),
        "incidents": controller.incidents.over(connection=c),
    }
    late = {what: _past(controller, found, period, today) for what, found in over.items()}
    late["proofs"] = _past(controller, proven(c), keep(controller, proof=True), today)
    late["scans"] = controller.letter_scans.over_all(connection=c)
    told = keep_disclosures(controller)
    late["disclosures"] = [
        n for n, day in controller.passed.over(connection=c) if due(told, day, today)
    ]
    return late


def _past(
    controller: Controller, found: Sequence[tuple[int, dt.datetime]], period: str | None,
    today: dt.date,
) -> list[int]:  # fmt: skip
    return [n for n, at in found if due(period, controller.day(at), today)]


#: What is left of what, when it ended, and which rule it has: counted in the tables themselves.
_LEFT: Final = """
SELECT 'a case' AS what, c.number AS number, closed_at AS at, 'cases' AS rule FROM rights_case c
    WHERE closed_at IS NOT NULL AND (sealed IS NOT NULL
        OR EXISTS (SELECT FROM case_person p WHERE p.number = c.number)
        OR EXISTS (SELECT FROM case_note n WHERE n.number = c.number)
        OR EXISTS (SELECT FROM case_sealed s WHERE s.number = c.number)
        OR EXISTS (SELECT FROM case_letter l WHERE l.number = c.number)
        OR EXISTS (SELECT FROM case_proof f WHERE f.number = c.number AND f.about IS NOT NULL)
        OR EXISTS (SELECT FROM subject_key k WHERE k.subject = -c.number AND k.class = 'case'
            AND k.wrapped IS NOT NULL))
UNION ALL
SELECT 'a case', number, done_at, 'proofs' FROM rights_case
    WHERE done_at IS NOT NULL AND length(evidence) > 0
UNION ALL
SELECT 'a request', number, ended_at, 'requests' FROM intake
    WHERE ended_at IS NOT NULL AND (sealed IS NOT NULL OR reach IS NOT NULL OR mac IS NOT NULL)
UNION ALL
SELECT DISTINCT 'a scan', i.number, coalesce(i.ended_at, (SELECT max(r.done_at) FROM rights_case r
    JOIN intake_case k ON k.case_number = r.number WHERE k.number = i.number)), 'scans'
    FROM intake_scan s JOIN intake i USING (number) WHERE s.sealed <> '' AND (i.ended_at IS NOT NULL
    OR i.outcome = 'begun' AND NOT EXISTS (SELECT FROM intake_case k JOIN rights_case r
        ON r.number = k.case_number WHERE k.number = i.number AND r.done_at IS NULL)
        AND i.asked !~ '(question|unclear)')
UNION ALL
SELECT 'a complaint', number, ended_at, 'complaints' FROM complaint p WHERE ended_at IS NOT NULL
    AND (sealed IS NOT NULL OR mac IS NOT NULL OR EXISTS (SELECT FROM complaint_act e
        WHERE e.number = p.number AND e.sealed IS NOT NULL))
UNION ALL
SELECT 'an incident', number, e.at, 'incidents' FROM incident i JOIN incident_act e USING (number)
    WHERE e.act = 'closed' AND (i.sealed IS NOT NULL OR EXISTS (SELECT FROM incident_act o
        WHERE o.number = i.number AND o.sealed IS NOT NULL))
UNION ALL
SELECT 'a disclosure', number, greatest(passed_on, barred_until)::timestamp AT TIME ZONE 'UTC'
    + interval '12 hours', 'disclosures' FROM passed_on o
    WHERE EXISTS (SELECT FROM passed_person p WHERE p.number = o.number)
"""


@control("rights.desk-data-goes")
def desk_data_goes(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Of what is over nothing is left of anybody once its period is past, and mail is forgotten;
    what a hold keeps is there.

    Everything that the desk keeps of people has a way to go. Where nobody decided the period,
    nothing of that kind was looked at. Whose a record is that a hold keeps is found by what it
    says, unsealed, and not by the hashes by which it is let go.
    """
    today = controller.day(now - _GRACE)
    period = keep(controller)
    periods = {
        **dict.fromkeys(("cases", "requests", "complaints", "incidents"), period),
        "proofs": keep(controller, proof=True), "disclosures": keep_disclosures(controller),
        "scans": "P0D",
    }  # fmt: skip
    with controller.database.connection() as c:
        rows = c.execute(_LEFT).fetchall()
        mail = c.execute(
            "SELECT count(*), count(*) FILTER (WHERE queued_at < %s) FROM outbox",
            (now - dt.timedelta(days=32),),
        ).fetchone()
    late: dict[str, int] = {}
    # What was held until yesterday goes with the next run.
    since, open_now = _Holds(controller, now - _GRACE, now), _Holds(controller, now, now)
    there: Counter[str] = Counter()
    for what, number, at, rule in rows:
        if at is None:
            continue
        if due(periods[rule], controller.day(at), controller.day(now)):
            there[rule] += open_now.keep(rule, number)
        if due(periods[rule], controller.day(at), today) and not since.keep(rule, number):
            late[what] = late.get(what, 0) + 1
    fix = "see that `kept serve` runs, or run `kept retain run`"
    for what, n in sorted(late.items()):
        yield Finding(what, f"of {n} that are past their time something of people is left", fix)
    yield from _gone(controller, there, now)
    assert mail is not None
    if mail[1]:
        yield Finding("mail", f"{mail[1]} messages are remembered after their time", fix)
    for dataset in DATASETS:
        holds = any(f.category for f in dataset.fields.values())
        if dataset.name.startswith(_OURS) and holds and dataset.name not in GOES:
            yield Finding("the desk", f"nothing says how `{dataset.name}` goes")
    decided = [row for row in rows if periods[row[3]] is not None]
    yield Looked(
        len(decided) + mail[0], "ended cases, requests, complaints, incidents, disclosures; mail"
    )


def _gone(controller: Controller, there: Mapping[str, int], now: dt.datetime) -> Iterator[Finding]:
    """What holds kept when the ledger said so last, and is gone although none has ended since."""
    ended_at = [
        e.at
        for kind in ("hold.released", "case.struck")
        for _, e in controller.ledger.entries(kind=kind)
    ]
    for hold in controller.holds.all(now, released=True):
        if hold.until is not None and hold.until <= controller.day(now):
            ended_at.append(dt.datetime.combine(hold.until, dt.time(), dt.UTC))
    for what, (at, count) in told_held(controller).items():
        if there.get(what, 0) < count and not any(at <= one <= now for one in ended_at):
            yield Finding(
                what, f"of {count} that holds keep {count - there.get(what, 0)} are gone",
                "bring them back from a copy of Kept's database",
            )  # fmt: skip


class _Holds:
    """Which desk data the holds that were open at any time from `since` until `now` keep."""

    def __init__(self, controller: Controller, since: dt.datetime, now: dt.datetime) -> None:
        self._controller = controller
        self._people: list[tuple[str | None, str | None, frozenset[str], str]] = []
        self._everybody: list[str | None] = []
        day = controller.day(since)
        for hold in controller.holds.all(now, released=True):
            over = hold.released_at is not None and hold.released_at <= since
            if over or (hold.until is not None and hold.until <= day):
                continue
            if hold.system not in (None, SYSTEM.name):
                continue
            if hold.subject is None:
                self._everybody.append(hold.dataset)
                continue
            try:
                known = controller.subjects.identifiers(hold.subject)
            except VaultError:
                known = []
            named = frozenset(f"{one.kind}={one.normalised}" for one, _ in known)
            self._people.append((hold.system, hold.dataset, named, hold.id))

    def keep(self, rule: str, number: int) -> bool:
        """Whether one of them keeps that record."""
        begin = _TABLES[rule]
        if any(name is None or name.startswith(begin) for name in self._everybody):
            return True
        asked = [one for one in self._people if one[1] is None or one[1].startswith(begin)]
        if not asked:
            return False
        said, held = self._said(rule, number)
        return any(names & said or id_ in held for _, _, names, id_ in asked)

    def _said(self, rule: str, number: int) -> tuple[set[str], set[str]]:
        """(whom a record names, by what it says; the holds that its steps name)."""
        if rule == "incidents":
            return set(), set()
        with self._controller.database.connection() as c:
            if rule == "disclosures":
                rows = c.execute("SELECT mac FROM passed_person WHERE number = %s", (number,))
                macs = {bytes(row[0]) for row in rows}
                every = {n for _, _, names, _ in self._people for n in names}
                mac = self._controller.passed.mac
                return {n for n in every if mac(parse(n)) in macs}, set()
            cases = [number] if rule in ("cases", "proofs") else [
                row[0] for row in c.execute(_OF[rule], (number,)).fetchall() if row[0]
            ]  # fmt: skip
            held = {
                row[0]
                for row in c.execute(
                    "SELECT hold FROM case_step WHERE number = ANY(%s) AND hold IS NOT NULL",
                    (cases,),
                ).fetchall()
            }
            ids = c.execute(
                "SELECT id FROM rights_case WHERE number = ANY(%s)", (cases,)
            ).fetchall()
        said: set[str] = set()
        for (id_,) in ids:
            case = self._controller.cases.get(id_)
            said |= {
                f"{i.kind}={i.normalised}"
                for one in self._controller.cases.identifiers(case) for i in one
            }  # fmt: skip
        if rule in ("requests", "scans"):
            one = self._controller.intakes.numbered(number)
            told = self._controller.intakes.said(one) if one else {}
            pairs = [*told.get("identity", ()), *told.get("about", ())]
            pairs += [("email", told["person"])] if told.get("person") else []
            said |= {f"{kind}={Identifier(kind, value).normalised}" for kind, value in pairs}
        if rule == "complaints":
            complaint = next(x for x in self._controller.complaints.all() if x.number == number)
            email = self._controller.complaints.said(complaint).get("email")
            said |= {f"email={Identifier('email', email).normalised}"} if email else set()
        return said, held


_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "cases": ("rights_case", "case_", "intake"), "proofs": ("rights_case", "case_", "intake"),
    "requests": ("rights_case", "case_", "intake"), "complaints": ("complaint",),
    "scans": ("rights_case", "case_", "intake"), "incidents": ("incident",),
    "disclosures": ("passed_",),
}  # fmt: skip
_OF: Final[Mapping[str, LiteralString]] = {
    "requests": "SELECT case_number FROM intake_case WHERE number = %s",
    "scans": "SELECT case_number FROM intake_case WHERE number = %s",
    "complaints": "SELECT case_number FROM complaint WHERE number = %s",
}
_OURS: Final = (
    "rights_case", "case_", "intake", "complaint", "incident", "outbox", "reminder", "passed_"
)  # fmt: skip
