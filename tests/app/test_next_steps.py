"""What a command says of the case it leaves open: what was met, once, and what comes next."""

from __future__ import annotations

import re
import shlex
import sqlite3
from pathlib import Path

import pytest
from tests.app.conftest import Kept, Ran, put

from kept.app.commands.common import as_called, called, next_command, program
from kept.model.plan import Obstacle

OVERRIDE = ("--override", "a test")
ANA = ("--identity", "email=ana@example.org")
NAME = ("--identity", "name=Ana")


def commands(ran: Ran) -> list[list[str]]:
    """The commands that are offered, as words after the program, filled in."""
    found = re.findall(rf"{re.escape(program())} ((?:rights|case) [^`\n]+)", ran.said)
    return [shlex.split(one.replace("…", "she called from the number on file")) for one in found]


def case_of(ran: Ran) -> str:
    met = re.search(r"[Cc]ase ([0-9a-f-]{36})", ran.said)
    assert met is not None, ran.said
    return met[1]


@pytest.mark.parametrize(
    "asked",
    [
        ("access",),
        ("port",),
        ("erase",),
        ("erase", "--yes"),
        ("object", "--purpose", "marketing"),
        ("restrict", "--ground", "claims"),
    ],
    ids=" ".join,
)
def test_a_case_on_a_name_alone_says_how_it_can_end_and_ends_so(
    kept: Kept, place: Path, asked: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.parent)
    ran = kept("rights", *asked, *NAME, *OVERRIDE, "--dir", place)
    case = case_of(ran)
    assert ran.said.count("not searched: ") <= 1
    assert "To carry it out" not in ran.said
    ends = {c[1]: c for c in commands(ran) if c[0] == "case" and case in c}
    assert set(ends) >= {"refuse", "withdraw"}
    assert "account, email" in ran.said
    if asked in (("access",), ("erase", "--yes")):
        assert kept("case", "show", case, "--json", "--dir", place).document["state"] == "checked"
    ended = kept(*ends["refuse"])
    assert ended.status == 0, ended.said
    shown = kept("case", "show", case, "--json", "--dir", place).document
    assert shown["state"] == "refused"
    assert shown["closed_at"]


def test_a_name_leads_to_nobody_elses_cases(kept: Kept, place: Path) -> None:
    kept("rights", "erase", *NAME, "--dir", place)
    assert "Also open" not in kept("rights", "erase", *NAME, "--dir", place).out


def test_a_case_that_wrote_is_not_refused_any_more(kept: Kept, place: Path) -> None:
    with sqlite3.connect(place / "example.sqlite3") as shop:
        old = ", ".join(f"OLD.{row[1]}" for row in shop.execute("PRAGMA table_info(message)"))
        back = f"INSERT INTO message VALUES ({old})"
        shop.execute(f"CREATE TRIGGER back AFTER DELETE ON message BEGIN {back}; END")
    begun = kept("rights", "erase", *ANA, *OVERRIDE, "--yes", "--dir", place)
    assert begun.status == 1
    case = case_of(begun)
    why = ("--reason", "excessive", "--words", "not today")
    refused = kept("case", "refuse", case, *why, "--dir", place)
    assert refused.status != 0
    assert kept("case", "show", case, "--json", "--dir", place).document["state"] != "refused"


@pytest.mark.parametrize("verb", ["refuse", "withdraw"])
def test_an_ended_case_is_named_with_its_day_and_outcome(
    kept: Kept, place: Path, verb: str
) -> None:
    ended = ("erase", *ANA, *OVERRIDE, "--yes", "--now", "2026-12-01")
    case = kept("rights", *ended, "--json", "--dir", place).document["case"]
    said = ("--reason", "x y z")
    if verb == "refuse":
        said = ("--reason", "excessive", "--words", "x y z")
    late = kept("case", verb, case, *said, "--dir", place)
    assert late.status == 2
    assert "was carried out already; nothing was changed" in late.err
    assert "carried out on 2026-12-01 and waits for answers" in late.err
    assert f"kept case show {case}" in late.err
    other = case_of(kept("rights", "erase", *ANA, "--dir", place))
    day = ("--now", "2026-12-02", "--dir", place)
    assert kept("case", "withdraw", other, "--reason", "she called", *day).status == 0
    again = kept("case", verb, other, *said, "--dir", place)
    assert "closed on 2026-12-02 as withdrawn" in again.err


