"""Links between people and identifiers that somebody made or undid, and what is proven with them.

A link made by a person is an event with the state before, so that it can be undone; the reason
is sealed under her key. Two numbers of one person are tied, never merged: untied they are what
they were.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, Owner
from kept.errors import UsageError
from kept.keys import PERSON, Vault
from kept.records.actor import Actor
from kept.records.subject import LINKING, Subjects, identity_mac, label
from kept.terms.evidence import COUNTED, LINKED, PROVEN, linkable
from kept.terms.identifiers import Identifier

_WORDS: Final = b"identity-words"
_TO_HER: Final = Link(("subject",), "subject", ("subject",))

DATASETS: Final = (
    Dataset(
        "identity_tie",
        ("subject", "other", "mac"),
        {
            "subject": Field("subject", "integer", category="identity-link", nullable=False),
            "other": Field("other", "integer", category="identity-link", nullable=False),
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "made_at": Field("made_at", "datetime", nullable=False),
        },
        links=(_TO_HER, Link(("other",), "subject", ("subject",))),
        retention="person",
        clock="made_at",
        title="Numbers that were settled to be one person",
    ),
    Dataset(
        "identity_event",
        ("turn",),
        {
            "turn": Field("turn", "integer", nullable=False),
            "subject": Field("subject", "integer", category="identity-link", nullable=False),
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "kind": Field("kind", nullable=False),
            "act": Field("act", category="identity-link", nullable=False),
            "before": Field("before", category="identity-link"),
            "after": Field("after", category="identity-link"),
            "words": Field("words", "bytes", category="identity-link", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "at": Field("at", "datetime", category="identity-link", nullable=False),
        },
        links=(_TO_HER, Link(("actor",), "actor", ("actor",), Owner.ACCESSED)),
        retention="person",
        clock="at",
        title="Who linked addresses and numbers to the person, or undid it, and why",
    ),
)


@dataclass(frozen=True, slots=True)
class Linked:
    """An identifier of a person: how sure it is, and how many others it leads to."""

    identifier: Identifier
    evidence: str
    others: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of whom identifiers lead to.

    `subjects` are the numbers of the one person whom they are proven to be of; () where nothing
    given is proven, or it leads to several. `added` is proven hers and hers alone, beside what
    was given; `unproven` is linked to her by weaker evidence; `shared` leads to others as well.
    `several`: what was given is counted as that of more than one person.
    """

    subjects: tuple[int, ...] = ()
    added: tuple[Identifier, ...] = ()
    unproven: tuple[Identifier, ...] = ()
    shared: tuple[Identifier, ...] = ()
    several: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One link made or undone: from which level to which (None: not linked)."""

    subject: int
    kind: str
    act: str
    before: str | None
    after: str | None
    reason: str
    actor: Actor
    at: dt.datetime


class Identities:
    """Who is who, as far as it is proven."""

    def __init__(self, database: Database, vault: Vault, subjects: Subjects) -> None:
        self._database, self._vault, self._subjects = database, vault, subjects

    def known(self, people: Sequence[Sequence[Identifier]]) -> list[Known]:
        """For each person what is known by what was given; two statements for all of them.

        Only proven evidence widens. What leads to somebody else by evidence that counts widens
        nothing, and nothing is widened by it: it may be a shared mailbox.
        """
        asked = [
            (identity_mac(self._vault, i), who)
            for who, one in enumerate(people)
            for i in one
            if i.kind in LINKING
        ]
        if not asked:
            return [Known() for _ in people]
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT w.who, i.subject, i.evidence"
                " FROM unnest(%s::bytea[], %s::int[]) AS w (mac, who)"
                " JOIN identity i ON i.mac = w.mac WHERE i.evidence = ANY(%s)",
                ([mac for mac, _ in asked], [who for _, who in asked], list(COUNTED)),
            ).fetchall()
            if not rows:
                return [Known() for _ in people]
            group = self._groups(c, {int(row[1]) for row in rows})
            met: list[set[int]] = [set() for _ in people]
            proven: list[set[int]] = [set() for _ in people]
            for who, subject, evidence in rows:
                met[who].add(group[int(subject)])
                if evidence in PROVEN:
                    proven[who].add(group[int(subject)])
            alone = {
                who: next(iter(proven[who]))
                for who in range(len(people))
                if len(proven[who]) == 1 and met[who] == proven[who]
            }
            wanted = set(alone.values())
            theirs = self._theirs(c, [s for s, g in group.items() if g in wanted], group)
        found = []
        for who, one in enumerate(people):
            if who not in alone:
                found.append(Known(several=len(met[who]) > 1))
                continue
            given = {(i.kind, i.normalised) for i in one}
            parts: dict[str, list[Identifier]] = {"added": [], "unproven": [], "shared": []}
            for linked in theirs.get(alone[who], ()):
                i = linked.identifier
                if (i.kind, i.normalised) in given:
                    continue
                kind = "shared" if linked.others else "added"
                parts[kind if linked.evidence in PROVEN else "unproven"].append(i)
            hers = tuple(sorted(s for s, g in group.items() if g == alone[who]))
            more = {name: tuple(part) for name, part in parts.items()}
            found.append(Known(hers, more["added"], more["unproven"], more["shared"]))
        return found

    def widen(self, people: Sequence[Sequence[Identifier]]) -> tuple[tuple[Identifier, ...], ...]:
        """Everybody with what was given and all that is proven the same person's, hers alone.

        Every search for a person in her own right begins here.
        """
        return tuple(
            (*one, *known.added) for one, known in zip(people, self.known(people), strict=True)
        )

    def tied(self, identifiers: Sequence[Identifier]) -> tuple[Identifier, ...]:
        """Those of the identifiers that are proven to be one and the same person's."""
        each = self.known([[one] for one in identifiers])
        groups = [known.subjects for known in each]
        first = next((g for g in groups if g), ())
        return tuple(i for i, g in zip(identifiers, groups, strict=True) if g and g == first)

    def of(self, identifiers: Sequence[Identifier]) -> list[Linked]:
        """Everything linked to whoever the identifiers lead to, at any level, unsealed."""
        subjects = self._subjects.find(identifiers)
        if not subjects:
            return []
        with self._database.by_statement() as c:
            group = self._groups(c, set(subjects))
            theirs = self._theirs(c, list(group), group)
        return [one for linked in theirs.values() for one in linked]

    def history(self, identifiers: Sequence[Identifier]) -> list[Change]:
        """Links and unlinks of whoever the identifiers lead to, in order."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT e.subject, e.kind, e.act, e.before, e.after, e.words, a.actor, a.name,"
                " a.role, e.at FROM identity_event e JOIN actor a USING (actor)"
                " WHERE e.subject = ANY(%s) ORDER BY e.turn",
                (list(self._subjects.find(identifiers)),),
            ).fetchall()
            return [
                Change(
                    s, kind, act, before, after,
                    self._vault.unseal(s, PERSON, words, _WORDS, connection=c).decode(),
                    Actor(*actor), at,
                )
                for s, kind, act, before, after, words, *actor, at in rows
            ]  # fmt: skip

    def link(
        self, subject: int, identifier: Identifier, evidence: str, reason: str, actor: Actor,
        now: dt.datetime, *, same: bool = False, connection: Connection,
    ) -> str | None:  # fmt: skip
        """Link an identifier to a person at a level; the level before (None: it was not linked).

        `same`: others to whom it leads by evidence that counts are the same person from now on.
        """
        linkable(evidence)
        mac = identity_mac(self._vault, identifier)
        before = self._level(connection, mac, subject)
        if before is not None:
            connection.execute(
                "UPDATE identity SET evidence = %s WHERE (mac, subject) = (%s, %s)",
                (evidence, mac, subject),
            )
        self._subjects.link(subject, [identifier], evidence, now, connection=connection)
        if same:
            connection.execute(
                "INSERT INTO identity_tie (subject, other, mac, made_at)"
                " SELECT CASE WHEN b THEN %(me)s ELSE i.subject END,"
                " CASE WHEN b THEN i.subject ELSE %(me)s END, %(mac)s, %(now)s"
                " FROM identity i, (VALUES (true), (false)) v (b)"
                " WHERE i.mac = %(mac)s AND i.subject <> %(me)s ON CONFLICT DO NOTHING",
                {"me": subject, "mac": mac, "now": now},
            )
            self._stale(connection, mac)
        self._event(connection, subject, identifier, "link", before, evidence, reason, actor, now)
        return before

    def unlink(
        self, subject: int, identifier: Identifier, reason: str, actor: Actor, now: dt.datetime,
        *, connection: Connection,
    ) -> tuple[str, str | None]:  # fmt: skip
        """Undo the latest link of an identifier to a person that was not undone yet.

        (level it had, level it has now): what stood before that link stands again, as far as
        that is known; what was linked since keeps its own. UsageError where it is not linked.
        """
        mac = identity_mac(self._vault, identifier)
        level = self._level(connection, mac, subject)
        if level is None:
            raise UsageError(
                "this identifier is not linked to that person",
                expected="one that `kept identity show` lists",
            )
        events = connection.execute(
            "SELECT act, before FROM identity_event WHERE (subject, mac) = (%s, %s) ORDER BY turn",
            (subject, mac),
        ).fetchall()
        open_: list[str | None] = []
        for act, before in events:
            if act == "link":
                open_.append(before)
            elif open_:
                open_.pop()
        after = open_[-1] if open_ else None
        self._event(connection, subject, identifier, "unlink", level, after, reason, actor, now)
        # Ties that rest on it hold no more, whoever was tied by it.
        self._stale(connection, mac)
        connection.execute(
            "DELETE FROM identity_tie WHERE mac = %s AND (subject = %s OR other = %s)",
            (mac, subject, subject),
        )
        if after is None:
            connection.execute(
                "DELETE FROM identity WHERE (mac, subject) = (%s, %s)", (mac, subject)
            )
        else:
            connection.execute(
                "UPDATE identity SET evidence = %s WHERE (mac, subject) = (%s, %s)",
                (after, mac, subject),
            )
        connection.execute("DELETE FROM subject_facts WHERE subject = %s", (subject,))
        return level, after

    def others(self, identifier: Identifier, subject: int, *, connection: Connection) -> int:
        """How many other people an identifier leads to by evidence that counts."""
        mac = identity_mac(self._vault, identifier)
        group = self._groups(connection, {subject})
        row = connection.execute(
            "SELECT count(*) FROM identity WHERE mac = %s AND evidence = ANY(%s)"
            " AND subject <> ALL(%s)",
            (mac, list(COUNTED), list(group)),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def direct(self, identifier: Identifier, *, connection: Connection) -> tuple[int, ...]:
        """The numbers to whom the identifier itself is linked, at any level."""
        rows = connection.execute(
            "SELECT subject FROM identity WHERE mac = %s ORDER BY subject",
            (identity_mac(self._vault, identifier),),
        ).fetchall()
        return tuple(int(row[0]) for row in rows)

    def latest(
        self, identifier: Identifier, subjects: Sequence[int], *, connection: Connection
    ) -> int | None:
        """To whom of these people an identifier was linked last, by somebody; None: by nobody."""
        row = connection.execute(
            "SELECT subject FROM identity_event WHERE mac = %s AND subject = ANY(%s)"
            " GROUP BY subject HAVING count(*) FILTER (WHERE act = 'link')"
            " > count(*) FILTER (WHERE act = 'unlink')"
            " ORDER BY max(turn) FILTER (WHERE act = 'link') DESC LIMIT 1",
            (identity_mac(self._vault, identifier), list(subjects)),
        ).fetchone()
        return None if row is None else int(row[0])

    def left(self, subject: int, *, connection: Connection) -> int:
        """How many identifiers lead to a person still."""
        row = connection.execute(
            "SELECT count(*) FROM identity WHERE subject = %s", (subject,)
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _stale(self, c: Connection, mac: bytes) -> None:
        """What was worked out of anybody whom the identifier leads to has to be worked out anew."""
        c.execute(
            "DELETE FROM subject_facts f USING identity i WHERE i.mac = %s"
            " AND f.subject = i.subject",
            (mac,),
        )

    def _level(self, c: Connection, mac: bytes, subject: int) -> str | None:
        row = c.execute(
            "SELECT evidence FROM identity WHERE (mac, subject) = (%s, %s) FOR UPDATE",
            (mac, subject),
        ).fetchone()
        return None if row is None else str(row[0])

    def _event(
        self, c: Connection, subject: int, identifier: Identifier, act: str, before: str | None,
        after: str | None, reason: str, actor: Actor, now: dt.datetime,
    ) -> None:  # fmt: skip
        sealed = self._vault.seal(subject, PERSON, reason.encode(), _WORDS, connection=c)
        c.execute(
            "INSERT INTO identity_event (subject, mac, kind, act, before, after, words, actor, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                subject, identity_mac(self._vault, identifier), identifier.kind, act, before,
                after, sealed, actor.id, now,
            ),
        )  # fmt: skip

    def _groups(self, c: Connection, subjects: set[int]) -> dict[int, int]:
        """Subject → the least number of all that are tied to it; also for those met on the way."""
        rows = c.execute(
            "WITH RECURSIVE met (first, subject) AS ("
            " SELECT s, s FROM unnest(%s::bigint[]) s"
            " UNION SELECT m.first, t.other FROM met m"
            " JOIN identity_tie t ON t.subject = m.subject)"
            " SELECT first, subject FROM met",
            (sorted(subjects),),
        ).fetchall()
        least: dict[int, int] = {}
        for first, subject in rows:
            least[int(first)] = min(least.get(int(first), int(first)), int(subject))
        for first, subject in rows:
            least[int(subject)] = least[int(first)]
        return least

    def _theirs(
        self, c: Connection, subjects: Sequence[int], group: dict[int, int]
    ) -> dict[int, list[Linked]]:
        """Group → its identifiers, each once at its best level, with how many others it has."""
        rows = c.execute(
            "SELECT subject, kind, sealed, evidence, mac,"
            " (SELECT array_agg(o.subject) FROM identity o WHERE o.mac = i.mac"
            " AND o.evidence = ANY(%s))"
            " FROM identity i WHERE subject = ANY(%s)"
            " ORDER BY array_position(%s, evidence) DESC, kind, linked_at, mac",
            (list(COUNTED), list(subjects), list(LINKED)),
        ).fetchall()
        found: dict[int, list[Linked]] = {}
        seen: set[tuple[int, bytes]] = set()
        for subject, kind, sealed, evidence, mac, claimed in rows:
            at = group[int(subject)]
            if (at, bytes(mac)) in seen:
                continue
            seen.add((at, bytes(mac)))
            plain = self._vault.unseal(subject, PERSON, sealed, label(kind), connection=c)
            others = {int(s) for s in claimed or () if group.get(int(s)) != at}
            found.setdefault(at, []).append(
                Linked(Identifier(kind, plain.decode()), evidence, len(others))
            )
        return found
