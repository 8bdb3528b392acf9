"""`kept release`: what goes out to partners and advertising networks, and back again."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cyclopts import App

from kept.app.commands.common import ACTING, COMMON, Acting, Common, interrupted, opened
from kept.app.output import table
from kept.controller import Controller
from kept.duties import release
from kept.duties.release import Planned, Ran, Recalled
from kept.duties.release.sending import WORDS
from kept.terms.words import many

group = App(
    name="release",
    help="What goes out to partners and advertising networks, and back again ([releases]).",
)


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def plan(name: str, /, *, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """What a run would do, in counts. Nothing is sent, and nothing is written."""
    with opened(common, "release plan", acting.role) as (controller, _):
        found = release.plan(controller, name, acting.moment)
        words = [_aim(controller, found), f"{found.new:,} to be sent, {found.again:,} once more,"
                 f" {found.there:,} there already."]  # fmt: skip
    words += _left(found.left)
    if found.back:
        words.append(f"To be taken back: {found.back:,}.")
    if not found.agreed:
        words.append(
            f"No agreement with `{found.release.to}` is in force: nothing goes before one stands in"
            f' kept.toml as [documents."agreement:{found.release.to}"].'
        )
    words.append(f"Nothing was sent yet. To send it: {common.next('release', 'run', name)}")
    common.out.result(_document(found), words)
    return 0


@group.command
def run(name: str, /, *, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Take back whom the recipient may not keep, then send whoever may go, each once.

    What was stopped goes on with the same command.
    """
    with opened(common, "release run", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, acting.moment)
        with interrupted() as stop, common.out.running(None, 0, "people") as tell:
            done = release.run(
                controller, name, actor, lambda: acting.moment, tell=tell, stop=stop
            )  # fmt: skip
        words = [_aim(controller, done)]
    words.append(
        f"{done.sent:,} people sent, of whom `{done.release.to}` confirmed"
        f" {done.confirmed:,}; {done.there:,} were there already."
    )
    waits = done.sent - done.confirmed - done.refused
    if waits:
        words.append(f"{waits:,} asked, not confirmed: the same command asks again.")
    if done.refused:
        words.append(f"{done.refused:,} it refused; see `url` and `secret` of the release.")
    words += _left(done.left) + _recalled(done.recalled)
    if done.stopped:
        words.append(f"It stopped: {done.stopped}. The same command goes on.")
    common.out.result(_document(done), words)
    return 0 if done.complete else 1


@group.command
def recall(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Ask everybody who has data of people that it may not keep to give it up, until it confirms.

    `kept serve` does this by itself every hour.
    """
    with opened(common, "release recall", acting.role) as (controller, _):
        done = release.recall(controller, lambda: acting.moment)
        controller.ledger.checkpoint(acting.moment)
    words = _recalled(done) or ["Nobody has to be taken back."]
    common.out.result(_back(done), words)
    return 0 if done.complete else 1


@group.command(name="list")
def list_command(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Every release, and how many people are out there by it."""
    with opened(common, "release list", acting.role) as (controller, _):
        standing = {one.release: one for one in controller.members.standing()}
        names = [*controller.outgoing, *(n for n in standing if n not in controller.outgoing)]
        found = []
        for name in names:
            declared, out = controller.outgoing.get(name), standing.get(name)
            ages = declared.ages if declared else None
            known = declared or out
            assert known is not None
            found.append({
                "release": name, "to": declared.to if declared else out.recipient if out else "",
                "audience": known.audience, "from_age": ages.low if ages else None,
                "out": out.out if out else 0, "confirmed": out.confirmed if out else 0,
                "removal_asked": out.asked if out else 0, "declared": declared is not None,
            })  # fmt: skip
    head = ("release", "to", "audience", "#from age", "#out", "#confirmed", "#asked to go")
    rows = [
        (f["release"], f["to"], f["audience"] or "–", f["from_age"] or "–", f["out"],
         f["confirmed"], f["removal_asked"])
        for f in found
    ]  # fmt: skip
    words = [table(head, rows)] if rows else ["kept.toml declares no release."]
    common.out.result({"releases": found}, words)
    return 0


def _aim(controller: Controller, found: Planned) -> str:
    one = found.release
    title = controller.bundle.activities[one.activity].title
    to = f"`{one.to}`" + (f", audience `{one.audience}`" if one.audience else "")
    ages = ""
    if one.ages is not None:
        ages = f", aimed at {one.ages.low}" + (
            " and older" if one.ages.high is None else f" to {one.ages.high}"
        )
    return f"To {to}: {', '.join(one.fields)}; for “{title}”{ages}."


def _left(left: Counter[str]) -> list[str]:
    if not left:
        return []
    return [f"{left.total():,} left out:"] + [
        f"  {count:,}: {WORDS.get(why, why)}" for why, count in left.most_common()
    ]


def _recalled(done: Recalled) -> list[str]:
    words = []
    if done.asked or done.confirmed:
        words.append(f"{many(done.asked, 'removal')} asked for; {done.confirmed:,} confirmed.")
    if done.waiting:
        words.append(f"{many(done.waiting, 'removal')} asked, not confirmed: asked again.")
    if done.unknown:
        words.append(
            f"`url` says of {done.unknown:,} that nothing of them is there. That is believed only"
            " where they were sent to this address alone: put the one back to which they went, or"
            " let the recipient answer 204."
        )
    if done.unasked:
        words.append(f"{done.unasked:,} could not be asked for: nobody answers, or kept.toml names"
                     " the release no more.")  # fmt: skip
    if done.elsewhere:
        words.append(f"{done.elsewhere:,} are to go from a release that somebody else is running"
                     " right now: it takes back first.")  # fmt: skip
    return words


def _document(found: Planned) -> dict[str, Any]:
    one = found.release
    made: dict[str, Any] = {
        "release": one.name, "to": one.to, "audience": one.audience, "fields": list(one.fields),
        "from_age": one.ages.low if one.ages else None, "new": found.new, "again": found.again,
        "there": found.there, "left": dict(found.left),
    }  # fmt: skip
    if isinstance(found, Ran):
        made |= {
            "sent": found.sent, "confirmed": found.confirmed, "refused": found.refused,
            "stopped": found.stopped or None, "complete": found.complete,
            "recalled": _back(found.recalled),
        }  # fmt: skip
    else:
        made |= {"back": found.back, "agreed": found.agreed}
    return made


def _back(done: Recalled) -> dict[str, Any]:
    return {
        "asked": done.asked, "confirmed": done.confirmed, "waiting": done.waiting,
        "unknown": done.unknown, "unasked": done.unasked, "elsewhere": done.elsewhere,
        "complete": done.complete,
    }  # fmt: skip
