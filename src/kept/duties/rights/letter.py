"""The answer to a request, as a letter: one for every right, made of the record of its case.

What was asked and when, how it was checked who asks, what was done in each system, what stays
and why, who was told, what goes on, where to complain (GDPR Art. 12(3), 12(4), 19, 77, 79). It
can be made at any time and says how the case stands then; what is not on record it does not say.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import jinja2

from kept.controller import Controller, Located, Place
from kept.decide import reasons
from kept.duties.rights import derived, parts, tasks
from kept.duties.rights.about import titled
from kept.duties.rights.afterwards import STAY, Afterwards
from kept.duties.rights.answer import Search, address, sentences
from kept.duties.rights.choice import (
    ANY_GROUND,
    beyond,
    concerning,
    going_on,
    judged,
    let,
    own_identifiers,
    told,
)
from kept.duties.rights.clock import came
from kept.duties.rights.covering import decided_since, doubtful
from kept.duties.rights.language import language_of
from kept.duties.rights.receipts import Receipts, title
from kept.duties.rights.received import received
from kept.duties.rights.received import told as passed_on
from kept.duties.rights.received import words as received_words
from kept.duties.rights.recipients import informed
from kept.duties.rights.redaction import LAW
from kept.duties.rights.redaction import words as left_out
from kept.duties.rights.request import capital, sentence, verification
from kept.duties.rights.restriction import GROUNDS
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Counts
from kept.model.select import KeyTable
from kept.policy.spoken import own, speaking
from kept.policy.spoken import told as told_as
from kept.records.case import Case, State, StepRecord, StepState
from kept.records.declared import SYSTEM
from kept.terms import tongues
from kept.terms.authorities import BY, Authority, Choice, authority_of, countries
from kept.terms.authorities import language as spelt_as
from kept.terms.clocks import rules_at
from kept.terms.identifiers import Identifier
from kept.terms.refusals import REFUSALS, law_at
from kept.terms.regimes import region_of
from kept.terms.rights import RIGHTS, article_at
from kept.terms.tongues import count, day, law, say, within

_WIDTH: Final = 76
#: Title of the part that says where else was looked, and where not.
_ELSEWHERE: Final = "Where else we looked"
#: Rights for which all that is hers is looked for.
_LOOKED: Final = ("access", "portability", "erasure")
#: Rights for which she is looked for in what others wrote.
_IN_TEXTS: Final = ("access", "erasure")
_ASKED: Final = {
    "access": "to see what we hold about you",
    "portability": "for your data to take along",
    "rectification": "to correct what we hold about you",
    "erasure": "to delete what we hold about you",
    "restriction": "to stop using your data, and to keep it only",
    "objection": "to stop a use of your data to which you object",
    "withdrawal": "to take back a consent that you gave",
    "complaint": "to look into a complaint of yours",
}
#: Why she may ask for a restriction, as it is said to her.
_GROUNDS: Final = {
    **GROUNDS,
    "unlawful": "its use is unlawful, and you want it restricted rather than erased",
    "claims": "you need it for legal claims",
}
#: Action → what is said of `{n}` that were changed.
_DID: Final = {
    Action.DELETE: "{n} deleted",
    Action.OVERWRITE: "{n} written over, so that nothing of you stands there",
    Action.ANONYMISE: "{n} made nobody's",
    Action.REDACT: "the passages about you taken out of {n}",
}
_STANDS: Final = "It was looked at again afterwards, and it is so."
_WORD: Final = "This rests on the word of the people there; we could not look ourselves."

_pages = jinja2.Environment(
    loader=jinja2.PackageLoader("kept.duties.rights", "."),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the letter: its title, sentences, and points below them."""

    title: str
    lines: tuple[str, ...]
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """The letter. `complete` is what it says of the whole; `missing` names the systems that it
    says are not done; `authorities` the ids of those that it names; `counts` what it adds up;
    `mark` stands before the number of the case.
    """

    case: str
    right: str
    language: str
    title: str
    sender: str
    date: str
    complete: bool
    missing: tuple[str, ...]
    authorities: tuple[str, ...]
    found: int
    changed: int
    retained: int
    parts: tuple[Part, ...]
    mark: str = "Case"

    def text(self) -> str:
        """As plain text, lines of 76 characters at most where words allow."""
        blocks = [self.sender, self.date, self.title.upper()]
        for part in self.parts:
            lines = [part.title, "-" * len(part.title)]
            lines += [textwrap.fill(one, _WIDTH, break_long_words=False, break_on_hyphens=False)
                      for one in part.lines]  # fmt: skip
            lines += [
                textwrap.fill(
                    f"- {one}", _WIDTH, subsequent_indent="  ", break_long_words=False,
                    break_on_hyphens=False,
                )
                for one in part.points
            ]  # fmt: skip
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks) + f"\n\n{self.mark} {self.case}\n"

    def mail(self) -> str:
        """As the words of a mail: a title is underlined, a point begins with a dash, and no line
        is broken, so that a mail program fits it to the screen.
        """
        blocks = [self.date]
        for part in self.parts:
            blocks += [f"{part.title}\n{'-' * len(part.title)}", *part.lines]
            blocks += ["\n".join(f"- {one}" for one in part.points)] if part.points else []
        return "\n\n".join(blocks)

    def html(self) -> str:
        """As one page that needs nothing from anywhere."""
        return _pages.get_template("letter.html.j2").render(letter=self)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "case": self.case,
            "right": self.right,
            "title": self.title,
            "complete": self.complete,
            "missing": list(self.missing),
            "authorities": list(self.authorities),
            "found": self.found,
            "changed": self.changed,
            "retained": self.retained,
            "parts": [
                {"title": p.title, "lines": list(p.lines), "points": list(p.points)}
                for p in self.parts
            ],
        }


