"""Running a release: whoever may go is sent, once, and each is recorded before she is.

A partner gets those alone who were shown its name before they sent the form by which they came:
what each was shown is kept, and her row says which text it was. Whoever is stopped anywhere goes
on: who was recorded and not confirmed is sent again, under the same name.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from kept.controller import Controller
from kept.controller.release import Candidate, categories
from kept.database import Connection
from kept.deployment import Release
from kept.deployment.releases import to_network
from kept.duties.release.taking_back import Recalled, going, recall_alone
from kept.duties.release.way import Refused, Way
from kept.errors import Denied, StoreError, UsageError
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.release import Member
from kept.stores.http_describe import plain

#: Why somebody is left out, where it is not the door that says so.
NAMELESS: Final = "nameless"
NOT_NAMED: Final = "not-named"
NOT_SHOWN: Final = "not-shown"
#: In words; what is not here is the kind of a rule of the door (decide.use).
WORDS: Final[Mapping[str, str]] = {
    NAMELESS: "nothing names the person well enough",
    NOT_NAMED: "the recipient was not named to her before she sent the form",
    NOT_SHOWN: "what she was shown is not on record",
    "consent": "she did not agree to it",
    "withdrawn": "she withdrew her agreement",
    "objection": "she objected",
    "suppressed": "she is not to be contacted",
    "restricted": "use of her data is restricted",
    "child": "she may be a child",
    "erased": "her data was erased",
    "isolated": "her data is isolated",
    "contract": "there is no contract with her",
    "assessment": "nobody has weighed the interest",
    "requires": "something that the activity needs is missing",
}
#: Basis → why data was given (terms.disclosures).
_GROUND: Final = {
    "consent": "consent", "contract": "contract", "legal-obligation": "law",
    "legitimate-interest": "interest",
}  # fmt: skip


@dataclass(slots=True)
class Planned:
    """What a run would do, in counts of rows: `new` would be sent, `again` are sent once more
    (changed, or not confirmed), `there` are there as they are; `left`: reason → how many not.
    `back`: how many people are to be taken back; `agreed`: whether an agreement is in force where
    one is needed, without which nothing goes.
    """

    release: Release
    new: int = 0
    again: int = 0
    there: int = 0
    back: int = 0
    agreed: bool = True
    left: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Ran(Planned):
    """What a run did. `sent` people were sent, of whom the recipient `confirmed` so many; `refused`
    it did not take. `stopped`: why it could not go on; `silence`: why one got no answer, whoever
    came after her. `recalled`: what was taken back.
    """

    sent: int = 0
    confirmed: int = 0
    refused: int = 0
    stopped: str = ""
    silence: str = ""
    recalled: Recalled = field(default_factory=Recalled)

    @property
    def complete(self) -> bool:
        """Whether everybody is confirmed who was sent, and everybody gone who was to go."""
        done = self.confirmed == self.sent and not self.refused and not self.stopped
        return done and self.recalled.complete


def declared(controller: Controller, name_: str) -> Release:
    """A release of kept.toml. UsageError where there is none of that name."""
    found = controller.outgoing.get(name_)
    if found is None:
        known = ", ".join(controller.outgoing) or "none: kept.toml has no [releases.NAME]"
        raise UsageError("there is no such release", expected=f"one of {known}")
    return found


def _unchanged(controller: Controller, release: Release) -> None:
    """Raise UsageError where people are out by this name who went to somebody else, or for
    something else: they would count as there, and could not be taken back from where they are.
    """
    purpose = controller.bundle.activities[release.activity].purpose
    count = controller.members.elsewhere(release.name, release.to, release.audience, purpose)
    if count:
        raise UsageError(
            f"{count} people are out by `{release.name}` who went to somebody else, into another"
            " audience or for another purpose",
            expected="a name of its own for what goes elsewhere",
            fix=f"put [releases.{release.name}] back as it was, and add another release",
        )


def plan(controller: Controller, name_: str, now: dt.datetime) -> Planned:
    """What a run would do. Nothing is sent, and nothing is written."""
    found = Planned(declared(controller, name_))
    _unchanged(controller, found.release)
    found.agreed = _agreed(controller, found.release, now)
    found.back = sum(1 for part in going(controller, found.release, now) for _ in part)
    for batch in _judged(controller, found.release, found.left, lambda: now):
        for _, _, before in batch:
            if before is None:
                found.new += 1
            elif before.confirmed_at is None or before.said != batch.said[before.member]:
                found.again += 1
            else:
                found.there += 1
    return found


def run(
    controller: Controller, name_: str, actor: Actor, clock: Callable[[], dt.datetime], *,
    tell: Callable[[int], None] = lambda _: None, stop: Callable[[], bool] = lambda: False,
) -> Ran:  # fmt: skip
    """Take back whom the recipient may not keep, then send whoever may go and is not there.

    Denied where there is no agreement in force with a partner. `tell` gets how many were sent;
    when `stop` says so it ends after the people that are under way, and goes on another time.
    """
    release = declared(controller, name_)
    if not _agreed(controller, release, clock()):
        raise Denied(
            f"there is no agreement in force with `{release.to}`; nothing of anybody is released",
            fix=f'when it is signed, name it in kept.toml: [documents."agreement:{release.to}"]',
        )
    done = Ran(release)
    way = Way(release, str(controller.directory))
    with controller.members.alone(release.name), way:
        _unchanged(controller, release)
        done.recalled = recall_alone(controller, release, way, clock)
        for batch in _judged(controller, release, done.left, clock):
            _send(controller, way, batch, done, actor, clock)
            tell(done.sent)
            if done.stopped or stop():
                done.stopped = done.stopped or "it was asked to stop"
                break
        if way.silent and not done.stopped:
            done.stopped = done.silence
        _ran(controller, done, actor, clock())
    return done


def _agreed(controller: Controller, release: Release, now: dt.datetime) -> bool:
    """Whether a partner has signed; networks are bound by what the policy says of them."""
    network = to_network(controller.bundle, release.to)
    return network or controller.agreement(release.to, now) is not None


@dataclass(slots=True)
class _Batch:
    """People that may go, each with her name there and how she stands there until now."""

    rows: list[tuple[str, Candidate, Member | None]]
    said: dict[str, bytes]

    def __iter__(self) -> Iterator[tuple[str, Candidate, Member | None]]:
        return iter(self.rows)


def _judged(
    controller: Controller, release: Release, left: Counter[str],
    clock: Callable[[], dt.datetime],
) -> Iterator[_Batch]:  # fmt: skip
    """Who may go, batch by batch; who may not is counted. A person goes once, by her first row
    that may.
    """
    shown = _Shown(controller, release)
    seen: set[str] = set()
    for part in controller.release(release, clock):
        met: list[tuple[str, Candidate]] = []
        for one in part:
            why = one.why or (shown.lacks(one.notice) if one.people else NAMELESS)
            if why:
                left[why] += 1
                continue
            member = controller.members.name(release.name, one.people[0])
            if member not in seen:
                seen.add(member)
                met.append((member, one))
        known = controller.members.known(release.name, [member for member, _ in met])
        # Who is being taken back comes again when she is gone, if she may then.
        rows = [
            (member, one, known.get(member)) for member, one in met
            if member not in known or known[member].asked_at is None
        ]  # fmt: skip
        said = {member: _said(controller, one) for member, one, _ in rows}
        if rows:
            yield _Batch(rows, said)


class _Shown:
    """Whether people were told of a recipient before they sent a form, by what they were shown."""

    def __init__(self, controller: Controller, release: Release) -> None:
        self._controller, self._met = controller, dict[str, str]()
        self._asked = not to_network(controller.bundle, release.to)
        self._recipient = controller.bundle.recipients.get(release.to)

    def lacks(self, notice: str | None) -> str:
        """Why somebody who was shown this is left out; empty: she is not."""
        if not self._asked:
            return ""
        if notice is None:
            return NOT_SHOWN
        if notice not in self._met:
            self._met[notice] = self._look(notice)
        return self._met[notice]

    def _look(self, notice: str) -> str:
        text = self._controller.notices.get(notice)
        if text is None:
            return NOT_SHOWN
        one = self._recipient
        if one is None or not one.policy:
            return NOT_NAMED
        # By its name, at its own host: another one that takes over a name is another partner.
        named = {(who, urlsplit(at).hostname) for who, at in text.shown["partners"]}
        return "" if (one.name, urlsplit(one.policy).hostname) in named else NOT_NAMED


def _said(controller: Controller, one: Candidate) -> bytes:
    text = json.dumps({k: plain(v) for k, v in one.values.items()}, sort_keys=True, default=str)
    return controller.members.said(text)


def _send(
    controller: Controller, way: Way, batch: _Batch, done: Ran, actor: Actor,
    clock: Callable[[], dt.datetime],
) -> None:  # fmt: skip
    release, now = done.release, clock()
    wanted = [
        (member, one, before) for member, one, before in batch
        if before is None or before.confirmed_at is None or before.said != batch.said[member]
    ]  # fmt: skip
    done.there += len(batch.rows) - len(wanted)
    if not wanted:
        return
    # Whoever got no answer comes last and in no order: rows over which they break off, and which
    # stood together, would end every run at the same place.
    random.shuffle(again := [row for row in wanted if _unanswered(row[2])])
    wanted = [row for row in wanted if not _unanswered(row[2])] + again
    with controller.database.connection() as c:
        entries = []
        for member, one, before in wanted:
            controller.members.put(
                _member(controller, release, member, one, batch.said[member], now), connection=c
            )
            if before is None or before.said != batch.said[member]:
                entries.append(
                    _passed(controller, release, one, actor, now, c, again=before is not None)
                )
        controller.ledger.append_in(c, entries)
    confirmed: list[str] = []
    for member, one, before in wanted:
        done.new += before is None
        done.again += before is not None
        done.sent += 1
        try:
            if way.put(member, one.values):
                confirmed.append(member)
        except Refused:
            done.refused += 1
        except StoreError as problem:
            done.silence = problem.what
            if way.away:
                done.stopped = problem.what
                break
    with controller.database.connection() as c:
        place = controller.members.place(release.url)
        controller.members.confirm(release.name, confirmed, place, clock(), connection=c)
    done.confirmed += len(confirmed)


def _unanswered(before: Member | None) -> bool:
    """Whether somebody was sent, and the recipient has not said that it has her."""
    return before is not None and before.confirmed_at is None


def _member(
    controller: Controller, release: Release, member: str, one: Candidate, said: bytes,
    now: dt.datetime,
) -> Member:  # fmt: skip
    activity = controller.bundle.activities[release.activity]
    dataset = controller.datamap.dataset(*release.place)
    return Member(
        0, release.name, release.to, release.audience, activity.purpose,
        release.context or activity.contexts[0], categories(dataset, release), member,
        controller.members.macs(one.people), said, one.notice, now, None, None, 0,
        (controller.members.place(release.url),),
    )  # fmt: skip


def _passed(
    controller: Controller, release: Release, one: Candidate, actor: Actor, now: dt.datetime,
    connection: Connection, *, again: bool,
) -> Entry:  # fmt: skip
    """Record, before it goes, that data of her goes: for her answers, and in the ledger."""
    activity = controller.bundle.activities[release.activity]
    dataset = controller.datamap.dataset(*release.place)
    controller.passed.add(
        one.people, release.to, controller.day(now), categories(dataset, release),
        _GROUND[one.basis], actor, now, connection=connection,
    )  # fmt: skip
    body: dict[str, object] = {
        "recipient": name(release.to), "purposes": [name(activity.purpose)], "rows": 0, "people": 1,
        "actor": name(actor.role), "release": name(release.name),
    }  # fmt: skip
    if again:
        body["again"] = True
    if release.audience is not None:
        body["audience"] = name(release.audience)
    if one.notice is not None:
        body["notice"] = one.notice
    if one.subjects:
        body["subject"] = controller.vault.pseudonym(
            one.subjects[0], PERSON, now, connection=connection
        )
    return Entry("release.made", now, body)


def _ran(controller: Controller, done: Ran, actor: Actor, now: dt.datetime) -> None:
    release = done.release
    activity = controller.bundle.activities[release.activity]
    body: dict[str, object] = {
        "release": name(release.name), "recipient": name(release.to),
        "activity": name(activity.id), "purpose": name(activity.purpose), "sent": done.sent,
        "confirmed": done.confirmed, "left": done.left.total(), "actor": name(actor.role),
        "reasons": [{"count": n, "what": name(why)} for why, n in sorted(done.left.items())],
    }  # fmt: skip
    if release.audience is not None:
        body["audience"] = name(release.audience)
    if release.ages is not None:
        body["from_age"] = release.ages.low
    controller.ledger.append(Entry("release.ran", now, body))
    controller.ledger.checkpoint(now)
