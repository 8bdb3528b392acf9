"""Incidents with personal data: entered, judged, told in time, closed (GDPR Art. 33 and 34).

An entry holds kinds, places, counts and moments. Words stand sealed in the register, and in the
ledger as keyed hashes; whom it hit is looked up when it is asked for and listed nowhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller
from kept.controller.concerned import Concerned
from kept.controls.registry import Finding, Looked, control
from kept.errors import UsageError
from kept.ledger.entry import Entry, moment, name
from kept.policy.spoken import own, speaking
from kept.records.actor import Actor
from kept.records.incident import Act, Incident, State, Struck
from kept.records.outbox import GIVEN_UP, SENT
from kept.terms.identifiers import Identifier
from kept.terms.incident_rules import BY_ID, KINDS, RISKS, UNTOLD, applying
from kept.terms.tongues import day, say

#: Ways by which a notice goes.
WAYS: Final = ("portal", "mail", "letter", "telephone", "public")
#: What may be written of an incident, and what it is for.
WORDS: Final[Mapping[str, str]] = {
    "consequences": "what is likely to follow for people",
    "measures": "what was done, and what will be",
    "advice": "what people can do themselves",
}
#: How long mail about an incident is tried.
_TRIED: Final = dt.timedelta(days=14)
_LATER: Final = "Not known yet; this follows."


@dataclass(frozen=True, slots=True)
class Told:
    """How many people mail was queued for, how many have to be told otherwise, and the systems
    that could not be asked whom else it hit.
    """

    incident: Incident
    mailed: int
    left: int
    unreached: tuple[str, ...]


def place(controller: Controller, text: str) -> Struck:
    """`system.dataset` or `system.dataset:column,column`, as the map has them.

    Raises UsageError for what it does not have.
    """
    where, _, columns = text.strip().partition(":")
    systems = controller.datamap.systems
    system = next((s for s in systems if where.startswith(f"{s}.")), None)
    known = {} if system is None else systems[system].datasets
    dataset = where[len(system or "") + 1 :]
    if system is None or dataset not in known:
        expected = sorted(f"{s}.{d}" for s in systems if s != "own" for d in systems[s].datasets)
        raise UsageError(
            "a place of the incident is not on the map",
            expected=f"SYSTEM.DATASET, as {', '.join(expected[:8])}",
            fix="`kept map show` lists what is mapped",
        )
    fields = tuple(f.strip() for f in columns.split(",") if f.strip())
    if unknown := [f for f in fields if f not in known[dataset].fields]:
        raise UsageError(
            f"`{system}.{dataset}` has not all of these columns",
            expected=f"some of {', '.join(known[dataset].fields)}",
            met=f"{len(unknown)} that the map does not name",
        )
    return Struck(system, dataset, fields)


def enter(
    controller: Controller, *, kinds: Sequence[str], places: Sequence[str], nature: str,
    noticed: dt.datetime, happened: dt.datetime | None, actor: Actor, now: dt.datetime,
) -> tuple[Incident, Concerned]:  # fmt: skip
    """Enter an incident; its clock runs from the moment at which it was noticed.

    Raises UsageError where it says nothing, names no place or was noticed in the future.
    """
    if not kinds or any(k not in KINDS for k in kinds):
        raise UsageError("the kind of the incident is missing", expected=_some(KINDS))
    if not places:
        raise UsageError(
            "the incident names no place", expected="at least one SYSTEM.DATASET of the map"
        )
    if noticed > now or (happened is not None and happened > noticed):
        raise UsageError(
            "the moments of the incident cannot be",
            expected="that it happened before it was noticed, and neither lies in the future",
        )
    _said(nature, "what happened")
    struck = [place(controller, one) for one in dict.fromkeys(places)]
    rule = applying(noticed)
    with controller.database.connection() as c:
        made = controller.incidents.add(
            dict.fromkeys(kinds), struck, {"nature": nature}, rule, actor, now, noticed=noticed,
            happened=happened, connection=c,
        )  # fmt: skip
        found = controller.concerned(made)
        body = {
            "incident": made.id, "kinds": list(made.kinds),
            "places": [name(f"{p.system}.{p.dataset}") for p in made.places],
            "noticed": moment(noticed), "due": moment(made.due), "rule": name(rule.id),
            "words": controller.digest(nature.encode()), **_counts(found),
        }  # fmt: skip
        _append(controller, c, "incident.opened", made, body, actor, now)
    return made, found


def judge(
    controller: Controller, id_: str, risk: str, why: str, words: Mapping[str, str], actor: Actor,
    now: dt.datetime,
) -> Incident:  # fmt: skip
    """Judge what follows for people; may be done again. `words` are keys of WORDS.

    Raises UsageError for no such risk, no reason, and an incident that is closed.
    """
    if risk not in RISKS:
        raise UsageError("there is no such risk", expected=_some(RISKS))
    _said(why, "why it is judged so")
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        found = controller.concerned(one)
        done = controller.incidents.act(
            one,
            "judged",
            actor,
            now,
            what=risk,
            people=len(found.people),
            words={
                "why": why,
                **{k: v for k, v in words.items() if v.strip()},
                **_away(found.unreached),
            },
            connection=c,
        )
        body = {"risk": risk, "reason": controller.digest(why.encode()), **_counts(found)}
        _append(controller, c, "incident.judged", one, body, actor, now)
    return done


def notified(
    controller: Controller, id_: str, *, to: str, way: str, sent: dt.datetime, late: str,
    actor: Actor, now: dt.datetime,
) -> Incident:  # fmt: skip
    """Record that the authority was told. More may follow (Art. 33(4)): the first one counts.

    Raises UsageError where it went too late and nobody says why (Art. 33(1)).
    """
    _said(to, "to whom it went")
    _way(way)
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        _between(one, sent, now)
        first = min(filter(None, (sent, one.told_by)))
        after = first > one.due
        if after:
            _said(late, "why it is late (Art. 33(1) GDPR)")
        text = notice(controller, one, controller.concerned(one))
        words = {"to": to, "text": text, **({"late": late} if late.strip() else {})}
        done = controller.incidents.act(
            one, "notified", actor, now, way=way, words=words, done=sent, connection=c
        )
        body: dict[str, Any] = {
            "to": controller.digest(to.encode()), "way": way, "sent": moment(sent), "late": after,
            "text": controller.digest(text.encode()),
        }  # fmt: skip
        if late.strip():
            body["reason"] = controller.digest(late.encode())
        _append(controller, c, "incident.notified", one, body, actor, now)
    return done


def mail(controller: Controller, id_: str, actor: Actor, now: dt.datetime) -> Told:
    """Queue the words for everybody concerned whose address the stores know, and who has not had
    these very words already.

    Raises UsageError where no mail is set up, nobody has judged what follows for them, or nobody
    is left to write to.
    """
    if controller.post is None:
        raise UsageError(
            "no way for mail is set up",
            fix="write [mail] into kept.toml, or tell people otherwise and record it",
        )
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        _judged(one)
        found = controller.concerned(one)
        before = {r for a in one.acts for r in _written(a)}
        known = {
            min(p.names & before, default=p.reference): p.address
            for p in found.people if p.address and _is_mail(p.address)
        }  # fmt: skip
        if not known:
            raise UsageError(
                f"of nobody whom incident {one.id} concerns an address is known",
                fix=f"tell them otherwise, and record it: `kept incident tell {one.id} --way …`",
            )
        subject, body = letter(controller, one, found)
        reached = one.reached()
        written = {r for a in one.acts if a.words.get("text") == body for r in _written(a)}
        had = written & reached.keys()
        if not (rest := sorted(known.keys() - had)):
            raise UsageError(
                "everybody whose address is known was written to with these words already",
                fix="tell the others otherwise; where you know more, judge it anew first",
            )
        put = {
            reference: controller.outbox.put(
                known[reference], "incident", {"subject": subject, "body": body}, now,
                good_until=now + _TRIED, connection=c,
            )
            for reference in rest
        }  # fmt: skip
        done = _told(
            controller, c, one, "mail", len(put), body, now, actor, now,
            away=found.unreached, mail=put, new=len(put.keys() - reached.keys()),
            of=len(found.people),
        )  # fmt: skip
    left = len(found.people) - len(known)
    return Told(done, len(put), left, tuple(sorted(found.unreached)))


def tend(controller: Controller, now: dt.datetime) -> int:
    """Note that mail to people came to nothing, so that they are told otherwise; to how many.
    Repeatable.
    """
    lost = 0
    for known in controller.incidents.all():
        if not known.reached():
            continue
        with controller.database.connection() as c:
            one = controller.incidents.find(known.id, connection=c)
            reached = one.reached()
            came = controller.outbox.outcomes(reached.values(), connection=c)
            back = sorted(r for r, id_ in reached.items() if came.get(id_) == GIVEN_UP)
            if not back:
                continue
            told = one.last("told")
            assert told is not None
            controller.incidents.act(
                one, "returned", told.actor, now, people=len(back), words={"mail": " ".join(back)},
                connection=c,
            )  # fmt: skip
            body = {"incident": one.id, "people": len(back)}
            controller.ledger.append_in(c, [Entry("incident.returned", now, body)])
            lost += len(back)
    return lost


def told(
    controller: Controller, id_: str, *, way: str, people: int, sent: dt.datetime, actor: Actor,
    now: dt.datetime,
) -> Incident:  # fmt: skip
    """Record that people were told by another way: those whom nothing recorded before counts.

    Raises UsageError for what is recorded already, and what cannot be.
    """
    _way(way)
    if people < 1:
        raise UsageError("nobody was told", expected="how many people were told, at least 1")
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        _judged(one)
        _between(one, sent, now)
        found = controller.concerned(one)
        _, text = letter(controller, one, found)
        again = (way, people, sent, text)
        if any(
            a.act == "told" and (a.way, a.people, a.done_at, a.words.get("text")) == again
            for a in one.acts
        ):
            raise UsageError(
                "that was recorded already, and nobody was counted twice",
                expected="who was told at another time, or in another way",
                fix="count only people of whom it was not recorded before that they were told",
            )
        return _told(controller, c, one, way, people, text, sent, actor, now,
                     away=_left_out(controller, found, way))  # fmt: skip


def untold(
    controller: Controller, id_: str, ground: str, why: str, actor: Actor, now: dt.datetime
) -> Incident:
    """Record why people are not told although the risk is high (Art. 34(3))."""
    if ground not in UNTOLD:
        raise UsageError("there is no such ground", expected=_some(UNTOLD))
    _said(why, "why people are not told")
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        done = controller.incidents.act(
            one, "untold", actor, now, what=ground, words={"why": why}, connection=c
        )
        body = {"ground": ground, "reason": controller.digest(why.encode())}
        _append(controller, c, "incident.untold", one, body, actor, now)
    return done


def close(controller: Controller, id_: str, why: str, actor: Actor, now: dt.datetime) -> Incident:
    """Close an incident, once. UsageError where something is still missing."""
    _said(why, "what was learnt of it")
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        if left := missing(one):
            raise UsageError("the incident cannot be closed yet", expected="; ".join(left))
        came = controller.outbox.outcomes(one.reached().values(), connection=c)
        if waits := sum(outcome != SENT for outcome in came.values()):
            raise UsageError(
                "the incident cannot be closed yet",
                expected="that all mail to people went, or was given up",
                met=f"{waits} that a mail server has not taken",
            )
        done = controller.incidents.act(one, "closed", actor, now, words={"why": why}, connection=c)
        body = {"reason": controller.digest(why.encode())}
        _append(controller, c, "incident.ended", one, body, actor, now)
    return done


def _left_out(controller: Controller, found: Concerned, way: str) -> set[str]:
    """The systems whose people nobody can have told in another way: they are away, and may answer
    again. What is told in public, all may read.
    """
    abilities = controller.abilities
    away = {s for s in found.unreached if s in abilities and not abilities[s].word}
    return set() if way == "public" else away


def _away(systems: Collection[str]) -> dict[str, str]:
    return {"away": " ".join(sorted(systems))} if systems else {}


def missing(incident: Incident) -> list[str]:
    """What has to be done before it can be closed, in words."""
    left = []
    if incident.risk is None:
        left.append("somebody judges what follows for people")
    if not incident.said("measures"):
        left.append("what was done against it is written down")
    if incident.risk in ("risk", "high") and incident.told_by is None:
        left.append("the authority is told")
    if incident.risk == "high" and not incident.last("untold"):
        more = incident.concerned - incident.told
        if not incident.last("told"):
            left.append("the people are told, or it is written down why not")
        elif more > 0:
            left.append(
                f"{more} of {incident.concerned} people concerned are told in another way, or it"
                " is written down why not"
            )
        if incident.uncounted:
            left.append(
                f"{', '.join(incident.uncounted)} answers whom else it hit (judged again, or told"
                " by mail, it is asked again), or they are told in public; of a system that is"
                " asked by letter only, in any way but mail"
            )
    return left


def notice(controller: Controller, incident: Incident, found: Concerned) -> str:
    """What the authority is told (Art. 33(3)); what nobody knows yet is named as that."""
    organisation = controller.bundle.organisation
    rule = BY_ID.get(incident.rule)
    hours = rule.hours if rule else 0
    lines = [
        f"Notice of a personal data breach ({rule.source if rule else incident.rule})",
        f"Reference: {incident.id}",
        "",
        "Who answers for the data:",
        ", ".join(dict.fromkeys((organisation.name, *organisation.post))),
        f"Contact point: {organisation.email}",
        "",
        f"Happened: {_utc(incident.happened_at)}",
        f"Noticed: {_utc(incident.noticed_at)} (the {hours} hours end at {_utc(incident.due)})",
        "",
        "What happened: " + "; ".join(KINDS[k] for k in incident.kinds) + ".",
        incident.said("nature"),
        "",
        f"People concerned: about {len(found.people)}. Records: about {found.rows}.",
        *(f"- {_title(controller, h.system, h.dataset)}: {h.people}"
          f" {'person' if h.people == 1 else 'people'}, {h.rows}"
          f" {'record' if h.rows == 1 else 'records'}" for h in found.hits),
        *(f"- `{system}` could not be counted" for system in sorted(found.unreached)),
        "",
        "Categories of data: " + (", ".join(_labels(controller, found)) or _LATER),
        "",
        "What is likely to follow: " + (incident.said("consequences") or _LATER),
        "",
        "What was done and will be: " + (incident.said("measures") or _LATER),
    ]  # fmt: skip
    late = [a.words["late"] for a in incident.acts if a.words.get("late")]
    return "\n".join([*lines, *(["", f"Why this comes late: {late[-1]}"] if late else [])])


def letter(controller: Controller, incident: Incident, found: Concerned) -> tuple[str, str]:
    """(subject, words) for the people concerned (Art. 34(2)), in plain language: the policy's
    first, since nobody of them chose one.
    """
    with speaking(controller.bundle, None):
        return _letter(controller, incident, found)


def _letter(controller: Controller, incident: Incident, found: Concerned) -> tuple[str, str]:
    organisation = controller.bundle.organisation
    when = day(controller.day(incident.happened_at or incident.noticed_at))
    happened = (
        "Something went wrong with data that we keep of you. It happened on {day}."
        if incident.happened_at
        else "Something went wrong with data that we keep of you. It was noticed on {day}."
    )
    later, labels = say(_LATER), _labels(controller, found)
    parts = [
        say(happened, day=when),
        f"{say('What happened:')}\n{incident.said('nature')}",
        say("Data of this kind is concerned:"),
        "\n".join(f"- {own(label)}" for label in labels) or f"- {say('not known yet')}",
        f"{say('What may follow for you:')}\n{incident.said('consequences') or later}",
        f"{say('What we did and do about it:')}\n{incident.said('measures') or later}",
    ]
    if advice := incident.said("advice"):
        parts.append(f"{say('What you can do:')}\n{advice}")
    parts.append(
        say("If you have a question, write to {email}. You can also complain to the authority for"
            " data protection where you live.", email=organisation.email)
    )  # fmt: skip
    subject = say(
        "Something happened to your data at {organisation}", organisation=organisation.name
    )
    return subject, "\n\n".join(parts)


@control("security.incidents-are-told-in-time")
def incidents_are_told_in_time(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Every incident is judged and told to the authority in time, and to people where it must be.

    By the ledger, not by the register; what people wrote as a reason for being late counts.
    """
    said: dict[str, list[Entry]] = {}
    for kind in ("opened", "judged", "notified", "told", "returned", "untold", "ended"):
        for _, entry in controller.ledger.entries(kind=f"incident.{kind}"):
            if entry.at <= now:
                said.setdefault(str(entry.body["incident"]), []).append(entry)
    known = {i.id for i in controller.incidents.all() if i.entered_at <= now}
    yield Looked(len(said.keys() | known), _WHERE)
    if gone := said.keys() - known:
        yield Finding(
            _WHERE, f"{len(gone)} incidents that the ledger names are not in the register",
            "find out who took them away, and restore Kept's database from a backup",
        )  # fmt: skip
    if known - said.keys():
        yield Finding(_WHERE, "the register holds incidents that nobody entered", _ENTER)
    for id_, entries in sorted(said.items()):
        yield from _amiss(f"incident {id_}", entries, now)


