"""The house as a test: who may import whom, and which rooms are pure.

`faults(sources)` takes the package as {module name: text}, so that each rule is shown to catch a
planted sin as well as to pass on the real tree.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"

#: Innermost first; a module imports only from rows above its own or from its own room.
#: Rooms in one row are strangers.
ROWS: tuple[frozenset[str], ...] = tuple(
    frozenset(row.split())
    for row in (
        "errors private",
        "terms",
        "model",
        "policy datamap",
        "decide",
        "embedded custodian migrations wire",
        "database",
        "keys",
        "ledger",
        "stores",
        "records",
        "deployment",
        "controller",
        "controls",
        "duties",
        "app",
    )
)
ROW = {room: number for number, row in enumerate(ROWS) for room in row}

#: Whoever imports it knows every duty.
TABLE = "kept.duties.table"

#: The rooms that decide: no clock, no chance, no world.
PURE = frozenset({"terms", "model", "decide"})
#: Pure too, save for modules that read the files of a bundle or of a map.
READERS = {
    "policy": frozenset({"bundle", "yamlfile", "textfile", "anchors", "clauses"}),
    "datamap": frozenset({"load"}),
}
WORLD = frozenset(
    (
        "os", "io", "pathlib", "shutil", "tempfile", "logging", "subprocess", "threading",
        "asyncio", "time", "random", "secrets", "socket", "urllib", "http", "httpx", "requests",
        "litestar", "sqlite3", "psycopg", "psycopg_pool", "sqlalchemy",
    )
)  # fmt: skip
READING = frozenset({"pathlib", "os", "io"})
CLOCKS = frozenset(
    {"now", "today", "utcnow", "fromtimestamp", "getenv", "urandom", "uuid1", "uuid4"}
)


def room_of(module: str) -> str:
    """`kept.policy.bundle` lies in the room `policy`; the package itself in ``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(module: str, tree: ast.AST, packages: frozenset[str]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import: anywhere, relative, by a literal, for types only."""
    here = module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = here if module in packages else here[:-1]
                parent = parent[: len(parent) - node.level + 1]
                base = ".".join([*parent, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else ""
            name = function.id if isinstance(function, ast.Name) else name
            if name in ("import_module", "__import__") and node.args:
                literal = node.args[0]
                text = literal.value if isinstance(literal, ast.Constant) else "?"
                yield node.lineno, str(text)


def target_of(name: str, modules: frozenset[str]) -> str | None:
    """The module of the package that a dotted name reaches; None for anything outside."""
    if name != "kept" and not name.startswith("kept."):
        return None
    while name not in modules and "." in name:
        name = name.rpartition(".")[0]
    return name


def faults(sources: Mapping[str, str]) -> list[str]:
    """Every breach of the rules, as `module:line: what; the way out`."""
    trees = {module: ast.parse(text) for module, text in sources.items()}
    modules = frozenset(trees)
    packages = frozenset(m for m in modules if any(o.startswith(m + ".") for o in modules))
    found: list[str] = []
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for module, tree in sorted(trees.items()):
        room = room_of(module)
        if room and room not in ROW:
            found.append(f"{module}: in no layer; give the room a row in {Path(__file__).name}")
            continue
        for line, name in imports(module, tree, packages):
            if name == "?":
                found.append(f"{module}:{line}: imports by a computed name; write it out")
            target = target_of(name, modules)
            if target is not None:
                graph[module].add(target)
                found += _layer(module, line, room, target)
        found += _impure(module, tree, packages)
    return found + _circles(graph)


def _layer(module: str, line: int, room: str, target: str) -> Iterator[str]:
    other = room_of(target)
    if not other or not room:  # the package itself holds the version only
        return
    if other not in ROW:
        return  # said once, where the unknown room is met
    at = f"{module}:{line}"
    if other == room:
        # The table of duties names them all; it is none itself, and none may import it.
        duty = "" if module == TABLE else _duty(module)
        if room == "duties" and duty and duty != _duty(target):
            yield f"{at}: a duty may not import another duty; meet in records or controller"
    elif ROW[other] == ROW[room]:
        yield f"{at}: `{room}` and `{other}` are strangers; the caller hands over what is needed"
    elif ROW[other] > ROW[room]:
        yield f"{at}: `{room}` may not import `{other}`, a layer above it; turn the call around"


def _duty(module: str) -> str:
    return ".".join(module.split(".")[2:3])


def _impure(module: str, tree: ast.AST, packages: frozenset[str]) -> Iterator[str]:
    room = room_of(module)
    if room not in PURE and room not in READERS:
        return
    reader = module.rpartition(".")[2] in READERS.get(room, frozenset())
    banned = WORLD - READING if reader else WORLD
    for line, name in imports(module, tree, packages):
        if name.split(".")[0] in banned:
            yield f"{module}:{line}: `{room}` is pure and may not use `{name}`; pass it in"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            yield f"{module}:{node.lineno}: `{room}` reads no clock, chance or setting; pass it in"
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id == "open" and not reader:
            yield f"{module}:{node.lineno}: `{room}` opens a file; read it in a loader"


def _circles(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other by any number of steps."""
    done: set[str] = set()
    path: list[str] = []
    found: list[str] = []

    def visit(module: str) -> None:
        if module in path:
            circle = [*path[path.index(module) :], module]
            found.append(f"circle: {' -> '.join(circle)}; move what both need below both")
            return
        if module in done:
            return
        path.append(module)
        for target in sorted(graph.get(module, ())):
            if target != module:
                visit(target)
        path.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)
    return found


