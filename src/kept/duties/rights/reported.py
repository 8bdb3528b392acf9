"""Somebody says that a record is a child's: every use of it stops, and a person decides.

A report needs neither an account nor proof, and erases nothing. What is frozen is what the address
reaches, for whatever purpose; a request that somebody makes herself goes on (GDPR Art. 8, 17(1)(f);
Art. 18 while it is looked into). Confirmed, an erasure on the ground `child` is opened, and the
report forgets whom it was about; unfounded, what it froze is free again. One of a crowd of reports
waits for a person, who is alerted: nobody stops the work of a company by sending many.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights.choice import channel_of, own_identifiers
from kept.duties.rights.doubt import doubts
from kept.duties.rights.intake import PERSON, clean, ended, page_token, refuse_past, turning_away
from kept.duties.rights.request import MAY_OVERRIDE, Request, open_case
from kept.errors import Denied, IdentifierError, KeptError, UsageError, VaultError
from kept.ledger.entry import Entry, name
from kept.records.case_state import Case
from kept.records.intake import WINDOW, Intake, Reports, State
from kept.records.subject import LINKING
from kept.records.watch import FLOOD, REPORTS_FULL
from kept.terms.asks import CHILD_REPORT
from kept.terms.identifiers import Identifier
from kept.terms.rights import CHILD

#: How a report is decided.
Outcome = Literal["confirmed", "unfounded"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
#: What becomes of reports that waited.
Release = Literal["freeze", "unfounded"]
RELEASES: Final[tuple[Release, ...]] = get_args(Release)
#: What is frozen at once within an hour: from a source, and in all. What goes beyond waits for a
#: person, and uses up nothing of what others have.
AT_ONCE: Final = (3, 100)
#: What is taken in at all within an hour, as `intake.LIMITS`: nothing is lost below these.
LIMITS: Final = (3, 12, 60, 2_000)
_FACT: Final = "child"
_SOURCE: Final = "child-report"


def report(
    controller: Controller, about: str, words: str, reporter: str, *, once: str, source: str,
    now: dt.datetime,
) -> str:  # fmt: skip
    """Take in a report from the public form; the token of its page. What is frozen is frozen at
    once by `freeze_reported`, of which nobody waits for the end.

    `about` is an e-mail address, a telephone number or a user name; `reporter` may be empty.
    """
    known, words = _about(about), clean(words)
    if not known and not words:
        raise UsageError("it is not said whose data it is", expected="an address, or words")
    answer_to = Identifier("email", reporter.strip()).normalised if reporter.strip() else ""
    said = {"about": known, "words": words, "reporter": answer_to}
    once = "\x00".join((once, CHILD_REPORT, repr(said)))
    token = page_token(controller, once)
    with turning_away(controller, now, REPORTS_FULL), controller.database.connection() as c:
        controller.intakes.one_at_a_time(c)
        if controller.intakes.by_once(once, connection=c) is not None:
            return token
        first = Identifier(*known[0]) if known else None
        met = controller.intakes.tally_reports(first, source, now - WINDOW, connection=c)
        refuse_past(met.tally, LIMITS)
        by = "source" if met.source >= AT_ONCE[0] else "all" if met.all >= AT_ONCE[1] else None
        one = controller.intakes.take(
            "web", (CHILD_REPORT,), said, now, state=State.ENTERED, address=first, source=source,
            token=token, once=once, held=by is not None, connection=c,
        )  # fmt: skip
        _noted(controller, one, now, c)
        if by is not None:
            _held(controller, one, by, met, now, c)
    return token


def _held(
    controller: Controller, one: Intake, by: str, met: Reports, now: dt.datetime, c: Connection
) -> None:
    """Enter that a report waits for a person, and alert the officers."""
    frozen = met.source if by == "source" else met.all
    entries = [Entry("report.held", now, {"request": one.id, "by": by, "frozen": frozen})]
    count = met.tally.all + 1
    actor = controller.actors.of(*PERSON, now, connection=c)
    if controller.watch.flooded(actor, count, now, connection=c):
        body = {"what": FLOOD, "people": count, "records": 0, "actor": name(actor.role)}
        entries.append(Entry("alert.raised", now, body))
    controller.ledger.append_in(c, entries)


@dataclass(frozen=True, slots=True)
class Released:
    """Ids of reports that were frozen or decided, and of those that waited no more: somebody else
    saw to them meanwhile.
    """

    done: tuple[str, ...]
    left: tuple[str, ...]


def release(
    controller: Controller, ids: Sequence[str], outcome: Release,
    reason: str, *, actor: str, role: str, now: dt.datetime,
) -> Released:  # fmt: skip
    """Say of reports that waited for a person that their records are frozen, and decided one by
    one; or that they are unfounded, for one reason. What somebody else decides meanwhile is left
    alone, and the rest goes on. Raises as `decide`.
    """
    _may(role)
    if outcome == "unfounded" and not reason.strip():
        raise UsageError("no reason is given", fix="say in words what was found out")
    wanted, done = set(ids), []
    for one in controller.intakes.held():
        if one.id not in wanted:
            continue
        try:
            if not controller.intakes.get(one.id).held:
                continue
            if outcome == "unfounded":
                decide(controller, one.id, outcome, reason, actor=actor, role=role, now=now)
            else:
                # What a system that is away holds the job freezes when it answers.
                freeze(controller, one, now)
        except (UsageError, VaultError):
            if controller.intakes.get(one.id).open:
                raise
            continue  # somebody decided it between both
        done.append(one.id)
    return Released(tuple(done), tuple(id_ for id_ in dict.fromkeys(ids) if id_ not in done))


def enter_report(
    controller: Controller, people: Sequence[Identifier], said: dict[str, Any], now: dt.datetime,
    *, channel: str, arrived: dt.date, actor: int,
) -> Intake:  # fmt: skip
    """Take in a report that came by letter, telephone or mail, and freeze at once."""
    said = {**said, "about": [[i.kind, i.value] for i in people]}
    with controller.database.connection() as c:
        one = controller.intakes.take(
            channel, (CHILD_REPORT,), said, now, state=State.ENTERED, arrived=arrived,
            address=people[0] if people else None, actor=actor, connection=c,
        )  # fmt: skip
        _noted(controller, one, now, c)
    freeze(controller, one, now)
    return controller.intakes.get(one.id)


def freeze_reported(controller: Controller, now: dt.datetime) -> int:
    """Freeze every record that was reported and is not frozen; how many could not be, wholly."""
    left = 0
    for one in controller.intakes.waiting_for_freeze():
        try:
            left += not freeze(controller, one, now)
        except KeptError:
            left += 1
    return left


def freeze(controller: Controller, one: Intake, now: dt.datetime) -> bool:
    """Stop every use of the record that a report is about; whether every system could be asked.

    First what was given, which needs no system; then what the rows of that record hold.
    """
    about = [Identifier(kind, value) for kind, value in controller.intakes.said(one)["about"]]
    given = [i for i in about if i.kind in LINKING]
    if one.frozen_at is None:
        _freeze(controller, one, given, False, now)
    if not given:
        # Nobody can be found by it: a person has to say whose record it is.
        _freeze(controller, one, given, True, now)
        return True
    located = controller.locate([given])
    rows = controller.keys(located)
    reached: Sequence[Identifier] = given
    if not any(doubts(controller, [given], rows)):
        reached, _ = own_identifiers(controller, given, rows, wide=True)
    whole = not located.unreached
    _freeze(controller, one, reached, whole, now)
    return whole


def decide(
    controller: Controller, id_: str, outcome: Outcome, reason: str,
    *, actor: str, role: str, now: dt.datetime,
) -> tuple[Intake, Case | None]:  # fmt: skip
    """Decide a report; confirmed, with the erasure case that it opened and that stays frozen until
    it is carried out. `reason` is sealed in that case, and stands in the ledger as a keyed hash.

    Raises Denied for a role that does not answer for it; UsageError where nothing is to be decided.
    """
    _may(role)
    one = controller.intakes.get(id_)
    if CHILD_REPORT not in one.asked or not one.open:
        raise UsageError(
            "there is nothing to decide", expected="an open report of a child", met=one.state
        )
    if not reason.strip():
        raise UsageError("no reason is given", fix="say in words what was found out")
    if outcome == "unfounded":
        return _unfreeze(controller, one, reason, now), None
    about = tuple(Identifier(k, v) for k, v in controller.intakes.said(one).get("about", ()))
    if not about:
        raise UsageError(
            "it is not known whose record it is",
            fix=f"name it first: `kept request classify {one.id} --as {CHILD_REPORT}"
            ' --identity "…"`',
        )
    if one.held:
        freeze(controller, one, now)
    request = Request(
        (about,), actor, role, evidence=reason, ground=CHILD, region=one.region,
        arrived=one.arrived,
    )  # fmt: skip
    case, _, _ = open_case(controller, "erasure", request, now)
    with controller.database.connection() as c:
        # Whom it was about stands in the case from now on, and goes with it.
        controller.intakes.opened(one, CHILD_REPORT, case.number, connection=c)
        one = ended(controller, one, State.ANSWERED, "confirmed", reason, now, c, forget=True)
    return one, case


def _may(role: str) -> None:
    if role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{role}` may not decide a report",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )


def _freeze(
    controller: Controller, one: Intake, reached: Sequence[Identifier], whole: bool,
    now: dt.datetime,
) -> None:  # fmt: skip
    before = controller.intakes.reach(one)
    names = {(kind, value): new for kind, value, new in before.get("identifiers", ())}
    numbers = {int(s): new for s, new in before.get("subjects", ())}
    channel = channel_of(_FACT)
    fresh = [i for i in reached if (i.kind, i.normalised) not in names]
    there = controller.suppressions.channels_of(fresh)
    subjects = [s for s in controller.subjects.find(reached) if s not in numbers] if reached else []
    known = controller.consents.facts_of(subjects, now)
    with controller.database.connection() as c:
        controller.suppressions.add(fresh, now, channel=channel, source=_SOURCE, connection=c)
        for i, channels in zip(fresh, there, strict=True):
            names[i.kind, i.normalised] = channel not in channels
        for subject, facts in zip(subjects, known, strict=True):
            numbers[subject] = _FACT not in facts.held
            if numbers[subject]:
                controller.consents.record(
                    subject, [(_FACT, True)], now, source=_SOURCE, connection=c
                )
        reach = {
            "identifiers": [[*name, new] for name, new in names.items()],
            "subjects": [[s, new] for s, new in numbers.items()],
        }
        controller.intakes.frozen(one, reach, whole, now, connection=c)
        body = {
            "request": one.id, "kinds": sorted({kind for kind, _ in names}),
            "people": len(numbers), "whole": whole,
        }  # fmt: skip
        controller.ledger.append_in(c, [Entry("use.frozen", now, body)])


def _unfreeze(controller: Controller, one: Intake, reason: str, now: dt.datetime) -> Intake:
    """Give free what this report froze and no other open one does."""
    reach = controller.intakes.reach(one)
    others = [
        (other, controller.intakes.reach(other))
        for other in controller.intakes.all(open_only=True)
        if CHILD_REPORT in other.asked and other.id != one.id
    ]
    channel, left = channel_of(_FACT), 0
    with controller.database.connection() as c:
        for part in ("identifiers", "subjects"):
            for *name, new in reach.get(part, ()):
                heir = next((o for o in others if _holds(o[1], part, name)), None)
                if not new:
                    continue
                if heir is not None:
                    # What the other one met as frozen already is now frozen by it.
                    _inherit(heir[1], part, name)
                    whole = heir[0].outcome is not None
                    controller.intakes.frozen(heir[0], heir[1], whole, now, connection=c)
                    left += 1
                elif part == "identifiers":
                    controller.suppressions.lift(Identifier(*name), channel=channel, connection=c)
                else:
                    controller.consents.record(
                        int(name[0]), [(_FACT, False)], now, source="unfounded", connection=c
                    )
        digest = controller.digest(reason.encode())
        body = {"request": one.id, "reason": digest, "left": left}
        controller.ledger.append_in(c, [Entry("use.unfrozen", now, body)])
        return ended(controller, one, State.ANSWERED, "unfounded", reason, now, c, forget=True)


def _holds(reach: dict[str, Any], part: str, name: Sequence[Any]) -> bool:
    return any(list(known) == list(name) for *known, _ in reach.get(part, ()))


def _inherit(reach: dict[str, Any], part: str, name: Sequence[Any]) -> None:
    for known in reach[part]:
        if known[:-1] == list(name):
            known[-1] = True


def _about(text: str) -> list[list[str]]:
    """The identifier in a field for an address, a number or a user name; none where it is empty."""
    text = text.strip()
    if not text:
        return []
    for kind in ("email", "phone"):
        try:
            return [[kind, Identifier(kind, text).normalised]]
        except IdentifierError:
            continue
    return [["account", Identifier("account", text).normalised]]


def _noted(controller: Controller, one: Intake, now: dt.datetime, c: Any) -> None:
    body = {
        "request": one.id, "channel": one.channel, "kinds": list(one.asked),
        "arrived": one.arrived.isoformat(),
    }  # fmt: skip
    controller.ledger.append_in(c, [Entry("request.taken", now, body)])
