"""What every record of a choice says alike: ISO/IEC TS 27560 in terms of DPV. Pure.

It follows the profile `dpv-27560:record-2`, a draft of the W3C community group.
"""

from __future__ import annotations

from typing import Any, Final

from kept.policy.bundle import Bundle
from kept.terms import dpv

PROFILE: Final = "dpv-27560:record-2"
CONTEXT: Final = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": dpv.DPV,
    "dpv-27560": "https://w3id.org/dpv/schema/dpv-27560#",
    "pd": dpv.PD,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}
#: How a record calls the organisation itself.
US: Final = "org:controller"


def organisation(bundle: Bundle) -> dict[str, Any]:
    """The organisation, as an entity of a record."""
    org = bundle.organisation
    return {
        "@type": ["dpv:DataController", "dpv:Organisation"],
        "dpv:hasName": org.name,
        "dpv:hasAddress": ", ".join(org.post),
        "dpv:hasContact": org.email,
    }


def head(id: str, at: str, language: str) -> dict[str, Any]:
    """What a record begins with. Nobody is known by it: who holds the receipt is the person."""
    return {
        "@context": dict(CONTEXT),
        "@type": ["dpv:ConsentRecord"],
        "dct:conformsTo": PROFILE,
        "dpv:hasIdentifier": id,
        "dpv:hasDataSubject": {
            "@type": ["dpv:DataSubject"],
            "dpv:hasIdentifier": f"holder of {id}",
        },
        "dct:created": at,
        "dct:creator": US,
        "dct:language": language.partition("-")[0],  # two letters (ISO 639)
    }


def concept(bundle: Bundle, kind: Any, term: str) -> str:
    """The concept of a term, or of the nearest above it that has one, in short."""
    tree = bundle.vocabulary.tree(kind)
    row = tree.get(term)
    while row is not None and row.iri is None and row.parent is not None:
        row = tree.get(row.parent)
    iri = (row.iri if row else None) or dpv.DPV
    for prefix, whole in (("pd", dpv.PD), ("dpv", dpv.DPV)):
        if iri.startswith(whole):
            return f"{prefix}:{iri.removeprefix(whole)}"
    return iri
