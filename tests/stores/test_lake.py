"""What the store of Parquet files promises beyond the laws: files stay as they were."""

from __future__ import annotations

import datetime as dt
import decimal
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kept.datamap.map import Dataset, Field
from kept.errors import ConfigError, NotAble, StoreError, StoreUnreachable
from kept.model.change import Change, Const, Template
from kept.model.plan import Counts
from kept.model.predicate import Before, Eq, In, IsNull, Not, Predicate
from kept.model.residue import Needles
from kept.model.select import Join, KeyTable, Route, Select, by_key
from kept.stores import open_store
from kept.stores.lake import ParquetStore
from kept.stores.lake import files as lake_files
from kept.stores.obstacles import Refused

BERLIN = dt.timezone(dt.timedelta(hours=1))


def naive(*parts: int) -> dt.datetime:
    """A moment without an offset, as most programs write it."""
    return dt.datetime(*parts, tzinfo=dt.UTC).replace(tzinfo=None)  # type: ignore[misc, arg-type]


def store(root: Path, *mapped: Dataset) -> ParquetStore:
    return ParquetStore("lake", mapped, str(root))


def write(path: Path, columns: Any, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, path, **options)


def keys(fields: str | tuple[str, ...], *values: Any) -> KeyTable:
    names = (fields,) if isinstance(fields, str) else fields
    return KeyTable(names, tuple((0, v if isinstance(v, tuple) else (v,)) for v in values))


def one(dataset: str, field: str | tuple[str, ...], *values: Any, folded: bool = False) -> Select:
    table = keys(field, *values)
    return Select(dataset, table.fields, (Route(table, folded=folded),))


def rows(root: Path, select: Select, *mapped: Dataset) -> list[dict[str, Any]]:
    with store(root, *mapped).session() as session:
        return [
            dict(zip(batch.columns, row, strict=True))
            for _, batch in session.read([select])
            for row in batch.rows
        ]


def count(root: Path, select: Select, *mapped: Dataset) -> int:
    with store(root, *mapped).session() as session:
        return session.count([select])[0]


def do(root: Path, *changes: Change, mapped: Sequence[Dataset] = ()) -> list[Counts]:
    with store(root, *mapped).session(write=True) as session:
        counts = session.apply(changes, "step")
        session.commit()
    return counts


def staged(root: Path) -> list[str]:
    return [n for _, _, names in os.walk(root) for n in names if n.startswith(".kept")]


# ---------------------------------------------------------------- the file stays what it was


