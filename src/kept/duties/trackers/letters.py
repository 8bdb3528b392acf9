"""Letters of ours as they are opened: nothing in them tells anybody that somebody reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.remote import loads


def loading(controller: Controller) -> tuple[int, list[tuple[str, str]]]:
    """How many kinds of letters there are; (kind, what is amiss) of those that load something."""
    specimens = controller.specimens()
    return len(specimens), [
        (name, f"the letter would load something: {part}")
        for name, text in specimens
        for part in loads(text)
    ]


@control("trackers.letters-load-nothing")
def letters_load_nothing(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """A letter that Kept sends loads nothing from elsewhere, whatever somebody wrote into it."""
    count, found = loading(controller)
    for name, words in found:
        yield Finding(name, words, "take it out")
    yield Looked(count, "kinds of letters")
