"""What proves that choices about uses hold: objections, withdrawals, restrictions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.facts import GROUNDS, known_basis
from kept.decide.use import use
from kept.errors import UsageError
from kept.model.decision import Ask, Facts
from kept.records.subject import LINKING
from kept.terms.identifiers import Identifier


@control("rights.objections-stop-the-purpose")
def objections_stop_the_purpose(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Who objected to a purpose is denied it, whatever grounds there are, until it was decided.

    The oracle is the ledger: each objection in it that no recorded decision lifted is held
    against what the door says of the identifiers that the case names.
    """
    made = _entries(controller, "objection.made", now)
    lifted = set(_entries(controller, "objection.lifted", now))
    decided = {
        str(e.body["case"])
        for _, e in controller.ledger.entries(kind="case.moved")
        if e.body.get("state") == "refused" and "reason" in e.body and "case" in e.body
    }
    for case, _ in sorted(lifted):
        if case not in decided:
            yield Finding("a case", "an objection was lifted without grounds on record")
    looked = 0
    for case, purpose in made:
        if (case, purpose) in lifted:
            continue
        asks = _asks(controller, purpose)
        for identifier in _named(controller, case):
            looked += 1
            if any(_allows(controller, ask, identifier, now) for ask in asks):
                yield Finding("the door", f"`{purpose}` is allowed although somebody objected")
    yield Looked(looked, "objections on record")


def _entries(controller: Controller, kind: str, now: dt.datetime) -> list[tuple[str, str]]:
    """(case, purpose) of the entries of a kind that were made by a case."""
    return [
        (str(e.body["case"]), str(e.body["purpose"]))
        for _, e in controller.ledger.entries(kind=kind)
        if e.at <= now and "case" in e.body and "purpose" in e.body
    ]


def _named(controller: Controller, case: str) -> Iterator[Identifier]:
    """Whom a case names, one identifier after the other; nobody once the case is gone."""
    try:
        people = controller.cases.identifiers(controller.cases.get(case))
    except UsageError:
        return
    yield from (i for one in people for i in one if i.kind in LINKING)


def _asks(controller: Controller, purpose: str) -> list[Ask]:
    """Uses for the purpose or what it is made of, of activities that a person may refuse."""
    words = controller.bundle.vocabulary
    return [
        Ask(a.purpose, category, a.contexts[0], region=region)
        for a in controller.bundle.activities.values()
        if words.within("purposes", a.purpose, purpose)
        for category in a.categories
        for region, basis in (("EEA", a.bases.get("EEA")), ("other", a.bases.get("default")))
        if basis and known_basis(words, basis) in ("consent", "legitimate-interest")
    ]


def _allows(
    controller: Controller, ask: Ask, identifier: Identifier, now: dt.datetime,
    without: Iterable[str] = (),
) -> bool:  # fmt: skip
    """Whether the door would allow it, had she given every ground that there is."""
    facts = controller.facts(identifier, now)
    every = {f for f in controller.rules.facts if f.partition(":")[0] in GROUNDS} - set(without)
    return use(controller.rules, ask, Facts(facts.held | every, facts.unknown, facts.epoch)).allow
