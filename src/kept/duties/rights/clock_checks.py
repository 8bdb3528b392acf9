"""What proves that requests are answered in time, and that no time was taken silently."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.duties.rights import delivery, lost
from kept.records.answered import AT_ONCE, AT_ONCE_VALUES
from kept.records.case import State
from kept.records.intake import ANSWERED
from kept.records.outbox import SENT

#: Answers of so long ago are not looked at any more.
_LOOKED_BACK: Final = dt.timedelta(days=365)
_ANSWER: Final = "answer it; `kept case list --sort due` shows what is to be answered first"
_TELL: Final = "write to her (`kept case answer`), or enter that she was told: `kept case posted`"
_COME: Final = "tell her that it has come, and enter it: `kept case acknowledge`"
_BEFORE: Final = "it was late before; look at `kept case list --sort due` each week"
_GO_ON: Final = "let it go on with `kept case resume`, and see that `kept serve` runs"
_SILENT: Final = "she was not told inside the first period that it takes longer"
_WORDLESS: Final = "an extension without a reason, or without what she was told"
_NOTHING: Final = (False, False, None, False, False)
_MEND: Final = "find out who changed it, and restore Kept's database from a backup"


@dataclass(slots=True)
class _Told:
    """What the ledger says of the clock of a case."""

    due: dt.date
    paused: dt.date | None = None
    moved_later: bool = False
    acknowledged: dt.date | None = None
    #: (the notice went out, it was entered, the last day before that, it says why and what)
    extended: list[tuple[dt.date | None, dt.date, dt.date, bool]] = field(default_factory=list)


@control("rights.answered-in-time")
def answered_in_time(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No request waits past its last day, and none of the last twelve months was answered late.

    The last day is what the ledger says: as it was counted when the case was opened, and moved
    by an extension or a pause that is written there. The records have to say the same. A request
    that the person took back by then is not late; a restriction is answered when it is in force
    for all that leads to her, with every system asked.
    Where a rule names a day for that, she was told by then that the request has come: by the page
    or the protocol by which she asked, by staff who entered it, or by the answer itself.
    No clock stands still for longer than the organisation lets it, and such time counts for
    nothing.

    That a case ended is no answer (`records.answered`); here the ledger says when it reached her.
    """
    told, today, most = _told(controller, now), controller.day(now), controller.desk.pause_days
    silent = 0
    with controller.database.connection() as connection:
        rows = connection.execute(
            f"SELECT r.id, r.state, r.done_at, k.due, {AT_ONCE}, k.confirm_by,"
            # Whom a page or a protocol answered was told by that.
            " EXISTS (SELECT FROM intake_case i JOIN intake a USING (number)"
            " WHERE i.case_number = r.number AND a.channel = ANY(%(answered)s)),"
            " (SELECT min(e.at) FROM case_event e WHERE e.number = r.number"
            " AND e.state = 'acknowledged' AND NOT EXISTS (SELECT FROM intake_case i"
            # By a mail that no server took nobody was told.
            " JOIN intake a USING (number) WHERE i.case_number = r.number"
            " AND a.untold_at <= %(now)s))"
            " FROM rights_case r LEFT JOIN case_clock k USING (number)"
            " WHERE r.opened_at <= %(now)s ORDER BY r.number",
            {**AT_ONCE_VALUES, "now": now, "answered": list(ANSWERED)},
        ).fetchall()
    reached = _reached(
        controller, now, {row[0]: row[2] for row in rows if row[2] is not None},
        {row[0] for row in rows if row[1] == State.REFUSED},
    )  # fmt: skip
    yield from lost.cases(controller, told)
    looked, in_force = 0, _in_force(controller, now)
    for id_, state, closed, due, at_once, confirm_by, by_page, noted in rows:
        met = at_once or id_ in in_force
        answered = in_force.get(id_, closed)
        if answered is not None and answered > now:
            answered = None  # as of then
        if answered is not None and answered < now - _LOOKED_BACK:
            continue
        said = told.get(id_)
        if state == State.WITHDRAWN and answered is not None:
            day = controller.day(answered)
            if said is not None and day > _last(said, day, most):
                late = (day - _last(said, day, most)).days
                words = f"a request was taken back {late} days past its last day"
                yield Finding("a case", words, _BEFORE)
                looked += 1
            continue
        if said is None:
            if answered is None:
                yield Finding("a case", "nobody counted until when a request is to be answered",
                              "give it a clock with `kept case remind`")  # fmt: skip
            continue
        looked += 1
        if due != said.due and not said.moved_later:
            yield Finding("a case", "its last day is not the one that the ledger says", _MEND)
        if confirm_by is not None and not by_page:
            first = controller.day(answered) if met and answered is not None else reached.get(id_)
            moved = controller.day(noted) if noted is not None and noted <= now else None
            days_of = (said.acknowledged, first, moved)
            heard = min((d for d in days_of if d is not None), default=today)
            if heard > confirm_by:
                days = (heard - confirm_by).days
                words = f"she was not told for {days} days past its day that a request has come"
                yield Finding("a case", words, _COME)
        if answered is None:
            if (still := _still(said, today)) > most:
                yield Finding("a case", f"a clock stands still for {still} days", _GO_ON)
            if today > _last(said, today, most):
                days = (today - _last(said, today, most)).days
                yield Finding("a case", f"a request waits {days} days past its last day", _ANSWER)
            continue
        day = controller.day(answered)
        if not met:
            had = reached.get(id_)
            if had is None and day <= _last(said, day, most):
                silent += today > _last(said, today, most)  # till then there is time to tell her
                continue
            day = had or day
        if day > _last(said, day, most):
            late = (day - said.due).days
            if met or id_ in reached:
                yield Finding("a case", f"a request was answered {late} days late")
            else:
                words = f"a request ended {late} days late, and she was not told"
                yield Finding("a case", words, _TELL)
    if silent:
        yield Finding("a case", f"of {silent} requests that ended in time it is not on record that"
                      " the person was told", _TELL)  # fmt: skip
    yield Looked(looked, "requests with a last day")


