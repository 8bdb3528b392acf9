"""SEC: data lies in places that are known, encrypted and closed to others."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.acceptance.conftest import World
from tests.world import edit


def test_SEC_2_a_place_that_is_open_or_not_encrypted_fails_the_check(world: World) -> None:
    world.proven("SEC-2")
    ran = world.kept("map", "places")
    assert ran.status == 0, ran.said
    rows = {row["system"]: row for row in ran.document["places"]}
    assert set(rows) == {"customers", "support", "own"}
    assert all(row["country"] and row["owner"] for row in rows.values())
    assert all(rows[name][aspect]["safe"] for name in rows for aspect in
               ("encryption", "transport", "exposure"))  # fmt: skip

    desk = Path(world.company.support)
    copy = desk.with_name("laptop.bak")
    shutil.copy(desk, copy)
    try:
        _, beside = _findings(world)
    finally:
        copy.unlink()
    assert any("`laptop.bak`" in words for words in beside)

    settings = world.directory / "kept.toml"
    before = settings.read_text("utf-8")
    edit(settings, 'declared = {encryption = {by = "the head of sales"', "declared = {}#")
    try:
        where, unencrypted = _findings(world)
        ran = world.kept("map", "places", json=False)
    finally:
        settings.write_text(before, "utf-8")
    assert where == {"customers"}
    assert any(words.startswith("encryption at rest: ") for words in unencrypted)
    assert ran.status == 1
    assert "NOT KNOWN" in ran.out
    world.proven("SEC-2")


def _findings(world: World) -> tuple[set[str], list[str]]:
    proof = world.proof("SEC-2")
    assert proof["outcome"] == "fail"
    found = [f for e in proof["evidence"] for f in e["findings"]]
    return {f["where"] for f in found}, [f["words"] for f in found]
