"""Who acts for the organisation: a name and a role."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, OnErase
from kept.errors import UsageError

#: Whoever is at the machine itself.
OPERATOR: Final = "operator"
#: Roles and what they do. A redactor never approves.
ROLES: Final = {
    "person": "the person whose data it is",
    "agent": "acts for a person, with proof",
    "intake": "takes requests in",
    "verifier": "checks who asks",
    "system-owner": "carries out tasks in a system that Kept does not write to",
    "redactor": "blackens what belongs to others",
    "approver": "approves plans and disclosures",
    "privacy-officer": "answers for all of it",
    "marketer": "sees counts, never the suppressed list",
    "support": "sees a person with an open case",
    "auditor": "sees evidence, no personal data",
    OPERATOR: "runs this installation on its own machine",
}

DATASETS: Final = (
    Dataset(
        "actor",
        ("actor",),
        {
            "actor": Field("actor", "integer", nullable=False),
            # Staff: not found by the identifiers of a request, kept as long as their cases.
            "name": Field("name", "text", category="contact.name", nullable=False),
            "role": Field("role", "text", category="contact.job", nullable=False),
            "first_seen": Field("first_seen", "datetime", nullable=False),
        },
        retention="case",
        clock="first_seen",
        on_erase=OnErase.NEVER,
        title="Who acted for the organisation",
    ),
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody acting in a role; `id` is the number in Kept's own table."""

    id: int
    name: str
    role: str


class Actors:
    """The people who act."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self, name: str, role: str, now: dt.datetime, *, connection: Connection | None = None
    ) -> Actor:
        """The actor of that name in that role, made the first time. UsageError: unknown role."""
        if role not in ROLES:
            raise UsageError("there is no such role", expected=f"one of {', '.join(ROLES)}")
        if not name.strip():
            raise UsageError("an actor has no name", fix="say who acts")
        with self._database.within(connection) as c:
            # Looked up first, so that acting again uses up no number.
            asked = "SELECT actor FROM actor WHERE name = %s AND role = %s"
            row = c.execute(asked, (name, role)).fetchone()
            if row is None:
                c.execute(
                    "INSERT INTO actor (name, role, first_seen) VALUES (%s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    (name, role, now),
                )
                row = c.execute(asked, (name, role)).fetchone()
        assert row is not None
        return Actor(int(row[0]), name, role)

    def named(self, actor: int) -> Actor:
        """The actor of that number. KeyError where there is none."""
        with self._database.by_statement() as c:
            row = c.execute("SELECT name, role FROM actor WHERE actor = %s", (actor,)).fetchone()
        if row is None:
            raise KeyError(actor)
        return Actor(actor, row[0], row[1])
