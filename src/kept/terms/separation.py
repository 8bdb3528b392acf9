"""Who may not do what because of what he is or did already: roles kept apart. Pure.

Two kinds: roles that one account never holds together, and acts on one case that two people
have to share. What is approved is the plan of a case; who entered the request, who blackened a
package, or drew up a destruction that is large or early, does not approve it. In an emergency
somebody may all the same, alone and with a reason; never who blackened.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Final, Literal

#: Roles that no account holds together, and why.
APART: Final = {
    frozenset(("redactor", "approver")): "who blackens what belongs to others does not approve it",
    frozenset(("auditor", "approver")): "who examines has approved nothing himself",
    frozenset(("auditor", "privacy-officer")): "who examines does not answer for it",
    frozenset(("auditor", "redactor")): "who examines sees no personal data",
    frozenset(("auditor", "verifier")): "who examines sees no personal data",
    frozenset(("auditor", "intake")): "who examines sees no personal data",
    frozenset(("auditor", "support")): "who examines sees no personal data",
    frozenset(("auditor", "system-owner")): "who examines sees no personal data",
    frozenset(("marketer", "redactor")): "who advertises sees counts only",
    frozenset(("marketer", "verifier")): "who advertises sees counts only",
}

Act = Literal["opened", "planned", "verified", "redacted", "approved"]


@dataclass(frozen=True, slots=True)
class Did:
    """What one account did in a case."""

    who: str
    act: Act


def together(roles: Iterable[str]) -> tuple[tuple[str, str], str] | None:
    """The first two of these roles that one account may not hold, and why; None: all may."""
    held = frozenset(roles)
    for pair, why in APART.items():
        if pair <= held:
            one, other = sorted(pair)
            return (one, other), why
    return None


def approving(who: str, did: Iterable[Did], *, large: bool = False, early: bool = False) -> str:
    """Why `who` may not approve the plan of a case; empty where nothing stands against it.

    `large`: it destroys more rows than one person answers for; `early`: rows go before their
    period has ended, and nobody knows that the person whose they are asked for that.
    """
    did = tuple(did)
    acts = {d.act for d in did if _same(d.who, who)}
    if why := never(who, did):
        return why
    if "opened" in acts:
        return "who entered a request does not approve what is done for it"
    if (large or early) and acts & {"opened", "planned"}:
        what = "large" if large else "early"
        return f"a destruction that is {what} needs two people: another than who drew it up"
    return ""


def never(who: str, did: Iterable[Did]) -> str:
    """Why `who` may not approve it in an emergency either; empty where he may."""
    if any(_same(d.who, who) and d.act == "redacted" for d in did):
        return "who blackened what belongs to others does not approve the same case"
    return ""


def releasing(who: str, asked: str | None, over: bool) -> str:
    """Why a hold is not released yet; empty where it is. `asked`: who asked for it before; `over`:
    its time has ended, and nothing goes early with it.
    """
    if over or not (asked is None or _same(asked, who)):
        return ""
    return "what a hold keeps goes early when it is released: another has to do it as well"


def redacting(who: str, did: Iterable[Did]) -> str:
    """Why `who` may not blacken in a case; empty where nothing stands against it."""
    if any(_same(d.who, who) and d.act == "approved" for d in did):
        return "who approved a case does not blacken in it"
    return ""


def _same(one: str, other: str) -> bool:
    """Whether two names are one: a capital letter or a space makes nobody another person."""
    return _folded(one) == _folded(other)


def _folded(who: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", who).casefold().split())


def is_large(rows: int, threshold: int) -> bool:
    """Whether a plan destroys more rows than one person answers for."""
    return rows > threshold


def grantable(role: str, held: Set[str]) -> str:
    """Why a role may not be added to those held; empty where it may."""
    met = together({*held, role})
    return "" if met is None or role not in met[0] else f"`{met[0][0]}` and `{met[0][1]}`: {met[1]}"
