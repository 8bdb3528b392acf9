"""`kept rights`: access and erasure, for one person named by her identifiers.

The other rights stand beside it, in `choices` and `correcting`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from kept.app.commands.after import astray, limits, named, unchanged
from kept.app.commands.below import Below
from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    Identity,
    IdentityFile,
    day,
    ending,
    opened,
    person,
    said,
    warn_of_stranger,
)
from kept.app.commands.people import (
    SIZE,
    Batch,
    People,
    Several,
    erasing,
    packages,
    total,
)
from kept.app.commands.slow import briefly
from kept.app.commands.undecided import drafts
from kept.app.commands.working import extension
from kept.app.fit import Exact
from kept.app.output import Output, table
from kept.app.surface import roles_of
from kept.controller import Controller
from kept.deployment import FILE
from kept.duties.rights import EraseAnswer, Request, access, casework, erase, preview, proving
from kept.duties.rights.answer import not_stated
from kept.duties.rights.covered import words as covered_words
from kept.duties.rights.derived import Anew
from kept.duties.rights.package import refuse_target
from kept.duties.rights.planning import undecided
from kept.duties.rights.recipients import NO_WAY, Informed
from kept.duties.rights.request import Others, also_open, step_document
from kept.duties.rights.shown import gathered, problems, stays, summed
from kept.errors import Denied, UsageError
from kept.model.plan import Action, Mode, StepResult
from kept.records.case import State
from kept.records.case_state import TRANSITIONS
from kept.terms import clocks
from kept.terms.proof import RECORDED, WAYS, recorded
from kept.terms.rights import CHILD, ERASURE_GROUNDS
from kept.terms.words import many

group = App(
    name="rights", help="Answer a person: what is held of her, and what she decides about it."
)

Override = Annotated[
    str | None,
    Parameter(help="REASON for which the check of who asks is left out; recorded"),
]
Way = Annotated[
    str,
    Parameter(
        name="--way",
        help="in which way the evidence was found: "
        + "; ".join(f"{w}: {WAYS[w].means} (L{WAYS[w].level})" for w in RECORDED),
    ),
]
Evidence = Annotated[str | None, Parameter(help="in words, how it was checked who asks; recorded")]
SamePerson = Annotated[
    str | None,
    Parameter(
        help="REASON for which records that name different people are held to be hers; recorded"
    ),
]
Where = Annotated[
    str,
    Parameter(
        name="--region",
        help="where she is: a region or a country as DE, US-CA; it says how long the answer may"
        " take (default: the strictest)",
    ),
]
Arrived = Annotated[
    str | None,
    Parameter(help="the day on which a letter came, as 2026-01-31; its time runs from then"),
]
CaseId = Annotated[str | None, Parameter(name="--case", help="a case that was opened before")]

#: Evidence of fewer words says nothing that could be looked into.
_FEW: Final = 3
_DONE: Final[Mapping[str, str]] = {
    "read": "read", "delete": "deleted", "overwrite": "overwritten", "retain": "kept",
    "isolate": "isolated", "anonymise": "anonymised",
    "redact": "redacted",
}  # fmt: skip
#: What a step that is not read back is, by the mode of its system.
NOT_DONE: Final[Mapping[Mode, str]] = {
    Mode.OBSERVE: "nothing written", Mode.ASSISTED: "for a person to do", Mode.ACT: "NOT verified",
}  # fmt: skip
#: What the mode of a system means for a plan (True) and for an answer that is not complete.
_MODES: Final[Mapping[tuple[Mode, bool], str]] = {
    (Mode.OBSERVE, True): "mode observe: with --yes nothing is written there either; set"
    ' mode = "act" in kept.toml to carry it out',
    (Mode.OBSERVE, False): "mode observe: nothing was written; set"
    ' mode = "act" in kept.toml to carry it out',
    (Mode.ASSISTED, True): "mode assisted: --yes makes the statements for a person to carry"
    " out, and writes nothing there",
    (Mode.ASSISTED, False): "mode assisted: a person carries the statements out; then ask again"
    " to have it read back",
}


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


def require_checker(request: Request) -> None:
    """Refuse evidence from a role that gives out what others checked, and checks nobody itself."""
    checks = roles_of("request verify")
    if request.evidence is not None and request.role not in checks:
        raise Denied(
            f"the role `{request.role}` does not record how it was checked who asks",
            fix=f"ask somebody in one of the roles {', '.join(sorted(checks))}",
        )


def request_of(
    identity: list[str] | None, file: Path | None, override: str | None, evidence: str | None,
    case: str | None, acting: Acting, same_person: str | None = None, people: Path | None = None,
    ground: str | None = None, region: str = "unknown", arrived: str | None = None,
    way: str = "checked",
) -> Request:  # fmt: skip
    """The request that the options of a command of this group make."""
    named = person(identity, file)
    if people is not None and (named or case is not None):
        raise UsageError(
            "more is named than a list of people",
            expected="--people alone, or no --people",
            fix="leave --identity and --case out; a run that was begun goes on by --case alone",
        )
    if not named and case is None and people is None:
        raise UsageError(
            "nobody is named",
            expected="--identity KIND=VALUE, --identity-file FILE, --people FILE or --case ID",
            fix="add for example --identity email=name@example.org",
        )
    if evidence is not None and len(evidence.split()) < _FEW and said(evidence, "--evidence"):
        Output().warn(
            "Warning: `--evidence` is too short for whoever looks at the case later to see how it"
            " was checked who asks. Say who checked what, when and how, as in: Kim called the"
            " number that we had on file on 3 March, and she named her last two orders."
        )
    return Request(
        (named,) if named else (), acting.actor, acting.role,
        said(override, "--override"), said(evidence, "--evidence"), case,
        said(same_person, "--same-person"), ground, clocks.where(region), day(arrived, "--arrived"),
        recorded(way).word,
    )  # fmt: skip


@group.command(name="access")
def access_command(
    *,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    out: Annotated[
        Path | None,
        Parameter(
            help="the package to write, as a new file (default: access-<moment>.zip, here); with"
            " --people the directory for the packages (default: here)"
        ),
    ] = None,
    people: People = None,
    override: Override = None,
    evidence: Evidence = None,
    way: Way = "checked",
    case: CaseId = None,
    same_person: SamePerson = None,
    region: Where = "unknown",
    arrived: Arrived = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Everything held of a person, as a package (HTML, CSV and JSON); a case is recorded."""
    now = acting.moment
    request = request_of(
        identity, identity_file, override, evidence, case, acting, same_person, people,
        region=region, arrived=arrived, way=way,
    )  # fmt: skip
    path = (out or Path(f"access-{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}.zip")).resolve()
    say = common.out
    if people is None and not (case and path.is_dir()):
        refuse_target(path)
    with opened(common, "rights access", acting.role) as (controller, config):
        require_checker(request)
        warn_of_stranger(common, config, controller.bundle)
        several = Several.of(controller, common, acting, "access", request, people, SIZE)
        if several is not None:
            return several.carry(packages(out or Path(), "access", access))
        with ending(), say.progress("asking every mapped system"):
            answer = access(controller, request, now, out=path)
            controller.deliver(now)
        controller.ledger.checkpoint(now)
        others = also_open(controller, answer.case)
        lost, limited = astray(controller, common, answer.case), limits(controller, answer.case)
        unsaid = [".".join(place) for place in not_stated(controller, answer.steps)]
        waits = _waits(common, bool(answer.covers.doubts))
    rows = sum(s.counts.found for s in answer.steps)
    words: list[str] = [
        f"Case {answer.case}: access, asked by {acting.actor} in the role {acting.role}{limited}",
        "",
        *([step_table(answer.steps, {}, planned=False), ""] if answer.steps else []),
        *notes(answer.unreached, (*answer.warnings, *answer.unread)),
        *_kept(answer.steps),
        answer.summary,
        *([hidden] if (hidden := covered_words(answer.covered)) else []),
    ]
    if answer.complete:
        known = " as far as it is known whose they are" if waits else ""
        if limited or answer.unread:
            far = "what was given leads" if limited else "the map goes"
            known += f" as far as {far} (see the notes above)"
        words.append(f"Complete{known}. {many(rows, 'row')} written.")
        if unsaid:
            words.append(
                f"It does not say what {', '.join(unsaid)} {'is' if len(unsaid) == 1 else 'are'}"
                " used for: name it under `activities:` in the map."
            )
    else:
        words.append(f"Not complete: {many(rows, 'row')} written. The package says so.")
        words += lost or [
            "Mend what is named above, then go on with:"
            f" {common.next('rights', 'access', '--case', answer.case)}"
        ]
    words += waits
    words.append(f"The package, which only its owner can read (mode 0600): {path}")
    beside = others_open(common, "access", answer.case, others)
    say.result(answer.document(), [words[0], *beside, *words[1:]])
    return 0 if answer.complete else 1