def letter(
    controller: Controller, case_id: str, now: dt.datetime,
    *, country: str | None = None, subdivision: str | None = None, language: str | None = None,
) -> Letter:  # fmt: skip
    """The letter of a case as it stands. `country` (and part) is where the person lives, if known,
    else where the clock of the case has her; it speaks `language`, else that in which she asked,
    else the policy's first.

    Raises UsageError where there is no such case.
    """
    case = controller.cases.get(case_id)
    with speaking(controller.bundle, language or language_of(controller, case)):
        return _letter(controller, case, now, country, subdivision)


def _letter(
    controller: Controller, case: Case, now: dt.datetime, country: str | None,
    subdivision: str | None,
) -> Letter:  # fmt: skip
    record = Receipts.of(controller, case)
    after = Afterwards.of(controller, record)
    bundle = controller.bundle
    named = controller.cases.identifiers(case)
    choice, region = lives(controller, case, country, subdivision)
    systems = [*_systems(controller, record, named, after)]
    elsewhere = any(p.title == say(_ELSEWHERE) and p.points for p in systems)
    anew = _agreed_anew(controller, record, named, now)
    told_of = [
        asked(controller, record, named, region),
        *_outcome(controller, record, after, region, elsewhere=elsewhere),
        *systems,
        *_anew(controller, record),
        *_stays(controller, record, after, now),
        *_asked_of(controller, record, named),
        *_chosen(controller, record, named, anew, region, now),
        *_goes_on(controller, record, named, anew, region, now),
        *_told(controller, record, named, now),
        complain_to(controller, choice, *appeal(record, region)),
    ]
    begun = record.steps if record.begun else ()
    return Letter(
        case.id, case.right, tongues.spoken().language, _title(record),
        address(bundle.organisation),
        spelt(controller, now), record.complete, record.missing,
        tuple(one.id for one in choice.authorities),
        sum(s.counts.found for s in begun), sum(s.counts.changed for s in begun),
        sum(s.counts.retained + s.counts.isolated for s in begun), tuple(told_of), say("Case"),
    )  # fmt: skip


def answer_case(
    controller: Controller, case_id: str, now: dt.datetime, *, role: str,
    country: str | None = None, subdivision: str | None = None, language: str | None = None,
) -> Letter:  # fmt: skip
    """The letter, and an entry that says what it claims: so it can be held against the record."""
    made = letter(
        controller, case_id, now, country=country, subdivision=subdivision, language=language
    )  # fmt: skip
    with controller.database.connection() as connection:
        controller.ledger.append_in(connection, [claimed(controller, made, role, now)])
    return made


def claimed(controller: Controller, made: Letter, role: str, now: dt.datetime) -> Entry:
    """The entry of a letter that answers: what it claims."""
    body = {
        "case": made.case,
        "right": made.right,
        "text": controller.digest(made.text().encode()),
        "complete": made.complete,
        "missing": [name(one) for one in made.missing],
        "authorities": [name(one) for one in made.authorities],
        "found": made.found,
        "changed": made.changed,
        "retained": made.retained,
        "actor": name(role),
    }
    return Entry("answer.given", now, body)


def spelt(controller: Controller, moment: dt.datetime | dt.date) -> str:
    """A day, as the letter writes it."""
    if isinstance(moment, dt.datetime):
        moment = moment.astimezone(dt.UTC).date()
    return day(moment)


def _title(record: Receipts) -> str:
    right = within(say(RIGHTS[record.case.right].title))
    if record.case.state is State.REFUSED:
        return say("We do not do what you asked for: {right}", right=right)
    return say("Our answer to your request: {right}", right=right)


def lives(
    controller: Controller, case: Case, country: str | None, subdivision: str | None
) -> tuple[Choice, str]:
    """(to whom she can complain, region whose rules hold for her): by the country that is given,
    else by where the clock of her case has her.
    """
    clock = None if country else controller.clocks.of(case)
    where = clock.region if clock else "unknown"
    choice = authority_of(
        country or where, subdivision, where, lead=controller.bundle.organisation.country
    )
    return choice, region_of(country, subdivision) if country else rules_at(where)


