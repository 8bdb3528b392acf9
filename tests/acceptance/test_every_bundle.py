"""One person's life under every bundle in policies/, each over a company of its own.

What is asked of one bundle is asked of all: what differs is a row of `COMPANIES`. Rows are looked
at by hand, without Kept.
"""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kept.policy.bundle import load
from tests import huts, world
from tests.acceptance.conftest import Page, Ran, crawl, free_port, get, kept, serving
from tests.acceptance.test_laws import spellings
from tests.world import ROOT, vouch

NOW, LATER = "2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z"
Rows = dict[str, set[tuple[Any, ...]]]


@dataclass(frozen=True)
class Company:
    """What a company under a bundle is: its world, one person of it, and what she asks.

    `words` of hers, `others` of somebody else; `hers` and `stays`: table → keys of her rows, and
    of those that outlive an erasure, `isolated` of them sealed; `consent` and `interest`:
    purposes that rest on these; `text`: a table in which others name her.
    """

    make: Callable[[Path, str, str], Path]  # (place, URL of Kept, URL of an empty PostgreSQL)
    tables: dict[str, tuple[str, ...]]
    who: str
    words: tuple[str, ...]
    others: tuple[str, ...]
    hers: dict[str, set[Any]]
    stays: dict[str, set[Any]]
    consent: str
    interest: str
    text: str
    isolated: int


def _shop(place: Path, database: str) -> Path:
    """The small shop of `tests.world`, its notes searched for people."""
    made = world.make(place, database)
    world.edit(made / "shop.yml", "free_text: true", "free_text: redact")
    return made


COMPANIES = {
    "interop.io": Company(
        make=lambda place, database, _: _shop(place, database),
        tables={"shop.sqlite": ("customer", "signup", "invoice", "note")},
        who="email=ana@example.org",
        words=("Ana O'Neill", "ana@example.org", "+49 30 123456"),
        others=("Ben@Example.org", "Cleo; DROP TABLE customer"),
        hers={"customer": {1}, "signup": {1}, "invoice": {1, 2}, "note": {1}},
        stays={"customer": {1}, "invoice": {1}},
        consent="marketing.email",
        interest="site.improve",
        text="",
        isolated=0,
    ),
    "huettenbund": Company(
        make=huts.make,
        tables={
            "office": ("mitglied", "spende", "heft"),
            "huetten.sqlite": ("buchung", "meldeblatt", "kurs", "huettenbuch"),
        },
        who="email=seraina.caflisch@example.org",
        words=(
            "Seraina Caflisch", "seraina.caflisch@example.org", "X0481516", "asthma",
            "Serli vom Grat",
        ),
        others=("Severin Öhe", "s.oehe@example.org", "Ida Öhe", "Beat Ronner"),
        hers={
            "mitglied": {"CH-0017"}, "spende": {1, 2}, "heft": {"CH-0017"}, "buchung": {1},
            "meldeblatt": {"G-1"}, "kurs": {1},
        },
        stays={"mitglied": {"CH-0017"}, "spende": {1}, "meldeblatt": {"G-1"}},
        consent="course-health",
        interest="empty-beds",
        text="huettenbuch",
        isolated=1,
    ),
}  # fmt: skip


def test_every_bundle_has_a_company() -> None:
    assert set(COMPANIES) == {p.parent.name for p in (ROOT / "policies").glob("*/policy.yml")}


