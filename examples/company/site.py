"""The web site: server-rendered pages, two declared forms, an account. No third-party request,
no cookie before somebody opens an account, and that one only for the account.

Every answer is a page, or JSON where the client asks for it.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import signal
import sys
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

from examples.company import counter
from examples.company.counter import Incomplete
from examples.company.door import Door, Refused, Unanswered
from examples.company.world import World

LONGEST = 64 * 1024
NOTHING: Mapping[str, str] = {}
POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
PAGES = {
    "/": ("Windows that work together", "One desktop for all the programs of a trading floor.</p>"
          '<p>This company is invented. Its forms work: <a href="/contact">write to it</a> or <a '
          'href="/trial">start a trial</a>. Before it stores a word of yours, it asks Kept.'),
    "/product": ("The product", "Arrange, link and restore windows. A seat costs 240 EUR a year."),
    "/about": ("About us", "We are a small company. This one exists to show how Kept works."),
}  # fmt: skip
LINKS = {
    "/": "Home", "/product": "Product", "/trial": "Trial", "/onboarding": "Account",
    "/order": "Order", "/support": "Support", "/contact": "Contact", "/about": "About us",
}  # fmt: skip
#: What a browser may fill in by itself (WCAG 1.3.5), by the name of the field.
FILL = {
    "email": "email", "name": "name", "company": "organization", "job_title": "organization-title",
    "address": "street-address", "phone": "tel", "country": "country", "state": "address-level1",
    "password": "new-password",
}  # fmt: skip
#: What an answer says to a person.
TOLD = {
    "reason": "Why", "invoice": "Invoice", "ticket": "Ticket", "basis": "Legal basis",
    "activity": "Used for", "policy": "Policy of", "because": "Decided by the clauses",
    "dropped": "Fields left out", "newsletter_basis": "News, asked for apart",
}  # fmt: skip
ONBOARDING = """
<p>The fields are needed for the contract: without them there is no account and no invoice.</p>
<label>E-mail address of your trial <input name="email" type="email" required></label>
<label>Name <input name="name" required></label>
<label>Address for invoices <textarea name="address" required></textarea></label>
<label>Country, two letters <input name="country" pattern="[A-Za-z]{2}" required></label>
<label>State, for the USA <input name="state"></label>
<label>Password <input name="password" type="password" minlength="10" required></label>
<label class="box"><input type="checkbox" name="terms" value="yes" required>
<span>I accept the Terms of Service</span></label>"""
ORDER = """
<label>Seats for a year <input name="quantity" type="number" min="1" max="500" value="1"></label>
<p>Name and address of your account go onto the invoice: the law asks for them.</p>"""
SUPPORT = """
<label>Subject <input name="subject" required></label>
<label>What happened? <textarea name="body" required></textarea></label>"""
OWN_FORMS = {
    "/onboarding": ("Open your account", ONBOARDING), "/order": ("Order", ORDER),
    "/support": ("Ask for support", SUPPORT),
}  # fmt: skip


def page(title: str, body: str, here: str = "") -> str:
    """A whole page; `here` is its path."""
    mark = ("", ' aria-current="page"')
    nav = "".join(f'<a href="{to}"{mark[to == here]}>{text}</a>' for to, text in LINKS.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Example '
        'company</title><meta name="viewport" content="width=device-width, initial-scale=1"><link '
        'rel="stylesheet" href="/style.css"></head><body><header><b>Example company</b><nav>'
        f"{nav}</nav></header><main><h1>{title}</h1>{body}</main><footer><a href="
        '"/privacy">Privacy policy, and what is checked of it</a></footer></body></html>'
    ).replace("e-mail", '<span class="whole">e-mail</span>')


def declared(fields: Mapping[str, Mapping[str, Any]]) -> str:
    """The fields of a form as the policy declares them; no box is ticked."""
    parts = []
    for name, field in fields.items():
        name, label, need = html.escape(name), html.escape(field["label"]), field["required"]
        if field["type"] == "checkbox":
            box = f'<input type="checkbox" name="{name}" value="yes"> <span>{label}</span>'
            parts.append(f'<label class="box">{box}</label>')
            continue
        note = html.escape(f"needed {field.get('why', '')}" if need else "may stay empty")
        required = " required" if need else ""
        control = (
            f'<textarea name="{name}"{required}></textarea>'
            if field["type"] == "textarea"
            else f'<input name="{name}" type="{html.escape(field["type"])}"{required}>'
        )
        parts.append(f"<label>{label} <small>{note}</small>{control}</label>")
    return "".join(parts)


def pasted(path: str, street: int) -> str:
    """A page as marketing left it, with all that was pasted into it; there where a street is."""
    file = Path(__file__).with_name("pages") / f"{path.strip('/')}.html"
    there = street and path.strip("/").replace("-", "").isalpha() and file.exists()
    return Template(file.read_text("utf-8")).substitute(port=street) if there else ""


class Site(ThreadingHTTPServer):
    """The site of one world."""

    daemon_threads = True

    def __init__(self, world: World, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.world, self.door = world, Door(world.kept, world.token)
        self.forms = counter.forms(Path(world.bundle))

    def handle_error(self, request: object, client_address: object) -> None:
        """Say what kind of error it was; a traceback could hold what somebody sent."""
        print(f"error: {type(sys.exception()).__name__}", file=sys.stderr, flush=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Site

    def log_message(self, *_: object) -> None:
        """Nothing is logged: a log line would hold an address."""

    def do_GET(self) -> None:
        """A page or a form. Changes nothing."""
        path = urlsplit(self.path).path
        if path == "/style.css":
            style = Path(__file__).with_name("site.css").read_text("utf-8")
            self._send(200, style, kind="text/css")
        elif path == "/privacy":
            self._send(302, "", {"Location": f"{self.server.world.kept}/privacy"})
        elif path in PAGES:
            title, text = PAGES[path]
            self._send(200, page(title, f"<p>{text}</p>", path))
        elif path in self.server.forms:
            form = self.server.forms[path]
            self._form(form["title"], declared(form["fields"]), path)
        elif path in OWN_FORMS:
            self._form(*OWN_FORMS[path], path)
        elif text := pasted(path, self.server.world.street):
            self._send(200, page("Example", text, path), {"Content-Security-Policy": ""})
        else:
            self._say(404, "There is no such page", {})

    def do_POST(self) -> None:
        """A form that was sent."""
        sent = self._sent()
        if sent is None:
            return
        path, now, cookie = urlsplit(self.path).path, dt.datetime.now(dt.UTC), {}
        world, door = self.server.world, self.server.door
        try:
            if path in self.server.forms:
                done = counter.submit(world, door, self.server.forms[path], sent, now)
            elif path == "/onboarding":
                done, token = counter.onboard(world, door, sent, now)
                cookie = {"Set-Cookie": f"account={token}; Path=/; HttpOnly; SameSite=Strict"}
            elif path in ("/order", "/support"):
                who = counter.customer_of(world, self._token())
                if who is None:
                    reason = "an order and a question of support belong to an account"
                    self._say(403, "Please open an account first", {"reason": reason})
                    return
                act = counter.order if path == "/order" else counter.ticket
                done = act(world, door, who, sent, now)
            else:
                self._say(404, "There is no such page", {})
                return
        except Incomplete as error:
            self._say(400, "Something is missing", {"stored": None, "reason": str(error)})
        except Refused as error:
            answer = error.answer
            told = {"stored": None, "reason": answer.reason, "because": list(answer.because)}
            self._say(403, "We may not store this, and did not", told)
        except Unanswered:
            reason = "we could not make sure that we may"
            self._say(503, "We did not store this", {"stored": None, "reason": reason})
        else:
            self._say(201, "Thank you, we have it", done, cookie)

    def _sent(self) -> dict[str, str] | None:
        origin = self.headers.get("Origin")
        if origin is not None and origin != f"http://{self.headers.get('Host')}":
            self._say(403, "This form was sent from another site", {"stored": None})
            return None
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LONGEST:
            self._say(413, "This is too long", {"stored": None})
            return None
        text = self.rfile.read(int(length)).decode("utf-8", "replace")
        return {name: values[0] for name, values in parse_qs(text).items()}

    def _token(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get("account")
        except CookieError:
            morsel = None
        return morsel.value if morsel else ""

    def _form(self, title: str, fields: str, path: str) -> None:
        for name, what in FILL.items():
            fields = fields.replace(f'name="{name}"', f'name="{name}" autocomplete="{what}"')
        body = f'<form method="post">{fields}<button>Send</button></form>'
        self._send(200, page(html.escape(title), body, path))

    def _say(
        self, status: int, title: str, told: Mapping[str, Any], extra: Mapping[str, str] = NOTHING
    ) -> None:
        """A short answer: a page, or JSON for a client that accepts nothing else."""
        if self.headers.get("Accept") == "application/json":
            self._send(status, json.dumps({"title": title, **told}), extra, "application/json")
            return
        told = {n: ", ".join(t) if isinstance(t, list) else t for n, t in told.items()}
        rows = "".join(
            f"<dt>{label}</dt><dd>{html.escape(str(told[name]))}</dd>"
            for name, label in TOLD.items()
            if told.get(name)
        )
        asked = "<p>Before it was stored, Kept was asked. It said yes:</p>" * (status == 201)
        self._send(status, page(title, f"{asked}<dl>{rows}</dl>" if rows else asked), extra)

    def _send(
        self, status: int, text: str, extra: Mapping[str, str] = NOTHING, kind: str = "text/html"
    ) -> None:
        body = text.encode()
        self.send_response_only(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "same-origin",  # with none, browsers send forms with no origin
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            **extra,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def serve(world: World, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; prints one line of JSON when it is ready."""
    site = Site(world, port)

    def leave(*_: object) -> None:
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    print(json.dumps({"site": site.url}), flush=True)
    site.serve_forever(poll_interval=0.1)
