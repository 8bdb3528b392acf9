"""`kept links`: where the policy sends people, and whether somebody is there."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, moment, opened
from kept.app.output import table
from kept.controller import Controller
from kept.duties import visits
from kept.duties.visits.links import DEAD
from kept.terms.words import many

group = App(name="links", help="Where the policy sends people, and whether somebody is there.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command(name="list")
def list_(*, common: Common = COMMON) -> int:
    """Every link of the policy, and how it stood when it was last looked at."""
    with opened(common) as (controller, _):
        rows = _rows(controller)
    words = [table(("link", "clause", "leads to", "looked at", "it"), [_cells(r) for r in rows])]
    common.out.result({"links": rows}, words)
    return 0


@group.command
def look(
    *,
    now: Annotated[str | None, Parameter(help="the moment of it (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Look at the links whose hosts kept.toml names: [links] look = ["optout.aboutads.info"]."""
    at = moment(now)
    with opened(common) as (controller, _):
        seen = visits.links.look(controller, at)
        if seen:
            controller.ledger.checkpoint(at)
        rows = [r for r in _rows(controller) if r["link"] in {one.link for one in seen}]
    dead = [one for one in seen if one.outcome in DEAD]
    words: list[Any] = [
        table(("link", "clause", "leads to", "looked at", "it"), [_cells(r) for r in rows])
    ]
    if not seen:
        words = ["No link was looked at: kept.toml names no host in [links] look."]
    elif dead:
        words.append(f"{many(len(dead), 'link')} lead to nobody. See `kept prove`.")
    common.out.result({"looked": rows, "dead": len(dead)}, words)
    return 1 if dead else 0


def _rows(controller: Controller) -> list[dict[str, Any]]:
    looks = controller.visits.looks()
    rows = []
    for link in controller.bundle.links.values():
        look = looks.get(link.id)
        rows.append(
            {
                "link": link.id,
                "clause": link.clause,
                "url": link.url,
                "at": look.at.isoformat() if look else None,
                "outcome": look.outcome if look else None,
            }
        )
    return rows


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["link"], row["clause"], row["url"] or "(no address yet)", (row["at"] or "")[:10],
        row["outcome"] or "not looked at",
    )  # fmt: skip
