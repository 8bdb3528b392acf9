"""Dataset descriptions in the format of Fides, turned into maps. Text in, text out.

Nothing is guessed and nothing is dropped in silence: what the format cannot say, and what a
map cannot hold, is named with its line. A category that has no word here keeps its own, so
that `kept map check` stops at it until somebody decides.

What a reference means here: `from` makes the rows here the property of whom the rows there
belong to. `to` says that rows there are reached from here; since the format does not tell
whether others reach them too, they are shared: emptied, never deleted, when one person goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from kept.datamap.check import Problem
from kept.datamap.fides_words import IDENTITIES, TYPES, common, ours
from kept.errors import MapError

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_WORDS: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))

_META: Final = ("fides_meta", "fidesops_meta")
_READ: Final = {
    "dataset": {"fides_key", "name", "description", "collections", "data_categories", *_META},
    "collection": {"name", "description", "fields", "data_categories", *_META},
    "field": {"name", "description", "fields", "data_categories", *_META},
}
_READ_META: Final = {
    "dataset": frozenset[str](),
    "collection": frozenset(("masking_strategy_override",)),
    # `length` bounds what is generated: nothing is generated here
    "field": frozenset(
        (
            "identity",
            "primary_key",
            "data_type",
            "references",
            "masking_strategy_override",
            "length",
        )
    ),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """System → its map as YAML, and what could not be carried over or has to be looked at."""

    maps: Mapping[str, str]
    notes: tuple[Problem, ...]


@dataclass(slots=True)
class _Field:
    name: str
    line: int
    type: str = "other"
    category: str | None = None
    identifies: str | None = None
    overwrite: str | None = None
    nested: bool = False


@dataclass(slots=True)
class _Dataset:
    name: str
    line: int
    fields: dict[str, _Field] = field(default_factory=dict)
    key: list[str] = field(default_factory=list)
    #: (field, system, dataset, field there, kind)
    links: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    deletes: bool = False  # rows go as such, whoever asks

    @property
    def personal(self) -> bool:
        return any(f.category for f in self.fields.values())


@dataclass(frozen=True, slots=True)
class _Reference:
    where: str
    system: str
    dataset: str
    field: str
    other: str
    path: tuple[str, ...]
    direction: str | None


def convert(files: Mapping[str, str], retention: str | None = None) -> Imported:
    """The maps of all datasets in `files` (name → text); `retention` is written to each.

    Raises MapError for what is no such file.
    """
    reader = _Reader()
    for name, text in files.items():
        reader.file(name, text)
    reader.tie()
    maps = {
        system: _written(system, title, datasets, retention)
        for system, (title, datasets) in reader.systems.items()
    }
    return Imported(maps, tuple(sorted(reader.notes, key=_place)))


def _place(note: Problem) -> tuple[str, int, str]:
    file, _, line = note.where.rpartition(":")
    return file, int(line), note.what


class _Reader:
    def __init__(self) -> None:
        self.systems: dict[str, tuple[str | None, dict[str, _Dataset]]] = {}
        self.notes: list[Problem] = []
        self._references: list[_Reference] = []
        self._file = ""
        self._said: set[str] = set()  # fields of the collection that say what they hold

    def _note(self, at: yaml.Node | int, what: str, fix: str) -> None:
        line = at if isinstance(at, int) else at.start_mark.line + 1
        self.notes.append(Problem(f"{self._file}:{line}", what, fix))

    def file(self, name: str, text: str) -> None:
        self._file = name
        try:
            root = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise MapError(
                "this is not YAML",
                where=f"{name}:{mark.line + 1 if mark else 1}",
                fix="mend the indentation there, or just above",
            ) from None
        datasets = _items(_keys(root).get("dataset"))
        if not datasets:
            raise MapError(
                "this describes no dataset in the format of Fides",
                where=f"{name}:1",
                expected="`dataset:` with a list of datasets, each with `fides_key`",
            )
        for node in datasets:
            self._dataset(node)

    def _dataset(self, node: yaml.Node) -> None:
        keys = self._known(node, "dataset", "the dataset")
        system = _word(keys.get("fides_key"))
        if not system:
            raise MapError(
                "a dataset without `fides_key`", where=f"{self._file}:{node.start_mark.line + 1}"
            )
        if system in self.systems:
            self._note(node, f"`{system}` stands here a second time", "it was left out; rename one")
            return
        found: dict[str, _Dataset] = {}
        self.systems[system] = _word(keys.get("name")), found
        inherited = _words(keys.get("data_categories"))
        for item in _items(keys.get("collections")):
            self._collection(system, item, found, inherited)
        if not found:
            self._note(node, f"`{system}` has no collections", "nothing of it was written")
            del self.systems[system]

    def _collection(
        self, system: str, node: yaml.Node, found: dict[str, _Dataset], inherited: list[str]
    ) -> None:
        keys = self._known(node, "collection", "a collection")
        name = _word(keys.get("name"))
        line = node.start_mark.line + 1
        fields = _items(keys.get("fields"))
        if not name or name in found or not fields:
            what = f"the collection `{name or '?'}` has no name, no fields, or stands here twice"
            self._note(node, what, "it was left out; mend it and import again")
            return
        one = found[name] = _Dataset(name, line)
        meta = self._meta(keys, "collection", f"the collection `{name}`")
        if (rule := meta.get("masking_strategy_override")) is not None:
            one.deletes = _word(_keys(rule).get("strategy")) == "delete"
            if not one.deletes:
                what = f"`{name}`: masking of a whole collection was not carried over"
                self._note(
                    rule, what, "say under `overwrite:` of its fields what shall stand there"
                )
        self._said = set()
        inherited = _words(keys.get("data_categories")) or inherited
        for item in fields:
            self._field(system, one, item, inherited)
        if not one.key:
            likely = [n for n in one.fields if n in ("id", "_id")][:1]
            flat = [f.name for f in one.fields.values() if not f.nested]
            one.key = likely or flat or list(one.fields)
            what = f"`{name}` says no primary key; `{', '.join(one.key)}` was written"
            self._note(line, what, "compare it with the table: `kept map check`")
        bare = [f.name for f in one.fields.values() if f.category is None]
        unsaid = [n for n in bare if n not in self._said]
        if unsaid:
            self._note(
                line,
                f"`{name}`: nothing says what {', '.join(f'`{n}`' for n in unsaid)} hold,"
                " so they count as not personal",
                "add their `category:` where they are",
            )

    def _field(self, system: str, one: _Dataset, node: yaml.Node, inherited: list[str]) -> None:
        keys = self._known(node, "field", f"a field of `{one.name}`")
        name = _word(keys.get("name"))
        if not name or name in one.fields:
            what = f"a field of `{one.name}` has no name, or stands here twice"
            self._note(node, what, "it was left out; mend it and import again")
            return
        made = one.fields[name] = _Field(name, node.start_mark.line + 1)
        meta = self._meta(keys, "field", f"`{one.name}.{name}`")
        nested = _items(keys.get("fields"))
        self._type(made, meta, bool(nested))
        words = _words(keys.get("data_categories")) or inherited
        if words:
            self._said.add(name)
        made.category = self._category(node, f"{one.name}.{name}", words)
        if nested:
            inner = [w for item in nested for w in self._inside(system, one, (name,), item)]
            made.category = common([c for c in (made.category, *inner) if c])
            self._said.add(name)
        identity = _word(meta.get("identity"))
        if identity:
            self._identity(made, meta["identity"], f"{one.name}.{name}", identity)
        if _truth(meta.get("primary_key")):
            one.key.append(name)
        self._override(made, meta.get("masking_strategy_override"), one)
        self._refer(system, one, (name,), meta.get("references"))

    def _inside(
        self, system: str, one: _Dataset, above: tuple[str, ...], node: yaml.Node
    ) -> Iterator[str]:
        """Categories inside a document; the map has one field for the whole of it."""
        keys = self._known(node, "field", f"a field inside `{one.name}.{'.'.join(above)}`")
        path = (*above, _word(keys.get("name")) or "?")
        where = f"{one.name}.{'.'.join(path)}"
        meta = self._meta(keys, "field", f"`{where}`")
        category = self._category(node, where, _words(keys.get("data_categories")))
        if category:
            yield category
            what = f"`{where}` lies inside a document; the map holds `{above[0]}` as a whole"
            self._note(node, what, "an erasure empties all of it; check that nothing else needs it")
        for key, fix in (
            ("identity", "nobody is found by it; give the person another way in, or a column"),
            ("masking_strategy_override", "say under `overwrite:` what stands for the whole"),
            ("primary_key", "name a key that is a column"),
        ):
            if key in meta:
                self._note(meta[key], f"`{key}` of `{where}` cannot be carried over", fix)
        self._refer(system, one, path, meta.get("references"))
        for item in _items(keys.get("fields")):
            yield from self._inside(system, one, path, item)

    def _type(self, made: _Field, meta: Mapping[str, yaml.Node], nested: bool) -> None:
        word = _word(meta.get("data_type"))
        if nested or (word or "").endswith("[]"):
            made.type, made.nested = "json", True
        elif word is not None and word in TYPES:
            made.type = TYPES[word]
        elif word is not None:
            self._note(meta["data_type"], f"the type `{word}` is not known", "`other` was written")

    def _category(self, node: yaml.Node, where: str, words: list[str]) -> str | None:
        found: list[str] = []
        for word in words:
            met, known = ours(word)
            if not known:
                self._note(
                    node, f"`{where}`: the category `{word}` has no word here and stays as it is",
                    "write a category of the vocabulary, or add this one to the bundle",
                )  # fmt: skip
            if met is not None and met not in found:
                found.append(met)
        if len(found) > 1:
            others = ", ".join(f"`{c}`" for c in found[1:])
            self._note(
                node, f"`{where}` has several categories; `{found[0]}` was written, not {others}",
                "write the one that has to be protected most",
            )  # fmt: skip
        return found[0] if found else None

    def _identity(self, made: _Field, node: yaml.Node, where: str, word: str) -> None:
        known = IDENTITIES.get(word)
        if known is None or made.nested:
            why = "lists cannot be searched" if known else "it is not a kind of identifier here"
            self._note(node, f"`{where}`: the identity `{word}` cannot be carried over: {why}",
                       "give the person another way in")  # fmt: skip
            return
        made.identifies = known[0]
        if made.type == "other" and known[0] in ("email", "phone"):
            made.type = "text"
        if made.category is None:
            made.category = known[1]
            what = f"`{where}` names people, so `{known[1]}` was written"
            self._note(node, what, "see that this is what it holds")

    def _override(self, made: _Field, node: yaml.Node | None, one: _Dataset) -> None:
        if node is None:
            return
        keys = _keys(node)
        strategy = _word(keys.get("strategy")) or "?"
        where = f"`{one.name}.{made.name}`"
        config = _keys(keys.get("configuration"))
        suffix = _word(_keys(config.get("format_preservation")).get("suffix")) or ""
        if strategy == "null_rewrite":
            return
        if strategy == "string_rewrite" and _word(config.get("rewrite_value")) is not None:
            text = (_word(config.get("rewrite_value")) or "") + suffix
            made.overwrite = text.replace("{", "{{").replace("}", "}}")
            return
        why = {
            "hash": "a hash of an identifier still names the person",
            "hmac": "a hash of an identifier still names the person",
            "aes_encrypt": "what can be decrypted is not erased",
            "preserve": "a personal field is not kept by a rule of the map",
        }.get(strategy, "what is written is fixed here, or made of the row's key")
        self._note(
            node,
            f"{where}: masking by `{strategy}` was not carried over: {why}",
            "say under `overwrite:` what shall stand there instead, or leave it null",
        )

    def _refer(
        self, system: str, one: _Dataset, path: tuple[str, ...], node: yaml.Node | None
    ) -> None:
        for item in _items(node):
            keys = _keys(item)
            other, target = _word(keys.get("dataset")), _word(keys.get("field"))
            if not other or not target or "." not in target:
                self._note(item, "a reference without dataset and field", "it was left out")
                continue
            self._references.append(
                _Reference(
                    f"{self._file}:{item.start_mark.line + 1}", system, one.name, ".".join(path),
                    other, tuple(target.split(".")), _word(keys.get("direction")),
                )
            )  # fmt: skip

    # ------------------------------------------------------------ links

    def tie(self) -> None:
        """Turn references into links, once all files are read."""
        for r in self._references:
            here, column = (r.system, r.dataset), r.field
            there, on = (r.other, r.path[0]), ".".join(r.path[1:])
            words = f"the reference of `{r.dataset}.{column}` to `{r.other}.{'.'.join(r.path)}`"
            if there[1] not in self.systems.get(r.other, (None, {}))[1]:
                self._left(r, words, "that dataset is not among the files", "import both at once")
                continue
            if not (self._column(here, column) and self._column(there, on)):
                self._left(r, words, "one end is a list, lies in a document, or is not there",
                           "link by columns, or give the person another way in")  # fmt: skip
                continue
            if r.direction == "to":
                self._shared(r, words, here, column, there, on)
                continue
            if r.direction is None:
                self.notes.append(
                    Problem(r.where, f"{words} goes both ways; rows here were made theirs",
                            "turn the link around where it is the other way")
                )  # fmt: skip
            self._link(r, words, here, column, there, on, "owned-by")

    def _shared(
        self, r: _Reference, words: str, here: tuple[str, str], column: str,
        there: tuple[str, str], on: str,
    ) -> None:  # fmt: skip
        """Rows there are reached from here."""
        target = self.systems[there[0]][1][there[1]]
        if not target.personal:
            self._left(r, words, f"`{there[1]}` holds nothing personal",
                       "give its fields categories, if they are personal after all")  # fmt: skip
        elif self._link(r, words, there, on, here, column, "shared"):
            becomes = "deleted with the first" if target.deletes else "emptied, not deleted"
            self.notes.append(
                Problem(
                    r.where,
                    f"rows of `{there[1]}` may be reached from several people, so they are shared:"
                    f" {becomes}",
                    "write owned-by where each belongs to one person, else under `shared:` what"
                    " follows when one of them goes (`delete`, `one-side`, `last-owner`)",
                )
            )

    def _link(
        self, r: _Reference, words: str, start: tuple[str, str], column: str,
        end: tuple[str, str], on: str, kind: str,
    ) -> bool:  # fmt: skip
        if start != end and self._leads(end, start):
            self._left(r, words, "rows would own each other in a circle",
                       "say in the map whose the rows are")  # fmt: skip
            return False
        one = self.systems[start[0]][1][start[1]]
        link = (column, end[0], end[1], on, kind)
        if all(known[:4] != link[:4] for known in one.links):
            one.links.append(link)
        return True

    def _left(self, r: _Reference, words: str, why: str, fix: str) -> None:
        self.notes.append(Problem(r.where, f"{words} was not carried over: {why}", fix))

    def _column(self, place: tuple[str, str], name: str) -> bool:
        made = self.systems[place[0]][1][place[1]].fields.get(name)
        return made is not None and not made.nested

    def _leads(self, start: tuple[str, str], end: tuple[str, str]) -> bool:
        seen, todo = set[tuple[str, str]](), [start]
        while todo:
            at = todo.pop()
            if at == end:
                return True
            if at not in seen:
                seen.add(at)
                links = self.systems[at[0]][1][at[1]].links
                todo += [(system, dataset) for _, system, dataset, _, _ in links]
        return False

    # ------------------------------------------------------------ nodes

    def _known(self, node: yaml.Node, level: str, name: str) -> dict[str, yaml.Node]:
        keys = _keys(node)
        for key, value in keys.items():
            if key not in _READ[level]:
                self._note(value, f"`{key}` of {name} was not carried over", "see if it matters")
        if level != "field":
            self._meta(keys, level, name)
        return keys

    def _meta(self, keys: Mapping[str, yaml.Node], level: str, name: str) -> dict[str, yaml.Node]:
        found: dict[str, yaml.Node] = {}
        for word in reversed(_META):
            found.update(_keys(keys.get(word)))
        for key, value in found.items():
            if key not in _READ_META[level]:
                self._note(value, f"`{key}` of {name} was not carried over", "see if it matters")
        return found


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(k.value): v for k, v in node.value if isinstance(k, yaml.ScalarNode)}


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _word(node: yaml.Node | None) -> str | None:
    if not isinstance(node, yaml.ScalarNode) or (
        not node.style and node.value in ("", "~", "null")
    ):
        return None
    return str(node.value)


def _words(node: yaml.Node | None) -> list[str]:
    return [word for item in _items(node) if (word := _word(item))]


def _truth(node: yaml.Node | None) -> bool:
    return (_word(node) or "").lower() in ("true", "yes", "on")


def _written(
    system: str, title: str | None, datasets: Mapping[str, _Dataset], retention: str | None
) -> str:
    lines = [f"system: {_quoted(system)}"]
    if title:
        lines.append(f"title: {_quoted(title)}")
    lines.append("datasets:")
    for one in datasets.values():
        lines += [f"  {_quoted(one.name)}:", f"    key: [{', '.join(map(_quoted, one.key))}]"]
        if retention and one.personal:
            lines.append(f"    retention: {_quoted(retention)}")
        if any(link[4] == "shared" for link in one.links):
            lines.append("    shared: delete" if one.deletes else "    erase: overwrite")
        elif not one.personal and not one.links:
            lines.append("    erase: never")
        lines.append("    fields:")
        for item in one.fields.values():
            said: dict[str, Any] = {"type": item.type}
            said |= {"category": item.category, "identifies": item.identifies}
            if item.name not in one.key:
                said["overwrite"] = item.overwrite
            parts = [f"{k}: {_quoted(v)}" for k, v in said.items() if v is not None]
            lines.append(f"      {_quoted(item.name)}: {{{', '.join(parts)}}}")
        if one.links:
            lines.append("    links:")
        for column, other, dataset, on, kind in one.links:
            far = f", system: {_quoted(other)}" if other != system else ""
            lines.append(
                f"      - {{fields: [{_quoted(column)}], to: {_quoted(dataset)},"
                f" on: [{_quoted(on)}], kind: {kind}{far}}}"
            )
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    letters = [c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text]
    return f'"{"".join(letters)}"'
