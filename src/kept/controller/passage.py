"""What the ledger holds of a decision at the door."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container

from kept.ledger.entry import Entry, name
from kept.model.decision import Ask, Decision
from kept.policy.bundle import Bundle
from kept.terms.regimes import REGIONS


def entry(
    bundle: Bundle, ask: Ask, decision: Decision, rule: str, epoch: int, now: dt.datetime
) -> Entry:
    """The entry of a decision: words of the policy only, nothing that somebody sent."""
    words = bundle.vocabulary
    contexts = {c for a in bundle.activities.values() for c in a.contexts} | {"any"}

    def known(term: str, terms: Container[str]) -> str:
        # Only words of the policy reach the ledger: whoever asks could have sent a name.
        return name(term) if term in terms else "unknown"

    body: dict[str, object] = {
        "purpose": known(ask.purpose, words.purposes),
        "allowed": decision.allow,
        "category": known(ask.category, words.categories),
        "context": known(ask.context, contexts),
        "recipient": known(ask.recipient, {*words.recipients, *bundle.recipients, "controller"}),
        "region": known(ask.region, REGIONS),
        "epoch": epoch,
        "clauses": list(decision.because),
    }
    if decision.activity:
        body["activity"] = name(decision.activity)
    if not decision.allow:
        # The kind of the rule that denies (decide.use.Check), a word of a closed list.
        body["reason"] = name(rule)
    if decision.basis:
        body["basis"] = name(decision.basis)
    return Entry("use.decided", now, body)