def asked(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]], region: str
) -> Part:
    """What she asked, when, and how it was checked who asks."""
    case = record.case
    lines = [
        say(
            "You asked us {what}. Your request came on {day}. Your right to it: {article}.",
            what=say(_ASKED[case.right]),
            day=spelt(controller, came(controller, [case])[case.number]),
            article=law(article_at(case.right, region)),
        ),
        f"{say('Did we check that it is you who asks?')} {verification(controller, case)}",
    ]
    if case.people > 1:
        lines.append(
            say(
                "The request names {n} people. What is counted here is counted for all of them"
                " together.",
                n=case.people,
            )
        )
    if not any(named):
        lines.append(say("The case has forgotten by what you were found."))
    return Part(say("What you asked"), tuple(lines))


def _outcome(
    controller: Controller, record: Receipts, after: Afterwards, region: str, *, elsewhere: bool
) -> Iterator[Part]:
    case = record.case
    if case.state is State.REFUSED:
        yield _refused(controller, record, region)
        return
    if case.state is State.WITHDRAWN:
        words = [say("The request was taken back on {day}, so we did nothing more.",
                     day=spelt(controller, case.changed_at))]  # fmt: skip
        if record.words:
            words.append(say("What was noted: {words}", words=sentence(told_as(record.words))))
        words.append(say("If you did not take it back, tell us, and we begin with it anew."))
        yield Part(say("What came of it"), tuple(words))
        return
    if not record.begun:
        yield Part(
            say("What came of it"),
            (say("Nothing was done yet. The request is open; you will hear from us again."),),
        )
        return
    lines = [_whole(record, after)]
    if case.right in _LOOKED and decided_since(controller, case):
        lines.append(
            say(
                "Since then we decided that something else is yours, too. It was not deleted"
                " with this."
                if case.right == "erasure"
                else "Since then we decided that something else is yours, too. It is not in this"
                " answer."
            )
        )
    if elsewhere and record.complete and case.right in _LOOKED:
        lines.append(say("What could not be looked through is named below."))
    if record.missing:
        systems = ", ".join(title(controller, s) for s in record.missing)
        lines.append(say("Not done, or not asked, as you read below: {systems}.", systems=systems))
    # Of nothing there is no copy to promise: the letter is all of the answer.
    made = record.handed_out and not record.nothing_found
    if made or (case.right == "access" and not record.handed_out):
        lines.append(
            say(
                "Your copy was made as a package of files. You get it by a link that works for some"
                " days, with a code, or on paper if you ask us to."
            )
            if record.handed_out
            else say("No package was handed out.")
        )
    if case.right == "portability" and made:
        lines.append(
            say(
                "In it is what you gave us with your consent or for a contract. What we have from"
                " elsewhere, worked out ourselves or use on other grounds is not; the package says"
                " what that is, and you see it by asking what we hold about you."
            )
        )
    if record.handed_out:
        # Of the package that she got; what stopped one before it is no matter of hers.
        given = [b for _, b in record.said["redaction.scanned"] if b.get("package")]
        why = say("The law: {law}.", law=law(law_at(LAW, region)))
        lines += [f"{left_out(b['places'])} ({why})" for b in given[-1:]]
    for at, entry in record.said["keys.shredded"]:
        lines.append(
            say(
                "The keys under which we kept notes on you were destroyed on {day}. The last copy"
                " of them is of no use from {end} on.",
                day=spelt(controller, at),
                end=spelt(controller, dt.date.fromisoformat(entry["dies"])),
            )
        )
    yield Part(say("What came of it"), tuple(lines))
    apart = parts.documents(controller, case, parts.of(controller, case), region)
    if apart:
        yield Part(
            say("What we refuse of it"),
            (
                say(
                    "We do not give you this part of what you asked for. Beside it we met nothing"
                    " of yours."
                    if record.nothing_found
                    else "We do not give you this part of what you asked for; the rest you get."
                ),
            ),
            tuple(
                say("{what}. Why: {why} In your case: {words} The law: {law}. What you can do:"
                    " {then}", what=p["title"], why=say(p["why"]),
                    words=sentence(p["in_your_case"]), law=law(p["law"]),
                    then=say(p["then"]))
                for p in apart
            ),
        )  # fmt: skip


