"""People as dense numbers, and the identifiers that lead to them.

An identifier is kept twice: as a keyed hash, to be found by, and sealed under the person's
key, to be shown to her. Looking somebody up makes nobody. Names, addresses of machines and
devices lead to nobody: two people may share them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link
from kept.errors import UsageError
from kept.keys import PERSON, Vault
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
#: The same of one identifier, with a parameter as `at_once` takes it.
_FIND_ONE: Final = _FIND.replace(
    "unnest(%s::bytea[], %s::int[]) AS w (mac, who)", "(VALUES ($1::bytea, 0)) AS w (mac, who)"
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
        """What `find` asks, for who asks several things at once: rows of 0 and a subject."""
        mac = identity_mac(self._vault, person) if person.kind in LINKING else None
        return _FIND_ONE, (mac,)

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
        linking = [i for i in identifiers if i.kind in LINKING]
        if not linking:
            raise UsageError(
                "these identifiers do not name one person",
                expected=f"at least one of {', '.join(LINKING)}",
                fix="add one of these",
            )
        macs = sorted({identity_mac(self._vault, i): i for i in linking}.items())
        with self._database.within(connection) as c:
            # Two requests of one new person must not make two people.
            for mac, _ in macs:
                c.execute(
                    "SELECT pg_advisory_xact_lock(726574, %s)",
                    (int.from_bytes(mac[:4], "big", signed=True),),
                )
            rows = c.execute(
                "SELECT mac, subject FROM identity WHERE mac = ANY(%s)", ([m for m, _ in macs],)
            ).fetchall()
            if rows:
                named: dict[int, int] = {}
                for _, subject in rows:
                    named[int(subject)] = named.get(int(subject), 0) + 1
                chosen = min(named, key=lambda s: (-named[s], s))
            else:
                made = c.execute(
                    "INSERT INTO subject (made_at) VALUES (%s) RETURNING subject", (now,)
                ).fetchone()
                assert made is not None
                chosen = int(made[0])
            known = {bytes(mac) for mac, _ in rows}
            self._link(c, chosen, [i for m, i in macs if m not in known], evidence, now)
        return chosen

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
            self._link(c, subject, [i for i in identifiers if i.kind in kinds], evidence, now)

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
        subject: int,
        identifiers: Sequence[Identifier],
        evidence: str,
        now: dt.datetime,
    ) -> None:
        linkable(evidence)
        if not identifiers:
            return
        sealed = self._vault.seal_many(
            [(subject, PERSON, i.normalised.encode(), label(i.kind)) for i in identifiers],
            connection=c,
        )
        for identifier, value in zip(identifiers, sealed, strict=True):
            c.execute(
                "INSERT INTO identity AS i (mac, subject, kind, sealed, suppress, evidence,"
                " linked_at) VALUES (%s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (mac, subject) DO UPDATE SET evidence = excluded.evidence"
                " WHERE array_position(%s, i.evidence) < array_position(%s, excluded.evidence)",
                (
                    identity_mac(self._vault, identifier), subject, identifier.kind, value,
                    suppression_mac(self._vault, identifier), evidence, now,
                    list(LINKED), list(LINKED),
                ),
            )  # fmt: skip
        macs = [identity_mac(self._vault, i) for i in identifiers]
        # Whoever was not known yet when a doubtful match was met is known now.
        c.execute(
            "UPDATE identity_doubt d SET subject = %s FROM rights_case r WHERE d.mac = ANY(%s)"
            " AND d.subject IS NULL AND r.number = d.number AND r.\"right\" <> 'erasure'",
            (subject, macs),
        )
        # The identifier may be suppressed: what was worked out about her without it is stale.
        c.execute("DELETE FROM subject_facts WHERE subject = %s", (subject,))


def label(kind: str) -> bytes:
    """Under which label an identifier of that kind is sealed."""
    return b"identity:" + kind.encode()
