"""What proves that answers say what was done, name an authority, and that deliveries end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.ledger.entry import Entry, name
from kept.terms.authorities import directory

#: Countries that the list has to have: written out here, apart from what reads it.
_LISTED: Final = (
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO"
    " CH GB US CA"
)
#: After so long a row of the directory is looked at again.
_FRESH: Final = dt.timedelta(days=730)
_AGAIN: Final = "write to the person again: `kept case answer`"


@control("rights.answers-claim-what-was-done")
def answers_claim_what_was_done(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """No letter said more than the record of its case holds.

    Letters are known by their entries: what each claimed of the whole, which systems it named as
    not done, how many records it said were changed. The oracle adds up the steps in the database.
    """
    with controller.database.connection() as connection:
        rows = connection.execute(
            'SELECT c.id, c."right", c.state, c.complete, coalesce(sum(s.changed), 0),'
            " coalesce(sum(s.retained + s.isolated), 0),"
            " coalesce(array_agg(s.system) FILTER (WHERE s.state <> 'done' AND NOT"
            " (s.state = 'left' AND c.\"right\" = 'withdrawal')), '{}')"
            " FROM rights_case c LEFT JOIN case_step s USING (number) GROUP BY c.number"
        ).fetchall()
    cases = {row[0]: row[1:] for row in rows}
    ended: dict[str, list[Entry]] = {}
    for _, e in controller.ledger.entries(kind="case.closed"):
        if e.at <= now:
            ended.setdefault(str(e.body["case"]), []).append(e)
    looked = 0
    for _, letter in controller.ledger.entries(kind="answer.given"):
        if letter.at > now:
            continue
        looked += 1
        case = str(letter.body["case"])
        if case not in cases:
            yield Finding("a letter", "it answers a case that is not on record")
            continue
        right, state, complete, changed, kept, left = cases[case]
        if letter.body["right"] != right:
            yield Finding("a letter", "it answers another right than its case is about")
        last = [e for e in ended.get(case, ()) if e.at <= letter.at]
        away = set(last[-1].body.get("unreached", ())) if last else set()
        told = set(letter.body["missing"])
        if away - told:
            yield Finding(
                "a letter", f"it does not name {len(away - told)} systems that were not asked",
                _AGAIN,
            )  # fmt: skip
        if not letter.body["complete"]:
            continue
        # What is complete stays so: nothing is written for her afterwards.
        if state not in ("closed", "awaiting") or not complete:
            yield Finding("a letter", f"it says that a {right} is done, and it is not", _AGAIN)
        if left:
            yield Finding(
                "a letter", f"it says that all is done; {len(left)} steps are not", _AGAIN
            )
        if told or away:
            yield Finding("a letter", "it says that all is done although a system is missing")
        if (letter.body.get("changed"), letter.body.get("retained")) != (int(changed), int(kept)):
            yield Finding("a letter", "it counts other records than the steps on record", _AGAIN)
    yield Looked(looked, "letters")


@control("rights.answers-name-an-authority")
def answers_name_an_authority(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Every letter, refusals too, named an authority to which the person can complain."""
    known = {name(one.id) for one in directory()}
    looked = 0
    for _, letter in controller.ledger.entries(kind="answer.given"):
        if letter.at > now:
            continue
        looked += 1
        if not known.intersection(letter.body["authorities"]):
            yield Finding(
                "a letter",
                "it names no authority to complain to",
                "say where the person lives: `kept case answer --country`",
            )
    yield Looked(looked, "letters")


@control("rights.authorities-are-listed")
def authorities_are_listed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """The list has an authority of every country it should, each with a source and a recent day.

    Those are the EEA, Switzerland, the United Kingdom, the United States and Canada; and the
    country of the organisation, whose authority is named where nobody says where she lives.
    """
    rows = directory()
    there = {one.country for one in rows if one.covers is None and one.part is None}
    for country in sorted(({*_LISTED.split()} | {controller.bundle.organisation.country}) - there):
        yield Finding("the list", f"it has no authority of {country} for everybody")
    for one in rows:
        if not one.sources:
            yield Finding("the list", f"`{one.id}` has no source")
        if not (one.form or one.email or one.phone or one.address):
            yield Finding("the list", f"nothing says how `{one.id}` is reached")
        if now.date() - one.checked_on > _FRESH:
            yield Finding(
                "the list",
                f"`{one.id}` was last looked at on {one.checked_on}",
                "look at its page and renew the row",
            )
    yield Looked(len(rows), "rows of the list")


@control("rights.deliveries-end")
def deliveries_end(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No package waits past its time or its last download; what ended has no key and no file.

    What was put behind a link is read from the ledger, and held against the records and the folder.
    """
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT encode(sha256(convert_to(d.file, 'UTF8')), 'hex'), d.file,"
            " d.sealed IS NOT NULL, d.ends_at, d.allowed, d.fetched, d.outcome FROM case_delivery d"
        ).fetchall()
    there = controller.directory / "state" / "deliveries"
    files = {path.name for path in there.iterdir()} if there.is_dir() else set()
    made = {
        str(e.body["file"]): e
        for _, e in controller.ledger.entries(kind="delivery.made")
        if e.at <= now
    }
    over = {str(e.body["file"]) for _, e in controller.ledger.entries(kind="delivery.ended")}
    fix = "run `kept case deliveries`, and see that `kept serve` runs"
    grace = dt.timedelta(hours=1)
    for digest, file, key, ends_at, allowed, fetched, outcome in rows:
        if outcome is None:
            if ends_at + grace < now:
                yield Finding("a delivery", "a package waits past its time", fix)
            if fetched >= allowed:
                yield Finding(
                    "a delivery", "a package waits that was fetched for the last time", fix
                )
        else:
            if key:
                yield Finding("a delivery", "the key of a package that ended is still there")
            if file in files:
                yield Finding("a delivery", "the file of a package that ended is still there", fix)
            if digest not in over:
                yield Finding("a delivery", "the ledger does not say how a package ended")
        if digest not in made:
            yield Finding("a delivery", "the ledger does not know a package that waits or waited")
    lost = made.keys() - {row[0] for row in rows}
    if lost:
        yield Finding("a delivery", f"{len(lost)} packages of the ledger are not on record")
    if strange := files - {row[1] for row in rows}:
        yield Finding("the folder of deliveries", f"{len(strange)} files that no record names", fix)
    yield Looked(len(made), "packages that were put behind a link")
