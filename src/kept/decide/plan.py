"""What will happen to which rows: a right, the map and what was found make a Plan.

Pure: the same rows, reasons and ties give the same plan, in whatever order they come. Every
row found is in exactly one step. Rows that a law or a hold keeps stay whole (retain), or, where
the map says so, empty with what they said sealed (isolate). A row that something that stays
refers to stays too, but without the person (overwrite); one that is somebody else's as well stays
for them, without what is hers; all others go (delete), children before parents. What would stop
half-way is an obstacle here, before anything is tried.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Any, TypeAlias

from kept.datamap import anonymise
from kept.datamap import sides as siding
from kept.datamap.map import DataMap, Dataset, Link, OnErase, Owner, Shared, Stays, System
from kept.datamap.overwrite import stuck, written
from kept.datamap.reach import Place
from kept.decide.due import Held, strength
from kept.decide.obstacles import EMPTYING, amiss, loose, unmapped
from kept.decide.reasons import (
    BARE,
    LAST_OWNER,
    ONE_SIDE,
    PART_OF,
    REFERRED,
    REFERRED_FROM,
    REFERRED_FROM_ROWS,
)
from kept.decide.sides import Sides
from kept.decide.ties import Key, Row, Ties, norm, references, wanted
from kept.errors import UsageError
from kept.model.abilities import Abilities
from kept.model.change import Assignment
from kept.model.plan import Action, Obstacle, Plan, Reason, Step, SystemPlan
from kept.model.select import KeyRow, KeyTable, Select

_ORDER = (Action.READ, Action.RETAIN, Action.ISOLATE, Action.OVERWRITE, Action.ANONYMISE,
          Action.DELETE)  # fmt: skip


def reads(
    right: str,
    datamap: DataMap,
    selects: Mapping[str, Sequence[Select]],
    abilities: Mapping[str, Abilities],
    *,
    people: int = 1,
    unreached: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    warnings: Iterable[str] = (),
) -> Plan:
    """The plan of a right that only reads: one step per dataset, its rows named by a Select."""
    steps = [
        Step(0, system, one.dataset, Action.READ, KeyTable(one.key), one)
        for system in sorted(selects)
        for one in selects[system]
    ]
    return _finished(right, datamap, steps, abilities, people, unreached, warnings, [])


def plan(
    right: str,
    datamap: DataMap,
    found: Mapping[Place, KeyTable],
    held: Held,
    ties: Ties,
    abilities: Mapping[str, Abilities],
    *,
    people: int = 1,
    foreign_keys: Mapping[Place, Iterable[Link]] | None = None,
    unreached: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    warnings: Iterable[str] = (),
    clause: str = "",
    sides: Sides | None = None,
) -> Plan:
    """The plan of a right by which rows go.

    `found`: ALL rows of the people, also those retained before; `held`: which of them stay
    whole and why (`due.merge`); `ties`: the answers to `ties.questions` about the same rows;
    `abilities`: of each store that was asked; `foreign_keys`: the real ones, per dataset,
    mapped or not; `unreached`: systems that could not be asked, and why (mapped systems
    without abilities are added); `clause`: the clause to name for rows that stay only because
    other rows need them; `sides`: which of the rows are somebody else's as well.

    Obstacles are in the plan. Raises UsageError where the answers do not cover the rows.
    """
    full = {place: table for place, table in found.items() if table.rows}
    for place, table in full.items():
        _known(datamap, place, table, abilities)
    rows = {place: _Rows(table) for place, table in full.items()}
    whole = _whole(rows, held)
    sides = sides or Sides()
    asked = wanted(datamap, full, set(whole) | sides.places, foreign_keys)
    missing = sorted(pair for pair in asked if pair not in ties.asked)
    if missing:
        (where, child), (_, parent) = missing[0]
        raise UsageError(
            f"it is not known which rows of `{child}` refer to `{parent}` in `{where}`",
            expected="the answers to `questions` about the rows found",
            fix="ask the system again, or name it as not reached and leave its rows out",
        )
    theirs = {place: _theirs(datamap, place, sides, whole.get(place, {}), clause) for place in rows}
    emptied = _emptied(datamap, rows, whole, theirs, _bound(ties, sides, whole), clause)
    said = list(warnings)
    obstacles: list[tuple[str, Obstacle]] = []
    steps: list[Step] = []
    for name in sorted({place[0] for place in full}):
        system = datamap.systems[name]
        order, circles = _order(datamap, name, full, foreign_keys)
        said += circles
        for place in order:
            dataset = system.datasets[place[1]]
            made, wrong = _steps(
                system,
                dataset,
                rows[place],
                whole.get(place, {}),
                emptied.get(place, {}),
                theirs[place],
                sides.kept.get(place, {}).keys(),
                clause,
            )
            steps += made
            obstacles += [(name, one) for one in wrong]
            obstacles += [(name, one) for one in amiss(dataset, made, abilities[name])]
            obstacles += [(name, one) for one in loose(name, dataset, made, foreign_keys)]
    said += _torn(datamap, full, whole) + _unmapped(datamap, full, foreign_keys)
    said += _renamed(steps, foreign_keys)
    return _finished(right, datamap, steps, abilities, people, unreached, said, obstacles)


class _Rows:
    """The rows of one dataset: each key once, with everybody it belongs to."""

    def __init__(self, table: KeyTable) -> None:
        self.fields = table.fields
        self.keys: dict[Key, list[KeyRow]] = {}
        for row in dict.fromkeys(table.rows):
            self.keys.setdefault(norm(row[1]), []).append(row)

    def table(self, keys: Iterable[Key]) -> KeyTable:
        """These of the rows, in an order that does not depend on how they came."""
        rows = [row for key in keys for row in self.keys[key]]
        try:
            rows.sort(key=_by_key)
        except TypeError:  # keys of several types
            rows.sort(key=repr)
        return KeyTable(self.fields, tuple(rows))


def _by_key(row: KeyRow) -> Any:
    return row[1], row[0]


def _known(
    datamap: DataMap, place: Place, table: KeyTable, abilities: Mapping[str, Abilities]
) -> None:
    system = datamap.systems.get(place[0])
    dataset = system.datasets.get(place[1]) if system else None
    name = f"`{place[1]}` of `{place[0]}`"
    if dataset is None:
        raise UsageError(f"rows of {name} were found, which the map does not have")
    if dataset.on_erase is OnErase.NEVER:
        raise UsageError(
            f"rows of {name} were found, which the map says are nobody's",
            fix="write `erase: delete` or `overwrite` for it",
        )
    if table.fields != dataset.key:
        raise UsageError(
            f"rows of {name} are not named by its key",
            expected=", ".join(dataset.key),
            met=", ".join(table.fields),
        )
    if place[0] not in abilities:
        raise UsageError(
            f"rows of `{place[0]}` were found, but not what its store can do",
            fix="give the abilities of every store that was asked",
        )


def _whole(rows: Mapping[Place, _Rows], held: Held) -> dict[Place, dict[Key, Reason]]:
    """Found rows that stay as they are, each with the strongest of its reasons."""
    whole: dict[Place, dict[Key, Reason]] = {}
    for place, reasons in held.items():
        if place not in rows:
            continue
        for table, why in reasons:
            for _, key in table.rows:
                name = norm(key)
                if name not in rows[place].keys:
                    continue
                kept = whole.setdefault(place, {})
                kept[name] = max(kept.get(name, why), why, key=strength)
    return whole


#: Key → why the row stays for somebody else, and which fields of it go.
_Theirs: TypeAlias = Mapping[Key, tuple[Reason, frozenset[str]]]


def _theirs(
    datamap: DataMap, place: Place, sides: Sides, whole: Mapping[Key, Reason], clause: str
) -> _Theirs:
    """Found rows of a dataset that stay for somebody else, unless they stay whole."""
    one = datamap.dataset(*place).shared is Shared.ONE_SIDE
    why = Reason(ONE_SIDE if one else LAST_OWNER, None, None, clause)
    found = {key: (why, kept.gone) for key, kept in sides.kept.get(place, {}).items()}
    for key, above in sides.along.get(place, {}).items():
        title = datamap.dataset(*above).title or above[1]
        part = Reason(PART_OF.format(title=title), None, None, clause)
        found[key] = (part, frozenset[str]())
    return {key: what for key, what in found.items() if key not in whole}


def _bound(ties: Ties, sides: Sides, whole: Mapping[Place, Mapping[Key, Reason]]) -> Ties:
    """The ties without those of sides that are emptied."""
    edges = dict(ties.edges)
    for place, rows in sides.kept.items():
        for key, kept in rows.items():
            if key not in whole.get(place, {}) and (place, key) in edges and kept.released:
                edges[place, key] = tuple(
                    to for to in edges[place, key]
                    if to[0][0] != place[0] or to[0][1] not in kept.released
                )  # fmt: skip
    return replace(ties, edges=edges)


def _emptied(
    datamap: DataMap,
    rows: Mapping[Place, _Rows],
    whole: Mapping[Place, Mapping[Key, Reason]],
    theirs: Mapping[Place, _Theirs],
    ties: Ties,
    clause: str,
) -> dict[Place, dict[Key, Reason | None]]:
    """Found rows that stay without the person, and why; None: because the map wants it so."""
    emptied: dict[Place, dict[Key, Reason | None]] = {}
    edges = {row: to for row, to in ties.edges.items() if to}
    # (row that stays, why it stays); rows are met again while their reason grows stronger.
    todo: list[tuple[Row, Reason]] = []
    for row in edges:
        place, key = row
        dataset = datamap.dataset(*place)
        why = whole.get(place, {}).get(key)
        if why is None and (place not in rows or key not in rows[place].keys):
            why = Reason(REFERRED, None, None, clause)
        elif why is None and (
            dataset.on_erase is OnErase.OVERWRITE or key in theirs.get(place, {})
        ):
            why = Reason(REFERRED_FROM_ROWS, None, None, clause)
        if why is not None:
            todo.append((row, why))
    for place, its in rows.items():
        if datamap.dataset(*place).on_erase is OnErase.OVERWRITE:
            kept = whole.get(place, {})
            emptied[place] = {
                key: None for key in its.keys if key not in kept and key not in theirs[place]
            }
    while todo:
        (place, key), why = todo.pop()
        for to in edges.get((place, key), ()):
            there, name = to
            if to == (place, key) or there not in rows or name not in rows[there].keys:
                continue
            if name in whole.get(there, {}) or name in theirs[there]:
                continue
            title = datamap.dataset(*place).title or place[1]
            reason = replace(why, words=REFERRED_FROM.format(title=title))
            known = emptied.setdefault(there, {})
            before = known.get(name)
            if before is None or strength(reason) > strength(before):
                known[name] = reason
                todo.append((to, reason))
    return emptied


def _steps(
    system: System,
    dataset: Dataset,
    rows: _Rows,
    whole: Mapping[Key, Reason],
    emptied: Mapping[Key, Reason | None],
    theirs: _Theirs,
    both: Collection[Key],
    clause: str,
) -> tuple[list[Step], list[Obstacle]]:
    """The steps of one dataset: retain or isolate, one per reason; overwrite; delete, at once.

    Of `both` rows that stay whole are never sealed: they are somebody else's as well.
    """
    end = Action.ANONYMISE if dataset.on_erase is OnErase.ANONYMISE else Action.DELETE
    bare = anonymise.assigned(dataset) if end is Action.ANONYMISE else {}
    if not whole and not emptied and not theirs:
        table = rows.table(rows.keys)
        made = [Step(0, system.name, dataset.name, end, table, assign=bare)]
        if end is Action.DELETE:
            return made, []
        return made, [*unmapped(system.name, dataset), *_bare(dataset)]
    retained: dict[tuple[Reason, bool], list[Key]] = {}
    for key, why in whole.items():
        retained.setdefault((why, key not in both), []).append(key)
    sealing = any(alone for _, alone in retained) and dataset.stays is Stays.ISOLATED
    assign: Mapping[str, Assignment] = written(system, dataset) if emptied or sealing else {}
    overwritten: dict[Reason | None, list[Key]] = {}
    if assign:
        # One statement per dataset and kind of reason, not one per date: the latest end counts.
        latest: dict[Reason, Reason] = {}
        for one in emptied.values():
            if one is not None:
                kind = replace(one, until=None)
                latest[kind] = max(latest.get(kind, one), one, key=strength)
        for key, end_ in emptied.items():
            shown = None if end_ is None else latest[replace(end_, until=None)]
            overwritten.setdefault(shown, []).append(key)
    else:
        # Nothing personal is in the row but what names it: it stays as it is.
        for key, end_ in emptied.items():
            bare_for = end_ or Reason(BARE, None, None, clause)
            retained.setdefault((bare_for, True), []).append(key)
    gone = [key for key in rows.keys
            if key not in whole and key not in emptied and key not in theirs]  # fmt: skip

    def step(action: Action, keys: Iterable[Key], why: Reason | None = None) -> Step:
        table = rows.table(keys)
        what = bare if action is Action.ANONYMISE else assign if action in EMPTYING else {}
        return Step(0, system.name, dataset.name, action, table, assign=what, reason=why)

    # Rows that stay for others, with nothing personal in them, are never sealed.
    whole_as = Action.ISOLATE if sealing and assign else Action.RETAIN
    made = [
        step(whole_as if alone else Action.RETAIN, keys, why)
        for (why, alone), keys in retained.items()
    ]
    made += [step(Action.OVERWRITE, keys, shown) for shown, keys in overwritten.items()]
    made += _parted(system, dataset, rows, theirs)
    made += [step(end, gone)] if gone else []
    made.sort(key=lambda s: (_ORDER.index(s.action), _when(s.reason)))
    wrong = [Obstacle(dataset.name, *one) for one in siding.stuck(dataset)] if theirs else []
    if emptied or sealing or (gone and end is Action.ANONYMISE):
        wrong += unmapped(system.name, dataset)
    if emptied or sealing:
        wrong += [Obstacle(dataset.name, *one) for one in stuck(system, dataset)]
    return made, [*wrong, *(_bare(dataset) if bare and gone else [])]


def _parted(system: System, dataset: Dataset, rows: _Rows, theirs: _Theirs) -> list[Step]:
    """The steps of rows that stay for somebody else: without what is hers, where that can go."""
    groups: dict[tuple[Reason, frozenset[str]], list[Key]] = {}
    for key, what in theirs.items():
        if key in rows.keys:
            groups.setdefault(what, []).append(key)
    made = []
    for (why, gone), keys in groups.items():
        assign = siding.emptied(dataset, gone)
        action = Action.OVERWRITE if assign else Action.RETAIN
        table = rows.table(keys)
        made.append(Step(0, system.name, dataset.name, action, table, assign=assign, reason=why))
    made.sort(key=lambda s: sorted(s.assign))
    return made


def stayed(
    datamap: DataMap,
    steps: Iterable[Step],
    among: Collection[int],
    sides: Sides,
    first: int,
    clause: str,
) -> tuple[list[Step], list[Step]]:
    """The steps of a plan once more, where rows that those numbered in `among` delete are somebody
    else's by now: each stays for them, by a step of its own; and these, numbered from `first` on.
    """
    both: list[Step] = []
    added: list[Step] = []
    for s in steps:
        place = (s.system, s.dataset)
        theirs = _theirs(datamap, place, sides, {}, clause) if s.number in among else {}
        made = (
            _parted(datamap.systems[s.system], datamap.dataset(*place), _Rows(s.keys), theirs)
            if theirs
            else []
        )
        if made:
            new = [replace(one, number=first + len(added) + n) for n, one in enumerate(made)]
            rows = tuple(row for row in s.keys.rows if norm(row[1]) not in theirs)
            s = replace(s, keys=KeyTable(s.keys.fields, rows))
            added += new
            both += new
        both.append(s)
    return both, added


def _bare(dataset: Dataset) -> list[Obstacle]:
    return [Obstacle(dataset.name, *one) for one in anonymise.stuck(dataset)]


def _when(reason: Reason | None) -> tuple[bool, dt.date, str]:
    if reason is None:
        return False, dt.date.min, ""
    return reason.until is None, reason.until or dt.date.min, repr(reason)


def _order(
    datamap: DataMap,
    system: str,
    full: Mapping[Place, KeyTable],
    foreign_keys: Mapping[Place, Iterable[Link]] | None,
) -> tuple[list[Place], list[str]]:
    """The datasets, those that refer before those referred to; and circles, in words."""
    links = references(datamap, foreign_keys)
    into: dict[Place, set[Place]] = {place: set() for place in full if place[0] == system}
    owned: dict[Place, set[Place]] = {place: set() for place in into}
    for place in into:
        for one in links.get(place, ()):
            if one.to in into and one.to != place:
                into[one.to].add(place)
                if one.followed:
                    owned[one.to].add(place)
    order: list[Place] = []
    warnings = []
    free = [place for place, before in into.items() if not before]
    heapify(free)
    while len(order) < len(into):
        if free:
            place = heappop(free)
        else:
            # Referring in a circle: whose data the rows are decides, the store has to agree.
            left = sorted(into.keys() - set(order))
            place = next((p for p in left if not owned[p].intersection(left)), left[0])
            names = ", ".join(f"`{p[1]}`" for p in sorted(into[place]))
            warnings.append(
                f"`{place[1]}` and {names} of `{system}` refer to each other in a circle; the "
                "rehearsal shows whether the store lets them go"
            )
            into[place].clear()
        order.append(place)
        for one in links.get(place, ()):
            before = into.get(one.to)
            if before and place in before:
                before.remove(place)
                if not before:
                    heappush(free, one.to)
    return order, warnings


def _torn(
    datamap: DataMap,
    full: Mapping[Place, KeyTable],
    whole: Mapping[Place, Mapping[Key, Reason]],
) -> list[str]:
    """Rows that go although those they belong to may have to stay whole."""
    found = []
    for place in sorted(full):
        dataset = datamap.dataset(*place)
        if place in whole or dataset.on_erase is not OnErase.DELETE:
            continue
        owners = {li.to for li in dataset.links if li.kind is Owner.OWNED and li.system is None}
        for to in sorted(owners):
            if (place[0], to) in whole:
                found.append(
                    f"rows of `{place[1]}` go although rows of `{to}` that they belong to stay; "
                    "give both the same retention class if they belong together"
                )
    return found


def _unmapped(
    datamap: DataMap,
    full: Mapping[Place, KeyTable],
    foreign_keys: Mapping[Place, Iterable[Link]] | None,
) -> list[str]:
    """References from tables that no map names, and how many such tables there are: what they
    hold is not known.
    """
    strange = [
        place
        for place in foreign_keys or {}
        if place[0] in datamap.systems and place[1] not in datamap.systems[place[0]].datasets
    ]
    referring = {
        (place, link.to)
        for place in strange
        for link in (foreign_keys or {})[place]
        if (place[0], link.to) in full
    }
    others = [place for place in strange if place not in {place for place, _ in referring}]
    return [
        f"`{name}` of `{system}` refers to `{to}` and is not mapped; it may hold rows that are to"
        " go"
        for (system, name), to in sorted(referring)
    ] + [
        f"{count} table{'s' if count > 1 else ''} of `{system}` {'are' if count > 1 else 'is'} not"
        " mapped, so not searched; `kept map check` names what is not mapped"
        for system, count in sorted(Counter(system for system, _ in others).items())
    ]


def _renamed(
    steps: Iterable[Step], foreign_keys: Mapping[Place, Iterable[Link]] | None
) -> list[str]:
    """Fields that are written over although real foreign keys point at them (not at the key)."""
    written_over = {(s.system, s.dataset): s.assign for s in steps if s.action in EMPTYING}
    found = {
        f"`{name}` of `{link.to}` is written over, and `{place[1]}` refers to it by a foreign key; "
        "the rehearsal shows whether the store lets it"
        for place, links in (foreign_keys or {}).items()
        for link in links
        for name in written_over.get((place[0], link.to), ())
        if name in link.on
    }
    return sorted(found)


def _finished(
    right: str,
    datamap: DataMap,
    steps: Sequence[Step],
    abilities: Mapping[str, Abilities],
    people: int,
    unreached: Mapping[str, str] | Iterable[tuple[str, str]],
    warnings: Iterable[str],
    obstacles: Iterable[tuple[str, Obstacle]],
) -> Plan:
    missing = dict(unreached)
    for name in datamap.systems:
        if name not in abilities:
            missing.setdefault(name, "it was not asked")
    said = list(warnings)
    for name in sorted({step.system for step in steps if step.action is not Action.READ}):
        if not abilities[name].reads_back:
            said.append(f"what happens in `{name}` cannot be read back, so it is not known")
    return Plan(
        right,
        people,
        tuple(
            Step(n, s.system, s.dataset, s.action, s.keys, s.select, s.assign, s.reason)
            for n, s in enumerate(steps, 1)
        ),
        tuple(
            SystemPlan(name, system.mode, abilities[name].grain)
            for name, system in sorted(datamap.systems.items())
            if name in abilities
        ),
        tuple(sorted(missing.items())),
        tuple(dict.fromkeys(said)),
        tuple(obstacles),
    )
