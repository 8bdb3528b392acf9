"""`kept request`: what people ask, how it came in, and what is left to do with it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from kept.app import mail
from kept.app.commands.answering import write_new
from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    Identity,
    IdentityFile,
    day,
    moment,
    opened,
    person,
    said,
)
from kept.app.fit import Exact
from kept.app.output import table
from kept.controller import Controller
from kept.duties import incidents, rights
from kept.duties.rights import entering, listed, reported, saved_mail, scan_form, scanned
from kept.errors import UsageError
from kept.records.intake import BEGUN, WHOLE, Intake
from kept.terms import clocks
from kept.terms.asks import ASKS, CHILD_REPORT, UNCLEAR
from kept.terms.proof import RECORDED, WAYS
from kept.terms.words import many

group = App(
    name="request", help="What people ask: letters, calls and mail entered, reports decided."
)

Asked = Annotated[
    list[str] | None,
    Parameter(help=f"what is asked: {', '.join(ASKS)}; several are several", negative=""),
]
Reason = Annotated[str, Parameter(help="why, in words; sealed, or kept as a keyed hash")]
#: The longest file of words that is read, in bytes.
_LONGEST = 65_536


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def add(
    *,
    channel: Annotated[
        Literal["letter", "phone", "email"] | None,
        Parameter(help="how it came in; with --mail: email"),
    ] = None,
    arrived: Annotated[
        str | None,
        Parameter(
            help="the day on which it arrived, as 2026-11-23; of a --mail the stamp of a server"
            " that `mail_servers` of [desk] names says it too"
        ),
    ] = None,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    right: Asked = None,
    words_file: Annotated[
        Path | None,
        Parameter(
            help="a text file, or a saved mail (.eml), with what was written or said; without"
            " --right it decides"
        ),
    ] = None,
    mail_file: Annotated[
        Path | None,
        Parameter(
            name="--mail",
            help="a mail that was saved (.eml), or one that passes it on as a file: its words, and"
            " where no --identity says it, who it says it is from, which proves nothing",
        ),
    ] = None,
    post: Annotated[
        list[str] | None,
        Parameter(
            help="of a letter: where the answer goes on paper; stands once for each line of name"
            " and address", negative="",
        ),
    ] = None,
    scan: Annotated[
        list[Path] | None,
        Parameter(
            help="of a letter: its scan, as PDF, PNG or JPEG; several are several. Never a copy of"
            " an identity paper", negative="",
        ),
    ] = None,
    region: Annotated[
        str,
        Parameter(
            help="where she lives: a region or a country as DE, US-CA; unknown: the strictest"
        ),
    ] = "unknown",
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Enter what came by letter, telephone or e-mail; a case is opened for each right asked."""
    now = acting.moment
    with opened(common, "request add", acting.role) as (controller, _):
        people = person(identity, identity_file)
        on, words_ = day(arrived, "--arrived"), _words(words_file, now)
        if mail_file is not None:
            met = _mailed(controller, mail_file, now)
            channel, words_ = channel or "email", words_ or met.words
            people = people or ((met.sender,) if met.sender else ())
            on = on or (controller.day(met.arrived) if met.arrived else None)
        if channel is None:
            raise UsageError("it is not said how it came in", fix="name it with --channel")
        if on is None:
            raise UsageError(
                "it is not said on which day it arrived",
                fix="name it with --arrived; of a --mail it is read where `mail_servers` of [desk]"
                " names the server that stamped it",
            )
        scans = tuple(_bytes(file, scan_form.LARGEST, "the scan") for file in scan or ())
        came = entering.Came(
            channel, on, people, tuple(right or ()), words_, clocks.where(region),
            tuple(post or ()), scans,
        )  # fmt: skip
        actor = controller.actors.of(acting.actor, acting.role, now)
        made, seen = entering.add(controller, came, actor, now)
        mail.deliver(controller, lambda: now)
        controller.ledger.checkpoint(now)
        document = {
            "requests": [_document(controller, one) for one in made],
            "decided_by": [] if seen is None else [list(pair) for pair in seen.words],
        }
        words: list[str] = []
        for one in made:
            words += _shown(controller, one, common)
    if seen is not None:
        # The words are the person's own: shown to who entered them, kept nowhere else.
        words.append("Recognised by: " + ("; ".join(f"{k}: “{w}”" for k, w in seen.words)
                                          or "nothing that it says"))  # fmt: skip
    common.out.result(document, words)
    return 0


