"""Every sentence for people, in every language: none lacking, none left over, the same values."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

from kept.app import choices, complaints, forms, pages, posted, preferences, requests
from kept.app.gateway import trouble
from kept.controls.words import WORDS
from kept.decide import phrases, reasons
from kept.duties.collect import taking
from kept.duties.rights import (
    about,
    cells,
    covered,
    desk,
    package,
    portable,
    proving,
    request,
)
from kept.duties.rights import complaints as complaints_
from kept.duties.rights import letter as letters
from kept.model import cover
from kept.records import declared
from kept.terms import authorities, disclosures, identifiers, proof, refusals, rights, tongues
from kept.terms.asks import ASKS
from kept.terms.tongues import sheets
from kept.terms.vocabulary import KINDS, SHIPPED

SRC = Path(__file__).resolve().parents[2] / "src" / "kept"
#: What the staff read, who read English.
STAFF = re.compile(r"desk[_.]|scan\.html")
#: Calls whose words are said as they stand.
SAYS = {"say": 1, "count": 3, "counted": 3, "_ours": 1}
#: What templates call.
GETTEXT = ("_", "gettext", "ngettext", "t", "counted")
VALUE = re.compile(r"\{\w+\}")


def of_templates() -> Iterator[str]:
    env = sheets.speaks(jinja2.Environment())
    for path in SRC.rglob("*.j2"):
        if not STAFF.match(path.name):
            for _, name, found in env.extract_translations(path.read_text("utf-8"), GETTEXT):
                said = found if isinstance(found, tuple) else (found,)
                words = said[1:] if name == "counted" else said[:2]
                yield from (sheets.key(one) for one in words if one)


def _speaking() -> Iterator[ast.Module]:
    """The modules that say something by `tongues`."""
    for path in SRC.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "kept.terms.tongues import" in text or "kept.terms import tongues" in text:
            yield ast.parse(text)


def of_code() -> Iterator[str]:
    for tree in _speaking():
        named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                named.setdefault(node.targets[0].id, []).append(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                named.setdefault(node.target.id, []).extend([node.value] if node.value else [])
        for node in ast.walk(tree):
            name = getattr(node, "func", None)
            name = getattr(name, "attr", getattr(name, "id", ""))
            if isinstance(node, ast.Call) and name in SAYS:
                for given in node.args[: SAYS[name]]:
                    yield from _strings(given, named)


def _strings(node: ast.expr, named: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The words that an expression may stand for, as far as its own module says it."""
    if isinstance(node, ast.Constant):
        yield from [node.value] if isinstance(node.value, str) else []
    elif isinstance(node, ast.IfExp):
        yield from (*_strings(node.body, named), *_strings(node.orelse, named))
    elif isinstance(node, ast.Subscript):
        yield from _strings(node.value, named)
    elif isinstance(node, ast.Dict):
        for one in node.values:
            yield from _strings(one, named)
    elif isinstance(node, ast.Name):
        for one in named.pop(node.id, ()):
            yield from _strings(one, named)
            named.setdefault(node.id, []).append(one)


def of_tables() -> Iterator[str]:
    """Words that stand in tables and are said from there."""
    for table in (choices._WHY, choices._WAITS, complaints.STANDS, requests.STANDS,
                  requests.REGIONS, forms._SAYS, taking.REASONS, phrases.PHRASES,
                  pages._MODES, preferences._GROUPS, authorities.BY):  # fmt: skip
        yield from table.values()
    for pairs in (choices._LASTS, phrases.UNITS, trouble.PAGES):
        for pair in pairs.values():
            yield from pair
    yield from (*portable.TOLD.values(), *declared.WORDS.values(), declared.ABOUT, covered.WHY)
    for pair in (*desk._PLACES.values(), *about.choices(rights.RIGHTS)):
        yield from pair
    yield from (*desk._FACTS.values(), *desk._EVIDENCE.values(), package._FILES)
    yield from (
        dataset.title
        for dataset in declared.SYSTEM.datasets.values()
        if dataset.title and (dataset.personal or dataset.retention == "person")
    )
    yield from reasons.SENTENCES
    yield declared.SYSTEM.title or ""
    yield from (cells._DATA, *(name for _, name in cells._KINDS))
    for role in cover.ROLES.values():
        yield from (role, f"{role}'s e-mail address", f"{role}'s telephone number")
    yield from (one for one in rights.RIGHTS if one != "complaint")
    for row in WORDS.values():
        yield from row.values()
    for ask in ASKS.values():
        yield from (ask.title, ask.hint)
    for reason in refusals.REFUSALS.values():
        yield from (reason.words, reason.then, *([reason.law] if "with the" in reason.law else []))
    for right in rights.RIGHTS.values():
        yield right.title
    for table in (disclosures.GROUNDS, letters._GROUNDS, complaints_.OUTCOMES):
        yield from table.values()
    yield from identifiers.KINDS.values()
    yield from (way.means for way in proof.WAYS.values())
    yield from proof.HOW.values()
    yield from (*request.HOW, "taken back on the page of the request")
    yield from ("the law leaves this", "it does not rest on what this choice takes away", "Page",
                "you agreed to it although it is restricted")  # fmt: skip
    for one in authorities.directory():
        yield from (one.covers or "", one.note or "")
        yield from map(authorities.language, one.languages)
    yield from authorities.countries().values()
    yield from authorities.parts().values()
    for kind in KINDS:
        yield from (term.label for term in SHIPPED.tree(kind).values())
    yield from (posted.ELSEWHERE, requests.NO_ADDRESS, requests.TOO_LONG, requests._TOO_MANY,
                complaints._TOO_MANY,
                "This page does not exist.", "This page only shows something.",
                "Ask us for the code: how to reach us stands below.",
                "We can send no more codes for this link. Write to us.",
                "A code is on its way. It is good for ten minutes.",
                "That is not the code that counts now. Look again, or ask for a fresh one.",
                *problems())  # fmt: skip


