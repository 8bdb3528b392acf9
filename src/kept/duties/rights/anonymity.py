"""What proves that rows which were made anonymous are no longer anybody's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control


@control("rights.anonymised-is-nobodys")
def anonymised_is_nobodys(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No row that was made anonymous is rare, or holds what could lead to a person.

    Looks at all rows of nobody of every dataset that is made anonymous, whoever made them so.
    """
    for one in controller.anonymous():
        where = f"{one.system}.{one.dataset}"
        if one.problem is not None:
            yield Finding(where, f"it could not be looked at: {one.problem}")
            continue
        if one.alone:
            yield Finding(
                where,
                f"{one.alone} rows of nobody are like too few others",
                "generalise more in the map, and empty these rows",
            )
        if one.naming:
            yield Finding(
                where,
                f"{one.naming} rows of nobody hold an address or a hash",
                "suppress that field in the map, and empty these rows",
            )
        yield Looked(one.rows, where, one.system)