def log(size: int = 4000, *, start: int = 0) -> pa.Table:
    """Visits as a site writes them, ten per cookie."""
    numbers = range(start, start + size)
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "7"}),
            pa.field("cookie", pa.string()),
            pa.field("url", pa.dictionary(pa.int32(), pa.string())),
            pa.field("at", pa.timestamp("ns", "Europe/Berlin")),
            pa.field("price", pa.decimal128(9, 3)),
            pa.field("score", pa.float32()),
            pa.field("tags", pa.list_(pa.string())),
            pa.field("who", pa.struct([("mail", pa.string()), ("ip", pa.string())])),
            pa.field("token", pa.uuid()),
        ],
        metadata={"written by": "the site", "pandas": "{}"},
    )
    epoch = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    columns = {
        "id": list(numbers),
        "cookie": [f"c{n // 10}" for n in numbers],
        "url": [f"/{n % 7}" for n in numbers],
        "at": [epoch + dt.timedelta(seconds=n) for n in numbers],
        "price": [decimal.Decimal(n % 1000) / 8 for n in numbers],
        "score": [n / 3 for n in numbers],
        "tags": [None if n % 5 == 0 else ["a"] * (n % 3) for n in numbers],
        "who": [None if n % 4 == 0 else {"mail": f"U{n}@X.de", "ip": None} for n in numbers],
        "token": [uuid.UUID(int=n).bytes for n in numbers],
    }
    return pa.Table.from_arrays([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def form(path: Path) -> dict[str, Any]:
    """What must be the same after a rewrite, read from the file's own metadata."""
    file = pq.ParquetFile(path)
    meta = file.metadata
    chunks = [meta.row_group(g).column(c) for g in range(meta.num_row_groups)
              for c in range(meta.num_columns)]  # fmt: skip
    return {
        "schema": str(file.schema).partition("\n")[2],
        "arrow": file.schema_arrow.to_string(show_schema_metadata=True),
        "metadata": meta.metadata,
        "codecs": sorted({(c.path_in_schema, c.compression) for c in chunks}),
        "dictionaries": sorted({(c.path_in_schema, c.has_dictionary_page) for c in chunks}),
        "encodings": sorted({(c.path_in_schema, tuple(sorted(c.encodings))) for c in chunks}),
        "statistics": sorted({(c.path_in_schema, c.is_stats_set) for c in chunks}),
        "filters": sorted({(c.path_in_schema, c.bloom_filter_offset is not None) for c in chunks}),
        "index": sorted({(c.path_in_schema, c.has_offset_index) for c in chunks}),
        "sorting": {meta.row_group(g).sorting_columns for g in range(meta.num_row_groups)},
        "version": meta.format_version,
    }


WRITERS: Mapping[str, dict[str, Any]] = {
    "defaults": {},
    "each column its own": {
        "compression": {
            "id": "zstd", "cookie": "gzip", "url": "snappy", "at": "none", "price": "brotli",
            "score": "lz4", "tags.list.element": "zstd", "who.mail": "zstd", "who.ip": "none",
            "token": "none",
        },
        "use_dictionary": ["url", "cookie"], "write_statistics": ["id", "at"],
        "column_encoding": {"id": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT",
                            "who.mail": "DELTA_BYTE_ARRAY"},
        "sorting_columns": [pq.SortingColumn(0)], "write_page_index": True,
        "bloom_filter_options": {"cookie": {}},
    },
    "no schema of Arrow": {"store_schema": False, "compression": "zstd"},
    "integers for decimals": {"store_decimal_as_integer": True, "use_dictionary": False},
    "old moments": {"use_deprecated_int96_timestamps": True, "version": "1.0"},
}  # fmt: skip


@pytest.mark.parametrize("how", WRITERS)
@pytest.mark.parametrize("deletes", [True, False])
def test_a_rewritten_file_is_the_same_but_for_her_rows(
    tmp_path: Path, how: str, deletes: bool
) -> None:
    path = tmp_path / "visits" / "part.parquet"
    write(path, log(), row_group_size=900, **WRITERS[how])
    path.chmod(0o640)
    before, told = pq.read_table(path), form(path)
    sizes = [pq.read_metadata(path).row_group(n).num_rows for n in range(5)]
    bytes_before = path.stat().st_size
    hers = one("visits", "cookie", "c7", "c100", "nobody")
    change = Change(hers) if deletes else Change(hers, {"cookie": Const(None), "url": Const("/x")})
    assert do(tmp_path, change) == [Counts(20, 20)]
    after = pq.read_table(path)
    mine = pa.array([c in ("c7", "c100") for c in before["cookie"].to_pylist()])
    if deletes:
        assert after.equals(before.filter(pa.compute.invert(mine)), check_metadata=True)
        sizes = [sizes[0] - 10, sizes[1] - 10, *sizes[2:]]
    else:
        # the order of a dictionary is no value
        url = pa.field("url", pa.string())
        before, after = (t.set_column(2, url, t["url"].cast(pa.string())) for t in (before, after))
        others = pa.compute.invert(mine)
        assert after.filter(others).equals(before.filter(others), check_metadata=True)
        met = after.filter(mine)
        assert set(met["cookie"].to_pylist()) == {None}
        assert set(met["url"].to_pylist()) == {"/x"}
        assert met.drop(["cookie", "url"]).equals(before.filter(mine).drop(["cookie", "url"]))
    assert form(path) == told
    assert [pq.read_metadata(path).row_group(n).num_rows for n in range(5)] == sizes
    assert path.stat().st_mode & 0o777 == 0o640
    assert 0.93 < path.stat().st_size / bytes_before < 1.03
    assert staged(tmp_path) == []
    assert do(tmp_path, change) == [Counts(0, 0)]


def test_old_moments_that_reach_too_far_are_not_bent(tmp_path: Path) -> None:
    """Some programs write `for ever` as the year 9999, in a form that reads as 1816."""
    far = [naive(2026, 1, 1), naive(9999, 12, 31), naive(1500, 1, 1)]
    columns = {"id": [1, 2, 3], "at": pa.array(far, pa.timestamp("us"))}
    write(tmp_path / "log.parquet", columns, use_deprecated_int96_timestamps=True)
    assert [r["at"] for r in rows(tmp_path, one("log", "id", 1, 2, 3))] == far
    with pytest.raises(Refused, match="too far away"):
        do(tmp_path, Change(one("log", "id", 1)))
    assert count(tmp_path, one("log", "id", 1)) == 1


@pytest.mark.parametrize(("codec", "level"), [("zstd", 1), ("zstd", 3), ("zstd", 12), ("gzip", 9)])
def test_the_level_of_compression_is_found_out(tmp_path: Path, codec: str, level: int) -> None:
    """No file tells it; written at another one it would grow or shrink."""
    path = tmp_path / "visits.parquet"
    table = log(20_000).drop("token")
    write(path, table, compression=codec, compression_level=level, use_dictionary=False)
    before = path.stat().st_size
    assert do(tmp_path, Change(one("visits", "cookie", "c7"))) == [Counts(10, 10)]
    assert 0.93 < path.stat().st_size / before < 1.04


def test_only_files_that_are_hit_are_written(tmp_path: Path) -> None:
    for n in range(4):
        write(tmp_path / "visits" / f"{n}.parquet", log(100, start=100 * n))
    marks = {p.name: lake_files.Mark.of(p) for p in (tmp_path / "visits").iterdir()}
    assert do(tmp_path, Change(one("visits", "cookie", "c12"))) == [Counts(10, 10)]
    now = {p.name: lake_files.Mark.of(p) for p in (tmp_path / "visits").iterdir()}
    assert [n for n in marks if marks[n] != now[n]] == ["1.parquet"]
    same = Change(one("visits", "cookie", "c13"), {"url": Const("/x")})
    assert do(tmp_path, same, same) == [Counts(10, 10), Counts(10, 0)]
    assert do(tmp_path, same) == [Counts(10, 0)]


# ---------------------------------------------------------------- values


def test_identifiers_of_every_shape_find_their_rows(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([0, 1, 2, 3, 4], pa.uint16()),
            "mails": [["Ana@X.de ", "b@x.de"], None, [], ["c\n@x.de", None], ["ana@x.de"]],
            "who": [{"mail": "ANA@x.de", "n": {"no": 1}}, None, {"mail": None, "n": None},
                    {"mail": "a\nb@x.de", "n": {"no": 0}}, {"mail": "ana@x.de", "n": {"no": 2}}],
            "people": [[{"mail": "ana@x.de"}, {"mail": None}], [], None, [None], [{"mail": "q"}]],
            "numbers": pa.array([[1, 2], [], None, [0], [2]], pa.list_(pa.int32())),
            "by": pa.array([[("mail", "x@x.de")], None, [], [("mail", "y@x.de")], []],
                           pa.map_(pa.string(), pa.string())),
            "dict": pa.array(["a", None, "b", "a", "c"]).dictionary_encode(),
            "dec": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal(0), None,
                             decimal.Decimal("-7.25")], pa.decimal128(20, 2)),
            "s": pa.array([naive(2026, 1, 1, 12), None, naive(1900, 1, 1), None,
                           naive(9999, 12, 31)], pa.timestamp("s")),
            "z": pa.array([dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)] + [None] * 4,
                          pa.timestamp("ms", "America/New_York")),
            "t": pa.array([dt.time(12, 0, 1), None, None, None, None], pa.time64("us")),
            "nan": [float("nan"), 0.0, -0.0, 0.1, None],
        }
    )  # fmt: skip
    write(tmp_path / "log.parquet", table, row_group_size=2)

    def ids(select: Select) -> list[int]:
        return [row["id"] for row in rows(tmp_path, select)]

    for field, value, found in (
        ("mails", "b@x.de", [0]), ("mails", "c\n@x.de", [3]), ("mails", "ana@x.de", [4]),
        ("who.mail", "a\nb@x.de", [3]), ("who.n.no", 0, [3]), ("who.n.no", "2", [4]),
        ("people.mail", "ana@x.de", [0]), ("numbers", 2, [0, 4]), ("numbers", "0", [3]),
        ("by.value", "y@x.de", [3]), ("by.key", "mail", [0, 3]), ("dict", "a", [0, 3]),
        ("dec", "1.5", [0]), ("dec", 0, [2]), ("dec", decimal.Decimal("-7.250"), [4]),
        ("s", naive(2026, 1, 1, 12), [0]),
        ("z", dt.datetime(2026, 1, 1, 13, tzinfo=BERLIN), [0]),
        ("id", 0, [0]), ("id", "0", [0]), ("id", -1, []), ("id", 2**40, []), ("nan", 0, [1, 2]),
        ("nan", 0.1, [3]), ("nan", float("nan"), []), ("mails", None, []),
    ):  # fmt: skip
        assert ids(one("log", field, value)) == found, (field, value)
    assert ids(one("log", "mails", "ana@x.de", folded=True)) == [0, 4]
    assert ids(one("log", "who.mail", "ana@x.de", folded=True)) == [0, 4]
    both = ("who.mail", "numbers")
    assert ids(one("log", both, ("ANA@x.de", 1), (None, 0), ("ana@x.de", None))) == [0]
    assert ids(one("log", both, ("a\nb@x.de", 0), ("ana@x.de", 2))) == [3, 4]
    for only, found in (
        (IsNull("mails"), [1, 2]), (Not(IsNull("people.mail")), [0, 4]), (Eq("numbers", 2), [0, 4]),
        (In("dict", ("b", None)), [2]), (Not(Eq("mails", "b@x.de")), [1, 2, 3, 4]),
        (Before("s", naive(2026, 1, 1, 12)), [2]), (Eq("dec", 0), [2]),
        (Before("z", dt.datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=dt.UTC)), [0]),
    ):  # fmt: skip
        assert ids(Select("log", ("id",), (), only)) == found, only
    row = rows(tmp_path, one("log", "id", 0))[0]
    assert row["mails"] == '["Ana@X.de ", "b@x.de"]'
    assert (row["people.mail"], row["by.key"]) == ('["ana@x.de", null]', '["mail"]')
    assert row["z"] == dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    assert (row["t"], row["dec"]) == (dt.time(12, 0, 1), decimal.Decimal("1.50"))
    assert rows(tmp_path, one("log", "id", 4))[0]["s"] == naive(9999, 12, 31)
    assert [r["mails"] for r in rows(tmp_path, one("log", "id", 1, 2))] == [None, None]


