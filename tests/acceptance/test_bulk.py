"""A list of people in one run: batches, each with an answer of her own, pause, kill, go on."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.conftest import decisions, kept
from tests.world import ROOT, make, sql

#: People 10 to 39 of the list; of every tenth an invoice stays by law.
FIRST, LAST = 10, 40
SURE = ("--override", "the whole shop is closed, all were told")


def mail(number: int) -> str:
    return f"person.{number}@example.org"


@pytest.fixture
def shop(kept_url: str, tmp_path: Path) -> Path:
    """The small world with thirty more customers, each with a trial."""
    directory = make(tmp_path / "shop", kept_url)
    numbers = range(FIRST, LAST)
    connection = sqlite3.connect(directory / "shop.sqlite")
    with connection:
        connection.executemany(
            "INSERT INTO customer VALUES (?, ?, ?, NULL, '2024-01-01 00:00:00')",
            [(n, mail(n), f"Person No {n}") for n in numbers],
        )
        connection.executemany(
            "INSERT INTO signup VALUES (?, ?, 'trial', '2024-01-02 00:00:00', 'contract')",
            [(n, n) for n in numbers],
        )
        connection.executemany(
            "INSERT INTO invoice VALUES (?, ?, '1.00', '2024-05-01 00:00:00')",
            [(n, n) for n in numbers if n % 10 == 0],
        )
    connection.close()
    return directory


def listed(shop: Path, *lines: str) -> Path:
    """A file with all thirty, then `lines`."""
    file = shop / "list.csv"
    named = [
        f"email={mail(n)},account={n}" if n % 2 else json.dumps({"email": mail(n)})
        for n in range(FIRST, LAST)
    ]
    file.write_text("".join(f"{line}\n" for line in (*named, *lines)), "utf-8")
    return file


def rest(shop: Path) -> list[list[tuple[object, ...]]]:
    """Every row that is nobody's of the list, as it stands."""
    return [
        sql(shop, "SELECT * FROM customer WHERE id < ? OR id >= ? ORDER BY id", FIRST, LAST),
        sql(shop, "SELECT * FROM signup WHERE customer < ? OR customer >= ? ORDER BY id",
            FIRST, LAST),
        sql(shop, "SELECT * FROM invoice WHERE customer < ? OR customer >= ? ORDER BY id",
            FIRST, LAST),
        sql(shop, "SELECT * FROM note ORDER BY id"),
    ]  # fmt: skip


def left(shop: Path) -> list[int]:
    """Who of the list is still a customer, by hand."""
    rows = sql(
        shop, "SELECT id FROM customer WHERE id >= ? AND id < ? AND name <> 'erased' ORDER BY id",
        FIRST, LAST,
    )  # fmt: skip
    return [int(str(row[0])) for row in rows]


def erased(shop: Path, file: Path, *more: object) -> Any:
    ran = kept(shop, "rights", "erase", "--people", file, "--batch", 8, "--yes", *SURE, *more)
    assert ran.out, ran.err
    return ran.status, ran.document


def test_a_list_is_erased_in_batches_and_each_has_an_answer_of_her_own(shop: Path) -> None:
    others = rest(shop)
    file = listed(shop, "email=stranger@example.org")
    status, told = erased(shop, file)
    assert status == 0
    assert told["complete"]
    assert told["state"] == "over"
    assert told["outcomes"] == {
        "waits": 0, "doubtful": 0, "incomplete": 0, "done": 30, "nobody": 1, "refused": 0,
        "withdrawn": 0,
    }  # fmt: skip
    # By hand: a customer and a trial each, and the invoices of three that a law keeps.
    assert told["rows"] == {"found": 63, "changed": 60, "retained": 3, "isolated": 0}
    assert left(shop) == []
    assert rest(shop) == others
    assert sql(shop, "SELECT id FROM invoice WHERE customer >= ?", FIRST) == [(10,), (20,), (30,)]
    shown = kept(shop, "case", "show", told["run"], "--show").document
    ends = {one["line"]: one for one in shown["lines"]}
    assert len(ends) == 31
    assert (ends[1]["outcome"], ends[1]["found"], ends[1]["retained"]) == ("done", 3, 1)
    assert (ends[2]["outcome"], ends[2]["found"], ends[2]["changed"]) == ("done", 2, 2)
    assert (ends[31]["outcome"], ends[31]["found"]) == ("nobody", 0)
    # Eight people have one plan; the last batch has seven.
    cases = [one["case"] for one in shown["lines"]]
    assert [cases.count(case) for case in dict.fromkeys(cases)] == [8, 8, 8, 7]
    ledger = shop / "ledger"
    assert kept(shop, "ledger", "export", ledger).status == 0
    plans = [e["body"] for e in decisions(ledger) if e["kind"] == "plan.made"]
    assert [p["people"] for p in plans] == [8, 8, 8, 7]


