"""Agents who ask in the name of people: their tokens, the messages met, and their requests.

Tokens are kept as keyed hashes, signatures as hashes until their message is stale anyhow. What an
agent calls a request, and where to tell how it stands, is sealed and goes with the request.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.keys import Vault

_CLASS: Final = "agent"
_LABEL: Final = b"agent-request"
_LINK: Final = b"agent-link"
#: How long a request that has ended can be asked for.
REMEMBERED: Final = dt.timedelta(days=60)
#: What could not be told is told again after this long, then twice as long; so often at most.
_RETRY: Final = dt.timedelta(minutes=1)
_ATTEMPTS: Final = 12

DATASETS: Final = (
    Dataset(
        "agent_token",
        ("agent",),
        {
            "agent": Field("agent", nullable=False),
            "mac": Field("mac", "bytes", nullable=False),
            "issued_at": Field("issued_at", "datetime", nullable=False),
        },
        on_erase=OnErase.NEVER,
        title="What proves the calls of an agent, hashed",
    ),
    Dataset(
        "agent_seen",
        ("mark",),
        {
            "mark": Field("mark", "bytes", nullable=False),
            "until": Field("until", "datetime", nullable=False),
        },
        on_erase=OnErase.NEVER,
        title="Messages of agents that were met, hashed",
    ),
    Dataset(
        "agent_request",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "id": Field("id", nullable=False),
            "agent": Field("agent", category="rights-case", nullable=False),
            "exercise": Field("exercise", category="rights-case", nullable=False),
            "regime": Field("regime", category="rights-case"),
            "once": Field("once", "bytes"),
            "content": Field("content", "bytes", category="identity-link", nullable=False),
            "sealed": Field("sealed", "bytes", category="rights-case"),
            "link": Field("link", "bytes", category="rights-case"),
            "intake": Field("intake", "integer"),
            "arrived_at": Field("arrived_at", "datetime", category="rights-case", nullable=False),
            "status": Field("status", category="rights-case", nullable=False),
            "reason": Field("reason", category="rights-case"),
            "due": Field("due", "date", category="rights-case"),
            "changed_at": Field("changed_at", "datetime", nullable=False),
            "ended_at": Field("ended_at", "datetime"),
            "callback": Field("callback", "boolean", nullable=False),
            "told": Field("told"),
            "next_at": Field("next_at", "datetime"),
            "attempts": Field("attempts", "integer", nullable=False),
        },
        links=(Link(("intake",), "intake", ("number",), Owner.OWNED),),
        retention="case",
        clock="arrived_at",
        on_erase=OnErase.NEVER,
        title="What an agent asked in your name",
    ),
)


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One row. `status` and `reason` are words of the protocol, as they stood at `changed_at`;
    `intake` the number of what was taken in for it; `told` what the agent was told last.
    """

    number: int
    id: str
    agent: str
    exercise: str
    regime: str | None
    intake: int | None
    arrived_at: dt.datetime
    status: str
    reason: str | None
    due: dt.date | None
    changed_at: dt.datetime
    ended_at: dt.datetime | None
    callback: bool
    told: str | None
    attempts: int
    content: bytes


_COLUMNS: Final = (
    "number, id, agent, exercise, regime, intake, arrived_at, status, reason, due, changed_at,"
    " ended_at, callback, told, attempts, content"
)


