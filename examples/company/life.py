"""One person's life with the company: visit, form, trial, account, order, support, access,
erasure, access again. She uses the site as a browser does; the company's privacy officer uses
the command `kept`. What Kept finds is held against a look at every row of both databases.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from examples.company import world as worlds
from examples.company.door import Answer, Door, Use
from examples.company.world import World

NAME = 'Zoë "Zo" D\'Arcy-Žižek'
NOTHING: Mapping[str, Any] = {}
#: What the law on invoices keeps.
HELD = frozenset({"customers.invoice", "customers.order_line"})
ADDRESS = "12 rue de l'Église\n75011 Paris"


@dataclass
class Story:
    """What happened, told as it happens; `wrong` collects what should not have."""

    quiet: bool
    number: int  # which life this is
    steps: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def tell(self, step: str, words: str, facts: Mapping[str, Any] = NOTHING) -> None:
        """One step: its name, what happened in words, and the facts behind it."""
        self.steps.append({"step": step, "words": words, "facts": dict(facts)})
        if not self.quiet:
            print(f"  {step:<13} " + words.replace("\n", "\n" + " " * 16), flush=True)

    def expect(self, holds: bool, what: str) -> None:
        """Remember it when something is not as it should be."""
        if not holds:
            self.wrong.append(what)


class Browser:
    """A person's browser without JavaScript: pages, forms, and the cookie that the site sets."""

    def __init__(self, site: str) -> None:
        self._host, self.cookie = urlsplit(site).netloc, ""

    def get(self, path: str) -> int:
        """Read a page; the status."""
        return self._request("GET", path)[0]

    def send(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        """Open a form, fill it in and send it; status and what the site says it did."""
        hidden = re.findall(
            r'name="(kept[.][a-z]+)" value="([^"]*)"', self._request("GET", path)[1]
        )
        status, text = self._request("POST", path, urlencode({**dict(hidden), **fields}))
        return status, json.loads(text)

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {
            "Accept": "application/json" if body else "text/html", "Cookie": self.cookie,
            "Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self._host}",
        }  # fmt: skip
        connection = http.client.HTTPConnection(self._host, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        self.cookie = reply.getheader("Set-Cookie", self.cookie).partition(";")[0]
        return reply.status, text


def kept(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command `kept` on the deployment; exit status and its JSON."""
    beside = Path(sys.executable).with_name("kept")
    command = str(beside) if beside.exists() else shutil.which("kept") or "kept"
    reason = ("--override", "demonstration") if arguments[0] == "rights" else ()
    run = subprocess.run(
        [command, *arguments, *reason, "--dir", world.directory, "--json"],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "KEPT_ACTOR": "demonstration"},
    )  # fmt: skip
    try:
        return run.returncode, json.loads(run.stdout)
    except json.JSONDecodeError:
        raise RuntimeError(
            f"`kept {arguments[0]}` answered no JSON (exit status {run.returncode}): "
            + run.stderr.strip()[-500:]
        ) from None


def _rows(answer: Mapping[str, Any]) -> dict[str, int]:
    """system.dataset → rows found in the company's systems; Kept also answers for its own."""
    found: Counter[str] = Counter()
    for step in answer.get("steps", []):
        if step["store"] in ("customers", "support"):
            found[f"{step['store']}.{step['dataset']}"] += step["found"]
    return dict(+found)


def _listed(rows: Mapping[str, int]) -> str:
    return "".join(f"\n{place:<28}{count:>4}" for place, count in sorted(rows.items()))


def _life(world: World) -> int:
    """How many lives there were, with this one: each has a mailbox and answers of its own."""
    count = Path(world.directory) / "company" / "lives"
    number = int(count.read_text("utf-8")) + 1 if count.exists() else 1
    count.write_text(str(number), "utf-8")
    return number


def live(world: World, site: str, *, quiet: bool = False) -> Story:
    """Live it once. `site` is the address of the company's site; Kept serves at `world.kept`."""
    number, browser = _life(world), Browser(site)
    story = Story(quiet, number)
    email = f"zoe.d'arcy{f'+{number}' if number > 1 else ''}@example.fr"
    _arrive(story, browser, world, email)
    _deal(story, browser, email)
    _leave(story, world, email)
    return story


def _form(
    story: Story, step: str, more: str, sent: tuple[int, dict[str, Any]], holds: bool = True
) -> None:
    status, done = sent
    if status != 201:
        story.tell(step, f"not stored: {done.get('reason')}", done)
    else:
        clauses = ", ".join(done["because"][:4]) + " …" * (len(done["because"]) > 4)
        story.tell(
            step,
            f"stored on {done['basis']} for `{done['activity']}`, policy of {done['policy']}; "
            f"{more.format(**done)}.\nKept decided by {clauses}",
            done,
        )
    story.expect(status == 201 and holds, f"the {step} was not taken")


def _arrive(story: Story, browser: Browser, world: World, email: str) -> None:
    before = worlds.everything(world)
    read = [browser.get(path) for path in ("/", "/product", "/about", "/contact", "/trial")]
    silent = worlds.everything(world) == before and not browser.cookie
    story.expect(read == [200] * 5 and silent, "a visit left a trace")
    words = "no cookie, no row stored" if silent else "AND LEAVES A TRACE"
    story.tell("visit", f"{NAME} reads {len(read)} pages: {words}.", {"pages": len(read)})
    sent = browser.send(
        "/contact", email=email, name=NAME, message="Does it run on two screens?",
        utm_source="somewhere", screen="2560x1440",
    )  # fmt: skip
    dropped = sent[1].get("dropped") == 2
    _form(story, "contact form", "{dropped} undeclared fields dropped", sent, dropped)
    sent = browser.send("/trial", email=f" {email.title()} ", name=NAME, newsletter="yes")
    wished = sent[1].get("newsletter") is True
    _form(story, "trial", "the newsletter, asked for apart, on {newsletter_basis}", sent, wished)
    answer = Door(world.kept, world.token).ask(
        Use("marketing.email", "sales-onboarding", "EEA"), "contact.email", email
    )
    story.expect(not answer.allow, "marketing may use what was collected for the contract")
    story.tell("a marketer", f"asks for the addresses of contracts. {_said(answer)}")


def _said(answer: Answer) -> str:
    return f"Kept says {'yes' if answer.allow else 'no'}: {answer.reason}."


def _deal(story: Story, browser: Browser, email: str) -> None:
    sent = browser.send(
        "/onboarding", email=email, name=NAME, address=ADDRESS, country="FR",
        password="a long enough secret", terms="yes",
    )  # fmt: skip
    _form(story, "account", "Terms of Service {terms} accepted", sent)
    _form(story, "order", "invoice {invoice}", browser.send("/order", quantity="3"))
    sent = browser.send(
        "/support", subject="Windows jump", body="Call me: +33 1 99 00 12 34. — Zoë"
    )
    _form(story, "support", "ticket {ticket}, in the other system", sent)


def _leave(story: Story, world: World, email: str) -> None:
    before = worlds.everything(world)
    by_hand = worlds.about(before, email)
    found = _access(story, world, email, "access", by_hand)
    same = "the same as" if found == by_hand else f"NOT the {sum(by_hand.values())} rows of"
    story.tell("by hand", f"looking at all {len(before)} rows finds {same} these.", by_hand)
    status, answer = kept(world, "rights", "erase", "--identity", f"email={email}", "--yes")
    after = worlds.everything(world)
    gone = Counter(table for table, key in before if (table, key) not in after)
    over = Counter(place[0] for place in before if after.get(place, before[place]) != before[place])
    hers = {place: count for place, count in by_hand.items() if place not in HELD}
    story.expect(status == 0 and bool(answer.get("complete")), "the erasure is not complete")
    story.expect(gone + over == Counter(hers), "the erasure touched other rows than hers")
    story.expect(before.keys() >= after.keys(), "the erasure made new rows")
    kept_back = "".join(
        f"\nkept: {s['store']}.{s['dataset']} {s['retained']}, because of {s['law']},"
        f" until {s['until']}"
        for s in answer.get("steps", [])
        if s.get("retained")
    )
    story.tell(
        "erasure",
        f"{_complete(answer)}. {gone.total()} rows gone, {over.total()} written over"
        f" because an invoice refers to it; {len(before) - gone.total() - over.total()} rows of"
        f" others and of the invoice unchanged.{kept_back}",
        answer,
    )
    left_of_her = Counter(by_hand) - gone  # the invoice, and the emptied row that it refers to
    _access(story, world, email, "access again", left_of_her)
    left = worlds.about(worlds.everything(world), email)
    story.expect(not left, "a query by her address still finds her")
    again = Use(
        "marketing.email", "site-form", "EEA", ("consent:marketing.email", "preference:email")
    )
    said = Door(world.kept, world.token).ask(again, "contact.email", email)
    story.expect(not said.allow, "her address may be used for marketing after the erasure")
    story.tell("afterwards", f"her address leads to {sum(left.values())} rows. Somebody brings it "
               f"again for the newsletter.\n{_said(said)}", left)  # fmt: skip


def _complete(answer: Mapping[str, Any]) -> str:
    return "complete" if answer.get("complete") else "NOT COMPLETE"


def _access(
    story: Story, world: World, email: str, step: str, expected: Mapping[str, int]
) -> dict[str, int]:
    name = f"access-{story.number}{'-again' * (step != 'access')}.zip"
    package = Path(world.directory) / "company" / name
    status, answer = kept(
        world, "rights", "access", "--identity", f"email={email}", "--out", str(package)
    )
    found = _rows(answer)
    story.expect(status == 0 and bool(answer.get("complete")), f"the {step} is not complete")
    story.expect(found == expected, f"the {step} does not show what it should")
    files = len(zipfile.ZipFile(package).namelist()) if package.exists() else 0
    story.tell(
        step,
        f"{_complete(answer)}; {sum(found.values())} rows in {name}, of {files} files."
        + _listed(found),
        answer,
    )
    return found
