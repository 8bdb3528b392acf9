"""Incidents: what happened to personal data, when it was noticed, and what was done about it.

The documentation of GDPR Art. 33(5). An incident is one row that does not change, and its acts, one
line each, that stay: how it stands follows from them. Words are sealed under a key of its own.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.ids import new_id
from kept.terms.incident_rules import Rule

_CLASS: Final = "incident"
_BY: Final = Link(("actor",), "actor", ("actor",), Owner.ACCESSED)

DATASETS: Final = (
    Dataset(
        "incident",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "id": Field("id", nullable=False),
            "kinds": Field("kinds", nullable=False),
            "places": Field("places", "json", nullable=False),
            "happened_at": Field("happened_at", "datetime"),
            "noticed_at": Field("noticed_at", "datetime", nullable=False),
            "entered_at": Field("entered_at", "datetime", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "rule": Field("rule", nullable=False),
            "due": Field("due", "datetime", nullable=False),
            "sealed": Field("sealed", "bytes", category="free-text"),
        },
        links=(_BY,),
        retention="case",
        clock="entered_at",
        on_erase=OnErase.NEVER,
        title="Incidents with personal data",
    ),
    Dataset(
        "incident_act",
        ("number", "turn"),
        {
            "number": Field("number", "integer", nullable=False),
            "turn": Field("turn", "integer", nullable=False),
            "act": Field("act", nullable=False),
            "what": Field("what"),
            "way": Field("way"),
            "people": Field("people", "integer"),
            "sealed": Field("sealed", "bytes", category="free-text"),
            "done_at": Field("done_at", "datetime", nullable=False),
            "at": Field("at", "datetime", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
        },
        links=(Link(("number",), "incident", ("number",)), _BY),
        retention="case",
        clock="at",
        on_erase=OnErase.NEVER,
        title="What was done about an incident",
    ),
)


class State(StrEnum):
    """How an incident stands."""

    OPEN = "open"
    JUDGED = "judged"
    NOTIFIED = "notified"  # the authority was told
    TOLD = "people-told"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Struck:
    """A dataset that was hit; `fields` () : all of its columns."""

    system: str
    dataset: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.system, self.dataset)) + (
            f" ({', '.join(self.fields)})" if self.fields else ""
        )


@dataclass(frozen=True, slots=True)
class Act:
    """One thing done: `judged` (`what` a risk), `notified` (`what` an authority), `told`,
    `returned` (mail to `people` that nobody took), `untold` (`what` a ground), `closed`. `done_at`
    is when, `at` when it was entered; `words` why, whom mail went to by their references, and which
    systems were `away`.
    """

    act: str
    what: str | None
    way: str | None
    people: int | None
    words: Mapping[str, str]
    done_at: dt.datetime
    at: dt.datetime
    actor: Actor


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident. `words` are what people wrote: `nature`, and what a judgement added."""

    number: int
    id: str
    kinds: tuple[str, ...]
    places: tuple[Struck, ...]
    happened_at: dt.datetime | None
    noticed_at: dt.datetime
    entered_at: dt.datetime
    entered_by: Actor
    rule: str
    due: dt.datetime
    words: Mapping[str, str]
    acts: tuple[Act, ...]

    def last(self, act: str) -> Act | None:
        """The newest act of a kind."""
        return next((a for a in reversed(self.acts) if a.act == act), None)

    @property
    def risk(self) -> str | None:
        """What was judged last."""
        judged = self.last("judged")
        return judged.what if judged else None

    @property
    def told_by(self) -> dt.datetime | None:
        """When the authority was told first."""
        return min((a.done_at for a in self.acts if a.act == "notified"), default=None)

    def reached(self) -> dict[str, str]:
        """Reference → id of the mail, of whoever was written to and of whom none came back."""
        found: dict[str, str] = {}
        for act in self.acts:
            if act.act == "told":
                found |= dict(pair.split("=") for pair in act.words.get("mail", "").split())
            elif act.act == "returned":
                for reference in act.words.get("mail", "").split():
                    found.pop(reference, None)
        return found

    @property
    def told(self) -> int:
        """How many people were told, each once where it is known to whom mail went."""
        others = sum(
            a.people or 0 for a in self.acts if a.act == "told" and not a.words.get("mail")
        )
        return len(self.reached()) + others

    @property
    def uncounted(self) -> tuple[str, ...]:
        """The systems that could not be asked whom it hit, when somebody last judged or told."""
        looks = [a for a in self.acts if a.act in ("judged", "told")]
        return tuple(looks[-1].words.get("away", "").split()) if looks else ()

    @property
    def concerned(self) -> int:
        """How many people it hit, as was known when it was judged, or they were told."""
        return max(
            (
                int(a.words.get("of", a.people or 0))
                for a in self.acts
                if a.act in ("judged", "told")
            ),
            default=0,
        )

    @property
    def waiting(self) -> bool:
        """Whether the clock of the authority still runs."""
        if self.state is State.CLOSED or self.told_by is not None:
            return False
        return self.risk != "none"

    @property
    def state(self) -> State:
        """How it stands, by what was done."""
        for act, state in (
            ("closed", State.CLOSED), ("told", State.TOLD), ("notified", State.NOTIFIED),
            ("judged", State.JUDGED),
        ):  # fmt: skip
            if self.last(act):
                return state
        return State.OPEN

    def said(self, name: str) -> str:
        """The newest words of that name; "" where nobody wrote any."""
        return next((a.words[name] for a in reversed(self.acts) if a.words.get(name)),
                    self.words.get(name, ""))  # fmt: skip


