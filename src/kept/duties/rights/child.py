"""The erasure of what is held of a child (GDPR Art. 17(1)(f)): no interest of anybody's keeps it.

Only a law keeps anything, and what it keeps is sealed away. Whoever had the data has answered
before the case is over; then the case, and every other one of hers, forgets whom it was about.
What is left are counts, moments and keyed hashes of her identifiers, so that nobody writes to her.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.datamap.map import DataMap, Stays
from kept.duties.rights import delivery, destroyed
from kept.duties.rights.residue import residue
from kept.ledger.entry import Entry
from kept.records.case import Case
from kept.records.struck import also_about, strike
from kept.terms.identifiers import Identifier
from kept.terms.rights import CHILD


def sealing(datamap: DataMap) -> DataMap:
    """The map by which rows that a law keeps do not stay in place but are isolated."""
    return DataMap(
        {
            name: replace(
                system,
                datasets={
                    at: replace(one, stays=Stays.ISOLATED) for at, one in system.datasets.items()
                },
            )
            for name, system in datamap.systems.items()
        },
        datamap.digest,
    )


def forget(
    controller: Controller, case: Case, known: Sequence[Sequence[Identifier]], now: dt.datetime
) -> None:
    """Look beneath the rows as long as it is known for what; then let the case forget her."""
    residue(controller, case.id, now)
    destroyed.enter(controller, now)  # while the case has a row of it
    flat = [i for one in known for i in one]
    with controller.database.connection() as connection:
        ids = also_about(controller.vault, case, flat, connection) | {case.number: case.id}
        waiting = controller.deliveries.waiting(connection=connection)
        hers = [one for one in waiting if one.number in ids]
        delivery.ended(controller, hers, "withdrawn", now, connection)
        controller.papers.forget(sorted(ids), connection=connection)
        strike(controller.vault, sorted(ids), now, connection)
        # Who was told in another case of hers was told in this one, and has answered: nobody is
        # waited for any more, and its tasks go below.
        for other in ids.values():
            if controller.cases.over(other, case.actor, now, connection=connection):
                entry = Entry("case.moved", now, {"case": other, "state": "closed"})
                controller.ledger.append_in(connection, [entry])
        controller.intakes.strike(sorted(ids), flat, connection=connection)
        complained = controller.complaints.hers(sorted(ids), flat, connection=connection)
        controller.complaints.strike(complained, connection=connection)
        body = {"case": case.id, "cases": len(ids)}
        controller.ledger.append_in(connection, [Entry("case.struck", now, body)])
    delivery.sweep(controller, now)
    for case_id in ids.values():
        controller.forget_tasks(case_id)


@control("rights.child-cases-name-nobody")
def child_cases_name_nobody(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No closed case of a child leads to it: no identifier, no word, no key, no task is left.

    The oracle counts in the tables themselves, and holds them against the ledger, which says
    which cases were opened for a child, or turned out to be, and which are complete.
    """
    opened = {
        str(e.body["case"])
        for kind in ("case.opened", "case.moved")
        for _, e in controller.ledger.entries(kind=kind)
        if e.body.get("ground") == CHILD and e.at <= now
    }
    closed = {
        str(e.body["case"])
        for _, e in controller.ledger.entries(kind="case.closed")
        if e.body["complete"] and e.at <= now
    }
    over = sorted(opened & closed)
    written = {task.case for task in controller.tasks()}
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT c.id, c.ground,"
            " (SELECT count(*) FROM case_person p WHERE p.number = c.number)"
            " + (SELECT count(*) FROM case_subject s WHERE s.number = c.number)"
            " + (SELECT count(*) FROM case_sealed s WHERE s.number = c.number)"
            " + (SELECT count(*) FROM case_event e WHERE e.number = c.number AND words IS NOT NULL)"
            " + (SELECT count(*) FROM case_recipient r WHERE r.number = c.number"
            "    AND r.sealed IS NOT NULL)"
            " + (c.sealed IS NOT NULL)::int"
            " + (coalesce(length(c.override), 0) + coalesce(length(c.evidence), 0) > 0)::int,"
            " (SELECT count(*) FROM subject_key k WHERE k.subject = -c.number"
            "    AND k.class = 'case' AND k.wrapped IS NOT NULL),"
            " (SELECT count(*) FROM case_step s WHERE s.number = c.number"
            "    AND s.hold IS NOT NULL AND s.law IS NULL)"
            " FROM rights_case c WHERE c.id = ANY(%s)",
            (over,),
        ).fetchall()
    for case, ground, left, keys, held in rows:
        if ground != CHILD:
            yield Finding("a case", "a case of a child is not on record as one")
        if left or case in written:
            yield Finding("a case", "a closed case of a child still names it", "carry it out again")
        if keys:
            yield Finding("a case", "the key of a closed case of a child still lives")
        if held:
            yield Finding("a case", "a hold that no law asks for keeps rows of a child")
    if len(rows) < len(over):
        yield Finding("a case", f"{len(over) - len(rows)} cases of children are not on record")
    yield Looked(len(rows), "closed cases of children")