class Life:
    """A deployment under one bundle, and its company looked at without Kept."""

    def __init__(self, name: str, place: Path, database: str, office: str) -> None:
        self.name, self.is_, self.office = name, COMPANIES[name], office
        self.database = database
        self.place = self.is_.make(place, database, office)
        self.said: list[str] = []
        self.now = NOW
        self.log = place.parent / "served.log"
        self.url = ""
        vouch(self.place)
        # A port of our own: another deployment of this machine may be served on the usual one.
        with (self.place / "kept.toml").open("a", encoding="utf-8") as settings:
            settings.write(
                f'\n[site]\nport = {free_port()}\nshows = "live"\n'
                '[mail]\nurl = "letters"\nfrom = "privacy@company.example"\n'
            )

    def kept(self, *arguments: object, json: bool = True) -> Ran:
        ran = kept(self.place, *arguments, json=json)
        self.said.append(ran.said)
        return ran

    def asks(self, verb: str, *arguments: object) -> Any:
        """A right of hers, carried out."""
        # Where a map holds special categories, an address alone is too little to give data out.
        way = ("--way", "facts") if verb in ("access", "port") else ()
        ran = self.kept("rights", verb, "--identity", self.is_.who, "--evidence", "at the counter",
                        "--now", self.now, *way, *arguments)  # fmt: skip
        assert ran.status in (0, 1), ran.said
        # A restriction is told when it is lifted, an objection when it is weighed.
        if verb not in ("restrict", "object") and {"--out", "--yes"} & {*arguments}:
            self.tell(ran.document["case"])
        return ran.document

    def tell(self, case: str) -> None:
        """She stands at the counter and is given the answer."""
        ran = self.kept("case", "posted", case, "--in-person", *self.day())
        assert ran.status == 0, ran.said

    def day(self) -> tuple[str, ...]:
        return ("--on", self.now[:10], "--now", self.now)

    def rows(self) -> Rows:
        found: Rows = {}
        for where, tables in self.is_.tables.items():
            for table in tables:
                if where == "office":
                    with psycopg.connect(self.office) as pg:
                        found[table] = set(pg.execute(f"SELECT * FROM {table}").fetchall())
                else:
                    with closing(sqlite3.connect(self.place / where)) as lite:
                        found[table] = set(lite.execute(f"SELECT * FROM {table}").fetchall())
        return found

    def dump(self) -> dict[str, list[str]]:
        """Kept's own tables as text."""
        with psycopg.connect(self.database) as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            ).fetchall()
            return {
                str(t): sorted(
                    str(r[0]) for r in connection.execute(f'SELECT t::text FROM "{t}" t')
                )
                for (t,) in tables
            }


@pytest.fixture(params=sorted(COMPANIES))
def life(
    request: pytest.FixtureRequest, tmp_path: Path, kept_url: str, fresh_pg_url: str
) -> Iterator[Life]:
    one = Life(request.param, tmp_path / "world", kept_url, fresh_pg_url)
    ran = one.kept("policy", "publish", "--now", NOW)
    assert ran.status == 0, ran.said
    with serving("kept.app", "serve", "--dir", str(one.place), "--json", log=one.log) as ready:
        one.url = ready["url"]
        yield one


def keys(rows: Rows) -> dict[str, set[Any]]:
    return {table: {row[0] for row in found} for table, found in rows.items()}


def member(path: Path) -> tuple[dict[str, Any], str]:
    """The answer of a package, and all that is in it as text."""
    with zipfile.ZipFile(path) as archive:
        texts = [archive.read(n).decode("utf-8", "replace") for n in archive.namelist()]
        return json.loads(archive.read("answer.json")), "\n".join(texts)


def test_one_life(life: Life, tmp_path: Path) -> None:
    is_ = life.is_
    before = life.rows()
    # Access: every row of hers, nobody else's.
    told = life.asks("access", "--out", tmp_path / "all.zip")
    answer, text = member(tmp_path / "all.zip")
    assert told["complete"], told
    for words in is_.words:
        assert words.casefold() in text.casefold(), words
    for words in is_.others:
        assert words.casefold() not in text.casefold(), words
    counted = {s["dataset"]: s["found"] for s in answer["steps"] if s["dataset"] in before}
    assert counted == {
        table: sum(row[0] in is_.hers[table] for row in before[table]) for table in is_.hers
    }
    # Portability: what she gave, on consent or a contract.
    told = life.asks("port", "--out", tmp_path / "hers.zip")
    assert told["complete"], told
    _, text = member(tmp_path / "hers.zip")
    assert is_.words[0] in text
    assert not any(words in text for words in is_.others)
    # Consent taken back, objection, restriction; each stops at once.
    stops = {
        t["purpose"] for t in life.asks("withdraw", "--purpose", is_.consent, "--yes")["stops"]
    }
    assert is_.consent in stops
    assert life.rows() == before
    told = life.asks("object", "--purpose", is_.interest, "--yes")
    assert is_.interest in {t["purpose"] for t in told["weighed"]}
    case = told["case"]
    early = life.kept("case", "posted", case, "--in-person", *life.day())
    assert early.status == 2, early.said
    assert "not her answer yet" in early.said
    weighed = ("rights", "weigh", "--case", case, "--outcome", "upheld", "--grounds", "no reason")
    done = life.kept(*weighed, "--now", life.now)
    assert done.status == 0, done.said
    life.tell(case)
    told = life.asks("restrict", "--ground", "accuracy", "--yes")
    assert told["stops"]
    assert life.rows() == before
    proven(life)
    lift = ("rights", "lift", "--case", told["case"])
    done = life.kept(*lift, "--told", "by letter", "--now", life.now)
    assert done.status == 0, done.said
    life.now = LATER
    done = life.kept(*lift, "--reason", "it was right", "--now", life.now)
    assert done.status == 0, done.said
    # Erasure: what a law keeps stays, all else of hers goes, nothing of others is touched.
    shown = life.asks("erase")
    assert life.rows() == before
    told = life.kept(
        "rights", "erase", "--case", shown["case"], "--yes", "--now", life.now
    ).document
    assert told["complete"], told
    life.tell(shown["case"])
    after = life.rows()
    for table, rows in before.items():
        mine, kept_ = is_.hers.get(table, set()), is_.stays.get(table, set())
        assert keys(after)[table] == keys(before)[table] - (mine - kept_), table
        if table != is_.text:  # where she is named in what others wrote
            assert {r for r in rows if r[0] not in mine} <= after[table], table
    plain = repr(after)
    assert not [w for w in is_.words if w in plain]
    retained = sum(step["retained"] for step in told["steps"])
    assert retained >= 1
    assert sum(step["isolated"] for step in told["steps"]) == is_.isolated
    assert keys(after).get(is_.text, set()) == keys(before).get(is_.text, set())
    # She is found again by what stays, and only that.
    again = life.asks("access", "--out", tmp_path / "left.zip")
    assert again["complete"], again
    proven(life)
    assert life.kept("ledger", "verify").status == 0
    page_is_its_own(life)
    get_changes_nothing(life)
    says_nothing_about_people(life)


