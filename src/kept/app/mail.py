"""Mail to people: from a template of our own to the mail server, as plain text and as simple HTML.

One template makes both: its first line is the subject, the rest are paragraphs, underlined
titles, lists of lines that begin with a dash, and links that stand alone. Nothing in it loads,
runs or follows anybody.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any, Final

import jinja2
from markupsafe import Markup

from kept.controller import Controller
from kept.errors import KeptError, StoreUnreachable
from kept.policy import spoken
from kept.records.outbox import Letter
from kept.stores.post import NotTaken, Send
from kept.terms import tongues
from kept.terms.identifiers import Identifier
from kept.terms.tongues import sheets

_templates: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("kept.app", "templates/mail"),
    autoescape=False,  # noqa: S701 — plain text; what becomes HTML is escaped in `_html`
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
sheets.speaks(_templates)
_templates.globals["own"] = spoken.own
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
            except StoreUnreachable:
                failed += 1
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


class _Policy(EmailPolicy):
    """That of the library; what is the same in every letter is worked out once."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.casefold() not in _SAME or hasattr(value, "name"):
            return super().header_store_parse(name, value)
        return name, _parsed(name, str(value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.casefold() not in _SAME:
            return super().fold_binary(name, value)
        return _folded(name, str(value), self.linesep)


@functools.lru_cache(64)
def _parsed(name: str, value: str) -> Any:
    return EmailPolicy().header_store_parse(name, value)[1]


@functools.lru_cache(64)
def _folded(name: str, value: str, linesep: str) -> bytes:
    return EmailPolicy(linesep=linesep).fold_binary(name, _parsed(name, value))


#: Headers that say nothing of whoever is written to.
_SAME: Final = frozenset(
    ("from", "auto-submitted", "mime-version", "content-type", "content-transfer-encoding")
)
_POLICY: Final = _Policy()
#: Between the parts of a letter; their base64 has no `_`.
_BETWEEN: Final = "=_kept"


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


def composed(controller: Controller, letter: Letter) -> EmailMessage:
    """The message of a letter, ready to be sent. The same letter makes the same message."""
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
    foot = ", ".join((organisation.name, *(p for p in organisation.post if p != organisation.name)))
    body = re.sub(r"\n{3,}", "\n\n", body.strip()) + f"\n\n{foot}\n{organisation.email}\n"
    message = EmailMessage(_POLICY)
    # A line end in a header would begin another header; there is none in what stands here.
    message["Subject"] = _line(subject)
    message["From"] = Address(_line(organisation.name), addr_spec=sender)
    message["To"] = _mailbox(letter.to)
    message["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
    message["Date"] = letter.queued_at
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body, cte="base64")
    message.make_alternative(boundary=_BETWEEN)
    message.add_alternative(
        _html(_line(subject), body, speech.language), subtype="html", cte="base64"
    )
    message["Content-Language"] = speech.language
    return message


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
    for block in body.strip().split("\n\n"):
        lines = block.split("\n")
        if all(line.startswith("- ") for line in lines):
            items = Markup("").join(Markup("<li>{}</li>").format(line[2:]) for line in lines)
            parts.append(Markup("<ul>{}</ul>").format(items))
        elif re.fullmatch(r"https?://\S+", block):
            parts.append(Markup('<p><a href="{0}">{0}</a></p>').format(block))
        elif len(lines) == 2 and lines[1].strip("-") == "":
            parts.append(Markup("<h2>{}</h2>").format(lines[0]))
        elif _CODE.fullmatch(block):
            parts.append(Markup("<p><b><big>{}</big></b></p>").format(block))
        else:
            broken = Markup("<br>").join(Markup.escape(line) for line in lines)
            parts.append(Markup("<p>{}</p>").format(broken))
    # Long addresses break, so that nobody has to push a letter sideways on a telephone.
    head = Markup('<!doctype html><html lang="{}"><head><meta charset="utf-8">'
                  '<meta name="viewport" content="width=device-width"><title>{}</title></head>'
                  '<body style="overflow-wrap: anywhere">{}</body></html>\n')  # fmt: skip
    return str(head.format(language, title, Markup("\n").join(parts)))
