"""`kept retain`: what nothing keeps any more goes, without being asked again."""

from __future__ import annotations

from cyclopts import App

from kept.app.commands.common import ACTING, COMMON, Acting, Common, opened
from kept.app.commands.rights import modes_of, notes, step_table
from kept.duties.rights import due_today, expire, forgetting, keeping
from kept.duties.visits import views
from kept.terms.words import many

group = App(name="retain", help="What a law or a hold kept, and when it goes.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def plan(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """What would go today because no law and no hold keeps it any more; nothing is written."""
    with opened(common, "retain plan", acting.role) as (controller, _):
        answer = due_today(controller, acting.moment)
        held = forgetting.held(controller, acting.moment)
        modes = modes_of(controller, answer.steps)
    groups = many(answer.ended, "group")
    lost = f"{groups} of rows lost what kept them."
    words = [lost, ""] if answer.ended else ["Nothing would go today."]
    if answer.steps:
        words += [step_table(answer.steps, modes, planned=True), ""]
    words += notes(answer.unreached, answer.warnings)
    if answer.ended:
        words.append(f"To let them go: {common.next('retain', 'run')}")
    words += keeping.words(held, forgetting.STAY)
    document = {**answer.document(), "executed": False, "desk_held": keeping.documents(held)}
    common.out.result(document, words)
    return 1 if answer.unreached else 0


@group.command
def run(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Let go what no law and no hold keeps any more; `kept serve` does it every day by itself."""
    with opened(common, "retain run", acting.role) as (controller, _):
        answer = expire(controller, acting.moment)
        gone = forgetting.forget(controller, acting.moment)
        views_gone = views.forget(controller, acting.moment)
        held = forgetting.held(controller, acting.moment)
        controller.ledger.checkpoint(acting.moment)
        modes = modes_of(controller, answer.steps)
    words = []
    if answer.steps:
        words += [step_table(answer.steps, modes, planned=False), ""]
    words += notes(answer.unreached, answer.warnings)
    words.append(
        f"{many(answer.ended, 'group')} of rows lost what kept them: {answer.gone} gone,"
        f" {answer.renewed} kept on for another reason."
    )
    words += [f"Of the desk itself: {n:,} {forgetting.WORDS[what]}." for what, n in gone.items()]
    if views_gone:
        words.append(f"Of views of pages: {views_gone:,} past the time of their class.")
    words += keeping.words(held, forgetting.STAY)
    if not answer.complete:
        left = answer.ended - answer.gone - answer.renewed
        again = common.next("retain", "run")
        words.append(f"Not complete: {left} still to go. Mend what is named, then: {again}")
    document = {
        **answer.document(), "executed": True, "desk": gone, "views": views_gone,
        "desk_held": keeping.documents(held),
    }  # fmt: skip
    common.out.result(document, words)
    return 0 if answer.complete else 1
