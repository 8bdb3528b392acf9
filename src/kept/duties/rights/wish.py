"""What a correction is to put right: sealed with its case, until it is."""

from __future__ import annotations

from typing import Final

from kept.controller import Controller, Place
from kept.model.values import Value
from kept.records.case import Case

#: Under which name it is sealed.
WISH: Final = "wanted"


def wished(controller: Controller, case: Case) -> tuple[Place, str, Value, Value] | None:
    """Where (place, field) a correction puts which value (wrong, right); None once it is over."""
    sealed = controller.cases.sealed_keys(case, WISH)
    if sealed is None:
        return None
    ((_, (system, dataset, name, wrong, right)),) = sealed[WISH].rows
    return (str(system), str(dataset)), str(name), wrong, right
