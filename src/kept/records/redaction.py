"""What people decided to leave out of the package of a case, and who decided it (GDPR Art. 15(4)).

The words that are struck are sealed under the key of the case and gone when it has ended; who
struck, who approved and how much it was stays as long as the case. A revision counts every
change, so that nobody decides about what somebody else has changed meanwhile.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import Busy
from kept.keys import Vault
from kept.model.strike import Strike, Strikes
from kept.records.actor import Actor
from kept.records.case_state import Case

_CLASS: Final = "case"
_LABEL: Final = b"redaction"
_WORDS: Final = b"redaction:words"

_NUMBER: Final = Field("number", "integer", nullable=False)
_CASE: Final = Link(("number",), "rights_case", ("number",))

DATASETS: Final = (
    Dataset(
        "case_redaction",
        ("number",),
        {
            "number": _NUMBER,
            "revision": Field("revision", "integer", nullable=False),
            "state": Field("state", nullable=False),
            "texts": Field("texts", "integer", nullable=False),
            "struck": Field("struck", "integer", nullable=False),
            "spared": Field("spared", "integer", nullable=False),
            "left_over": Field("left_over", "integer", nullable=False),
            "mark": Field("mark"),
            "sealed": Field("sealed", "bytes", category="rights-case"),
            "changed_at": Field("changed_at", "datetime", nullable=False),
        },
        links=(_CASE,),
        retention="case",
        on_erase=OnErase.NEVER,
        title="What was left out of your package because it concerns others",
    ),
    Dataset(
        "case_redaction_act",
        ("number", "turn"),
        {
            "number": _NUMBER,
            "turn": Field("turn", "integer", nullable=False),
            "act": Field("act", nullable=False),
            "revision": Field("revision", "integer", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "words": Field("words", "bytes", category="rights-case"),
            "at": Field("at", "datetime", nullable=False),
        },
        links=(
            Link(("number",), "case_redaction", ("number",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Who left out of your package what concerns others",
    ),
)


class Stands(enum.StrEnum):
    """How it stands: being worked on, handed over, approved; something was left in the files,
    which somebody accepted; handed out.
    """

    OPEN = "open"
    HANDED = "handed"
    APPROVED = "approved"
    LEFT = "left"
    ACCEPTED = "accepted"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Left:
    """Something of others that a package still held: in which file, what, how often. `struck`:
    it ought to have gone; else nobody brought it up.
    """

    file: str
    words: str
    count: int
    struck: bool


@dataclass(frozen=True, slots=True)
class Redaction:
    """How it stands with one case. `mark` is the keyed hash of what was decided."""

    revision: int
    state: Stands
    texts: int
    struck: int
    spared: int
    left_over: int
    mark: str | None
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did: `looked`, `redacted`, `handed`, `approved`, `returned`, `scanned`,
    `accepted`, `released`.
    """

    act: str
    revision: int
    actor: Actor
    at: dt.datetime


class Redactions:
    """What was decided to be left out, case by case."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def of(self, case: Case, *, connection: Connection | None = None) -> Redaction | None:
        """How it stands; None where nobody has begun."""
        with self._database.by_statement(connection) as c:
            row = c.execute(
                "SELECT revision, state, texts, struck, spared, left_over, mark, changed_at"
                " FROM case_redaction WHERE number = %s",
                (case.number,),
            ).fetchone()
        return None if row is None else Redaction(row[0], Stands(row[1]), *row[2:])

    def strikes(
        self, case: Case, *, connection: Connection | None = None
    ) -> tuple[Strikes, tuple[Left, ...]]:
        """What was decided, and what the last package still held; nothing after the end."""
        with self._database.by_statement(connection) as c:
            row = c.execute(
                "SELECT sealed FROM case_redaction WHERE number = %s", (case.number,)
            ).fetchone()
            if row is None or row[0] is None:
                return Strikes((), frozenset()), ()
            plain = self._vault.unseal(case.key_subject, _CLASS, row[0], _LABEL, connection=c)
        said = json.loads(plain)
        return (
            Strikes(tuple(Strike(*one) for one in said["strikes"]), frozenset(said["texts"])),
            tuple(Left(*one) for one in said["left"]),
        )

    def save(
        self, case: Case, before: int | None, state: Stands, strikes: Strikes, mark: str,
        actor: Actor, acts: Sequence[str], now: dt.datetime, *, connection: Connection,
        left: Sequence[Left] = (), words: str | None = None,
    ) -> Redaction:  # fmt: skip
        """Put a revision in the place of that of the number `before` (None: of none), and say who
        did what. Busy where another revision stands there by now.
        """
        said = {
            "strikes": [[s.words, s.role, s.instead, s.how, s.on] for s in strikes.strikes],
            "texts": sorted(strikes.texts),
            "left": [[one.file, one.words, one.count, one.struck] for one in left],
        }
        sealed = None
        if state is not Stands.OUT:
            sealed = self._vault.seal(
                case.key_subject, _CLASS, json.dumps(said).encode(), _LABEL, connection=connection
            )
        on, revision = len(strikes.on), (before or 0) + 1
        done = connection.execute(
            "INSERT INTO case_redaction AS r (number, revision, state, texts, struck, spared,"
            " left_over, mark, sealed, changed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (number) DO UPDATE SET revision = excluded.revision,"
            " state = excluded.state, texts = excluded.texts, struck = excluded.struck,"
            " spared = excluded.spared, left_over = excluded.left_over, mark = excluded.mark,"
            " sealed = excluded.sealed, changed_at = excluded.changed_at WHERE r.revision = %s",
            (
                case.number, revision, state, len(strikes.texts), on, len(strikes.strikes) - on,
                sum(one.count for one in left), mark, sealed, now, before,
            ),
        )  # fmt: skip
        if done.rowcount != 1:
            raise stale()
        why = None
        if words is not None:
            why = self._vault.seal(
                case.key_subject, _CLASS, words.encode(), _WORDS, connection=connection
            )
        connection.execute(
            "INSERT INTO case_redaction_act (number, turn, act, revision, actor, words, at)"
            " SELECT %s, coalesce((SELECT max(turn) FROM case_redaction_act WHERE number = %s), 0)"
            " + n, act, %s, %s, %s, %s FROM unnest(%s::text[]) WITH ORDINALITY AS t (act, n)",
            (case.number, case.number, revision, actor.id, why, now, list(acts)),
        )
        return Redaction(
            revision, state, len(strikes.texts), on, len(strikes.strikes) - on,
            sum(one.count for one in left), mark, now,
        )  # fmt: skip

    def acts(self, case: Case, *, connection: Connection | None = None) -> list[Act]:
        """Who did what, in order."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT r.act, r.revision, r.actor, a.name, a.role, r.at FROM case_redaction_act r"
                " JOIN actor a USING (actor) WHERE r.number = %s ORDER BY r.turn",
                (case.number,),
            ).fetchall()
        return [Act(r[0], r[1], Actor(*r[2:5]), r[5]) for r in rows]


def stale() -> Busy:
    """Somebody decided about what is not what stands there now."""
    return Busy(
        "somebody changed it since this was shown; nothing was changed",
        fix="look at it again, then decide",
    )
