"""What a person chose, and what is known of her, over two times.

Each fact has a moment since when it holds and one since when Kept knows it. Rows are only
ever added: what was decided yesterday can be judged by what was known yesterday. The names of
facts are those of the judgement: `consent:<purpose>`, `withdrawn:<purpose>`, `objection:…`,
`preference:…`, `request:…`, `agreed:…`, `contract`, `terms`, `restricted`, `child`, `isolated`,
`erased`.

A person's epoch grows with every new fact, so that a batch can see that a choice came in
between. The same facts as bits stand in `subject_facts` for audiences; a new fact removes the
person's row there in the same transaction, and who has no row is in no audience.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link
from kept.errors import DatabaseError, UsageError
from kept.model.decision import Facts
from kept.records.suppression import agreed, fact_of
from kept.wire import Statement

#: Columns of bits, 63 each, in order: bit n of a word of facts is bit n % 63 of WORDS[n // 63].
WORDS: Final = tuple(f"word{n}" for n in range(8))
BITS: Final = 63
_MASK: Final = (1 << BITS) - 1
_BATCH: Final = 10_000

_FACT: Final = re.compile(r"[a-z]+(?::[^\s:][^\s]*)?\Z")

DATASETS: Final = (
    Dataset(
        "fact",
        ("seq",),
        {
            "seq": Field("seq", "integer", nullable=False),
            "subject": Field("subject", "integer", category="identity-link", nullable=False),
            "fact": Field("fact", "text", category="preference", nullable=False),
            "holds": Field("holds", "boolean", category="preference", nullable=False),
            "valid_from": Field("valid_from", "datetime", category="preference", nullable=False),
            "known_from": Field("known_from", "datetime", category="preference", nullable=False),
            "source": Field("source", "text", category="preference", nullable=False),
            "notice": Field("notice", "text"),
        },
        links=(Link(("subject",), "subject", ("subject",)),),
        retention="person",
        clock="known_from",
        title="Choices made, and other facts that count, with their moments",
    ),
    Dataset(
        "subject_epoch",
        ("subject",),
        {
            "subject": Field("subject", "integer", category="identity-link", nullable=False),
            "epoch": Field("epoch", "integer", nullable=False),
        },
        links=(Link(("subject",), "subject", ("subject",)),),
        retention="person",
        title="How often choices changed",
    ),
    Dataset(
        "subject_facts",
        ("subject",),
        {
            "subject": Field("subject", "integer", category="identity-link", nullable=False),
            "epoch": Field("epoch", "integer", nullable=False),
            "rules": Field("rules", "text", nullable=False),
            "good_from": Field("good_from", "datetime", nullable=False),
            "good_until": Field("good_until", "datetime"),
            **{w: Field(w, "integer", category="preference", nullable=False) for w in WORDS},
        },
        links=(Link(("subject",), "subject", ("subject",)),),
        retention="person",
        title="The same facts in short, to check a mailing fast",
    ),
)

# The newest row of each fact that had begun by a moment and was known by another.
_FACTS: Final = """
SELECT f.subject, f.fact FROM (
    SELECT DISTINCT ON (subject, fact) subject, fact, holds FROM fact
    WHERE subject = ANY(%(who)s) AND valid_from <= %(now)s AND known_from <= %(known)s
    ORDER BY subject, fact, valid_from DESC, seq DESC
) f WHERE f.holds
"""
#: What is said by somebody new, by statements that `at_once` takes.
_EPOCH_ONE: Final = "INSERT INTO subject_epoch (subject, epoch) VALUES ($1::bigint, $2::bigint)"
_FACT_ONE: Final = (
    "INSERT INTO fact (subject, fact, holds, valid_from, known_from, source, notice) VALUES"
    " ($1::bigint, $2::text, $3::bool, $4::timestamptz, $5::timestamptz, $6::text, $7::text)"
)
_SUPPRESSED: Final = """
SELECT DISTINCT i.subject, s.channel FROM identity i JOIN suppression s ON s.mac = i.suppress
WHERE i.subject = ANY(%(who)s) AND s.since <= least(%(now)s, %(known)s)
"""


class Word(NamedTuple):
    """What was said about a fact, since when it holds so, where it was said, on which words."""

    fact: str
    holds: bool
    since: dt.datetime
    source: str
    notice: str | None


class Said(NamedTuple):
    """What a person said at once: facts (name, whether it holds), since when they hold so, and
    what she was shown (a hash).
    """

    subject: int
    facts: Sequence[tuple[str, bool]]
    since: dt.datetime
    notice: str | None = None


class Consents:
    """Consents, withdrawals, objections, preferences, restrictions and other facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        subject: int,
        facts: Sequence[tuple[str, bool]],
        now: dt.datetime,
        *,
        source: str,
        valid_from: dt.datetime | None = None,
        notice: str | None = None,
        anew: bool = True,
        connection: Connection | None = None,
    ) -> int:
        """Add facts (name, whether it holds), known from `now`; the person's new epoch.

        `valid_from` may lie before `now` (a letter that arrived on Monday) or after it.
        `source` says where it came from, `notice` what the person was shown (a hash).
        """
        one = Said(subject, facts, valid_from or now, notice)
        return self.record_many([one], now, source=source, anew=anew, connection=connection)[0]

    def record_many(
        self, said: Sequence[Said], now: dt.datetime, *, source: str, anew: bool = True,
        connection: Connection | None = None,
    ) -> list[int]:  # fmt: skip
        """`record` one after another, with a fixed number of statements; the epoch after each.

        `anew`: a yes ends also what was taken back before an erasure.
        """
        _named(said)
        times = Counter(one.subject for one in said)
        people = sorted(times)
        with self._database.within(connection) as c:
            # The epoch row is locked first: facts of one person are added one after another.
            rows = c.execute(
                "INSERT INTO subject_epoch AS e (subject, epoch)"
                " SELECT * FROM unnest(%s::bigint[], %s::bigint[])"
                " ON CONFLICT (subject) DO UPDATE SET epoch = e.epoch + excluded.epoch"
                " RETURNING subject, epoch",
                (people, [times[subject] for subject in people]),
            ).fetchall()
            c.execute(
                "INSERT INTO fact (subject, fact, holds, valid_from, known_from, source, notice)"
                " SELECT s, f, h, v, %s, %s, n FROM unnest(%s::bigint[], %s::text[], %s::bool[],"
                " %s::timestamptz[], %s::text[]) WITH ORDINALITY r (s, f, h, v, n, turn)"
                " ORDER BY turn",
                (now, source, *_columns(said)),
            )
            c.execute("DELETE FROM subject_facts WHERE subject = ANY(%s)", (people,))
            if anew and (again := [
                (one.subject, fact) for one in said for fact, holds in one.facts
                if fact.startswith("withdrawn:") and not holds
            ]):  # fmt: skip
                agreed(c, again)
        met = {int(subject): int(epoch) - times[int(subject)] for subject, epoch in rows}
        epochs = []
        for one in said:
            met[one.subject] += 1
            epochs.append(met[one.subject])
        return epochs

    def first(self, said: Sequence[Said], now: dt.datetime, *, source: str) -> list[Statement]:
        """For who does several things at once: what `record` writes, one after another, of one
        person who is made in this transaction; their epochs count from 1.
        """
        _named(said)
        (subject,) = {one.subject for one in said}
        facts = [
            (
                _FACT_ONE,
                (subject, name, "true" if holds else "false", one.since.isoformat(),
                 now.isoformat(), source, one.notice),
            )
            for one in said for name, holds in one.facts
        ]  # fmt: skip
        return [(_EPOCH_ONE, (subject, len(said))), *facts]

    def grant(
        self,
        subject: int,
        purpose: str,
        now: dt.datetime,
        *,
        source: str,
        valid_from: dt.datetime | None = None,
        notice: str | None = None,
        connection: Connection | None = None,
    ) -> int:
        """Consent to a purpose; ends an earlier withdrawal of it. The new epoch."""
        return self.record(
            subject,
            [(f"consent:{purpose}", True), (f"withdrawn:{purpose}", False)],
            now,
            source=source,
            valid_from=valid_from,
            notice=notice,
            connection=connection,
        )

    def withdraw(
        self,
        subject: int,
        purpose: str,
        now: dt.datetime,
        *,
        source: str,
        valid_from: dt.datetime | None = None,
        connection: Connection | None = None,
    ) -> int:
        """Withdraw consent to a purpose, as easily as it was given. The new epoch."""
        return self.record(
            subject,
            [(f"consent:{purpose}", False), (f"withdrawn:{purpose}", True)],
            now,
            source=source,
            valid_from=valid_from,
            connection=connection,
        )

    def object_to(
        self,
        subject: int,
        purpose: str,
        now: dt.datetime,
        *,
        source: str,
        valid_from: dt.datetime | None = None,
        connection: Connection | None = None,
    ) -> int:
        """Object to a purpose. The new epoch."""
        return self.record(
            subject,
            [(f"objection:{purpose}", True)],
            now,
            source=source,
            valid_from=valid_from,
            connection=connection,
        )

    def prefer(
        self,
        subject: int,
        about: str,
        wanted: bool,
        now: dt.datetime,
        *,
        source: str,
        connection: Connection | None = None,
    ) -> int:
        """Set a preference for a channel or topic. The new epoch."""
        return self.record(
            subject, [(f"preference:{about}", wanted)], now, source=source, connection=connection
        )

    def restrict(
        self,
        subject: int,
        restricted: bool,
        now: dt.datetime,
        *,
        source: str,
        connection: Connection | None = None,
    ) -> int:
        """Restrict all use (Art. 18), or lift it. The new epoch."""
        return self.record(
            subject, [("restricted", restricted)], now, source=source, connection=connection
        )

    def facts(
        self,
        subject: int,
        now: dt.datetime,
        *,
        known: dt.datetime | None = None,
        connection: Connection | None = None,
    ) -> Facts:
        """What holds of a person at `now`, by what was known at `known` (by default `now`)."""
        return self.facts_of([subject], now, known=known, connection=connection)[0]

    def facts_of(
        self,
        subjects: Sequence[int],
        now: dt.datetime,
        *,
        known: dt.datetime | None = None,
        connection: Connection | None = None,
    ) -> list[Facts]:
        """`facts` of each person, with a fixed number of statements.

        The epoch is read before the facts: facts that are newer than their epoch are seen as
        changed, never the other way round.
        """
        who = list(subjects)
        held: dict[int, set[str]] = {s: set() for s in who}
        asked = {"who": who, "now": now, "known": known or now}
        with self._database.within(connection) as c:
            epochs: dict[int, int] = {
                int(s): int(e)
                for s, e in c.execute(
                    "SELECT subject, epoch FROM subject_epoch WHERE subject = ANY(%s)", (who,)
                )
            }
            for subject, fact in c.execute(_FACTS, asked):
                held[subject].add(fact)
            for subject, channel in c.execute(_SUPPRESSED, asked):
                held[subject].add(fact_of(channel))
        return [Facts(frozenset(held[s]), frozenset(), epochs.get(s, 0)) for s in who]

    def words(
        self, subjects: Sequence[int], now: dt.datetime, *, connection: Connection | None = None
    ) -> list[Word]:
        """The newest word of people about each fact, and the newest yes to each, by `now`."""
        columns = "fact, holds, valid_from, source, notice, seq, known_from"
        known = "subject = ANY(%(who)s) AND valid_from <= %(now)s AND known_from <= %(now)s"
        newest = "ORDER BY fact, valid_from DESC, seq DESC"
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                f"(SELECT DISTINCT ON (fact) {columns} FROM fact WHERE {known} {newest}) UNION"
                f" (SELECT DISTINCT ON (fact) {columns} FROM fact WHERE {known} AND holds {newest})"
                " ORDER BY seq",
                {"who": list(subjects), "now": now},
            ).fetchall()
        return [Word(*row[:5]) for row in rows]

    def restore(
        self, subjects: Sequence[int], at: dt.datetime, sources: Sequence[str], now: dt.datetime,
        *, source: str, connection: Connection,
    ) -> list[tuple[int, str, bool]]:  # fmt: skip
        """Let hold again what held before these sources said something at that very moment; the
        facts (person, name, whether it holds) that are so again.
        """
        rows = connection.execute(
            "SELECT DISTINCT ON (f.subject, f.fact) f.subject, f.fact, coalesce(b.holds, false),"
            " b.notice FROM fact f LEFT JOIN LATERAL (SELECT holds, notice FROM fact b"
            " WHERE b.subject = f.subject AND b.fact = f.fact AND b.seq < f.seq"
            " ORDER BY valid_from DESC, seq DESC LIMIT 1) b ON true"
            " WHERE f.subject = ANY(%s) AND f.known_from = %s AND f.source = ANY(%s)"
            " ORDER BY f.subject, f.fact, f.seq",
            (list(subjects), at, list(sources)),
        ).fetchall()
        for subject, fact, held, notice in rows:
            self.record(
                subject, [(fact, held)], now, source=source, notice=notice, anew=False,
                connection=connection,
            )  # fmt: skip
        return [(int(r[0]), str(r[1]), bool(r[2])) for r in rows]

    def epochs(
        self, subjects: Sequence[int], *, connection: Connection | None = None
    ) -> dict[int, int]:
        """The epoch of each person now; 0 for one without any fact."""
        with self._database.within(connection) as c:
            rows = c.execute(
                "SELECT subject, epoch FROM subject_epoch WHERE subject = ANY(%s)",
                (list(subjects),),
            ).fetchall()
        return dict.fromkeys(subjects, 0) | {int(s): int(e) for s, e in rows}

    def refresh(
        self,
        word: Callable[[Facts], int],
        rules: str,
        now: dt.datetime,
        subjects: Iterable[int] | None = None,
    ) -> int:
        """Make the bits of those who have none for these rules or this moment; how many.

        `word` turns Facts into bits, `rules` is the digest of what it follows; rows of other
        rules are thrown away first. A row is good from the moment for which it was made (an
        earlier one is judged anew) until its facts change by themselves: one that begins later,
        or came to be known later. With `subjects`, only these.
        """
        wanted = None if subjects is None else list(subjects)
        with self._database.connection() as c:
            c.execute(
                "DELETE FROM subject_facts WHERE rules <> %s OR good_until <= %s OR good_from > %s",
                (rules, now, now),
            )
        made, after = 0, 0
        while True:
            with self._database.connection() as c:
                people = [
                    int(row[0])
                    for row in c.execute(
                        "SELECT subject FROM subject s WHERE subject > %s"
                        " AND (%s::bigint[] IS NULL OR subject = ANY(%s))"
                        " AND NOT EXISTS (SELECT FROM subject_facts f WHERE f.subject = s.subject)"
                        " ORDER BY subject LIMIT %s",
                        (after, wanted, wanted, _BATCH),
                    )
                ]
                if not people:
                    return made
                after = people[-1]
                made += self._make(c, people, word, rules, now)

    def _make(
        self,
        c: Connection,
        people: Sequence[int],
        word: Callable[[Facts], int],
        rules: str,
        now: dt.datetime,
    ) -> int:
        facts = self.facts_of(people, now, connection=c)
        later: dict[int, dt.datetime] = {
            int(s): at
            for s, at in c.execute(
                "SELECT subject, min(at) FROM ("
                " SELECT subject, greatest(valid_from, known_from) AS at FROM fact"
                " WHERE subject = ANY(%(who)s) UNION ALL"
                " SELECT i.subject, s.since FROM identity i"
                " JOIN suppression s ON s.mac = i.suppress WHERE i.subject = ANY(%(who)s)) l"
                " WHERE at > %(now)s GROUP BY subject",
                {"who": list(people), "now": now},
            )
        }
        columns: list[list[int]] = [[] for _ in WORDS]
        for one in facts:
            bits = word(one)
            if bits < 0 or bits >> (BITS * len(WORDS)):
                raise DatabaseError(
                    "the rules have more facts than the table has bits",
                    expected=f"at most {BITS * len(WORDS)}",
                    fix="decide one person at a time, without the materialised facts",
                )
            for column in columns:
                column.append(bits & _MASK)
                bits >>= BITS
        # Locks each epoch row and skips who chose anew meanwhile: a stale row is never written.
        names = ", ".join(WORDS)
        c.execute(
            "INSERT INTO subject_epoch (subject, epoch) SELECT s, 0 FROM unnest(%s::bigint[]) s"
            " ON CONFLICT DO NOTHING",
            (list(people),),
        )
        return c.execute(
            "WITH new AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], "
            + ", ".join(["%s::bigint[]"] * len(WORDS))
            + f") AS n (subject, epoch, good_until, {names})),"
            " still AS (SELECT e.subject FROM subject_epoch e JOIN new n USING (subject)"
            " WHERE e.epoch = n.epoch FOR UPDATE OF e)"
            f" INSERT INTO subject_facts (subject, epoch, rules, good_from, good_until, {names})"
            f" SELECT subject, epoch, %s, %s, good_until, {names}"
            " FROM new JOIN still USING (subject)"
            " ON CONFLICT DO NOTHING",
            (
                list(people),
                [one.epoch for one in facts],
                [later.get(s) for s in people],
                *columns,
                rules,
                now,
            ),
        ).rowcount


def _named(said: Sequence[Said]) -> None:
    for one in said:
        for name, _ in one.facts:
            if not _FACT.match(name):
                raise UsageError(
                    "this is not the name of a fact",
                    expected="a kind, or a kind and what it is about: `consent:marketing.email`",
                )


def _columns(said: Sequence[Said]) -> list[list[object]]:
    """Subject, fact, whether it holds, since when, notice: one row for each fact."""
    rows = [(o.subject, name, holds, o.since, o.notice) for o in said for name, holds in o.facts]
    return [[row[n] for row in rows] for n in range(5)]
