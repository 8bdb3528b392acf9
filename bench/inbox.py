"""The inbox of the desk with 100,000 cases that wait: the whole answer, against its bare queries.

Ours is what a browser gets, through guard, session, queries and template; the reference runs the
same three queries by hand on a connection of its own. Pages: the first, one in the middle, of a
rare right, of one account. All cases wait, which is the worst of it; as many again are answered,
each with entries in the ledger, beside which one case and its letter are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import itertools
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from _ratio import Result, Row, bench, interleave, quantile, row
from kept import deployment
from kept.app import web
from kept.controller import Controller
from kept.duties.rights.letter import letter
from kept.ledger.entry import Entry
from kept.records.account import Account

ROOT = Path(__file__).resolve().parents[1]
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
#: p95 that the page keeps, in ms.
GOAL = 150.0
FILL = """
INSERT INTO rights_case
    (id, "right", state, actor, people, opened_at, changed_at, closed_at, done_at)
SELECT format('00000000-0000-7000-8000-%%s', lpad(n::text, 12, '0')),
    CASE WHEN n %% 500 = 0 THEN 'portability' WHEN n %% 3 = 0 THEN 'erasure' ELSE 'access' END,
    CASE WHEN n > %(cases)s THEN 'closed' WHEN n %% 2 = 0 THEN 'received' ELSE 'identified' END,
    %(actor)s, 1, %(now)s, %(now)s, CASE WHEN n > %(cases)s THEN %(now)s::timestamptz END,
    CASE WHEN n > %(cases)s THEN %(now)s::timestamptz END
FROM generate_series(1, 2 * %(cases)s) n;
"""
CLOCK = """
INSERT INTO case_clock (number, region, arrived, rule, place, calendar, first_due, due, unpaused,
    skipped, waiting)
SELECT number, 'EEA', d - 30, 'gdpr', 'DE', '1', d, d, d, '[]', closed_at IS NULL
FROM (SELECT number, closed_at, %(today)s::date - 5 + (number * 7919 %% 60)::int AS d
      FROM rights_case) x;
"""
EVENTS = """
INSERT INTO case_event (number, turn, state, actor, at)
SELECT number, turn, s.state, actor, opened_at FROM rights_case,
    unnest(ARRAY['received', 'identified', 'executed', 'closed']) WITH ORDINALITY s (state, turn)
WHERE closed_at IS NOT NULL
"""
OWNER = """
INSERT INTO case_owner (number, account, since)
SELECT number, %(account)s, %(now)s FROM rights_case WHERE closed_at IS NULL AND number %% 400 = 0;
"""
TALLY = """
SELECT count(*) FILTER (WHERE due < %(today)s), count(*) FILTER (WHERE due = %(today)s),
    count(*) FILTER (WHERE due > %(today)s AND due <= %(ends)s), count(*)
FROM case_clock WHERE waiting
"""
ASKED = """
SELECT i.number FROM intake i WHERE i.state IN ('verified', 'entered') ORDER BY i.number LIMIT 20
"""
LINES = """
SELECT r.id FROM case_clock k JOIN rights_case r USING (number)
    LEFT JOIN case_owner o USING (number) LEFT JOIN account a USING (account)
