"""What proves that asking leads somewhere: mail of others is explained, questions are tracked, and
behind every choice of the policy there is a way that answers.
"""

from __future__ import annotations

import datetime as dt
import html.parser
from collections.abc import Iterator, Mapping
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.controls.served import fetch
from kept.duties.rights.others_mail import partners
from kept.ledger.entry import Entry
from kept.policy.bundle import Bundle
from kept.terms.asks import MAIL_OF_CUSTOMER, MAIL_OF_PARTNER, QUESTION, STOP_MAILING
from kept.terms.identifiers import Identifier

_OTHERS: Final = frozenset((MAIL_OF_CUSTOMER, MAIL_OF_PARTNER))
#: Told at once; whoever enters a letter may take a moment.
_AT_ONCE: Final = dt.timedelta(minutes=10)
#: What is begun at once may be late by so much where a system was away.
_SOON: Final = dt.timedelta(hours=2)
#: What is asked → the right whose case it opens.
_WISHES: Final[Mapping[str, str]] = {"erasure": "erasure", STOP_MAILING: "objection"}
_FORM: Final = "/privacy/requests"
#: What everybody may ask whatever the policy does.
_ALWAYS: Final = ("access", "rectification", "erasure", "restriction", QUESTION)
#: Ways that are pages of their own.
_PAGES: Final = ("/privacy/requests/child", "/privacy/requests/mail", "/privacy/complaints",
                 "/privacy/authorities")  # fmt: skip


