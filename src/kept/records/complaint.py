"""Complaints about the organisation: by people, and what an authority asks of it.

A complaint is one row and its acts, one line each, that stay: how it stands follows from them.
Nobody is looked up here. Addresses, sources, codes and tokens are keyed hashes; what was said is
sealed under a key of the complaint's own, which goes with the words.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, LiteralString

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.ids import new_id
from kept.records.intake import CODE_GOOD, SENDS, TRIES, Tally, Typed
from kept.terms import tongues
from kept.terms.identifiers import Identifier

_CLASS: Final = "complaint"
_LABEL: Final = b"complaint"
_ACT: Final = b"act"
PERSON: Final = "person"
AUTHORITY: Final = "authority"
_BY: Final = Link(("actor",), "actor", ("actor",), Owner.ACCESSED)


class State(StrEnum):
    """How a complaint stands."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    LOOKED_INTO = "looked-into"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


#: The outcome of one that its person took back.
WITHDRAWN: Final = "withdrawn"

DATASETS: Final = (
    Dataset(
        "complaint",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "id": Field("id", nullable=False),
            "channel": Field("channel", category="rights-case", nullable=False),
            "by_whom": Field("by_whom", category="rights-case", nullable=False),
            "region": Field("region", category="rights-case", nullable=False),
            "arrived": Field("arrived", "date", category="rights-case", nullable=False),
            "arrived_at": Field("arrived_at", "datetime", category="rights-case", nullable=False),
            "rule": Field("rule", nullable=False),
            "confirm_by": Field("confirm_by", "date", nullable=False),
            "due": Field("due", "date"),
            "mac": Field("mac", "bytes", category="identity-link"),
            "source": Field("source", "bytes", category="identity-link"),
            "token": Field("token", "bytes"),
            "once": Field("once", "bytes"),
            "code": Field("code", "bytes"),
            "code_until": Field("code_until", "datetime"),
            "codes": Field("codes", "integer", nullable=False),
            "tries": Field("tries", "integer", nullable=False),
            "verified_at": Field("verified_at", "datetime"),
            "case_number": Field("case_number", "integer"),
            "actor": Field("actor", "integer"),
            "ended_at": Field("ended_at", "datetime"),
            "outcome": Field("outcome", category="rights-case"),
            "sealed": Field("sealed", "bytes", category="rights-case"),
        },
        links=(Link(("case_number",), "rights_case", ("number",)), _BY),
        retention="case",
        clock="arrived_at",
        on_erase=OnErase.NEVER,
        title="Complaints about us",
    ),
    Dataset(
        "complaint_act",
        ("number", "turn"),
        {
            "number": Field("number", "integer", nullable=False),
            "turn": Field("turn", "integer", nullable=False),
            "act": Field("act", category="rights-case", nullable=False),
            "what": Field("what", category="rights-case"),
            "way": Field("way", category="rights-case"),
            "sealed": Field("sealed", "bytes", category="rights-case"),
            "done_at": Field("done_at", "datetime", nullable=False),
            "at": Field("at", "datetime", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
        },
        links=(Link(("number",), "complaint", ("number",)), _BY),
        retention="case",
        clock="at",
        on_erase=OnErase.NEVER,
        title="What was done about a complaint",
    ),
)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing done: `acknowledged`, `noted`, `verified`, `linked`, `answered` (`what` an
    outcome), `withdrawn`. `done_at` is when, `at` when it was entered; `words` what was written.
    """

    act: str
    what: str | None
    way: str | None
    words: str
    done_at: dt.datetime
    at: dt.datetime
    actor: Actor


@dataclass(frozen=True, slots=True)
class Complaint:
    """One complaint. `by_whom`: a person or an authority, which sets `due`; `case` is the id of
    the case that it was linked with; `struck`: its words are gone.
    """

    number: int
    id: str
    channel: str
    by_whom: str
    region: str
    arrived: dt.date
    arrived_at: dt.datetime
    rule: str
    confirm_by: dt.date
    due: dt.date | None
    code_until: dt.datetime | None
    codes: int
    tries: int
    verified_at: dt.datetime | None
    case: str | None
    ended_at: dt.datetime | None
    outcome: str | None
    struck: bool
    acts: tuple[Act, ...]

    def last(self, act: str) -> Act | None:
        """The newest act of a kind."""
        return next((a for a in reversed(self.acts) if a.act == act), None)

    @property
    def open(self) -> bool:
        """Whether it is still to be answered."""
        return self.ended_at is None

    @property
    def acknowledged_at(self) -> dt.datetime | None:
        """When it was said first that it has come; an answer says so too."""
        said = [a.done_at for a in self.acts if a.act in ("acknowledged", "answered")]
        return min(said, default=None)

    @property
    def state(self) -> State:
        """How it stands, by what was done."""
        if self.ended_at is not None:
            return State.WITHDRAWN if self.outcome == WITHDRAWN else State.ANSWERED
        if self.last("noted"):
            return State.LOOKED_INTO
        return State.RECEIVED if self.acknowledged_at is None else State.ACKNOWLEDGED

    @property
    def next_day(self) -> dt.date | None:
        """The next day by which something has to be done; None where no rule names one."""
        if not self.open:
            return None
        days = [self.confirm_by] if self.acknowledged_at is None else []
        return min([*days, *([self.due] if self.due else [])], default=None)


_COLUMNS: Final = (
    "p.number, p.id, p.channel, p.by_whom, p.region, p.arrived, p.arrived_at, p.rule,"
    " p.confirm_by, p.due, p.code_until, p.codes, p.tries, p.verified_at,"
    " (SELECT r.id FROM rights_case r WHERE r.number = p.case_number), p.ended_at, p.outcome,"
    " p.sealed IS NULL"
)


class Complaints:
    """The complaints, and what was done about each."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def take(
        self, channel: str, said: Mapping[str, Any], now: dt.datetime, *, by_whom: str,
        region: str, arrived: dt.date, rule: str, confirm_by: dt.date, connection: Connection,
        due: dt.date | None = None, address: Identifier | None = None, source: str | None = None,
        token: str | None = None, once: str | None = None, actor: Actor | None = None,
    ) -> Complaint:  # fmt: skip
        """Take one in. `said` is sealed, `address` hashed; `token` leads to its page, and `once`
        is what a form that is sent twice sends twice.
        """
        id_, mac = new_id(now), self._mac
        row = connection.execute(
            "INSERT INTO complaint (id, channel, by_whom, region, arrived, arrived_at, rule,"
            " confirm_by, due, mac, source, token, once, actor)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING number",
            (
                id_, channel, by_whom, region, arrived, now, rule, confirm_by, due,
                None if address is None else mac("address", _spelt(address)),
                None if source is None else mac("source", source),
                None if token is None else mac("token", token),
                None if once is None else mac("once", once), actor and actor.id,
            ),
        ).fetchone()  # fmt: skip
        assert row is not None
        connection.execute(
            "UPDATE complaint SET sealed = %s WHERE number = %s",
            (self._seal(connection, row[0], tongues.with_chosen(said), _LABEL), row[0]),
        )
        return self.get(id_, connection=connection)

    def tally(
        self, address: Identifier | None, source: str, since: dt.datetime, *, connection: Connection
    ) -> Tally:
        """How much came in since then; counted without looking at who it was."""
        mac = None if address is None else self._mac("address", _spelt(address))
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE mac = %(mac)s AND source = %(src)s),"
            " count(*) FILTER (WHERE mac = %(mac)s), count(*) FILTER (WHERE source = %(src)s),"
            " count(*) FROM complaint WHERE arrived_at > %(since)s AND source IS NOT NULL",
            {"mac": mac, "src": self._mac("source", source), "since": since},
        ).fetchone()
        assert row is not None
        return Tally(*row)

    def one_at_a_time(self, connection: Connection) -> None:
        """Until the end of the transaction nobody else counts and takes in."""
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('kept complaint', 0))")

    def act(
        self, one: Complaint, act: str, actor: Actor, now: dt.datetime, *, connection: Connection,
        what: str | None = None, way: str | None = None, words: str | None = None,
        done: dt.datetime | None = None,
    ) -> Complaint:  # fmt: skip
        """Add what was done."""
        sealed = None if not words else self._seal(connection, one.number, words, _ACT)
        connection.execute(
            "INSERT INTO complaint_act (number, turn, act, what, way, sealed, done_at, at, actor)"
            " SELECT %s, coalesce((SELECT max(turn) FROM complaint_act WHERE number = %s), 0) + 1,"
            " %s, %s, %s, %s, %s, %s, %s",
            (one.number, one.number, act, what, way, sealed, done or now, now, actor.id),
        )
        return self.get(one.id, connection=connection)

    def end(
        self, one: Complaint, outcome: str, now: dt.datetime, *, connection: Connection
    ) -> Complaint:
        """Nothing is left to do."""
        connection.execute(
            "UPDATE complaint SET ended_at = %s, outcome = %s, code = NULL, code_until = NULL"
            " WHERE number = %s",
            (now, outcome, one.number),
        )
        return self.get(one.id, connection=connection)

    def link(self, one: Complaint, case_number: int, *, connection: Connection) -> None:
        """Say which case it is about."""
        connection.execute(
            "UPDATE complaint SET case_number = %s WHERE number = %s", (case_number, one.number)
        )

    # — codes —————————————————————————————————————————————————————————————————————————————

    def send_code(
        self, one: Complaint, code: str, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Let a code be good for a while; False where there were enough of them."""
        done = connection.execute(
            "UPDATE complaint SET code = %s, code_until = %s, codes = codes + 1, tries = 0"
            " WHERE number = %s AND codes < %s AND verified_at IS NULL",
            (self._code(one, code), now + CODE_GOOD, one.number, SENDS),
        )
        return done.rowcount == 1

    def type_code(
        self, one: Complaint, code: str, now: dt.datetime, *, connection: Connection
    ) -> Typed:
        """What becomes of a code that was typed in; the right one proves the address, once."""
        row = connection.execute(
            "SELECT code, code_until, tries FROM complaint WHERE number = %s FOR UPDATE",
            (one.number,),
        ).fetchone()
        if row is None or row[0] is None or row[1] <= now or row[2] >= TRIES:
            return Typed.STALE
        if not hmac.compare_digest(bytes(row[0]), self._code(one, code)):
            connection.execute(
                "UPDATE complaint SET tries = tries + 1 WHERE number = %s", (one.number,)
            )
            return Typed.WRONG
        self.verified(one, now, connection=connection)
        return Typed.RIGHT

    def verified(self, one: Complaint, now: dt.datetime, *, connection: Connection) -> None:
        """It is known whose complaint it is."""
        connection.execute(
            "UPDATE complaint SET verified_at = %s, code = NULL, code_until = NULL"
            " WHERE number = %s",
            (now, one.number),
        )

    # — finding ———————————————————————————————————————————————————————————————————————————

    def get(self, id_: str, *, connection: Connection | None = None) -> Complaint:
        """The complaint of that id, locked where it is in a transaction; UsageError where none."""
        lock = " FOR UPDATE OF p" if connection is not None else ""
        with self._database.within(connection) as c:
            found = self._all(c, "p.id = %s", (id_,), lock)
        if not found:
            raise UsageError("there is no such complaint", fix="see `kept complaint list`")
        return found[0]

    def by_token(self, token: str) -> Complaint | None:
        """The one whose page the token leads to."""
        return next(iter(self._some("p.token = %s", self._mac("token", token))), None)

    def by_once(self, once: str, *, connection: Connection) -> Complaint | None:
        """The one that the same sending of a form made before."""
        return next(iter(self._all(connection, "p.once = %s", (self._mac("once", once),))), None)

    def all(self, *, open_only: bool = False) -> list[Complaint]:
        """All of them, or those to be answered, the oldest first."""
        return self._some("NOT %s OR p.ended_at IS NULL", open_only)

    def of_case(self, number: int) -> list[Complaint]:
        """Those that were linked with a case."""
        return self._some("p.case_number = %s", number)

    def naming(self, identifier: Identifier) -> list[Complaint]:
        """Those that came from an address, whether or not it was proven."""
        return self._some("p.mac = %s", self._mac("address", _spelt(identifier)))

    def names(self, one: Complaint, identifier: Identifier) -> bool:
        """Whether it came from an address."""
        return one.number in {other.number for other in self.naming(identifier)}

    def said(self, one: Complaint, *, connection: Connection | None = None) -> dict[str, Any]:
        """What was said, unsealed; nothing once it was struck out."""
        with self._database.by_statement(connection) as c:
            row = c.execute(
                "SELECT sealed FROM complaint WHERE number = %s", (one.number,)
            ).fetchone()
            sealed = None if row is None else row[0]
            found: dict[str, Any] = self._unsealed(c, one.number, sealed, _LABEL) or {}
        return found

    # — leaving ———————————————————————————————————————————————————————————————————————————

    def forget_sources(self, before: dt.datetime, *, connection: Connection) -> None:
        """Where something came from is of use for the limits alone."""
        connection.execute(
            "UPDATE complaint SET source = NULL WHERE source IS NOT NULL AND arrived_at < %s",
            (before,),
        )

    def over(self, *, connection: Connection) -> list[tuple[int, dt.datetime]]:
        """(number, when it ended) of those that are over and still say what was written."""
        rows = connection.execute(
            "SELECT number, ended_at FROM complaint WHERE ended_at IS NOT NULL"
            " AND sealed IS NOT NULL"
        ).fetchall()
        return [(int(n), at) for n, at in rows]

    def hers(
        self, cases: Sequence[int], known: Sequence[Identifier], *, connection: Connection
    ) -> list[int]:
        """Numbers of those linked with one of these cases, or that came from these addresses."""
        macs = [self._mac("address", _spelt(i)) for i in known]
        rows = connection.execute(
            "SELECT number FROM complaint WHERE case_number = ANY(%s) OR mac = ANY(%s)",
            (list(cases), macs),
        ).fetchall()
        return [int(row[0]) for row in rows]

    def strike(self, numbers: Sequence[int], *, connection: Connection) -> None:
        """Strike out whom and what these were about, with their keys; that there was one stays."""
        of = (list(numbers),)
        connection.execute(
            "UPDATE complaint SET sealed = NULL, mac = NULL, token = NULL, once = NULL,"
            " code = NULL, source = NULL WHERE number = ANY(%s)",
            of,
        )
        connection.execute("UPDATE complaint_act SET sealed = NULL WHERE number = ANY(%s)", of)
        for number in numbers:
            self._vault.drop(-number, _CLASS, connection=connection)

    # — inside ————————————————————————————————————————————————————————————————————————————

    def _seal(self, c: Connection, number: int, what: object, label: bytes) -> bytes:
        return self._vault.seal(-number, _CLASS, json.dumps(what).encode(), label, connection=c)

    def _unsealed(self, c: Connection, number: int, sealed: bytes | None, label: bytes) -> Any:
        if sealed is None:
            return None
        plain = self._vault.unseal(-number, _CLASS, bytes(sealed), label, connection=c)
        return json.loads(plain)

    def _mac(self, use: str, text: str) -> bytes:
        return self._vault.mac(f"complaint-{use}", text.encode())

    def _code(self, one: Complaint, code: str) -> bytes:
        return self._mac("code", f"{one.id}\x00{code}")

    def _some(self, where: LiteralString, *parameters: object) -> list[Complaint]:
        with self._database.by_statement() as c:
            return self._all(c, where, parameters)

    def _all(
        self, c: Connection, where: LiteralString, parameters: Sequence[object],
        lock: LiteralString = "",
    ) -> list[Complaint]:  # fmt: skip
        rows = c.execute(
            f"SELECT {_COLUMNS} FROM complaint p WHERE {where} ORDER BY p.number{lock}",
            tuple(parameters),
        ).fetchall()
        acts: dict[int, list[Act]] = {}
        for number, act, what, way, sealed, done, at, *actor in c.execute(
            "SELECT e.number, e.act, e.what, e.way, e.sealed, e.done_at, e.at, a.actor, a.name,"
            " a.role FROM complaint_act e JOIN actor a USING (actor)"
            " WHERE e.number = ANY(%s) ORDER BY e.number, e.turn",
            ([row[0] for row in rows],),
        ).fetchall():
            words = self._unsealed(c, number, sealed, _ACT) or ""
            acts.setdefault(number, []).append(Act(act, what, way, words, done, at, Actor(*actor)))
        return [Complaint(*(*row, tuple(acts.get(row[0], ())))) for row in rows]


def _spelt(identifier: Identifier) -> str:
    return f"{identifier.kind}\x00{identifier.normalised}"