WHERE k.waiting {} ORDER BY k.due, k.number LIMIT 51
"""


#: Entries of the ledger that are written at once.
BATCH = 5_000


class Page:
    """One page of the inbox: its address, and the same by hand."""

    def __init__(self, name: str, query: str, where: str, **values: object) -> None:
        self.name, self.query, self.values = name, query, values
        self.sql = LINES.format(where)


class Inbox:
    """The application over a filled deployment, and a bare connection beside it."""

    def __init__(self, controller: Controller, account: Account) -> None:
        self.controller = controller
        self.app = web.make(controller, token=None, shows="text", clock=lambda: NOW)
        with controller.database.connection() as c:
            session = controller.sessions.begin(account, NOW, proven=True, connection=c)
        self.cookie = f"kept={session.token}".encode()
        self.raw = psycopg.connect(controller.database.url, autocommit=True)
        self.loop = asyncio.new_event_loop()

    def close(self) -> None:
        self.raw.close()
        self.loop.close()

    def ours(self, page: Page) -> list[str]:
        html = self.loop.run_until_complete(self._get("/desk", page.query))
        return re.findall(r'href="/desk/cases/([^"]+)"', html)

    def reference(self, page: Page) -> list[str]:
        week = TODAY + dt.timedelta(days=6 - TODAY.weekday())
        self.raw.execute(TALLY, {"today": TODAY, "ends": week}).fetchone()
        self.raw.execute(ASKED).fetchall()
        return [r[0] for r in self.raw.execute(page.sql.encode(), page.values).fetchall()][:50]

    def case(self, id_: str) -> str:
        return self.loop.run_until_complete(self._get(f"/desk/cases/{id_}"))

    def letter(self, id_: str) -> str:
        return letter(self.controller, id_, NOW).text()

    async def _get(self, path: str, query: str = "") -> str:
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http",
            "query_string": query.encode(), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "headers": [(b"host", b"127.0.0.1"), (b"cookie", self.cookie)],
        }  # fmt: skip
        parts: list[bytes] = []
        status: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            parts.append(message.get("body", b""))

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        if status != [200]:
            raise SystemExit(f"{path} answered {status}")
        return b"".join(parts).decode()


@contextmanager
def inbox(args: argparse.Namespace) -> Iterator[tuple[Inbox, Account]]:
    directory = Path(tempfile.mkdtemp(prefix="kept-bench-desk-"))
    try:
        (directory / "kept.toml").write_text(
            f'bundle = "{ROOT / "policies" / "interop.io"}"\ndatabase = "embedded"\n', "utf-8"
        )
        with Controller.open(deployment.read(directory)) as controller:
            with controller.database.connection() as c:
                accounts = controller.accounts
                made = accounts.add("olga", "Olga", "x", NOW, connection=c)
                accounts.set_password(made, "x", connection=c)
                accounts.offer_secret(made, connection=c)
                accounts.enrol(made, 0, connection=c)
                accounts.grant(made, "privacy-officer", "a bench", None, NOW, connection=c)
                actor = controller.actors.of("web", "operator", NOW, connection=c)
                values = {
                    "cases": args.cases, "actor": actor.id, "now": NOW, "today": TODAY,
                    "account": made.number,
                }  # fmt: skip
                for statement in (FILL, CLOCK, EVENTS, OWNER):
                    c.execute(statement.encode(), values)
            told = (e for n in range(args.cases) for e in _entries(_case(args.cases + n + 1)))
            while batch := list(itertools.islice(told, BATCH)):
                controller.ledger.append_many(batch)
            account = controller.accounts.get(made.number, NOW)
            shown = Inbox(controller, account)
            try:
                shown.raw.execute("VACUUM ANALYZE rights_case")
                shown.raw.execute("VACUUM ANALYZE case_clock")
                shown.raw.execute("VACUUM ANALYZE case_owner")
                yield shown, account
            finally:
                shown.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _case(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


def _entries(case: str) -> tuple[Entry, ...]:
    """What the ledger says of an access that was answered."""
    return (
        Entry("case.opened", NOW, {"case": case, "right": "access", "people": 1}),
        Entry("access.given", NOW, {"case": case, "package": "0" * 64, "rows": 3}),
        Entry("case.closed", NOW, {"case": case, "right": "access", "complete": True, "found": 3}),
    )


def run(args: argparse.Namespace) -> Result:
    middle = TODAY + dt.timedelta(days=25)
    rows: list[Row] = []
    every: list[float] = []
    with inbox(args) as (shown, account):
        pages = [
            Page("the first page", "", ""),
            Page("a page in the middle", f"after={middle}.0", "AND (k.due, k.number) > (%(d)s, 0)",
                 d=middle),
            Page("of a rare right", "right=portability",
                 "AND r.\"right\" = 'portability' AND r.closed_at IS NULL"),
            Page("one's own", "whose=mine", "AND o.account = %(a)s", a=account.number),
        ]  # fmt: skip
        for page in pages:
            methods = {"reference": shown.reference, "ours": shown.ours}
            times = interleave(methods, [page] * args.rounds, warm=min(5, args.rounds - 1))
            rows.append(row(page.name, times, goal=2))
            every += times["ours"]
        # One that is answered: multiples of three are erasures, whose steps are not filled in.
        one = _case(next(n for n in range(2 * args.cases, 0, -1) if n % 3))
        methods = {"one case": shown.case, "its letter": shown.letter}
        times = interleave(methods, [one] * args.rounds, warm=1, same=False)
        for name in methods:
            took = quantile(times[name], 0.95) * 1e3
            rows.append(Row(f"{name}, p95 against the goal", GOAL, took, "ms", 1))
    p95 = quantile(every, 0.95) * 1e3
    rows.append(Row("all pages, p95 against the goal", GOAL, p95, "ms", 1))
    return Result(tuple(rows), {"cases that wait": args.cases, "answered": args.cases})


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", type=int, default=100_000, help="that wait")
    parser.add_argument("--rounds", type=int, default=60, help="times each page is asked for")


if __name__ == "__main__":
    bench("inbox", run, arguments=arguments)