def test_who_is_in_doubt_or_in_the_way_stops_nobody_else(shop: Path) -> None:
    sql(shop, "UPDATE customer SET email = ? WHERE id = 2", "PERSON.15@example.org")
    sql(shop, "CREATE TRIGGER stay BEFORE DELETE ON customer WHEN old.id = 23"
        " BEGIN SELECT RAISE(ABORT, 'not this one'); END")  # fmt: skip
    file = shop / "list.csv"
    named = [f"email={mail(n)}" for n in range(FIRST, LAST)]
    file.write_text("\n".join((*named, "cookie=nothing-is-found-by-this")), "utf-8")
    others = rest(shop)
    status, told = erased(shop, file)
    assert (status, told["complete"], told["state"]) == (1, False, "open")
    assert {k: n for k, n in told["outcomes"].items() if n} == {
        "done": 28, "doubtful": 1, "incomplete": 2,
    }  # fmt: skip
    assert left(shop) == [15, 23]
    assert rest(shop) == others
    waits = {one["line"]: one for one in told["lines"]}
    assert sorted(waits) == [15 - FIRST + 1, 23 - FIRST + 1, 31]
    assert "name different people" in waits[6]["why"]
    assert "customer" in waits[14]["why"]
    assert "leads into no system" in waits[31]["why"]
    # Each waits in a case of her own, and goes on there by the ordinary commands.
    for one in waits.values():
        assert kept(shop, "case", "show", one["case"]).document["people"] == 1
    sql(shop, "UPDATE customer SET email = ? WHERE id = 2", "Ben@Example.org")
    sql(shop, "DROP TRIGGER stay")
    alone = kept(shop, "rights", "erase", "--case", waits[6]["case"], "--yes")
    assert alone.status == 0
    assert alone.document["complete"]
    ended = kept(shop, "case", "withdraw", waits[31]["case"], "--reason", "named by nothing")
    assert ended.status == 0, ended.said
    again = kept(shop, "rights", "erase", "--case", told["run"], "--yes")
    assert again.status == 0, again.said
    assert {k: n for k, n in again.document["outcomes"].items() if n} == {
        "done": 30, "withdrawn": 1,
    }  # fmt: skip
    assert left(shop) == []


WRONG = {
    "email=person.99.example.org": "this is not an e-mail address",
    "person.99@example.org": "an identifier has no kind",
    '{"email": "person.99@example.org"': "the line is not JSON",
    '{"email": {"is": "person.99"}}': "the line does not name a person",
    "email=person.11@example.org,account=11": "more than once",
    "shoe=person.99": "kind",
}


def test_an_error_names_the_line_and_never_the_value(shop: Path) -> None:
    for line, says in WRONG.items():
        ran = kept(shop, "rights", "erase", "--people", listed(shop, line), "--yes", *SURE)
        assert ran.status == 2, line
        assert says in ran.said, line
        assert "line 31" in ran.said, line
        assert not re.search(r"person\.\d", ran.said), line
    # All of the list or nothing.
    assert len(left(shop)) == 30
    assert kept(shop, "case", "list").document == {"cases": [], "runs": []}


def test_no_list_and_a_person_too_and_nobody_is_wrong_use(shop: Path) -> None:
    file = listed(shop)
    both = kept(shop, "rights", "erase", "--people", file, "--identity", f"email={mail(11)}")
    assert both.status == 2
    file.write_text("\n\n", "utf-8")
    assert kept(shop, "rights", "erase", "--people", file).status == 2
    assert kept(shop, "rights", "erase", "--people", shop / "absent").status == 2
    assert kept(shop, "rights", "pause", "--case", "nothing").status == 2