def test_what_stands_in_the_way_is_said_in_words_with_the_way_on(kept: Kept, place: Path) -> None:
    file = place / "datamap" / "example.yml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("    key: [message_id]\n", "    key: [customer_id]\n"), "utf-8")
    refused = kept("rights", "erase", *ANA, *OVERRIDE, "--yes", "--dir", place)
    assert refused.status == 1
    assert "`example.message` stands in the way: nothing promises that" in refused.err
    assert "; met rows that their key does not tell apart. Give the table" in refused.err
    assert f"Case {case_of(refused)} waits: go on with it by" in refused.err
    (again,) = commands(refused)
    shown = kept("case", "show", case_of(refused), "--dir", place)
    assert again in commands(shown)
    file.write_text(text, "utf-8")
    done = kept(*again)
    assert done.status == 0, done.said
    # What one command went through is one line.
    went = [
        line.split()[0]
        for line in kept("case", "show", case_of(refused), "--dir", place).out.splitlines()
        if re.match(r"20\d\d-", line)
    ]
    assert len(went) == 2, shown.out


@pytest.mark.parametrize(("words", "met"), [("plain", None), ("unique", "met a value that may")])
def test_an_obstacle_of_no_kind_says_all_in_its_own_words(words: str, met: str | None) -> None:
    kind = "other" if met is None else words
    problem = Obstacle("place", kind, words, "mend it")
    assert problem.met == (None if met is None else "a value that may stand there only once")


def test_a_plan_that_changes_nothing_says_so(kept: Kept, place: Path) -> None:
    plan = kept("rights", "erase", "--identity", "email=nobody@example.org", "--dir", place)
    assert "Nothing would change: nothing is held of her." in plan.out
    assert "To carry it out" not in plan.out
    close, *ends = commands(plan)
    assert {c[1] for c in ends} == {"refuse", "withdraw"}
    done = kept(*close)
    assert done.status == 0, done.said
    assert "Complete" in done.out
    assert "To carry it out" in kept("rights", "erase", *ANA, "--dir", place).out


@pytest.mark.parametrize(
    "asked",
    [
        ("object", "--purpose", "marketing"),
        ("restrict", "--ground", "claims"),
        ("withdraw", "--purpose", "marketing"),
    ],
    ids=" ".join,
)
def test_a_choice_for_an_address_of_nobody_says_to_check_its_spelling(
    kept: Kept, place: Path, asked: tuple[str, ...]
) -> None:
    """It holds all the same; but the person who was meant may be written as before."""
    typo, there = ("--identity", "email=anna@example.org"), ("--dir", place)
    asking = kept("rights", *asked, *typo, *OVERRIDE, "--json", *there)
    assert asking.document["held"] is False
    for yes in ((), ("--yes",)):
        told = kept("rights", *asked, *typo, *OVERRIDE, *yes, *there)
        assert told.status == 0
        assert "Nothing is held under what was given" in told.out
        assert "Check its spelling." in told.out
    hers = kept("rights", *asked, *ANA, *OVERRIDE, "--yes", *there)
    assert "Nothing is held" not in hers.out
    known = kept("rights", *asked, *ANA, *OVERRIDE, "--yes", "--json", *there)
    assert known.document["held"] is True


def test_rows_that_stay_until_many_days_are_one_line(kept: Kept, place: Path) -> None:
    file = place / "kept.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace('# "retention.invoices" = "P…"', '"retention.invoices" = "P10Y"'))
    with sqlite3.connect(place / "example.sqlite3") as shop:
        shop.execute("DELETE FROM purchase")
        columns = [row[1] for row in shop.execute("PRAGMA table_info(purchase)")]
        for number in range(12):
            made = {"purchase_id": number + 1, "customer_id": 1, "made_at": f"20{20 + number % 6}-"
                    f"{number + 1:02}-01 00:00:00"}  # fmt: skip
            values = [made.get(c, "x" if c == "title" else 1) for c in columns]
            shop.execute(f"INSERT INTO purchase VALUES ({', '.join('?' * len(values))})", values)
    plan = kept("rights", "erase", *ANA, *OVERRIDE, "--dir", place)
    rows = [line for line in plan.out.splitlines() if line.startswith("example.purchase")]
    assert len(rows) == 2, plan.out
    assert rows[0].split()[1:3] == ["retain", "12"]
    assert "keeps 12 rows until 2030-01-01 … 2035-12-01:" in rows[1]
    told = kept("rights", "erase", *ANA, *OVERRIDE, "--json", "--dir", place).document
    days = [s["until"] for s in told["steps"] if s["dataset"] == "purchase"]
    assert len(set(days)) == 12
    done = kept("rights", "erase", *ANA, *OVERRIDE, "--yes", "--dir", place)
    assert done.status == 0, done.said
    shown = kept("case", "show", case_of(done), "--dir", place).out
    assert len([line for line in shown.splitlines() if line.startswith("example.purchase")]) == 1