def test_nested_fields_are_overwritten_and_nothing_beside_them(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1, 2, 3],
            "who": [{"mail": "a", "n": 1}, {"mail": "b", "n": 2}, None],
            "mails": [["a", "x"], ["b"], None],
            "people": [[{"mail": "a", "n": 1}, {"mail": "x", "n": 2}], [{"mail": "b", "n": 3}], []],
            "by": pa.array([[("k", "a")], [], None], pa.map_(pa.string(), pa.string())),
        }
    )
    write(tmp_path / "log.parquet", table)
    assign = {"who.mail": Template("erased-{id}"), "mails": Const(None), "people.mail": Const(None)}
    assert do(tmp_path, Change(one("log", "id", 1), assign)) == [Counts(1, 1)]
    assert do(tmp_path, Change(one("log", "id", 1), assign)) == [Counts(1, 0)]
    assert pq.read_table(tmp_path / "log.parquet").to_pylist() == [
        {"id": 1, "who": {"mail": "erased-1", "n": 1}, "mails": None,
         "people": [{"mail": None, "n": 1}, {"mail": None, "n": 2}], "by": [("k", "a")]},
        *table.to_pylist()[1:],
    ]  # fmt: skip
    for field in ("mails", "people.mail"):
        with pytest.raises(NotAble, match="can only be emptied"):
            do(tmp_path, Change(one("log", "id", 2), {field: Const("x")}))
    with pytest.raises(NotAble, match="inside a map"):
        do(tmp_path, Change(one("log", "id", 1), {"by.value": Const(None)}))
    assert do(tmp_path, Change(one("log", "id", 3), {"who.mail": Const("x")})) == [Counts(1, 1)]
    assert pq.read_table(tmp_path / "log.parquet")["who"][2].as_py() == {"mail": "x", "n": None}


