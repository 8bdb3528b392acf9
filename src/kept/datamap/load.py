"""Reads the map from YAML: one file per system, strict, errors at file:line with the fix.

Letters are read as they stand (`NO` is Norway, `on:` a word), unknown and repeated keys are
problems, and so is whatever would let an erasure go wrong later: a link without an end, rows
owned in a circle, a key field that is written over, a placeholder that would keep the very
data that was to go.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias, cast, get_args

import yaml

from kept.datamap import copies, others, sides
from kept.datamap.anonymise import wrong
from kept.datamap.check import Problem, check, close, compare
from kept.datamap.ends import accounts, circles, ends, owners
from kept.datamap.map import DataMap, Dataset, Field, Link, OnErase, Owner, Shared, Stays, System
from kept.datamap.overwrite import assignment
from kept.errors import MapError, UsageError
from kept.model.generalise import method
from kept.model.plan import Mode
from kept.model.values import Type
from kept.terms.identifiers import KINDS
from kept.terms.origins import ORIGINS, Origin

__all__ = ["Problem", "check", "compare", "load", "read"]

# The parser of libyaml is ten times as fast; where PyYAML was built without it, its own serves.
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: A system, how it is mapped, and what is in the file of its map, or why that cannot be read.
_State: TypeAlias = tuple[str, Mode, str | None, Path | None, bytes | str]

_NULL: Final = {"", "~", "null"}
_TYPES: Final = get_args(Type)
_SYSTEM: Final = ("system", "title", "country", "datasets")
_DATASET: Final = (
    "key", "title", "retention", "clock", "activities", "erase", "stays", "k", "origin", "source",
    "fields", "links", "copy_of", "shared",
)  # fmt: skip
_FIELD: Final = (
    "type", "category", "identifies", "folded", "indexed_exact", "nullable", "overwrite",
    "free_text", "stamp", "origin", "source", "secret", "anonymise", "others",
    "side",
)  # fmt: skip
#: Types in which engines without dates hold them.
_SPELT: Final = ("text", "other")
#: What may become of a passage in a free text that names somebody.
_MENTIONS: Final = ("redact", "delete")
#: Whose a value is that is not the person's: who handles it, anybody; or nobody else's.
_OTHERS: Final = ("staff", "person", "no")
_LINK: Final = ("fields", "to", "on", "kind", "system")
#: Kinds whose values are the same in another case, unless the map says otherwise.
_FOLDED: Final = ("email", "name")


def load(
    files: Mapping[str, Path | None],
    modes: Mapping[str, Mode] | None = None,
    stores: Mapping[str, str | None] | None = None,
) -> DataMap:
    """The map made of `files` (system → its file), each with its mode and kind of store.

    A system without a mode observes; without a store it is known but cannot be asked, and may
    be without a file. Raises MapError: its place is the first problem's, its text names them
    all.
    """
    datamap, problems = read(files, modes, stores)
    refuse(problems)
    return datamap


def refuse(problems: Sequence[Problem]) -> None:
    """MapError where there are problems: the place of the first, the words of all."""
    if problems:
        first, *others = problems
        also = "".join(f"\n{other}" for other in others)
        raise MapError(first.what, where=first.where, fix=first.fix + also)


def read(
    files: Mapping[str, Path | None],
    modes: Mapping[str, Mode] | None = None,
    stores: Mapping[str, str | None] | None = None,
) -> tuple[DataMap, list[Problem]]:
    """As `load`, but with all that is amiss beside the map as far as it could be read.

    While one file is no YAML at all, how the systems hang together is not judged: that would
    name as missing what only could not be read.
    """
    state = tuple(
        (name, (modes or {}).get(name, Mode.OBSERVE), (stores or {}).get(name), path, _bytes(path))
        for name, path in sorted(files.items())
    )
    datamap, problems = _read(state)
    return datamap, list(problems)


def _bytes(path: Path | None) -> bytes | str:
    """What is in a file; in words why it cannot be read."""
    try:
        return b"" if path is None else path.read_bytes()
    except OSError as error:
        return str(error.strerror)


@lru_cache(maxsize=8)
def _read(state: tuple[_State, ...]) -> tuple[DataMap, tuple[Problem, ...]]:
    """The map of files with these very bytes: nothing else is looked at, so it is made once."""
    systems: dict[str, System] = {}
    whole = True
    problems: list[Problem] = []
    lines: dict[tuple[str, str, int], str] = {}
    digest = hashlib.sha256()
    for name, mode, store, path, content in state:
        if path is None:
            systems[name] = System(name, mode, {}, store)
        else:
            reader = _Reader(path, content, problems, lines)
            systems[name] = reader.system(name, mode, store)
            whole = whole and reader.whole
        inside = b"" if isinstance(content, str) else content
        digest.update(f"{name}\0{len(inside)}\0".encode() + inside)
    if whole:
        systems = copies.linked(ends(systems, problems, lines))
        problems += circles(systems)
        problems += accounts(systems)
        problems += owners(systems)
        problems += copies.wrong(systems)
    return DataMap(systems, digest.hexdigest()), tuple(sorted(set(problems), key=_place))


def _tells_time(field: Field) -> bool:
    """Whether a class can count from a field: a date, or a text that may spell one."""
    return field.type in ("date", "datetime") or (field.type in _SPELT and field.category is None)


def _place(problem: Problem) -> tuple[str, int, str]:
    file, _, line = problem.where.rpartition(":")
    return file, int(line), problem.what


class _Reader:
    """One file: nodes to values. Problems are noted and reading goes on."""

    def __init__(
        self,
        path: Path,
        content: bytes | str,
        problems: list[Problem],
        lines: dict[tuple[str, str, int], str],
    ) -> None:
        self._path, self._content = path, content
        self._problems, self._lines = problems, lines
        self.whole = True

    def _wrong(self, at: yaml.Node | int, what: str, fix: str) -> None:
        line = at if isinstance(at, int) else at.start_mark.line + 1
        self._problems.append(Problem(f"{self._path}:{line}", what, fix))

    def _root(self) -> yaml.Node | None:
        if isinstance(self._content, str):
            self._wrong(1, f"the map cannot be read: {self._content}", "name a file that is there")
            return None
        try:
            node = yaml.compose(self._content.decode("utf-8"), Loader=_Loader)
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self._wrong(line, "this is not UTF-8", "save the file as UTF-8")
            return None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._wrong(
                mark.line + 1 if mark else 1,
                f"this is not YAML: {error.problem or error.context or 'unreadable'}",
                "mend the indentation, quotes or brackets there, or just above",
            )
            return None
        except yaml.YAMLError:
            self._wrong(1, "this is not YAML", "remove control characters")
            return None
        if node is None:
            self._wrong(1, "the map is empty", "write `system:` and `datasets:`")
        return node

    def system(self, name: str, mode: Mode, store: str | None) -> System:
        file = str(self._path)
        root = self._root()
        if root is None:
            self.whole = False
            return System(name, mode, {}, store, file=file)
        keys = self._mapping(root, "the file", _SYSTEM, ("system", "datasets"))
        met = self._text(keys.get("system"), "system")
        if met is not None and met != name:
            self._wrong(
                keys["system"],
                f"this is the map of `{met}`, but the deployment uses it for `{name}`",
                f"write `system: {name}`, or name another map",
            )
        datasets = {
            key: self._dataset(name, key, key_line, node)
            for key, key_line, node in self._named(keys.get("datasets"), "datasets")
        }
        return System(
            name,
            mode,
            datasets,
            store,
            self._text(keys.get("title"), "title"),
            self._text(keys.get("country"), "country"),
            file,
        )

    def _dataset(self, system: str, name: str, line: int, node: yaml.Node) -> Dataset:
        keys = self._mapping(node, name, _DATASET, ("key", "fields"))
        fields = {
            key: self._field(name, key, item)
            for key, _, item in self._named(keys.get("fields"), f"fields of {name}")
        }
        erase = self._choice(keys.get("erase"), "erase", tuple(OnErase)) or OnErase.DELETE
        stays = self._choice(keys.get("stays"), "stays", tuple(Stays))
        shared = self._choice(keys.get("shared"), "shared", tuple(Shared))
        dataset = Dataset(
            name,
            self._texts(keys.get("key"), "key"),
            fields,
            self._links(system, name, keys.get("links")),
            self._text(keys.get("retention"), "retention"),
            self._text(keys.get("clock"), "clock"),
            self._texts(keys.get("activities"), "activities", empty=True),
            OnErase(erase),
            self._text(keys.get("title"), "title"),
            line,
            stays=Stays(stays) if stays else None,
            k=self._number(keys.get("k"), "k"),
            origin=self._origin(keys.get("origin")),
            copy_of=copies.place(self._text(keys.get("copy_of"), "copy_of")),
            source=self._text(keys.get("source"), "source"),
            shared=Shared(shared) if shared else None,
        )
        for at, names in (("key", dataset.key), ("clock", (dataset.clock,) * bool(dataset.clock))):
            for wanted in names:
                if wanted is not None and fields and wanted not in fields:
                    what = f"{name}: no field `{wanted}`, as `{at}` says"
                    self._wrong(keys[at], what, close(wanted, fields))
        clock = fields.get(dataset.clock or "")
        if clock is not None and not _tells_time(clock):
            self._wrong(
                keys["clock"],
                f"{name}: `{clock.name}` is no date, as `clock` needs: it is {clock.type}"
                + (f" with the category `{clock.category}`" if clock.type in _SPELT else ""),
                "name the field with the date from which the retention class counts, of type date"
                " or datetime (a text without a category also serves)",
            )
        tied = {*dataset.key, *(name for link in dataset.links for name in link.fields)}
        for item in dataset.fields.values():
            if item.secret and (item.category is None or item.identifies or item.name in tied):
                self._wrong(
                    keys["fields"],
                    f"{name}: `{item.name}` cannot be secret: it names a row or a person, or has"
                    " no category",
                    "give it a `category:`, or remove `secret:`",
                )
        if dataset.on_erase is OnErase.NEVER and dataset.personal:
            self._wrong(
                keys["erase"],
                f"{name}: holds personal fields, and nothing is exempt from erasure by itself",
                "write `delete` or `overwrite`; what a law keeps is said by its retention class",
            )
        # Such rows would be passed through on the way to others: neither shown to her nor erased.
        hers = any(link.kind is not Owner.ACCESSED for link in dataset.links)
        if dataset.on_erase is OnErase.NEVER and hers and not dataset.personal:
            self._wrong(
                keys["erase"],
                f"{name}: a link says whose its rows are, `erase: never` that they are nobody's",
                "remove `erase: never` and name a class under `retention:`; where the rows are"
                " nobody's, write `kind: accessed-by` at the link",
            )
        if any(link.kind is Owner.SHARED for link in dataset.links) and (
            dataset.on_erase is OnErase.DELETE and "shared" not in keys
        ):
            self._wrong(
                keys["links"],
                f"{name}: its rows are shared, so none may go because one person asks",
                "say under `shared:` what follows when one of them goes (`delete`, `one-side` or"
                " `last-owner`), or write `erase: overwrite`, and under `overwrite:` what shall"
                " stand in the fields of all of them",
            )
        said = _keys(keys.get("fields", node))
        for whose, what, fix in sides.wrong(dataset):
            self._wrong(said.get(whose or "", keys.get("shared", node)), f"{name}: {what}", fix)
        self._overwrites(dataset, keys.get("fields", node))
        self._told(keys.get("fields", node), dataset.name, others.wrong(dataset))
        if dataset.on_erase is OnErase.ANONYMISE:
            for _, what, fix in wrong(dataset):
                self._wrong(keys["erase"], f"{dataset.name}: {what}", fix)
        return dataset

    def _told(self, at: yaml.Node, dataset: str, amiss: Iterable[tuple[str, str, str]]) -> None:
        nodes = _keys(at)
        for name, what, fix in amiss:
            self._wrong(nodes.get(name, at), f"{dataset}: {what}", fix)

    def _overwrites(self, dataset: Dataset, at: yaml.Node) -> None:
        nodes = _keys(at)
        for item in dataset.fields.values():
            node = nodes.get(item.name, at)
            if item.overwrite is None:
                continue
            if item.name in dataset.key:
                self._wrong(
                    node,
                    f"{dataset.name}: `{item.name}` names the row and cannot be written over",
                    "remove its `overwrite:`",
                )
            try:
                parts = list(string.Formatter().parse(item.overwrite))
            except ValueError:
                self._wrong(
                    node,
                    f"{dataset.name}: `overwrite` of `{item.name}` has a brace too many",
                    "write {{ and }} for braces that are meant",
                )
                continue
            for _, name, form, conversion in parts:
                if name is None:
                    continue
                source = dataset.fields.get(name)
                if source is None or form or conversion:
                    self._wrong(
                        node,
                        f"{dataset.name}: `overwrite` of `{item.name}` names no whole field",
                        close(name, dataset.fields),
                    )
                elif name not in dataset.key:
                    # Anything but the key may be personal, or itself be written over: then a
                    # repeated step would write something else.
                    self._wrong(
                        node,
                        f"{dataset.name}: `overwrite` of `{item.name}` would keep `{name}`",
                        f"use only the key: {', '.join(dataset.key)}",
                    )
            try:
                assignment(item)
            except MapError as error:
                self._wrong(node, f"{dataset.name}: {error.what}", f"write {error.expected}")

    def _field(self, dataset: str, name: str, node: yaml.Node) -> Field:
        if isinstance(node, yaml.ScalarNode):
            return Field(name, self._type(node))
        keys = self._mapping(node, f"{dataset}.{name}", _FIELD, ())
        identifies = self._choice(keys.get("identifies"), "identifies", tuple(KINDS))
        category = self._text(keys.get("category"), "category")
        word = keys.get("free_text")
        mentions = (
            word.value if word is not None and _plain(word) and word.value in _MENTIONS else None
        )
        free_text = bool(mentions) or (
            None if word is None else self._flag(word, "free_text", False)
        )
        for told, key in ((identifies is not None, "identifies"), (bool(free_text), "free_text")):
            if told and category is None:
                self._wrong(
                    keys[key],
                    f"{dataset}: `{name}` can name a person, but has no category",
                    "add its `category:`; otherwise no erasure would empty it",
                )
        return Field(
            name,
            self._type(keys["type"]) if "type" in keys else "text",
            category,
            identifies,
            self._flag(keys.get("folded"), "folded", identifies in _FOLDED),
            self._flag(keys.get("indexed_exact"), "indexed_exact", False),
            self._flag(keys.get("nullable"), "nullable", True),
            self._text(keys.get("overwrite"), "overwrite", empty=True),
            free_text,
            self._choice(keys.get("stamp"), "stamp", ("basis", "notice")),
            origin=self._origin(keys.get("origin")),
            secret=self._flag(keys["secret"], "secret", False) if "secret" in keys else None,
            anonymise=self._method(keys.get("anonymise")),
            mentions=mentions,
            others=self._choice(keys.get("others"), "others", _OTHERS),
            source=self._text(keys.get("source"), "source"),
            side=self._text(keys.get("side"), "side"),
        )

    def _origin(self, node: yaml.Node | None) -> Origin | None:
        word = self._choice(node, "origin", ORIGINS)
        return next((o for o in ORIGINS if o == word), None)

    def _method(self, node: yaml.Node | None) -> str | None:
        how = self._text(node, "anonymise")
        if how is None or node is None:
            return None
        try:
            method(how)
        except UsageError as error:
            self._wrong(node, f"`anonymise`: {error.what}", f"write {error.expected}")
            return None
        return how

    def _number(self, node: yaml.Node | None, name: str) -> int | None:
        text = self._text(node, name)
        if text is None or node is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 7):
            self._wrong(node, f"`{name}` is no number", "write a whole number, such as 5")
            return None
        return int(text)

    def _links(self, system: str, dataset: str, node: yaml.Node | None) -> tuple[Link, ...]:
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(node, f"{dataset}: `links` is no list", "begin each link with a dash")
            return ()
        found: list[Link] = []
        for item in node.value:
            keys = self._mapping(item, f"a link of {dataset}", _LINK, ("fields", "to", "kind"))
            kind = self._choice(keys.get("kind"), "kind", tuple(Owner))
            fields = self._texts(keys.get("fields"), "fields")
            to = self._text(keys.get("to"), "to")
            if kind is None or to is None or not fields:
                continue
            on = self._texts(keys["on"], "on") if "on" in keys else ()
            other = self._text(keys.get("system"), "system")
            self._lines[system, dataset, len(found)] = f"{self._path}:{item.start_mark.line + 1}"
            found.append(Link(fields, to, on, Owner(kind), None if other == system else other))
        return tuple(found)

    def _mapping(
        self, node: yaml.Node, name: str, known: tuple[str, ...], needed: tuple[str, ...]
    ) -> dict[str, yaml.Node]:
        found: dict[str, yaml.Node] = {}
        for key, line, value in self._named(node, name):
            if key not in known:
                self._wrong(line, f"{name}: unknown key `{key}`", close(key, known))
            else:
                found[key] = value
        if isinstance(node, yaml.MappingNode):
            for key in needed:
                if key not in found:
                    self._wrong(node, f"{name}: `{key}` is missing", f"add `{key}:`")
        return found

    def _named(self, node: yaml.Node | None, name: str) -> list[tuple[str, int, yaml.Node]]:
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, f"{name}: no mapping", "write `key: value`, one in a line")
            return []
        found: dict[str, tuple[str, int, yaml.Node]] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or not key.value.strip():
                self._wrong(line, f"{name}: a key that is no word", "write a word before the colon")
            elif key.value in found:
                first = found[key.value][1]
                self._wrong(
                    line, f"{name}: `{key.value}` stands here a second time",
                    f"keep one of them (the first is in line {first})",
                )  # fmt: skip
            else:
                found[key.value] = (key.value, line, value)
        if not found:
            self._wrong(node, f"{name}: empty", "name at least one")
        return list(found.values())

    def _text(self, node: yaml.Node | None, name: str, *, empty: bool = False) -> str | None:
        if node is None or (_plain(node) and node.value in _NULL):
            return None
        if not isinstance(node, yaml.ScalarNode) or not (empty or node.value.strip()):
            self._wrong(node, f"`{name}` is no text", "write one value")
            return None
        return cast(str, node.value)

    def _texts(self, node: yaml.Node | None, name: str, *, empty: bool = False) -> tuple[str, ...]:
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(node, f"`{name}` is no list", f"write `{name}: [one, two]`")
            return ()
        found = [text for item in node.value if (text := self._text(item, name)) is not None]
        if not found and not empty:
            self._wrong(node, f"`{name}` is empty", "name at least one field")
        if len(set(found)) < len(found):
            self._wrong(node, f"`{name}` names a field twice", "remove one")
        return tuple(found)

    def _choice(self, node: yaml.Node | None, name: str, known: tuple[str, ...]) -> str | None:
        text = self._text(node, name)
        if text is None or node is None:
            return None
        if text not in known:
            words = ", ".join(known)
            self._wrong(node, f"`{name}: {text}` is not known", f"write one of: {words}")
            return None
        return text

    def _type(self, node: yaml.Node) -> Type:
        return cast(Type, self._choice(node, "type", _TYPES) or "text")

    def _flag(self, node: yaml.Node | None, name: str, default: bool) -> bool:
        if node is None:
            return default
        if _plain(node) and node.value in ("true", "false"):
            return bool(node.value == "true")
        self._wrong(node, f"`{name}` is neither true nor false", "write true or false")
        return default


def _keys(at: yaml.Node) -> dict[str, yaml.Node]:
    return {k.value: k for k, _ in at.value} if isinstance(at, yaml.MappingNode) else {}


def _plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style