def test_a_run_is_planned_first_and_needs_to_know_who_asks(shop: Path) -> None:
    others = rest(shop)
    ran = kept(shop, "rights", "erase", "--people", listed(shop), "--batch", 8)
    told = ran.document
    assert ran.status == 0
    assert told["state"] == "open"
    planned = {(s["dataset"], s["action"]): s["found"] for s in told["plan"]}
    assert planned == {
        ("customer", "delete"): 27, ("customer", "overwrite"): 3, ("invoice", "retain"): 3,
        ("signup", "delete"): 30,
    }  # fmt: skip
    assert len(left(shop)) == 30
    refused = kept(shop, "rights", "erase", "--case", told["run"], "--yes")
    assert refused.status == 1
    assert "evidence" in refused.said
    done = kept(shop, "rights", "erase", "--case", told["run"], "--yes", *SURE)
    assert done.status == 0
    assert done.document["outcomes"]["done"] == 30
    assert left(shop) == []
    assert rest(shop) == others


def command(shop: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "kept.app", *map(str, arguments), "--dir", str(shop)]


def begun(shop: Path, *arguments: object) -> subprocess.Popen[str]:
    """A run in a process of its own, after its first batch."""
    process = subprocess.Popen(
        command(shop, *arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while len(left(shop)) == 30:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("by", ["SIGINT", "pause"])
def test_a_run_pauses_between_two_batches_and_goes_on(shop: Path, by: str, kept_url: str) -> None:
    others = rest(shop)
    process = begun(
        shop, "rights", "erase", "--people", listed(shop), "--batch", 1, "--yes", *SURE
    )  # fmt: skip
    with psycopg.connect(kept_url) as connection:
        ((run,),) = connection.execute("SELECT id FROM bulk").fetchall()
    if by == "SIGINT":
        process.send_signal(signal.SIGINT)
    else:
        assert kept(shop, "rights", "pause", "--case", run).status == 0
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, out + err
    assert "paused" in out
    assert "To go on:" in out
    told = kept(shop, "case", "show", run).document
    waiting = left(shop)
    assert told["state"] == "paused"
    assert waiting
    assert told["outcomes"]["done"] == 30 - len(waiting)
    assert told["outcomes"]["waits"] == len(waiting)
    went_on = kept(shop, "rights", "erase", "--case", run, "--yes")
    assert went_on.status == 0
    assert went_on.document["rows"]["changed"] == 60
    assert went_on.document["outcomes"]["done"] == 30
    assert left(shop) == []
    assert rest(shop) == others
    over = kept(shop, "rights", "pause", "--case", run)
    assert over.status == 1
    assert "over" in kept(shop, "case", "show", run).out


def test_killed_in_the_middle_a_run_goes_on_with_true_counts(shop: Path) -> None:
    others = rest(shop)
    process = begun(
        shop, "rights", "erase", "--people", listed(shop), "--batch", 5, "--yes", *SURE
    )  # fmt: skip
    process.kill()
    process.communicate()
    (run,) = kept(shop, "case", "list").document["runs"]
    assert run["state"] == "interrupted"
    went_on = kept(shop, "rights", "erase", "--case", run["run"], "--yes")
    told = went_on.document
    assert went_on.status == 0, went_on.said
    assert told["outcomes"]["done"] == 30
    assert told["state"] == "over"
    assert told["rows"] == {"found": 63, "changed": 60, "retained": 3, "isolated": 0}
    assert left(shop) == []
    assert rest(shop) == others
    assert kept(shop, "ledger", "verify").status == 0


def test_nothing_of_the_list_lies_open(shop: Path, kept_url: str) -> None:
    file = listed(shop)
    process = subprocess.run(
        command(shop, "rights", "erase", "--people", "-", "--batch", 8, *SURE),
        cwd=ROOT, input=file.read_text(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    file.unlink()
    assert process.returncode == 0, process.stderr
    (run,) = kept(shop, "case", "list").document["runs"]
    assert kept(shop, "rights", "erase", "--case", run["run"], "--yes").status == 0
    ledger = shop / "ledger"
    assert kept(shop, "ledger", "export", ledger).status == 0
    said = process.stdout + process.stderr + json.dumps(list(decisions(ledger)))
    with psycopg.connect(kept_url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        rows = 0
        for (table,) in tables:
            for (row,) in connection.execute(f'SELECT t::text FROM "{table}" t'):
                said += str(row)
                rows += 1
    assert rows > 30
    assert not re.search(r"person\.\d|Person No", said)
    for path in shop.rglob("*"):
        inside = path.relative_to(shop).parts
        if path.is_file() and inside[0] in ("state", "notices"):
            # Whoever is told has to know of whom; nobody else reads it.
            assert path.stat().st_mode & 0o777 == 0o600
        elif path.is_file() and path.name != "shop.sqlite":
            assert not re.search(rb"person\.\d", path.read_bytes()), path


def test_everybody_of_a_list_gets_a_package_with_her_rows_only(shop: Path) -> None:
    file = shop / "list.csv"
    file.write_text("".join(f"email={mail(n)}\n" for n in range(10, 14)), "utf-8")
    refused = kept(shop, "rights", "access", "--people", file, "--out", file / "in", *SURE)
    assert refused.status == 2
    assert "cannot become one" in refused.said
    out = shop / "packages" / "march"
    ran = kept(shop, "rights", "access", "--people", file, "--out", out, *SURE)
    assert ran.status == 0, ran.said
    assert out.stat().st_mode & 0o777 == 0o700
    told = kept(shop, "case", "show", ran.document["run"], "--show").document
    assert told["outcomes"]["done"] == 4
    for n, one in zip(range(10, 14), told["lines"], strict=True):
        with zipfile.ZipFile(out / f"access-{one['case']}.zip") as archive:
            texts = [archive.read(name).decode() for name in archive.namelist()]
        said = "".join(texts)
        assert mail(n) in said
        assert one["found"] >= 2
        assert not any(mail(m) in said for m in range(FIRST, LAST) if m != n)
    assert len(list(out.iterdir())) == 4
    assert os.stat(next(out.iterdir())).st_mode & 0o077 == 0


def test_killed_among_its_packages_a_run_goes_on_with_true_counts(shop: Path) -> None:
    file = shop / "list.csv"
    file.write_text("".join(f"email={mail(n)}\n" for n in range(10, 22)), "utf-8")
    out = shop / "packages"
    out.mkdir(mode=0o700)
    process = subprocess.Popen(
        command(shop, "rights", "access", "--people", file, "--out", out, *SURE), cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not list(out.glob("access-*.zip")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate()
    (run,) = kept(shop, "case", "list").document["runs"]
    assert run["state"] == "interrupted"
    went_on = kept(shop, "rights", "access", "--case", run["run"], "--out", out)
    assert went_on.status == 0, went_on.said
    told = kept(shop, "case", "show", run["run"], "--show").document
    assert told["outcomes"]["done"] == 12
    # By hand: a customer and a trial each, and an invoice of every tenth; of the one that was
    # under way when it was killed the counts may stand in the ledger alone.
    found = [one["found"] for one in told["lines"]]
    by_hand = [3 if n % 10 == 0 else 2 for n in range(10, 22)]
    assert sum(a != b for a, b in zip(found, by_hand, strict=True)) <= 1
    cases = {one["case"] for one in told["lines"]}
    given = {path.stem.split("-", 1)[1][:36] for path in out.glob("access-*.zip")}
    assert given == cases
    assert kept(shop, "ledger", "verify").status == 0


def test_whoever_has_a_list_takes_along_and_objects(shop: Path) -> None:
    file = shop / "list.csv"
    file.write_text(f"email={mail(10)}\nemail={mail(11)}\n", "utf-8")
    out = shop / "packages"
    out.mkdir(mode=0o700)
    ported = kept(shop, "rights", "port", "--people", file, "--out", out, *SURE)
    assert ported.status == 0, ported.said
    assert ported.document["outcomes"]["done"] == 2
    for path in out.iterdir():
        with zipfile.ZipFile(path) as archive:
            said = "".join(archive.read(name).decode() for name in archive.namelist())
        assert (mail(10) in said) != (mail(11) in said)
    asked = ("rights", "object", "--purpose", "marketing", "--people", file)
    assert kept(shop, *asked).document["outcomes"]["waits"] == 2
    done = kept(shop, *asked, "--yes", *SURE)
    assert done.status == 0, done.said
    assert done.document["outcomes"]["done"] == 2


def test_a_choice_holds_for_everybody_of_a_list(shop: Path) -> None:
    file = shop / "list.csv"
    file.write_text("".join(f"email={mail(n)}\n" for n in (10, 11)), "utf-8")
    asked = ("rights", "restrict", "--ground", "accuracy", "--people", file)
    shown = kept(shop, *asked)
    assert shown.status == 0
    assert shown.document["outcomes"]["waits"] == 2
    ran = kept(shop, *asked, "--yes", *SURE)
    assert ran.status == 0, ran.said
    assert ran.document["outcomes"]["done"] == 2
    cases = kept(shop, "case", "list").document["cases"]
    in_force = [c for c in cases if (c["right"], c["state"]) == ("restriction", "checked")]
    assert [c["people"] for c in in_force] == [1, 1]
