"""What the page of choices says to a person: what she allowed, when and on which words. Reads only.

Whether something happens is the door's own answer. Her address is masked: whoever was forwarded
the link is not told it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kept.controller import Controller
from kept.decide.notice import as_text
from kept.decide.offers import Group, Offer, happens, offers, promotion
from kept.errors import Shredded
from kept.model.decision import Facts
from kept.policy.shapes import Text
from kept.records.consent import Word
from kept.records.preference import Way
from kept.records.subject import suppression_mac
from kept.records.suppression import FACT, OWN, WITHDRAWN
from kept.terms.addresses import masked

#: Sources of a consent that was given on a form of the policy.
_FORM = "form:"


@dataclass(frozen=True, slots=True)
class Wording:
    """The words on which something was allowed: the title of the form, and all that it said."""

    title: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One purpose, as it stands for her.

    `on`: it may happen. `no`: she said no to it, or to what it is part of. `again`: a no of hers
    that she can take back here, with a code. `rests`: allowed, and yet it does not happen at
    present. `asked`: a no that is not taken back here, as one that a request recorded. `where`
    are the forms on which it can be allowed: (title, path or address).
    """

    purpose: str
    titles: tuple[str, ...]
    group: Group
    on: bool
    no: bool
    allowed: dt.datetime | None
    refused: dt.datetime | None
    wording: Wording | None
    again: bool
    rests: bool
    asked: bool
    where: tuple[tuple[Text, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All of it. `address` is masked; empty where nobody is known under what the link says.

    `several`: more than one person is known under it, so that nothing can be allowed here.
    `stops`: there is something that the one button for all advertising would stop.
    """

    address: str
    several: bool
    stops: bool
    choices: tuple[Choice, ...]


def page(controller: Controller, way: Way, now: dt.datetime) -> Page:
    """How the choices of whoever the link is for stand."""
    people, facts = known(controller, way, now)
    theirs = [mac for mac, _ in controller.subjects.refused_under(people)]
    refused = controller.suppressions.hashed([way.mac, *theirs])
    words = controller.consents.words(people, now)
    texts: dict[str, Wording | None] = {}
    codes = len(people) < 2 and way.kind == "email"  # whose yes it is can be known
    made = tuple(
        _choice(controller, one, facts, words, refused, texts, codes)
        for one in offers(controller.bundle)
    )
    within = controller.bundle.vocabulary.within
    stops = any(
        not c.no and any(within("purposes", c.purpose, p) for p in promotion(controller.bundle))
        for c in made
    )
    return Page(_address(controller, way, people), len(people) > 1, stops, made)


def known(controller: Controller, way: Way, now: dt.datetime) -> tuple[tuple[int, ...], Facts]:
    """The people of a link, and what the door knows of them."""
    people = controller.subjects.refusing([way.mac])
    channels = frozenset(channel for channel, *_ in controller.suppressions.hashed([way.mac]))
    return people, controller.facts(None, now, met=(people, channels))


def _choice(
    controller: Controller, one: Offer, facts: Facts, words: Sequence[Word],
    refused: Sequence[tuple[str, str, dt.datetime]], texts: dict[str, Wording | None],
    codes: bool,
) -> Choice:  # fmt: skip
    tree = controller.bundle.vocabulary
    near = tree.above("purposes", one.purpose) | tree.below("purposes", one.purpose)
    above = tree.above("purposes", one.purpose)
    bits = controller.rules.word(facts)
    layout = controller.rules.layout
    no = layout.place.get(f"objection:{one.purpose}", 0)
    no |= layout.place.get(f"withdrawn:{one.purpose}", 0)
    blocked = bool(bits & no)
    agreed = bool(bits & layout.place.get(f"consent:{one.purpose}", 0)) and not blocked
    open_ = happens(controller.rules, one, facts)
    yes = [w for w in words if w.holds and w.fact in {f"consent:{p}" for p in above}]
    wording = _wording(controller, yes[-1].notice, texts) if yes else None
    said_no = [w for w in words if w.holds and w.fact in {f"withdrawn:{p}" for p in near}]
    said_no += [w for w in words if w.holds and w.fact in {f"objection:{p}" for p in near}]
    theirs = {f"{FACT}objection:{p}" for p in near}
    rows = [(source, since) for channel, source, since in refused if channel in theirs]
    own = any(source in OWN for source, _ in rows)
    # What a request or a browser recorded is not taken back here.
    elsewhere = any(s not in OWN for s, _ in rows) or any(
        w.fact.startswith("objection:") for w in said_no
    )
    days = [w.since for w in said_no] + [since for _, since in rows]
    taken = any(w.fact.startswith("withdrawn:") for w in said_no) or any(
        source == WITHDRAWN and channel in {f"{FACT}withdrawn:{p}" for p in near}
        for channel, source, _ in refused
    )
    again = (
        blocked and not elsewhere and codes
        and (own or taken or any(w.fact == f"consent:{one.purpose}" and w.notice for w in yes))
    )  # fmt: skip
    return Choice(
        one.purpose, one.titles, one.group, open_ or agreed, blocked,
        yes[-1].since if yes else None, max(days) if blocked and days else None, wording, again,
        agreed and not open_, blocked and not again,
        # No form lifts a no: whoever types her address could.
        () if open_ or agreed or blocked else _forms(controller, one.purpose),
    )  # fmt: skip


def _wording(
    controller: Controller, notice: str | None, texts: dict[str, Wording | None]
) -> Wording | None:
    if notice is None:
        return None
    if notice not in texts:
        kept = controller.notices.get(notice)
        texts[notice] = (
            None
            if kept is None
            else Wording(str(kept.shown["title"]), as_text(kept.shown), str(kept.shown["language"]))
        )
    return texts[notice]


def _forms(controller: Controller, purpose: str) -> tuple[tuple[Text, str], ...]:
    """Where it can be allowed: forms that ask for it, Kept's own page where it takes them."""
    bundle = controller.bundle
    found: Mapping[str, Any] = {
        form.id: form
        for form in bundle.forms.values()
        if purpose in (form.consent, *(f.consent for f in form.fields.values()))
    }
    return tuple(
        (form.title,
         f"/forms/{form.id}" if form.id in controller.destinations else form.site + form.path)
        for form in found.values()
    )  # fmt: skip


def _address(controller: Controller, way: Way, people: Sequence[int]) -> str:
    """What the link is for, masked; empty where nothing is known that it could be shown from."""
    for subject in people:
        try:
            every = controller.subjects.identifiers(subject)
        except Shredded:
            continue
        for one, _ in every:
            if suppression_mac(controller.vault, one) == way.mac:
                return masked(one.value) if one.kind == "email" else ""
    return ""