def _whole(record: Receipts, after: Afterwards) -> str:
    """The first sentence of the answer: it never says more than all the receipts together."""
    if record.in_force:
        if record.missing:
            return say(
                "The use of your data is restricted for what you gave us. Not every system could be"
                " asked yet by what else you are known there; what we hold under that may still be"
                " used. We go on."
            )
        if record.case.state is State.NOTIFIED:
            return say("The use of your data is restricted. You were told that this ends.")
        return say("The use of your data is restricted. You will be told before that ends.")
    if record.weighing:
        if record.case.unmet:
            return say(
                "What you object to has stopped, but for what rests on grounds to which nobody can"
                " object. Of some of it we weigh whether our reasons weigh more; you are told what"
                " comes of that."
            )
        return say(
            "What you object to has stopped. Of some of it we weigh whether our reasons weigh"
            " more; you are told what comes of that."
        )
    if not record.complete:
        return say("This is not finished. What follows says how far we have come.")
    if record.case.right == "restriction":
        return say(
            "This restriction has ended."
            if record.said["restriction.lifted"]
            else "This restriction has ended. What another request of yours restricts stays"
            " restricted until that one ends."
        )
    if record.case.right == "objection" and record.lifted:
        if set(record.purposes) - set(record.lifted):
            return say("In part we follow your objection, and in part not. Both parts are named.")
        return say("We weighed your objection, and do not follow it. Below you read why.")
    if record.case.right == "objection" and not record.purposes:
        return say("Nothing stops: what you object to rests on grounds to which nobody can object.")
    if record.case.unmet:
        return say(
            "In part we follow your objection, and in part not: some of it rests on grounds to"
            " which nobody can object."
        )
    if record.parts and record.nothing_found:
        return say("It is done, but for the part that we refuse.")
    if record.case.right in ("access", "erasure") and record.nothing_found:
        return say("We hold nothing about you under what you gave us.")
    if record.case.right == "portability" and record.nothing_found:
        return say("We hold nothing that you could take along under what you gave us.")
    if record.parts or after.keeps(record):
        return say(
            "What could be done is done. Not everything could: the parts that stay are named."
        )
    return say("It is done.")


def _refused(controller: Controller, record: Receipts, region: str) -> Part:
    case = record.case
    lines = [say("We refuse this request, since {day}. Nothing was changed.",
                 day=spelt(controller, case.changed_at))]  # fmt: skip
    why = REFUSALS.get(case.refusal or "")
    if why is not None:
        lines += [
            say("Why: {why}", why=say(why.words)),
            say("The law: {law}.", law=law(law_at(why.law, region))),
        ]
    if record.words:
        lines.append(say("In your case: {words}", words=sentence(record.words)))
    if why is not None:
        lines.append(say("What you can do: {then}", then=say(why.then)))
    return Part(say("Why we refuse"), tuple(lines))


def _systems(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]],
    after: Afterwards,
) -> Iterator[Part]:  # fmt: skip
    """What was done in each system, and what was not."""
    if not record.begun:
        return
    groups: dict[str, list[StepRecord]] = {}
    for one in _as_one(record.steps):
        # Where nothing was met and nothing is amiss, one sentence says it of all such systems.
        if one.state is not StepState.DONE or one.action is not Action.READ or one.counts.found:
            groups.setdefault(one.system, []).append(one)
    for system in dict.fromkeys((*groups, *record.unreached)):
        points = []
        if system in record.unreached:
            points.append(say("We could NOT ask this system. What it holds of you is not in this"
                              " answer."))  # fmt: skip
        points += dict.fromkeys(
            line for one in groups.get(system, ()) for line in _now(controller, one, record, after)
        )
        yield Part(
            say("What was done: {where}", where=title(controller, system)), (), tuple(points)
        )
    if any(named):
        yield from _elsewhere(controller, record, named, set(groups))


def _anew(controller: Controller, record: Receipts) -> Iterator[Part]:
    """What was made of a wrong value, and whether it is made anew."""
    points = tuple(f"{one.said}." for one in derived.stands(controller, record.case))
    if points:
        line = say("What was worked out from a wrong value can be wrong, too. Of each place where"
                   " we hold such a thing about you:")  # fmt: skip
        yield Part(say("What was worked out from it"), (line,), points)


def _asked_of(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]]
) -> Iterator[Part]:
    """What people were asked to do before an erasure, and still have to, names her until then."""
    if record.case.right == "erasure" and record.complete:
        n = tasks.others(record.case, tasks.naming(controller, named))
        if n:
            words = (
                "In {n} places somebody still has to act on what was asked before, and has to know"
                " for whom: what names you stands there until that is answered."
                if n > 1
                else "In one place somebody still has to act on what was asked before, and has to"
                " know for whom: what names you stands there until that is answered."
            )
            yield Part(say("What still names you"), (say(words, n=n),))


def _as_one(steps: Sequence[StepRecord]) -> list[StepRecord]:
    """Steps of which the letter says the same, with their rows together: what stays until
    several days has a step for each, and one sentence.
    """
    found: dict[tuple[object, ...], StepRecord] = {}
    for one in steps:
        same = (
            one.system, one.dataset, one.action, one.state, one.verified, one.problem,
            one.at if one.state is StepState.LEFT else None,
        )  # fmt: skip
        if (met := found.get(same)) is not None:
            a, b = met.counts, one.counts
            counts = Counts(
                a.found + b.found, a.changed + b.changed,
                a.retained + b.retained, a.isolated + b.isolated,
            )  # fmt: skip
            one = replace(met, planned=met.planned + one.planned, counts=counts)
        found[same] = one
    return list(found.values())


