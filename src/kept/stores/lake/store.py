"""A lake of Parquet files: read in place, erased by rewriting the files that are hit.

A change is prepared beside the files and shows only at the commit, which puts one file after
another into its place. So the grain is the file: a commit that is cut off leaves some files
new and some as they were, each of them whole, and repeating the change does the rest.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa

from kept.datamap.map import Dataset, Field
from kept.errors import KeptError, StoreError, StoreUnreachable
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.predicate import EVERYTHING, NOTHING, Not, fields_of
from kept.model.residue import Needles, Residue
from kept.model.safety import Safety
from kept.model.select import Batch, KeyRow, KeySet, KeyTable, Route, Select
from kept.model.values import Type, Value, normal
from kept.stores import guarded
from kept.stores.base import Session, Store
from kept.stores.lake import files as lake
from kept.stores.lake import residue as lake_residue
from kept.stores.lake.columns import VAGUE
from kept.stores.lake.counting import Counted, countable, distinct, left_out, taken
from kept.stores.lake.files import File, Folder, Footers, Lock
from kept.stores.lake.finding import NOT_HERS, Chunk, Finder, Hits, Kinds, Probe, bare
from kept.stores.lake.options import Options
from kept.stores.lake.rewriting import Levels, Written, changes_in, overwritten, without
from kept.stores.obstacles import Refused, obstacle

_T = TypeVar("_T")
_ITEM = TypeVar("_ITEM")
_CHUNK: Final = 2000


class ParquetStore(Store):
    """`url` is the folder whose sub-folders and files are the datasets."""

    #: No snapshot: the files are listed at one moment, but others may replace them one by
    #: one. A file that is replaced while a session reads it is an error, never a mixture.
    abilities = Abilities(grain="file", snapshot=False, rehearse=True, null_keys=True)

    def __init__(
        self,
        system: str,
        mapped: Iterable[Dataset] = (),
        url: str = "",
        *,
        options: Options | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(system, mapped)
        self.root = Path(url.removeprefix("file://"))
        self.options = options if isinstance(options, Options) else Options.of(options or {})
        self.threads = self.options.threads or os.cpu_count() or 1
        self.footers = Footers()
        self.levels: Levels = {}
        self.counted = Counted()

    def datasets(self) -> Iterable[Dataset]:
        """Every folder and file of Parquet, mapped or not.

        What names a row only the map knows, and nothing in a file promises it: the rows are
        counted where there are not too many (`count_keys`), and `notes` names the others.
        """
        with contextlib.closing(self.session()) as session:
            real = [session.real(folder) for folder in session.folders.values()]
            wrong = {d.name for d in real if session.named(d) is False}
        return [replace(d, key=()) if d.name in wrong else d for d in real]

    def notes(self) -> Iterable[str]:
        """What is `unsearched`, and keys that are taken on the map's word."""
        yield from self.unsearched()
        with contextlib.closing(self.session()) as session:
            for folder in session.folders.values():
                found = session.real(folder)
                if found.key and folder.files and session.named(found) is None:
                    yield taken(found)

    def unsearched(self) -> Iterable[str]:
        """Files that are not Parquet or hidden, pipes and devices: nothing reads them."""
        ignored: list[lake.Ignored] = []
        lake.listing(self.root, ignored)
        yield from left_out(ignored)

    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        """All files below the folder, byte by byte and unpacked."""
        with contextlib.closing(self.session()) as session:
            every = [file for folder in session.folders.values() for file in folder.files]
        files = [(file.path, self.footers.of(file)) for file in every]
        told = lake_residue.residue(self.root, files, needles, self.each)
        return self.guarded(None, lambda: list(told))

    def safety(self) -> Safety:
        """Every file below the folder, and the folder's drive."""
        self.session().close()  # says where there is no such folder
        files = self.guarded(None, lambda: [p for p in self.root.rglob("*") if p.is_file()])
        return guarded.safety(self.root, files, ())

    def session(self, *, write: bool = False) -> ParquetSession:
        """One listing of the files; StoreUnreachable where there is no such folder."""
        return ParquetSession(self, write=write)

    def each(self, work: Callable[[_ITEM], _T], items: Sequence[_ITEM]) -> Iterator[_T]:
        """The work on each item, in order, on several threads."""
        if len(items) < 2 or self.threads < 2:
            yield from map(work, items)
            return
        with ThreadPoolExecutor(self.threads, "kept-lake") as pool:
            yield from pool.map(work, items)

    def guarded(self, dataset: str | None, work: Callable[[], _T]) -> _T:
        """The work; what Arrow and the file system say stays here, for it may hold values."""
        problem: StoreError
        where = f"`{self.system}.{dataset}`" if dataset else f"`{self.system}`"
        try:
            return work()
        except KeptError:
            raise
        except (PermissionError, IsADirectoryError) as error:
            words = f"its folder or files may not be used so ({type(error).__name__})"
            problem = Refused(where, dataset or "", "privilege", words)
        except OSError as error:
            problem = StoreUnreachable(
                f"a file of {where} could not be used",
                expected="Parquet files that can be read",
                met=type(error).__name__,
                fix="see that the files are whole, then run it again",
            )
        except (pa.ArrowException, ValueError, ArithmeticError, TypeError, LookupError) as error:
            problem = StoreError(
                f"{where} holds a file or a value that could not be worked on",
                met=type(error).__name__,
                fix="compare the map with the files: `kept map check`",
            )
        raise problem


