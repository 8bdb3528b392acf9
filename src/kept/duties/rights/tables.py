"""Rows as tables for programs: JSON that is exact, CSV that a spreadsheet opens, and their schemas.

CSV (RFC 4180, UTF-8): a null is written \\N. Where a spreadsheet would begin a formula, or take
the text for a null, a ' stands in front; whoever reads by the schema takes it away (`unguarded`).
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import decimal
import json
import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, Final

from kept.datamap.map import Dataset, Owner
from kept.duties.rights.about import readable
from kept.model.values import Value
from kept.terms.spreadsheets import GUARDED, NUMBER, guarded
from kept.terms.vocabulary import Vocabulary

#: A null in CSV, where an empty text is another thing.
NULL: Final = "\\N"
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?\Z", re.DOTALL)

#: Type of the map → (type, format) of Table Schema.
_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "text": ("string", "default"),
    "integer": ("integer", "default"),
    "decimal": ("number", "default"),
    "real": ("number", "default"),
    "boolean": ("boolean", "default"),
    "date": ("date", "default"),
    "datetime": ("datetime", "any"),
    "uuid": ("string", "uuid"),
    "bytes": ("string", "binary"),
    "json": ("any", "default"),
    "other": ("any", "default"),
}
#: Type of the map → the types that JSON has for it (`plain`).
_JSON: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("string",), "integer": ("integer",), "decimal": ("string",), "real": ("number",),
    "boolean": ("boolean",), "date": ("string",), "datetime": ("string",), "uuid": ("string",),
    "bytes": ("string",), "json": ("string",), "other": ("string",),
}  # fmt: skip
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def plain(value: Value) -> Any:
    """A value as JSON: numbers stay exact (decimals as text), bytes as base64, times ISO 8601.

    JSON has no word for what is not a finite number: it stands as text, `NaN` or `Infinity`.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID, dt.timedelta)):
        return str(value)
    raise AssertionError(type(value).__name__)


