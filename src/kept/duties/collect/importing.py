"""Bringing a list of people in: looked at line by line, then stored batch by batch.

Data about people enters by a file under the laws of forms: only what the policy declares, on a
basis, from somebody with whom there is an agreement, and of nobody who is too young. Who was
erased, objects, is restricted or is not to be written to stays so; what was put right stays right.
Lines are only ever added: nothing that a person said is written over.

A line has a mark, a keyed hash of what it says, which is stored with it. By it the same line is
known again, in this file or another; a batch that was cut off is done again, and adds what is
missing. Of what is not taken a counter goes up, and nothing else is kept.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from kept.controller import Controller
from kept.controller.collect import Gathering
from kept.database import Connection
from kept.decide.facts import IMPEDIMENTS, kind_of
from kept.decide.form import Consent
from kept.decide.lines import REASONS, Amiss, Judge, Line, Outcome, Reading
from kept.deployment import Supply
from kept.errors import Denied, UsageError
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.model.values import Type, Value
from kept.policy.shapes import OURSELVES, Import
from kept.records.actor import Actor
from kept.records.consent import Said
from kept.records.imported import Run
from kept.records.quarantine import Waiting
from kept.stores import lists
from kept.stores.lists import Limits, Listing
from kept.terms.identifiers import Identifier

#: How it stands for a line.
TAKEN: Final = "taken"
REFUSED: Final = "refused"
HELD: Final = "waits"
THERE: Final = "there"
#: Lines of one batch; of one in which lines may bring consents: each makes a person, and holds a
#: lock of the database until the batch is written down.
BATCH: Final = 2_000
SMALL: Final = 500
LIMITS: Final = Limits()
#: Before the name of an import where forms and imports stand in one list.
PREFIX: Final = "import:"
_NUMBERS: Final[frozenset[Type]] = frozenset(("integer", "decimal", "real"))


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file, as what it is brought in, who gave it, and from which day it is."""

    file: Path
    import_: str
    source: str | None = None
    given: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """A file that was read through once: nothing of it but this is known yet."""

    content: bytes
    lines: int
    dropped: tuple[str, ...]


@dataclass(slots=True)
class Judged:
    """A line, and what becomes of it. `values` are what is stored of it, with `mark`;
    `stored`: that mark is in the dataset already.
    """

    line: Line
    outcome: str
    why: Amiss | None = None
    reason: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    basis: str = ""
    activity: str = ""
    mark: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)
    consents: tuple[Consent, ...] = ()
    clauses: tuple[str, ...] = ()
    righted: int = 0
    stored: bool = False


