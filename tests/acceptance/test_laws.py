"""Laws of the house that can only be seen from outside, in the acceptance world.

The ledger holds no personal data. GET changes nothing. Errors, logs and what Kept stores carry
no personal data outside sealed bytes.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from examples.company.life import NAME, Browser
from examples.company.seed import CAST

from kept.app.surface import ROUTES
from tests.acceptance.conftest import BEFORE, IN_FORCE, World, crawl, kept
from tests.world import ROOT

LIFE = "zoe.d'arcy"
#: How a GET of any route may be answered.
_ANSWERS = {200, 204, 302, 303, 307, 404, 405, 501}
PEOPLE = sorted(
    {w for p in CAST for w in (p.name.strip(), p.email, p.phone) if w} | {NAME, LIFE, "Zoë"}
)


def spellings(words: str) -> set[bytes]:
    """How something could be written down by mistake: as it is, escaped, in hexadecimals."""
    found = set()
    for text in {words, words.lower(), words.upper()}:
        escaped = json.dumps(text)[1:-1]
        found |= {text, escaped, quote(text), quote(text, safe="@"), text.encode().hex()}
    return {text.encode() for text in found}


NEEDLES = {person: spellings(person) for person in PEOPLE}


def met(data: bytes, people: Iterable[str] = PEOPLE) -> list[str]:
    """Who is met in some bytes."""
    return [person for person in people if any(n in data for n in NEEDLES[person])]


def test_a_person_would_be_met() -> None:
    for form in (str, quote, json.dumps, lambda w: w.encode().hex(), str.upper):
        text = f"before {form('ana.weber@example.de')} after"
        assert met(text.encode()) == ["ana.weber@example.de"]
    assert met(b"erased-1@erased.invalid") == []


# — GET changes nothing ———————————————————————————————————————————————————————————————————————


def everything(world: World) -> tuple[object, ...]:
    """Kept's tables row by row (the ledger among them), the company's, and the keys."""
    keys = {
        str(p): p.read_bytes() for p in (world.directory / "keys").rglob("*") if p.is_file()
    }  # fmt: skip
    with world.sql() as connection:
        (turns,) = connection.execute(
            "SELECT jsonb_object_agg(sequencename, last_value) FROM pg_sequences"
        ).fetchone() or (None,)
    return world.dump(), turns, world.rows(), keys


def test_law_8_GET_changes_nothing(world: World, person: tuple[str, Browser]) -> None:
    """Every GET route of the table, every page that links lead to, and paths that are nowhere."""
    world.kept("prove")
    fill = {
        "number:int": "2", "version:str": IN_FORCE, "name:str": "kept.css", "token:str": "x" * 43,
        "request_id:str": "x", "agent_id:str": "X", "record:str": "x" * 32, "form:str": "contact",
    }  # fmt: skip
    routes = [
        re.sub(r"\{([^}]+)\}", lambda place: fill[place[1]], route.name)
        for route in ROUTES
        if route.method == "GET"
    ]
    assert len(routes) >= 7
    before = everything(world)
    size = len(before[0]["ledger_entry"])  # type: ignore[index]
    assert size > 10
    pages = crawl(world.url)
    assert len(pages) > 100
    assert f"/privacy/versions/{BEFORE}" in pages
    site = crawl(world.site)
    assert {"/", "/contact", "/trial", "/product"} <= site.keys()
    nowhere = ["/nowhere", "/privacy/versions/1999-01-01", "/privacy/sentences/99999",
               f"/privacy/versions/{person[0]}", "/api/v1/decide"]  # fmt: skip
    queries = [f"/privacy?email={person[0]}", f"/?unsubscribe={person[0]}"]
    for base, paths in (
        (world.url, [*routes, *nowhere, *queries]),
        (world.site, [*site, "/order", "/support", "/onboarding", *nowhere[:1], *queries]),
    ):
        for path in paths:
            for method in ("GET", "HEAD", "OPTIONS"):
                connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
                with closing(connection):
                    # As somebody who is logged in, with a token that opens the door.
                    connection.request(method, path, headers={
                        "Authorization": f"Bearer {world.company.token}",
                        "Cookie": person[1].cookie,
                    })  # fmt: skip
                    assert connection.getresponse().status in _ANSWERS
    assert everything(world) == before
    # And the same look sees a POST.
    world.ask("communicate", "contact.email")
    assert len(everything(world)[0]["ledger_entry"]) == size + 1  # type: ignore[index]


# — nothing about people where it does not belong —————————————————————————————————————————————


def wrong(world: World) -> Iterator[list[object]]:
    """Commands that go wrong, each about somebody of the Cast.

    What is repeated where it is wrong: the name of a role, of a clause, of a file.
    """
    nowhere = world.scratch / "no-such-directory" / "x.zip"
    for person in (p for p in CAST if p.number in (1001, 1003, 1005, 1009)):
        who = f"email={person.email}"
        name = person.name
        yield from (
            ["rights", "access", "--identity", person.email],
            ["rights", "access", "--identity", f"name={name}"],
            ["rights", "access", "--identity", f"colour={person.email}"],
            ["rights", "access", "--identity", f"phone={name}", "--override", "x"],
            ["rights", "access", "--identity", who, "--out", nowhere],
            ["rights", "access", "--identity", who],
            ["rights", "erase", "--identity", who, "--yes"],
            ["rights", "erase", "--identity", who, "--now", name],
            ["rights", "erase", "--identty", who],
            ["rights", person.email],
            ["case", "show", person.email],
            ["case", "list", "--state", name],
            ["hold", "add", "--identity", who, "--ground", "x", "--clause", "RET-10",
             "--system", person.email],
            ["hold", "add", "--identity", who, "--ground", "x", "--clause", "RET-10",
             "--until", name],
            ["hold", "release", person.email, "--why", name],
            ["ledger", "verify", person.email, name],
            ["serve", "--port", name],
        )  # fmt: skip


def sent(world: World) -> Iterator[tuple[str, str, str, str | bytes, dict[str, str]]]:
    """Requests that go wrong: (method, base, path, body, headers)."""
    for base in (world.url, world.site):
        for method in ("HEAD", "DELETE", "NONSENSE"):
            yield method, base, f"/contact?email={CAST[0].email}", "", {}
    bearer = {"Authorization": f"Bearer {world.company.token}", "Content-Type": "application/json"}
    for person in CAST:
        for body in (
            {"purpose": person.name, "category": "contact"},
            {"purpose": "communicate", "category": person.email},
            {"purpose": "communicate", "category": "contact", "grounds": [person.email]},
            {"purpose": "communicate", "category": "contact", "region": person.name},
            {"purpose": "communicate", "category": "contact", person.email: person.name},
            {"purpose": "communicate", "category": "contact",
             "subject": {"kind": person.email, "value": person.name}},
            {"purpose": "communicate", "category": "contact",
             "subject": {"kind": "phone", "value": person.email}},
            {"purpose": "communicate", "category": "contact.email", "context": "site-form",
             "subject": {"kind": "email", "value": person.email}},
        ):  # fmt: skip
            yield "POST", world.url, "/api/v1/decide", json.dumps(body), bearer
        yield "POST", world.url, "/api/v1/decide", f'{{"{person.email}'.encode(), bearer
        yield "POST", world.url, f"/privacy/versions/{quote(person.email)}", "", bearer
        yield (
            "POST",
            world.url,
            "/api/v1/decide",
            "{}",
            {"Authorization": f"Bearer {quote(person.name)}"},
        )
        form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json",
                "Origin": world.site}  # fmt: skip
        yield "POST", world.site, f"/{quote(person.name)}", f"email={quote(person.email)}", form
        yield "POST", world.site, "/contact", f"email={quote(person.email)}", form


@pytest.fixture(scope="module")
def busy(world: World) -> World:
    """The world after a life, many requests that went wrong, and rights of the Cast."""
    for method, base, path, body, headers in sent(world):
        connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
        with closing(connection):
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            assert reply.status in {200, 400, 401, 403, 404, 405, 409, 501}, (path, reply.status)
            assert met(reply.read()) == [], (path, body)
    command = [sys.executable, "-m", "examples.company", "life", str(world.directory),
               "--site", world.site, "--json"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = {s["step"]: s["facts"] for s in json.loads(done.stdout)["steps"]}
    for step in ("access", "erasure", "access again"):
        assert steps[step]["steps"]
        assert met(json.dumps(steps[step], ensure_ascii=False).encode()) == []
    assert met(done.stderr.encode()) == []
    for person in CAST[:3]:
        ran = world.kept(
            "rights", "access", "--identity", f"email={person.email}", "--out", world.new("pack"),
            "--evidence", "passport, seen at the counter",
        )  # fmt: skip
        assert ran.status == 0, ran.said
        assert met(ran.said.encode()) == []
    world.kept("prove")
    world.kept("ledger", "checkpoint")
    return world


def test_law_10_what_goes_wrong_says_nothing_about_people(busy: World) -> None:
    """The command line, in words and as JSON."""
    for arguments in wrong(busy):
        for as_json in (False, True):
            ran = busy.kept(*arguments, json=as_json)
            assert ran.status in (0, 1, 2)
            assert met(ran.said.encode()) == [], arguments
            if as_json and ran.status:
                assert ran.document


def test_law_10_logs_say_nothing_about_people(busy: World) -> None:
    """Of both servers, and of the database; whatever method and path were asked for."""
    logs = busy.log.read_bytes() + (busy.directory / "postgres" / "log").read_bytes()
    assert met(logs) == []


def test_law_10_what_is_stored_about_people_is_sealed(busy: World) -> None:
    """Kept's tables as text, then every byte of its directory: pages, write-ahead log, keys.

    Not yet: words that staff write (the evidence of who asks, why it was left out, the ground of
    a hold) stand as they were written, and may name somebody. What people are asked to do, and
    whom recipients are told of, says who it is until it is answered; its owner alone reads it.
    """
    dump = {t: "\n".join(rows) for t, rows in busy.dump().items()}
    assert dump["identity"] or dump["case_person"]
    for table, text in dump.items():
        assert met(text.encode()) == [], table
    looked = 0
    for path in sorted(busy.directory.rglob("*")):
        inside = path.relative_to(busy.directory).parts
        if inside[0] in ("company", "policy", "datamap", "documents") or not path.is_file():
            continue
        if inside[0] in ("state", "letters"):
            assert path.stat().st_mode & 0o777 == 0o600, path
            assert path.parent.stat().st_mode & 0o777 == 0o700, path
            continue
        data = path.read_bytes()
        looked += len(data)
        assert met(data) == [], path
    assert looked > 10_000_000


def test_law_3_the_ledger_holds_no_personal_data(busy: World) -> None:
    """Neither people nor what staff wrote of them, nor a plain hash that could be tried out."""
    copy = busy.new("copy")
    assert kept(busy.directory, "ledger", "export", copy).status == 0
    data = b"\n".join(p.read_bytes() for p in sorted(copy.rglob("*")) if p.is_file())
    kinds = set(re.findall(rb'"kind":"([a-z.]+)"', data))
    assert kinds >= {b"use.decided", b"case.opened", b"case.closed", b"access.given", b"step.done",
                     b"suppression.added", b"control.ran"}  # fmt: skip
    assert met(data) == []
    for person in CAST:
        for text in (person.email, person.email.lower(), person.name, f"email={person.email}"):
            for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
                digest = hashlib.new(name, text.encode())
                assert digest.hexdigest().encode() not in data
                assert digest.digest() not in data
    # Whom an entry is about it says with a pseudonym, never with the number of the person.
    about = re.findall(rb'"subjects?":("[^"]*"|\[[^\]]*\]|\d+)', data)
    assert all(re.fullmatch(rb'"[0-9a-f]{32}"|\[("[0-9a-f]{32}",?)*\]', one) for one in about)


def test_law_3_nothing_written_by_hand_reaches_the_ledger(
    world: World, person: tuple[str, Browser]
) -> None:
    """Reasons and evidence are the words of people about people: the ledger has their hashes."""
    email, words = person[0], "Noa O'Brien-Łuc of Street 9"
    who = ("--identity", f"email={email}")
    case = world.kept("rights", "access", *who, "--override", f"{words} is at the counter",
                      "--out", Path(world.new("pack")))  # fmt: skip
    assert case.status == 0, case.said
    checked = world.kept("rights", "access", *who, "--evidence", f"{words} showed a passport",
                         "--out", Path(world.new("pack")))  # fmt: skip
    assert checked.status == 0, checked.said
    hold = world.kept("hold", "add", *who, "--clause", "RET-10", "--system", "customers",
                      "--ground", f"{words} has a dispute")  # fmt: skip
    assert hold.status == 0, hold.said
    released = world.kept("hold", "release", hold.document["hold"], "--why", f"{words} paid")
    assert released.status == 0, released.said
    data = json.dumps(world.ledger())
    assert len(data) > 1000
    for needle in ("O'Brien", "O%27Brien", "Street 9", "Street%209", email, quote(email)):
        assert needle not in data, needle
