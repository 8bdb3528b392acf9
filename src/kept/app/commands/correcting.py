"""`kept rights port` and `rectify`: what a person takes along, and what is corrected."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kept.app.commands.choices import Region
from kept.app.commands.common import ACTING, COMMON, Acting, Common, Identity, IdentityFile, opened
from kept.app.commands.rights import (
    CaseId,
    Evidence,
    Override,
    SamePerson,
    group,
    request_of,
    step_table,
)
from kept.app.output import many
from kept.duties.rights import port
from kept.duties.rights.package import refuse_target


def register(app: App) -> None:
    """The commands stand in the group `rights`, which is registered by its own module."""
    del app


@group.command(name="port")
def port_command(
    *,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    region: Region = "unknown",
    out: Annotated[
        Path | None, Parameter(help="the package to write (default: portable-<moment>.zip)")
    ] = None,
    override: Override = None,
    evidence: Evidence = None,
    same_person: SamePerson = None,
    case: CaseId = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """What a person provided, to take along: CSV and JSON with a schema, in a package."""
    now, say = acting.moment, common.out
    request = request_of(identity, identity_file, override, evidence, case, acting, same_person)
    path = (out or Path(f"portable-{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}.zip")).absolute()
    refuse_target(path)
    with opened(common, "rights port", acting.role) as (controller, _):
        with say.progress("asking every mapped system"):
            answer = port(controller, request, now, out=path, region=region)
        controller.ledger.checkpoint(now)
    rows = many(sum(s.counts.found for s in answer.steps), "row")
    words = [f"Case {answer.case}: portability", ""]
    words += [step_table(answer.steps, {}, planned=False), ""] if answer.steps else []
    for one in answer.left_out:
        what = ", ".join(one.fields) if one.fields else many(one.rows, "row")
        what += f" ({many(one.rows, 'row')})" if one.fields and one.rows else ""
        words.append(f"Left out of {one.where}: {what}: {one.why}.")
    words += [f"Could not be asked: {system}: {why}" for system, why in answer.unreached]
    words += [f"Note: {w}" for w in answer.warnings]
    state = "Complete." if answer.complete else "Not complete: mend what is named, then ask again."
    words += ["", f"{state} {rows} written to {path}"]
    say.result(answer.document(), words)
    return 0 if answer.complete else 1
