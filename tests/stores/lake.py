"""Lakes of Parquet files for the tests, written by pyarrow itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kept.stores.lake import ParquetStore
from kept.stores.suite import DATASETS, Rows

TYPES = {
    "integer": pa.int64(), "text": pa.string(), "decimal": pa.decimal128(10, 2),
    "real": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
    "datetime": pa.timestamp("us"), "uuid": pa.uuid(), "bytes": pa.binary(),
}  # fmt: skip


def schema(dataset: str) -> Any:
    fields = next(d for d in DATASETS if d.name == dataset).fields.values()
    return pa.schema([pa.field(f.name, TYPES[f.type], f.nullable) for f in fields])


def table(dataset: str, rows: Iterable[Any]) -> Any:
    made = schema(dataset)
    rows = list(rows)
    arrays = []
    for field in made:
        values = [row.get(field.name) for row in rows]
        if field.type == pa.uuid():
            stored = pa.array([None if v is None else v.bytes for v in values], pa.binary(16))
            arrays.append(pa.ExtensionArray.from_storage(pa.uuid(), stored))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=made)


def fill(root: Path, rows: Rows, *, size: int = 3) -> None:
    """Persons in files of `size` rows with row groups of two, the others in one file each."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "person").mkdir(parents=True)
    people = list(rows.get("person", ()))
    for start in range(0, max(1, len(people)), size):
        part = table("person", people[start : start + size])
        pq.write_table(part, root / "person" / f"part-{start:03}.parquet", row_group_size=2)
    for name in ("order", "line"):
        pq.write_table(table(name, rows.get(name, ())), root / f"{name}.parquet")


def lake(root: Path) -> ParquetStore:
    return ParquetStore("lake", DATASETS, str(root))
