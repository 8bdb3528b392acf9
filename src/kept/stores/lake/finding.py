"""Which rows of a file are meant, and whose they are.

What is wanted is first looked for in the partition, then in the statistics of row groups,
then by Arrow in the columns that are compared, and nowhere else. Arrow may find too much,
never too little: whose a row is says the law of model.values on the rows that are left.
Values of types that Arrow would compare otherwise are judged one by one, each distinct one
once.
"""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from kept.model.predicate import (
    EVERYTHING,
    And,
    Before,
    Bits,
    Contains,
    Eq,
    In,
    IsNull,
    Not,
    Or,
    Predicate,
    fields_of,
    matches,
)  # fmt: skip
from kept.model.select import Route
from kept.model.values import Type, Value, coerce, fold, normal
from kept.stores.columns import encodable
from kept.stores.lake.columns import View, native, values, view
from kept.stores.lake.files import File, Footer, opened
from kept.stores.lake.sets import arrow_set
from kept.stores.rows import decode
from kept.terms.printed import BARE

#: A key as the law compares it.
Key: TypeAlias = tuple[Hashable, ...]
Found: TypeAlias = Mapping[Key, frozenset[int]]
#: (number of the row group, rows in it, per row the persons); persons None: nobody's.
Hits: TypeAlias = list[tuple[int, Any, list[frozenset[int]] | None]]

#: Rows of compared columns looked at in one go: fewer calls, and less waiting between threads.
_TOGETHER: Final = 2**18
_BLANKS: Final = " \t\r\n\f\v"
_NOBODY: Final[frozenset[int]] = frozenset()
NOT_HERS: Final = frozenset((-1,))


def bare(key: Iterable[Value]) -> Key:
    """A key as it is compared: True is not 1."""
    return tuple(("bool", v) if isinstance(v, bool) else v for v in key)


class Probe:
    """The keys by which rows of one dataset are found, each with its persons.

    `loose` keys come from a join and are compared in their normal form; others as the column
    would hold them. Where they name rows (`named`), a null among several values is one of them.
    """

    def __init__(
        self, fields: tuple[str, ...], folded: bool, loose: Found | None, *, named: bool = False
    ) -> None:
        self.fields, self.folded, self.loose, self.named = fields, folded, loose, named
        self._rows: Sequence[tuple[int, tuple[Value, ...]]] = ()
        self._found: dict[tuple[Type, ...], Found] = {}
        self._ones: dict[tuple[int, tuple[Type, ...]], frozenset[Hashable]] = {}
        self._sets: dict[tuple[int, str, tuple[Type, ...]], Any] = {}
        self._bounds: dict[tuple[int, tuple[Type, ...]], list[Any]] = {}

    @classmethod
    def of(cls, route: Route) -> Probe:
        """What a route compares at its end."""
        made = cls(route.fields, route.folded, None, named=route.named and not route.path)
        made._rows = route.keys.rows
        return made

    def wanted(self, kinds: tuple[Type, ...]) -> Found:
        """Keys as columns of these kinds hold them; those they cannot hold are left out."""
        if self.loose is not None:
            return self.loose
        known = self._found.get(kinds)
        if known is None:
            made: dict[Key, set[int]] = {}
            for person, key in self._rows:
                held = tuple(coerce(v, k) for v, k in zip(key, kinds, strict=True))
                given = key.count(None) if self.named else 0
                if held.count(None) == given < len(held):
                    made.setdefault(bare(held), set()).add(person)
            known = self._found[kinds] = {key: frozenset(who) for key, who in made.items()}
        return known

    def one(self, place: int, kinds: tuple[Type, ...]) -> frozenset[Hashable]:
        """The wanted values of one of the fields."""
        at = (place, kinds)
        known = self._ones.get(at)
        if known is None:
            known = self._ones[at] = frozenset(key[place] for key in self.wanted(kinds))
        return known

    def compared(self, value: Value) -> Value:
        """A row's value as it is compared."""
        if self.folded and isinstance(value, str):
            value = fold(value)
        return normal(value) if self.loose is not None else value

    def set(self, place: int, kinds: tuple[Type, ...], there: View) -> Any:
        """The wanted values as an array of the column's type; None: Arrow compares otherwise."""
        at = (place, str(there.scalars.type), kinds)
        if at not in self._sets:
            some = self.one(place, kinds)
            loose = self.loose is not None
            self._sets[at] = None if None in some else arrow_set(some, there, loose=loose)
        return self._sets[at]

    def bounds(self, place: int, kinds: tuple[Type, ...]) -> list[Any]:
        """The wanted values in order, where they have one and are plain; else empty."""
        at = (place, kinds)
        if at not in self._bounds:
            some: list[Any] = [
                v for v in self.one(place, kinds) if type(v) in _ORDERED[kinds[place]]
            ]
            # a text key of a join may stand for a number too, and the other way round
            if self.loose is not None and kinds[place] == "text":
                some = [str(v) for v in self.one(place, kinds) if type(v) in (int, str)]
            self._bounds[at] = sorted(some)
        return self._bounds[at]


