"""What proves that two people left out what concerns others, before a package was handed out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.ledger.entry import Entry

_AGAIN = "look at what was handed out, and tell her and whoever is named in it"


@control("rights.redactions-took-two")
def redactions_took_two(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What was left out of a package because it concerns others was struck by one, approved by
    another, and its files were read again before it was handed out.

    The oracle goes from the packages in the ledger to who did what on record, and compares what
    was handed over, approved and carried out by its hash.
    """
    given: dict[str, Entry] = {}
    said: dict[str, list[Entry]] = {}
    for kind in ("access.given", "redaction.handed", "redaction.approved", "redaction.scanned"):
        for _, e in controller.ledger.entries(kind=kind):
            if e.at > now:
                continue
            if kind == "access.given":
                given[str(e.body["package"])] = e
            else:
                said.setdefault(str(e.body["case"]), []).append(e)
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT c.id, min(t.at), coalesce(array_agg(DISTINCT a.name) FILTER (WHERE t.act IN"
            " ('redacted', 'handed')), '{}'), coalesce(array_agg(DISTINCT a.name)"
            " FILTER (WHERE t.act IN ('approved', 'accepted')), '{}')"
            " FROM case_redaction_act t JOIN rights_case c USING (number)"
            " JOIN actor a ON a.actor = t.actor GROUP BY c.id"
        ).fetchall()
    record = {row[0]: row[1:] for row in rows}
    looked = 0
    for package, e in given.items():
        case = str(e.body["case"])
        scans = [x.body for x in said.get(case, ()) if x.body.get("package") == package]
        began, struck, approved = record.get(case, (None, [], []))
        if not scans and (began is None or began > e.at):
            continue  # nobody looked at texts then, or none named anybody
        looked += 1
        if set(struck) & set(approved) or not struck or not approved:
            yield Finding("a package", "the same person struck and approved, or nobody did", _AGAIN)
        if not scans:
            yield Finding("a package", "its files were not read again", _AGAIN)
            continue
        scan = scans[-1]
        before = [x for x in said[case] if x.at <= e.at and x.body["plan"] == scan["plan"]]
        if {"redaction.handed", "redaction.approved"} - {x.kind for x in before}:
            yield Finding("a package", "what was carried out is not what was approved", _AGAIN)
        taken = [x.body.get("left") for x in before if x.kind == "redaction.approved"]
        if scan["left"] and scan["left"] not in taken:
            yield Finding("a package", "something of others was left, and nobody took it", _AGAIN)
    yield Looked(looked, "packages of which texts were looked at")
