"""Mail to people: from a template of our own to the mail server, as plain text and as simple HTML.

One template makes both: its first line is the subject, the rest are paragraphs, underlined
titles, lists of lines that begin with a dash, and links that stand alone. Nothing in it loads,
runs or follows anybody.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import jinja2
from markupsafe import escape

from kept.app.log import logged
from kept.controller import Controller
from kept.errors import KeptError, StoreUnreachable
from kept.policy import spoken
from kept.records.outbox import Letter
from kept.stores.post import NotTaken, Send, Written
from kept.terms import tongues
from kept.terms.identifiers import Identifier
from kept.terms.proof import HOW
from kept.terms.tongues import sheets

_templates: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("kept.app", "templates/mail"),
    autoescape=False,  # noqa: S701 — plain text; what becomes HTML is escaped in `_html`
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
sheets.speaks(_templates)
_templates.globals.update(own=spoken.own, how=HOW)
#: Mail to the staff, who read English.
_TO_STAFF: Final = frozenset(("reminder",))
_ENOUGH: Final = 3
#: How many wait where others help to send them, and how many help.
_MANY: Final = 16
_SENDERS: Final = 2
_CODE: Final = re.compile(r"\d{4} \d{4}")


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages went, and how many could not."""

    sent: int
    failed: int


def deliver(controller: Controller, clock: Callable[[], dt.datetime]) -> Sent:
    """Send what waits, the oldest first. What fails is tried again later and stops nothing else.

    Where much waits, several send side by side, each over a connection of its own.
    """
    if controller.post is None:
        return Sent(0, 0)
    with ThreadPoolExecutor(_SENDERS, "kept mail") as pool, controller.post.many() as send:
        return _deliver(controller, clock, send, pool)


def _deliver(
    controller: Controller, clock: Callable[[], dt.datetime], send: Send,
    pool: ThreadPoolExecutor | None,
) -> Sent:  # fmt: skip
    sent = failed = refused = 0
    helpers: list[Future[Sent]] = []
    # A server that is away is not waited for letter by letter.
    while sent or failed < _ENOUGH:
        with controller.outbox.next(clock()) as met:
            if met is None:
                break
            letter, turn = met
            try:
                message = composed(controller, letter)
            except (ValueError, KeptError):
                # What cannot be a letter must not stand in the way of those that can.
                failed += 1
                turn.given_up()
                continue
            try:
                send(message, what="mail to people", then="wait")
            except NotTaken:
                # Whoever types addresses at which nobody is keeps no code from anybody else.
                refused += 1
                turn.refused(clock())
            except StoreUnreachable as problem:
                failed += 1
                logged(clock(), f"a letter waits: {problem.what} ({problem.met})")
                turn.failed(clock())
            else:
                sent += 1
                turn.sent(clock())
        # Not before one went: where the server is away nobody else has to meet that too.
        if pool and not helpers and sent % _MANY == 1 and controller.outbox.waiting() >= _MANY:
            helpers = [pool.submit(_help, controller, clock) for _ in range(_SENDERS)]
    done = [one.result() for one in helpers]
    return Sent(sent + sum(d.sent for d in done), failed + refused + sum(d.failed for d in done))


def _help(controller: Controller, clock: Callable[[], dt.datetime]) -> Sent:
    assert controller.post is not None
    with controller.post.many() as send:
        return _deliver(controller, clock, send, None)


#: What is the same in every letter. Between its parts stands what no base64 holds.
_MADE: Final = (
    b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="=_kept"\r\n\r\n'
)
_PART: Final = (
    b"--=_kept\r\n"
    b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n'
)
_END: Final = b"--=_kept--\r\n"


def _header(name: str, value: str) -> bytes:
    """As the library writes it; what is plain and fits a line stands as it is. ValueError where it
    would be more than one header.
    """
    plain = value.isascii() and value.isprintable() and "=?" not in value
    if plain and len(name) + len(value) <= 76:
        return f"{name}: {value}\r\n".encode()
    # What looks like an encoded word (RFC 2047) would be decoded, with any line ends in it.
    made = SMTP.fold_binary(name, SMTP.header_store_parse(name, value.replace("=?", "= ?"))[1])
    if not _ONE_HEADER.fullmatch(made):
        raise ValueError("a header holds a line end")
    return made


#: One header, folded or not.
_ONE_HEADER: Final = re.compile(rb"[^\r\n]+(?:\r\n[ \t][^\r\n]*)*\r\n")


