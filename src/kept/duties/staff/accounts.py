"""Who may use the desk: accounts made, roles given and taken, and both looked at again.

Every change is one transaction with its entry in the ledger, which knows the account by its id
and holds of a reason the keyed hash alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from pathlib import Path
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.staff.login import changed
from kept.errors import ConfigError, Denied, UsageError
from kept.ledger.entry import Entry, moment, name
from kept.private import make_private
from kept.records.account import BROKEN, FIRST_GOOD, OFFICER, Account
from kept.records.password import hashed, once
from kept.terms import separation
from kept.terms.identifiers import Identifier

#: Where `kept new` leaves the first officer until Kept's database is first opened.
FIRST: Final = "first-officer.json"
_BY_NEW: Final = "made with the deployment"


def add(
    controller: Controller, account: str, shown: str, roles: list[str], why: str,
    by: Account | None, now: dt.datetime,
) -> tuple[Account, str]:  # fmt: skip
    """Make an account; with it the password for the first login, which is shown once."""
    lasting(controller, by, now)
    _apart(roles, frozenset())
    password = once()
    hash_ = hashed(password)
    with controller.database.connection() as c:
        made = controller.accounts.add(account, shown, hash_, now, connection=c)
        entries = [changed(made, "made", by, now)]
        for role in dict.fromkeys(roles):
            entries.append(_grant(controller, made, role, why, by, now, c))
        controller.ledger.append_in(c, entries)
        return controller.accounts.get(made.number, now, connection=c), password


def grant(
    controller: Controller, to: Account, role: str, why: str, by: Account | None, now: dt.datetime
) -> None:
    """Give a role. Nobody gives himself one; roles that are kept apart are not held together."""
    said(why)
    if by is not None and by.number == to.number:
        raise Denied("nobody gives himself a role", fix="ask another privacy officer")
    lasting(controller, by, now)
    with controller.database.connection() as c:
        _alone(c)
        to = controller.accounts.get(to.number, now, connection=c)
        if role in to.roles:
            raise UsageError("the account has that role already; nothing was changed")
        _apart([role], to.roles)
        entry = _grant(controller, to, role, why, by, now, c)
        controller.ledger.append_in(c, [entry])


def _grant(
    controller: Controller, to: Account, role: str, why: str, by: Account | None,
    now: dt.datetime, c: Connection,
) -> Entry:  # fmt: skip
    controller.accounts.grant(to, role, why, by, now, connection=c)
    return changed(to, "role-granted", by, now, role=role, reason=controller.digest(why.encode()))


def revoke(
    controller: Controller, of: Account, role: str, why: str, by: Account | None, now: dt.datetime
) -> None:
    """Take a role away, at once: also from whoever is logged in."""
    said(why)
    with controller.database.connection() as c:
        _alone(c)
        if not controller.accounts.revoke(of, role, by, now, connection=c):
            raise UsageError("the account does not have that role; nothing was changed")
        _somebody_left(controller, now, c)
        reason = controller.digest(why.encode())
        entry = changed(of, "role-revoked", by, now, role=name(role), reason=reason)
        controller.ledger.append_in(c, [entry])


def disable(
    controller: Controller, of: Account, why: str, by: Account | None, now: dt.datetime
) -> None:
    """Nobody logs in with the account any more, and whoever is logged in with it is out."""
    said(why)
    if of.disabled_at is not None:
        raise UsageError("the account is disabled already; nothing was changed")
    with controller.database.connection() as c:
        _alone(c)
        controller.accounts.disable(of, now, connection=c)
        controller.sessions.end_all(of, connection=c)
        _somebody_left(controller, now, c)
        reason = controller.digest(why.encode())
        controller.ledger.append_in(c, [changed(of, "disabled", by, now, reason=reason)])


def enable(
    controller: Controller, of: Account, why: str, by: Account | None, now: dt.datetime
) -> None:
    """The account may be used again."""
    said(why)
    lasting(controller, by, now)
    if of.disabled_at is None:
        raise UsageError("the account is not disabled; nothing was changed")
    with controller.database.connection() as c:
        controller.accounts.disable(of, None, connection=c)
        reason = controller.digest(why.encode())
        controller.ledger.append_in(c, [changed(of, "enabled", by, now, reason=reason)])


def reset(
    controller: Controller, of: Account, why: str, by: Account | None, now: dt.datetime
) -> str:
    """Password, second proof, recovery codes and a login from elsewhere are void; the password for
    the next login, which is shown once.
    """
    said(why)
    lasting(controller, by, now)
    password = once()
    hash_ = hashed(password)
    with controller.database.connection() as c:
        controller.accounts.set_password(of, hash_, connection=c, until=now + FIRST_GOOD)
        controller.accounts.unproven(of, connection=c)
        controller.links.remove(of, connection=c)
        controller.sessions.end_all(of, connection=c)
        controller.attempts.forget_name(of.name, connection=c)
        reason = controller.digest(why.encode())
        controller.ledger.append_in(c, [changed(of, "reset", by, now, reason=reason)])
    return password


def remind_at(
    controller: Controller, of: Account, address: str, by: Account | None, now: dt.datetime
) -> None:
    """Where somebody is reminded of what is to be done; "": nowhere. IdentifierError for what is
    no address of mail.
    """
    found = Identifier("email", address.strip()) if address.strip() else None
    mail = found.normalised and found.value if found else None
    with controller.database.connection() as c:
        controller.accounts.set_mail(of, mail, connection=c)
        controller.ledger.append_in(c, [changed(of, "reminded-at", by, now)])


def break_glass(
    controller: Controller, account: Account, role: str, why: str, now: dt.datetime
) -> dt.datetime:
    """Take a role for an hour in an emergency; until when. Officers see it until they say so.

    What is kept apart stays apart.
    """
    said(why)
    with controller.database.connection() as c:
        _alone(c)
        account = controller.accounts.get(account.number, now, connection=c)
        if role in account.roles:
            raise UsageError("you have that role already; nothing was changed")
        _apart([role], account.roles)
        until = now + BROKEN
        controller.accounts.grant(account, role, why, account, now, connection=c, until=until)
        entry = changed(
            account, "glass-broken", account, now, role=name(role), until=moment(until),
            reason=controller.digest(why.encode()),
        )  # fmt: skip
        controller.ledger.append_in(c, [entry])
    return until


def review(controller: Controller, grants: list[int], by: Account, now: dt.datetime) -> int:
    """An officer looked at these grants and they are right; how many were noted.

    His own another officer looks at, where there is one; what he took in an emergency always.
    """
    with controller.database.connection() as c:
        alone = officers(controller, now, c) <= {by.number}
        done = controller.accounts.reviewed(grants, by, now, own=alone, connection=c)
        entry = Entry("access.reviewed", now, {"by": by.id, "grants": done})
        controller.ledger.append_in(c, [entry])
    return done


def see_alert(controller: Controller, number: int, by: Account, now: dt.datetime) -> None:
    """An officer looked into an alert; nobody closes the one about himself."""
    with controller.database.connection() as c:
        if not controller.watch.seen(number, by, now, connection=c):
            raise UsageError(
                "there is no such alert that you could close; nothing was changed",
                fix="one about yourself is closed by another officer",
            )
        controller.ledger.append_in(c, [changed(by, "alert-seen", by, now, count=number)])


# — the first officer —————————————————————————————————————————————————————————————————————————


def write_first(directory: Path, account: str, shown: str, now: dt.datetime) -> str:
    """Leave a first officer in the key directory of a new deployment; the password, shown once.

    Kept's database is not there yet; the account is made when it is first opened.
    """
    password = once()
    keys = directory / "keys"
    make_private(keys)
    document = {
        "name": account, "shown": shown, "password": hashed(password), "made_at": now.isoformat()
    }  # fmt: skip
    handle = os.open(keys / FIRST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(document, file)
    return password


def first_officer(controller: Controller, directory: Path, now: dt.datetime) -> Account | None:
    """Make the officer whom `kept new` left, where there is no account yet; None: nothing to do.

    Raises ConfigError where the file is not as it was written.
    """
    path = directory / "keys" / FIRST
    try:
        document = json.loads(path.read_text("utf-8"))
        made_at = dt.datetime.fromisoformat(document["made_at"])
        account, shown, hash_ = (str(document[key]) for key in ("name", "shown", "password"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(
            "the first officer of this deployment cannot be read",
            where=str(path),
            fix="remove that file, and make one: `kept account add NAME --role privacy-officer`",
        ) from None
    officer = None
    with controller.database.connection() as c:
        _alone(c)
        if not controller.accounts.all(now, connection=c):
            officer = controller.accounts.add(account, shown, hash_, made_at, connection=c)
            entry = _grant(controller, officer, OFFICER, _BY_NEW, None, now, c)
            controller.ledger.append_in(c, [changed(officer, "made", None, now), entry])
    with contextlib.suppress(OSError):
        path.unlink()
    return officer


def _alone(c: Connection) -> None:
    """Nobody else makes, disables or changes accounts until the transaction ends."""
    c.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")


def _apart(roles: list[str], held: frozenset[str]) -> None:
    met = separation.together({*roles, *held})
    if met is not None:
        raise Denied(
            f"`{met[0][0]}` and `{met[0][1]}` are kept apart: {met[1]}",
            fix="give one of them to another account",
        )


def _somebody_left(controller: Controller, now: dt.datetime, c: Connection) -> None:
    """There is always an officer: without one nobody would see an alert."""
    if not officers(controller, now, c):
        raise Denied(
            "nobody would be left who answers for it; nothing was changed",
            fix=f"give the role `{OFFICER}` to another account first",
        )


def officers(controller: Controller, now: dt.datetime, c: Connection | None = None) -> set[int]:
    """Numbers of the accounts that answer for it for good, not in an emergency alone."""
    living = {a.number for a in controller.accounts.all(now, connection=c) if not a.disabled_at}
    grants = controller.accounts.grants(living=now, connection=c)
    return {g.account for g in grants if g.role == OFFICER and g.until is None} & living


def lasting(controller: Controller, by: Account | None, now: dt.datetime) -> None:
    """Who has the role for an hour only closes doors with it; he opens none that stay open."""
    if by is not None and by.number not in officers(controller, now):
        raise Denied(
            "a role that was taken in an emergency gives nobody else access",
            fix="ask a privacy officer; an account can be disabled, and a role taken away",
        )


def said(why: str) -> None:
    """UsageError where the reason of a change is missing."""
    if not any(c.isalnum() for c in why) or len(why) > 500:
        raise UsageError("the reason is missing", expected="up to 500 letters, which are recorded")
