"""The files of a lake: what lies where, whether it is still the same, and how one is replaced.

    lake/
      visits/day=2026-01-01/part-0.parquet     dataset `visits`, with a field `day`
      orders.parquet                           dataset `orders`

Whoever writes holds a lock on the folder itself, so what a killed writer left can be
recognised and removed.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from kept.errors import StoreError, StoreUnreachable
from kept.stores.lake.columns import Leaf, leaves
from kept.stores.obstacles import Refused

_SUFFIXES: Final = (".parquet", ".parq", ".pq")
_MAGIC: Final = (b"PAR1", b"PARE")
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
#: What belongs to a table format, which keeps a list of files of its own.
_FORMATS: Final = frozenset(("_delta_log", ".hoodie", "metadata"))
_SUMMARIES: Final = frozenset(("_metadata", "_common_metadata"))
_STAGED: Final = re.compile(r"^\.kept-[0-9a-f]{16}\.staged$")
_FOOTERS: Final = 2048


@dataclass(frozen=True, slots=True)
class Mark:
    """By what a file is known to be the same as before."""

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> Mark | None:
        """That of the file at `path`; None where there is none, or something else than a file."""
        try:
            met = path.lstat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(met.st_mode):
            return None
        return cls(met.st_dev, met.st_ino, met.st_size, met.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class File:
    """One file of a dataset. `path` is where its content lies now: `home`, or staged beside it.

    `origin` is what stood at `home` when the listing was made; `parts` are the values of the
    directories above it (field → text, None: null). `number` tells it in messages, since its
    name may be personal.
    """

    dataset: str
    number: int
    home: Path
    path: Path
    origin: Mark
    mark: Mark
    parts: Mapping[str, str | None]

    def staged(self, path: Path, mark: Mark) -> File:
        """The same file with new content, not yet in its place."""
        return replace(self, path=path, mark=mark)

    @property
    def words(self) -> str:
        """How a message names it."""
        return f"file {self.number} of `{self.dataset}` (in the order of their paths)"


@dataclass(slots=True)
class Folder:
    """One dataset: its files, and why it cannot be used or written, in words."""

    name: str
    files: list[File] = field(default_factory=list)
    unusable: str | None = None
    unwritable: str | None = None


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of a file tells."""

    meta: Any
    schema: Any
    leaves: Mapping[str, Leaf]
    places: Mapping[str, int]  # path of a column → its number


#: Why a file is no part of a dataset: not Parquet; Parquet that readers of lakes pass over by
#: its name; a pipe, a socket, a device.
Why: TypeAlias = Literal["other", "hidden", "no file"]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file that is no part of `dataset`, below whose folder it lies ("": the lake's own)."""

    dataset: str
    name: str
    why: Why


def listing(root: Path, ignored: list[Ignored] | None = None) -> dict[str, Folder]:
    """All datasets there are; what is no part of any goes into `ignored`, where it is asked for."""
    folders: dict[str, Folder] = {}
    problem: StoreError
    try:
        for entry in sorted(os.scandir(root), key=lambda e: e.name):
            path = Path(entry.path)
            if entry.name.startswith((".", "_")):
                _hidden("", path, ignored)
                continue
            if entry.is_symlink():
                name = path.name if not path.suffix else path.stem
                folders[name] = Folder(name, unusable="it is a symbolic link")
            elif entry.is_dir():
                _folder(folders, path, ignored)
            elif not entry.is_file():
                _ignore(ignored, "", path, "no file")
            elif _parquet(path):
                name = path.stem if path.suffix.lower() in _SUFFIXES else path.name
                here = folders.setdefault(name, Folder(name))
                if here.files:
                    here.unusable = "a folder and a file have its name"
                _add(here, path, {})
            else:
                _ignore(ignored, "", path, "other")
        return folders
    except OSError as error:
        problem = StoreUnreachable(
            "the folder of Parquet files could not be read",
            expected="a folder that may be listed",
            met=type(error).__name__,
            fix="check the system's `url` in kept.toml, and the folder's permissions",
        )
    raise problem


def _ignore(ignored: list[Ignored] | None, dataset: str, path: Path, why: Why) -> None:
    if ignored is not None:
        ignored.append(Ignored(dataset, path.name, why))


def _hidden(dataset: str, path: Path, ignored: list[Ignored] | None) -> None:
    """Note what lies under a name that readers of lakes pass over, as far as it holds rows."""
    if ignored is None or _STAGED.match(path.name):
        return
    every = [path]
    if path.is_dir() and not path.is_symlink():
        every = [Path(at, name) for at, _, names in sorted(os.walk(path)) for name in sorted(names)]
    for one in every:
        if one.is_symlink() or not (one.is_file() or one.is_dir()):
            _ignore(ignored, dataset, one, "no file")
        elif one.is_file() and _parquet(one):
            _ignore(ignored, dataset, one, "hidden")


def _folder(folders: dict[str, Folder], root: Path, ignored: list[Ignored] | None) -> None:
    folder = folders.setdefault(root.name, Folder(root.name))
    if folder.files:
        folder.unusable = "a folder and a file have its name"
    for path, parts in _walk(folder, root, {}, ignored):
        _add(folder, path, parts)


def _add(folder: Folder, path: Path, parts: Mapping[str, str | None]) -> None:
    mark = Mark.of(path)
    if mark is not None:  # else it went away while the folder was read
        number = len(folder.files) + 1
        folder.files.append(File(folder.name, number, path, path, mark, mark, parts))


def _walk(
    folder: Folder, directory: Path, parts: Mapping[str, str | None], ignored: list[Ignored] | None
) -> Iterator[tuple[Path, Mapping[str, str | None]]]:
    for entry in sorted(os.scandir(directory), key=lambda e: e.name):
        path = Path(entry.path)
        if entry.name in _FORMATS and entry.is_dir() and _format(path):
            folder.unusable = "a table format keeps its own list of these files"
        elif entry.name in _SUMMARIES:
            folder.unwritable = "a summary file repeats what stands in its files"
        elif entry.name.startswith((".", "_")):
            _hidden(folder.name, path, ignored)
        elif entry.is_symlink():
            folder.unusable = "there is a symbolic link in it"
        elif entry.is_dir():
            name, equals, value = entry.name.partition("=")
            inner = parts
            if equals and name:
                inner = {**parts, unquote(name): None if value == _NO_VALUE else unquote(value)}
            yield from _walk(folder, path, inner, ignored)
        elif not entry.is_file():
            _ignore(ignored, folder.name, path, "no file")
        elif _parquet(path):
            yield path, parts
        else:
            _ignore(ignored, folder.name, path, "other")


def _format(path: Path) -> bool:
    return path.name != "metadata" or any(path.glob("*.metadata.json"))


def _parquet(path: Path) -> bool:
    """By its name, else by its first bytes: some programs write without a suffix."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in _MAGIC


class Footers:
    """The ends of files, read once for each content. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Path, Mark], Footer] = OrderedDict()

    def of(self, file: File) -> Footer:
        """The footer of a file."""
        at = (file.path, file.mark)
        with self._lock:
            found = self._known.get(at)
            if found is not None:
                self._known.move_to_end(at)
                return found
        with opened(file) as source:
            meta, schema = source.metadata, source.schema_arrow
        columns = {meta.schema.column(i).path: i for i in range(meta.num_columns)}
        found = Footer(meta, schema, leaves(schema), columns)
        with self._lock:
            self._known[at] = found
            while len(self._known) > _FOOTERS:
                self._known.popitem(last=False)
        return found


