"""Suppressions: refusals that outlive what they protect, as keyed hashes of identifiers.

Committed before the first erasure, so that nobody who was deleted is imported and written to
again. There is no list of values to read: one can only ask whether an identifier is in it.

What is refused is a channel, or another impediment (an objection to a purpose, a restriction)
that has to hold for whoever is met under that identifier, also for the first time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, OnErase
from kept.keys import Vault
from kept.records.subject import LINKING, suppression_mac
from kept.terms.evidence import COUNTED
from kept.terms.identifiers import Identifier
from kept.wire import Statement

#: The channel that stands for all of them.
ALL: Final = ""
#: Before the name of a fact that stands in the place of a channel; no channel begins so.
FACT: Final = ":"
#: The source of what an erasure leaves: nobody brings in again whom it was about.
ERASURE: Final = "erasure"
#: The source of what somebody had taken back who is known no more, until she agrees anew.
WITHDRAWN: Final = "withdrawn"
#: The source of what was refused in a browser, by nobody in particular.
BROWSER: Final = "browser"
#: From the page of the person herself, one press of a mail program, a signal of her browser there.
PAGE: Final = "preferences"
ONE_CLICK: Final = "one-click"
SIGNAL: Final = "preferences-signal"
OWN: Final = (PAGE, ONE_CLICK, SIGNAL)

#: What people said no to, and under what it holds from now on. Of a no that somebody recorded and
#: one of her own page the first counts: it is not taken back there.
_OUTLIVES: Final = """
WITH hers AS (SELECT * FROM unnest(%(who)s::int[], %(numbers)s::bigint[]) h (who, subject)),
own AS (
    SELECT h.who, i.suppress, i.kind FROM hers h JOIN identity i USING (subject)
    WHERE NOT EXISTS (SELECT FROM identity o WHERE o.mac = i.mac
        AND o.subject NOT IN (SELECT subject FROM hers WHERE hers.who = h.who)
        AND (o.evidence = ANY(%(sure)s) OR i.evidence <> ALL(%(sure)s)))),
latest AS (
    SELECT DISTINCT ON (subject, fact) who, fact, holds FROM hers JOIN fact USING (subject)
    WHERE (fact = 'restricted' OR fact LIKE 'objection:%%') AND valid_from <= %(now)s
    ORDER BY subject, fact, valid_from DESC, seq DESC),
said (who, channel, source) AS (
    SELECT who, %(fact)s || fact, %(withdrawn)s FROM hers JOIN fact USING (subject)
    WHERE fact LIKE 'withdrawn:%%' AND holds
    UNION SELECT who, %(fact)s || fact,
        CASE fact WHEN 'restricted' THEN 'restriction' ELSE 'objection' END
    FROM latest WHERE holds
    UNION SELECT o.who, s.channel, s.source FROM own o JOIN suppression s ON s.mac = o.suppress
    WHERE s.channel LIKE ANY(%(kinds)s) AND s.source <> %(browser)s)
INSERT INTO suppression (mac, kind, channel, source, since)
SELECT DISTINCT ON (o.suppress, s.channel)
    o.suppress, o.kind, s.channel, s.source, %(now)s::timestamptz
