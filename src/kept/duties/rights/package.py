"""The package a person gets: what is held, why, from whom, to whom, until when; as HTML and JSON.

    index.html      to read
    answer.json     the same answer for a program, without the rows
    data/*.json     the rows, one file per dataset, every column that was read
    manifest.json   SHA-256 of every other file

Rows are streamed into the files; the package appears under its name only when it is whole.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import decimal
import hashlib
import json
import os
import tempfile
import uuid
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import jinja2

from kept.model.values import Value

#: Rows of one dataset shown on the page; all of them are in its data file.
SHOWN: Final = 100
FORMAT: Final = 1

_page = jinja2.Environment(
    loader=jinja2.PackageLoader("kept.duties.rights", "."),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def plain(value: Value) -> Any:
    """A value as JSON: numbers stay exact (decimals as text), bytes as base64, times ISO 8601."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID, dt.timedelta)):
        return str(value)
    raise AssertionError(type(value).__name__)


class _Hashing:
    """Writes into a file of the archive and hashes what goes by."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, text: str) -> None:
        data = text.encode()
        self._file.write(data)
        self.sha256.update(data)
        self.size += len(data)


class Package:
    """A package being written to `path` (mode 0600); a context manager."""

    def __init__(self, path: Path, at: dt.datetime) -> None:
        self.path = path
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".kept-", suffix=".zip")
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "w+b")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._stamp = at.astimezone(dt.UTC).timetuple()[:6]
        self._files: dict[str, dict[str, Any]] = {}
        self.sha256 = ""

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ValueError, OSError):
            self._zip.close()
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def data(
        self,
        system: str,
        dataset: str,
        batches: Iterable[tuple[Sequence[str], Sequence[Sequence[Value]]]],
    ) -> dict[str, Any]:
        """Stream (columns, rows) into the file of a dataset; what the page needs of it."""
        name = f"data/{_safe(system)}.{_safe(dataset)}.json"
        columns: Sequence[str] = ()
        shown: list[list[Any]] = []
        count = 0
        with self._open(name) as out:
            out.write("[")
            for columns_of_batch, rows in batches:
                columns = columns_of_batch
                for row in rows:
                    record = {c: plain(v) for c, v in zip(columns, row, strict=True)}
                    out.write(
                        ("," if count else "") + "\n" + json.dumps(record, ensure_ascii=False)
                    )
                    if count < SHOWN:
                        shown.append([_words(v) for v in record.values()])
                    count += 1
            out.write("\n]\n")
        return {"file": name, "columns": list(columns), "rows": shown, "count": count}

    def finish(self, answer: Mapping[str, Any], page: Mapping[str, Any]) -> str:
        """Write the answer, the page and the manifest; SHA-256 (hex) of the manifest."""
        with self._open("answer.json") as out:
            out.write(json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
        with self._open("index.html") as out:
            out.write(_page.get_template("package.html.j2").render(**page, answer=answer))
        manifest = {"format": FORMAT, "files": self._files}
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        with self._open("manifest.json") as out:
            out.write(text)
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self.path)
        return self.sha256

    @contextlib.contextmanager
    def _open(self, name: str) -> Any:
        info = zipfile.ZipInfo(name, self._stamp)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            hashing = _Hashing(file)
            yield hashing
        self._files[name] = {"sha256": hashing.sha256.hexdigest(), "bytes": hashing.size}


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "_"


def _words(value: Any) -> str:
    return "–" if value is None else str(value)
