"""The registry: a control is a generator that yields what it looked at and what is amiss.

    @control("retention.nothing-overdue")
    def nothing_overdue(controller, now): ...
        yield Looked(rows, "customers.invoice")     # things examined, not rules
        yield Finding("customers.invoice", "3 rows are past their time")

Laws: a control that looked at nothing is `vacuous`, never a pass; it computes its answer by
another road than the duty it watches; its findings hold no personal data. A store that cannot be
asked is `unasked(where, problem)`: found nothing else amiss, the run is an `error`, never a pass
and no broken promise.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeAlias

from kept import __version__
from kept.controller import Controller
from kept.errors import StoreError, UsageError


@dataclass(frozen=True, slots=True)
class Looked:
    """`count` things were examined at `where` (a system, a dataset, a page, the ledger).

    `system` names the system of the map that was asked, where it was one.
    """

    count: int
    where: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing amiss, in words without personal data, and how to mend it.

    `unasked`: no fault, but a place that could not be looked at; so no promise is known broken.
    """

    where: str
    words: str
    fix: str = ""
    unasked: bool = False


def unasked(where: str, problem: StoreError) -> Finding:
    """What a control says of a store that it could not ask."""
    words = f"it could not be asked: {problem.what}"
    return Finding(where, words, problem.fix or "run it again once this is mended", unasked=True)


#: The controls of the pass that is under way, by name: what they come to is recorded at its end.
UNDER_WAY: Final[ContextVar[frozenset[str]]] = ContextVar("under_way", default=frozenset())

Check: TypeAlias = Callable[[Controller, dt.datetime], Iterator[Looked | Finding]]


@dataclass(frozen=True, slots=True)
class Control:
    """A named check. `sentence` is its docstring's first line: what it asserts."""

    name: str
    sentence: str
    check: Check

    @property
    def code(self) -> str:
        """SHA-256 (hex) over the package version and the source of the check's whole module.

        The whole module, because a check may call helpers beside it; the version stands for
        what it calls elsewhere.
        """
        module = sys.modules[self.check.__module__]
        source = inspect.getsource(module)
        return hashlib.sha256(f"{__version__}\n{self.name}\n{source}".encode()).hexdigest()


_CONTROLS: dict[str, Control] = {}


def control(name: str) -> Callable[[Check], Check]:
    """Register a check under `name` (`duty.what-it-asserts`)."""

    def register(check: Check) -> Check:
        doc = (inspect.getdoc(check) or "").strip().splitlines()
        if not doc:
            raise UsageError(
                f"the control `{name}` says not what it asserts", fix="give it a docstring"
            )
        if name in _CONTROLS:
            raise UsageError(f"the control `{name}` is registered twice", fix="rename one of them")
        _CONTROLS[name] = Control(name, doc[0], check)
        return check

    return register


def registered() -> Mapping[str, Control]:
    """All controls known by now, by name; `kept.duties.table` makes the shipped ones known."""
    return dict(sorted(_CONTROLS.items()))
