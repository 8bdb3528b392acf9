"""What was found as one document, for programs and for `--json`.

`{"datasets": [{"name", "fields": [{"name", "category", "confidence", "evidence"}],
"links": [{"column", "to", "kind", "confidence", "evidence"}]}]}`, and nothing else: names, words
and counts, never a value. What is asked of a person stands at the end of the evidence: of the field
or the link that it is about; what is asked about rows as such, of the first field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kept.stores.discover.shapes import Discovered, Discovery, Found, Verdict


def document(found: Discovery) -> dict[str, Any]:
    """Datasets with fields and links. `confidence` is a probability, 0 to 1.

    `column` is a column, columns with commas between, or a place in a document
    (`payload.user_id`); `to` is `dataset.column`.
    """
    return {"datasets": [_dataset(d) for d in found.datasets.values()]}


def _dataset(found: Discovered) -> dict[str, Any]:
    first = next(iter(found.fields), "")
    asked: dict[str, list[str]] = {}
    for question in found.questions:
        for column in question.columns or (first,):
            asked.setdefault(column, []).append(question.words)
    return {
        "name": found.profile.name,
        "fields": [
            _field(name, verdict, asked.get(name, ())) for name, verdict in found.fields.items()
        ],
        "links": [_link(link) for link in found.links],
    }


def _field(name: str, verdict: Verdict, asked: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "category": verdict.category,
        "confidence": round(verdict.confidence, 2),
        "evidence": [
            *verdict.evidence,
            *_more(verdict),
            *(f"to decide: {words}" for words in asked),
        ],
    }


def _more(verdict: Verdict) -> Iterator[str]:
    if verdict.detail:
        yield f"that is: {verdict.detail}"
    if verdict.identifies:
        yield f"people are found by it ({verdict.identifies})"
    if verdict.ask:
        yield f"to decide: {verdict.ask}"


def _link(link: Found) -> dict[str, Any]:
    evidence = list(link.evidence)
    if link.outcome:
        evidence.append(f"outcome: {link.outcome}")
    if link.ask:
        evidence.append(f"to decide: {link.ask}")
    return {
        "column": ", ".join(link.columns) + "".join(f".{step}" for step in link.path),
        "to": ", ".join(f"{link.to}.{on}" for on in link.on),
        "kind": link.kind.value,
        "confidence": round(link.confidence, 2),
        "evidence": evidence,
    }
