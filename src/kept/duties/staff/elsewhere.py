"""Login through the provider of the organisation, beside the one with a password here.

The provider says who somebody is; which account that means an officer has said, and which roles
it has is Kept's alone. What a login goes with follows by keyed hashes from a word that only the
browser has: nothing is stored until somebody is in, so strangers fill no table.
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import secrets
from dataclasses import dataclass

from kept.controller import Controller
from kept.duties.staff.accounts import lasting, said
from kept.duties.staff.login import changed, entered
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry
from kept.records.account import Account
from kept.records.linked import LASTS
from kept.records.session import Session
from kept.stores.provider import Pass, Provider

#: Where the provider sends somebody back to.
BACK = "/desk/login/elsewhere/back"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Somebody whom the provider knows by `word`, and who has no account here."""

    word: str


def provider(controller: Controller) -> Provider:
    """The provider of the deployment. UsageError where there is none."""
    if controller.provider is None:
        raise UsageError(
            "no other place to log in is set up",
            fix="log in with your password; see [login.oidc] in docs/how-to/let-staff-in.md",
        )
    return controller.provider


def begin(controller: Controller, now: dt.datetime) -> tuple[str, str]:
    """(the word that the browser keeps, the address at which to log in). Changes nothing.

    Raises UsageError where no provider is set up, StoreUnreachable where it cannot be asked.
    """
    met = provider(controller)
    word = f"{secrets.token_urlsafe(32)}.{int((now + LASTS).timestamp())}"
    return word, met.way(_pass(controller, met, word), now)


def come_back(
    controller: Controller, word: str, state: str, code: str, issuer: str | None, source: str,
    now: dt.datetime, before: Session | None = None,
) -> Session | Unknown:  # fmt: skip
    """Somebody comes back from the provider: a proven session, or by which word it knows him.

    Raises Denied where it was not begun in this browser, took too long, was taken before, or the
    provider's word does not hold; StoreUnreachable where it cannot be asked.
    """
    met = provider(controller)
    going = _pass(controller, met, word)
    until = word.rpartition(".")[2]
    late = not until.isdigit() or len(until) > 12 or now.timestamp() >= int(until)
    if not hmac.compare_digest(going.state.encode(), state.encode()) or late:
        raise Denied(
            "that login was not begun in this browser, or too long ago", fix="begin once more"
        )
    # Tries are counted by the network alone: of whom they are nobody knows yet.
    name = f"\0elsewhere\0{state}"
    if controller.attempts.take(name, source, now) is None:
        raise Denied("too many logins failed", fix="wait for a quarter of an hour")
    try:
        known_as = met.who(code, issuer or None, going, now)
    except Denied:
        controller.ledger.append(entered(None, "elsewhere-refused", now))
        raise
    with controller.database.connection() as c:
        if not controller.links.use(state, now, connection=c):
            raise Denied("that login was taken already", fix="begin once more")
        controller.attempts.forget(name, source, connection=c)
        account = controller.links.find(met.settings.issuer, known_as, now, connection=c)
        if account is None:
            return Unknown(known_as)
        if account.disabled_at is not None:
            raise Denied("the account is disabled", fix="ask a privacy officer")
        if before is not None:
            controller.sessions.end(before, connection=c)
        controller.accounts.seen(account, now, connection=c)
        made = controller.sessions.begin(account, now, proven=True, connection=c)
        controller.ledger.append_in(c, [entered(account, "elsewhere", now)])
    return made


def link(
    controller: Controller, of: Account, word: str, why: str, by: Account | None, now: dt.datetime
) -> None:
    """Let the provider's word for somebody mean this account. UsageError, Denied."""
    said(why)
    lasting(controller, by, now)
    issuer = provider(controller).settings.issuer
    if not 0 < len(word) <= 255 or not word.isascii() or not word.isprintable():
        raise UsageError(
            "that is no word by which a provider knows somebody",
            expected="what its owner is shown after logging in there, up to 255 signs",
        )
    with controller.database.connection() as c:
        controller.links.add(of, issuer, word, by, now, connection=c)
        controller.ledger.append_in(c, [_changed(controller, of, "linked", why, by, now)])


def unlink(
    controller: Controller, of: Account, why: str, by: Account | None, now: dt.datetime
) -> None:
    """The account logs in through the provider no more; whoever is in with it is out."""
    said(why)
    with controller.database.connection() as c:
        if not controller.links.remove(of, connection=c):
            raise UsageError("the account is not linked; nothing was changed")
        controller.sessions.end_all(of, connection=c)
        controller.ledger.append_in(c, [_changed(controller, of, "unlinked", why, by, now)])


def _changed(
    controller: Controller, of: Account, what: str, why: str, by: Account | None, now: dt.datetime
) -> Entry:
    return changed(of, what, by, now, reason=controller.digest(why.encode()))


def _pass(controller: Controller, met: Provider, word: str) -> Pass:
    """What a login goes with. It follows from the browser's word, and that not from it; with the
    provider's own name, so that an answer to another question is none to this one.
    """
    about = f"{met.settings.issuer}\0{met.settings.client}\0{word}".encode()

    def made(use: str) -> str:
        return base64.urlsafe_b64encode(controller.vault.mac(use, about)).rstrip(b"=").decode()

    back = f"{(controller.site_url or '').rstrip('/')}{BACK}"
    return Pass(made("login-state"), made("login-nonce"), made("login-verifier"), back)