def proven(life: Life) -> None:
    """Every control that the bundle names, and nothing amiss."""
    ran = life.kept("prove", "--now", life.now)
    outcomes = {c["id"]: c["outcome"] for c in ran.document["clauses"]}
    wrong = {
        c["id"]: [f for e in c["evidence"] for f in e["findings"]]
        for c in ran.document["clauses"]
        if c["outcome"] in ("fail", "error", "expired")
    }
    assert not wrong, wrong
    assert ran.status == 0, ran.said
    # Looked at nothing is no pass: each control that the bundle names found something to look at.
    assert list(outcomes.values()).count("pass") >= 20, outcomes


def page_is_its_own(life: Life) -> None:
    """The page says whose policy it is and holds every part; nothing of the other bundles."""
    bundle = load(ROOT / "policies" / life.name)
    reply = get(life.url + "/privacy")
    page = Page(reply.text)
    assert reply.status == 200
    assert f'lang="{bundle.languages[0]}"' in reply.text
    assert [i for i in page.ids if i in {s.id for s in bundle.sections}] == [
        s.id for s in bundle.sections
    ]
    assert bundle.organisation.name in page.text
    assert bundle.organisation.email in page.text
    for other in set(COMPANIES) - {life.name}:
        strange = load(ROOT / "policies" / other)
        for words in (strange.organisation.name, strange.organisation.email, strange.title):
            assert words not in reply.text, words


def get_changes_nothing(life: Life) -> None:
    """Every page that links lead to, and paths that are nowhere."""
    before = life.dump(), life.rows()
    pages = crawl(life.url, "/privacy")
    assert len(pages) > 40
    assert {r.status for r in pages.values()} <= {200, 302, 307}
    for path in ("/nowhere", "/api/v1/decide", f"/privacy?email={life.is_.who}"):
        get(life.url + path)
    assert (life.dump(), life.rows()) == before


def says_nothing_about_people(life: Life) -> None:
    """What commands and the server said, Kept's tables, and the ledger: laws 3 and 10."""
    people = {w: spellings(w) for w in (*life.is_.words, *life.is_.others) if len(w) > 6}
    copy = life.place.parent / "copy"
    assert life.kept("ledger", "export", copy).status == 0
    ledger = b"\n".join(p.read_bytes() for p in sorted(copy.rglob("*")) if p.is_file())
    assert b'"case.closed"' in ledger
    tables = json.dumps(life.dump(), ensure_ascii=False).encode()
    assert b"case_step" in tables
    said = "\n".join(life.said).encode() + life.log.read_bytes()
    for where, data in (("ledger", ledger), ("tables", tables), ("said", said)):
        assert not [w for w, forms in people.items() if any(f in data for f in forms)], where
