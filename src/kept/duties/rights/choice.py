"""What the rights by which a person decides over uses have in common.

Whom a choice reaches, what it stops and what goes on, and what she is told of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kept.controller import Controller, Place
from kept.decide.effects import Effect, absolute, allowed, effects
from kept.decide.facts import GROUNDS, kind_of
from kept.duties.rights.covering import coverage
from kept.duties.rights.doubt import Ambiguous, doubts, refuse_several
from kept.duties.rights.recipients import Informed
from kept.duties.rights.request import searched, step_document
from kept.errors import UsageError
from kept.ledger.entry import name
from kept.model.plan import StepResult
from kept.model.select import KeyTable
from kept.policy.bundle import Bundle
from kept.records.case import Case, State
from kept.records.subject import LINKING
from kept.records.suppression import FACT
from kept.terms import clocks
from kept.terms.evidence import COUNTED
from kept.terms.identifiers import Identifier
from kept.terms.refusals import law_at

_SEVERAL: Final = (
    "what was given leads to several people; the choice holds for the identifiers given, and no"
    " other was looked up"
)
#: Kinds of grounds that are no choice of hers: what she deals with the organisation, and what it
#: has to show. Whether they are there is told elsewhere.
_NOT_HERS: Final = frozenset(("contract", "terms", "assessment", "citation"))
#: All but those that lift what forbids: with them only what forbids is left to stop anything.
ANY_GROUND: Final = GROUNDS - {"agreed", "hold"}


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom a choice reaches: by which identifiers, known under which numbers, with which rows.

    `identifiers` are those given, those linked to her and those that her own rows hold, as far as
    they lead to nobody else. `held`: whether anything is held under what was given, or may be,
    where a system could not be asked.
    """

    subjects: tuple[int, ...]
    identifiers: tuple[Identifier, ...]
    rows: Mapping[Place, KeyTable]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    held: bool


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """One activity, as she is told of it: what for, on which ground, by which clauses, and why
    it stops or goes on. They are ordered by what is shown of them.
    """

    purpose: str
    title: str
    ground: str
    clauses: tuple[str, ...]
    why: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "purpose": self.purpose,
            "title": self.title,
            "ground": self.ground,
            "clauses": list(self.clauses),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class ChoiceAnswer:
    """What a choice does and, once executed, did.

    `stops` and `goes_on` hold activities of the register; `weighed` those that stopped until it
    is decided whose interest prevails. `goes_on` names what is done with data that she has in
    the mapped systems. `due` are steps for data that nothing may be done with any more.
    `complete` False while something is left to do, with this case or with a system. `told`: who
    had data that is restricted now, and how each stands. `held` False: nothing is held under what
    was given; the choice holds all the same.
    """

    case: str
    right: str
    executed: bool
    complete: bool
    state: str
    stops: tuple[Told, ...] = ()
    weighed: tuple[Told, ...] = ()
    goes_on: tuple[Told, ...] = ()
    due: tuple[StepResult, ...] = ()
    unreached: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    told: tuple[Informed, ...] = ()
    held: bool = True

    def document(self) -> dict[str, Any]:
        """The answer as JSON; no identifier and no value of a row."""
        return {
            "case": self.case,
            "right": self.right,
            "executed": self.executed,
            "complete": self.complete,
            "state": self.state,
            "stops": [t.document() for t in self.stops],
            "weighed": [t.document() for t in self.weighed],
            "goes_on": [t.document() for t in self.goes_on],
            "due": [step_document(s) for s in self.due],
            "unreached": [{"store": s, "why": why} for s, why in self.unreached],
            "warnings": list(self.warnings),
            "statements": {s: list(lines) for s, lines in self.statements.items()},
            "told": [one.document() for one in self.told],
            "held": self.held,
        }


def one_person(people: Sequence[Sequence[Identifier]], case: Case) -> tuple[Identifier, ...]:
    """The identifiers of the one person whose choice it is, of which one at least names her."""
    if len(people) != 1:
        raise UsageError("a choice is that of one person", met=f"{len(people)} people")
    if not any(i.kind in LINKING for i in people[0]):
        raise UsageError(
            "what was given does not name one person, so no choice can hold for her",
            expected=f"at least one of {', '.join(LINKING)}",
            fix=f"ask her for one of these and open a new case with it; case {case.id} ends with"
            f' `kept case withdraw {case.id} --reason "…"`, or, where she gives none, with'
            f' `kept case refuse {case.id} --reason not-identified --words "…"`',
        )
    return tuple(people[0])


