"""Letters of ours as they are opened: nothing in them tells anybody that somebody reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.remote import loads


@control("trackers.letters-load-nothing")
def letters_load_nothing(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """A letter that Kept sends loads nothing from elsewhere, whatever somebody wrote into it."""
    specimens = controller.specimens()
    for name, text in specimens:
        for part in loads(text):
            yield Finding(name, f"the letter would load something: {part}", "take it out")
    yield Looked(len(specimens), "kinds of letters")
