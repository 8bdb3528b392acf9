"""What somebody asks, before it is known who asks: no case and no subject, and it leaves by itself.

Addresses, sources, codes and the tokens of pages are kept as keyed hashes; what was said is sealed
under a key of the row's own, which goes with it. Nobody is looked up here.
"""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, LiteralString

import psycopg

from kept.database import Connection, Cursor, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.keys import Fresh, Vault
from kept.records import letter_scan
from kept.records.ids import new_id
from kept.records.outbox import GIVEN_UP
from kept.terms import tongues
from kept.terms.asks import QUESTION, UNCLEAR
from kept.terms.identifiers import Identifier

_CLASS: Final = "intake"
_WORDS: Final = b"said"
_REACH: Final = b"reach"

#: How long a code may be typed, how often it may be wrong, and how often it is sent.
CODE_GOOD: Final = dt.timedelta(minutes=10)
TRIES: Final = 5
SENDS: Final = 4
#: What may come in within an hour: for an address from one source, for the address in all, from a
#: source; in all as kept.toml [desk] says. One source cannot use up what an address has.
WINDOW: Final = dt.timedelta(hours=1)
LIMITS: Final = (3, 12, 20)
#: After this long what nobody confirmed leaves.
UNCONFIRMED: Final = dt.timedelta(days=1)


class State(StrEnum):
    """Where it stands. What expired is `AWAITING` past its time, until it is removed."""

    AWAITING = "awaiting-code"
    VERIFIED = "verified"  # by a typed code, or by a live cookie
    ENTERED = "entered"  # by staff; or a report, which asks for no proof
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


#: Ways in on which whoever asks is told at once that it has come, by the page or the protocol.
ANSWERED: Final = ("web", "agent", "drp")
#: How far one has come that is open: all that was asked is begun; the whole record is frozen.
BEGUN: Final = "begun"
WHOLE: Final = "frozen"
#: States in which something is left to do for the organisation.
OPEN: Final = (State.VERIFIED, State.ENTERED)


class Typed(StrEnum):
    """What became of a code that was typed in."""

    RIGHT = "right"
    MORE = "more"  # right, and another address has to confirm as well
    WRONG = "wrong"
    STALE = "stale"  # its time or its tries are over


@dataclass(frozen=True, slots=True)
class Intake:
    """One row. `asked` are kinds of terms.asks; `cases` (kind, id) of the cases opened on it.
    `untold_at`: no server had taken the mail that it has come.
    """

    id: str
    number: int
    channel: str
    state: State
    asked: tuple[str, ...]
    region: str
    arrived: dt.date
    arrived_at: dt.datetime
    expires_at: dt.datetime | None
    verified_at: dt.datetime | None
    frozen_at: dt.datetime | None
    ended_at: dt.datetime | None
    outcome: str | None
    actor: int | None
    cases: tuple[tuple[str, str], ...]
    held_at: dt.datetime | None = None
    untold_at: dt.datetime | None = None

    @property
    def held(self) -> bool:
        """Whether it is a report of which a person says first that its record is frozen."""
        return self.open and self.held_at is not None and self.frozen_at is None

    @property
    def open(self) -> bool:
        """Whether something is left to do for the organisation."""
        return self.state in OPEN

    @property
    def only_cases(self) -> bool:
        """Whether nothing is left to do on it but its cases: it ends with them."""
        waits = {QUESTION, UNCLEAR} & set(self.asked)
        return self.outcome == BEGUN and bool(self.cases) and not waits


