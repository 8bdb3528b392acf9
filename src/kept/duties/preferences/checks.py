"""What proves that a yes is taken back as easily as it was given, and that it stays taken back."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.controls.served import Page, fetch, page
from kept.database import Connection
from kept.decide.facts import GROUNDS
from kept.decide.offers import PROMOTION, Offer, offers
from kept.decide.use import use
from kept.duties.preferences.changing import BY_CODE, UNDONE
from kept.model.decision import Facts
from kept.policy.shapes import Form
from kept.records.preference import PAGE_GOOD, Way, token
from kept.records.subject import LINKING
from kept.records.suppression import FACT, OWN
from kept.terms.regimes import REGIONS

_WAY: Final = "/privacy/preferences"
_CHOICES: Final = "/privacy/choices"
#: What is typed, chosen or ticked; everything else on a form is carried along or pressed.
_FILLED: Final = frozenset({"text", "email", "tel", "number", "password", "url"})


@control("choices.taken-back-as-easily")
def taken_back_as_easily(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Behind each yes on record is a way back of no more steps, and what went that way stays off.

    Steps are what has to be typed, ticked or pressed. Of every purpose that somebody allowed one
    person's page is looked at as she gets it from her letter, and the forms that ask for it beside
    it. What was taken back is denied in every region, whatever grounds there are, until she gave it
    again by a code; each of those stands in the ledger.
    """
    rows = _words(controller, now)
    yield from _ways(controller, _held(controller, rows, now), now)
    yield from _stays(controller, rows, now)


