"""Access and erasure: one person, people with many rows, and 1,000 people at once.

30 linked tables on PostgreSQL; with `--scale 1` 1,000,000 people and 20 million rows. How each
is done by hand and by ours stands in _access.py and _erase.py. The case, the package, the
sealing of keys and the ledger around it are not in these figures, but in those of a list of
people, of which each gets an answer of her own (_list.py).
"""

from __future__ import annotations

import argparse

import _access
import _erase
import _list
import _shop
from _ratio import Result, bench

PARTS = {"access": _access.measure, "erase": _erase.measure, "list": _list.measure}


def run(args: argparse.Namespace) -> Result:
    with _shop.shop(args) as shop:
        wanted = [measure for name, measure in PARTS.items() if args.only in (None, name)]
        parts = [measure(args, shop) for measure in wanted]
        settings = "the server's own" if args.url else _shop.settings()
        notes: dict[str, object] = {"rows in all": shop.rows_in_all, "settings": settings}
        for part in parts:
            notes.update(part.notes)
        return Result(tuple(row for part in parts for row in part.rows), notes)


def arguments(parser: argparse.ArgumentParser) -> None:
    _shop.arguments(parser)
    parser.add_argument("--only", choices=sorted(PARTS), help="one of these")
    parser.add_argument("--list", type=int, default=200, help="people of a list")
    parser.add_argument("--people", type=int, default=300, help="one by one, per method")
    parser.add_argument("--warm", type=int, default=20, help="people before the clock runs")
    parser.add_argument("--batch", type=int, default=1_000, help="people at once")
    parser.add_argument("--rounds", type=int, default=7, help="batches per method")
    parser.add_argument("--seed", type=int, default=20230627)


if __name__ == "__main__":
    bench("rights", run, arguments=arguments)
