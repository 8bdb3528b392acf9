"""Columns of Parquet files as fields of the map: names, types, Values in both directions.

A field inside a struct is called `struct.field`. A list has the type of its members, is found
by any of them and read as JSON text, and so is a field of the structs in a list
(`contacts.email`) and the `key` or `value` of a map.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from kept.errors import NotAble
from kept.model.values import Type, Value, coerce
from kept.stores.rows import decode

#: Mapped types that say less than the file itself.
VAGUE: Final = frozenset(("text", "other", "json"))


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field of a file. `steps` lead to it; `many`: it lies in a list, `type` is a member's."""

    name: str
    steps: tuple[str, ...]
    type: Any
    many: bool = False
    nullable: bool = True

    @property
    def native(self) -> Type:
        """What the file itself says that one value is."""
        return native(self.type)


def native(kind: Any) -> Type:
    """The type of the map that an Arrow type is."""
    if isinstance(kind, pa.BaseExtensionType):
        return "uuid" if kind.extension_name == "arrow.uuid" else native(kind.storage_type)
    types = pa.types
    if types.is_dictionary(kind):
        return native(kind.value_type)
    told: tuple[tuple[Any, Type], ...] = (
        (types.is_boolean, "boolean"),
        (types.is_integer, "integer"),
        (types.is_floating, "real"),
        (types.is_decimal, "decimal"),
        (types.is_date, "date"),
        (types.is_timestamp, "datetime"),
        (_texts, "text"),
        (_bytes, "bytes"),
        (_listed, "json"),
    )
    return next((name for test, name in told if test(kind)), "other")


def _texts(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _bytes(kind: Any) -> bool:
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _listed(kind: Any) -> bool:
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_map(kind)
    )


def leaves(schema: Any) -> dict[str, Leaf]:
    """The fields of a file by name; a column named like a nested field wins over it."""
    found = [leaf for field in schema for leaf in _under(field, (field.name,), False)]
    named: dict[str, Leaf] = {}
    for leaf in sorted(found, key=lambda leaf: len(leaf.steps) > 1):
        named.setdefault(leaf.name, leaf)
    return {leaf.name: named[leaf.name] for leaf in found}


def _under(field: Any, steps: tuple[str, ...], many: bool) -> Iterator[Leaf]:
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name != "arrow.uuid":
        kind = kind.storage_type
    while _listed(kind) and not pa.types.is_map(kind):
        kind, many = kind.value_type, True
    if pa.types.is_map(kind):
        for name, inner in (("key", kind.key_type), ("value", kind.item_type)):
            yield from _under(pa.field(name, inner), (*steps, name), True)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _under(kind.field(i), (*steps, kind.field(i).name), many)
    else:
        yield Leaf(".".join(steps), steps, kind, many, field.nullable)


@dataclass(slots=True)
class View:
    """One field in one row group: `scalars`, and, in lists, the row that each belongs to.

    A list in which nothing stands (a null, an empty one, one of nulls) is no value.
    """

    scalars: Any
    owners: Any | None
    rows: int
    kind: Type
    leaf: Leaf

    @property
    def nulls(self) -> Any:
        """A mask of the rows without a value."""
        return pc.invert(self.rows_where(self.scalars.is_valid()))

    def rows_where(self, mask: Any) -> Any:
        """From a mask over the scalars to one over the rows: any member counts."""
        if self.owners is None:
            return mask
        owning = pc.unique(self.owners.filter(mask))
        return pc.is_in(pa.arange(0, self.rows), value_set=owning.cast(pa.int64()))

    def members(self) -> list[list[Value]]:
        """Per row its values: one, or those of its list."""
        plain = values(self.scalars, self.kind)
        if self.owners is None:
            return [[value] for value in plain]
        found: list[list[Value]] = [[] for _ in range(self.rows)]
        for row, value in zip(self.owners.to_pylist(), plain, strict=True):
            found[row].append(value)
        return found

    def read(self) -> list[Value]:
        """Per row what a reader is given: the value, or the list as JSON."""
        if self.owners is None:
            return values(self.scalars, self.kind)
        return [
            json.dumps(row, ensure_ascii=False, default=_said)
            if any(value is not None for value in row)
            else None
            for row in self.members()
        ]