class Importing:
    """One import at work: what the policy declares, where kept.toml has it stored, who gave it."""

    def __init__(
        self, controller: Controller, import_: str, source: str | None, given: dt.date | None,
        now: dt.datetime,
    ) -> None:  # fmt: skip
        """UsageError where it is not set up; Denied where nobody agreed that it may be given."""
        self.controller, self.now, self.given = controller, now, given
        self.one, self.supply = _declared(controller, import_)
        self.source = _source(self.supply, source)
        agreement = controller.agreement(self.source, now)
        if agreement is None and self.source != OURSELVES:
            raise Denied(
                f"there is no agreement in force with `{self.source}`; nothing of it is stored",
                fix="when it is signed, name it in kept.toml under"
                f' [documents."agreement:{self.source}"]',
            )
        self.agreement = None if agreement is None else agreement.sha256
        self.dated = "date" in self.one.needs
        if given is None and not self.dated:
            raise UsageError(
                "it is not said from which day the list is", expected="--given 2026-01-31",
                fix="name the day on which it was given",
            )  # fmt: skip
        if given is not None and given > controller.day(now):
            raise UsageError("the list is from a day that has not come", expected="a day so far")
        self.place: Gathering = controller.gather(self.supply.place, self.supply.stamps["mark"])
        self._judge = Judge(controller.bundle, controller.rules, self.one)
        stamps = self.supply.stamps
        self._boxes = frozenset(c.name for c in self.one.columns.values() if c.consent)
        self.batch = SMALL if self._boxes else BATCH
        # What a line says of its origin stands in the column of that stamp, where there is one.
        self._stored = [
            n for n, c in self.one.columns.items() if n not in self._boxes and c.says not in stamps
        ]
        self.columns = (
            *self.supply.constants,
            *(self.supply.fields.get(n, n) for n in self._stored),
            *stamps.values(),
        )
        self._types = {f.name: f.type for f in self.place.mapped.fields.values()}
        at = None if given is None else given.isoformat()
        self._stamps: dict[str, Value] = {
            "policy": str(controller.bundle.version), "source": self.source, "at": now,
            "date": self._typed(stamps.get("date", ""), at), "address": None,
        }  # fmt: skip
        #: (what is read of a line, the type of its column) in the order in which it is stored.
        self._kinds = [
            (n, self._types.get(self.supply.fields.get(n, n), "text")) for n in self._stored
        ]

    def judged(self, lines: Sequence[Line], reading: Reading) -> list[Judged]:
        """What becomes of these lines; nothing is written."""
        asked = [line for line in lines if line.why is None]
        known = self.controller.facts_of_many([line.people for line in asked], self.now)
        right = self._corrections({n for numbers, _ in known for n in numbers})
        facts = dict(zip((line.number for line in asked), known, strict=True))
        made = []
        for line in lines:
            if line.why is not None:
                made.append(Judged(line, REFUSED, line.why, REASONS[line.why]))
                continue
            numbers, met = facts[line.number]
            outcome = self._judge(line, met)
            if not outcome.taken:
                # What forbids by itself is not a matter of proof.
                free = IMPEDIMENTS.isdisjoint(map(kind_of, met.held))
                why = Amiss.PROOF if line.unproven and free else Amiss.DENIED
                reason = REASONS[why] if why is Amiss.PROOF else outcome.decision.reason
                made.append(Judged(line, REFUSED, why, reason))
                continue
            made.append(self._taken(line, outcome, numbers, right, reading))
        self._mark(made)
        return made

    def row(self, one: Judged) -> tuple[Value, ...]:
        """The row that is stored of a line, in the order of `columns`."""
        stamps = {
            **self._stamps, "basis": one.basis, "activity": one.activity, "mark": one.mark
        }  # fmt: skip
        for what, said in one.origin.items():
            stamps[what] = self._typed(self.supply.stamps.get(what, ""), said)
        values = one.values
        return (
            *self.supply.constants.values(),
            *(
                values.get(n) if kind == "text" else _typed(kind, values.get(n))
                for n, kind in self._kinds
            ),
            *(stamps[stamp] for stamp in self.supply.stamps),
        )

    def _typed(self, column: str, value: str | None) -> Value:
        """A value as the column of the dataset holds it."""
        return _typed(self._types.get(column, "text"), value)

    def _taken(
        self, line: Line, outcome: Outcome, numbers: tuple[int, ...],
        right: Mapping[int, Mapping[tuple[str, bytes], str]], reading: Reading,
    ) -> Judged:  # fmt: skip
        decision = outcome.decision
        values: Mapping[str, str] = line.values
        if outcome.withheld:
            values = {n: v for n, v in values.items() if n not in outcome.withheld}
        righted = 0
        for number in numbers:
            if number in right:
                values, more = self._righted(values, number, right[number])
                righted += more
        return Judged(
            line, HELD if line.doubt else TAKEN, None, "" if line.doubt else decision.reason,
            values, decision.basis or "", decision.activity or "", "", reading.origin(line),
            outcome.consents, decision.because, righted,
        )  # fmt: skip

    def _mark(self, made: Sequence[Judged]) -> None:
        """Give each line that may be stored its mark; say of those that are there that they are."""
        mac = self.controller.vault.mac
        seen: set[str] = set()
        for one in made:
            if one.outcome in (TAKEN, HELD):
                said = "\x1f".join(f"{n}={v}" for n, v in one.line.values.items())
                one.mark = mac("import", f"{self.one.id}\x1f{said.casefold()}".encode()).hex()[:32]
        there = self.place.there([one.mark for one in made if one.mark])
        for one in made:
            if one.mark and (one.mark in there or one.mark in seen):
                one.outcome, one.stored = THERE, one.mark in there
                one.reason = "it is there already" if one.stored else "it says what another says"
            seen.add(one.mark)

    def _corrections(self, numbers: set[int]) -> Mapping[int, Mapping[tuple[str, bytes], str]]:
        """Person → (category, keyed hash of what was wrong) → what is right."""
        found: dict[int, dict[tuple[str, bytes], str]] = {}
        if not numbers:
            return found
        datamap = self.controller.datamap
        for one in self.controller.corrections.of(sorted(numbers)):
            system = datamap.systems.get(one.system)
            dataset = None if system is None else system.datasets.get(one.dataset)
            item = None if dataset is None else dataset.fields.get(one.field)
            if item is not None and item.category is not None and isinstance(one.right, str):
                found.setdefault(one.subject, {})[item.category, one.wrong] = one.right
        return found

    def _righted(
        self, values: Mapping[str, str], number: int, right: Mapping[tuple[str, bytes], str]
    ) -> tuple[Mapping[str, str], int]:
        """The values of a line, with what was put right for her as it is right."""
        made, count = dict(values), 0
        wanted = {category for category, _ in right}
        for n, value in values.items():
            category = self.one.columns[n].category
            if category in wanted:
                said = right.get((category, self.controller.corrections.hash_of(number, value)))
                if said is not None:
                    made[n], count = said, count + 1
        return made, count


