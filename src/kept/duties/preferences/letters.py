"""Links to the page of choices: by mail to who asks, and for a company's own letters."""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.decide.offers import offers, promotion
from kept.errors import UsageError
from kept.policy.spoken import named
from kept.records.intake import CODE_GOOD, LIMITS, WINDOW
from kept.records.preference import PAGE_GOOD, Use, Way, read, token, way_of
from kept.records.subject import suppression_mac
from kept.records.watch import CHOICES_FULL
from kept.terms.identifiers import Identifier
from kept.terms.tongues import spoken

#: How long it is remembered that mail went: as long as it counts.
_KEPT: Final = WINDOW
#: What a mail program sends where somebody presses its button (RFC 8058).
ONE_CLICK: Final = "List-Unsubscribe=One-Click"


class TooMany(UsageError):
    """More was asked within the hour than is taken: the same for everybody. `came`: how many from
    everybody together, where those are too many and she herself has not asked too often.
    """

    def __init__(self, came: int | None) -> None:
        super().__init__("more was asked within the hour than is taken", fix="ask again later")
        self.came = came


@dataclass(frozen=True, slots=True)
class Links:
    """What a company's own letters carry. `headers` go into the message as they are."""

    preferences: str
    unsubscribe: str
    headers: dict[str, str]


def way(controller: Controller, text: str, use: Use, now: dt.datetime) -> Way | None:
    """Whose a link is; None for one that is none of ours, or is over."""
    met = read(controller.vault, text, use)
    return met if met is not None and now.astimezone(dt.UTC).date() <= met.until else None


def links(controller: Controller, person: Identifier, now: dt.datetime, about: str = "") -> Links:
    """Links for a letter to somebody, known or not. `about`: the purpose that one press stops;
    without it, all advertising. UsageError where there is nothing to stop, or no address of ours.
    """
    if controller.site_url is None:
        raise UsageError(
            "nobody could follow a link: the deployment has no address",
            fix="set [site] url in kept.toml",
        )
    known = {*(o.purpose for o in offers(controller.bundle)), *promotion(controller.bundle)}
    if about and about not in known:
        raise UsageError(
            "there is no such purpose that people stop by themselves",
            expected=f"one of {', '.join(sorted(known))}",
        )
    vault, base = controller.vault, controller.site_url
    page = f"{base}/p/{token(vault, way_of(vault, 'page', person, now))}"
    stop = f"{base}/u/{token(vault, way_of(vault, 'stop', person, now, about))}"
    headers = {"List-Unsubscribe": f"<{stop}>"}
    if base.startswith("https://"):  # what RFC 8058 asks for, section 3.1
        headers["List-Unsubscribe-Post"] = ONE_CLICK
    return Links(page, stop, headers)


def send_link(controller: Controller, address: str, source: str, now: dt.datetime) -> None:
    """Mail somebody the link to her page. Nobody is looked up: known or not, it is the same."""
    person = Identifier("email", address.strip())
    mac = suppression_mac(controller.vault, person)
    made = token(controller.vault, way_of(controller.vault, "page", person, now))
    page = f"{controller.site_url}/p/{made}{named(controller.bundle, spoken().chosen)}"
    values = {"link": page, "days": str(PAGE_GOOD.days)}
    with _turning_away(controller, now), controller.database.connection() as c:
        _within_limits(controller, mac, source, now, c)
        controller.preference_mail.put(mac, source, now, connection=c)
        controller.outbox.put(
            person.value, "preferences", values, now, good_until=now + PAGE_GOOD, connection=c
        )


def send_code(
    controller: Controller, hers: Way, address: str, wanted: tuple[str, ...], source: str,
    now: dt.datetime,
) -> str | None:  # fmt: skip
    """Mail a code that allows something again; what names it. None where the address that was
    typed is not the one that the link is for.
    """
    person = Identifier("email", address.strip())
    mac = suppression_mac(controller.vault, person)
    if hers.kind != "email" or not hmac.compare_digest(mac, hers.mac):
        # Counted as a letter is: whoever has her link tries few addresses.
        with _turning_away(controller, now), controller.database.connection() as c:
            _within_limits(controller, hers.mac, source, now, c)
            controller.preference_mail.put(hers.mac, source, now, connection=c)
        return None
    ask, code = secrets.token_urlsafe(32), f"{secrets.randbelow(10**8):08}"
    titles = {o.purpose: o.titles[0] for o in offers(controller.bundle)}
    values = {
        "code": f"{code[:4]} {code[4:]}",
        "asked": "\n".join(titles[p] for p in wanted if p in titles),
    }
    with _turning_away(controller, now), controller.database.connection() as c:
        _within_limits(controller, mac, source, now, c)
        controller.preference_mail.put(
            mac, source, now, connection=c, token=ask, code=code, wanted=wanted
        )
        controller.outbox.put(
            person.value, "preferences-code", values, now, good_until=now + CODE_GOOD,
            connection=c,
        )  # fmt: skip
    return ask


def tend(controller: Controller, now: dt.datetime) -> None:
    """Let go of what is remembered of mail that went."""
    controller.preference_mail.tidy(now - _KEPT)


def _within_limits(
    controller: Controller, mac: bytes, source: str, now: dt.datetime, c: Connection
) -> None:
    controller.preference_mail.one_at_a_time(c)
    met = controller.preference_mail.tally(mac, source, now - WINDOW, connection=c)
    counts = (met.pair, met.address, met.source, met.all)
    limits = (*LIMITS, controller.desk.requests)
    past = [count >= most for count, most in zip(counts, limits, strict=True)]
    if any(past):
        raise TooMany(None if any(past[:-1]) else met.all)


@contextmanager
def _turning_away(controller: Controller, now: dt.datetime) -> Iterator[None]:
    """Alert the officers where somebody is turned away because of all others. Around the
    transaction that this undoes.
    """
    try:
        yield
    except TooMany as many:
        if many.came is not None:
            controller.turned_away(CHOICES_FULL, many.came, now)
        raise
