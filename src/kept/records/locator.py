"""The locator: the one way back to rows that had to stay after an erasure.

It leads from a keyed hash of an identifier to the sealed keys of what is retained, and only in
a case that names that identifier. Everybody else learns from `retained_macs` which rows to
leave out. An entry dies with the ground that it was made for, its key first.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase
from kept.errors import Denied
from kept.keys import Vault
from kept.model.codec import decode_keys, decode_reason, encode_keys, encode_reason, encode_value
from kept.model.plan import Reason
from kept.model.select import KeyRow, KeyTable
from kept.model.values import Value, normal
from kept.records.case import Case, case_mac
from kept.records.isolated import Isolated, Opened
from kept.records.subject import LINKING
from kept.terms.identifiers import Identifier

_CLASS: Final = "locator"
_LABEL: Final = b"locator"

DATASETS: Final = (
    Dataset(
        "locator",
        ("entry",),
        {
            "entry": Field("entry", "integer", nullable=False),
            "number": Field("number", "integer", nullable=False),
            "person": Field("person", "integer", nullable=False),
            "system": Field("system", "text", nullable=False),
            "dataset": Field("dataset", "text", nullable=False),
            "hold": Field("hold", "text"),
            "until": Field("until", "date"),
            "fields": Field("fields", "other"),
            "sealed": Field("sealed", "bytes", category="identity-link", nullable=False),
            "made_at": Field("made_at", "datetime", nullable=False),
        },
        retention="locator",
        clock="made_at",
        on_erase=OnErase.NEVER,
        title="The way back to rows that had to stay",
    ),
    Dataset(
        "locator_name",
        ("mac", "entry"),
        {
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "entry": Field("entry", "integer", nullable=False),
        },
        links=(Link(("entry",), "locator", ("entry",)),),
        retention="locator",
        on_erase=OnErase.NEVER,
        title="Keyed hashes that lead to them",
    ),
    Dataset(
        "retained",
        ("system", "dataset", "mac", "entry"),
        {
            "system": Field("system", "text", nullable=False),
            "dataset": Field("dataset", "text", nullable=False),
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "entry": Field("entry", "integer", nullable=False),
            "content": Field("content", "bytes", category="identity-link"),
        },
        links=(Link(("entry",), "locator", ("entry",)),),
        retention="locator",
        on_erase=OnErase.NEVER,
        title="Which rows every other query leaves out, as keyed hashes",
    ),
)

#: (system, dataset) → rows that stay with the reason of each group.
Held = dict[tuple[str, str], list[tuple[KeyTable, Reason]]]

#: What is remembered of one retained row: the fields looked at and their keyed hash; None: nothing.
Mark = tuple[tuple[str, ...], bytes] | None


def witnessed(dataset: Dataset) -> tuple[str, ...]:
    """The fields by which a retained row is known again: personal ones, links, clock, key."""
    links = (name for link in dataset.links for name in link.fields)
    personal = (item.name for item in dataset.personal)
    clock = (dataset.clock,) if dataset.clock else ()
    return tuple(sorted({*dataset.key, *personal, *links, *clock}))


#: When an entry `l` has lost its ground.
_ENDED: Final = (
    "coalesce(l.until <= %(today)s, false) OR EXISTS (SELECT FROM hold h WHERE h.id = l.hold"
    " AND (h.released_at <= %(now)s OR h.until <= %(today)s))"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """An entry of a case that has one whose ground is gone: `ended` says whether it is this.

    `person` is whose rows these are, by her place in the case; `subject` the number of the person
    whom its hold names, `case` the id of its case.
    """

    entry: int
    number: int
    person: int
    place: tuple[str, str]
    rows: KeyTable
    reason: Reason
    ended: bool
    subject: int | None
    case: str | None


class Locator:
    """Where retained rows are, for their person and their ground only."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault
        self.isolated = Isolated(database, vault)

    def store(
        self,
        case: Case,
        people: Sequence[Sequence[Identifier]],
        held: Sequence[tuple[str, str, KeyTable, Reason]],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> int:
        """Remember what stays in (system, dataset); the number of entries made.

        The rows of a KeyTable name their person by index into `people`. What the same case
        stored before is replaced, so that a resumed case stores once; what was witnessed stays.
        """
        groups: list[tuple[int, str, str, KeyTable, Reason]] = []
        for system, dataset, table, reason in held:
            of: dict[int, list[KeyRow]] = {}
            for person, key in table.rows:
                of.setdefault(person, []).append((0, key))
            for person, theirs in of.items():
                own = KeyTable(table.fields, tuple(theirs))
                groups.append((person, system, dataset, own, reason))
        with self._database.within(connection) as c:
            if not groups:
                self._drop(c, "number = %s", (case.number,), now)
                return 0
            before = c.execute(
                "SELECT r.system, r.dataset, r.mac, l.fields, r.content FROM retained r"
                " JOIN locator l USING (entry) WHERE l.number = %s AND r.content IS NOT NULL",
                (case.number,),
            ).fetchall()
            copies = self.isolated.taken(c, case.number)
            self._drop(c, "number = %s", (case.number,), now)
            entries = [
                int(row[0])
                for row in c.execute(
                    "SELECT nextval(pg_get_serial_sequence('locator', 'entry'))"
                    " FROM generate_series(1, %s)",
                    (len(groups),),
                )
            ]
            sealed = self._vault.seal_many(
                [
                    (-entry, _CLASS, _packed(table, reason), _LABEL)
                    for entry, (_, _, _, table, reason) in zip(entries, groups, strict=True)
                ],
                connection=c,
            )
            names = [
                (_name(self._vault, i), entry)
                for entry, (person, *_) in zip(entries, groups, strict=True)
                for i in people[person]
                if i.kind in LINKING
            ]
            marks = [
                (system, dataset, self.key_mac(system, dataset, key), entry)
                for entry, (_, system, dataset, table, _) in zip(entries, groups, strict=True)
                for key in table.values
            ]
            with c.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO locator (entry, number, person, system, dataset, hold, until,"
                    " sealed, made_at) OVERRIDING SYSTEM VALUE"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        (entry, case.number, person, system, dataset, r.hold, r.until, s, now)
                        for entry, s, (person, system, dataset, _, r) in zip(
                            entries, sealed, groups, strict=True
                        )
                    ],
                )
            c.execute(
                "INSERT INTO locator_name SELECT * FROM unnest(%s::bytea[], %s::bigint[])"
                " ON CONFLICT DO NOTHING",
                ([m for m, _ in names], [e for _, e in names]),
            )
            c.execute(
                "INSERT INTO retained SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[],"
                " %s::bigint[]) ON CONFLICT DO NOTHING",
                [[mark[n] for mark in marks] for n in range(4)],
            )
            of_place: dict[tuple[str, str], tuple[tuple[str, ...], dict[bytes, bytes]]] = {}
            for system, dataset, mac, fields, content in before:
                said = of_place.setdefault((system, dataset), (tuple(fields), {}))
                said[1][bytes(mac)] = bytes(content)
            for (system, dataset), (fields, contents) in of_place.items():
                self._say(c, case, system, dataset, fields, contents)
            self.isolated.put_back(c, case.number, copies, now)
        return len(groups)

    def witness(
        self,
        case: Case,
        system: str,
        dataset: Dataset,
        rows: Sequence[Mapping[str, Value]],
        *,
        connection: Connection | None = None,
    ) -> None:
        """Remember what the rows say that this case retains; each by its fields of the map."""
        fields = witnessed(dataset)
        contents = {
            self.key_mac(system, dataset.name, [row[k] for k in dataset.key]): self.row_mac(
                system, dataset.name, fields, row
            )
            for row in rows
        }
        with self._database.within(connection) as c:
            self._say(c, case, system, dataset.name, fields, contents)

    def _say(
        self,
        c: Connection,
        case: Case,
        system: str,
        dataset: str,
        fields: tuple[str, ...],
        contents: Mapping[bytes, bytes],
    ) -> None:
        c.execute(
            "UPDATE locator SET fields = %s WHERE number = %s AND system = %s AND dataset = %s",
            (list(fields), case.number, system, dataset),
        )
        c.execute(
            "UPDATE retained r SET content = w.content"
            " FROM unnest(%s::bytea[], %s::bytea[]) AS w (mac, content), locator l"
            " WHERE l.number = %s AND l.entry = r.entry AND r.system = %s AND r.dataset = %s"
            " AND r.mac = w.mac",
            (list(contents), list(contents.values()), case.number, system, dataset),
        )

    def find(self, case: Case, people: Sequence[Sequence[Identifier]]) -> Held:
        """What is retained of the people of a case, with their index. Makes nothing.

        Denied where the case does not name one of the identifiers.
        """
        found: Held = {}
        with self._database.by_statement() as c:
            rows = self._entries(c, case, people)
            for (person, _, system, dataset, _), plain in zip(
                rows, self._opened(c, [(row[1], row[4]) for row in rows]), strict=True
            ):
                table, reason = _unpacked(plain)
                mine = KeyTable(table.fields, tuple((int(person), key) for _, key in table.rows))
                found.setdefault((system, dataset), []).append((mine, reason))
        return found

    def opened(self, case: Case, people: Sequence[Sequence[Identifier]]) -> Opened:
        """What the isolated rows of the people of a case said. Denied as in `find`."""
        with self._database.by_statement() as c:
            entries = [row[1] for row in self._entries(c, case, people)]
        return Opened(self.isolated, entries, self.key_mac)

    def opened_for(self, hold: str) -> tuple[Held, Opened]:
        """What a hold keeps, and what its isolated rows said: for the ground of that hold."""
        found: Held = {}
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT entry, system, dataset, sealed FROM locator WHERE hold = %s ORDER BY entry",
                (hold,),
            ).fetchall()
            plain = self._opened(c, [(row[0], row[3]) for row in rows])
        for (_, system, dataset, _), data in zip(rows, plain, strict=True):
            found.setdefault((system, dataset), []).append(_unpacked(data))
        return found, Opened(self.isolated, [row[0] for row in rows], self.key_mac)

    def _opened(self, c: Connection, entries: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """What (entry, sealed) hold, in the same order."""
        parts = [(-entry, _CLASS, sealed, _LABEL) for entry, sealed in entries]
        return self._vault.unseal_many(parts, connection=c)

    def _entries(
        self, c: Connection, case: Case, people: Sequence[Sequence[Identifier]]
    ) -> list[tuple[int, int, str, str, bytes]]:
        """(person, entry, system, dataset, sealed) of the people of a case."""
        names = [
            (_name(self._vault, i), person, case_mac(self._vault, i))
            for person, identifiers in enumerate(people)
            for i in identifiers
            if i.kind in LINKING
        ]
        if not names:
            return []
        with c.pipeline():
            strange = c.execute(
                "SELECT FROM unnest(%s::bytea[]) AS w (mac) WHERE NOT EXISTS"
                " (SELECT FROM case_person p WHERE p.number = %s AND p.mac = w.mac) LIMIT 1",
                ([m for _, _, m in names], case.number),
            )
            met = c.execute(
                "SELECT DISTINCT w.person, l.entry, l.system, l.dataset, l.sealed"
                " FROM unnest(%s::bytea[], %s::int[]) AS w (mac, person)"
                " JOIN locator_name n ON n.mac = w.mac JOIN locator l USING (entry)"
                " ORDER BY w.person, l.entry",
                ([m for m, _, _ in names], [p for _, p, _ in names]),
            )
        if strange.fetchall():
            raise Denied(
                "retained rows are found only in a case that names the identifier",
                fix="open a case for the person whose rows they are",
            )
        return met.fetchall()

    def marks(self, system: str, dataset: str) -> dict[bytes, list[Mark]]:
        """`key_mac` of each retained row of a dataset → what it said, by each case's word."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT DISTINCT r.mac, l.fields, r.content FROM retained r"
                " JOIN locator l USING (entry) WHERE r.system = %s AND r.dataset = %s",
                (system, dataset),
            ).fetchall()
        found: dict[bytes, list[Mark]] = {}
        for mac, fields, content in rows:
            said = (tuple(fields), bytes(content)) if content is not None else None
            found.setdefault(bytes(mac), []).append(said)
        return found

    def key_mac(self, system: str, dataset: str, key: Sequence[Value]) -> bytes:
        """The hash of one row's key; the same for the same key in another type (1, "1")."""
        text = json.dumps([system, dataset, *(encode_value(normal(v)) for v in key)])
        return self._vault.mac("retained", text.encode())

    def row_mac(
        self, system: str, dataset: str, fields: Sequence[str], row: Mapping[str, Value]
    ) -> bytes:
        """The hash of what a row says in these fields."""
        said = [[f, encode_value(normal(row[f]))] for f in fields]
        return self._vault.mac("retained-content", json.dumps([system, dataset, said]).encode())

    def veil(self) -> Veil:
        """What is hidden, for one reading: one query at its first row, one more per place met."""
        return Veil(self)

    def places(self) -> set[tuple[str, str]]:
        """The datasets of which rows are retained, as of now."""
        with self._database.by_statement() as c:
            rows = c.execute("SELECT DISTINCT system, dataset FROM retained").fetchall()
        return {(str(system), str(dataset)) for system, dataset in rows}

    def ended(self, now: dt.datetime) -> list[Ended]:
        """Entries whose day has come or whose hold was released, and all others of their cases
        or on the same rows.

        For the run that lets go what nothing keeps any more; nobody else may ask.
        """
        with self._database.by_statement() as c:
            rows = c.execute(
                f"SELECT l.entry, l.number, l.system, l.dataset, l.sealed, ({_ENDED}), h.subject,"
                " c.id, l.person FROM locator l LEFT JOIN hold h ON h.id = l.hold"
                " LEFT JOIN rights_case c ON c.number = l.number WHERE l.number IN"
                f" (SELECT l.number FROM locator l WHERE {_ENDED}) OR l.entry IN (SELECT o.entry"
                " FROM retained o JOIN retained r USING (system, dataset, mac)"
                f" JOIN locator l ON l.entry = r.entry WHERE {_ENDED}) ORDER BY l.entry",
                {"now": now, "today": _day(now)},
            ).fetchall()
            opened = self._opened(c, [(row[0], row[4]) for row in rows])
            found = []
            for (entry, number, system, dataset, _, ended, subject, case, who), plain in zip(
                rows, opened, strict=True
            ):
                place, kept = (str(system), str(dataset)), _unpacked(plain)
                found.append(Ended(entry, number, who, place, *kept, ended, subject, case))
        return found

    def names(self, entries: Sequence[int]) -> Callable[[Identifier], set[int]]:
        """By an identifier those of the entries that it leads to. For the run that lets them go."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT mac, entry FROM locator_name WHERE entry = ANY(%s)", (list(entries),)
            ).fetchall()
        found: dict[bytes, set[int]] = {}
        for mac, entry in rows:
            found.setdefault(bytes(mac), set()).add(int(entry))
        return lambda identifier: found.get(_name(self._vault, identifier), set())

    def standing(self, case: Case) -> dict[tuple[str, str], dict[Reason, int]]:
        """How many rows a case keeps by now, place by place and reason by reason; never which."""
        found: dict[tuple[str, str], dict[Reason, set[object]]] = {}
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT entry, system, dataset, sealed FROM locator WHERE number = %s"
                " ORDER BY entry",
                (case.number,),
            ).fetchall()
            opened = self._opened(c, [(row[0], row[3]) for row in rows])
        for (_, system, dataset, _), plain in zip(rows, opened, strict=True):
            table, reason = _unpacked(plain)
            reasons = found.setdefault((str(system), str(dataset)), {})
            reasons.setdefault(reason, set()).update(table.values)
        return {place: {r: len(k) for r, k in of.items()} for place, of in found.items()}

    def kept(self) -> dict[tuple[str, str], KeyTable]:
        """The keys of all rows that are kept. For the control that looks at them only."""
        found: dict[tuple[str, str], dict[KeyRow, None]] = {}
        fields: dict[tuple[str, str], tuple[str, ...]] = {}
        with self._database.by_statement() as c:
            rows = c.execute("SELECT entry, system, dataset, sealed FROM locator").fetchall()
            opened = self._opened(c, [(row[0], row[3]) for row in rows])
            for (_, system, dataset, _), plain in zip(rows, opened, strict=True):
                table, _ = _unpacked(plain)
                place = (str(system), str(dataset))
                fields[place] = table.fields
                found.setdefault(place, {}).update(dict.fromkeys(table.rows))
        return {place: KeyTable(fields[place], tuple(rows)) for place, rows in found.items()}

    def renew(
        self, entry: int, rows: KeyTable, reason: Reason,
        *, emptied: Sequence[Sequence[Value]] = (), connection: Connection | None = None,
    ) -> int | None:  # fmt: skip
        """An entry goes on for these of its rows, for another reason; the others are forgotten,
        and so is what those said that are `emptied`.

        Where sealed copies go, the rest goes on under a new entry with a key of its own: its
        number, and the key of the old one has to die (`drop`).
        """
        with self._database.within(connection) as c:
            row = c.execute(
                "SELECT system, dataset FROM locator WHERE entry = %s FOR UPDATE", (entry,)
            ).fetchone()
            if row is None:
                return None
            left = {self.key_mac(row[0], row[1], key) for key in rows.values}
            sealed = left - {self.key_mac(row[0], row[1], key) for key in emptied}
            c.execute(
                "DELETE FROM retained WHERE entry = %s AND NOT mac = ANY(%s)", (entry, list(left))
            )
            went = c.execute(
                "DELETE FROM isolated WHERE entry = %s AND NOT mac = ANY(%s)", (entry, list(sealed))
            ).rowcount
            new = self._moved(c, entry) if went else entry
            data = self._vault.seal(-new, _CLASS, _packed(rows, reason), _LABEL, connection=c)
            c.execute(
                "UPDATE locator SET hold = %s, until = %s, sealed = %s WHERE entry = %s",
                (reason.hold, reason.until, data, new),
            )
            return new if went else None

    def _moved(self, c: Connection, entry: int) -> int:
        """The number of a new entry with all that leads to an old one, copies sealed anew."""
        made = c.execute(
            "INSERT INTO locator (number, person, system, dataset, fields, sealed, made_at)"
            " SELECT number, person, system, dataset, fields, sealed, made_at FROM locator"
            " WHERE entry = %s RETURNING entry",
            (entry,),
        ).fetchone()
        assert made is not None
        new = int(made[0])
        for table in ("locator_name", "retained"):
            c.execute(f"UPDATE {table} SET entry = %s WHERE entry = %s", (new, entry))
        self.isolated.move(c, entry, new)
        return new

    def drop(
        self, entries: Sequence[int], now: dt.datetime, *, connection: Connection | None = None
    ) -> dt.date:
        """Let entries die, their sealed copies with them; the day on which no copy of their keys
        is of use any more.
        """
        with self._database.within(connection) as c:
            self._drop(c, "entry = ANY(%s)", (list(entries),), now)
            keys = [-entry for entry in entries]
            return self._vault.shred(keys, [_CLASS], now, connection=c)

    def expire(self, now: dt.datetime, *, connection: Connection | None = None) -> int:
        """Let entries die whose day has come or whose hold was released; how many did.

        Their keys and sealed copies go with them. The rows themselves are not touched: what
        ends them too is `duties.rights.ending`.
        """
        with self._database.within(connection) as c:
            return self._drop(
                c, f"entry IN (SELECT l.entry FROM locator l WHERE {_ENDED})",
                {"now": now, "today": _day(now)}, now,
            )  # fmt: skip

    def _drop(
        self,
        c: Connection,
        where: str,
        parameters: Sequence[object] | Mapping[str, object],
        now: dt.datetime,
    ) -> int:
        rows = c.execute(
            f"DELETE FROM locator WHERE {where} RETURNING entry", parameters
        ).fetchall()
        if rows:
            self._vault.shred([-row[0] for row in rows], [_CLASS], now, connection=c)
        return len(rows)


class Veil:
    """Hides retained rows from every reading but that by the locator."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._places: set[tuple[str, str]] | None = None
        self._marks: dict[tuple[str, str], dict[bytes, list[Mark]]] = {}

    def hidden(
        self,
        system: str,
        dataset: str,
        keys: Sequence[Sequence[Value]],
        rows: Sequence[Mapping[str, Value] | None] | None = None,
    ) -> list[bool]:
        """Whether each key names a retained row; with `rows`, whether that is the row still.

        `rows` are the rows by field, in the order of `keys`; None stands for one not known,
        which is judged by its key alone.
        """
        place = (system, dataset)
        if not self.covers(*place):
            return [False] * len(keys)
        if place not in self._marks:
            self._marks[place] = self._locator.marks(system, dataset)
        known = self._marks[place]
        found = []
        for key, row in zip(keys, rows or [None] * len(keys), strict=True):
            marks = known.get(self._locator.key_mac(system, dataset, key))
            found.append(marks is not None and (row is None or self._same(place, marks, row)))
        return found

    def covers(self, system: str, dataset: str) -> bool:
        """Whether anything of the dataset is retained."""
        if self._places is None:
            self._places = self._locator.places()
        return (system, dataset) in self._places

    def _same(
        self, place: tuple[str, str], marks: Sequence[Mark], row: Mapping[str, Value]
    ) -> bool:
        for mark in marks:
            # Nothing was witnessed yet, or the map has other fields by now: the key decides.
            if mark is None or not row.keys() >= set(mark[0]):
                return True
            if self._locator.row_mac(*place, mark[0], row) == mark[1]:
                return True
        return False


def _day(now: dt.datetime) -> dt.date:
    return now.astimezone(dt.UTC).date()


def _name(vault: Vault, identifier: Identifier) -> bytes:
    return vault.mac("locator", f"{identifier.kind}\x00{identifier.normalised}".encode())


def _packed(table: KeyTable, reason: Reason) -> bytes:
    return json.dumps(
        {"keys": encode_keys(table), "reason": encode_reason(reason)}, separators=(",", ":")
    ).encode()


def _unpacked(data: bytes) -> tuple[KeyTable, Reason]:
    raw = json.loads(data)
    return decode_keys(raw["keys"]), decode_reason(raw["reason"])