@group.command(name="scan")
def scan_command(
    request: str,
    file: Path,
    /,
    *,
    identity_paper: Annotated[
        bool,
        Parameter(
            help="it is a copy of an identity paper, which nobody asked for: it goes at the end,"
            " whatever is held", negative="",
        ),
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Add the scan of a letter (PDF, PNG or JPEG): sealed, and gone when the request has ended.

    Leave copies of identity papers out: what proves who asks is recorded with `kept case prove`.
    """
    with opened(common, "request scan", acting.role) as (controller, _):
        content = _bytes(file, scan_form.LARGEST, "the scan")
        actor = controller.actors.of(acting.actor, acting.role, acting.moment)
        made = scanned.add(
            controller, request, content, actor, acting.moment, identity=identity_paper
        )
        controller.ledger.checkpoint(acting.moment)
    lines = [
        f"Scan {made.id} ({made.form}) is kept, sealed.",
        f"To see it: {common.next('request', 'scanned', request, '--out', 'FILE')}",
    ]
    common.out.result({"request": request, "scan": made.id, "form": made.form}, lines)
    return 0


@group.command(name="scanned")
def scanned_command(
    request: str,
    /,
    *,
    out: Annotated[Path, Parameter(help="a new file for the scan; it is yours alone to read")],
    number: Annotated[
        int | None, Parameter(help="which scan; the newest where none is named")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Write the scan of a letter to a file."""
    with opened(common, "request scanned", acting.role) as (controller, _):
        one, content = scanned.opened(controller, request, number)
        write_new(out, content)
    common.out.result(
        {"request": request, "scan": one.id, "form": one.form, "out": str(out)},
        [f"Scan {one.id} ({one.form}) lies in {out}. Delete it when you have read it."],
    )
    return 0


@group.command(name="import")
def import_command(
    file: Path,
    /,
    *,
    yes: Annotated[
        bool, Parameter(help="enter them; without, they are shown", negative="")
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Enter a list (CSV, XLSX) of requests received elsewhere; shown first, entered with --yes.

    Columns: arrived, channel, and any of asked, words, region, reference, told, and one for each
    kind of identifier. Nothing is entered while a line is wrong, and nothing twice.
    """
    now = acting.moment
    with opened(common, "request import", acting.role) as (controller, _):
        rows = listed.read_file(file)
        lines = listed.look(controller, rows, now)
        made: list[Intake] = []
        if yes:
            actor = controller.actors.of(acting.actor, acting.role, now)
            made = listed.enter(controller, rows, actor, now)
            mail.deliver(controller, lambda: now)
            controller.ledger.checkpoint(now)
    shown = [
        (line.number, ", ".join(line.asked) or "–", str(line.came.arrived) if line.came else "–",
         f"WRONG: {line.problem}" if line.problem else "entered before" if line.there
         else f"the same as line {line.same}" if line.same else "new")
        for line in lines
    ]  # fmt: skip
    wrong = sum(1 for line in lines if line.problem)
    words = [table(("#line", "asked", "arrived", ""), shown) if shown else "No lines."]
    if yes:
        words.append(f"{many(len(made), 'request')} entered.")
    elif not wrong:
        words.append("Nothing was entered yet. To enter what is new: add --yes")
    document = {
        "lines": [
            {"line": line.number, "asked": list(line.asked), "problem": line.problem,
             "there": line.there, "same": line.same}
            for line in lines
        ],
        "entered": [one.id for one in made],
    }  # fmt: skip
    common.out.result(document, words)
    return 2 if wrong else 0


@group.command(name="list")
def list_command(
    *,
    every: Annotated[
        bool, Parameter(name="--all", help="also those that were answered", negative="")
    ] = False,
    common: Common = COMMON,
) -> int:
    """What people ask, reports of children first, then the oldest first."""
    with opened(common) as (controller, _):
        found = controller.intakes.all(open_only=not every)
        waiting = controller.outbox.waiting()
        found.sort(key=lambda one: (not (CHILD_REPORT in one.asked and one.open), one.number))
        documents = [_document(controller, one) for one in found]
        rows = [(one.id, ", ".join(one.asked), one.channel, one.state.value, str(one.arrived),
                 _left(controller, one)) for one in found]  # fmt: skip
    head = ("request", "asked", "channel", "state", "arrived", "left to do")
    words: list[str] = [table(head, rows)] if rows else ["Nobody asks anything at present."]
    if waiting:
        words += ["", f"{many(waiting, 'message')} to people {'waits' if waiting == 1 else 'wait'}"
                  f" to be sent: {common.next('request', 'run')}"]  # fmt: skip
    common.out.result({"requests": documents, "mail_waiting": waiting}, words)
    return 0


@group.command
def show(
    request: str,
    /,
    *,
    show: Annotated[
        bool, Parameter(help="also what was said, and by whom", negative="")
    ] = False,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """One request: what is asked, how it stands, what comes next."""
    with opened(common) as (controller, _):
        one = controller.intakes.get(request)
        document, words = _document(controller, one), _shown(controller, one, common)
        if show:
            told = controller.intakes.said(one)
            document["said"] = told
            for key in ("person", "agent", "changed", "reporter"):
                if told.get(key):
                    words.append(Exact(f"{key}: {told[key]}"))
            for key in ("about", "identity"):
                words += [Exact(f"{key}: {k}={v}") for k, v in told.get(key, ())]
            if told.get("post"):
                words.append(Exact(f"answer to: {', '.join(told['post'])}"))
            words += ["", *told["words"].splitlines()] if told.get("words") else []
    common.out.result(document, words)
    return 0


@group.command
def classify(
    request: str,
    /,
    *,
    as_: Annotated[
        list[str],
        Parameter(name="--as", help=f"what is asked: {', '.join(ASKS)}", negative=""),
    ],
    identity: Identity = None,
    identity_file: IdentityFile = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Say what is asked after all, or whose record a report is about."""
    now, who = acting.moment, person(identity, identity_file)
    with opened(common, "request classify", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = entering.classify(controller, request, as_, who, actor, now)
        controller.ledger.checkpoint(now)
        document, words = _document(controller, one), _shown(controller, one, common)
    common.out.result(document, words)
    return 0


@group.command
def verify(
    case: str,
    /,
    *,
    evidence: Annotated[str, Parameter(help="in words, how it was checked who asks; recorded")],
    way: Annotated[
        str, Parameter(help="; ".join(f"{w}: {WAYS[w].means}" for w in RECORDED))
    ] = "checked",
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Record for a case how it was checked who asks."""
    now = acting.moment
    with opened(common, "request verify", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        words_ = said(evidence, "--evidence")
        done = entering.verify(controller, case, words_, actor, now, way=way)
        controller.ledger.checkpoint(now)
    words = [f"Case {done.id} is {done.state}.", f"Next: {common.next('case', 'show', done.id)}"]
    common.out.result({"case": done.id, "state": done.state.value}, words)
    return 0


@group.command
def close(
    request: str,
    /,
    *,
    reason: Reason,
    outcome: Annotated[
        Literal["answered", "refused", "withdrawn"], Parameter(help="how it ends")
    ] = "answered",
    reply_file: Annotated[
        Path | None, Parameter(help="a text file with an answer, which is mailed to the person")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """End a request that leaves nothing to do: a question that was answered, say."""
    now = acting.moment
    with opened(common, "request close", acting.role) as (controller, _):
        reply = _words(reply_file, now) if reply_file is not None else None
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = entering.close(
            controller, request, outcome, said(reason, "--reason"), reply, actor, now
        )
        mail.deliver(controller, lambda: now)
        controller.ledger.checkpoint(now)
        document = _document(controller, one)
    common.out.result(document, [f"Request {one.id} is {one.state}."])
    return 0


@group.command
def decide(
    request: str,
    /,
    *,
    outcome: Annotated[
        Literal["confirmed", "unfounded", "freeze"],
        Parameter(help="whether the record is a child's; freeze: it is to be frozen first"),
    ],
    reason: Reason | None = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Decide a report of a child: confirmed, its data is to be erased; unfounded, it is free.

    One that came in a flood waits: `freeze` stops the uses of its record, and it is decided then.
    """
    now = acting.moment
    with opened(common, "request decide", acting.role) as (controller, _):
        if outcome == "freeze":
            done = reported.release(
                controller, [request], "freeze", "", actor=acting.actor, role=acting.role, now=now
            )
            if not done.done:
                raise UsageError(
                    "the report does not wait to be frozen", expected="one that is held"
                )
            controller.ledger.checkpoint(now)
            one = controller.intakes.get(request)
            common.out.result(_document(controller, one), _shown(controller, one, common))
            return 0
        one, case = reported.decide(
            controller, request, outcome, said(reason, "--reason") or "", actor=acting.actor,
            role=acting.role, now=now,
        )  # fmt: skip
        controller.ledger.checkpoint(now)
        document = _document(controller, one)
    if case is None:
        words = ["Unfounded: what the report froze may be used again."]
    else:
        words = [
            "Confirmed: the record stays frozen until it is erased.",
            f"Next: {common.next('rights', 'erase', '--case', case.id, '--yes')}",
        ]
    common.out.result(document, words)
    return 0


@group.command
def run(
    *,
    now: Annotated[
        str | None, Parameter(help="the moment to act at, ISO 8601 (for tests; default: now)")
    ] = None,
    common: Common = COMMON,
) -> int:
    """Do at once what `kept serve` does by itself: freeze, send mail, let go of the unconfirmed."""
    at = moment(now)
    with opened(common) as (controller, _):
        left = rights.freeze_reported(controller, at) + rights.tend(controller, at)
        rights.complaints.tend(controller, at)
        incidents.tend(controller, at)
        left += rights.agent_status.keep_up(controller, at)
        left += rights.agent_status.tell_agents(controller, at)
        went = mail.deliver(controller, lambda: at)
        controller.ledger.checkpoint(at)
        waiting = controller.outbox.waiting()
        can = controller.post is not None
    words = [f"{many(went.sent, 'message')} sent."]
    if waiting:
        words.append(f"{many(waiting, 'message')} could not be sent"
                     + (" yet." if can else ": set up [mail] in kept.toml."))  # fmt: skip
    if left:
        words.append(f"{many(left, 'request')} could not be dealt with wholly; it is tried again.")
    common.out.result({"sent": went.sent, "waiting": waiting, "left": left}, words)
    return 1 if waiting or left else 0


def _words(file: Path | None, now: dt.datetime) -> str:
    """The text of a file; of a mail that was saved whole (`.eml`), its own text."""
    if file is None:
        return ""
    saved = file.suffix.lower() == ".eml"
    data = _bytes(file, saved_mail.LARGEST if saved else _LONGEST, "the file of words")
    if saved:
        return saved_mail.read(data, (), now).words
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            "the file of words cannot be read", expected="a text file in UTF-8",
            met="bytes that are not UTF-8",
        ) from None  # fmt: skip


def _mailed(controller: Controller, file: Path, now: dt.datetime) -> saved_mail.SavedMail:
    data = _bytes(file, saved_mail.LARGEST, "the mail")
    return saved_mail.read(data, controller.desk.mail_servers, now)


def _bytes(file: Path, most: int, what: str) -> bytes:
    """What is in a file, of at most so many bytes."""
    try:
        with file.open("rb") as there:
            data = there.read(most + 1)
    except OSError as problem:
        raise UsageError(f"{what} cannot be read", met=problem.strerror) from None
    if len(data) > most:
        raise UsageError(f"{what} is too long", expected=f"{most:,} bytes")
    return data


def _reached(controller: Controller, one: Intake) -> int:
    """How many identifiers a report froze; none: nobody knows yet whose record it is."""
    return len(controller.intakes.reach(one).get("identifiers", ()))


def _left(controller: Controller, one: Intake) -> str:
    if not one.open:
        return "nothing"
    if CHILD_REPORT in one.asked:
        if one.held:
            return "freeze, or decide"
        if not _reached(controller, one):
            return "say whose record it is"
        return "decide" if one.outcome == WHOLE else "decide; freezing goes on"
    if one.outcome != BEGUN:
        return "open cases"
    if UNCLEAR in one.asked:
        return "classify"
    return "see its cases" if one.cases else "answer"


def _document(controller: Controller, one: Intake) -> dict[str, Any]:
    def iso(at: dt.datetime | None) -> str | None:
        return at.isoformat() if at else None

    return {
        "request": one.id,
        "asked": list(one.asked),
        "channel": one.channel,
        "state": one.state.value,
        "region": one.region,
        "arrived": one.arrived.isoformat(),
        "verified_at": iso(one.verified_at),
        "frozen_at": iso(one.frozen_at) if _reached(controller, one) else None,
        "held": one.held,
        "ended_at": iso(one.ended_at),
        "outcome": one.outcome if one.ended_at else None,
        "scans": [
            {"scan": s.id, "form": s.form, "identity_paper": s.identity}
            for s in controller.letter_scans.of(one.number)
        ],
        "cases": [
            {"case": id_, "asked": kind, "state": controller.cases.get(id_).state.value}
            for kind, id_ in one.cases
        ],
    }


def _shown(controller: Controller, one: Intake, common: Common) -> list[str]:
    lines = [f"Request {one.id}: {', '.join(one.asked)}; {one.state}, came {one.arrived}"
             f" ({one.channel})"]  # fmt: skip
    for kind, id_ in one.cases:
        case = controller.cases.get(id_)
        unknown = not case.evidence and not case.override
        lines.append(f"  {kind}: case {id_}, {case.state}" + ", not known who asks" * unknown)
        if unknown:
            lines.append(f"  Next: {common.next('request', 'verify', id_, '--evidence', '…')}")
    for scan in controller.letter_scans.of(one.number):
        lines.append(f"  Scan {scan.id}: {scan.form}, added {scan.added_at:%Y-%m-%d}")
    if not one.open:
        return lines
    if one.held:
        again = common.next("request", "decide", one.id, "--outcome", "freeze")
        return [*lines, "  Nothing is frozen: it came among many, and waits for a person.",
                f"  Next: {again}"]  # fmt: skip
    if CHILD_REPORT in one.asked:
        if not _reached(controller, one):
            again = common.next(
                "request", "classify", one.id, "--as", CHILD_REPORT, "--identity", "…"
            )
            return [*lines, "  Nothing is frozen: say whose record it is.", f"  Next: {again}"]
        lines.append(f"  Frozen since {one.frozen_at:%Y-%m-%d %H:%M:%S}")
        again = common.next("request", "decide", one.id, "--outcome", "confirmed", "--reason", "…")
        lines.append(f"  Next: {again}")
    elif UNCLEAR in one.asked:
        lines.append(f"  Next: {common.next('request', 'classify', one.id, '--as', '…')}")
    elif not one.cases:
        lines.append(f"  Next: {common.next('request', 'close', one.id, '--reason', '…')}")
    return lines
