"""Evidence as it was recorded: the newest run of every control, checked against the ledger."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from kept.controller import Controller
from kept.controls.evidence import Evidence, Outcome
from kept.controls.registry import Finding
from kept.records.run import Runs, digest


def document(e: Evidence) -> dict[str, Any]:
    """A run in full, as JSON; its digest goes into the ledger."""
    return {
        "control": e.control,
        "sentence": e.sentence,
        "code": e.code,
        "policy": e.policy,
        "text": e.text_digest,
        "rules": e.rules_digest,
        "map": e.map_digest,
        "at": e.at.isoformat(),
        "outcome": e.outcome.value,
        "looked_at": e.looked_at,
        "places": e.places,
        "asked": e.asked,
        "known": e.known,
        "findings": [{"where": f.where, "words": f.words, "fix": f.fix} for f in e.findings],
    }


def evidence(entry: int, doc: dict[str, Any]) -> Evidence:
    """The inverse of `document`."""
    return Evidence(
        control=doc["control"],
        sentence=doc["sentence"],
        code=doc["code"],
        policy=doc["policy"],
        text_digest=doc["text"],
        rules_digest=doc["rules"],
        map_digest=doc["map"],
        at=dt.datetime.fromisoformat(doc["at"]),
        outcome=Outcome(doc["outcome"]),
        looked_at=doc["looked_at"],
        places=doc["places"],
        asked=doc["asked"],
        known=doc["known"],
        findings=tuple(Finding(f["where"], f["words"], f["fix"]) for f in doc["findings"]),
        entry=entry,
    )


def latest(controller: Controller) -> list[Evidence]:
    """The newest evidence per control; a document that is not what the ledger holds is an error.

    Controls that never ran are absent.
    """
    found = []
    for entry, doc in Runs(controller.database).newest():
        one = evidence(entry, doc)
        written = next((e for _, e in controller.ledger.entries(entry, entry + 1)), None)
        recorded = written is not None and written.kind == "control.ran"
        if written is None or not recorded or written.body.get("evidence") != digest(doc):
            changed = Finding("control_run", "the record of this run was altered afterwards")
            one = dataclasses.replace(one, outcome=Outcome.ERROR, findings=(changed,))
        found.append(one)
    return found
