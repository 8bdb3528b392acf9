"""What proves that choices about uses hold, in every region; and what is taken along is known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import Dataset
from kept.decide.facts import GROUNDS, known_basis
from kept.decide.use import use
from kept.duties.rights import lost
from kept.duties.rights.choice import channel_of
from kept.duties.rights.objection import weighed_for
from kept.duties.rights.portable import Portable, Why, portable
from kept.duties.rights.rectification import undone
from kept.duties.rights.restriction import IN_FORCE, bound
from kept.errors import StoreError, UsageError
from kept.ledger.entry import name as named
from kept.model.decision import Ask, Facts
from kept.records.case import Case, State
from kept.records.declared import SYSTEM
from kept.records.recipient import ERASED
from kept.records.subject import LINKING, suppression_mac
from kept.terms.asks import SALE_IN
from kept.terms.identifiers import Identifier
from kept.terms.regimes import REGIONS, rules_of

#: Bases that end when the person says so.
_REFUSABLE: Final = ("consent", "legitimate-interest")

#: What nobody provided of herself, unless the map says so of the field.
_FOREIGN: Final = (
    "public-web", "enrichment", "partner-lead", "identity-link", "statistics", "suppression",
    "rights-case", "disclosure-record", "tenant-recipient",
)  # fmt: skip
#: Words of the map for what is not hers to take along.
_STRANGE: Final = ("derived", "others", "own")
#: What GDPR Art. 18(2) leaves while a restriction stands, and the rights themselves.
_LEFT: Final = ("rights", "storage", "dispute", "disclosure.protection", "public-interest")
#: For so long an answer may be waited for.
_PATIENCE: Final = dt.timedelta(days=31)


@control("rights.objections-stop-the-purpose")
def objections_stop_the_purpose(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Who objected to a purpose is denied it, whatever grounds there are, until it was decided.

    Or until she allowed it again herself. The oracle is the ledger: each objection in it that
    nothing on record lifted is held against what the door says of the identifiers that the case
    names.
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
    asked = {
        str(e.body["request"])
        for _, e in controller.ledger.entries(kind="request.taken")
        if SALE_IN in e.body["kinds"] and e.body.get("verified") == "code"
    }
    freed = set()
    for _, e in controller.ledger.entries(kind="objection.lifted"):
        if e.at <= now and "of" in e.body:
            freed.add((str(e.body["of"]), str(e.body["purpose"])))
            if e.body.get("request") not in asked:
                yield Finding("a request", "an objection was lifted that she did not take back")
    yield from lost.cases(controller, (case for case, _ in made))
    looked = 0
    for case, purpose in made:
        if (case, purpose) in lifted:
            continue
        asks = _asks(controller, purpose)
        # All that it is weighed for, and not only by what she asked.
        for identifier in _held_for(controller, case, partial(weighed_for, purpose=purpose)):
            if (case, purpose) in freed and identifier.kind == "email":
                continue  # she took it back, for her address and nothing else
            looked += 1
            if any(_allows(controller, ask, identifier, now) for ask in asks):
                yield Finding("the door", f"`{purpose}` is allowed although somebody objected")
    yield Looked(looked, "objections on record")


@control("rights.withdrawals-stop-consent-only")
def withdrawals_stop_consent_only(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """What was on consent does not come back under another basis; what was not goes on.

    Held against the ledger's withdrawals, for whom their cases name, until she agrees anew.
    """
    bundle, looked = controller.bundle, 0
    words = bundle.vocabulary
    refusable = {
        a.purpose
        for a in bundle.activities.values()
        if any(known_basis(words, b) in _REFUSABLE for b in a.bases.values())
    }
    others = [
        Ask(a.purpose, a.categories[0], a.contexts[0], region="EEA")
        for a in bundle.activities.values()
        if a.purpose not in refusable and "EEA" in a.bases
    ]
    withdrawn = list(_withdrawals(controller, now))
    yield from lost.cases(controller, (case for case, *_ in withdrawn))
    # Who took it back by a code is open to be asked, and has not agreed; each has an entry.
    undone = [(e.at, str(e.body["purpose"])) for _, e in
              controller.ledger.entries(kind="withdrawal.undone") if e.at <= now]  # fmt: skip
    for case, purpose, at, _ in withdrawn:
        asks = _asks(controller, purpose)
        for identifier in _named(controller, case):
            if _since(controller, identifier, purpose, at):
                continue
            looked += 1
            # Once she was erased her consent is gone as well: none is made up for nobody.
            but = None if controller.subjects.find([identifier]) else "consent"
            left = next((one for one in undone if one[0] > at and one[1] == purpose), None)
            if but is None and left and any(_allows(controller, a, identifier, now) for a in asks):
                undone.remove(left)
                but = "consent"
            if any(_allows(controller, ask, identifier, now, but=but) for ask in asks):
                yield Finding("the door", f"`{purpose}` is allowed although consent was withdrawn")
            for ask in others:
                if not _allows(controller, ask, identifier, now) and _allows(
                    controller, ask, identifier, now, without_kind="withdrawn"
                ):
                    yield Finding(
                        "the door", f"`{ask.purpose}`, which rests on another ground, was stopped"
                    )
    yield Looked(looked, "withdrawals on record")


@control("rights.withdrawals-are-forward-only")
def withdrawals_are_forward_only(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Judged by what was known just before, a use is still covered by the consent of that day.

    The ledger says of each withdrawal whether there was a consent; the records have to know it.
    """
    looked = 0
    withdrawn = list(_withdrawals(controller, now))
    yield from lost.cases(controller, (case for case, *_ in withdrawn))
    for case, purpose, at, had in withdrawn:
        before = at - dt.timedelta(milliseconds=1)
        for subject in {s for i in _named(controller, case) for s in controller.subjects.find([i])}:
            if not had or not _made_before(controller, subject, at):
                continue  # there was none, or she was erased and came back as somebody new
            looked += 1
            facts = controller.consents.facts(subject, before, known=before)
            bit = controller.rules.layout.place.get(f"consent:{purpose}", 0)
            if not controller.rules.word(facts) & bit:
                yield Finding("the records", f"the consent to `{purpose}` before is not known")
    yield Looked(looked, "consents that were withdrawn")