def _typed(kind: Type, value: str | None) -> Value:
    """A value as a column of a type holds it."""
    if value is None:
        return None
    if kind == "date":
        return dt.date.fromisoformat(value)
    if kind == "datetime":
        return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)
    if kind in _NUMBERS:
        return value.replace(",", ".")
    return value == "yes" if kind == "boolean" else value


def survey(controller: Controller, delivery: Delivery, now: dt.datetime) -> Survey:
    """Read a file through, to its last line. UsageError where it cannot be read, or lacks what is
    needed; then nothing of it is stored.
    """
    one, supply = _declared(controller, delivery.import_)
    with lists.opened(delivery.file) as file:
        content = lists.digest_of(file)
        listing = lists.read(file, delivery.file.suffix, LIMITS, encoding=supply.encoding)
        reading = _reading(controller, one, listing, now, delivery.file)
        last = 1
        for number, _ in listing.lines:
            last = number
        mark = controller.vault.mac("import-file", content)
        return Survey(mark, last, reading.left_out())


def look(controller: Controller, delivery: Delivery, now: dt.datetime) -> Iterator[Judged]:
    """What would become of each line. Nothing is written, and nothing counted."""
    work = Importing(controller, delivery.import_, delivery.source, delivery.given, now)
    for judged in _batches(work, delivery.file, 1):
        yield from judged


def bring(
    controller: Controller, delivery: Delivery, actor: Actor, now: dt.datetime, *,
    tell: Callable[[int, int], None] = lambda *_: None, stop: Callable[[], bool] = lambda: False,
) -> Run:  # fmt: skip
    """Store what may be stored; the run as it stands afterwards.

    A file that is through is not begun again. `tell` gets (line, lines) after each batch; when
    `stop` says so it ends after the batch that is under way, and goes on another time.
    """
    work = Importing(controller, delivery.import_, delivery.source, delivery.given, now)
    surveyed = survey(controller, delivery, now)
    with controller.imports.alone(work.one.id):
        run = controller.imports.find(work.one.id, surveyed.content)
        if run is None:
            run = _begin(work, surveyed, actor)
        elif run.source != work.source:
            raise UsageError(
                "this file was brought in as that of somebody else", expected=f"--from {run.source}"
            )
        if run.done:
            return run
        tell(run.through, run.lines)
        for judged in _batches(work, delivery.file, run.through, surveyed.content):
            run = _store(work, run, judged)
            tell(run.through, run.lines)
            if stop() or run.done:
                break
        else:
            run = _store(work, run, [])  # what is left are empty lines
        return run


def let_through(
    controller: Controller, one: Waiting, sent: Mapping[str, Any], now: dt.datetime
) -> bool:
    """Store a line that waited, and is no child's: judged again, by what holds today."""
    given = sent.get("given")
    work = Importing(
        controller, one.form.removeprefix(PREFIX), sent.get("source"),
        None if given is None else dt.date.fromisoformat(given), now,
    )  # fmt: skip
    people = tuple(Identifier(*each) for each in sent["people"])
    line = Line(sent["line"], values=dict(sent["values"]), people=people, region=one.region)
    reading = Reading(controller.bundle, work.one, list(work.one.columns), now)
    with controller.database.connection() as c:
        # First, so that nobody else lets it through meanwhile; where its place does not take it,
        # it waits on.
        if not controller.quarantine.gone(one, connection=c):
            return False
        # The same line may wait from two files: the second meets what the first one stored.
        controller.imports.decide_alone(work.one.id, connection=c)
        (judged,) = work.judged([line], reading)
        if judged.stored and not _entered(controller, judged):
            # By this decision, before the machine stopped.
            judged.outcome = TAKEN
        elif judged.outcome == TAKEN:
            work.place.add(work.columns, [work.row(judged)])
        entries = _consented(work, [judged], c) if judged.outcome == TAKEN else []
        body = _tally(work, str(sent["run"]), [judged], Counter([judged.outcome]))
        handed = Entry("form.handed", now, {"item": one.id, "form": name(one.form)})
        controller.ledger.append_in(c, [handed, *entries, Entry("import.stored", now, body)])
    return judged.outcome == TAKEN


