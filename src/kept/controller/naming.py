"""What rows themselves say of whose they are: identifiers, names, values of fields that name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Final, TypeAlias

from kept.datamap.map import DataMap, Field, Link, Owner
from kept.datamap.reach import WEAK, Place
from kept.datamap.sides import links_of
from kept.errors import IdentifierError
from kept.model.select import KeyRow, KeyTable, by_key
from kept.model.values import Value, fold, normal
from kept.stores.base import Store
from kept.terms.identifiers import Identifier
from kept.terms.vocabulary import Vocabulary

#: What the map says of a field that names somebody else.
THEIRS: Final = ("staff", "person")
#: Columns of a row that are taken for parts of one name; where there are more, they are several.
_PARTS: Final = 4


def identifiers(
    datamap: DataMap,
    stores: Mapping[str, Store],
    found: Mapping[Place, KeyTable],
    given: Sequence[Sequence[Identifier]] = (),
) -> list[tuple[int, Identifier]]:
    """(person, identifier) of all that the rows say, as far as it can lead to somebody; `given` is
    by what they are known.
    """
    return recognised(spelt(datamap, stores, found, given=given))


#: Whose it is, and by what she is named as that is compared: kind and normalised value.
Compared: TypeAlias = tuple[int, str, str]


def compared(people: Sequence[Sequence[Identifier]]) -> set[Compared]:
    """All by which people are known."""
    return {(who, i.kind, i.normalised) for who, one in enumerate(people) for i in one}


def recognised(said: Iterable[tuple[int, str, str]]) -> list[tuple[int, Identifier]]:
    """(person, identifier) of what is one of its kind."""
    return [(who, one) for who, kind, text in said if (one := identifier(kind, text)) is not None]


def spelt(
    datamap: DataMap,
    stores: Mapping[str, Store],
    found: Mapping[Place, KeyTable],
    *,
    along: bool = False,
    given: Sequence[Sequence[Identifier]] = (),
) -> list[tuple[int, str, str]]:
    """(person, kind, text) of fields that identify, as the rows spell it: also what is none.

    `along`: and of texts that link to such a field, which may spell it otherwise. Of a row of
    several people what stands for her there, or says by what she is known (`given`).
    """
    others: list[tuple[int, str, str]] = []
    said: list[tuple[int, str, str]] = []
    for place in found:
        fields = datamap.dataset(*place).fields.values()
        kinds = {
            f.name: f.identifies
            for f in fields
            # What the map calls somebody else's says nothing of whose the row is.
            if f.identifies and f.identifies not in WEAK and f.others not in THEIRS
        }
        for link in datamap.dataset(*place).links if along else ():
            there = datamap.systems.get(link.system or place[0])
            to = there.datasets.get(link.to) if there is not None else None
            kind = to.fields[link.on[0]].identifies if to and link.on[0] in to.fields else None
            here = datamap.dataset(*place).fields[link.fields[0]]
            if (
                kind
                and kind not in WEAK
                and here.type == "text"
                and link.kind is not Owner.ACCESSED
            ):
                kinds.setdefault(here.name, kind)
        for these, hers, theirs in _parted(datamap, stores, found, place, tuple(kinds), given):
            for rows, those in ((hers, said), (theirs, others)):
                for who, name, value in _said(stores, place, rows, these):
                    if value is not None:
                        those.append((who, str(kinds[name]), str(value)))
    known = {(who, one.kind, one.normalised) for who, one in recognised(said)} | compared(given)
    for who, kind, text in others:
        one = identifier(kind, text)
        if one is not None and (who, kind, one.normalised) in known:
            said.append((who, kind, text))
    return said


def _parted(
    datamap: DataMap, stores: Mapping[str, Store], found: Mapping[Place, KeyTable], place: Place,
    names: Sequence[str], given: Sequence[Sequence[Identifier]],
) -> Iterator[tuple[tuple[str, ...], KeyTable, KeyTable]]:  # fmt: skip
    """These fields, by which links the map says whose they are; the rows in which they are hers,
    as such a link leads to her rows, or to nobody's and beside it stands by what she is known
    (`given`); and those in which they may be another's. Where a row is one person's, all of it is
    hers.
    """
    dataset, table = datamap.dataset(*place), found[place]
    groups: dict[tuple[Link, ...], list[str]] = {}
    for name in names:
        groups.setdefault(links_of(dataset, name), []).append(name)
    for links, these in groups.items():
        mine: set[KeyRow] = set()
        for link in links:
            to = (link.system or place[0], link.to)
            there = found.get(to, KeyTable(()))
            led = {(w, _same(row)) for w, row in _rows(stores, to, there, link.on)
                   if None not in row}  # fmt: skip
            fields = (*table.fields, *link.fields)
            for who, row in _rows(stores, place, table, fields) if led else ():
                at = len(table.fields)
                if (who, _same(row[at:])) in led:
                    mine.add((who, row[:at]))
        mine.update(_guests(datamap, stores, place, table, links, given))
        rows = tuple(r for r in table.rows if not links or r in mine)
        rest = tuple(r for r in table.rows if links and r not in mine)
        yield tuple(these), KeyTable(table.fields, rows), KeyTable(table.fields, rest)


def _guests(
    datamap: DataMap, stores: Mapping[str, Store], place: Place, table: KeyTable,
    links: Sequence[Link], given: Sequence[Sequence[Identifier]],
) -> Iterator[KeyRow]:  # fmt: skip
    """The rows in which these links lead to nobody, and what is beside them names her."""
    linked = tuple(name for link in links for name in link.fields)
    kinds = {f.name: f.identifies for f in datamap.dataset(*place).fields.values()
             if f.side in linked and f.identifies and f.identifies not in WEAK}  # fmt: skip
    known = compared(given)
    if not linked or not kinds or not known:
        return
    at, to = len(table.fields), len(table.fields) + len(linked)
    for who, row in _rows(stores, place, table, (*table.fields, *linked, *kinds)):
        said = zip(kinds.values(), row[to:], strict=True)
        if all(value is None for value in row[at:to]) and any(
            one is not None and (who, one.kind, one.normalised) in known
            for one in (identifier(str(kind), value) for kind, value in said)
        ):
            yield who, row[:at]


def _same(values: Sequence[Value]) -> tuple[str | None, ...]:
    """Values of a link as they are compared."""
    return tuple(None if v is None else fold(str(normal(v))) for v in values)


def names(
    datamap: DataMap,
    stores: Mapping[str, Store],
    own: Mapping[Place, KeyTable],
    words: Vocabulary,
    given: Sequence[Sequence[Identifier]] = (),
) -> list[tuple[int, Identifier]]:
    """(person, name) as her own rows say it, and in whole where its parts stand in columns of
    their own; `words` are those of the policy, `given` is by what they are known.
    """
    told: dict[tuple[int, str], None] = {}
    for place in own:
        fields = datamap.dataset(*place).fields.values()
        named = tuple(f.name for f in fields if _name(f, words) and f.others not in THEIRS)
        for these, hers, _ in _parted(datamap, stores, own, place, named, given):
            for who, row in _rows(stores, place, hers, these):
                parts = [v.strip() for v in row if isinstance(v, str) and v.strip()]
                told.update(dict.fromkeys((who, one) for one in (*parts, *_whole(parts))))
    return [(who, Identifier("name", value)) for who, value in told]


def _whole(parts: Sequence[str]) -> Iterator[str]:
    """What people write of first and last name, whichever column comes first."""
    if 1 < len(parts) <= _PARTS:
        yield " ".join(parts)
        yield from (" ".join(two) for two in permutations(parts, 2))


def values(
    stores: Mapping[str, Store], place: Place, keys: KeyTable, fields: tuple[str, ...]
) -> Iterator[tuple[str, Value]]:
    """(field, value) of these rows."""
    for _, name, value in _said(stores, place, keys, fields):
        yield name, value


def together(
    stores: Mapping[str, Store], place: Place, keys: KeyTable, fields: tuple[str, ...]
) -> Iterator[tuple[Value, ...]]:
    """The values of these fields, row by row."""
    if not fields or not keys.rows:
        return
    with stores[place[0]].session() as session:
        for _, batch in session.read([by_key(place[1], keys, fields)]):
            at = [batch.columns.index(name) for name in fields]
            yield from (tuple(row[i] for i in at) for row in batch.rows)


def _said(
    stores: Mapping[str, Store], place: Place, table: KeyTable, fields: tuple[str, ...]
) -> Iterator[tuple[int, str, Value]]:
    for who, row in _rows(stores, place, table, fields):
        for name, value in zip(fields, row, strict=True):
            yield who, name, value


def _rows(
    stores: Mapping[str, Store], place: Place, table: KeyTable, fields: tuple[str, ...]
) -> Iterator[tuple[int, tuple[Value, ...]]]:
    if not fields or not table.rows:
        return
    with stores[place[0]].session() as session:
        for _, batch in session.read([by_key(place[1], table, fields)]):
            at = [batch.columns.index(name) for name in fields]
            for who, row in zip(batch.persons, batch.rows, strict=True):
                yield who, tuple(row[i] for i in at)


def kind_of(item: Field, words: Vocabulary) -> str | None:
    """By which kind of identifier a field names somebody: an address, a number, a name."""
    if item.identifies in ("email", "phone", "name"):
        return item.identifies
    return "name" if _name(item, words) else None


def _name(item: Field, words: Vocabulary) -> bool:
    return item.identifies == "name" or words.is_name(item.category)


def identifier(kind: str, value: Value) -> Identifier | None:
    """A value of a row as an identifier; None for what is not of its kind."""
    if value is None or not str(value).strip():
        return None
    one = Identifier(kind, str(value))
    try:
        _ = one.normalised
    except IdentifierError:
        return None
    return one
