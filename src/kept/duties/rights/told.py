"""What proves that recipients are told (GDPR Art. 19)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.ledger.entry import name
from kept.records.case import State
from kept.records.declared import SYSTEM
from kept.records.recipient import ERASED
from kept.stores.recipients import NAME as RECIPIENTS
from kept.terms.identifiers import Identifier

#: For so long an answer may be waited for.
_PATIENCE: Final = dt.timedelta(days=31)
#: Rights of which a case is open until recipients have answered or were escalated; the others
#: end as what is asked for ends.
_WAIT: Final = ("erasure", "rectification")
#: States in which all was done in the systems.
_DONE: Final = (State.AWAITING, State.CLOSED)
_TELL: Final = "tell it, then record that with `kept task done`"


@control("rights.recipients-are-told")
def recipients_are_told(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever had data that was put right, erased or restricted was told, and has answered.

    Looked at are complete erasures (also those that followed a withdrawal), corrections, and
    restrictions in force. A case of the first two is open until each has answered or was
    escalated. The oracle goes from the steps on record to the register, activity by activity,
    and holds what was answered against the ledger; who is told follows from the plan.

    To tell somebody of a person whose data he never had would give her away. So of each who was
    told it is on record that he had it, or kept.toml says that he gets it of everybody.
    """
    answers = {
        (str(e.body["case"]), str(e.body["dataset"])): str(e.body["outcome"])
        for _, e in controller.ledger.entries(kind="word.given")
        if str(e.body["action"]).startswith("tell-") and e.at <= now
    }
    # What was to be told of a correction is told as an erasure instead.
    answers |= {
        (str(e.body["case"]), str(e.body["dataset"])): ERASED
        for _, e in controller.ledger.entries(kind="derived.erased")
        if e.body["system"] == RECIPIENTS and e.at <= now
    }
    with controller.database.connection() as connection:
        noted: dict[int, dict[str, Any]] = {}
        for number, recipient, outcome, at, up in connection.execute(
            "SELECT number, recipient, outcome, noted_at, escalated_at FROM case_recipient"
            " WHERE notice LIKE 'tell-%'"
        ):
            noted.setdefault(number, {})[recipient] = (outcome, at, up)
        cases = connection.execute(
            'SELECT number, id, "right", state FROM rights_case WHERE opened_at <= %s AND'
            " (\"right\" IN ('erasure', 'rectification', 'withdrawal') AND state = ANY(%s)"
            " AND complete OR \"right\" = 'restriction' AND state = ANY(%s)) ORDER BY number",
            (now, list(_DONE), [State.EXECUTED, State.CHECKED, State.NOTIFIED]),
        ).fetchall()
        steps: dict[int, set[tuple[str, str]]] = {}
        for number, system, dataset in connection.execute(
            "SELECT DISTINCT number, system, dataset FROM case_step WHERE changed > 0"
            " AND action IN ('delete', 'overwrite', 'anonymise', 'redact') AND number = ANY(%s)",
            ([row[0] for row in cases],),
        ):
            steps.setdefault(number, set()).add((system, dataset))
        ids = {row[1]: row[0] for row in cases}
        had: dict[int, set[str]] = {}
        for number, recipient in connection.execute(
            "SELECT DISTINCT r.number, p.recipient FROM passed_on p JOIN passed_person w"
            " USING (number) JOIN case_person c USING (mac) JOIN rights_case r"
            " ON r.number = c.number WHERE p.noted_at <= coalesce(r.done_at, r.changed_at)"
            " AND r.number = ANY(%s)",
            ([row[0] for row in cases],),
        ):
            had.setdefault(number, set()).add(recipient)
        nameless = {
            row[0]
            for row in connection.execute(
                "SELECT number FROM rights_case r WHERE number = ANY(%s) AND NOT EXISTS"
                " (SELECT FROM case_person c WHERE c.number = r.number)",
                ([row[0] for row in cases],),
            )
        }
    for _, e in controller.ledger.entries(kind="recipient.noted"):
        number = ids.get(str(e.body["case"]))
        known = {name(one) for one in noted.get(number, {})} if number is not None else set()
        if number is not None and set(e.body["recipients"]) - known:
            yield Finding("a case", "a recipient that the ledger names is not on record", _TELL)
    looked, unsaid = 0, set[str]()
    for number, case, right, state in cases:
        theirs = noted.get(number, {})
        places = steps.get(number, set())
        if right == "restriction":
            places = _places(controller, case)
        # Of a correction, only who had that value: then nobody may be the right answer.
        if right != "rectification":
            for lane in sorted(_lanes(controller, places)):
                if not _recorded(controller, lane) and not any(
                    _meets(controller, one, lane) for one in theirs
                ):
                    yield Finding("a case", f"nobody of `{lane}` was told of {_an(right)}", _TELL)
            if places:
                for recipient in sorted(had.get(number, set()) - theirs.keys()):
                    if not _meets(controller, recipient, "authority"):
                        looked += 1
                        words = f"it had data of hers and was not told of {_an(right)}"
                        yield Finding(f"recipient {recipient}", words, _TELL)
        for recipient, (outcome, at, escalated) in sorted(theirs.items()):
            looked += 1
            way = controller.reach.ways.get(recipient)
            noted_ = number in nameless or recipient in had.get(number, set())
            if way is not None and way.recorded and not noted_:
                yield Finding(
                    f"recipient {recipient}", f"it was told of {_an(right)} and had nothing of hers"
                )
            if way is not None and way.recorded is None and not noted_:
                unsaid.add(recipient)
            where = f"recipient {recipient}"
            if answers.get((case, recipient)) != outcome:
                yield Finding(where, "what was answered is not what the ledger says")
            elif outcome == "cannot":
                yield Finding(where, f"it says that it cannot carry out {_an(right)}", _TELL)
            elif outcome is None and recipient not in controller.reach.ways:
                fix = f"write [recipients.{recipient}] into kept.toml, or {_TELL}"
                yield Finding(where, f"no way leads to it, so it was not told of {_an(right)}", fix)
            elif outcome is None and escalated is not None:
                yield Finding(where, f"it did not answer on {_an(right)}: officers know", _TELL)
            elif outcome is None and state == State.CLOSED and right in _WAIT:
                yield Finding(where, f"{_an(right)} ended before it answered", _TELL)
            elif outcome is None and now - at > _PATIENCE:
                yield Finding(where, f"it has not answered for a month on {_an(right)}", _TELL)
    for recipient in sorted(unsaid):
        yield Finding(
            f"recipient {recipient}",
            "it was told of people of whom nobody noted that it had their data, and nobody says"
            " that it gets the data of everybody",
            f"write into kept.toml, [recipients.{recipient}], `recorded = true`, and note what it"
            " gets (`kept disclosure add`; what `kept release` sends is noted by itself); or"
            " `recorded = false`, where it gets all that the activities which name it use",
        )
    yield Looked(looked, "recipients of cases of which all is done, and of restrictions in force")


