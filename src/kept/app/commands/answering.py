"""`kept case answer`, `letter` and `deliver`: the letter of a case, on paper as well, and its
package behind a link.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from kept.app.commands.case import group
from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    day,
    opened,
    said,
    warn_of_stranger,
)
from kept.app.fit import Exact
from kept.app.output import table
from kept.controller import Controller
from kept.duties.rights import delivery, mailing, paper
from kept.duties.rights.clock import too_early
from kept.duties.rights.language import chosen
from kept.duties.rights.letter import answer_case
from kept.duties.staff import owed
from kept.errors import UsageError
from kept.terms.authorities import countries

Country = Annotated[
    str | None,
    Parameter(help="where the person lives, as DE or US-CA; chooses the authority that is named"),
]
Language = Annotated[
    str | None, Parameter(help="a language of the policy, as de; without: that in which she asked")
]


def register(app: App) -> None:
    """Nothing to add: its commands stand in the group of cases."""
    del app


@group.command
def answer(
    case: str,
    /,
    *,
    html: Annotated[bool, Parameter(help="one page of HTML instead of text", negative="")] = False,
    text: Annotated[bool, Parameter(help="plain text (the default)", negative="")] = False,
    country: Country = None,
    language: Language = None,
    out: Annotated[
        Path | None, Parameter(help="a new file for the letter; it is yours alone to read")
    ] = None,
    mail: Annotated[
        bool,
        Parameter(help="send it, once, to the address that she proved hers", negative=""),
    ] = False,
    again: Annotated[
        bool, Parameter(help="with --mail: she gets another, though one went", negative="")
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """The letter to the person: what was done with her request, made of the record of the case.

    It says how the case stands now, and holds the words that were noted for her.
    """
    if html and text:
        raise UsageError("`--html` and `--text` exclude each other", fix="give one of them")
    if mail and (html or text or out is not None):
        raise UsageError(
            "what is mailed is not printed or written", fix="leave --html, --text and --out out"
        )
    where, part = _lives(country)
    with opened(common, "case answer", acting.role) as (controller, config):
        _still_owed(controller, case, acting)
        warn_of_stranger(common, config, controller.bundle)
        now = acting.moment
        language = chosen(controller, language)
        if mail:
            actor = controller.actors.of(acting.actor, acting.role, now)
            until = mailing.mail_answer(
                controller, case, actor, now, again=again, country=where, subdivision=part,
                language=language,
            )  # fmt: skip
            controller.ledger.checkpoint(now)
            told = [
                "The answer waits to be sent to the address that she proved hers. `kept serve`"
                f" sends it; it is tried until {until:%Y-%m-%d %H:%M} UTC.",
                f"What became of it: {common.next('case', 'show', case)}",
            ]
            said_so = {"case": case, "mailed": True, "tried_until": until.isoformat()}
            common.out.result(said_so, told)
            return 0
        made = answer_case(
            controller, case, now, role=acting.role, country=where, subdivision=part,
            language=language,
        )  # fmt: skip
        controller.ledger.checkpoint(now)
    words = made.html() if html else made.text()
    if out is not None:
        write_new(out, words)
        common.out.result({**made.document(), "out": str(out)}, [f"The letter lies in {out}."])
    else:
        common.out.result({**made.document(), "text": words}, [Exact(words.rstrip("\n"))])
    return 0


@group.command(name="letter")
def letter_command(
    case: str,
    /,
    *,
    pdf: Annotated[Path, Parameter(help="a new file for the letter; it is yours alone to read")],
    to: Annotated[
        list[str] | None,
        Parameter(
            help="a line of name and address; stands once for each line; without: the address in"
            " the letter that came",
            negative="",
        ),
    ] = None,
    more_time: Annotated[
        Literal["complex", "numerous"] | None,
        Parameter(help="the notice that it takes longer, and why, in place of the answer"),
    ] = None,
    words: Annotated[str | None, Parameter(help="with --more-time: what she is told")] = None,
    again: Annotated[
        int | None, Parameter(help="a letter that was made before, by its number, as it was")
    ] = None,
    country: Country = None,
    language: Language = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """The letter of a case as a PDF for a window envelope: the answer, or that it takes longer.

    A copy stays with the case, sealed. Once it is posted, say so: `kept case posted`.
    """
    where, part = _lives(country)
    if pdf.exists() or not pdf.parent.is_dir():  # before anything is entered
        raise _taken(None)
    with opened(common, "case letter", acting.role) as (controller, config):
        _still_owed(controller, case, acting)
        warn_of_stranger(common, config, controller.bundle)
        now = acting.moment
        if words is not None and more_time is None:
            raise UsageError(
                "`--words` is said of a notice that it takes longer",
                fix="add --more-time and why, or leave --words out",
            )
        if again is not None:
            number, made = again, paper.again(controller, case, again)
        else:
            longer = None if more_time is None else (more_time, said(words or "", "--words"))
            actor = controller.actors.of(acting.actor, acting.role, now)
            one, made = paper.make(
                controller, case, to or (), actor, now, longer=longer, country=where,
                subdivision=part, language=language,
            )  # fmt: skip
            number = one.id
            controller.ledger.checkpoint(now)
        write_new(pdf, made)
    lines = [
        f"Letter {number} lies in {pdf}.",
        f"When it went out: {common.next('case', 'posted', case, '--on', 'DAY')}",
    ]
    common.out.result({"case": case, "letter": number, "pdf": str(pdf)}, lines)
    return 0


@group.command
def posted(
    case: str,
    /,
    *,
    on: Annotated[str, Parameter(help="the day on which it went out, as 2026-01-31")],
    letter: Annotated[
        int | None, Parameter(help="the number of the letter; the newest where none is given")
    ] = None,
    in_person: Annotated[
        bool,
        Parameter(
            help="it is no letter on paper: the answer was handed or read to her", negative=""
        ),
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """A letter on paper went out: entered with the day, and with the clock of the case.

    With a notice that it takes longer, the time of the case is extended by it.
    """
    sent = day(on, "--on")
    assert sent is not None
    if in_person and letter is not None:
        raise UsageError("`--letter` and `--in-person` exclude each other", fix="give one of them")
    with opened(common, "case posted", acting.role) as (controller, _):
        _still_owed(controller, case, acting)
        now = acting.moment
        actor = controller.actors.of(acting.actor, acting.role, now)
        if in_person:
            mailing.handed(controller, case, sent, actor, now)
            controller.ledger.checkpoint(now)
            said_so = {"case": case, "in_person": True, "posted_on": on}
            common.out.result(said_so, [f"It is entered that the answer reached her on {sent}."])
            return 0
        one = paper.posted(controller, case, letter, sent, actor, now)
        controller.ledger.checkpoint(now)
        met = controller.cases.get(case)
        clock = controller.clocks.of(met)
    lines = [f"Letter {one.id} is entered as sent on {sent}."]
    due = str(clock.due) if clock else None
    if one.kind == "more-time":
        lines.append(f"Her request is to be answered by {due} now.")
    elif too_early(met, one.made_at):
        lines.append("It was written before all was done, and is not her answer: write it anew.")
    common.out.result(
        {"case": case, "letter": one.id, "kind": one.kind, "posted_on": on, "due": due}, lines
    )
    return 0


@group.command
def deliver(
    case: str,
    package: Path,
    /,
    *,
    days: Annotated[int, Parameter(help="how long it waits")] = delivery.DAYS,
    downloads: Annotated[int, Parameter(help="how often it may be fetched")] = delivery.DOWNLOADS,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Put the package of a case, encrypted, behind a link that ends; the link is shown once.

    Who opens it needs a fresh code as well (`kept case code`), which comes another way. After the
    last download, or when the time is over, the file is destroyed, and that is logged.
    """
    with opened(common, "case deliver", acting.role) as (controller, _):
        _still_owed(controller, case, acting)
        now = acting.moment
        actor = controller.actors.of(acting.actor, acting.role, now)
        made = delivery.deliver(
            controller, case, package, actor, now, days=days, downloads=downloads
        )
        controller.ledger.checkpoint(now)
        link = f"{controller.site_url or ''}/privacy/delivery/{made.token}"
    document = {
        "case": made.case, "link": link, "ends_at": made.ends_at.isoformat(),
        "downloads": made.allowed, "bytes": made.size, "mailed": made.mailed,
    }  # fmt: skip
    how = (
        "It goes by mail to the address that she proved hers; so does the code that the page asks"
        " for."
        if made.mailed
        else "Who opens it is asked for a code. A fresh one, good for ten minutes, to tell her on"
        f" the telephone: {common.next('case', 'code', made.case)}"
    )
    words = [
        f"The package of case {made.case} waits until {made.ends_at:%Y-%m-%d %H:%M} UTC, for"
        f" {made.allowed} downloads. The link, which is shown only now:",
        Exact(link),
        how,
        f"What you no longer need here: {package} can be read by whoever has it.",
    ]
    common.out.result(document, words)
    return 0


