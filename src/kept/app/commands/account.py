"""`kept account`: who of the staff may use the desk. Whoever runs this machine may do it all;
each act is recorded as done on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, moment, opened, said
from kept.app.output import table
from kept.controller import Controller
from kept.duties import staff
from kept.errors import UsageError
from kept.records.account import STAFF, Account

group = App(name="account", help="Who of the staff may use the desk, and in which roles.")

Roles = Annotated[
    list[str] | None,
    Parameter(name="--role", help=f"a role; may stand several times: {', '.join(STAFF)}",
              negative=""),
]  # fmt: skip
Role = Annotated[str, Parameter(name="--role", help="the role")]
Why = Annotated[str, Parameter(help="why; recorded")]
Now = Annotated[str | None, Parameter(help="the moment to act at (for tests)")]


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def add(
    name: str,
    /,
    *,
    role: Roles = None,
    shown: Annotated[str | None, Parameter(help="the name as others see it")] = None,
    why: Why = "made on the machine",
    now: Now = None,
    common: Common = COMMON,
) -> int:
    """Make an account. The password for the first login is made here and shown once."""
    with _opened(common, now) as controller:
        made, password = staff.add(
            controller, name, shown or name, role or [], said(why, "--why"), None, moment(now)
        )
    return _password(common, made, password)


@group.command(name="list")
def list_command(*, now: Now = None, common: Common = COMMON) -> int:
    """Every account with its roles, and when it was last seen."""
    at = moment(now)
    with _opened(common, now) as controller:
        accounts = controller.accounts.all(at)
    rows = [
        (a.name, ", ".join(sorted(a.roles)) or "–", _state(a),
         f"{a.last_seen:%Y-%m-%d}" if a.last_seen else "never")
        for a in accounts
    ]  # fmt: skip
    words: list[str] = (
        [table(("name", "roles", "state", "last seen"), rows)] if rows else ["No accounts."]
    )
    common.out.result({"accounts": [_document(a) for a in accounts]}, words)
    return 0


@group.command
def grant(
    name: str, /, *, role: Role, why: Why, now: Now = None, common: Common = COMMON
) -> int:  # fmt: skip
    """Give an account a role."""
    with _opened(common, now) as controller:
        staff.grant(controller, _named(controller, name, now), role, said(why, "--why"), None,
                    moment(now))  # fmt: skip
    return _done(common, name, f"has the role {role} now")


@group.command
def revoke(
    name: str, /, *, role: Role, why: Why, now: Now = None, common: Common = COMMON
) -> int:  # fmt: skip
    """Take a role away; it ends at once, also for whoever is logged in."""
    with _opened(common, now) as controller:
        staff.revoke(controller, _named(controller, name, now), role, said(why, "--why"), None,
                     moment(now))  # fmt: skip
    return _done(common, name, f"does not have the role {role} any more")


@group.command
def disable(name: str, /, *, why: Why, now: Now = None, common: Common = COMMON) -> int:
    """Nobody uses the account any more; whoever is logged in with it is out."""
    with _opened(common, now) as controller:
        staff.disable(controller, _named(controller, name, now), said(why, "--why"), None,
                      moment(now))  # fmt: skip
    return _done(common, name, "is disabled")


@group.command
def enable(name: str, /, *, why: Why, now: Now = None, common: Common = COMMON) -> int:
    """The account may be used again."""
    with _opened(common, now) as controller:
        staff.enable(controller, _named(controller, name, now), said(why, "--why"), None,
                     moment(now))  # fmt: skip
    return _done(common, name, "can be used again")


@group.command
def reset(name: str, /, *, why: Why, now: Now = None, common: Common = COMMON) -> int:
    """Void password, second proof and recovery codes; the next password is shown once."""
    with _opened(common, now) as controller:
        of = _named(controller, name, now)
        password = staff.reset(controller, of, said(why, "--why"), None, moment(now))
    return _password(common, of, password)


@group.command
def mail(
    name: str,
    address: Annotated[str, Parameter(help="where; leave it out for nowhere")] = "",
    /,
    *,
    now: Now = None,
    common: Common = COMMON,
) -> int:
    """Say where somebody is reminded of what is to be done; such mail names no person."""
    with _opened(common, now) as controller:
        of = _named(controller, name, now)
        staff.remind_at(controller, of, address, None, moment(now))
    return _done(common, name, "is reminded there" if address else "is reminded nowhere")


@group.command
def link(
    name: str,
    /,
    *,
    word: Annotated[str, Parameter(help="by which the provider knows its owner (`sub`)")],
    why: Why,
    now: Now = None,
    common: Common = COMMON,
) -> int:
    """Let an account log in through the provider of [login.oidc]."""
    with _opened(common, now) as controller:
        staff.link(controller, _named(controller, name, now), word, said(why, "--why"), None,
                   moment(now))  # fmt: skip
    return _done(common, name, "can log in through the provider")


@group.command
def unlink(name: str, /, *, why: Why, now: Now = None, common: Common = COMMON) -> int:
    """The account logs in through the provider no more; whoever is logged in with it is out."""
    with _opened(common, now) as controller:
        staff.unlink(controller, _named(controller, name, now), said(why, "--why"), None,
                     moment(now))  # fmt: skip
    return _done(common, name, "logs in through the provider no more")


@contextmanager
def _opened(common: Common, now: str | None) -> Iterator[Controller]:
    with opened(common) as (controller, config):
        staff.first_officer(controller, config.directory, moment(now))
        yield controller


def _named(controller: Controller, name: str, now: str | None) -> Account:
    found = controller.accounts.named(name, moment(now))
    if found is None:
        raise UsageError("there is no such account", fix="see `kept account list`")
    return found


def _password(common: Common, of: Account, password: str) -> int:
    words: list[str] = [
        table(("", ""), [("name", of.name), ("password", password)]),
        "",
        "It is shown this once, is good for seven days and has to be changed at the first login.",
    ]
    common.out.result({**_document(of), "password": password}, words)
    return 0


def _done(common: Common, name: str, what: str) -> int:
    common.out.result({"account": name, "done": True}, [f"The account {name} {what}."])
    return 0


def _state(of: Account) -> str:
    if of.disabled_at is not None:
        return "disabled"
    if of.changes:
        return "first password"
    return "in use" if of.enrolled else "no second proof"


def _document(of: Account) -> dict[str, Any]:
    return {
        "id": of.id,
        "name": of.name,
        "roles": sorted(of.roles),
        "state": _state(of),
        "last_seen": of.last_seen.isoformat() if of.last_seen else None,
    }
