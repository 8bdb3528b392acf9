"""A search that no index serves is told by the map, by the doctor and before an erasure, once."""

from __future__ import annotations

from pathlib import Path

from tests.app.conftest import Kept
from tests.world import make, sql

_MANY = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 12100)"


def test_what_is_read_whole_is_told_with_what_helps(
    tmp_path: Path, fresh_pg_url: str, kept: Kept
) -> None:
    place = make(tmp_path / "world", fresh_pg_url)
    who = ("--identity", "email=ana@example.org", "--override", "test", "--dir", place)
    few = kept("map", "check", "--json", "--dir", place).document
    assert few["unindexed"] == []
    assert "CREATE INDEX" not in kept("rights", "erase", *who).out
    sql(place, f"{_MANY} INSERT INTO note SELECT i, 'n' || i || '@x.org', 'w', '2024-01-01' FROM n")
    sql(place, f"{_MANY} INSERT INTO signup SELECT i, 3, 'trial', '2024-01-01', NULL FROM n")

    checked = kept("map", "check", "--json", "--dir", place)
    assert checked.status == 0, checked.said
    found = {(u["dataset"], *u["fields"]): u for u in checked.document["unindexed"]}
    assert found.keys() == {("note", "about"), ("signup", "customer")}
    assert "lower(" in found["note", "about"]["statement"]
    statements = [u["statement"] for u in found.values()]

    said = kept("map", "check", "--dir", place)
    doctor = kept("doctor", "--dir", place)
    planned = kept("rights", "erase", *who)
    for ran in (said, doctor, planned):
        assert all(ran.out.count(text) == 1 for text in statements), ran.said
    assert doctor.status == 0
    (of_indexes,) = (
        c for c in kept("doctor", "--json", "--dir", place).document["checks"]
        if c["name"] == "indexes"
    )  # fmt: skip
    assert of_indexes["ok"] is None
    assert "CREATE INDEX" not in kept("rights", "erase", *who, "--yes").out

    before = {name for (name,) in sql(place, "SELECT name FROM sqlite_master")}
    assert not any("kept" in str(name) for name in before)
    for text in statements:
        sql(place, text)
    assert kept("map", "check", "--json", "--dir", place).document["unindexed"] == []
    assert "CREATE INDEX" not in kept("doctor", "--dir", place).out
