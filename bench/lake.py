"""A lake of Parquet files: 1,000 people located in it, and erased from it.

By hand: the compared column read and searched, then the files that are hit read, filtered and
written with the settings of the input, in threads, each renamed into its place. Ours does the
same through a session, and besides syncs each file, reads the result again (rows, schema, none
of theirs left) and replaces nothing that somebody else changed meanwhile.

Each case is a group of files, copied for each method; the ids are spread evenly, so every file
is hit (the worst case). In the clustered lake people's rows lie together, and the statistics
of row groups tell where.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from _ratio import Result, bench, interleave, row
from kept.model.change import Change
from kept.model.select import KeyTable, Select, by_key
from kept.stores.lake import ParquetStore

GROUP = 25_000


def hexes(draw: random.Random, count: int) -> pa.Array:
    """Texts of 32 hexadecimal digits, all different."""
    text = draw.randbytes(16 * count).hex().encode()
    starts = pa.arange(0, 32 * (count + 1), 32).cast(pa.int32())
    return pa.StringArray.from_buffers(count, starts.buffers()[1], pa.py_buffer(text))


def subject(number: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise("u", pc.utf8_lpad(number.cast(pa.string()), 8, "0"), "")


def mod(number: pa.Array, by: int) -> pa.Array:
    return pc.subtract(number, pc.multiply(pc.divide(number, by), by))


def visits(file: int, count: int, people: int, *, clustered: bool = False) -> pa.Table:
    """One file of a log of visits, ten rows a person in the whole lake."""
    draw = random.Random(file)
    at = pa.arange(0, count)
    spread = mod(pc.add(pc.multiply(at, 1_000_003), file * 77_777), people)
    number = pc.divide(pc.add(at, file * count), 10) if clustered else spread
    part = mod(pc.multiply(number, 7_919), 65_536)
    where = pc.binary_join_element_wise(
        "10.0", pc.divide(part, 256).cast(pa.string()), mod(part, 256).cast(pa.string()), "."
    )
    page = pc.cast(pc.multiply(pc.random(count, initializer=file), 5_000), pa.int64(), safe=False)
    return pa.table(
        {
            "sn": number,
            "subject": subject(number),
            "id": pc.add(at, file * count),
            "ts": pc.add(at, 1_700_000_000_000_000 + file).cast(pa.timestamp("us")),
            "session": hexes(draw, count),
            "ip": where,
            "url": pc.binary_join_element_wise("https://shop/", page.cast(pa.string()), ""),
            "score": pc.random(count, initializer=file + 1),
            "w": pc.cast(pc.multiply(pc.random(count, initializer=file + 2), 2_000), pa.int32(),
                         safe=False),
        }
    )  # fmt: skip


def make(root: Path, files: int, count: int, *, clustered: bool = False) -> None:
    root.mkdir(parents=True)

    def one(file: int) -> None:
        table = visits(file, count, files * count // 10, clustered=clustered)
        where = root / f"part-{file:04}.parquet"
        pq.write_table(
            table, where, compression="zstd", row_group_size=GROUP, use_dictionary=["url", "ip"]
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(files)))


class Reference:
    """What somebody writes who knows the files."""

    def __init__(self, ids: Sequence[str], threads: int) -> None:
        self.wanted, self.threads = pa.array(ids), threads

    def locate(self, folder: Path) -> int:
        def one(path: Path) -> int:
            column = pq.read_table(path, columns=["subject"], use_threads=False)["subject"]
            return pc.sum(pc.is_in(column, value_set=self.wanted)).as_py() or 0

        with ThreadPoolExecutor(self.threads) as pool:
            return sum(pool.map(one, sorted(folder.iterdir())))

    def erase(self, folder: Path) -> int:
        def one(path: Path) -> int:
            column = pq.read_table(path, columns=["subject"], use_threads=False)["subject"]
            hit = pc.is_in(column, value_set=self.wanted)
            found = pc.sum(hit).as_py() or 0
            if found:
                meta = pq.read_metadata(path)
                first = meta.row_group(0)
                chunks = [first.column(i) for i in range(meta.num_columns)]
                table = pq.read_table(path, use_threads=False).filter(pc.invert(hit))
                pq.write_table(
                    table,
                    path.with_suffix(".new"),
                    compression=chunks[0].compression.lower(),
                    row_group_size=first.num_rows,
                    use_dictionary=[c.path_in_schema for c in chunks if c.has_dictionary_page],
                )
                os.replace(path.with_suffix(".new"), path)
            return found

        with ThreadPoolExecutor(self.threads) as pool:
            return sum(pool.map(one, sorted(folder.iterdir())))


class Ours:
    def __init__(self, ids: Sequence[str], threads: int) -> None:
        self.keys, self.threads = KeyTable(("subject",), tuple((0, (i,)) for i in ids)), threads
        self.stores: dict[Path, ParquetStore] = {}

    def store(self, folder: Path) -> tuple[ParquetStore, Select]:
        root = folder.parent
        if root not in self.stores:
            options = {"threads": self.threads}
            self.stores[root] = ParquetStore("lake", (), str(root), options=options)
        return self.stores[root], by_key(folder.name, self.keys)

    def locate(self, folder: Path) -> int:
        store, select = self.store(folder)
        with store.session() as session:
            return session.count([select])[0]

    def erase(self, folder: Path) -> int:
        store, select = self.store(folder)
        with store.session(write=True) as session:
            counts = session.apply([Change(select)], "bench")
            session.commit()
        return counts[0].changed


def names(numbers: Sequence[int]) -> list[str]:
    return [f"u{number:08}" for number in numbers]


def run(args: argparse.Namespace) -> Result:
    people = args.files * args.rows // 10
    chosen = random.Random(args.seed).sample(range(people), min(args.people, people))
    methods: dict[str, Any] = {
        "reference": Reference(names(chosen), args.threads),
        "ours": Ours(names(chosen), args.threads),
    }
    notes: dict[str, Any] = {"rows": args.files * args.rows, "people": len(chosen)}
    with tempfile.TemporaryDirectory(prefix="kept-bench-", dir=args.directory) as place:
        root = Path(place)
        make(root / "whole" / "visits", args.files, args.rows)
        files = sorted((root / "whole" / "visits").iterdir())
        notes["MB"] = sum(f.stat().st_size for f in files) // 1_000_000
        locate = interleave(
            {n: (lambda folder, m=m: m.locate(folder)) for n, m in methods.items()},
            [root / "whole" / "visits"] * (args.rounds + 1),
            warm=1,
        )
        sizes = {"before": 0, "reference": 0, "ours": 0}
        gone = 0

        def groups() -> Iterator[dict[str, Path]]:
            nonlocal gone
            for start in range(0, len(files), args.group):
                some = files[start : start + args.group]
                case = {}
                for name in methods:
                    case[name] = root / name / "visits"
                    case[name].mkdir(parents=True)
                    for file in some:
                        shutil.copy(file, case[name])
                yield case
                left = {name: pq.read_table(folder) for name, folder in case.items()}
                if not left["ours"].equals(left["reference"]):
                    raise SystemExit("the rows that are left differ")
                gone += sum(pq.read_metadata(f).num_rows for f in some) - left["ours"].num_rows
                sizes["before"] += sum(f.stat().st_size for f in some)
                for name, folder in case.items():
                    sizes[name] += sum(f.stat().st_size for f in folder.iterdir())
                    shutil.rmtree(root / name)

        erase = interleave(
            {n: (lambda case, n=n, m=m: m.erase(case[n])) for n, m in methods.items()}, groups()
        )
        whole = methods["reference"].locate(root / "whole" / "visits")
        if not gone or gone != whole:
            raise SystemExit(f"{gone} rows are gone, {whole} were to go")
        for name in methods:
            ratio = sizes[name] / sizes["before"]
            notes[f"size after, {name}"] = f"{ratio:.3f}"
            if not 0.95 < ratio < 1.05:
                raise SystemExit(f"what `{name}` wrote is {ratio:.2f} times as large")
        notes["rows erased"] = gone
        shutil.rmtree(root / "whole")
        make(root / "clustered" / "visits", args.files // 4, args.rows, clustered=True)
        where = root / "clustered" / "visits"
        few = names([n * (people // 4) // 10 for n in range(10)])
        lake = ds.dataset(where)
        one = Ours(few, args.threads)
        near = interleave(
            {
                "reference": lambda _: lake.count_rows(filter=ds.field("subject").isin(few)),
                "ours": lambda _: one.locate(where),
            },
            range(args.rounds + 3),
            warm=3,
        )
    return Result(
        (
            row(f"locate {len(chosen):,}", locate, goal=1.2),
            row(f"erase {len(chosen):,}, {args.group} files", erase, goal=1.2),
            row("locate 10, clustered", near),
        ),
        {**notes, "seconds by hand": round(sum(erase["reference"]), 1),
         "seconds by ours": round(sum(erase["ours"]), 1)},
    )  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000, help="in each file")
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--group", type=int, default=10, help="files in a case")
    parser.add_argument("--rounds", type=int, default=11, help="of locating")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=20230627)
    parser.add_argument("--directory", help="where the lake is made (default: the temporary one)")


if __name__ == "__main__":
    bench("lake", run, arguments=arguments)
