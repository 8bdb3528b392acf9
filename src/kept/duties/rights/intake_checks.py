"""What proves that asking is free and safe: no account, nothing left of strangers, children frozen.

The oracles count in the tables themselves, read the ledger, and look at the page as it is served.
"""

from __future__ import annotations

import datetime as dt
import html.parser
from collections.abc import Iterator, Mapping
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.controls.served import fetch
from kept.decide.facts import GROUNDS, kind_of
from kept.ledger.entry import Entry
from kept.model.decision import Ask, Facts
from kept.terms.identifiers import Identifier

#: What is done by itself every hour may be late by as much again.
_LATE: Final = dt.timedelta(hours=2)
_AT_ONCE: Final = dt.timedelta(minutes=1)
_REPORT: Final = "child-report"
_FLOOD: Final = "report-flood"
_HOUR: Final = dt.timedelta(hours=1)
_A_DAY: Final = dt.timedelta(days=1)
#: What is frozen at once within an hour, written out here apart from what freezes.
_MOST: Final = {"source": 3, "all": 100}
#: What everybody has to be offered: the rights of the law, an end of mail, and a question.
_OFFERED: Final = frozenset(
    ("access", "portability", "rectification", "erasure", "restriction", "objection", "withdrawal",
     "stop-mailing", "question")
)  # fmt: skip
#: Each form: its path, what it has to offer, and the fields that it may have.
_FORMS: Final = (
    ("/privacy/requests", _OFFERED,
     frozenset(("email", "words", "region", "agent", "changed", "once", "asked"))),
    ("/privacy/requests/child", frozenset[str](),
     frozenset(("about", "words", "reporter", "once"))),
)  # fmt: skip


