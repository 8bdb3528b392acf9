"""The parts of a bundle: values, frozen, without I/O; `line` is where it stands in its file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

#: Words for people: the same in every language, or language → words.
Text: TypeAlias = "str | Mapping[str, str]"

Mode = Literal["never", "must", "right", "fact", "may", "limit", "implied"]
Status = Literal["checked", "gated", "attested", "statement", "open"]
UnitKind = Literal["title", "section", "heading", "sentence", "bullet"]
Clock = Literal["creation", "last_interest", "need_closed", "contract_end", "closed"]
ChoiceValue: TypeAlias = None | str | int | float | bool | tuple[str | int | float | bool, ...]

#: A period: years, months or days of the calendar (ISO 8601, one unit).
PERIOD: Final = r"P[1-9][0-9]{0,3}[YMD]"


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who answers for the policy. `email` and `post` are its contact points, held once."""

    name: str
    country: str
    email: str
    post: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that the text leaves open; `value` None until the operator decides."""

    name: str
    value: ChoiceValue
    asks: str
    clauses: tuple[str, ...]
    by: str
    line: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A heading, sentence or bullet of the text, placeholders unresolved.

    `level` is that of a heading (1 to 3), else 0. Units with the same `paragraph` (counted
    from 1 over the whole text) stand together.
    """

    kind: UnitKind
    text: str
    clauses: tuple[str, ...]
    line: int
    paragraph: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the text with a code of its own; its first unit is its heading."""

    id: str
    title: str
    units: tuple[Unit, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """A sentence of the original: its place and the SHA-256 (hex) of its normal form."""

    ref: str
    sha256: str
    line: int


@dataclass(frozen=True, slots=True)
class Paper:
    """A human document or word that a clause rests on. `sha256` None: a word without paper."""

    signer: str
    date: dt.date
    sha256: str | None
    expiry: dt.date | None


@dataclass(frozen=True, slots=True)
class Clause:
    """One promise, practice or boundary of the text."""

    id: str
    mode: Mode
    kind: str
    status: Status
    controls: tuple[str, ...]
    notes: str
    sources: tuple[Anchor, ...]
    document: Paper | None
    attestation: Paper | None
    line: int


@dataclass(frozen=True, slots=True)
class Definition:
    """What a term of the text means; `source` is the clause that says so."""

    term: str
    means: str
    source: str
    aliases: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A cross-reference: the words with which the text names a section, and its code."""

    words: str
    section: str
    line: int


@dataclass(frozen=True, slots=True)
class Interest:
    """The interest that an activity rests on, as people are told it, and whose it is."""

    words: Text
    whose: Text


@dataclass(frozen=True, slots=True)
class Activity:
    """One row of the record of processing (GDPR Art. 30). `bases`: region or `default` → basis.

    `interest` None: nobody has written down yet which interest it is.
    """

    id: str
    title: str
    purpose: str
    categories: tuple[str, ...]
    contexts: tuple[str, ...]
    bases: Mapping[str, str]
    requires: tuple[str, ...]
    recipients: tuple[str, ...]
    retention: str
    clauses: tuple[str, ...]
    line: int
    interest: Interest | None = None


@dataclass(frozen=True, slots=True)
class LawHold:
    """A law that keeps a class from erasure. `keep` None: `keep_choice` is not decided yet.

    `clause` is the one by which the policy says so; None: the first of the class.
    """

    citation: str
    words: str
    keep: str | None
    keep_choice: str | None = None
    clause: str | None = None


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """How long data of a category stay, from which clock, and what then happens.

    `keep` is a period (P24M, P10Y, P30D) or None: the choice `keep_choice` is not decided.
    `choice` says who decided what the text leaves open ("operator").
    """

    id: str
    category: str
    clock: Clock
    keep: str | None
    keep_choice: str | None
    then: tuple[str, ...]
    clauses: tuple[str, ...]
    law: LawHold | None
    choice: str | None
    line: int

    @property
    def clause(self) -> str:
        """The first of the clauses, which is the one to name."""
        return self.clauses[0]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to whom data may go, in one of the lanes of the vocabulary.

    `policy` is the address of its own privacy policy; `forms` those on which it is named: none,
    all that name its lane. `pages`: beginnings of addresses of its pages that carry our name.
    """

    id: str
    name: str
    lane: str
    country: str | None
    clauses: tuple[str, ...]
    notes: str
    line: int
    policy: str | None = None
    forms: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the text. `url` None: the original does not say where it leads; `note` why.

    `where`: it is for people in the European Union (`EU`), or for everybody else (`elsewhere`).
    `needed`: its clause stays open until there is an address.
    """

    id: str
    url: str | None
    words: str
    clause: str
    note: str
    line: int
    where: Literal["EU", "elsewhere"] | None = None
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """Who asks for a field, a law or a contract (GDPR Art. 13(2)(e)), and what follows if it is
    not given. `citation` names the law.
    """

    by: Literal["law", "contract"]
    otherwise: Text
    citation: str


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form.

    `consent` names the purpose that ticking it consents to, `agrees` the ground that ticking it
    makes (terms). `purpose` None: that of the form. `ticked` and `value` are what would stand
    there before anybody typed; the check refuses both. `region`: the country or the part of one
    that somebody says she lives in, by which it is judged whose rules hold.
    """

    name: str
    category: str
    label: Text
    required: bool
    type: str
    why: Text
    consent: str | None
    line: int
    purpose: str | None = None
    agrees: str | None = None
    demand: Demand | None = None
    options: Mapping[str, Text] | None = None
    region: Literal["country", "part"] | None = None
    ticked: bool = False
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a site: where it stands, which activity it feeds, what it asks.

    `site` is one of the policy's. `grounds` arise by sending it (`contract`); `makes` are
    categories of data that come to be by it beside what is typed, each with its purpose.
    `partners` are lanes, or recipients, of which each is named on it. With `consent` sending it
    is nothing else than agreeing to that purpose.
    """

    id: str
    title: Text
    path: str
    activity: str
    purposes: tuple[str, ...]
    context: str
    fields: Mapping[str, FormField]
    clauses: tuple[str, ...]
    line: int
    site: str = ""
    grounds: tuple[str, ...] = ()
    makes: Mapping[str, str] = field(default_factory=dict)
    partners: tuple[str, ...] = ()
    consent: str | None = None


#: Who gives a list of the organisation's own.
OURSELVES: Final = "organisation"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list. `names` are what else it is called there.

    `order` is how a day is written. `consent` names the purpose that a yes consents to, `proof`
    (when, words, where) the columns that prove it. `says` tells what of the origin of a line
    stands in it; `region` as in a FormField.
    """

    name: str
    category: str
    type: str
    required: bool
    names: tuple[str, ...]
    line: int
    order: str | None = None
    purpose: str | None = None
    consent: str | None = None
    proof: Mapping[str, str] | None = None
    says: Literal["source", "address", "date"] | None = None
    region: Literal["country", "part"] | None = None


@dataclass(frozen=True, slots=True)
class Import:
    """A list of people that may be brought in: its columns, who may give it (`gives`: lanes,
    recipients, or OURSELVES), what each line `needs` to say of where it is from.

    `form` is the same as it is asked of the judgement: a form that nobody fills in.
    """

    id: str
    title: str
    form: Form
    columns: Mapping[str, Column]
    gives: tuple[str, ...]
    needs: tuple[str, ...]
    line: int


def said(text: Text, language: str) -> str:
    """Words for people in a language; where there are none, in the first that there is."""
    if isinstance(text, str):
        return text
    short = language.partition("-")[0]
    return text.get(language) or text.get(short) or next(iter(text.values()), "")
