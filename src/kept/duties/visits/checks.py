"""Controls over visits: do choices decide, is each kept as it was made, does the page tell all.

Each looks by another road than the duty takes: records are held against the ledger, the rules of
a bundle are read as a table, the page is asked for as a stranger asks.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import html.parser
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.controls.served import fetch
from kept.decide.visit import judge
from kept.duties.visits.banner import PATH
from kept.duties.visits.links import DEAD, opt_outs, watched
from kept.duties.visits.ways import ways
from kept.ledger.receipt import DOMAIN
from kept.model.choice import DAYS, Choices
from kept.policy import spoken
from kept.policy.bundle import Bundle
from kept.policy.shapes import Link
from kept.policy.trackers import Tracker
from kept.terms.regimes import REGIONS, end_of
from kept.terms.signals import ASKS_FIRST, Signals
from kept.terms.tongues import say

#: Days after which a link that may be looked at has to have been looked at.
_FRESH: Final = 8
_POLICY: Final = "/privacy"
#: What can only come of a person's own press of a button.
_PRESSED: Final = frozenset({"accept", "refuse", "save", "load"})


@control("visits.choices-stand-as-made")
def choices_stand_as_made(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every choice was made by a press of a button, on the words that were shown, and stands so.

    The signature of each record is that of the ledger's key, its hash and that of the words stand
    in the ledger; nothing is allowed that was not pressed, and no choice was lost or added.
    """
    made = [e.body for _, e in controller.ledger.entries(kind="choice.made")]
    entries = Counter(str(body["receipt"]) for body in made)
    allowed = {str(body["receipt"]): sorted(map(str, body["allowed"])) for body in made}
    shown = controller.visits.notices()
    rows = controller.visits.all()
    for row in rows:
        where = f"visit_choice {row.id}"
        text = row.record.encode()
        digest = hashlib.sha256(text).hexdigest()
        if not controller.ledger.key.holds(base64.b64decode(row.signature), DOMAIN + text):
            yield Finding(where, "the record is not as it was signed")
        if entries[digest] != 1:
            yield Finding(where, "the ledger does not have this record once")
        if row.act not in _PRESSED:
            yield Finding(where, "the choice came of no button that a person presses")
        words = shown.get(row.notice)
        if words is None or hashlib.sha256(words.words.encode()).hexdigest() != row.notice:
            yield Finding(where, "the words that were shown are not there as they were")
        said = {
            p["dct:title"]: p["dpv:hasConsentStatus"][0]["@type"][0] == "dpv:ConsentGiven"
            for p in json.loads(row.record)["dpv:hasProcess"]
        }
        named = sorted(n for part in (row.aims, row.trackers) for n, yes in part.items() if yes)
        if (
            sum(said.values()) != sum(row.aims.values()) or len(said) != len(row.aims)
            or named != allowed.get(digest, named)
        ):  # fmt: skip
            yield Finding(where, "the row allows something else than the signed record")
    kept = {hashlib.sha256(row.record.encode()).hexdigest() for row in rows}
    keep = [r.keep for r in controller.bundle.retention.values() if r.category == "preference"]
    period = keep[0] if keep else None
    lost = sum(
        str(e.body["receipt"]) not in kept
        and (period is None or end_of(e.at + dt.timedelta(days=DAYS), period) > now)
        for _, e in controller.ledger.entries(kind="choice.made")
    )
    if lost:
        yield Finding("visit_choice", f"{lost} choices stand in the ledger and nowhere else")
    yield Looked(len(rows), "choices of visitors")