def test_kepts_own_records_are_named_in_words(kept: Kept, place: Path) -> None:
    held = ("--ground", "a dispute about a bill", "--clause", "RET-10", "--dir", place)
    assert kept("hold", "add", *ANA, *held).status == 0
    plan = kept("rights", "erase", *ANA, *OVERRIDE, "--dir", place)
    assert "Kept's own records (" in plan.out
    assert not re.search(r"\bown\.[a-z_]+", plan.out)
    told = kept("rights", "erase", *ANA, *OVERRIDE, "--json", "--dir", place).document
    assert {s["store"] for s in told["steps"]} >= {"own", "example"}


def test_what_stops_is_ordered_by_what_is_shown(kept: Kept, place: Path) -> None:
    told = kept("rights", "restrict", "--ground", "claims", *ANA, *OVERRIDE, "--json",
                "--dir", place).document  # fmt: skip
    for one in (told["stops"], told["goes_on"]):
        shown = [(t["purpose"], t["title"]) for t in one]
        assert shown == sorted(shown)
    assert len(told["stops"]) > 3
    again = ("--ground", "claims", "--case", told["case"], *OVERRIDE, "--yes", "--dir", place)
    done = kept("rights", "restrict", *again)
    assert done.status == 0
    # What was shown with the plan is only counted, in a case that goes on.
    assert f"Stops: {len(told['stops'])} activities, as they were shown" in done.out
    assert told["stops"][0]["title"] not in done.out
    assert "in force" in kept("case", "list", "--dir", place).out


def test_a_case_that_is_over_says_how_she_is_told(kept: Kept, place: Path) -> None:
    made = kept("rights", "access", *ANA, *OVERRIDE, "--out", str(place / "a.zip"), "--json",
                "--dir", place)  # fmt: skip
    case = made.document["case"]
    shown = kept("case", "show", case, "--dir", place).out
    assert re.search(rf"She is still to be told: \S*kept case answer {case}", shown)
    # To print it does not end that; to enter that it reached her does.
    assert re.search(rf"enter that: \S*kept case posted {case} --on DATE --in-person", shown)
    assert "Her package goes with it" in shown


def test_only_clauses_by_which_data_may_stay_allow_a_hold(kept: Kept, place: Path) -> None:
    held = ("hold", "add", *ANA, "--ground", "a dispute about a bill", "--dir", place)
    for clause in ("RIGHT-1", "RET-5", "SEC-1"):
        refused = kept(*held, "--clause", clause)
        assert refused.status == 2
        assert "expected one by which data may stay: RET-4, RET-10; met a clause of" in refused.err
    assert kept("hold", "list", "--json", "--dir", place).document["holds"] == []
    for clause in ("RET-4", "RET-10"):
        assert kept(*held, "--clause", clause).err == ""


def test_a_policy_that_does_not_tell_is_said_not_to(kept: Kept, place: Path) -> None:
    clauses = place / "policy" / "clauses.yml"
    text = clauses.read_text("utf-8")
    clauses.write_text(text.replace("RET-4:\n  mode: may", "RET-4:\n  mode: must"))
    retention = place / "policy" / "retention.yml"
    text = retention.read_text("utf-8")
    retention.write_text(re.sub(r"(?m)^  law:\n(    .*\n)+", "  law: null\n", text))
    placed = kept("hold", "add", *ANA, "--ground", "a dispute", "--clause", "SEC-1", "--dir", place)
    assert placed.status == 0, placed.said
    assert "it was not checked that this one does" in placed.err


def test_publishing_names_what_is_left_to_choose(kept: Kept, place: Path) -> None:
    told = kept("policy", "publish", "--dir", place).out
    listed = kept("policy", "check", "--json", "--dir", place).document["choices_open"]
    assert f"{len(listed)} choices not made yet" in told
    assert f"{place}/kept.toml" in told
    again = kept("policy", "publish", "--json", "--dir", place).document
    assert sorted(again["choices_open"]) == sorted(listed)