_WHERE: Final = "the register of incidents"
_ENTER: Final = "see `kept incident list`, and enter it with `kept incident add`"


def _amiss(where: str, entries: Iterable[Entry], now: dt.datetime) -> Iterator[Finding]:
    by: dict[str, list[Mapping[str, Any]]] = {}
    looked: list[Mapping[str, Any]] = []
    for entry in entries:
        by.setdefault(kind := entry.kind.partition(".")[2], []).append(entry.body)
        looked += [entry.body] if kind in ("judged", "told") else []
    if not by.get("opened"):
        yield Finding(where, "the ledger does not say that it was entered", _ENTER)
        return
    opened = by["opened"][0]
    rule = BY_ID.get(str(opened["rule"]))
    noticed = dt.datetime.fromisoformat(opened["noticed"])
    due = noticed + dt.timedelta(hours=rule.hours if rule else 0)
    risk = by["judged"][-1]["risk"] if by.get("judged") else None
    if rule is None or moment(due) != opened["due"]:
        yield Finding(where, "its time was not counted by a rule that is known", _ENTER)
    if risk is None and due < now:
        yield Finding(where, "nobody judged it in time", "kept incident judge")
    notices = sorted(by.get("notified", ()), key=lambda b: str(b["sent"]))
    if risk in ("risk", "high") and not notices and due < now:
        yield Finding(where, "the authority was not told in time", "kept incident notice")
    if notices and notices[0]["sent"] > moment(due) and not any("reason" in b for b in notices):
        yield Finding(
            where, "the authority was told late, and nobody said why", "kept incident notice"
        )
    # The law says: without undue delay. What an authority may know, people may know then too.
    if risk == "high" and not by.get("untold") and due < now:
        told = [*by.get("told", ())]
        counted = [b.get("of", b.get("people", 0)) for b in [*by["judged"], *told]]
        more = max(counted) - sum(b["people"] for b in told)
        more += sum(b["people"] for b in by.get("returned", ()))
        if not told:
            yield Finding(where, "the people concerned were not told", "kept incident tell")
        elif more > 0:
            words = f"of {max(counted)} people concerned {more} were not told"
            yield Finding(where, words, "kept incident tell")
        if told and looked[-1].get("unreached"):
            words = "whom it hit could not be asked everywhere, and nobody did it again"
            yield Finding(where, words, "kept incident tell")


