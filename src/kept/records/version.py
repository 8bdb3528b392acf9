"""Published versions of the policy, with their text: nothing published is ever lost."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import rfc8785
from psycopg.types.json import Jsonb

from kept.database import Connection, Database
from kept.policy.versions import Published


@dataclass(frozen=True, slots=True)
class Version:
    """One published version: what was published, the text as shown, when, and its entry.

    `units` are the sentences in order, as people read them (placeholders resolved).
    """

    published: Published
    units: tuple[str, ...]
    kinds: tuple[str, ...]
    at: dt.datetime
    entry: int


def archived(units: Sequence[Sequence[str]]) -> str:
    """SHA-256 (hex) of exactly what the archive keeps of a text: its [kind, words], in order."""
    return hashlib.sha256(rfc8785.dumps([list(unit) for unit in units])).hexdigest()


class Versions:
    """The archive of versions, newest last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, connection: Connection, version: Version) -> None:
        """Keep one version, in the transaction that also writes its entry."""
        p = version.published
        connection.execute(
            "INSERT INTO policy_version (policy, version, text_sha256, rules_sha256, units, at,"
            " entry) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                p.id, str(p.version), p.text_sha256, p.rules_sha256,
                Jsonb([list(pair) for pair in zip(version.kinds, version.units, strict=True)]),
                version.at, version.entry,
            ),
        )  # fmt: skip

    def all(self, policy: str) -> list[Version]:
        """Every published version of the policy `policy`, oldest first."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT policy, version, text_sha256, rules_sha256, units, at, entry"
                " FROM policy_version WHERE policy = %s ORDER BY entry",
                (policy,),
            ).fetchall()
        return [
            Version(
                Published(r[0], dt.date.fromisoformat(r[1]), r[2], r[3]),
                tuple(text for _, text in r[4]),
                tuple(kind for kind, _ in r[4]),
                r[5],
                r[6],
            )
            for r in rows
        ]

    def newest(self, policy: str) -> Version | None:
        """The version in force, or None for a draft."""
        versions = self.all(policy)
        return versions[-1] if versions else None


def as_mapping(version: Version) -> Mapping[str, object]:
    """A version for JSON answers."""
    return {
        "policy": version.published.id,
        "version": str(version.published.version),
        "text_sha256": version.published.text_sha256,
        "rules_sha256": version.published.rules_sha256,
        "published_at": version.at.isoformat(),
        "entry": version.entry,
    }
