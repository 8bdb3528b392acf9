"""A letter that came: its scan, and where the answer to it goes.

A scan is a PDF, a PNG or a JPEG and really that: looked at from its first byte to its last, so
that no page, script or archive travels under its name. It lies sealed and goes when nothing is
left to do on the request. Copies of identity papers are never asked for, and not taken as scans.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights.paper import address
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.intake import Intake
from kept.records.letter_scan import LetterScan

#: The largest scan, in bytes, and how many a request has.
LARGEST: Final = 5_000_000
MOST: Final = 10
#: Form → its type on the web.
TYPES: Final = {"pdf": "application/pdf", "png": "image/png", "jpeg": "image/jpeg"}
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PDF: Final = re.compile(rb"%PDF-[12]\.[0-9][\r\n ]")
#: What a page that a scanner made never has: programs, files within, ways out, a lock.
_ACTS: Final = re.compile(
    rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|SubmitForm|ImportData|GoToR|OpenAction|AA"
    rb"|XFA|Encrypt)(?![A-Za-z0-9])"
)
#: A letter of a name may be written as its number (ISO 32000, 7.3.5).
_NUMBER: Final = re.compile(rb"#([0-9A-Fa-f]{2})")


def form_of(content: bytes) -> str:
    """pdf, png or jpeg. UsageError for anything else, for what is too large, and for a PDF that
    can do something.
    """
    if not 0 < len(content) <= LARGEST:
        raise UsageError(
            "the scan is too large" if content else "the scan is empty",
            expected=f"a file of 1 to {LARGEST:,} bytes", met=f"{len(content):,} bytes",
            fix="scan it in black and white, or in parts",
        )  # fmt: skip
    if content.startswith(_PNG) and _whole_png(content):
        return "png"
    if content.startswith(b"\xff\xd8\xff") and _whole_jpeg(content):
        return "jpeg"
    if _PDF.match(content) and b"%%EOF" in content[-64:] and b"startxref" in content[-256:]:
        plain = _NUMBER.sub(lambda met: bytes([int(met[1], 16)]), content)
        if _ACTS.search(plain):
            raise UsageError(
                "the PDF holds more than pages: a program, a file within, a lock or a way out",
                expected="pages as a scanner makes them", fix="print it, or scan it anew",
            )  # fmt: skip
        return "pdf"
    raise UsageError(
        "that is no scan", expected="a whole PDF, PNG or JPEG file",
        met="something else, whatever its name says", fix="scan it anew",
    )  # fmt: skip


def keep(
    controller: Controller, one: Intake, contents: Sequence[bytes], actor: Actor,
    now: dt.datetime, connection: Connection,
) -> list[LetterScan]:  # fmt: skip
    """Keep scans of a request that is open, each with its entry. Raises as `form_of` does."""
    if len(contents) + len(controller.letter_scans.of(one.number, connection=connection)) > MOST:
        raise UsageError(
            "the request has too many scans", expected=f"{MOST} at most", fix="put pages together"
        )
    made = []
    for content in contents:
        form = form_of(content)
        made.append(
            controller.letter_scans.add(one.number, form, content, actor, now,
                                        connection=connection)
        )  # fmt: skip
        body = {
            "request": one.id, "form": form, "file": controller.digest(content),
            "actor": name(actor.role),
        }  # fmt: skip
        controller.ledger.append_in(connection, [Entry("letter.scanned", now, body)])
    return made


def add(
    controller: Controller, request: str, content: bytes, actor: Actor, now: dt.datetime
) -> LetterScan:
    """Add a scan to a letter on which something is left to do. Raises as `form_of` does."""
    one = controller.intakes.get(request)
    with controller.database.connection() as c:
        if one.channel != "letter" or controller.letter_scans.over(one.number, connection=c):
            raise UsageError(
                f"request {one.id} is no letter on which something is left to do",
                expected="one that came by letter, with a case that is open",
                met=f"it came by {one.channel}; {one.state}",
            )  # fmt: skip
        return keep(controller, one, [content], actor, now, c)[0]


def opened(controller: Controller, request: str, scan: int | None) -> tuple[LetterScan, bytes]:
    """A scan as it came: the newest where none is named. UsageError where it is there no more."""
    one = controller.intakes.get(request)
    those = controller.letter_scans.of(one.number)
    wanted = scan if scan is not None else those[-1].id if those else 0
    content = controller.letter_scans.opened(one.number, wanted)
    return next(s for s in those if s.id == wanted), content


def reply_to(lines: Sequence[str]) -> tuple[str, ...]:
    """Where an answer on paper goes; nothing where no line says anything. Raises UsageError."""
    return address(lines) if any(line.strip() for line in lines) else ()


def _whole_png(content: bytes) -> bool:
    """Whether its chunks go from the header to the end, and nothing stands behind it."""
    at, first = len(_PNG), True
    while at + 12 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if first and (kind, size) != (b"IHDR", 13):
            return False
        at, first = at + 12 + size, False
        if kind == b"IEND":
            return at == len(content)
    return False


def _whole_jpeg(content: bytes) -> bool:
    """Whether its segments lead to a picture, and nothing stands behind its end."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        kind = content[at + 1]
        if kind == 0xFF:  # filled up
            at += 1
            continue
        if kind == 0xDA:  # the picture itself, up to the end
            return content.rstrip(b"\x00").endswith(b"\xff\xd9")
        size = int.from_bytes(content[at + 2 : at + 4], "big")
        if size < 2 or kind in (0xD8, 0xD9):
            return False
        at += 2 + size
    return False
