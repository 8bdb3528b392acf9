"""Faults planted in a worker: at which write of which store, before it or after, and how.

A write is what a relational store is given to write, its commit, that of Kept's own database
(where the transaction wrote something), a file of a lake that is put into its place, a request to
a service that is no GET, a note in the journal of such requests, a task handed to people or what
they answered, a package that gets its name. The engines beneath are real; what fails is the call
around them. `error`: the store failed, and the program goes on with that. `kill`: the process
dies on the spot, by SIGKILL. `server`: the database server `victim` dies so, with all that serves
its connections, and the program meets that.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import psutil

from kept.database import Database
from kept.duties.rights import package
from kept.errors import DatabaseError, StoreUnreachable
from kept.stores import http, http_client, tasks
from kept.stores.lake.store import ParquetSession
from kept.stores.mariadb import MariaDBSession
from kept.stores.postgresql import PostgreSQLSession
from kept.stores.relational import SqlSession
from kept.stores.sqlite import SQLiteSession


class _Plan:
    """Counts the writes of each place; fails at one, or only writes down which there are."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec, self.seen = spec, Counter[str]()

    def begin(self, place: str) -> int:
        self.seen[place] += 1
        if "record" in self.spec:
            with Path(self.spec["record"]).open("a") as file:
                file.write(f"{place} {self.seen[place]}\n")
        return self.seen[place]

    def at(self, place: str, number: int, when: str, error: Callable[[], Exception]) -> None:
        if (self.spec.get("place"), self.spec.get("number")) != (place, number):
            return
        if self.spec["when"] == when:
            Path(self.spec["fired"]).touch()
            if self.spec["how"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.spec["how"] == "server":
                kill_server(self.spec["victim"])
                return
            raise error()


def kill_server(pid: int) -> None:
    """SIGKILL to a server, and wait until nothing serves its connections any more."""
    server = psutil.Process(pid)
    family = [server, *server.children(recursive=True)]
    server.kill()
    end = time.monotonic() + 20
    while any(map(_works, family)):
        assert time.monotonic() < end, "what serves connections outlives its server"
        time.sleep(0.005)


def _works(process: psutil.Process) -> bool:
    """Whether it is more than a zombie, whose parent does not look."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _lost(place: str) -> Exception:
    return StoreUnreachable(f"`{place}` did not answer", fix="run it again")


def _cut(place: str) -> Exception:
    return httpcore.ReadError("the connection was cut")


def _own(_: str) -> Exception:
    return DatabaseError("the connection to Kept's database was lost")


def _around(
    plan: _Plan, owner: Any, method: str, name: Callable[[Any, tuple[Any, ...]], str | None],
    error: Callable[[str], Exception],
) -> None:  # fmt: skip
    whole = getattr(owner, method)

    @functools.wraps(whole)
    def failing(self: Any, *args: Any, **more: Any) -> Any:
        place = name(self, args)
        if place is None:
            return whole(self, *args, **more)
        number = plan.begin(place)
        plan.at(place, number, "before", lambda: error(place))
        result = whole(self, *args, **more)
        plan.at(place, number, "after", lambda: error(place))
        return result

    setattr(owner, method, failing)


def plant(spec: dict[str, Any]) -> None:
    """Plant the one fault of `spec` (place, number, when, how) in this process, or record."""
    plan = _Plan(spec)
    for session in (PostgreSQLSession, MariaDBSession, SQLiteSession):
        _around(
            plan, session, "commit",
            lambda s, _: f"{s.store.system}.commit" if s.write else None, _lost,
        )  # fmt: skip
    _around(
        plan, SqlSession, "apply", lambda s, _: f"{s.store.system}.apply" if s.write else None,
        _lost,
    )  # fmt: skip
    for method in ("_replace", "_remove"):
        _around(plan, ParquetSession, method, lambda s, _: f"{s.store.system}.file", _lost)
    _around(
        plan, http_client.Client, "_send",
        lambda s, args: f"{s._system}.send" if args[0] != "GET" else None, _cut,
    )  # fmt: skip
    for method in ("put", "remove"):
        _around(plan, http.Journal, method, lambda s, _: "journal", _full)
    for method in ("held", "remove"):
        _around(plan, tasks.TaskFolder, method, lambda s, _: "task", _full)
    _around(plan, package.Package, "place", lambda s, _: "package", _full)
    _transactions(plan)


def _full(_: str) -> Exception:
    return OSError(28, "No space left on device")


def _transactions(plan: _Plan) -> None:
    whole = Database.connection

    @contextlib.contextmanager
    def connection(self: Database) -> Iterator[Any]:
        number = 0
        with whole(self) as c:
            yield c
            wrote = c.execute("SELECT pg_current_xact_id_if_assigned()").fetchone()
            if wrote is not None and wrote[0] is not None:
                number = plan.begin("kept")
                plan.at("kept", number, "before", lambda: _own("kept"))
        if number:
            plan.at("kept", number, "after", lambda: _own("kept"))

    Database.connection = connection  # type: ignore[method-assign]
