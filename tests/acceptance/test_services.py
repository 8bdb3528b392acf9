"""One request over a database, a service over HTTP and a system that people serve."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.app.cli import main
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request
from kept.records.struck import strike
from kept.terms.identifiers import parse
from tests.stores.vendor import TOKEN, Vendor, vendor
from tests.world import AGENCY, NOW, ROOT, make, sql

EMAIL = "email=ana@example.org"

CRM = """
system: crm
title: Customer relations
country: US
datasets:
  contact:
    key: [id]
    retention: contact
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email}
      name: {category: contact.name}
  ticket:
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      contact_id: {type: integer, category: identifier.account}
      words: {category: free-text, free_text: true}
    links:
      - {fields: [contact_id], to: contact, kind: owned-by}
"""
CRM_HTTP = """
auth: {header: Authorization, value: "Bearer {secret}"}
idempotency: Idempotency-Key
limits: {rate: 100000, timeout: 5, retries: 1, wait: 2}
datasets:
  contact:
    read:
      - {by: id, path: "/contacts/{id}", records: /data, none: [404]}
      - {by: email, folded: true, path: /contacts, query: {email: "{email}"}, records: /items,
         paging: {kind: cursor, at: /next, query: cursor}}
      - {path: /contacts, records: /items, paging: {kind: cursor, at: /next, query: cursor}}
    erase:
      path: "/contacts/{id}"
      gone: [404]
      pending: {state: /job/state, done: [done], failed: [failed]}
  ticket:
    read:
      - {by: id, path: "/tickets/{id}", records: /data, none: [404]}
      - {by: contact_id, path: /tickets, query: {contact_id: "{contact_id}"}, records: /items,
         paging: {kind: cursor, at: /next, query: cursor}}
      - {path: /tickets, records: /items, paging: {kind: cursor, at: /next, query: cursor}}
    erase: {path: "/tickets/{id}", gone: [404]}
