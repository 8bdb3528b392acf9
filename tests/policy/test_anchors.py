"""Units of an original, and anchors against it."""

from __future__ import annotations

import hashlib
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from tests.policy.conftest import Write, line_of

from kept.policy import anchors
from kept.policy import bundle as reading

ORIGINAL = """\
Our Policy

We keep data, e.g. names. We say “why.” Then (at last) we ask? We do.
  • A bullet – with a dash; and more.

The company Acme Inc. of Oslo answers.
"""


def test_units_are_named_by_line_and_sentence() -> None:
    assert anchors.units(ORIGINAL, ["e.g.", "Inc. of"]) == {
        "L1.1": "Our Policy",
        "L3.1": "We keep data, e.g. names.",
        "L3.2": "We say “why.”",
        "L3.3": "Then (at last) we ask?",
        "L3.4": "We do.",
        "L4.1": "A bullet – with a dash; and more.",
        "L6.1": "The company Acme Inc. of Oslo answers.",
    }


def test_without_exceptions_every_full_stop_before_a_blank_ends_a_sentence() -> None:
    found = anchors.units(ORIGINAL)
    assert found["L3.1"] == "We keep data, e.g."
    assert found["L6.1"] == "The company Acme Inc."
    assert found["L6.2"] == "of Oslo answers."


def test_an_exception_counts_only_at_the_beginning_of_a_word() -> None:
    line = "See https://acme.io. It is new. acme.io. pages too."
    assert anchors.sentences(line, ["acme.io."]) == [
        "See https://acme.io.",
        "It is new.",
        "acme.io. pages too.",
    ]


def test_line_ends_of_other_systems_and_a_byte_order_mark_change_nothing() -> None:
    assert anchors.units("\ufeff" + ORIGINAL.replace("\n", "\r\n")) == anchors.units(ORIGINAL)
    # A separator within a line is a blank, not a new line: the numbers are those of an editor.
    assert list(anchors.units("One.\u2028Two.\nThree.")) == ["L1.1", "L1.2", "L2.1"]


def test_the_digest_is_that_of_the_normal_form() -> None:
    spelt = "  •  Cafe\u0301\t and\u00a0 bar "
    assert anchors.normal(spelt) == "Café and bar"
    assert anchors.digest(spelt) == hashlib.sha256("Café and bar".encode()).hexdigest()


@given(st.text())
@example("- - a")
def test_the_normal_form_is_nfc_trimmed_and_has_single_blanks(text: str) -> None:
    once = anchors.normal(text)
    assert once == once.strip()
    assert unicodedata.is_normalized("NFC", once)
    assert "  " not in once


@given(st.lists(st.from_regex(r"[A-Za-z]{1,9}( [a-z]{1,9}){0,4}[.!?]", fullmatch=True), max_size=6))
def test_joining_and_splitting_sentences_is_lossless(sentences: list[str]) -> None:
    assert anchors.sentences(" ".join(sentences)) == sentences


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_nothing_of_a_line_is_lost(line: str) -> None:
    assert " ".join(anchors.sentences(line)) == anchors.normal(line)


# --- check ---------------------------------------------------------------------------------------

FIRST, SECOND, THIRD = "You are asked first.", "We answer, e.g. by mail.", "The rest is silence."
SOURCE = f"{FIRST} {SECOND}\n{THIRD}\n"
NAMES = ("SCOPE-1", "SCOPE-2", "USE-1", "USE-2", "USE-3", "KEEP-1", "KEEP-2")


def anchored(rows: dict[str, list[tuple[str, str]]]) -> str:
    """clauses.yml where every clause is an open one with these anchors."""
    text = ""
    for name in NAMES:
        text += f"{name}:\n  mode: must\n  kind: use\n  status: open\n  notes: later\n  source:\n"
        for ref, digest in rows.get(name, [("L1.1", anchors.digest(FIRST))]):
            text += f"    - {{ref: {ref}, sha256: {digest}}}\n"
    return text


WHOLE = {
    "USE-1": [("L1.2", anchors.digest(SECOND)), ("L2.1", anchors.digest(THIRD))],
}


def problems(
    write: Write, rows: dict[str, list[tuple[str, str]]], source: str = SOURCE
) -> list[tuple[str, str, str]]:
    root = write()
    (root / "clauses.yml").write_text(anchored(rows))
    found = anchors.check(reading.load(root), source, "original.txt")
    return [(p.where, p.what, p.fix) for p in found]


def test_all_anchors_match(write: Write) -> None:
    assert problems(write, WHOLE) == []


def test_a_sentence_that_no_clause_is_anchored_to(write: Write) -> None:
    ((where, what, fix),) = problems(write, {"USE-1": WHOLE["USE-1"][:1]})
    assert (where, what) == ("original.txt:2", "no clause is anchored to L2.1")
    assert anchors.digest(THIRD) in fix


def test_a_word_of_the_original_changed(write: Write) -> None:
    ((where, what, fix),) = problems(write, WHOLE, SOURCE.replace("silence", "noise"))
    assert where == "clauses.yml:22"
    assert what == "USE-1: the sentence at L2.1 is not the one that was hashed"
    assert f"set sha256 to {anchors.digest('The rest is noise.')}" in fix


def test_a_sentence_that_moved(write: Write) -> None:
    found = problems(write, WHOLE, f"{FIRST} {SECOND}\n\n{THIRD}\n")
    assert found[0][0] == "clauses.yml:22"
    assert "anchored to L2.1, but its sentence stands at L3.1" in found[0][1]
    assert "change `ref` to L3.1" in found[0][2]
    assert [p[1] for p in found[1:]] == ["no clause is anchored to L3.1"]


def test_an_anchor_that_the_original_lacks(write: Write) -> None:
    rows = {**WHOLE, "USE-2": [("L9.1", anchors.digest("Never said."))]}
    ((where, what, fix),) = problems(write, rows)
    assert (where, what) == (
        "clauses.yml:29",
        "USE-2 is anchored to L9.1, which the original lacks",
    )
    assert "it has 3" in fix


def test_a_clause_without_an_anchor(write: Write) -> None:
    root = write()
    found = anchors.check(reading.load(root), SOURCE)
    hits = [p for p in found if p.what == "KEEP-1 is anchored to no sentence of the original"]
    assert [p.where for p in hits] == [f"clauses.yml:{line_of('clauses.yml', 'KEEP-1')}"]
    assert "name under `source` the sentence" in hits[0].fix


def test_an_exception_that_does_not_occur(write: Write) -> None:
    found = problems(write, WHOLE, SOURCE.replace("e.g. by", "by"))
    line = line_of("policy.yml", "splitter_exceptions")
    hits = [p for p in found if "splitter exception 'e.g.'" in p[1]]
    assert [(p[0], p[2]) for p in hits] == [
        (f"policy.yml:{line}", "remove it from `splitter_exceptions`")
    ]