FROM said s JOIN own o USING (who)
ORDER BY o.suppress, s.channel, s.source = ANY(%(own)s), s.source
ON CONFLICT (mac, channel) DO NOTHING RETURNING mac, channel
"""

DATASETS: Final = (
    Dataset(
        "suppression",
        ("mac", "channel"),
        {
            "mac": Field("mac", "bytes", category="suppression", nullable=False),
            "channel": Field("channel", "text", category="suppression", nullable=False),
            "kind": Field("kind", "text", nullable=False),
            "source": Field("source", "text", nullable=False),
            "since": Field("since", "datetime", nullable=False),
        },
        retention="suppression",
        clock="since",
        # A refusal that an erasure removed would protect nobody.
        on_erase=OnErase.NEVER,
        title="Whom not to write to, as keyed hashes",
    ),
)


def fact_of(channel: str) -> str:
    """The fact that a suppression on this channel is to the judgement."""
    if channel.startswith(FACT):
        return channel.removeprefix(FACT)
    return "suppressed" if channel == ALL else f"suppressed:{channel}"


class Suppressions:
    """Who must not be contacted."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def add(
        self,
        identifiers: Sequence[Identifier],
        now: dt.datetime,
        *,
        channel: str = ALL,
        source: str,
        connection: Connection | None = None,
    ) -> int:
        """Suppress identifiers on a channel (all of them by default); how many are new.

        Weak identifiers (names, IP addresses, devices) are left out: they name others as well.
        """
        rows = [(suppression_mac(self._vault, i), i.kind) for i in identifiers if i.kind in LINKING]
        return self.add_hashed(rows, now, channel=channel, source=source, connection=connection)

    def add_hashed(
        self,
        hashed: Iterable[tuple[bytes, str]],
        now: dt.datetime,
        *,
        channel: str,
        source: str,
        connection: Connection | None = None,
    ) -> int:
        """`add`, for who has nothing but the hashes (and kinds) of identifiers."""
        rows = sorted(set(hashed))
        if not rows:
            return 0
        with self._database.within(connection) as c:
            # Counted by what comes back, which a pipeline of statements tells as well.
            new = c.execute(
                "INSERT INTO suppression (mac, kind, channel, source, since)"
                " SELECT mac, kind, %s, %s, %s FROM unnest(%s::bytea[], %s::text[]) r (mac, kind)"
                " ON CONFLICT (mac, channel) DO UPDATE SET source = excluded.source"
                # That she was erased comes before all: no import brings her in again.
                " WHERE suppression.source <> excluded.source"
                " AND (%s OR suppression.source = ANY(%s)) RETURNING mac",
                (
                    channel,
                    source,
                    now,
                    [m for m, _ in rows],
                    [k for _, k in rows],
                    source == ERASURE,
                    _weaker(source),
                ),
            ).fetchall()
            _stale(c, [m for m, _ in rows])
        return len(new)

    def outlive(
        self,
        people: Sequence[Sequence[int]],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> list[tuple[bytes, str]]:
        """What people, each with all her numbers, said no to holds under all that leads to her,
        also when she is gone; the (hash, channel) under which it did not before.

        Of what she ever took back a yes that she said after it goes with her; a later one ends it
        (`agreed`). An objection and a restriction hold on as they stand, from whom they came. What
        leads to somebody else as well is left out: it would bind him too, and his own no her.
        """
        pairs = [(who, number) for who, hers in enumerate(people) for number in hers]
        with self._database.within(connection) as c:
            rows = c.execute(
                _OUTLIVES,
                {
                    "who": [who for who, _ in pairs],
                    "numbers": [number for _, number in pairs],
                    "fact": FACT,
                    "kinds": [f"{FACT}objection:%", f"{FACT}withdrawn:%", f"{FACT}restricted"],
                    "withdrawn": WITHDRAWN,
                    "browser": BROWSER,
                    "own": list(OWN),
                    "now": now,
                    "sure": list(COUNTED),
                },
            ).fetchall()
            if rows:
                _stale(c, [bytes(mac) for mac, _ in rows])
        return [(bytes(mac), str(channel)) for mac, channel in rows]

    def lift(
        self,
        identifier: Identifier,
        *,
        channel: str = ALL,
        source: str | None = None,
        connection: Connection | None = None,
    ) -> bool:
        """Take a suppression back, by the person's own wish; whether there was one.

        With `source`, only one that came from there.
        """
        mac = suppression_mac(self._vault, identifier)
        with self._database.within(connection) as c:
            there = c.execute(
                "DELETE FROM suppression WHERE mac = %s AND channel = %s"
                " AND (%s::text IS NULL OR source = %s)",
                (mac, channel, source, source),
            ).rowcount
            _stale(c, [mac])
        return there > 0

    def lift_hashed(
        self,
        macs: Sequence[bytes],
        *,
        sources: Sequence[str],
        channel: str | None = None,
        since: dt.datetime | None = None,
        connection: Connection,
    ) -> list[str]:
        """Take back what came from one of these sources, on a channel or since that very moment;
        the channels of which something went.
        """
        rows = connection.execute(
            "DELETE FROM suppression WHERE mac = ANY(%s) AND source = ANY(%s)"
            " AND (%s::text IS NULL OR channel = %s)"
            " AND (%s::timestamptz IS NULL OR since = %s) RETURNING channel",
            (list(macs), list(sources), channel, channel, since, since),
        ).fetchall()
        if rows:
            _stale(connection, macs)
        return sorted({str(row[0]) for row in rows})

    def hashed(
        self, macs: Sequence[bytes], *, connection: Connection | None = None
    ) -> list[tuple[str, str, dt.datetime]]:
        """(channel, source, since) of all that is refused under these hashes, the newest last."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT channel, source, since FROM suppression WHERE mac = ANY(%s)"
                " ORDER BY since, channel",
                (list(macs),),
            ).fetchall()
        return [(str(r[0]), str(r[1]), r[2]) for r in rows]

    def hashed_many(
        self, macs: Sequence[tuple[int, bytes]], now: dt.datetime
    ) -> list[tuple[int, str, str]]:
        """(who, channel, source) of all that was refused by `now`, of (who, hash) pairs."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT w.who, s.channel, s.source FROM unnest(%s::int[], %s::bytea[]) w (who, mac)"
                " JOIN suppression s ON s.mac = w.mac WHERE s.since <= %s",
                ([who for who, _ in macs], [mac for _, mac in macs], now),
            ).fetchall()
        return [(int(r[0]), str(r[1]), str(r[2])) for r in rows]

    def channels(self, identifier: Identifier) -> frozenset[str]:
        """The channels on which the identifier is suppressed (`ALL` for every one)."""
        return self.channels_of([identifier])[0]

    def channels_of(self, identifiers: Sequence[Identifier]) -> list[frozenset[str]]:
        """`channels` of each identifier, with one statement."""
        return [channels for channels, _ in self.standing(identifiers)]

    def standing(self, identifiers: Sequence[Identifier]) -> list[tuple[frozenset[str], bool]]:
        """Of each identifier its channels, and whether it was somebody's who was erased."""
        found: dict[int, dict[str, str]] = {}
        macs = [suppression_mac(self._vault, i) for i in identifiers]
        with self._database.by_statement() as c:
            for at, channel, source in c.execute(
                "SELECT w.at - 1, s.channel, s.source"
                " FROM unnest(%s::bytea[]) WITH ORDINALITY w (mac, at)"
                " JOIN suppression s ON s.mac = w.mac",
                (macs,),
            ):
                found.setdefault(at, {})[channel] = source
        none: tuple[frozenset[str], bool] = (frozenset(), False)
        return [
            (frozenset(met), met.get(ALL) == ERASURE) if (met := found.get(at)) else none
            for at in range(len(macs))
        ]

    def sought(self, person: Identifier) -> Statement:
        """What `channels` asks, for who asks several things at once: rows of one channel."""
        mac = suppression_mac(self._vault, person)
        return "SELECT channel FROM suppression WHERE mac = $1::bytea", (mac,)