def _entered(controller: Controller, judged: Judged) -> bool:
    """Whether the ledger says already that this line, by itself, was stored."""
    digest = controller.digest(judged.mark.encode())
    stored = controller.ledger.entries(kind="import.stored")
    return any(e.body.get("digest") == digest for _, e in stored)


def _declared(controller: Controller, import_: str) -> tuple[Import, Supply]:
    one, supply = controller.bundle.imports.get(import_), controller.supplies.get(import_)
    if one is None:
        known = ", ".join(controller.bundle.imports) or "none: the policy declares none"
        raise UsageError("the policy has no such import", expected=f"one of {known}")
    if supply is None:
        raise UsageError(
            f"it is not said where `{import_}` is stored, and who gives it",
            expected=f"[imports.{import_}] in kept.toml",
            fix="write dataset, sources and stamps under it",
        )
    return one, supply


def _source(supply: Supply, source: str | None) -> str:
    if source is None and len(supply.sources) == 1:
        return supply.sources[0]
    if source not in supply.sources:
        raise UsageError(
            "it is not said who gave the list" if source is None else "nobody set up gives such",
            expected=f"--from with one of {', '.join(supply.sources)}",
        )
    return source


def _reading(
    controller: Controller, one: Import, listing: Listing, now: dt.datetime, file: Path
) -> Reading:
    grows = file.suffix.casefold() in (".jsonl", ".ndjson")
    return Reading(controller.bundle, one, listing.head, now, dated=listing.dated, grows=grows)


def _batches(
    work: Importing, file: Path, after: int, content: bytes | None = None
) -> Iterator[list[Judged]]:
    """The lines of a file behind one of them, judged, batch by batch. UsageError where it is not
    the file that was surveyed (`content`), or is written to while it is read.
    """
    with lists.opened(file) as opened:
        met, mac = _stand(file), work.controller.vault.mac
        if content not in (None, mac("import-file", lists.digest_of(opened))):
            raise _changed()
        listing = lists.read(opened, file.suffix, LIMITS, encoding=work.supply.encoding)
        reading = _reading(work.controller, work.one, listing, work.now, file)
        left = (
            (number, cells) for number, cells in listing.lines
            if number > after
        )  # fmt: skip
        while part := list(islice(left, work.batch)):
            made = []
            for number, cells in part:
                if cells is None:
                    made.append(Line(number, Amiss(listing.amiss.pop(number))))
                else:
                    made.append(reading.line(number, cells))
            judged = work.judged(made, reading)
            if _stand(file) != met:
                raise _changed()
            yield judged
        if _stand(file) != met:
            raise _changed()


def _changed() -> UsageError:
    return UsageError(
        "the list changed while it was read", expected="a file that nobody writes to",
        fix="bring in a copy of it; what was stored until now stays stored, once",
    )  # fmt: skip


