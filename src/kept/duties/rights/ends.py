"""How a case of several people ended for each of them: by her own rows, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from kept.controller import Controller, Located
from kept.model.plan import Action, Counts, Plan, Step, StepResult
from kept.model.select import by_key
from kept.records.bulk import End, Ended

_AWAY = "a system could not be asked"
NOWHERE = "what was given leads into no system"
_CAME = "rows of hers came while she was erased"
_WAITS = "rows of hers were met on going on, and wait for another person than who drew them up"


def ends(
    controller: Controller,
    made: Plan,
    results: Mapping[int, StepResult],
    *,
    unreached: bool,
    nowhere: bool,
    came: Collection[int],
    waiting: Iterable[Step] = (),
) -> dict[int, End]:
    """Place in the case → how it ended for her. `unreached`: a system could not be asked;
    `nowhere`: nothing was searched; `came`: of whom rows were met although all steps were done;
    `waiting`: steps that wait for another person.

    What is left of one person does not stand in the way of another.
    """
    sums: dict[str, Counter[int]] = {n: Counter() for n in ("found", "changed", "kept", "sealed")}
    stuck = {who: _WAITS for s in waiting for who, _ in s.keys.rows}
    for s in made.steps:
        result, rows = results[s.number], Counter(who for who, _ in s.keys.rows)
        if not result.settled:
            words = f"`{s.dataset}` of `{s.system}`: {result.problem or 'it is not read back'}"
            stuck = {**dict.fromkeys(_left(controller, s), words), **stuck}
        done = {Action.RETAIN: "kept", Action.ISOLATE: "sealed"}.get(s.action, "changed")
        sums["found"].update(rows)
        sums[done].update({who: n for who, n in rows.items() if who not in stuck})
    rest = _AWAY if unreached else NOWHERE if nowhere else None
    answer = {}
    for who in range(made.people):
        counts = Counts(*(count[who] for count in sums.values()))
        why = stuck.get(who) or (_CAME if who in came else rest)
        outcome = Ended.DONE if counts.found else Ended.NOBODY
        answer[who] = End(Ended.INCOMPLETE if why else outcome, counts, why)
    return answer


def _left(controller: Controller, step: Step) -> set[int]:
    """Whose rows a step that is not settled left: of what was to go, whatever is there; of all
    else only the number is known, so everybody's.
    """
    theirs = {who for who, _ in step.keys.rows}
    if step.action is not Action.DELETE:
        return theirs
    there = Located((), {step.system: (by_key(step.dataset, step.keys),)})
    rows = [row for table in controller.keys(there).values() for row in table.rows]
    return theirs if there.unreached else {who for who, _ in rows}
