"""Deliveries: packages that wait behind a link until they are fetched or their time is over.

Of the token in the link and of the code there are keyed hashes alone. The key of the file is
sealed under the key of the case and given up with the file.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase
from kept.keys import Vault
from kept.records.case import case_mac
from kept.records.case_state import Case
from kept.terms.identifiers import Identifier

_CLASS: Final = "case"
#: How often one code may be tried, and how many codes one delivery is given.
TRIES: Final = 5
CODES: Final = 10
#: For so long a code is good.
CODE_LASTS: Final = dt.timedelta(minutes=10)

DATASETS: Final = (
    Dataset(
        "case_delivery",
        ("delivery",),
        {
            "delivery": Field("delivery", "integer", nullable=False),
            "number": Field("number", "integer", nullable=False),
            "token": Field("token", "bytes", nullable=False),
            "file": Field("file", "text", nullable=False),
            "sealed": Field("sealed", "bytes"),
            "size": Field("size", "integer", nullable=False),
            "made_at": Field("made_at", "datetime", category="rights-case", nullable=False),
            "ends_at": Field("ends_at", "datetime", category="rights-case", nullable=False),
            "allowed": Field("allowed", "integer", nullable=False),
            "fetched": Field("fetched", "integer", category="rights-case", nullable=False),
            "fetched_at": Field("fetched_at", "datetime", category="rights-case"),
            "code": Field("code", "bytes"),
            "code_until": Field("code_until", "datetime"),
            "tries": Field("tries", "integer", nullable=False),
            "codes": Field("codes", "integer", nullable=False),
            "outcome": Field("outcome", "text", category="rights-case"),
            "desk": Field("desk", "boolean", nullable=False),
            "ended_at": Field("ended_at", "datetime"),
        },
        links=(Link(("number",), "rights_case", ("number",)),),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Packages that waited for you",
    ),
)

_COLUMNS: Final = (
    "d.delivery, d.number, c.id, d.file, d.size, d.made_at, d.ends_at, d.allowed, d.fetched,"
    " d.codes, d.outcome, d.ended_at, d.desk"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One package. `file` is its name in the folder of deliveries; `outcome` is how it ended:
    fetched, expired, withdrawn or lost; None while it waits. `desk`: it waits for staff.
    """

    id: int
    number: int
    case: str
    file: str
    size: int
    made_at: dt.datetime
    ends_at: dt.datetime
    allowed: int
    fetched: int
    codes: int
    outcome: str | None
    ended_at: dt.datetime | None
    desk: bool

    def over(self, now: dt.datetime) -> dt.datetime | None:
        """When it ended, or its time was over; None while it waits."""
        if self.ended_at is not None:
            return min(self.ended_at, self.ends_at)
        return self.ends_at if self.ends_at <= now else None


