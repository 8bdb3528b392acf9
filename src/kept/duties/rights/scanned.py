"""A letter that came: its scan, and where the answer to it goes.

A scan is a PDF, a PNG or a JPEG and really that (`scan_form`). It lies sealed and goes when nothing
is left to do on the request; a hold keeps it until its release. Copies of identity papers are
never asked for. One that came all the same is marked, and goes at the end whatever is held.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights.paper import address
from kept.duties.rights.scan_form import form_of
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.intake import Intake
from kept.records.letter_scan import LetterScan

#: How many scans a request has.
MOST: Final = 10
#: Form → its type on the web.
TYPES: Final = {"pdf": "application/pdf", "png": "image/png", "jpeg": "image/jpeg"}


def keep(
    controller: Controller, one: Intake, contents: Sequence[bytes], actor: Actor,
    now: dt.datetime, connection: Connection, *, identity: bool = False,
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
                                        connection=connection, identity=identity)
        )  # fmt: skip
        body = {
            "request": one.id, "form": form, "file": controller.digest(content),
            "actor": name(actor.role),
        }  # fmt: skip
        controller.ledger.append_in(connection, [Entry("letter.scanned", now, body)])
    return made


def add(
    controller: Controller, request: str, content: bytes, actor: Actor, now: dt.datetime,
    *, identity: bool = False,
) -> LetterScan:  # fmt: skip
    """Add a scan to a letter on which something is left to do. `identity`: it is a copy of an
    identity paper, and goes at the end whatever is held. Raises as `form_of` does.
    """
    one = controller.intakes.get(request)
    with controller.database.connection() as c:
        if one.channel != "letter" or controller.letter_scans.over(one.number, connection=c):
            raise UsageError(
                f"request {one.id} is no letter on which something is left to do",
                expected="one that came by letter, with a case that is open",
                met=f"it came by {one.channel}; {one.state}",
            )  # fmt: skip
        return keep(controller, one, [content], actor, now, c, identity=identity)[0]


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
