"""What people ask before it is a case: read, sorted, decided; letters and calls entered."""

from __future__ import annotations

import datetime as dt
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final, Literal

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from kept.app.desk.guard import Asked, Form, form, session
from kept.app.desk.render import back, page, said
from kept.app.desk.start import asks
from kept.app.desk.working import actor, counting, may
from kept.app.pages import day_words
from kept.app.requests import REGIONS
from kept.app.surface import SHOWN
from kept.controller import Controller
from kept.duties import staff
from kept.duties.rights import entering, listed, reported, saved_mail, scan_form, scanned
from kept.errors import KeptError, UsageError
from kept.records.case_state import FINISHED
from kept.records.intake import Intake
from kept.records.intake import State as Stands
from kept.terms.asks import ASKS, CHILD_REPORT, UNCLEAR
from kept.terms.identifiers import KINDS, Identifier
from kept.terms.words import among

_CHANNELS: Final = {**entering.CHANNELS, "web": "by our form", "drp": "by a program"}
_STANDS: Final = {
    Stands.AWAITING: "waits for a code to be typed", Stands.VERIFIED: "it is known who asks",
    Stands.ENTERED: "entered", Stands.ANSWERED: "has ended", Stands.WITHDRAWN: "taken back",
}  # fmt: skip
#: The longest words that the form takes; bytes that a form has around its file.
_WORDS: Final = 20_000
_AROUND: Final = 10_000
#: Rows for identifiers that a form has.
_ROWS: Final = 3
#: The largest list that is sent to the desk, pasted or as a file, in bytes.
LARGEST: Final = 2_000_000
#: Reports that are seen to by one press: as many as one page shows.
_SHOWN_AT_ONCE: Final = 200
_OUTCOMES: Final[Mapping[Literal["answered", "refused", "withdrawn"], str]] = {
    "answered": "answered",
    "refused": "refused",
    "withdrawn": "taken back",
}


@get("/requests/new", sync_to_thread=True)
def new_page(request: Asked, state: State) -> Response[str]:
    """The form for a letter, a call or a mail."""
    return _new(request, state)


@post("/requests/new", status_code=303, sync_to_thread=True)
def enter(request: Asked, state: State) -> Response[Any]:
    """Enter what came in, with the day of its arrival; a case is opened for each right asked."""
    sent, controller, now = form(request), state.controller, state.clock()
    try:
        who = actor(request, state, "request add")
        came = entering.Came(
            sent.one("channel"), _arrived(sent.one("arrived")), tuple(people(sent)),
            tuple(sent.all("asks")), sent.one("words"), sent.one("region") or "unknown",
            tuple(sent.one("post").splitlines()),
        )  # fmt: skip
        made, _ = entering.add(controller, came, who, now)
    except KeptError as problem:
        return _new(request, state, said(problem), sent)
    state.wake()
    controller.ledger.checkpoint(now)
    return back(f"/desk/requests/{made[0].id}", "entered")


@post(
    "/requests/mail",
    status_code=200,
    sync_to_thread=True,
    request_max_body_size=saved_mail.LARGEST + _AROUND,
)
def read_mail(request: Asked, state: State) -> Response[str]:
    """The form, filled with what a mail says that was saved; nothing is entered yet."""
    controller: Controller = state.controller
    try:
        actor(request, state, "request add")
        met = saved_mail.read(
            _file(form(request), "mail"), controller.desk.mail_servers, state.clock()
        )  # fmt: skip
    except KeptError as problem:
        return _new(request, state, said(problem))
    filled = [("channel", "email"), ("words", met.words[:_WORDS])]
    # What no server of ours stamped is said by who enters it: the field stays empty.
    filled.append(("arrived", str(controller.day(met.arrived)) if met.arrived else ""))
    if met.sender is not None:
        filled += [("kind", met.sender.kind), ("value", met.sender.value)]
    return _new(request, state, None, Form(filled), mail=met)


@get("/requests/import", sync_to_thread=True)
def list_page(request: Asked, state: State) -> Response[str]:
    """The form into which a list of requests is pasted that were received elsewhere."""
    return page(request, "desk_import.html.j2", lines=None, typed="", columns=listed.COLUMNS,
                kinds=KINDS, entered=None)  # fmt: skip


