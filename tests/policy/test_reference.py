"""The bundles of policies/, and their anchors against the original where that is at hand."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from tests._skips import SHARED, needs_shared
from tests.policy.conftest import REFERENCE

from kept.decide.use import Rules, use
from kept.model.decision import Ask, Facts
from kept.policy import anchors, clauses, render, textfile, yamlfile
from kept.policy.bundle import Bundle

REGISTER = SHARED / "clauses.json"
ORIGINAL = SHARED / "seed" / "interop-io-privacy-policy.txt"
SECTIONS = (
    "PREAM VISIT PI USE SHARE BEHAD LOG THIRD CHILD COMP SELL PURP PCAMP CUST LEGAL NAV TESTI SEC "
    "SOCIAL EXT RET PROV PART CORP COMPEL XFER COOK ADNET TRACK RIGHT UNSUB CUNSUB"
)


@functools.cache
def reference() -> Bundle:
    names = {name for row in _rows().values() for name in row.get("controls", ())}
    bundle, problems = clauses.check_directory(REFERENCE, names)
    assert problems == []
    assert bundle is not None
    return bundle


def _rows() -> dict[str, dict[str, list[str]]]:
    rows: dict[str, dict[str, list[str]]] = yamlfile.read(REFERENCE / "clauses.yml").value
    return rows


def test_nothing_is_amiss() -> None:
    bundle = reference()
    summary = clauses.summary(bundle, [])
    assert summary["clauses"] == 187
    # Nothing is said to be kept that waits for a choice, and every choice is somebody's.
    assert set(bundle.waiting) <= set(summary["open"])
    assert summary["choices_open"] == [n for n, c in bundle.choices.items() if c.value is None]


def test_all_sections_in_order() -> None:
    assert " ".join(section.id for section in reference().sections) == SECTIONS


def test_every_clause_stands_in_its_own_section() -> None:
    for section in reference().sections:
        carried = {name for unit in section.units for name in unit.clauses}
        own = {name for name in reference().clauses if name.rpartition("-")[0] == section.id}
        assert own <= carried, own - carried


def test_contact_points_are_held_once() -> None:
    organisation = reference().organisation
    for path in REFERENCE.iterdir():
        if path.is_file() and path.name not in {"policy.yml", "README.md"}:
            text = path.read_text()
            for point in (organisation.email, *organisation.post[1:4]):
                assert point not in text, f"{path.name} repeats {point}"


def test_it_can_be_shown() -> None:
    sections = render.render(reference())
    assert len(sections) == 32
    assert "27 June 2023" in sections[0].blocks[1].units[0].words
    shown = render.plain(reference())
    assert not set("{}[]") & set(shown)
    anchors_ = [a for section in sections for unit in section.units for a in unit.anchors]
    assert sorted(anchors_) == sorted(reference().clauses)


def test_every_link_is_shown() -> None:
    used = {
        mark.argument
        for unit in reference().units
        for mark in textfile.marks(unit.text)
        if mark.kind == "link"
    }
    # The text gives no address for the policies of providers: they stand beside what is loaded.
    beside = {row.policy for row in reference().trackers.values() if row.policy}
    assert used | beside == set(reference().links)
    assert not used & beside


@needs_shared
def test_ids_modes_kinds_and_references_are_those_of_the_register() -> None:
    register = {row["id"]: row for row in json.loads(REGISTER.read_text())}
    ours = reference().clauses
    assert set(ours) == set(register)
    for name, row in register.items():
        clause = ours[name]
        assert (name, clause.mode, clause.kind) == (name, row["mode"].lower(), row["kind"])
        assert {anchor.ref for anchor in clause.sources} == set(row["refs"]), name


@needs_shared
def test_every_anchor_matches_and_every_sentence_is_anchored() -> None:
    original = ORIGINAL.read_text(encoding="utf-8")
    assert anchors.check(reference(), original) == []
    units = anchors.units(original, reference().splitter_exceptions)
    assert len(units) == 159
    anchored = {anchor.ref for clause in reference().clauses.values() for anchor in clause.sources}
    assert anchored == set(units)


@needs_shared
def test_one_letter_of_the_original_is_noticed() -> None:
    original = ORIGINAL.read_text(encoding="utf-8")
    problems = anchors.check(reference(), original.replace("never sell", "Never sell"))
    assert problems
    assert all("is not the one that was hashed" in problem.what for problem in problems)


@needs_shared
def test_the_text_is_in_our_own_words() -> None:
    """No longer sentence of the original stands in the bundle as it was."""
    original = ORIGINAL.read_text(encoding="utf-8")
    ours = {unit.words for section in render.render(reference()) for unit in section.units}
    units = anchors.units(original, reference().splitter_exceptions).values()
    copied = [unit for unit in units if len(unit.split()) > 6 and unit in ours]
    assert copied == []


# The second bundle: its original is ours, and in another language.

HUTS = REFERENCE.parent / "huettenbund"
HUTS_ORIGINAL = Path(__file__).parent / "huettenbund.txt"


@functools.cache
def huts() -> Bundle:
    rows = yamlfile.read(HUTS / "clauses.yml").value
    names = {name for row in rows.values() for name in row.get("controls", ())}
    bundle, problems = clauses.check_directory(HUTS, names)
    assert problems == []
    assert bundle is not None
    return bundle


def test_the_second_bundle_is_unlike_the_first() -> None:
    mine, other = huts(), reference()
    assert 45 <= len(mine.clauses) <= 70
    for what in ("clauses", "activities", "retention", "recipients", "links", "forms", "choices"):
        assert not set(getattr(mine, what)) & set(getattr(other, what)) - {"contact"}, what
    assert {s.id for s in mine.sections}.isdisjoint(s.id for s in other.sections)
    assert mine.languages != other.languages
    assert mine.regions != other.regions
    assert {r.keep for r in mine.retention.values()} > {"P30D", "P3Y", "P6M", "P7Y"}


def test_every_anchor_of_the_second_bundle_matches_its_original() -> None:
    original = HUTS_ORIGINAL.read_text(encoding="utf-8")
    assert anchors.check(huts(), original) == []
    problems = anchors.check(huts(), original.replace("Kurznachricht", "Nachricht"))
    assert [p.what for p in problems if "is not the one that was hashed" in p.what]


def test_a_recipient_may_be_named_instead_of_its_lane() -> None:
    bundle = huts()
    assert bundle.activities["magazine"].recipients == ("druckerei",)
    assert bundle.vocabulary.within("recipients", "druckerei", "provider")
    # Its place in the tree stands once among the rules: with the recipient itself.
    assert "druckerei" not in bundle.rules()["terms"]["recipients"]
    rules = Rules.of(bundle)
    known = Facts(frozenset(("contract",)))
    for recipient, allow in (("druckerei", True), ("rechenwerk", False), ("provider", False)):
        ask = Ask("magazine", "contact.address", "office", recipient, "CH")
        assert use(rules, ask, known).allow is allow
