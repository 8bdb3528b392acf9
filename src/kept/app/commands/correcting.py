"""`kept rights port` and `rectify`: what a person takes along, and what is corrected."""

from __future__ import annotations

import datetime as dt
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kept.app.commands.after import astray, ends, named
from kept.app.commands.choices import Region, Show, Yes, statements
from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    Identity,
    IdentityFile,
    opened,
    warn_of_stranger,
)
from kept.app.commands.people import SIZE, People, Several, packages
from kept.app.commands.rights import (
    Arrived,
    CaseId,
    Evidence,
    Override,
    SamePerson,
    Way,
    Where,
    group,
    made_anew,
    means,
    modes_of,
    others_open,
    recipients_told,
    request_of,
    require_checker,
    step_table,
    still_open,
)
from kept.duties.rights import correct_again, port, preview_rectification, rectify
from kept.duties.rights.package import refuse_target
from kept.duties.rights.rectification import undone
from kept.duties.rights.request import also_open
from kept.duties.rights.shown import called, problems
from kept.errors import UsageError
from kept.model.plan import Action
from kept.terms.words import many


def register(app: App) -> None:
    """The commands stand in the group `rights`, which is registered by its own module."""
    del app


@group.command(name="port")
def port_command(
    *,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    region: Region = "unknown",
    arrived: Arrived = None,
    out: Annotated[
        Path | None,
        Parameter(
            help="the package to write, as a new file (default: portable-<moment>.zip, here); with"
            " --people the directory for the packages (default: here)"
        ),
    ] = None,
    people: People = None,
    override: Override = None,
    evidence: Evidence = None,
    way: Way = "checked",
    same_person: SamePerson = None,
    case: CaseId = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """What a person provided, to take along: CSV and JSON with a schema, in a package."""
    now, say = acting.moment, common.out
    request = request_of(
        identity, identity_file, override, evidence, case, acting, same_person, people,
        region=region, arrived=arrived, way=way,
    )  # fmt: skip
    path = (out or Path(f"portable-{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}.zip")).resolve()
    if people is None and not (case and path.is_dir()):
        refuse_target(path)
    with opened(common, "rights port", acting.role) as (controller, config):
        require_checker(request)
        warn_of_stranger(common, config, controller.bundle)
        several = Several.of(controller, common, acting, "portability", request, people, SIZE)
        if several is not None:
            act = partial(port, region=region)
            return several.carry(packages(out or Path(), "portable", act))
        with say.progress("asking every mapped system"):
            answer = port(controller, request, now, out=path, region=region)
        controller.ledger.checkpoint(now)
        lost = astray(controller, common, answer.case)
        others = also_open(controller, answer.case)
    rows = many(sum(s.counts.found for s in answer.steps), "row")
    beside = others_open(common, "portability", answer.case, others)
    words = [f"Case {answer.case}: portability", *beside, ""]
    words += [step_table(answer.steps, {}, planned=False), ""] if answer.steps else []
    for one in answer.left_out:
        counted = many(one.rows, "row") if one.rows else "whatever lies there"
        what = counted if one.whole else ", ".join(one.fields)
        what += f" ({many(one.rows, 'row')})" if one.rows and not one.whole else ""
        system, _, dataset = one.where.partition(".")
        words.append(f"Left out of {called(system, dataset)}: {what}: {one.why}.")
    words += [f"Could not be asked: {system}: {why}" for system, why in answer.unreached]
    words += [f"Note: {w}" for w in answer.warnings]
    state = "Complete." if answer.complete else "Not complete."
    words += ["", f"{state} {rows} written.", *lost]
    if not answer.complete and not lost:
        again = common.next("rights", "port", "--case", answer.case)
        words.append(f"Mend what is named above, then go on with: {again}")
    words.append(f"The package, which only its owner can read (mode 0600): {path}")
    say.result(answer.document(), words)
    return 0 if answer.complete else 1


@group.command(name="rectify")
def rectify_command(
    *,
    at: Annotated[
        str | None, Parameter(help="the field at the source: system.dataset.field of the map")
    ] = None,
    value: Annotated[str | None, Parameter(help="the right value")] = None,
    value_file: Annotated[
        Path | None,
        Parameter(help="a file (- for standard input) with the right value; unlike --value it"
                  " shows in no list of processes"),
    ] = None,
    was: Annotated[
        str | None, Parameter(help="the wrong value, where her rows hold several")
    ] = None,
    again: Annotated[
        bool,
        Parameter(help="put right once more what an import undid, of everybody", negative=""),
    ] = False,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    region: Where = "unknown",
    arrived: Arrived = None,
    yes: Yes = False,
    override: Override = None,
    evidence: Evidence = None,
    same_person: SamePerson = None,
    case: CaseId = None,
    show: Show = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Put a value of a person right, at its source and in its copies; remembered, so it stays."""
    now, say = acting.moment, common.out
    if again:
        return _again(yes, acting, common)
    request = request_of(
        identity, identity_file, override, evidence, case, acting, same_person, region=region,
        arrived=arrived,
    )  # fmt: skip
    right = _read(value, value_file)
    # Without both it can only go on with what was begun.
    if (at is None) != (right is None) or (not yes and at is None):
        raise UsageError(
            "it is not said what is to be put right",
            expected="--at SYSTEM.DATASET.FIELD and --value or --value-file",
        )
    with opened(common, "rights rectify", acting.role) as (controller, _):
        with say.progress("putting it right" if yes else "planning; nothing is written"):
            if yes:
                answer = rectify(controller, request, at, right, now, was=was)
            else:
                answer = preview_rectification(
                    controller, request, at or "", right or "", now, was=was
                )
            controller.deliver(now)
        controller.ledger.checkpoint(now)
        others = also_open(controller, answer.case)
        one = controller.cases.get(answer.case)
        modes = modes_of(controller, answer.steps)
        writes = any(s.counts.changed for s in answer.steps) or bool(answer.unreached)
        idle = [] if answer.executed or writes else ends(controller, common, one)
    words = [
        f"Case {answer.case}: rectification"
        + ("" if answer.executed else " (a plan, nothing was done)"),
        *others_open(common, "rectification", answer.case, others),
        "",
        step_table(answer.steps, modes, planned=not answer.executed, fields=answer.fields),
        "",
        *(f"Could not be asked: {system}: {why}" for system, why in answer.unreached),
        *(f"Note: {w}" for w in answer.warnings),
        *means(answer.steps, modes, planned=not answer.executed),
        *problems(answer.steps),
        *statements(answer.statements, show=show),
        *recipients_told(answer.told),
        *made_anew(answer.anew),
    ]
    go_on = common.next("rights", "rectify", "--case", answer.case, "--yes")
    planned = common.next(
        "rights", "rectify", "--case", answer.case, "--at", at or "", "--value-file", "FILE"
    )
    if not answer.executed:
        if writes:
            words.append(f"To carry it out, with the same value: {named(one, planned)}")
        else:
            words.append("Nothing would change: no row of hers holds another value there.")
            words += [f"To record it all the same: {named(one, planned)}", *idle]
    elif answer.complete:
        spoken = sum(s.word and s.action is not Action.RETAIN for s in answer.steps)
        but = f", but for {many(spoken, 'step')} on a person's word" if spoken else ""
        words.append(f"Complete: put right, read back, and remembered{but}.")
        words += still_open(answer.told, answer.anew)
    else:
        words.append(f"Not complete. Mend what is named above, then go on with: {go_on}")
    document = answer.document()
    if not show:
        document["statements"] = {s: len(lines) for s, lines in answer.statements.items()}
    say.result(document, words)
    return 0 if answer.complete or not answer.executed else 1


def _again(yes: bool, acting: Acting, common: Common) -> int:
    now = acting.moment
    with opened(common, "rights rectify", acting.role) as (controller, _):
        away: dict[str, str] = {}
        met = list(undone(controller, away))
        answers = []
        if yes and met:
            answers = correct_again(controller, now, actor=acting.actor, role=acting.role)
            controller.deliver(now)
            controller.ledger.checkpoint(now)
        left = list(undone(controller, away)) if yes and met else met
    document = {
        "undone": [{"where": one.where, "rows": one.rows} for one in met],
        "cases": [a.document() for a in answers],
        "left": sum(one.rows for one in left),
        "unreached": [{"store": system, "why": why} for system, why in sorted(away.items())],
    }
    words = [f"{one.where}: the wrong value is back in {many(one.rows, 'row')}" for one in met]
    words += [f"Could not be asked: {system}: {why}" for system, why in sorted(away.items())]
    if not met:
        still = "Every correction still stands"
        words.append(f"{still}, where it could be looked at." if away else f"{still}.")
    elif not yes:
        words.append(f"To put it right: {common.next('rights', 'rectify', '--again', '--yes')}")
    else:
        done = ", ".join(a.case for a in answers)
        words.append("Put right once more." if not left else "Not complete.")
        words.append(f"Cases: {done}")
    common.out.result(document, words)
    return 1 if left or away else 0


def _read(value: str | None, file: Path | None) -> str | None:
    """The right value, given or read; one line end at its end is not part of it."""
    if file is None:
        return value
    if value is not None:
        raise UsageError("the right value is given twice", expected="--value or --value-file")
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as problem:
        met = problem.strerror if isinstance(problem, OSError) else "bytes that are not UTF-8"
        raise UsageError(
            "what `--value-file` names cannot be read", expected="a text in UTF-8", met=met
        ) from None
