"""An audience: whoever may get the newsletter, out of 10 million, from stored facts.

The facts of each subject stand in columns of 63 bits, fresh. By hand: the SQL that somebody
writes who knows which bits must stand and which must not. Ours: `decide.compile` and `render`,
within the time measured. Both count the audience (and add up the subjects, so that it is the
same audience), and both write it into a table.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from _ratio import Result, bench, interleave, row
from kept.decide.compile import columns, compile
from kept.decide.facts import GROUNDS, WORD_BITS, kind_of
from kept.decide.use import Rules, use
from kept.embedded import Server
from kept.model.decision import Ask
from kept.policy import bundle
from kept.stores.dialects import render

POLICY = Path(__file__).resolve().parents[1] / "policies" / "interop.io"
ASK = Ask("marketing.email", "contact.email", "site-form", "provider", "EEA")
HELD, AGAINST = 0.6, 0.01  # how often a ground holds and an impediment stands
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "max_parallel_workers_per_gather": "0",  # two cores, and one is the bench's
    "jit": "off",
}


@contextlib.contextmanager
def connected(args: argparse.Namespace) -> Iterator[psycopg.Connection]:
    if args.url:
        with psycopg.connect(args.url, autocommit=True) as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory) / "postgres", SETTINGS)
        server.acquire()
        try:
            url = server.make_database("audience")
            with psycopg.connect(url, autocommit=True) as connection:
                yield connection
        finally:
            server.release()


def fill(connection: psycopg.Connection, rules: Rules, names: tuple[str, ...], many: int) -> None:
    """Every bit at random and for itself, those that matter to the question and the others."""

    def word(number: int) -> str:
        facts = rules.facts[WORD_BITS * number : WORD_BITS * (number + 1)]
        bits = [
            f"((random() < {HELD if kind_of(fact) in GROUNDS else AGAINST})::int::bigint << {i})"
            for i, fact in enumerate(facts)
        ]
        return " | ".join(bits)

    connection.execute("SELECT setseed(0.627)")
    connection.execute("DROP TABLE IF EXISTS facts")
    kinds = ", ".join(f"{name} bigint NOT NULL" for name in names)
    connection.execute(f"CREATE UNLOGGED TABLE facts (subject int NOT NULL, {kinds})")
    words = ", ".join(word(i) for i in range(len(names)))
    connection.execute(
        f"INSERT INTO facts SELECT subject, {words} FROM generate_series(1, {many}) AS subject"
    )
    connection.execute("VACUUM (FREEZE, ANALYZE) facts")


def by_hand(rules: Rules, names: tuple[str, ...]) -> str:
    """The condition as written by somebody who read the policy."""
    must = ("consent:marketing.email", "preference:email")
    must_not = (
        "erased", "child", "isolated", "unjudged", "suppressed:email",
        "objection:marketing.email", "withdrawn:marketing.email",
    )  # fmt: skip

    def bit(fact: str) -> str:
        number, place = divmod(rules.facts.index(fact), WORD_BITS)
        return f"{names[number]} & {1 << place}"

    parts = []
    for i, name in enumerate(names):
        here = rules.facts[WORD_BITS * i : WORD_BITS * (i + 1)]
        value = sum(1 << here.index(fact) for fact in must if fact in here)
        mask = value | sum(1 << here.index(fact) for fact in must_not if fact in here)
        if mask:
            parts.append(f"{name} & {mask} = {value}")
    # Whoever asked for restriction may still have agreed to this one purpose (Art. 18(2)).
    parts.append(f"({bit('restricted')} = 0 OR {bit('agreed:marketing.email')} <> 0)")
    return " AND ".join(parts)


def run(args: argparse.Namespace) -> Result:
    rules = Rules.of(bundle.load(POLICY))
    names = tuple(f"w{i}" for i in range(columns(rules)))
    with connected(args) as connection:
        fill(connection, rules, names, args.subjects)
        condition = by_hand(rules, names)

        def ours() -> tuple[str, list[object]]:
            fresh = Rules(rules.register.activities, rules.vocabulary)
            text, params = render(
                compile(fresh, ASK, names), "postgresql", dict.fromkeys(names, "integer")
            )
            return text, list(params)

        def count(where: str, params: list[object]) -> object:
            return connection.execute(
                f"SELECT count(*), sum(subject::bigint) FROM facts WHERE {where}", params
            ).fetchone()

        def keep(where: str, params: list[object]) -> object:
            with connection.transaction(force_rollback=True):
                connection.execute(
                    f"CREATE TEMP TABLE audience AS SELECT subject FROM facts WHERE {where}", params
                )
                return connection.execute(
                    "SELECT count(*), sum(subject::bigint) FROM audience"
                ).fetchone()

        def both(way: Callable[[str, list[object]], object]) -> dict[str, Callable[[int], object]]:
            return {"reference": lambda _: way(condition, []), "ours": lambda _: way(*ours())}

        cases = range(args.rounds + 1)
        counted = interleave(both(count), cases, warm=1)
        kept = interleave(both(keep), cases, warm=1)

        # Not only as fast as by hand: what `use` says, for some of them one by one.
        draw = random.Random(args.seed)
        some = [draw.randint(1, args.subjects) for _ in range(2_000)]
        text, params = ours()
        rows = connection.execute(
            f"SELECT {text}, {', '.join(names)} FROM facts WHERE subject = ANY(%s)",
            [*params, some],
        ).fetchall()
        for allowed, *words in rows:
            word = sum(part << (WORD_BITS * i) for i, part in enumerate(words))
            if use(rules, ASK, word).allow != allowed:
                raise SystemExit("the audience and `use` differ")
        audience = count(text, params)
        size = audience[0] if isinstance(audience, tuple) else 0
        if not 0 < size < args.subjects:
            raise SystemExit("the question is empty, or everybody is the answer")
        notes = {"subjects": args.subjects, "audience": size, "columns": len(names)}
        return Result(
            (
                row("count", counted, goal=1.3),
                row("into a table", kept, goal=1.3),
            ),
            {**notes, "checked one by one": len(rows), "condition": text},
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subjects", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20230627)
    parser.add_argument("--url", help="a PostgreSQL to use instead of an embedded one")


if __name__ == "__main__":
    bench("audience", run, arguments=arguments)