class Deliveries:
    """The packages that wait, or waited."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def add(
        self, case: Case, token: str, file: str, key: bytes, size: int, allowed: int,
        now: dt.datetime, ends_at: dt.datetime, *, connection: Connection, desk: bool = False,
    ) -> None:  # fmt: skip
        """Record a package that lies encrypted under `key`."""
        sealed = self._vault.seal(
            case.key_subject, _CLASS, key, _label(file), connection=connection
        )
        connection.execute(
            "INSERT INTO case_delivery (number, token, file, sealed, size, made_at, ends_at,"
            " allowed, desk) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (case.number, self._token(token), file, sealed, size, now, ends_at, allowed, desk),
        )

    def by_token(
        self, token: str, *, connection: Connection | None = None, alone: bool = False
    ) -> Delivery | None:
        """The delivery of a link; `alone`: until the transaction ends for this one only."""
        lock: LiteralString = "FOR UPDATE OF d" if alone else ""
        found = self._those("d.token = %s", (self._token(token),), connection, lock)
        return found[0] if found else None

    def locked(self, one: Delivery, *, connection: Connection) -> Delivery:
        """A delivery as it stands, until the transaction ends for this one only."""
        return self._those("d.delivery = %s", (one.id,), connection, "FOR UPDATE OF d")[0]

    def of(self, case: Case) -> list[Delivery]:
        """The deliveries of a case, oldest first."""
        return self._those("d.number = %s", (case.number,))

    def all(self) -> list[Delivery]:
        """Every delivery, oldest first."""
        return self._those("true", ())

    def waiting_for(
        self, people: Iterable[Identifier], *, connection: Connection | None = None
    ) -> list[Delivery]:
        """Those that have not ended, of cases that name one of these or cover it."""
        macs = [case_mac(self._vault, one) for one in people]
        return self._those(
            "d.outcome IS NULL AND d.number IN"
            " (SELECT number FROM case_person WHERE mac = ANY(%s))",
            (macs,), connection,
        )  # fmt: skip

    def waiting(self, *, connection: Connection | None = None) -> list[Delivery]:
        """Those that have not ended."""
        return self._those("d.outcome IS NULL", (), connection)

    def give_code(
        self, one: Delivery, code: str, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Let a fresh code be the one that counts; False where the delivery had all of its."""
        done = connection.execute(
            "UPDATE case_delivery SET code = %s, code_until = %s, tries = 0, codes = codes + 1"
            " WHERE delivery = %s AND outcome IS NULL AND codes < %s",
            (self._code(one, code), now + CODE_LASTS, one.id, CODES),
        )
        return bool(done.rowcount)

    def try_code(
        self, one: Delivery, code: str, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Whether it is the code that counts, in time and not tried too often. It counts once;
        every try is counted. Call it with the delivery `alone`, and commit whatever it says.
        """
        row = connection.execute(
            "UPDATE case_delivery SET tries = tries + 1 WHERE delivery = %s"
            " RETURNING code, code_until, tries",
            (one.id,),
        ).fetchone()
        if row is None or row[0] is None or now >= row[1] or row[2] > TRIES:
            return False
        if not hmac.compare_digest(bytes(row[0]), self._code(one, code)):
            return False
        connection.execute(
            "UPDATE case_delivery SET code = NULL, code_until = NULL WHERE delivery = %s",
            (one.id,),
        )
        return True

    def key(self, one: Delivery, *, connection: Connection) -> bytes | None:
        """The key of the file; None where it was given up."""
        row = connection.execute(
            "SELECT sealed FROM case_delivery WHERE delivery = %s", (one.id,)
        ).fetchone()
        if row is None or row[0] is None:
            return None
        return self._vault.unseal(
            -one.number, _CLASS, row[0], _label(one.file), connection=connection
        )

    def count(self, one: Delivery, now: dt.datetime, *, connection: Connection) -> int:
        """Count one more download; how many there were."""
        row = connection.execute(
            "UPDATE case_delivery SET fetched = fetched + 1,"
            " fetched_at = coalesce(fetched_at, %s) WHERE delivery = %s RETURNING fetched",
            (now, one.id),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def end(
        self, those: Sequence[Delivery], outcome: str, now: dt.datetime, *, connection: Connection
    ) -> list[Delivery]:
        """Give up keys and codes for good; those that had not ended before."""
        done = connection.execute(
            "UPDATE case_delivery SET outcome = %s, ended_at = %s, sealed = NULL, code = NULL,"
            " code_until = NULL WHERE delivery = ANY(%s) AND outcome IS NULL RETURNING delivery",
            (outcome, now, [one.id for one in those]),
        ).fetchall()
        ended = {row[0] for row in done}
        return [one for one in those if one.id in ended]

    def _those(
        self, where: LiteralString, parameters: tuple[object, ...],
        connection: Connection | None = None, lock: LiteralString = "",
    ) -> list[Delivery]:  # fmt: skip
        with self._database.within(connection) as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM case_delivery d JOIN rights_case c USING (number)"
                f" WHERE {where} ORDER BY d.delivery {lock}",
                parameters,
            ).fetchall()
        return [Delivery(*row) for row in rows]

    def _token(self, token: str) -> bytes:
        return self._vault.mac("delivery", token.encode())

    def _code(self, one: Delivery, code: str) -> bytes:
        return self._vault.mac("delivery-code", f"{one.id}:{code}".encode())


def _label(file: str) -> bytes:
    return f"delivery:{file}".encode()
