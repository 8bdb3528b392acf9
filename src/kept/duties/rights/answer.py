"""The words of an access: what was searched, what is held and why, what stays and for how long.

For the person who asked, so: no names of tables where a title is known, no terms of the trade,
and nothing that was not done.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller, Located, Place
from kept.datamap.map import Dataset
from kept.datamap.reach import WEAK, reach
from kept.decide.due import strength
from kept.decide.ties import Key, norm
from kept.duties.rights.package import Data, Part
from kept.duties.rights.request import capital, sentence, step_document
from kept.model.plan import Counts, Reason, StepResult
from kept.model.select import KeyRow, KeyTable
from kept.policy.bundle import Bundle
from kept.policy.render import day, render
from kept.policy.shapes import Clock, Organisation
from kept.records.declared import ABOUT, SYSTEM
from kept.records.locator import Held
from kept.records.subject import LINKING
from kept.terms.identifiers import KINDS, Identifier

_CLOCKS: Final[Mapping[Clock, str]] = {
    "creation": "it was made",
    "last_interest": "your last sign of interest",
    "need_closed": "it was last needed",
    "contract_end": "the contract ended",
    "closed": "the matter was closed",
}
_WITHHELD: Final = "It proves who you are: whoever reads it could pass for you."
_UNITS: Final = {"Y": "year", "M": "month", "D": "day"}


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
        cls, controller: Controller, people: Sequence[Sequence[Identifier]], found: Located
    ) -> Search:
        """What the map says of the kinds that were given."""
        look = reach(controller.datamap, people)
        given = dict.fromkeys(one.kind for person in people for one in person)
        left_out = []
        by = []
        for kind in given:
            if kind in WEAK:
                why = "Two people can have the same one, and would be shown each other's data."
                left_out.append((f"The {KINDS[kind]} alone", why))
            elif kind in look.unheld and kind not in LINKING:
                left_out.append((f"The {KINDS[kind]}", "None of our systems knows anybody by it."))
            else:
                by.append(KINDS[kind])
        missed: dict[str, set[str]] = {}
        for one in look.unreached:
            if one.system != SYSTEM.name:
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
                what = f"{_title(system.datasets[dataset])} ({system.title or name})"
                left_out.append((what, "Nothing of what was given leads there."))
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
    verified: str,
) -> dict[str, Any]:
    """The answer for programs, without the rows. `verified` says how it was checked who asks."""
    bundle = controller.bundle
    places = {(s.store, s.dataset) for s in steps if s.counts.found}
    rows = sum(s.counts.found for s in steps)
    systems = [
        {
            "system": name,
            "title": system.title or name,
            "about": ABOUT if name == SYSTEM.name else None,
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
        ),
        "found": rows,
        "nothing_held": complete and not rows,
        "searched_by": list(search.by),
        "systems": systems,
        "not_searched": [{"what": what, "why": why} for what, why in search.left_out],
        "verification": verified,
        "unreached": [
            {
                "system": name,
                "title": controller.datamap.systems[name].title or name,
                "why": why,
            }
            for name, why in unreached
        ],
        "warnings": list(warnings),
        "steps": [step_document(s) for s in steps],
        # That there is something is said; what it is would let whoever reads this pass for her.
        "withheld": [
            {"system": system, "dataset": dataset, "fields": list(secrets), "why": _WITHHELD}
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
                "title": _title(controller.datamap.dataset(*place)),
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
    now: dt.datetime,
) -> dict[str, Any]:
    """What index.html is made of: living rows by system, and rows that stay, each with why."""
    bundle = controller.bundle
    language = bundle.languages[0]
    held: dict[str, dict[str, Any]] = {}
    for place, data in shown.items():
        if None not in data.parts:
            continue
        system = controller.datamap.systems[place[0]]
        group = held.setdefault(
            system.name,
            {
                "title": system.title or system.name,
                "country": system.country,
                "about": ABOUT if system.name == SYSTEM.name else None,
                "datasets": [],
            },
        )
        dataset = system.datasets[place[1]]
        shows = {**_part(data, data.parts[None]), "title": _title(dataset)}
        shows["secrets"] = [name.replace("_", " ") for name in dataset.secrets]
        group["datasets"].append({**shows, "about": _living(controller, dataset)})
    for group in held.values():
        # What is the same for all of a system is said once.
        first, *others = (d["about"] for d in group["datasets"])
        group["all"] = first if others and all(one == first for one in others) else None
    kept = []
    sentences = _sentences(bundle) if stays.tables else {}
    for place, groups in stays.tables.items():
        system = controller.datamap.systems[place[0]]
        for reason in groups:
            if place not in shown or reason not in shown[place].parts:
                continue
            kept.append(
                {
                    **_part(shown[place], shown[place].parts[reason]),
                    **_reason(reason),
                    "title": _title(system.datasets[place[1]]),
                    "secrets": [n.replace("_", " ") for n in system.datasets[place[1]].secrets],
                    "system": system.title or system.name,
                    "country": system.country,
                    "isolated": place in isolated,
                    "law": capital(reason.law or ""),
                    "until_words": day(reason.until, language) if reason.until else None,
                    "promise": sentences.get(reason.clause),
                }
            )
    return {
        "language": language,
        "organisation": bundle.organisation,
        "address": _address(bundle.organisation),
        "asked_words": day(now.astimezone(dt.UTC).date(), language),
        "policy_words": day(bundle.version, language),
        "held": list(held.values()),
        "kept": kept,
    }


def _summary(rows: Counts, places: int, search: Search, known: int, *, complete: bool) -> str:
    if not search.by:
        return "Nothing was searched: what was given does not lead to one person."
    theirs, connected = len(search.asked - {SYSTEM.name}), known - 1
    if theirs < connected:
        looked = f"{theirs} of the {_many(connected, 'system')} that we know of"
    elif connected == 1:
        looked = "the one system that we know of"
    else:
        looked = f"all {connected} systems that we know of"
    own = " and in our own record of requests and choices" if SYSTEM.name in search.asked else ""
    systems = f"{looked}{own}, by {' and '.join(search.by)}"
    if rows.found:
        found = f"{_many(rows.found, 'record')} in {_many(places, 'place')}"
        if rows.retained == rows.found:
            found += "; an erasure was carried out before, and what is left has to stay for a time"
        return f"We looked in {systems}, and found {found}."
    if complete:
        return f"Nothing is held under what was given. We looked in {systems}."
    return f"We looked in {systems}, and found nothing there."


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "words": sentence(reason.words),
        "law": reason.law,
        "until": reason.until.isoformat() if reason.until else None,
        "clause": reason.clause,
    }


def _part(data: Data, part: Part) -> dict[str, Any]:
    return {
        "file": data.file,
        "columns": [column.replace("_", " ") for column in data.columns],
        "rows": part.rows,
        "count": part.count,
    }


def _living(controller: Controller, dataset: Dataset) -> dict[str, Any]:
    """What for, on which ground, who receives it and how long: of rows that are in use."""
    bundle = controller.bundle
    activities = [bundle.activities[a] for a in dataset.activities if a in bundle.activities]
    names, words = bundle.recipients, bundle.vocabulary
    recipients = (
        names[r].name if r in names else words.recipients[r].label
        for a in activities
        for r in a.recipients
    )
    bases = (words.bases[b].label for a in activities for b in a.bases.values())
    return {
        "why": _once(a.title for a in activities),
        "bases": _once(bases),
        "recipients": _once(recipients),
        "keep": _keep(bundle, dataset.retention),
        # What Kept holds to answer people is explained where its system is named.
        "stated": bool(activities) or dataset.name in SYSTEM.datasets,
    }


def _keep(bundle: Bundle, retention: str | None) -> tuple[str, ...]:
    """How long, in sentences: for the organisation's own use, and where a law asks for more."""
    rule = bundle.retention.get(retention or "")
    if rule is None:
        return ("No period has been set for this yet.",)
    own = _period(rule.keep, rule.clock)
    if rule.law is None:
        return (f"{own or 'No period has been set for this yet'}.",)
    by_law = _period(rule.law.keep, rule.clock)
    return (
        f"For our own use: {own or 'no period has been set yet'}.",
        f"Because a law asks for it ({rule.law.citation}): "
        f"{by_law or 'no period has been set yet'}.",
    )


def _period(keep: str | None, clock: Clock) -> str | None:
    if keep is None:
        return None
    return f"{_many(int(keep[1:-1]), _UNITS[keep[-1]])} after {_CLOCKS[clock]}"


def _sentences(bundle: Bundle) -> dict[str, str]:
    """Clause → the words of the policy in which it stands first."""
    return {
        clause: unit.words
        for section in render(bundle)
        for unit in section.units
        for clause in unit.anchors
        if unit.kind in ("sentence", "bullet")
    }


def _address(organisation: Organisation) -> str:
    lines = [line for line in organisation.post if line != organisation.name]
    return ", ".join((organisation.name, *lines))


def _title(dataset: Dataset) -> str:
    return dataset.title or dataset.name


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