def _stand(file: Path) -> tuple[int, int, int] | None:
    """By which it shows that somebody writes to a file, or puts another in its place."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _begin(work: Importing, surveyed: Survey, actor: Actor) -> Run:
    controller = work.controller
    given = work.given or controller.day(work.now)
    with controller.database.connection() as c:
        run = controller.imports.open(
            work.one.id, surveyed.content, work.source, work.agreement, given, surveyed.lines,
            actor, work.now, connection=c,
        )  # fmt: skip
        assert run is not None  # nobody else is at it
        body = {
            "run": run.id, "import": name(work.one.id), "source": name(work.source),
            "file": surveyed.content.hex(), "given": given.isoformat(),
            "lines": surveyed.lines - 1, "dropped": len(surveyed.dropped),
            "actor": name(actor.role),
        }  # fmt: skip
        if work.agreement is not None:
            body["agreement"] = work.agreement
        controller.ledger.append_in(c, [Entry("import.begun", work.now, body)])
    return run


def _store(work: Importing, run: Run, judged: Sequence[Judged]) -> Run:
    """Store one batch: first what the company keeps, then what Kept writes down of it."""
    controller, now = work.controller, work.now
    last = judged[-1].line.number if judged else run.lines
    for one in judged:
        # Lines of a batch that was cut off between both: they were stored, and not yet counted.
        if one.stored and not one.line.doubt and one.line.number <= (run.under_way or 0):
            one.outcome = TAKEN
    fresh = [one for one in judged if one.outcome == TAKEN]
    if fresh:
        controller.imports.begin(run, max(last, run.under_way or 0), now)
        work.place.add(work.columns, [work.row(one) for one in fresh if not one.stored])
    tally = Counter(one.outcome for one in judged)
    counts = Counter(run.counts) + tally
    counts.update(f"refused.{one.why}" for one in judged if one.why)
    over = last >= run.lines
    with controller.database.connection() as c:
        entries = _consented(work, fresh, c)
        for one in judged:
            if one.outcome == HELD:
                _hold(work, run, one, c)
        controller.quarantine.count_many(
            PREFIX + work.one.id, Counter(str(o.why) for o in judged if o.why), now, connection=c
        )
        controller.imports.through(run, last, counts, now, over=over, connection=c)
        if judged:
            body = _tally(work, run.id, judged, tally)
            entries.append(Entry("import.stored", now, body))
        if over:
            ended = {"run": run.id, "import": name(work.one.id), "rows": counts[TAKEN],
                     "refused": counts[REFUSED], "held": counts[HELD],
                     "there": counts[THERE]}  # fmt: skip
            entries.append(Entry("import.ended", now, ended))
        # Last: from here on nobody else can append until it is committed.
        controller.ledger.append_in(c, entries)
    return controller.imports.get(run)


def _tally(
    work: Importing, run: str, judged: Sequence[Judged], tally: Mapping[str, int]
) -> dict[str, Any]:
    """What the ledger knows of a batch: counts, and a keyed hash of its marks."""
    fresh = [one for one in judged if one.outcome == TAKEN]
    body: dict[str, Any] = {
        "run": run, "import": name(work.one.id), "source": name(work.source),
        "activity": name(work.one.form.activity), "first": judged[0].line.number,
        "last": judged[-1].line.number, "rows": tally.get(TAKEN, 0),
        "refused": tally.get(REFUSED, 0), "held": tally.get(HELD, 0),
        "there": tally.get(THERE, 0), "righted": sum(one.righted for one in fresh),
        "bases": sorted({name(one.basis) for one in fresh if one.basis}),
        "clauses": sorted({clause for one in fresh for clause in one.clauses}),
    }  # fmt: skip
    if fresh:
        marks = "\n".join(sorted(one.mark for one in fresh))
        body["digest"] = work.controller.digest(marks.encode())
    return body


def _consented(work: Importing, judged: Sequence[Judged], c: Connection) -> list[Entry]:
    """Record the consents that came with their proof, each from the day on which it was given."""
    controller, now = work.controller, work.now
    source = f"{PREFIX}{work.one.id}"
    given = [one for one in judged if one.consents and one.line.people]
    if not given:
        return []
    people = controller.subjects.of_many([one.line.people for one in given], now, connection=c)
    names = controller.vault.pseudonyms([(who, PERSON) for who in people], now, connection=c)
    said: list[Said] = []
    bodies: list[dict[str, Any]] = []
    for one, subject, pseudonym in zip(given, people, names, strict=True):
        values = one.line.values
        for consent in one.consents:
            proof = work.one.columns[consent.field or ""].proof or {}
            when = dt.datetime.fromisoformat(values[proof["when"]]).replace(tzinfo=dt.UTC)
            said.append(Said(subject, [(fact, True) for fact in consent.facts], min(when, now)))
            words = f"{values[proof['words']]}\x00{values[proof['where']]}"
            bodies.append({
                "purpose": name(consent.purpose), "wording": controller.digest(words.encode()),
                "source": name(source), "subject": pseudonym,
                "clauses": list(consent.decision.because),
            })  # fmt: skip
    epochs = controller.consents.record_many(said, now, source=source, connection=c)
    return [
        Entry("consent.given", now, {**body, "epoch": epoch})
        for body, epoch in zip(bodies, epochs, strict=True)
    ]


def _hold(work: Importing, run: Run, one: Judged, c: Connection) -> None:
    """Seal a line that may be a child's until a person has decided."""
    line = one.line
    sent = {
        "values": dict(line.values), "people": [[i.kind, i.value] for i in line.people],
        "source": work.source, "given": None if work.given is None else work.given.isoformat(),
        "run": run.id, "line": line.number,
    }  # fmt: skip
    work.controller.quarantine.hold(
        PREFIX + work.one.id, line.region, "", sent, work.now, connection=c
    )
