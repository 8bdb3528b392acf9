"""What an OpenAPI document promises: values that it asks for, and whether an answer keeps to it.

Only the words of JSON Schema that Kept's document has are known; any other is an error, so that
nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

#: Words that say nothing about a value.
_ABOUT: Final = frozenset(
    ("title", "description", "default", "examples", "deprecated", "format", "contentEncoding")
    + ("contentMediaType",)
)
_KNOWN: Final = frozenset(
    ("type", "properties", "required", "additionalProperties", "items", "prefixItems", "maxItems")
    + ("maxLength", "minLength", "pattern", "oneOf", "$ref", "enum", "minimum", "maximum")
)
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "integer": (int,), "number": (int, float), "null": (type(None),),
}  # fmt: skip
#: Whatever JSON can say.
ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


class Document:
    """One document. `text` makes the words of a name or a value."""

    def __init__(self, document: Mapping[str, Any], text: st.SearchStrategy[str]) -> None:
        self.paths: Mapping[str, Any] = document["paths"]
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]
        self._text = text

    def _of(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        found = schema if reference is None else self._schemas[reference.rpartition("/")[2]]
        strange = found.keys() - _ABOUT - _KNOWN
        assert not strange, f"the schema says more than is read here: {strange}"
        return found

    def value(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        """Values as a schema asks for them."""
        one = self._of(schema)
        if "oneOf" in one:
            return st.one_of([self.value(each) for each in one["oneOf"]])
        if "enum" in one:
            return st.sampled_from(one["enum"])
        kind = one["type"]
        if kind == "object":
            needed = one.get("required", [])
            parts = {n: self.value(s) for n, s in one.get("properties", {}).items()}
            return st.fixed_dictionaries(
                {n: s for n, s in parts.items() if n in needed},
                optional={n: s for n, s in parts.items() if n not in needed},
            )
        if kind == "array":
            if "prefixItems" in one:
                return st.tuples(*map(self.value, one["prefixItems"])).map(list)
            return st.lists(self.value(one["items"]), max_size=min(one.get("maxItems", 5), 5))
        if kind == "string":
            least, most = one.get("minLength", 0), one.get("maxLength", 8_000)
            return self._text.filter(lambda text: least <= len(text) <= most)
        simple = {"boolean": st.booleans(), "null": st.none(), "integer": st.integers()}
        return simple[kind]

    def amiss(self, schema: Mapping[str, Any], value: Any, at: str = "$") -> list[str]:
        """Where a value is not what a schema says."""
        one = self._of(schema)
        if "oneOf" in one:
            fits = [not self.amiss(each, value, at) for each in one["oneOf"]]
            return [] if sum(fits) == 1 else [f"{at}: {sum(fits)} of its kinds"]
        kinds = one.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(_is(value, kind) for kind in kinds):
            return [f"{at}: no {' or '.join(kinds)}"]
        found = []
        if isinstance(value, dict):
            parts = one.get("properties", {})
            found += [
                f"{at}.{name}: missing" for name in one.get("required", []) if name not in value
            ]
            rest = one.get("additionalProperties")
            for name, each in value.items():
                if name in parts:
                    found += self.amiss(parts[name], each, f"{at}.{name}")
                elif rest:
                    found += self.amiss(rest, each, f"{at}.*")
                elif parts:
                    found.append(f"{at}: more than is declared")
        if isinstance(value, list) and "items" in one:
            for each in value:
                found += self.amiss(one["items"], each, f"{at}[]")
        return found


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