@control("visits.trackers-obey-choices")
def trackers_obey_choices(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No declared tracker may run before a choice where it is asked first, or after a no, anywhere.

    For every region, signal and state of choice; where nobody is asked first a declared one runs
    until it is refused, unless it waits for a click, or another receives it and the browser sends
    Global Privacy Control. One without an aim, or whose use lies outside the policy and yet
    counts as necessary, never does.
    """
    bundle = controller.bundle
    optional = bundle.visits.optional
    today = controller.day(now)
    states: list[tuple[str, Choices | None]] = [("before a choice", None)]
    for name, yes in (
        ("after everything was refused", set[str]()),
        *((f"when only {one} was allowed", {one}) for one in optional),
    ):
        states.append((name, Choices(today, bundle.edition, {o: o in yes for o in optional})))
    count = 0
    for region in (*REGIONS, "nowhere"):
        for gpc in (False, True):
            for words, choices in states:
                visit = judge(bundle.visits, region, choices, Signals(gpc=gpc))
                for row in bundle.trackers.values():
                    count += 1
                    if visit.allows(row) and not _may(bundle, region, gpc, choices, row):
                        heard = " under Global Privacy Control" if gpc else ""
                        yield Finding(
                            f"trackers.yml:{row.line}",
                            f"{row.id} may run {words} in {region}{heard}",
                            "write its aims, and `opt-in` for them in `visits` of policy.yml",
                        )
    for row in bundle.trackers.values():
        if row.outside and any(bundle.visits.aims[a].necessary for a in row.aims):
            yield Finding(
                f"trackers.yml:{row.line}",
                f"{row.id} lies outside the policy and runs without a choice",
                "give it an aim that can be refused",
            )
    yield Looked(count if optional or bundle.trackers else 0, "trackers, by state of choice")


def _may(bundle: Bundle, region: str, gpc: bool, choices: Choices | None, row: Tracker) -> bool:
    """Whether it may run by the rules as law and bundle have them, read as a table."""
    if not row.aims:
        return False
    for name in row.aims:
        aim = bundle.visits.aims.get(name)
        if aim is None:
            return False
        if aim.necessary:
            continue
        if choices is not None:
            if not choices.aims[name]:
                return False
        elif (
            region in ASKS_FIRST or region not in REGIONS or row.embed
            or (gpc and (row.provider is not None or name in bundle.visits.gpc))
        ):  # fmt: skip
            return False
        else:
            nearest = (region, "US" if region.startswith("US-") else region, "default")
            said = [bundle.visits.rules[r][name] for r in nearest
                    if name in bundle.visits.rules.get(r, {})]  # fmt: skip
            if said[:1] != ["opt-out"]:
                return False
    return True


@control("visits.opt-out-links-work")
def opt_out_links_work(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every link by which people opt out elsewhere, and that may be looked at, still answers.

    Hosts that the operator did not name are not asked: of those nobody here knows.
    """
    away = {one.link.id for one in opt_outs(controller.bundle)}
    links = [link for link in watched(controller) if link.id in away or not link.needed]
    yield from _standing(controller, links, now)
    yield Looked(len(links), "links by which people opt out")


def _standing(controller: Controller, links: Iterable[Link], now: dt.datetime) -> Iterator[Finding]:
    """What is amiss with links that may be looked at: nobody did of late, or nobody is there."""
    looks = controller.visits.looks()
    for link in links:
        look = looks.get(link.id)
        where = f"links.yml:{link.line}"
        if look is None or look.url != link.url or look.at < now - dt.timedelta(days=_FRESH):
            yield Finding(where, f"{link.id} ({link.clause}) was not looked at of late",
                          "run `kept links look`")  # fmt: skip
        elif look.outcome in DEAD:
            words = {
                "gone": "is gone", "moved": "leads to a front page",
                "unreachable": "does not answer",
            }[look.outcome]  # fmt: skip
            yield Finding(
                where,
                f"{link.id} ({link.clause}) {words}",
                "look at it yourself; a new address is a new version of the policy",
            )


@control("visits.supplied-addresses-lead-there")
def supplied_addresses_lead_there(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Every address that the operator supplied stands where it is to be read, and answers.

    Those of the text on the policy's page, those of providers at the choices; asked for as a
    stranger does. One that nobody may look at is named. Those without an address are no part of
    it: their clauses are open.
    """
    bundle = controller.bundle
    links = [link for link in bundle.links.values() if link.needed and link.url]
    if controller.site_url is None or not links:
        return
    text = (controller.bundle_directory / "text.md").read_text("utf-8")
    shown: dict[str, _Page] = {}
    for path in (_POLICY, PATH):
        answer = fetch(controller.site_url, path)
        if answer is None or answer[0] != 200:
            return  # nothing is served now: nothing was looked at
        shown[path] = _Page(answer[1])
        if bundle.organisation.name not in shown[path].words:
            return  # whoever answers there, it is no page of ours
    for link in links:
        path = _POLICY if f"{{link:{link.id}}}" in text else PATH
        if link.url not in shown[path].links:
            yield Finding(path, f"{link.id} ({link.clause}) does not lead where the operator said",
                          "start `kept serve` anew")  # fmt: skip
    seen = {link.id for link in watched(controller)}
    for link in links:
        if link.id not in seen:
            yield Finding(
                f"links.yml:{link.line}",
                f"nobody may look whether {link.id} ({link.clause}) still answers",
                "name its host in kept.toml, [links] look", unasked=True,
            )  # fmt: skip
    yield from _standing(controller, [link for link in links if link.id in seen], now)
    yield Looked(len(links), "addresses that the operator supplied")


class _Page(html.parser.HTMLParser):
    """What stands on a page: where links lead, ids, words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.names: list[tuple[str, str]] = []
        self._words: list[str] = []
        self.feed(text)
        self.words = " ".join("".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {k: v or "" for k, v in attrs}
        if tag == "a":
            self.links.append(values.get("href", ""))
        if "id" in values:
            self.ids.add(values["id"])
        if tag in ("input", "button"):
            self.names.append((values.get("name", ""), values.get("value", "")))

    def handle_data(self, data: str) -> None:
        self._words.append(data)


def _remains() -> str:
    """What stands at a switch for advertisements."""
    return say(
        "Without it you still see advertisements, here and elsewhere: the same as everybody, not"
        " picked for you."
    )


def _unknown() -> str:
    """What is said of what others do."""
    words = say(
        "A switch that is off stops our tags in your browser, and what our servers would send"
        " about it. What others have from before, or get on other sites, we cannot see: there the"
        " effect is <b>unknown</b>."
    )
    return words.replace("<b>", "").replace("</b>", "")


@control("visits.choices-page-tells-all")
def choices_page_tells_all(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """The page of choices has every switch, every opt-out link as in the policy, and all ways.

    Links are exactly those of the policy, with nothing added; one without an address says so;
    beside the switch for advertisements stands that they do not go away; each page to which the
    list of choices and rights leads is there. Asked for as a stranger does, without a cookie.
    """
    bundle = controller.bundle
    if controller.site_url is None:
        return
    answer = fetch(controller.site_url, PATH)
    if answer is None:
        return  # nothing is served now: nothing was looked at
    status, text, _ = answer
    page = _Page(text)
    if bundle.organisation.name not in page.words:
        return  # whoever answers there, it is no page of ours
    if status != 200:
        yield Finding(PATH, f"the page answers {status}")
        return
    yield Looked(1, PATH)
    with spoken.speaking(bundle, None):  # who asks for no language is answered in the first
        remains, unknown = _remains(), _unknown()
    for aim in bundle.visits.optional:
        if ("aim", aim) not in page.names:
            yield Finding(PATH, f"there is no switch for {aim}")
        within = bundle.vocabulary.within
        covers = bundle.visits.aims[aim].covers
        if any(within("purposes", c, "advertising") for c in covers) and remains not in page.words:
            yield Finding(PATH, f"at {aim} nothing says that advertisements remain")
    both = {value for name, value in page.names if name == "do"} >= {"accept", "refuse", "save"}
    if bundle.visits.optional and (not both or unknown not in page.words):
        yield Finding(PATH, "yes, no and what stays unknown do not stand there together")
    named = {one for row in bundle.trackers.values() for one in row.opt_out}
    for name in sorted(named):
        link = bundle.links[name]
        if link.url is None and f"{link.words}: the address is still missing" not in page.words:
            yield Finding(f"links.yml:{link.line}", f"{name} ({link.clause}) is not shown as open")
        if link.url is not None and link.url not in page.links:
            yield Finding(f"links.yml:{link.line}", f"{name} ({link.clause}) is not there as it is")
        if link.url is not None and link.note and link.note not in page.words:
            yield Finding(f"links.yml:{link.line}", f"what has to be said of {name} is not there")
    outside = [to for to in page.links if to.startswith("http")]
    ours = {link.url for link in bundle.links.values()}
    for to in outside:
        if to not in ours:
            yield Finding(PATH, "a link leads out that the policy does not have")
    yield Looked(len(named) + len(outside), f"{PATH} links")
    seen: dict[str, tuple[int, _Page] | None] = {}
    for way in ways(controller, bundle.languages[0]):
        if way.path not in page.links:
            yield Finding(PATH, f"the list does not lead to `{way.id}`")
            continue
        bare, _, anchor = way.path.partition("#")
        if bare not in seen:
            got = fetch(controller.site_url, bare)
            seen[bare] = None if got is None else (got[0], _Page(got[1]))
        there = seen[bare]
        if there is None or there[0] != 200:
            yield Finding(bare.partition("?")[0], f"the way to `{way.id}` leads nowhere")
        elif anchor and anchor not in there[1].ids:
            yield Finding(bare, f"the way to `{way.id}` leads past it")
    yield Looked(len(seen), "pages to which the list leads")