@dataclass(frozen=True, slots=True)
class Party:
    """An address that has to confirm. `own`: it has a page of its own."""

    party: str
    own: bool
    good_until: dt.datetime | None
    sent: int
    tries: int
    verified_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many were taken in since a moment: for an address from one source, for the address in
    all, from the source, and in all.
    """

    pair: int
    address: int
    source: int
    all: int


@dataclass(frozen=True, slots=True)
class Reports:
    """How many reports came in since a moment, as in `Tally`; and how many of them did not have to
    wait for a person, from the source and in all.
    """

    tally: Tally
    source: int
    all: int


_COLUMNS: Final = (
    "i.id, i.number, i.channel, i.state, i.asked, i.region, i.arrived, i.arrived_at, i.expires_at,"
    " i.verified_at, i.frozen_at, i.ended_at, i.outcome, i.actor,"
    " (SELECT json_agg(json_build_array(k.asked, r.id) ORDER BY r.number) FROM intake_case k"
    " JOIN rights_case r ON r.number = k.case_number WHERE k.number = i.number), i.held_at,"
    " i.untold_at"
)

_NEXT: Final = "nextval(pg_get_serial_sequence('intake', 'number'))"
_OF_INTAKE: Final = Link(("number",), "intake", ("number",), Owner.OWNED)
_NUMBER: Final = Field("number", "integer", nullable=False)


def _own(name: str, key: tuple[str, ...], title: str, *fields: Field, links: Sequence[Link]) -> Any:
    return Dataset(
        name, key, {f.name: f for f in fields}, links=tuple(links), retention="case",
        clock="arrived_at" if name == "intake" else None, on_erase=OnErase.NEVER, title=title,
    )  # fmt: skip


DATASETS: Final = (
    _own(
        "intake",
        ("number",),
        "What was asked, and how it came in",
        _NUMBER,
        Field("id", nullable=False),
        Field("channel", category="rights-case", nullable=False),
        Field("state", category="rights-case", nullable=False),
        Field("asked", category="rights-case", nullable=False),
        Field("region", category="rights-case", nullable=False),
        Field("arrived", "date", category="rights-case", nullable=False),
        Field("arrived_at", "datetime", category="rights-case", nullable=False),
        Field("mac", "bytes", category="identity-link"),
        Field("source", "bytes", category="identity-link"),
        Field("token", "bytes"),
        Field("once", "bytes"),
        Field("sealed", "bytes", category="rights-case"),
        Field("reach", "bytes", category="identity-link"),
        Field("expires_at", "datetime"),
        Field("verified_at", "datetime"),
        Field("frozen_at", "datetime"),
        Field("held_at", "datetime"),
        Field("letter"),
        Field("untold_at", "datetime"),
        Field("ended_at", "datetime"),
        Field("outcome", category="rights-case"),
        Field("actor", "integer"),
        Field("case_number", "integer"),
        links=(
            Link(("case_number",), "rights_case", ("number",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
    ),
    _own(
        "intake_code",
        ("number", "party"),
        "Which addresses were asked to confirm it, as keyed hashes",
        _NUMBER,
        Field("party", nullable=False),
        Field("mac", "bytes", category="identity-link", nullable=False),
        Field("token", "bytes"),
        Field("code", "bytes"),
        Field("good_until", "datetime"),
        Field("sent", "integer", nullable=False),
        Field("tries", "integer", nullable=False),
        Field("verified_at", "datetime"),
        links=(_OF_INTAKE,),
    ),
    _own(
        "intake_case",
        ("number", "case_number"),
        "Which requests were opened on it",
        _NUMBER,
        Field("case_number", "integer", nullable=False),
        Field("asked", category="rights-case", nullable=False),
        links=(_OF_INTAKE, Link(("case_number",), "rights_case", ("number",), Owner.ACCESSED)),
    ),
)


class Intakes:
    """What people ask, until it is answered or leaves."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    # — coming in ———————————————————————————————————————————————————————————————————————————

    def take(
        self, channel: str, asked: Sequence[str], said: Mapping[str, Any], now: dt.datetime,
        *, state: State, connection: Connection, address: Identifier | None = None,
        region: str = "unknown", arrived: dt.date | None = None, source: str | None = None,
        token: str | None = None, once: str | None = None, actor: int | None = None,
        held: bool = False, number: int | None = None, keys: Fresh | None = None,
    ) -> Intake:  # fmt: skip
        """Take a request in. `said` is sealed, with the language that was chosen; `source` is where
        it came from; `token` leads to its page; `once` is what a form sent twice sends twice;
        `held`: it waits for a person; `number` is what `arriving` gave.
        """
        id_ = new_id(now)
        expires = now + UNCONFIRMED if state is State.AWAITING else None
        keys = keys or self._vault.fresh(connection)
        if number is None:
            row = connection.execute(f"SELECT {_NEXT}").fetchone()
            assert row is not None
            number = int(row[0])
        sealed = keys.seal(-number, _CLASS, json.dumps(tongues.with_chosen(said)).encode(), _WORDS)
        connection.execute(
            "INSERT INTO intake (number, id, channel, state, asked, region, arrived, arrived_at,"
            " mac, source, token, once, expires_at, actor, held_at, sealed)"
            " OVERRIDING SYSTEM VALUE"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                number, id_, channel, state, " ".join(asked), region,
                arrived or now.astimezone(dt.UTC).date(), now,
                None if address is None else self._mac("address", _spelt(address)),
                None if source is None else self._mac("source", source),
                None if token is None else self._mac("token", token),
                None if once is None else self._mac("once", once),
                expires, actor, now if held else None, sealed,
            ),
        )  # fmt: skip
        return Intake(
            id=id_, number=number, channel=channel, state=state, asked=tuple(asked), region=region,
            arrived=arrived or now.astimezone(dt.UTC).date(), arrived_at=now, expires_at=expires,
            verified_at=None, frozen_at=None, ended_at=None, outcome=None, actor=actor, cases=(),
            held_at=now if held else None,
        )  # fmt: skip

    def arriving(
        self, addresses: Sequence[Identifier], source: str, once: str, since: dt.datetime,
        *, connection: Connection,
    ) -> tuple[bool, int, list[Tally]]:  # fmt: skip
        """Whether the same sending was taken in before; a number for it if not; and what counts
        against each of its addresses. All of it is asked for at once.
        """
        first = connection.execute(
            f"SELECT EXISTS (SELECT FROM intake WHERE once = %s), {_NEXT}",
            (self._mac("once", once),),
        )
        counts = [self._tallied(one, source, since, False, connection) for one in addresses]
        row = first.fetchone()
        assert row is not None
        return row[0], int(row[1]), [_reports(found).tally for found in counts]

    def tally(
        self, address: Identifier | None, source: str, since: dt.datetime,
        *, connection: Connection,
    ) -> Tally:  # fmt: skip
        """How much came in since then; counted without looking at who it was. A request counts
        for every address that it is written to, an agent's or a new one as well.
        """
        return _reports(self._tallied(address, source, since, False, connection)).tally

    def tally_reports(
        self, address: Identifier | None, source: str, since: dt.datetime,
        *, connection: Connection,
    ) -> Reports:  # fmt: skip
        """The same of reports of children, which use up nothing of what requests have."""
        return _reports(self._tallied(address, source, since, True, connection))

    def _tallied(
        self, address: Identifier | None, source: str, since: dt.datetime, reports: bool,
        connection: Connection,
    ) -> Cursor:  # fmt: skip
        mac = None if address is None else self._mac("address", _spelt(address))
        return connection.execute(
            "SELECT count(*) FILTER (WHERE hers AND source = %(src)s),"
            " count(*) FILTER (WHERE hers), count(*) FILTER (WHERE source = %(src)s), count(*),"
            " count(*) FILTER (WHERE source = %(src)s AND held_at IS NULL),"
            " count(*) FILTER (WHERE held_at IS NULL)"
            " FROM (SELECT i.source, i.held_at, i.mac = %(mac)s OR i.number IN (SELECT k.number"
            " FROM intake_code k WHERE k.mac = %(mac)s) AS hers FROM intake i"
            " WHERE i.arrived_at > %(since)s AND i.source IS NOT NULL"
            " AND (i.asked = 'child-report') = %(reports)s) late",
            {
                "mac": mac, "src": self._mac("source", source), "since": since,
                "reports": reports,
            },
        )  # fmt: skip

    def one_at_a_time(self, connection: Connection) -> None:
        """Until the end of the transaction nobody else counts and takes in: limits hold exactly."""
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('kept intake', 0))")

    @contextmanager
    def mine(self, one: Intake) -> Iterator[Intake | None]:
        """The request as it stands now, for this process and thread only; None where another is at
        it, or it has left. Nobody waits.
        """
        at = f"kept intake {one.number}"
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (at,)
            ).fetchone()
            if row is None or not row[0]:
                yield None
                return
            try:
                yield self.numbered(one.number)
            finally:
                with suppress(psycopg.Error):  # a lost connection has given it back already
                    c.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (at,))

    # — finding ———————————————————————————————————————————————————————————————————————————

    def get(self, id_: str) -> Intake:
        """The one of that id. UsageError where there is none."""
        found = self._some("i.id = %s", id_)
        if not found:
            raise UsageError("there is no such request", fix="see `kept request list`")
        return found[0]

    def numbered(self, number: int) -> Intake | None:
        """The one of that number; None where it has left."""
        found = self._some("i.number = %s", number)
        return found[0] if found else None

    def by_token(self, token: str) -> tuple[Intake, str | None] | None:
        """The one whose page the token leads to, and the party whose own page it is."""
        mac = self._mac("token", token)
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT number, NULL FROM intake WHERE token = %s UNION ALL"
                " SELECT number, party FROM intake_code WHERE token = %s",
                (mac, mac),
            ).fetchone()
            if row is None:
                return None
            return self._one(c, "i.number = %s", row[0]), row[1]

    def by_once(self, once: str, *, connection: Connection) -> Intake | None:
        """The one that the same sending of a form made before."""
        found = self._all(connection, "i.once = %s", (self._mac("once", once),))
        return found[0] if found else None

    def all(self, *, open_only: bool = False) -> list[Intake]:
        """All, or those with something left to do, the oldest first."""
        return self._some("NOT %s OR i.state = ANY(%s)", open_only, list(OPEN))

    def to_do(self, most: int) -> list[Intake]:
        """Up to `most` of which a person has something to do at the request itself: reports of
        children first, then the oldest first. What became a case goes on there.
        """
        with self._database.by_statement() as c:
            numbers = c.execute(
                "SELECT i.number FROM intake i WHERE i.state = ANY(%s) AND (i.asked ="
                " 'child-report' OR i.asked LIKE '%%unclear%%' OR i.outcome IS DISTINCT FROM %s"
                " OR NOT EXISTS (SELECT FROM intake_case k WHERE k.number = i.number))"
                " ORDER BY i.asked <> 'child-report', i.number LIMIT %s",
                (list(OPEN), BEGUN, most),
            ).fetchall()
            found = self._all(c, "i.number = ANY(%s)", ([row[0] for row in numbers],))
        at = {row[0]: n for n, row in enumerate(numbers)}
        return sorted(found, key=lambda one: at[one.number])

    def waiting_for_freeze(self) -> list[Intake]:
        """Reports whose record is not frozen yet, or not in every system; but those that wait for
        a person to say that it is to be.
        """
        return self._some(
            "i.asked = 'child-report' AND i.outcome IS DISTINCT FROM %s AND i.state = ANY(%s)"
            " AND (i.held_at IS NULL OR i.frozen_at IS NOT NULL)",
            WHOLE, list(OPEN),
        )  # fmt: skip

    def held(self) -> list[Intake]:
        """Reports that wait for a person before their record is frozen, oldest first."""
        return self._some(
            "i.held_at IS NOT NULL AND i.frozen_at IS NULL AND i.state = ANY(%s)", list(OPEN)
        )

    def answered_nobody(self) -> list[Intake]:
        """Those without a case whose letter no server took: whoever asked heard nothing."""
        return self._some(
            "i.untold_at IS NOT NULL AND i.state = ANY(%s) AND NOT EXISTS"
            " (SELECT FROM intake_case k WHERE k.number = i.number)",
            [State.ENTERED, State.ANSWERED],
        )

    def waiting_for_cases(self) -> list[Intake]:
        """Those of whom it is known who asks, and on which not all is begun that was asked."""
        return self._some("i.state = %s AND i.outcome IS NULL", State.VERIFIED)

    def of_case(self, id_: str) -> list[Intake]:
        """Those on which a case was opened."""
        return self._some(
            "i.number IN (SELECT k.number FROM intake_case k JOIN rights_case r"
            " ON r.number = k.case_number WHERE r.id = %s)",
            id_,
        )

    def said(self, one: Intake) -> dict[str, Any]:
        """What was said, unsealed; nothing once it was struck out."""
        return self._unsealed(one, "sealed", _WORDS) or {}

    def reach(self, one: Intake) -> dict[str, Any]:
        """What a report froze: `identifiers` as (kind, value), `subjects` as numbers."""
        return self._unsealed(one, "reach", _REACH) or {}

    def parties(self, one: Intake) -> list[Party]:
        """The addresses that have to confirm."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT party, token IS NOT NULL, good_until, sent, tries, verified_at"
                " FROM intake_code WHERE number = %s ORDER BY party",
                (one.number,),
            ).fetchall()
        return [Party(*row) for row in rows]

    # — codes —————————————————————————————————————————————————————————————————————————————

    def send_code(
        self, one: Intake, party: str, address: Identifier, code: str, now: dt.datetime,
        *, connection: Connection, token: str | None = None,
    ) -> bool:  # fmt: skip
        """Let this code be the one of a party from now on; False where it had its last already."""
        row = connection.execute(
            "INSERT INTO intake_code AS k (number, party, mac, token, code, good_until, sent)"
            " VALUES (%s, %s, %s, %s, %s, %s, 1) ON CONFLICT (number, party) DO UPDATE SET"
            " code = excluded.code, good_until = excluded.good_until, sent = k.sent + 1, tries = 0,"
            " token = coalesce(excluded.token, k.token)"
            " WHERE k.sent < %s AND k.verified_at IS NULL RETURNING sent",
            (*self._of_code(one, party, address, code, now, token), SENDS),
        ).fetchone()
        return row is not None

    def first_code(
        self, one: Intake, party: str, address: Identifier, code: str, now: dt.datetime,
        *, connection: Connection, token: str | None = None,
    ) -> None:  # fmt: skip
        """The code of a party of a request that is being taken in: it had none before."""
        connection.execute(
            "INSERT INTO intake_code (number, party, mac, token, code, good_until, sent)"
            " VALUES (%s, %s, %s, %s, %s, %s, 1)",
            self._of_code(one, party, address, code, now, token),
        )

    def _of_code(
        self, one: Intake, party: str, address: Identifier, code: str, now: dt.datetime,
        token: str | None,
    ) -> tuple[object, ...]:  # fmt: skip
        return (
            one.number, party, self._mac("address", _spelt(address)),
            None if token is None else self._mac("token", token),
            self._code(one, party, code), now + CODE_GOOD,
        )  # fmt: skip

    def type_code(
        self, one: Intake, own: str | None, code: str, now: dt.datetime, *, connection: Connection
    ) -> Typed:
        """Try a code on the page of the request, or on that of one party (`own`). Single use.

        Of one request one code after another, so that the last of several is known as the last.
        """
        if not self.awaits(one, connection=connection):
            return Typed.STALE
        rows = connection.execute(
            "SELECT party, code FROM intake_code WHERE number = %s AND verified_at IS NULL"
            " AND (token IS NULL AND %s::text IS NULL OR party = %s) AND code IS NOT NULL"
            " AND good_until > %s AND tries < %s ORDER BY party FOR UPDATE",
            (one.number, own, own, now, TRIES),
        ).fetchall()
        right = [p for p, mac in rows if hmac.compare_digest(mac, self._code(one, p, code))]
        if not rows:
            return Typed.STALE
        if not right:
            connection.execute(
                "UPDATE intake_code SET tries = tries + 1 WHERE number = %s AND party = ANY(%s)",
                (one.number, [p for p, _ in rows]),
            )
            return Typed.WRONG
        connection.execute(
            "UPDATE intake_code SET verified_at = %s, code = NULL WHERE number = %s AND party = %s",
            (now, one.number, right[0]),
        )
        left = connection.execute(
            "SELECT FROM intake_code WHERE number = %s AND verified_at IS NULL", (one.number,)
        ).fetchone()
        return Typed.RIGHT if left is None else Typed.MORE

    # — going on ——————————————————————————————————————————————————————————————————————————

    def verified(
        self, one: Intake, token: str | None, now: dt.datetime, *, connection: Connection
    ) -> Intake:
        """It is known who asks; a new token leads to its page, and no other any more."""
        connection.execute(
            "UPDATE intake SET state = %s, verified_at = %s, expires_at = NULL, token = %s"
            " WHERE number = %s",
            (State.VERIFIED, now, None if token is None else self._mac("token", token), one.number),
        )
        connection.execute("DELETE FROM intake_code WHERE number = %s", (one.number,))
        return self._one(connection, "i.number = %s", one.number)

    def opened(self, one: Intake, asked: str, case: int, *, connection: Connection) -> Intake:
        """Remember which case was opened on it, for what of it."""
        connection.execute(
            "INSERT INTO intake_case (number, case_number, asked) VALUES (%s, %s, %s)",
            (one.number, case, asked),
        )
        connection.execute(
            "UPDATE intake SET case_number = coalesce(case_number, %s) WHERE number = %s",
            (case, one.number),
        )
        return self._one(connection, "i.number = %s", one.number)

    def begun(
        self, one: Intake, asked: Sequence[str], outcome: str | None, *, connection: Connection
    ) -> Intake:
        """What is asked after all, and that it was begun (`BEGUN`), or None to look again."""
        connection.execute(
            "UPDATE intake SET asked = %s, outcome = %s WHERE number = %s",
            (" ".join(asked), outcome, one.number),
        )
        letter_scan.gone_where_over([one.number], connection=connection)
        return self._one(connection, "i.number = %s", one.number)

    def keep(self, one: Intake, said: Mapping[str, Any], *, connection: Connection) -> None:
        """Put this in the place of what was said."""
        words = json.dumps(tongues.with_chosen(said)).encode()
        sealed = self._vault.seal(-one.number, _CLASS, words, _WORDS, connection=connection)
        connection.execute("UPDATE intake SET sealed = %s WHERE number = %s", (sealed, one.number))

    def told_by(self, one: Intake, letter: str, *, connection: Connection) -> None:
        """A letter of the outbox is to tell her that it has come."""
        connection.execute("UPDATE intake SET letter = %s WHERE number = %s", (letter, one.number))

    def untold(self, now: dt.datetime, *, connection: Connection) -> list[Intake]:
        """Note what became of the letters that were to tell that something has come; of those that
        no server took, what it was.
        """
        rows = connection.execute(
            "UPDATE intake i SET letter = NULL,"
            " untold_at = CASE WHEN o.outcome = %s THEN %s::timestamptz END"
            " FROM outbox o WHERE o.id = i.letter AND o.outcome IS NOT NULL"
            " RETURNING i.number, i.untold_at IS NOT NULL",
            (GIVEN_UP, now),
        ).fetchall()
        lost = sorted(number for number, given_up in rows if given_up)
        return self._all(connection, "i.number = ANY(%s)", (lost,))

    def give_up(self, one: Intake, *, connection: Connection) -> bool:
        """Whoever asked takes back what nobody confirmed: nothing is left but that it counts
        against the limits until it leaves. False where it was confirmed in the meantime.
        """
        if not self.awaits(one, connection=connection):
            return False
        # To whom codes went counts on; none of them is good any more.
        connection.execute(
            "UPDATE intake_code SET code = NULL, token = NULL WHERE number = %s", (one.number,)
        )
        connection.execute(
            "UPDATE intake SET sealed = NULL, token = NULL WHERE number = %s", (one.number,)
        )
        self._vault.drop(-one.number, _CLASS, connection=connection)
        return True

    def awaits(self, one: Intake, *, connection: Connection) -> bool:
        """Whether it still waits for codes; until the transaction ends nobody else changes that."""
        row = connection.execute(
            "SELECT FROM intake WHERE number = %s AND state = %s AND token IS NOT NULL FOR UPDATE",
            (one.number, State.AWAITING),
        ).fetchone()
        return row is not None

    def frozen(
        self, one: Intake, reach: Mapping[str, Any], whole: bool, now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """Remember what a report froze, sealed. `whole` False: a system could not be asked yet."""
        data = json.dumps(dict(reach)).encode()
        sealed = self._vault.seal(-one.number, _CLASS, data, _REACH, connection=connection)
        connection.execute(
            "UPDATE intake SET reach = %s, frozen_at = coalesce(frozen_at, %s), outcome = %s"
            " WHERE number = %s",
            (sealed, now, WHOLE if whole else None, one.number),
        )

    def end(
        self, one: Intake, state: State, outcome: str, now: dt.datetime,
        *, connection: Connection, forget: bool = False,
    ) -> Intake:  # fmt: skip
        """Nothing is left to do. With `forget`, whom and what it was about is struck out."""
        done = connection.execute(
            "UPDATE intake SET state = %s, outcome = %s, ended_at = %s"
            " WHERE number = %s AND ended_at IS NULL RETURNING id",
            (state, outcome, now, one.number),
        ).fetchone()
        if done is None:
            raise UsageError("the request has ended already; nothing was changed")
        if not forget:
            letter_scan.gone_where_over([one.number], connection=connection)
        else:
            letter_scan.gone([one.number], connection=connection)
            connection.execute(
                "UPDATE intake SET sealed = NULL, reach = NULL, mac = NULL WHERE number = %s",
                (one.number,),
            )
            self._vault.drop(-one.number, _CLASS, connection=connection)
        return self._one(connection, "i.number = %s", one.number)

    def forget_sources(self, before: dt.datetime, *, connection: Connection) -> None:
        """Where something came from is of use for the limits alone."""
        connection.execute(
            "UPDATE intake SET source = NULL WHERE source IS NOT NULL AND arrived_at < %s",
            (before,),
        )

    def strike(
        self, cases: Sequence[int], known: Sequence[Identifier], *, connection: Connection
    ) -> None:
        """Strike out whom and what requests were about that these cases were opened on, or that
        came from one of these identifiers.
        """
        rows = connection.execute(
            "UPDATE intake SET sealed = NULL, reach = NULL, mac = NULL WHERE state <> %s AND"
            " (mac = ANY(%s) OR number IN"
            " (SELECT number FROM intake_case WHERE case_number = ANY(%s))) RETURNING number",
            (State.AWAITING, [self._mac("address", _spelt(i)) for i in known], list(cases)),
        ).fetchall()
        letter_scan.gone([number for (number,) in rows], connection=connection)
        for (number,) in rows:
            self._vault.drop(-number, _CLASS, connection=connection)

    def hers(
        self, cases: Sequence[int], known: Sequence[Identifier], *, connection: Connection
    ) -> list[int]:
        """Numbers of those on which these cases were opened, or that came from these addresses."""
        rows = connection.execute(
            "SELECT number FROM intake WHERE mac = ANY(%s) OR number IN"
            " (SELECT number FROM intake_case WHERE case_number = ANY(%s))",
            ([self._mac("address", _spelt(i)) for i in known], list(cases)),
        ).fetchall()
        return [int(row[0]) for row in rows]

    def over(self, *, connection: Connection) -> list[tuple[int, dt.datetime]]:
        """(number, when it ended) of those that are over and still say what was asked."""
        rows = connection.execute(
            "SELECT number, ended_at FROM intake WHERE ended_at IS NOT NULL AND sealed IS NOT NULL"
        ).fetchall()
        return [(int(n), at) for n, at in rows]

    def forget(self, numbers: Sequence[int], *, connection: Connection) -> None:
        """Strike out whom and what these were about, and the way to their pages."""
        of = (list(numbers),)
        connection.execute(
            "UPDATE intake SET sealed = NULL, reach = NULL, mac = NULL, token = NULL, once = NULL"
            " WHERE number = ANY(%s)",
            of,
        )
        connection.execute("DELETE FROM intake_code WHERE number = ANY(%s)", of)
        letter_scan.gone(numbers, connection=connection)
        for number in numbers:
            self._vault.drop(-number, _CLASS, connection=connection)

    def remove_unconfirmed(self, now: dt.datetime, *, connection: Connection) -> int:
        """Remove what nobody confirmed in time, with its keys; how many there were."""
        gone = connection.execute(
            "DELETE FROM intake WHERE state = %s AND expires_at <= %s RETURNING number",
            (State.AWAITING, now),
        ).fetchall()
        for (number,) in gone:
            self._vault.drop(-number, _CLASS, connection=connection)
        return len(gone)

    # — inside ————————————————————————————————————————————————————————————————————————————

    def _unsealed(self, one: Intake, column: LiteralString, label: bytes) -> dict[str, Any] | None:
        with self._database.by_statement() as c:
            row = c.execute(
                f"SELECT {column} FROM intake WHERE number = %s", (one.number,)
            ).fetchone()
            if row is None or row[0] is None:
                return None
            plain = self._vault.unseal(-one.number, _CLASS, bytes(row[0]), label, connection=c)
        found: dict[str, Any] = json.loads(plain)
        return found

    def _mac(self, use: str, text: str) -> bytes:
        return self._vault.mac(f"intake-{use}", text.encode())

    def _code(self, one: Intake, party: str, code: str) -> bytes:
        return self._mac("code", f"{one.id}\x00{party}\x00{code}")

    def _some(self, where: LiteralString, *parameters: object) -> list[Intake]:
        with self._database.by_statement() as c:
            return self._all(c, where, parameters)

    def _one(self, c: Connection, where: LiteralString, *parameters: object) -> Intake:
        return self._all(c, where, parameters)[0]

    def _all(
        self, c: Connection, where: LiteralString, parameters: Sequence[object]
    ) -> list[Intake]:
        rows = c.execute(
            f"SELECT {_COLUMNS} FROM intake i WHERE {where} ORDER BY i.number", tuple(parameters)
        ).fetchall()
        return [_intake(row) for row in rows]


def _reports(counted: Cursor) -> Reports:
    row = counted.fetchone()
    assert row is not None
    return Reports(Tally(*row[:4]), row[4], row[5])


def _intake(r: tuple[Any, ...]) -> Intake:
    return Intake(
        id=r[0], number=r[1], channel=r[2], state=State(r[3]), asked=tuple(r[4].split()),
        region=r[5], arrived=r[6], arrived_at=r[7], expires_at=r[8], verified_at=r[9],
        frozen_at=r[10], ended_at=r[11], outcome=r[12], actor=r[13],
        cases=tuple((kind, id_) for kind, id_ in r[14] or ()), held_at=r[15], untold_at=r[16],
    )  # fmt: skip


def _spelt(identifier: Identifier) -> str:
    return f"{identifier.kind}\x00{identifier.normalised}"