@post("/requests/import", status_code=200, sync_to_thread=True, request_max_body_size=LARGEST)
def take_list(request: Asked, state: State) -> Response[str]:
    """Look at a list line by line, pasted or as a file; with `do=enter` what is new of what was
    looked at is entered.
    """
    controller: Controller = state.controller
    sent, now = form(request), state.clock()
    text, entered, problem, lines = sent.one("list"), None, None, None
    try:
        who = actor(request, state, "request import")
        if (file := sent.file("file")) is not None:
            text = _of_file(*file)
        elif sent.one("do") == "file":
            raise UsageError("no file was chosen", expected="a file .xlsx or .csv")
        rows = listed.read_text(text)
        lines = listed.look(controller, rows, now)
        if sent.one("do") == "enter":
            entered = len(listed.enter(controller, rows, who, now))
            lines, text = listed.look(controller, rows, now), ""
            controller.ledger.checkpoint(now)
    except KeptError as wrong:
        problem = said(wrong)
    state.wake()
    return page(
        request, "desk_import.html.j2", 400 if problem else 200, problem=problem, lines=lines,
        typed=text, columns=listed.COLUMNS, kinds=KINDS, entered=entered,
        asks=asks, wrong=sum(1 for line in lines or () if line.problem),
    )  # fmt: skip


def _of_file(name: str, data: bytes) -> str:
    """The lines of a file as they would be pasted: looked at, and entered, from there."""
    text = listed.pasted(name, data)
    if len(urllib.parse.quote_plus(text)) > LARGEST - 10_000:
        raise UsageError(
            "there is more in the file than a page can show",
            fix="send it in parts, or have somebody run `kept request import`",
        )
    return text.strip("\n")


@get("/requests/{request_id:str}", sync_to_thread=True)
def request_page(request: Asked, state: State, request_id: FromPath[str]) -> Response[str]:
    """One request, without who asks and what was said. That somebody opened it is counted."""
    one = _found(state, request_id)
    staff.noted(state.controller, actor(request, state), [one.id], 0, state.clock())
    return _shown(request, state, one)


@post("/requests/{request_id:str}/show", status_code=200, sync_to_thread=True)
def show(request: Asked, state: State, request_id: FromPath[str]) -> Response[str]:
    """The same with who asks and what was said. Entered before it is shown."""
    one, controller = _found(state, request_id), state.controller
    staff.shown(controller, session(request).account, actor(request, state), ("request", one.id),
                1, state.clock())  # fmt: skip
    return _shown(request, state, one, opened=heard(controller, one))


def heard(controller: Controller, one: Intake) -> dict[str, Any]:
    """What is sealed of a request: `lines` of (what it is, as it was given), `words` as she wrote
    them; empty where nothing is kept of it any more.
    """
    told = controller.intakes.said(one)
    names = {"person": "Who asks", "agent": "Asks for her", "changed": "New address",
             "reporter": "Who reported it"}  # fmt: skip
    lines = [(words, str(told[key])) for key, words in names.items() if told.get(key)]
    for key, words in (("about", "Whose record"), ("identity", "Known by")):
        lines += [(words, f"{KINDS.get(k, k)}: {v}") for k, v in told.get(key, ())]
    if told.get("post"):
        lines.append(("Answer to", ", ".join(told["post"])))
    return {"lines": lines, "words": told.get("words", "")}


@post(
    "/requests/{request_id:str}/scan",
    status_code=303,
    sync_to_thread=True,
    request_max_body_size=scan_form.LARGEST + _AROUND,
)
def add_scan(request: Asked, state: State, request_id: FromPath[str]) -> Response[Any]:
    """Add the scan of a letter."""
    one, controller, now = _found(state, request_id), state.controller, state.clock()
    try:
        who = actor(request, state, "request scan")
        scanned.add(
            controller, one.id, _file(form(request), "scan"), who, now,
            identity=form(request).one("identity") == "yes",
        )  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, one, said(problem))
    controller.ledger.checkpoint(now)
    return back(f"/desk/requests/{one.id}", "scan")