def _elsewhere(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]],
    met: set[str],
) -> Iterator[Part]:  # fmt: skip
    """Where nothing was met, and what was not looked through at all."""
    found = Located(tuple(map(tuple, named)), {})
    found.unreached.update(dict.fromkeys(record.unreached, ""))
    search = Search.of(controller, named, found, texts=record.case.right in _IN_TEXTS)
    apart = {p.system for p in record.parts}
    looked = {s for s in search.asked if name(s) in record.looked_through}
    named_in = {s for s in controller.datamap.systems if name(s) in record.named_in}
    empty = sorted(looked - met - named_in - {SYSTEM.name} - set(record.missing) - apart)
    lines = []
    if named_in:
        where = ", ".join(title(controller, s) for s in sorted(named_in))
        lines.append(say("What others wrote names you in: {where}.", where=where))
    if empty:
        where = ", ".join(title(controller, s) for s in empty)
        lines.append(say("No record of yours was met in: {where}.", where=where))
    alike = doubtful(controller, record.case) if record.case.right in _LOOKED else 0
    if alike:
        lines.append(
            say(
                "Met, but by nothing proven to be yours: {rows}, where a name or a number like"
                " yours stands. None of it is in this answer, and nothing is done with it until a"
                " person here decides. If you know of it, tell us.",
                rows=records(alike),
            )
        )
    points = tuple(
        say("Not looked through: {what}. {why}", what=what, why=why)
        for what, why in search.left_out
    )
    if lines or points:
        yield Part(say(_ELSEWHERE), tuple(lines), points)


def _now(
    controller: Controller, one: StepRecord, record: Receipts, after: Afterwards
) -> Iterator[str]:
    """One step as it stands by now: what it kept, where any of it is, and what went since."""
    place, where = (one.system, one.dataset), _dataset(controller, one)
    if place not in after.went or one.action not in STAY or one.state is not StepState.DONE:
        yield _step(controller, one, record)
    elif rows := sum(after.stands[place].values()):
        counts = Counts(rows, 0, *((rows, 0) if one.action is Action.RETAIN else (0, rows)))
        yield _step(controller, replace(one, counts=counts), record)
    for at, action, rows in after.went.get(place, ()):
        did = say(_DID[action], n=records(rows))
        said = say("{where}, since then, on {day}: {did}.", where=where,
                   day=spelt(controller, at), did=did)  # fmt: skip
        yield f"{said} {say(_STANDS)}"


def _step(controller: Controller, one: StepRecord, record: Receipts) -> str:
    """One step in a sentence or two, from its row alone."""
    where = _dataset(controller, one)
    if one.state is StepState.LEFT and one.problem:
        return say("{where}: nothing is put right there any more: what we held of you there was"
                   " erased on {day}.", where=where, day=spelt(controller, one.at))  # fmt: skip
    if one.state is StepState.LEFT:
        return say("{where}: {rows} stay, because you agreed again on {day}.", where=where,
                   rows=records(one.planned), day=spelt(controller, one.at))  # fmt: skip
    if one.state is not StepState.DONE:
        why = ""
        if one.problem and spoken(controller, one.system):
            why = " " + say("Why: {why}", why=sentence(told_as(one.problem)))
        if one.action is Action.READ:
            return say("{where}: NOT all of it could be read.", where=where) + why
        return say("{where}: NOT done for {rows}.", where=where, rows=records(one.planned)) + why
    if one.action is Action.READ:
        kept, rows = one.counts.retained + one.counts.isolated, records(one.counts.found)
        if not kept:
            return say("{where}: {rows} read.", where=where, rows=rows)
        return say("{where}: {rows} read, {kept} of them kept for a reason that is named below.",
                   where=where, rows=rows, kept=kept)  # fmt: skip
    sure = say(_STANDS if one.verified else _WORD)
    if one.action in STAY:
        rows = records(one.counts.retained + one.counts.isolated)
        kept_so = (
            "{where}: {rows} kept, sealed so that nobody uses them; why is named below."
            if one.action is Action.ISOLATE
            else "{where}: {rows} kept; why is named below."
        )
        return f"{say(kept_so, where=where, rows=rows)} {sure}"
    if not one.counts.changed:
        return f"{say('{where}: nothing was left to change.', where=where)} {sure}"
    did = "{n} put right" if record.case.right == "rectification" else _DID[one.action]
    return f"{where}: {say(did, n=records(one.counts.changed))}. {sure}"


def spoken(controller: Controller, system: str) -> bool:
    """Whether what is said of a system is what people wrote of it. What else stands in the way of
    a step is for whoever mends it: it names systems, and how they are reached.
    """
    abilities = controller.abilities.get(system)
    return abilities is not None and abilities.word


def records(n: int) -> str:
    """`1 record`, `2 records`."""
    return count(n, "{n} record", "{n} records")