def agreed(c: Connection, again: Iterable[tuple[int, str]]) -> None:
    """What people had taken back before they were erased ends: (person, fact) of what they agree
    to again, under all that leads to them.
    """
    people, facts = zip(*again, strict=True)
    rows = c.execute(
        "DELETE FROM suppression s USING identity i, unnest(%s::bigint[], %s::text[]) a (who, fact)"
        " WHERE i.subject = a.who AND s.mac = i.suppress AND s.channel = %s || a.fact"
        " AND s.source = %s RETURNING s.mac",
        (list(people), list(facts), FACT, WITHDRAWN),
    ).fetchall()
    if rows:
        _stale(c, [bytes(mac) for (mac,) in rows])


def _weaker(source: str) -> list[str]:
    """Sources in whose place this one comes: it stays when what they said is taken back.

    What a person says comes before what her browser said; what somebody recorded of a request,
    before what she can take back on her page.
    """
    if source == BROWSER:
        return []
    return [BROWSER] if source in OWN else [BROWSER, *OWN]


def _stale(c: Connection, macs: Sequence[bytes]) -> None:
    """The materialised facts of the people concerned no longer hold."""
    c.execute(
        "WITH theirs AS (SELECT DISTINCT subject FROM identity WHERE suppress = ANY(%s)),"
        " gone AS (DELETE FROM subject_facts WHERE subject IN (SELECT subject FROM theirs))"
        " INSERT INTO subject_epoch AS e (subject, epoch) SELECT subject, 1 FROM theirs"
        " ON CONFLICT (subject) DO UPDATE SET epoch = e.epoch + 1",
        (list(macs),),
    )
