"""`kept complaint`: complaints about us, and what an authority asks of us."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from kept.app import mail
from kept.app.commands.common import ACTING, COMMON, Acting, Common, day, moment, opened, said
from kept.app.output import table
from kept.duties.rights import complaints
from kept.errors import UsageError
from kept.records.complaint import AUTHORITY, Complaint
from kept.terms.identifiers import parse

group = App(name="complaint", help="Complaints about us: acknowledged, looked into, answered.")

Way = Literal["mail", "letter", "telephone"]
Sent = Annotated[str | None, Parameter(help="when it went, ISO 8601 (default: now)")]
#: The longest file of words that is read, in bytes.
_LONGEST = 65_536


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def add(
    *,
    channel: Annotated[Literal["letter", "phone", "email"], Parameter(help="how it came in")],
    arrived: Annotated[str, Parameter(help="the day on which it arrived, as 2026-11-23")],
    words_file: Annotated[Path, Parameter(help="a text file with what was written or said")],
    identity: Annotated[
        str | None, Parameter(help="who complains, as email=name@example.org", negative="")
    ] = None,
    post: Annotated[str, Parameter(help="her postal address, for letters")] = "",
    about: Annotated[str, Parameter(help="the number of a request that it names")] = "",
    region: Annotated[
        str, Parameter(help="where she lives: a region or a country as DE, US-CA")
    ] = "unknown",
    authority: Annotated[str, Parameter(help="the name of the authority, where one writes")] = "",
    due: Annotated[str | None, Parameter(help="the last day that an authority set")] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Enter a complaint that came by letter, telephone or e-mail; with --authority, its letter."""
    now, on = acting.moment, day(arrived, "--arrived")
    assert on is not None
    with opened(common, "complaint add", acting.role) as (controller, _):
        came = complaints.Came(
            channel, on, _words(words_file), parse(identity) if identity else None, post, about,
            region, authority, day(due, "--due"),
        )  # fmt: skip
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = complaints.add(controller, came, actor, now)
        mail.deliver(controller, lambda: now)
        controller.ledger.checkpoint(now)
    return _done(common, one, now, f"Complaint {one.id} entered.")


@group.command(name="list")
def list_command(
    *,
    every: Annotated[
        bool, Parameter(name="--all", help="also those that were answered", negative="")
    ] = False,
    common: Common = COMMON,
) -> int:
    """Complaints, the oldest first."""
    with opened(common) as (controller, _):
        found = controller.complaints.all(open_only=not every)
    rows = [
        (c.id, c.by_whom, c.channel, str(c.arrived), c.state.value, str(c.next_day or "–"))
        for c in found
    ]
    head = ("complaint", "by", "came by", "on", "state", "next day")
    words = [table(head, rows)] if rows else ["No complaints."]
    common.out.result({"complaints": [_document(c) for c in found]}, words)
    return 0


@group.command
def show(
    complaint: str,
    /,
    *,
    words: Annotated[
        bool, Parameter(help="also who complains, and what was written", negative="")
    ] = False,
    common: Common = COMMON,
) -> int:
    """One complaint: how it stands, and what was done."""
    with opened(common) as (controller, _):
        one = controller.complaints.get(complaint)
        told = controller.complaints.said(one) if words else {}
    document = _document(one)
    lines = _lines(one)
    if words:
        document["words"] = told
        document["letters"] = [a.words for a in one.acts if a.words]
        lines += [f"{k}: {v}" for k, v in told.items() if v]
        lines += [f"{a.act}: {a.words}" for a in one.acts if a.words]
    common.out.result(document, lines)
    return 0


