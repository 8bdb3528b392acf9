"""`kept authorities`: where people can complain, country by country."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common
from kept.app.fit import Exact
from kept.app.output import table
from kept.errors import UsageError
from kept.terms.authorities import BY, Authority, countries, directory, of_country


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(authorities)


def authorities(
    country: Annotated[
        str | None, Parameter(help="two letters, as DE (ISO 3166); without it all are listed")
    ] = None,
    /,
    *,
    common: Common = COMMON,
) -> int:
    """The data protection authorities to which people can complain; needs no deployment."""
    if country is None:
        words = [
            table(
                ("code", "where", "authority"),
                [(one.code, one.place, one.name) for one in directory()],
            )
        ]
        common.out.result({"authorities": [one.document() for one in directory()]}, words)
        return 0
    found = of_country(country)
    if not found:
        raise UsageError(
            "the directory has no authority of that country",
            expected=f"one of {', '.join(countries())}",
        )
    lines: list[str] = []
    for one in found:
        lines += [*([""] if lines else []), *_said(one)]
    common.out.result({"authorities": [one.document() for one in found]}, lines)
    return 0


def _said(one: Authority) -> list[str]:
    covers = f" (for {one.covers})" if one.covers else ""
    lines = [f"{one.place}{covers}:", *map(Exact, one.lines())]
    lines += [one.note] if one.note else []
    return [*lines, f"Looked at on {one.checked_on}. {BY[one.by]}", *map(Exact, one.sources)]