@control("rights.restrictions-stop-every-use")
def restrictions_stop_every_use(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """While a restriction stands only what the law leaves is allowed; lifted only after word.

    Held against the ledger's restrictions, for whom they were recorded, whatever grounds there
    are but a consent that she gave in spite of it. Nobody is restricted by no open case.
    """
    bundle = controller.bundle
    within = bundle.vocabulary.within
    asks = [
        Ask(a.purpose, a.categories[0], a.contexts[0], region=region)
        for a in bundle.activities.values()
        for region in ("EEA", "other")
        if not any(within("purposes", a.purpose, left) for left in _LEFT)
    ]
    told: set[str] = set()
    closed: set[str] = set()
    for _, e in controller.ledger.entries(kind="case.moved"):
        if e.at > now or "case" not in e.body:
            continue
        case, state = str(e.body["case"]), e.body["state"]
        if state == "notified":
            told.add(case)
        elif state == "closed":
            closed.add(case)
            if case not in told:
                yield Finding("a case", "a restriction was lifted before the person was told")
    for _, e in controller.ledger.entries(kind="restriction.lifted"):
        if e.at <= now and str(e.body.get("case")) not in told:
            yield Finding("a case", "a restriction was lifted before the person was told")
    yield Looked(len(closed), "restrictions that were lifted")
    # A case stands there once for each time that it was carried out.
    restricted = list(
        dict.fromkeys(
            str(e.body["case"])
            for _, e in controller.ledger.entries(kind="restriction.set")
            if e.at <= now and "case" in e.body
        )
    )
    yield from lost.cases(controller, restricted)
    looked = 0
    for case in restricted:
        if case in closed:
            continue
        # All that it was recorded for, and not only by what she asked.
        for identifier in _held_for(controller, case, bound):
            looked += 1
            agreed = [
                f.partition(":")[2]
                for f in controller.facts(identifier, now).held
                if f.startswith("agreed:")
            ]
            for ask in asks:
                if any(within("purposes", ask.purpose, p) for p in agreed):
                    continue
                if _allows(controller, ask, identifier, now, but="agreed"):
                    yield Finding("the door", f"`{ask.purpose}` is allowed although restricted")
    yield Looked(looked, "restrictions in force")
    if left := _left_restricted(controller):
        yield Finding(
            "the records",
            f"{left} identifier{' is' if left == 1 else 's are'} restricted, and no case restricts"
            f" {'it' if left == 1 else 'them'}: nothing lifts that",
            "whoever the closed cases name is restricted once more, by all that is hers, and that"
            " is lifted: `kept rights restrict`, then `kept rights lift`",
        )  # fmt: skip


@control("rights.hold-in-every-region")
def hold_in_every_region(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Objection, withdrawal and restriction stop the same for people of every region.

    The register says what rests on consent or an interest; with every ground there is, the door
    has to deny it to who objects, and everything but what the law leaves to who restricts.
    """
    bundle = controller.bundle
    words = bundle.vocabulary
    every = {f for f in controller.rules.facts if f.partition(":")[0] in GROUNDS - {"agreed"}}
    looked = 0
    for region in REGIONS:
        for a in bundle.activities.values():
            basis = next((a.bases[r] for r in rules_of(region) if r in a.bases), None)
            ask = Ask(a.purpose, a.categories[0], a.contexts[0], region=region)
            against = [f"{kind}:{a.purpose}" for kind in ("objection", "withdrawn")]
            if basis is None or known_basis(words, basis) not in _REFUSABLE:
                against = []
            if not any(words.within("purposes", a.purpose, left) for left in _LEFT):
                against.append("restricted")
            for fact in against:
                looked += 1
                if use(controller.rules, ask, Facts(frozenset((*every, fact)))).allow:
                    kind = fact.partition(":")[0]
                    yield Finding("the door", f"`{a.purpose}` is allowed in {region}: {kind}")
    yield Looked(looked, "activities in regions")


@control("rights.what-is-portable-is-known")
def what_is_portable_is_known(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Of every field that may be a person's it is known whether she gave it; she takes no other.

    Nothing inferred, bought or written about her is given along; nothing is left out without a
    reason; the ledger says what was given.
    """
    for system in controller.datamap.systems.values():
        for dataset in system.datasets.values():
            if system.name == SYSTEM.name or dataset.on_erase == "never":
                continue
            where = f"{system.name}.{dataset.name}"
            yield from (
                Finding(
                    where, f"it is not known where `{item.name}` comes from",
                    "write `origin:` for it in the map, or for its dataset",
                )
                for item in dataset.personal
                if dataset.whence(item, controller.bundle.vocabulary) is None
            )  # fmt: skip
            yield from dict.fromkeys(
                finding
                for region in ("EEA", "other")
                for finding in _along(
                    controller, where, dataset, portable(controller, dataset, region)
                )
            )
            yield Looked(len(dataset.fields), where, system.name)
    told = {
        str(e.body["case"]): e.body["complete"]
        for _, e in controller.ledger.entries(kind="case.closed")
        if e.body["right"] == "portability"
    }
    given = {
        str(e.body.get("case"))
        for _, e in controller.ledger.entries(kind="access.given")
        if e.body.get("right") == "portability"
    }
    closed = [
        c for c in controller.cases.all() if c.right == "portability" and c.complete is not None
    ]
    yield from lost.cases(controller, {*told, *given})
    if {case for case, complete in told.items() if complete} - {case.id for case in closed}:
        yield Finding("a case", "packages that the ledger says were given are not on record")
    for case in closed:
        if told.get(case.id) != case.complete or case.id not in given:
            yield Finding("a case", "the ledger does not say what was given along")
    yield Looked(len(closed), "packages that were given")


@control("rights.corrections-hold")
def corrections_hold(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What was corrected at a person's wish is not wrong again, by an import or by hand; and what
    was made of the wrong value is made anew.
    """
    away: dict[str, str] = {}
    for one in undone(controller, away):
        yield Finding(
            one.where,
            f"a correction was undone in {one.rows} rows",
            "run `kept rights rectify --again`, and mend what brings the wrong value back",
        )
    for system, why in away.items():
        yield unasked(system, StoreError(why))
    yield Looked(len(controller.corrections.all()), "corrections that are remembered")
    yield from _made_anew(controller, now)


def _made_anew(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What was made of a wrong value is made anew, by the word of whoever serves it in the ledger;
    nobody is waited for whom officers do not know of.
    """
    said = {
        tuple(str(e.body[key]) for key in ("case", "system", "dataset")): str(
            e.body.get("outcome", ERASED)
        )
        for _, e in controller.ledger.entries(kind=("word.given", "derived.erased"))
        if e.body.get("action", "make-anew") == "make-anew" and e.at <= now
    }
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT c.id, n.recipient, n.outcome, n.noted_at, n.escalated_at, c.state"
            " FROM case_recipient n JOIN rights_case c USING (number)"
            " WHERE n.notice = 'make-anew' AND n.noted_at <= %s ORDER BY c.number, n.recipient",
            (now,),
        ).fetchall()
        known = {row[0] for row in connection.execute("SELECT id FROM rights_case").fetchall()}
    fix = "have it made anew, then record that with `kept task done`"
    for case, where, outcome, at, escalated, state in rows:
        system, _, dataset = where.partition(".")
        if said.get((case, named(system), named(dataset))) != outcome:
            yield Finding(where, "what was said of making it anew is not what the ledger says")
        elif outcome == "cannot":
            yield Finding(where, "it was made of what was wrong, and cannot be made anew", fix)
        elif outcome is None and escalated is not None:
            yield Finding(where, "it was made of what was wrong: officers know", fix)
        elif outcome is None and state == State.CLOSED:
            yield Finding(where, "its case ended before it was made anew", fix)
        elif outcome is None and now - at > _PATIENCE:
            yield Finding(where, "for a month it is to be made anew", fix)
    there = {(case, named(where)) for case, where, *_ in rows}
    for _, e in controller.ledger.entries(kind="derived.asked"):
        case = str(e.body["case"])
        if case in known and e.at <= now and {(case, p) for p in e.body["places"]} - there:
            yield Finding("a case", "what the ledger says is to be made anew is not on record")
    yield Looked(len(rows), "places where something was to be made anew")


def _along(
    controller: Controller, where: str, dataset: Dataset, what: Portable
) -> Iterator[Finding]:
    """What is amiss with what is given along of a dataset: by the map alone, field by field."""
    within = controller.bundle.vocabulary.within
    tied = {n for link in dataset.links for n in link.fields} | set(dataset.key)
    for name in set(what.fields) - tied:
        item = dataset.fields[name]
        foreign = any(item.category and within("categories", item.category, c) for c in _FOREIGN)
        silent = item.category is None and item.origin is None and dataset.origin is None
        # A dataset's word is for what has no category.
        stranger = (item.origin or (item.category is None and dataset.origin)) in _STRANGE
        if silent or stranger or item.stamp or (foreign and item.origin is None):
            yield Finding(where, f"`{name}` is given along, and is not of the person")
    if what.why is Why.UNDECIDED:
        yield Finding(
            where, "it is not known whether these rows are hers to take along",
            "write `origin:` for the dataset in the map",
        )  # fmt: skip
    if what.why is not None:
        return
    left = [name for names in what.left.values() for name in names]
    for name in sorted(dataset.fields.keys() - {*what.fields, *left}):
        yield Finding(where, f"`{name}` is neither given along nor said to be left out")
    for name in what.left.get(Why.UNDECIDED, ()):
        if dataset.fields[name].category is None:
            yield Finding(
                where, f"it is not known whether `{name}` is hers to take along",
                "write `origin:` for it in the map, or for its dataset",
            )  # fmt: skip


def _withdrawals(
    controller: Controller, now: dt.datetime
) -> Iterator[tuple[str, str, dt.datetime, bool]]:
    """(case, purpose, when, whether there was a consent) of the withdrawals of cases."""
    for _, e in controller.ledger.entries(kind="consent.withdrawn"):
        if e.at <= now and "case" in e.body:
            yield str(e.body["case"]), str(e.body["purpose"]), e.at, bool(e.body.get("had"))


def _since(controller: Controller, who: Identifier, purpose: str, at: dt.datetime) -> bool:
    """Whether she agreed anew, straight from the records."""
    with controller.database.connection() as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM fact WHERE subject = ANY(%s) AND fact = %s AND holds"
            " AND known_from > %s)",
            (list(controller.subjects.find([who])), f"consent:{purpose}", at),
        ).fetchone()
    return bool(row and row[0])


def _made_before(controller: Controller, subject: int, at: dt.datetime) -> bool:
    with controller.database.connection() as connection:
        row = connection.execute(
            "SELECT made_at < %s FROM subject WHERE subject = %s", (at, subject)
        ).fetchone()
    return bool(row and row[0])


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


def _held_for(
    controller: Controller, case: str, held: Callable[[Controller, Case], Iterable[Identifier]]
) -> list[Identifier]:
    """Whom a case names and for whom it `held`, each once; nobody once the case is gone."""
    try:
        also = held(controller, controller.cases.get(case))
    except UsageError:
        return []
    return list(dict.fromkeys((*_named(controller, case), *also)))


def _left_restricted(controller: Controller) -> int:
    """How many identifiers are restricted by a case of which none is open, straight from the
    records.
    """
    held = {
        suppression_mac(controller.vault, one)
        for state in IN_FORCE
        for case in controller.cases.all(state)
        if case.right == "restriction"
        for one in _held_for(controller, case.id, bound)
    }
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT mac FROM suppression WHERE channel = %s AND source = 'restriction'",
            (channel_of("restricted"),),
        ).fetchall()
    return len({bytes(mac) for (mac,) in rows} - held)


def _asks(controller: Controller, purpose: str) -> list[Ask]:
    """Uses for the purpose or what it is made of, of activities that a person may refuse."""
    words = controller.bundle.vocabulary
    return [
        Ask(a.purpose, category, a.contexts[0], region=region)
        for a in controller.bundle.activities.values()
        if words.within("purposes", a.purpose, purpose)
        for category in a.categories
        for region, basis in (("EEA", a.bases.get("EEA")), ("other", a.bases.get("default")))
        if basis and known_basis(words, basis) in _REFUSABLE
    ]


def _allows(
    controller: Controller, ask: Ask, identifier: Identifier, now: dt.datetime,
    without_kind: str | None = None, but: str | None = None,
) -> bool:  # fmt: skip
    """Whether the door would allow it, had she given every ground that there is.

    `without_kind`: as if no fact of that kind were known; `but`: no ground of that kind is made
    up.
    """
    facts = controller.facts(identifier, now)
    every = {f for f in controller.rules.facts if f.partition(":")[0] in GROUNDS - {but}}
    held = {f for f in facts.held if f.partition(":")[0] != without_kind}
    return use(controller.rules, ask, Facts(frozenset(held | every), facts.unknown)).allow
