"""Who has to do something, and does not, is reminded by mail; what stays undone is escalated.

Whose a case is hears of it before its last day, also where it is done and the person was not
told; then whoever answers for all of it too. So do they of an answer that no mail server took, of
tasks that are late, of recipients who do not answer, of complaints, of alerts that nobody looked
into, and of systems that are away. A mail holds a number and a link, never a word about a person.
Each goes once: it is noted in the transaction that queues it, and should a machine stop while it
is handed over, it goes once more under the same Message-ID (`records.outbox`). What no mail server
took in its time told nobody, and is said again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights import clock, recipients
from kept.records.account import OFFICER
from kept.records.recipient import noted_as
from kept.records.watch import ALONE, BULK, CHOICES_FULL, COMPLAINTS_FULL, FULL, REPORTS_FULL
from kept.stores.tasks import Derived, Notice, Outcome
from kept.terms import clocks
from kept.terms.asks import CHILD_REPORT
from kept.terms.clocks import Light

#: Who ends a case of which a recipient was brought before the officers.
_ITSELF: Final = ("by itself", "operator")
#: How long such mail is tried.
_TRIED: Final = dt.timedelta(days=3)
#: Stands for the organisation's own address, where no officer has one.
_ORGANISATION: Final = "organisation"
#: A system that is away this long is said, and said again.
AWAY: Final = (1, 7)
#: After so many days of nobody seeing to it a question is said, and a report of a child at once.
ASKED: Final = (7, 21)
CHILD: Final = (0, 1)
_MANY: Final = 500
#: So many alerts of a kind, or cases whose last day comes near, are told one by one; more are told
#: together, and so many cases are named then.
_SINGLY: Final = 5
_LISTED: Final = 500
_STANDS_OUT: Final = {
    BULK: "Somebody of the staff opened more people within an hour than is usual",
    ALONE: "Somebody of the staff did alone what takes two people",
    FULL: "The form for requests turned people away: within an hour as much came as it takes",
    COMPLAINTS_FULL: "The form for complaints turned people away: within an hour as much came as it"
    " takes",
    CHOICES_FULL: "Letters to the page of choices were refused to people: within an hour as many"
    " were asked for as go out",
    REPORTS_FULL: "The form for reports of a child turned people away: within an hour as much came"
    " as it takes",
}
#: After so many days that a task is late, or a recipient cannot be reached, it is escalated.
_PATIENCE: Final = dt.timedelta(days=7)
#: And after so many that nobody could be asked to make something anew: as if it had been asked.
_UNASKED: Final = dt.timedelta(days=14) + _PATIENCE


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to be told. `owner` is the number of an account; `officers`: they are told too.
    `serves`: those are told who serve this system, or the officers where nobody does. `silent`: the
    (case, recipient) of whom officers now know that it does not answer. `dated`: it is that the
    last day of a case comes near, which many may share.
    """

    about: str
    reason: str
    words: str
    path: str
    owner: int | None = None
    officers: bool = False
    silent: tuple[str, str] | None = None
    dated: bool = False
    serves: str | None = None


def remind(controller: Controller, now: dt.datetime) -> int:
    """Queue what is to be told and was not; how many mails that is."""
    controller.worklist.seen_told(now, controller.desk.zone)
    if controller.post is None:
        return 0
    queued = 0
    dated: dict[tuple[str, str], list[Call]] = {}
    for call in calls(controller, now):
        for whom in sorted(_whom(controller, call, now).items()):
            if call.dated:
                dated.setdefault(whom, []).append(call)
            else:
                queued += _tell(controller, [call], *whom, now)
    for whom, those in dated.items():
        queued += _tell(controller, those, *whom, now)
    with controller.database.connection() as c:
        controller.reminders.forget(now, connection=c)
    return queued


