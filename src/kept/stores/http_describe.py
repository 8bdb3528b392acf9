"""What a service over HTTP offers, as its operator describes it in YAML beside the map.

Which request reads, changes or erases the rows of which dataset; how pages follow each other;
how fast it may be asked. `read` gives a Description; everything that is amiss is named at
file:line. Nothing here talks to anybody.

Values of people never become part of a request by pasting text: a template is split once into
letters and whole fields, and a field's value is encoded for the place in which it stands.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

import msgspec
import yaml

from kept.datamap.check import close
from kept.datamap.map import Dataset
from kept.errors import ConfigError, KeptError, StoreError
from kept.model.abilities import Verb
from kept.model.values import Type, Value, sizable
from kept.stores.rows import Row, decode, template_parts

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: In a body, all fields that change, as a JSON object by their pointers.
CHANGED: Final = "{*}"

#: What no row can hold, to search for (RFC 2606: nobody has an address there).
_NOBODY: Final[Mapping[Type, Value]] = {"text": "nobody@kept.invalid", "integer": 0}

_T = TypeVar("_T")
Pointer = str  # RFC 6901; "" is the whole document


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the description; unknown keys are problems."""


class Auth(_Part, frozen=True):
    """The header that says who asks; `{secret}` stands for the secret of kept.toml."""

    header: str = "Authorization"
    value: str = "Bearer {secret}"


class Limits(_Part, frozen=True):
    """How much is asked of the service, and how long it is waited for (seconds, bytes).

    `rate`: requests per second. `timeout`: for one whole answer. `retries`: further attempts
    of a request that may be repeated. `wait`: the longest that the service may make us wait
    before an attempt. `pages`: of one list; more is an error, never a shorter list.
    """

    rate: float = 10.0
    timeout: float = 30.0
    bytes: int = 20_000_000
    retries: int = 4
    wait: float = 60.0
    pages: int = 10_000


class Paging(_Part, frozen=True):
    """How the next page is asked for.

    `cursor`: the value at pointer `at` (a cursor, a page token) goes into `query`, until there
    is none. `next`: the address at `at`. `link`: the header `Link` with rel="next" (RFC 8288).
    `offset` (rows) and `page` (numbers from `first`) go into `query`, until a page is empty:
    a short page is no end, services cut them. `size` goes into the query named by `limit`.
    """

    kind: Literal["cursor", "next", "link", "offset", "page"]
    at: Pointer = ""
    query: str = ""
    first: int = 1
    size: int = 0
    limit: str = ""


class Pending(_Part, frozen=True):
    """A request that is taken and carried out later.

    `url`: the header, or the pointer in the answer, that names where its state is asked.
    `state`: the pointer in that answer; `done` and `failed` the words met there. It is asked
    every `every` seconds for `patience` seconds; after that it stays pending.
    """

    state: Pointer
    done: tuple[str, ...]
    failed: tuple[str, ...] = ()
    status: tuple[int, ...] = (202,)
    url: str = "Location"
    every: float = 2.0
    patience: float = 0.0


