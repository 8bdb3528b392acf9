"""docs/cli.md, made from the command line itself; a test holds the two together.

`python -m kept.app.reference > docs/cli.md` writes it anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from cyclopts import App, Argument

from kept.app.cli import make
from kept.app.surface import COMMANDS, DESK, GUEST, HALF, ROUTES, STAFF
from kept.model.surface import Surface

_HEAD = """\
# The command line and the routes

Made from the program by `python -m kept.app.reference`; do not change it by hand.

Exit status: **0** done, **1** a promise is broken or a request incomplete, **2** wrong use.
Every command takes `--json` (one JSON document instead of words) and `--dir DIR` (the
deployment: a directory with `kept.toml`; default: the environment variable `KEPT_DIR`, else the
current directory). Commands that act for the organisation also take `--actor NAME`,
`--role ROLE` (recorded with what they did) and `--now MOMENT` (for tests). No output holds
personal data unless `--show` asks for it.
"""
_WHO = {
    "program": "a program with the API token",
    GUEST: "whoever logs in",
    HALF: "whoever gave the password, for the next step",
    STAFF: "whoever is logged in",
}
_SHARED = {"--dir", "--json", "--actor", "--role", "--now"}


def text() -> str:
    """The whole page as Markdown."""
    app = make()
    parts = [_HEAD]
    for command in COMMANDS:
        parts.append("\n".join(_command(app, command)))
    parts.append("\n".join(_routes()))
    return "\n".join(parts)


def _command(app: App, surface: Surface) -> Iterator[str]:
    one = app
    for word in surface.name.split():
        one = one[word]
    arguments = [a for a in one.assemble_argument_collection() if a.show]
    acts = any(a.name == "--actor" for a in arguments)
    own = [a for a in arguments if a.name not in (_SHARED if acts else _SHARED - {"--role"})]
    usage = " ".join(("kept", surface.name, *map(_usage, own)))
    yield f"## kept {surface.name}\n"
    function = one.default_command
    assert function is not None
    yield (inspect.getdoc(function) or "").strip() + "\n"
    yield f"```\n{usage}\n```\n"
    for argument in own:
        yield f"- `{_name(argument)}` {argument.parameter.help or ''}".rstrip()
    if own:
        yield ""
    if surface.roles:
        yield f"Roles: {', '.join(sorted(surface.roles))}.\n"


def _name(argument: Argument) -> str:
    if argument.field_info.is_positional:
        return str(argument.name).upper()
    names = [n for n in argument.names if not n.startswith("--no-")]
    return ", ".join(names) + ("" if _flag(argument) else f" {_value(argument)}")


def _value(argument: Argument) -> str:
    return "KIND=VALUE" if argument.name == "--identity" else argument.name.lstrip("-").upper()


def _flag(argument: Argument) -> bool:
    return argument.hint is bool


def _usage(argument: Argument) -> str:
    shown = _name(argument)
    repeated = "…" if "list" in str(argument.hint) else ""
    return f"{shown}{repeated}" if argument.required else f"[{shown}{repeated}]"


def _routes() -> Iterator[str]:
    yield "## Routes of `kept serve`\n"
    yield "| route | method | who |"
    yield "|---|---|---|"
    for route in (*ROUTES, *DESK):
        who = ", ".join(_WHO.get(role, role) for role in sorted(route.roles)) or "anyone"
        yield f"| `{route.name}` | {route.method} | {who} |"
    yield ""
    yield "The API in full, as OpenAPI 3.1: `/api/v1/schema/openapi.json`."
    yield ""


if __name__ == "__main__":
    sys.stdout.write(text())
