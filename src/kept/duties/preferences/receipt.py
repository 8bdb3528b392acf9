"""A receipt of how a person's choices stand, made when she asks for it: nothing of it is kept."""

from __future__ import annotations

import datetime as dt
from typing import Any

from kept.controller import Controller
from kept.decide.consent_record import US, concept, head, organisation
from kept.decide.offers import offers
from kept.duties.preferences.shown import Choice, known
from kept.duties.preferences.shown import page as shown_to
from kept.ledger import receipt as signed
from kept.ledger.entry import moment
from kept.policy import spoken
from kept.records.ids import new_id
from kept.records.preference import Way
from kept.terms import tongues


def receipt(controller: Controller, way: Way, now: dt.datetime) -> dict[str, Any]:
    """The record of what she allowed and refused, signed. It does not say who she is."""
    bundle = controller.bundle
    id = new_id(now)
    record = head(id, moment(now), tongues.spoken().chosen or bundle.languages[0])
    people, _ = known(controller, way, now)
    notices = sorted(
        {w.notice for w in controller.consents.words(people, now) if w.notice is not None}
    )
    record["dpv:hasNotice"] = [
        {"@type": ["dpv:ConsentNotice"], "dpv:hasIdentifier": f"sha256:{one}"} for one in notices
    ]
    record["dpv:hasEntity"] = {US: organisation(bundle)}
    titles = {o.purpose: spoken.own(o.titles[0]) for o in offers(bundle)}
    record["dpv:hasProcess"] = [
        {
            "@type": ["dpv:Process"],
            "dct:title": titles[c.purpose],
            "dpv:hasPurpose": [concept(bundle, "purposes", c.purpose)],
            "dpv:hasDataController": [US],
            "dpv:hasLegalBasis": ["dpv:Consent"],
            "dpv:hasConsentStatus": [_status(c, now)],
        }
        for c in shown_to(controller, way, now).choices
        if c.allowed or c.refused
    ]
    record["dct:description"] = {"withdraw": "/privacy/preferences"}
    return signed.receipt(*signed.sign(controller.vault, record), controller.ledger.key)


def _status(choice: Choice, now: dt.datetime) -> dict[str, Any]:
    status, at = "dpv:ConsentGiven", choice.allowed
    if choice.refused is not None:
        status = "dpv:ConsentWithdrawn" if choice.allowed else "dpv:ConsentRefused"
        at = choice.refused
    return {
        "@type": [status, "dpv:ExpressedConsent"],
        "dpv:isIndicatedAtTime": moment(at or now),
    }
