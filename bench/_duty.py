"""The shop of `_shop` behind a whole deployment: the erasure as `kept rights erase` does it.

The case with its sealed list, the search, laws and holds, texts, the sealed plan, suppression,
ledger, the writing, the read-back, the search once more, the destroyed keys.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import _shop
from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights.bulk import carry_out, open_run

ROOT = Path(__file__).resolve().parents[1]
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
WHY = "a benchmark: nobody asks"


class Duty:
    """Erases people of the shop by the duty; answers with the rows that are gone."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller

    def one(self, number: int) -> int:
        request = rights.Request(((_shop.identifier(number),),), override=WHY)
        answer = rights.erase(self.controller, request, NOW)
        if not answer.complete:
            raise SystemExit("an erasure is not complete")
        return sum(s.counts.changed for s in answer.steps)

    def many(self, numbers: Sequence[int]) -> int:
        """One run of one batch."""
        request = rights.Request((), override=WHY)
        people = ((n, (_shop.identifier(number),)) for n, number in enumerate(numbers, 1))
        run = open_run(
            self.controller, "erasure", people, request, NOW, batch=min(len(numbers), 2_000)
        )

        def carry(controller: Controller, one: rights.Request, now: dt.datetime) -> None:
            rights.erase(controller, one, now)

        run = carry_out(self.controller, run, request, carry, lambda: NOW)
        if run.state != "over":
            raise SystemExit("a run is not over")
        return self.controller.bulks.summed(run).changed


@contextlib.contextmanager
def duty(url: str, directory: Path) -> Iterator[Duty]:
    """A deployment in `directory` over the shop at `url`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "shop.json").write_text(json.dumps(_document()), "utf-8")
    (directory / "kept.toml").write_text(
        f'bundle = "{ROOT / "policies" / "interop.io"}"\ndatabase = "embedded"\n'
        f'[systems.shop]\nstore = "postgresql"\nurl = "{url}"\nmode = "act"\n'
        'map = "shop.json"\n',
        "utf-8",
    )
    with Controller.open(deployment.read(directory)) as controller:
        yield Duty(controller)


def _document() -> dict[str, object]:
    """The map of `_shop`, as a file; JSON is YAML."""
    datasets: dict[str, object] = {}
    for name in _shop.TABLES:
        fields: dict[str, object] = {}
        for column in _shop.columns(name):
            if column in ("id", "parent_id"):
                fields[column] = {"type": "integer", "nullable": column != "id"}
            elif column == "v2":
                fields[column] = {"type": "integer"}
            elif column in ("ts", "created"):
                fields[column] = {"type": "datetime"}
            elif column == "email":
                fields[column] = {"category": "contact.email", "identifies": "email"}
            else:
                fields[column] = {"category": "contact"}
        one: dict[str, object] = {
            "key": ["id"], "fields": fields, "activities": ["service"], "retention": "messages",
        }  # fmt: skip
        if name in _shop.PARENTS:
            one["links"] = [
                {"fields": ["parent_id"], "to": _shop.PARENTS[name], "on": ["id"],
                 "kind": "owned-by"}
            ]  # fmt: skip
        datasets[name] = one
    return {"system": "shop", "title": "Shop", "country": "US", "datasets": datasets}
