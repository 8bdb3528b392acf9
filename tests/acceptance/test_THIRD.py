"""THIRD, PI and CHILD by way of a list: what others give about people, and of whom nothing."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests import importing
from tests.acceptance.conftest import Ran, kept
from tests.acceptance.test_CHILD import named
from tests.importing import lead, written
from tests.world import NOW, edit, sql

WHEN = ("--now", NOW.isoformat())
GIVEN = ("--given", "2026-11-20")


@pytest.fixture
def shop(kept_url: str, tmp_path: Path) -> Path:
    return importing.shop(tmp_path / "world", kept_url)


def bring(shop: Path, file: Path, as_: str = "partner-leads", *more: str) -> Ran:
    source = ("--from", "windowworks") if as_ == "partner-leads" else ()
    return kept(shop, "import", file, "--as", as_, *source, *GIVEN, *WHEN, *more)


def proven(shop: Path, clause: str) -> None:
    (one,) = kept(shop, "prove", "--clause", clause, *WHEN).document["clauses"]
    findings = [f for e in one["evidence"] for f in e["findings"]]
    assert (one["outcome"], findings) == ("pass", []), clause


def test_CHILD_2_a_line_about_a_child_is_dropped_with_a_count_only(
    shop: Path, kept_url: str, tmp_path: Path
) -> None:
    """One day short of sixteen is refused before anything is stored; on the birthday it is not."""
    file = written(
        tmp_path, lead("kid@example.org", name="Kim Kid") + ",2010-11-24",
        lead("teen@example.org", name="Tea Teen") + ",2010-11-23",
        lead("young@example.org", name="Yan Young") + ",14",
        lead("odd@example.org", name="Odd One") + ",40512",
        head=importing.HEAD + ",Birthday",
    )  # fmt: skip
    looked = bring(shop, file)
    assert [(s["line"], s["outcome"], s["why"]) for s in looked.document["shown"]] == [
        (2, "refused", "age"), (3, "taken", None), (4, "refused", "age"),
        (5, "refused", "age-unclear"),
    ]  # fmt: skip
    assert bring(shop, file, "partner-leads", "--yes").status == 0
    assert sql(shop, "SELECT email FROM lead") == [("teen@example.org",)]
    # Nowhere: not in a table of Kept's, of the shop's, nor in a file; nor her birthday of anybody.
    words = ("kid@example.org", "kim kid", "young@example.org", "yan young", "odd@example.org")
    assert named(shop, kept_url, words) == []
    assert named(shop, kept_url, ("2010-11-2", "40512")) == []
    refused = kept(shop, "quarantine", "list").document["refused"]
    assert {(r["form"], r["why"], r["count"]) for r in refused} == {
        ("import:partner-leads", "age", 2), ("import:partner-leads", "age-unclear", 1),
    }  # fmt: skip
    proven(shop, "CHILD-2")


def test_THIRD_1_without_an_agreement_no_line_and_who_left_stays_out(
    shop: Path, tmp_path: Path
) -> None:
    gone, off = "ana@example.org", "off@example.org"
    request = ("--identity", f"email={gone}", "--override", "test", "--yes", *WHEN)
    assert kept(shop, "rights", "erase", *request).document["complete"]
    objected = kept(shop, "rights", "object", "--identity", f"email={off}", "--purpose",
                    "marketing", "--override", "test", "--yes", *WHEN)  # fmt: skip
    assert objected.status == 0, objected.said
    file = written(tmp_path, lead("ANA@Example.org"), lead(off), lead("new@example.org"))
    edit(shop / "kept.toml", '[documents."agreement:windowworks"]\nsigner = "Jo"\n',
         '[documents."agreement:windowworks"]\nsigner = "Jo"\nexpires = 2026-06-30\n')  # fmt: skip
    ended = bring(shop, file, "partner-leads", "--yes")
    assert (ended.status, "no agreement in force" in ended.said) == (1, True)
    assert sql(shop, "SELECT count(*) FROM lead") == [(0,)]
    edit(shop / "kept.toml", "expires = 2026-06-30\n", "")
    done = bring(shop, file, "partner-leads", "--yes")
    assert done.document["counts"] == {"taken": 1, "refused": 2, "refused.denied": 2}
    assert sql(shop, "SELECT email FROM lead") == [("new@example.org",)]
    proven(shop, "THIRD-1")


def test_THIRD_2_a_lead_without_proof_of_what_was_agreed_is_not_stored(
    shop: Path, tmp_path: Path
) -> None:
    # Who partners are is the operator's to say; until then nobody can say that it is kept.
    edit(shop / "kept.toml", "[choices]\n", '[choices]\n"lists.partners" = ["windowworks"]\n')
    file = written(tmp_path, lead("pat@example.org", to=""), lead("good@example.org"))
    done = bring(shop, file, "partner-leads", "--yes")
    assert done.document["counts"] == {"taken": 1, "refused": 1, "refused.proof": 1}
    assert sql(shop, "SELECT source, event, agreed_on, agreed_to, agreed_at FROM lead") == [
        ("windowworks", "Fair", "2026-11-02", "v3 of the fair's form", "https://fair.example/form")
    ]
    proven(shop, "THIRD-2")
    # What proves it goes missing: that is found.
    sql(shop, "UPDATE lead SET agreed_to = NULL")
    (one,) = kept(shop, "prove", "--clause", "THIRD-2", *WHEN).document["clauses"]
    assert one["outcome"] == "fail"


def test_PI_4_and_THIRD_3_a_fact_says_where_it_stood_and_the_person_reads_it(
    shop: Path, tmp_path: Path
) -> None:
    head = "email,fact,site,address,seen_on"
    good = "ana@example.org,Spoke at the fair,Fair,https://fair.example/1,2026-11-01"
    file = written(
        tmp_path, good, "ana@example.org,Likes tea,,https://tea.example,2026-11-01",
        "ana@example.org,Likes cake,Cake,https://cake.example,", head=head,
    )  # fmt: skip
    done = bring(shop, file, "public-facts", "--yes")
    assert done.document["counts"] == {"taken": 1, "refused": 2, "refused.origin": 2}
    out = tmp_path / "pack.zip"
    asked = kept(shop, "rights", "access", "--identity", "email=ana@example.org", "--override",
                 "test", "--out", out, *WHEN)  # fmt: skip
    assert asked.document["complete"], asked.said
    (row,) = _rows(out, "shop.found")
    assert (row["source"], row["url"], row["seen"]) == (
        "Fair", "https://fair.example/1", "2026-11-01",
    )  # fmt: skip
    proven(shop, "PI-4")
    proven(shop, "THIRD-3")
    sql(shop, "UPDATE found SET url = NULL")
    (one,) = kept(shop, "prove", "--clause", "PI-4", *WHEN).document["clauses"]
    assert one["outcome"] == "fail"


def test_PI_5_a_provider_without_a_valid_acknowledgement_delivers_nothing(
    shop: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, "ana@example.org,Head of Sales", head="email,Title")
    edit(shop / "kept.toml", '[documents."agreement:provider"]', '[documents."agreement:other"]')
    assert bring(shop, file, "provider-facts", "--yes").status == 1
    assert sql(shop, "SELECT count(*) FROM fact") == [(0,)]
    edit(shop / "kept.toml", '[documents."agreement:other"]', '[documents."agreement:provider"]')
    before = sql(shop, "SELECT * FROM customer")
    assert bring(shop, file, "provider-facts", "--yes").status == 0
    assert sql(shop, "SELECT source, given, job_title FROM fact") == [
        ("provider", "2026-11-20", "Head of Sales")
    ]
    # What she said herself is as it was.
    assert sql(shop, "SELECT * FROM customer") == before
    proven(shop, "PI-5")


def _rows(pack: Path, dataset: str) -> list[dict[str, Any]]:
    with zipfile.ZipFile(pack) as parts:
        (name,) = [
            n for n in parts.namelist() if n.startswith("data/") and n.endswith(f"{dataset}.json")
        ]
        rows: list[dict[str, Any]] = json.loads(parts.read(name))
    return rows