class Read(_Part, frozen=True):
    """A request that gives rows: those with certain values (`by`), or all.

    `records`: pointer to the row or the list of rows. `none`: statuses that mean "no such row".
    `folded`: the service finds text in any case, blanks around it aside. `at_most`: with more
    values than this it is cheaper to list all.
    """

    path: str
    by: tuple[str, ...] | str = ()
    method: Literal["GET", "POST"] = "GET"
    query: Mapping[str, str] = {}
    body: Any = None
    headers: Mapping[str, str] = {}
    records: Pointer = ""
    paging: Paging | None = None
    none: tuple[int, ...] = ()
    folded: bool = False
    at_most: int = 0

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields whose values it needs."""
        return (self.by,) if isinstance(self.by, str) else self.by


class Write(_Part, frozen=True):
    """A request that erases one row, or changes fields of it.

    `ok`: statuses that mean "done", `gone` "there is no such row (any more)".
    """

    path: str
    method: Literal["DELETE", "POST", "PUT", "PATCH"] = "DELETE"
    query: Mapping[str, str] = {}
    body: Any = None
    headers: Mapping[str, str] = {}
    ok: tuple[int, ...] = (200, 201, 204)
    gone: tuple[int, ...] = ()
    pending: Pending | None = None


class Described(_Part, frozen=True):
    """A dataset: its requests, and the pointers of fields that do not stand at `/name`."""

    read: tuple[Read, ...]
    erase: Write | None = None
    update: Write | None = None
    fields: Mapping[str, Pointer] = {}

    def pointer(self, field: str) -> Pointer:
        """Where a field stands in a record."""
        return self.fields.get(field, "/" + field.replace("~", "~0").replace("/", "~1"))


class Description(_Part, frozen=True):
    """The whole service. `idempotency` names the header by which it knows a repeated request."""

    datasets: Mapping[str, Described]
    auth: Auth | None = None
    headers: Mapping[str, str] = {}
    limits: Limits = Limits()
    idempotency: str | None = None


def read(path: Path, mapped: Mapping[str, Dataset]) -> Description:
    """The description in a file, held against the map. ConfigError: `where` is file:line."""
    try:
        text = path.read_text("utf-8")
        loader = _Loader(text)
        node = loader.get_single_node()
        raw = None if node is None else loader.construct_document(node)
    except OSError as error:
        raise ConfigError(
            f"the description of the service cannot be read: {error.strerror}",
            where=str(path),
            fix="name a file that is there under `describe` in kept.toml",
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(
            "the description of the service is not YAML in UTF-8",
            where=f"{path}:{mark.line + 1 if mark else 1}",
            fix="mend the indentation, quotes or brackets there, or just above",
        ) from None
    parts = raw.get("datasets") if isinstance(raw, dict) else None
    for name, part in parts.items() if isinstance(parts, dict) else ():
        # one by one, because the whole would only say that it is one of them
        _converted(part, Described, path, node, ["datasets", str(name)])
    made = _converted(raw, Description, path, node, [])
    for what, fix, steps in _amiss(made, mapped):
        raise ConfigError(what, where=f"{path}:{_line(node, steps)}", fix=fix)
    return made


def _converted(
    raw: Any, kind: type[_T], path: Path, node: yaml.Node | None, above: list[str]
) -> _T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        steps = [s for s in at.rstrip("`").replace("[", ".").replace("]", "").split(".") if s]
        raise ConfigError(
            f"the description of the service is not understood: {what[:1].lower()}{what[1:]}",
            where=f"{path}:{_line(node, [*above, *steps])}",
            fix="see docs/how-to/people-and-services.md",
        ) from None


def _line(node: yaml.Node | None, steps: Iterable[str]) -> int:
    """The line at which a path of keys and numbers ends, as far as it goes."""
    line = 1
    for step in steps:
        if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            node = node.value[int(step)]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            met = [(k, v) for k, v in node.value if k.value == step]
            if not met:
                break
            line, node = met[0][0].start_mark.line + 1, met[0][1]
    return line


def _amiss(
    made: Description, mapped: Mapping[str, Dataset]
) -> Iterator[tuple[str, str, list[str]]]:
    for name in mapped:
        if name not in made.datasets:
            yield f"`{name}` is mapped, but not described", f"add `{name}:` under `datasets:`", []
    if made.limits.rate <= 0 or made.limits.timeout <= 0:
        yield "`rate` and `timeout` are more than nothing", "write 1 or more", ["limits"]
    for name, one in made.datasets.items():
        at = ["datasets", name]
        known = mapped.get(name)
        if known is None:
            yield f"`{name}` is described, but not mapped", close(name, mapped), at
            continue
        for field in one.fields:
            if field not in known.fields:
                yield (
                    f"`{name}` maps no field `{field}`",
                    close(field, known.fields),
                    [*at, "fields"],
                )
        if not one.read:
            yield f"`{name}` cannot be read", "add a request under `read:`", at
        for number, each in enumerate(one.read):
            here = [*at, "read", str(number)]
            yield from _uses(each, set(each.fields), set(known.fields), here)
            if each.paging and each.paging.kind in ("cursor", "offset", "page"):
                if not each.paging.query:
                    yield "paging needs the name of its parameter", "add `query:`", here
                if each.paging.kind == "cursor" and not each.paging.at:
                    yield "paging needs to know where the cursor stands", "add `at:`", here
        for verb, write in (("erase", one.erase), ("update", one.update)):
            if write is not None:
                allowed = set(known.key) | ({"*"} if verb == "update" else set())
                yield from _uses(write, allowed, allowed, [*at, verb])


def lacks(made: Description) -> Iterator[tuple[str, Verb]]:
    """What the planner has to know that single datasets do not offer."""
    for name, one in made.datasets.items():
        if one.erase is None:
            yield name, "delete"
        if one.update is None:
            yield name, "update"
        elif one.update.body is not None and CHANGED not in _leaves(one.update.body):
            yield name, "compute"  # the service decides what is put there
        if all(each.fields for each in one.read):
            yield name, "search"


def witness(
    made: Description, dataset: str, mapped: Mapping[str, Dataset]
) -> tuple[str, Read, Row] | None:
    """(dataset, request, values) that any service which is there answers with 200.

    A list, or a search for somebody whom nobody can be; of the same dataset where there is one.
    """
    names_ = sorted(made.datasets, key=lambda name: name != dataset)
    for name in names_:
        for call in made.datasets[name].read:
            if not call.fields:
                return name, call, {}
    for name in names_:
        fields = mapped[name].fields
        for call in made.datasets[name].read:
            known = all(fields[field].type in _NOBODY for field in call.fields)
            if known and not call.none and "{" not in call.path:
                return name, call, {field: _NOBODY[fields[field].type] for field in call.fields}
    return None


def _uses(
    call: Read | Write, given: set[str], known: set[str], at: list[str]
) -> Iterator[tuple[str, str, list[str]]]:
    if not call.path.startswith("/") or call.path.startswith("//"):
        yield "a path begins with one slash: no request goes to another host", "mend it", at
    texts = [call.path, *call.query.values(), *_leaves(call.body)]
    try:
        used = {name for text in texts for _, name in template_parts(text) if name is not None}
    except KeptError as problem:
        yield problem.what, problem.fix or "mend it", at
        return
    for name in sorted(used - given):
        what = f"`{{{name}}}` is used, but its value is not known there"
        yield what, f"use {' or '.join(f'`{n}`' for n in sorted(given)) or 'none'}", at
    for name in sorted(given - known - {"*"}):
        yield f"`by` names `{name}`, which is not mapped", close(name, known), at
    for name in sorted(given - used if isinstance(call, Read) else ()):
        yield (
            f"the request never uses `{name}`, so it would give everybody's rows",
            (f"put `{{{name}}}` into its path, query or body, or remove `by:`"),
            at,
        )


def _leaves(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    elif isinstance(body, Mapping):
        for value in body.values():
            yield from _leaves(value)
    elif isinstance(body, list):
        for value in body:
            yield from _leaves(value)


# ---------------------------------------------------------------- filling in


class Unspeakable(StoreError):
    """A value that cannot stand where the template wants it; nothing was sent."""


def path_of(template: str, row: Row) -> str:
    """The path with values percent-encoded, none of which can add, lose or leave a segment."""
    path = ""
    for literal, name in template_parts(template):
        path += literal
        if name is not None:
            path += quote(_text(row.get(name), name), safe="")
    if any(segment in (".", "..") for segment in path.split("/")) or (
        # an empty value would turn one row's address into that of the whole list
        path.count("//") > template.count("//") or path.endswith("/") > template.endswith("/")
    ):
        raise Unspeakable("a key is empty or a dot and cannot stand in a path; nothing was sent")
    return path


def query_of(template: Mapping[str, str], row: Row) -> list[tuple[str, str]]:
    """The query's parameters; httpx encodes them."""
    return [(name, _filled(text, row)) for name, text in template.items()]


