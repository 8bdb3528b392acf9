"""Data of one person that was given to somebody else: noted, and told her unless a law forbids it.

What an authority was given is noted with the ground that the law knows. Where a law forbids to
tell her, it is named, with the day on which that ends: there is no secrecy without an end.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.due import due as due_by
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.declared import SYSTEM
from kept.records.passed import Passed
from kept.terms.disclosures import COMPELLED, GROUNDS
from kept.terms.identifiers import Identifier

AUTHORITY: Final = "authority"
_RECORD: Final = "disclosure-record"
#: The longest that somebody may be kept from knowing, before it is looked at again.
_LONGEST: Final = dt.timedelta(days=5 * 366)
_WORDS: Final = 200


def note(
    controller: Controller, person: Sequence[Identifier], recipient: str, on: dt.date,
    categories: Sequence[str], ground: str, actor: Actor, now: dt.datetime,
    *, title: str | None = None, barred: tuple[dt.date, str] | None = None,
) -> Passed:  # fmt: skip
    """Note that data of one person was given to a recipient. `barred`: she may not be told before
    that day, by that law. Raises UsageError where it is not said to whom, what, or why.
    """
    bundle, today = controller.bundle, controller.day(now)
    words = bundle.vocabulary
    if not person:
        raise UsageError("nobody is named", expected="at least one identifier")
    if recipient not in words.recipients and recipient not in controller.reach.ways:
        raise UsageError(
            "there is no such recipient",
            expected="one of the policy, of [recipients.NAME] in kept.toml, or a lane",
            met=f"`{recipient}`",
        )
    unknown = [one for one in categories if one not in words.categories]
    if unknown or not categories:
        raise UsageError(
            "it is not said what was given", expected="categories of the vocabulary",
            met=f"`{unknown[0]}`" if unknown else "none",
        )  # fmt: skip
    compelled = words.within("recipients", recipient, AUTHORITY)
    allowed = COMPELLED if compelled else GROUNDS
    if ground not in allowed:
        raise UsageError(
            "that is no ground to give data to it", expected=f"one of {', '.join(allowed)}"
        )
    if title is not None and not 0 < len(title.strip()) <= _WORDS:
        raise UsageError("that is no name of an organisation", expected=f"at most {_WORDS} signs")
    if on > today:
        raise UsageError("it is noted when it was given", expected="a day that has come")
    if barred is not None:
        until, law = barred
        if not compelled:
            raise UsageError("only of an authority may a law forbid to tell her")
        if not today < until <= today + _LONGEST or not 0 < len(law.strip()) <= _WORDS:
            raise UsageError(
                "nobody is kept from knowing without an end, or without a law",
                expected="the first day on which she may know, within five years, and the law",
            )
    with controller.database.connection() as c:
        made = controller.passed.add(
            person, recipient, on, categories, ground, actor, now, connection=c,
            title=title and title.strip(), barred=barred,
        )  # fmt: skip
        body = {
            "recipient": name(recipient), "purposes": [name(ground)], "rows": 0, "people": 1,
            "actor": name(actor.role),
        }  # fmt: skip
        controller.ledger.append_in(c, [Entry("release.made", now, body)])
    return made


@control("disclosure.told-unless-barred")
def told_unless_barred(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every package named whoever had received data of the person, unless a law forbade it then.

    The oracle counts in the database, by the hashes under which cases and lines know a person,
    what was to be told on the day of each package; how many it told stands in the ledger.
    """
    with controller.database.connection() as connection:
        lines = connection.execute(
            "SELECT p.number, p.passed_on, p.barred_until, p.noted_at, coalesce(p.barred_by, ''),"
            " array(SELECT DISTINCT r.id FROM passed_person w JOIN case_person c USING (mac)"
            " JOIN rights_case r ON r.number = c.number WHERE w.number = p.number),"
            " p.recipient, EXISTS (SELECT FROM passed_person w WHERE w.number = p.number)"
            " OR p.struck_at IS NOT NULL, p.struck_at FROM passed_on p WHERE p.noted_at <= %s",
            (now,),
        ).fetchall()
        known = {
            row[0] for row in connection.execute(
                "SELECT DISTINCT r.id FROM rights_case r JOIN case_person USING (number)"
            ).fetchall()
        }  # fmt: skip
    yield from _missing(controller, Counter(str(line[6]) for line in lines if line[7]), now)
    yield from _early(controller, [line for line in lines if line[8] is not None])
    for _, on, until, _, law, *_ in lines:
        if until is not None and (not law.strip() or until > on + 2 * _LONGEST):
            yield Finding(
                "a disclosure", "she is kept from knowing of it without an end, or without a law",
                "name the law, and the day on which it ends",
            )  # fmt: skip
    looked = 0
    for _, e in controller.ledger.entries(kind="access.given"):
        # Of a case that has forgotten whom it was about nobody can tell any more what was due.
        if e.at > now or "received" not in e.body or e.body["case"] not in known:
            continue
        day = controller.day(e.at)
        due = sum(
            str(e.body["case"]) in cases and at <= e.at and (until is None or until <= day)
            for _, _, until, at, _, cases, *_ in lines
        )
        # Lines that have forgotten whose they were may have been told then.
        forgot = sum(line[3] <= e.at < line[8] for line in lines if line[8] is not None)
        looked += 1
        if e.body["received"] < due:
            yield Finding(
                "a package", f"{due} times data was given to others; it told of fewer",
                "write to the person again, with what was left out",
            )  # fmt: skip
        elif e.body["received"] > due + forgot:
            yield Finding("a package", "it told of what a law forbade to tell then")
    yield Looked(looked, "packages", SYSTEM.name)


def _early(controller: Controller, struck: Sequence[tuple[Any, ...]]) -> Iterator[Finding]:
    """Lines that forgot whose data it was before their time."""
    within = controller.bundle.vocabulary.within
    keep = next(
        (r.keep for r in controller.bundle.retention.values()
         if within("categories", r.category, _RECORD)), None,
    )  # fmt: skip
    for _, on, until, *_, at in struck:
        if not due_by(keep, max(on, until or on), controller.day(at)):
            yield Finding(
                "disclosures", "one forgot whose data it was before its time",
                "bring it back from a copy of Kept's database",
            )  # fmt: skip


def _missing(controller: Controller, there: Counter[str], now: dt.datetime) -> Iterator[Finding]:
    """Lines that the ledger says were noted, and that stand no more, or name nobody any more."""
    noted = Counter(
        str(e.body["recipient"])
        for _, e in controller.ledger.entries(kind="release.made")
        if e.at <= now and (e.body["rows"], e.body["people"]) == (0, 1)
    )
    there = Counter({name(one): count for one, count in there.items()})
    for recipient, count in (noted - there).items():
        yield Finding(
            "disclosures", f"{count} that were noted of {recipient} are gone, or name nobody",
            "bring them back from a copy of Kept's database",
        )  # fmt: skip
