"""The package that a person gets: what it says, and where it may be written."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import socket
import sqlite3
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import AccessAnswer, Request
from kept.duties.rights.cells import words as as_words
from kept.duties.rights.package import Package, refuse_target
from kept.errors import UsageError
from kept.terms.identifiers import parse
from tests.world import NOW, STATS, edit, make, sql

ANA = "email=ana@example.org"


class Pack(NamedTuple):
    """An access, with what lies in its package."""

    told: AccessAnswer
    answer: dict[str, Any]
    page: str


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def request(*identifiers: str, evidence: str | None = None) -> Request:
    who = tuple(parse(i) for i in identifiers)
    return Request((who,), evidence=evidence, override=None if evidence else "test")


def access(controller: Controller, out: Path, *who: str, evidence: str | None = None) -> Pack:
    told = rights.access(controller, request(*who, evidence=evidence), NOW, out=out)
    with zipfile.ZipFile(out) as archive:
        answer = json.loads(archive.read("answer.json"))
        page = bare(archive.read("index.html").decode())
    # Both answers say the same of what they share.
    assert {k: v for k, v in told.document().items() if k in answer and k != "unreached"} == {
        k: answer[k] for k in told.document() if k in answer and k != "unreached"
    }
    return Pack(told, answer, page)


def bare(page: str) -> str:
    """The page without what says where an address may break."""
    return re.sub(r'<wbr>|<span class="(?:bound|run)">([^<]*)</span>', r"\1", page)


def part(page: str, heading: str) -> str:
    """What stands on the page under one of its main headings; empty where there is none."""
    return next((t for t in page.split("<h2>") if t.startswith(f"{heading}</h2>")), "")


def test_it_leads_to_the_list_of_authorities(controller: Controller, tmp_path: Path) -> None:
    """Art. 15(1)(f): to whom she can complain, where nobody asked in which country she lives."""
    page = access(controller, tmp_path / "a.zip", "email=ben@example.org").page
    link = f'<a href="{controller.site_url}/privacy/authorities">Our list of authorities</a>'
    assert link in part(page, "Where you can complain")


# — where it may be written ———————————————————————————————————————————————————————————————————


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the whole path may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _link(path: Path) -> None:
    path.with_name("aim").write_text("precious")
    path.symlink_to("aim")


THINGS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a directory": Path.mkdir,
    "a link": _link,
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a file": lambda path: path.write_text("an earlier package"),
}


def _state(directory: Path) -> dict[str, tuple[int, int, str]]:
    found = {}
    for path in directory.iterdir():
        met = path.lstat()
        text = path.read_text() if stat.S_ISREG(met.st_mode) else ""
        found[path.name] = (met.st_mode, met.st_ino, text)
    return found


@pytest.mark.parametrize("thing", THINGS)
def test_nothing_that_exists_is_written_over_and_no_case_is_opened(
    thing: str, controller: Controller, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    place.mkdir()
    THINGS[thing](place / "pack.zip")
    before = _state(place)
    with pytest.raises(UsageError) as refused:
        rights.access(controller, request(ANA), NOW, out=place / "pack.zip")
    assert refused.value.met == thing.removesuffix(" that leads nowhere")
    assert "--out" in str(refused.value)
    assert _state(place) == before
    with controller.database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM rights_case").fetchone() == (0,)


#: An answer and its page about nothing at all.
EMPTY: tuple[dict[str, Any], dict[str, Any]] = (
    {"case": "", "complete": True, "nothing_held": True, "not_searched": [], "searched_by": [],
     "summary": "", "systems": [], "unreached": [], "verification": ""},
    {"address": "", "asked_words": "", "by_law": [], "choices": [], "covered": [], "held": [],
     "kept": [], "language": "en", "named": [], "organisation": {"name": "", "email": ""},
     "policy_words": "", "site": None, "title": ""},
)  # fmt: skip


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_what_appears_meanwhile_is_not_written_over(
    thing: str, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_: object) -> None:
        raise PermissionError  # a file system without second names

    if not links:
        monkeypatch.setattr(os, "link", without)
    place = tmp_path / "out"
    place.mkdir()
    with Package(place / "pack.zip", NOW) as package:
        THINGS[thing](place / "pack.zip")
        before = {n: s for n, s in _state(place).items() if not n.startswith(".kept-")}
        package.finish(*EMPTY)
        with pytest.raises(UsageError):
            package.place()
    assert _state(place) == before


def test_a_new_name_in_a_directory_that_exists(tmp_path: Path) -> None:
    refuse_target(tmp_path / "pack.zip")
    for path in (tmp_path / "nowhere" / "pack.zip", tmp_path / ("x" * 300)):
        with pytest.raises(UsageError):
            refuse_target(path)


def test_only_its_owner_may_read_it(controller: Controller, tmp_path: Path) -> None:
    access(controller, tmp_path / "pack.zip", ANA)
    assert stat.S_IMODE((tmp_path / "pack.zip").stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".kept-")] == []


# — what it says ——————————————————————————————————————————————————————————————————————————————


def test_of_rows_in_use_it_says_what_for_and_how_long(
    controller: Controller, tmp_path: Path
) -> None:
    pack = access(controller, tmp_path / "pack.zip", ANA)
    held = part(pack.page, "What we hold")
    for words in ("Shop", "Customers", "What for", "On which ground", "How long", "O&#39;Neill"):
        assert words in held, words
    assert part(pack.page, "What has to stay, and why") == ""
    assert pack.answer["stays"] == []
    assert pack.answer["nothing_held"] is False
    assert "found 5 records in 4 places" in pack.answer["summary"]


def test_the_period_of_the_law_stands_beside_that_of_our_own_use(
    controller: Controller, tmp_path: Path
) -> None:
    """An invoice that the law keeps for ten years is not said to go after our own period."""
    held = part(access(controller, tmp_path / "a.zip", ANA).page, "What we hold")
    invoices = held.split("<h4>Invoices</h4>")[1].split("<h4>")[0]
    law = controller.bundle.retention["transactions-paid"].law
    assert law is not None
    assert "For our own use: no period has been set yet." in invoices
    assert f"Because a law asks for it ({law.citation}): 10 years after it was made." in invoices
    trials = held.split("<h4>Trials</h4>")[1].split("<h4>")[0]
    assert "Because a law" not in trials


def test_what_two_systems_call_the_same_says_in_lists_which_is_meant(
    world: Path, tmp_path: Path
) -> None:
    (world / "stats.yml").write_text(STATS.replace("Scores", "Customers"), "utf-8")
    with sqlite3.connect(world / "stats.sqlite") as own:
        own.execute("CREATE TABLE score (id INTEGER PRIMARY KEY, mail TEXT, worth TEXT)")
        own.execute("INSERT INTO score VALUES (1, 'ana@example.org', 'high')")
    with (world / "kept.toml").open("a") as file:
        file.write(f'[systems.stats]\nstore = "sqlite"\nurl = "sqlite:///{world}/stats.sqlite"\n'
                   'mode = "observe"\nmap = "stats.yml"\n')  # fmt: skip
    with Controller.open(deployment.read(world)) as controller:
        page = access(controller, tmp_path / "a.zip", ANA).page
    toc = page[page.index("What is in this answer") : page.index("Where we looked</h2>")]
    assert re.findall(r">(Customers[^<]*|Invoices[^<]*)</a>", toc) == [
        "Customers (Shop)", "Invoices", "Customers (Statistics)",
    ]  # fmt: skip


def test_what_proves_who_she_is_is_named_and_not_handed_out(world: Path, tmp_path: Path) -> None:
    sql(world, "ALTER TABLE customer ADD COLUMN pass_hash TEXT")
    sql(world, "UPDATE customer SET pass_hash = 'scrypt-4711' || id")
    field = "      pass_hash: {category: account, secret: true}\n"
    edit(world / "shop.yml", "      since: {type: datetime", field + "      since: {type: datetime")
    with Controller.open(deployment.read(world)) as controller:
        out = tmp_path / "a.zip"
        pack = access(controller, out, ANA)
        ported = rights.port(controller, request(ANA), NOW, out=tmp_path / "p.zip")
    (withheld,) = pack.answer["withheld"]
    assert (withheld["dataset"], withheld["fields"]) == ("customer", ["pass_hash"])
    assert "without pass hash, which would let whoever reads this pass for you" in pack.page
    assert [one for one in ported.left_out if one.fields == ("pass_hash",)]
    for file in (out, tmp_path / "p.zip"):
        with zipfile.ZipFile(file) as archive:
            assert archive.namelist()
            for name in archive.namelist():
                assert b"scrypt-4711" not in archive.read(name), name
    # It is hers, and goes with her.
    with Controller.open(deployment.read(world)) as controller:
        rights.erase(controller, request(ANA), NOW)
    kept = sql(world, "SELECT count(*) FROM customer WHERE pass_hash = 'scrypt-47111'")
    assert kept == [(0,)]


def test_what_the_map_gives_no_purpose_for_is_said(world: Path, tmp_path: Path) -> None:
    edit(world / "shop.yml", "    activities: [communicate]\n", "")
    with Controller.open(deployment.read(world)) as controller:
        pack = access(controller, tmp_path / "a.zip", ANA)
    assert pack.answer["not_stated"] == [{"system": "shop", "dataset": "note"}]
    held = part(pack.page, "What we hold")
    notes = held.split("<h4>Notes</h4>")[1].split("<h4>")[0]
    assert "This is not written down yet." in notes
    assert held.count("This is not written down yet.") == 1


def test_of_rows_that_stay_it_says_why_and_until_when_and_no_purpose(
    world: Path, controller: Controller, tmp_path: Path
) -> None:
    sql(world, "INSERT INTO invoice VALUES (9, 1, '14.00', '2020-02-29 00:00:00')")
    assert rights.erase(controller, request(ANA), NOW).complete
    pack = access(controller, tmp_path / "pack.zip", ANA)
    assert pack.told.complete
    assert part(pack.page, "What we hold") == ""
    stays = part(pack.page, "What has to stay, and why")
    law = "The law requires us to keep records of what was sold and paid."
    for words in (law, "The tax and accounting law", "28 February 2030", "1 May 2034", "<q>",
                  "What stays of “Invoices” refers to it.", "Clause RET-10"):  # fmt: skip
        assert words in stays, words
    for words in ("What for", "On which ground", "Who may receive it", "How long", "because"):
        assert words not in pack.page, words
    # Each reason has a step of its own, so that a table of steps can say it as well.
    told = [
        (s.dataset, s.counts.retained, str(s.reason.until)) for s in pack.told.steps if s.reason
    ]
    assert sorted(told) == [
        ("customer", 1, "2034-05-01"), ("invoice", 1, "2030-02-28"), ("invoice", 1, "2034-05-01"),
    ]  # fmt: skip
    assert sum(s.counts.found for s in pack.told.steps) == 3
    assert "an erasure was carried out before" in pack.answer["summary"]

    # Erased once more, the same rows stay, and stand there once.
    assert rights.erase(controller, request(ANA), NOW).complete
    again = access(controller, tmp_path / "again.zip", ANA)
    assert again.answer["stays"] == pack.answer["stays"]
    assert again.told.complete


def test_what_came_after_an_erasure_stands_apart_from_what_stayed(
    world: Path, controller: Controller, tmp_path: Path
) -> None:
    assert rights.erase(controller, request(ANA), NOW).complete
    sql(world, "INSERT INTO customer VALUES (7, 'ana@example.org', 'Ana Again', NULL,"
               " '2026-11-01 00:00:00')")  # fmt: skip
    pack = access(controller, tmp_path / "pack.zip", ANA)
    assert pack.told.complete
    held, stays = (part(pack.page, h) for h in ("What we hold", "What has to stay, and why"))
    assert "Ana Again" in held
    assert "Ana Again" not in stays
    assert "erased-1@erased.invalid" in stays
    assert "erased-1@erased.invalid" not in held
    customers = [s for s in pack.told.steps if s.dataset == "customer"]
    assert [(s.counts.found, s.counts.retained) for s in customers] == [(1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ('"retention.invoices" = "P10Y"', "No date to count from is known yet"),
        ("", "How long is not decided yet"),
    ],
)
def test_without_an_end_it_says_so_in_sentences(
    choice: str, said: str, kept_url: str, tmp_path: Path
) -> None:
    world = make(tmp_path / "endless", kept_url)
    edit(world / "kept.toml", '"retention.invoices" = "P10Y"', choice)
    sql(world, "UPDATE invoice SET at = 'unknown' WHERE customer = 1")
    with Controller.open(deployment.read(world)) as controller:
        assert rights.erase(controller, request(ANA), NOW).complete
        pack = access(controller, tmp_path / "pack.zip", ANA)
    stays = part(pack.page, "What has to stay, and why")
    assert f"sold and paid. {said}, so no end can be named." in stays
    assert "No end is known yet." in stays
    assert "((" not in stays
    assert "))" not in stays


def test_rows_that_stay_for_one_reason_are_one_table_with_the_day_of_each(
    world: Path, controller: Controller, tmp_path: Path
) -> None:
    for number in range(9, 18):
        at = f"{2011 + number}-03-0{number % 9 + 1} 00:00:00"
        sql(world, f"INSERT INTO invoice VALUES ({number}, 1, '14.00', '{at}')")
    assert rights.erase(controller, request(ANA), NOW).complete
    pack = access(controller, tmp_path / "pack.zip", ANA)
    stays = part(pack.page, "What has to stay, and why")
    assert stays.count(">Invoices</h3>") == 1
    assert "1 March 2030 to 9 March 2038. Each record stays until its own day" in stays
    rows = re.findall(r'data-name="stays until"[^>]*><div>([^<]+)<', stays)
    assert len(rows) == 10
    assert rows[0] == "1 March 2030"
    assert "10 records" in stays
    days = [s["until"] for s in pack.answer["stays"] if s["dataset"] == "invoice"]
    assert len(set(days)) == 10


def test_times_and_fields_are_shown_in_one_way_and_raw_for_programs(
    controller: Controller, tmp_path: Path
) -> None:
    subject = controller.subjects.of([parse(ANA)], NOW)
    there = dt.timezone(dt.timedelta(hours=5, minutes=30))
    controller.consents.grant(subject, "marketing.email", NOW.astimezone(there), source="form")
    out = tmp_path / "pack.zip"
    pack = access(controller, out, ANA)
    held = part(pack.page, "What we hold")
    assert pack.page.count("UTC") == 1
    assert set(re.findall(r"\d\d:\d\d[^<]*<", held)) <= {"12:00<", "00:00<"}
    labels = re.findall(r"<dt>([^<]+)</dt>|data-name=\"([^\"]+)\"", held)
    shown = {a or b for a, b in labels}
    assert {"e-mail address", "account number", "your number here", "since when"} <= shown
    assert not {one for one in shown if "_" in one} | (shown & {"email", "mac", "valid from"})
    with zipfile.ZipFile(out) as archive:
        raw = json.loads(archive.read("data/own.fact.json"))[0]
        assert set(json.loads(archive.read("data/shop.customer.json"))[0]) >= {"email", "id"}
    assert dt.datetime.fromisoformat(raw["valid_from"]).utcoffset() is not None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (dt.datetime.fromisoformat("2026-03-04 05:06:07"), "4 March 2026, 05:06"),
        (dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC), "4 March 2026, 05:06"),
        (
            dt.datetime(2026, 3, 4, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "3 March 2026, 23:00",
        ),
        (
            dt.datetime(1, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "1 January 1, 01:00",
        ),
    ],
)
def test_a_time_is_shown_in_utc_to_the_minute(value: dt.datetime, shown: str) -> None:
    assert as_words(value) == shown


def test_kept_itself_is_explained(controller: Controller, tmp_path: Path) -> None:
    subject = controller.subjects.of([parse(ANA)], NOW)
    controller.consents.grant(subject, "marketing.email", NOW, source="form")
    pack = access(controller, tmp_path / "pack.zip", ANA)
    held = part(pack.page, "What we hold")
    for words in ("Our privacy desk (Kept)", "remembers your choices", "What you chose",
                  "You agreed to it: Promote by e-mail",
                  "Nobody outside gets these records"):  # fmt: skip
        assert words in held, words
    # Who is told of her choices does not receive these records; bytes are nothing to read.
    desk = held.partition("Our privacy desk (Kept)")[2]
    for words in ("Service providers", "Advertising", "consent:", "data, not text"):
        assert words not in desk, words
    assert re.search(r"<dt>known since</dt><dd[^>]*>23 November 2026, 12:00</dd>", desk)
    (own,) = (s for s in pack.answer["systems"] if s["system"] == "own")
    assert own["title"] == "Our privacy desk (Kept)"
    assert own["about"]
    assert own["found"] > 0
    # Every table of Kept's own has a title for people.
    for dataset in controller.datamap.systems["own"].datasets.values():
        assert dataset.title, dataset.name


def test_nothing_held_is_said_with_where_and_by_what(
    controller: Controller, tmp_path: Path
) -> None:
    pack = access(controller, tmp_path / "p.zip", "email=nobody@example.org", "name=Ana O'Neill")
    assert pack.told.complete
    assert pack.answer["nothing_held"] is True
    assert pack.answer["summary"].startswith("Nothing is held under what was given.")
    assert pack.answer["searched_by"] == ["e-mail address"]
    assert {s["title"]: s["asked"] for s in pack.answer["systems"]} == {
        "Shop": True, "Our privacy desk (Kept)": True,
    }  # fmt: skip
    left_out, texts = pack.answer["not_searched"]
    assert "name" in left_out["what"]
    assert left_out["why"]
    assert texts["what"] == "What others wrote in: Notes (Shop)"
    for words in ("Nothing is held under what was given", "We searched by your e-mail address",
                  "Shop", "nothing", "The name alone"):  # fmt: skip
        assert words in pack.page, words
    assert part(pack.page, "What we hold") == ""


def test_a_name_alone_is_no_search_and_no_success(controller: Controller, tmp_path: Path) -> None:
    pack = access(controller, tmp_path / "p.zip", "name=Ana O'Neill")
    assert pack.told.complete is False
    assert pack.answer["nothing_held"] is False
    assert pack.answer["searched_by"] == []
    assert not any(s["asked"] for s in pack.answer["systems"])
    assert pack.told.summary.startswith("Nothing was searched")
    assert "does not say whether we hold anything about you" in pack.page
    assert "Ana" not in pack.page


def test_a_kind_that_leads_nowhere_is_named(controller: Controller, tmp_path: Path) -> None:
    pack = access(controller, tmp_path / "p.zip", "ip=192.0.2.7", "phone=+49 30 123456")
    assert pack.answer["searched_by"] == ["telephone number"]
    left_out = {n["what"] for n in pack.answer["not_searched"]}
    # By telephone the customer is found and what hangs on her; not the note, which has an address.
    assert left_out == {"The IP address", "Notes (Shop)", "What others wrote in: Notes (Shop)"}
    assert pack.answer["found"] > 0


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ("a code was sent and given back", "Yes. How: A code was sent and given back."),
        ("She came by. ", "Yes. How: She came by."),
        (None, "No. Who asked was not checked"),
    ],
)
def test_who_asked_is_answered_with_yes_or_no(
    evidence: str | None, said: str, controller: Controller, tmp_path: Path
) -> None:
    pack = access(controller, tmp_path / "p.zip", ANA, evidence=evidence)
    assert pack.answer["verification"].startswith(said)
    assert f"<dd>{said}" in pack.page


def test_an_account_filled_again_after_an_erasure_is_no_complete_answer(
    controller: Controller, world: Path, tmp_path: Path
) -> None:
    rights.erase(controller, request(ANA), NOW)
    assert sql(world, "SELECT count(*) FROM invoice WHERE customer = 1") == [(1,)]
    sql(world, "UPDATE customer SET email = 'ana.new@example.org', name = 'Ana' WHERE id = 1")
    pack = access(controller, tmp_path / "a.zip", "email=ana.new@example.org")
    assert not pack.told.complete
    assert "written over in an earlier erasure and are in use again" in pack.told.warnings[0]
    assert [s.dataset for s in pack.told.steps if s.counts.found] == ["customer"]
    plan = rights.preview(controller, request("email=ana.new@example.org"), NOW)
    assert pack.told.warnings[0] in plan.warnings
