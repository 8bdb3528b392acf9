"""Taking back: whoever has data of a person that it may not keep is asked to give it up.

Who is out there is judged again by what holds of her now, by keyed hashes alone, so also when
nothing else is left of her. It is asked until it is confirmed; until then nothing is believed.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kept.controller import Controller
from kept.deployment import Release
from kept.duties.release.way import Refused, Unknown, Way
from kept.errors import Busy, StoreError
from kept.ledger.entry import Entry, name
from kept.records.release import Member


@dataclass(slots=True)
class Recalled:
    """So many removals were `asked` for, of which so many were `confirmed`; `waiting` were asked
    for and are not confirmed, `unknown` of them because an address has nothing of them to which
    they did not go. `unasked`: there was nobody to ask, or nobody answered. `elsewhere`: so many
    are to be taken back from a release that another process is at right now.
    """

    asked: int = 0
    confirmed: int = 0
    waiting: int = 0
    unknown: int = 0
    unasked: int = 0
    elsewhere: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything that was to go is gone, as whoever had it says."""
        return not (self.waiting or self.unasked or self.elsewhere)

    def add(self, other: Recalled) -> None:
        """Count another release with this."""
        self.asked += other.asked
        self.confirmed += other.confirmed
        self.waiting += other.waiting
        self.unknown += other.unknown
        self.unasked += other.unasked
        self.elsewhere += other.elsewhere


def recall(controller: Controller, clock: Callable[[], dt.datetime]) -> Recalled:
    """Take back from everybody whom they may not keep. Repeatable: what waits is asked again."""
    found = Recalled()
    for release in dict.fromkeys(one.release for one in controller.members.standing()):
        known = controller.outgoing.get(release)
        if known is None:
            # kept.toml names it no more: there is no way to whoever has them.
            found.unasked += sum(len(part) for part in _out(controller, release, clock()))
            continue
        try:
            with (
                controller.members.alone(release),
                Way(known, str(controller.directory)) as way,
            ):
                found.add(recall_alone(controller, known, way, clock))
        except Busy:
            # A run takes back first; what that comes to is not known here.
            found.elsewhere += sum(len(part) for part in _out(controller, release, clock()))
    return found


def recall_alone(
    controller: Controller, release: Release, way: Way, clock: Callable[[], dt.datetime]
) -> Recalled:
    """Take back what one recipient may not keep; whoever calls has the release for himself."""
    done, here = Recalled(), (controller.members.place(release.url),)
    for found in going(controller, release, clock()):
        # Who went to somebody else under this name is not asked for here: that there is nothing
        # of her would be true, and not that she is gone.
        part = [(one, why) for one, why in found if _has(release, one)]
        done.unasked += len(found) - len(part)
        if not part:
            continue
        # In no order, as whoever is sent once more: those over whom it breaks off, and who stand
        # together, would hold up the others each time.
        random.shuffle(part)
        now = clock()
        with controller.database.connection() as c:
            controller.members.ask([one.number for one, _ in part], now, connection=c)
            entries = [
                Entry("removal.asked", now, {**_whom(one), "why": name(why)})
                for one, why in part if one.asked_at is None
            ]  # fmt: skip
            controller.ledger.append_in(c, entries)
        done.asked += len(entries)
        for at, (one, _) in enumerate(part):
            try:
                gone = way.remove(one.member, went_here=one.sent_to == here)
            except Unknown:
                gone = False
                done.unknown += 1
            except Refused:
                gone = False
            except StoreError:
                if way.away:
                    done.unasked += len(part) - at
                    return done
                done.unasked += 1
                continue
            if not gone:
                done.waiting += 1
                continue
            now = clock()
            with controller.database.connection() as c:
                controller.members.gone([one.number], connection=c)
                body = {**_whom(one), "tries": one.tries + 1}
                controller.ledger.append_in(c, [Entry("removal.confirmed", now, body)])
            done.confirmed += 1
    return done


def going(
    controller: Controller, release: Release, now: dt.datetime
) -> Iterator[list[tuple[Member, str]]]:
    """Who is out by a release and has to be taken back, with the kind of rule that says so."""
    yield from _out(controller, release.name, now)


def _out(
    controller: Controller, release: str, now: dt.datetime
) -> Iterator[list[tuple[Member, str]]]:
    after = 0
    while part := controller.members.all(release, after):
        after = part[-1].number
        why = controller.may_keep(part, now)
        found = [
            (one, reason or "asked") for one, reason in zip(part, why, strict=True)
            # What was asked once is asked until it is confirmed, whatever she says meanwhile.
            if reason or one.asked_at is not None
        ]  # fmt: skip
        if found:
            yield found


def _has(release: Release, one: Member) -> bool:
    return (one.recipient, one.audience) == (release.to, release.audience)


def _whom(one: Member) -> dict[str, object]:
    body: dict[str, object] = {"release": name(one.release), "recipient": name(one.recipient)}
    return body | ({} if one.audience is None else {"audience": name(one.audience)})
