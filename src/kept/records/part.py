"""What of a request is refused, with the reason of the law, while the rest of it is granted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.case_state import Case

_CLASS: Final = "case"
_LABEL: Final = b"part"

DATASETS: Final = (
    Dataset(
        "case_part",
        ("number", "system", "dataset"),
        {
            "number": Field("number", "integer", nullable=False),
            "system": Field("system", nullable=False),
            "dataset": Field("dataset", nullable=False),
            "code": Field("code", nullable=False),
            "words": Field("words", "bytes", category="rights-case", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "at": Field("at", "datetime", nullable=False),
        },
        links=(
            Link(("number",), "rights_case", ("number",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Which parts of your request were refused",
    ),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is refused: a whole system where `dataset` is empty. `words` are for her."""

    system: str
    dataset: str
    code: str
    words: str

    def covers(self, place: tuple[str, str]) -> bool:
        """Whether a dataset is of this part."""
        return place[0] == self.system and self.dataset in ("", place[1])


def refused(parts: Iterable[Part], place: tuple[str, str]) -> bool:
    """Whether a dataset is of any of these parts."""
    return any(one.covers(place) for one in parts)


class Parts:
    """Parts of requests that are refused."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def add(
        self, case: Case, part: Part, actor: Actor, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Note that a part is refused; False where it is noted already."""
        sealed = self._vault.seal(
            case.key_subject, _CLASS, part.words.encode(), _LABEL, connection=connection
        )
        done = connection.execute(
            "INSERT INTO case_part (number, system, dataset, code, words, actor, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (case.number, part.system, part.dataset, part.code, sealed, actor.id, now),
        )
        return done.rowcount == 1

    def of(self, case: Case, *, connection: Connection | None = None) -> list[Part]:
        """The parts of a case, in order of their places."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT system, dataset, code, words FROM case_part WHERE number = %s"
                " ORDER BY system, dataset",
                (case.number,),
            ).fetchall()
            return [Part(row[0], row[1], row[2], self._open(case, row[3], c)) for row in rows]

    def _open(self, case: Case, sealed: bytes, connection: Connection) -> str:
        if not sealed:  # struck out
            return ""
        plain = self._vault.unseal(case.key_subject, _CLASS, sealed, _LABEL, connection=connection)
        return plain.decode()
