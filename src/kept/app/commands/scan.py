"""`kept scan`: a browser goes through the site as every visitor; what it met against the policy."""

from __future__ import annotations

import ipaddress
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, moment, opened
from kept.app.output import table
from kept.app.scan import passes, sheet
from kept.controller import Controller
from kept.decide import scan as judged
from kept.decide.scan import Item, Stop
from kept.deployment import Deployment
from kept.duties.trackers import known, scanned
from kept.duties.trackers.letters import loading
from kept.duties.visits import links as away
from kept.errors import UsageError
from kept.records.quiet import counted
from kept.terms.words import many

#: Links that are looked at in one scan.
_MOST_LINKS: Final = 500
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9.-]{1,253}", re.ASCII)


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(scan)


def scan(
    url: Annotated[str, Parameter(help="the site, as visitors reach it")],
    /,
    *,
    pages: Annotated[int, Parameter(help="the most pages that are opened in each pass")] = 20,
    page: Annotated[
        list[str] | None, Parameter(help="a page that no link leads to", negative="")
    ] = None,
    states: Annotated[
        str | None,
        Parameter(help="none, refused, all, a purpose alone; commas between (default: all)"),
    ] = None,
    country: Annotated[
        list[str] | None,
        Parameter(help="as ISO 3166 (US-CA for a state; default: one for each rule)", negative=""),
    ] = None,
    gpc: Annotated[
        bool | None, Parameter(help="only with the signal, or only without (default: both)")
    ] = None,
    let_out: Annotated[
        list[str] | None,
        Parameter(help="a host that the browser may really reach (*.NAME: all below)", negative=""),
    ] = None,
    resolve: Annotated[
        list[str] | None,
        Parameter(help="HOST=ADDRESS: where a host is, as for a site not yet public", negative=""),
    ] = None,
    settle: Annotated[int, Parameter(help="milliseconds that a page has to do what it does")] = 400,
    afresh: Annotated[
        bool, Parameter(help="begin again where an earlier scan was stopped", negative="")
    ] = False,
    draft: Annotated[
        bool, Parameter(help="print rows for trackers.yml of what is new", negative="")
    ] = False,
    links: Annotated[
        bool, Parameter(help="list the links that leave the site", negative="")
    ] = False,
    evidence: Annotated[Path | None, Parameter(help="write the evidence as a page (HTML)")] = None,
    now: Annotated[str | None, Parameter(help="the moment of it (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Open the site in a real browser as every visitor; exit status 1 where something is amiss.

    Every choice, with and without Global Privacy Control, under every rule of the policy; and
    whatever the letters that Kept sends would load from elsewhere when they are opened. The
    browser reaches the site alone: what pages ask of others is noted and does not go out.
    """
    at, address = moment(now), passes.target(url)
    for host in let_out or ():
        if _HOST.fullmatch(host) is None:
            raise UsageError("`--let-out` names no host", expected="a host, as www.example.org")
    if pages < 1 or not 0 <= settle <= 60_000:
        raise UsageError("a scan opens at least one page, and waits at most a minute for it")
    with opened(common) as (controller, config):
        task = _task(controller, config, address, pages, page or [], states, country, gpc,
                     let_out or [], settle, _resolved(resolve or []))  # fmt: skip
        file = common.directory / "scan" / f"{re.sub(r'[^a-z0-9.-]', '_', task.host)}.json"
        if evidence is not None:
            sheet.write(evidence, None)
        if afresh:
            file.unlink(missing_ok=True)
        done = passes.load(file, task.mark(scanned.rules(controller.bundle)))
        with _heard() as signals, common.out.progress("scan", len(task.stops)) as step:
            for one in done.passes:
                step(str(one["choice"]))
            try:
                ended = passes.walk(
                    controller.bundle, task, done, lambda d: passes.save(file, d), step,
                    lambda: bool(signals), lambda: counted(controller.database),
                    lambda: moment(None),
                )  # fmt: skip
            except Exception:
                if not signals:
                    raise
                ended = False  # the terminal stopped the browser as well
        if not ended:
            common.out.warn(
                f"Stopped after {many(len(done.passes), 'visitor')} of {len(task.stops)}."
                " The same command goes on from there; --afresh begins again."
            )
            return 128 + signals[0]
        whole = scanned.whole(controller.bundle, task.stops, _countries(controller, config))
        stands = _stands(controller, done, common)
        document = sheet.document(
            controller.bundle, task, done, at, whole, stands, loading(controller)
        )
        new = scanned.keep(controller, task.host, document, complete=whole, now=at)
        controller.ledger.checkpoint(at)
        file.unlink(missing_ok=True)
        if evidence is not None:
            sheet.write(evidence, document)
        items = [Item(**row) for one in document["passes"] for row in one["items"]]
        document |= {"queued": new}
        if draft:
            document["draft"] = judged.draft(controller.bundle, items)
        words = _words(controller, document, common, links)
    common.out.result(document, words)
    return 1 if document["amiss"] else 0


def _stands(controller: Controller, done: passes.Done, common: Common) -> dict[str, str]:
    """How the addresses stand to which links lead, of hosts that kept.toml lets us ask."""
    may = [u for u in dict.fromkeys(url for _, _, url in done.links)
           if urlsplit(u).netloc.lower() in controller.looks][:_MOST_LINKS]  # fmt: skip
    found = {}
    with common.out.progress("links", len(may)) as step:
        for url in may:
            found[url] = away.stands(url)
            step(url)
    return found


@contextmanager
def _heard() -> Iterator[list[int]]:
    """The signals that asked to stop; the visitor that is under way is finished first."""
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _: heard.append(n))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _resolved(given: list[str]) -> tuple[tuple[str, str], ...]:
    rows = []
    for text in given:
        host, _, address = text.partition("=")
        try:
            rows.append((host.lower(), str(ipaddress.ip_address(address))))
        except ValueError:
            host = ""
        if _HOST.fullmatch(host) is None:
            raise UsageError("`--resolve` does not say where a host is",
                             expected="HOST=ADDRESS, as www.example.org=192.0.2.1")  # fmt: skip
    return tuple(rows)


def _countries(controller: Controller, config: Deployment) -> tuple[str, ...]:
    """Countries that the site can tell apart: none, where nobody tells it any."""
    return judged.countries(controller.bundle) if config.country else ("",)


def _task(
    controller: Controller, config: Deployment, address: str, pages: int, extra: list[str],
    states: str | None, country: list[str] | None, gpc: bool | None, let_out: list[str],
    settle: int, resolve: tuple[tuple[str, str], ...],
) -> passes.Task:  # fmt: skip
    bundle = controller.bundle
    if country and not config.country:
        raise UsageError(
            "the site is told no country",
            expected="a header by which a server says where visitors are",
            fix="name it in kept.toml: `proxy = true` and `country` under [site]",
        )
    named = tuple(filter(None, (states or "").split(","))) or judged.choices(bundle)
    both = (False, True) if gpc is None else (gpc,)
    where = tuple(country or _countries(controller, config))
    return passes.Task(
        address, pages, tuple(extra), passes.stops(bundle, named, where, both),
        tuple(let_out), config.country, settle, resolve, config.members,
    )  # fmt: skip


def _words(
    controller: Controller, document: dict[str, Any], common: Common, links: bool
) -> list[Any]:
    passed = [
        (
            Stop(p["choice"], p["gpc"], p["country"]).words, p["region"],
            str(sum(i["kind"] == "host" and i["outcome"] == "asked" for i in p["items"])),
            str(sum(i["outcome"] == "refused" for i in p["items"])),
            str(len({i["name"] for i in p["items"] if i["outcome"] == "left"})),
            "–" if not p["amiss"] else str(len(p["amiss"])),
        )
        for p in document["passes"]
    ]  # fmt: skip
    words: list[Any] = [
        f"{document['site']}: {many(len(document['pages']), 'page')}, "
        f"{many(len(passed), 'visitor')}, {many(document['letters'], 'kind')} of letters, "
        f"{document['browser']}",
        "",
        table(("visitor", "rules of", "asked of others", "refused", "left", "amiss"), passed),
    ]
    if document["left"]:
        words += ["", f"Found and not opened: {many(document['left'], 'page')}."
                  " --pages NUMBER opens more."]  # fmt: skip
    if document["amiss"]:
        rows = [
            (row["what"], row["words"], f"{row['stops'][0]}"
             + (f" and {len(row['stops']) - 1} more" if len(row["stops"]) > 1 else ""))
            for row in document["amiss"]
        ]  # fmt: skip
        words += ["", "Amiss:", table(("what", "why", "as"), rows)]
    if document["review"]:
        new = [(row["name"], row["kind"], row["outcome"], row["page"],
                 known.words(known.suggest(controller, row["kind"], row["name"], row["whose"])))
                for row in document["review"]]  # fmt: skip
        words += ["", "On no list; somebody decides at /desk/trackers:",
                  table(("name", "kind", "it was", "page", "may be"), new)]  # fmt: skip
    if document["asking"]:
        asked = [(row["page"], row["asks"]) for row in document["asking"]]
        words += ["", "Not open to whoever only reads:", table(("page", "asks for"), asked)]
    if document["unseen"]:
        words += ["", f"Declared, not seen: {', '.join(document['unseen'])}"]
    if links:
        gone = [(r["page"], r["host"], r["declared"] or "–", r["state"] or "not looked at")
                for r in document["links"]]  # fmt: skip
        words += ["", "Links that leave the site:",
                  table(("page", "host", "in links.yml", "it is"), gone)]  # fmt: skip
    if "draft" in document:
        words += ["", document["draft"].rstrip() or "Nothing is new: no rows for trackers.yml."]
    if not document["whole"]:
        words += ["", "Not every visitor was played, so that the control does not count this as a"
                  " look at the site."]  # fmt: skip
    if not document["let_out"]:
        words += ["", "Nothing went out to others: what they would have loaded or left is not"
                  " seen. --let-out HOST lets the browser go there."]  # fmt: skip
    state = "Something is amiss." if document["amiss"] else "Clean."
    return [*words, "", f"{state} Evidence is kept: {common.next('prove')}"]