def _an(right: str) -> str:
    return f"{'an' if right[0] in 'aeiou' else 'a'} {right}"


def _lanes(controller: Controller, places: set[tuple[str, str]]) -> set[str]:
    """Who receives what lies in these datasets, as the register names them."""
    # A system may have been taken out of the map since; then nobody can say who received it.
    known = {
        (system.name, name_): dataset
        for system in controller.datamap.systems.values()
        if system.name != SYSTEM.name
        for name_, dataset in system.datasets.items()
    }
    datasets = [known[place] for place in places if place in known]
    named = {
        r
        for dataset in datasets
        for activity in dataset.activities
        for r in controller.bundle.activities[activity].recipients
    }
    return named - {"controller", "person", "partner-campaign"}


def _recorded(controller: Controller, lane: str) -> bool:
    """Whether of everybody known in a lane each use is recorded: then nobody may be to be told."""
    there = [w for r, w in controller.reach.ways.items() if _meets(controller, r, lane)]
    return bool(there) and all(way.recorded for way in there)


def _meets(controller: Controller, recipient: str, lane: str) -> bool:
    """Whether a recipient is one of a lane, or the very one."""
    way, tree = controller.reach.ways.get(recipient), controller.bundle.vocabulary.recipients
    at: str | None = way.lane if way is not None and way.lane else recipient
    while at is not None and at != lane:
        at = tree[at].parent if at in tree else None
    return at == lane


def _places(controller: Controller, case: str) -> set[tuple[str, str]]:
    """Where rows are of whom a restriction was recorded for."""
    bound = controller.cases.sealed_keys(controller.cases.get(case), "restricted")
    rows = [key for table in bound.values() for _, key in table.rows] if bound else []
    who = [Identifier(str(kind), str(value)) for kind, value in rows if kind]
    return set(controller.keys(controller.locate([who]))) if who else set()
