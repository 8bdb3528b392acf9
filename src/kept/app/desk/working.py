"""What pages of the desk have in common: in which role somebody acts, and work that goes on while
a page is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from litestar.datastructures import State

from kept.app.desk.guard import Asked, session
from kept.app.surface import roles_of
from kept.controller import Controller
from kept.duties.rights import casework
from kept.duties.rights.clock import Standing
from kept.duties.staff import owed
from kept.duties.staff.owed import About
from kept.errors import Denied
from kept.policy import render
from kept.records.actor import ROLES, Actor
from kept.terms.clocks import Light

#: Cases that are carried out at one time; seconds for which the answer to a press waits for the
#: end, so that what is quick is seen done; and for which a server that stops waits.
_AT_ONCE: Final = 2
_GLANCE: Final = 2.0
_PATIENCE: Final = 30.0
_pool: Final = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="kept desk")
_under_way: Final[set[Future[None]]] = set()


def carry_out(
    controller: Controller, case: str, actor: Actor, clock: Callable[[], dt.datetime],
    *, erase: bool = False, alone: str | None = None, seen: int | None = None,
) -> None:  # fmt: skip
    """Carry out a case that was claimed, in the background; waits a moment for the end."""
    future = _pool.submit(
        casework.carry_out, controller, case, actor, clock, erase=erase, alone=alone, seen=seen
    )
    _under_way.add(future)
    future.add_done_callback(_under_way.discard)
    wait([future], _GLANCE)


def finish() -> None:
    """Wait for what is under way, before a server stops; what is cut off goes on by a press."""
    wait(set(_under_way), _PATIENCE)


def may(request: Asked, command: str, roles: Set[str] | None = None) -> bool:
    """Whether one of the roles of whoever asks may use a command; with `roles`, of those."""
    return _acting(session(request).account.roles if roles is None else roles, command) is not None


def counting(request: Asked, state: State, one: About) -> frozenset[str]:
    """The roles of whoever asks that count for a case, a request or a complaint."""
    return owed.counting(state.controller, session(request).account.roles, one, state.clock())


def actor(request: Asked, state: State, command: str | None = None) -> Actor:
    """Whoever asks, in the role in which he may use the command; Denied where he has none."""
    role = _acting(session(request).account.roles, command)
    if role is None:
        allowed = ", ".join(sorted(roles_of(command or "") - {"operator"}))
        raise Denied("your roles do not let you do that", fix=f"ask somebody who is {allowed}")
    controller: Controller = state.controller
    return controller.actors.of(session(request).account.name, role, state.clock())


def _acting(held: Set[str], command: str | None) -> str | None:
    allowed = roles_of(command) if command else frozenset[str]()
    return next((r for r in ROLES if r in held and (not allowed or r in allowed)), None)


def sentences(controller: Controller) -> Mapping[str, int]:
    """Clause → number of the first sentence that carries it, as `/privacy` numbers them."""
    found: dict[str, int] = {}
    number = 0
    for section in render.render(controller.bundle):
        for block in section.blocks:
            for unit in block.units:
                number += 1
                for clause in unit.clauses:
                    found.setdefault(clause, number)
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """How near a day is: a shape (by the name of its picture) and words."""

    shape: str
    words: str


def nearness(one: Standing) -> Shown:
    """How a case stands that is still to be answered."""
    if one.paused and one.light is not Light.OVERDUE:
        return Shown("paused", "stands still")
    return near(one.light, one.left)


def near(light: Light, left: int) -> Shown:
    """How near a day is that is `left` working days ahead, or so many days past."""
    many = f"{abs(left)} day" + ("" if abs(left) == 1 else "s")
    if light is Light.OVERDUE:
        return Shown("late", f"late by {many}")
    if left <= 0:
        return Shown("soon", "today")
    working = many.replace("day", "working day")
    words = {Light.GREEN: "in good time", Light.AMBER: "soon", Light.RED: "nearly late"}[light]
    shape = {Light.GREEN: "fine", Light.AMBER: "soon", Light.RED: "hurry"}[light]
    return Shown(shape, f"{words}, {working}")
