"""COMPEL: what an authority was given is told her, unless a law forbids it, and until it does."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.conftest import kept
from tests.world import edit, make

ANA, BEN = ("--identity", "email=ana@example.org"), ("--identity", "email=ben@example.org")


@pytest.fixture
def shop(kept_url: str, tmp_path: Path) -> Path:
    world = make(tmp_path / "world", kept_url)
    edit(world / "kept.toml", "[recipients.provider]\n",
         '[recipients.printer]\ntitle = "The printing house"\nlane = "provider"\nrecorded = true\n'
         '[recipients.courier]\ntitle = "The courier"\nlane = "provider"\nrecorded = true\n'
         "[recipients.provider]\n")  # fmt: skip
    return world


def note(shop: Path, *words: str, status: int = 0) -> str:
    ran = kept(shop, "disclosure", "add", *words, "--now", "2026-11-01T12:00:00Z")
    assert ran.status == status, ran.said
    return ran.said


def package(shop: Path, day: str, who: tuple[str, ...] = ANA) -> tuple[dict[str, object], str]:
    """What the answer says of who received her data, and the page."""
    out = shop / f"{day}-{who[1]}.zip"
    ran = kept(shop, "rights", "access", *who, "--override", "test", "--out", out,
               "--now", f"{day}T12:00:00Z")  # fmt: skip
    assert ran.status == 0, ran.said
    with zipfile.ZipFile(out) as made:
        answer = json.loads(made.read("answer.json"))
        every = "".join(made.read(name).decode() for name in made.namelist())
    case = answer["case"]
    letter = kept(shop, "case", "answer", case, "--now", f"{day}T12:00:00Z", json=False).out
    return answer["received"], every + " ".join(letter.split())


GIVEN = ("--to", "authority", "--name", "Police of Virginia", "--what", "contact.email",
         "--ground", "court-order", "--on", "2026-10-30")  # fmt: skip
BARRED = ("--barred-until", "2026-12-01", "--barred-by", "18 U.S.C. 2705(b)")


def test_COMPEL_3_a_disclosure_is_in_the_package_unless_a_law_bars_it_until_that_ends(
    shop: Path,
) -> None:
    note(shop, *ANA, *GIVEN)
    note(shop, *BEN, *GIVEN, *BARRED)
    had, every = package(shop, "2026-11-20")
    assert [line["title"] for line in had["recorded"]] == ["Police of Virginia"]  # type: ignore[attr-defined]
    assert "Police of Virginia, on 30 October 2026" in every
    assert "a court ordered it" in every
    # Of him it is not told that there is something that is not told.
    had, every = package(shop, "2026-11-30", BEN)
    assert had["recorded"] == []
    for word in ("Police", "authorit", "2705(b)", "barred", "court"):
        assert word not in json.dumps(had)
    assert "Police" not in every
    assert "2705(b)" not in every
    had, every = package(shop, "2026-12-01", BEN)
    assert [line["on"] for line in had["recorded"]] == ["2026-10-30"]  # type: ignore[attr-defined]
    assert "Police of Virginia" in every
    proof = kept(shop, "prove", "--clause", "COMPEL-3", "--now", "2026-12-02T12:00:00Z")
    assert proof.status == 0, proof.said


def test_COMPEL_3_nobody_is_kept_from_knowing_for_ever(shop: Path) -> None:
    assert "belong together" in note(shop, *ANA, *GIVEN, *BARRED[:2], status=2)
    for until in ("2026-11-01", "2039-01-01"):
        said = note(shop, *ANA, *GIVEN, "--barred-until", until, *BARRED[2:], status=2)
        assert "without an end" in said
    said = note(shop, *ANA, "--to", "printer", "--what", "contact.email", "--ground", "task",
                "--on", "2026-10-30", *BARRED, status=2)  # fmt: skip
    assert "only of an authority" in said
    assert "no ground" in note(shop, *ANA, *GIVEN[:6], "--ground", "task", *GIVEN[8:], status=2)
