"""A mail that was saved or passed on (RFC 5322): who wrote, what, and on which day it arrived.

Whoever sent it chose every byte. What can be read is read, without following or opening anything;
who it says it is from proves nothing. Its day is that of the topmost stamp of a server that the
organisation trusts, never the date that the sender wrote.
"""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import html
import re
from collections.abc import Collection
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any, Final

from kept.errors import IdentifierError, UsageError
from kept.terms.identifiers import Identifier

#: The largest mail, in bytes; parts within parts; parts in all; headers that are looked at.
LARGEST: Final = 10_000_000
_DEEP: Final = 20
_PARTS: Final = 200
#: Lines that may begin a part, and the longest header that is taken apart: more takes its reader
#: minutes, so they are looked for before.
_BEGINNINGS: Final = 2_000
_HEADER: Final = 8_000
_HEADERS: Final = re.compile(
    rb"^(?:from|received|content-[a-z-]+)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
_STAMPS: Final = 50
#: The longest text of it that is looked at, in characters.
_LONGEST: Final = 200_000
#: A stamp older than this, or in the future, is not believed.
_OLD: Final = dt.timedelta(days=365)
#: Under these lines mail programs put a mail that is passed on as text.
_PASSED_ON: Final = re.compile(
    r"^\s*(?:-{2,} ?(?:forwarded message|weitergeleitete nachricht|message transf[eé]r[eé]"
    r"|mensaje reenviado)\b"
    r"|begin forwarded message|anfang der weitergeleiteten"
    r"|d[eé]but du message (?:transf[eé]r[eé]|r[eé]exp[eé]di[eé])|inicio del mensaje reenviado)",
    re.IGNORECASE | re.MULTILINE,
)
_BY: Final = re.compile(r"(?:^|\s)by\s+([A-Za-z0-9._-]+)")
_MARK: Final = re.compile(r"<!--|-->|<(/?)([A-Za-z][A-Za-z0-9]*)[^<>]*>")
_UNSEEN: Final = frozenset(("style", "script", "head", "title"))
_LINES: Final = frozenset(("br", "p", "div", "li", "tr"))


@dataclass(frozen=True, slots=True)
class SavedMail:
    """`sender`: who it says it is from, None where it says no one address; `arrived`: the moment of
    the stamp, None where no server stamped it that is trusted; `words`: what was written. Where the
    words pass on another mail, whose it was and when it came are both None: its head is a text.
    """

    sender: Identifier | None
    arrived: dt.datetime | None
    words: str


def read(data: bytes, trusted: Collection[str], now: dt.datetime) -> SavedMail:
    """A mail as it was saved; of one that was passed on as a file, the mail within.

    `trusted` are hosts whose stamp (`Received: … by HOST`) is believed, with those below them.
    Raises UsageError where it is too large, nested beyond reason, or holds no text to be read.
    """
    if len(data) > LARGEST:
        raise UsageError(
            "the mail is too large", expected=f"{LARGEST:,} bytes at most",
            met=f"{len(data):,}", fix="save it without its attachments",
        )  # fmt: skip
    if not _takes_no_time(data):
        raise _unreadable()
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        message = _within(message)
        sender, arrived = _sender(message), _arrived(message, trusted, now)
        words = "".join(c for c in _text(message) if c.isprintable() or c.isspace())
    # Its parser meets what nobody foresaw in some of these ways, and its words quote the mail.
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError, AssertionError):
        raise _unreadable() from None
    if not words.strip():
        raise _unreadable()
    if _PASSED_ON.search(words):
        return SavedMail(None, None, words)
    return SavedMail(sender, arrived, words)


def _takes_no_time(data: bytes) -> bool:
    """Whether the library will not read for minutes: it has a limit for nothing."""
    nests = 0
    for met in _HEADERS.finditer(data):
        value = met[0].lower()
        nests += b"multipart/" in value or b"message/" in value
        if len(value) > _HEADER or nests > _PARTS:
            return False
    return data.count(b"\n--") <= _BEGINNINGS


def _unreadable() -> UsageError:
    return UsageError(
        "the mail holds no text that can be read", expected="a mail with words in it",
        fix="copy its words into a text file, or name what is asked with --right",
    )  # fmt: skip


def _within(message: EmailMessage) -> EmailMessage:
    """The mail that was passed on as a file, where this one holds one; else this one."""
    for part in _parts(message):
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and len(inner) == 1 and isinstance(inner[0], EmailMessage):
                return inner[0]
    return message


def _parts(message: EmailMessage) -> list[EmailMessage]:
    """Its parts, itself first, those of mails within it left out. Raises ValueError where they are
    too many, or too deep within each other.
    """
    found, level = [], [message]
    for _ in range(_DEEP):
        found += level
        if len(found) > _PARTS:
            break
        level = [
            one
            for part in level
            if part.get_content_maintype() == "multipart"
            for one in part.iter_parts()
            if isinstance(one, EmailMessage)
        ]
        if not level:
            return found
    raise ValueError


def _sender(message: EmailMessage) -> Identifier | None:
    addresses: tuple[Any, ...] = getattr(message["From"], "addresses", ())
    if len(addresses) != 1:
        return None
    try:
        found = Identifier("email", addresses[0].addr_spec)
        _ = found.normalised
    except IdentifierError:
        return None
    return found


def _arrived(
    message: EmailMessage, trusted: Collection[str], now: dt.datetime
) -> dt.datetime | None:
    """The moment of the topmost stamp of a server that is trusted. Those above it are of servers
    behind it; what stands below it anybody may have written.
    """
    ours = {host.casefold().rstrip(".") for host in trusted}
    for stamp in message.get_all("Received", [])[:_STAMPS]:
        text = " ".join(str(stamp).split())
        said, _, when = text.rpartition(";")
        by = _BY.search(said)
        if by is None or by[1].casefold().rstrip(".") not in ours:
            continue
        try:
            at = parsedate_to_datetime(when)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if at.tzinfo is None or not now - _OLD < at <= now:
            return None
        return at
    return None


def _text(message: EmailMessage) -> str:
    """What was written: its plain text, else its HTML without its marks."""
    for kind in ("text/plain", "text/html"):
        for part in _parts(message):
            if part.get_content_type() != kind or part.is_attachment():
                continue
            text = _decoded(part)
            if kind == "text/html":
                text = _plain(text)
            if text.strip():
                return text
    return ""


def _decoded(part: EmailMessage) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        text = data[: 4 * _LONGEST].decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):  # an alphabet that nobody knows, or a name that is none
        text = data[: 4 * _LONGEST].decode("utf-8", "replace")
    return text[:_LONGEST]


def _plain(text: str) -> str:
    """HTML without its marks and what nobody sees, in one pass whatever stands in it."""
    found: list[str] = []
    at, unseen = 0, ""
    for mark in _MARK.finditer(text):
        if not unseen:
            found.append(text[at : mark.start()])
        at, name = mark.end(), (mark[2] or "").casefold()
        if unseen:
            if mark[0] == unseen or (mark[1] and name == unseen):
                unseen = ""
        elif mark[0] == "<!--":
            unseen = "-->"
        elif name in _UNSEEN and not mark[1]:
            unseen = name
        else:
            found.append("\n" if name in _LINES else " ")
    if not unseen:
        found.append(text[at:])
    return html.unescape("".join(found))