def _dataset(controller: Controller, one: StepRecord) -> str:
    system = controller.datamap.systems.get(one.system)
    dataset = system.datasets.get(one.dataset) if system else None
    if dataset is not None and one.system == SYSTEM.name:
        return capital(say(titled(dataset)))
    return capital(titled(dataset) if dataset else one.dataset)


def _stays(
    controller: Controller, record: Receipts, after: Afterwards, now: dt.datetime
) -> Iterator[Part]:
    """Each part that stays: how much, why, by which law and sentence, until when."""
    if not record.begun:
        return
    promises = sentences(controller.bundle)
    kept = [
        (one, _staying(one), one.reason)
        for one in record.steps
        if (one.system, one.dataset) not in after.went
    ]
    at = {(one.system, one.dataset): one for one in record.steps}
    kept += [(at[place], n, why) for place, of in after.stands.items() for why, n in of.items()]
    # Of what stays for one reason until several days the reason is told once.
    days: dict[tuple[str, str], list[tuple[dt.date, str]]] = {}
    for one, rows, reason in kept:
        if not rows or reason is None:
            continue
        until = reason.until
        where = f"{_dataset(controller, one)} ({title(controller, one.system)}): "
        said = [say("Why: {why}", why=sentence(reasons.told(reason.words)))]
        if reason.law:
            said.append(say("The law: {law}", law=law(sentence(reason.law))))
        if promise := promises.get(reason.clause):
            said.append(say("Our policy says: “{promise}”", promise=promise))
        day = (
            say("{rows}, until {day}.", rows=records(rows), day=spelt(controller, until))
            if until
            else say("{rows}, with no end set yet.", rows=records(rows))
        )
        days.setdefault((where, " ".join(said)), []).append((until or dt.date.max, day))
    points = [
        f"{where}{'; '.join(day.removesuffix('.') for _, day in sorted(of))}. {said}"
        for (where, said), of in days.items()
    ]
    if points:
        yield Part(
            say("What stays, and why"),
            (_as_of(controller, record, now),),
            tuple(points),
        )


def _staying(one: StepRecord) -> int:
    """Records of a step that stay, be it only for somebody else."""
    theirs = one.reason is not None and reasons.theirs(one.reason.words)
    emptied = one.counts.changed if theirs and one.action is Action.OVERWRITE else 0
    return one.counts.retained + one.counts.isolated + emptied


def _as_of(controller: Controller, record: Receipts, now: dt.datetime) -> str:
    """What an erasure leaves is followed up to today; of other rights it is known what they met."""
    ends = [spelt(controller, e.at) for e in record.events if e.state is State.EXECUTED]
    if record.case.right == "erasure" or not ends or ends[-1] == spelt(controller, now):
        return say("Each part, with its reason and its day:")
    return say("Each part, with its reason and its day, as it was on {day}:", day=ends[-1])


def _agreed_anew(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]],
    now: dt.datetime,
) -> tuple[str, ...]:  # fmt: skip
    """The purposes of a withdrawal that she has agreed to since."""
    if record.case.right != "withdrawal":
        return ()
    held = {f for one in named for i in one for f in controller.facts(i, now).held}
    return tuple(
        p for p in record.purposes if f"consent:{p}" in held and f"withdrawn:{p}" not in held
    )


def _chosen(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]],
    anew: Sequence[str], region: str, now: dt.datetime,
) -> Iterator[Part]:  # fmt: skip
    """What was recorded of a choice, and what was decided of it."""
    if not record.begun:
        return
    labels = controller.bundle.vocabulary.purposes

    def purposes(those: Sequence[str]) -> tuple[str, ...]:
        return tuple(own(labels[p].label) if p in labels else p for p in those)

    lifted = record.lifted
    standing = [p for p in record.purposes if p not in lifted and p not in anew]
    if standing:
        on_record = (
            "It is on record since {day} that you take back your consent. We ask this record before"
            " we use your data. It stands for:"
            if record.case.right == "withdrawal"
            else "It is on record since {day} that you object. We ask this record before we use"
            " your data. It stands for:"
        )
        kinds = [*record.said["consent.withdrawn"], *record.said["objection.made"]]
        lines = [say(on_record, day=spelt(controller, kinds[0][0]))]
        yield Part(say("Your choice"), tuple(lines), purposes(standing))
    if anew:
        line = say("You took back your consent, and have given it again since then, for:")
        yield Part(say("What you agreed to again"), (line,), purposes(anew))
    if lifted:
        lines = [say("We weighed your objection, and our reasons weigh more ({law}). It does not"
                     " stop these uses:", law=law("GDPR Art. 21(1)"))]  # fmt: skip
        points = [*purposes(lifted)]
        points += [say("Why: {why}", why=sentence(record.words))] if record.words else []
        yield Part(say("Where we do not follow you"), tuple(lines), tuple(points))
        if any(named):
            yield from _of_them(controller, lifted, _hers(controller, named), region, now)
    if record.inapplicable:
        yield _beyond(controller, record, region)
    for at, entry in record.said["restriction.set"][:1]:
        ground = _GROUNDS.get(str(entry.get("ground")))
        lines = [say("The restriction is on record since {day}.", day=spelt(controller, at))]
        if ground:
            lines.append(say("Why you may ask for it: {why}", why=sentence(say(ground))))
        for lifted_at, _ in record.said["restriction.lifted"]:
            lines.append(say("It ended on {day}.", day=spelt(controller, lifted_at)))
        yield Part(say("Your choice"), tuple(lines))


