"""When nothing keeps a row any more: what stayed after an erasure goes, without being asked again.

A law's day has come, or a hold was released. The rows are judged anew as of today: another law
or hold may keep them still, then they go on under that; all others go as the erasure wanted.
Only what was read back as gone loses its way back, its sealed copy and their key, and in the same
transaction the ledger is told. Killed in between, the next run finds the same entries, goes on,
and tells of what had gone already: nothing is told twice, and nothing never.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from kept.controller import Controller, Place
from kept.controller.execute import Outcome
from kept.controller.naming import identifier
from kept.controller.retained import Retained
from kept.controller.sides import Says
from kept.datamap.map import OnErase
from kept.decide import due, reasons, ties
from kept.decide.plan import plan as make_plan
from kept.duties.rights.planning import of_others
from kept.duties.rights.request import step_document
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Counts, Plan, Reason, Step, StepResult
from kept.model.select import KeyTable
from kept.model.values import Value
from kept.records.hold import Hold
from kept.records.ids import new_id
from kept.records.locator import Ended
from kept.stores.tasks import left_mark


@dataclass(frozen=True, slots=True)
class EndAnswer:
    """What a run let go. `ended` groups of rows had lost their ground: of these `gone` have left
    every system and `renewed` stay for another reason. `steps` say what happened to the rows.
    """

    ended: int
    gone: int
    renewed: int
    steps: tuple[StepResult, ...]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    statements: Mapping[str, tuple[str, ...]]

    @property
    def complete(self) -> bool:
        """Whether nothing is left of what had to go, and everybody could be asked."""
        return self.ended == self.gone + self.renewed and not self.unreached

    def document(self) -> dict[str, Any]:
        """The answer as JSON."""
        return {
            "ended": self.ended,
            "gone": self.gone,
            "renewed": self.renewed,
            "complete": self.complete,
            "steps": [step_document(s) for s in self.steps],
            "unreached": [{"store": s, "why": why} for s, why in self.unreached],
            "warnings": list(self.warnings),
            "statements": {s: list(lines) for s, lines in self.statements.items()},
        }


def expire(controller: Controller, now: dt.datetime) -> EndAnswer:
    """Let go what nothing keeps any more, as of `now`; the daily run, repeatable at any time.

    Keys that were shredded go for good with the epoch whose planned end has come.
    UsageError where somebody's case is being carried out right now.
    """
    # No hold is placed between the judgement and the writing (`holds.place`).
    with controller.cases.everybody_alone():
        answer = _expire(controller, now)
    controller.vault.turn(now)
    return answer


def due_today(controller: Controller, now: dt.datetime) -> EndAnswer:
    """What `expire` would let go as of `now`; writes nothing, and asks every system."""
    ended, _, made, stayed, unreached = _judged(controller, now)
    steps = []
    for s in made.steps:
        stays, isolated = s.action is Action.RETAIN, s.action is Action.ISOLATE
        changed = 0 if stays or isolated else s.rows
        counts = Counts(s.rows, changed, s.rows * stays, s.rows * isolated)
        steps.append(StepResult(s.system, s.dataset, s.action, counts, False, s.reason, None))
    return EndAnswer(
        ended, 0, 0, tuple(steps), tuple(sorted(unreached.items())),
        (*stayed.words, *made.warnings), {},
    )  # fmt: skip


def _judged(
    controller: Controller, now: dt.datetime
) -> tuple[int, list[Ended], Plan, Retained, dict[str, str]]:
    """How many groups of rows lost their ground; those that nothing stands in the way of, what
    becomes of their rows, and the systems that have to be asked again.
    """
    entries = controller.locator.ended(now)
    ended = sum(e.ended for e in entries)
    unreached: dict[str, str] = {}
    while True:
        made, stayed = _plan(controller, entries, now)
        unreached.update(stayed.unread)
        if not made.obstacles:
            return ended, entries, made, stayed, unreached
        # What stands in the way in one system keeps nothing waiting in the others.
        system, first = made.obstacles[0]
        unreached[system] = f"`{first.dataset}` stands in the way: {first.words}. {first.fix}"
        entries = [e for e in entries if e.place[0] != system]


def _expire(controller: Controller, now: dt.datetime) -> EndAnswer:
    ended, entries, made, stayed, unreached = _judged(controller, now)
    results: dict[int, StepResult] = {}

    def record(outcome: Outcome) -> None:
        results.update(outcome.results)

    controller.isolate(None, made.steps, now)
    # Nothing of an earlier run stands for this one: rows may have come back since.
    seen = [s for s in made.steps if not _by_people(controller, s.system)]
    outcomes = controller.execute(
        replace(made, steps=tuple(seen)), mark=new_id(now), done={}, record=record
    )
    # People are asked once, and not again by every run.
    waits: set[int] = set()
    for mark, steps in _asked(controller, entries, made).items():
        outcomes += controller.execute(
            replace(made, steps=steps), mark=mark, done={}, record=record
        )
        unsaid = (s for s in steps if not results[s.number].settled)
        waits.update(who for s in unsaid for who, _ in s.keys.rows)
    told = [results[n] for n in sorted(results)]
    gone, renewed = _settle(controller, entries, made, told, stayed, waits, now)
    _let_off(controller, now)
    return EndAnswer(
        ended, gone, renewed, tuple(told),
        tuple(sorted(unreached.items())), (*stayed.words, *made.warnings),
        {o.system: o.statements for o in outcomes if o.statements},
    )  # fmt: skip


def _by_people(controller: Controller, system: str) -> bool:
    return system in controller.abilities and controller.abilities[system].word


def _mark(e: Ended) -> str:
    """Under what people are asked to let rows go: what a case left with them for one ground."""
    return left_mark(e.case, e.reason.hold or f"{e.reason.until}")


def _asked(
    controller: Controller, entries: Sequence[Ended], made: Plan
) -> dict[str, tuple[Step, ...]]:
    """Mark → the steps that people carry out under it, numbered apart from all others."""
    numbers = count(max((s.number for s in made.steps), default=0) + 1)
    of: dict[str, list[Step]] = {}
    for s in made.steps:
        if not _by_people(controller, s.system):
            continue
        for mark in sorted({_mark(entries[who]) for who, _ in s.keys.rows}):
            rows = tuple(r for r in s.keys.rows if _mark(entries[r[0]]) == mark)
            keys = KeyTable(s.keys.fields, rows)
            of.setdefault(mark, []).append(replace(s, number=next(numbers), keys=keys))
    return {mark: tuple(steps) for mark, steps in of.items()}


def _let_off(controller: Controller, now: dt.datetime) -> None:
    """Give up what people were asked of rows that are gone, or that something keeps again; what
    they said stands in the ledger.
    """
    asked = {task.case for task in controller.tasks() if task.left}
    if asked:
        asked -= {_mark(e) for e in controller.locator.ended(now) if e.ended}
    for mark in sorted(asked):
        controller.forget_tasks(mark)


def _plan(
    controller: Controller, entries: Sequence[Ended], now: dt.datetime
) -> tuple[Plan, Retained]:
    """What becomes of the rows that lost their ground; rows whose ground stands are not touched,
    but what they refer to stays as long as they do.
    """
    groups: dict[Place, list[tuple[KeyTable, Reason]]] = {}
    for who, e in enumerate(entries):
        table = KeyTable(e.rows.fields, tuple((who, key) for _, key in e.rows.rows))
        groups.setdefault(e.place, []).append((table, e.reason))
    stayed = controller.still(groups)
    for place, keys in stayed.erased.items():
        # Rows that stay for others: a run that was killed has made them nobody's.
        stayed.changed[place] -= len(keys)
    stayed.changed = {place: rows for place, rows in stayed.changed.items() if rows}
    _leaning(controller, groups, stayed)
    found = {p: t for p, t in stayed.tables.items() if p[0] not in stayed.unread}
    going = frozenset(who for who, e in enumerate(entries) if e.ended)
    standing = {
        place: [
            (KeyTable(table.fields, rows), reason)
            for table, reason in stayed.held[place]
            if (rows := tuple(r for r in table.rows if r[0] not in going))
        ]
        for place in found
    }
    standing = {place: groups for place, groups in standing.items() if groups}
    own = _named(entries)
    holds = controller.holds.applying([e.subject for e in own if e.subject is not None], now)
    today = now.astimezone(dt.UTC).date()
    laws = due.laws(controller.bundle.retention)
    datamap = controller.realised({system for system, _ in found})
    foreign = controller.foreign_keys()
    others = [h for h in controller.holds.all(now) if h not in holds]
    kept = of_others(controller, others, datamap, found)
    places = [(h.system, h.dataset) for h in holds] + list(standing) + list(kept)
    theirs = controller.sides(datamap, found, found, says=_saying(controller, entries))
    asked = ties.questions(datamap, found, laws, places, foreign, theirs.places)
    dates, tied = controller.answer(asked)
    held = due.merge(
        due.statutory(datamap, found, laws, dates, tied, today),
        due.explicit(found, _scopes(holds, entries, own), today),
        {place: tuple(groups) for place, groups in standing.items()},
        kept,
    )
    made = make_plan(
        "erasure", datamap, found, held, tied,
        {s: a for s, a in controller.abilities.items() if s not in stayed.unread},
        people=len(entries), foreign_keys=foreign, unreached=stayed.unread,
        clause=entries[0].reason.clause if entries else "", sides=theirs,
    )  # fmt: skip
    steps = []
    for s in made.steps:
        rows = tuple(row for row in s.keys.rows if row[0] in going)
        if rows:
            steps.append(replace(s, keys=KeyTable(s.keys.fields, rows)))
    return controller.anonymity.settled(replace(made, steps=tuple(steps))), stayed


def _saying(controller: Controller, entries: Sequence[Ended]) -> Says:
    """Whether a value in a row names somebody for whom it was kept, and is kept no more."""
    on: dict[tuple[Place, ties.Key], set[int]] = {}
    for e in entries:
        for key in e.rows.values if e.ended else ():
            on.setdefault((e.place, ties.norm(key)), set()).add(e.entry)
    names = controller.locator.names([e.entry for e in entries if e.ended])

    def says(place: Place, key: ties.Key, kind: str, value: Value) -> bool:
        one = identifier(kind, value)
        return one is not None and bool(on.get((place, key), set()) & names(one))

    return says


def _leaning(controller: Controller, places: Iterable[Place], stayed: Retained) -> None:
    """Leave out the whole system where rows of a dataset that left the map may refer to what would
    go: the engine would refuse, and that would end the run for everybody.
    """
    looked = {place[0] for place in stayed.held if place[0] not in stayed.unread}
    controller.realised(looked)
    for place in places:
        refers = place[0] in looked and controller.foreign_keys().get(place)
        if refers and (why := stayed.unread.pop(".".join(place), None)):
            stayed.unread[place[0]] = why


def _named(entries: Sequence[Ended]) -> list[Ended]:
    """Those that a hold on their person keeps, and none on another whose rows they are as well."""
    theirs = {(e.number, e.person, e.subject) for e in entries
              if e.reason.words == reasons.OF_ANOTHER}  # fmt: skip
    return [e for e in entries if (e.number, e.person, e.subject) not in theirs]


def _scopes(
    holds: Sequence[Hold], entries: Sequence[Ended], own: Sequence[Ended]
) -> list[due.HoldScope]:
    """Holds that are open, on the entries they reach: whom a hold names is known by her place in
    the case that had rows under it, in which others have theirs.
    """
    places: dict[int, set[tuple[int, int]]] = {}
    for e in own:
        if e.subject is not None:
            places.setdefault(e.subject, set()).add((e.number, e.person))
    scopes = []
    for h in holds:
        if h.subject is None:
            scopes.append(due.HoldScope(h.reason(), None, h.system, h.dataset))
            continue
        for who, e in enumerate(entries):
            if (e.number, e.person) in places.get(h.subject, ()):
                scopes.append(due.HoldScope(h.reason(), who, h.system, h.dataset))
    return scopes


def _settle(
    controller: Controller,
    entries: Sequence[Ended],
    made: Plan,
    told: list[StepResult],
    stayed: Retained,
    waits: Set[int],
    now: dt.datetime,
) -> tuple[int, int]:
    """Entries whose rows are gone die; those whose rows stay go on for what keeps them. Of `waits`,
    by their place in `entries`, people have not said yet that it is done.

    `told` gets what had gone before this run: where a run was killed, nothing told of it yet.
    """
    why: dict[tuple[Place, ties.Key], Reason] = {}
    emptied: set[tuple[Place, ties.Key]] = set()
    did: dict[tuple[Place, ties.Key], Action] = {}
    for step in made.steps:
        rows = {((step.system, step.dataset), ties.norm(k)) for k in step.keys.values}
        did.update(dict.fromkeys(rows, step.action))
        # What is left to somebody else is theirs, and out of nobody's sight.
        if step.reason is not None and not reasons.theirs(step.reason.words):
            why.update(dict.fromkeys(rows, step.reason))
            emptied |= rows if step.action is Action.OVERWRITE else set()
    failed = {
        (r.store, r.dataset) for r in told if not r.settled and not _by_people(controller, r.store)
    }
    planned = {(s.system, s.dataset, ties.norm(k)) for s in made.steps for k in s.keys.values}
    kept = {(*e.place, ties.norm(k)) for e in entries if not e.ended for k in e.rows.values}
    before: dict[Place, set[ties.Key]] = {}
    dying: list[int] = []
    moved: list[int] = []
    renewed = 0
    became: Counter[tuple[str, Place, Action]] = Counter()
    with controller.database.connection() as connection:
        for who, e in enumerate(entries):
            unseen = e.place in failed or e.place in stayed.changed or stayed.unknown(e.place)
            if not e.ended or unseen or who in waits:
                continue
            left = [row for row in e.rows.rows if (e.place, ties.norm(row[1])) in why]
            keys = {ties.norm(key) for key in e.rows.values}
            for key in keys if e.case else ():
                action = did.get((e.place, key)) or _went(controller, e.place)
                # A row that was bare before, and still is, stays what the case made of it.
                if (e.place, key) not in emptied or not reasons.for_others(e.reason.words):
                    became[str(e.case), e.place, action] += 1
            before.setdefault(e.place, set()).update(
                key for key in keys if (*e.place, key) not in planned | kept
            )
            if not left:
                dying.append(e.entry)
                continue
            # What ends first is looked at first; the others are judged again on that day.
            reason = min((why[e.place, ties.norm(row[1])] for row in left), key=due.strength)
            # A row that stays for others alone says nothing of her any more, nor does a copy.
            bare = [key for _, key in left if (e.place, ties.norm(key)) in emptied]
            table = KeyTable(e.rows.fields, tuple(left))
            renewed += 1
            if controller.locator.renew(
                e.entry, table, reason, emptied=bare, connection=connection
            ):
                moved.append(e.entry)
            if bare and e.case is not None:
                # What the row says from now on is by what it is known again, and kept out of sight.
                empty = KeyTable(e.rows.fields, tuple((0, key) for key in bare))
                step = Step(0, *e.place, Action.OVERWRITE, empty)
                controller.witness(controller.cases.get(e.case), [step], connection)
        told += [
            StepResult(*place, _went(controller, place), Counts(len(keys), len(keys)), True)
            for place, keys in sorted(before.items())
            if keys
        ]
        done = [_entry(controller, r, now) for r in told]
        done += [_became(now, *what, rows) for what, rows in sorted(became.items())]
        if dying or moved:
            day = controller.locator.drop([*dying, *moved], now, connection=connection)
            body = {"classes": ["locator"], "dies": day.isoformat()}
            done.append(Entry("keys.shredded", now, body))
        controller.ledger.append_in(connection, done)
    return len(dying), renewed


def _went(controller: Controller, place: Place) -> Action:
    """What an erasure does to rows of a dataset."""
    kept = {OnErase.ANONYMISE: Action.ANONYMISE, OnErase.OVERWRITE: Action.OVERWRITE}
    return kept.get(controller.datamap.dataset(*place).on_erase, Action.DELETE)


def _became(now: dt.datetime, case: str, place: Place, action: Action, rows: int) -> Entry:
    """What became of rows that a case had kept, for the answer to it."""
    body = {"case": case, "system": name(place[0]), "dataset": name(place[1]),
            "action": action.value, "rows": rows}  # fmt: skip
    return Entry("retention.ended", now, body)


def _entry(controller: Controller, r: StepResult, now: dt.datetime) -> Entry:
    dataset = controller.datamap.dataset(r.store, r.dataset)
    body: dict[str, Any] = {
        "class": name(dataset.retention or "none"),
        "system": name(r.store),
        "dataset": name(r.dataset),
        "found": r.counts.found,
        "changed": r.counts.changed,
        "retained": r.counts.retained,
        "isolated": r.counts.isolated,
        "verified": r.verified,
    }
    if r.reason is not None and r.reason.until is not None:
        body["until"] = r.reason.until.isoformat()
    return Entry("retention.ran", now, body)