def test_the_map_says_more_than_the_file(tmp_path: Path) -> None:
    """Identifiers of one kind stored in another, as other programs leave them."""
    token = uuid.UUID(int=77)
    columns = {
        "n": ["007", "7", None],
        "token": [str(token).upper(), token.hex, "no uuid"],
        "raw": pa.array([token.bytes, None, b"\0" * 16], pa.binary(16)),
        "seen": ["2026-01-01T12:00:00", None, "some time"],
        "yes": [0, 1, None],
    }
    write(tmp_path / "log.parquet", columns)
    fields = [Field("n", "integer"), Field("token", "uuid"), Field("raw", "uuid"),
              Field("seen", "datetime"), Field("yes", "boolean")]  # fmt: skip
    mapped = Dataset("log", ("n",), {f.name: f for f in fields})
    assert count(tmp_path, one("log", "n", 7), mapped) == 1
    assert count(tmp_path, one("log", "token", str(token)), mapped) == 2
    assert count(tmp_path, one("log", "raw", token), mapped) == 1
    early = Select("log", ("n",), (), Before("seen", naive(2026, 1, 2)))
    assert count(tmp_path, early, mapped) == 1
    assert count(tmp_path, Select("log", ("n",), (), Eq("yes", True)), mapped) == 1
    other = uuid.UUID(int=78)
    new = {"token": Const(other), "raw": Const(other), "yes": Const(False)}
    assert do(tmp_path, Change(one("log", "n", 7), new), mapped=[mapped]) == [Counts(1, 1)]
    assert count(tmp_path, one("log", "raw", other), mapped) == 1
    assert pq.read_table(tmp_path / "log.parquet")["token"].to_pylist()[1] == str(other)


# ---------------------------------------------------------------- joins


def test_an_orders_lines_are_found_over_files_and_types(tmp_path: Path) -> None:
    """line.order (text) → order.id (int), order.customer (decimal) → customer.id (int)."""
    write(tmp_path / "customer.parquet", {"id": [0, 1, 2], "mail": ["A@x.de", "b@x.de", None]})
    for part in range(3):
        ids = [part * 10, part * 10 + 1]
        owners = pa.array([decimal.Decimal(part), None], pa.decimal128(10, 0))
        write(tmp_path / "order" / f"{part}.parquet", {"id": ids, "customer": owners})
        write(
            tmp_path / "line" / f"{part}.parquet",
            {"order": [str(part * 10), f"0{part}", None], "n": [1, 2, 3]},
        )
    to_order, to_customer = (
        Join(("order",), "order", ("id",)),
        Join(("customer",), "customer", ("id",)),
    )
    path = (to_order, to_customer)
    table = KeyTable(("mail",), ((4, ("a@x.de",)), (5, ("b@x.de",)), (6, (None,))))
    select = Select("line", ("order", "n"), (Route(table, path, folded=True),))
    with store(tmp_path).session() as session:
        assert set(session.keys([select])["line"].rows) == {(4, ("0", 1)), (5, ("10", 1))}
        assert session.count([select]) == [2]
    assert do(tmp_path, Change(select)) == [Counts(2, 2)]
    assert count(tmp_path, select) == 0


# ---------------------------------------------------------------- folders and files