def _beyond(controller: Controller, record: Receipts, region: str) -> Part:
    """What was objected to and nobody can object to, each with its ground and its sentence."""
    promises = sentences(controller.bundle)
    points = []
    for purpose, what, grounds in beyond(controller, record.inapplicable):
        what, near = own(what), concerning(controller, purpose, region)
        if not grounds:
            points.append(say("{what}. We do nothing for it with data of people where you are.",
                              what=what))  # fmt: skip
            continue
        points.append(say("{what}. On which ground: {ground}.", what=what,
                          ground=", ".join(within(own(one)) for one in grounds)))  # fmt: skip
        clauses = (clause for e in near for clause in e.activity.clauses)
        promise = next((promises[c] for c in clauses if c in promises), None)
        if promise:
            points[-1] += " " + say("Our policy says: “{promise}”", promise=promise)
    line = say(
        "Nobody can object to these uses: they rest neither on our interests nor on your consent,"
        " and are no advertising ({law}). Your objection does not stop them.",
        law=law(article_at("objection", region)),
    )
    return Part(say("What your objection does not reach"), (line,), tuple(points))


def _of_them(
    controller: Controller, lifted: Sequence[str], hers: Sequence[Identifier], region: str,
    now: dt.datetime,
) -> Iterator[Part]:  # fmt: skip
    """Of uses that an objection does not stop: which go on, and which do not for another reason."""
    lets = let(controller, hers, (), region, now)
    met = judged(controller, [f"objection:{p}" for p in lifted], region)
    titles: dict[bool, list[str]] = {True: [], False: []}
    for one in (e.activity for e in met if e.stops):
        titles[one.id in lets].append(own(one.title))
    if titles[True]:
        yield Part(say("Which of these uses go on"), (), tuple(sorted(titles[True])))
    if titles[False]:
        line = say("Something else that is on record stops them, or what they need is missing:")
        yield Part(say("Which of these uses do not go on"), (line,), tuple(sorted(titles[False])))


def _hers(controller: Controller, named: Sequence[Sequence[Identifier]]) -> tuple[Identifier, ...]:
    """What names the person of a choice: other choices of hers may stand by what her rows hold."""
    (given,) = named
    return _own(controller, given, controller.keys(controller.locate(named)))


def _own(
    controller: Controller, given: Sequence[Identifier], rows: Mapping[Place, KeyTable]
) -> tuple[Identifier, ...]:
    """What was given and what her rows hold. Where that is several addresses one may be another's,
    as in the rows of a telephone that two share: then only what was given.
    """
    hers, _ = own_identifiers(controller, given, rows)
    mails = {i.normalised for i in hers if i.kind == "email"}
    return hers if len(mails) < 2 else tuple(given)


def _goes_on(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]],
    anew: Sequence[str], region: str, now: dt.datetime,
) -> Iterator[Part]:  # fmt: skip
    """What is done with her data all the same, on which ground, after a choice of hers."""
    facts = {
        "withdrawal": [f"withdrawn:{p}" for p in record.purposes if p not in anew],
        "objection": [f"objection:{p}" for p in record.purposes if p not in record.lifted],
        "restriction": ["restricted"] if record.in_force else [],
    }.get(record.case.right, [])
    # Where an objection stops nothing, she is told what goes on, and on which grounds.
    stopless = record.case.right == "objection" and not record.purposes
    if not (facts or stopless) or not record.begun or not any(named):
        return
    found = controller.locate(named)
    rows = controller.keys(found)
    met = judged(controller, facts, region)
    hers = _own(controller, named[0], rows)
    going = going_on(controller, met, rows, let(controller, hers, facts, region, now))
    if record.in_force:
        left = let(controller, hers, facts, region, now, given=ANY_GROUND)
        going |= {e.activity.id: told(controller, e, "the law leaves this")
                  for e in met if not e.stops and e.activity.id in left}  # fmt: skip
        # What it stops and the door lets through all the same is what she agreed to.
        lets = let(controller, hers, facts, region, now)
        going |= {e.activity.id: told(controller, e, "you agreed to it although it is restricted")
                  for e in met if e.stops and e.activity.id in lets}  # fmt: skip
    promises = sentences(controller.bundle)
    points = []
    for one in sorted(going.values()):
        promise = next((promises[c] for c in one.clauses if c in promises), None)
        said = say("{what}. On which ground: {ground}; {why}.", what=own(one.title),
                   ground=within(own(one.ground)), why=say(one.why))  # fmt: skip
        more = " " + say("Our policy says: “{promise}”", promise=promise) if promise else ""
        points.append(said + more)
    lines = []
    if not points and not found.unreached:
        lines.append(
            say("Nothing else is done with data that we met of yours, but for what the law allows.")
        )
    if found.unreached:
        away = ", ".join(title(controller, s) for s in sorted(found.unreached))
        lines.append(
            say("Of these we cannot say it now, because they could not be asked: {systems}.",
                systems=away)
        )  # fmt: skip
    yield Part(say("What goes on all the same"), tuple(lines), tuple(points))


