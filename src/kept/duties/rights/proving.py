"""Who asks, in proportion: how well that has to be known for a case, how well it is, and what is
still missing (GDPR Art. 12(6); 11 CCR § 7062).

What a case takes follows from its right, from where she is and from what the map holds at all,
never from what is held of her. What she tells of herself is hashed and put aside, in the same way
whoever she is; it is compared later, by itself, and nobody is told what came of it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kept.controller import Controller
from kept.datamap.map import Field
from kept.decide.effects import absolute
from kept.errors import Denied, KeptError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.values import Value, sizable
from kept.records.actor import Actor
from kept.records.case import Case
from kept.records.case_state import FINISHED
from kept.records.declared import SYSTEM
from kept.terms import proof, told
from kept.terms.asks import ASKS, STOP_MAILING
from kept.terms.identifiers import Identifier
from kept.terms.proof import LEVELS, Need
from kept.terms.rights import RIGHTS

#: So many different things of hers have to be right.
RIGHT: Final = 2
#: The longest answer, and the largest paper.
_LONGEST: Final = 200
_LARGEST: Final = 5_000_000
#: Categories of data of which the law asks more care (GDPR Art. 9), by their concepts of the DPV.
_SPECIAL: Final = (
    "Health", "MedicalHealth", "Genetic", "Biometric", "Ethnicity", "EthnicOrigin", "Race",
    "Religion", "ReligiousBelief", "PhilosophicalBelief", "PoliticalAffiliation",
    "PoliticalOpinion", "TradeUnionMembership", "Sexual", "SexualPreference", "Disability",
)  # fmt: skip
#: The country whose telephone numbers are meant in a region, by how that begins.
_COUNTRIES: Final = MappingProxyType({"US": "US", "UK": "GB", "CH": "CH"})
#: Letters around a number of something: no. 12.
_PLAIN: Final = "abcdefghijklmnopqrstuvwxyz"
#: What is said to whoever told something, whatever came of it.
THANKS: Final = (
    "We have what you told us. It is compared with what we hold; so that nobody learns anything"
    " by trying, we say to nobody whether it was right."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How well it is known who asks in a case, and how well it has to be. `override`: somebody
    answers for its not being checked.
    """

    need: Need
    level: int
    override: bool
    known: bool

    @property
    def enough(self) -> bool:
        """Whether the case can be carried out and answered."""
        return self.override or (self.known and self.level >= self.need.level)

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "level": self.level, "needs": self.need.level, "why": self.need.why,
            "source": self.need.source, "enough": self.enough,
        }  # fmt: skip

    def lines(self) -> list[str]:
        """In words: what it is known by, what is missing."""
        here = f"Who asks is known at level L{self.level} ({LEVELS[self.level]})."
        takes = f"This takes L{self.need.level}: {self.need.why} ({self.need.source})."
        if self.override:
            return ["Who asks was not checked; somebody answers for it.", takes]
        if not self.known:
            return [takes]
        return [here] if self.level >= self.need.level and not self.need.level else [here, takes]


def standing(controller: Controller, case: Case, purposes: Iterable[str] | None = None) -> Standing:
    """How a case stands; `purposes` are those of a choice, where it is known by now which."""
    need = _need(controller, case, purposes)
    return Standing(need, case.proof, case.override, case.evidence)


def require_known_asker(
    controller: Controller, case: Case, purposes: Iterable[str] | None = None
) -> None:
    """Refuse to disclose or change anything before it is known well enough who asks (Art. 12(6)).

    What it took is kept with the case. Raises Denied.
    """
    verb = RIGHTS[case.right].verb
    if not case.evidence and not case.override:
        raise Denied(
            f"case {case.id} has no evidence of who asks; it was opened and nothing was done",
            fix=f"say how it was checked: `kept rights {verb} --case {case.id}"
            ' --evidence "…"`; or give --override REASON and answer for it',
        )
    at = standing(controller, case, purposes)
    if at.need.level != case.needs:
        controller.cases.need(case, at.need.level)
    if not at.enough:
        raise Denied(
            f"it is not known well enough who asks in case {case.id}; nothing was done. It takes"
            f" L{at.need.level} ({LEVELS[at.need.level]}), because {at.need.why}"
            f" ({at.need.source}); met: L{at.level}",
            fix=f"record what was checked besides: `kept case prove {case.id} --way facts"
            ' --words "…"`; or give --override REASON and answer for it',
        )


