"""Links that no foreign key could be: owners of several kinds, documents, e-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from kept.errors import StoreError, StoreUnreachable
from kept.stores.columns import Column
from kept.stores.discover import names
from kept.stores.discover.links import MEASURES, Candidate, Linker, found
from kept.stores.discover.overlap import Side
from kept.stores.discover.shapes import Found, Profile, Question
from kept.stores.discover.tables import SHORT

_TYPES: Final = frozenset(("type", "class", "kind", "model", "table", "entity", "typ", "tipo"))
#: Kinds of things that one column may name, and links of a document that are followed.
_KINDS: Final = 60
_PATHS: Final = 12
#: Pairs that are compared by one statement.
_AT_ONCE: Final = 40
#: Different values that all stand in a key before a column is asked about for that alone.
_ENOUGH: Final = 20
#: And the share of them that has to stand among the greater half of the keys there.
_SPREAD: Final = 0.1


def polymorphic(linker: Linker, profile: Profile) -> list[Found]:
    """`owner_type` and `owner_id`: a link for each kind of thing that is named there."""
    made: list[Found] = []
    for kind, key in _pairs(profile):
        try:
            said = linker.overlap.values(profile.name, kind, _KINDS)
        except StoreUnreachable:
            raise
        except StoreError:
            continue
        candidates = []
        for value in said:
            target = _table(linker, value)
            if target is None:
                continue
            other = linker.profiles[target].table
            if len(other.key) != 1:
                continue
            candidates.append(
                Candidate(
                    Side(profile.name, (key,), when=(kind, value)),
                    Side(target, other.key),
                    1.5,
                    [f"where `{kind}` names `{target}`"],
                    names.part(names.base(key)[0]),
                    basis="polymorphic",
                )
            )
        if not candidates:
            continue
        pairs = [(c.here, c.there) for c in candidates]
        for candidate, met in zip(candidates, linker.overlap.compare(pairs), strict=True):
            candidate.met = met
            linker.judge(candidate)
            if candidate.confidence >= 0.5:
                made.append(found(candidate, candidate.confidence, None))
    return made


def _pairs(profile: Profile) -> Iterator[tuple[str, str]]:
    by_words = {names.words(c): c for c in profile.table.columns}
    for parts, column in by_words.items():
        if len(parts) < 2 or not {parts[0], parts[-1]} & _TYPES:
            continue
        if profile.table.columns[column].type not in ("text", "other"):
            continue
        for end in ("id", "uuid", "key", "pk"):
            # `owner_type` and `owner_id`, or as `tipo_propietario` and `id_propietario`
            last = parts[-1] in _TYPES
            key = by_words.get((*parts[:-1], end) if last else (end, *parts[1:]))
            if key is not None:
                yield column, key
                break


def _table(linker: Linker, value: str) -> str | None:
    """The table that a word such as `App\\Models\\User` or `shop.customer` names."""
    last = re.split(r"[.:\\/ ]+", value.strip())[-1]
    parts = names.words(last)
    if not parts or len(last) > 80:
        return None
    met = [
        (weight, target)
        for target, handle, weight in linker.called.called(parts[-1])
        if weight >= SHORT and names.alike(parts, handle)
    ]
    return max(met)[1] if met else None


def documents(linker: Linker, profile: Profile) -> list[Found]:
    """Keys of people and things inside JSON."""
    candidates: list[Candidate] = []
    for column, look in profile.looks.items():
        often = sorted(look.paths.items(), key=lambda p: -p[1]["seen"])
        for path, counts in often:
            if len(candidates) >= _PATHS * 4 or any('"' in step for step in path):
                break
            here = Side(profile.name, (column,), path)
            seen = counts["seen"]
            if linker.overlap.idiom.leaf(profile.table.clause.c[column], path) is None:
                continue
            if counts.get("email", 0) > 0.6 * seen:
                candidates += _mailed(linker, here)
                continue
            kind = (
                "integer" if counts.get("whole", 0) > 0.8 * seen
                else "uuid" if counts.get("uuid", 0) > 0.8 * seen else None
            )  # fmt: skip
            if kind is None:
                continue
            for one in linker.named(profile, path[-1], kind, here)[:3]:
                one.why.insert(0, "inside a document")
                one.score -= 0.5
                candidates.append(one)
    return _judged(linker, candidates, "json")


def unspoken(
    linker: Linker, profile: Profile, tied: Collection[str], reached: Collection[str]
) -> list[Question]:
    """Questions about columns of rows that are nobody's, beside those `tied`: no word says that
    they lead to people, and all their values are keys of one table of people, or of one that names
    people by their addresses or numbers (`reached`).

    Small numbers are met in any key, so those alone are asked about that are spread over it, as
    what leads to people is. It may be chance all the same; but `erase: never` would be silent.
    """
    columns = [
        c for c in profile.table.columns.values()
        if c.name not in tied and c.type in ("integer", "decimal", "real", "text", "uuid")
        and not c.generated and (c.type == "text" or (c.name,) != profile.table.key)
        and _may_be_key(c.name)
    ]  # fmt: skip
    people = dict.fromkeys((*linker.people, *reached))
    keys = {t: linker.profiles[t].table.key for t in people if t != profile.name}
    numbers = [c.name for c in columns if c.type in ("integer", "decimal", "real")]
    # Programs write 0 and -1 for "nobody".
    counted = linker.overlap.ends(profile.name, numbers, beyond=0)
    pairs = [
        (Side(profile.name, (c.name,)), Side(target, key))
        for target, key in keys.items() if len(key) == 1
        for c in columns if _may_lead(linker, profile, c, counted.get(c.name), target, key[0])
    ]  # fmt: skip
    pairs += [
        (here, Side(target, key))
        for here in _inside(linker, profile, tied) for target, key in keys.items() if len(key) == 1
    ]  # fmt: skip
    found: dict[tuple[str, str], list[str]] = {}
    for start in range(0, len(pairs), _AT_ONCE):
        some = pairs[start : start + _AT_ONCE]
        for (here, there), met in zip(some, linker.overlap.compare(some), strict=True):
            if met is None or met.values < _ENOUGH or met.hits < met.values:
                continue
            if linker.overlap.above(here, there) >= _SPREAD:
                at = (there.dataset, there.fields[0])
                found.setdefault(at, []).append(".".join((*here.fields, *here.path)))
    asked = {one for several in found.values() for one in several}
    return [
        Question(
            f"all values of {', '.join(f'`{one}`' for one in mine)} stand in `{to}.{on}`, and no"
            f" word says why: {'does it' if len(mine) == 1 else 'do they'} lead to people there?"
            " Then write the link, and the rows are found, and erased",
            tuple(dict.fromkeys(one.partition(".")[0] for one in mine)),
        )
        for (to, on), mine in found.items()
    ] + [
        Question(
            f"`{c.name}` holds {how}: does it lead to people? No link follows that as it is"
            " written, so the rows are found only by something else",
            (c.name,),
        )
        for c in profile.table.columns.values()
        if keys
        and c.name not in (*tied, *asked)
        and _may_be_key(c.name)
        and (how := _written(profile, c)) is not None
    ]


def _may_be_key(name: str) -> bool:
    parts = names.words(name)
    return tuple(parts) != ("id",) and MEASURES.isdisjoint(parts)


def _inside(linker: Linker, profile: Profile, tied: Collection[str]) -> Iterator[Side]:
    """Places of whole numbers in documents, which no word ties to anything."""
    for column, look in profile.looks.items():
        for path, counts in list(look.paths.items())[:_PATHS]:
            whole = column not in tied and counts.get("whole", 0) == counts["seen"]
            if not whole or not _may_be_key(path[-1]) or any('"' in step for step in path):
                continue
            if linker.overlap.idiom.leaf(profile.table.clause.c[column], path) is not None:
                yield Side(profile.name, (column,), path)


def _written(profile: Profile, column: Column) -> str | None:
    """How a column holds numbers that are no key as they stand; None where it does not. What names
    its own rows so leads to nobody else's.
    """
    look = profile.look(column.name)
    if column.type not in ("text", "other", "json") or look.distinct < _ENOUGH:
        return None
    if look.share("several") == 1 and look.share("number") < 0.9:
        return "several numbers in one value"
    if look.share("written") == 1 and not profile.unique(column.name):
        return "numbers with zeros or letters before them"
    return None


def _may_lead(
    linker: Linker, profile: Profile, column: Column, ends: tuple[int, int] | None, target: str,
    key: str,
) -> bool:  # fmt: skip
    """Whether a column may hold keys of a table, by what is cheap to ask: all values of all columns
    with all keys of all tables of people are too many to compare.
    """
    if linker.profiles[target].table.columns[key].type != "integer":
        return column.type in ("text", "uuid")
    if column.type == "text":  # those that hold anything else cannot be such keys
        return profile.look(column.name).share("number") == 1
    least, most = linker.overlap.span(target, key)
    if ends is None or ends[0] < least or ends[1] > most:
        return False
    return ends[1] > linker.overlap.middle(target, key)


def addresses(linker: Linker, profile: Profile, mails: dict[str, list[str]]) -> list[Found]:
    """Columns of e-mail addresses that are also those of people: the only tie of some tables."""
    if profile.name in linker.people:
        return []
    candidates = [
        one
        for column in mails.get(profile.name, ())
        for one in _mailed(linker, Side(profile.name, (column,), folded=True), mails)
    ]
    return _judged(linker, candidates, "email")


def _mailed(
    linker: Linker, here: Side, mails: dict[str, list[str]] | None = None
) -> list[Candidate]:
    made = []
    for target in linker.people:
        columns = (mails or {}).get(target) or [
            c for c in linker.profiles[target].table.columns
            if linker.profiles[target].look(c).share("email") > 0.6
        ]  # fmt: skip
        for column in columns:
            there = Side(target, (column,), folded=True)
            made.append(Candidate(here, there, -1.0, ["e-mail addresses"], None, must=True))
    return made


def _judged(linker: Linker, candidates: list[Candidate], basis: str) -> list[Found]:
    for start in range(0, len(candidates), _AT_ONCE):
        some = candidates[start : start + _AT_ONCE]
        answers = linker.overlap.compare([(c.here, c.there) for c in some])
        for candidate, met in zip(some, answers, strict=True):
            candidate.met, candidate.basis = met, basis
            share = met.hits / met.values if met and met.values else 0.0
            if basis == "email" and met and 0.05 <= share < 0.9 and met.hits >= 3:
                # who subscribes need not be a customer: some in common is what one expects
                candidate.score += 2.0
                candidate.why.append(f"{met.hits:,} of {met.values:,} distinct values are there")
            else:
                linker.judge(candidate)
    best: dict[tuple[tuple[str, ...], tuple[str, ...]], Candidate] = {}
    for candidate in candidates:
        at = (candidate.here.fields, candidate.here.path)
        if at not in best or candidate.score > best[at].score:
            best[at] = candidate
    return [found(c, c.confidence, None) for c in best.values() if c.confidence >= 0.5]