class Agents:
    """Tokens, met messages and requests of agents."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    # — who calls —————————————————————————————————————————————————————————————————————————

    def issue(self, agent: str, now: dt.datetime, *, connection: Connection) -> str:
        """A new token for an agent, in the place of the one before; it is shown this once."""
        token = secrets.token_urlsafe(32)
        connection.execute(
            "INSERT INTO agent_token (agent, mac, issued_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (agent) DO UPDATE SET mac = excluded.mac, issued_at = excluded.issued_at",
            (agent, self._mac("token", token), now),
        )
        return token

    def whose(self, token: str) -> str | None:
        """The agent whose token it is; None for any other text.

        Nothing of the text itself is compared: two keyed hashes are, in constant time.
        """
        mac = self._mac("token", token)
        with self._database.by_statement() as c:
            row = c.execute("SELECT agent, mac FROM agent_token WHERE mac = %s", (mac,)).fetchone()
        return str(row[0]) if row and hmac.compare_digest(bytes(row[1]), mac) else None

    def tokens(self) -> dict[str, dt.datetime]:
        """Agent → since when it has its token."""
        with self._database.by_statement() as c:
            return dict(c.execute("SELECT agent, issued_at FROM agent_token").fetchall())

    def first_time(
        self, mark: bytes, until: dt.datetime, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Whether a message was not met before; it is remembered until then."""
        connection.execute("DELETE FROM agent_seen WHERE until <= %s", (now,))
        row = connection.execute(
            "INSERT INTO agent_seen (mark, until) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            " RETURNING until",
            (mark, until),
        ).fetchone()
        return row is not None

    # — what was asked ————————————————————————————————————————————————————————————————————

    def add(
        self, id_: str, agent: str, exercise: str, regime: str | None, said: Mapping[str, str],
        content: bytes, intake: int | None, now: dt.datetime, *, status: str, reason: str | None,
        connection: Connection,
    ) -> AgentRequest:  # fmt: skip
        """Remember a request. `said`: `id` (what the agent calls it) and `callback`, if given;
        `content` is what it asks of whom, as a keyed hash.
        """
        ended = now if status == "denied" else None
        row = connection.execute(
            "INSERT INTO agent_request (id, agent, exercise, regime, once, content, intake,"
            " arrived_at, status, reason, changed_at, ended_at, callback)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING number",
            (
                id_, agent, exercise, regime, self._once(agent, said.get("id")), content, intake,
                now, status, reason, now, ended, "callback" in said,
            ),
        ).fetchone()  # fmt: skip
        assert row is not None
        sealed = self._vault.seal(
            -row[0], _CLASS, json.dumps(dict(said)).encode(), _LABEL, connection=connection
        )
        connection.execute(
            "UPDATE agent_request SET sealed = %s WHERE number = %s", (sealed, row[0])
        )
        return self._all(connection, "number = %s", (row[0],))[0]

    def by_name(self, agent: str, name: str, *, connection: Connection) -> AgentRequest | None:
        """The one that an agent calls so."""
        found = self._all(connection, "once = %s", (self._once(agent, name),))
        return found[0] if found else None

    def of(self, agent: str, id_: str) -> AgentRequest | None:
        """The request of that id, if it is this agent's."""
        with self._database.by_statement() as c:
            found = self._all(c, "id = %s AND agent = %s", (id_, agent))
        return found[0] if found else None

    def asker(self, intake: int) -> str | None:
        """The id of the agent who asked for what was taken in under that number."""
        with self._database.by_statement() as c:
            found = self._all(c, "intake = %s", (intake,))
        return found[0].agent if found else None

    def going(self) -> list[AgentRequest]:
        """Those that have not ended, and those of which the agent is still to be told."""
        with self._database.by_statement() as c:
            return self._all(c, "ended_at IS NULL OR next_at IS NOT NULL", ())

    def said(self, one: AgentRequest) -> dict[str, str]:
        """What the agent calls it and where it wants to be told, unsealed."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT sealed FROM agent_request WHERE number = %s", (one.number,)
            ).fetchone()
            if row is None or row[0] is None:
                return {}
            plain = self._vault.unseal(-one.number, _CLASS, bytes(row[0]), _LABEL, connection=c)
        found: dict[str, str] = json.loads(plain)
        return found

    def tally(
        self, agent: str, asked: dt.datetime, unknown: dt.datetime, *, connection: Connection
    ) -> tuple[int, int]:
        """How much an agent asked since one moment, and how often it was told since another that
        nobody is known.
        """
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE arrived_at > %s),"
            " count(*) FILTER (WHERE reason = 'no_match' AND changed_at > %s)"
            " FROM agent_request WHERE agent = %s",
            (asked, unknown, agent),
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    # — going on ——————————————————————————————————————————————————————————————————————————

    def stands(
        self, one: AgentRequest, status: str, reason: str | None, due: dt.date | None,
        ended: bool, now: dt.datetime, *, connection: Connection,
    ) -> bool:  # fmt: skip
        """How it stands from now on; False where it stood so before, or has ended."""
        row = connection.execute(
            "UPDATE agent_request SET status = %s, reason = %s, due = %s, changed_at = %s,"
            " ended_at = %s, next_at = %s, attempts = 0 WHERE number = %s AND ended_at IS NULL"
            " AND (status, reason, due) IS DISTINCT FROM (%s, %s::text, %s::date) RETURNING number",
            (
                status, reason, due, now, now if ended else None, now if one.callback else None,
                one.number, status, reason, due,
            ),
        ).fetchone()  # fmt: skip
        return row is not None

    def due(self, now: dt.datetime) -> list[AgentRequest]:
        """Those of which an agent is to be told now."""
        with self._database.by_statement() as c:
            return self._all(c, "callback AND next_at <= %s", (now,))

    def told(self, one: AgentRequest, words: str, *, connection: Connection) -> None:
        """The agent was told this; nothing waits unless it stands otherwise meanwhile."""
        connection.execute(
            "UPDATE agent_request SET told = %s, attempts = 0, next_at = CASE"
            " WHEN changed_at = %s THEN NULL ELSE next_at END WHERE number = %s",
            (words, one.changed_at, one.number),
        )

    def not_told(self, one: AgentRequest, now: dt.datetime, *, connection: Connection) -> bool:
        """It could not be told: later again; False where that was the last time."""
        row = connection.execute(
            "UPDATE agent_request SET attempts = attempts + 1, next_at = CASE"
            " WHEN attempts + 1 >= %s THEN NULL ELSE %s + %s * power(2, attempts) END"
            " WHERE number = %s RETURNING next_at IS NOT NULL",
            (_ATTEMPTS, now, _RETRY, one.number),
        ).fetchone()
        return bool(row and row[0])

    def delivered(self, case: int, token: str, *, connection: Connection) -> None:
        """A package of a case waits behind this link: whoever asked for it as an agent is told."""
        rows = connection.execute(
            "SELECT number FROM agent_request WHERE intake IN"
            " (SELECT number FROM intake_case WHERE case_number = %s)",
            (case,),
        ).fetchall()
        for (number,) in rows:
            sealed = self._vault.seal(-number, _CLASS, token.encode(), _LINK, connection=connection)
            connection.execute(
                "UPDATE agent_request SET link = %s WHERE number = %s", (sealed, number)
            )

    def link(self, one: AgentRequest) -> str | None:
        """The token of the link behind which a package waits or waited."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT link FROM agent_request WHERE number = %s", (one.number,)
            ).fetchone()
            if row is None or row[0] is None:
                return None
            return self._vault.unseal(
                -one.number, _CLASS, bytes(row[0]), _LINK, connection=c
            ).decode()

    def forget(self, now: dt.datetime, *, connection: Connection) -> int:
        """Let go of what ended long ago, with its keys; how much that was."""
        gone = connection.execute(
            "DELETE FROM agent_request WHERE ended_at <= %s RETURNING number", (now - REMEMBERED,)
        ).fetchall()
        for (number,) in gone:
            self._vault.drop(-number, _CLASS, connection=connection)
        return len(gone)

    # — inside ————————————————————————————————————————————————————————————————————————————

    def content(self, agent: str, text: str) -> bytes:
        """What a request asks of whom, as a keyed hash."""
        return self._mac("content", f"{agent}\x00{text}")

    def _once(self, agent: str, name: str | None) -> bytes | None:
        return None if name is None else self._mac("once", f"{agent}\x00{name}")

    def _mac(self, use: str, text: str) -> bytes:
        return self._vault.mac(f"agent-{use}", text.encode())

    def _all(
        self, c: Connection, where: LiteralString, parameters: Sequence[object]
    ) -> list[AgentRequest]:
        rows = c.execute(
            f"SELECT {_COLUMNS} FROM agent_request WHERE {where} ORDER BY number",
            tuple(parameters),
        ).fetchall()
        return [_request(row) for row in rows]


def _request(row: tuple[Any, ...]) -> AgentRequest:
    return AgentRequest(*row)