@post("/requests/{request_id:str}/scanned", status_code=200, sync_to_thread=True)
def open_scan(request: Asked, state: State, request_id: FromPath[str]) -> Response[Any]:
    """A scan, as a file and never as a page. Entered before it is handed out."""
    one, controller, now = _found(state, request_id), state.controller, state.clock()
    given = form(request).one("scan")
    try:
        who = actor(request, state, "request scanned")
        number = int(given) if given.isascii() and given.isdigit() and len(given) < 18 else 0
        met, content = scanned.opened(controller, one.id, number)
        staff.shown(controller, session(request).account, who, ("request", one.id), 1, now)
    except KeptError as problem:
        return _shown(request, state, one, said(problem))
    name = f'attachment; filename="letter-{met.id}.{met.form}"'
    return Response(content, media_type=scanned.TYPES[met.form],
                    headers={"Content-Disposition": name})  # fmt: skip


@post("/requests/{request_id:str}/classify", status_code=303, sync_to_thread=True)
def classify(request: Asked, state: State, request_id: FromPath[str]) -> Response[Any]:
    """Say what is asked after all, or whose record it is."""
    one, sent = _found(state, request_id), form(request)
    try:
        who = actor(request, state, "request classify")
        entering.classify(state.controller, one.id, sent.all("asks"), people(sent), who,
                          state.clock())  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, one, said(problem))
    return back(f"/desk/requests/{one.id}", "classified")


@post("/requests/{request_id:str}/close", status_code=303, sync_to_thread=True)
def close(request: Asked, state: State, request_id: FromPath[str]) -> Response[Any]:
    """End a request that leaves nothing to do, with an answer by mail where one is written."""
    one, sent = _found(state, request_id), form(request)
    outcome, reply = among(sent.one("outcome"), _OUTCOMES), sent.one("reply").strip()
    try:
        if outcome is None:
            raise UsageError("there is no such end of a request")
        if not sent.one("reason").strip():
            raise UsageError("no reason is given", fix="say in words why it ends here")
        who = actor(request, state, "request close")
        entering.close(state.controller, one.id, outcome, sent.one("reason"), reply or None, who,
                       state.clock())  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, one, said(problem))
    state.wake()
    return back(f"/desk/requests/{one.id}", "closed")


@post("/requests/{request_id:str}/decide", status_code=303, sync_to_thread=True)
def decide(request: Asked, state: State, request_id: FromPath[str]) -> Response[Any]:
    """Decide a report of a child: confirmed, with the case that erases it, or unfounded."""
    one, sent = _found(state, request_id), form(request)
    outcome = among(sent.one("outcome"), reported.OUTCOMES)
    try:
        if outcome is None:
            raise UsageError("it is not said how it was decided", expected="confirmed or unfounded")
        who = actor(request, state, "request decide")
        _, case = reported.decide(
            state.controller, one.id, outcome, sent.one("reason"), actor=who.name,
            role=who.role, now=state.clock(),
        )  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, one, said(problem))
    if case is not None:
        return back(f"/desk/cases/{case.id}", "confirmed")
    return back(f"/desk/requests/{one.id}", "unfounded")


@get("/reports", sync_to_thread=True)
def reports_page(request: Asked, state: State) -> Response[str]:
    """The reports of children that wait for a person before their records are frozen."""
    return _reports(request, state)


@post("/reports", status_code=303, sync_to_thread=True)
def release(request: Asked, state: State) -> Response[Any]:
    """Freeze what the reports that were shown are about, or say that all of them are unfounded."""
    sent, controller = form(request), state.controller
    outcome = among(sent.one("step"), reported.RELEASES)
    try:
        if outcome is None:
            raise UsageError("it is not said what is to be done", expected="freeze or unfounded")
        who = actor(request, state, "request decide")
        made = reported.release(
            controller, sent.all("report"), outcome, sent.one("reason"), actor=who.name,
            role=who.role, now=state.clock(),
        )  # fmt: skip
    except KeptError as problem:
        return _reports(request, state, said(problem))
    if made.left:
        # On the page itself: which they are is no word that is known beforehand.
        words = "done. Somebody else has seen to these meanwhile, and they were left alone"
        which = ", ".join(made.left)
        return _reports(request, state, f"{len(made.done)} {words}: {which}.", 200)
    return back("/desk/reports", "frozen" if outcome == "freeze" else "unfounded")