_ORDERED: Final[Mapping[Type, tuple[type, ...]]] = {
    "integer": (int,), "text": (str,), "date": (dt.date,), "decimal": (), "real": (),
    "boolean": (), "datetime": (), "uuid": (), "bytes": (), "json": (), "other": (),
}  # fmt: skip


# ---------------------------------------------------------------- one file


@dataclass(slots=True)
class Kinds:
    """What the fields of a dataset are: the map's word where it says more than the file."""

    mapped: Mapping[str, Type]
    parts: Mapping[str, Type] = field(default_factory=dict)

    def of(self, name: str, footer: Footer) -> Type:
        """The kind of one value of `name` in a file."""
        if name in self.mapped:
            return self.mapped[name]
        leaf = footer.leaves.get(name)
        return self.parts.get(name, "text") if leaf is None else leaf.native

    def part(self, name: str, text: str | None) -> Value:
        """The value that a directory's name stands for."""
        if text is None:
            return None
        kind = self.mapped.get(name) or self.parts.get(name, "text")
        if kind == "integer":
            return int(text) if text.lstrip("-").isdigit() and text.isascii() else text
        return decode(text, kind)


class Chunk:
    """Some columns of one row group, a field at a time."""

    def __init__(self, table: Any, file: File, footer: Footer, kinds: Kinds) -> None:
        self.table, self.file, self.footer, self.kinds = table, file, footer, kinds
        self.rows: int = table.num_rows
        self._views: dict[str, View | None] = {}

    def view(self, name: str) -> View | None:
        """The field in these rows; None where the file has no such column."""
        if name not in self._views:
            leaf = self.footer.leaves.get(name)
            self._views[name] = (
                None
                if leaf is None
                else view(self.table.column(leaf.steps[0]), leaf, self.kinds.of(name, self.footer))
            )
        return self._views[name]

    def constant(self, name: str) -> Value:
        """The value of a field that is no column: a partition's, or null."""
        return self.kinds.part(name, self.file.parts.get(name))

    def members(self, name: str) -> list[list[Value]]:
        """Per row the values of a field, several where it is a list."""
        there = self.view(name)
        return [[self.constant(name)]] * self.rows if there is None else there.members()

    def read(self, name: str) -> list[Value]:
        """Per row the value of a field as a reader is given it."""
        there = self.view(name)
        return [self.constant(name)] * self.rows if there is None else there.read()