def _tell(
    controller: Controller, those: Sequence[Call], whom: str, address: str, now: dt.datetime
) -> int:  # fmt: skip
    """Queue what of these somebody was not told yet; how many mails that is. More than a few go
    as one that names each case and what of it.
    """
    told = controller.reminders
    with controller.database.connection() as c:
        # In one order, so that two who do this at once do not wait for each other.
        fresh = [
            one for one in sorted(those, key=lambda one: (one.about, one.reason))
            if told.first(one.about, one.reason, whom, now - _TRIED, connection=c)
        ]  # fmt: skip
        mails = [[one] for one in fresh]
        if len(fresh) > _SINGLY:
            mails = [fresh]
        for mail in mails:
            first, link = mail[0], controller.site_url or ""
            values = {"number": first.about, "words": first.words, "link": link + first.path}
            if len(mail) > 1:
                lines = [f"- {one.about}: {one.words}" for one in mail[:_LISTED]]
                if len(mail) > _LISTED:
                    lines.append(f"- and {len(mail) - _LISTED} more")
                values = {"number": f"{len(mail)} cases", "words": "\n".join(lines),
                          "link": f"{link}/desk"}  # fmt: skip
            letter = controller.outbox.put(
                address, "reminder", values, now, good_until=now + _TRIED, connection=c
            )
            for one in mail:
                told.note(one.about, one.reason, whom, letter, now, connection=c)
                if one.silent is not None:
                    _escalated(controller, *one.silent, now, c)
    return len(mails)


def _escalated(
    controller: Controller, case: str, recipient: str, now: dt.datetime, c: Connection
) -> None:
    """Nobody waits for it any more to end the case: whoever answers for it all has the matter."""
    if controller.recipients.escalate(case, recipient, now, connection=c):
        actor = controller.actors.of(*_ITSELF, now, connection=c)
        controller.recipients_settled(case, actor, now, c)


def look_for_systems(controller: Controller, now: dt.datetime) -> bool:
    """Ask every system whether it is there, and note which are not; whether all are."""
    silent = controller.silent()
    controller.away.met(silent, now)
    return not silent


