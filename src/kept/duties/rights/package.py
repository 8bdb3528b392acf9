"""The package a person gets: what is held, why, from whom, to whom, until when.

    index.html         to read
    README.txt         what each file is for
    data/*.csv         the rows, one file per dataset, for spreadsheets (duties.rights.tables)
    data/*.json        the same rows, exact
    schema/*.json      JSON Schema of each of these
    datapackage.json   the CSV described: Frictionless Data Package, Table Schema
    answer.json        what index.html says, for a program, without the rows
    manifest.json      SHA-256 of every other file, the rules of the data, and a salt

Rows are streamed into the files; the package appears under its name only when it is whole and
`place` is called, and never in the place of anything that is there already.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import heapq
import itertools
import json
import os
import re
import secrets
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import jinja2
import msgspec

from kept.datamap.map import Dataset
from kept.duties.rights import tables
from kept.duties.rights.cells import Cell, cell, jointed, whole
from kept.duties.rights.tables import Columns
from kept.errors import UsageError
from kept.model.values import Value
from kept.terms.tongues import say, sheets
from kept.terms.vocabulary import SHIPPED, Vocabulary

#: Rows of one part shown on the page, the newest; all of them are in the data file.
SHOWN: Final = 50
FORMAT: Final = 2
#: A package being written, as `tempfile` names it.
_TEMPORARY: Final = re.compile(r"\.kept-[a-z0-9_]{8}\.zip")
#: Seconds after which one that nobody is writing is taken for left behind.
_STALE: Final = 60
#: The longest part of a file name in the package, in characters.
_LONGEST: Final = 60

#: What README.txt says of the files, in plain words.
_FILES: Final = """\
data/*.csv        your records as tables, for a spreadsheet. Nothing is written \\N. Where a
                  spreadsheet could begin a formula a ' stands in front, which is not part of the
                  text: `guarded` in datapackage.json says how a program takes it away again.
data/*.json       the same records for programs, as they were read. In these and in the tables
                  other people are covered, as the page says.
schema/*.json     what the JSON files hold, field by field (JSON Schema).
datapackage.json  what the tables hold (Frictionless Data Package, Table Schema). Columns are headed
                  as the systems call them; `title` says each in words.
answer.json       what was asked, where was looked, what was found and why, for programs.
manifest.json     the SHA-256 of every file here. If one does not match, the file was changed.
                  Also under which rules the records were held: for what, how long, which policy.

Records stand in the tables in the order in which the system gave them; the page shows the
newest first. Whoever has this package can read what is in it: keep it where only you can."""

_page = jinja2.Environment(
    loader=jinja2.PackageLoader("kept.duties.rights", "."),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_page.filters.update(whole=whole, jointed=jointed)
sheets.speaks(_page)


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
    """Rows of one dataset that belong together: how many, and the newest of them as people read
    them.
    """

    count: int = 0
    _newest: list[tuple[int, int, list[Cell]]] = field(default_factory=list)

    def add(self, when: int, row: Sequence[Value], types: Sequence[str]) -> None:
        """Count a row; keep it where it is among the newest."""
        self.count += 1
        # Of rows of the same moment, or of none, the first that came is the first to be shown.
        order = (when, -self.count)
        if len(self._newest) == SHOWN and order < self._newest[0][:2]:
            return
        kept = (*order, [cell(value, type_) for value, type_ in zip(row, types, strict=True)])
        if len(self._newest) < SHOWN:
            heapq.heappush(self._newest, kept)
        else:
            heapq.heapreplace(self._newest, kept)

    @property
    def rows(self) -> list[list[Cell]]:
        """The newest first."""
        return [cells for _, _, cells in sorted(self._newest, key=itemgetter(0, 1), reverse=True)]


@dataclass(frozen=True, slots=True)
class Data:
    """What was written of one dataset: its files, its columns, its rows by their labels."""

    file: str
    table: str
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

    def __init__(self, path: Path, at: dt.datetime, words: Vocabulary = SHIPPED) -> None:
        """`at` is the moment of the answer, `words` the vocabulary that names categories."""
        refuse_target(path)
        self.path, self._at, self._words = path, at, words
        self._described: list[dict[str, Any]] = []
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
        #: What goes with the data wherever it goes (rights.travelling).
        self.rules: Mapping[str, Any] = {}
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
        known: Dataset | None = None,
    ) -> Data:
        """Stream (label, columns, rows) into the files of a dataset; what the page needs of it.

        `known` is the dataset as the map has it, where the rows are its own.
        """
        runs = iter(batches)
        first = next(runs, None)
        columns = Columns(first[1] if first else (), known)
        parts: dict[Hashable, Part] = {}
        dates = [i for i, type_ in enumerate(columns.types) if type_ in ("datetime", "date")]

        def rows() -> Iterator[Sequence[Value]]:
            for label, names, batch in itertools.chain((first,) if first else (), runs):
                part = parts.setdefault(label, Part())
                at = [names.index(name) for name in columns.names]
                same = tuple(names) == columns.names
                for given in batch:
                    row = given if same else [given[i] for i in at]
                    part.add(_when(row, dates), row, columns.types)
                    yield row

        title = (known.title if known else None) or dataset
        file, table = self._table(system, dataset, title, columns, rows(), known)
        return Data(file, table, columns.names, parts)

    def _table(
        self,
        system: str,
        dataset: str,
        title: str,
        columns: Columns,
        rows: Iterable[Sequence[Value]],
        known: Dataset | None,
    ) -> tuple[str, str]:
        """Stream rows into their files, and remember their description; (JSON, CSV)."""
        base = self._name(f"{_safe(system)}.{_safe(dataset)}")
        file, table = f"data/{base}.json", f"data/{base}.csv"
        here = self.path.parent
        with tempfile.TemporaryFile("w+", encoding="utf-8", newline="", dir=here) as copy:
            with self._open(file) as out:
                tables.write(out.write, copy, columns, rows)
            copy.seek(0)
            with self._open(table) as out:
                while part := copy.read(1 << 16):
                    out.write(part)
        self._described.append(
            tables.resource(
                columns, known, self._words, name=tables.named(system, dataset), title=title,
                path=table, exact=file,
                links=tables.links(system, known, columns.names) if known else (),
            )
        )  # fmt: skip
        self._write(f"schema/{base}.json", columns.schema(title, self._words))
        return file, table

    def describe(self, name: str, title: str) -> None:
        """Write `datapackage.json`: what the tables hold."""
        there = {one["name"] for one in self._described}
        for one in self._described:
            # A reference to a table that is not here could not be followed.
            one["schema"]["foreignKeys"] = [
                key for key in one["schema"]["foreignKeys"] if key["reference"]["resource"] in there
            ]
        described = {
            "profile": "tabular-data-package",
            "name": name,
            "title": title,
            "created": self._at.isoformat(),
            "resources": self._described,
        }
        self._write("datapackage.json", described)

    def finish(self, answer: Mapping[str, Any], page: Mapping[str, Any]) -> str:
        """Write the answer, the page and the manifest; SHA-256 (hex) of the manifest.

        The package is then whole and on the disk, but has no name yet: see `place`.
        """
        title = page["title"]
        self.describe("access", title)
        self._write("answer.json", answer)
        self.read_me(
            f"{title}\n\n"
            + say("Open index.html in any browser. It needs no network and sends nothing.")
        )
        self.page("package.html.j2", {**page, "answer": answer})
        return self.seal()

    def page(self, template: str, known: Mapping[str, Any]) -> None:
        """Write index.html: a template that lies here, with what it shows."""
        with self._open("index.html") as out:
            out.write(_page.get_template(template).render(known))

    def read_me(self, head: str) -> None:
        """Write README.txt: what each file is for."""
        with self._open("README.txt") as out:
            out.write(f"{head}\n\n{say(_FILES)}\n")

    def _write(self, name: str, content: object) -> None:
        with self._open(name) as out:
            out.write(_lines(content))

    def seal(self) -> str:
        """Write the manifest, and make the package whole; SHA-256 (hex) of the manifest."""
        # Its hash stands in the ledger: with chance in it, what is held cannot be guessed from it.
        salt = secrets.token_hex(32)
        manifest = {"format": FORMAT, "files": self._files, "rules": self.rules, "salt": salt}
        text = _lines(manifest, ordered=True)
        with self._open("manifest.json") as out:
            out.write(text)
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        return self.sha256

    @property
    def whole(self) -> Path:
        """The file, once it was sealed and before it has its name."""
        return self._temporary

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
        return name

    @contextlib.contextmanager
    def _open(self, name: str) -> Any:
        info = zipfile.ZipInfo(name, self._stamp)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            hashing = _Hashing(file)
            yield hashing
        self._files[name] = {"sha256": hashing.sha256.hexdigest(), "bytes": hashing.size}


def _lines(content: object, *, ordered: bool = False) -> str:
    """JSON for programs and for people who open it; json itself is slow where it indents."""
    text = json.dumps(content, ensure_ascii=ordered, sort_keys=ordered)
    return msgspec.json.format(text, indent=1) + "\n"


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


def _when(row: Sequence[Value], dates: Sequence[int]) -> int:
    """Seconds in the calendar of the first date of a row that is known, to put the newest first;
    0 for none.
    """
    for i in dates:
        value = row[i]
        if isinstance(value, dt.date):
            seconds = value.toordinal() * 86_400
            if isinstance(value, dt.datetime):
                away = value.utcoffset() or dt.timedelta()
                seconds += value.hour * 3600 + value.minute * 60 + value.second
                seconds -= int(away.total_seconds())
            return seconds
    return 0


def _safe(name: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".")
    return safe[:_LONGEST] or "_"
