"""`kept incident` and `kept stats` as an officer types them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from tests.app.conftest import Kept
from tests.world import MAP, make

AT = "2026-11-23T12:00:00Z"


def said(kept: Kept, world: Path, *words: str, status: int = 0) -> Any:
    ran = kept(*words, "--dir", str(world), "--json")
    assert ran.status == status, ran.said
    return json.loads(ran.out)


def test_an_incident_from_entry_to_end(kept: Kept, world: Path) -> None:
    one = said(kept, world, "incident", "add", "--kind", "confidentiality", "--place",
               "shop.customer:email", "--nature", "told to Ana", "--now", AT)  # fmt: skip
    id_ = one["incident"]
    assert (one["people"], one["categories"], one["light"]) == (3, ["contact.email"], "green")
    ran = kept("incident", "show", id_, "--dir", str(world), "--now", AT)
    assert "3 people" in ran.out
    assert "Ana" not in ran.out
    ran = kept("incident", "show", id_, "--words", "--people", "--dir", str(world), "--now", AT)
    assert "told to Ana" in ran.out
    at = ("--now", AT)
    said(kept, world, "incident", "close", id_, "--why", "x", *at, status=2)
    said(kept, world, "incident", "judge", id_, "--risk", "high", "--why", "x", "--measures",
         "closed", *at)  # fmt: skip
    assert "about 3" in said(kept, world, "incident", "notice", id_, *at)["text"]
    late = ("--now", "2026-11-27T12:00:00Z")
    refused = said(kept, world, "incident", "notice", id_, "--to", "it", *late, status=2)
    assert "why it is late" in refused["expected"]
    said(kept, world, "incident", "notice", id_, "--to", "it", "--late", "a holiday", *late)
    assert "What happened" in said(kept, world, "incident", "tell", id_, *late)["text"]
    said(kept, world, "incident", "tell", id_, "--mail", *late, status=2)
    said(kept, world, "incident", "tell", id_, "--way", "letter", "--people", "3", *late)
    assert said(kept, world, "incident", "close", id_, "--why", "x", *late)["state"] == "closed"
    assert said(kept, world, "incident", "list")["incidents"] == []
    (listed,) = said(kept, world, "incident", "list", "--closed")["incidents"]
    assert listed["told_by"] > listed["due"]
    said(kept, world, "incident", "judge", id_, "--risk", "none", "--why", "x", "--role",
         "auditor", status=1)  # fmt: skip


def test_mail_says_which_system_could_not_be_asked_whom_else_it_hit(
    kept: Kept, tmp_path: Path, kept_url: str
) -> None:
    world = make(tmp_path / "w", kept_url, extra=(
        '\n[systems.annex]\nstore = "sqlite"\nurl = "sqlite:///annex.sqlite"\nmap = "annex.yml"\n'
        'mode = "act"\n[mail]\nurl = "out"\nfrom = "desk@kept.test"\n'
    ))  # fmt: skip
    annex = MAP.replace("system: shop", "system: annex").replace("identifies: account, ", "")
    (world / "annex.yml").write_text(annex, "utf-8")
    one = said(kept, world, "incident", "add", "--kind", "confidentiality", "--place",
               "shop.customer", "--place", "annex.customer", "--nature", "x", "--now", AT,
               status=1)  # fmt: skip
    id_ = one["incident"]
    early = kept("incident", "tell", id_, "--mail", "--dir", str(world), "--now", AT)
    assert early.status == 2, early.said
    assert f"`kept incident judge {id_} --dir" in early.said
    said(kept, world, "incident", "judge", id_, "--risk", "high", "--why", "x", "--now", AT)
    ran = kept("incident", "tell", id_, "--mail", "--dir", str(world), "--now", AT)
    assert (ran.status, "NOT COUNTED: annex" in ran.out) == (1, True), ran.said


def test_figures_as_document_words_and_csv(kept: Kept, world: Path) -> None:
    for _ in range(5):
        said(kept, world, "rights", "access", "--identity", "email=ana@example.org", "--now", AT,
             status=1)  # fmt: skip
    found = said(kept, world, "stats", "requests", "--now", AT)
    (row,) = found["rows"]
    assert (found["year"], found["received"], row["received"], row["open"]) == (2026, 5, 5, 5)
    ran = kept("stats", "requests", "--csv", "--now", AT, "--dir", str(world))
    (line,) = csv.DictReader(io.StringIO(ran.out))
    assert (line["right"], line["received"], line["whole"]) == ("access", "5", "0")
    ran = kept("stats", "requests", "--year", "2025", "--now", AT, "--dir", str(world))
    assert "fewer than 5" in ran.out
    said(kept, world, "stats", "requests", "--year", "99999", status=2)
