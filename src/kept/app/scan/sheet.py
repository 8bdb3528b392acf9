"""The evidence of a scan, as a document and as a page; nothing personal is in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from kept.app.pages import templates
from kept.app.scan.passes import Done, Task
from kept.decide import scan
from kept.decide.scan import Item, Stop
from kept.decide.sightings import pattern, shown_host
from kept.duties.trackers import scanned
from kept.errors import UsageError
from kept.policy.bundle import Bundle

NOBODY_ASKED: Final[Mapping[str, str]] = MappingProxyType({})
NO_LETTERS: Final[tuple[int, Sequence[tuple[str, str]]]] = (0, ())
#: How links stand, the worst last.
_WORSE: Final = ("", "there", "moved", "unreachable", "gone")


def document(
    bundle: Bundle, task: Task, done: Done, at: dt.datetime, whole: bool,
    stands: Mapping[str, str] = NOBODY_ASKED,
    letters: tuple[int, Sequence[tuple[str, str]]] = NO_LETTERS,
) -> dict[str, Any]:  # fmt: skip
    """All that a scan found: passes, what is amiss, what stands on no list, what was not seen.

    `stands`: of addresses that links lead to, how those stand that somebody looked at. `letters`:
    how many kinds of letters were looked at, and (kind, words) of those with something amiss.
    """
    items = [Item(**row) for one in done.passes for row in one["items"]]
    count, loud = letters
    found = {
        Stop(p["choice"], p["gpc"], p["country"]).words: [(a[0], a[1]) for a in p["amiss"]]
        for p in done.passes
    }
    waiting: dict[tuple[str, str], Item] = {}
    for item in items:
        if not scan.declaring(bundle, item):
            known = waiting.get((item.kind, item.name))
            if known is None or (known.outcome == "refused" != item.outcome):
                waiting[item.kind, item.name] = item
    return {
        "site": task.host,
        "at": at.isoformat(),
        "policy": bundle.id,
        "version": str(bundle.version),
        "rules": scanned.rules(bundle),
        "browser": done.browser,
        "let_out": list(task.let_out),
        "members": list(task.members),
        "whole": whole,
        "pages": [pattern(address) for address in done.addresses],
        "left": done.left,
        "letters": count,
        "amiss": [
            *(asdict(row) | {"stops": list(row.stops)} for row in scan.together(found)),
            *(
                {"what": kind, "words": words, "stops": ["whoever opens it"]}
                for kind, words in loud
            ),
        ],
        "review": [asdict(item) for item in waiting.values()],
        "unseen": scan.unseen(bundle, items),
        "links": _links(bundle, done, stands),
        "asking": _asking(done),
        "passes": [dict(one) for one in done.passes],
    }


def _asking(done: Done) -> list[dict[str, str]]:
    """Pages that ask for an account or a yes before they are read."""
    rows = {
        (row["page"], row["asks"]): None
        for one in done.passes
        if one["choice"] in (scan.NONE, scan.REFUSED)
        for row in one["opened"]
        if row["asks"]
    }
    return [{"page": page, "asks": asks} for page, asks in rows]


def _links(bundle: Bundle, done: Done, stands: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each host that links lead to from a kind of page; which declared link it is, if one.

    `state`: how the worst of those links stands; "" where none of them was looked at.
    """
    hosts: dict[str, list[str]] = {}
    for link in bundle.links.values():
        host = urlsplit(link.url or "").hostname
        if host:
            hosts.setdefault(host, []).append(link.id)
    rows: dict[tuple[str, str], str] = {}
    for page, host, url in done.links:
        found = (rows.get((page, host), ""), stands.get(url, ""))
        rows[page, host] = max(found, key=_WORSE.index)
    return [
        {
            "page": page, "host": shown_host(host), "declared": ", ".join(hosts.get(host, [])),
            "state": state,
        }
        for (page, host), state in rows.items()
    ]  # fmt: skip


def write(file: Path, found: Mapping[str, Any] | None) -> None:
    """The evidence as one page: no script, nothing from elsewhere. None: only see that it can be
    written, before a scan of minutes and not after it.
    """
    text = templates.get_template("scan.html.j2").render(scan=found, stop=_stop) if found else ""
    try:
        with file.open("a" if found is None else "w", encoding="utf-8") as out:
            out.write(text)
    except OSError as problem:
        raise UsageError(
            "the evidence could not be written", met=problem.strerror or "",
            fix="name a file in a folder that is there, and that you may write to",
        ) from None  # fmt: skip


def _stop(row: Mapping[str, Any]) -> str:
    return Stop(row["choice"], row["gpc"], row["country"]).words
