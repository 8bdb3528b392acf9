"""Values of the law as arrays in which Arrow looks for a column's values."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from kept.model.values import normal
from kept.stores.columns import encodable
from kept.stores.lake.columns import View, native


def arrow_set(some: Iterable[Any], there: View, *, loose: bool) -> Any:
    """Values as an array in which `is_in` finds exactly what is equal; None: it might not."""
    kind = there.scalars.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    plain = native(kind) == there.kind
    made: list[Any]
    if there.kind == "text" and plain:
        made = [str(v) for v in some if type(v) in (str, int)]
        return pa.array([v for v in made if encodable(v)], kind)
    if there.kind == "integer" and plain:
        numbers = [_whole(v) for v in some]
        low, high = _range(kind)
        return pa.array([n for n in numbers if n is not None and low <= n <= high], kind)
    if there.kind == "date" and plain and pa.types.is_date32(kind):
        return pa.array([v for v in some if type(v) is dt.date], kind)
    if there.kind == "bytes" and plain and not pa.types.is_fixed_size_binary(kind):
        return pa.array([v for v in some if isinstance(v, bytes)], kind)
    if there.kind == "uuid" and not loose and isinstance(kind, pa.BaseExtensionType):
        return pa.array([v.bytes for v in some if isinstance(v, uuid.UUID)], kind.storage_type)
    return None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, decimal.Decimal)):
        return None
    whole = normal(value)
    return whole if isinstance(whole, int) else None


def _range(kind: Any) -> tuple[int, int]:
    bits = kind.bit_width
    if pa.types.is_unsigned_integer(kind):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
