"""What runs by itself while `kept serve` does: one table of schedules, and who keeps to it.

Every job may be repeated without harm and takes nothing but the moment. What was cut off or
failed runs again; of several servers one runs it. Runs over lists of people are not among them:
a person begins those and goes on with them.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kept.app import mail
from kept.app.log import logged
from kept.controller import Controller
from kept.database import Database
from kept.deployment import Deployment
from kept.duties import collect, incidents, preferences, release, rights, visits
from kept.records.job import DONE, Jobs

#: How a run ended after which something is left to do.
INCOMPLETE: Final = "incomplete"
#: Seconds between two looks at the table.
_LOOK: Final = 20.0
#: Seconds that a server waits, when it is stopped, for a run that is under way.
_PATIENCE: Final = 20.0


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the table. `run` says whether all was done that there was to do."""

    name: str
    every: dt.timedelta
    command: str
    run: Callable[[Controller, dt.datetime], bool]


def _retain(controller: Controller, now: dt.datetime) -> bool:
    done = rights.expire(controller, now)
    gone = rights.forgetting.forget(controller, now)
    seen = visits.views.forget(controller, now)
    if done.ended or gone or seen:
        controller.ledger.checkpoint(now)
    return done.complete


def _letters(controller: Controller, now: dt.datetime) -> bool:
    return not controller.deliver(now).problems


def _deliveries(controller: Controller, now: dt.datetime) -> bool:
    if rights.delivery.sweep(controller, now):
        controller.ledger.checkpoint(now)
    return True


def _clocks(controller: Controller, now: dt.datetime) -> bool:
    if rights.clock.keep_up(controller, now):
        controller.ledger.checkpoint(now)
    # Mail goes out with the rest of it, every minute (`app/promptly.py`).
    rights.reminding.remind(controller, now)
    return True


def _systems(controller: Controller, now: dt.datetime) -> bool:
    # That one is away is its finding, and no failure of the look.
    rights.reminding.look_for_systems(controller, now)
    return True


def _intake(controller: Controller, now: dt.datetime) -> bool:
    left = rights.freeze_reported(controller, now) + rights.tend(controller, now)
    rights.complaints.tend(controller, now)
    incidents.tend(controller, now)
    preferences.letters.tend(controller, now)
    return not mail.deliver(controller, lambda: now).failed + left


def _agents(controller: Controller, now: dt.datetime) -> bool:
    return not rights.agent_status.keep_up(controller, now) + rights.agent_status.tell_agents(
        controller, now
    )


def _visits(controller: Controller, now: dt.datetime) -> bool:
    visits.links.forget(controller, now)
    if visits.links.look(controller, now):
        controller.ledger.checkpoint(now)
    return True


def _forms(controller: Controller, now: dt.datetime) -> bool:
    collect.deciding.keep_up(controller, now)
    return True


def _releases(controller: Controller, now: dt.datetime) -> bool:
    done = release.recall(controller, lambda: now)
    if done.asked or done.confirmed:
        controller.ledger.checkpoint(now)
    return done.complete


#: kept.toml [jobs] may set another pace for each, by name.
JOBS: Final = (
    Job("retain", dt.timedelta(days=1), "retain run", _retain),
    Job("visits", dt.timedelta(days=1), "links look", _visits),
    Job("letters", dt.timedelta(hours=1), "task send", _letters),
    Job("clocks", dt.timedelta(hours=1), "case remind", _clocks),
    Job("systems", dt.timedelta(hours=1), "case remind", _systems),
    Job("releases", dt.timedelta(hours=1), "release recall", _releases),
    # What the server does at once, every minute or as soon as it is asked (`app/promptly.py`).
    Job("intake", dt.timedelta(hours=1), "request run", _intake),
    Job("agents", dt.timedelta(hours=1), "request run", _agents),
    Job("deliveries", dt.timedelta(minutes=15), "case deliveries", _deliveries),
    Job("forms", dt.timedelta(hours=1), "quarantine sweep", _forms),
)


def pace(config: Deployment, job: Job) -> dt.timedelta | None:
    """How often a job runs in this deployment; None: never by itself."""
    seconds = config.jobs.get(job.name)
    if seconds is None:
        return job.every
    return dt.timedelta(seconds=seconds) if seconds else None


def run_due(
    config: Deployment, database: Database, clock: Callable[[], dt.datetime]
) -> list[tuple[str, str]]:
    """Run what is due and nobody else is running, once; (job, how it ended) of each."""
    jobs, ran = Jobs(database), []
    for job in JOBS:
        every = pace(config, job)
        if every is None:
            continue
        now = clock()
        with jobs.taken(job.name, every, now) as mine:
            if mine:
                outcome = _outcome(job, config, now)
                jobs.ended(job.name, outcome, clock())
                ran.append((job.name, outcome))
    return ran


def _outcome(job: Job, config: Deployment, now: dt.datetime) -> str:
    try:
        # Opened anew: a run of minutes takes no connection from who reads a page.
        with Controller.open(config) as controller:
            return DONE if job.run(controller, now) else INCOMPLETE
    except Exception as problem:
        # The class alone: the words of an error nobody foresaw may hold a person's data.
        return type(problem).__name__


@contextmanager
def running(
    config: Deployment, database: Database, clock: Callable[[], dt.datetime]
) -> Iterator[None]:
    """Keep to the table for as long as the block lasts, beside it."""
    stop = threading.Event()
    paces = [p.total_seconds() for p in (pace(config, job) for job in JOBS) if p is not None]
    look = min([_LOOK, *paces])

    def work() -> None:
        while not stop.is_set():
            try:
                for name, outcome in run_due(config, database, clock):
                    if outcome != DONE:
                        logged(clock(), f"the job `{name}` ended: {outcome}")
            except Exception as problem:
                logged(clock(), f"no job could be run: {type(problem).__name__}")
            stop.wait(look)

    thread = threading.Thread(target=work, name="kept jobs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_PATIENCE)
