"""What proves that who was erased stays erased, long after: in every store, by what is left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import OnErase
from kept.duties.rights import lost
from kept.errors import StoreError
from kept.ledger.entry import moment
from kept.records.case import case_mac
from kept.records.declared import SYSTEM
from kept.records.doubt import DIFFERENT, SAME
from kept.records.subject import LINKING, identity_mac, suppression_mac
from kept.terms.identifiers import Identifier

_FIX: Final = (
    "find what brought them back (an import, a backup, a program that writes), stop it, and erase"
    " them again; or, where they were there all the time, settle whose they are (`kept identity"
    " doubts`), or mend a spelling by which no search finds them"
)


@control("rights.erased-stay-erased")
def erased_stay_erased(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Nobody who was erased is found again in any store, but in what had to stay.

    Every identifying value there is, and every address in texts that are searched, is hashed and
    held against the hashes that are left of closed erasures. Who came back is another matter:
    rows that are younger than the erasure by their own clock, all rows of who has agreed to
    something since, and rows without a time of who has younger ones.
    """
    erased = {
        str(e.body["case"]): e.at
        for _, e in controller.ledger.entries(kind="case.closed")
        if e.body["right"] == "erasure" and e.body["complete"] and e.at <= now
    }
    yield from lost.cases(controller, erased)
    gone, said = _hashes(controller, erased)
    if not gone:
        return
    agreed: dict[bytes, bool] = {}
    others = _others(controller)

    def known(one: Identifier) -> bytes | None:
        macs = [mac(controller.vault, one) for mac in (case_mac, identity_mac)]
        by_rows = suppression_mac(controller.vault, one)
        # What only her rows said, and was decided to be another's, says nothing of her.
        if others.get(macs[1], frozenset()).isdisjoint(said.get(by_rows, ())):
            macs.append(by_rows)
        # Whoever was erased twice is known by the later time.
        mac = max((m for m in macs if m in gone), key=gone.__getitem__, default=None)
        if mac is not None and mac not in agreed:
            agreed[mac] = _agreed(controller, one, gone[mac], now)
        return mac

    old: dict[str, int] = {}
    undated: list[tuple[str, bytes]] = []
    back: set[bytes] = set()
    inspector = controller.inspect()
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            if system == SYSTEM.name or dataset.on_erase is OnErase.NEVER:
                continue
            where = f"{system}.{dataset.name}"
            try:
                looked, met = inspector.again(system, dataset, known)
            except StoreError as problem:
                yield unasked(where, problem)
                continue
            yield Looked(looked, where, system)
            for one in met:
                if agreed[one.who]:
                    continue
                if one.at is None:
                    undated.append((where, one.who))
                elif one.at < gone[one.who]:
                    old[where] = old.get(where, 0) + 1
                else:
                    back.add(one.who)
    for where, who in undated:
        if who not in back:
            old[where] = old.get(where, 0) + 1
    for where, rows in sorted(old.items()):
        yield Finding(where, f"{rows} rows say what named people who were erased", _FIX)


def _hashes(
    controller: Controller, erased: dict[str, dt.datetime]
) -> tuple[dict[bytes, dt.datetime], dict[bytes, list[str]]]:
    """Every hash that is left of the people of these cases, with the last time she was erased; and
    of those that were suppressed, the cases of it.

    Whom a case names is known by the case. What her own rows said beside it was suppressed when
    the plan was approved; where cases share that moment, all of them have to be closed.
    """
    planned: dict[str, list[str]] = {}
    for _, e in controller.ledger.entries(kind="suppression.added"):
        if e.body.get("reason") == "erasure" and "case" in e.body:
            planned.setdefault(moment(e.at), []).append(str(e.body["case"]))
    found: dict[bytes, dt.datetime] = {}
    said: dict[bytes, list[str]] = {}
    with controller.database.connection() as connection:
        for mac, case in connection.execute(
            "SELECT p.mac, c.id FROM case_person p JOIN rights_case c USING (number)"
            " WHERE c.id = ANY(%s) AND p.kind = ANY(%s)",
            (list(erased), list(LINKING)),
        ):
            found[bytes(mac)] = max(erased[case], found.get(bytes(mac), erased[case]))
        # What was decided to be hers when it was over goes by another case, or stands still.
        for mac, case in connection.execute(
            "SELECT d.other_mac, c.id FROM identity_doubt d JOIN rights_case c USING (number)"
            " WHERE c.id = ANY(%s) AND d.outcome = %s",
            (list(erased), SAME),
        ):
            found[bytes(mac)] = max(erased[case], found.get(bytes(mac), erased[case]))
        for mac, since in connection.execute(
            "SELECT mac, since FROM suppression WHERE source = 'erasure'"
        ):
            cases = planned.get(moment(since), [])
            if cases and all(case in erased for case in cases):
                found[bytes(mac)] = max(erased[case] for case in cases)
                said[bytes(mac)] = cases
    return found, said


def _others(controller: Controller) -> dict[bytes, set[str]]:
    """The `identity_mac` of what an erasure met, and somebody has decided to be another's, or
    others' as well → the cases of whoever was erased there. It says nothing of anybody else.
    """
    found: dict[bytes, set[str]] = {}
    with controller.database.connection() as connection:
        for mac, case in connection.execute(
            "SELECT DISTINCT d.other_mac, c.id FROM identity_doubt d"
            " JOIN rights_case r USING (number) CROSS JOIN LATERAL (SELECT d.number"
            # The case of a child has forgotten who it was about, and is one of hers all the same.
            " UNION SELECT q.number FROM case_person p JOIN case_person q USING (mac)"
            " WHERE p.number = d.number) hers (number) JOIN rights_case c ON c.number = hers.number"
            " WHERE d.outcome = %s AND r.\"right\" = 'erasure'",
            (DIFFERENT,),
        ):
            found.setdefault(bytes(mac), set()).add(str(case))
    return found


def _agreed(controller: Controller, who: Identifier, since: dt.datetime, now: dt.datetime) -> bool:
    """Whether she has given a consent since, straight from the records."""
    with controller.database.connection() as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM fact WHERE subject = ANY(%s) AND fact LIKE 'consent:%%'"
            " AND holds AND known_from > %s AND known_from <= %s)",
            (list(controller.subjects.find([who])), since, now),
        ).fetchone()
    return bool(row and row[0])
