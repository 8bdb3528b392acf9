"""What went out, held against what people were shown and what they said since."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.database import Connection
from kept.decide.facts import FREEZES
from kept.deployment.releases import promotes, to_network
from kept.ledger.entry import name
from kept.records.declared import SYSTEM

#: So long it may take until whoever has her data is asked, and until it says that it is done.
_TO_ASK: Final = dt.timedelta(days=1)
_TO_ANSWER: Final = dt.timedelta(days=7)
_RUN: Final = "run `kept release recall`, and see that the job `releases` runs"
#: People out there who had said no by a moment, to something that one purpose is part or made of,
#: and whom nobody was asked to give up. By the rows themselves, not by the door.
_SAID_NO: Final = """
SELECT count(*) FROM release_member m
WHERE m.release = %(release)s AND m.purpose = %(purpose)s AND m.asked_at IS NULL
AND m.put_at <= %(then)s AND (
  EXISTS (SELECT FROM suppression s WHERE s.mac = ANY(m.macs) AND s.since <= %(then)s
          AND s.channel = ANY(%(channels)s))
  OR EXISTS (SELECT FROM identity i JOIN identity j USING (subject)
             JOIN suppression s ON s.mac = j.suppress
             WHERE i.suppress = ANY(m.macs) AND s.since <= %(then)s
             AND s.channel = ANY(%(channels)s))
  OR EXISTS (
    SELECT FROM identity i JOIN LATERAL (
      SELECT DISTINCT ON (f.fact) f.fact, f.holds FROM fact f
      WHERE f.subject = i.subject AND f.valid_from <= %(then)s AND f.known_from <= %(then)s
      ORDER BY f.fact, f.valid_from DESC, f.seq DESC
    ) n ON n.holds AND n.fact = ANY(%(facts)s)
    WHERE i.suppress = ANY(m.macs)))
"""


@control("release.only-to-the-named")
def only_to_the_named(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever's data lies with a partner was shown that partner's name before she sent a form.

    By the texts as they are kept, not by the release: each row names the text, which was there
    before the data went, and in it stand the name and the host of that very recipient. Nobody is
    out there of whom the ledger does not say that she went, and who said no is taken back.
    """
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT m.release, m.recipient, m.notice, n.shown->'partners',"
            " count(*), count(*) FILTER (WHERE n.kept_at > m.put_at)"
            " FROM release_member m LEFT JOIN notice_text n ON n.notice = m.notice"
            " WHERE m.audience IS NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 3"
        ).fetchall()
        looked: Counter[str] = Counter()
        for release, recipient, notice, partners, count, late in rows:
            looked[release] += count
            if partners is None:
                words = "went without" if notice is None else "went by a text that is not kept, and"
                yield Finding(
                    release, f"{count} people {words} anything that says what they were shown",
                    "find out who put them there, and take them back",
                )  # fmt: skip
            elif not _names(controller, recipient, partners):
                yield Finding(
                    release, f"{count} people were not shown `{recipient}` before they sent a form",
                    "take them back: whoever has them is asked by its own release no more",
                )  # fmt: skip
            elif late:
                yield Finding(release, f"{late} people went before that text was kept")
        yield from _said_no(controller, c, now, audiences=False)
        yield from _unlogged(controller, c, now, audiences=False)
    for release, count in looked.items():
        yield Looked(count, release, SYSTEM.name)


@control("audiences.opt-outs-are-removed")
def opt_outs_are_removed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever said no to advertising is taken out of every audience, and the network confirms it.

    Within a day the network is asked, and within a week it has confirmed. What was asked and
    confirmed stands in the ledger, as often as in the record: nothing that was asked is forgotten
    before it is confirmed.
    """
    with controller.database.connection() as c:
        out = c.execute(
            "SELECT release, count(*) FROM release_member WHERE audience IS NOT NULL"
            " GROUP BY 1 ORDER BY 1"
        ).fetchall()
        yield from _said_no(controller, c, now, audiences=True)
        yield from _unlogged(controller, c, now, audiences=True)
    asked = sum(1 for e in _entries(controller, "removal.asked", now) if "audience" in e)
    for release, count in out:
        yield Looked(count, release, SYSTEM.name)
    yield Looked(asked, "removals", SYSTEM.name)


@control("audiences.none-for-children")
def none_for_children(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No audience and no campaign is aimed at anybody younger than the policy says.

    Each that is declared says from which age on people are meant, and so did each that ran, by the
    ledger; an audience that a network holds, and that no release fills, is aimed at nobody knows
    whom.
    """
    bundle = controller.bundle
    least = bundle.minimum_age
    if least is None:
        return
    looked = 0
    for one in controller.outgoing.values():
        purpose = bundle.activities[one.activity].purpose
        if not (promotes(bundle, purpose) or to_network(bundle, one.to)):
            continue
        looked += 1
        if one.ages is None or one.ages.low < least:
            yield _young(one.name, None if one.ages is None else one.ages.low, least)
    filled = {(one.to, one.audience) for one in controller.outgoing.values()}
    for network, held in controller.networks.items():
        for audience in held.audiences:
            looked += 1
            if (network, audience) not in filled:
                yield Finding(
                    network, "it holds an audience of which nobody says at which ages it aims",
                    "fill it by a release that says so, or have it deleted and take it out of"
                    " [networks]",
                )  # fmt: skip
    for body in _entries(controller, "release.ran", now):
        aimed = promotes(bundle, str(body["purpose"])) or "audience" in body
        if not aimed:
            continue
        looked += 1
        age = body.get("from_age")
        if age is None or age < least:
            yield _young(str(body["release"]), age, least)
    yield Looked(looked, "audiences and campaigns")


