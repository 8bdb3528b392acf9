"""The record of a choice: ISO/IEC TS 27560 in terms of DPV, signed, and checkable by anybody.

It follows the profile `dpv-27560:record-2`, a draft of the W3C community group. Who holds the
receipt needs nothing of ours but the key of the ledger to check it: `kept-verify --receipt`.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from kept.controller import Controller
from kept.decide.visit import Visit
from kept.duties.visits.banner import PATH, notice, worded
from kept.duties.visits.choosing import Act
from kept.ledger.entry import Entry, moment, name
from kept.model.choice import DAYS, Choices
from kept.policy.bundle import Bundle
from kept.records.ids import new_id
from kept.records.visit import Made, Notice
from kept.terms import dpv

#: Before what is signed, so that a receipt can never be taken for a checkpoint, nor the other
#: way round.
DOMAIN: Final = b"kept consent receipt v1\n"
_PROFILE: Final = "dpv-27560:record-2"
_CONTEXT: Final = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": dpv.DPV,
    "dpv-27560": "https://w3id.org/dpv/schema/dpv-27560#",
    "pd": dpv.PD,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}


def record(
    controller: Controller, act: Act, place: str, visit: Visit, before: Choices | None,
    after: Choices, language: str, now: dt.datetime,
) -> Made:  # fmt: skip
    """Keep a choice: the record, signed, and the entry that it was made. Nothing says by whom."""
    bundle = controller.bundle
    shown = shown_now(bundle, language)
    id = new_id(now)
    document = consent_record(bundle, id, place, visit, before, after, shown, now)
    text = rfc8785.dumps(document)
    signature = controller.vault.signing_key().sign(DOMAIN + text)
    made = Made(
        id, now, act, place, visit.region, visit.signals.gpc, visit.signals.dnt, shown.sha256,
        after.edition, dict(after.aims), dict(after.trackers), text.decode(),
        base64.b64encode(signature).decode(),
    )  # fmt: skip
    body = {
        "act": name(act),
        "place": name(place),
        "region": name(visit.region),
        "allowed": [name(n) for n in (*_of(after.aims, True), *_of(after.trackers, True))],
        "refused": [name(n) for n in (*_of(after.aims, False), *_of(after.trackers, False))],
        "notice": shown.sha256,
        "receipt": hashlib.sha256(text).hexdigest(),
        "version": name(str(bundle.version)),
        "gpc": visit.signals.gpc,
    }
    with controller.database.connection() as connection:
        controller.visits.add(made, shown, connection=connection)
        controller.ledger.append_in(connection, [Entry("choice.made", now, body)])
    return made


def shown_now(bundle: Bundle, language: str) -> Notice:
    """What a visitor is shown now, in a language."""
    words = notice(bundle, language)
    digest = hashlib.sha256(words.encode()).hexdigest()
    return Notice(digest, language, bundle.version, bundle.edition, words)


def receipt(controller: Controller, made: Made) -> dict[str, Any]:
    """What is handed to the person: the record, its signature, and by which key."""
    return {
        "kept": "consent receipt 1",
        "record": json.loads(made.record),
        "signature": made.signature,
        "key": str(controller.ledger.key),
    }


def consent_record(
    bundle: Bundle, id: str, place: str, visit: Visit, before: Choices | None, after: Choices,
    shown: Notice, now: dt.datetime,
) -> dict[str, Any]:  # fmt: skip
    """The record as JSON-LD. Keys and terms are those of `kept.terms.dpv`."""
    at, org = moment(now), bundle.organisation
    us = "org:controller"
    entities: dict[str, Any] = {
        us: {
            "@type": ["dpv:DataController", "dpv:Organisation"],
            "dpv:hasName": org.name,
            "dpv:hasAddress": ", ".join(org.post),
            "dpv:hasContact": org.email,
        }
    }
    was = before.aims if before else {}
    processes = []
    for aim in bundle.visits.aims.values():
        if aim.id not in after.aims:
            continue
        rows = [r for r in bundle.trackers.values() if aim.id in r.aims]
        yes = after.aims[aim.id]
        running = [r for r in rows if yes and after.trackers.get(r.id) is not False]
        for row in rows:
            if row.provider is not None:
                entities[f"org:{row.provider}"] = {
                    "@type": ["dpv:Recipient", "dpv:ThirdParty"],
                    "dpv:hasName": bundle.recipients[row.provider].name,
                }
        status = "dpv:ConsentGiven" if yes else "dpv:ConsentRefused"
        if not yes and was.get(aim.id):
            status = "dpv:ConsentWithdrawn"
        processes.append(
            {
                "@type": ["dpv:Process"],
                "dct:title": worded(aim.label, shown.language),
                "dpv:hasPurpose": [_short(_iri(bundle, "purposes", p)) for p in aim.covers],
                "dpv:hasPersonalData": sorted(
                    {_short(_iri(bundle, "categories", c)) for r in rows for c in r.sends}
                ),
                "dpv:hasProcessing": ["dpv:Collect", "dpv:Share"],
                "dpv:hasDataController": [us],
                "dpv:hasDataSource": ["dpv:DataSubjectDataSource"],
                "dpv:hasRecipient": sorted(
                    {us} | {f"org:{r.provider}" for r in running if r.provider is not None}
                ),
                "dpv:hasStorageCondition": [
                    {
                        "@type": ["dpv:StorageLocation", "dpv:StorageDuration"],
                        "dpv:hasLocation": "dpv:WithinDevice",
                        "dpv:hasDuration": {
                            "@type": "dpv:TemporalDuration",
                            "rdf:value": f"P{DAYS}D",
                        },
                    }
                ],
                "dpv:hasLegalBasis": ["dpv:Consent"],
                "dpv:hasConsentStatus": [
                    {
                        "@type": [status, "dpv:ExpressedConsent"],
                        "dpv:isIndicatedAtTime": at,
                        "dpv:isExercisedAt": f"{place}: {PATH}",
                        "dpv:hasDuration": {
                            "@type": ["dpv:TemporalDuration"],
                            "rdf:value": f"P{DAYS}D",
                        },
                    }
                ],
            }
        )
    return {
        "@context": dict(_CONTEXT),
        "@type": ["dpv:ConsentRecord"],
        "dct:conformsTo": _PROFILE,
        "dpv:hasIdentifier": id,
        # Nobody is known here: who holds the receipt is the person.
        "dpv:hasDataSubject": {
            "@type": ["dpv:DataSubject"],
            "dpv:hasIdentifier": f"holder of {id}",
        },
        "dct:created": at,
        "dct:creator": us,
        "dct:language": shown.language.partition("-")[0],  # two letters (ISO 639)
        "dpv:hasJurisdiction": visit.region,
        "dpv:hasNotice": [
            {
                "@type": ["dpv:ConsentNotice"],
                "dpv:hasIdentifier": f"sha256:{shown.sha256}",
                "dct:date": at,
                "dct:hasVersion": str(shown.version),
                "dct:identifier": shown.edition,
            }
        ],
        "dpv:hasEntity": entities,
        "dpv:hasProcess": processes,
        "dct:description": {
            "withdraw": PATH,
            "gpc": visit.signals.gpc,
            "apart": {k: "allowed" if v else "refused" for k, v in after.trackers.items()},
        },
    }


def _iri(bundle: Bundle, kind: Any, term: str) -> str:
    """The concept of a term, or of the nearest above it that has one."""
    tree = bundle.vocabulary.tree(kind)
    row = tree.get(term)
    while row is not None and row.iri is None and row.parent is not None:
        row = tree.get(row.parent)
    return (row.iri if row else None) or dpv.DPV


def _short(iri: str) -> str:
    for prefix, whole in (("pd", dpv.PD), ("dpv", dpv.DPV)):
        if iri.startswith(whole):
            return f"{prefix}:{iri.removeprefix(whole)}"
    return iri


def _of(said: Mapping[str, bool], wanted: bool) -> list[str]:
    return sorted(about for about, yes in said.items() if yes is wanted)