def whom(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]],
    now: dt.datetime, *, several: bool = False,
) -> Whom:  # fmt: skip
    """Find her, in every mapped system. Makes nobody.

    Raises Ambiguous where what is given leads to several people; with `several`, the choice then
    holds for what was given and for nothing else.
    """
    given = one_person(people, case)
    located = controller.locate(people)
    rows = controller.keys(located)
    held = bool(rows or located.unreached)
    warnings = located.warnings
    subjects = controller.subjects.find(given)
    try:
        refuse_several(controller, case, people, rows)
    except Ambiguous:
        if not several:
            raise
        rows, warnings = {}, (*warnings, _SEVERAL)
        linked = []
    else:  # an erasure by one of these takes the number that leads from it to her choice
        linked = [i for s in subjects for i, word in controller.subjects.identifiers(s)
                  if word in COUNTED]  # fmt: skip
    identifiers, left_out = own_identifiers(controller, given, rows, linked)
    warnings += left_out
    if rows:
        warnings += coverage(controller, case, rows, now).words
    if not searched(controller, people):
        warnings += ("nothing in a mapped system can be searched by what was given",)
    return Whom(
        subjects, identifiers, rows, tuple(sorted(located.unreached.items())),
        tuple(dict.fromkeys(warnings)), held,
    )  # fmt: skip


def own_identifiers(
    controller: Controller, given: Sequence[Identifier], rows: Mapping[Place, KeyTable],
    linked: Sequence[Identifier] = (), *, wide: bool = False,
) -> tuple[tuple[Identifier, ...], tuple[str, ...]]:  # fmt: skip
    """What names her: what was given, and what is `linked` to her or her rows hold, as far as it
    leads to nobody else; and in words what was left out. Only for rows that are known to be one
    person's. `wide`: also what leads to a number here that was not known as hers, where her rows
    alone hold it.
    """
    known = {(i.kind, i.normalised): i for i in given if i.kind in LINKING}
    warnings: tuple[str, ...] = ()
    subjects, own = set(controller.subjects.find(given)), _named(controller, rows)
    for one in (*linked, *(i for _, i in controller.identifiers(rows, [given]))):
        if one.kind not in LINKING or (one.kind, one.normalised) in known:
            continue
        # An address in her rows may be somebody else's as well: it would bind him too.
        others = controller.keys(controller.locate([[one]]))
        alone = not any(doubts(controller, [[one]], others)) and _named(controller, others) <= own
        if alone and (wide or set(controller.subjects.find([one])) <= subjects):
            known[one.kind, one.normalised] = one
        else:
            warnings += (f"an identifier of kind {one.kind} in her rows leads to others as well;"
                         " it was left out",)  # fmt: skip
    return tuple(known.values()), warnings


def _named(controller: Controller, rows: Mapping[Place, KeyTable]) -> set[tuple[Place, object]]:
    """The people that rows name: those of datasets whose key is itself an identifier."""
    found: set[tuple[Place, object]] = set()
    for place, table in rows.items():
        dataset = controller.datamap.dataset(*place)
        if all(dataset.fields[f].identifies for f in dataset.key):
            found |= {(place, key) for key in table.values}
    return found


def known_purposes(bundle: Bundle, purposes: Sequence[str]) -> tuple[str, ...]:
    """The purposes, each once; UsageError for one that the policy does not have, or for none."""
    served = {a.purpose for a in bundle.activities.values()}
    within = bundle.vocabulary.within
    # One above them stands for all below it: marketing for its letters and its analyses.
    known = [p for p in sorted(bundle.vocabulary.purposes)
             if any(within("purposes", one, p) for one in served)]  # fmt: skip
    if not purposes:
        raise UsageError(
            "no purpose is named",
            expected=f"at least one of {', '.join(known)}",
            fix="add --purpose PURPOSE",
        )
    for purpose in purposes:
        if purpose not in bundle.vocabulary.purposes:
            raise UsageError(
                "there is no such purpose in this policy",
                expected=f"one of {', '.join(known)}",
                fix="name one of these after --purpose",
            )
    return tuple(dict.fromkeys(purposes))


def known_region(region: str) -> str:
    """The region whose rules hold there, of a region or a country; UsageError for neither."""
    return clocks.rules_at(region)


def region_in(controller: Controller, case: Case, region: str) -> str:
    """The region whose rules hold for her: the one that is said, else that of the case's clock."""
    clock = controller.clocks.of(case) if region == "unknown" else None
    return known_region(clock.region) if clock else region