def require_both(controller: Controller, case: Case, field: Field, right: Value) -> None:
    """Refuse a new address that its owner and the person did not both confirm: else whoever reads
    one mailbox could take over another's data. Raises Denied.
    """
    if field.identifies != "email" or case.override:
        return
    new = Identifier("email", str(right))
    named = {(i.kind, i.normalised) for one in controller.cases.identifiers(case) for i in one}
    if ("email", new.normalised) in named or controller.cases.confirmed(case, new):
        return
    raise Denied(
        "the new address was not confirmed at the old one and at itself; nothing was changed in"
        f" case {case.id}",
        fix=f"have codes sent to both: `kept case confirm {case.id} --value-file FILE`, or let her"
        " ask for it on the public form; or give --override REASON and answer for it",
    )


def needs(
    controller: Controller, right: str, region: str, matter: str | None,
) -> int:  # fmt: skip
    """The level that a case takes which is being opened."""
    return proof.needed(
        right, _risks(controller, region, matter == "marketing"), controller.desk.proof
    ).level


def ways(
    controller: Controller, kinds: Iterable[str], region: str, *, page: bool = True
) -> tuple[str, ...]:  # fmt: skip
    """In which ways somebody can show here that it is she who asks for these kinds of request, as
    words of proof.HOW; none where an address in her hands is enough. `page`: she has one on which
    the questions stand. The same whoever she is, and whatever was right of what she told.
    """
    asked = ((ASKS[k].right, "marketing" if k == STOP_MAILING else None) for k in kinds)
    level = max((needs(controller, r, region, m) for r, m in asked if r is not None), default=0)
    if level < proof.FACTS:
        return ()
    first = ("login",) if controller.desk.login is not None else ()
    asks = page and len(questions(controller)) >= RIGHT
    by_hand = () if asks else ("person",)
    return (*first, "statement" if level >= proof.LOGIN else "facts", *by_hand)


def record(
    controller: Controller, case_id: str, way: str, words: str, actor: Actor, now: dt.datetime,
    *, paper: bytes | None = None,
) -> Case:  # fmt: skip
    """Record in which way somebody found out who asks, in words; the case as it then stands.

    `paper` is what came as a proof: it lies sealed with the case, and goes when that ends. Raises
    UsageError for a way that nobody can record, without words, and where the case has ended.
    """
    known = proof.recorded(way)
    if not words.strip():
        raise UsageError("it is not said how it was checked", fix="say in words what was checked")
    if paper is not None and not 0 < len(paper) <= _LARGEST:
        raise UsageError("that is no paper", expected=f"a file of 1 to {_LARGEST:,} bytes")
    case = controller.cases.get(case_id)
    _open(case)
    with controller.database.connection() as c:
        if case.evidence:
            case = controller.cases.prove_more(case, known.word, words, actor, now, connection=c)
        else:
            case = controller.cases.identify(case, words, actor, now, way=known.word, connection=c)
        if paper is not None:
            controller.cases.keep_paper(case, paper, connection=c)
        entry = proven(case, known.word, actor, now, paper=paper is not None)
        controller.ledger.append_in(c, [entry])
    return case


def proven(
    case: Case, way: str, actor: Actor, now: dt.datetime, *, paper: bool = False
) -> Entry:  # fmt: skip
    """The entry of a way in which it was found out who asks."""
    body = {
        "case": case.id, "way": name(way), "level": case.proof, "needs": case.needs,
        "paper": paper, "actor": name(actor.role),
    }  # fmt: skip
    return Entry("identity.proven", now, body)


def questions(controller: Controller) -> Mapping[str, str]:
    """What may be asked to find out who asks: place → question; the same for everybody."""
    return controller.desk.facts


def asked(controller: Controller, case: Case) -> bool:
    """Whether somebody is to be asked what only she knows: the same whoever she is, and whatever
    was right of what she told before.
    """
    takes = standing(controller, case).need.level >= proof.FACTS
    return takes and len(questions(controller)) >= RIGHT and case.done_at is None


