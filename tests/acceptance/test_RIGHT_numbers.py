"""People are found by a telephone number however the company's rows group it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import kept
from tests.world import make, sql

OVERRIDE = ("--override", "a test")
WHOLE = (
    "+49 30 555 00 05", "+49-30-5550005", "+49 (30) 5550005", "004930 5550005",
    "+49 (0)30 555 00 05", "(+49) 30/5550005", " +49305550005 ", "49305550005",
    "+49\u00a030\u202f555\u200900\u200705", "+49\u201030\u20115550005",
    "+49\u201230\u2013555\u20140005", "0049\u201530\u22125550005",
    "tel:+49-30-5550005", "TEL:0049 30 5550005",
)  # fmt: skip
#: What only a person can tell from a number of another country.
HOME = ("030/5550005", "(030) 555 00 05", "0305550005", "49 30 5550005")


@pytest.fixture
def world(kept_url: str, tmp_path: Path) -> Path:
    made = make(tmp_path / "numbers", kept_url)
    sql(made, "DELETE FROM customer WHERE id > 1")
    sql(made, "DELETE FROM signup")
    sql(made, "DELETE FROM invoice")
    return made


def _put(world: Path, *spelt: str) -> None:
    for number, text in enumerate(spelt, 10):
        sql(
            world,
            "INSERT INTO customer VALUES (?, ?, 'Dora', ?, '2024-01-01')",
            number, f"d{number}@example.org", text,
        )  # fmt: skip


def _phones(world: Path) -> list[object]:
    return [one for (one,) in sql(world, "SELECT phone FROM customer WHERE phone IS NOT NULL")]


@pytest.mark.parametrize("asked", ["+49305550005", "+49 30 555 00 05"])
def test_RIGHT_3_every_spelling_with_its_country_is_hers(world: Path, asked: str) -> None:
    """RIGHT-3: rows hold a number in groups of their own; all of them go, and no other."""
    others = ("+49 30 5550006", "+49 30 555 00 051", "+1 (030) 555-0005", *HOME)
    _put(world, *WHOLE, *others)
    ran = kept(
        world, "rights", "erase", "--identity", f"phone={asked}", *OVERRIDE,
        "--yes", "--same-person", "a test",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert sorted(map(str, _phones(world))) == sorted((*others, "+49 30 123456"))


def test_RIGHT_1_what_has_no_country_is_said_and_left_to_a_person(world: Path) -> None:
    """RIGHT-1: 030 is a place in another country too: such rows are counted, never shown."""
    _put(world, *HOME, "030 5550006", "+49 30 555 00 051")
    asked = ("rights", "access", "--identity", "phone=+49305550005", *OVERRIDE)
    ran = kept(world, *asked, "--out", str(world / "package.zip"), json=False)
    said = " ".join(ran.out.split())
    assert "4 records elsewhere carry her telephone number without its country" in said