@dataclass(slots=True)
class Finder:
    """Finds the rows of one Select. `probes` None: every row that `only` lets pass, nobody's."""

    probes: Sequence[Probe] | None
    only: Predicate
    kinds: Kinds

    @property
    def fields(self) -> frozenset[str]:
        """The fields that are compared."""
        return fields_of(self.only).union(*(p.fields for p in self.probes or ()))

    def hits(self, file: File, footer: Footer, *, whose: bool = True) -> Hits:
        """The rows of a file. Not `whose`: only which rows, where that is quicker to say."""
        probes = None
        if self.probes is not None:
            probes = [p for p in self.probes if self._possible(p, file, footer)]
            if not probes:
                return []
        names = sorted({footer.leaves[n].steps[0] for n in self.fields if n in footer.leaves})
        found: Hits = []
        source = None
        try:
            for numbers, sizes in self._batches(probes, file, footer):
                if source is None:
                    source = opened(file, footer, coerce_int96_timestamp_unit="us")
                if names:
                    table = source.read_row_groups(numbers, columns=names, use_threads=False)
                else:
                    table = pa.table({"": pa.nulls(sum(sizes))})
                rows, people = self._rows(Chunk(table, file, footer, self.kinds), probes, whose)
                found += _split(numbers, sizes, rows, people)
        finally:
            if source is not None:
                source.close(force=True)
        return found

    def _batches(
        self, probes: Sequence[Probe] | None, file: File, footer: Footer
    ) -> Iterator[tuple[list[int], list[int]]]:
        """(numbers, sizes) of row groups that may hold a hit, small ones together."""
        numbers: list[int] = []
        sizes: list[int] = []
        for number in range(footer.meta.num_row_groups):
            group = footer.meta.row_group(number)
            if probes is None or any(self._near(p, group, file, footer) for p in probes):
                if numbers and sum(sizes) + group.num_rows > _TOGETHER:
                    yield numbers, sizes
                    numbers, sizes = [], []
                numbers.append(number)
                sizes.append(group.num_rows)
        if numbers:
            yield numbers, sizes

    def _kinds(self, probe: Probe, footer: Footer) -> tuple[Type, ...]:
        return tuple(self.kinds.of(name, footer) for name in probe.fields)

    def _possible(self, probe: Probe, file: File, footer: Footer) -> bool:
        """Whether the file's directories, and the columns it lacks, allow a hit."""
        kinds = self._kinds(probe, footer)
        if not probe.wanted(kinds):
            return False
        for place, name in enumerate(probe.fields):
            if name not in footer.leaves:
                met = bare((probe.compared(self.kinds.part(name, file.parts.get(name))),))[0]
                if met not in probe.one(place, kinds):
                    return False
        return True

    def _near(self, probe: Probe, group: Any, file: File, footer: Footer) -> bool:
        """Whether the statistics of a row group allow a hit."""
        kinds = self._kinds(probe, footer)
        for place, name in enumerate(probe.fields):
            leaf = footer.leaves.get(name)
            number = footer.places.get(name)
            if leaf is None or leaf.many or number is None or leaf.native != kinds[place]:
                continue
            if pa.types.is_unsigned_integer(leaf.type):
                continue
            told = group.column(number).statistics
            if told is None or None in probe.one(place, kinds):
                continue
            if told.has_null_count and told.null_count == group.num_rows:
                return False
            ordered = [] if probe.folded else probe.bounds(place, kinds)
            # a set that is not wholly ordered could hold something else that matches
            if not ordered or not told.has_min_max or len(ordered) < len(probe.one(place, kinds)):
                continue
            low, high = told.min, told.max
            if type(low) not in _ORDERED[kinds[place]]:
                continue
            at = bisect.bisect_left(ordered, low)
            if at == len(ordered) or ordered[at] > high:
                return False
        return True

    def _rows(
        self, chunk: Chunk, probes: Sequence[Probe] | None, whose: bool
    ) -> tuple[Any, list[frozenset[int]] | None]:
        passed = None if self.only == EVERYTHING else mask(self.only, chunk)
        if probes is None:
            return pc.indices_nonzero(passed), None
        if not whose:
            sure = [self._sure(probe, chunk) for probe in probes]
            if all(one is not None for one in sure):
                near = reduce(pc.or_, sure)
                return pc.indices_nonzero(near if passed is None else pc.and_(near, passed)), None
        people: dict[int, frozenset[int]] = {}
        for probe in probes:
            for row, who in self._theirs(probe, chunk, passed):
                people[row] = people.get(row, _NOBODY) | who
        rows = sorted(people)
        return pa.array(rows, pa.uint64()), [people[row] for row in rows]

    def _sure(self, probe: Probe, chunk: Chunk) -> Any:
        """The rows of a probe as Arrow finds them: exactly, where one field is compared."""
        if len(probe.fields) > 1:
            return None
        there = chunk.view(probe.fields[0])
        if there is None:
            return None
        some = probe.set(0, self._kinds(probe, chunk.footer), there)
        return None if some is None else _held(there, _is_in(some, probe.folded))

    def _theirs(
        self, probe: Probe, chunk: Chunk, passed: Any | None
    ) -> Iterable[tuple[int, frozenset[int]]]:
        kinds = self._kinds(probe, chunk.footer)
        masks = [] if passed is None else [passed]
        judged = False
        for place, name in enumerate(probe.fields):
            there = chunk.view(name)
            some = None if there is None else probe.set(place, kinds, there)
            if there is not None and some is not None:
                masks.append(_held(there, _is_in(some, probe.folded)))
                judged = True
        for place, name in enumerate(probe.fields):
            there = chunk.view(name)
            if there is not None and not judged and None not in probe.one(place, kinds):
                masks.append(_each(there, partial(_one_of, probe, place, kinds)))
                judged = True
        near = reduce(pc.and_, masks) if masks else pa.repeat(pa.scalar(True), chunk.rows)
        rows = pc.indices_nonzero(near)
        if not len(rows):
            return
        few = Chunk(chunk.table.take(rows), chunk.file, chunk.footer, chunk.kinds)
        columns = [few.members(name) for name in probe.fields]
        wanted = probe.wanted(kinds)
        for row, *met in zip(rows.to_pylist(), *columns, strict=True):
            who = _NOBODY
            for key in itertools.product(*met):
                who |= wanted.get(bare(probe.compared(v) for v in key), _NOBODY)
            if who:
                yield row, who


def _one_of(probe: Probe, place: int, kinds: tuple[Type, ...], value: Value) -> bool:
    return bare((probe.compared(value),))[0] in probe.one(place, kinds)