def _told(
    controller: Controller, c: Any, one: Incident, way: str, people: int, text: str,
    sent: dt.datetime, actor: Actor, now: dt.datetime, *, away: Collection[str],
    mail: Mapping[str, str] | None = None, new: int | None = None, of: int | None = None,
) -> Incident:  # fmt: skip
    """Record it, with the systems that are still to be asked (`away`). Of mail: reference → its id,
    how many were not told before, of how many.
    """
    by_mail = {}
    if mail is not None:
        pairs = (f"{reference}={id_}" for reference, id_ in mail.items())
        by_mail = {"mail": " ".join(pairs), "of": str(of)}
    done = controller.incidents.act(
        one,
        "told",
        actor,
        now,
        way=way,
        people=people,
        words={"text": text, **by_mail, **_away(away)},
        done=sent,
        connection=c,
    )
    body = {
        "way": way, "people": people if new is None else new,
        "text": controller.digest(text.encode()), "sent": moment(sent),
        **({} if of is None else {"of": of}),
        **({"unreached": [name(s) for s in sorted(away)]} if away else {}),
    }  # fmt: skip
    _append(controller, c, "incident.told", one, body, actor, now)
    return done


def _append(
    controller: Controller, c: Any, kind: str, one: Incident, body: Mapping[str, Any],
    actor: Actor, now: dt.datetime,
) -> None:  # fmt: skip
    whole = {"incident": one.id, "actor": name(actor.role), **body}
    controller.ledger.append_in(c, [Entry(kind, now, whole)])