"""


@pytest.fixture
def crm() -> Iterator[Vendor]:
    with vendor() as server:
        server.fill(
            {
                "contact": [
                    {"id": 1, "email": "Ana@Example.org", "name": "Ana"},
                    {"id": 2, "email": "ben@example.org", "name": "Ben"},
                ],
                "ticket": [
                    {"id": 10, "contact_id": 1, "words": "help"},
                    {"id": 11, "contact_id": 2, "words": "hi"},
                    {"id": 12, "contact_id": 1, "words": "thanks"},
                ],
            }
        )
        yield server


@pytest.fixture
def three(kept_url: str, tmp_path: Path, crm: Vendor, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small world with a service and an agency beside the shop."""
    world = make(
        tmp_path / "three",
        kept_url,
        extra=f"""
[systems.crm]
store = "http"
url = "{crm.url}"
mode = "act"
map = "crm.yml"
[systems.crm.options]
describe = "crm.http.yml"
secret = "env:CRM_TOKEN"

[systems.agency]
store = "mailbox"
url = "letters"
mode = "act"
map = "agency.yml"
[systems.agency.options]
days = 10
remind = 3
""",
    )
    for name, text in (("crm.yml", CRM), ("crm.http.yml", CRM_HTTP), ("agency.yml", AGENCY)):
        (world / name).write_text(text, "utf-8")
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    return world


Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(three: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def command(*words: str, now: dt.datetime = NOW) -> tuple[int, dict[str, Any]]:
        acting = ["--now", now.isoformat()] if words[0] in ("rights", "task") else []
        with pytest.raises(SystemExit) as ended:
            main([*words, *acting, "--dir", str(three), "--json"])
        said = capsys.readouterr()
        assert "ana@" not in (said.out + said.err).lower()
        return int(str(ended.value.code)), json.loads(said.out or said.err)

    return command


def steps(document: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {
        f"{s['store']}.{s['dataset']}": (s["found"], s["changed"], s["verified"], s["word"])
        for s in document["steps"]
        if s["store"] != "kept"
    }


def task_of(run: Run, *, still: bool = False) -> str:
    """The one that waits; `still`: also one that they said they cannot do."""
    _, document = run("task", "list")
    open_ = [t for t in document["tasks"] if still or t["outcome"] is None]
    (one,) = (t for t in open_ if t["store"] == "agency")
    return str(one["task"])


def test_access_waits_for_the_agency(run: Run, three: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.zip"
    asked = ("rights", "access", "--identity", EMAIL, "--override", "test", "--out", str(out))
    status, first = run(*asked)
    assert (status, first["complete"]) == (1, False)
    assert [u["store"] for u in first["unreached"]] == ["agency"]
    met = steps(first)
    assert met["crm.contact"] == (1, 0, True, False)
    assert met["crm.ticket"] == (2, 0, True, False)
    assert met["agency.subscribers"] == (0, 0, False, False)
    (asked_of,) = (s for s in first["steps"] if s["store"] == "agency")
    assert "waits" not in asked_of["problem"]  # it goes out in the same command
    (letter,) = (three / "letters").glob("*.txt")
    assert letter.stat().st_mode & 0o777 == 0o600
    assert (three / "letters").stat().st_mode & 0o777 == 0o700
    assert "email: ana@example.org" in letter.read_text("utf-8")
    rows = tmp_path / "rows.json"
    done = ("task", "done", task_of(run), "--evidence", "mail of the agency", "--rows", str(rows))
    stranger = {"email": "ben@example.org", "list": "his"}
    rows.write_text(json.dumps([{"email": "Ana@example.org"}, stranger]), "utf-8")
    status, refused = run(*done)
    assert (status, "1 of 2 rows" in json.dumps(refused)) == (2, True)
    assert "ben@" not in json.dumps(refused)
    rows.write_text(json.dumps([{"email": "ana@example.org", "list": "weekly"}]), "utf-8")
    assert run(*done)[0] == 0
    assert run(*done)[0] == 2  # answered already
    out = tmp_path / "again.zip"
    status, second = run("rights", "access", "--case", first["case"], "--out", str(out))
    assert (status, second["complete"], second["unreached"]) == (0, True, [])
    assert steps(second)["agency.subscribers"] == (1, 0, False, True)
    with zipfile.ZipFile(out) as package:
        answer = json.loads(package.read("data/agency.subscribers.json"))
    assert [(r["email"], r["list"]) for r in answer] == [("ana@example.org", "weekly")]
    kept = "".join(f.read_text("utf-8") for f in (three / "letters").iterdir())
    assert "ana@" not in kept  # neither whom it was about nor what was handed in
    # the next request asks anew
    asked = (*asked[:-1], str(tmp_path / "third.zip"))
    _, third = run(*asked)
    assert not third["complete"]
    assert len(list((three / "letters").glob("*.txt"))) == 1


def test_what_nobody_was_asked_about_is_not_counted(run: Run, tmp_path: Path) -> None:
    """Only what rests on consent or contract goes along; how much else lies there is not known."""
    out = tmp_path / "along.zip"
    asked = ("rights", "port", "--identity", EMAIL, "--override", "test", "--region", "DE")
    _, told = run(*asked, "--out", str(out))
    (agency,) = (one for one in told["left_out"] if one["where"] == "agency.subscribers")
    assert (agency["whole"], agency["rows"]) == (True, 0)
    (contact,) = (one for one in told["left_out"] if one["where"] == "crm.contact")
    assert (contact["whole"], contact["rows"]) == (True, 1)
    with zipfile.ZipFile(out) as package:
        page = package.read("index.html").decode()
    assert "All that lies there" in page
    assert "0 records" not in page


def test_erasure_is_complete_when_all_three_are_done(run: Run, three: Path, crm: Vendor) -> None:
    crm.later = True
    status, first = run("rights", "erase", "--identity", EMAIL, "--yes", "--override", "test")
    assert (status, first["complete"]) == (1, False)
    met = steps(first)
    assert met["shop.customer"][2]
    assert met["crm.contact"] == (1, 0, False, False)  # taken, not done
    assert met["agency.subscribers"] == (1, 0, False, False)
    assert len(crm.jobs) == 1
    go_on = ("rights", "erase", "--case", first["case"], "--yes")
    crm.work()
    status, second = run(*go_on)
    met = steps(second)
    assert not second["complete"]
    assert met["crm.contact"] == (1, 1, True, False)
    assert met["crm.ticket"] == (2, 2, True, False)
    assert not met["agency.subscribers"][2]
    assert [r["id"] for r in crm.rows["contact"]] == [2]
    assert [r["id"] for r in crm.rows["ticket"]] == [11]
    task = task_of(run)
    run("task", "done", task, "--outcome", "cannot", "--evidence", "their disk is broken")
    status, third = run(*go_on)
    assert not third["complete"]
    assert "disk" not in json.dumps(third)
    run("task", "done", task, "--evidence", "letter of the agency")
    status, fourth = run(*go_on)
    assert (status, fourth["complete"]) == (0, True)
    assert steps(fourth)["agency.subscribers"] == (1, 1, False, True)
    # It is no broken promise that nobody can read back what people did: they answer for it.
    status, proof = run("prove", "--clause", "RIGHT-3")
    (control,) = (
        c
        for c in proof["clauses"][0]["evidence"]
        if c["control"] == "rights.answers-tell-what-was-done"
    )
    assert (control["outcome"], control["findings"]) == ("pass", [])
    status, case = run("case", "show", first["case"])
    assert case["complete"]
    assert {s["state"] for s in case["steps"]} == {"done"}
    kept = "".join(f.read_text("utf-8") for f in (three / "letters").iterdir())
    assert "ana@" not in kept
    entries = subprocess.run(  # what the ledger knows of it
        [sys.executable, "-m", "kept.app", "ledger", "verify", "--dir", str(three)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert entries.returncode == 0, entries.stdout + entries.stderr


def test_a_correction_reaches_the_agency_and_waits_for_its_word(
    run: Run, three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """RIGHT-2: what the agency has is put right there by letter, wherever it is wrong."""
    status, first = run("rights", "rectify", "--identity", EMAIL, "--yes", "--override", "test",
                        "--at", "agency.subscribers.list", "--value", "monthly",
                        "--was", "weekly")  # fmt: skip
    assert (status, first["complete"]) == (1, False)
    assert steps(first)["agency.subscribers"] == (1, 0, False, False)
    (letter,) = (three / "letters").glob("*.txt")
    assert "list: wrong is “weekly”, right is “monthly”" in letter.read_text()
    with pytest.raises(SystemExit):
        main(["task", "done", task_of(run), "--evidence", "a letter of the agency",
              "--now", NOW.isoformat(), "--dir", str(three)])  # fmt: skip
    again = ("rights", "rectify", "--case", first["case"], "--yes")
    assert " ".join(("To go on: kept", *again)) in capsys.readouterr().out
    status, second = run(*again)
    assert (status, second["complete"]) == (0, True)
    assert steps(second)["agency.subscribers"] == (1, 1, False, True)


def test_what_a_hold_kept_with_people_is_not_taken_for_gone(
    run: Run, three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can look there: they are asked, once, and it is over when they have answered."""
    _, held = run("hold", "add", "--ground", "a claim", "--clause", "RET-10", "--identity", EMAIL)
    status, done = run("rights", "erase", "--identity", EMAIL, "--yes", "--override", "test")
    assert (status, done["complete"]) == (0, True)
    assert steps(done)["agency.subscribers"][0] == 1
    with pytest.raises(SystemExit):
        main(["rights", "erase", "--case", done["case"], "--now", NOW.isoformat(),
              "--dir", str(three)])  # fmt: skip
    told = capsys.readouterr().out
    (line,) = (one for one in told.splitlines() if one.startswith("agency.subscribers  "))
    assert line.endswith("not asked")  # so it rests on nobody's word
    assert "word" not in told
    assert "read back, but for what stays with people, whom nobody asked about it." in told
    for clause in ("RET-3", "RET-6"):
        _, proof = run("prove", "--clause", clause)
        found = [f for c in proof["clauses"][0]["evidence"] for f in c["findings"]]
        assert not [f for f in found if f["where"].startswith("agency")]
    _, before = run("task", "list")
    assert not before["tasks"]
    later = (NOW + dt.timedelta(days=1)).isoformat()
    run("hold", "release", held["hold"], "--why", "settled", "--now", later)
    for _ in range(2):  # a second run writes no second letter
        status, let_go = run("retain", "run", "--now", later)
        assert status == 1
        assert steps(let_go)["agency.subscribers"] == (1, 0, False, False)
    run("task", "done", task_of(run), "--evidence", "letter of the agency")
    status, let_go = run("retain", "run", "--now", later)
    assert status == 0
    assert steps(let_go)["agency.subscribers"] == (1, 1, False, True)
    status, let_go = run("retain", "run", "--now", later)
    assert (status, let_go["steps"]) == (0, [])


def test_what_a_case_of_several_left_with_people_is_asked_for_when_it_has_forgotten(
    run: Run, three: Path
) -> None:
    """They were asked of another of them in that case, each was kept for a reason of its own, and
    the case names nobody any more: what is said of one of them is said of no other.
    """
    who = {name: parse(f"email={name}@example.org") for name in ("ana", "bob", "zoe")}
    kept = {
        name: run("hold", "add", "--ground", "a claim", "--clause", "RET-10", "--system", "agency",
                  "--identity", f"email={name}@example.org")[1]["hold"]
        for name in ("ana", "bob")
    }  # fmt: skip
    several = Request(tuple((one,) for one in who.values()), override="test")

    def settle(outcome: str) -> None:
        run("task", "done", task_of(run, still=True), "--evidence", "their letter", "--outcome",
            outcome)  # fmt: skip

    with Controller.open(deployment.read(three)) as controller:
        first = rights.erase(controller, several, NOW)
        controller.deliver(NOW)
        settle("done")
        assert rights.erase(controller, Request((), override="test", case=first.case), NOW).complete
        with controller.database.connection() as c:
            strike(controller.vault, [controller.cases.get(first.case).number], NOW, c)
    for day, name in enumerate(kept, 1):
        later = (NOW + dt.timedelta(days=day)).isoformat()
        run("hold", "release", kept[name], "--why", "settled", "--now", later)
        for _ in range(2):
            status, let_go = run("retain", "run", "--now", later)
            assert (status, let_go["ended"], let_go["unreached"]) == (1, 1, [])
        task = task_of(run)
        assert name in (three / "letters" / f"{task}.task.json").read_text("utf-8")
        settle("cannot")  # they hold it still
        status, let_go = run("retain", "run", "--now", later)
        assert (status, let_go["gone"]) == (1, 0)
        problem = next(s["problem"] for s in let_go["steps"] if s["store"] == "agency")
        assert "they say that they cannot" in problem
        settle("done")
        status, let_go = run("retain", "run", "--now", later)
        assert (status, let_go["gone"]) == (0, 1)
        assert run("retain", "run", "--now", later)[1]["steps"] == []
    with Controller.open(deployment.read(three)) as controller:
        said = [e for _, e in controller.ledger.entries(kind="word.given", case=first.case)]
    assert [e.body["outcome"] for e in said] == ["done", *("cannot", "done") * 2]
    assert all(e.body["role"] for e in said)


def test_a_job_that_hides_its_rows_is_not_done(run: Run, crm: Vendor) -> None:
    """The service shows her no more, but says itself that it is still at work."""
    crm.later = crm.hidden = True
    _, first = run("rights", "erase", "--identity", EMAIL, "--yes", "--override", "test")
    assert steps(first)["crm.contact"] == (1, 0, False, False)
    _, second = run("rights", "erase", "--case", first["case"], "--yes")
    assert steps(second)["crm.contact"] == (1, 0, False, False)
    assert len(crm.jobs) == 1
    crm.work()
    _, third = run("rights", "erase", "--case", first["case"], "--yes")
    assert steps(third)["crm.contact"] == (1, 1, True, False)


def test_reminders_come_on_their_days(run: Run, three: Path) -> None:
    run("rights", "erase", "--identity", EMAIL, "--yes", "--override", "test")
    counts = []
    for day in range(18):
        _, sent = run("task", "send", now=NOW + dt.timedelta(days=day))
        counts.append(sum(t["reminders"] > 0 for t in sent["sent"]))
    assert [day for day, n in enumerate(counts) if n] == [10, 13, 16]
    (letter,) = (three / "letters").glob("*.txt")
    assert letter.read_text("utf-8").startswith("We asked you on 2026-11-23")


def test_in_mode_observe_nobody_is_asked(run: Run, three: Path, tmp_path: Path) -> None:
    toml = three / "kept.toml"
    text = toml.read_text("utf-8")
    toml.write_text(text.replace('mode = "act"\nmap = "agency', 'mode = "observe"\nmap = "agency'))
    out = str(tmp_path / "x.zip")
    run("rights", "erase", "--identity", EMAIL, "--override", "test")
    _, met = run("rights", "access", "--identity", EMAIL, "--override", "test", "--out", out)
    assert {u["store"]: u["why"] for u in met["unreached"]}["agency"].startswith("mode observe")
    assert not (three / "letters").exists()


_DRIVER = """
import os, signal, sys
from pathlib import Path
from kept.stores import http, http_client, mailbox, tasks
owner, method, when, which = sys.argv[2:6]
cls = {"Client": http_client.Client, "Journal": http.Journal, "TaskFolder": tasks.TaskFolder}[owner]
whole, calls = getattr(cls, method), 0
def killed(self, *args, **kwargs):
    global calls
    calls += 1
    if when == "before" and calls == int(which):
        os.kill(os.getpid(), signal.SIGKILL)
    result = whole(self, *args, **kwargs)
    if when == "after" and calls == int(which):
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(cls, method, killed)
from kept.app.cli import main
main(["rights", "erase", "--identity", sys.argv[6], "--yes", "--override", "test",
      "--dir", sys.argv[1]])
"""


@pytest.mark.parametrize(
    ("owner", "method", "when", "which", "later"),
    [
        ("Client", "_send", "before", 6, False),
        ("Client", "_send", "after", 6, False),
        ("Journal", "put", "after", 1, True),  # noted, not sent
        ("Journal", "put", "before", 2, True),  # taken by the service, its address not noted
        ("Journal", "put", "after", 2, True),
        ("Journal", "remove", "before", 1, False),
        ("TaskFolder", "put", "before", 1, False),
        ("TaskFolder", "put", "after", 1, False),
    ],
)
def test_killed_anywhere_it_goes_on(
    owner: str, method: str, when: str, which: int, later: bool,
    three: Path, crm: Vendor, run: Run,
) -> None:  # fmt: skip
    crm.later = crm.hidden = later
    killed = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(three), owner, method, when, str(which), EMAIL],
        cwd=ROOT, env={**os.environ}, capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    if which == 2 and when == "before":
        # Nothing is known of the order but that it was sent: it is asked for again.
        run("rights", "erase", "--case", run("case", "list")[1]["cases"][0]["case"], "--yes")
        assert len(crm.jobs) == 1
    crm.work()
    _, listed = run("case", "list")
    case = listed["cases"][0]["case"]
    for _ in range(3):
        status, met = run("rights", "erase", "--case", case, "--yes")
        crm.work()
    assert [r["id"] for r in crm.rows["contact"]] == [2]
    assert [r["id"] for r in crm.rows["ticket"]] == [11]
    assert sql(three, "SELECT email FROM customer ORDER BY id")[1:] == [
        ("Ben@Example.org",), ("cleo@example.org",),
    ]  # fmt: skip
    assert not met["complete"]
    run("task", "done", task_of(run), "--evidence", "letter")
    status, met = run("rights", "erase", "--case", case, "--yes")
    assert (status, met["complete"]) == (0, True)
    # Who had her data is told once all is done; nothing else is left to do.
    left = [f for f in (three / "state").rglob("*") if f.is_file() and not f.name.startswith(".")]
    assert {f.parent.parent.name for f in left} == {"recipients"}
