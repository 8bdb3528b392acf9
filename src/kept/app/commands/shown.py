"""`kept notice` and `kept quarantine`: what was told on forms, and what waits for a person."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, moment, opened, said
from kept.app.output import table
from kept.decide.notice import as_text, digest
from kept.duties.collect import deciding
from kept.errors import UsageError
from kept.terms.words import many

#: How many digits of a hash the list shows.
_SHORT: Final = 16

notice = App(name="notice", help="What people were told on forms, as it was shown.")
quarantine = App(name="quarantine", help="What may be a child's and waits for a person to decide.")


def register(app: App) -> None:
    """Add both groups to the command line."""
    app.command(notice)
    app.command(quarantine)


@notice.command
def show(hash_: str, /, *, common: Common = COMMON) -> int:
    """Show again what stood on a form, by the hash that is stored with each record.

    Its beginning does, as `kept notice list` shows it.
    """
    given = hash_.strip().lower()
    with opened(common) as (controller, _):
        found = controller.notices.get(given)
        if found is None and len(given) >= _SHORT:
            begun = [one for one in controller.notices.all() if one.notice.startswith(given)]
            found = begun[0] if len(begun) == 1 else None
    if found is None:
        raise UsageError(
            "no notice of this hash is kept",
            expected="the hash that stands with a record, or in the ledger (64 hex digits, or the"
            f" first {_SHORT} of them)",
        )
    whole = digest(found.shown) == found.notice
    document = {
        "notice": found.notice, "form": found.form, "version": found.version,
        "region": found.region, "language": found.language, "whole": whole,
        "first_shown": found.kept_at.isoformat(), "shown": dict(found.shown),
        "text": as_text(found.shown),
    }  # fmt: skip
    words = [
        f"Form {found.form}, policy of {found.version}, region {found.region}, language"
        f" {found.language}; first sent {found.kept_at:%Y-%m-%d %H:%M} UTC.",
        "",
        as_text(found.shown),
    ]
    if not whole:
        words.insert(0, "THESE ARE NOT THE WORDS THAT WERE SHOWN: they do not give this hash.")
    common.out.result(document, words)
    return 0 if whole else 1


@notice.command(name="list")
def list_notices(*, common: Common = COMMON) -> int:
    """All texts that were shown, the oldest first."""
    with opened(common) as (controller, _):
        found = list(controller.notices.all())
    rows = [(n.notice[:_SHORT], n.form, n.version, n.region, n.language) for n in found]
    document = {
        "notices": [
            {"notice": n.notice, "form": n.form, "version": n.version, "region": n.region,
             "language": n.language, "first_shown": n.kept_at.isoformat()}
            for n in found
        ]
    }  # fmt: skip
    words = [table(("notice", "form", "policy of", "region", "language"), rows)] if rows else []
    common.out.result(document, words or ["Nothing was sent by a form yet."])
    return 0


@quarantine.command(name="list")
def list_waiting(*, common: Common = COMMON) -> int:
    """What waits, the oldest first, without a word of it; and how much was refused, and why."""
    with opened(common) as (controller, _):
        found, counts = controller.quarantine.open(), controller.quarantine.counts()
    rows = [(q.id, q.form, f"{q.arrived_at:%Y-%m-%d}", f"{q.expires_at:%Y-%m-%d}") for q in found]
    document = {
        "waiting": [
            {"item": q.id, "form": q.form, "arrived_at": q.arrived_at.isoformat(),
             "expires_at": q.expires_at.isoformat()}
            for q in found
        ],
        "refused": [{"form": f, "why": w, "count": n} for (f, w), n in sorted(counts.items())],
    }  # fmt: skip
    words = [table(("item", "form", "came in", "deleted on"), rows)] if rows else ["Nothing waits."]
    if counts:
        words.append(table(("form", "not taken because", "how often"),
                           [(f, w, n) for (f, w), n in sorted(counts.items())]))  # fmt: skip
    common.out.result(document, words)
    return 0


@quarantine.command
def decide(
    item: str,
    outcome: Annotated[str, Parameter(help="child: it goes; no-child: it may be stored")],
    /,
    *,
    reason: Annotated[str, Parameter(help="why; kept as a hash only")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Decide whether something is a child's. What it says is read at the desk."""
    now = acting.moment
    with opened(common, "quarantine decide", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        why = said(reason, "--reason")
        done = deciding.decide(controller, item, outcome, why, actor, now)
    gone = outcome == deciding.CHILD
    words = "It was deleted." if gone else "It may be stored; nothing of it waits here longer."
    common.out.result({"item": done.id, "outcome": done.outcome}, [words])
    return 0


@quarantine.command
def sweep(
    *,
    now: Annotated[str | None, Parameter(help="the moment to act at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Remove what is past its time; `kept serve` does it by itself."""
    with opened(common) as (controller, _):
        late = deciding.keep_up(controller, moment(now))
    common.out.result({"expired": late}, [f"{many(late, 'item')} that nobody had decided went."])
    return 0
