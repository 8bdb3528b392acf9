"""Plans and keys as bytes, so that they can be sealed before the first write.

JSON with every value tagged by its type: what comes back equals what went in, also for
Decimal, UUID, dates and bytes. Functions (`PerRow`) cannot be sealed and are refused.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable
from typing import Any

from kept.errors import UsageError
from kept.model.change import Assignment, Const, Template
from kept.model.generalise import Generalise
from kept.model.plan import Action, Mode, Plan, Reason, Step, SystemPlan
from kept.model.redact import Redact
from kept.model.select import KeyTable
from kept.model.values import Value

_TO: list[tuple[type, str, Callable[[Any], Any]]] = [
    (bool, "b", bool),
    (int, "i", str),
    (float, "f", float.hex),
    (decimal.Decimal, "d", str),
    (str, "s", str),
    (bytes, "x", lambda v: base64.b64encode(v).decode("ascii")),
    (dt.datetime, "t", dt.datetime.isoformat),
    (dt.date, "a", dt.date.isoformat),
    (dt.time, "c", dt.time.isoformat),
    (dt.timedelta, "e", lambda v: [v.days, v.seconds, v.microseconds]),
    (uuid.UUID, "u", str),
]
_FROM: dict[str, Callable[[Any], Value]] = {
    "b": bool,
    "i": int,
    "f": float.fromhex,
    "d": decimal.Decimal,
    "s": str,
    "x": base64.b64decode,
    "t": dt.datetime.fromisoformat,
    "a": dt.date.fromisoformat,
    "c": dt.time.fromisoformat,
    "e": lambda v: dt.timedelta(*v),
    "u": uuid.UUID,
}


def encode_value(value: Value) -> Any:
    """A value as JSON: null, or [tag, text]."""
    if value is None:
        return None
    for kind, tag, to in _TO:
        if isinstance(value, kind):
            return [tag, to(value)]
    raise UsageError(
        "a key value cannot be sealed",
        expected="a plain value (model.values.Value)",
        met=f"`{type(value).__name__}`",
    )


def decode_value(data: Any) -> Value:
    """The inverse of `encode_value`."""
    return None if data is None else _FROM[data[0]](data[1])


def encode_keys(table: KeyTable) -> dict[str, Any]:
    """A KeyTable as JSON."""
    return {
        "fields": list(table.fields),
        "rows": [[who, [encode_value(v) for v in key]] for who, key in table.rows],
    }


def decode_keys(data: dict[str, Any]) -> KeyTable:
    """The inverse of `encode_keys`."""
    rows = tuple((int(who), tuple(decode_value(v) for v in key)) for who, key in data["rows"])
    return KeyTable(tuple(data["fields"]), rows)


def encode_reason(reason: Reason) -> dict[str, Any]:
    """A Reason as JSON."""
    until = reason.until.isoformat() if reason.until else None
    return {
        "words": reason.words, "law": reason.law, "until": until,
        "clause": reason.clause, "hold": reason.hold,
    }  # fmt: skip


def decode_reason(data: dict[str, Any]) -> Reason:
    """The inverse of `encode_reason`."""
    until = dt.date.fromisoformat(data["until"]) if data["until"] else None
    return Reason(data["words"], data["law"], until, data["clause"], data["hold"])


def _assignment(value: Assignment) -> list[Any]:
    match value:
        case Const(constant, wrong):
            of = [] if wrong is None else [encode_value(wrong)]
            return ["const", encode_value(constant), *of]
        case Template(text):
            return ["template", text]
        case Redact(needles):
            return ["redact", [list(one) for one in needles]]
        case Generalise(how):
            return ["generalise", how]
        case _:
            raise UsageError(
                "a per-row function cannot be sealed",
                expected="a constant or a template",
                fix="write the field's `overwrite` in the data map as text",
            )


def _assigned(data: list[Any]) -> Assignment:
    if data[0] == "redact":
        return Redact(tuple((kind, value) for kind, value in data[1]))
    if data[0] == "generalise":
        return Generalise(data[1])
    return Const(*map(decode_value, data[1:])) if data[0] == "const" else Template(data[1])


def encode_plan(plan: Plan) -> bytes:
    """A plan of writing steps as bytes; Selects of reading steps are not kept."""
    return json.dumps(
        {
            "right": plan.right,
            "people": plan.people,
            "steps": [
                {
                    "number": s.number,
                    "system": s.system,
                    "dataset": s.dataset,
                    "action": s.action.value,
                    "keys": encode_keys(s.keys),
                    "assign": {f: _assignment(a) for f, a in s.assign.items()},
                    "reason": encode_reason(s.reason) if s.reason else None,
                }
                for s in plan.steps
            ],
            "systems": [[p.system, p.mode.value, p.grain] for p in plan.systems],
            "unreached": [list(pair) for pair in plan.unreached],
            "warnings": list(plan.warnings),
        },
        separators=(",", ":"),
    ).encode()


def decode_plan(data: bytes) -> Plan:
    """The inverse of `encode_plan`."""
    raw = json.loads(data)
    return Plan(
        right=raw["right"],
        people=raw["people"],
        steps=tuple(
            Step(
                number=s["number"],
                system=s["system"],
                dataset=s["dataset"],
                action=Action(s["action"]),
                keys=decode_keys(s["keys"]),
                assign={f: _assigned(a) for f, a in s["assign"].items()},
                reason=decode_reason(s["reason"]) if s["reason"] else None,
            )
            for s in raw["steps"]
        ),
        systems=tuple(SystemPlan(name, Mode(mode), grain) for name, mode, grain in raw["systems"]),
        unreached=tuple((name, words) for name, words in raw["unreached"]),
        warnings=tuple(raw["warnings"]),
    )
