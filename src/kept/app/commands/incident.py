"""`kept incident`: what happened to personal data, and whether all were told in time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, moment, opened, said
from kept.app.output import table
from kept.controller.concerned import Concerned
from kept.duties import incidents
from kept.errors import UsageError
from kept.records.incident import Incident, State
from kept.terms.incident_rules import BY_ID, hours_left, light
from kept.terms.words import many

group = App(name="incident", help="What happened to personal data, and who is told of it by when.")

Way = Literal["portal", "mail", "letter", "telephone", "public"]
Sent = Annotated[str | None, Parameter(help="when it went, ISO 8601 (default: now)")]


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def add(
    *,
    kind: Annotated[
        list[Literal["confidentiality", "integrity", "availability"]],
        Parameter(help="seen by others, changed, or lost; several where several are so",
                  negative=""),
    ],
    place: Annotated[
        list[str],
        Parameter(help="what was hit, as SYSTEM.DATASET or SYSTEM.DATASET:COLUMN,COLUMN",
                  negative=""),
    ],
    nature: Annotated[str, Parameter(help="what happened, in words that people may read")],
    noticed: Annotated[
        str | None,
        Parameter(help="when it was noticed, ISO 8601: the clock runs from there (default: now)"),
    ] = None,
    happened: Annotated[
        str | None, Parameter(help="when it happened, ISO 8601 (default: not known)")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Enter an incident, and count whom it hit by the map and the stores."""
    now = acting.moment
    with opened(common, "incident add", acting.role) as (controller, _):
        made, found = incidents.enter(
            controller, kinds=kind, places=place, nature=said(nature, "--nature"),
            noticed=_at(noticed, "--noticed") or now, happened=_at(happened, "--happened"),
            actor=controller.actors.of(acting.actor, acting.role, now), now=now,
        )  # fmt: skip
    document = {**_document(made, now), **_concerned(found)}
    follow = common.next("incident", "judge", made.id, "--risk", "…", "--why", "…")
    words = [f"Incident {made.id} entered.", _clock(made, now), *_hits(found)]
    common.out.result(document, [*words, f"To judge it: {follow}"])
    return 0 if not found.unreached else 1


