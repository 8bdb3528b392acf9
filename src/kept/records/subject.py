"""People as dense numbers, and the identifiers that lead to them.

An identifier is kept twice: as a keyed hash, to be found by, and sealed under the person's
key, to be shown to her. Looking somebody up makes nobody. Names, addresses of machines and
devices lead to nobody: two people may share them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link
from kept.errors import UsageError
from kept.keys import PERSON, Newborn, Vault
from kept.terms.evidence import COUNTED, LINKED, PROVEN, linkable
from kept.terms.identifiers import Identifier
from kept.wire import Statement

#: Kinds that name one person well enough to be linked, the strongest first.
LINKING: Final = ("account", "email", "phone", "cookie")
#: Kinds that somebody can prove to be hers: a search for her goes by these too, but by an address
#: of a machine or a device alone nobody is found.
PROVABLE: Final = (*LINKING, "device", "ip")

#: People whom identifiers lead to, and those of whom it was settled that they are the same.
_FIND: Final = (
    "WITH RECURSIVE met (who, subject) AS ("
    " SELECT w.who, i.subject FROM unnest(%s::bytea[], %s::int[]) AS w (mac, who)"
    " JOIN identity i ON i.mac = w.mac"
    " UNION SELECT m.who, t.other FROM met m JOIN identity_tie t ON t.subject = m.subject)"
    " SELECT who, subject FROM met ORDER BY 1, 2"
)
#: Those whom one identifier leads to by itself, and whether others are tied to them: mostly there
#: is nobody, and a recursion is dear.
_FIND_ONE: Final = (
    "SELECT subject, EXISTS (SELECT FROM identity_tie t WHERE t.subject = i.subject)"
    " FROM identity i WHERE mac = $1::bytea ORDER BY 1"
)
#: Somebody new, by statements that `at_once` takes: see `Subjects.claimed` and `made`.
_ALONE: Final = "SELECT pg_advisory_xact_lock(726574, $1::int)"
_NUMBER: Final = (
    "SELECT CASE WHEN NOT EXISTS (SELECT FROM identity WHERE mac = $1::bytea)"
    " THEN nextval(pg_get_serial_sequence('subject', 'subject')) END"
)
_PERSON: Final = (
    "INSERT INTO subject (subject, made_at) OVERRIDING SYSTEM VALUE"
    " VALUES ($1::bigint, $2::timestamptz)"
)
_IDENTITY: Final = (
    "INSERT INTO identity (mac, subject, kind, sealed, suppress, evidence, linked_at) VALUES"
    " ($1::bytea, $2::bigint, $3::text, $4::bytea, $5::bytea, $6::text, $7::timestamptz)"
)
_MET: Final = (
    "UPDATE identity_doubt d SET subject = $1::bigint FROM rights_case r WHERE d.mac = $2::bytea"
    " AND d.subject IS NULL AND r.number = d.number AND r.\"right\" <> 'erasure'"
)

DATASETS: Final = (
    Dataset(
        "subject",
        ("subject",),
        {
            # The number alone says nothing; what ties it to her stands in `identity`.
            "subject": Field("subject", "integer", nullable=False),
            "made_at": Field("made_at", "datetime", nullable=False),
        },
        retention="person",
        clock="made_at",
        title="The number under which a person is known",
    ),
    Dataset(
        "identity",
        ("mac", "subject"),
        {
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "subject": Field("subject", "integer", category="identity-link", nullable=False),
            "kind": Field("kind", "text", nullable=False),
            "sealed": Field("sealed", "bytes", category="identity-link", nullable=False),
            "suppress": Field("suppress", "bytes", category="identity-link", nullable=False),
            "evidence": Field("evidence", "text", nullable=False),
            "linked_at": Field("linked_at", "datetime", nullable=False),
        },
        links=(Link(("subject",), "subject", ("subject",)),),
        retention="person",
        clock="linked_at",
        title="Which addresses and numbers lead to it, hashed and sealed",
    ),
)


def suppression_mac(vault: Vault, identifier: Identifier) -> bytes:
    """The hash under which a suppression of the identifier is kept."""
    return _mac(vault, "suppression", identifier)


def identity_mac(vault: Vault, identifier: Identifier) -> bytes:
    """The hash under which the identifier leads to people."""
    return _mac(vault, "identity", identifier)


def _mac(vault: Vault, use: str, identifier: Identifier) -> bytes:
    return vault.mac(use, f"{identifier.kind}\x00{identifier.normalised}".encode())


class Subjects:
    """The registry of people."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def find(
        self, identifiers: Sequence[Identifier], *, connection: Connection | None = None
    ) -> tuple[int, ...]:
        """Everybody whom any of the identifiers leads to, in order of number. Makes nobody."""
        return self.find_many([identifiers], connection=connection)[0]

    def find_many(
        self, people: Sequence[Sequence[Identifier]], *, connection: Connection | None = None
    ) -> list[tuple[int, ...]]:
        """`find` for each of many people, with one statement."""
        asked: list[bytes] = []
        who: list[int] = []
        for number, identifiers in enumerate(people):
            for identifier in identifiers:
                if identifier.kind in LINKING:
                    asked.append(identity_mac(self._vault, identifier))
                    who.append(number)
        found: list[dict[int, None]] = [{} for _ in people]
        if asked:
            with self._database.by_statement(connection) as c:
                for person, subject in c.execute(_FIND, (asked, who)):
                    found[person][int(subject)] = None
        return [tuple(one) for one in found]

    def refusing(
        self, macs: Sequence[bytes], *, connection: Connection | None = None
    ) -> tuple[int, ...]:
        """`find`, by the hashes under which suppressions of the identifiers are kept."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "WITH RECURSIVE met (subject) AS ("
                " SELECT subject FROM identity WHERE suppress = ANY(%s)"
                " UNION SELECT t.other FROM met m JOIN identity_tie t ON t.subject = m.subject)"
                " SELECT subject FROM met ORDER BY 1",
                (list(macs),),
            ).fetchall()
        return tuple(int(row[0]) for row in rows)

    def refusing_many(
        self, people: int, macs: Sequence[tuple[int, bytes]]
    ) -> list[tuple[int, ...]]:
        """`refusing` for each of so many people, of (who, hash) pairs."""
        found: list[dict[int, None]] = [{} for _ in range(people)]
        with self._database.by_statement() as c:
            rows = c.execute(
                _FIND.replace("i.mac = w.mac", "i.suppress = w.mac"),
                ([mac for _, mac in macs], [who for who, _ in macs]),
            ).fetchall()
        for who, subject in rows:
            found[who][int(subject)] = None
        return [tuple(one) for one in found]

    def refused_under(
        self, subjects: Sequence[int], *, connection: Connection | None = None
    ) -> list[tuple[bytes, str]]:
        """(hash, kind) under which suppressions of people are kept, of what names them for sure."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT suppress, kind FROM identity WHERE subject = ANY(%s) AND evidence = ANY(%s)"
                " ORDER BY suppress",
                (list(subjects), list(COUNTED)),
            ).fetchall()
        return [(bytes(mac), str(kind)) for mac, kind in rows]

    def sought(self, person: Identifier) -> Statement:
        """What `find` asks first, for who asks several things at once; `met` reads the answer."""
        mac = identity_mac(self._vault, person) if person.kind in LINKING else None
        return _FIND_ONE, (mac,)

    def met(
        self, person: Identifier, rows: Sequence[Sequence[Any]], *, connection: Connection
    ) -> tuple[int, ...]:
        """`find`, of what `sought` brought."""
        if any(tied for _, tied in rows):
            return self.find([person], connection=connection)
        return tuple(int(subject) for subject, _ in rows)

    def of(
        self,
        identifiers: Sequence[Identifier],
        now: dt.datetime,
        *,
        evidence: str = "asserted",
        connection: Connection | None = None,
    ) -> int:
        """The number of the one person of these identifiers; made when nobody is known.

        All identifiers are of one person. Where they lead to several, those whom most of them
        name are meant, and of these the first known; nobody is merged. Identifiers that lead
        to nobody yet are linked. UsageError where none of them can name a person.
        """
        return self.of_many([identifiers], now, evidence=evidence, connection=connection)[0]

    def of_many(
        self,
        people: Sequence[Sequence[Identifier]],
        now: dt.datetime,
        *,
        evidence: str = "asserted",
        connection: Connection | None = None,
    ) -> list[int]:
        """`of` for one after another, with a fixed number of statements: who was made for one of
        them is known to those behind.
        """
        named = [self._naming(identifiers) for identifiers in people]
        macs = sorted({mac for one in named for mac in one})
        with self._database.within(connection) as c:
            # Two requests of one new person must not make two people. In one order everywhere, so
            # that nobody waits for somebody who waits for him.
            c.execute(
                "SELECT pg_advisory_xact_lock(726574, k) FROM unnest(%s::int[]) k",
                ([_lock(mac) for mac in macs],),
            )
            known: dict[bytes, list[int]] = {}
            for mac, subject in c.execute(
                "SELECT mac, subject FROM identity WHERE mac = ANY(%s)", (macs,)
            ):
                known.setdefault(bytes(mac), []).append(int(subject))
            # Who is new stands below zero until the numbers are given out, behind all others.
            chosen: list[int] = []
            new = 0
            links: list[tuple[int, Identifier]] = []
            for one in named:
                met: dict[int, int] = {}
                for mac in one:
                    for subject in known.get(mac, ()):
                        met[subject] = met.get(subject, 0) + 1
                if met:
                    who = min(met, key=lambda s: (-met[s], s < 0, abs(s)))
                else:
                    new += 1
                    who = -new
                chosen.append(who)
                for mac, identifier in one.items():
                    if mac not in known:
                        known[mac] = [who]
                        links.append((who, identifier))
            numbers = self._new(c, new, now)
            self._link(
                c, [(numbers[-s - 1] if s < 0 else s, i) for s, i in links], evidence, now
            )  # fmt: skip
        return [numbers[-s - 1] if s < 0 else s for s in chosen]

    def _naming(self, identifiers: Sequence[Identifier]) -> dict[bytes, Identifier]:
        """What of these can name a person, by its hash, in order; UsageError where nothing can."""
        linking = [i for i in identifiers if i.kind in LINKING]
        if not linking:
            raise UsageError(
                "these identifiers do not name one person",
                expected=f"at least one of {', '.join(LINKING)}",
                fix="add one of these",
            )
        return dict(sorted({identity_mac(self._vault, i): i for i in linking}.items()))

    def _new(self, c: Connection, many: int, now: dt.datetime) -> list[int]:
        """The numbers of so many new people, in order."""
        if not many:
            return []
        rows = c.execute(
            "INSERT INTO subject (made_at) SELECT %s::timestamptz FROM generate_series(1, %s)"
            " RETURNING subject",
            (now, many),
        ).fetchall()
        return sorted(int(row[0]) for row in rows)

    def claimed(self, person: Identifier) -> list[Statement]:
        """For who asks several things at once, before all others: nobody else makes this person
        until the transaction ends; and a row of a number, null where somebody is known by it.
        """
        mac = identity_mac(self._vault, person) if person.kind in LINKING else None
        return [] if mac is None else [(_ALONE, (_lock(mac),)), (_NUMBER, (mac,))]

    def made(
        self, number: int, person: Identifier, key: Newborn, now: dt.datetime
    ) -> list[Statement]:
        """What `of` writes of somebody whom nobody knew, under a number that was `claimed`."""
        mac, at = identity_mac(self._vault, person), now.isoformat()
        sealed = key.seal(person.normalised.encode(), label(person.kind))
        refused = suppression_mac(self._vault, person)
        return [
            (_PERSON, (number, at)),
            key.statement,
            (_IDENTITY, (mac, number, person.kind, sealed, refused, "asserted", at)),
            (_MET, (number, mac)),
        ]

    def link(
        self,
        subject: int,
        identifiers: Sequence[Identifier],
        evidence: str,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Link identifiers to a person; stronger evidence takes the place of weaker."""
        with self._database.within(connection) as c:
            kinds = PROVABLE if evidence in PROVEN else LINKING
            self._link(c, [(subject, i) for i in identifiers if i.kind in kinds], evidence, now)

    def sure(self, subject: int) -> tuple[Identifier, ...]:
        """The identifiers by which a person is searched for again: those whose evidence counts,
        and all of hers only where none does.
        """
        every = self.identifiers(subject)
        return tuple(i for i, word in every if word in COUNTED) or tuple(i for i, _ in every)

    def identifiers(self, subject: int) -> list[tuple[Identifier, str]]:
        """(identifier, evidence) of a person, unsealed. Raises Shredded after an erasure."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT kind, sealed, evidence FROM identity WHERE subject = %s"
                " ORDER BY kind, linked_at, mac",
                (subject,),
            ).fetchall()
            return [
                (
                    Identifier(
                        kind,
                        self._vault.unseal(
                            subject, PERSON, sealed, label(kind), connection=c
                        ).decode(),
                    ),
                    evidence,
                )
                for kind, sealed, evidence in rows
            ]

    def known(self, subjects: Sequence[int], *, connection: Connection | None = None) -> set[int]:
        """Those of these people who were not forgotten."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT subject FROM subject WHERE subject = ANY(%s)", (list(subjects),)
            ).fetchall()
        return {int(row[0]) for row in rows}

    def forget(self, subjects: Sequence[int], *, connection: Connection | None = None) -> int:
        """Delete people with their links and facts; how many there were.

        Their keys are shredded apart (`Vault.shred`). Whoever comes back is somebody new;
        suppressions are kept under the identifier and hold for her too.
        """
        with self._database.within(connection) as c:
            gone = c.execute(
                "DELETE FROM subject WHERE subject = ANY(%s) RETURNING subject", (list(subjects),)
            ).fetchall()
        return len(gone)

    def _link(
        self,
        c: Connection,
        links: Sequence[tuple[int, Identifier]],
        evidence: str,
        now: dt.datetime,
    ) -> None:
        """Link each identifier to its person."""
        linkable(evidence)
        if not links:
            return
        sealed = self._vault.seal_many(
            [(s, PERSON, i.normalised.encode(), label(i.kind)) for s, i in links], connection=c
        )
        people = [subject for subject, _ in links]
        macs = [identity_mac(self._vault, i) for _, i in links]
        c.execute(
            "INSERT INTO identity AS i (mac, subject, kind, sealed, suppress, evidence, linked_at)"
            " SELECT n.*, %s, %s FROM unnest(%s::bytea[], %s::bigint[], %s::text[], %s::bytea[],"
            " %s::bytea[]) n"
            " ON CONFLICT (mac, subject) DO UPDATE SET evidence = excluded.evidence"
            " WHERE array_position(%s, i.evidence) < array_position(%s, excluded.evidence)",
            (
                evidence, now, macs, people, [i.kind for _, i in links], sealed,
                [suppression_mac(self._vault, i) for _, i in links], list(LINKED), list(LINKED),
            ),
        )  # fmt: skip
        # Whoever was not known yet when a doubtful match was met is known now.
        c.execute(
            "UPDATE identity_doubt d SET subject = n.subject"
            " FROM rights_case r, unnest(%s::bytea[], %s::bigint[]) n (mac, subject)"
            " WHERE d.mac = n.mac"
            " AND d.subject IS NULL AND r.number = d.number AND r.\"right\" <> 'erasure'",
            (macs, people),
        )
        # The identifier may be suppressed: what was worked out about her without it is stale.
        c.execute("DELETE FROM subject_facts WHERE subject = ANY(%s)", (people,))


def _lock(mac: bytes) -> int:
    """The number of the lock under which whoever an identifier leads to is made."""
    return int.from_bytes(mac[:4], "big", signed=True)


def label(kind: str) -> bytes:
    """Under which label an identifier of that kind is sealed."""
    return b"identity:" + kind.encode()
