"""What can be reached from outside: one table of all routes and commands, with who may use them.

The table is handed to the Controller when it opens, so that controls can read it; tests hold
it against the real application and the real command line.
"""

from __future__ import annotations

from typing import Final

from kept.errors import Denied, UsageError
from kept.model.surface import Surface
from kept.records.actor import ROLES

_ANYONE: Final[frozenset[str]] = frozenset()
_PROGRAM: Final = frozenset({"program"})
_PERSON: Final = frozenset({"person"})
_ANSWERS: Final = frozenset({"operator", "privacy-officer", "approver"})
_HOLDS: Final = frozenset({"operator", "privacy-officer"})
_LINKS: Final = _ANSWERS | {"verifier"}
_DISCLOSES: Final = _ANSWERS | {"support"}


def _http(name: str, method: str = "GET", roles: frozenset[str] = _ANYONE) -> Surface:
    return Surface("http", name, method, roles, method not in ("GET", "HEAD", "OPTIONS"))


def _cli(name: str, roles: frozenset[str] = _ANYONE, *, changes: bool = False) -> Surface:
    return Surface("cli", name, "run", roles, changes)


ROUTES: Final = (
    _http("/"),
    _http("/privacy"),
    _http("/privacy/sentences/{number:int}"),
    _http("/privacy/versions"),
    _http("/privacy/versions/{version:str}"),
    _http("/privacy/authorities"),
    _http("/privacy/delivery/{token:str}"),
    _http("/privacy/delivery/{token:str}/package", "POST", _PERSON),
    _http("/privacy/delivery/{token:str}/code", "POST", _PERSON),
    _http("/assets/{name:str}"),
    _http("/health"),
    # Records what was decided; stores nothing about the person asked for.
    _http("/api/v1/decide", "POST", _PROGRAM),
    _http("/api/v1/schema/openapi.json"),
)

#: Empty roles: whoever may run commands on this machine.
COMMANDS: Final = (
    _cli("new", changes=True),
    _cli("doctor"),
    _cli("serve", changes=True),
    _cli("demo", changes=True),
    _cli("bench"),
    _cli("authorities"),
    _cli("policy check"),
    _cli("policy render"),
    _cli("policy diff"),
    _cli("policy publish", _ANSWERS, changes=True),
    _cli("map discover"),
    _cli("map check"),
    _cli("map show"),
    _cli("map places"),
    _cli("map import-fides", changes=True),
    _cli("rights access", _DISCLOSES, changes=True),
    _cli("rights erase", _ANSWERS, changes=True),
    _cli("rights pause", _ANSWERS, changes=True),
    _cli("rights port", _DISCLOSES, changes=True),
    _cli("rights rectify", _ANSWERS, changes=True),
    _cli("rights object", _DISCLOSES, changes=True),
    _cli("rights weigh", _ANSWERS, changes=True),
    _cli("rights withdraw", _DISCLOSES, changes=True),
    _cli("rights restrict", _DISCLOSES, changes=True),
    _cli("rights lift", _ANSWERS, changes=True),
    _cli("case list"),
    _cli("case show"),
    _cli("case answer", _DISCLOSES, changes=True),
    _cli("case deliver", _DISCLOSES, changes=True),
    _cli("case code", _DISCLOSES, changes=True),
    _cli("case deliveries", _DISCLOSES, changes=True),
    _cli("case refuse", _ANSWERS, changes=True),
    _cli("case withdraw", _DISCLOSES, changes=True),
    _cli("task list"),
    _cli("task send", _ANSWERS, changes=True),
    _cli("task done", _ANSWERS, changes=True),
    _cli("identity show", _LINKS),
    _cli("identity link", _LINKS, changes=True),
    _cli("identity unlink", _LINKS, changes=True),
    _cli("identity doubts", _LINKS),
    _cli("identity settle", _LINKS, changes=True),
    _cli("hold add", _HOLDS, changes=True),
    _cli("hold release", _HOLDS, changes=True),
    _cli("hold list"),
    _cli("retain plan", _ANSWERS),
    _cli("retain run", _ANSWERS, changes=True),
    _cli("prove", changes=True),
    _cli("ledger verify"),
    _cli("ledger export", changes=True),
    _cli("ledger checkpoint", changes=True),
)

SURFACES: Final = (*ROUTES, *COMMANDS)


def require(command: str, role: str) -> None:
    """Refuse a role that the table does not name for the command.

    Raises Denied; UsageError where there is no such role at all.
    """
    roles = next(s.roles for s in COMMANDS if s.name == command)
    if not roles or role in roles:
        return
    if role not in ROLES:
        raise UsageError("there is no such role", expected=f"one of {', '.join(ROLES)}")
    raise Denied(
        f"the role `{role}` may not use `kept {command}`",
        fix=f"ask somebody in one of the roles {', '.join(sorted(roles))}",
    )