def tree() -> dict[str, str]:
    """The real package."""
    found = {}
    for path in sorted((SRC / "kept").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[module] = path.read_text(encoding="utf-8")
    return found


def test_the_house_stands() -> None:
    sources = tree()
    assert len(sources) > 40
    assert not (found := faults(sources)), "\n".join(found)


#: A package without sins, into which each is planted.
PLAIN = [
    *["kept", "kept.terms", "kept.model", "kept.decide", "kept.policy", "kept.policy.bundle"],
    *["kept.datamap", "kept.datamap.map", "kept.stores", "kept.stores.base"],
    *["kept.duties", "kept.duties.b", "kept.duties.table", "kept.app"],
]

SINS = {
    "upwards": ("kept.terms.a", "from kept.stores import base", "a layer above"),
    "upwards, plain": ("kept.terms.a", "import kept.stores.base", "a layer above"),
    "upwards, from the package": ("kept.terms.a", "from kept import stores", "a layer above"),
    "upwards, relative": ("kept.terms.a", "from ..stores import base", "a layer above"),
    "upwards, in a function": (
        "kept.terms.a",
        "def f():\n    from kept.stores.base import Store",
        "a layer above",
    ),
    "upwards, for types only": (
        "kept.terms.a",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kept.stores.base import X",
        "a layer above",
    ),
    "upwards, importlib": (
        "kept.terms.a",
        "import importlib\nimportlib.import_module('kept.stores.base')",
        "a layer above",
    ),
    "upwards, __import__": ("kept.terms.a", "__import__('kept.stores.base')", "a layer above"),
    "a computed name": (
        "kept.app.a",
        "from importlib import import_module\nimport_module(f'kept.{1}')",
        "computed name",
    ),
    "strangers": ("kept.policy.a", "from kept.datamap import map", "strangers"),
    "strangers, relative": ("kept.policy.a", "from ..datamap.map import Field", "strangers"),
    "a duty and another": ("kept.duties.a", "from kept.duties import b", "another duty"),
    "a duty and another, relative": ("kept.duties.a", "from . import b", "another duty"),
    "a duty and the table of duties": ("kept.duties.a", "import kept.duties.table", "another duty"),
    "an unknown room": ("kept.attic.a", "", "in no layer"),
    "an unknown module": ("kept.attic", "", "in no layer"),
    "a client": ("kept.decide.a", "import psycopg", "pure"),
    "a file": ("kept.decide.a", "from pathlib import Path", "pure"),
    "a file, opened": ("kept.model.a", "open('x')", "opens a file"),
    "a clock": ("kept.decide.a", "import datetime\ndatetime.datetime.now()", "no clock"),
    "a clock, by date": ("kept.terms.a", "from datetime import date\ndate.today()", "no clock"),
    "time": ("kept.model.a", "from time import monotonic", "pure"),
    "chance": ("kept.decide.a", "import random", "pure"),
    "a clock in the document": ("kept.policy.bundle", "import time", "pure"),
    "a file outside the loader": ("kept.datamap.a", "from pathlib import Path", "pure"),
}


@pytest.mark.parametrize("sin", SINS)
def test_a_planted_sin_is_found(sin: str) -> None:
    module, text, words = SINS[sin]
    package = dict.fromkeys(PLAIN, "")
    assert faults(package) == []
    met = faults({**package, module: text})
    assert len(met) == 1, met
    assert words in met[0]
    assert met[0].startswith(module)


def test_a_circle_is_found() -> None:
    package = {
        "kept": "",
        "kept.records": "",
        "kept.records.a": "from kept.records import b",
        "kept.records.b": "def f():\n    import kept.records.c",
        "kept.records.c": "from .a import x",
    }
    (met,) = faults(package)
    assert met.startswith("circle: kept.records.a -> kept.records.b -> kept.records.c")


def test_a_loader_may_read_files_and_the_same_room_is_free() -> None:
    package = {
        "kept": "__version__ = '1'",
        "kept.datamap": "",
        "kept.datamap.load": "from pathlib import Path\nfrom kept.datamap import map\nopen('x')",
        "kept.datamap.map": "from kept import __version__",
        "kept.duties": "",
        "kept.duties.table": "from kept.duties import rights, erase",
        "kept.duties.rights": "",
        "kept.duties.rights.package": "from kept.duties.rights import plan",
        "kept.duties.rights.plan": "",
        "kept.duties.erase": "",
    }
    assert faults(package) == []
