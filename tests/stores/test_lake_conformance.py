"""The store of Parquet files keeps the shipped laws, and the laws catch faults planted in it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.stores.lake import fill, lake
from tests.stores.test_planted_faults import broken_laws

from kept.errors import StoreError
from kept.model.change import Change
from kept.model.plan import Counts
from kept.model.predicate import EVERYTHING
from kept.stores.base import Store
from kept.stores.lake import finding, rewriting, store
from kept.stores.suite import Rows, StoreSuite
from kept.stores.suite.sample import of


class TestParquet(StoreSuite):
    constraints = frozenset(("not-null",))
    examples = 20

    @pytest.fixture(autouse=True)
    def _engine(self, tmp_path: Path) -> None:
        self.root = tmp_path / "lake"

    def make(self, rows: Rows) -> Store:
        fill(self.root, rows)
        return lake(self.root)

    def open(self) -> Store:
        return lake(self.root)

    def beneath(self, layer: str) -> Iterator[bytes]:
        for file in self.root.rglob("*"):
            if file.is_file():
                yield os.fsencode(file) + file.read_bytes()
                if layer == "pages":
                    yield str(pq.read_table(file).to_pylist()).encode()


# ---------------------------------------------------------------- faults planted in it


class Suite(TestParquet):
    __test__ = False

    def __init__(self, root: Path) -> None:
        self.root = root


FAULTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {}


def fault(owner: Any, name: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """`owner.name` becomes what the function makes of it."""

    def planted(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        FAULTS[make.__name__] = (owner, name, make)
        return make

    return planted


@fault(finding, "_folded")
def folds_every_letter(_: Any) -> Any:
    return lambda array: pc.utf8_lower(pc.utf8_trim_whitespace(array))


@fault(finding, "_folded")
def does_not_trim(_: Any) -> Any:
    return pc.ascii_lower


@fault(finding, "_before")
def before_includes_the_moment(whole: Any) -> Any:
    return lambda moment, kind: whole(moment + dt.timedelta(microseconds=1), kind)


@fault(finding.Finder, "_near")
def statistics_rule_out_too_much(_: Any) -> Any:
    return lambda self, probe, group, file, footer: group.num_rows > 1


@fault(finding.Finder, "_rows")
def narrowing_is_forgotten(whole: Any) -> Any:
    def rows(self: Any, chunk: Any, probes: Any, whose: bool) -> Any:
        if probes is not None:
            self = replace(self, only=EVERYTHING)
        return whole(self, chunk, probes, whose)

    return rows


@fault(finding.Probe, "wanted")
def nulls_are_keys(_: Any) -> Any:
    def wanted(self: Any, kinds: Any) -> Any:
        if self.loose is not None:
            return self.loose
        return {key: frozenset((who,)) for who, key in self._rows}

    return wanted


@fault(store.ParquetSession, "_hits")
def only_the_first_file(whole: Any) -> Any:
    def hits(self: Any, dataset: str, finder: Any, *, whose: bool = True) -> Any:
        return list(whole(self, dataset, finder, whose=whose))[:1]

    return hits


@fault(store.ParquetSession, "_walk")
def the_join_path_is_ignored(_: Any) -> Any:
    return lambda self, route: finding.Probe.of(route)


@fault(store.ParquetSession, "commit")
def forgets_to_commit(_: Any) -> Any:
    return lambda self: None


@fault(store.ParquetSession, "apply")
def reports_what_it_found(whole: Any) -> Any:
    def apply(self: Any, changes: Any, step: str) -> Any:
        return [replace(c, changed=c.found) for c in whole(self, changes, step)]

    return apply


@fault(store.ParquetSession, "apply")
def writes_nothing_and_says_so(_: Any) -> Any:
    return lambda self, changes, step: [Counts(1, 1) for _ in changes]


@fault(store.ParquetSession, "apply")
def changes_do_not_see_each_other(whole: Any) -> Any:
    def apply(self: Any, changes: Any, step: str) -> Any:
        counts, now = [], self.folders
        for change in changes:
            self.folders = now
            counts += whole(self, [change], step)
        return counts

    return apply


@fault(store.ParquetSession, "rehearse")
def a_rehearsal_stays(_: Any) -> Any:
    def rehearse(self: Any, changes: Any) -> Any:
        self.apply(changes, "rehearsal")
        return []

    return rehearse


@fault(store.ParquetSession, "_streamed")
def every_row_is_the_first_persons(whole: Any) -> Any:
    def streamed(self: Any, select: Any, wanted: Any) -> Any:
        for batch in whole(self, select, wanted):
            yield replace(batch, persons=[batch.persons[0]] * len(batch.rows))

    return streamed


@fault(store, "without")
def a_row_group_goes_whole(whole: Any) -> Any:
    def without(file: Any, footer: Any, hits: Any, finder: Any, *more: Any) -> Any:
        groups = [(n, range(footer.meta.row_group(n).num_rows), w) for n, _, w in hits]
        gone = [(n, pa.array(list(rows), pa.uint64()), w) for n, rows, w in groups]
        return whole(file, footer, gone, finder, *more)

    return without


@fault(rewriting, "replaced")
def new_values_stand_in_the_wrong_rows(whole: Any) -> Any:
    def replaced(column: Any, leaf: Any, mask: Any, new: Any, kind: Any) -> Any:
        return whole(column, leaf, pa.array(mask.to_pylist()[::-1]), new, kind)

    return replaced


@fault(rewriting, "assigned")
def nulls_are_written_as_noughts(whole: Any) -> Any:
    return lambda assign, row: {
        n: 0 if v is None and n == "bits" else v for n, v in whole(assign, row).items()
    }


@fault(finding, "_is_in")
def a_null_is_unknown(_: Any) -> Any:
    def is_in(some: Any, folded: bool) -> Any:
        return lambda array: pc.or_(pc.is_in(array, value_set=some), array.is_null())

    return is_in


def test_without_a_fault_the_laws_hold(tmp_path: Path) -> None:
    assert broken_laws(Suite(tmp_path / "lake")) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_lake_is_caught(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, attribute, make = FAULTS[name]
    monkeypatch.setattr(owner, attribute, make(getattr(owner, attribute)))
    assert broken_laws(Suite(tmp_path / "lake"))


@pytest.mark.parametrize("left", ["rows that should go", "rows that should stay"])
def test_what_is_written_wrongly_never_takes_the_files_place(
    left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recount before the commit: rows after = rows before − found, and none found again."""
    suite = Suite(tmp_path / "lake")
    made = suite.fresh()
    before = suite.content()
    whole = rewriting.rewrite

    def wrong(file: Any, footer: Any, kept: Any, *more: Any) -> Any:
        spare = left == "rows that should stay"
        return whole(file, footer, lambda n, t: kept(n, t).slice(1) if spare else t, *more)

    monkeypatch.setattr(rewriting, "rewrite", wrong)
    with made.session(write=True) as session:
        with pytest.raises(StoreError, match="would differ"):
            session.apply([Change(of("person", 1, 2))], "step")
        session.commit()
    assert suite.content() == before