@group.command
def acknowledge(
    complaint: str,
    /,
    *,
    way: Annotated[Way, Parameter(help="how it was said; mail is sent here")] = "mail",
    sent: Sent = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Say that a complaint has come, or record that it was said."""
    now = acting.moment
    with opened(common, "complaint acknowledge", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = complaints.acknowledge(controller, complaint, way, _at(sent, now), actor, now)
        mail.deliver(controller, lambda: now)
    return _done(common, one, now, "It was said that the complaint has come.")


@group.command
def note(
    complaint: str,
    /,
    *,
    words_file: Annotated[Path, Parameter(help="a text file with what was looked into; sealed")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Write down what was looked into."""
    now = acting.moment
    with opened(common, "complaint note", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = complaints.note(controller, complaint, _words(words_file), actor, now)
    return _done(common, one, now, "Noted.")


@group.command
def verify(
    complaint: str,
    /,
    *,
    evidence: Annotated[str, Parameter(help="how it was checked who complains; sealed")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Record how it was checked who complains; before that it is linked with no case."""
    now = acting.moment
    with opened(common, "complaint verify", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = complaints.verify(controller, complaint, said(evidence, "--evidence"), actor, now)
    return _done(common, one, now, "It is known who complains.")


@group.command
def link(
    complaint: str,
    /,
    *,
    case: Annotated[str, Parameter(help="the case that it is about")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Link a complaint with the case that it is about, where it is the same person's."""
    now = acting.moment
    with opened(common, "complaint link", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = complaints.link(controller, complaint, case, actor, now)
    return _done(common, one, now, f"Linked with case {one.case}.")


@group.command
def answer(
    complaint: str,
    /,
    *,
    outcome: Annotated[
        Literal["upheld", "partly-upheld", "not-upheld", "withdrawn", "settled"],
        Parameter(help="what came of it; settled: an authority's matter"),
    ],
    words_file: Annotated[Path | None, Parameter(help="a text file with the reasons")] = None,
    way: Annotated[Way, Parameter(help="how the answer goes; mail is sent here")] = "mail",
    sent: Sent = None,
    country: Annotated[
        str | None, Parameter(help="where the person lives (ISO 3166), for the authority")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Tell the outcome, with the authority and the way to a court; the complaint ends."""
    now = acting.moment
    with opened(common, "complaint answer", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        text = _words(words_file) if words_file else ""
        one = complaints.answer(
            controller, complaint, outcome, text, way, actor, now, country=country,
            sent=_at(sent, now),
        )  # fmt: skip
        mail.deliver(controller, lambda: now)
        controller.ledger.checkpoint(now)
    last = one.acts[-1]
    if way != "mail" and outcome != "settled":
        common.out.result({**_document(one), "letter": last.words}, last.words.split("\n"))
        return 0
    return _done(common, one, now, f"Answered: {outcome}.")


def _done(common: Common, one: Complaint, now: dt.datetime, words: str) -> int:
    left = complaints.missing(one)
    then = [f"Still to do: {'; '.join(left)}."] if left else []
    common.out.result(_document(one), [words, *then])
    return 0


def _at(text: str | None, now: dt.datetime) -> dt.datetime:
    return now if text is None else moment(text)


def _words(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as problem:
        raise UsageError(
            "the file of words cannot be read", met=type(problem).__name__, fix="see --words-file"
        ) from None
    if len(data) > _LONGEST:
        raise UsageError("the file of words is too long", expected=f"at most {_LONGEST:,} bytes")
    return data.decode("utf-8", "replace")


def _lines(one: Complaint) -> list[str]:
    whose = "an authority" if one.by_whom == AUTHORITY else "a person"
    lines = [f"Complaint {one.id} of {whose}: {one.state.value}, came {one.arrived}."]
    if not one.acknowledged_at and one.open:
        lines.append(f"To be acknowledged by {one.confirm_by}.")
    if one.due:
        lines.append(f"The authority waits until {one.due}.")
    if one.case:
        lines.append(f"About case {one.case}.")
    lines += [
        f"{a.at:%Y-%m-%d %H:%M} UTC  {a.act} {a.what or ''} {a.way or ''}".rstrip()
        + f", by the role {a.actor.role}"
        for a in one.acts
    ]
    if left := complaints.missing(one):
        lines.append(f"Still to do: {'; '.join(left)}.")
    return lines


def _document(one: Complaint) -> dict[str, Any]:
    return {
        "complaint": one.id, "by": one.by_whom, "channel": one.channel, "state": one.state.value,
        "region": one.region, "arrived": one.arrived.isoformat(), "rule": one.rule,
        "confirm_by": one.confirm_by.isoformat(),
        "acknowledged_at": one.acknowledged_at.isoformat() if one.acknowledged_at else None,
        "due": one.due.isoformat() if one.due else None, "known": one.verified_at is not None,
        "case": one.case, "outcome": one.outcome, "left": complaints.missing(one),
        "acts": [
            {"act": a.act, "what": a.what, "way": a.way, "role": a.actor.role,
             "done_at": a.done_at.isoformat(), "at": a.at.isoformat()}
            for a in one.acts
        ],
    }  # fmt: skip
