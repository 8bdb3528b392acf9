"""The package a person gets: what is held, why, from whom, to whom, until when; as HTML and JSON.

    index.html      to read
    answer.json     the same answer for a program, without the rows
    data/*.json     the rows, one file per dataset, every column that was read
    manifest.json   SHA-256 of every other file, and a salt

Rows are streamed into the files; the package appears under its name only when it is whole and
`place` is called, and never in the place of anything that is there already.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import decimal
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import stat
import tempfile
import unicodedata
import uuid
import zipfile
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import jinja2

from kept.errors import UsageError
from kept.model.values import Value

#: Rows of one part shown on the page; all of them are in the data file.
SHOWN: Final = 100
FORMAT: Final = 1
#: A package being written, as `tempfile` names it.
_TEMPORARY: Final = re.compile(r"\.kept-[a-z0-9_]{8}\.zip")
#: Seconds after which one that nobody is writing is taken for left behind.
_STALE: Final = 60
#: The longest part of a file name in the package, in characters.
_LONGEST: Final = 60

_page = jinja2.Environment(
    loader=jinja2.PackageLoader("kept.duties.rights", "."),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


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


def refuse_target(path: Path) -> None:
    """Refuse a place where no package can be written, before anything is asked or opened.

    Raises UsageError where the directory is missing, or anything is there already: a device or
    pipe would be put out of use, a link would lead elsewhere, a file may be an earlier package
    that nobody could make again.
    """
    if not path.parent.is_dir():
        raise UsageError(
            "the package cannot be written there",
            expected="a file name in a directory that exists",
            fix="name another file with --out",
        )
    try:
        met = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError:
        raise UsageError(
            "the package cannot be written there",
            expected="a file name that the file system takes",
            fix="name another file with --out",
        ) from None
    raise _taken(met)


def _taken(met: int) -> UsageError:
    kinds = {
        stat.S_IFREG: "a file", stat.S_IFDIR: "a directory", stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    }  # fmt: skip
    return UsageError(
        "there is something under the name of the package already; nothing was written over",
        expected="a name that nothing has yet",
        met=kinds.get(stat.S_IFMT(met), "a device"),
        fix="name another file with --out",
    )


@dataclass(slots=True)
class Part:
    """Rows of one dataset that belong together: how many, and the first of them as text."""

    count: int = 0
    rows: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Data:
    """What was written of one dataset: its file, its columns, its rows by their labels."""

    file: str
    columns: tuple[str, ...]
    parts: Mapping[Hashable, Part]

    @property
    def count(self) -> int:
        """All rows in the file."""
        return sum(part.count for part in self.parts.values())


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
        refuse_target(path)
        self.path = path
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".kept-", suffix=".zip")
        self._temporary = Path(name)
        self._file = os.fdopen(handle, "w+b")
        # Whoever holds the lock is still writing; the system gives it back when he dies.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sweep(path.parent, self._temporary)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._stamp = at.astimezone(dt.UTC).timetuple()[:6]
        self._files: dict[str, dict[str, Any]] = {}
        self._taken: set[str] = set()
        self.sha256 = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # What cannot be closed (a full disk) is thrown away all the same.
            with contextlib.suppress(ValueError, OSError):
                self._zip.close()
            with contextlib.suppress(OSError):
                self._file.close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def data(
        self,
        system: str,
        dataset: str,
        batches: Iterable[tuple[Hashable, Sequence[str], Sequence[Sequence[Value]]]],
    ) -> Data:
        """Stream (label, columns, rows) into the file of a dataset; what the page needs of it."""
        name = self._name(f"{_safe(system)}.{_safe(dataset)}")
        columns: Sequence[str] = ()
        parts: dict[Hashable, Part] = {}
        before = ""
        with self._open(name) as out:
            out.write("[")
            for label, columns_of_batch, rows in batches:
                columns = columns_of_batch
                part = parts.setdefault(label, Part())
                for row in rows:
                    record = {c: plain(v) for c, v in zip(columns, row, strict=True)}
                    out.write(
                        f"{before}\n{json.dumps(record, ensure_ascii=False, allow_nan=False)}"
                    )
                    before = ","
                    if part.count < SHOWN:
                        part.rows.append([words(v) for v in row])
                    part.count += 1
            out.write("\n]\n")
        return Data(name, tuple(columns), parts)

    def finish(self, answer: Mapping[str, Any], page: Mapping[str, Any]) -> str:
        """Write the answer, the page and the manifest; SHA-256 (hex) of the manifest.

        The package is then whole and on the disk, but has no name yet: see `place`.
        """
        with self._open("answer.json") as out:
            out.write(json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
        with self._open("index.html") as out:
            out.write(_page.get_template("package.html.j2").render(**page, answer=answer))
        return self.seal()

    def seal(self) -> str:
        """Write the manifest, and make the package whole; SHA-256 (hex) of the manifest."""
        # Its hash stands in the ledger: with chance in it, what is held cannot be guessed from it.
        manifest = {"format": FORMAT, "files": self._files, "salt": secrets.token_hex(32)}
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        with self._open("manifest.json") as out:
            out.write(text)
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        return self.sha256

    def place(self) -> None:
        """Give the package, which is whole, its name. UsageError where something has it by now."""
        try:
            # A second name is refused by the file system itself where anything has it.
            os.link(self._temporary, self.path)
        except FileExistsError:
            refuse_target(self.path)
            raise
        except OSError:  # a file system without second names
            refuse_target(self.path)
            self._temporary.rename(self.path)

    def _name(self, wanted: str) -> str:
        """A name in the package that no file has yet, on file systems that fold names too."""
        name, number = wanted, 1
        while (folded := unicodedata.normalize("NFKC", name).casefold()) in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add(folded)
        return f"data/{name}.json"

    @contextlib.contextmanager
    def _open(self, name: str) -> Any:
        info = zipfile.ZipInfo(name, self._stamp)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            hashing = _Hashing(file)
            yield hashing
        self._files[name] = {"sha256": hashing.sha256.hexdigest(), "bytes": hashing.size}


def _sweep(directory: Path, own: Path) -> None:
    """Remove packages that Kept began here and left behind: its own, old, and written by nobody."""
    oldest = own.stat().st_mtime - _STALE
    try:
        names = [n for n in os.listdir(directory) if _TEMPORARY.fullmatch(n) and n != own.name]
    except OSError:  # a directory that may be written into, but not be read
        return
    for name in names:
        with contextlib.suppress(OSError):  # gone meanwhile, locked, a link, somebody else's
            handle = os.open(directory / name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                met = os.fstat(handle)
                mine = stat.S_ISREG(met.st_mode) and met.st_uid == os.geteuid()
                if mine and met.st_nlink == 1 and met.st_mtime < oldest:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    (directory / name).unlink()
            finally:
                os.close(handle)


def _safe(name: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".")
    return safe[:_LONGEST] or "_"


def words(value: Value) -> str:
    """A value as people read it; bytes only by their number."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes that are no text"
    if isinstance(value, dt.datetime):
        return _moment(value)
    return str(plain(value))


def _moment(value: dt.datetime) -> str:
    """To the minute; the zone is named where there is one."""
    if value.utcoffset():
        return value.isoformat(" ", "minutes")
    text = value.replace(tzinfo=None).isoformat(" ", "minutes")
    return text if value.tzinfo is None else f"{text} UTC"