@functools.lru_cache(64)
def _from(organisation: str, sender: str) -> bytes:
    return _header("From", str(Address(_line(organisation), addr_spec=sender)))


def _to(address: str) -> bytes:
    """An address that is plain stands as it is: none of it is read as words (RFC 2047, 5)."""
    if not address.isprintable():
        raise ValueError("an address holds a line end")
    return f"To: {address}\r\n".encode()


def _part(kind: bytes, text: str) -> bytes:
    lines = b"\n".join(text.encode().splitlines()) + b"\n"
    return _PART % (kind, base64.encodebytes(lines).replace(b"\n", b"\r\n"))


class _Anything(jinja2.ChainableUndefined):
    """Stands for every value of a specimen: the worst that somebody could have written."""

    def __str__(self) -> str:
        return _WORST

    def __call__(self, *_: object, **__: object) -> _Anything:  # type: ignore[override]
        return self

    def __iter__(self) -> Iterator[str]:
        return iter((_WORST,))

    def __len__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        return True


#: A pixel, in HTML and behind a quote that ends an attribute.
_WORST: Final = '"><img src="https://pixel.invalid/x.gif"><style>@import "//pixel.invalid";</style>'


def specimens() -> list[tuple[str, str]]:
    """(kind of letter, its HTML) for every kind that is sent, filled with the worst there is."""
    made = []
    filled = _templates.overlay(undefined=_Anything)
    # Whatever is said of a day, the worst is said instead.
    filled.filters = filled.filters | dict.fromkeys(("day", "minute"), str)
    for name in sorted(_templates.list_templates()):
        subject, _, body = filled.get_template(name).render().partition("\n")
        made.append((name.partition(".")[0], _html(_line(subject), body)))
    return made


def composed(controller: Controller, letter: Letter) -> Written:
    """The message of a letter, ready to be sent. The same letter makes the same message.

    ValueError where it cannot be one.
    """
    assert controller.post is not None
    organisation, sender = controller.bundle.organisation, controller.post.sender
    values = {"organisation": organisation.name, **letter.values}
    speaking = (
        tongues.speaking("en")
        if letter.template in _TO_STAFF
        else spoken.speaking(controller.bundle, letter.language)
    )
    with speaking as speech:
        text = _templates.get_template(f"{letter.template}.txt.j2").render(values)
    subject, _, body = text.partition("\n")
    subject = _line(subject)
    foot = ", ".join((organisation.name, *(p for p in organisation.post if p != organisation.name)))
    body = re.sub(r"\n{3,}", "\n\n", body.strip()) + f"\n\n{foot}\n{organisation.email}\n"
    to, id_ = _mailbox(letter.to), f"<{letter.id}@{sender.rpartition('@')[2]}>"
    # A line end in a header would begin another header; there is none in what stands here.
    head = (
        _header("Subject", subject),
        _from(organisation.name, sender),
        _to(to.addr_spec),
        _header("Message-ID", id_),
        _header("Date", format_datetime(letter.queued_at)),
        _header("Content-Language", speech.language),
        _MADE,
    )
    parts = (
        _part(b"plain", body),
        _part(b"html", _html(subject, body, speech.language)),
        _END,
    )
    return Written((to.addr_spec,), id_, b"".join((*head, *parts)))


def _mailbox(address: str) -> Address:
    """The address of one mailbox, its domain in ASCII; IdentifierError for anything else."""
    domain = Identifier("email", address).normalised.rpartition("@")[2]
    local = address.strip().rpartition("@")[0]
    if local.startswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return Address(username=local, domain=domain)


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _html(title: str, body: str, language: str = "en") -> str:
    parts = []
    # All of it is escaped, before anything is looked for in it.
    for block in str(escape(body)).strip().split("\n\n"):
        lines = block.split("\n")
        if all(line.startswith("- ") for line in lines):
            parts.append("<ul>" + "".join(f"<li>{line[2:]}</li>" for line in lines) + "</ul>")
        elif re.fullmatch(r"https?://\S+", block):
            parts.append(f'<p><a href="{block}">{block}</a></p>')
        elif len(lines) == 2 and lines[1].strip("-") == "":
            parts.append(f"<h2>{lines[0]}</h2>")
        elif _CODE.fullmatch(block):
            parts.append(f"<p><b><big>{block}</big></b></p>")
        else:
            parts.append(f"<p>{'<br>'.join(lines)}</p>")
    # Long addresses break, so that nobody has to push a letter sideways on a telephone.
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title></head>'
        '<body style="overflow-wrap: anywhere">' + "\n".join(parts) + "</body></html>\n"
    )
