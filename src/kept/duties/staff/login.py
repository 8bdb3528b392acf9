"""How somebody gets in: name and password, then a code; and how each of them is replaced.

Whoever gets it wrong is told one thing only, whatever was wrong: the name, the password, the
account, or that too many tries failed. The same work is done for every try that counts; it is
counted before it is looked at, so that many at once are no way around.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from kept.controller import Controller
from kept.database import Connection
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry
from kept.records import totp
from kept.records.account import Account
from kept.records.password import NOBODYS, hashed, verified
from kept.records.session import BOTH, Session
from kept.terms import passwords

Stage = Literal["full", "code", "password", "enrol"]


def stage(session: Session) -> Stage:
    """What a session may do: all that its roles allow, or the next step of its login alone."""
    if session.proven:
        return "full"
    if session.account.enrolled:
        return "code"
    return "password" if session.account.changes else "enrol"


def enter(
    controller: Controller, name: str, password: str, source: str, now: dt.datetime,
    before: Session | None = None,
) -> Session | None:  # fmt: skip
    """The first proof: a session that may give the second; None, for whatever reason.

    `before`: the session of the same browser, which ends with it.
    """
    tried = controller.attempts.take(name, source, now)
    if tried is None:
        return None  # whoever goes on all the same costs no work that others wait for
    account = controller.accounts.named(name, now)
    hash_ = controller.accounts.password(account) or NOBODYS
    right = verified(hash_, password[: passwords.LONGEST + 1])
    good = account is not None and account.disabled_at is None and not _over(account, now)
    if not right or not good or account is None:
        if tried == BOTH:
            _waits(controller, account, now)
        return None
    with controller.database.connection() as c:
        if controller.accounts.password(account, connection=c) != hash_:
            return None  # replaced while it was looked at: whoever knows the old one is out
        controller.attempts.forget(name, source, connection=c)
        if before is not None:
            controller.sessions.end(before, connection=c)
        return controller.sessions.begin(account, now, proven=False, connection=c)


def prove(
    controller: Controller, session: Session, given: str, source: str, now: dt.datetime
) -> Session | None:
    """The second proof: a session with a new token; None where the code is none.

    After too many tries the session of the first proof is over.
    """
    account = session.account
    name = f"{account.id}\0code"
    tried = controller.attempts.take(name, source, now)
    with controller.database.connection() as c:
        used = None if tried is None else _used(controller, account, given, now, c)
        if used is None:
            if tried is None or tried == BOTH:
                controller.sessions.end(session, connection=c)
            if tried == BOTH:
                controller.ledger.append_in(c, [entered(account, "waits", now)])
            return None
        controller.attempts.forget(name, source, connection=c)
        return _in(controller, session, used, now, c)


def _used(
    controller: Controller, account: Account, given: str, now: dt.datetime, c: Connection
) -> str | None:
    """Which proof was given and is now used up."""
    secret, last = controller.accounts.secret(account, connection=c)
    step = None if secret is None else totp.met(secret, given, now, last)
    if step is not None:
        controller.accounts.took(account, step, connection=c)
        return "code"
    return "recovery-code" if controller.accounts.use_code(account, given, connection=c) else None


def _in(
    controller: Controller, before: Session, how: str, now: dt.datetime, c: Connection
) -> Session:
    controller.sessions.end(before, connection=c)
    controller.accounts.seen(before.account, now, connection=c)
    account = controller.accounts.get(before.account.number, now, connection=c)
    made = controller.sessions.begin(account, now, proven=True, connection=c)
    controller.ledger.append_in(c, [entered(account, how, now)])
    return made


def leave(
    controller: Controller, session: Session, now: dt.datetime, *, everywhere: bool = False
) -> None:
    """Logout, here or everywhere."""
    with controller.database.connection() as c:
        controller.sessions.end(session, connection=c)
        if everywhere:
            controller.sessions.end_all(session.account, connection=c)
        what = "out-everywhere" if everywhere else "out"
        controller.ledger.append_in(c, [entered(session.account, what, now)])


def change_password(
    controller: Controller, session: Session, old: str | None, new: str, source: str,
    now: dt.datetime,
) -> Session:  # fmt: skip
    """Replace the password: every other session ends, this one gets a new token.

    `old` None: it was just given, and is one to be changed. Raises UsageError, which says what is
    wrong with the new one; Denied where the old one is not right.
    """
    account = session.account
    before = controller.accounts.password(account)
    if old is None:
        if stage(session) != "password":
            raise Denied("the password in use is missing")
    else:
        _again(controller, account, old, source, now)
    own = (controller.bundle.organisation.name, account.name, account.shown)
    if wrong := passwords.problem(new, own):
        raise UsageError(
            f"that cannot be a password: {wrong}",
            expected=f"at least {passwords.SHORTEST} signs that nobody guesses",
        )
    if before is not None and verified(before, new):
        raise UsageError("that is the password in use", expected="another one")
    hash_ = hashed(new)
    with controller.database.connection() as c:
        if controller.accounts.password(account, connection=c) != before:
            raise Denied("the password was replaced in the meantime", fix="log in again")
        controller.accounts.set_password(account, hash_, connection=c)
        if not account.enrolled:
            controller.accounts.offer_secret(account, connection=c)
        controller.sessions.end_all(account, connection=c)
        account = controller.accounts.get(account.number, now, connection=c)
        made = controller.sessions.begin(account, now, proven=session.proven, connection=c)
        controller.ledger.append_in(c, [changed(account, "password-changed", account, now)])
    return made


def offer(
    controller: Controller, session: Session, password: str, source: str, now: dt.datetime
) -> None:
    """Begin with another second proof; the one in use counts until `enrol`. Raises Denied."""
    _again(controller, session.account, password, source, now)
    with controller.database.connection() as c:
        controller.accounts.offer_secret(session.account, connection=c)


def enrol(
    controller: Controller, session: Session, given: str, now: dt.datetime
) -> tuple[Session, list[str]] | None:
    """The secret that was offered counts from now on: a proven session with a new token, and the
    recovery codes, to be shown once. None where the code is none of this secret's.
    """
    account = session.account
    with controller.database.connection() as c:
        secret, _ = controller.accounts.secret(account, offered=True, connection=c)
        step = None if secret is None else totp.met(secret, given, now, None)
        if step is None:
            return None
        codes = controller.accounts.enrol(account, step, connection=c)
        controller.sessions.end_all(account, connection=c, but=session)
        controller.sessions.end(session, connection=c)
        controller.accounts.seen(account, now, connection=c)
        account = controller.accounts.get(account.number, now, connection=c)
        made = controller.sessions.begin(account, now, proven=True, connection=c)
        controller.ledger.append_in(
            c, [changed(account, "second-proof-set", account, now), entered(account, "code", now)]
        )
    return made, codes


def new_codes(
    controller: Controller, session: Session, password: str, source: str, now: dt.datetime
) -> list[str]:
    """Recovery codes in the place of the old ones, to be shown once. Raises Denied."""
    _again(controller, session.account, password, source, now)
    with controller.database.connection() as c:
        codes = controller.accounts.new_codes(session.account, connection=c)
        entry = changed(session.account, "recovery-codes-made", session.account, now)
        controller.ledger.append_in(c, [entry])
    return codes


def _again(
    controller: Controller, account: Account, password: str, source: str, now: dt.datetime
) -> None:
    """Before something weighty the password is asked for again; tries count as at login."""
    tried = controller.attempts.take(account.name, source, now)
    hash_ = controller.accounts.password(account) or NOBODYS
    if tried is None or not verified(hash_, password[: passwords.LONGEST + 1]):
        if tried == BOTH:
            _waits(controller, account, now)
        raise Denied("the password in use was not right")
    with controller.database.connection() as c:
        controller.attempts.forget(account.name, source, connection=c)


def _over(account: Account, now: dt.datetime) -> bool:
    """Whether a password that somebody else knows was left for too long."""
    return account.good_until is not None and account.good_until <= now


def _waits(controller: Controller, account: Account | None, now: dt.datetime) -> None:
    # Also of a name that is nobody's: it takes as long.
    controller.ledger.append(entered(account, "waits", now))


def entered(account: Account | None, what: str, now: dt.datetime) -> Entry:
    """The entry of a login or logout; None: of nobody who is known."""
    whose = {} if account is None else {"account": account.id}
    return Entry("account.entered", now, {**whose, "what": what})


def changed(
    account: Account, what: str, by: Account | None, now: dt.datetime, **more: object
) -> Entry:
    """The entry of a change; `by` None: whoever runs the machine."""
    who = {} if by is None else {"by": by.id}
    return Entry("account.changed", now, {"account": account.id, "what": what, **who, **more})
