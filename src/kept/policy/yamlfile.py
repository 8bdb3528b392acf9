"""YAML files of a bundle: strict, checked against their JSON Schema, with line numbers.

The schemas beside this module (`schema/*.json`) are the documentation of the format and what
files are checked against. Reading is directed by the schema: where it wants a string, the
letters of the file are the string, so that `NO` is Norway and `1e9` a hash. Understood of
JSON Schema: type, properties, patternProperties, additionalProperties, propertyNames, required,
items, minItems, uniqueItems, enum, pattern, minLength, oneOf, $ref into $defs, format date.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import importlib.resources
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from kept.policy.problem import Problem

Path_: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = Mapping[str, Any]

# The parser of libyaml is ten times as fast; where PyYAML was built without it, its own serves.
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL: Final = {"", "~", "null"}
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z")
#: Under which key an item of a list says what it is called, and what is taken for a name.
_TITLES: Final = ("id", "name", "ref")
_PLAIN: Final = re.compile(r"[\w][\w .-]{0,59}\Z")
_WORDS: Final = {
    "object": "a mapping", "array": "a list", "string": "text", "null": "null",
    "integer": "a whole number", "number": "a number", "boolean": "true or false",
}  # fmt: skip


class File:
    """One file as read: plain values, and the line of every one of them.

    `value` is None where `problems` made the whole unreadable. A list is a list, a mapping
    a dict in the order of the file, a date a datetime.date.
    """

    def __init__(self, name: str, value: Any, lines: dict[Path_, int], problems: list[Problem]):
        self.name, self.value, self.lines, self.problems = name, value, lines, problems

    def line(self, *path: str | int) -> int:
        """The line of a value, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@functools.cache
def schema(name: str) -> Schema:
    """The JSON Schema of a file of the bundle, by its name without suffix."""
    text = importlib.resources.files("kept.policy").joinpath(f"schema/{name}.json").read_text()
    loaded: Schema = json.loads(text)
    return loaded


def read(path: Path) -> File:
    """Read a file of the bundle against the schema of its name. An absent one reads as empty."""
    rules = schema(path.stem)
    empty: Any = [] if rules["type"] == "array" else {}
    lines: dict[Path_, int] = {(): 1}
    if not path.exists():
        return File(path.name, empty, lines, [])
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = Problem(f"{path.name}:{line}", "this is not UTF-8", "save the file as UTF-8")
        return File(path.name, None, lines, [problem])
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path.name}:{mark.line + 1 if mark else 1}"
        what = f"this is not YAML: {error.problem or error.context or 'unreadable'}"
        fix = "mend the indentation, quotes or brackets there, or just above"
        return File(path.name, None, lines, [Problem(where, what, fix)])
    except yaml.YAMLError as error:
        what = f"this is not YAML: {type(error).__name__}"
        fix = "remove control characters and characters outside Unicode"
        return File(path.name, None, lines, [Problem(f"{path.name}:1", what, fix)])
    if node is None:  # nothing but comments
        tag = "tag:yaml.org,2002:"
        mark = yaml.Mark(path.name, 0, 0, 0, None, 0)
        whole = yaml.SequenceNode if isinstance(empty, list) else yaml.MappingNode
        node = whole(tag + ("seq" if isinstance(empty, list) else "map"), [], mark, mark)
    walk = _Walk(path.name, rules, lines)
    value = walk.value(node, rules, ())
    return File(path.name, value, lines, walk.problems)


def close(word: str, words: Iterable[str]) -> str:
    """A hint for a misspelt word: `write X`, or the words there are."""
    known = sorted(words)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near or len(known) == 1:
        return f"write {(near or known)[0]}"
    if not known:
        return "remove it"
    return f"write one of: {', '.join(known)}" if len(known) <= 24 else "write one that is defined"