def law_in(controller: Controller, case: Case, law: str, region: str = "unknown") -> str:
    """What a refusal rests on, as the law is called where she is (as `region_in` knows it)."""
    return law_at(law, region_in(controller, case, region))


def matter(controller: Controller, purposes: Iterable[str]) -> str | None:
    """What a choice is about, where that says how soon it is to be obeyed: marketing, at once."""
    words, named = controller.bundle.vocabulary, list(purposes)
    return "marketing" if named and all(absolute(words, p) for p in named) else None


def judged(controller: Controller, facts: Iterable[str], region: str) -> list[Effect]:
    """What the facts stop, activity by activity, and what they leave."""
    return effects(controller.rules, facts, region)


def concerning(controller: Controller, purpose: str, region: str) -> list[Effect]:
    """The activities that an objection to a purpose is about, and whether it stops each."""
    words = controller.bundle.vocabulary
    near = words.above("purposes", purpose) | words.below("purposes", purpose)
    met = judged(controller, [f"objection:{purpose}"], region)
    return [e for e in met if e.activity.purpose in near]


def let(
    controller: Controller, hers: Sequence[Identifier], facts: Iterable[str], region: str,
    now: dt.datetime, *, given: Collection[str] = _NOT_HERS,
) -> frozenset[str]:  # fmt: skip
    """The activities that the door allows for her with all that is on record of her, and `facts`
    of a choice that may not be recorded yet. Grounds of the kinds `given` are taken as there.
    """
    ((_, known),) = controller.facts_of_many([hers], now)
    grounds = {fact for fact in controller.rules.facts if kind_of(fact) in given}
    return allowed(controller.rules, replace(known, held=known.held | grounds | {*facts}), region)


def going_on(
    controller: Controller, found: Iterable[Effect], rows: Mapping[Place, KeyTable],
    lets: frozenset[str],
) -> dict[str, Told]:  # fmt: skip
    """What is still done with her data, by activity: those of datasets in which rows are hers,
    of what the door `lets` be done.
    """
    served = {a for place in rows for a in controller.datamap.dataset(*place).activities}
    return {
        e.activity.id: told(controller, e, "it does not rest on what this choice takes away")
        for e in found
        if not e.stops and e.activity.id in served & lets
    }


def told(controller: Controller, effect: Effect, why: str) -> Told:
    """An activity as she is told of it."""
    ground = controller.bundle.vocabulary.bases[effect.basis].label
    a = effect.activity
    return Told(a.purpose, a.title, ground, tuple(a.clauses), why)


def beyond(
    controller: Controller, inapplicable: Iterable[tuple[str, Sequence[str]]]
) -> list[tuple[str, str, tuple[str, ...]]]:
    """What an objection does not reach (receipts.inapplicable), each in words: (purpose, what it
    is called, the grounds on which its uses rest).
    """
    words = controller.bundle.vocabulary
    bases = {name(id_): basis.label for id_, basis in words.bases.items()}
    purposes = {name(id_): purpose.label for id_, purpose in words.purposes.items()}
    return [
        (purpose, purposes.get(purpose, purpose), tuple(bases.get(one, one) for one in rest_on))
        for purpose, rest_on in inapplicable
    ]


def channel_of(fact: str) -> str:
    """Where a fact stands among the suppressions, for whoever is met under an identifier."""
    return FACT + fact


def everyone(rows: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Whom (kind, value) and, of people, ("", number) stand for: equal where they are the same."""
    return {(kind, Identifier(kind, value).normalised) if kind else (kind, value)
            for kind, value in rows}  # fmt: skip


def held_at_the_door(
    controller: Controller, people: Sequence[Sequence[Identifier]], facts: Iterable[str],
    now: dt.datetime,
) -> bool:  # fmt: skip
    """Whether the door knows these facts of everybody who is met under what was given."""
    layout = controller.rules.layout
    wanted = 0
    for fact in facts:
        wanted |= layout.bits(fact)
    given = [i for one in people for i in one if i.kind in LINKING]
    return all(wanted & ~layout.word(controller.facts(i, now)) == 0 for i in given)


def refuse_ended(case: Case, *open_states: State) -> None:
    """Refuse a case that is past the states in which this can be done."""
    if case.state not in open_states:
        raise UsageError(
            f"case {case.id} is {case.state}; this cannot be done in it any more",
            expected=f"a case that is {' or '.join(s.value for s in open_states)}",
            fix=f"see `kept case show {case.id}`, or open a new case for the same person",
        )
