"""Where Kept itself hands over what a form took: a mapped dataset, in mode act, by the one door.

Set up under [forms.NAME] of kept.toml. Where nothing is set up the company's own program stores,
with the stamps of the answer.
"""

from __future__ import annotations

import datetime as dt

from kept.controller import Controller
from kept.controller.collect import Collecting
from kept.deployment import Destination
from kept.duties.collect import taking
from kept.duties.collect.taking import Answer, Sent
from kept.errors import StoreError
from kept.model.values import Value


def place_of(controller: Controller, form: str) -> Destination | None:
    """Where what a form takes is stored; None where Kept stores nothing of it."""
    return controller.destinations.get(form)


def submit(controller: Controller, form: str, sent: Sent, now: dt.datetime) -> Answer:
    """Judge what was sent, and store it where the form is set up to be.

    Raises StoreError where that place does not take it; then nothing stays stored, and it can be
    sent again.
    """
    place = controller.destinations[form]
    open_: list[Collecting] = []

    def hand(answer: Answer) -> None:
        open_.append(controller.collect(place.place, row_of(place, answer, now)))

    try:
        answer = taking.submit(controller, form, sent, now, hand=hand)
        for one in open_:
            one.commit()
    except StoreError:
        if sent.once is not None:
            controller.quarantine.again(taking.once_of(form, sent))
        raise
    finally:
        for one in open_:
            with one:
                pass
    return answer


def row_of(place: Destination, answer: Answer, now: dt.datetime) -> dict[str, Value]:
    """The row that is stored: what was taken, with the stamps, and what kept.toml adds."""
    row: dict[str, Value] = dict(place.constants)
    row.update({place.fields.get(n, n): v for n, v in answer.values.items()
                if n not in {c.field for c in answer.consents}})  # fmt: skip
    stamps: dict[str, Value] = {**answer.stamps, "at": now}
    row.update({column: stamps[stamp] for stamp, column in place.stamps.items()})
    return row
