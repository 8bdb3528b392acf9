"""What may be taken of what somebody sent by a form: field by field, before it is stored. Pure.

Whoever is certainly younger than the policy allows is refused first, whatever else was sent.
What is not declared is left out, and so is a field that may not be used; a form of which a needed
field is missing or may not be used is refused as a whole. Nothing here repeats a value.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kept.decide.use import Rules, use
from kept.errors import IdentifierError
from kept.model.decision import Ask, Decision, Facts
from kept.policy.bundle import Bundle
from kept.policy.shapes import Form, FormField
from kept.terms import ages, regimes
from kept.terms.identifiers import Identifier

#: The longest value of a field, and of one in which people write what they like.
SHORT: Final = 300
LONG: Final = 8_000
#: The most fields that are looked at.
MOST: Final = 100
#: Values of a box that was ticked.
TICKED: Final = frozenset(("yes", "on", "true", "1"))
_WORDS: Final = frozenset(("text", "textarea"))
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:[.,][0-9]{1,6})?")
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")


class Why(StrEnum):
    """Why nothing is taken, or why a field is not. Words of a closed list, for counters."""

    ORIGIN = "origin"  # it came from no site of the policy
    AGE = "age"  # whoever sent it is certainly too young
    TWICE = "twice"  # a field stands there more than once
    UNREADABLE = "unreadable"  # not the characters of a text
    MANY = "many"  # more fields than any form has
    MISSING = "missing"
    MALFORMED = "malformed"
    LONG = "long"
    DENIED = "denied"  # the policy, or what is known of the person, forbids it
    NOTICE = "notice"  # something else was shown than what holds
    REPLAYED = "replayed"  # the same sending came before
    CLOSED = "closed"  # the form cannot be shown at present


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that a form gives. `facts` are what is known by it."""

    purpose: str
    decision: Decision
    facts: tuple[str, ...]
    field: str | None


@dataclass(frozen=True, slots=True)
class Read:
    """What was sent, as far as it is of the form: clean values of declared fields.

    `dropped` counts fields that are not declared. `problems` says what is amiss with a field.
    `doubt` names fields in which somebody may have said that she is too young.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    dropped: int = 0
    problems: Mapping[str, Why] = field(default_factory=dict)
    person: Identifier | None = None
    region: str = "unknown"
    doubt: tuple[str, ...] = ()
    refused: Why | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is taken: `decision` is that of the form, `fields` those of its fields; `consents` are
    given, and `unmet` are boxes that were ticked and count for nothing, with the reason.
    """

    taken: bool
    decision: Decision
    values: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Decision] = field(default_factory=dict)
    withheld: Mapping[str, Decision] = field(default_factory=dict)
    consents: tuple[Consent, ...] = ()
    unmet: tuple[Consent, ...] = ()


def read(
    bundle: Bundle, form: Form, sent: Sequence[tuple[str, str]], region: str, today: dt.date
) -> Read:
    """What was sent, name by name; `region` is the one that was told, `today` its day."""
    if len(sent) > MOST:
        return Read(refused=Why.MANY)
    years = bundle.minimum_age
    if years is not None and any(ages.told(name, value, years, today) for name, value in sent):
        return Read(refused=Why.AGE)
    names = [name for name, _ in sent]
    if len(set(names)) < len(names):
        return Read(refused=Why.TWICE)
    if any(unreadable(text) for pair in sent for text in pair):
        return Read(refused=Why.UNREADABLE)
    values: dict[str, str] = {}
    problems: dict[str, Why] = {}
    given = dict(sent)
    for name, one in form.fields.items():
        value = _clean(one, given.get(name, ""))
        if not value:
            if one.required:
                problems[name] = Why.MISSING
            continue
        why = _amiss(one, value)
        if why is not None:
            problems[name] = why
        values[name] = value
    person = None
    for name, one in form.fields.items():
        kind = {"email": "email", "tel": "phone"}.get(one.type)
        if kind is None or name not in values or name in problems or person is not None:
            continue
        try:
            met = Identifier(kind, values[name])
            person = met if met.normalised else None
        except IdentifierError:
            if kind == "email":
                problems[name] = Why.MALFORMED
    doubt: tuple[str, ...] = ()
    if years is not None:
        doubt = tuple(
            n for n, v in values.items()
            if form.fields[n].type in _WORDS and ages.tells_of_younger(v, years, today)
        )  # fmt: skip
    return Read(
        values, len(set(given) - set(form.fields)), problems, person,
        _region(form, values, region), doubt,
    )  # fmt: skip