def _open(controller: Controller, id_: str, c: Any) -> Incident:
    one = controller.incidents.find(id_, connection=c)
    if one.state is State.CLOSED:
        raise UsageError(
            f"incident {one.id} is closed", fix="enter another where more has happened"
        )
    return one


def _written(act: Act) -> list[str]:
    return [pair.partition("=")[0] for pair in act.words.get("mail", "").split()]


def _judged(one: Incident) -> None:
    if one.risk is None:
        raise UsageError(
            f"nobody has judged yet what follows for people of incident {one.id}",
            fix=f"first `kept incident judge {one.id}`",
        )


def _between(one: Incident, sent: dt.datetime, now: dt.datetime) -> None:
    if not one.noticed_at <= sent <= now:
        raise UsageError(
            "it cannot have been sent then", expected="a moment after it was noticed, not to come"
        )


def _way(way: str) -> None:
    if way not in WAYS:
        raise UsageError("there is no such way", expected=f"one of {', '.join(WAYS)}")


def _said(text: str, what: str) -> None:
    if not any(c.isalnum() for c in text):
        raise UsageError("something is not said", expected=f"{what}, in words")


def _some(known: Mapping[str, str]) -> str:
    return "; ".join(f"{key}: {words}" for key, words in known.items())


def _counts(found: Concerned) -> dict[str, Any]:
    away = [name(s) for s in sorted(found.unreached)]
    counts = {"people": len(found.people), "rows": found.rows}
    return {**counts, "unreached": away} if away else counts


def _labels(controller: Controller, found: Concerned) -> list[str]:
    known = controller.bundle.vocabulary.categories
    return sorted({known[c].label if c in known else c for c in found.categories})


def _title(controller: Controller, system: str, dataset: str) -> str:
    one = controller.datamap.systems[system].datasets.get(dataset)
    return (one.title if one else None) or f"{system}.{dataset}"


def _is_mail(text: str) -> bool:
    try:
        return bool(Identifier("email", text).normalised)
    except UsageError:
        return False


def _utc(at: dt.datetime | None) -> str:
    return "not known" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