def _ways(
    controller: Controller, held: Mapping[str, int], now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Whether each purpose of these, with one person who allowed it, has its way back."""
    known = {one.purpose: one for one in offers(controller.bundle)}
    asked = {p: who for p, who in held.items() if p in known}
    if not asked:
        return
    if controller.site_url is None or controller.post is None:
        yield Finding(
            "kept.toml", "who says yes is sent no letter with the way back",
            "set [site] url and [mail]",
        )  # fmt: skip
        return
    front = _seen(controller, _CHOICES)
    if front is None:
        return  # nothing of ours is served now: the pages were not looked at
    yield Looked(1, _CHOICES)
    if _WAY not in front.links:
        yield Finding(_CHOICES, "it does not lead to the page where a yes is taken back")
    way = _seen(controller, _WAY)
    if way is None or [f.type for f in way.fields if f.type in _FILLED] != ["email"]:
        yield Finding(_WAY, "it asks for something else than an address, or is not there")
    press = _seen(controller, f"/u/{'x' * 72}")  # the same for every link
    if press is None or [f.type for f in press.fields if f.type != "hidden"] != ["submit"]:
        yield Finding("/u", "it takes more than one press to stop what a letter is sent for")
    within = controller.bundle.vocabulary.within
    for purpose, subject in asked.items():
        path = _page_of(controller, subject, now)
        if path is None:
            continue  # known by nothing that a letter could go to
        hers = _seen(controller, path)
        back = None if hers is None else _back(hers, purpose)
        where = f"the page of somebody who allowed `{purpose}`"
        if hers is None or back is None:
            yield Finding(where, "there is no switch that takes it back")
            continue
        yield Looked(1, where)
        news = any(within("purposes", purpose, one) for one in PROMOTION)
        if news and not any((f.name, f.value) == ("do", "stop") for f in hers.fields):
            yield Finding(where, "there is no one button for all news and advertising")
        for form in controller.bundle.forms.values():
            given = _given(form, purpose)
            if given is not None and back > given:
                yield Finding(where, f"it takes {back} steps, and {given} to allow it ({form.id})")


def _stays(
    controller: Controller, rows: Mapping[tuple[int, str], list[tuple[bool, str]]],
    now: dt.datetime,
) -> Iterator[Looked | Finding]:  # fmt: skip
    """Whether what was taken back on the page is off, and nothing else turned it on again."""
    known = {one.purpose: one for one in offers(controller.bundle)}
    looked = 0
    for (subject, fact), words in rows.items():
        kind, _, purpose = fact.partition(":")
        taken = [n for n, (holds, source) in enumerate(words) if holds and source in OWN]
        if kind != "withdrawn" or not taken:
            continue
        looked += 1
        after = words[taken[-1] + 1 :]
        if not after:
            one = known.get(purpose)
            if one is not None and _allows(controller, one, subject, now):
                yield Finding("the door", f"`{purpose}` is allowed although it was taken back")
        elif any(not holds and source not in (BY_CODE, UNDONE) for holds, source in after):
            yield Finding("a choice", f"a no to `{purpose}` ended, and she did not end it")
    with controller.database.connection() as c:
        for subject, channel in _refused(c):
            term = channel.removeprefix(f"{FACT}objection:")
            looked += 1
            below = controller.bundle.vocabulary.below("purposes", term)
            if any(_allows(controller, known[p], subject, now) for p in below & known.keys()):
                yield Finding("the door", f"`{term}` is allowed although somebody said no to it")
    for source, what in ((BY_CODE, "a yes by a code"), (UNDONE, "a no that was taken back")):
        again = Counter(
            fact.partition(":")[2]
            for (_, fact), words in rows.items()
            if fact.startswith("consent:")
            for holds, said in words
            if holds and said == source
        )
        entered = Counter(
            str(e.body["purpose"])
            for _, e in controller.ledger.entries(kind=("consent.given", "withdrawal.undone"))
            if e.body.get("source") == source
        )
        # Fewer where somebody was erased since.
        for purpose, count in again.items():
            if count > entered[purpose]:
                where = f"a choice about `{purpose}`"
                yield Finding(where, f"{what} is on record that the ledger does not have")
    yield Looked(looked, "choices that were taken back")


def _words(
    controller: Controller, now: dt.datetime
) -> dict[tuple[int, str], list[tuple[bool, str]]]:
    """(person, fact) → (whether it holds, source) of all that was said, in order."""
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT subject, fact, holds, source FROM fact WHERE (fact LIKE 'consent:%%'"
            " OR fact LIKE 'withdrawn:%%') AND valid_from <= %s AND known_from <= %s"
            " ORDER BY valid_from, seq",
            (now, now),
        ).fetchall()
    found: dict[tuple[int, str], list[tuple[bool, str]]] = {}
    for subject, fact, holds, source in rows:
        found.setdefault((int(subject), str(fact)), []).append((bool(holds), str(source)))
    return found


def _held(
    controller: Controller, rows: Mapping[tuple[int, str], list[tuple[bool, str]]],
    now: dt.datetime,
) -> dict[str, int]:  # fmt: skip
    """Purpose → somebody who allows it now, and said no to nothing that it is part of."""
    layout = controller.rules.layout
    found: dict[str, int] = {}
    for (subject, fact), words in rows.items():
        kind, _, purpose = fact.partition(":")
        if kind != "consent" or not words[-1][0] or purpose in found:
            continue
        word = layout.word(controller.consents.facts(subject, now))
        no = [layout.place.get(f"{kind}:{purpose}", 0) for kind in ("objection", "withdrawn")]
        if not word & (no[0] | no[1]):
            found[purpose] = subject
    return found


def _refused(c: Connection) -> list[tuple[int, str]]:
    """(person, channel) of what was refused on the page under what names somebody known."""
    rows = c.execute(
        "SELECT DISTINCT i.subject, s.channel FROM suppression s JOIN identity i"
        " ON i.suppress = s.mac WHERE s.source = ANY(%s) AND s.channel LIKE %s ORDER BY 1, 2",
        (list(OWN), f"{FACT}objection:%"),
    ).fetchall()
    return [(int(subject), str(channel)) for subject, channel in rows]


def _allows(controller: Controller, one: Offer, subject: int, now: dt.datetime) -> bool:
    """Whether the door would allow any use of it anywhere, had she given every ground there is."""
    every = {f for f in controller.rules.facts if f.partition(":")[0] in GROUNDS}
    held = controller.consents.facts(subject, now).held
    facts = Facts(frozenset(held | every))
    asks = {ask.category: ask for ask in one.asks}
    return any(
        use(controller.rules, replace(ask, region=region), facts).allow
        for ask in asks.values()
        for region in REGIONS
    )


def _page_of(controller: Controller, subject: int, now: dt.datetime) -> str | None:
    """The page of somebody, as her letter names it."""
    with controller.database.connection() as c:
        row = c.execute(
            "SELECT suppress, kind FROM identity WHERE subject = %s AND kind = ANY(%s)"
            " ORDER BY kind <> 'email' LIMIT 1",
            (subject, list(LINKING)),
        ).fetchone()
    if row is None:
        return None
    until = (now + PAGE_GOOD).astimezone(dt.UTC).date()
    return f"/p/{token(controller.vault, Way('page', str(row[1]), bytes(row[0]), until))}"


def _seen(controller: Controller, path: str) -> Page | None:
    """A page as a stranger gets it; None where it is not there, or none of ours."""
    met = fetch(controller.site_url or "", path)
    if met is None or met[0] != 200:
        return None
    made = page(met[1])
    return made if controller.vault.mac("page", b"").hex() in made.marks else None


def _back(hers: Page, purpose: str) -> int | None:
    """The steps from the letter until it is taken back; None where it cannot be."""
    switch = [f for f in hers.fields if (f.name, f.value) == ("on", purpose)]
    shown = any((f.name, f.value) == ("was", purpose) for f in hers.fields)
    saves = any((f.name, f.value) == ("do", "save") for f in hers.fields)
    if not (shown and saves and switch and switch[0].checked and not switch[0].fixed):
        return None
    typed = sum(f.type in _FILLED for f in hers.fields)
    return typed + 2  # the switch, and the button


def _given(form: Form, purpose: str) -> int | None:
    """The least steps in which a form takes a yes to a purpose; None where it asks for none."""
    box = any(f.consent == purpose for f in form.fields.values())
    if form.consent != purpose and not box:
        return None
    return sum(f.required for f in form.fields.values()) + box + 1
