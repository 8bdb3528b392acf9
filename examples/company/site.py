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
import threading
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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
STYLE = """
:root { color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif }
body { max-width: 42rem; margin: 0 auto; padding: 1rem }
nav a { margin-right: 1rem } label { display: block; margin-top: 1rem }
input, textarea { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem }
input[type=checkbox] { width: auto }
button { font: inherit; margin-top: 1.5rem; padding: .6rem 1.2rem }
small { display: block } dt { font-weight: 600 }
footer { margin-top: 3rem; border-top: 1px solid }
"""
PAGES = {
    "/": ("Windows that work together", "One desktop for all the programs of a trading floor."),
    "/product": ("The product", "Arrange, link and restore windows. A seat costs 240 EUR a year."),
    "/about": ("About us", "We are a small company. This one exists to show how Kept works."),
}
ONBOARDING = """
<p>The fields are needed for the contract: without them there is no account and no invoice.</p>
<label>E-mail address of your trial <input name="email" type="email" required></label>
<label>Name <input name="name" required></label>
<label>Address for invoices <textarea name="address" required></textarea></label>
<label>Country, two letters <input name="country" pattern="[A-Za-z]{2}" required></label>
<label>State, for the USA <input name="state"></label>
<label>Password <input name="password" type="password" minlength="10" required></label>
<label><input type="checkbox" name="terms" value="yes" required>
I accept the Terms of Service</label>"""
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


def page(title: str, body: str) -> str:
    """A whole page."""
    links = {"/": "Home", "/product": "Product", "/trial": "Trial", "/contact": "Contact"}
    nav = "".join(f'<a href="{path}">{text}</a>' for path, text in links.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" '
        f'href="/style.css"></head><body><nav>{nav}</nav><main><h1>{title}</h1>{body}</main>'
        '<footer><a href="/privacy">Privacy policy, and what is checked of it</a></footer>'
        "</body></html>"
    )


def declared(fields: Mapping[str, Mapping[str, Any]]) -> str:
    """The fields of a form as the policy declares them; no box is ticked."""
    parts = []
    for name, field in fields.items():
        name, label, need = html.escape(name), html.escape(field["label"]), field["required"]
        if field["type"] == "checkbox":
            box = f'<input type="checkbox" name="{name}" value="yes"> {label}'
            parts.append(f"<label>{box}</label>")
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
            self._send(200, STYLE, kind="text/css")
        elif path == "/privacy":
            self._send(302, "", {"Location": f"{self.server.world.kept}/privacy"})
        elif path in PAGES:
            title, text = PAGES[path]
            self._send(200, page(title, f"<p>{text}</p>"))
        elif path in self.server.forms:
            form = self.server.forms[path]
            self._form(form["title"], declared(form["fields"]))
        elif path in OWN_FORMS:
            self._form(*OWN_FORMS[path])
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
                    self._say(403, "Please open an account first", {"stored": None})
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

    def _form(self, title: str, fields: str) -> None:
        body = f'<form method="post">{fields}<button>Send</button></form>'
        self._send(200, page(html.escape(title), body))

    def _say(
        self, status: int, title: str, told: Mapping[str, Any], extra: Mapping[str, str] = NOTHING
    ) -> None:
        """A short answer: a page, or JSON for a client that accepts nothing else."""
        if self.headers.get("Accept") == "application/json":
            self._send(status, json.dumps({"title": title, **told}), extra, "application/json")
            return
        words = {"reason": "Why", "basis": "Legal basis", "activity": "For", "invoice": "Invoice"}
        rows = "".join(
            f"<dt>{label}</dt><dd>{html.escape(str(told[name]))}</dd>"
            for name, label in words.items()
            if told.get(name)
        )
        self._send(status, page(title, f"<dl>{rows}</dl>"), extra)

    def _send(
        self,
        status: int,
        text: str,
        extra: Mapping[str, str] = NOTHING,
        kind: str = "text/html",
    ) -> None:
        body = text.encode()
        self.send_response_only(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
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
        threading.Thread(target=site.shutdown).start()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    print(json.dumps({"site": site.url}), flush=True)
    site.serve_forever(poll_interval=0.1)
    site.server_close()
    sys.stdout.flush()