@control("rights.unverified-leave-nothing")
def unverified_leave_nothing(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """What nobody confirmed is gone after its day with its keys, and nothing was made of it.

    No case was opened by somebody of whom nobody knows who she is; of mail that went, no word is
    left. What was there is counted in the ledger.
    """
    with controller.database.connection() as c:
        row = c.execute(
            "SELECT (SELECT count(*) FROM intake),"
            " (SELECT count(*) FROM intake WHERE state = 'awaiting-code' AND expires_at < %s),"
            " (SELECT count(*) FROM intake i JOIN intake_case k USING (number)"
            "  WHERE i.state = 'awaiting-code'),"
            " (SELECT count(*) FROM subject_key k WHERE class = 'intake' AND wrapped IS NOT NULL"
            "  AND NOT EXISTS (SELECT FROM intake i WHERE i.number = -k.subject)),"
            " (SELECT count(*) FROM outbox),"
            " (SELECT count(*) FROM outbox WHERE sealed IS NOT NULL"
            "  AND (outcome IS NOT NULL OR good_until < %s)),"
            " (SELECT count(*) FROM subject_key k WHERE class = 'outbox' AND wrapped IS NOT NULL"
            "  AND NOT EXISTS (SELECT FROM outbox o WHERE o.number = -k.subject"
            "  AND o.sealed IS NOT NULL))",
            (now - _LATE, now - _LATE),
        ).fetchone()
    assert row is not None
    there, late, with_cases, keys, mail, words, mail_keys = row
    if late:
        yield Finding(
            "requests", f"{late} that nobody confirmed are still there after their day",
            "see that `kept serve` runs, or run `kept request run`",
        )  # fmt: skip
    if with_cases:
        yield Finding("requests", f"{with_cases} cases were opened before it was known who asks")
    if keys:
        yield Finding("requests", f"{keys} keys of requests that are gone still live")
    if words or mail_keys:
        yield Finding("mail", f"of {max(words, mail_keys)} messages that went or are late, words"
                      " are left")  # fmt: skip
    opened = [e for _, e in controller.ledger.entries(kind="case.opened") if e.at <= now]
    by_herself = [e for e in opened if e.body.get("actor") == "person"]
    unknown = [e for e in by_herself if "verified" not in e.body]
    if unknown:
        yield Finding("cases", f"{len(unknown)} were opened by somebody of whom nobody knows who")
    left = sum(int(e.body["count"]) for _, e in controller.ledger.entries(kind="request.left"))
    yield Looked(there + mail + len(by_herself) + left, "requests, mail and what was made of them")


class _Page(html.parser.HTMLParser):
    """The fields of a page, what runs on it, and whose it says that it is."""

    def __init__(self) -> None:
        super().__init__()
        self.mark, self.runs = "", False
        self.fields: set[tuple[str, str, str]] = set()
        self.methods: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what counts."""
        said = {name: value or "" for name, value in attrs}
        if tag == "meta" and said.get("name") == "kept":
            self.mark = said.get("content", "").partition(" ")[0]
        if tag in ("script", "iframe", "object", "embed") or any(n.startswith("on") for n in said):
            self.runs = True
        if tag == "form":
            self.methods.append(said.get("method", "get").lower())
        if tag in ("input", "select", "textarea"):
            kind = said.get("type", "text")
            self.fields.add((said.get("name", ""), kind, said.get("value", "")))


@control("rights.requests-need-no-account")
def requests_need_no_account(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Whoever reads the pages can ask for every right, and report a child, without an account.

    They set no cookie, run nothing, and ask for no more than an answer takes.
    Where another program answers in the place of this deployment, nothing was looked at.
    """
    for path, choices, fields in _FORMS:
        met = _seen(controller, path)
        if met is None:
            return  # nothing is served, or no page of ours: nothing was looked at
        page, status, cookies = met
        yield Looked(1, path)
        if status != 200:
            yield Finding(path, f"the page answers {status}")
            continue
        if cookies:
            yield Finding(path, "the page sets a cookie")
        if page.runs:
            yield Finding(path, "the page runs something")
        if page.methods != ["post"]:
            yield Finding(
                path, "nothing can be asked on the page",
                "set up [mail] in kept.toml: the code that proves who asks goes by mail",
            )  # fmt: skip
            continue
        offered = {v for name, kind, v in page.fields if (name, kind) == ("asked", "checkbox")}
        yield Looked(len(offered), f"{path} choices")
        if missing := choices - offered:
            yield Finding(path, f"{len(missing)} of what people may ask is not offered")
        names = {name for name, _, _ in page.fields}
        if names - fields or any(kind == "password" for _, kind, _ in page.fields):
            yield Finding(path, "more is asked of people than it takes to answer them")


def _seen(controller: Controller, path: str) -> tuple[_Page, int, bool] | None:
    """A page as a stranger gets it, its status, and whether it sets a cookie; None where it is
    not served, or by another program.
    """
    answer = fetch(controller.site_url or "", path)
    if answer is None:
        return None
    page = _Page()
    page.feed(answer.text)
    if page.mark != controller.vault.mac("page", b"").hex():
        return None
    return page, answer.status, any(name == "set-cookie" for name, _ in answer.headers)


@control("children.reported-is-frozen")
def reported_is_frozen(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """From a minute after a report on, no use of that record is allowed, until a person decided.

    Held against the ledger's open reports; of whoever is met under what was reported the door
    allows nothing but rights and storage, whatever grounds there are. One of a crowd waits for a
    person: only beyond what is frozen at once, with an alert, and for a day at most.
    """
    taken = {
        str(e.body["request"]): e.at
        for _, e in controller.ledger.entries(kind="request.taken")
        if _REPORT in e.body["kinds"] and e.at <= now
    }
    over = {
        str(e.body["request"]): e.at for _, e in controller.ledger.entries(kind="request.ended")
    }
    since: dict[str, dt.datetime] = {}
    for _, e in controller.ledger.entries(kind="use.frozen"):
        since.setdefault(str(e.body["request"]), e.at)
    bundle, within = controller.bundle, controller.bundle.vocabulary.within
    asks = [
        Ask(a.purpose, a.categories[0], a.contexts[0], region=region)
        for a in bundle.activities.values()
        for region in ("EEA", "other")
        if not any(within("purposes", a.purpose, left) for left in ("rights", "storage"))
    ]
    grounds = {n for n in controller.rules.facts if kind_of(n) in GROUNDS}
    apart = {
        str(e.body["request"]): e
        for _, e in controller.ledger.entries(kind="report.held")
        if e.at <= now
    }
    yield from _waiting(controller, taken, apart, {**over, **since}, now)
    looked = 0
    for id_, at in taken.items():
        frozen = since.get(id_)
        if id_ not in apart and (frozen or now) - at > _AT_ONCE:
            yield Finding(
                "a report", "a record that was reported was used for more than a minute after",
                "see that `kept serve` runs, or run `kept request run`",
            )  # fmt: skip
        if id_ in over:
            continue
        looked += 1
        for kind, value in controller.intakes.said(controller.intakes.get(id_)).get("about", ()):
            one = Identifier(kind, value)
            if kind not in ("email", "phone", "account", "cookie") or frozen is None:
                continue
            held = controller.facts(one, now).held | grounds
            word = controller.rules.word(Facts(frozenset(held)))
            if any(controller.rules.judge(ask)(word).allow for ask in asks):
                yield Finding("the door", "a use of a record is allowed although it was reported")
    yield Looked(looked, "open reports of children")


def _waiting(
    controller: Controller, taken: Mapping[str, dt.datetime], held: Mapping[str, Entry],
    seen_to: Mapping[str, dt.datetime], now: dt.datetime,
) -> Iterator[Finding]:  # fmt: skip
    """What is amiss with reports that wait for a person, counted by the ledger alone."""
    alerts = [
        e.at for _, e in controller.ledger.entries(kind="alert.raised")
        if e.body["what"] == _FLOOD and e.at <= now
    ]  # fmt: skip
    for id_, entry in held.items():
        hour = [
            at for other, at in taken.items()
            if other not in held and entry.at - _HOUR < at <= entry.at
        ]  # fmt: skip
        # No source stands in the ledger: of one that sent many it is known that these were there.
        if len(hour) < _MOST[str(entry.body["by"])]:
            yield Finding(
                "a report", "it waits for a person, and no more came than is frozen at once",
                "freeze it: `kept request decide --outcome freeze`",
            )  # fmt: skip
        if not any(entry.at - _HOUR < at <= entry.at for at in alerts):
            yield Finding("a report", "it waits for a person, and nobody was alerted")
        if seen_to.get(id_, now) - entry.at > _A_DAY:
            yield Finding(
                "a report", "it waited for a person for more than a day, and nothing was frozen",
                "look at `/desk/reports`",
            )  # fmt: skip
