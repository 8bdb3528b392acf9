"""What was found as one document, for programs and for `--json`."""

from __future__ import annotations

from typing import Any

from kept.stores.discover.shapes import Discovered, Discovery, Found, Verdict


def document(found: Discovery) -> dict[str, Any]:
    """Datasets with fields and links; names, words and counts only, never a value."""
    return {
        "datasets": [_dataset(d) for d in found.datasets.values()],
        "sample": found.sample,
        "unseen": [{"dataset": n, "why": why} for n, why in found.unseen.items()],
    }


def _dataset(found: Discovered) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": found.profile.name,
        "rows": found.profile.size,
        "rows_exact": found.profile.exact,
        "key": list(found.profile.table.key),
        "person": found.person,
        "fields": [_field(name, verdict) for name, verdict in found.fields.items()],
        "links": [_link(link) for link in found.links],
    }
    if found.profile.table.view:
        made["view"] = True
    if found.outcome:
        made["outcome"] = found.outcome
    if found.questions:
        made["questions"] = list(found.questions)
    return made


def _field(name: str, verdict: Verdict) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": name,
        "category": verdict.category,
        "confidence": round(verdict.confidence, 2),
        "evidence": list(verdict.evidence),
    }
    if verdict.identifies:
        made["identifies"] = verdict.identifies
    if verdict.free_text:
        made["free_text"] = True
    if verdict.detail:
        made["detail"] = verdict.detail
    if verdict.ask:
        made |= {"ask": True, "question": verdict.ask}
    return made


def _link(link: Found) -> dict[str, Any]:
    column = ", ".join(link.columns) + "".join(f".{step}" for step in link.path)
    made: dict[str, Any] = {
        "column": column,
        "to": ", ".join(f"{link.to}.{on}" for on in link.on),
        "kind": link.kind.value,
        "confidence": round(link.confidence, 2),
        "evidence": list(link.evidence),
        "basis": link.basis,
    }
    if link.when:
        made["when"] = link.when
    if link.ask:
        made |= {"ask": True, "question": link.ask}
    return made
