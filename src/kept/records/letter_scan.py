"""Scans of letters that came: each sealed under the key of its request, until that has ended.

What a hold may keep stays until it is known whether it does (`LetterScans.over_all`); a copy of an
identity paper never does. Of such a one, and of papers of a case, the row is left empty until the
ledger says that it was destroyed (`take_destroyed`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.case_proof import GONE
from kept.terms.asks import QUESTION, UNCLEAR

_CLASS: Final = "intake"
_LABEL: Final = b"scan"

DATASETS: Final = (
    Dataset(
        "intake_scan",
        ("scan",),
        {
            "scan": Field("scan", "integer", nullable=False),
            "number": Field("number", "integer", nullable=False),
            "form": Field("form", nullable=False),
            "sealed": Field("sealed", "bytes", category="rights-case", nullable=False),
            "added_at": Field("added_at", "datetime", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "identity": Field("identity", "boolean", nullable=False),
        },
        links=(
            Link(("number",), "intake", ("number",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="The scan of a letter of yours, until your request or a hold has ended",
    ),
)

#: Requests on which nothing is left to do: they have ended, or all was begun (`intake.BEGUN`), all
#: their cases have ended and nothing else was asked.
_OVER: Final = (
    "(i.ended_at IS NOT NULL OR (i.outcome = 'begun'"
    " AND EXISTS (SELECT FROM intake_case k WHERE k.number = i.number)"
    " AND NOT EXISTS (SELECT FROM intake_case k JOIN rights_case r ON r.number = k.case_number"
    " WHERE k.number = i.number AND r.done_at IS NULL)"
    " AND NOT string_to_array(i.asked, ' ') && %(else)s))"
)
_ELSE: Final = [QUESTION, UNCLEAR]
#: Whether a hold is open that may keep scans, whoever it is on; exactly that is known elsewhere.
_MAY_STAY: Final = (
    "EXISTS (SELECT FROM hold h WHERE h.released_at IS NULL AND coalesce(h.system, 'own') = 'own'"
    " AND (h.dataset IS NULL OR h.dataset ~ '^(rights_case|case_|intake)'))"
)


@dataclass(frozen=True, slots=True)
class LetterScan:
    """One file. `form`: pdf, png or jpeg; `identity`: it is a copy of an identity paper."""

    id: int
    form: str
    added_at: dt.datetime
    identity: bool = False


class LetterScans:
    """The scans of letters that came."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def add(
        self, number: int, form: str, content: bytes, actor: Actor, now: dt.datetime, *,
        connection: Connection, identity: bool = False,
    ) -> LetterScan:  # fmt: skip
        """Keep a scan of a request, sealed."""
        sealed = self._vault.seal(-number, _CLASS, content, _LABEL, connection=connection)
        row = connection.execute(
            "INSERT INTO intake_scan (number, form, sealed, added_at, actor, identity)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING scan",
            (number, form, sealed, now, actor.id, identity),
        ).fetchone()
        assert row is not None
        return LetterScan(int(row[0]), form, now, identity)

    def of(self, number: int, *, connection: Connection | None = None) -> list[LetterScan]:
        """The scans of a request, the oldest first."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT scan, form, added_at, identity FROM intake_scan WHERE number = %s"
                " AND sealed <> '' ORDER BY scan",
                (number,),
            ).fetchall()
        return [LetterScan(*row) for row in rows]

    def opened(self, number: int, scan: int) -> bytes:
        """A scan as it came. UsageError where the request has no such, or has it no more."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT sealed FROM intake_scan WHERE number = %s AND scan = %s AND sealed <> ''",
                (number, scan),
            ).fetchone()
            if row is None:
                raise UsageError(
                    "the request has no such scan", expected="one that is there",
                    fix="see `kept request show`; scans go when a request has ended",
                )  # fmt: skip
            return self._vault.unseal(-number, _CLASS, bytes(row[0]), _LABEL, connection=c)

    def over(self, number: int, *, connection: Connection | None = None) -> bool:
        """Whether nothing is left to do on a request: no scan of it is kept any more."""
        with self._database.by_statement(connection) as c:
            row = c.execute(
                f"SELECT EXISTS (SELECT FROM intake i WHERE i.number = %(number)s AND {_OVER})",
                {"number": number, "else": _ELSE},
            ).fetchone()
        return row is None or bool(row[0])

    def left_over(self) -> tuple[int, int]:
        """(how many scans are there, how many of them outlived what they were for): that no hold
        may keep, and copies of identity papers.
        """
        with self._database.by_statement() as c:
            row = c.execute(
                f"SELECT count(*), count(*) FILTER (WHERE {_OVER}"
                f" AND (s.identity OR NOT {_MAY_STAY}))"
                " FROM intake_scan s JOIN intake i USING (number) WHERE s.sealed <> ''",
                {"else": _ELSE},
            ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def over_all(self, *, connection: Connection | None = None) -> list[int]:
        """Requests on which nothing is left to do and of which scans are there all the same."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT DISTINCT i.number FROM intake_scan s JOIN intake i USING (number)"
                f" WHERE s.sealed <> '' AND {_OVER} ORDER BY 1",
                {"else": _ELSE},
            ).fetchall()
        return [int(row[0]) for row in rows]

    def gone(self, numbers: Sequence[int], *, connection: Connection) -> None:
        """Nothing is left of the scans of these requests."""
        gone(numbers, connection=connection)


def gone(numbers: Sequence[int], *, connection: Connection) -> None:
    """Nothing is left of the scans of these requests."""
    of = (list(numbers),)
    connection.execute("DELETE FROM intake_scan WHERE number = ANY(%s) AND NOT identity", of)
    connection.execute(
        "UPDATE intake_scan SET sealed = '' WHERE number = ANY(%s) AND sealed <> ''", of
    )


def gone_where_over(numbers: Sequence[int], *, connection: Connection) -> None:
    """The scans go of those of these requests on which nothing is left to do, but for those that
    a hold may keep. Copies of identity papers go whatever is held.
    """
    of = {"numbers": list(numbers), "else": _ELSE}
    connection.execute(
        "UPDATE intake_scan s SET sealed = '' FROM intake i WHERE i.number = s.number"
        f" AND i.number = ANY(%(numbers)s) AND s.identity AND s.sealed <> '' AND {_OVER}",
        of,
    )
    connection.execute(
        "DELETE FROM intake_scan s USING intake i WHERE i.number = s.number AND NOT s.identity"
        f" AND i.number = ANY(%(numbers)s) AND {_OVER} AND NOT {_MAY_STAY}",
        of,
    )


def take_destroyed(connection: Connection) -> list[tuple[str, str | None, str | None, int]]:
    """(what, case, request, how many) copies of identity papers and papers of cases that were
    destroyed and of which the ledger does not say so yet; asked for once.
    """
    papers = connection.execute(
        "WITH gone AS (DELETE FROM case_sealed WHERE name LIKE %s RETURNING number)"
        " SELECT r.id, count(*) FROM gone JOIN rights_case r USING (number)"
        " GROUP BY r.number, r.id ORDER BY r.number",
        (f"{GONE}%",),
    ).fetchall()
    scans = connection.execute(
        "WITH gone AS (DELETE FROM intake_scan WHERE sealed = '' RETURNING number)"
        " SELECT i.id, count(*) FROM gone JOIN intake i USING (number)"
        " GROUP BY i.number, i.id ORDER BY i.number"
    ).fetchall()
    return [
        *(("paper", str(id_), None, int(n)) for id_, n in papers),
        *(("scan", None, str(id_), int(n)) for id_, n in scans),
    ]


def gone_with_case(case: int, *, connection: Connection) -> None:
    """A case has ended: scans go of the letters on which nothing is left to do."""
    rows = connection.execute(
        "SELECT number FROM intake_case WHERE case_number = %s", (case,)
    ).fetchall()
    if rows:
        gone_where_over([number for (number,) in rows], connection=connection)