@group.command(name="erase")
def erase_command(
    *,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    yes: Annotated[
        bool, Parameter(help="carry it out; without it the plan is only shown", negative="")
    ] = False,
    override: Override = None,
    evidence: Evidence = None,
    way: Way = "checked",
    case: CaseId = None,
    same_person: SamePerson = None,
    ground: Annotated[
        str | None,
        Parameter(help=f"why it is asked for: {', '.join(ERASURE_GROUNDS)} (GDPR Art. 17(1));"
                  " child: only a law keeps anything, and the case forgets whom it was about"),
    ] = None,
    region: Where = "unknown",
    arrived: Arrived = None,
    people: People = None,
    batch: Batch = SIZE,
    show: Annotated[
        bool,
        Parameter(help="print statements for systems in mode assisted: they hold row keys",
                  negative=""),
    ] = False,
    alone: Annotated[
        str | None,
        Parameter(help="REASON for which a plan that takes two people cannot wait for another;"
                  " officers are alerted"),
    ] = None,
    physical: Annotated[
        bool,
        Parameter(help="have the engines destroy what deletion leaves in files; without --yes"
                  " only what that would lock is shown", negative=""),
    ] = False,
    full: Annotated[
        bool,
        Parameter(help="with --physical: also write whole tables anew, locked meanwhile",
                  negative=""),
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Show what an erasure would do, and with --yes do it, read it back and say what is true."""
    now = acting.moment
    request = request_of(
        identity, identity_file, override, evidence, case, acting, same_person, people, ground,
        region, arrived, way,
    )  # fmt: skip
    request = replace(request, alone=said(alone, "--alone"))
    if ground is not None and people is not None:
        raise UsageError("a ground is that of one person", fix="leave out --ground or --people")
    say = common.out
    with opened(common, "rights erase", acting.role) as (controller, _):
        guessed = drafts(controller.datamap)
        if guessed and yes:
            raise UsageError(
                "the map is still a draft, so nothing is erased by it",
                met="; ".join(guessed),
                fix="decide each line marked `# ?` and remove the mark; or set the mode of that"
                " system to observe",
            )
        several = Several.of(controller, common, acting, "erasure", request, people, batch)
        if several is not None:
            return several.carry(erasing) if yes else _all_planned(several)
        with say.progress("carrying out the plan" if yes else "planning; nothing is written"):
            answer = (erase if yes else preview)(controller, request, now)
            controller.deliver(now)
        with say.progress("looking beneath the rows"):
            below = Below.of(controller, answer, acting, physical=physical, full=full, yes=yes)
        controller.ledger.checkpoint(now)
        modes = modes_of(controller, answer.steps)
        others, limited = also_open(controller, answer.case), limits(controller, answer.case)
        to_do = _to_do(controller, common, answer, modes)
        case_ = controller.cases.get(answer.case)
        waits = _waits(common, bool(undecided(controller, case_)))
        child, more = case_.ground == CHILD, casework.more(controller, case_)
        copies = [c.id for c in casework.copies_before(controller, case_)]
        slow = [] if answer.executed else controller.inspect().unindexed()
    document = {**answer.document(), **below.document()}
    if not answer.executed:
        document["unindexed"] = [one.document() for one in slow]
    if not show:
        # Statements name rows by key; only a person who asks for them gets them.
        statements = {s: len(lines) for s, lines in answer.statements.items()}
        document = {**document, "statements": statements}
    words: list[str] = [
        f"Case {answer.case}: erasure"
        + ("" if answer.executed else " (a plan, nothing was done)")
        + limited,
        "",
        step_table(answer.steps, modes, planned=not answer.executed),
        "",
        *notes(answer.unreached, [*guessed, *answer.warnings]),
        *_kept(answer.steps),
        *means(answer.steps, modes, planned=not answer.executed),
    ]
    for system, lines in answer.statements.items():
        if show:
            words += [f"For {system}, to be carried out by a person:", *map(Exact, lines), ""]
        else:
            words.append(
                f"{system}: {many(len(lines), 'statement')} for a person to carry out; add --show"
                " to print them (they hold row keys)."
            )
    words += recipients_told(answer.told)
    if not answer.executed:
        words += [*briefly(slow), *to_do, *below.words()]
    elif answer.complete:
        spoken = sum(s.word for s in answer.steps if s.action is not Action.RETAIN)
        stays = any(s.word and s.action is Action.RETAIN for s in answer.steps)
        but = [f"for {many(spoken, 'step')} on a person's word"] * bool(spoken)
        but += ["for what stays with people, whom nobody asked about it"] * stays
        words.append(
            (
                "Complete as far as the map goes (see the notes above)"
                if answer.warnings
                else "Complete"
            )
            + ": every system was asked and every step was read back"
            + (f", but {' and '.join(but)}." if but else ".")
        )
        words += still_open(answer.told)
        words += _untold(answer.told)
        words.append(f"Her keys: {answer.keys}.")
        words += below.words()
    else:
        words.append("Not complete.")
        words += (not more and _waiting(common, answer, child=child and bool(waits))) or to_do
    words += _handed(answer.packages)
    words += waits
    beside = others_open(common, "erasure", answer.case, others)
    if copies:
        beside.append(
            f"First make the copy that was asked for in {', '.join(copies)}: of what is erased"
            " none can be made afterwards."
        )
    say.result(document, [words[0], *beside, *words[1:]])
    blocked = any(s.problem for s in answer.steps) or bool(answer.unreached)
    if answer.executed:
        return 0 if answer.complete and not below.failed else 1
    return 1 if blocked else 0


def _handed(days: Sequence[dt.date]) -> list[str]:
    """That packages are in the world already, which no erasure reaches."""
    if not days:
        return []
    counted = Counter(days)
    when = ", ".join(f"{day} ({n})" if n > 1 else f"{day}" for day, n in sorted(counted.items()))
    was = "package was" if len(days) == 1 else "packages were"
    return [
        f"{len(days)} {was} handed out to her before, on {when}. The organisation cannot fetch"
        f" {'it' if len(days) == 1 else 'them'} back; whoever has"
        f" {'it' if len(days) == 1 else 'one'} keeps what is in it. Say so in the answer to her."
    ]


def recipients_told(told: Sequence[Informed]) -> list[str]:
    """Who had her data, and how each stands (GDPR Art. 19)."""
    if not told:
        return []
    return ["Who had her data from us:", *(f"  {one.words}" for one in told), ""]


def made_anew(anew: Sequence[Anew]) -> list[str]:
    """What was made of a wrong value, and how it stands (GDPR Art. 16)."""
    if not anew:
        return []
    return ["What was made of it:", *(f"  {one.said}." for one in anew), ""]


def still_open(told: Sequence[Informed], anew: Sequence[Anew] = ()) -> list[str]:
    """That a case of which all is done is open until who had her data has answered, and whoever is
    to make something anew.
    """
    if any(one.state == "asked" for one in anew):
        return [
            "The case stays open until all who are named above have answered (of what is made anew"
            " with `kept task done`), or were brought before the officers. Her answer need not"
            " wait."
        ]
    if not any(one.state in ("waits", NO_WAY) for one in told):
        return []
    return [
        "The case stays open until each of those who had her data has answered, or was brought"
        " before the officers. Her answer need not wait."
    ]


def _untold(told: Sequence[Informed]) -> list[str]:
    """That somebody who had her data does not hear of it, and which setting is missing."""
    nobody = [one for one in told if one.state == NO_WAY]
    if not nobody:
        return []
    tables = ", ".join(f"[recipients.{one.recipient}]" for one in nobody)
    who = "one of those who had her data" if len(nobody) == 1 else f"{len(nobody)} who had her data"
    return [
        f"But {who} could NOT be told that it was erased, because no way to reach them is"
        f" configured: {FILE} has no {tables}. Until they are told, `kept prove` counts it as a"
        " broken promise."
    ]


def _waiting(common: Common, answer: EraseAnswer, *, child: bool) -> list[str]:
    """How the case of a child goes on of which all rows are gone; [] for any other (`child`: it is
    one, and somebody has still to decide of what looks like hers).
    """
    noted = child or any(one.noted for one in answer.told)
    if not noted or answer.unreached or not all(s.settled for s in answer.steps):
        return []
    again = common.next("rights", "erase", "--case", answer.case, "--yes")
    return [
        "All rows that it met are gone. The case of a child is over when everybody named above has"
        f" answered, and what may be hers is decided, and gone if it is; then: {again}"
    ]


def _all_planned(several: Several) -> int:
    """The plans of all batches of a run together; nothing is written."""
    steps: list[StepResult] = []
    unreached: dict[str, str] = {}
    warnings: dict[str, int] = {}
    controller, now = several.controller, several.acting.moment
    title = "planning; nothing is written"
    with several.common.out.counting(title) as (begin, step):
        cases = controller.bulks.cases(several.run)
        begin(len(cases))
        for id_ in cases:
            request = Request((), several.acting.actor, several.acting.role, case=id_)
            answer = preview(controller, request, now)
            steps = total((*steps, *answer.steps))
            unreached.update(answer.unreached)
            for warning in answer.warnings:
                warnings[warning] = warnings.get(warning, 0) + 1
            step(title)
    modes = modes_of(controller, steps)
    said = [w if n == 1 else f"{w} ({n} times)" for w, n in warnings.items()]
    words = [
        "",
        step_table(steps, modes, planned=True),
        "",
        *notes(list(unreached.items()), [*drafts(controller.datamap), *said]),
        *means(steps, modes, planned=True),
    ]
    return several.only_opened(words, [step_document(s) for s in steps])


@group.command(name="pause")
def pause_command(
    *,
    case: Annotated[str, Parameter(name="--case", help="the run, by the id that it was opened by")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Have a run over a list of people pause when its batch is done; `--case` goes on with it."""
    with opened(common, "rights pause", acting.role) as (controller, _):
        run = controller.bulks.get(case)
        asked = controller.bulks.ask_pause(run, acting.moment)
    told = (
        "pauses when the batch that is under way is done"
        if asked
        else f"is not being carried out: it is {run.state}"
    )
    common.out.result({"run": run.id, "pausing": asked}, [f"Run {run.id} {told}."])
    return 0 if asked else 1


def _to_do(
    controller: Controller, common: Common, answer: EraseAnswer, modes: Mapping[str, Mode]
) -> list[str]:
    """What comes next of an erasure that is planned, or that is not complete."""
    case = controller.cases.get(answer.case)
    again = common.next("rights", "erase", "--case", case.id)
    if lost := astray(controller, common, case.id):
        return lost
    if answer.executed and (waits := extension(controller, case, common)):
        return waits
    if answer.executed:
        return [f"Mend what is named above, then go on with: {again} --yes"]
    changes = [s for s in answer.steps if s.counts.changed or s.counts.isolated]
    if not changes and not answer.unreached:
        why = "all that is held has to stay" if answer.steps else "nothing is held of her"
        return unchanged(controller, common, case.id, why, named(case, again))
    if changes and all(modes.get(s.store) is Mode.OBSERVE for s in changes):
        return [
            "Nothing would change now, since every system concerned is in mode observe. When"
            f" that is set: {named(case, again)}"
        ]
    if proving.standing(controller, case).enough:
        return [f"To carry it out: {again} --yes"]
    if case.evidence:
        more = common.next("case", "prove", case.id, "--way", "facts", "--words", "…")
        return [f"To carry it out, find out better who asks: {more}"]
    return [
        "To carry it out, say how it was checked who asks (or why not: --override):",
        named(case, again),
    ]


def _waits(common: Common, met: bool) -> list[str]:
    """How to decide what may be hers and was left out."""
    again = common.next("identity", "doubts", "--show")
    return [f"To decide what may be the same person's: {again}"] if met else []


def others_open(common: Common, right: str, case: str, others: Others) -> list[str]:
    """That more than one case of the same person waits is easily overlooked.

    One of the same right of which nothing was carried out is often the look before this `case`:
    how it ends is said.
    """
    cases, alike = others.linked, others.unlinked
    beside = [
        f"{many(alike, 'open case')} more under the same identifiers: not linked, for nobody"
        " checked on both sides who asks."
    ] * bool(alike)
    if not cases:
        return beside
    shown = ", ".join(f"{c.id} ({c.right}, {c.state})" for c in cases[:5])
    more = f" and {len(cases) - 5} more" if len(cases) > 5 else ""
    lines = [f"Also open for the same person: {shown}{more}."]
    for one in cases[:5]:
        if one.right == right and State.WITHDRAWN in TRANSITIONS[one.state]:
            why = f"the same request as case {case}"
            end = common.next("case", "withdraw", one.id, "--reason", why)
            lines.append(f"If {one.id} is this same request, end it: {end}")
    return lines + beside


def modes_of(controller: Controller, steps: Sequence[StepResult]) -> Mapping[str, Mode]:
    """The modes of the systems that have a part in it."""
    systems = controller.datamap.systems
    return {s.store: systems[s.store].mode for s in steps if s.store in systems}


def step_table(
    steps: Sequence[StepResult], modes: Mapping[str, Mode], *, planned: bool,
    fields: Sequence[str] = (),
) -> str:  # fmt: skip
    """The steps of an answer as a table for people; with `fields`, each step's field is named."""
    if not steps:
        return "Nothing is held under what was given, in any system that answered."

    of = {id(s): f".{name}" for s, name in zip(steps, fields, strict=False)}

    def shown(s: StepResult) -> tuple[str, ...]:
        mode = modes.get(s.store, Mode.ACT)
        # "Deleted" is said of what was read back, or was tried; never of what was left alone.
        action = s.action.value if planned or _left_alone(s, modes) else _DONE[s.action.value]
        if planned:
            state = "planned"
        elif s.verified:
            state = "read back"
        elif s.word:
            # What is to stay with people, nobody asked them about.
            state = "not asked" if s.action is Action.RETAIN else "by a person's word"
        else:
            state = NOT_DONE[mode]
        return gathered(s.store, s.dataset) + of.get(id(s), ""), action, state

    groups = list(summed(steps, shown, lambda s: s.counts))
    # What is nowhere more than 0 is left out: an access changes nothing.
    counts = [
        one
        for one in ("found", "changed", "retained", "isolated")
        if one == "found" or any(getattr(c, one) for _, c in groups)
    ]
    rows = [
        (where, action, *(getattr(c, one) for one in counts), state)
        for (where, action, state), c in groups
    ]
    return table(("where", "action", *(f"#{one}" for one in counts), "state"), rows)


def _left_alone(step: StepResult, modes: Mapping[str, Mode]) -> bool:
    """Whether Kept itself wrote nothing because of the mode, and nothing was found done."""
    return not step.verified and modes.get(step.store, Mode.ACT) is not Mode.ACT


def means(steps: Sequence[StepResult], modes: Mapping[str, Mode], *, planned: bool) -> list[str]:
    """What the mode of each system means for what it has to do."""
    writes = (Action.DELETE, Action.OVERWRITE, Action.ISOLATE, Action.ANONYMISE, Action.REDACT)
    todo = dict.fromkeys(s.store for s in steps if s.action in writes and not s.verified)
    lines = [
        f"{system}: {_MODES[modes[system], planned]}."
        for system in todo
        if (modes.get(system, Mode.ACT), planned) in _MODES
    ]
    return [*lines, ""] if lines else []


def _kept(steps: Sequence[StepResult]) -> list[str]:
    lines = []
    for one in stays(steps):
        law = f" ({one.reason.law})" if one.reason.law else ""
        lines.append(
            f"{one.place} keeps {many(one.rows, 'row')} {one.until}"
            f"{', sealed' if one.isolated else ''}:"
            f" {one.reason.words.rstrip('.')}{law}; clause {one.reason.clause}."
        )
    # What the mode of a system means is said once, for all its steps.
    lines += [line for line in problems(steps) if not line.partition(": ")[2].startswith("mode ")]
    return [*lines, ""] if lines else []


def notes(unreached: Sequence[tuple[str, str]], warnings: Sequence[str]) -> list[str]:
    """What could not be asked, and what is worth knowing."""
    lines = [f"Could not be asked: {system}: {why}" for system, why in unreached]
    lines += [f"Note: {w}" for w in warnings]
    return [*lines, ""] if lines else []
