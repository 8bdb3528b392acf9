"""Whom the pages call, held against the record of processing and against what is known of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.policy.bundle import Bundle
from kept.policy.shapes import Activity
from kept.policy.trackers import Tracker
from kept.terms.regimes import REGIONS, rules_of

#: The lane of those whom pages call.
_NETWORKS: Final = "ad-network"
#: A scan says something of the pages for so long.
_LASTS: Final = dt.timedelta(days=35)


@control("trackers.held-against-activities")
def held_against_activities(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What a tracker hands to others stands in the record of processing, with purpose and ground.

    An activity of the same purpose names the provider or its lane, and the kinds of data that go
    out; where its ground is consent nothing runs until somebody refuses, unless it waits for a
    click anyway.
    """
    bundle, count = controller.bundle, 0
    for row in bundle.trackers.values():
        if row.provider is None:
            continue
        where = f"trackers.yml:{row.line}"
        found = [a for a in bundle.activities.values() if _same(bundle, row, a)]
        count += 1 + len(REGIONS)
        if not found:
            yield Finding(
                where, f"no activity hands anything to {row.provider} for what {row.id} is for",
                "add it to activities.yml, or take the tracker away",
            )  # fmt: skip
            continue
        named = {c for a in found for c in a.categories}
        for sent in row.sends:
            if not any(bundle.vocabulary.within("categories", sent, c) for c in named):
                yield Finding(
                    where, f"{row.id} sends {sent}, which its activity does not have",
                    "say it in activities.yml, under `categories`",
                )  # fmt: skip
        for region in REGIONS:
            for activity in found:
                if _ground(activity, region) == "consent" and not _asks(bundle, row, region):
                    yield Finding(
                        where,
                        f"{row.id} runs until it is refused in {region}, where {activity.id} rests"
                        " on consent",
                        "write `opt-in` for its purpose in `visits` of policy.yml",
                    )  # fmt: skip
    yield Looked(count, "trackers of others, by region")


def _same(bundle: Bundle, row: Tracker, activity: Activity) -> bool:
    """Whether an activity is the one of a tracker: its purpose, and its receiver."""
    words = bundle.vocabulary
    purposes = {p for aim in row.aims if aim in bundle.visits.aims
                for p in bundle.visits.aims[aim].covers}  # fmt: skip
    return any(words.within("purposes", activity.purpose, p) for p in purposes) and any(
        words.within("recipients", row.provider or "", r) for r in activity.recipients
    )


def _ground(activity: Activity, region: str) -> str | None:
    return next((activity.bases[r] for r in rules_of(region) if r in activity.bases), None)


def _asks(bundle: Bundle, row: Tracker, region: str) -> bool:
    """Whether somebody has to say yes before it runs, by the rules as they are written."""
    if row.embed or region in ("EEA", "UK", "CH", "unknown"):
        return True
    said = (
        next(
            (bundle.visits.rules[r][aim] for r in rules_of(region)
             if aim in bundle.visits.rules.get(r, {})),
            "opt-in",
        )
        for aim in row.aims
    )  # fmt: skip
    return "opt-in" in said


@control("trackers.networks-are-registered")
def networks_are_registered(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Of every network its country, its audiences, its tags and the way out are on record.

    Where it is and what it holds only the operator knows (kept.toml, [networks]); while that is
    said of none, nothing was looked at.
    """
    bundle = controller.bundle
    if not controller.networks:
        return
    within, count = bundle.vocabulary.within, 0
    for one in bundle.recipients.values():
        if not within("recipients", one.lane, _NETWORKS):
            continue
        count += 1
        where = f"recipients.yml:{one.line}"
        said = controller.networks.get(one.id)
        if said is None:
            yield Finding(
                where, f"of {one.id} neither country nor audiences are said",
                f"write `{one.id} = {{country = …, audiences = […]}}` under [networks]",
            )  # fmt: skip
        elif one.country is not None and one.country != said.country:
            yield Finding(where, f"the policy has {one.id} in another country", "mend one of them")
        tags = [row for row in bundle.trackers.values() if row.provider == one.id]
        if not tags:
            yield Finding(
                where, f"no tag of {one.id} is declared",
                "declare it in trackers.yml; a network that is not used does not belong there",
            )  # fmt: skip
        for row in tags:
            # What Global Privacy Control stops is what people opt out of at the network as well.
            if not row.embed and not row.opt_out and set(row.aims) & set(bundle.visits.gpc):
                yield Finding(
                    f"trackers.yml:{row.line}", f"{row.id} names no way to opt out at its network",
                    "name a link under `opt-out`",
                )  # fmt: skip
            if not row.sends:
                yield Finding(f"trackers.yml:{row.line}", f"{row.id} does not say what goes out")
    yield Looked(count, "networks")


@control("trackers.own-widgets-send-nothing")
def own_widgets_send_nothing(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """A button that we host ourselves asks nobody else before it is used.

    By what scans saw of the hosts that it would ask, as visitors who had not allowed it.
    """
    own = [r for r in controller.bundle.trackers.values() if r.embed and r.hosting == "self"]
    if not own:
        return
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT DISTINCT ON (s.site) s.site, s.document->'passes' FROM scan s"
            " WHERE s.at > %s AND s.at <= %s ORDER BY s.site, s.number DESC",
            (now - _LASTS, now),
        ).fetchall()
    count = 0
    told: set[tuple[str, str]] = set()
    for site, passes in rows:
        for one in passes:
            for row in own:
                if one["choice"] == "all" or one["choice"] in row.aims:
                    continue
                count += one["pages"]
                hosts = {_bare(host) for names in row.hosts.values() for host in names}
                for item in one["items"]:
                    met = item["kind"] == "host" and item["outcome"] == "asked"
                    if met and item["name"] in hosts and (site, item["name"]) not in told:
                        told.add((site, item["name"]))
                        yield Finding(
                            f"{site}{item['page']}",
                            f"{row.id}, which is ours, asked {item['name']} before it was used",
                            "let it ask nobody until somebody presses it",
                        )  # fmt: skip
    yield Looked(count, "pages with buttons of our own, unused")


def _bare(host: str) -> str:
    plain = host.rpartition("//")[2]
    head, colon, port = plain.rpartition(":")
    return head if colon and port.isdigit() else plain