def written(call: Write, row: Row) -> None:
    """Refuse to write by an empty key: what means one row in a path, query or body means all."""
    texts = [call.path, *call.query.values(), *call.headers.values(), *_leaves(call.body)]
    for name in {n for text in texts for _, n in template_parts(text) if n not in (None, "*")}:
        if not _text(row.get(str(name)), str(name)).strip():
            raise Unspeakable(f"`{name}` is empty and names no row; nothing was sent")


def body_of(template: Any, row: Row, changed: Mapping[str, Any] | None = None) -> Any:
    """The body: a text that is one whole field becomes its value, of its own type."""
    if isinstance(template, str):
        if template == CHANGED:
            return changed
        parts = template_parts(template)
        if len(parts) == 1 and not parts[0][0] and parts[0][1] is not None:
            return plain(row.get(parts[0][1]))
        return _filled(template, row)
    if isinstance(template, Mapping):
        return {name: body_of(value, row, changed) for name, value in template.items()}
    if isinstance(template, list):
        return [body_of(value, row, changed) for value in template]
    return template


def _filled(template: str, row: Row) -> str:
    return "".join(
        literal + ("" if name is None else _text(row.get(name), name))
        for literal, name in template_parts(template)
    )


def _text(value: Value, field: str) -> str:
    made = plain(value)
    if made is None or isinstance(value, bytes):
        raise Unspeakable(f"`{field}` is null or bytes and cannot stand in a request")
    text = json.dumps(made) if isinstance(made, (bool, int, float)) else str(made)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unspeakable(f"`{field}` is no text that could be sent") from None
    return text


