"""To whom data of a person was passed on: one line for each time (GDPR Art. 15(1)(c), 19).

Whose data it was stands beside the line as keyed hashes of her identifiers, so that it is found
by any of them, and outlives what was given. Where a law forbids to tell her, the line says which,
and from which day on she may know.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.case import case_mac
from kept.records.ids import new_id
from kept.terms.identifiers import Identifier

_NUMBER: Final = Field("number", "integer", nullable=False)

DATASETS: Final = (
    Dataset(
        "passed_on",
        ("number",),
        {
            "number": _NUMBER,
            "id": Field("id", nullable=False),
            "recipient": Field("recipient", nullable=False),
            "title": Field("title"),
            "passed_on": Field("passed_on", "date", nullable=False),
            "categories": Field("categories", "other", nullable=False),
            "ground": Field("ground", nullable=False),
            "barred_until": Field("barred_until", "date"),
            "barred_by": Field("barred_by"),
            "actor": Field("actor", "integer", nullable=False),
            "noted_at": Field("noted_at", "datetime", nullable=False),
            "struck_at": Field("struck_at", "datetime"),
        },
        links=(Link(("actor",), "actor", ("actor",), Owner.ACCESSED),),
        retention="case",
        on_erase=OnErase.NEVER,
        title="To whom data was passed on",
    ),
    Dataset(
        "passed_person",
        ("number", "mac"),
        {
            "number": _NUMBER,
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
        },
        links=(Link(("number",), "passed_on", ("number",)),),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Whose data was passed on, as keyed hashes",
    ),
)


@dataclass(frozen=True, slots=True)
class Passed:
    """One line. `recipient` is one of the register, of kept.toml, or a lane, then with a `title`;
    `barred_until` the first day on which she may be told.
    """

    id: str
    recipient: str
    title: str | None
    on: dt.date
    categories: tuple[str, ...]
    ground: str
    barred_until: dt.date | None
    barred_by: str | None
    noted_at: dt.datetime

    def barred(self, day: dt.date) -> bool:
        """Whether she may not be told on a day."""
        return self.barred_until is not None and day < self.barred_until


class PassedOn:
    """To whom data was passed on, person by person."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def add(
        self, person: Iterable[Identifier], recipient: str, on: dt.date,
        categories: Sequence[str], ground: str, actor: Actor, now: dt.datetime,
        *, connection: Connection, title: str | None = None,
        barred: tuple[dt.date, str] | None = None,
    ) -> Passed:  # fmt: skip
        """Note that data of her was passed on. `barred`: until which day, and by which law."""
        until, by = barred or (None, None)
        id_ = new_id(now)
        row = connection.execute(
            "INSERT INTO passed_on (id, recipient, title, passed_on, categories, ground,"
            " barred_until, barred_by, actor, noted_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING number",
            (id_, recipient, title, on, list(categories), ground, until, by, actor.id, now),
        ).fetchone()
        assert row is not None
        macs = list({case_mac(self._vault, one) for one in person})
        connection.execute(
            "INSERT INTO passed_person (number, mac) SELECT %s, unnest(%s::bytea[])",
            (row[0], macs),
        )
        return Passed(id_, recipient, title, on, tuple(categories), ground, until, by, now)

    def of(self, person: Iterable[Identifier]) -> list[Passed]:
        """What was passed on of whom these name, the oldest first."""
        macs = list({case_mac(self._vault, one) for one in person})
        return self._some(
            "WHERE number IN (SELECT number FROM passed_person WHERE mac = ANY(%s))", (macs,)
        ) if macs else []  # fmt: skip

    def mac(self, one: Identifier) -> bytes:
        """The keyed hash under which a line knows somebody."""
        return case_mac(self._vault, one)

    def hers(self, person: Iterable[Identifier], *, connection: Connection) -> set[int]:
        """Numbers of the lines of whom these name."""
        macs = list({case_mac(self._vault, one) for one in person})
        rows = connection.execute(
            "SELECT number FROM passed_person WHERE mac = ANY(%s)", (macs,)
        ).fetchall()
        return {int(row[0]) for row in rows}

    def over(self, *, connection: Connection) -> list[tuple[int, dt.date]]:
        """(number, from which day its time runs) of lines that still say whose data it was: the
        day on which it was given, or on which she may know of it, where that is later.
        """
        rows = connection.execute(
            "SELECT number, greatest(passed_on, barred_until) FROM passed_on"
            " WHERE struck_at IS NULL ORDER BY number"
        ).fetchall()
        return [(int(n), day) for n, day in rows]

    def strike(self, numbers: Sequence[int], now: dt.datetime, *, connection: Connection) -> None:
        """Strike out whose data it was; to whom what was given stays."""
        of = list(numbers)
        connection.execute("DELETE FROM passed_person WHERE number = ANY(%s)", (of,))
        connection.execute("UPDATE passed_on SET struck_at = %s WHERE number = ANY(%s)", (now, of))

    def barred(self, day: dt.date) -> set[str]:
        """Recipients of whom somebody may not be told on a day, whoever that is."""
        return {one.recipient for one in self._some("WHERE barred_until > %s", (day,))}

    def all(self) -> list[Passed]:
        """Every line, the oldest first."""
        return self._some("", ())

    def _some(self, where: str, parameters: tuple[object, ...]) -> list[Passed]:
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT id, recipient, title, passed_on, categories, ground, barred_until,"
                f" barred_by, noted_at FROM passed_on {where} ORDER BY passed_on, number",
                parameters,
            ).fetchall()
        return [
            Passed(row[0], row[1], row[2], row[3], tuple(row[4]), row[5], row[6], row[7], row[8])
            for row in rows
        ]