def _said(value: Any) -> str:
    return str(coerce(value, "text")) if not isinstance(value, bytes) else value.hex()


def view(column: Any, leaf: Leaf, kind: Type) -> View:
    """The field `leaf` of a top-level `column`."""
    array = one(column)
    rows, owners = len(array), None
    steps = iter(leaf.steps[1:])
    while True:
        if isinstance(array.type, pa.BaseExtensionType):
            if array.type.extension_name == "arrow.uuid":
                break
            array = array.storage
        elif _listed(array.type):
            if pa.types.is_map(array.type):
                array = _entries(array)
            parents = pc.list_parent_indices(array)
            owners = parents if owners is None else owners.take(parents)
            array = pc.list_flatten(array)
        elif pa.types.is_struct(array.type):
            array = pc.struct_field(array, [array.type.get_field_index(next(steps))])
        else:
            break
    return View(array, owners, rows, kind, leaf)


def one(column: Any) -> Any:
    """A column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _entries(array: Any) -> Any:
    """A map as a list of structs with `key` and `value`."""
    kind = array.type
    pairs = pa.StructArray.from_arrays([array.keys, array.items], names=["key", "value"])
    # keys and items stand for the whole buffer: the offsets that belong to them are its own
    made = pa.ListArray.from_arrays(array.offsets, pairs)
    if array.null_count:
        made = pc.if_else(array.is_valid(), made, pa.scalar(None, made.type))
    assert kind.key_type == pairs.type.field(0).type
    return made


def values(array: Any, kind: Type) -> list[Value]:
    """The scalars as Values of `kind`; moments in microseconds, those with a zone in UTC."""
    plain = _plain(array)
    if native(array.type) == kind:
        return plain
    return [decode(value, kind) for value in plain]


def _plain(array: Any) -> list[Any]:
    kind, types = array.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        stored = _plain(array.storage)
        if kind.extension_name == "arrow.uuid":
            return [None if raw is None else uuid.UUID(bytes=raw) for raw in stored]
        return stored
    if types.is_dictionary(kind):
        return _plain(array.dictionary_decode())
    try:
        if types.is_timestamp(kind):
            array = array.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.timestamp("us"))
            moments = array.to_pylist()
            if kind.tz is None:
                return list(moments)
            return [None if m is None else m.replace(tzinfo=dt.UTC) for m in moments]
        if types.is_date64(kind):
            array = array.cast(pa.date32())
        elif types.is_duration(kind):
            array = array.cast(pa.duration("us"), safe=False)
        elif types.is_time64(kind):
            array = array.cast(pa.time64("us"), safe=False)
        return list(array.to_pylist())
    except (OverflowError, ValueError):  # a moment that Python's calendar does not have
        if types.is_temporal(kind):
            return list(array.cast(pa.string()).to_pylist())
        raise


def fitted(value: Value, kind: Any) -> Value:
    """A moment with or without its offset, as a column of moments holds it."""
    if isinstance(value, dt.datetime) and pa.types.is_timestamp(kind):
        if kind.tz is None and value.tzinfo is not None:
            return value.astimezone(dt.UTC).replace(tzinfo=None)
        if kind.tz is not None:
            aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
            return aware.astimezone(dt.UTC)
    return value


def encoded(given: Sequence[Value], kind: Type, to: Any) -> Any:
    """Values of `kind` as an array of the Arrow type `to`; raises where it cannot hold them."""
    if isinstance(to, pa.BaseExtensionType):
        stored = [v.bytes if isinstance(v, uuid.UUID) else v for v in given]
        return pa.ExtensionArray.from_storage(to, pa.array(stored, to.storage_type))
    return pa.array([_stored(value, kind, native(to)) for value in given], to)


def _stored(value: Value, kind: Type, there: Type) -> Any:
    if value is None or kind == there:
        return value
    if there == "text":
        return coerce(value, "text")
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, bool) and there == "integer":
        return int(value)
    return coerce(value, there) if there in ("integer", "real", "decimal") else value


def replaced(column: Any, leaf: Leaf, mask: Any, new: Sequence[Value], kind: Type) -> Any:
    """The column with new values of one field in the rows of `mask`, in their order.

    A list can only be emptied: NotAble for anything else than nulls.
    """
    if leaf.many and any(value is not None for value in new):
        raise NotAble(
            f"`{leaf.name}` is a list, or lies in one, and can only be emptied",
            expected="a null",
            fix="leave out its `overwrite:` in the data map",
        )
    return _replaced(one(column), leaf.steps[1:], mask, new, kind)


def _replaced(
    array: Any, steps: tuple[str, ...], mask: Any, new: Sequence[Value], kind: Type
) -> Any:
    there = array.type
    if not steps:
        empty = all(value is None for value in new)
        made = pa.nulls(len(new), there) if empty else encoded(new, kind, there)
        size = len(array)
        places = pc.replace_with_mask(pa.arange(0, size), mask, pa.arange(size, size + len(made)))
        return pa.concat_arrays([array, made]).take(places)
    if pa.types.is_struct(there):
        at = there.get_field_index(steps[0])
        children = array.flatten()
        children[at] = _replaced(children[at], steps[1:], mask, new, kind)
        nulls = array.is_null()
        if any(value is not None for value in new):
            nulls = pc.and_not(nulls, mask)
        fields = [there.field(i) for i in range(there.num_fields)]
        return pa.StructArray.from_arrays(children, fields=fields, mask=nulls)
    if pa.types.is_list(there) or pa.types.is_large_list(there):
        members = pc.list_flatten(array)
        inside = mask.take(pc.list_parent_indices(array))
        gone = pc.sum(inside).as_py() or 0
        members = _replaced(members, steps, inside, [None] * gone, kind)
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        width = pa.int32() if pa.types.is_list(there) else pa.int64()
        starts = pa.concat_arrays([pa.array([0], width), pc.cumulative_sum(lengths.cast(width))])
        owner = pa.ListArray if pa.types.is_list(there) else pa.LargeListArray
        return owner.from_arrays(starts, members, type=there, mask=array.is_null())
    raise NotAble(
        "a field inside a map or a list of fixed length cannot be overwritten",
        fix="delete the rows instead, or leave the field to the program that writes the files",
    )


def only_used(table: Any) -> Any:
    """The table with dictionaries that hold only what its rows use."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(at, field, _trimmed(one(table.column(at))))
        elif (plain := _undictionaried(field.type)) != field.type:
            table = table.set_column(at, field, table.column(at).cast(plain).cast(field.type))
    return table


def _trimmed(array: Any) -> Any:
    """A dictionary less what no row uses; its order stays."""
    kind, used = array.type, pc.unique(array.indices.drop_null())
    if len(used) == len(array.dictionary):
        return array
    used = used.take(pc.sort_indices(used))
    indices = pc.index_in(array.indices, value_set=used).cast(kind.index_type)
    held = array.dictionary.take(used)
    return pa.DictionaryArray.from_arrays(indices, held, ordered=kind.ordered)


def _undictionaried(kind: Any) -> Any:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(_undictionaried(f.type)) for f in kind])
    if pa.types.is_map(kind):
        key, item = (_undictionaried(k) for k in (kind.key_type, kind.item_type))
        return pa.map_(kind.key_field.with_type(key), kind.item_field.with_type(item))
    if _listed(kind):
        inner = kind.value_field.with_type(_undictionaried(kind.value_type))
        if pa.types.is_fixed_size_list(kind):
            return pa.list_(inner, kind.list_size)
        return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)
    return kind