def cell(value: Value) -> str:
    """A value in CSV: as in JSON, but for nulls, truth values and what could be a formula."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(plain(value))
    number = isinstance(value, (int, float, decimal.Decimal)) and math.isfinite(value)
    return text if number else guarded(text)


class Columns:
    """What was really written of each column, so that no schema says what is not so."""

    def __init__(self, names: Sequence[str], dataset: Dataset | None) -> None:
        self.names = tuple(names)
        fields = dataset.fields if dataset is not None else {}
        self.types = tuple(fields[n].type if n in fields else "text" for n in self.names)
        self._dataset = dataset
        self._met: list[set[str]] = [set() for _ in self.names]
        self._odd = [False] * len(self.names)

    def note(self, row: Sequence[Value], plains: Sequence[Any]) -> None:
        """Take a row into account."""
        for i, (value, shown) in enumerate(zip(row, plains, strict=True)):
            self._met[i].add(_json(shown))
            if not self._odd[i] and value is not None and not _fits(value, self.types[i]):
                self._odd[i] = True

    def table(self, words: Vocabulary) -> list[dict[str, Any]]:
        """The fields of a Table Schema. A column that holds other things than the map says is
        text.
        """
        made = []
        for i, name in enumerate(self.names):
            type_, format_ = ("string", "default") if self._odd[i] else _TYPES[self.types[i]]
            one: dict[str, Any] = {"name": name, "type": type_, "format": format_}
            one.update(self._named(name, words))
            if self._dataset is not None and name in self._dataset.key:
                one["constraints"] = {"required": True}
            made.append(one)
        return made

    def schema(self, title: str, words: Vocabulary) -> dict[str, Any]:
        """A JSON Schema (2020-12) of the rows."""
        properties: dict[str, Any] = {}
        for i, name in enumerate(self.names):
            types = dict.fromkeys((*_JSON[self.types[i]], *sorted(self._met[i]), "null"))
            properties[name] = {"type": list(types), **self._named(name, words)}
            if self.types[i] == "bytes" and not self._odd[i]:
                properties[name]["contentEncoding"] = "base64"
        return {
            "$schema": _DRAFT,
            "title": title,
            "type": "array",
            "items": {
                "type": "object", "properties": properties, "required": list(self.names),
                "additionalProperties": False,
            },
        }  # fmt: skip

    def _named(self, name: str, words: Vocabulary) -> dict[str, Any]:
        item = self._dataset.fields.get(name) if self._dataset is not None else None
        if item is None or self._dataset is None:
            return {}
        term = words.categories.get(item.category or "")
        origin = self._dataset.whence(item, words)
        return {
            "title": term.label if term else readable(name),
            **({"rdfType": term.iri} if term and term.iri else {}),
            # Whether she gave it, it was observed of her, made of other data, or of others.
            **({"origin": origin} if origin else {}),
        }


def write(
    out: Callable[[str], None],
    table: IO[str],
    columns: Columns,
    rows: Iterable[Sequence[Value]],
) -> int:
    """Rows as they come, into the JSON (`out`) and the CSV; how many they were."""
    writer = csv.writer(table)
    writer.writerow([guarded(name) for name in columns.names])
    out("[")
    count = 0
    for row in rows:
        plains = [plain(value) for value in row]
        columns.note(row, plains)
        record = dict(zip(columns.names, plains, strict=True))
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        out(f"{',' if count else ''}\n{text}")
        writer.writerow([cell(value) for value in row])
        count += 1
    out("\n]\n")
    return count


def resource(
    columns: Columns,
    dataset: Dataset | None,
    words: Vocabulary,
    *,
    name: str,
    title: str,
    path: str,
    exact: str,
    links: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The description of one table (Tabular Data Resource, Table Schema)."""
    return {
        "name": name,
        "title": title,
        "profile": "tabular-data-resource",
        "path": path,
        "exact": exact,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "lineTerminator": "\r\n", "quoteChar": '"', "header": True},
        "guarded": dict(GUARDED),
        "schema": {
            "fields": columns.table(words),
            "primaryKey": [k for k in dataset.key if k in columns.names] if dataset else [],
            "foreignKeys": list(links),
            "missingValues": [NULL],
        },
    }


def links(system: str, dataset: Dataset, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Where the rows of a dataset lead, as foreign keys; not to staff, who are in no package."""
    return [
        {
            "fields": list(link.fields),
            "reference": {
                "resource": named(link.system or system, link.to), "fields": list(link.on),
            },
        }
        for link in dataset.links
        if link.kind is not Owner.ACCESSED and set(link.fields) <= set(columns)
    ]  # fmt: skip


def named(system: str, dataset: str) -> str:
    """A name of a resource: lower case, digits and ._- only."""
    text = f"{system}.{dataset}".lower()
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in text)


def _json(shown: Any) -> str:
    if shown is None:
        return "null"
    if isinstance(shown, bool):
        return "boolean"
    if isinstance(shown, int):
        return "integer"
    return "number" if isinstance(shown, float) else "string"


def _fits(value: Value, type_: str) -> bool:
    """Whether a value, as it stands in the CSV, is of the type that Table Schema has for it."""
    match type_:
        case "integer":
            whole = isinstance(value, int) and not isinstance(value, bool)
            digits = isinstance(value, str) and bool(NUMBER.match(value)) and "." not in value
            return whole or digits
        case "decimal" | "real":
            if isinstance(value, float):
                return math.isfinite(value)
            whole = isinstance(value, (int, decimal.Decimal)) and not isinstance(value, bool)
            return whole or bool(isinstance(value, str) and NUMBER.match(value))
        case "boolean":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, dt.date) and not isinstance(value, dt.datetime)
        case "datetime":
            return isinstance(value, dt.datetime) or (
                isinstance(value, str) and bool(_MOMENT.match(value))
            )
        case "bytes":
            return isinstance(value, bytes)
    return True
