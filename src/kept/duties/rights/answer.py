"""The words of an access: what was searched, what is held and why, what stays and for how long.

For the person who asked, so: no names of tables where a title is known, no terms of the trade,
and nothing that was not done.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller, Located, Place
from kept.controller.mentions import unread_texts
from kept.datamap.map import Dataset
from kept.datamap.reach import WEAK, reach
from kept.decide.due import strength
from kept.decide.reasons import told
from kept.decide.ties import Key, norm
from kept.duties.rights import desk
from kept.duties.rights.about import choices, living, profiling, readable, titled
from kept.duties.rights.cells import Cell
from kept.duties.rights.covered import WHY, Covered
from kept.duties.rights.covered import words as covered_words
from kept.duties.rights.package import SHOWN, Data, Part
from kept.duties.rights.request import capital, sentence, step_document
from kept.duties.rights.shown import alike
from kept.model.plan import Counts, Reason, StepResult
from kept.model.select import KeyRow, KeyTable
from kept.policy.bundle import Bundle
from kept.policy.render import render
from kept.policy.shapes import Organisation
from kept.records.declared import ABOUT, SYSTEM, WORDS
from kept.records.locator import Held
from kept.records.subject import LINKING
from kept.terms import tongues
from kept.terms.identifiers import KINDS, Identifier
from kept.terms.rights import RIGHTS
from kept.terms.tongues import count, law, say, sheets

_WITHHELD: Final = "It proves who you are: whoever reads it could pass for you."


@dataclass(frozen=True, slots=True)
class Stays:
    """Rows that stay after an erasure: each once, under the strongest of its reasons."""

    tables: Mapping[Place, Mapping[Reason, KeyTable]]

    @classmethod
    def of(cls, held: Held) -> Stays:
        """From what the locator holds, where two erasures may name the same row."""
        tables: dict[Place, dict[Reason, KeyTable]] = {}
        for place, groups in held.items():
            best: dict[Key, tuple[Reason, KeyRow]] = {}
            for table, reason in groups:
                for row in table.rows:
                    before = best.get(norm(row[1]))
                    if before is None or strength(reason) > strength(before[0]):
                        best[norm(row[1])] = (reason, row)
            rows: dict[Reason, list[KeyRow]] = {}
            for reason, row in best.values():
                rows.setdefault(reason, []).append(row)
            fields = groups[0][0].fields
            tables[place] = {
                reason: KeyTable(fields, tuple(rows[reason]))
                for reason in sorted(rows, key=strength)
            }
        return cls(tables)

    def reasons(self, place: Place) -> dict[Key, Reason]:
        """Key (`norm`) → why the row stays."""
        return {
            norm(key): reason
            for reason, table in self.tables.get(place, {}).items()
            for _, key in table.rows
        }

    def rows(self) -> dict[Place, KeyTable]:
        """All of them, place by place."""
        return {
            place: KeyTable(
                next(iter(groups.values())).fields,
                tuple(row for table in groups.values() for row in table.rows),
            )
            for place, groups in self.tables.items()
        }


@dataclass(frozen=True, slots=True)
class Search:
    """Where a person was looked for, by what, and where she was not.

    `by` are the kinds of identifiers that were looked up, as people call them; `asked` the
    systems in which that can find her; `left_out` what was not searched: (what, why).
    """

    by: tuple[str, ...]
    asked: frozenset[str]
    left_out: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls, controller: Controller, people: Sequence[Sequence[Identifier]], found: Located,
        *, texts: bool = True,
    ) -> Search:  # fmt: skip
        """What the map says of the kinds that were given; with `texts`, also where she was not
        looked for in what others wrote.
        """
        look = reach(controller.datamap, people)
        given = dict.fromkeys(one.kind for person in people for one in person)
        left_out = []
        by = []
        for kind in given:
            if kind in WEAK:
                why = say("Two people can have the same one, and would be shown each other's data.")
                left_out.append((say("The {kind} alone", kind=say(KINDS[kind])), why))
            elif kind in look.unheld and kind not in LINKING:
                left_out.append(
                    (say("The {kind}", kind=say(KINDS[kind])),
                     say("None of our systems knows anybody by it."))
                )  # fmt: skip
            else:
                by.append(say(KINDS[kind]))
        missed: dict[str, set[str]] = {}
        read = {name for name, able in controller.abilities.items() if texts and not able.word}
        for one in look.unreached:
            # Where only texts can name her, these were looked through.
            if one.system != SYSTEM.name and not (one.written and one.system in read):
                missed.setdefault(one.system, set()).add(one.dataset)
        asked = set()
        for name, system in controller.datamap.systems.items():
            theirs = {d.name for d in system.datasets.values() if d.personal}
            if name == SYSTEM.name:
                leads = any(kind in LINKING for kind in given)
            else:
                leads = bool(by and theirs - missed.get(name, set()))
            if leads and name not in found.unreached:
                asked.add(name)
            # What cannot be searched at all is said of the whole search, not once per dataset.
            for dataset in sorted(missed.get(name, ())) if by else ():
                what = f"{titled(system.datasets[dataset])} ({system.title or name})"
                left_out.append((what, say("Nothing of what was given leads there.")))
        for name, dataset in unread_texts(controller.datamap) if texts else ():
            if name not in found.unreached:
                system = controller.datamap.systems[name]
                what = say(
                    "What others wrote in: {where}",
                    where=f"{titled(system.datasets[dataset])} ({system.title or name})",
                )
                left_out.append(
                    (what, say("Nobody is looked for there. If you may be named, tell us by whom or"
                               " when."))
                )  # fmt: skip
        return cls(tuple(by), frozenset(asked), tuple(left_out))


def answer(
    controller: Controller,
    case: str,
    steps: Sequence[StepResult],
    unreached: Sequence[tuple[str, str]],
    warnings: Sequence[str],
    search: Search,
    stays: Stays,
    isolated: Collection[Place],
    *,
    complete: bool,
    named: bool,
    verified: str,
) -> dict[str, Any]:
    """The answer for programs, without the rows. `verified` says how it was checked who asks;
    `named`: texts of others name her.
    """
    bundle = controller.bundle
    places = {(s.store, s.dataset) for s in steps if s.counts.found}
    rows = sum(s.counts.found for s in steps)
    systems = [
        {
            "system": name,
            "title": say(SYSTEM.title or name) if name == SYSTEM.name else system.title or name,
            "about": say(ABOUT) if name == SYSTEM.name else None,
            "country": system.country,
            "asked": name in search.asked,
            "found": sum(s.counts.found for s in steps if s.store == name),
        }
        for name, system in controller.datamap.systems.items()
    ]
    return {
        "case": case,
        "right": "access",
        "complete": complete,
        "summary": _summary(
            Counts(rows, retained=sum(s.counts.retained + s.counts.isolated for s in steps)),
            len(places),
            search,
            len(systems),
            complete=complete,
            named=named,
        ),
        "found": rows,
        "places": len(places),
        "kept": sum(s.counts.retained + s.counts.isolated for s in steps),
        "nothing_held": complete and not rows and not named,
        "searched_by": list(search.by),
        "systems": systems,
        "not_searched": [{"what": what, "why": why} for what, why in search.left_out],
        "verification": verified,
        # Why is for whoever mends it: it may say how the systems are reached.
        "unreached": [
            {
                "system": name,
                "title": ((there := controller.datamap.systems.get(name)) and there.title) or name,
            }
            for name, _ in unreached
        ],
        "warnings": list(warnings),
        "steps": [step_document(s) for s in steps],
        # That there is something is said; what it is would let whoever reads this pass for her.
        "withheld": [
            {"system": system, "dataset": dataset, "fields": list(secrets), "why": say(_WITHHELD)}
            for system, dataset in sorted(places)
            if (secrets := controller.datamap.dataset(system, dataset).secrets)
        ],
        "not_stated": [
            {"system": system, "dataset": dataset}
            for system, dataset in not_stated(controller, steps)
        ],
        "stays": [
            {
                "system": place[0],
                "dataset": place[1],
                "title": titled(controller.datamap.dataset(*place)),
                "rows": len(table.values),
                "isolated": place in isolated,
                **_reason(reason),
            }
            for place, groups in stays.tables.items()
            for reason, table in groups.items()
        ],
        "controller": {
            "name": bundle.organisation.name,
            "country": bundle.organisation.country,
            "email": bundle.organisation.email,
            "post": list(bundle.organisation.post),
        },
        "policy": {"id": bundle.id, "version": bundle.version.isoformat()},
    }


def not_stated(controller: Controller, steps: Sequence[StepResult]) -> list[Place]:
    """Where something is held and the map does not say what for: no purpose, ground, recipient."""
    return sorted(
        (s.store, s.dataset)
        for s in steps
        if s.counts.found
        and s.store != SYSTEM.name
        and not controller.datamap.dataset(s.store, s.dataset).activities
    )


def page(
    controller: Controller,
    shown: Mapping[Place, Data],
    stays: Stays,
    isolated: Collection[Place],
    covered: Sequence[Covered],
    came: dt.date,
) -> dict[str, Any]:
    """What index.html is made of: living rows by system, and rows that stay, each with why.

    `came` is the day on which she asked.
    """
    bundle = controller.bundle
    speech = tongues.spoken()
    language = speech.language
    by_place = {(one.system, one.dataset): one.count for one in covered}
    held: dict[str, dict[str, Any]] = {}
    for place, data in shown.items():
        if None not in data.parts:
            continue
        system = controller.datamap.systems[place[0]]
        group = held.setdefault(
            system.name,
            {
                "title": say(SYSTEM.title or system.name)
                if system.name == SYSTEM.name
                else system.title or system.name,
                "country": system.country,
                "about": say(ABOUT) if system.name == SYSTEM.name else None,
                "datasets": [],
            },
        )
        dataset = system.datasets[place[1]]
        shows = {**_part(system.name, dataset, data, data.parts[None]), "title": titled(dataset)}
        shows["secrets"] = _columns(system.name, dataset, dataset.secrets)
        facts = living(controller, dataset)
        if system.name == SYSTEM.name:
            shows, facts = desk.shown(controller, dataset, shows), desk.about(facts)
        group["datasets"].append(
            {
                **shows,
                "id": f"d-{place[0]}-{place[1]}",
                "about": facts,
                "covered": by_place.get(place, 0),
            }
        )
    for group in held.values():
        # What is the same for all of a system is said once.
        first, *others = (d["about"] for d in group["datasets"])
        group["all"] = first if others and all(one == first for one in others) else None
    kept = []
    promises = sentences(bundle) if stays.tables else {}
    for place, groups in stays.tables.items():
        system = controller.datamap.systems[place[0]]
        dataset = system.datasets[place[1]]
        # Rows that stay for the same reason until many days are one table, with the day of each.
        together: dict[tuple[object, ...], list[Reason]] = {}
        for reason in groups:
            if place in shown and reason in shown[place].parts:
                together.setdefault(alike(reason), []).append(reason)
        for reasons in together.values():
            reason = reasons[0]
            kept.append(
                {
                    **_parts(system.name, dataset, shown[place], reasons, language),
                    **_reason(reason),
                    "title": titled(dataset),
                    "secrets": _columns(system.name, dataset, dataset.secrets),
                    "system": system.title or system.name,
                    "country": system.country,
                    "isolated": place in isolated,
                    "law": law(capital(reason.law or "")),
                    "until_words": _until(reasons, language),
                    "covered": by_place.get(place, 0),
                    "promise": promises.get(reason.clause),
                }
            )
    datasets = [d for group in held.values() for d in group["datasets"]]
    titles = Counter(d["title"] for d in datasets)
    for group in held.values():
        for d in group["datasets"]:
            # Where several systems call it the same, a list of all says which is meant.
            d["called"] = (
                f"{d['title']} ({group['title']})" if titles[d["title"]] > 1 else d["title"]
            )
    used = {a for place in shown for a in controller.datamap.dataset(*place).activities}
    return {
        "language": language,
        "title": say("Your data at {who}", who=bundle.organisation.name),
        "in_first": sheets.attribute(speech.first),
        "organisation": bundle.organisation,
        "address": address(bundle.organisation),
        "site": controller.site_url,
        "asked_words": tongues.day(came),
        "policy_words": tongues.day(bundle.version),
        "held": list(held.values()),
        "kept": kept,
        # What a law keeps of the rows in use, before anybody asks for their deletion.
        "by_law": [d for d in datasets if d["about"]["law"]],
        "covered": list(covered),
        "covered_words": covered_words(covered),
        "covered_why": say(WHY),
        "profiling": profiling(bundle, [bundle.activities[a] for a in sorted(used)
                                        if a in bundle.activities]),
        "choices": choices(RIGHTS),
    }  # fmt: skip


def _summary(
    rows: Counts, places: int, search: Search, known: int, *, complete: bool, named: bool
) -> str:
    if not search.by:
        return say("Nothing was searched: what was given does not lead to one person.")
    theirs, connected = len(search.asked - {SYSTEM.name}), known - 1
    if theirs < connected:
        looked = count(
            connected, "{some} of the {n} system on our list",
            "{some} of the {n} systems on our list", some=theirs,
        )  # fmt: skip
    elif connected == 1:
        looked = say("the one system on our list")
    else:
        looked = say("all {n} systems on our list", n=connected)
    if SYSTEM.name in search.asked:
        looked = say("{places} and in our own record of requests and choices", places=looked)
    systems = say("{places}, by {what}", places=looked, what=f" {say('and')} ".join(search.by))
    left = "Not everything can be searched by that; the answer names what was left out."
    left = " " + say(left) if search.left_out else ""
    if rows.found:
        met = say(
            "{rows} {places}", rows=count(rows.found, "{n} record", "{n} records"),
            places=count(places, "in {n} place", "in {n} places"),
        )  # fmt: skip
        if rows.retained == rows.found:
            met += "; " + say(
                "an erasure was carried out before, and what is left has to stay for a time"
            )
        return say("We looked in {places}, and found {what}.", places=systems, what=met) + left
    if named:
        met = say(
            "No record is held under what was given, but others name you. We looked in {places}.",
            places=systems,
        )
        return met + left
    if complete:
        words = "Nothing is held under what was given. We looked in {places}."
        return say(words, places=systems) + left
    return say("We looked in {places}, and found nothing there.", places=systems) + left


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "words": sentence(told(reason.words)),
        "law": reason.law,
        "until": reason.until.isoformat() if reason.until else None,
        "clause": reason.clause,
    }


def _part(system: str, dataset: Dataset, data: Data, part: Part) -> dict[str, Any]:
    return {
        "file": data.file,
        "table": data.table,
        "columns": _columns(system, dataset, data.columns),
        "names": data.columns,
        "rows": part.rows,
        "count": part.count,
    }


def _parts(
    system: str, dataset: Dataset, data: Data, reasons: Sequence[Reason], language: str
) -> dict[str, Any]:
    """Rows that stay for reasons that differ in their day alone; where they do, each says its."""
    one = _part(system, dataset, data, data.parts[reasons[0]])
    if len(reasons) == 1:
        return one
    ordered = sorted(reasons, key=strength)
    rows = [
        [*row, Cell(tongues.day(reason.until), "short") if reason.until else Cell("–", "none")]
        for reason in ordered
        for row in data.parts[reason].rows
    ]
    count = sum(data.parts[reason].count for reason in reasons)
    return {**one, "columns": [*one["columns"], say("stays until")], "rows": rows[:SHOWN],
            "count": count}  # fmt: skip


def _until(reasons: Sequence[Reason], language: str) -> str | None:
    days = sorted(reason.until for reason in reasons if reason.until)
    if not days:
        return None
    first, last = tongues.day(days[0]), tongues.day(days[-1])
    if first == last:
        return first
    return say(
        "{first} to {last}. Each record stays until its own day, which stands beside it.",
        first=first, last=last,
    )  # fmt: skip


def _columns(system: str, dataset: Dataset, columns: Iterable[str]) -> list[str]:
    """Fields as people call them: what they identify by, where one field does; else their names."""
    kinds = Counter(field.identifies for field in dataset.fields.values())
    made = []
    for name in columns:
        field = dataset.fields.get(name)
        kind = field.identifies if field else None
        known = WORDS.get(name) if system == SYSTEM.name else None
        made.append(
            say(known)
            if known
            else (say(KINDS[kind]) if kind and kinds[kind] == 1 else readable(name))
        )
    return made


def sentences(bundle: Bundle) -> dict[str, str]:
    """Clause → the words of the policy in which it stands first."""
    return {
        clause: unit.words
        for section in render(bundle)
        for unit in section.units
        for clause in unit.anchors
        if unit.kind in ("sentence", "bullet")
    }


def address(organisation: Organisation) -> str:
    """Name and postal address in one line."""
    lines = [line for line in organisation.post if line != organisation.name]
    return ", ".join((organisation.name, *lines))
