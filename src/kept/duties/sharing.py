"""Sharing: the rules go with the data, to whatever country a copy of it lies in.

GDPR Art. 44: the protection is not undermined by a transfer; Art. 19: rights reach copies.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

from kept.controller import Controller, Place
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import Dataset, Field, OnErase, Stays
from kept.datamap.sides import STAYING
from kept.errors import StoreError
from kept.model.plan import Mode
from kept.policy.bundle import Bundle
from kept.records.declared import SYSTEM

_FOLLOW: Final = "find out why it does not follow (the program that copies), and run the case again"
#: So many fields are alike in two datasets of one name before their rows are compared.
_ALIKE: Final = 2
#: Days of a period's unit, the longest that it can be.
_DAYS: Final = {"D": 1, "M": 31, "Y": 366}


@control("sharing.copies-keep-the-rules")
def copies_keep_the_rules(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """A copy has the rules of its source, or stricter ones, and says what its source says.

    Row by row, by keyed hashes of what stands there: who was erased is gone from the copy, who
    was put right is right in it. Rows that stand in two places without anybody saying that one
    is a copy of the other are a finding.
    """
    datamap, inspector = controller.datamap, controller.inspect()
    every = {
        (system.name, name): dataset
        for system in datamap.systems.values()
        if system.name != SYSTEM.name
        for name, dataset in system.datasets.items()
    }
    asked = set(inspector.systems)
    for place, copy in every.items():
        if copy.copy_of is None:
            continue
        where, source = ".".join(place), every[copy.copy_of]
        here, there = datamap.systems[place[0]], datamap.systems[copy.copy_of[0]]
        for words, fix in _looser(controller.bundle, copy, source):
            yield Finding(where, f"{words} its source, `{'.'.join(copy.copy_of)}`", fix)
        if not here.country:
            yield Finding(where, "nothing says in which country the copy lies",
                          "write `country:` into its map")  # fmt: skip
        if here.mode is not Mode.ACT and there.mode is Mode.ACT:
            yield Finding(
                where,
                f"what is erased or put right at its source is not done here: it is in"
                f" mode {here.mode.value}",
                f'write `mode = "act"` under [systems.{place[0]}] in kept.toml',
            )
        if not {place[0], copy.copy_of[0]} <= asked:
            yield Finding(where, "the copy and its source cannot both be asked",
                          "give both systems a store in kept.toml")  # fmt: skip
            continue
        fields = _common(copy, source)
        try:
            # What is new at the source meanwhile is then no row that the source has lost.
            mine = inspector.prints(place[0], copy, fields)
            theirs = inspector.prints(copy.copy_of[0], source, fields)
        except StoreError as problem:
            yield unasked(where, problem)
            continue
        gone = sum(key not in theirs for key in mine)
        other = sum(key in theirs and theirs[key] != said for key, said in mine.items())
        if gone:
            yield Finding(
                where, f"{gone} rows of the copy are not at their source any more", _FOLLOW
            )
        if other:
            yield Finding(where, f"{other} rows say something else than at their source", _FOLLOW)
        yield Looked(len(mine), where, place[0])
    for one, two in _namesakes(every):
        if {one[0], two[0]} <= asked:
            fields = _common(every[one], every[two])
            try:
                mine = inspector.prints(one[0], every[one], fields)
                theirs = inspector.prints(two[0], every[two], fields)
            except StoreError:
                continue  # who cannot be asked is a finding elsewhere
            same = sum(theirs.get(key) == said for key, said in mine.items())
            if same:
                yield Finding(
                    ".".join(one),
                    f"{same} rows are the same as in `{'.'.join(two)}`, and nothing says that one"
                    " is a copy of the other",
                    "write `copy_of: SYSTEM.DATASET` at the copy in its map",
                )


def _namesakes(every: dict[Place, Dataset]) -> Iterator[tuple[Place, Place]]:
    """Pairs of datasets of one name with the same personal fields that nobody calls copies."""
    places = sorted(every)
    for number, one in enumerate(places):
        for two in places[number + 1 :]:
            alike = one[1] == two[1] and one[0] != two[0]
            declared = every[one].copy_of is not None or every[two].copy_of is not None
            if alike and not declared and len(_common(every[one], every[two])) >= _ALIKE:
                yield one, two


def _common(copy: Dataset, source: Dataset) -> tuple[str, ...]:
    """What a copy and its source both say of people, and when: by the names of the fields."""
    wanted = {f.name for f in (*copy.personal, *source.personal)} | {str(source.clock)}
    return tuple(sorted(n for n in wanted if n in copy.fields and n in source.fields))


def _looser(bundle: Bundle, copy: Dataset, source: Dataset) -> Iterator[tuple[str, str]]:
    """In what the rules of a copy are less than its source's: (words, how to mend it)."""
    if not _keeps_no_longer(bundle, copy.retention, source.retention):
        yield "it may be kept longer than at", f"write `retention: {source.retention}`"
    if source.clock is not None and copy.clock != source.clock:
        yield "its time counts from another day than at", f"write `clock: {source.clock}`"
    more = sorted(set(copy.activities) - set(source.activities))
    if more or (source.activities and not copy.activities):
        yield (
            f"it serves {', '.join(f'`{a}`' for a in more) or 'no activity'}, unlike",
            f"write `activities: [{', '.join(source.activities)}]`",
        )
    further = sorted(_recipients(bundle, copy.activities) - _recipients(bundle, source.activities))
    if further:
        yield f"it may go to {', '.join(f'`{r}`' for r in further)}, unlike", "narrow `activities:`"
    strict = (source.on_erase, OnErase.DELETE)
    if source.personal and copy.on_erase not in strict:
        yield "an erasure leaves more of it than at", f"write `erase: {source.on_erase.value}`"
    if copy.shared in STAYING and copy.shared is not source.shared:
        said = f"`shared: {source.shared.value}`" if source.shared else "no `shared:`"
        yield "rows of several people stay longer than at", f"write {said}"
    if source.stays is Stays.ISOLATED and copy.stays is not Stays.ISOLATED:
        yield "what has to stay is not sealed, as it is at", "write `stays: isolated`"
    for name in sorted({f.name for f in source.personal} & copy.fields.keys()):
        if _meaning(copy.fields[name]) != _meaning(source.fields[name]):
            yield f"`{name}` is labelled otherwise than at", "label it as there"
    known = {f.category for f in source.personal}
    for item in copy.personal:
        if item.name not in source.fields and item.category not in known:
            yield f"`{item.name}` is of a category that is not at", "map it, or declare no copy"


def _meaning(item: Field) -> tuple[object, ...]:
    return (
        item.category, item.identifies, bool(item.secret), item.others, bool(item.free_text),
        item.mentions,
    )  # fmt: skip


def _recipients(bundle: Bundle, activities: Iterable[str]) -> set[str]:
    return {
        r for a in activities if a in bundle.activities for r in bundle.activities[a].recipients
    }


def _keeps_no_longer(bundle: Bundle, copy: str | None, source: str | None) -> bool:
    """Whether a class keeps no longer than another: the same, or a shorter one of its kind."""
    if copy == source:
        return True
    mine, theirs = bundle.retention.get(copy or ""), bundle.retention.get(source or "")
    if mine is None or theirs is None or mine.clock != theirs.clock:
        return False
    if mine.law is not None and mine.law != theirs.law:
        return False
    periods = (mine.keep, theirs.keep)
    if None in periods:
        return False
    mine_days, their_days = (int(p[1:-1]) * _DAYS[p[-1]] for p in periods if p is not None)
    return mine_days <= their_days
