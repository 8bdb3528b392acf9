"""Letters on paper: as each was made, sealed under the key of its case, and when it went out."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.case_state import Case

_CLASS: Final = "case"
_LABEL: Final = b"letter"

DATASETS: Final = (
    Dataset(
        "case_letter",
        ("letter",),
        {
            "letter": Field("letter", "integer", nullable=False),
            "number": Field("number", "integer", nullable=False),
            "kind": Field("kind", category="rights-case", nullable=False),
            "sealed": Field("sealed", "bytes", category="rights-case", nullable=False),
            "made_at": Field("made_at", "datetime", category="rights-case", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "posted_on": Field("posted_on", "date", category="rights-case"),
            "posted_at": Field("posted_at", "datetime"),
        },
        links=(
            Link(("number",), "rights_case", ("number",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Letters on paper to you",
    ),
)


@dataclass(frozen=True, slots=True)
class Paper:
    """One letter. `kind`: answer, or more-time; `posted_on`: the day on which it went out."""

    id: int
    kind: str
    made_at: dt.datetime
    posted_on: dt.date | None


class Papers:
    """The letters on paper of all cases."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def add(
        self, case: Case, kind: str, pdf: bytes, said: Mapping[str, Any], actor: Actor,
        now: dt.datetime, *, connection: Connection,
    ) -> int:  # fmt: skip
        """Keep a letter, and beside it what was said to make it; its number."""
        whole = {**said, "pdf": base64.b64encode(pdf).decode()}
        sealed = self._vault.seal(
            case.key_subject, _CLASS, json.dumps(whole).encode(), _LABEL, connection=connection
        )
        row = connection.execute(
            "INSERT INTO case_letter (number, kind, sealed, made_at, actor)"
            " VALUES (%s, %s, %s, %s, %s) RETURNING letter",
            (case.number, kind, sealed, now, actor.id),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def of(self, case: Case, *, connection: Connection | None = None) -> list[Paper]:
        """The letters of a case, oldest first."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT letter, kind, made_at, posted_on FROM case_letter WHERE number = %s"
                " ORDER BY letter",
                (case.number,),
            ).fetchall()
        return [Paper(*row) for row in rows]

    def opened(
        self, case: Case, one: Paper, *, connection: Connection | None = None
    ) -> tuple[bytes, dict[str, Any]]:
        """A letter as it was made, and what was said to make it."""
        with self._database.by_statement(connection) as c:
            row = c.execute("SELECT sealed FROM case_letter WHERE letter = %s", (one.id,))
            found = row.fetchone()
            assert found is not None
            whole = json.loads(
                self._vault.unseal(case.key_subject, _CLASS, bytes(found[0]), _LABEL, connection=c)
            )
        return base64.b64decode(whole.pop("pdf")), whole

    def post(self, one: Paper, day: dt.date, now: dt.datetime, *, connection: Connection) -> bool:
        """It went out that day; False where that was said before."""
        done = connection.execute(
            "UPDATE case_letter SET posted_on = %s, posted_at = %s"
            " WHERE letter = %s AND posted_on IS NULL",
            (day, now, one.id),
        )
        return bool(done.rowcount)

    def forget(self, numbers: Sequence[int], *, connection: Connection) -> None:
        """Nothing is left of the letters of these cases."""
        connection.execute("DELETE FROM case_letter WHERE number = ANY(%s)", (list(numbers),))
