"""The record of a choice: ISO/IEC TS 27560 in terms of DPV, signed, and checkable by anybody.

What is said alike in every such record stands in `decide/consent_record.py`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from kept.controller import Controller
from kept.decide.consent_record import US, concept, head, organisation
from kept.decide.visit import Visit
from kept.duties.visits.banner import PATH, notice, worded
from kept.duties.visits.choosing import Act
from kept.ledger import receipt as signed
from kept.ledger.entry import Entry, moment, name
from kept.model.choice import DAYS, Choices
from kept.policy.bundle import Bundle
from kept.records.ids import new_id
from kept.records.visit import Made, Notice


def record(
    controller: Controller, act: Act, place: str, visit: Visit, before: Choices | None,
    after: Choices, language: str, now: dt.datetime, *, pressed: bool = False,
) -> Made:  # fmt: skip
    """Keep a choice: the record, signed, and the entry that it was made. Nothing says by whom.

    `pressed`: the browser said that somebody had just done something on the page; not every
    browser says it.
    """
    bundle = controller.bundle
    shown = shown_now(bundle, language)
    id = new_id(now)
    document = consent_record(bundle, id, place, visit, before, after, shown, now, pressed)
    text, signature = signed.sign(controller.vault, document)
    made = Made(
        id, now, act, place, visit.region, visit.signals.gpc, visit.signals.dnt, shown.sha256,
        after.edition, dict(after.aims), dict(after.trackers), text, signature,
    )  # fmt: skip
    body = {
        "act": name(act),
        "place": name(place),
        "region": name(visit.region),
        "allowed": [name(n) for n in (*_of(after.aims, True), *_of(after.trackers, True))],
        "refused": [name(n) for n in (*_of(after.aims, False), *_of(after.trackers, False))],
        "notice": shown.sha256,
        "receipt": hashlib.sha256(text.encode()).hexdigest(),
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
    return signed.receipt(made.record, made.signature, controller.ledger.key)


def consent_record(
    bundle: Bundle, id: str, place: str, visit: Visit, before: Choices | None, after: Choices,
    shown: Notice, now: dt.datetime, pressed: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The record as JSON-LD. Keys and terms are those of `kept.terms.dpv`."""
    at, us = moment(now), US
    entities: dict[str, Any] = {us: organisation(bundle)}
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
                "dpv:hasPurpose": [concept(bundle, "purposes", p) for p in aim.covers],
                "dpv:hasPersonalData": sorted(
                    {concept(bundle, "categories", c) for r in rows for c in r.sends}
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
        **head(id, at, shown.language),
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
            "pressed": "said by the browser" if pressed else "not said",
            "apart": {k: "allowed" if v else "refused" for k, v in after.trackers.items()},
        },
    }


def _of(said: Mapping[str, bool], wanted: bool) -> list[str]:
    return sorted(about for about, yes in said.items() if yes is wanted)
