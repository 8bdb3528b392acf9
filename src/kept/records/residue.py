"""What was said of the layers beneath the rows, case by case; the newest word of each layer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase
from kept.model.residue import Fate, Residue
from kept.records.case_state import Case


@dataclass(frozen=True, slots=True)
class Told:
    """What one system said of one layer, and when."""

    store: str
    residue: Residue
    at: dt.datetime

    def document(self) -> dict[str, Any]:
        """As JSON."""
        one = self.residue
        return {
            "store": self.store,
            "layer": one.layer,
            "state": one.fate.words,
            "until": one.until.isoformat() if one.until else None,
            "words": one.words,
        }


class Residues:
    """The words on the layers of all cases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, case: Case, told: Sequence[Told], *, connection: Connection) -> None:
        """In place of what was said of the case before."""
        connection.execute("DELETE FROM case_residue WHERE number = %s", (case.number,))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO case_residue (number, system, layer, fate, words, until, looked,"
                " found, at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
                # Another process may look at the same case at the same time; both saw it.
                " ON CONFLICT (number, system, layer) DO UPDATE SET fate = EXCLUDED.fate,"
                " words = EXCLUDED.words, until = EXCLUDED.until, looked = EXCLUDED.looked,"
                " found = EXCLUDED.found, at = EXCLUDED.at",
                [
                    (case.number, t.store, t.residue.layer, t.residue.fate, t.residue.words,
                     t.residue.until, t.residue.looked, t.residue.found, t.at)
                    for t in told
                ],
            )  # fmt: skip

    def of(self, case: Case) -> tuple[Told, ...]:
        """What was said of the case last."""
        with self._database.connection() as c:
            rows = c.execute(
                "SELECT system, layer, fate, words, until, looked, found, at FROM case_residue"
                " WHERE number = %s ORDER BY system, layer",
                (case.number,),
            ).fetchall()
        return tuple(Told(r[0], Residue(r[1], Fate(r[2]), r[3], *r[4:7]), r[7]) for r in rows)


_COUNTS: Final = (Field("looked", "integer", nullable=False),
                  Field("found", "integer", nullable=False))  # fmt: skip
_FIELDS: Final = (
    Field("number", "integer", nullable=False),
    *(Field(n, nullable=False) for n in ("system", "layer", "fate", "words")),
    Field("until", "date"),
    *_COUNTS,
    Field("at", "datetime", nullable=False),
)
DATASETS: Final = (
    Dataset(
        "case_residue",
        ("number", "system", "layer"),
        {f.name: f for f in _FIELDS},
        links=(Link(("number",), "rights_case", ("number",)),),
        retention="case",
        on_erase=OnErase.NEVER,
        title="What was left beneath the rows",
    ),
)