def calls(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """Everything that somebody is to be told, as of now."""
    yield from _cases(controller, now)
    yield from _untold(controller, now)
    yield from _unsent(controller, now)
    yield from _tasks(controller, now)
    yield from _recipients(controller, now)
    yield from _complaints(controller, now)
    yield from _asked(controller, now)
    yield from _alerts(controller, now)
    yield from _doubts(controller, now)
    for gone in controller.away.all():
        reached = [days for days in AWAY if gone.days(now) >= days]
        if reached:
            since = controller.day(gone.since)
            yield Call(
                f"system:{gone.system}", f"{reached[-1]}:{since}",
                f"The system {gone.system} has not answered since {since}. What has to be done"
                " there waits.", "/desk", officers=True,
            )  # fmt: skip


def _cases(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    today = controller.day(now)
    for one in clock.standings(controller, now):
        if (by := one.clock.confirm_by) is not None:
            light = clocks.light(today, by, controller.workdays)
            if light is not Light.GREEN and not clock.acknowledged(controller, one.case):
                yield Call(
                    one.case.id, f"come-{light.value}:{by}",
                    "It is not on record that the person was told that her request has come. That"
                    f" {'was' if light is Light.OVERDUE else 'is'} to be by {by}.",
                    f"/desk/cases/{one.case.id}", controller.worklist.owner(one.case),
                    light is not Light.AMBER, dated=True,
                )  # fmt: skip
        if one.paused or one.light is Light.GREEN:
            continue
        due = one.clock.due
        how = "was" if one.light is Light.OVERDUE else "is"
        yield Call(
            one.case.id, f"{one.light.value}:{due}",
            f"The case {how} to be answered by {due}.", f"/desk/cases/{one.case.id}",
            controller.worklist.owner(one.case), one.light is not Light.AMBER, dated=True,
        )  # fmt: skip


def _untold(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """Cases that are done, of which it is not on record that the person was told."""
    today = controller.day(now)
    for one in controller.worklist.untold(now, controller.desk.zone, _MANY)[0]:
        light = clocks.light(today, one.due, controller.workdays)
        if light is Light.GREEN:
            continue
        how = "was" if light is Light.OVERDUE else "is"
        yield Call(
            one.id, f"told-{light.value}:{one.due}",
            "The case is done, and it is not on record that the person was told. That"
            f" {how} to be by {one.due}.", f"/desk/cases/{one.id}",
            _owner(controller, one.id), officers=light is not Light.AMBER, dated=True,
        )  # fmt: skip


def _unsent(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """Mail to a person that was given up: she has no answer, though somebody believes she has."""
    for one in controller.mailed.unsent():
        what = "The answer" if one.kind == "answer" else "The link to the package"
        still = "unsent-still" if now - one.ended_at >= _PATIENCE else "unsent"
        yield Call(
            one.case, f"{still}:{one.id}",
            f"{what} of the case did not reach the person: no mail server took it. It has to be"
            " sent again, or to go in another way.", f"/desk/cases/{one.case}",
            controller.worklist.owner(controller.cases.get(one.case)), officers=True,
        )  # fmt: skip


def _tasks(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """Whoever does a task was reminded by letter; what that did not help is told here."""
    for task in controller.tasks():
        case = task.of_case
        path = f"/desk/cases/{case}" if case else "/desk/tasks"
        owner = _owner(controller, case) if case else None
        if task.answer is not None and task.answer.outcome is Outcome.CANNOT:
            yield Call(case or task.id, f"cannot:{task.id}"[:200],
                       "Somebody says that a task of the case cannot be done.", path, owner,
                       officers=True)  # fmt: skip
        elif task.late(now) and task.due is not None:
            who = "A recipient has" if isinstance(task.action, Notice) else "A task has"
            words = f"{who} not been answered since {controller.day(task.due)}, though asked."
            late = now - task.due >= _PATIENCE
            noted = noted_as(task)
            yield Call(case or task.id, f"{'escalated' if late else 'late'}:{task.id}"[:200],
                       words, path, owner, officers=late or owner is None,
                       silent=(task.case, noted) if late and noted else None,
                       serves=task.system if task.action is Derived.ANEW else None)  # fmt: skip
        elif task.answer is None and task.action is Derived.ANEW:
            yield Call(task.case, f"anew:{task.id}"[:200],
                       "Data of somebody was corrected, and what was made of it is to be made anew"
                       f" by {controller.day(task.due) if task.due else 'the day in its letter'}.",
                       "/desk/tasks", serves=task.system)  # fmt: skip


def _recipients(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """Those to whom no way leads: nobody writes to a recipient by itself, and whoever served a
    system that left the map, or whose letters do not go, was asked nothing.
    """
    asked = {(t.case, noted_as(t)) for t in controller.tasks() if t.due is not None}
    for noted in controller.recipients.unanswered():
        if noted.place is not None:
            since = now - noted.noted_at
            if (noted.case, noted.recipient) not in asked and since >= _UNASKED:
                yield Call(
                    noted.case, f"unasked:{noted.recipient}"[:200],
                    f"What was made of corrected data in {noted.recipient} is to be made anew, and"
                    " nobody who serves that could be asked.", f"/desk/cases/{noted.case}",
                    _owner(controller, noted.case), officers=True,
                    silent=(noted.case, noted.recipient),
                )  # fmt: skip
            continue
        unknown = noted.recipient not in controller.reach.ways
        if unknown and now - noted.noted_at >= _PATIENCE:
            yield Call(
                noted.case, f"untold:{noted.recipient}"[:200],
                f"{recipients.titled(controller, noted.recipient)} has to be told, and no way to"
                " reach it is set up.", f"/desk/cases/{noted.case}",
                _owner(controller, noted.case), officers=True,
                silent=(noted.case, noted.recipient),
            )  # fmt: skip


def _complaints(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    today = controller.day(now)
    for one in controller.complaints.all(open_only=True):
        day = one.next_day
        if day is None:
            continue
        light = clocks.light(today, day, controller.workdays)
        if light is not Light.GREEN:
            yield Call(one.id, f"{light.value}:{day}",
                       f"Something is to be done about the complaint by {day}.",
                       f"/desk/complaints/{one.id}", officers=True)  # fmt: skip


def _asked(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """What a person has to see to and that is no case: questions, reports of a child."""
    held = controller.intakes.held()
    if held:
        # One mail a day, not one for each of them: a flood of reports is none of mail.
        yield Call(
            "reports", f"held:{controller.day(now)}",
            f"More reports of data of a child came within an hour than are acted on at once;"
            f" {len(held)} wait for a person before anything is frozen.", "/desk/reports",
            officers=True,
        )  # fmt: skip
    for one in controller.intakes.answered_nobody():
        yield Call(
            one.id, f"untold:{one.id}",
            "No mail server took the letter that was to answer a request: whoever asked heard"
            " nothing.", f"/desk/requests/{one.id}", officers=True,
        )  # fmt: skip
    for one in controller.intakes.to_do(_MANY):
        if one.held:
            continue
        child = CHILD_REPORT in one.asked
        reached = [d for d in (CHILD if child else ASKED) if (now - one.arrived_at).days >= d]
        if reached:
            what = "A report of data of a child waits to be decided." if child else (
                f"A request waits for somebody since {controller.day(one.arrived_at)}."
            )  # fmt: skip
            yield Call(one.id, f"asked:{reached[-1]}", what, f"/desk/requests/{one.id}",
                       officers=True)  # fmt: skip


def _doubts(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """What may be one person or two: once a week, while any of it waits for long."""
    count, since = controller.doubts.waiting()
    if since is not None and now - since >= _PATIENCE:
        year, week, _ = controller.day(now).isocalendar()
        waits = "pair waits" if count == 1 else "pairs wait"
        yield Call(
            "doubts", f"waits:{year}-{week}",
            f"{count:,} {waits} to be decided, one person or two, the first since"
            f" {controller.day(since)}. Until then what is asked covers one of them alone.",
            "/desk/doubts", officers=True,
        )  # fmt: skip


def _alerts(controller: Controller, now: dt.datetime) -> Iterator[Call]:
    """What stands out; of a flood of reports the reports themselves tell."""
    unseen = controller.watch.alerts(unseen=True)
    for what, words in _STANDS_OUT.items():
        those = [one for one in unseen if one.what == what]
        if len(those) > _SINGLY:
            # One mail for a day on which more came: whoever raises them floods nobody.
            newest, still = max(one.at for one in those), _still(min(o.at for o in those), now)
            yield Call("alerts", f"{what}:{still}:{controller.day(newest)}",
                       f"{words}; of that {len(those)} alerts wait. An officer has to look into"
                       " them.", "/desk/accounts", officers=True)  # fmt: skip
            continue
        for one in those:
            yield Call(f"alert-{one.number}", _still(one.at, now),
                       f"{words}. An officer has to look into it.", "/desk/accounts",
                       officers=True)  # fmt: skip
    for grant in controller.accounts.emergencies():
        yield Call(f"emergency-{grant.number}", _still(grant.at, now),
                   "Somebody of the staff took a role in an emergency. An officer has to look into"
                   " it.", "/desk/accounts", officers=True)  # fmt: skip


def _still(since: dt.datetime, now: dt.datetime) -> str:
    return "still" if now - since >= _PATIENCE else "raised"


def _owner(controller: Controller, case: str) -> int | None:
    if not case:
        return None
    return controller.worklist.owner(controller.cases.get(case))


def _whom(controller: Controller, call: Call, now: dt.datetime) -> dict[str, str]:
    """Account id (or the organisation) → address. What reaches nobody, or is for the officers and
    reaches none of them, reaches the organisation.
    """
    found: dict[str, str] = {}
    there = [one for one in controller.accounts.all(now) if one.disabled_at is None]
    system = controller.datamap.systems.get(call.serves or "")
    his = system.accounts if system else ()
    serve = {one.number for one in there if recipients.SERVES in one.roles and one.name in his}
    officers, reached = call.officers or (call.owner is None and not serve), False
    for account in there:
        officer = officers and OFFICER in account.roles
        if officer or account.number in (call.owner, *serve):
            address = controller.accounts.mail(account)
            if address:
                found[account.id], reached = address, reached or officer
    if not found or (officers and not reached):
        found[_ORGANISATION] = controller.bundle.organisation.email
    return found