def _young(where: str, age: int | None, least: int) -> Finding:
    aim = "it does not say at which ages it aims" if age is None else f"it aims at {age} and older"
    return Finding(where, f"{aim}, and nothing is aimed at people under {least}",
                   f"ages = {{from = {least}}}, or older; take back who went by it")  # fmt: skip


def _names(controller: Controller, recipient: str, partners: list[list[str]]) -> bool:
    one = controller.bundle.recipients.get(recipient)
    return one is not None and any(
        who == one.name and urlsplit(at).hostname == urlsplit(one.policy or "").hostname
        for who, at in partners
    )


def _said_no(
    controller: Controller, connection: Connection, now: dt.datetime, *, audiences: bool
) -> Iterator[Finding]:
    words = controller.bundle.vocabulary
    then = now - _TO_ASK
    groups = connection.execute(
        "SELECT DISTINCT release, recipient, purpose FROM release_member"
        " WHERE (audience IS NOT NULL) = %s ORDER BY 1, 3",
        (audiences,),
    ).fetchall()
    for release, recipient, purpose in groups:
        near = words.above("purposes", purpose) | words.below("purposes", purpose)
        facts = [*FREEZES, *(f"{kind}:{p}" for kind in ("objection", "withdrawn") for p in near)]
        own = words.channel_of(purpose)
        channels = ["", *([own] if own else words.channels), *(f":{fact}" for fact in facts)]
        row = connection.execute(
            _SAID_NO,
            {"release": release, "purpose": purpose, "then": then, "facts": facts,
             "channels": channels},
        ).fetchone()  # fmt: skip
        if row is not None and row[0]:
            yield Finding(
                release, f"{row[0]} people said no, and `{recipient}` was not asked to give them"
                " up", _RUN,
            )  # fmt: skip
    waiting = connection.execute(
        "SELECT release, recipient, count(*) FROM release_member WHERE asked_at < %s"
        " AND (audience IS NOT NULL) = %s GROUP BY 1, 2 ORDER BY 1",
        (now - _TO_ANSWER, audiences),
    ).fetchall()
    for release, recipient, count in waiting:
        yield Finding(
            release, f"{count} removals were asked of `{recipient}` and are not confirmed",
            f"write to it; {_RUN}",
        )  # fmt: skip


def _unlogged(
    controller: Controller, connection: Connection, now: dt.datetime, *, audiences: bool
) -> Iterator[Finding]:
    """Where record and ledger disagree about who is out there, and who was asked for."""
    went: Counter[str] = Counter()
    for kind, sign in (("release.made", 1), ("removal.confirmed", -1)):
        for body in _entries(controller, kind, now):
            if "release" in body and ("audience" in body) == audiences and "again" not in body:
                went[str(body["release"])] += sign
    asked: Counter[str] = Counter()
    for kind, sign in (("removal.asked", 1), ("removal.confirmed", -1)):
        for body in _entries(controller, kind, now):
            if ("audience" in body) == audiences:
                asked[str(body["release"])] += sign
    out, waits = Counter[str](), Counter[str]()
    for release, count, waiting in connection.execute(
        "SELECT release, count(*), count(asked_at) FROM release_member"
        " WHERE (audience IS NOT NULL) = %s GROUP BY 1",
        (audiences,),
    ).fetchall():
        out[name(release)], waits[name(release)] = count, waiting
    for release in sorted({*went, *out, *asked, *waits}):
        if out[release] > went[release]:
            yield Finding(release, f"{out[release] - went[release]} people are out there of whom"
                          " the ledger does not say that they went")  # fmt: skip
        if went[release] > out[release]:
            yield Finding(
                release, f"{went[release] - out[release]} people went, nobody confirmed that they"
                " are gone, and they are on record no more",
                "bring the record back from a copy of Kept's database, then take them back",
            )  # fmt: skip
        if asked[release] > waits[release]:
            yield Finding(
                release, f"{asked[release] - waits[release]} removals were asked for, nobody"
                " confirmed them, and nobody is asked any more",
                "bring the record back from a copy of Kept's database",
            )  # fmt: skip


def _entries(controller: Controller, kind: str, now: dt.datetime) -> Iterator[dict[str, Any]]:
    for _, e in controller.ledger.entries(kind=kind):
        if e.at <= now:
            yield dict(e.body)