def test_partitions_are_fields(tmp_path: Path) -> None:
    for day, country, ids in (("2026-01-01", "DE", [1, 2]), ("2026-01-02", "a%2Fb", [3]),
                              ("2026-01-02", "__HIVE_DEFAULT_PARTITION__", [4])):  # fmt: skip
        where = tmp_path / "visits" / f"day={day}" / "month=01" / f"country={country}"
        write(where / "part.parquet", {"id": ids, "mail": [f"{n}@x.de" for n in ids]})
    made = {d.name: {f.name: f.type for f in d.fields.values()} for d in store(tmp_path).datasets()}
    assert made["visits"] == {"id": "integer", "mail": "text", "day": "text", "month": "integer",
                              "country": "text"}  # fmt: skip
    mapped = Dataset("visits", ("id",), {
        "id": Field("id", "integer"), "mail": Field("mail"), "day": Field("day", "date"),
        "month": Field("month", "integer"), "country": Field("country"),
    })  # fmt: skip

    def ids(select: Select) -> list[int]:
        return [row["id"] for row in rows(tmp_path, select, mapped)]

    assert ids(one("visits", "country", "a/b")) == [3]
    assert ids(one("visits", ("day", "id"), (dt.date(2026, 1, 1), "2"))) == [2]
    assert ids(Select("visits", ("id",), (), Before("day", dt.date(2026, 1, 2)))) == [1, 2]
    assert ids(Select("visits", ("id",), (), IsNull("country"))) == [4]
    assert sorted(ids(one("visits", "month", 1))) == [1, 2, 3, 4]
    assert rows(tmp_path, one("visits", "id", 3), mapped)[0]["day"] == dt.date(2026, 1, 2)
    with pytest.raises(Refused, match="name of a directory"):
        do(tmp_path, Change(one("visits", "id", 1), {"day": Const(None)}), mapped=[mapped])
    # A file that becomes empty goes, and so do the directories that said whose it was.
    assert do(tmp_path, Change(one("visits", "id", 3, 4)), mapped=[mapped]) == [Counts(2, 2)]
    assert sorted(p.name for p in (tmp_path / "visits").iterdir()) == ["day=2026-01-01"]
    assert do(tmp_path, Change(one("visits", "id", 1, 2)), mapped=[mapped]) == [Counts(2, 2)]
    assert list((tmp_path / "visits").iterdir()) == []
    assert count(tmp_path, one("visits", "id", 1), mapped) == 0


def test_a_file_that_becomes_empty_keeps_its_schema(tmp_path: Path) -> None:
    write(tmp_path / "visits" / "a.parquet", log(100))
    write(tmp_path / "visits" / "b.parquet", log(0))
    everything = Select("visits", ("id",), (), Not(IsNull("id")))
    before = pq.read_schema(tmp_path / "visits" / "a.parquet")
    assert do(tmp_path, Change(everything)) == [Counts(100, 100)]
    left = pq.read_table(tmp_path / "visits" / "a.parquet")
    assert left.num_rows == 0
    assert left.schema.equals(before, check_metadata=True)
    assert count(tmp_path, everything) == 0
    assert do(tmp_path, Change(everything)) == [Counts(0, 0)]


def test_files_of_one_dataset_may_differ(tmp_path: Path) -> None:
    """Columns came later, and a number became wider and then a text."""
    write(tmp_path / "log" / "a.parquet", {"id": pa.array([1], pa.int32())})
    write(tmp_path / "log" / "b.parquet", {"id": [1, 2**40], "mail": ["a@x.de", "b@x.de"]})
    write(tmp_path / "log" / "c.parquet", {"id": ["1", "x"], "mail": [None, "a@x.de"]})
    fields = {f.name: f.type for d in store(tmp_path).datasets() for f in d.fields.values()}
    assert fields == {"id": "other", "mail": "text"}
    assert count(tmp_path, one("log", "id", 1)) == 3
    assert count(tmp_path, one("log", "id", "1")) == 3
    assert count(tmp_path, one("log", "mail", "a@x.de")) == 2
    assert count(tmp_path, Select("log", ("id",), (), IsNull("mail"))) == 2
    assert do(tmp_path, Change(one("log", "mail", "a@x.de"))) == [Counts(2, 2)]
    with pytest.raises(Refused, match="no column `mail`"):
        do(tmp_path, Change(one("log", "id", 1), {"mail": Const(None)}))


def test_what_is_not_parquet_is_ignored_and_named(tmp_path: Path) -> None:
    write(tmp_path / "visits" / "a.parquet", {"id": [1]})
    write(tmp_path / "visits" / "000000_0", {"id": [2]})  # as Hive names them
    (tmp_path / "visits" / "notes.csv").write_text("id\n3\n")
    (tmp_path / "visits" / "_SUCCESS").touch()
    (tmp_path / "visits" / ".a.parquet.crc").touch()
    (tmp_path / "README").write_text("hello")
    assert count(tmp_path, one("visits", "id", 1, 2, 3)) == 2
    assert list(store(tmp_path).notes()) == [
        "in the folder itself 1 file is not Parquet: nothing there is answered or erased",
        "in `visits` 1 file is not Parquet (.csv): nothing there is answered or erased",
    ]