def problems() -> Iterator[str]:
    """What a form is refused for, as the duty words it."""
    yield from ("the addresses are the same", "there is no such region", "nothing is chosen",
                "who asks for somebody else cannot change that person's address",
                "the text is too long", "this page has gone", "there is no way to answer",
                "it is not said what is wrong", "too little was told to know who asks",
                "that was tried often enough", proving.THANKS,
                "this is nothing that can be chosen here", "nothing is named to be loaded",
                "open the page again and choose there", "press the button in its place",
                *LOOKS)  # fmt: skip


LOOKS = ("The page answered on {day}.", "On {day} it led to a front page: it may be gone.",
         "On {day} it was gone.", "On {day} nobody answered there.",
         "{asked} of {known} known systems, and this site’s own records",
         "{asked} of {known} known systems")  # fmt: skip


@pytest.fixture(scope="module")
def sentences() -> set[str]:
    return {one for found in (of_templates(), of_code(), of_tables()) for one in found} - {""}


@pytest.mark.parametrize("code", [c for c in tongues.TONGUES if c != "en"])
def test_every_sentence_is_there_and_none_is_left_over(code: str, sentences: set[str]) -> None:
    tongue = tongues.TONGUES[code]
    # What is counted is found by its plural; the singular is one of its forms.
    singular = {s for s in sentences if s not in tongue.said and s not in tongue.forms}
    lacking = sorted(singular - set(_singulars()))
    assert not lacking, f"say these in {code}: {lacking}"
    left = sorted((tongue.said.keys() | tongue.forms.keys()) - sentences)
    assert not left, f"nobody says these any more: {left}"


def _singulars() -> Iterator[str]:
    for tree in _speaking():
        for node in ast.walk(tree):
            counted = isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "count",
                "counted",
            )
            given = node.args[1:2] if counted and isinstance(node, ast.Call) else []
            yield from (str(one.value) for one in given if isinstance(one, ast.Constant))
    env = sheets.speaks(jinja2.Environment())
    for path in SRC.rglob("*.j2"):
        for _, name, found in env.extract_translations(path.read_text("utf-8"), GETTEXT):
            if name in ("ngettext", "counted"):
                yield sheets.key(found[1 if name == "counted" else 0])
    for pairs in (choices._LASTS, phrases.UNITS):
        yield from (one for one, _ in pairs.values())


@pytest.mark.parametrize("code", [c for c in tongues.TONGUES if c != "en"])
def test_the_same_values_and_the_same_marks(code: str) -> None:
    tongue = tongues.TONGUES[code]
    pairs = [*tongue.said.items(), *((k, f) for k, many in tongue.forms.items() for f in many)]
    for english, other in pairs:
        assert set(VALUE.findall(english)) >= set(VALUE.findall(other)), english
        assert set(VALUE.findall(english)) - {"{n}"} <= set(VALUE.findall(other)), english
        tags = [re.findall(r"<[^>]*>", one) for one in (english, other)]
        assert sorted(tags[0]) == sorted(tags[1]), english
        assert other == other.strip() != "", english


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("GDPR Art. 15", "Art. 15 DSGVO"),
        ("GDPR Art. 12(5)(b)", "Art. 12 Abs. 5 Buchst. b DSGVO"),
        ("GDPR Art. 11(2), 12(2) and 12(6)", "Art. 11 Abs. 2, 12 Abs. 2 und 12 Abs. 6 DSGVO"),
        ("GDPR Art. 17(3)(b) to (d)", "Art. 17 Abs. 3 Buchst. b bis d DSGVO"),
        ("Art. 958f Code of Obligations", "Art. 958f Code of Obligations"),
    ],
)
def test_a_law_is_cited_as_the_language_does(english: str, german: str) -> None:
    assert tongues.law(english) == english
    with tongues.speaking("de"):
        assert tongues.law(english) == german


def test_days_numbers_and_forms() -> None:
    with tongues.speaking("de-AT"):
        assert tongues.day(dt.date(2026, 3, 1)) == "1. März 2026"
        assert tongues.number(12_345) == "12.345"
        assert tongues.count(1, "{n} record", "{n} records") == "1 Eintrag"
        assert tongues.count(2, "{n} record", "{n} records") == "2 Einträge"
        assert tongues.listed(["a", "b", "c"]) == "a, b und c"
        assert tongues.within("Vertrag") == "Vertrag"
    with tongues.speaking("fr", first="de") as speech:  # no words of ours are French
        assert (speech.asked, speech.language) == ("fr", "de")
    assert tongues.day(dt.date(2026, 3, 1)) == "1 March 2026"
    assert tongues.number(12_345) == "12,345"
    assert tongues.within("Contract") == "contract"
