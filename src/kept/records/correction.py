"""Corrections: what was put right at a person's wish, so that no import undoes it (Art. 16).

Of the wrong value a keyed hash is kept, by which it is known again; the right one is sealed under
the person's key and dies with it. So is what was wrong where it named her: whoever knew her by it
knows her by nothing else.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link
from kept.keys import PERSON, Vault
from kept.model.codec import decode_value, encode_value
from kept.model.values import Value, fold, normal
from kept.terms.identifiers import Identifier

DATASETS: Final = (
    Dataset(
        "correction",
        ("subject", "system", "dataset", "field", "wrong"),
        {
            "subject": Field("subject", "integer", category="identity-link", nullable=False),
            "system": Field("system", "text", nullable=False),
            "dataset": Field("dataset", "text", nullable=False),
            "field": Field("field", "text", nullable=False),
            "wrong": Field("wrong", "bytes", category="identity-link", nullable=False),
            "sealed": Field("sealed", "bytes", category="rights-case", nullable=False),
            "made_at": Field("made_at", "datetime", category="rights-case", nullable=False),
        },
        links=(Link(("subject",), "subject", ("subject",)),),
        retention="person",
        clock="made_at",
        title="What was corrected, so that nothing undoes it",
    ),
)


@dataclass(frozen=True, slots=True)
class Correction:
    """One field of a person that was put right: `wrong` is the hash of what stood there, `was` that
    itself where it named her.
    """

    subject: int
    system: str
    dataset: str
    field: str
    wrong: bytes
    right: Value
    was: Identifier | None = None

    @property
    def where(self) -> str:
        """The field's name in the map."""
        return f"{self.system}.{self.dataset}.{self.field}"


class Corrections:
    """What was put right."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def hash_of(self, subject: int, value: Value) -> bytes:
        """The hash by which a wrong value of this person is known again, however it is spelt."""
        said = fold(value) if isinstance(value, str) else repr(normal(value))
        return self._vault.mac("correction", f"{subject}\x00{said}".encode())

    def add(
        self,
        subject: int,
        fields: Sequence[tuple[str, str, str]],
        wrong: Value,
        right: Value,
        now: dt.datetime,
        *,
        was: Identifier | None = None,
        connection: Connection | None = None,
    ) -> None:
        """Remember that in these fields (system, dataset, name) the value was put right; `was` is
        what is wrong, where it named her.

        What was right before and is wrong now is forgotten as such; values that were wrong
        before are put right to the newest.
        """
        before = self.hash_of(subject, wrong)
        no_longer = self.hash_of(subject, right)
        with self._database.within(connection) as c:
            for place in fields:
                c.execute(
                    "DELETE FROM correction WHERE (subject, system, dataset, field, wrong)"
                    " = (%s, %s, %s, %s, %s)",
                    (subject, *place, no_longer),
                )
                older = c.execute(
                    "SELECT wrong, sealed FROM correction WHERE (subject, system, dataset, field)"
                    " = (%s, %s, %s, %s)",
                    (subject, *place),
                ).fetchall()
                for wrong_, sealed in older:
                    _, named = self._open(c, subject, place, sealed)
                    c.execute(
                        "UPDATE correction SET sealed = %s WHERE (subject, system, dataset, field,"
                        " wrong) = (%s, %s, %s, %s, %s)",
                        (self._seal(c, subject, place, right, named), subject, *place, wrong_),
                    )
                c.execute(
                    "INSERT INTO correction (subject, system, dataset, field, wrong, sealed,"
                    " made_at) VALUES (%s, %s, %s, %s, %s, %s, %s)"
                    " ON CONFLICT (subject, system, dataset, field, wrong)"
                    " DO UPDATE SET sealed = excluded.sealed, made_at = excluded.made_at",
                    (subject, *place, before, self._seal(c, subject, place, right, was), now),
                )

    def all(self) -> list[Correction]:
        """Every correction that is remembered, person by person."""
        return self.of(None)

    def of(self, subjects: Sequence[int] | None) -> list[Correction]:
        """What was corrected of these people; None: of everybody."""
        wanted = None if subjects is None else list(subjects)
        with self._database.connection() as c:
            rows = c.execute(
                "SELECT subject, system, dataset, field, wrong, sealed FROM correction"
                " WHERE %s::bigint[] IS NULL OR subject = ANY(%s)"
                " ORDER BY subject, system, dataset, field, made_at",
                (wanted, wanted),
            ).fetchall()
            found = []
            for subject, system, dataset, field, wrong, sealed in rows:
                right, was = self._open(c, subject, (system, dataset, field), sealed)
                found.append(Correction(subject, system, dataset, field, bytes(wrong), right, was))
            return found

    def _seal(
        self, c: Connection, subject: int, place: tuple[str, str, str], right: Value,
        was: Identifier | None,
    ) -> bytes:  # fmt: skip
        said = {"right": encode_value(right), "was": was and [was.kind, was.value]}
        data = json.dumps(said).encode()
        return self._vault.seal(subject, PERSON, data, _label(*place), connection=c)

    def _open(
        self, c: Connection, subject: int, place: tuple[str, str, str], sealed: bytes
    ) -> tuple[Value, Identifier | None]:
        data = self._vault.unseal(subject, PERSON, sealed, _label(*place), connection=c)
        said: Any = json.loads(data)
        if not isinstance(said, dict):  # what was wrong was not kept with it before
            return decode_value(said), None
        return decode_value(said["right"]), Identifier(*said["was"]) if said["was"] else None


def _label(system: str, dataset: str, field: str) -> bytes:
    return f"correction:{system}.{dataset}.{field}".encode()
