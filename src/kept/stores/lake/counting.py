"""What nothing in a file promises: whether the mapped key names one row. So it is counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import PurePath
from typing import Any, TypeAlias

from kept.datamap.map import Dataset
from kept.stores.lake.files import Folder, Footer, Ignored, Why
from kept.stores.lake.finding import bare

#: What a session gives of all rows: (rows, whose, values per field of the key).
Met: TypeAlias = Iterable[tuple[int, Any, list[list[Any]]]]


class Counted:
    """What was counted, once for each content of a dataset's files."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[object, bool | None]] = {}

    def named(
        self, found: Dataset, folder: Folder, count: Callable[[Dataset], bool | None]
    ) -> bool | None:
        """Whether the key of `found` names one row; None: it was not counted."""
        if folder.unusable:
            return None
        at = found.key, frozenset(file.mark for file in folder.files)
        known = self._told.get(found.name)
        if known is None or known[0] != at:
            known = self._told[found.name] = (at, count(found))
        return known[1]


def countable(footers: Collection[Footer], key: Iterable[str], most: int) -> bool:
    """Whether there are at most so many rows, and no field of the key is a list."""
    rows = sum(footer.meta.num_rows for footer in footers)
    lists = any(f.leaves[name].many for f in footers for name in key if name in f.leaves)
    return rows <= most and not lists


def distinct(met: Met) -> bool:
    """Whether no key stands in two rows. Nulls are equal: a key with one names a row too."""
    seen: set[Any] = set()
    rows = 0
    for size, _, columns in met:
        rows += size
        seen.update(map(bare, zip(*columns, strict=True)))
    return len(seen) == rows


def taken(found: Dataset) -> str:
    """That a key is taken on the map's word."""
    return (
        f"that `{', '.join(found.key)}` names one row of `{found.name}` is taken on the map's"
        " word: its rows were not counted (`count_keys`)"
    )


def left_out(ignored: Iterable[Ignored]) -> Iterator[str]:
    """Files that are no part of any dataset, in words without their names."""
    where: dict[tuple[str, Why], list[str]] = {}
    for one in ignored:
        where.setdefault((one.dataset, one.why), []).append(PurePath(one.name).suffix)
    for (dataset, why), kinds in where.items():
        place = f"`{dataset}`" if dataset else "the folder itself"
        many = len(kinds) > 1
        what = f"{len(kinds)} files are" if many else "1 file is"
        told = ", ".join(sorted(set(kinds) - {""}))
        match why:
            case "other":
                words = f"{what} not Parquet{f' ({told})' if told else ''}"
            case "hidden":
                words = (
                    f"{what} Parquet under a name that begins with `_` or `.`, its own or that of"
                    " a folder above"
                )
            case "no file":
                words = (
                    f"{len(kinds)} names are no files" if many else "1 name is no file"
                ) + " (a pipe, socket, device or hidden link)"
        yield f"in {place} {words}: nothing there is answered or erased"
