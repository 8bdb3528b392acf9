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
        # Said where it is so, as of findings: older documents say neither.
        **({"own": True} if e.own else {}),
        **({"full": True} if e.full else {}),
        "findings": [
            {"where": f.where, "words": f.words, "fix": f.fix}
            | ({"unasked": True} if f.unasked else {})
            for f in e.findings
        ],
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
        own=doc.get("own", False),
        full=doc.get("full", False),
        findings=tuple(
            Finding(f["where"], f["words"], f["fix"], f.get("unasked", False))
            for f in doc["findings"]
        ),
        entry=entry,
    )


def latest(controller: Controller) -> list[Evidence]:
    """The newest evidence of each control that a clause names, as the ledger has it.

    A document that is not what the ledger holds is an error, and so is one of which the ledger
    holds a newer run: an older outcome does not stand in for one that was taken away. Controls
    that never ran are absent.
    """
    named = {name for c in controller.bundle.clauses.values() for name in c.controls}
    size = controller.ledger.size()  # read first: runs come to both meanwhile
    newest = [
        (at, doc) for at, doc in Runs(controller.database).newest() if doc["control"] in named
    ]
    start = min((at for at, _ in newest), default=0)
    written = dict(controller.ledger.entries(start, kind="control.ran"))
    last = {str(e.body["control"]): at for at, e in written.items() if at < size}
    found = []
    for at, doc in newest:
        one = evidence(at, doc)
        if at not in written or written[at].body.get("evidence") != digest(doc):
            changed = Finding("control_run", "the record of this run was altered afterwards")
            one = dataclasses.replace(one, outcome=Outcome.ERROR, findings=(changed,))
        elif last.get(one.control, at) > at:
            gone = Finding(
                "control_run",
                f"the record of a newer run, entry {last[one.control]} of the ledger, is gone",
                "run `kept prove` again",
            )
            one = dataclasses.replace(one, outcome=Outcome.ERROR, findings=(gone,))
        found.append(one)
    return found