class ParquetSession(Session):
    """One listing of the files; in a write session also what is prepared beside them."""

    def __init__(self, store: ParquetStore, *, write: bool) -> None:
        self.store, self.write = store, write
        self._closed = False
        self._lock: Lock | None = None
        self._kinds: dict[str, Kinds] = {}
        self._real: dict[str, Dataset] = {}
        self._staged: set[Path] = set()
        self._guard = threading.Lock()
        if write:
            self._lock = store.guarded(
                None, lambda: Lock(store.root, store.system, store.options.wait)
            )
        try:
            if write:
                store.guarded(None, lambda: lake.sweep(store.root))
            self._list()
        except BaseException:
            self.close()
            raise

    def _list(self) -> None:
        self.folders = lake.listing(self.store.root)
        self._empty: list[File] = []
        self._kinds.clear()
        self._real.clear()

    # ------------------------------------------------------------ what is there

    def _folder(self, dataset: str, *, writes: bool = False) -> Folder:
        if self._closed:
            raise StoreError(f"a closed session of `{self.store.system}` was used again")
        folder = self.folders.get(dataset)
        if folder is None:
            raise StoreError(
                f"`{self.store.system}` has no dataset `{dataset}`",
                expected="a folder or a Parquet file of this name",
                fix="compare the map with the files: `kept map check`",
            )
        words = folder.unusable or (folder.unwritable if writes else None)
        if words is not None:
            raise Refused(f"`{self.store.system}.{dataset}`", dataset, "other", words)
        return folder

    def real(self, folder: Folder) -> Dataset:
        """What the files of a dataset say; without any, the map."""
        known = self.store.mapped.get(folder.name)
        if not folder.files and known is not None:
            return known

        def ask() -> Dataset:
            fields: dict[str, Field] = {}
            for footer in self.store.each(self.store.footers.of, folder.files):
                for leaf in footer.leaves.values():
                    met = fields.setdefault(
                        leaf.name, Field(leaf.name, leaf.native, nullable=leaf.nullable)
                    )
                    if met.type != leaf.native:
                        met = replace(met, type="other")
                    if leaf.nullable:
                        met = replace(met, nullable=True)
                    fields[leaf.name] = met
            for name, kind in self._parts(folder).items():
                fields.setdefault(name, Field(name, kind))
            key = known.key if known and set(known.key) <= set(fields) else ()
            return Dataset(folder.name, key, fields)

        return self.store.guarded(folder.name, ask)

    @staticmethod
    def _parts(folder: Folder) -> dict[str, Type]:
        found: dict[str, Type] = {}
        for file in folder.files:
            for name, text in file.parts.items():
                plain = text is None or (
                    text.isascii() and text.lstrip("-").isdigit() and len(text) <= 18
                )
                found[name] = "integer" if plain and found.get(name) != "text" else "text"
        return found

    def known(self, dataset: str) -> Kinds:
        """What the fields of a dataset are taken for."""
        kinds = self._kinds.get(dataset)
        if kinds is None:
            folder = self._folder(dataset)
            known = self.store.mapped.get(dataset)
            told = {f.name: f.type for f in known.fields.values()} if known else {}
            mapped = {name: kind for name, kind in told.items() if kind not in VAGUE}
            kinds = self._kinds[dataset] = Kinds(mapped, self._parts(folder))
        return kinds

    def _columns(self, dataset: str, asked: Iterable[str] = ()) -> tuple[str, ...]:
        """All fields of a dataset; StoreError where one of those asked for is not there."""
        folder = self._folder(dataset)
        if dataset not in self._real:
            self._real[dataset] = self.real(folder)
        fields = self._real[dataset].fields
        for name in asked:
            if name not in fields:
                raise StoreError(
                    f"`{dataset}` has no field `{name}`",
                    expected="every field of the data map to be a column of its files",
                    fix="compare the map with the files: `kept map check`",
                )
        return tuple(fields)

    # ------------------------------------------------------------ finding

    def _finder(self, select: Select) -> Finder:
        """Walk each route from its end to the dataset; what is wanted there is known then."""
        ways = [name for r in select.routes if not r.path for name in r.fields]
        ways += [name for r in select.routes if r.path for name in r.path[0].fields]
        self._columns(select.dataset, (*fields_of(select.only), *select.fields, *ways))
        kinds = self.known(select.dataset)
        if not select.routes:
            return Finder(None, select.only, kinds)
        probes: list[Probe] = []
        probes = [probe for route in select.routes if (probe := self._walk(route)) is not None]
        return Finder(probes, select.only, kinds)

    def _walk(self, route: Route) -> Probe | None:
        """From the end of a route to its start: what rows there must carry; None: nothing does."""
        probe: Probe | None = Probe.of(route)
        fields = route.fields
        for place in reversed(range(len(route.path))):
            join = route.path[place]
            self._columns(join.to, (*join.on, *fields))
            if probe is not None:
                probe = self._above(join.to, probe, join.on, join.fields)
            fields = join.fields
        return probe

    def _above(
        self, dataset: str, probe: Probe, on: tuple[str, ...], fields: tuple[str, ...]
    ) -> Probe | None:
        """What rows that join the found ones carry; None: nothing was found."""
        found: dict[Any, frozenset[int]] = {}
        finder = Finder([probe], EVERYTHING, self.known(dataset))
        for _, people, columns in self.met(dataset, finder, on, members=True):
            for who, *met in zip(people, *columns, strict=True):
                for key in itertools.product(*met):
                    if None not in key:
                        at = bare(normal(value) for value in key)
                        found[at] = found.get(at, frozenset()) | who
        return Probe(fields, False, found) if found else None

    def _hits(
        self, dataset: str, finder: Finder, *, whose: bool = True
    ) -> Iterator[tuple[File, Hits]]:
        """The rows found, per file; files are searched on several threads."""

        def search(file: File) -> Hits:
            return finder.hits(file, self.store.footers.of(file), whose=whose)

        if finder.probes is not None and not finder.probes:
            return
        files = self._folder(dataset).files
        for file, hits in zip(files, self.store.each(search, files), strict=True):
            if hits:
                yield file, hits

    def met(
        self, dataset: str, finder: Finder, names: Sequence[str], *, members: bool = False
    ) -> Iterator[tuple[int, list[frozenset[int]], list[list[Any]]]]:
        """(rows, whose, values per name) of the rows found, a row group at a time."""
        kinds = self.known(dataset)
        for file, hits in self._hits(dataset, finder):
            footer = self.store.footers.of(file)
            tops = sorted({footer.leaves[n].steps[0] for n in names if n in footer.leaves})
            with lake.opened(file, footer, coerce_int96_timestamp_unit="us") as source:
                for number, rows, people in hits:
                    table = source.read_row_group(number, columns=tops, use_threads=False)
                    if not tops:
                        table = pa.table({"": pa.nulls(footer.meta.row_group(number).num_rows)})
                    chunk = Chunk(table.take(rows), file, footer, kinds)
                    told = chunk.members if members else chunk.read
                    whose = people if people is not None else [NOT_HERS] * len(rows)
                    yield len(rows), whose, [told(name) for name in names]

    def named(self, found: Dataset) -> bool | None:
        """Whether the key of a dataset names one row; None: not counted, or it has no key."""

        def count(found: Dataset) -> bool | None:
            footers = [self.store.footers.of(file) for file in folder.files]
            if not countable(footers, found.key, self.store.options.count_keys):
                return None
            everything = Finder(None, Not(NOTHING), self.known(found.name))
            return distinct(self.met(found.name, everything, found.key))

        if not found.key:
            return None
        folder = self.folders[found.name]
        return self.store.guarded(
            found.name, lambda: self.store.counted.named(found, folder, count)
        )

    # ------------------------------------------------------------ reading

    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        """Rows that match, each once per person; bounded by a row group."""
        for index, select in enumerate(selects):
            wanted = select.fields or self._columns(select.dataset)
            stream = self._streamed(select, wanted)
            while (
                batch := self.store.guarded(select.dataset, partial(next, stream, None))
            ) is not None:
                yield index, batch

    def _streamed(self, select: Select, wanted: tuple[str, ...]) -> Iterator[Batch]:
        rows: list[tuple[Value, ...]] = []
        people: list[int] = []
        for _, whose, columns in self.met(select.dataset, self._finder(select), wanted):
            for who, row in zip(whose, zip(*columns, strict=True), strict=True):
                for person in sorted(who):
                    rows.append(row)
                    people.append(person)
                if len(rows) >= _CHUNK:
                    yield Batch(wanted, rows, people)
                    rows, people = [], []
        if rows:
            yield Batch(wanted, rows, people)

    def keys(self, selects: Sequence[Select]) -> KeySet:
        """The keys of the rows that match."""
        tables: dict[str, tuple[tuple[str, ...], dict[KeyRow, None]]] = {}
        for select in selects:
            fields, into = tables.setdefault(select.dataset, (select.key, {}))
            if fields != select.key:
                raise StoreError(
                    f"`{select.dataset}` was asked for two different keys at once",
                    expected="selects of one dataset to agree on its key",
                )
            for _, batch in self.read([replace(select, fields=select.key)]):
                pairs = zip(batch.persons, batch.rows, strict=True)
                into.update(((person, row), None) for person, row in pairs)
        return KeySet({name: KeyTable(key, tuple(rows)) for name, (key, rows) in tables.items()})

    def count(self, selects: Sequence[Select]) -> list[int]:
        """Rows of the files; only the compared columns are read."""

        def one(select: Select) -> int:
            found = self._hits(select.dataset, self._finder(select), whose=False)
            return sum(len(rows) for _, hits in found for _, rows, _ in hits)

        return [self.store.guarded(s.dataset, partial(one, s)) for s in selects]

    # ------------------------------------------------------------ writing

    def rehearse(self, changes: Sequence[Change]) -> list[Obstacle]:
        """Prepare the changes beside the files as for a commit, and throw that away."""
        self._writes()
        folders, empty, kept = self._saved()
        met: list[Obstacle] = []
        try:
            for change in changes:
                try:
                    self._one(change)
                except StoreUnreachable:
                    raise
                except StoreError as error:
                    met.append(obstacle(change.select.dataset, error))
        finally:
            self.folders, self._empty = folders, empty
            self._discard(self._staged - kept)
        return list(dict.fromkeys(met))

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """Prepare the changes in order, each on what those before it left.

        The step id is not noted down: a change by key finds nothing more to do where it was
        done, so what a killed commit left undone is exactly what the next attempt finds.
        """
        self._writes()
        counts = []
        try:
            for change in changes:
                counts.append(self._one(change))
        except BaseException:
            self.rollback()
            raise
        return counts

    def _writes(self) -> None:
        if self._closed:
            raise StoreError(f"a closed session of `{self.store.system}` was used again")
        if not self.write:
            raise StoreError(
                f"a reading session of `{self.store.system}` was asked to write",
                fix="open it with write=True",
            )

    def _one(self, change: Change) -> Counts:
        dataset = change.select.dataset
        folder = self._folder(dataset, writes=True)
        assign = change.assign or {}
        names = self._columns(dataset, assign)

        def work() -> Counts:
            finder = self._finder(change.select)
            hit = list(self._hits(dataset, finder, whose=False))
            self._room(dataset, [file for file, _ in hit])
            found = changed = 0
            now = {file.home: file for file in folder.files}
            for made in self.store.each(partial(self._file, finder, change, names), hit):
                found, changed = found + made.found, changed + made.changed
                if made.path is None or made.mark is None:
                    continue
                if made.left == 0 and made.file.parts:
                    self._empty.append(now.pop(made.file.home))
                    self._discard({made.path})
                else:
                    now[made.file.home] = made.file.staged(made.path, made.mark)
            self.folders = {**self.folders, dataset: replace(folder, files=list(now.values()))}
            return Counts(found, changed)

        return self.store.guarded(dataset, work)

    def _file(
        self, finder: Finder, change: Change, names: tuple[str, ...], hit: tuple[File, Hits]
    ) -> Written:
        file, hits = hit
        footer = self.store.footers.of(file)
        into = lake.beside(file)
        with self._guard:
            self._staged.add(into)
        if change.assign is None:
            return without(file, footer, hits, finder, into, self.store.levels)
        found = sum(len(rows) for _, rows, _ in hits)
        kinds = self.known(file.dataset)
        todo = changes_in(file, footer, hits, change.assign, kinds, names)
        if not todo:
            return Written(file, found, 0, footer.meta.num_rows)
        return overwritten(file, footer, found, todo, kinds, into, self.store.levels)

    def _room(self, dataset: str, files: Sequence[File]) -> None:
        """There must be room for a second copy of what is rewritten."""
        needed = sum(file.mark.size for file in files)
        if needed and shutil.disk_usage(self.store.root).free < needed * 1.1:
            raise Refused(
                f"`{self.store.system}.{dataset}`", dataset, "other",
                f"{needed / 1e6:,.0f} MB of files are to be written anew, and there is less room",
            )  # fmt: skip

    def commit(self) -> None:
        """Put what was prepared into its place, one file after another.

        Before the first: every file must still be the one that was read. StoreError where it
        is not; then nothing of it was replaced.
        """
        if self._closed:
            raise StoreError(f"a closed session of `{self.store.system}` was used again")
        if self.write:
            self.store.guarded(None, self._commit)

    def _commit(self) -> None:
        ready = [f for folder in self.folders.values() for f in folder.files if f.path != f.home]
        touched: set[Path] = set()
        try:
            for file in (*ready, *self._empty):
                if lake.Mark.of(file.home) != file.origin:
                    raise lake.changed(file)
            for file in ready:
                self._replace(file, touched)
            for file in self._empty:
                self._remove(file, touched)
        finally:
            lake.settle_names(touched)
            self._discard(set(self._staged))
            self._list()

    def _replace(self, file: File, touched: set[Path]) -> None:
        # As late as can be: between this look and the renaming lie some microseconds.
        if lake.Mark.of(file.home) != file.origin:
            raise lake.changed(file)
        os.replace(file.path, file.home)
        touched.add(file.home.parent)

    def _remove(self, file: File, touched: set[Path]) -> None:
        if lake.Mark.of(file.home) != file.origin:
            raise lake.changed(file)
        file.home.unlink()
        lake.prune(file.home.parent, self.store.root)
        touched.update((file.home.parent, self.store.root / file.dataset))

    def _saved(self) -> tuple[dict[str, Folder], list[File], set[Path]]:
        return dict(self.folders), list(self._empty), set(self._staged)

    def _discard(self, paths: set[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        self._staged -= paths

    def rollback(self) -> None:
        """Throw away what was prepared."""
        self._writes()
        self._discard(set(self._staged))
        self._list()

    def close(self) -> None:
        """Throw away what is not committed, and let the next one write."""
        if not self._closed:
            self._closed = True
            self._discard(set(self._staged))
            if self._lock is not None:
                self._lock.release()