@group.command(name="list")
def list_command(
    *,
    closed: Annotated[bool, Parameter(help="also those that are closed", negative="")] = False,
    now: Annotated[str | None, Parameter(help="the moment to look at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Incidents, those noticed last first."""
    at = moment(now)
    with opened(common) as (controller, _):
        found = [i for i in controller.incidents.all() if closed or i.state is not State.CLOSED]
    rows = [
        (i.id, f"{i.noticed_at:%Y-%m-%d %H:%M}", " ".join(i.kinds), i.risk or "–", i.state,
         _left(i, at))
        for i in found
    ]  # fmt: skip
    head = ("incident", "noticed (UTC)", "kind", "risk", "state", "to the authority")
    words: list[str] = [table(head, rows)] if rows else ["No incidents."]
    common.out.result({"incidents": [_document(i, at) for i in found]}, words)
    return 0


@group.command
def show(
    incident: str,
    /,
    *,
    words: Annotated[
        bool, Parameter(help="also what people wrote, which may name somebody", negative="")
    ] = False,
    people: Annotated[
        bool,
        Parameter(help="also a keyed reference of each person concerned; no values", negative=""),
    ] = False,
    now: Annotated[str | None, Parameter(help="the moment to look at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """One incident: its clock, whom it hit as the stores say today, what was done."""
    at = moment(now)
    with opened(common) as (controller, _):
        one = controller.incidents.find(incident)
        found = controller.concerned(one)
    document = {**_document(one, at), **_concerned(found)}
    lines = [
        f"Incident {one.id}: {one.state}, kind {', '.join(one.kinds)}.",
        _clock(one, at),
        *_hits(found),
        *(f"{a.at:%Y-%m-%d %H:%M} UTC  {a.act} {a.what or ''} {a.way or ''}".rstrip()
          + f", by the role {a.actor.role}" for a in one.acts),
    ]  # fmt: skip
    if left := incidents.missing(one):
        lines.append("Before it is closed: " + "; ".join(left) + ".")
    if words:
        document["words"] = {k: one.said(k) for k in ("nature", *incidents.WORDS)}
        lines += [f"{k}: {text}" for k, text in document["words"].items() if text]
    if people:
        document["references"] = [p.reference for p in found.people]
        lines += document["references"]
    common.out.result(document, lines)
    return 0 if not found.unreached else 1


@group.command
def judge(
    incident: str,
    /,
    *,
    risk: Annotated[
        Literal["none", "risk", "high"], Parameter(help="what follows for people")
    ],
    why: Annotated[str, Parameter(help="why it is judged so; recorded")],
    consequences: Annotated[str, Parameter(help="what is likely to follow, for notices")] = "",
    measures: Annotated[str, Parameter(help="what was done and will be, for notices")] = "",
    advice: Annotated[str, Parameter(help="what people can do themselves")] = "",
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Judge the risk for people; may be done again until it is closed."""
    now = acting.moment
    given = {"consequences": consequences, "measures": measures, "advice": advice}
    with opened(common, "incident judge", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = incidents.judge(controller, incident, risk, said(why, "--why"), given, actor, now)
    return _done(common, one, now, f"Judged: {risk}.")


@group.command
def notice(
    incident: str,
    /,
    *,
    to: Annotated[str | None, Parameter(help="which authority was told; records it")] = None,
    way: Annotated[Way, Parameter(help="how it was told")] = "portal",
    sent: Sent = None,
    late: Annotated[str, Parameter(help="why it went after its time; asked for then")] = "",
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """The notice to the authority, as text; with --to that it was sent is recorded."""
    now = acting.moment
    with opened(common, "incident notice", acting.role) as (controller, _):
        if to is None:
            one = controller.incidents.find(incident)
            text = incidents.notice(controller, one, controller.concerned(one))
            common.out.result({"incident": one.id, "text": text}, text.split("\n"))
            return 0
        one = incidents.notified(
            controller, incident, to=said(to, "--to"), way=way, late=late,
            sent=_at(sent, "--sent") or now, now=now,
            actor=controller.actors.of(acting.actor, acting.role, now),
        )  # fmt: skip
    return _done(common, one, now, "It is recorded that the authority was told.")


@group.command
def tell(
    incident: str,
    /,
    *,
    mail: Annotated[
        bool, Parameter(help="write to all whose address the stores know", negative="")
    ] = False,
    way: Annotated[Way | None, Parameter(help="how they were told; records it")] = None,
    people: Annotated[int, Parameter(help="how many were told so who were not counted before")] = 0,
    sent: Sent = None,
    untold: Annotated[
        Literal["protected", "averted", "public"] | None,
        Parameter(help="why they need not be told (Art. 34(3))"),
    ] = None,
    why: Annotated[str | None, Parameter(help="with --untold: in words")] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """The words for the people concerned, as text; or that they were told, or why not."""
    now = acting.moment
    away: tuple[str, ...] = ()
    if sum((mail, way is not None, untold is not None)) > 1:
        raise UsageError("only one of these at a time", expected="--mail, --way or --untold")
    with opened(common, "incident tell", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        if mail:
            told = incidents.mail(controller, incident, actor, now)
            one, words = told.incident, f"Mail to {_people(told.mailed)} waits to be sent."
            if told.left:
                words += f" Of {told.left} more no address is known: tell them by a letter."
            if away := told.unreached:
                words += (
                    f" NOT COUNTED: {', '.join(away)}, so more people may be concerned; say this"
                    " again when that answers."
                )
        elif way is not None:
            one = incidents.told(
                controller,
                incident,
                way=way,
                people=people,
                sent=_at(sent, "--sent") or now,
                actor=actor,
                now=now,
            )
            words = f"It is recorded: {_people(people)} told."
        elif untold is not None:
            one = incidents.untold(
                controller, incident, untold, said(why or "", "--why"), actor, now
            )
            words = "It is recorded why people are not told."
        else:
            one = controller.incidents.find(incident)
            subject, text = incidents.letter(controller, one, controller.concerned(one))
            document = {"incident": one.id, "subject": subject, "text": text}
            common.out.result(document, [subject, "", *text.split("\n")])
            return 0
    return _done(common, one, now, words) or bool(away)


@group.command
def close(
    incident: str,
    /,
    *,
    why: Annotated[str, Parameter(help="what was learnt of it; recorded")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Close an incident of which nothing is left to do."""
    now = acting.moment
    with opened(common, "incident close", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = incidents.close(controller, incident, said(why, "--why"), actor, now)
    return _done(common, one, now, f"Incident {one.id} is closed.")


def _done(common: Common, one: Incident, now: dt.datetime, words: str) -> int:
    left = incidents.missing(one)
    then = [] if one.state is State.CLOSED else [
        "Still to do: " + "; ".join(left) + "." if left
        else f"To close it: {common.next('incident', 'close', one.id, '--why', '…')}"
    ]  # fmt: skip
    common.out.result(_document(one, now), [words, *then])
    return 0


def _at(text: str | None, option: str) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return moment(text)
    except UsageError as problem:
        raise UsageError(problem.what.replace("--now", option), expected=problem.expected) from None


def _left(one: Incident, now: dt.datetime) -> str:
    if one.told_by is not None:
        return "told late" if one.told_by > one.due else "told"
    if not one.waiting:
        return "–"
    left = hours_left(now, one.due)
    return f"{light(now, one.due).value}, {abs(left):.0f} h" + (" late" if left < 0 else " left")


def _clock(one: Incident, now: dt.datetime) -> str:
    rule = BY_ID.get(one.rule)
    source = f"{rule.hours} hours by {rule.source}" if rule else one.rule
    return (
        f"Noticed {one.noticed_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC; the authority hears of it"
        f" by {one.due.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC ({source}): {_left(one, now)}."
    )


def _people(count: int) -> str:
    return many(count, "person").replace("persons", "people")


def _hits(found: Concerned) -> list[str]:
    rows = [
        (f"{h.system}.{h.dataset}", h.rows, h.people, h.nobodys, " ".join(h.categories) or "–")
        for h in found.hits
    ]
    head = ("hit", "#rows", "#people", "#of nobody", "categories of data")
    return [
        f"It hit {_people(len(found.people))}.",
        table(head, rows),
        *(f"NOT COUNTED: `{s}` ({why})" for s, why in sorted(found.unreached.items())),
    ]


def _concerned(found: Concerned) -> dict[str, Any]:
    return {
        "people": len(found.people),
        "rows": found.rows,
        "categories": list(found.categories),
        "hits": [
            {"system": h.system, "dataset": h.dataset, "rows": h.rows, "people": h.people,
             "nobodys": h.nobodys, "categories": list(h.categories)}
            for h in found.hits
        ],
        "unreached": dict(found.unreached),
    }  # fmt: skip


def _document(one: Incident, now: dt.datetime) -> dict[str, Any]:
    acts: Sequence[dict[str, Any]] = [
        {"act": a.act, "what": a.what, "way": a.way, "people": a.people, "role": a.actor.role,
         "done_at": a.done_at.isoformat(), "at": a.at.isoformat()}
        for a in one.acts
    ]  # fmt: skip
    return {
        "incident": one.id,
        "state": one.state.value,
        "kinds": list(one.kinds),
        "places": [str(p) for p in one.places],
        "happened_at": one.happened_at.isoformat() if one.happened_at else None,
        "noticed_at": one.noticed_at.isoformat(),
        "due": one.due.isoformat(),
        "rule": one.rule,
        "light": light(now, one.due).value if one.waiting else None,
        "hours_left": round(hours_left(now, one.due), 1) if one.waiting else None,
        "told_by": one.told_by.isoformat() if one.told_by else None,
        "risk": one.risk,
        "acts": acts,
    }
