"""Letters on paper: for whoever has no e-mail, or asks for paper (GDPR Art. 12(1)).

The words are those of the letter that answers (`letter`), or the notice that it takes longer
(Art. 12(3)); here they become a PDF for a window envelope, tagged and with its fonts inside. Each
is kept sealed as it was made. That it went out is entered by a person, with the day; the notice
moves the clock with that, and not before.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
import unicodedata
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

from kept.controller import Controller
from kept.duties.rights import clock
from kept.duties.rights.language import chosen
from kept.duties.rights.letter import Letter, claimed, letter
from kept.duties.rights.notice import more_time
from kept.duties.rights.receipts import require_answer
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.case_state import Case
from kept.records.paper import Paper
from kept.terms import tongues

#: What fits into the window of an envelope.
LINES: Final = 7
LONGEST: Final = 100
#: Countries that write on Letter; all others on A4.
_LETTER: Final = frozenset(("US", "CA", "MX"))
#: Signs without a shape that words of some scripts and pictures need.
_JOINERS: Final = "\u200c\u200d"
#: A word longer than this may be broken, so that nothing runs over the edge.
_WORD: Final = re.compile(r"\S{31,}")
_BREAK: Final = 15


def address(lines: Sequence[str]) -> tuple[str, ...]:
    """An address as it is printed. UsageError where it is none, or is not seen in a window."""
    found = tuple(one for one in (_shown(line) for line in lines) if one)
    if not any(c.isalnum() for line in found for c in line):
        raise UsageError(
            "it is not said to whom the letter goes",
            expected="name and address, a line for each part",
        )
    if len(found) > LINES or any(len(line) > LONGEST for line in found):
        raise UsageError(
            "the address would not be seen in the window of an envelope",
            expected=f"up to {LINES} lines of up to {LONGEST} letters",
        )
    return found


def where_to(controller: Controller, case: Case) -> tuple[str, ...]:
    """Where the answer of a case goes on paper, by the letter on which it was opened."""
    for one in controller.intakes.of_case(case.id):
        if lines := controller.intakes.said(one).get("post"):
            return tuple(lines)
    return ()


def make(
    controller: Controller, case_id: str, to: Sequence[str], actor: Actor, now: dt.datetime, *,
    longer: tuple[str, str] | None = None, country: str | None = None,
    subdivision: str | None = None, language: str | None = None,
) -> tuple[Paper, bytes]:  # fmt: skip
    """A letter of a case as a PDF: the answer as the case stands, or, with `longer` (a reason of
    EXTENSIONS and the words for her), the notice that it takes longer. Without `to` it goes to the
    address in the letter on which the case was opened; without `language` it speaks that in which
    she asked.

    Raises UsageError where there is no address, the policy is not there in that language, and
    where there is no such case, no answer yet, no more time, or no typst.
    """
    typst = _typst()
    language = chosen(controller, language)
    case = controller.cases.get(case_id)
    lines = address(to or where_to(controller, case))
    if longer is None:
        # Entered as sent it would count as her answer, once the case is done.
        require_answer(case, "that it takes longer is another letter: `--more-time`")
        made = letter(
            controller, case.id, now, country=country, subdivision=subdivision, language=language
        )
    else:
        made = more_time(
            controller, case.id, *longer, now, country=country, subdivision=subdivision,
            language=language,
        )  # fmt: skip
    kind = "answer" if longer is None else "more-time"
    pdf = _set(typst, made, lines, controller.bundle.organisation.country, now)
    said = {} if longer is None else {"reason": longer[0], "words": longer[1]}
    body = {
        "case": case.id,
        "kind": kind,
        "text": controller.digest(made.text().encode()),
        "file": controller.digest(pdf),
        "actor": name(actor.role),
    }
    entries = [Entry("letter.made", now, body)]
    if longer is None:
        entries.append(claimed(controller, made, actor.role, now))
    with controller.database.connection() as connection:
        number = controller.papers.add(case, kind, pdf, said, actor, now, connection=connection)
        controller.ledger.append_in(connection, entries)
    return Paper(number, kind, now, None), pdf


def again(controller: Controller, case_id: str, number: int) -> bytes:
    """A letter as it was made. UsageError where the case has no such."""
    case = controller.cases.get(case_id)
    return controller.papers.opened(case, _one(controller, case_id, number))[0]


def posted(
    controller: Controller, case_id: str, number: int | None, day: dt.date, actor: Actor,
    now: dt.datetime,
) -> Paper:  # fmt: skip
    """A letter went out that day, by the word of who says so: the newest where none is named.

    With it the clock has it; a notice gives the case its more time. UsageError where the day
    cannot be, or the rule of the case gives none.
    """
    case = controller.cases.get(case_id)
    one = _one(controller, case_id, number)
    if not controller.day(one.made_at) <= day <= controller.day(now):
        raise UsageError(
            "the letter cannot have gone out that day",
            expected=f"a day from {controller.day(one.made_at)}, when it was made, to today",
            met=str(day),
        )
    with controller.database.connection() as connection:
        if not controller.papers.post(one, day, now, connection=connection):
            raise UsageError("that letter was entered as sent before; nothing was changed")
        pdf, said = controller.papers.opened(case, one, connection=connection)
        if one.kind == "more-time":
            clock.extend(
                controller, case.id, said["reason"], said["words"], day, actor, now,
                connection=connection,
            )  # fmt: skip
        else:
            clock.posted(controller, case, one.made_at, day, actor, now, connection)
        body = {
            "case": case.id,
            "kind": one.kind,
            "file": controller.digest(pdf),
            "sent": day.isoformat(),
            "actor": name(actor.role),
        }
        controller.ledger.append_in(connection, [Entry("letter.posted", now, body)])
    return Paper(one.id, one.kind, one.made_at, day)


def _one(controller: Controller, case_id: str, number: int | None) -> Paper:
    those = controller.papers.of(controller.cases.get(case_id))
    found = [one for one in those if number is None or one.id == number]
    if not found:
        raise UsageError(
            "the case has no such letter on paper",
            expected="one of " + ", ".join(str(one.id) for one in those) if those else None,
            fix=f"make one: `kept case letter {case_id} --pdf FILE --to …`",
        )
    return found[-1]


def _set(typst: Any, made: Letter, to: Sequence[str], country: str, now: dt.datetime) -> bytes:
    """The PDF. What is said goes in as data, so it is text whatever it looks like."""
    document = {
        "paper": "us-letter" if country in _LETTER else "a4",
        "title": _shown(made.title),
        "organisation": _shown(made.sender.partition(",")[0]),
        "language": made.language.partition("-")[0],
        "sender": _shown(made.sender),
        "date": made.date,
        "case": made.case,
        "case-word": made.mark,
        "page": tongues.said(tongues.tongue_of(made.language), "Page"),
        "to": [_broken(line) for line in to],
        "parts": [
            {
                "title": _broken(_shown(part.title)),
                "lines": [_broken(_shown(line)) for line in part.lines],
                "points": [_broken(_shown(point)) for point in part.points],
            }
            for part in made.parts
        ],
    }
    template = resources.files("kept.duties.rights").joinpath("letter.typ").read_bytes()
    try:
        pdf = typst.compile(
            template, format="pdf", sys_inputs={"letter": json.dumps(document)},
            font_paths=_fonts(), pdf_standards=["ua-1"], timestamp=int(now.timestamp()),
        )  # fmt: skip
    except typst.TypstError as problem:
        # Its words repeat what could not be set.
        if "could not be displayed" not in str(problem):
            raise UsageError("the letter could not be set as a PDF") from None
        raise UsageError(
            "a sign of the letter is in no font of this machine, and a box would stand for it",
            fix="install fonts for its script (fonts-noto has most), or write it in other letters",
        ) from None
    assert isinstance(pdf, bytes)
    return pdf


def _typst() -> Any:
    try:
        import typst
    except ImportError:
        raise UsageError(
            "letters on paper need a library that is not installed",
            expected="the package typst",
            fix="install Kept with its extra: `pip install 'kept[letters]'`",
        ) from None
    return typst


@functools.cache
def _fonts() -> Any:
    """Those that it brings, then those of the machine: names are written in many scripts."""
    return _typst().Fonts(include_system_fonts=True, include_embedded_fonts=True)


def _shown(words: str) -> str:
    """Words as one line, without what has no shape or turns the direction of what follows."""
    words = " ".join(words.split())
    return "".join(
        c for c in words if c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Cn")
    ).strip()


def _broken(words: str) -> str:
    """Very long words may end a line within."""

    def cut(met: re.Match[str]) -> str:
        word = met[0]
        return "\u200b".join(word[n : n + _BREAK] for n in range(0, len(word), _BREAK))

    return _WORD.sub(cut, words)