def plain(value: Value) -> Any:
    """A value as JSON. A decimal is a number where that loses nothing, else its text."""
    if isinstance(value, decimal.Decimal):
        if not sizable(value):
            return str(value)
        number = int(value) if value == value.to_integral_value() else float(value)
        return number if decimal.Decimal(repr(number)) == value else str(value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


# ---------------------------------------------------------------- taking out


class Missing(Exception):
    """Nothing stands at a pointer."""


def at(document: Any, pointer: Pointer) -> Any:
    """What stands at a JSON pointer (RFC 6901); raises Missing."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            raise Missing
    return document


def put(document: dict[str, Any], pointer: Pointer, value: Any) -> None:
    """Set what stands at a pointer, making objects on the way."""
    *above, last = [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
    for name in above:
        document = document.setdefault(name, {})
    document[last] = value


def value_of(raw: Any, kind: Type) -> Value:
    """A JSON value as a Value of the field's type; lists and objects as compact JSON."""
    if isinstance(raw, (list, dict)):
        return json.dumps(raw, ensure_ascii=False, separators=(",", ":"), default=str)
    if isinstance(raw, decimal.Decimal):
        if kind == "decimal" or not sizable(raw):
            return raw
        if kind == "text":
            return str(raw)
        number: Value = decode(float(raw), kind)
        return int(raw) if kind == "integer" and raw == int(raw) else number
    return decode(raw, kind)


def names(record: Any, known: frozenset[Pointer], above: Pointer = "") -> Iterator[Pointer]:
    """Pointers of all members of a record that `known` pointers do not cover."""
    for name, value in record.items():
        here = above + "/" + str(name).replace("~", "~0").replace("/", "~1")
        if here in known:
            continue
        if isinstance(value, dict) and value:
            yield from names(value, known, here)
        else:
            yield here
