"""`kept preferences`: links by which people take back what they allowed."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, opened
from kept.duties.preferences import letters
from kept.terms.identifiers import parse

group = App(name="preferences", help="Links by which people take back what they allowed.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def link(
    *,
    identity: Annotated[
        str, Parameter(help="to whom the letter goes, as email=name@example.org", negative="")
    ],
    purpose: Annotated[
        str, Parameter(help="what the one press stops (default: all advertising)")
    ] = "",
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Links for one letter: the page of its reader, and the headers for one press (RFC 8058).

    Whoever has the first sees what she chose: give it to nobody but her.
    """
    with opened(common, "preferences link", acting.role) as (controller, _):
        made = letters.links(controller, parse(identity), acting.moment, purpose)
    words = [
        f"Her page:      {made.preferences}",
        f"One press:     {made.unsubscribe}",
        "In the head of the letter:",
        *(f"  {name}: {value}" for name, value in made.headers.items()),
    ]
    common.out.result(
        {"preferences": made.preferences, "unsubscribe": made.unsubscribe,
         "headers": made.headers}, words,
    )  # fmt: skip
    return 0
