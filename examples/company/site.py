"""The web site: server-rendered pages, the forms that the policy declares, an account. No
third-party request, no cookie before an account. A page, or JSON where the client asks for it.
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
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from examples.company import counter
from examples.company.door import NOWHERE, Door, Unanswered
from examples.company.world import World
from examples.street.tags import pasted

LONGEST = 64 * 1024
UNSURE = "we could not make sure that we may"
NOTHING: Mapping[str, str] = {}
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGES = {
    "/": ("Windows that work together", "One desktop for all the programs of a trading floor.</p>"
          '<p>This company is invented. Its forms work: <a href="/contact">write to it</a> or <a '
          'href="/trial">start a trial</a>. Before it stores a word of yours, it asks Kept.'),
    "/product": ("The product", "Arrange, link and restore windows. A seat costs 240 EUR a year."),
    "/about": ("About us", "We are a small company. This one exists to show how Kept works."),
}  # fmt: skip
LINKS = {
    "/": "Home", "/product": "Product", "/trial": "Trial", "/demo": "Demo", "/order": "Order",
    "/support": "Support", "/webinar": "Webinar", "/newsletter": "News", "/contact": "Contact",
    "/about": "About us",
}  # fmt: skip
#: Linked at the foot of every page.
FOOT = {
    "/download": "White paper", "/testimonial": "Tell others", "/onboarding": "Open an account",
    "/partner-offers": "Offers of partners", "/child": "Report data of a child",
}  # fmt: skip
#: What an answer says to a person.
TOLD = {
    "reason": "Why", "invoice": "Invoice", "ticket": "Ticket", "basis": "Legal basis",
    "activity": "Used for", "policy": "Policy of", "because": "Decided by the clauses",
    "dropped": "Fields left out", "newsletter_basis": "News, asked for apart",
}  # fmt: skip
#: What a form asks beside what is declared: it is never sent to Kept, and never stored as it is.
SECRET = {
    "onboarding": """<p class="field"><label for="password">Password</label> <input id="password"
name="password" type="password" minlength="10" autocomplete="new-password" required></p>"""
}
NO = "We may not store it. If you want it all the same, write to us."
#: Forms of an account.
OWN = {"order": counter.order, "support": counter.ticket}
STATUS = {
    "held": 202, "missing": 400, "malformed": 400, "long": 400, "unreadable": 400, "twice": 400,
    "many": 400, "notice": 409, "replayed": 409, "closed": 503,
}  # fmt: skip


def page(title: str, body: str, here: str = "") -> str:
    """A whole page; `here` is its path."""
    mark = ("", ' aria-current="page"')
    nav = "".join(f'<a href="{to}"{mark[to == here]}>{text}</a>' for to, text in LINKS.items())
    foot = " · ".join(f'<a href="{to}">{text}</a>' for to, text in FOOT.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Example '
        'company</title><meta name="viewport" content="width=device-width, initial-scale=1"><link '
        'rel="stylesheet" href="/style.css"></head><body><header><b>Example company</b><nav>'
        f"{nav}</nav></header><main><h1>{title}</h1>{body}</main><footer><p>{foot}</p><p><a href="
        '"/privacy">Privacy policy, and what is checked of it</a></p></footer></body></html>'
    ).replace("e-mail", '<span class="whole">e-mail</span>')


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
        elif path in ("/privacy", "/child"):
            to = {"/privacy": "/privacy", "/child": "/privacy/requests/child"}[path]
            self._send(302, "", {"Location": self.server.world.kept + to})
        elif path in PAGES:
            title, text = PAGES[path]
            self._send(200, page(title, f"<p>{text}</p>", path))
        elif path in self.server.forms:
            form = self.server.forms[path]
            try:
                shown = self.server.door.shown(form, self._lives(form))
            except Unanswered:
                self._say(503, "This form is closed for a moment", {"reason": UNSURE})
                return
            self._form(form, shown["title"], shown, path)
        elif text := pasted(path, self.server.world.street):
            title, _, rest = text.partition("</h1>")
            whole = page(title.removeprefix("<h1>"), rest, path)
            self._send(200, whole, {"Content-Security-Policy": ""})
        else:
            self._say(404, "There is no such page", {})

    def do_POST(self) -> None:
        """A form that was sent: what Kept lets us store of it is stored."""
        sent, path, now = self._sent(), urlsplit(self.path).path, dt.datetime.now(dt.UTC)
        if sent is None:
            return
        form, cookie = self.server.forms.get(path), {}
        if form is None:
            self._say(404, "There is no such page", {})
            return
        who = counter.customer_of(self.server.world, self._token())
        if form in OWN and who is None:
            self._say(403, "Please open an account first", {"reason": "it has to belong to one"})
            return
        password = dict(sent).get("password", "")
        fields = [(name, value) for name, value in sent if name != "password"]
        try:
            taken = self.server.door.send(
                form, fields, self.headers.get("Origin"), self._lives(form),
                who["email"] if who and form in OWN else None,
            )  # fmt: skip
            if taken["outcome"] != "taken":
                self._not_taken(form, path, taken)
                return
            if form == "onboarding":
                done, token = counter.onboard(self.server.world, taken, password, now)
                cookie = {"Set-Cookie": f"account={token}; Path=/; HttpOnly; SameSite=Strict"}
            elif who is not None and form in OWN:
                done = OWN[form](self.server.world, who, taken, now)
            else:
                done = counter.submit(self.server.world, form, taken, now)
        except counter.Incomplete as error:
            self._say(400, "Something is missing", {"stored": None, "reason": str(error)})
        except Unanswered:
            self._say(503, "We did not store this", {"stored": None, "reason": UNSURE})
        else:
            told = {"stored": form, "because": taken["because"], "dropped": taken["dropped"]}
            self._say(201, "Thank you, we have it", {**told, **taken["stamps"], **done}, cookie)

    def _not_taken(self, form: str, path: str, taken: Mapping[str, Any]) -> None:
        status = STATUS.get(taken["outcome"]) or STATUS.get(taken["why"], 403)
        # Anybody can type an address: what stands against storing it is not for whoever did.
        told = {"stored": None, "reason": NO if taken["why"] == "denied" else taken["reason"]}
        if self.headers.get("Accept") != "application/json" and taken["problems"]:
            self._form(form, "Please look at this again", taken, path, status)
            return
        title = "Somebody reads it first" if status == 202 else "We may not store this, and did not"
        self._say(status, title, told)

    def _lives(self, form: str) -> tuple[str, str]:
        """Where the customer lives whose form it is, as the account says."""
        who = counter.customer_of(self.server.world, self._token()) if form in OWN else None
        return (who["country"] or "", who["state"] or "") if who else NOWHERE

    def _sent(self) -> list[tuple[str, str]] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LONGEST:
            self._say(413, "This is too long", {"stored": None})
            return None
        try:
            text = self.rfile.read(int(length)).decode("ascii")
            return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            self._say(400, "This is no form", {"stored": None})
            return None

    def _token(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get("account")
        except CookieError:
            morsel = None
        return morsel.value if morsel else ""

    def _form(
        self, form: str, title: str, shown: Mapping[str, Any], path: str, status: int = 200
    ) -> None:
        """A form as Kept gives it: what is told, then the fields with what stands beside each."""
        fields = f"{shown['fields_html']}{SECRET.get(form, '')}"
        body = f'{shown["told_html"]}<form method="post">{fields}<button>Send</button></form>'
        self._send(status, page(html.escape(title), body, path))

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
