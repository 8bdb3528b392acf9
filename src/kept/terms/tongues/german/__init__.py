"""German: every sentence of ours for people, by the English one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kept.terms.tongues.german import asking, forms, labels, pages

_ROOMS: Final = (pages, asking, forms, labels)

SAID: Final[Mapping[str, str]] = {k: v for room in _ROOMS for k, v in room.SAID.items()}
#: By the English plural: one of it, several.
FORMS: Final[Mapping[str, Sequence[str]]] = pages.FORMS
MONTHS: Final = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
    "Oktober", "November", "Dezember",
)  # fmt: skip
