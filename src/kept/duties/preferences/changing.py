"""What a person changes by herself: a no at once, that no taken back, a yes by a code.

No case is opened: there is nothing to check and nothing to weigh (GDPR Art. 7(3), 21(2) and (5)).
A no is kept twice, as every other: as facts of hers where she is known, and under the hashes of
what names her, so that it holds for whoever is met under them, also after an erasure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.decide.offers import offers, promotion
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.records.intake import Typed
from kept.records.preference import Way, read, token
from kept.records.suppression import FACT, OWN, PAGE, SIGNAL, WITHDRAWN

#: Whence what holds again comes: by a code, or because a no was taken back at once.
BY_CODE: Final = "preferences-code"
UNDONE: Final = "preferences-undone"
#: How long a no can be taken back by who said it, without a code.
UNDO: Final = dt.timedelta(hours=1)
_NO: Final = f"{FACT}objection:"
_BACK: Final = f"{FACT}withdrawn:"


@dataclass(frozen=True, slots=True)
class Changed:
    """What a no changed. `undo` names what takes it back; empty where nothing changed."""

    purposes: tuple[str, ...]
    undo: str = ""


def stoppable(controller: Controller, purposes: Iterable[str]) -> tuple[str, ...]:
    """Those of these purposes that people stop by themselves, each once."""
    known = {*(o.purpose for o in offers(controller.bundle)), *promotion(controller.bundle)}
    return tuple(p for p in dict.fromkeys(purposes) if p in known)


def narrow(
    controller: Controller, way: Way, purposes: Sequence[str], now: dt.datetime,
    *, source: str = PAGE,
) -> Changed:  # fmt: skip
    """Say no to purposes: what she allowed of them is withdrawn, and all of them are objected to.

    Whoever is not known is refused for all the same. Said twice it changes nothing more.
    """
    changed: dict[str, None] = {}
    entries: list[Entry] = []
    with controller.database.connection() as c:
        people = controller.subjects.refusing([way.mac], connection=c)
        hashes = [(way.mac, way.kind), *controller.subjects.refused_under(people, connection=c)]
        # First what she had allowed, while nothing else is known.
        for subject in people:
            for purpose in purposes:
                taken = _withdraw(controller, subject, purpose, now, source, c)
                entries += taken
                if taken:
                    changed[purpose] = None
        for purpose in purposes:
            if controller.suppressions.add_hashed(
                hashes, now, channel=_NO + purpose, source=source, connection=c
            ):
                changed[purpose] = None
                body = {"purpose": name(purpose), "source": name(source)}
                entries.append(Entry("objection.made", now, body))
        if entries:
            controller.ledger.append_in(c, entries)
        epoch = _epoch(controller, people, c)
    if not changed:
        return Changed(())
    about = f"{int(now.timestamp())}.{now.microsecond}.{epoch}"
    until = (now + UNDO).astimezone(dt.UTC).date()
    back = replace(way, use="back", about=about, until=until)
    return Changed(tuple(changed), token(controller.vault, back))


def heed(controller: Controller, way: Way, purposes: Sequence[str], now: dt.datetime) -> Changed:
    """Carry a signal of her browser to her: a no to these, but to what she allowed by a code."""
    people = controller.subjects.refusing([way.mac])
    said = {w.fact: w for w in controller.consents.words(people, now) if w.holds}
    known = {p for p in purposes if (w := said.get(f"consent:{p}")) and w.source == BY_CODE}
    return narrow(controller, way, [p for p in purposes if p not in known], now, source=SIGNAL)


def undo(controller: Controller, way: Way, back: str, now: dt.datetime) -> bool:
    """Take a no back that was said just now, as if it had not been; whether that was done.

    Not once it is an hour old, or something else was said since: then it takes a code.
    """
    met = read(controller.vault, back, "back")
    if met is None or met.mac != way.mac:
        return False
    seconds, micro, epoch = (int(part) for part in met.about.split("."))
    at = dt.datetime.fromtimestamp(seconds, dt.UTC).replace(microsecond=micro)
    if not at <= now <= at + UNDO:
        return False
    with controller.database.connection() as c:
        people = controller.subjects.refusing([way.mac], connection=c)
        for subject in people:  # nobody says anything else about them meanwhile
            c.execute("SELECT FROM subject_epoch WHERE subject = %s FOR UPDATE", (subject,))
        if _epoch(controller, people, c) != epoch:
            return False
        macs = [way.mac, *(m for m, _ in controller.subjects.refused_under(people, connection=c))]
        lifted = controller.suppressions.lift_hashed(macs, sources=[PAGE], since=at, connection=c)
        facts = controller.consents.restore(people, at, [PAGE], now, source=UNDONE, connection=c)
        entries = [
            Entry("objection.lifted", now, {"purpose": name(p), "source": name(UNDONE)})
            for p in _purposes(lifted)
        ]
        entries += [
            Entry(
                "withdrawal.undone",
                now,
                {"purpose": name(fact.partition(":")[2]), "source": name(UNDONE),
                 "subject": _called(controller, subject, now, c)},
            )
            for subject, fact, held in facts
            if held and fact.startswith("consent:")
        ]  # fmt: skip
        if entries:
            controller.ledger.append_in(c, entries)
    return bool(entries)


def type_code(
    controller: Controller, way: Way, ask: str, code: str, now: dt.datetime
) -> tuple[Typed, tuple[str, ...]]:
    """What becomes of a code; and the purposes that are allowed again by it."""
    digits = "".join(c for c in code if c in "0123456789")[:16]
    with controller.database.connection() as c:
        typed, wanted = controller.preference_mail.type_code(
            way.mac, ask, digits, now, connection=c
        )
        if typed is Typed.RIGHT:
            return typed, _allow(controller, way, wanted, now, c)
    return typed, ()


def _allow(
    controller: Controller, way: Way, purposes: Sequence[str], now: dt.datetime, c: Connection
) -> tuple[str, ...]:
    """Take her own no back, and let a consent hold again on the words on which she gave it.

    What she took back, by whatever way, is as open as if nothing had been said where no words are
    known on which it could hold again. An objection that somebody recorded of a request of hers,
    or an erasure, stands: that is not undone here.
    """
    bundle, words = controller.bundle, controller.bundle.vocabulary
    people = controller.subjects.refusing([way.mac], connection=c)
    if len(people) > 1:
        return ()  # whose yes it is cannot be known; the others' no stays under all that is theirs
    macs = [way.mac, *(m for m, _ in controller.subjects.refused_under(people, connection=c))]
    hashes = [(way.mac, way.kind), *controller.subjects.refused_under(people, connection=c)]
    served = {o.purpose for o in offers(bundle)}
    used = _used(controller)
    entries: list[Entry] = []
    done: dict[str, None] = {}
    for purpose in purposes:
        near = words.above("purposes", purpose) | words.below("purposes", purpose)
        for term in sorted(near):
            gone = controller.suppressions.lift_hashed(
                macs, sources=OWN, channel=_NO + term, connection=c
            )
            if not gone:
                continue
            done[purpose] = None
            body = {"purpose": name(term), "source": name(BY_CODE)}
            entries.append(Entry("objection.lifted", now, body))
            # A no to more than this stays a no to all the rest of it.
            for rest in sorted(served & words.below("purposes", term) - near):
                controller.suppressions.add_hashed(
                    hashes, now, channel=_NO + rest, source=PAGE, connection=c
                )
                body = {"purpose": name(rest), "source": name(PAGE)}
                entries.append(Entry("objection.made", now, body))
        # What she had taken back, and an erasure left: else no form could ask her again.
        for term in sorted(near):
            if not controller.suppressions.lift_hashed(
                macs, sources=[WITHDRAWN], channel=_BACK + term, connection=c
            ):
                continue
            done[purpose] = None
            body = {"purpose": name(term), "source": name(BY_CODE)}
            entries.append(Entry("withdrawal.undone", now, body))
            # What was taken back with it stays so.
            for rest in sorted(used & words.below("purposes", term) - near):
                controller.suppressions.add_hashed(
                    hashes, now, channel=_BACK + rest, source=WITHDRAWN, connection=c
                )
        for subject in people:
            given = _given(controller, subject, purpose, now, c)
            said = [given] if given else _opened(controller, subject, near, now, c)
            if said:
                done[purpose] = None
                entries += said
    if entries:
        controller.ledger.append_in(c, entries)
    return tuple(done)


def _opened(
    controller: Controller, subject: int, near: Iterable[str], now: dt.datetime, c: Connection
) -> list[Entry]:
    """What she took back ends without a yes, where there never were any words: a form can ask."""
    held = controller.consents.facts(subject, now, connection=c).held
    over = [p for p in sorted(near) if f"withdrawn:{p}" in held]
    if not over:
        return []
    words = controller.bundle.vocabulary
    used = _used(controller)
    rest = {p for term in over for p in used & words.below("purposes", term)} - {*near}
    facts = [(f"withdrawn:{p}", False) for p in over]
    facts += [(f"withdrawn:{p}", True) for p in sorted(rest)]
    controller.consents.record(subject, facts, now, source=BY_CODE, connection=c)
    called = _called(controller, subject, now, c)
    return [
        Entry("withdrawal.undone", now,
              {"purpose": name(p), "source": name(BY_CODE), "subject": called})
        for p in over
    ]  # fmt: skip


def _used(controller: Controller) -> set[str]:
    return {a.purpose for a in controller.bundle.activities.values()}


def _given(
    controller: Controller, subject: int, purpose: str, now: dt.datetime, c: Connection
) -> Entry | None:
    """The consent that she had given once, given again; None where there never was one."""
    said = controller.consents.words([subject], now, connection=c)
    once = [w for w in said if w.fact == f"consent:{purpose}" and w.holds and w.notice]
    held = controller.consents.facts(subject, now, connection=c).held
    withdrawn = f"withdrawn:{purpose}" in held
    if not once or (f"consent:{purpose}" in held and not withdrawn):
        return None
    wants = [
        fact
        for a in controller.bundle.activities.values()
        if a.purpose == purpose
        for fact in a.requires
        if fact.startswith("preference:")
    ]
    facts = [(f"consent:{purpose}", True), (f"withdrawn:{purpose}", False)]
    facts += [(fact, True) for fact in dict.fromkeys(wants)]
    notice = once[-1].notice
    epoch = controller.consents.record(
        subject, facts, now, source=BY_CODE, notice=notice, connection=c
    )
    body = {
        "purpose": name(purpose), "wording": notice, "source": name(BY_CODE), "epoch": epoch,
        "subject": _called(controller, subject, now, c),
    }  # fmt: skip
    return Entry("consent.given", now, body)


def _withdraw(
    controller: Controller, subject: int, purpose: str, now: dt.datetime, source: str,
    c: Connection,
) -> list[Entry]:  # fmt: skip
    """Take back what she had allowed of a purpose, or of one that it is part of."""
    words = controller.bundle.vocabulary
    held = controller.consents.facts(subject, now, connection=c).held
    agreed = {f.partition(":")[2] for f in held if f.startswith("consent:")}
    parts = {p for p in agreed if words.within("purposes", p, purpose)}
    if agreed & words.above("purposes", purpose):
        parts.add(purpose)  # of what she allowed as a whole she takes this part back
    parts = {p for p in parts if p in agreed or f"withdrawn:{p}" not in held}
    entries = []
    for part in sorted(parts):
        controller.consents.withdraw(subject, part, now, source=source, connection=c)
        body = {
            "purpose": name(part), "source": name(source), "had": True,
            "subject": _called(controller, subject, now, c),
        }  # fmt: skip
        entries.append(Entry("consent.withdrawn", now, body))
    return entries


def _epoch(controller: Controller, people: Sequence[int], c: Connection) -> int:
    return sum(controller.consents.epochs(people, connection=c).values())


def _purposes(channels: Iterable[str]) -> list[str]:
    return [one.removeprefix(_NO) for one in channels if one.startswith(_NO)]


def _called(controller: Controller, subject: int, now: dt.datetime, c: Connection) -> str:
    return controller.vault.pseudonym(subject, PERSON, now, connection=c)