def _told(
    controller: Controller, record: Receipts, named: Sequence[Sequence[Identifier]],
    now: dt.datetime,
) -> Iterator[Part]:  # fmt: skip
    """Who had her data, and whether each was told and has answered."""
    noted = informed(controller, record.case)
    if noted:
        passed = passed_on(controller, (i for one in named for i in one), now)
        known = {one.recipient for one in passed}
        # Of whom the case was noted by what her rows held is not known any more: where a law bars
        # it of anybody, nobody is told of that recipient but by a line of her own.
        barred = controller.passed.barred(controller.day(now)) - known
        noted = tuple(one for one in noted if one.recipient not in barred)
        for sure in (True, False):
            points = [f"{one.said}." for one in noted if (one.recipient in known) is sure]
            asks = say(
                "On record is that these received data of yours. Was each told what became of it?"
                if sure
                else "These may have received data of yours: by our register, or by what is on"
                " record of your rows, they get data from the places where records of yours are."
                " Was each told what became of it?"
            )
            head = "Who received your data" if sure else "Who may have received your data"
            if points:
                yield Part(say(head), (asks,), tuple(points))
    elif record.case.right == "access" and record.begun:
        systems = controller.datamap.systems
        places = {
            (s.system, s.dataset): (0,)
            for s in record.steps
            if s.counts.found and s.system in systems and s.dataset in systems[s.system].datasets
        }
        had = received(controller, named, places, now)
        if had.lines:
            yield Part(
                say("Who received your data"),
                (say("On record is that these received data of yours:"),),
                tuple(f"{received_words(controller, one)}." for one in had.lines),
            )  # fmt: skip
        others = (
            "These others may have received data of yours. By our register they get data from the"
            " places where records of yours are; whether yours was among it is not on record:"
            if had.lines
            else "These may have received data of yours. By our register they get data from the"
            " places where records of yours are; whether yours was among it is not on record:"
        )
        lines = (say(others),)
        if had.may:
            yield Part(say("Who may have received your data"), lines, had.may)


def appeal(record: Receipts, region: str) -> tuple[str, ...]:
    """What is open to her besides, where the law of her region knows an appeal to us."""
    if region != "US-VA" or not (record.case.unmet or record.case.state is State.REFUSED):
        return ()
    return (
        say("Where you live you can also ask us to look at it again (an appeal); write to us."),
    )


def complain_to(controller: Controller, choice: Choice, *appeal: str) -> Part:
    """The right to complain, an authority, the way to a court, and how to reach us. `appeal`:
    what else is open to her, in sentences.
    """
    organisation = controller.bundle.organisation
    lines = [
        say(
            "You can complain to a data protection authority at any time, also while you talk to"
            " us. You can also go to court. (In Europe: {law}.)",
            law=law("GDPR Art. 77, 78 and 79"),
        )
    ]
    if choice.authorities and not choice.certain:
        lines.append(
            say(
                "We do not know for sure where you live. This is the authority of the country in"
                " which we are, {country}. You can choose that of the country where you live, where"
                " you work, or where it happened.",
                country=say(countries()[choice.authorities[0].country]),
            )
        )
    if not choice.authorities:
        lines.append(say("We know no authority for where you live. The list below may have one."))
    page = f"{controller.site_url or ''}/privacy/authorities"
    lines.append(say("The authorities of other countries: {page}", page=page))
    lines += appeal
    lines.append(
        say("How to reach us: {email}, or {post}.", email=organisation.email,
            post=address(organisation))
    )  # fmt: skip
    points = tuple(
        f"{'; '.join(_reach(one))} ("
        + say("looked at on {day}.", day=spelt(controller, one.checked_on))
        + f" {say(BY[one.by])})"
        for one in choice.authorities
    )
    return Part(say("If you do not agree"), tuple(lines), points)


def _reach(one: Authority) -> tuple[str, ...]:
    """How an authority can be reached, a line each."""
    said = (
        one.name,
        ", ".join(one.address),
        one.phone and f"{say('Telephone')}: {one.phone}",
        one.email and f"{say('E-mail')}: {one.email}",
        one.form and f"{say('Form')}: {one.form}",
        one.web and f"{say('Web site')}: {one.web}",
        one.languages
        and f"{say('Language')}: {', '.join(say(spelt_as(code)) for code in one.languages)}",
    )
    return tuple(line for line in said if line)
