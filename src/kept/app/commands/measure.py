"""`kept measure`: what guards the data, how each measure is checked, and how it stands."""

from __future__ import annotations

from cyclopts import App

from kept.app.commands.common import ACTING, COMMON, Acting, Common, opened
from kept.controls.history import latest
from kept.duties import measures
from kept.terms.words import many

group = App(name="measure", help="What guards people's data, and how each measure is checked.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command(name="list")
def list_command(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Every measure: what it guards against, how it is checked, and how it stands.

    What controls check stands as `kept prove` met it last; the rest is looked at now. Exit status
    1: one does not hold, or nobody knows.
    """
    now = acting.moment
    with opened(common, "measure list", acting.role) as (controller, _):
        ran = {one.control: one for one in latest(controller)}
        rows = measures.standings(controller, now, ran.get)
    words: list[str] = []
    for one in rows:
        words += [
            f"{one.measure.id}: {one.measure.title}",
            f"  guards   against {', '.join(one.measure.guards)} without right",
            f"  check    {one.measure.check}",
        ]
        for seen in one.amiss:
            words.append(f"  stands   {'NOT KNOWN' if seen.unasked else 'AMISS'}: {seen.words}")
            words += [f"           {seen.fix}"] * bool(seen.fix)
        if not one.amiss:
            words.append(f"  stands   {one.words}")
        if one.measure.word is None:
            words.append(
                f"  checked  {one.at:%Y-%m-%d %H:%M} UTC" if one.at else "  checked  never"
            )
        words.append("")
    bad = sum(one.holds is False for one in rows)
    never = sum(one.at is None and one.word is None and one.holds is None for one in rows)
    end = f"{many(len(rows), 'measure')}, " + (f"{bad} to mend." if bad else "none to mend.")
    if never:
        end += f" {never} were never checked: {common.next('prove')}"
    common.out.result({"measures": [one.document() for one in rows]}, [*words, end])
    return 1 if bad else 0
