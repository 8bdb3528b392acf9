"""The rows of Kept's own database as the person they are about reads them.

What a column means stands in `records.declared.WORDS`; here are the places in her words, what of
them only a program can read, and values that are terms of the trade.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from kept.controller import Controller
from kept.datamap.map import Dataset
from kept.decide.facts import kind_of
from kept.duties.rights.about import readable, titled
from kept.duties.rights.cells import Cell
from kept.policy.spoken import own
from kept.terms import tongues
from kept.terms.identifiers import KINDS
from kept.terms.vocabulary import Vocabulary

#: Dataset → (what she calls it, what it is for).
_PLACES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "subject": (
            "Your number with us",
            "Our notes about your requests and choices hang together by this number. It says"
            " nothing about you by itself.",
        ),
        "identity": (
            "How we recognise you",
            "Which addresses and numbers are yours. They are stored scrambled, so that we know"
            " them again and nobody can read them.",
        ),
        "identity_tie": (
            "Numbers that turned out to be one person",
            "You were known to us under more than one number.",
        ),
        "identity_event": (
            "Changes in how we recognise you",
            "When an address or number was noted as yours, or not any more.",
        ),
        "identity_doubt": (
            "Records that may be yours",
            "They look like yours, and a person of ours decides whether they are.",
        ),
        "fact": (
            "What you chose",
            "Each choice with its moment. An older one stays beside the newer one, as proof.",
        ),
        "subject_epoch": (
            "How often your choices changed",
            "A counter: by it we notice that something changed.",
        ),
        "subject_facts": (
            "Your choices, packed for a program",
            "The same choices once more, so that they can be looked up fast.",
        ),
        "correction": (
            "What was corrected for you",
            "So that no later import brings back what was wrong.",
        ),
        "case_subject": (
            "Your requests",
            "The requests themselves, with their days, stand under “Where we looked”.",
        ),
        "hold": (
            "Why something of yours may not be deleted yet",
            "For instance because of a claim.",
        ),
    }
)
#: Columns that say something to a program only, beside those that hold bytes.
_MACHINES: Final = frozenset(
    ("seq", "turn", "pair", "rules", "good_from", "good_until", "id", "clause", "actor",
     "released_by", *(f"word{n}" for n in range(8)))
)  # fmt: skip
#: Numbers that tie the places together → the place in which each is said.
_NUMBERS: Final[Mapping[str, str]] = MappingProxyType(
    {"subject": "subject", "number": "case_subject", "person": ""}
)
_FACTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "consent": "You agreed to it", "withdrawn": "You took your consent back",
        "objection": "You objected to it", "restricted": "Use of your data is stopped",
        "contract": "You have a contract with us for it", "request": "You asked for it",
        "preference": "You prefer it", "terms": "You accepted the terms",
        "suppressed": "You are not to be written to", "erased": "Your data was deleted",
        "child": "You may be a child", "agreed": "You agreed to it while use is stopped",
        "isolated": "Your data is locked away", "hold": "Something has to stay for a while",
    }
)  # fmt: skip
_EVIDENCE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "name": "only the name is the same", "asserted": "somebody said so",
        "seen": "it was met beside what is yours", "used": "it stands in your own records",
        "account": "your account holds it", "verified": "it was checked",
    }
)  # fmt: skip


def about(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of all of them (`about.living`), with who gets them and how long they stay.

    The activity that they serve names who is told of a person's choices; that is not who
    receives these records.
    """
    return {
        **facts,
        "categories": [],
        "sources": [],
        "recipients": [
            tongues.say(
                "Nobody outside gets these records. Who has other data of yours from us may"
                " be told what you chose, to keep to it."
            )
        ],
        "keep": (
            tongues.say(
                "As long as we hold something of yours. When your data is deleted, this goes too."
            ),
            tongues.say("That you asked, and what was done then, stays for longer, as proof."),
        ),
    }


def shown(controller: Controller, dataset: Dataset, part: Mapping[str, Any]) -> dict[str, Any]:
    """A table of the page (`columns`, `rows` by the `names` of its fields), in her words."""
    title, words = _PLACES.get(dataset.name, (titled(dataset), ""))
    names = part["names"]
    machines = [n for n in names if _machine(dataset, n)]
    at = [i for i, n in enumerate(names) if n not in machines]
    vocabulary = controller.bundle.vocabulary
    says = [_says(controller, vocabulary, names[i]) for i in at]
    return {
        **part,
        "title": tongues.say(title),
        "words": tongues.say(words),
        "columns": [part["columns"][i] for i in at],
        "rows": [[say(row[i]) for say, i in zip(says, at, strict=True)] for row in part["rows"]],
        "machines": [part["columns"][names.index(n)] for n in machines if n not in _NUMBERS],
    }


def _machine(dataset: Dataset, name: str) -> bool:
    item = dataset.fields.get(name)
    if name in _NUMBERS:
        return _NUMBERS[name] != dataset.name
    return name in _MACHINES or (item is not None and item.type == "bytes")


def _says(controller: Controller, words: Vocabulary, name: str) -> Callable[[Cell], Cell]:
    """How a value of a column is said."""

    def fact(text: str) -> str:
        said = tongues.say(_FACTS.get(kind_of(text), readable(kind_of(text))))
        what = text.partition(":")[2]
        term = words.purposes.get(what) or words.channels.get(what)
        return f"{said}: {own(term.label) if term else what}" if what else said

    def system(text: str) -> str:
        known = controller.datamap.systems.get(text)
        return tongues.say((known.title if known else None) or text)

    known: Mapping[str, Callable[[str], str]] = {
        "fact": fact,
        "kind": lambda text: tongues.say(KINDS.get(text, text)),
        "other": lambda text: tongues.say(KINDS.get(text, text)),
        "evidence": lambda text: tongues.say(_EVIDENCE.get(text, text)),
        "before": lambda text: tongues.say(_EVIDENCE.get(text, text)),
        "after": lambda text: tongues.say(_EVIDENCE.get(text, text)),
        "system": system,
        "dataset": readable,
        "field": readable,
    }
    say = known.get(name)
    return lambda cell: cell if say is None or cell.empty else Cell(say(cell.text), cell.kind)