@group.command
def code(case: str, /, *, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """A fresh code for the package that waits, to tell the person on the telephone or by letter."""
    with opened(common, "case code", acting.role) as (controller, _):
        _still_owed(controller, case, acting)
        made = delivery.code_for(controller, case, acting.moment)
    words = [Exact(made), "Good for ten minutes and one download. Tell it to nobody but her."]
    common.out.result({"case": case, "code": made}, words)
    return 0


@group.command
def deliveries(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """End the packages whose time is over, and list all that wait or waited."""
    with opened(common, "case deliveries", acting.role) as (controller, _):
        now = acting.moment
        if delivery.sweep(controller, now):
            controller.ledger.checkpoint(now)
        every = controller.deliveries.all()
    rows = [
        (d.case, f"{d.made_at:%Y-%m-%d}", f"{d.ends_at:%Y-%m-%d}", d.outcome or "waits",
         f"{d.fetched} of {d.allowed}")
        for d in every
    ]  # fmt: skip
    document = [
        {"case": d.case, "made_at": d.made_at.isoformat(), "ends_at": d.ends_at.isoformat(),
         "outcome": d.outcome, "fetched": d.fetched, "allowed": d.allowed}
        for d in every
    ]  # fmt: skip
    head = ("case", "made", "until", "state", "fetched")
    common.out.result({"deliveries": document}, [table(head, rows)] if rows else ["None."])
    return 0


def _still_owed(controller: Controller, case: str, acting: Acting) -> None:
    """Refuse support a case that is over, as the desk does. Denied."""
    owed.require(controller, {acting.role}, controller.cases.get(case), acting.moment)


def _lives(country: str | None) -> tuple[str | None, str | None]:
    """(country, part of it) where the person lives. UsageError."""
    where, _, part = (country or "").strip().upper().partition("-")
    if country and (len(where) != 2 or not where.isalpha()):
        raise UsageError(
            "`--country` is no country",
            expected=f"two letters, as {', '.join(list(countries())[:3])}",
        )
    return where or None, part or None


def write_new(path: Path, said: str | bytes) -> None:
    """Write a file that nobody else may read; UsageError where it is there, or cannot be made."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as problem:
        raise _taken(problem.strerror) from None
    with os.fdopen(handle, "wb") as file:
        file.write(said.encode() if isinstance(said, str) else said)


def _taken(met: str | None) -> UsageError:
    return UsageError(
        "the letter cannot be written there",
        expected="a file name that nothing has yet, in a directory that exists",
        met=met,
        fix="name another file",
    )