def test_hidden_parquet_and_pipes_are_named_and_hold_up_nobody(tmp_path: Path) -> None:
    """Readers of lakes pass over them, and so does Kept; but it says so, and so does a residue."""
    write(tmp_path / "visits" / "a.parquet", {"id": [1], "who": ["ana@hidden.example"]})
    hers = (tmp_path / "visits" / "a.parquet").read_bytes()
    for name in ("visits/_old/b.parquet", "visits/.kept/c", "visits/_d.parquet", "_old/x/e.pq"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hers)
    for name in ("visits/f.parquet", "g.parquet", "_old/h", "visits/i"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "visits" / ".kept-0123456789abcdef.staged").write_bytes(hers)  # Kept's own
    hidden = "Parquet under a name that begins with `_` or `.`, its own or that of a folder above"
    kinds = "(a pipe, socket, device or hidden link): nothing there is answered or erased"
    rest = f"{hidden}: nothing there is answered or erased"
    made = store(tmp_path)
    assert sorted(made.notes()) == sorted(
        [
            f"in the folder itself 1 file is {rest}",
            f"in the folder itself 2 names are no files {kinds}",
            f"in `visits` 3 files are {rest}",
            f"in `visits` 2 names are no files {kinds}",
        ]
    )
    assert count(tmp_path, one("visits", "id", 1)) == 1
    do(tmp_path, Change(one("visits", "id", 1)))
    (tmp_path / "visits" / ".kept-0123456789abcdef.staged").unlink(missing_ok=True)
    told = {r.layer: r for r in made.residue(Needles(["ana@hidden.example"]), naive(2026, 1, 1))}
    assert "in the bytes of 4 files" in told["files"].words
    assert told["what is no file"].words.startswith("4 names are no file")


def test_keys_are_counted_where_there_are_not_too_many_rows(tmp_path: Path) -> None:
    """Over files of different types, nulls being equal; what was counted is not counted twice."""
    mapped = Dataset("log", ("a", "b"), {n: Field(n, "integer") for n in "ab"})
    write(tmp_path / "log" / "1.parquet", {"a": pa.array([1, 1], pa.int8()), "b": [1, None]})
    write(tmp_path / "log" / "2.parquet", {"a": [2, None], "b": [None, 1]})

    def key(**options: Any) -> tuple[tuple[str, ...], list[str]]:
        made = ParquetStore("lake", (mapped,), str(tmp_path), options=options)
        ((found,), notes) = made.datasets(), list(made.notes())
        return found.key, notes

    assert key() == (("a", "b"), [])
    asked, (note,) = key(count_keys=3)
    assert asked == ("a", "b")
    assert note.startswith("that `a, b` names one row of `log` is taken on the map's word")
    kept = ParquetStore("lake", (mapped,), str(tmp_path))
    assert next(iter(kept.datasets())).key
    write(tmp_path / "log" / "3.parquet", {"a": [1.0], "b": pa.array([None], pa.int64())})
    assert key() == ((), [])
    assert not next(iter(kept.datasets())).key
    lists = Dataset("tags", ("t",), {"t": Field("t", "text")})
    write(tmp_path / "tags.parquet", {"t": [["x"], ["x"]]})
    assert "word" in next(iter(ParquetStore("lake", (lists,), str(tmp_path)).notes()))


def test_a_row_is_named_by_a_key_with_a_null(tmp_path: Path) -> None:
    """As a name only: at a link, or in a search, a null still equals nothing."""
    size = 50
    columns = {
        "a": [*range(size), None, None],
        "b": pa.array([None if n % 2 else n for n in range(size)] + [1, None], pa.int64()),
    }
    write(tmp_path / "log.parquet", columns, row_group_size=7)
    write(tmp_path / "part" / "b=__HIVE_DEFAULT_PARTITION__" / "x.parquet", {"a": [1, 2]})
    write(tmp_path / "part" / "b=1" / "x.parquet", {"a": [1, 2]})
    table = keys(("a", "b"), (1, None), (2, None), (3, 3), (None, 1), (None, None), ("x", None))
    for name, hit in (("log", [(1, None), (None, 1)]), ("part", [(1, None), (2, None)])):
        asked = by_key(name, table)
        found = [(row["a"], row["b"]) for row in rows(tmp_path, asked)]
        assert sorted(found, key=repr) == sorted(hit, key=repr)
        assert count(tmp_path, asked) == 2
        assert count(tmp_path, one(name, ("a", "b"), *table.values)) == 0
        before = count(tmp_path, Select(name, ("a", "b"), (), Not(IsNull("a"))))
        assert do(tmp_path, Change(asked)) == [Counts(2, 2)]
        gone = sum(1 for a, _ in hit if a is not None)
        assert count(tmp_path, Select(name, ("a", "b"), (), Not(IsNull("a")))) == before - gone