class _Walk:
    """Turns nodes into values along a schema, and collects what is amiss."""

    def __init__(self, file: str, root: Schema, lines: dict[Path_, int]) -> None:
        self._file, self._root, self._lines = file, root, lines
        self._open: set[int] = set()  # nodes being walked, to find a node inside itself
        self._titles: dict[Path_, str] = {}  # items of lists → what they are called
        self.problems: list[Problem] = []

    def _wrong(self, node: yaml.Node, what: str, fix: str) -> None:
        self.problems.append(Problem(f"{self._file}:{node.start_mark.line + 1}", what, fix))

    def value(self, node: yaml.Node, rules: Schema, path: Path_) -> Any:
        """The value of a node; None, with a problem noted, where it breaks the schema."""
        rules = self._resolve(node, rules)
        self._lines.setdefault(path, node.start_mark.line + 1)
        wanted = rules.get("type", list(_WORDS))
        kinds = [wanted] if isinstance(wanted, str) else list(wanted)
        name = self._name(path)
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            self._wrong(node, f"{name} has the tag {node.tag}", "write plain text, without a tag")
            return None
        if id(node) in self._open:
            self._wrong(node, f"{name} contains itself", "write the value out, without an alias")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and "object" in kinds:
                return self._mapping(node, rules, path)
            if isinstance(node, yaml.SequenceNode) and "array" in kinds:
                return self._list(node, rules, path)
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node, rules, kinds, name)
        finally:
            self._open.discard(id(node))
        self._wrong(node, f"{name} has the wrong shape", f"write {_either(kinds)}")
        return None

    def _resolve(self, node: yaml.Node, rules: Schema) -> Schema:
        while "$ref" in rules:
            rules = self._root["$defs"][rules["$ref"].removeprefix("#/$defs/")]
        if "oneOf" in rules:  # ours differ by shape, so the shape of the node chooses
            shape = "object" if isinstance(node, yaml.MappingNode) else "array"
            if isinstance(node, yaml.ScalarNode):
                null = not node.style and node.value in _NULL
                shape = "null" if null else "string"
            options = [self._resolve(node, option) for option in rules["oneOf"]]
            rules = next((o for o in options if shape in _kinds(o)), options[-1])
        return rules

    def _name(self, path: Path_) -> str:
        """A value as people find it: an item of a list by what it is called, else by its number,
        from one.
        """
        words: list[str] = []
        for n, step in enumerate(path, 1):
            if isinstance(step, int):
                title = self._titles.get(path[:n])
                if title is None:
                    words.append(f"{words.pop()}[{step + 1}]" if words else f"item {step + 1}")
                    continue
                step = title
            words.append(_safe(step))
        return ".".join(words) or "the file"

    def _mapping(self, node: yaml.MappingNode, rules: Schema, path: Path_) -> dict[str, Any]:
        found: dict[str, Any] = {}
        properties: Schema = rules.get("properties", {})
        patterns: Schema = rules.get("patternProperties", {})
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key_node, "a key that is no word", "write a word before the colon")
                continue
            key = key_node.value
            if key in found:
                line = self._lines[(*path, key)]
                what = f"{_safe(key)} stands here a second time (first in line {line})"
                self._wrong(key_node, what, "keep one of them")
                continue
            self._lines[(*path, key)] = key_node.start_mark.line + 1
            inner = properties.get(key)
            if inner is None:
                inner = next((s for p, s in patterns.items() if re.search(p, key)), None)
            if inner is None and isinstance(rules.get("additionalProperties", False), Mapping):
                inner = rules["additionalProperties"]
                names: Schema = rules.get("propertyNames", {})
                if not re.search(names.get("pattern", ""), key):
                    form = names.get("description", f"of the form {names.get('pattern')}")
                    self._wrong(
                        key_node, f"{_safe(key)!r} is no name for this", f"write a name {form}"
                    )
            if inner is None:
                self._wrong(key_node, f"unknown key {_safe(key)!r}", close(key, properties))
                found[key] = None
                continue
            found[key] = self.value(value_node, inner, (*path, key))
        for key in rules.get("required", ()):
            if key not in found:
                self._wrong(node, f"{self._name(path)} lacks {key!r}", f"add `{key}:`")
        return found

    def _list(self, node: yaml.SequenceNode, rules: Schema, path: Path_) -> list[Any]:
        inner: Schema = rules.get("items", {})
        for n, item in enumerate(node.value):
            if title := _title(item):
                self._titles[(*path, n)] = title
        found = [self.value(item, inner, (*path, n)) for n, item in enumerate(node.value)]
        if len(found) < rules.get("minItems", 0):
            self._wrong(
                node, f"{self._name(path)} is empty", "name at least one, or leave the key out"
            )
        if rules.get("uniqueItems"):
            for n, item in enumerate(found):
                if item is not None and item in found[:n]:
                    what = f"{self._name(path)} names {_safe(str(item))} twice"
                    self._wrong(node.value[n], what, "remove one")
        return found

    def _scalar(self, node: yaml.ScalarNode, rules: Schema, kinds: list[str], name: str) -> Any:
        text, plain = node.value, not node.style
        if plain and text in _NULL and "null" in kinds:
            return None
        if plain and "boolean" in kinds and text in {"true", "false"}:
            return text == "true"
        if plain and "integer" in kinds and _INTEGER.match(text):
            if int(text) not in rules.get("enum", [int(text)]):
                self._wrong(node, f"{name}: {text} is not known", f"write {rules['enum'][0]}")
            return int(text)
        if plain and "number" in kinds and _NUMBER.match(text):
            return float(text)
        if "string" not in kinds or (plain and text in _NULL):
            self._wrong(node, f"{name} has the wrong shape", f"write {_either(kinds)}")
            return None
        if "enum" in rules and text not in rules["enum"]:
            self._wrong(node, f"{name}: {_safe(text)!r} is not known", close(text, rules["enum"]))
            return None
        if rules.get("format") == "date":
            try:
                return dt.date.fromisoformat(text)
            except ValueError:
                self._wrong(node, f"{name}: {_safe(text)!r} is no date", "write YYYY-MM-DD")
                return None
        if not re.search(rules.get("pattern", ""), text):
            form = rules.get("description", f"a text of the form {rules.get('pattern')}")
            self._wrong(node, f"{name}: {_safe(text)!r} is not well formed", f"write {form}")
            return None
        if len(text.strip()) < rules.get("minLength", 0):
            self._wrong(node, f"{name} is empty", "write it out")
            return None
        return text


def _kinds(rules: Schema) -> list[str]:
    kinds = rules.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _either(kinds: list[str]) -> str:
    return " or ".join(_WORDS[kind] for kind in kinds)


def _title(item: yaml.Node) -> str | None:
    """What an item of a list is called, where it says so itself."""
    pairs = item.value if isinstance(item, yaml.MappingNode) else ()
    said = {
        key.value: value.value
        for key, value in pairs
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
    }
    title = next((said[key] for key in _TITLES if said.get(key)), None)
    return title if title and _PLAIN.match(title) else None


def _safe(text: str) -> str:
    """Words of the file as a problem repeats them; none in which a password or an address of a
    person can stand.
    """
    return "…" if "@" in text else text