_COLUMNS: Final = (
    "i.number, i.id, i.kinds, i.places, i.happened_at, i.noticed_at, i.entered_at, i.rule, i.due,"
    " i.sealed, a.actor, a.name, a.role"
)


class Incidents:
    """The register."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def add(
        self, kinds: Iterable[str], places: Sequence[Struck], words: Mapping[str, str], rule: Rule,
        actor: Actor, now: dt.datetime, *, noticed: dt.datetime, happened: dt.datetime | None,
        connection: Connection,
    ) -> Incident:  # fmt: skip
        """Enter one; its clock runs from `noticed`."""
        id_ = new_id(now)
        spelt = [[p.system, p.dataset, list(p.fields)] for p in places]
        row = connection.execute(
            "INSERT INTO incident (id, kinds, places, happened_at, noticed_at, entered_at, actor,"
            " rule, due) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING number",
            (
                id_, " ".join(kinds), json.dumps(spelt), happened, noticed, now, actor.id, rule.id,
                noticed + dt.timedelta(hours=rule.hours),
            ),
        ).fetchone()  # fmt: skip
        assert row is not None
        connection.execute(
            "UPDATE incident SET sealed = %s WHERE number = %s",
            (self._said(connection, row[0], words, b"incident"), row[0]),
        )
        return self.find(id_, connection=connection)

    def act(
        self, incident: Incident, act: str, actor: Actor, now: dt.datetime, *,
        what: str | None = None, way: str | None = None, people: int | None = None,
        words: Mapping[str, str] | None = None, done: dt.datetime | None = None,
        connection: Connection,
    ) -> Incident:  # fmt: skip
        """Add what was done."""
        row = connection.execute(
            "SELECT coalesce(max(turn), 0) + 1 FROM incident_act WHERE number = %s",
            (incident.number,),
        ).fetchone()
        assert row is not None
        sealed = self._said(connection, incident.number, words, b"act") if words else None
        connection.execute(
            "INSERT INTO incident_act (number, turn, act, what, way, people, sealed, done_at, at,"
            " actor) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                incident.number, row[0], act, what, way, people, sealed, done or now, now,
                actor.id,
            ),
        )  # fmt: skip
        return self.find(incident.id, connection=connection)

    def find(self, id_: str, *, connection: Connection | None = None) -> Incident:
        """The incident of that id, locked where it is in a transaction; UsageError where none."""
        lock = " FOR UPDATE OF i" if connection is not None else ""
        with self._database.within(connection) as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM incident i JOIN actor a USING (actor) WHERE i.id = %s"
                + lock,
                (id_,),
            ).fetchall()
            if not rows:
                raise UsageError(
                    "there is no such incident", fix="see `kept incident list` for those there are"
                )
            return self._read(c, rows)[0]

    def all(self) -> list[Incident]:
        """All of them, those noticed last first."""
        with self._database.connection() as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM incident i JOIN actor a USING (actor)"
                " ORDER BY i.noticed_at DESC, i.number DESC"
            ).fetchall()
            return self._read(c, rows)

    def over(self, *, connection: Connection) -> list[tuple[int, dt.datetime]]:
        """(number, when it was closed) of those that are closed and still say what was written."""
        rows = connection.execute(
            "SELECT i.number, max(e.at) FROM incident i JOIN incident_act e USING (number)"
            " WHERE e.act = 'closed' AND i.sealed IS NOT NULL GROUP BY i.number"
        ).fetchall()
        return [(int(n), at) for n, at in rows]

    def strike(self, numbers: Sequence[int], *, connection: Connection) -> None:
        """Strike out what was written of these, with their keys; what was done when stays."""
        of = (list(numbers),)
        connection.execute("UPDATE incident SET sealed = NULL WHERE number = ANY(%s)", of)
        connection.execute("UPDATE incident_act SET sealed = NULL WHERE number = ANY(%s)", of)
        for number in numbers:
            self._vault.drop(-number, _CLASS, connection=connection)

    def _read(self, c: Connection, rows: Sequence[tuple[Any, ...]]) -> list[Incident]:
        acts: dict[int, list[Act]] = {}
        for number, act, what, way, people, sealed, done, at, *actor in c.execute(
            "SELECT e.number, e.act, e.what, e.way, e.people, e.sealed, e.done_at, e.at, a.actor,"
            " a.name, a.role FROM incident_act e JOIN actor a USING (actor)"
            " WHERE e.number = ANY(%s) ORDER BY e.number, e.turn",
            ([row[0] for row in rows],),
        ).fetchall():
            words = self._words(c, number, sealed, b"act")
            acts.setdefault(number, []).append(
                Act(act, what, way, people, words, done, at, Actor(*actor))
            )
        return [
            Incident(
                number, id_, tuple(kinds.split()),
                tuple(Struck(s, d, tuple(fields)) for s, d, fields in places), happened, noticed,
                entered, Actor(*actor), rule, due, self._words(c, number, sealed, b"incident"),
                tuple(acts.get(number, ())),
            )
            for number, id_, kinds, places, happened, noticed, entered, rule, due, sealed, *actor
            in rows
        ]  # fmt: skip

    def _said(self, c: Connection, number: int, words: Mapping[str, str], label: bytes) -> bytes:
        spelt = json.dumps(dict(words)).encode()
        return self._vault.seal(-number, _CLASS, spelt, label, connection=c)

    def _words(
        self, c: Connection, number: int, sealed: bytes | None, label: bytes
    ) -> dict[str, str]:
        if sealed is None:
            return {}
        plain = self._vault.unseal(-number, _CLASS, bytes(sealed), label, connection=c)
        return dict(json.loads(plain))