def test_links_formats_and_summaries_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "outside.parquet", {"id": [1]})
    root = tmp_path / "lake"
    for name in ("inside", "delta", "iceberg", "summed", "twice", "linked", "broken"):
        write(root / name / "a.parquet", {"id": [1]})
    (root / "inside" / "b.parquet").symlink_to(tmp_path / "outside.parquet")
    (root / "top").symlink_to(tmp_path)
    (root / "delta" / "_delta_log").mkdir()
    (root / "iceberg" / "metadata").mkdir()
    (root / "iceberg" / "metadata" / "1.metadata.json").touch()
    (root / "summed" / "_metadata").touch()
    write(root / "twice.parquet", {"id": [1]})
    os.link(root / "linked" / "a.parquet", tmp_path / "second")
    (root / "broken" / "a.parquet").write_bytes(b"PAR1 ana@x.de")
    for name, words in (
        ("inside", "symbolic link"), ("top", "symbolic link"), ("delta", "table format"),
        ("iceberg", "table format"), ("twice", "a folder and a file"), ("none", "no dataset"),
        ("broken", "could not be"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match=words) as refused:
            count(root, one(name, "id", 1))
        assert "ana" not in str(refused.value)
        assert refused.value.__context__ is None
    for name, words in (("summed", "summary file"), ("linked", "hard link")):
        assert count(root, one(name, "id", 1)) == 1
        with pytest.raises(StoreError, match=words):
            do(root, Change(one(name, "id", 1)))
        assert count(root, one(name, "id", 1)) == 1
    with pytest.raises(StoreUnreachable, match="`url`"):
        count(tmp_path / "nowhere", one("a", "id", 1))
    with pytest.raises(StoreUnreachable):
        store(tmp_path / "nowhere").session(write=True)
    assert staged(root) == []


@pytest.mark.parametrize("where", ["file", "folder", "loop", "itself", "nowhere", "deep"])
def test_nothing_is_read_or_written_by_way_of_a_link(where: str, tmp_path: Path) -> None:
    """A link out of the lake, round in it, or to nowhere: the dataset is refused, and named."""
    root, outside = tmp_path / "lake", tmp_path / "outside"
    write(root / "visit" / "day=1" / "a.parquet", {"id": [1, 2]})
    write(root / "other" / "a.parquet", {"id": [1]})
    write(outside / "b.parquet", {"id": [1]})
    before = (outside / "b.parquet").read_bytes()
    at, to = {
        "file": ("b.parquet", outside / "b.parquet"),
        "folder": ("day=2", outside),
        "loop": ("day=2", root / "visit"),
        "itself": ("b.parquet", root / "visit" / "b.parquet"),
        "nowhere": ("b.parquet", tmp_path / "none.parquet"),
        "deep": ("day=1/b.parquet", outside / "b.parquet"),
    }[where]
    (root / "visit" / at).symlink_to(to)
    for attempt in (lambda: count(root, one("visit", "id", 1)),
                    lambda: do(root, Change(one("visit", "id", 1)))):  # fmt: skip
        with pytest.raises(StoreError, match="symbolic link") as refused:
            attempt()
        assert "none.parquet" not in str(refused.value)
    assert (outside / "b.parquet").read_bytes() == before
    assert sorted(p.name for p in outside.iterdir()) == ["b.parquet"]
    assert pq.read_table(root / "visit" / "day=1" / "a.parquet").num_rows == 2
    # Of the other dataset nothing is in the way.
    do(root, Change(one("other", "id", 1)))
    assert count(root, one("other", "id", 1)) == 0
    # What looks over the whole folder comes to an end, and goes nowhere else.
    store(root).safety()
    assert staged(root) == []


@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("when", ["listed", "prepared"])
def test_a_link_put_in_the_place_of_a_file_meanwhile_is_not_followed(
    what: str, when: str, tmp_path: Path
) -> None:
    root, outside = tmp_path / "lake", tmp_path / "outside"
    write(root / "visit" / "day=1" / "a.parquet", {"id": [1, 2]})
    write(outside / "a.parquet", {"id": [1, 3]})
    before = (outside / "a.parquet").read_bytes()

    def swap() -> None:
        if what == "file":
            (root / "visit" / "day=1" / "a.parquet").unlink()
            (root / "visit" / "day=1" / "a.parquet").symlink_to(outside / "a.parquet")
        else:
            (root / "visit" / "day=1").rename(tmp_path / "before")
            (root / "visit" / "day=1").symlink_to(outside)

    def write_all() -> None:
        with store(root).session(write=True) as session:
            if when == "listed":
                swap()
            session.apply([Change(one("visit", "id", 1))], "step")
            if when == "prepared":
                swap()
            session.commit()

    with pytest.raises(StoreError, match="changed by another program"):
        write_all()
    assert (outside / "a.parquet").read_bytes() == before
    assert staged(outside) == []


# ---------------------------------------------------------------- others write too


def test_a_file_that_others_replace_is_left_alone(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / "visits" / f"{n}.parquet", log(100))
    late = tmp_path / "visits" / "1.parquet"
    with store(tmp_path).session(write=True) as session:
        assert session.apply([Change(one("visits", "cookie", "c1"))], "step") == [Counts(30, 30)]
        write(late, log(150))
        with pytest.raises(StoreError, match="changed by another"):
            session.commit()
    assert pq.read_metadata(late).num_rows == 150
    assert count(tmp_path, one("visits", "cookie", "c1")) == 30  # nothing was replaced at all
    assert staged(tmp_path) == []
    with store(tmp_path).session() as session:
        write(late, log(120))
        with pytest.raises(StoreError, match="changed by another"):
            session.count([one("visits", "cookie", "c1")])
    assert do(tmp_path, Change(one("visits", "cookie", "c1"))) == [Counts(30, 30)]
    # A file that comes meanwhile is not of this listing: a fresh session finds it.
    with store(tmp_path).session(write=True) as session:
        session.apply([Change(one("visits", "cookie", "c2"))], "step")
        write(tmp_path / "visits" / "new.parquet", log(100))
        session.commit()
    assert count(tmp_path, one("visits", "cookie", "c2")) == 10


def test_one_writes_at_a_time(tmp_path: Path, monkeypatch: Any) -> None:
    write(tmp_path / "visits.parquet", log(100))
    quick = ParquetStore("lake", (), str(tmp_path), options={"wait": 0, "threads": 1})
    with quick.session(write=True) as session:
        with pytest.raises(StoreUnreachable, match="another session of Kept"):
            quick.session(write=True)
        session.apply([Change(one("visits", "cookie", "c1"))], "step")
        assert count(tmp_path, one("visits", "cookie", "c1")) == 10  # readers need not wait
        session.rollback()
        assert staged(tmp_path) == []
        assert session.apply([Change(one("visits", "cookie", "c2"))], "step") == [Counts(10, 10)]
    assert count(tmp_path, one("visits", "cookie", "c2")) == 10
    quick.session(write=True).close()
    with monkeypatch.context() as patched:  # what fails while it opens holds no lock
        patched.setattr(lake_files, "sweep", lambda _: (_ for _ in ()).throw(PermissionError()))
        with pytest.raises(Refused, match="may not be used"):
            quick.session(write=True)
    quick.session(write=True).close()


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.stores.test_lake import one, store
from kept.model.change import Change
from kept.stores.lake import store as module
replaced = module.ParquetSession._replace
count = 0
def killed(self, file, touched):
    global count
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    replaced(self, file, touched)
module.ParquetSession._replace = killed
with store(Path(sys.argv[1])).session(write=True) as session:
    session.apply([Change(one("visits", "cookie", "c1"))], "step")
    session.commit()
"""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_killed_between_two_files_the_next_attempt_does_the_rest(
    tmp_path: Path, after: int
) -> None:
    for n in range(3):
        write(tmp_path / "visits" / f"{n}.parquet", log(100))
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), str(after)],
        cwd=Path(__file__).parents[2], capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr.decode()
    left = 30 - 10 * after
    assert len(staged(tmp_path)) == 3 - after
    assert count(tmp_path, one("visits", "cookie", "c1")) == left
    assert count(tmp_path, one("visits", "cookie", "c2")) == 30
    assert do(tmp_path, Change(one("visits", "cookie", "c1"))) == [Counts(left, left)]
    assert staged(tmp_path) == []
    assert count(tmp_path, one("visits", "cookie", "c1")) == 0
    assert count(tmp_path, one("visits", "cookie", "c2")) == 30


def test_without_room_or_leave_nothing_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    write(tmp_path / "visits.parquet", log(100))
    hers = Change(one("visits", "cookie", "c1"))
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: type("U", (), {"free": 10})())
        with pytest.raises(Refused, match="less room"):
            do(tmp_path, hers)
        with store(tmp_path).session(write=True) as session:
            assert [o.kind for o in session.rehearse([hers])] == ["other"]
    assert do(tmp_path, hers) == [Counts(10, 10)]


# ---------------------------------------------------------------- the kind, and what is missing


def test_the_kind_is_opened_with_its_settings(tmp_path: Path) -> None:
    made = open_store("parquet", "lake", [], str(tmp_path), {"threads": 3})
    assert isinstance(made, ParquetStore)
    assert made.threads == 3
    for wrong in ({"speed": 1}, {"threads": "2"}, {"wait": -1}, {"threads": True}):
        with pytest.raises(ConfigError, match="option"):
            open_store("parquet", "lake", [], str(tmp_path), wrong)


def test_without_pyarrow_the_extra_is_named() -> None:
    script = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)
sys.modules["pyarrow"] = None
from kept.errors import ConfigError
from kept.stores import kinds, open_store
assert "parquet" in kinds()
try:
    open_store("parquet", "lake", [], "x")
except ConfigError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "kept[lake]" in told.stdout, told.stderr


def test_predicates_are_by_the_law_on_dictionaries(tmp_path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, None, None, 1]), pa.array(["a", "B "]))
    write(tmp_path / "log.parquet", {"id": [1, 2, 3, 4], "d": column})
    cases: list[tuple[Predicate, list[int]]] = [
        (IsNull("d"), [2, 3]), (Eq("d", "b", folded=True), [4]), (Not(Eq("d", "a")), [2, 3, 4]),
    ]  # fmt: skip
    for only, found in cases:
        assert [r["id"] for r in rows(tmp_path, Select("log", ("id",), (), only))] == found
    assert count(tmp_path, by_key("log", keys("d", "a"))) == 1


_MEMORY = """
import sys
from pathlib import Path
import pyarrow as pa
from tests.stores.test_lake import count, do, one
from kept.model.change import Change
root = Path(sys.argv[1])
hers = one("visits", "cookie", *(f"c{n}" for n in range(0, 10_000, 500)))
print(count(root, hers), do(root, Change(hers))[0].changed, pa.default_memory_pool().max_memory())
"""


def test_memory_is_that_of_a_few_row_groups(tmp_path: Path) -> None:
    table = log(100_000)
    write(tmp_path / "visits.parquet", table, row_group_size=1000)
    command = [sys.executable, "-c", _MEMORY, str(tmp_path)]
    told = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    found, changed, most = map(int, told.stdout.split())
    assert (found, changed) == (200, 200)
    assert most < table.nbytes / 5, (most, table.nbytes)