@control("rights.extension-told-in-time")
def extension_told_in_time(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Nobody waits longer than the first period who was not told so, and why, before it ended.

    For every extension the ledger names the day on which the notice went out, its reason and the
    hash of its words, and it was entered before that period was over; there is one of a case at
    most. Looked at is every request with a last day: the records know of no other extension.
    """
    told = _told(controller, now)
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT r.id, r.done_at IS NULL, k.extended, c.dated, c.words IS NOT NULL,"
            " EXISTS (SELECT FROM case_clock_change o WHERE o.number = r.number"
            " AND o.act = 'extended' AND o.at > %s)"
            " FROM rights_case r JOIN case_clock k USING (number)"
            " LEFT JOIN case_clock_change c ON c.number = r.number AND c.act = 'extended'"
            " AND c.at <= %s WHERE r.opened_at <= %s",
            (now, now, now),
        ).fetchall()
    known = {row[0]: row[1:] for row in rows}
    for id_, said in told.items():
        if len(said.extended) > 1:
            yield Finding("a case", "the time of a request was extended more than once")
        for sent, entered, before, whole in said.extended:
            if sent is None or max(sent, entered) > before:
                yield Finding("a case", _SILENT)
            if not whole:
                yield Finding("a case", _WORDLESS)
            open_, extended, dated, words, _ = known.get(id_, _NOTHING)
            if not extended or dated != sent or (open_ and not words):
                yield Finding("a case", "an extension is not on record as the ledger has it", _MEND)
    for id_, (_, extended, _, _, later) in known.items():
        if extended and not later and (id_ not in told or not told[id_].extended):
            yield Finding("a case", "an extension that the ledger does not know", _MEND)
    yield Looked(len(known), "requests with a last day")


def _reached(
    controller: Controller, now: dt.datetime, done: Mapping[str, dt.datetime],
    refused: Collection[str],
) -> dict[str, dt.date]:  # fmt: skip
    """Case → the first day on which something of its answer reached the person, as of `now`; what
    was written before the case was `done` is no answer, nor is a letter that a copy was made the
    copy.
    """
    found: dict[str, dt.date] = {}
    # What the staff fetched from the desk she has not got by that.
    with controller.database.connection() as connection:
        files = connection.execute("SELECT file FROM case_delivery WHERE desk").fetchall()
    ours = {delivery.file_hash(file) for (file,) in files}
    made_on = [
        entry
        for _, entry in controller.ledger.entries(kind="delivery.made")
        if entry.at <= now and entry.body["file"] not in ours
    ]
    copied = {
        str(entry.body["case"])
        for _, entry in controller.ledger.entries(kind="access.given")
        if (entry.body["rows"] or entry.body.get("named_in"))
        and entry.at <= now
        and entry.body["case"] not in refused
    }

    def first(case: object, made: dt.datetime, day: dt.date) -> None:
        name, since = str(case), done.get(str(case))
        if since is not None and made >= since:
            found[name] = min(day, found.get(name, day))

    put: dict[str, dt.datetime] = {}
    by_case: dict[str, list[dt.datetime]] = {}
    for _, entry in controller.ledger.entries(kind="mail.put"):
        put[str(entry.body["letter"])] = entry.at
        by_case.setdefault(f"{entry.body['case']} {entry.body['kind']}", []).append(entry.at)
    went: list[tuple[str, str, dt.datetime, dt.datetime]] = []
    arrived: set[tuple[str, dt.datetime]] = set()
    linked: dict[str, dt.date] = {}

    def mailed(case: object, kind: str, made: dt.datetime, day: dt.date) -> None:
        name = str(case)
        if kind != "answer" or name not in copied:
            first(case, made, day)
        elif name in linked:
            first(case, made, max(day, linked[name]))

    for _, entry in controller.ledger.entries(kind="clock.moved"):
        if entry.body["act"] == "posted" and "dated" in entry.body and entry.at <= now:
            day, case = dt.date.fromisoformat(entry.body["dated"]), str(entry.body["case"])
            if case in done and day >= controller.day(done[case]):
                first(case, entry.at, day)
    said: set[str] = set()
    for _, entry in controller.ledger.entries(kind="mail.ended"):
        if entry.body["outcome"] != SENT or entry.at > now:
            continue
        letter, case = str(entry.body.get("letter", "")), entry.body["case"]
        # Ledgers of before name no letter: it was the newest till then.
        before = [at for at in by_case.get(f"{case} {entry.body['kind']}", ()) if at <= entry.at]
        made = put.get(letter) or (before[-1] if before and not letter else None)
        if made is not None:
            said.add(str(case))
            went.append((str(case), str(entry.body["kind"]), made, entry.at))
    # It is entered within the hour; until then, and for the moment itself, the outbox is asked.
    with controller.database.connection() as connection:
        sent = connection.execute(
            "SELECT r.id, m.kind, m.put_at, m.outcome IS NULL, coalesce(m.ended_at, o.sent_at),"
            " m.letter"
            " FROM case_mail m JOIN rights_case r USING (number) LEFT JOIN outbox o"
            " ON o.id = m.letter"
            " WHERE coalesce(m.outcome, o.outcome) = %s AND coalesce(m.ended_at, o.sent_at) <= %s",
            (SENT, now),
        ).fetchall()
    for case, kind, made, fresh, at, letter in sent:
        if fresh or case in said:
            went.append((case, kind, made, at))
            if kind == "link":
                arrived.add((case, put.get(letter, made)))
    # A link that was put into a mail, and that no server took, leads nobody anywhere.
    arrived |= {(case, made) for case, kind, made, _ in went if kind == "link"}
    for entry in made_on:
        case = str(entry.body["case"])
        if case not in done or entry.at < done[case]:
            continue  # what was packed before all was done is not her copy
        if (case, entry.at) in arrived or entry.at not in by_case.get(f"{case} link", ()):
            linked.setdefault(case, controller.day(entry.at))
    for case, kind, made, at in went:
        mailed(case, kind, made, controller.day(at))
    packed = {entry.body["file"]: entry.at for entry in made_on}
    for _, entry in controller.ledger.entries(kind="delivery.fetched"):
        file = entry.body["file"]
        if entry.at <= now and file in packed:
            first(entry.body["case"], packed[file], controller.day(entry.at))
    return found


def _told(controller: Controller, now: dt.datetime) -> dict[str, _Told]:
    """Case → what the ledger says of its clock, as of `now`."""
    found: dict[str, _Told] = {}
    for _, entry in controller.ledger.entries(kind="case.opened"):
        if "due" in entry.body and entry.at <= now:
            due = dt.date.fromisoformat(entry.body["due"])
            found[str(entry.body["case"])] = _Told(due)
    for _, entry in controller.ledger.entries(kind="clock.moved"):
        body = entry.body
        if entry.at > now:
            if (known := found.get(str(body["case"]))) is not None:
                known.moved_later = True
            continue
        due = dt.date.fromisoformat(body["due"])
        one = found.setdefault(str(body["case"]), _Told(due))
        one.due = due
        if body["act"] in ("paused", "resumed"):
            since = dt.date.fromisoformat(body["dated"])
            one.paused = since if body["act"] == "paused" else None
        if body["act"] == "acknowledged":
            one.acknowledged = dt.date.fromisoformat(body["dated"])
        if body["act"] == "extended":
            sent = dt.date.fromisoformat(body["dated"]) if "dated" in body else None
            before = dt.date.fromisoformat(body["before"])
            whole = "reason" in body and "words" in body
            one.extended.append((sent, controller.day(entry.at), before, whole))
    return found


def _in_force(controller: Controller, now: dt.datetime) -> dict[str, dt.datetime]:
    """Case → since when its restriction holds with every system asked, by `now`."""
    found: dict[str, dt.datetime] = {}
    for _, entry in controller.ledger.entries(kind="restriction.set"):
        if not entry.body.get("unreached") and entry.at <= now:
            found.setdefault(str(entry.body.get("case")), entry.at)
    return found


def _still(said: _Told, day: dt.date) -> int:
    """For how many days the clock has stood still by a day."""
    return 0 if said.paused is None else (day - said.paused).days


def _last(said: _Told, day: dt.date, most: int) -> dt.date:
    """The last day as it is by a day, of a clock that may stand still so many days at most."""
    return said.due + dt.timedelta(days=min(max(_still(said, day), 0), most))
