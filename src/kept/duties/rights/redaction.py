"""Other people in the texts of a package, left out by two people (GDPR Art. 15(4)).

    look → strike → hand over → approve → the files are made, and read again

What rules and a look at who is known find is suggested; one person strikes, another approves.
What was decided holds for the texts that were looked at, known by their hashes: where a text has
changed, or a new one has come, nothing is handed out before it was looked at too. The files are
read again before they get their name: what is left of others stops them until somebody else than
who struck accepts it, with a reason. The ledger counts, and holds none of it.

Asked for is this where somebody can do it: an account may strike, and another may approve.
Elsewhere the rules alone cover others (`kept.controller.others`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from kept.controller import Controller, Place
from kept.controller.others import Covering
from kept.database import Connection
from kept.duties.rights import free_text, rescan
from kept.duties.rights.about import titled
from kept.duties.rights.answer import Stays
from kept.duties.rights.choice import law_in
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.request import covering as everybody
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry, name
from kept.model import strike
from kept.model.cover import Cover, Role
from kept.model.select import KeyTable
from kept.model.strike import Strike, Strikes
from kept.records.actor import Actor
from kept.records.case import Case
from kept.records.case_state import FINISHED
from kept.records.redaction import Left, Redaction, Stands, stale
from kept.terms import separation
from kept.terms.tongues import count, say
from kept.terms.words import many

LAW: Final = "GDPR Art. 15(4)"
#: Rights that are answered by a package.
PACKED: Final = ("access", "portability")
#: Who may strike, and who of the others may approve.
STRIKES: Final = frozenset({"redactor"})
APPROVES: Final = frozenset({"approver", "privacy-officer"})
_PASSED: Final = (Stands.APPROVED, Stands.ACCEPTED)
_LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class Text:
    """A text of hers as it stands in her rows. `title` names its place to people."""

    place: Place
    field: str
    title: str
    text: str

    @property
    def digest(self) -> str:
        """By which it is known again."""
        return strike.digest(self.text)


@dataclass(frozen=True, slots=True)
class Look:
    """What a redactor and an approver see. `places`: how often what is struck stands in the
    texts; `left`: what the last package still held; `unreached`: systems that were not asked.
    """

    case: Case
    stands: Redaction
    strikes: Strikes
    texts: tuple[Text, ...]
    places: int
    left: tuple[Left, ...]
    unreached: Mapping[str, str]


def wanted(controller: Controller, now: dt.datetime) -> bool:
    """Whether people look at texts here: one can strike, and another can approve."""
    use = [a for a in controller.accounts.all(now) if a.disabled_at is None]
    strikers = {a.number for a in use if a.roles & STRIKES}
    approvers = {a.number for a in use if a.roles & APPROVES}
    return any(one != two for one in strikers for two in approvers)


def look(controller: Controller, case_id: str, actor: Actor, now: dt.datetime) -> Look:
    """Read the texts, and what is found in them of others, beside what was decided already.

    Texts that are new or changed have to be decided about anew: an approval does not hold for
    them. Raises UsageError for a case that gets no package; Denied while nobody knows who asks.
    """
    case = _open(controller, case_id)
    read = _read(controller, case)
    with controller.database.connection() as c:
        stands = controller.redactions.of(case, connection=c)
        before, left = controller.redactions.strikes(case, connection=c)
        merged = _merged(before, read)
        if stands is None or _mark(controller, case, merged) != stands.mark:
            stands = controller.redactions.save(
                case, stands.revision if stands else None, Stands.OPEN, merged,
                _mark(controller, case, merged), actor, ["looked"], now, connection=c,
            )  # fmt: skip
            left = ()
    return _looked(case, stands, merged, read, left)


def redact(
    controller: Controller, case_id: str, revision: int, actor: Actor, now: dt.datetime,
    *, spared: Collection[str] = (), more: Iterable[str] = (), done: bool = False,
    go_on: bool = False,
) -> Look:  # fmt: skip
    """Strike all that was brought up but what is `spared`, and `more` words; `done` hands it over
    to be approved. `go_on`: what was spared the last time is spared still, unless it is
    among `more` or something new was brought up since.

    Busy where the decision, or one of the texts, is not what it was when `revision` was shown.
    Denied for whoever approved in this case.
    """
    case = _open(controller, case_id)
    _refuse(separation.redacting(actor.name, _did(controller, case)), "another redactor does it")
    words = [" ".join(one.split()) for one in more]
    if any(len(one) > strike.LONGEST for one in words):
        raise UsageError(
            "that is too long to be struck everywhere", expected=f"at most {strike.LONGEST} signs"
        )
    read = _read(controller, case)
    with controller.database.connection() as c:
        stands = controller.redactions.of(case, connection=c)
        before, _ = controller.redactions.strikes(case, connection=c)
        # Pressed twice: what is there now is what this very person made of the same page.
        again = _is_last(
            controller, case, stands, revision, actor, "handed" if done else "redacted", c
        )
        if (
            stands is None
            or read.digests != before.texts
            or not (again or stands.revision == revision)
        ):
            raise stale()
        known = {s.words for s in before.strikes}
        past = controller.redactions.acts(case, connection=c) if go_on else []
        if past and past[-1].act != "looked":
            spared = {*spared, *(s.words for s in before.strikes if not s.on)} - {*words}
        made = [replace(s, on=s.words not in spared) for s in before.strikes]
        made += [strike.added(one) for one in dict.fromkeys(words) if one and one not in known]
        strikes = Strikes(tuple(made), before.texts)
        mark = _mark(controller, case, strikes)
        if again:
            if mark != stands.mark:
                raise stale()
            return _looked(case, stands, strikes, read, ())
        acts = ["redacted", *["handed"] * done]
        stands = controller.redactions.save(
            case, revision, Stands.HANDED if done else Stands.OPEN, strikes, mark, actor, acts,
            now, connection=c,
        )  # fmt: skip
        if done:
            body = {
                "case": case.id, "plan": mark, "texts": stands.texts, "struck": stands.struck,
                "spared": stands.spared, "added": sum(s.how == "added" for s in strikes.on),
                "actor": name(actor.role),
            }  # fmt: skip
            controller.ledger.append_in(c, [Entry("redaction.handed", now, body)])
    return _looked(case, stands, strikes, read, ())


def approve(
    controller: Controller, case_id: str, revision: int, actor: Actor, now: dt.datetime
) -> Redaction:
    """Approve what was handed over, as it was shown in `revision`. Denied for whoever struck."""
    return _decide(controller, case_id, revision, actor, now, Stands.HANDED, Stands.APPROVED,
                   "approved", None)  # fmt: skip


def give_back(
    controller: Controller, case_id: str, revision: int, words: str, actor: Actor,
    now: dt.datetime,
) -> Redaction:  # fmt: skip
    """Give it back to be struck again, with the reason."""
    return _decide(controller, case_id, revision, actor, now, Stands.HANDED, Stands.OPEN,
                   "returned", words)  # fmt: skip


def accept(
    controller: Controller, case_id: str, revision: int, words: str, actor: Actor,
    now: dt.datetime,
) -> Redaction:  # fmt: skip
    """Accept what the package still held, with the reason; anything else stops the next again."""
    return _decide(controller, case_id, revision, actor, now, Stands.LEFT, Stands.ACCEPTED,
                   "accepted", words)  # fmt: skip


def why_not(controller: Controller, case: Case, who: str) -> str:
    """Why somebody may not approve what is left out in a case; empty where he may."""
    return separation.approving(who, _did(controller, case))


def guard(controller: Controller, case: Case, covering: Covering, now: dt.datetime) -> Guard | None:
    """What stands between a package and its name; None where people look at no texts here.

    Raises UsageError where a person has to decide first. What was decided is carried out by the
    `covering` from now on.
    """
    stands = controller.redactions.of(case)
    if stands is None and not wanted(controller, now):
        return None
    if stands is not None and stands.state not in _PASSED:
        said = {
            Stands.LEFT: "of what concerns others something was left in the files",
            Stands.HANDED: "what is to be left out was not approved yet",
        }
        raise UsageError(
            f"{said.get(stands.state, 'what is to be left out was not handed over yet')};"
            " nothing was handed out",
            fix=f"see `kept case redact {case.id}`",
        )
    made = Guard(controller, case, covering, stands, *controller.redactions.strikes(case))
    covering.deciding = made.decide
    return made


@dataclass(slots=True)
class Guard:
    """Watches the texts of one package on their way, then its files."""

    controller: Controller
    case: Case
    covering: Covering
    stands: Redaction | None
    strikes: Strikes
    accepted: tuple[Left, ...]
    places: int = 0
    found: int = 0
    unknown: int = 0
    files: int = 0
    left: tuple[Left, ...] = ()
    _runs: set[tuple[str, ...]] = field(default_factory=set)

    def decide(self, place: Place, name_: str, text: str) -> tuple[str, Counter[Role]]:
        """A text as it is handed out."""
        del place, name_
        if self.stands is None:
            self.found += bool(self.covering.cover.spans(text))
            self._runs.update(strike.names(text))
            return self.covering.cover.text(text)
        self.unknown += strike.digest(text) not in self.strikes.texts
        told, met = self.strikes.apply(text)
        self.places += met.total()
        return told, met

    def pass_(self, package: Path, actor: Actor, now: dt.datetime) -> Sequence[Entry]:
        """What is entered with the package, which is whole and has no name yet.

        Raises UsageError where it cannot be handed out: texts that nobody has decided about, or
        files in which something of others is left.
        """
        if self.stands is None:
            known, away = self.controller.known(self._runs) if not self.found else ([], {})
            hers = self.covering.cover
            if self.found or any(not hers.is_hers(*one) for one in known):
                raise UsageError(
                    "texts of hers name other people, and nobody has looked at them; nothing was"
                    " handed out",
                    fix=f"a redactor looks at them first: `kept case redact {self.case.id}`",
                )
            if away:
                raise UsageError(
                    f"whether texts of hers name others could not be asked of {', '.join(away)};"
                    " nothing was handed out",
                    fix="wait for them, or let a redactor look at the texts:"
                    f" `kept case redact {self.case.id}`",
                )
            return ()
        now_stands = self.controller.redactions.of(self.case)
        if now_stands is None or now_stands.revision != self.stands.revision:
            raise stale()  # somebody struck more, or gave it back, while the files were made
        if self.unknown:
            # What was approved is not what would go out: from now on it does not read as approved.
            with self.controller.database.connection() as c:
                self.controller.redactions.save(
                    self.case, self.stands.revision, Stands.OPEN, self.strikes, "", actor, (), now,
                    connection=c,
                )  # fmt: skip
            raise UsageError(
                f"{many(self.unknown, 'text')} changed or came since it was decided what is left"
                " out; nothing was handed out",
                fix=f"look at them: `kept case redact {self.case.id}`",
            )
        spared = [s.words for s in self.strikes.strikes if not s.on]
        struck = [s.words for s in self.strikes.on]
        self.files, self.left = rescan.left(package, struck, self.covering.cover, spared)
        if self.left and self.left != self.accepted:
            self._stop(actor, now)
        return [Entry("redaction.scanned", now, self._scanned())]

    def end(self, actor: Actor, now: dt.datetime, connection: Connection) -> None:
        """The package has its name: what was decided is given up, and how much it was stays."""
        if self.stands is not None:
            self.controller.redactions.save(
                self.case, self.stands.revision, Stands.OUT, self.strikes, self.stands.mark or "",
                actor, ["released"], now, connection=connection, left=self.left,
            )  # fmt: skip

    def document(self) -> dict[str, object] | None:
        """What the answer says of it; None where nobody decided anything."""
        if self.stands is None:
            return None
        law = law_in(self.controller, self.case, LAW)
        return {"places": self.places, "texts": self.stands.texts, "law": law,
                "words": words(self.places)}  # fmt: skip

    def _scanned(self) -> dict[str, object]:
        assert self.stands is not None
        return {
            "case": self.case.id, "plan": self.stands.mark or "", "files": self.files,
            "places": self.places, "left": sum(one.count for one in self.left),
            "law": name("GDPR-15.4"),
        }  # fmt: skip

    def _stop(self, actor: Actor, now: dt.datetime) -> None:
        assert self.stands is not None
        with self.controller.database.connection() as c:
            self.controller.redactions.save(
                self.case, self.stands.revision, Stands.LEFT, self.strikes,
                self.stands.mark or "", actor, ["scanned"], now, connection=c, left=self.left,
            )  # fmt: skip
            self.controller.ledger.append_in(c, [Entry("redaction.scanned", now, self._scanned())])
        count = sum(one.count for one in self.left)
        where = ", ".join(sorted({one.file for one in self.left}))
        raise UsageError(
            f"{many(count, 'place')} that concern other people "
            f"{'is' if count == 1 else 'are'} left in the files ({where}); nothing was handed out",
            fix=f"strike more, or accept it with a reason: see `kept case redact {self.case.id}`",
        )


def words(places: int) -> str:
    """What she is told."""
    if not places:
        return say("Two of us looked at the texts for what concerns other people. Nothing had to be"
                   " left out of them.")  # fmt: skip
    return count(
        places,
        "In the texts 1 place that concerns other people was left out: they have rights too. One of"
        " us chose, another approved.",
        "In the texts {n} places that concern other people were left out: they have rights too. One"
        " of us chose, another approved.",
    )


def together(*tables: Mapping[Place, KeyTable]) -> dict[Place, KeyTable]:
    """Keys from several searches, place by place."""
    found: dict[Place, KeyTable] = {}
    for one in tables:
        for place, table in one.items():
            before = found[place].rows if place in found else ()
            found[place] = KeyTable(table.fields, (*before, *table.rows))
    return found


@dataclass(frozen=True, slots=True)
class _Read:
    texts: tuple[Text, ...]
    suggested: tuple[Strike, ...]
    unreached: Mapping[str, str]

    @property
    def digests(self) -> frozenset[str]:
        return frozenset(one.digest for one in self.texts)


def _open(controller: Controller, case_id: str) -> Case:
    case = controller.cases.get(case_id)
    if case.right not in PACKED or case.state in FINISHED:
        raise UsageError(
            f"nothing is left out of a package in case {case.id}",
            expected=f"an open case of one of the rights {', '.join(PACKED)}",
            met=f"one of the right `{case.right}` that is {case.state}",
            fix=None
            if case.right in PACKED
            else "what a deletion does is looked at by"
            f" `kept case plan {case.id}`, and approved by the hash that it names",
        )
    require_known_asker(controller, case)
    return case


def _read(controller: Controller, case: Case) -> _Read:
    """Every text of hers, as it would go into the package, and what is found of others in it."""
    people = everybody(controller, case, controller.cases.identifiers(case))
    stayed = controller.retained(case, people)
    opened = controller.locator.opened(case, people)
    found = controller.locate(people)
    found.unreached.update(stayed.unread)
    keys = controller.keys(found)
    staying = {p: t for p, t in stayed.tables.items() if p[0] not in found.unreached}
    hers = together({p: t for p, t in keys.items() if p[0] not in found.unreached}, staying)
    covering = controller.covering(people, hers)
    texts: dict[tuple[Place, str, str], Text] = {}

    def note(place: Place, name_: str, text: str) -> tuple[str, Counter[Role]]:
        dataset = controller.datamap.dataset(*place)
        texts.setdefault((place, name_, text), Text(place, name_, titled(dataset), text))
        return text, Counter()

    covering.deciding = note
    for place, batch in controller.read(found, Stays.of(stayed.held).rows(), opened, mark=case.id):
        covering.rows(place, batch.columns, batch.rows)
    if case.right == "access":
        met = controller.texts.mentions(free_text.sought_by(controller, people, hers), keys)
        found.unreached.update(met.unreached)
        for one in met.found:
            for text, _ in one.passages:
                covering.text(one.place, text, field=one.field)
    runs = {run for one in texts.values() for run in strike.names(one.text)}
    known, away = controller.known(runs)
    cover = covering.cover
    wide = Cover.of(cover.hers, cover.staff, (), cover.regions, known)
    wide = replace(wide, public=cover.public)
    suggested = strike.suggested(wide, (one.text for one in texts.values()))
    away = {**found.unreached, **covering.unreached, **away}
    return _Read(tuple(texts.values()), tuple(suggested), away)


def _merged(before: Strikes, read: _Read) -> Strikes:
    """What was decided before, for the texts as they are now; what is new is struck at first."""
    there = {s.words for s in before.strikes}
    brought = {s.words for s in read.suggested}
    stay = [s for s in before.strikes if s.how == "added" or s.words in brought]
    return Strikes((*stay, *(s for s in read.suggested if s.words not in there)), read.digests)


def _looked(
    case: Case, stands: Redaction, strikes: Strikes, read: _Read, left: tuple[Left, ...]
) -> Look:
    places = sum(strikes.apply(one.text)[1].total() for one in read.texts)
    return Look(case, stands, strikes, read.texts, places, left, read.unreached)


def _mark(controller: Controller, case: Case, strikes: Strikes) -> str:
    """The keyed hash of what was decided, and for which texts."""
    said = [case.id, sorted([s.words, s.on] for s in strikes.strikes), sorted(strikes.texts)]
    return controller.digest(json.dumps(said).encode())


def _did(
    controller: Controller, case: Case, connection: Connection | None = None
) -> list[separation.Did]:
    acts: dict[str, separation.Act] = {
        "redacted": "redacted", "handed": "redacted", "approved": "approved",
        "accepted": "approved",
    }  # fmt: skip
    return [
        separation.Did(one.actor.name, acts[one.act])
        for one in controller.redactions.acts(case, connection=connection)
        if one.act in acts
    ]


def _is_last(
    controller: Controller, case: Case, stands: Redaction | None, revision: int, actor: Actor,
    act: str, connection: Connection,
) -> bool:  # fmt: skip
    """Whether the change that followed a revision is this act of this person, and the last."""
    acts = controller.redactions.acts(case, connection=connection)
    return (
        stands is not None
        and stands.revision == revision + 1
        and bool(acts)
        and (acts[-1].act, acts[-1].revision) == (act, stands.revision)
        and acts[-1].actor.name == actor.name
    )


def _refuse(why: str, fix: str) -> None:
    if why:
        raise Denied(f"this takes another person: {why}; nothing was changed", fix=fix)


def _decide(
    controller: Controller, case_id: str, revision: int, actor: Actor, now: dt.datetime,
    from_: Stands, to: Stands, act: str, words: str | None,
) -> Redaction:  # fmt: skip
    case = _open(controller, case_id)
    if words is not None and not 0 < len(words := words.strip()) <= _LONGEST:
        raise UsageError("no reason is given", expected=f"words, at most {_LONGEST:,} signs")
    with controller.database.connection() as c:
        stands = controller.redactions.of(case, connection=c)
        if stands is not None and _is_last(controller, case, stands, revision, actor, act, c):
            return stands
        if stands is None or stands.revision != revision or stands.state is not from_:
            raise stale()
        _refuse(
            separation.approving(actor.name, _did(controller, case, c)),
            "somebody who struck nothing in this case does it",
        )
        strikes, left = controller.redactions.strikes(case, connection=c)
        mark = stands.mark or ""
        stands = controller.redactions.save(
            case, revision, to, strikes, mark, actor, [act], now, connection=c, words=words,
            left=left if to is Stands.ACCEPTED else (),
        )  # fmt: skip
        if to is not Stands.OPEN:
            body: dict[str, object] = {"case": case.id, "plan": mark, "actor": name(actor.role)}
            if words is not None:
                body |= {"left": stands.left_over, "reason": controller.digest(words.encode())}
            controller.ledger.append_in(c, [Entry("redaction.approved", now, body)])
    return stands