def test_evidence_of_a_word_is_taken_with_a_warning(kept: Kept, place: Path) -> None:
    short = kept("rights", "erase", *ANA, "--evidence", "yes", "--dir", place)
    assert short.status == 0
    assert short.err.count("Warning: `--evidence` is too short") == 1
    good = "Kim called the number on file, and she named her last order"
    assert kept("rights", "erase", *ANA, "--evidence", good, "--dir", place).err == ""


def test_a_package_says_where_it_goes(
    kept: Kept, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.parent)
    ran = kept("rights", "access", *ANA, *OVERRIDE, "--now", "2026-11-24T10:00:00Z", "--dir", place)
    (made,) = place.parent.glob("access-*.zip")
    *before, last = ran.out.splitlines()
    assert str(made) not in "".join(before)
    assert last == f"The package, which only its owner can read (mode 0600): {made}"
    assert made.stat().st_mode & 0o777 == 0o600
    whole = made.read_bytes()
    again = kept(
        "rights", "access", *ANA, *OVERRIDE, "--now", "2026-11-24T10:00:00Z", "--dir", place
    )
    assert again.status == 2
    assert "nothing was written over" in again.err
    assert str(made) not in again.out
    assert made.read_bytes() == whole


def test_every_right_names_other_open_cases_and_goes_on_in_its_own(kept: Kept, place: Path) -> None:
    who = ("--identity", "email=ana@example.org", "--dir", place)
    kept("rights", "erase", *who)
    case = kept("case", "list", "--json", "--dir", place).document["cases"][0]["case"]
    for more in (
        ("object", "--purpose", "marketing"),
        ("withdraw", "--purpose", "marketing.email"),
        ("restrict", "--ground", "claims"),
        ("port", "--override", "test", "--out", place.parent / "along.zip"),
        ("rectify", "--at", "example.customer.name", "--value", "Ana Nova"),
    ):
        ran = kept("rights", *more, *who)
        assert f"Also open for the same person: {case} (erasure" in ran.out, ran.said
        # A plan goes on in its own case, and opens no second one.
        mine = ran.out.split()[1].rstrip(":")
        assert more[0] == "port" or f"--case {mine}" in ran.out
        assert "the same again" not in ran.out
        # What a law asks to be kept is kept: a restriction stops the other uses alone.
        assert ("stays stored, also where a law asks" in ran.out) == (more[0] == "restrict")


def test_what_a_mode_leaves_to_a_person_has_not_failed(kept: Kept, place: Path) -> None:
    put(place, mode="assisted")
    case = kept("rights", "erase", *ANA, *OVERRIDE, "--yes", "--json", "--dir", place).document
    said = kept("case", "show", case["case"], "--dir", place).out
    assert "for a person to do" in said
    assert "failed" not in said


def test_a_correction_says_what_the_mode_of_a_system_keeps_from_being_written(
    kept: Kept, place: Path
) -> None:
    wish = ("--at", "example.customer.name", "--value", "Ana Nova")
    assert "nothing is written" not in kept("rights", "rectify", *ANA, *wish, "--dir", place).out
    put(place, mode="observe")
    said = kept("rights", "rectify", *ANA, *wish, "--dir", place).out
    assert "example: mode observe: with --yes nothing is written there either" in said


def test_wrong_words_are_told_which_are_right(kept: Kept, place: Path) -> None:
    ran = kept("rights", "object", *ANA, *OVERRIDE, "--purpose", "marketting", "--dir", place)
    assert ran.status == 2
    assert re.search(r"expected one of .*\bmarketing\b", ran.err), ran.err
    ran = kept(
        "rights", "weigh", "--case", "1", "--outcome", "no", "--grounds", "g", "--dir", place
    )
    assert ran.status == 2
    assert "expected `upheld` or `refused`" in ran.err