def opened(file: File, footer: Footer | None = None, **options: Any) -> Any:
    """The file to read from; StoreError where it is not the one that was listed."""
    try:
        handle = pa.OSFile(str(file.path))
    except FileNotFoundError:
        handle = None
    # Looked at after it was opened: if the path still leads to it, it is what was opened.
    if handle is None or Mark.of(file.path) != file.mark:
        if handle is not None:
            handle.close()
        raise changed(file)
    return pq.ParquetFile(
        handle, metadata=footer.meta if footer else None, pre_buffer=False, **options
    )


def changed(file: File) -> StoreError:
    """Somebody else wrote what was being read."""
    return StoreError(
        f"{file.words} was changed by another program meanwhile; nothing of it was replaced",
        fix="run it again, when that program is done",
    )


# ---------------------------------------------------------------- writing


class Lock:
    """The one writer of a lake. Nothing is left behind: the folder itself is locked."""

    def __init__(self, root: Path, system: str, wait: float) -> None:
        self._handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() < until:
                    time.sleep(0.02)
                    continue
            os.close(self._handle)
            raise StoreUnreachable(
                f"another session of Kept writes to `{system}`", fix="run it again when it is done"
            )

    def release(self) -> None:
        """Let the next one write."""
        os.close(self._handle)


def sweep(root: Path) -> int:
    """Remove what a killed writer left beside the files; how many. Only under the lock."""
    gone = 0
    for directory, _, names in os.walk(root):
        for name in names:
            if _STAGED.match(name):
                Path(directory, name).unlink(missing_ok=True)
                gone += 1
    return gone


def beside(file: File) -> Path:
    """A new name in the file's directory, hidden from those who read the lake."""
    return file.home.with_name(f".kept-{secrets.token_hex(8)}.staged")


def create(file: File, path: Path) -> None:
    """An empty file at `path` with mode, owner and attributes of the one it will replace."""
    met = file.home.lstat()
    if met.st_nlink > 1:
        raise Refused(
            "the lake", file.dataset, "other",
            f"{file.words} has a second name (a hard link), which would keep what is erased",
        )  # fmt: skip
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        made = os.fstat(handle)
        if (made.st_uid, made.st_gid) != (met.st_uid, met.st_gid):
            os.fchown(handle, met.st_uid, met.st_gid)
        os.fchmod(handle, stat.S_IMODE(met.st_mode))
        if hasattr(os, "listxattr"):
            with suppress(OSError):  # not every file system has them
                for name in os.listxattr(file.home):
                    os.setxattr(handle, name, os.getxattr(file.home, name))
    finally:
        os.close(handle)


def settle(path: Path) -> Mark:
    """What was written is on the disk; its mark."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    mark = Mark.of(path)
    assert mark is not None
    return mark


def settle_names(directories: set[Path]) -> None:
    """The names in these directories are on the disk."""
    for directory in sorted(directories):
        with suppress(FileNotFoundError):  # removed with its last file
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def prune(directory: Path, root: Path) -> None:
    """Remove directories of partitions that became empty: their names may be personal."""
    while directory != root and "=" in directory.name:
        try:
            directory.rmdir()
        except OSError:  # not empty
            return
        directory = directory.parent