def _split(
    numbers: Sequence[int], sizes: Sequence[int], rows: Any, people: list[frozenset[int]] | None
) -> Iterator[tuple[int, Any, list[frozenset[int]] | None]]:
    """Rows counted over several row groups, as rows of each."""
    start = at = 0
    for number, size in zip(numbers, sizes, strict=True):
        end = bisect.bisect_left(rows, start + size, lo=at, key=lambda row: row.as_py())
        if end > at:
            own = pc.subtract(rows.slice(at, end - at), pa.scalar(start, rows.type))
            yield number, own, None if people is None else people[at:end]
        start, at = start + size, end


# ---------------------------------------------------------------- masks


def _is_in(some: Any, folded: bool) -> Callable[[Any], Any]:
    def work(array: Any) -> Any:
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if folded and native(array.type) == "text":
            array = _folded(array)
        return pc.is_in(array, value_set=some, skip_nulls=True)

    return work


def _folded(array: Any) -> Any:
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    return pc.ascii_lower(pc.ascii_trim(array, characters=_BLANKS))


def _held(there: View, work: Callable[[Any], Any]) -> Any:
    """A mask over the rows from a test of the scalars; in a dictionary each one is tested once."""
    array = there.scalars
    if pa.types.is_dictionary(array.type):
        met = work(array.dictionary).take(array.indices)
    else:
        met = work(array)
    return there.rows_where(pc.fill_null(met, False))


def _each(there: View, test: Callable[[Value], bool]) -> Any:
    """A mask over the rows by the law, each distinct value judged once."""

    def work(array: Any) -> Any:
        if isinstance(array.type, pa.BaseExtensionType):
            distinct = array.storage.dictionary_encode()
            told = pa.ExtensionArray.from_storage(array.type, distinct.dictionary)
        else:
            distinct = array.dictionary_encode()
            told = distinct.dictionary
        verdicts = [test(value) for value in values(told, there.kind)]
        return pa.array(verdicts, pa.bool_()).take(distinct.indices)

    return _held(there, work)


def mask(predicate: Predicate, chunk: Chunk) -> Any:
    """The rows that match, as the law says; two-valued like the law."""
    match predicate:
        case And(parts) | Or(parts):
            every = isinstance(predicate, And)
            made = pa.repeat(pa.scalar(every), chunk.rows)
            for part in parts:
                made = (pc.and_ if every else pc.or_)(made, mask(part, chunk))
            return made
        case Not(part):
            return pc.invert(mask(part, chunk))
    there = chunk.view(predicate.field)
    if there is None:
        value = {predicate.field: chunk.constant(predicate.field)}
        return pa.repeat(pa.scalar(matches(predicate, value)), chunk.rows)
    if isinstance(predicate, IsNull):
        return there.nulls
    quick = _quick(predicate, there)
    if quick is not None:
        return _held(there, quick)
    return _each(there, lambda value: matches(predicate, {predicate.field: value}))


def _quick(predicate: Predicate, there: View) -> Callable[[Any], Any] | None:
    """The test as Arrow does it, where that is exactly the law."""
    kind = there.scalars.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if native(kind) != there.kind:
        return None
    if isinstance(predicate, (Eq, In)) and there.kind in ("text", "integer"):
        some = predicate.values if isinstance(predicate, In) else (predicate.value,)
        if there.kind == "text":
            some = tuple(v for v in some if isinstance(v, str))
        return _is_in(arrow_set(some, there, loose=False), predicate.folded)
    if isinstance(predicate, Before) and pa.types.is_timestamp(kind):
        return _before(predicate.moment, kind)
    if isinstance(predicate, Contains) and there.kind == "text":
        return partial(_contains, predicate)
    if isinstance(predicate, Bits) and pa.types.is_signed_integer(kind):
        word, wanted = predicate.mask, predicate.value
        if 0 <= word < 2**63 and 0 <= wanted < 2**63:
            return lambda array: pc.equal(
                pc.bit_wise_and(array.cast(pa.int64()), pa.scalar(word, pa.int64())), wanted
            )
    return None


def _contains(wanted: Contains, array: Any) -> Any:
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    array = pc.ascii_lower(array)
    if wanted.bare:
        array = pc.replace_substring_regex(array, f"[{re.escape(BARE)}]+", "")
    # what has no UTF-8 form is in no text of a file
    texts = [one for one in wanted.texts if encodable(one)]
    made = pa.repeat(pa.scalar(False), len(array))
    for text in texts:
        made = pc.or_(made, pc.match_substring(array, text))
    return made


def _before(moment: dt.datetime | dt.date, kind: Any) -> Callable[[Any], Any] | None:
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    limit = pa.scalar(moment.astimezone(dt.UTC).replace(tzinfo=None), pa.timestamp("us"))

    def work(array: Any) -> Any:
        fine = array.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.timestamp("us"))
        return pc.less(fine, limit)

    return work