def test_a_case_says_what_came_of_an_objection(kept: Kept, place: Path) -> None:
    made = []
    for purposes, outcome, came in (
        (["analytics"], "upheld", "followed"), (["analytics"], "refused", "not followed"),
        (["analytics", "marketing"], "refused", "followed in part"),
        (["service"], None, "not followed"),
    ):  # fmt: skip
        who = ("--identity", f"email={len(made)}@example.org")
        asked = [word for one in purposes for word in ("--purpose", one)]
        ran = kept("rights", "object", *who, *OVERRIDE, *asked, "--yes", "--dir", place)
        assert ("in force" in ran.out.lower()) == (outcome is not None), ran.said
        case = ran.out.split()[1].rstrip(":")
        made.append((case, came))
        shown = kept("case", "show", case, "--dir", place, "--json").document
        barred = [(n["purpose"], n["grounds"]) for n in shown["inapplicable"]]
        assert barred == ([] if outcome else [("service", ["Contract"])])
        if outcome:
            ran = kept("rights", "weigh", "--case", case, "--outcome", outcome,
                       "--grounds", "weighed", "--dir", place)  # fmt: skip
            assert ran.status == 0, ran.said
    listed = kept("case", "list", "--dir", place).out
    for case, came in made:
        shown = kept("case", "show", case, "--dir", place).out
        assert f"objection, closed, {came}, 1 person" in shown
        assert re.search(rf"{case} .*closed, {came} ", listed), listed
    assert "Nobody can object to: " in shown


def test_like_errors_end_alike(kept: Kept, place: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "a").touch()
    for command in (("new", full), ("ledger", "export", full, "--dir", place)):
        ran = kept(*command)
        assert ran.status == 2
        assert "a directory of its own" in ran.err
        assert "met one with files in it" in ran.err


def test_an_export_says_where_key_and_checker_are(
    kept: Kept, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    said = kept("ledger", "export", "../copy", "--json", "--dir", place).document
    assert said["directory"] == str(tmp_path / "copy")
    ran = kept("ledger", "export", "../copy2", "--dir", place)
    assert str(Path("../copy2/key")) in ran.out
    (line,) = (line for line in ran.out.splitlines() if line.startswith("kept-verify is one file"))
    assert Path(line.rpartition(": ")[2]).read_text("utf-8").startswith("#!")


def test_a_new_deployment_may_be_named_by_dir(kept: Kept, tmp_path: Path) -> None:
    ran = kept("new", "--dir", tmp_path / "one" / ".." / "two")
    assert ran.status == 0, ran.err
    assert ran.out.startswith(f"A deployment was written to {tmp_path / 'two'}\n")
    assert (tmp_path / "two" / "kept.toml").is_file()
    assert kept("new", tmp_path / "a", "--dir", tmp_path / "b").status == 2
    assert kept("new").status == 2


def test_what_comes_next_is_offered_in_the_role_that_it_takes(
    kept: Kept, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offered(*given: str) -> str:
        called(given)
        return next_command(("case", "redact", "01a2"), None).removeprefix(program())

    # Whoever may not is told who may; whoever may says again what was said.
    assert offered("rights", "access") == ' case redact 01a2 --actor "…" --role redactor'
    rob = ("--actor", "rob", "--role=redactor")
    assert offered(*rob) == " case redact 01a2 --actor rob --role redactor"
    assert shlex.split(next_command(("hold", "release", "h"), None))[-4:-2] == ["--actor", "…"]
    # What takes another person is not offered in the name of whoever called.
    other = ("hold", "release", "h", "--actor", "…")
    assert next_command(other, None).endswith(' h --actor "…" --role privacy-officer')
    called(("hold", "release", "h", "--actor", "mia", "--role", "privacy-officer"))
    assert next_command(other, None).endswith(' h --actor "…" --role privacy-officer')
    monkeypatch.setenv("KEPT_ROLE", "redactor")
    assert offered() == " case redact 01a2", "the environment says it"
    monkeypatch.delenv("KEPT_ROLE")
    called(())
    assert next_command(("retain", "run"), None).endswith("retain run"), "the operator may"
    assert as_called("see `kept case list`", None) == f"see `{program()} case list`"
    words = as_called("a redactor looks: `kept case redact 01a2 --done`", place)
    assert words is not None
    assert f'--done --actor "…" --role redactor --dir {place}`' in words
    # So it is where a command is refused.
    ran = kept("case", "redact", "01a2", "--dir", place)
    assert "is said with --actor and --role" in ran.said
    asked = kept("rights", "erase", *ANA, *OVERRIDE, "--actor", "Kim", "--role", "privacy-officer",
                 "--dir", place)  # fmt: skip
    step = next(c for c in commands(asked) if "--yes" in c)
    assert "--actor Kim --role privacy-officer" in " ".join(step), step