@control("rights.others-mail-is-untouched")
def others_mail_is_untouched(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Who complains of mail of a customer or a partner is told what to do, and nothing is touched.

    By the ledger: no case, no freeze and no use hangs on it, and it ended with guidance, at once.
    Of whoever wrote by the form nothing is kept. Of each partner its own policy is registered.
    """
    taken = {
        str(e.body["request"]): e
        for _, e in controller.ledger.entries(kind="request.taken")
        if e.at <= now and set(e.body["kinds"]) and set(e.body["kinds"]) <= _OTHERS
    }
    ended = _ends(controller, now)
    for id_, entry in taken.items():
        over = ended.get(id_)
        if over is None or over.body["outcome"] != "guidance":
            yield Finding("a complaint of other mail", "nobody was told what to do")
        elif over.at - entry.at > _AT_ONCE:
            yield Finding("a complaint of other mail", "it was answered late")
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM intake_case k WHERE k.number ="
            " i.number) OR case_number IS NOT NULL OR frozen_at IS NOT NULL), count(*) FILTER"
            " (WHERE channel = 'web' AND (sealed IS NOT NULL OR mac IS NOT NULL))"
            " FROM intake i WHERE id = ANY(%s)",
            (list(taken),),
        ).fetchone()
    assert rows is not None
    if rows[0]:
        yield Finding("a complaint of other mail", f"{rows[0]} led to a case, which touches data")
    if rows[1]:
        yield Finding("a complaint of other mail", f"of {rows[1]} who wrote something is kept")
    known = partners(controller.bundle)
    for partner in known.values():
        if not partner.policy:
            yield Finding(
                "recipients.yml", f"of the partner `{partner.id}` no policy is registered",
                "write `policy: https://…` beside its name",
            )  # fmt: skip
    yield Looked(len(taken) + len(known), "complaints of other mail, and partners")


@control("rights.questions-are-tracked")
def questions_are_tracked(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every question is on record until it is answered, opens no case, and enrols nobody.

    Held against the facts that were recorded of its address while it came in.
    """
    taken = {
        str(e.body["request"]): e.at
        for _, e in controller.ledger.entries(kind="request.taken")
        if e.at <= now and list(e.body["kinds"]) == [QUESTION]
    }
    ended = _ends(controller, now)
    there = {one.id: one for one in controller.intakes.all()}
    for id_ in taken:
        one = there.get(id_)
        if one is None:
            yield Finding("a question", "it is not on record any more")
            continue
        if one.open == (id_ in ended):
            yield Finding("a question", "whether it was answered is said in two ways")
        if one.cases:
            yield Finding("a question", "it led to a case nobody asked for")
        address = controller.intakes.said(one).get("person")
        known = controller.subjects.find_many([[Identifier("email", address)]]) if address else [()]
        with controller.database.connection() as c:
            rows = c.execute(
                "SELECT count(*) FROM fact WHERE subject = ANY(%s) AND holds AND known_from >= %s"
                " AND known_from < %s AND fact LIKE 'consent:%%'",
                (list(known[0]), taken[id_], taken[id_] + _AT_ONCE),
            ).fetchone()
        if rows and rows[0]:
            yield Finding("a question", "somebody was enrolled because she asked")
    yield Looked(len(taken), "questions")


@control("rights.wishes-open-their-case")
def wishes_open_their_case(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever asks to be deleted, or for an end of advertising, has a case of that, and no other.

    What was asked is read from the ledger, once it was known who asks; an end of advertising is
    carried out at once, and deletes nothing: the case is one of an objection.
    """
    asked = {
        str(e.body["request"]): (e.at, [k for k in e.body["kinds"] if k in _WISHES])
        for _, e in controller.ledger.entries(kind="request.taken")
        if e.at <= now and set(e.body["kinds"]) & _WISHES.keys()
    }
    there = {one.id: one for one in controller.intakes.all()}
    for id_, (at, kinds) in asked.items():
        one = there.get(id_)
        if one is None:
            yield Finding("a request", "it is not on record any more")
            continue
        cases = {kind: controller.cases.get(case) for kind, case in one.cases}
        for kind in kinds:
            case = cases.get(kind)
            if case is None:
                if one.open and now - at > _SOON:
                    yield Finding(
                        "a request", f"of `{kind}` no case was opened",
                        "see that `kept serve` runs, or run `kept request run`",
                    )  # fmt: skip
            elif case.right != _WISHES[kind]:
                yield Finding("a request", f"`{kind}` became a case of another right")
            elif kind == STOP_MAILING and case.done_at is None and now - at > _SOON:
                yield Finding("a request", "advertising was not stopped at once")
    yield Looked(len(asked), "wishes for an end of mail, and of data")


def catalogue(bundle: Bundle) -> Mapping[str, str]:
    """What people can choose under this policy → why: from its activities and their bases."""
    found = dict.fromkeys(_ALWAYS, "everybody may")
    within = bundle.vocabulary.within
    for one in bundle.activities.values():
        bases = set(one.bases.values())
        if "consent" in bases:
            found.setdefault("withdrawal", one.id)
        if bases & {"consent", "contract"}:
            found.setdefault("portability", one.id)
        if "legitimate-interest" in bases:
            found.setdefault("objection", one.id)
        if within("purposes", one.purpose, "marketing"):
            found.setdefault(STOP_MAILING, one.id)
    return found


class _Form(html.parser.HTMLParser):
    """What a page offers to tick, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.mark = ""
        self.offered: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what counts."""
        said = {name: value or "" for name, value in attrs}
        if tag == "meta" and said.get("name") == "kept":
            self.mark = said.get("content", "").partition(" ")[0]
        if tag == "input" and said.get("name") == "asked":
            self.offered.add(said.get("value", ""))
        if tag == "a":
            self.links.add(said.get("href", "").partition("?")[0])


@control("publication.choices-have-a-way")
def choices_have_a_way(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every choice that the policy leaves people stands on one page, and each way there answers.

    The choices follow from the register of activities. The pages are read as a stranger gets them;
    where another program answers in the place of this deployment, nothing was looked at.
    """
    met = _get(controller, _FORM)
    if met is None:
        return
    page = met[0]
    chosen = catalogue(controller.bundle)
    for choice in sorted(chosen.keys() - page.offered):
        yield Finding(_FORM, f"`{choice}` is not offered", f"it is a choice: {chosen[choice]}")
    for path in _PAGES:
        way = _get(controller, path) if path in page.links else None
        if path not in page.links:
            yield Finding(_FORM, f"nothing leads to `{path}`")
        elif way is None or way[1] != 200:
            yield Finding(path, "this way does not answer")
    yield Looked(len(chosen) + len(_PAGES), "choices and ways")


def _ends(controller: Controller, now: dt.datetime) -> dict[str, Entry]:
    return {
        str(e.body["request"]): e
        for _, e in controller.ledger.entries(kind="request.ended")
        if e.at <= now
    }


def _get(controller: Controller, path: str) -> tuple[_Form, int] | None:
    """A page of ours as a stranger gets it, and its status; None where it is not served by us."""
    answer = fetch(controller.site_url or "", path)
    if answer is None:
        return None
    page = _Form()
    page.feed(answer.text)
    return (page, answer.status) if page.mark == controller.vault.mac("page", b"").hex() else None