def _reports(
    request: Asked, state: State, problem: str | None = None, status: int = 400
) -> Response[str]:
    held = state.controller.intakes.held()
    return page(
        request, "desk_reports.html.j2", status if problem else 200, problem=problem,
        held=held[:_SHOWN_AT_ONCE], left=max(0, len(held) - _SHOWN_AT_ONCE),
        at_once=reported.AT_ONCE, can=may(request, "request decide"),
    )  # fmt: skip


def _found(state: State, id_: str) -> Intake:
    controller: Controller = state.controller
    try:
        return controller.intakes.get(id_)
    except UsageError:
        raise NotFoundException from None


def people(sent: Form) -> list[Identifier]:
    """The identifiers of one person, as rows of kind and value send them."""
    pairs = zip(sent.all("kind"), sent.all("value"), strict=False)
    made = [Identifier(kind, value.strip()) for kind, value in pairs if value.strip()]
    for one in made:
        _ = one.normalised  # refuses what is not of its kind
    return made


def rows_of(typed: Form) -> list[tuple[str, str]]:
    """What was typed of a person, and rows for more."""
    rows = [*zip(typed.all("kind"), typed.all("value"), strict=False)][:_ROWS]
    return rows + [("email", ""), ("phone", ""), ("account", "")][len(rows) :]


def _file(sent: Form, name: str) -> bytes:
    """What is in a file; nothing where none was chosen."""
    found = sent.file(name)
    return b"" if found is None else found[1]


def _arrived(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            "it is not said on which day it arrived", expected="a day as 2026-01-31"
        ) from None


def _new(
    request: Asked, state: State, problem: str | None = None, sent: Form | None = None,
    *, mail: saved_mail.SavedMail | None = None,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    typed = sent or Form([("arrived", controller.day(state.clock()).isoformat())])
    return page(
        request, "desk_enter.html.j2", 400 if problem else 200, problem=problem, typed=typed,
        rows=rows_of(typed), choices=_choices(), kinds=KINDS, regions=REGIONS,
        channels=entering.CHANNELS, mail=mail, longest=_WORDS,
    )  # fmt: skip


def _choices() -> list[Any]:
    return [ask for ask in ASKS.values() if ask.id != UNCLEAR]


def _shown(
    request: Asked, state: State, one: Intake, problem: str | None = None,
    *, opened: dict[str, Any] | None = None,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    one = controller.intakes.get(one.id)
    child = CHILD_REPORT in one.asked
    cases = [(asks((kind,)), controller.cases.get(id_)) for kind, id_ in one.cases]
    return page(
        request, "desk_request.html.j2", 400 if problem else 200, problem=problem, one=one,
        child=child, what=asks(one.asked), unclear=UNCLEAR in one.asked, cases=cases,
        channel=_CHANNELS.get(one.channel, one.channel), stands=_STANDS[one.state],
        arrived=day_words(one.arrived, controller), opened=opened, choices=_choices(),
        kinds=KINDS, outcomes=_OUTCOMES, scans=controller.letter_scans.of(one.number),
        largest=scan_form.LARGEST // 1_000_000,
        can={
            "scans": may(request, "request scanned"),
            "scan": one.channel == "letter" and may(request, "request scan")
            and not controller.letter_scans.over(one.number),
            "classify": one.open and may(request, "request classify"),
            "close": one.open and not child and may(request, "request close")
            and all(case.state in FINISHED for _, case in cases),
            "decide": one.open and child and may(request, "request decide"),
            "show": bool(counting(request, state, one) & SHOWN),
        },
    )  # fmt: skip


HANDLERS: Final = [
    reports_page,
    release,
    new_page,
    enter,
    read_mail,
    list_page,
    take_list,
    request_page,
    show,
    add_scan,
    open_scan,
    classify,
    close,
    decide,
]