def tell(
    controller: Controller, case_id: str, answers: Mapping[str, str], actor: Actor,
    now: dt.datetime,
) -> int:  # fmt: skip
    """Put aside what somebody told of herself, as keyed hashes; how often she may try still.

    Nobody is looked up, and nothing is compared here. Raises UsageError where less is told than
    it takes, where she tried too often, or the case has ended.
    """
    case = controller.cases.get(case_id)
    _open(case)
    places = questions(controller)
    said = {p: a.strip() for p, a in answers.items() if a.strip()}
    if strange := set(said) - set(places):
        raise UsageError(
            f"{len(strange)} of these are not asked", expected=f"among {', '.join(places)}"
        )
    if len(said) < RIGHT or any(len(a) > _LONGEST for a in said.values()):
        raise UsageError(
            "too little was told to know who asks", expected=f"at least {RIGHT} short answers"
        )
    # Every place is hashed, told or not: the same work whatever is told.
    read = _Reading.of(controller, case, now)
    hashes = {p: _hash(controller, case, p, read(p, said.get(p, ""))).hex() for p in places}
    with controller.database.connection() as c:
        turn = controller.cases.typed(
            case, {p: h for p, h in hashes.items() if p in said}, connection=c
        )
        if turn is None:
            raise UsageError(
                "that was tried often enough", fix="we find out in another way who asks"
            )
        body = {"case": case.id, "tries": turn, "actor": name(actor.role)}
        controller.ledger.append_in(c, [Entry("identity.tried", now, body)])
        return controller.cases.tries_left(case, connection=c)


def compare(controller: Controller, now: dt.datetime) -> int:
    """Compare what was put aside with what is held, and record where it was right; how many cases
    could not be compared yet, because a system did not answer.
    """
    failed = 0
    for id_ in controller.cases.with_typed():
        try:
            failed += not _compare(controller, controller.cases.get(id_), now)
        except KeptError:
            failed += 1
    return failed


def _compare(controller: Controller, case: Case, now: dt.datetime) -> bool:
    places = questions(controller)
    people = controller.cases.identifiers(case)
    read = _Reading.of(controller, case, now)
    # What she gave to be found by she knows without being herself.
    given = {(p, read(p, i.value)) for p in places for one in people for i in one}
    held: dict[str, dict[bytes, str]] = {place: {} for place in places}
    found = controller.locate(people)
    for place, batch in controller.read(found):
        for at in places:
            system, dataset, field = _split(at)
            if (system, dataset) != place or field not in batch.columns:
                continue
            column = batch.columns.index(field)
            for row in batch.rows:
                text = read(at, row[column])
                if text and (at, text) not in given:
                    held[at][_hash(controller, case, at, text)] = text
    if any(system in found.unreached for system, _, _ in map(_split, places)):
        return False
    actor = controller.actors.of("by herself", "person", now)
    with controller.database.connection() as c:
        typed = controller.cases.take_typed(case, connection=c)
        if typed is None:
            return True  # another was faster
        # One thing that is known counts once, however many places of the map hold it.
        met = {_among(bytes.fromhex(h), held.get(p, {})) for p, h in typed.items()}
        if len(met - {None}) >= RIGHT and len(people) == 1:
            if case.evidence:
                words = "what she told of herself was right"
                case = controller.cases.prove_more(case, "facts", words, actor, now, connection=c)
            else:
                words = "two things that she told of herself are held of her"
                case = controller.cases.identify(case, words, actor, now, way="facts", connection=c)
            controller.ledger.append_in(c, [proven(case, "facts", actor, now)])
    return True


# — inside ————————————————————————————————————————————————————————————————————————————————


def _need(controller: Controller, case: Case, purposes: Iterable[str] | None) -> Need:
    clock = controller.clocks.of(case)
    marketing = clock is not None and clock.matter == "marketing"
    if purposes is not None:
        named = list(purposes)
        marketing = bool(named) and all(absolute(controller.bundle.vocabulary, p) for p in named)
    risks = _risks(controller, clock.region if clock else "unknown", marketing)
    return proof.needed(case.right, risks, controller.desk.proof)


