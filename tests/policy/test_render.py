"""The text as shown."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.policy.conftest import Write

from kept.errors import BundleError
from kept.policy import bundle as reading
from kept.policy import render


def test_the_whole_text(write: Write) -> None:
    assert (
        render.plain(reading.load(write()))
        == """\
Privacy policy of Example Ltd

This policy is in force since 1 March 2024. Ask us at privacy@example.com or write to Example Ltd, \
1 High Street.

What we use

We use Contact Data to answer you. We count visits, and Contact Data stay out of it; more is in \
How long we keep it.

- You can read our guide.
- Or what the old guide says about details.

How you choose

You can object.

How long we keep it

We delete messages when they are What we used no more. Invoices stay as long as the law in Norway \
says.
"""
    )


def test_sections_blocks_and_anchors(write: Write) -> None:
    sections = render.render(reading.load(write()))
    assert [(s.id, s.title, s.anchor) for s in sections] == [
        ("SCOPE", "Privacy policy of Example Ltd", "SCOPE"),
        ("USE", "What we use", "USE"),
        ("KEEP", "How long we keep it", "KEEP"),
    ]
    use = sections[1]
    assert [block.kind for block in use.blocks] == ["heading", "text", "list", "heading", "text"]
    assert [unit.level for unit in use.units] == [2, 0, 0, 0, 0, 3, 0]
    # An id is an anchor once, where it stands first.
    anchors = [anchor for s in sections for unit in s.units for anchor in unit.anchors]
    assert anchors == ["SCOPE-1", "SCOPE-2", "USE-1", "USE-2", "USE-3", "KEEP-1", "KEEP-2"]
    assert use.units[1].clauses == ("USE-1",)
    assert use.units[1].anchors == ()


def test_segments(write: Write) -> None:
    sections = render.render(reading.load(write()))
    found = {s.kind: s for section in sections for unit in section.units for s in unit.segments}
    assert found["date"] == render.Segment("date", "1 March 2024", None, "2024-03-01")
    assert found["email"] == render.Segment(
        "email", "privacy@example.com", "mailto:privacy@example.com"
    )
    assert found["reference"] == render.Segment("reference", "What we use", "#USE")
    assert found["term"] == render.Segment(
        "term", "details", "#word-contact-data", "how to reach you"
    )
    lost = render.Segment("link", "the old guide", None, "the original does not give it")
    assert found["link"] == lost


def test_every_reference_lands_on_a_section(write: Write) -> None:
    sections = render.render(reading.load(write()))
    there = {f"#{section.anchor}" for section in sections}
    targets = {
        s.target
        for section in sections
        for u in section.units
        for s in u.segments
        if s.kind == "reference"
    }
    assert targets == {"#KEEP", "#USE"}
    assert targets <= there


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("{ref:KEEP}", "{ref:GONE}", 9),
        ("{link:guide}", "{link:gone}", 10),
        ("[[Contact Data]]", "[[Gone]]", 8),
        ("{org.email}", "{org.phone}", 4),
    ],
)
def test_what_dangles_cannot_be_shown(write: Write, old: str, new: str, line: int) -> None:
    bundle = reading.load(write(("text.md", old, new)))
    with pytest.raises(BundleError) as error:
        render.render(bundle)
    assert error.value.where == f"text.md:{line}"
    assert error.value.fix


def test_a_term_by_its_alias(write: Write) -> None:
    bundle = reading.load(write(("text.md", "[[Contact Data]] to", "[[Contact Details]] to")))
    segments = render.render(bundle)[1].units[1].segments
    assert segments[1] == render.Segment(
        "term", "Contact Details", "#word-contact-data", "how to reach you"
    )


def test_dates_by_language() -> None:
    assert render.day(dt.date(2023, 6, 27), "en") == "27 June 2023"
    assert render.day(dt.date(2023, 6, 27), "en-GB") == "27 June 2023"
    assert render.day(dt.date(2023, 6, 27), "nb") == "2023-06-27"


def test_markup_in_the_text_stays_text(write: Write) -> None:
    """Escaping is the matter of who draws a page: nothing here is markup."""
    bundle = reading.load(write(("text.md", "You can object.", "You can <b>object</b> & ask.")))
    assert render.render(bundle)[1].units[-1].words == "You can <b>object</b> & ask."