def _region(form: Form, values: Mapping[str, str], told: str) -> str:
    """Where somebody is, by what she says herself; where she does not, what she was told."""
    said = {one.region: values[name] for name, one in form.fields.items()
            if one.region and name in values}  # fmt: skip
    if "country" not in said:
        return told
    return regimes.region_of(said["country"], said.get("part"))


def unreadable(text: str) -> bool:
    """Whether there is something in it that nobody types: a NUL, half a character."""
    if text.isascii() and text.isprintable():
        return False
    return any(
        character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn")
        for character in text
        if not " " <= character <= "~"
    )


def _clean(one: FormField, value: str) -> str:
    text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if one.type == "checkbox":
        return "yes" if text.casefold() in TICKED else ""
    return text if one.type == "textarea" else " ".join(text.split())


def _amiss(one: FormField, value: str) -> Why | None:
    if len(value) > (LONG if one.type == "textarea" else SHORT):
        return Why.LONG
    if one.type == "number" and not _NUMBER.fullmatch(value):
        return Why.MALFORMED
    if one.type == "country" and not _COUNTRY.fullmatch(value):
        return Why.MALFORMED
    if one.options is not None and value not in one.options:
        return Why.MALFORMED
    return None


def given(bundle: Bundle, form: Form, values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Purpose → facts, of the consents that arise by sending these values."""
    purposes = [form.consent] if form.consent else []
    purposes += [f.consent for n, f in form.fields.items() if f.consent and n in values]
    return {p: (f"consent:{p}", *_preferences(bundle, form, p)) for p in dict.fromkeys(purposes)}


def _preferences(bundle: Bundle, form: Form, purpose: str) -> tuple[str, ...]:
    """What else the activities ask of who agrees to their purpose on this form."""
    return tuple(
        dict.fromkeys(
            fact
            for a in bundle.activities.values()
            if a.purpose == purpose and {"any", form.context} & {*a.contexts}
            for fact in a.requires
            if fact.startswith("preference:")
        )
    )


def grounds(bundle: Bundle, form: Form, values: Mapping[str, str]) -> frozenset[str]:
    """The facts that arise in sending a form: a contract asked for, terms and uses agreed to."""
    found = {*form.grounds}
    found |= {f.agrees for n, f in form.fields.items() if f.agrees and n in values}
    for facts in given(bundle, form, values).values():
        found.update(facts)
    return frozenset(found)


def judge(
    bundle: Bundle, rules: Rules, form: Form, met: Read, facts: Facts, wanted: Mapping[str, Ask]
) -> Verdict:
    """What of it may be taken; `facts` are those of the person, with what arises by sending, and
    `wanted` what the form does with what it asks, in the region whose rules it told.
    """
    fields: dict[str, Decision] = {}
    withheld: dict[str, Decision] = {}
    first: Decision | None = None
    word = rules.word(facts)
    consents = given(bundle, form, met.values)
    unmet: list[Consent] = []
    taken: list[Consent] = []
    for name, ask in wanted.items():
        one = form.fields.get(name)
        if one is not None and name not in met.values:
            continue
        decision = use(rules, ask, word if not facts.unknown else facts)
        if one is not None and one.consent:
            box = Consent(one.consent, decision, consents[one.consent], name)
            (taken if decision.allow else unmet).append(box)
            continue
        if decision.allow:
            fields[name] = decision
            first = first or decision
        elif one is None or one.required:
            return Verdict(False, decision, withheld={name: decision})
        else:
            withheld[name] = decision
    if first is None:
        reason = "nothing was sent that may be stored"
        return Verdict(False, Decision(False, tuple(form.clauses), reason), withheld=withheld)
    if form.consent:
        taken.append(Consent(form.consent, first, consents[form.consent], None))
    refused = {one.field for one in unmet}
    values = {n: v for n, v in met.values.items() if n not in withheld and n not in refused}
    return Verdict(True, first, values, fields, withheld, tuple(taken), tuple(unmet))
