"""What is left in a lake: dictionaries, footers, names of directories, files of killed writers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.stores.test_lake import do, keys, store, write

from kept.model.change import Change, Const
from kept.model.residue import Fate, Needles, Residue
from kept.model.select import by_key
from kept.stores import looking
from kept.stores.lake import rewriting

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ANA = "ana@residue.example"


def told(root: Path, *texts: str) -> dict[str, Residue]:
    return {r.layer: r for r in store(root).residue(Needles(texts or (ANA,)), NOW)}


def everywhere(size: int = 60) -> pa.Table:
    """Her address in every kind of column that holds text, hers the 30th row."""
    mails = [ANA if n == 30 else f"p{n}@x.example" for n in range(size)]
    coded = pa.array(mails).dictionary_encode()
    small = pa.DictionaryArray.from_arrays(
        coded.indices.cast(pa.int8()), coded.dictionary, ordered=True
    )
    return pa.table(
        {
            "id": list(range(size)),
            "plain": mails,
            "coded": small,
            "who": pa.StructArray.from_arrays([coded, pa.array(mails)], names=["coded", "mail"]),
            "tags": pa.ListArray.from_arrays(pa.array(range(size + 1), pa.int32()), coded),
            "big": pa.array(mails, pa.large_string()),
            "raw": pa.array([m.encode() for m in mails]),
            "pairs": pa.array([[("mail", m)] for m in mails], pa.map_(pa.string(), pa.string())),
        }
    )


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_what_a_rewrite_leaves_is_nothing(tmp_path: Path, codec: str) -> None:
    """Also where dictionaries are kept with the rows, which a reader gives back whole."""
    path = tmp_path / "log.parquet"
    write(path, everywhere(), compression=codec, row_group_size=20)
    assert told(tmp_path)["pages"].fate is Fate.UNTIL
    # the writer put all addresses into the dictionary of every row group
    assert "in dictionaries of 1 file that no row uses" in told(tmp_path)["pages"].words
    before = pq.read_table(path)
    do(tmp_path, Change(by_key("log", keys("id", 30))))
    after = told(tmp_path)
    assert {layer: r.fate for layer, r in after.items()} == {
        "files": Fate.GONE, "pages": Fate.GONE, "blocks of replaced files": Fate.UNSEEN,
    }  # fmt: skip
    kept = pa.compute.not_equal(before["id"], 30)
    assert pq.read_table(path).to_pylist() == before.filter(kept).to_pylist()
    assert pq.read_schema(path).equals(before.schema, check_metadata=True)


def test_overwritten_values_leave_nothing_either(tmp_path: Path) -> None:
    write(tmp_path / "log.parquet", everywhere().select(["id", "plain", "coded"]))
    empty = {"plain": Const("erased"), "coded": Const(None)}
    do(tmp_path, Change(by_key("log", keys("id", 30)), empty))
    assert {told(tmp_path)[layer].fate for layer in ("files", "pages")} == {Fate.GONE}


def test_a_dictionary_that_keeps_what_no_row_uses_is_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other programs leave it, and as our rewrite did without a care for it."""
    monkeypatch.setattr(rewriting, "only_used", lambda table: table)
    write(tmp_path / "log.parquet", everywhere().select(["id", "coded"]), compression="zstd")
    do(tmp_path, Change(by_key("log", keys("id", 30))))
    pages = told(tmp_path)["pages"]
    assert (pages.fate, pages.found) == (Fate.UNTIL, 1)
    assert "in dictionaries of 1 file that no row uses" in pages.words
    stays = told(tmp_path, "p31@x.example")["pages"]
    assert "only in rows of 1 file" in stays.words


def _staged(root: Path) -> None:
    (root / ".kept-0123456789abcdef.staged").write_bytes(f"PAR1 {ANA}".encode())


def _directory(root: Path) -> None:
    write(root / "visit" / f"who={ANA}" / "a.parquet", {"id": [1]})


def _footer(root: Path) -> None:
    table = pa.table({"id": [1]}).replace_schema_metadata({"written for": ANA})
    write(root / "noted.parquet", table, compression="zstd")


def _statistics(root: Path) -> None:
    """A largest value that no row holds any more, as a careless rewrite leaves it."""
    write(root / "s.parquet", {"m": ["a", ANA]}, compression="zstd", use_dictionary=False)


@pytest.mark.parametrize("leave", [_staged, _directory, _footer, _statistics])
def test_what_lies_outside_of_the_rows_is_met(tmp_path: Path, leave: Callable[[Path], Any]) -> None:
    write(tmp_path / "clean.parquet", {"id": [1], "m": ["nobody here"]})
    assert {told(tmp_path)[layer].fate for layer in ("files", "pages")} == {Fate.GONE}
    leave(tmp_path)
    files = told(tmp_path)["files"]
    assert (files.fate, files.found) == (Fate.UNTIL, 1)


def test_too_much_to_look_through_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "clean.parquet", {"id": [1], "m": ["nobody here"]})
    monkeypatch.setattr(looking, "MOST", 100)
    assert {r.fate for r in told(tmp_path).values()} == {Fate.UNSEEN}
    assert {r.fate for r in store(tmp_path).residue(Needles(["short"]), NOW)} == {Fate.UNSEEN}