def _risks(controller: Controller, region: str, marketing: bool) -> Collection[str]:
    risks = set()
    if marketing:
        risks.add(proof.OPT_OUT)
    if region == "US-CA":
        risks.add(proof.CALIFORNIA)
    if _holds_special(controller):
        risks.add(proof.SENSITIVE)
    return risks


def _holds_special(controller: Controller) -> bool:
    """Whether any system of the company holds special categories of data of anybody."""
    words = controller.bundle.vocabulary
    special = {
        term.id
        for term in words.categories.values()
        if term.iri is not None and term.iri.rpartition("#")[2] in _SPECIAL
    }
    return any(
        not words.above("categories", field.category).isdisjoint(special)
        for system in controller.datamap.systems.values()
        if system.name != SYSTEM.name
        for dataset in system.datasets.values()
        for field in dataset.fields.values()
        if field.category is not None
    )


def _open(case: Case) -> None:
    if case.state in FINISHED:
        raise UsageError(
            f"case {case.id} has ended; what proves who asked is not taken any more",
            expected="a case that is open",
            met=f"one that is {case.state}",
        )


def _hash(controller: Controller, case: Case, place: str, text: str) -> bytes:
    return controller.vault.mac("told", f"{case.id}\x00{place}\x00{text}".encode())


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is told and what is held of a place, in the one spelling by which they are compared."""

    controller: Controller
    fields: Mapping[str, Field]
    today: dt.date
    country: str | None

    @classmethod
    def of(cls, controller: Controller, case: Case, now: dt.datetime) -> _Reading:
        """As people write where she is who asks, so far as that is known."""
        clock = controller.clocks.of(case)
        region = clock.region if clock else "unknown"
        country = _COUNTRIES.get(region[:2]) or controller.desk.country
        fields = {p: f for p in questions(controller) if (f := _field(controller, p)) is not None}
        country = country or controller.bundle.organisation.country or None
        return cls(controller, fields, controller.day(now), country)

    def __call__(self, place: str, value: Value) -> str:
        """A value of a place; empty where there is none."""
        field = self.fields.get(place)
        if field is not None and self._telephone(field):
            text = str("" if value is None else value)
            return told.phone(text, self.country) or told.letters(text)
        if isinstance(value, dt.datetime):
            # Midnight is how a day stands where there is no column for days.
            bare = value.tzinfo is None or value.time() == dt.time()
            return (value.date() if bare else self.controller.day(value)).isoformat()
        if isinstance(value, dt.date):
            return value.isoformat()
        if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
            plain = sizable(value) if not isinstance(value, int) else True
            return told.plain_number(decimal.Decimal(str(value))) if plain else ""
        return self._text(field.type if field else "other", str("" if value is None else value))

    def _text(self, kind: str, text: str) -> str:
        letters = told.letters(text)
        if kind == "integer" and letters.strip(_PLAIN).isdecimal():
            letters = letters.strip(_PLAIN)
        if kind in ("integer", "decimal", "real"):
            return told.number(text) or told.number(letters) or letters
        met = told.day(text, self.today, month_first=self.country == "US")
        if met is not None:
            return met.isoformat()
        # A text may hold the name of something as well: its zeros count.
        return (kind not in ("date", "datetime") and told.marked_number(text)) or letters

    def _telephone(self, field: Field) -> bool:
        above = self.controller.bundle.vocabulary.above
        return field.identifies == "phone" or (
            field.category is not None and "contact.phone" in above("categories", field.category)
        )


def _field(controller: Controller, place: str) -> Field | None:
    """The field of a place; None where the map does not have it."""
    system, dataset, field = _split(place)
    there = controller.datamap.systems.get(system)
    table = there.datasets.get(dataset) if there else None
    return table.fields.get(field) if table else None


def _among(hash_: bytes, held: Mapping[bytes, str]) -> str | None:
    """What stands there under this hash, which is compared with each in constant time."""
    met = None
    for one, text in held.items():
        met = text if hmac.compare_digest(hash_, one) else met
    return met


def _split(place: str) -> tuple[str, str, str]:
    system, _, rest = place.partition(".")
    dataset, _, field = rest.rpartition(".")
    return system, dataset, field
