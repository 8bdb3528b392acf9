"""The command line on a deployment as `kept new` makes it: shapes, exit statuses, honesty."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from tests.app.conftest import ROOT, Kept, put

from kept import deployment
from kept.app.commands.common import stranger
from kept.model.plan import Mode
from kept.policy.bundle import load

#: What the example database holds about its people; no output may.
PEOPLE = ("ana@example.org", "ANA@EXAMPLE.ORG", "Ana Example", "Ben", "ben@", "run on my machine")
STEP = {"store", "dataset", "action", "found", "changed", "retained", "isolated", "verified"}
OVERRIDE = ("--override", "a test")


def rows(place: Path) -> dict[str, list[Any]]:
    with sqlite3.connect(place / "example.sqlite3") as connection:
        return {
            t: connection.execute(f"SELECT * FROM {t} ORDER BY 1").fetchall()
            for t in ("customer", "message", "purchase")
        }


def test_a_new_deployment_works_at_once(kept: Kept, place: Path) -> None:
    ran = kept("doctor", "--json", "--dir", place)
    assert ran.status == 0, ran.said
    checks = {c["name"]: c["ok"] for c in ran.document["checks"]}
    names = ("python", "kept.toml", "bundle", "choices", "database", "keys",
             "system example", "map", "ledger", "jobs", "answers")  # fmt: skip
    assert checks == {**dict.fromkeys(names, True), "organisation": None, "published": None}
    assert "still to do: organisation, published" in kept("doctor", "--dir", place).out
    assert kept("policy", "publish", "--dir", place).out.startswith("Published.")
    assert "still to do: organisation." in kept("doctor", "--dir", place).out
    again = kept("policy", "publish", "--dir", place)
    assert "Warning: this speaks in the name of interop.io." in again.err
    settings = place / "kept.toml"
    settings.write_text('organisation = "interop.io"\n' + settings.read_text())
    assert "Everything is there." in kept("doctor", "--dir", place).out
    again = kept("policy", "publish", "--dir", place)
    assert "Warning" not in again.err
    assert again.out.startswith("Was published already")
    assert kept("policy", "publish", "--json", "--dir", place).document["already_published"] is True
    assert kept("map", "check", "--dir", place).status == 0
    shown = kept("map", "show", "--json", "--dir", place).document
    assert [d["dataset"] for d in shown["systems"][0]["datasets"]] == [
        "customer", "message", "purchase",
    ]  # fmt: skip


def test_what_to_decide_before_a_version_is_published_is_said_first(
    kept: Kept, tmp_path: Path
) -> None:
    said = kept("new", tmp_path / "made").out
    order = [said.index(w) for w in ("`organisation:`", "[choices] in kept.toml", "policy publish")]
    assert order == sorted(order)
    assert "*.zip" in (tmp_path / "made" / ".gitignore").read_text("utf-8").splitlines()


def test_a_new_deployment_writes_nothing_and_shows_the_text_alone(
    kept: Kept, tmp_path: Path
) -> None:
    ran = kept("new", tmp_path / "made")
    assert "rights access --identity email=ana@example.org" in ran.out
    made = deployment.read(tmp_path / "made")
    assert made.shows == "text"
    assert {s.mode for s in made.systems.values()} == {Mode.OBSERVE}
    text = (tmp_path / "made" / "kept.toml").read_text("utf-8")
    asked = re.findall(r'(?m)^# ("[a-z.-]+") = (".*")$', text)
    assert {name.strip('"') for name, _ in asked} >= {"retention.contact", "rights.identity-proof"}
    assert {v for name, v in asked if name.startswith('"retention.c')} == {'"P…"'}
    # Every line that is offered is TOML once its # is away, and no value until it is filled.
    (tmp_path / "made" / "kept.toml").write_text(
        re.sub(r'(?m)^# (?="[a-z.-]+" = )', "", text), "utf-8"
    )
    ran = kept("policy", "check", "--dir", tmp_path / "made")
    assert ran.status == 2
    assert "kept.toml:" in ran.err
    assert '"P30D"' in ran.err


@pytest.mark.parametrize("name", sorted(p.parent.name for p in ROOT.glob("policies/*/policy.yml")))
def test_new_speaks_the_words_of_every_bundle(kept: Kept, tmp_path: Path, name: str) -> None:
    ran = kept("new", tmp_path / "made", "--bundle", ROOT / "policies" / name)
    assert ran.status == 0, ran.err
    bundle = load(ROOT / "policies" / name)
    datamap = yaml.safe_load((tmp_path / "made" / "datamap" / "example.yml").read_text("utf-8"))
    assert datamap["country"] == bundle.organisation.country
    for dataset in datamap["datasets"].values():
        (activity,) = dataset["activities"]
        uses = bundle.activities[activity].categories
        labels = [f["category"] for f in dataset["fields"].values() if "category" in f]
        within = bundle.vocabulary.within
        assert any(within("categories", c, use) for c in labels for use in uses), dataset["title"]
        assert dataset["retention"] in bundle.retention


def test_new_leaves_alone_what_is_there(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    ran = kept("new", tmp_path)
    assert ran.status == 2
    assert "name another directory" in ran.err.lower()
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert kept("new", tmp_path / "mine").status == 2


def test_policy_check_of_the_reference_bundle(kept: Kept) -> None:
    ran = kept("policy", "check", ROOT / "policies" / "interop.io", "--json")
    assert ran.status == 0
    document = ran.document
    assert set(document) == {"clauses", "problems", "open", "choices_open", "addresses_open"}
    assert (document["clauses"], document["problems"]) == (187, [])
    assert document["open"]
    assert document["choices_open"]
    assert "nai-education" in document["addresses_open"]


def test_policy_check_says_how_many_anchors_were_compared(kept: Kept, tmp_path: Path) -> None:
    """Of the second bundle, whose original is beside the tests."""
    source = ROOT / "tests" / "policy" / "huettenbund.txt"
    bundle = ROOT / "policies" / "huettenbund"
    there = sum(len(c.sources) for c in load(bundle).clauses.values())
    assert there > 20
    ran = kept("policy", "check", bundle, "--source", source)
    assert ran.status == 0, ran.said
    assert f"{there} anchors of the clauses compared with huettenbund.txt: every one" in ran.out
    told = kept("policy", "check", bundle, "--source", source, "--json").document
    assert told["anchors"]["compared"] == there
    assert told["anchors"]["sentences"] > 20


def test_a_choice_made_in_the_deployment_is_not_open_there(kept: Kept, place: Path) -> None:
    before = kept("policy", "check", "--json", "--dir", place).document["choices_open"]
    with (place / "kept.toml").open("a") as file:
        file.write('"retention.invoices" = "P10Y"\n')
    after = kept("policy", "check", "--json", "--dir", place).document["choices_open"]
    assert set(before) - set(after) == {"retention.invoices"}


def test_a_text_changed_after_publishing_is_a_problem(kept: Kept, place: Path) -> None:
    published = kept("policy", "publish", "--json", "--dir", place)
    assert published.status == 0, published.said
    assert published.document["version"] == "2023-06-27"
    assert kept("policy", "check", "--dir", place).status == 0
    text = place / "policy" / "text.md"
    text.write_text(text.read_text("utf-8").replace("Please come back", "Come back"), "utf-8")
    ran = kept("policy", "check", "--json", "--dir", place)
    assert ran.status == 1
    assert [p["where"].partition(":")[0] for p in ran.document["problems"]] == ["policy.yml"]
    changed = kept("policy", "diff", ROOT / "policies" / "interop.io", place / "policy", "--json")
    assert [d["of"] for d in changed.document["differences"]] == ["text"]


def test_render_gives_the_text(kept: Kept) -> None:
    ran = kept("policy", "render", ROOT / "policies" / "interop.io")
    assert ran.status == 0
    assert ran.out.startswith("Privacy policy of interop.io")
    assert "{" not in ran.out


def test_one_person_from_access_to_the_second_access(kept: Kept, place: Path) -> None:
    who = ("--identity", "email=ANA@example.org", *OVERRIDE, "--json", "--dir", place)
    package = place.parent / "pack.zip"
    first = kept("rights", "access", *who, "--out", package)
    assert first.status == 0, first.said
    assert first.document["complete"] is True
    assert all(set(s) >= STEP and s["verified"] for s in first.document["steps"])
    found = {s["dataset"]: s["found"] for s in first.document["steps"] if s["store"] == "example"}
    assert found == {"customer": 1, "message": 2, "purchase": 1}
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("manifest.json"))
        page = archive.read("index.html").decode()
    assert set(manifest["files"]) == set(names) - {"manifest.json"}
    assert "Does it run on my machine?" in page
    assert "Ben" not in page

    before = rows(place)
    plan = kept("rights", "erase", *who)
    assert plan.status == 0, plan.said
    assert plan.document["executed"] is False
    assert rows(place) == before
    done = kept("rights", "erase", *who, "--yes")
    assert done.status == 0, done.said
    assert done.document["complete"] is True

    def counts(document: dict[str, Any]) -> list[tuple[Any, ...]]:
        keys = ("store", "dataset", "action", "found", "changed", "retained")
        return [tuple(s[k] for k in keys) for s in document["steps"]]

    assert counts(plan.document) == counts(done.document), "the preview is what happened"
    after = rows(place)
    assert after["customer"][1:] == before["customer"][1:]
    assert after["message"] == before["message"][2:]
    assert after["purchase"] == before["purchase"]
    assert after["customer"][0][:3] == (1, None, None)
    assert kept("rights", "access", *who, "--out", package).status == 2, "nothing is written over"
    second = kept("rights", "access", *who, "--out", package.with_name("second.zip"))
    assert second.status == 0, second.said
    kept_rows = {s["dataset"]: s["retained"] for s in second.document["steps"] if s["found"]}
    assert kept_rows == {"customer": 1, "purchase": 1}
    case = done.document["case"]
    shown = kept("case", "show", case, "--json", "--dir", place).document
    assert (shown["state"], shown["complete"]) == ("awaiting", True)
    listed = kept("case", "list", "--json", "--dir", place).document["cases"]
    assert {c["case"] for c in listed} >= {case}
    waits = kept("case", "list", "--state", "awaiting", "--dir", place)
    assert case in waits.out


def test_without_evidence_or_override_nothing_is_shown(kept: Kept, place: Path) -> None:
    out = place.parent / "pack.zip"
    ran = kept("rights", "access", "--identity", "email=ana@example.org", "--out", out,
               "--dir", place)  # fmt: skip
    assert ran.status == 1
    assert "--override" in ran.err
    assert not out.exists()


def test_a_role_that_may_not(kept: Kept, place: Path) -> None:
    before = rows(place)
    ran = kept("rights", "erase", "--identity", "email=ana@example.org", *OVERRIDE, "--yes",
               "--role", "marketer", "--dir", place)  # fmt: skip
    assert ran.status == 1
    assert "privacy-officer" in ran.err
    assert rows(place) == before


def test_a_hold_keeps_what_it_names(kept: Kept, place: Path) -> None:
    hold = kept("hold", "add", "--identity", "email=ana@example.org", "--system", "example",
                "--dataset", "message", "--ground", "a dispute about the price",
                "--clause", "RET-10", "--until", "2099-01-01", "--json",
                "--dir", place)  # fmt: skip
    assert hold.status == 0, hold.said
    assert hold.document["found"] == 2
    listed = kept("hold", "list", "--json", "--dir", place).document["holds"]
    assert [h["hold"] for h in listed] == [hold.document["hold"]]
    who = ("--identity", "email=ana@example.org", *OVERRIDE, "--json", "--dir", place)
    erased = kept("rights", "erase", *who, "--yes")
    assert erased.status == 0, erased.said
    steps = erased.document["steps"]
    held = next(s for s in steps if s["dataset"] == "message")
    assert (held["retained"], held["until"], held["clause"]) == (2, "2099-01-01", "RET-10")
    mia = ("--actor", "mia", "--role", "privacy-officer")
    asked = kept("hold", "release", hold.document["hold"], "--why", "it is", *mia, "--dir", place)
    assert asked.status == 1
    assert '--actor "…" --role privacy-officer' in " ".join(asked.out.split())
    released = kept("hold", "release", hold.document["hold"], "--why", "settled", "--dir", place)
    assert released.status == 0, released.said
    assert kept("hold", "list", "--json", "--dir", place).document["holds"] == []
    assert kept("hold", "release", hold.document["hold"], "--why", "x", "--dir", place).status == 2


def test_a_deployment_can_begin_in_ones_own_name(kept: Kept, tmp_path: Path) -> None:
    ran = kept("new", tmp_path / "mine", "--organisation", 'Huber: "Räder" & Söhne')
    assert ran.status == 0, ran.said
    assert "put the addresses of Huber" in ran.out
    made = deployment.read(tmp_path / "mine").read_bundle()
    assert made.organisation.name == made.organisation.post[0] == 'Huber: "Räder" & Söhne'
    assert not stranger(deployment.read(tmp_path / "mine"), made)


def test_a_second_case_of_the_same_person_is_said_to_be_one(kept: Kept, place: Path) -> None:
    who = ("--identity", "email=ana@example.org", "--dir", place)
    first = kept("rights", "erase", *who)
    assert "Also open" not in first.out
    case = kept("case", "list", "--json", "--dir", place).document["cases"][0]["case"]
    second = kept("rights", "erase", "--identity", "email=ANA@example.org", "--dir", place)
    assert f"Also open for the same person: {case} (erasure, received)." in second.out
    # The look before it waits for ever, unless somebody ends it: the line to copy does.
    (end,) = re.findall(
        rf"If {case} is this same request, end it: .*?(case withdraw .*)", second.out
    )
    assert kept(*shlex.split(end)).status == 0
    third = kept("rights", "erase", *who)
    assert case not in third.out
    other = kept("rights", "object", "--purpose", "marketing", *who)
    assert "(erasure, received)" in other.out
    assert "is this same request" not in other.out


def test_a_hold_on_somebody_whom_nobody_knows_is_said_to_find_nothing(
    kept: Kept, place: Path
) -> None:
    held = kept("hold", "add", "--identity", "email=nobody@example.org", "--ground", "a dispute",
                "--clause", "RET-10", "--actor", "Kim", "--dir", place)  # fmt: skip
    assert held.status == 0
    assert "nothing is found today" in held.out
    assert "placed by Kim, in the role operator" in held.out


def test_mode_observe_writes_nothing_and_says_so(kept: Kept, place: Path) -> None:
    put(place, mode="observe")
    before = rows(place)
    who = ("--identity", "email=ana@example.org", *OVERRIDE)
    plan = kept("rights", "erase", *who, "--dir", place)
    assert "example: mode observe: with --yes nothing is written there either" in plan.out
    ran = kept("rights", "erase", *who, "--yes", "--json", "--dir", place)
    assert ran.status == 1
    assert ran.document["complete"] is False
    again = ("rights", "erase", "--case", ran.document["case"], "--yes", "--dir", place)
    words = kept(*again).out
    assert rows(place) == before
    assert "nothing written" in words
    assert "deleted" not in "".join(x for x in words.splitlines(True) if "example." in x)
    assert 'example: mode observe: nothing was written; set mode = "act" in kept.toml' in words
    assert (
        f"go on with: kept rights erase --case {ran.document['case']} --dir {place} --yes" in words
    )
    put(place, mode="act")
    done = kept(*again)
    assert done.status == 0, done.said
    assert rows(place) != before


def test_the_next_step_is_as_the_caller_can_type_it(place: Path) -> None:
    kept = [Path(sys.executable).with_name("kept")]
    bare = {**os.environ, "PATH": os.defpath}
    found = {**bare, "PATH": f"{kept[0].parent}{os.pathsep}{os.defpath}"}
    module = [sys.executable, "-m", "kept.app"]
    inside = kept[0].parents[1]
    who = ("--identity", "email=ana@example.org", *OVERRIDE)
    for command, environment, cwd, program in (
        (kept, bare, place, str(kept[0])),
        (kept, bare, inside, "bin/kept"),
        (kept, found, place, "kept"),
        (module, bare, place, f"{sys.executable} -m kept.app"),
    ):
        done = subprocess.run(
            [*command, "rights", "erase", *who, "--dir", place],
            capture_output=True, text=True, env=environment, cwd=cwd, check=False,
        )  # fmt: skip
        last = done.stdout.splitlines()[-1]
        assert last.startswith(f"To carry it out: {program} rights erase --case "), done
        assert last.endswith(f" --dir {place} --yes")
        wrong = subprocess.run(
            [*command, "policy", "check", "--dir", place / "nothing"],
            capture_output=True, text=True, env=environment, cwd=cwd, check=False,
        )  # fmt: skip
        assert f"`{program} new DIR`" in wrong.stderr


def test_a_case_without_evidence_says_how_it_goes_on_and_how_it_ends(
    kept: Kept, place: Path
) -> None:
    for right, verb in (("access", "access"), ("erasure", "erase")):
        asked = kept("rights", verb, "--identity", "email=ana@example.org",
                     *(("--yes",) if verb == "erase" else ()), "--dir", place)  # fmt: skip
        assert asked.status == 1
        listed = kept("case", "list", "--json", "--dir", place).document["cases"]
        case = next(c["case"] for c in listed if c["right"] == right)
        again = f"kept rights {verb} --case {case}"
        assert f'`{again} --evidence "…" --dir {place}`' in asked.err
        shown = kept("case", "show", case, "--dir", place).out
        assert f'{again} --dir {place} --evidence "…"' in shown
        end, state = ("refuse", "refused") if right == "access" else ("withdraw", "withdrawn")
        said: tuple[str, ...] = ("--reason", "not the person")
        asks = '--reason "…"'
        if end == "refuse":
            said = ("--reason", "not-identified", "--words", "not the person")
            asks = '--reason not-identified --words "…"'
        assert f"kept case {end} {case} {asks} --dir {place}" in shown
        before = rows(place)
        ended = kept("case", end, case, *said, "--json", "--dir", place)
        assert ended.status == 0, ended.said
        assert ended.document["state"] == state
        assert "To go on" not in kept("case", "show", case, "--dir", place).out
        assert kept("case", end, case, *said, "--dir", place).status == 2
        late = kept("rights", verb, "--case", case, "--evidence", "e", "--dir", place)
        assert late.status == 2
        assert rows(place) == before


def test_mode_assisted_shows_statements_only_when_asked(kept: Kept, place: Path) -> None:
    put(place, mode="assisted")
    before = rows(place)
    who = ("--identity", "email=ana@example.org", *OVERRIDE, "--yes", "--json", "--dir", place)
    ran = kept("rights", "erase", *who)
    assert ran.status == 1
    assert ran.document["statements"]["example"] > 0
    again = kept("rights", "erase", "--case", ran.document["case"], "--yes", "--show", "--json",
                 "--dir", place)  # fmt: skip
    assert all("example" in s or s for s in again.document["statements"])
    statements = again.document["statements"]["example"]
    assert rows(place) == before
    with sqlite3.connect(place / "example.sqlite3") as connection:
        for statement in statements:
            connection.execute(statement)
    done = kept(
        "rights", "erase", "--case", ran.document["case"], "--yes", "--json", "--dir", place
    )
    assert done.status == 0, done.said
    assert done.document["complete"] is True


def test_a_system_that_is_away_is_named(kept: Kept, place: Path) -> None:
    (place / "example.sqlite3").rename(place / "away")
    ran = kept("rights", "access", "--identity", "email=ana@example.org", *OVERRIDE, "--json",
               "--out", place.parent / "p.zip", "--dir", place)  # fmt: skip
    assert ran.status == 1
    assert ran.document["complete"] is False
    assert [u["store"] for u in ran.document["unreached"]] == ["example"]
    assert kept("doctor", "--dir", place).status == 1


def test_nobody_is_an_answer(kept: Kept, place: Path) -> None:
    ran = kept("rights", "access", "--identity", "email=nobody@example.org", *OVERRIDE, "--json",
               "--out", place.parent / "p.zip", "--dir", place)  # fmt: skip
    assert ran.status == 0
    assert ran.document["complete"] is True
    assert sum(s["found"] for s in ran.document["steps"]) == 0


def test_prove_says_how_every_clause_stands(kept: Kept, place: Path) -> None:
    kept("policy", "publish", "--dir", place)
    ran = kept("prove", "--json", "--dir", place)
    document = ran.document
    assert set(document) == {"clauses", "totals"}
    assert len(document["clauses"]) == 187
    keys = {"id", "mode", "kind", "status", "outcome", "controls", "looked_at", "scope"}
    assert all(set(c) >= keys for c in document["clauses"])
    assert sum(document["totals"].values()) == 187
    by_id = {c["id"]: c for c in document["clauses"]}
    assert by_id["PREAM-2"]["outcome"] == "pass"
    broken = [c for c in document["clauses"] if c["outcome"] in ("fail", "error", "expired")]
    assert ran.status == (1 if broken else 0)
    one = kept("prove", "--clause", "PREAM-2", "--json", "--dir", place)
    assert one.status == 0
    assert [c["id"] for c in one.document["clauses"]] == ["PREAM-2"]
    assert "PREAM-2" in kept("prove", "--clause", "PREAM-2", "--dir", place).out
    text = place / "policy" / "text.md"
    text.write_text(text.read_text("utf-8").replace("Please come back", "Come back"), "utf-8")
    amiss = kept("prove", "--clause", "PREAM-2", "--json", "--dir", place)
    assert amiss.status == 1
    assert amiss.document["totals"] == {"fail": 1}
    assert amiss.document["clauses"][0]["evidence"][0]["findings"]
    assert (
        "publication.version-is-dated: " in kept("prove", "--clause", "PREAM-2", "--dir", place).out
    )


def test_prove_says_where_to_write_what_is_missing(kept: Kept, place: Path) -> None:
    """As often as it is done as it is told, there is less to do; at the end nothing."""
    place.chmod(0o700)
    file = place / "kept.toml"
    met = []
    while True:
        ran = kept("prove", "--clause", "SEC-2", "--dir", place)
        told = [line for line in ran.out.splitlines() if line.startswith("security.stores-are-cl")]
        met.append(len(told))
        if not told:
            break
        assert len(met) < 20, told
        (way,) = re.findall(r"[Ww]rite (below|at the end) .*$", told[0])
        (text,) = re.findall(r"a line: (.*)\.$", told[0])
        text = text.replace("…", "as it should be")
        lines = file.read_text("utf-8").splitlines()
        if way == "below":
            (at,) = re.findall(r"below line (\d+) of kept.toml", told[0])
            lines.insert(int(at), text)
        else:
            lines += ["[own]", text]
        file.write_text("\n".join(lines) + "\n", "utf-8")
    assert met[0] > 4
    assert met == sorted(met, reverse=True)
    assert ran.status == 0
    scope = kept("prove", "--clause", "SEC-2", "--json", "--dir", place).document["clauses"][0]
    assert scope["scope"] == "1 of 1 known systems and Kept's own records"


def test_like_findings_are_said_once_and_nothing_in_words(kept: Kept, place: Path) -> None:
    """Whom an erasure could not tell is said with the answer, and of many cases in one line."""
    for name in ("ana", "ben"):
        who = ("--identity", f"email={name}@example.org", *OVERRIDE, "--yes", "--dir", place)
        done = kept("rights", "erase", *who)
        assert done.status == 0, done.said
        assert "could NOT be told that it was erased" in done.out
        assert "kept.toml has no [recipients." in done.out
    ran = kept("prove", "--clause", "RIGHT-2", "--clause", "LEGAL-3", "--dir", place)
    found = [line for line in ran.out.splitlines() if line.startswith("rights.recipients-are-told")]
    assert found
    assert len(set(found)) == len(found)
    assert all("(2 times)" in line for line in found), found
    assert "nothing to check yet means: the check ran, but there is nothing" in ran.out.lower()
    assert ran.out.count("vacuous") == 1
    told = kept("prove", "--clause", "LEGAL-3", "--json", "--dir", place).document
    assert told["totals"] == {"vacuous": 1}


def test_prove_of_an_open_clause_says_what_is_missing(kept: Kept, place: Path) -> None:
    ran = kept("prove", "--clause", "RET-1", "--dir", place)
    assert "RET-1 waits for the choice `retention.contact`: How long" in ran.out
    one = kept("prove", "--clause", "RET-1", "--json", "--dir", place).document["clauses"][0]
    assert len(one["missing"]) > 10


def test_prove_on_an_altered_ledger_still_reports(kept: Kept, place: Path) -> None:
    kept("policy", "publish", "--dir", place)
    with psycopg.connect(deployment.read(place).database) as connection:
        connection.execute("UPDATE ledger_head SET root = sha256('another')")
    ran = kept("prove", "--clause", "PREAM-2", "--dir", place)
    assert ran.status == 1
    assert "Clauses by outcome: " in ran.out
    assert "The ledger does NOT hold" in ran.out
    told = kept("prove", "--clause", "PREAM-2", "--json", "--dir", place)
    assert told.status == 1
    assert told.document["clauses"][0]["id"] == "PREAM-2"
    assert "head" in told.document["ledger"]["problem"]


def test_the_ledger_can_be_checked_without_kept(kept: Kept, place: Path, tmp_path: Path) -> None:
    kept("policy", "publish", "--dir", place)
    ran = kept("ledger", "verify", "--json", "--dir", place)
    assert ran.status == 0
    assert {"entries", "root", "ok"} <= set(ran.document)
    assert ran.document["ok"] is True
    signed = kept("ledger", "checkpoint", "--json", "--dir", place).document
    assert signed["entries"] == ran.document["entries"]
    copy = tmp_path / "copy"
    exported = kept("ledger", "export", copy, "--json", "--dir", place)
    assert exported.status == 0
    done = subprocess.run(
        [sys.executable, ROOT / "src" / "kept_verify.py", copy, "--key", exported.document["key"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    since = kept("ledger", "verify", "--since", copy / "checkpoint", "--dir", place)
    assert since.status == 0
    assert kept("ledger", "export", copy, "--dir", place).status != 0
    wrong = kept("ledger", "verify", "--since", copy / "key", "--dir", place)
    assert wrong.status == 2
    assert "is no checkpoint" in wrong.err


@pytest.mark.parametrize("as_json", [True, False])
def test_no_output_holds_personal_data(kept: Kept, place: Path, as_json: bool) -> None:
    shape = ("--json",) if as_json else ()
    who = ("--identity", "email=ana@example.org", *OVERRIDE)
    commands: list[tuple[Any, ...]] = [
        ("doctor",),
        ("map", "show"),
        ("map", "check"),
        ("policy", "check"),
        ("rights", "access", *who, "--out", place.parent / "p.zip"),
        ("hold", "add", "--identity", "email=ana@example.org", "--system", "example",
         "--ground", "why", "--clause", "RET-10"),
        ("rights", "erase", *who),
        ("rights", "erase", *who, "--yes"),
        ("case", "list"),
        ("hold", "list"),
        ("prove",),
        ("ledger", "verify"),
        ("ledger", "checkpoint"),
        ("ledger", "export", place.parent / "copy"),
    ]  # fmt: skip
    for command in commands:
        ran = kept(*command, *shape, "--dir", place)
        assert ran.said, command
        met = [p for p in PEOPLE if p in ran.said]
        assert not met, (command, met)
    case = kept("case", "list", "--json", "--dir", place).document["cases"][0]["case"]
    assert "ana@example.org" not in kept("case", "show", case, *shape, "--dir", place).said
    assert "ana@example.org" in kept("case", "show", case, "--show", *shape, "--dir", place).out
    text = "".join(p.read_text("utf-8", "replace") for p in (place.parent / "copy").rglob("*")
                   if p.is_file())  # fmt: skip
    assert not [p for p in PEOPLE if p in text]


def test_the_terminal_says_why_rows_stay_and_what_was_not_searched(kept: Kept, place: Path) -> None:
    ana = ("--identity", "email=ana@example.org", *OVERRIDE, "--dir", place)
    put(place, mode="act")
    erased = kept("rights", "erase", *ana, "--yes")
    assert erased.status == 0, erased.said
    second = kept("rights", "access", *ana, "--out", place.parent / "second.zip")
    assert second.status == 0, second.said
    assert "example.purchase keeps 1 row" in second.out
    assert "The law requires us to keep records of what was sold and paid." in second.out
    assert re.search(r"What stays of “[^”]+” refers to it", second.out)
    assert "an erasure was carried out before" in second.out
    assert str(place.parent / "second.zip") in second.out
    nobody = kept("rights", "access", "--identity", "email=nobody@example.org", *OVERRIDE,
                  "--out", place.parent / "nobody.zip", "--dir", place)  # fmt: skip
    assert nobody.status == 0
    assert "Nothing is held under what was given." in nobody.out
    name = kept("rights", "access", "--identity", "name=Ana", *OVERRIDE,
                "--out", place.parent / "name.zip", "--dir", place)  # fmt: skip
    assert name.status == 1
    assert "Nothing was searched" in name.out


def test_it_can_be_stopped_while_it_reads_its_own_code(tmp_path: Path) -> None:
    """A library that never ends to load stands in the place of the first that is needed."""
    (tmp_path / "cyclopts.py").write_text("print('begun', flush=True)\ninput()\n", "utf-8")
    # What a shell put into the background ignores it, and so would what it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "kept.app", "--version"], cwd=tmp_path, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (process.returncode, out, err) == (130, "", "")


def test_the_command_begins_where_it_can_be_stopped() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="kept")
    assert entry.value == "kept.app.__main__:main"


@pytest.mark.parametrize("there", [False, True])
def test_a_new_deployment_is_for_its_owner_alone(kept: Kept, tmp_path: Path, there: bool) -> None:
    place = tmp_path / "place"
    if there:
        place.mkdir(mode=0o755)
    assert kept("new", place).status == 0
    alone = (place, place / "kept.toml", place / "example.sqlite3")
    assert [f"{p.stat().st_mode & 0o777:o}" for p in alone] == ["700", "600", "600"]


def test_the_first_line_says_that_not_all_was_searched(kept: Kept, place: Path) -> None:
    """Messages are known by nothing that leads to them any more."""
    limited = "not all was searched, see the notes"
    who = ("--identity", "account=1", *OVERRIDE, "--dir", place)
    whole = kept("rights", "access", *who, "--out", place.parent / "whole.zip")
    assert (whole.status, limited in whole.out) == (0, False), whole.said
    file = place / "datamap" / "example.yml"
    text = re.sub(r"    links:\n      - .*\n", "", file.read_text("utf-8"), count=1)
    file.write_text(text, "utf-8")
    put(place, mode="act")
    access = kept("rights", "access", *who, "--out", place.parent / "part.zip")
    planned = kept("rights", "erase", *who)
    for ran in (access, planned, kept("rights", "erase", *who, "--yes")):
        assert ran.out.splitlines()[0].endswith(limited), ran.out
        assert "`message` of `example` was not searched" in ran.out
    assert "Not everything can be searched by that" in access.out
    assert "Complete as far as what was given leads (see the notes above)." in access.out
    assert "as far as what was given leads" not in whole.out
