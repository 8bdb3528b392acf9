"""The shipped schemas: real JSON Schemas, and only what the reader understands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kept.policy import yamlfile
from kept.policy.bundle import FILES
from kept.policy.shapes import PERIOD

UNDERSTOOD = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required",
    "patternProperties", "additionalProperties", "propertyNames", "items", "minItems",
    "uniqueItems", "enum", "pattern", "minLength", "oneOf", "format",
}  # fmt: skip


def schemas(rules: Any) -> Iterator[Any]:
    """A schema and all within it."""
    yield rules
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(rules.get(key), dict):
            yield from schemas(rules[key])
    for key in ("properties", "patternProperties", "$defs"):
        for inner in rules.get(key, {}).values():
            yield from schemas(inner)
    for inner in rules.get("oneOf", ()):
        yield from schemas(inner)


@pytest.mark.parametrize("name", FILES)
def test_only_what_the_reader_understands(name: str) -> None:
    root = yamlfile.schema(name)
    assert root["title"]
    for rules in schemas(root):
        assert set(rules) <= UNDERSTOOD
        if rules.get("type") == "object":
            # Every mapping is closed, or says what the names in it look like and mean.
            assert "additionalProperties" in rules
        if "$ref" in rules:
            assert rules["$ref"].removeprefix("#/$defs/") in root["$defs"]
        if "pattern" in rules and rules.get("type") != "object":
            assert "description" in rules or name in {"links"}


def test_periods_are_spelt_alike() -> None:
    assert yamlfile.schema("retention")["$defs"]["period"]["pattern"] == f"^{PERIOD}$"
