"""What every command shares: `--dir`, `--json`, the clock, the actor, opening a deployment."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from cyclopts import Parameter

from kept.app.output import Output
from kept.app.surface import COMMANDS, SURFACES, require
from kept.errors import IdentifierError, UsageError

# What only some commands need is read by these: every start waits for what stands above.
if TYPE_CHECKING:
    from kept.controller import Controller
    from kept.controls.registry import Control
    from kept.deployment import Deployment
    from kept.policy.bundle import Bundle
    from kept.terms.identifiers import Identifier

_Text = TypeVar("_Text", str, str | None)

Identity = Annotated[
    list[str] | None,
    Parameter(
        name="--identity",
        help="KIND=VALUE, as email=name@example.org; several name the same person",
        negative="",
    ),
]
IdentityFile = Annotated[
    Path | None,
    Parameter(
        name="--identity-file",
        help="a file (- for standard input) with one KIND=VALUE a line, all of the same person;"
        " unlike --identity it shows in no list of processes",
    ),
]
#: The longest file of identifiers that is read, in bytes.
_LONGEST_FILE: Final = 65_536
#: The years in which a command may act: what counts from there stays within dates.
_YEARS: Final = range(1970, 2201)
#: Names the deployment where `--dir` does not.
DIRECTORY_VARIABLE: Final = "KEPT_DIR"


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    dir: Annotated[
        Path | None,
        Parameter(help="the deployment: a directory with kept.toml (default: KEPT_DIR, or here)"),
    ] = None
    json: Annotated[bool, Parameter(help="one JSON document instead of words", negative="")] = False

    @property
    def out(self) -> Output:
        """Where the command speaks."""
        return Output(as_json=self.json)

    @property
    def directory(self) -> Path:
        """The deployment's directory."""
        return self.dir or Path(os.environ.get(DIRECTORY_VARIABLE) or ".")

    def next(self, *words: object) -> str:
        """The command line that comes next, as the caller can type it: program, words, `--dir`."""
        return next_command(words, self.dir)


@Parameter(name="*")
@dataclass(frozen=True)
class Acting:
    """Options of commands that act for the organisation: who does it, in which role."""

    actor: Annotated[str, Parameter(help="who carries it out; recorded", env_var="KEPT_ACTOR")] = (
        "operator"
    )
    role: Annotated[str, Parameter(help="in which role", env_var="KEPT_ROLE")] = "operator"
    now: Annotated[
        str | None, Parameter(help="the moment to act at, ISO 8601 (for tests; default: now)")
    ] = None

    @property
    def moment(self) -> dt.datetime:
        """The moment to act at."""
        return moment(self.now)


COMMON: Final = Common()
ACTING: Final = Acting()

#: Commands in the words of an error: `kept …` in back quotes.
_QUOTED: Final = re.compile(r"`kept ([^`]+)`")
#: A control of a duty: the line above it that gives it its name.
_CONTROL: Final = re.compile(r'^@control\("([^"]+)"\)$', re.MULTILINE)
#: Command → the roles that may use it.
_ROLES: Final = {one.name: one.roles for one in COMMANDS}
#: The options by which it was said who calls, and in which role.
_CALLED: Final = ContextVar[Mapping[str, str]]("called", default=MappingProxyType({}))
#: Verbs that need no deployment.
_WITHOUT_DEPLOYMENT: Final = ("new", "demo", "bench", "authorities")


def program(name: str = "kept") -> str:
    """`kept` (or its neighbour `name`) as the caller can type it here.

    The bare name where a shell finds it, else the path by which this program was called.
    """
    called = Path(sys.argv[0])
    if called.name == "__main__.py":  # python -m kept.app
        modules = {"kept": "kept.app", "kept-verify": "kept_verify"}
        return f"{shlex.quote(_short(Path(sys.executable)))} -m {modules[name]}"
    neighbour = called.with_name(name)
    found = shutil.which(name)
    if called.name != "kept" or not neighbour.exists():
        return name
    if found is not None and Path(found).resolve() == neighbour.resolve():
        return name
    return shlex.quote(_short(neighbour))


def next_command(words: Sequence[object], directory: Path | None) -> str:
    """`kept` with words that a shell takes as they are, the role that it takes, and the deployment
    that was named.
    """
    where = [] if directory is None else ["--dir", str(directory)]
    given = [str(word) for word in words]
    # What stands for a value of the reader's stays readable.
    parts = ['"…"' if w == "…" else shlex.quote(w) for w in (*given, *_in_role(given), *where)]
    return " ".join((program(), *parts))


def called(given: Sequence[str]) -> None:
    """Remember who called in which role, so that what comes next is offered to be called so."""
    found: dict[str, str] = {}
    for at, word in enumerate(given):
        for option in ("--actor", "--role"):
            if word == option and at + 1 < len(given):
                found[option] = given[at + 1]
            elif word.startswith(f"{option}="):
                found[option] = word.partition("=")[2]
    _CALLED.set(found)


def _in_role(words: Sequence[str]) -> list[str]:
    """Who has to call a command in which role, as options: nothing where whoever called may, and
    need not say it again. Words that name an actor are for somebody else than who called.
    """
    roles = next(
        (r for n in (2, 1) if (r := _ROLES.get(" ".join(words[:n]))) is not None), frozenset[str]()
    )
    if not roles or "--role" in words:
        return []
    from kept.records.account import OFFICER
    from kept.records.actor import OPERATOR

    said = _CALLED.get()
    role = said.get("--role") or os.environ.get("KEPT_ROLE") or OPERATOR
    if role in roles:
        return [word for option in ("--actor", "--role") if option in said and option not in words
                for word in (option, said[option])]  # fmt: skip
    # Somebody else has to do it: an officer where he may, since there is always one.
    other = OFFICER if OFFICER in roles else min(roles)
    return [*(() if "--actor" in words else ("--actor", "…")), "--role", other]


def as_called(text: str | None, directory: Path | None) -> str | None:
    """Words of an error, their commands completed: as the program was called, with `--dir`, and
    with the role that each takes.
    """
    if text is None:
        return None

    def complete(met: re.Match[str]) -> str:
        words = met[1]
        away = words.split()[0] in _WITHOUT_DEPLOYMENT or "--dir" in words or "--help" in words
        where = "" if away or directory is None else f" --dir {shlex.quote(str(directory))}"
        role = [] if "--help" in words else _in_role(words.split())
        who = "".join(' "…"' if w == "…" else f" {shlex.quote(w)}" for w in role)
        return f"`{program()} {words}{who}{where}`"

    return _QUOTED.sub(complete, text)


def _short(path: Path) -> str:
    """The path from here, where that is the shorter way."""
    path, here = path.absolute(), Path.cwd()
    if not path.is_relative_to(here):
        return str(path)
    inside = path.relative_to(here)
    return f"./{inside}" if len(inside.parts) == 1 else str(inside)


def moment(text: str | None) -> dt.datetime:
    """The moment that `--now` names, in UTC where it names no zone; the clock's without it."""
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "`--now` is not a moment", expected="ISO 8601, as 2026-11-23T20:16:14Z"
        ) from None
    if given.year not in _YEARS:
        raise UsageError(
            "`--now` is too far away", expected=f"a year from {_YEARS[0]} to {_YEARS[-1]}"
        )
    return given if given.tzinfo else given.replace(tzinfo=dt.UTC)


def said(text: _Text, option: str) -> _Text:
    """What an option says in words; UsageError where nothing is said."""
    if text is not None and not any(c.isalnum() for c in text):
        raise UsageError(
            f"`{option}` says nothing",
            expected="words, which are recorded",
            fix=f"say it in words after {option}",
        )
    return text


def person(identity: Sequence[str] | None, file: Path | None) -> tuple[Identifier, ...]:
    """The one person whom `--identity` and `--identity-file` name; () where they name nobody."""
    if not identity and file is None:
        return ()
    from kept.terms.identifiers import parse

    named = [parse(text) for text in identity or ()]
    if file is None:
        return tuple(named)
    for number, line in enumerate(_lines(file), 1):
        try:
            named += [parse(line)] if line.strip() else []
        except IdentifierError as problem:
            problem.where = f"line {number} of `--identity-file`"
            raise
    return tuple(named)


def _lines(file: Path) -> list[str]:
    expected = "a text in UTF-8 with one KIND=VALUE a line"
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(_LONGEST_FILE + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(_LONGEST_FILE + 1)
        if len(content) > _LONGEST_FILE:
            raise UsageError(
                "what `--identity-file` names is too long",
                expected=f"at most {_LONGEST_FILE:,} bytes, of one person",
            )
        return content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        met = problem.strerror if isinstance(problem, OSError) else "bytes that are not UTF-8"
        raise UsageError(
            "what `--identity-file` names cannot be read", expected=expected, met=met
        ) from None


def day(text: str | None, option: str) -> dt.date | None:
    """The day that an option names."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"`{option}` is not a date", expected="ISO 8601, as 2036-12-31") from None


@contextmanager
def opened(
    common: Common, command: str = "", role: str | None = None
) -> Iterator[tuple[Controller, Deployment]]:
    """The deployment at work, after the role was checked; closed at the end."""
    if role is not None:
        require(command, role)
    from kept import deployment
    from kept.app.mail import specimens
    from kept.controller import Controller

    config = deployment.read(common.directory)
    with Controller.open(config) as controller:
        controller.surfaces = SURFACES
        controller.specimens = specimens
        yield controller, config


@contextmanager
def ending() -> Iterator[None]:
    """SIGTERM and SIGHUP end what is under way as an exception does: it cleans up behind itself."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def interrupted() -> Iterator[Callable[[], bool]]:
    """Ctrl-C (SIGINT) and SIGTERM do not end what is under way: they are remembered."""
    asked: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def shipped() -> Mapping[str, Control]:
    """The shipped controls by name; importing the duties makes them known."""
    from kept.controls.registry import registered

    importlib.import_module("kept.duties.table")
    return registered()


def names_shipped() -> set[str]:
    """The names of the shipped controls, read from the code that makes them known, not run."""
    found: set[str] = set()
    for file in Path(__file__).parents[2].joinpath("duties").rglob("*.py"):
        found.update(_CONTROL.findall(file.read_text("utf-8")))
    return found


def stranger(config: Deployment, made: Bundle) -> bool:
    """Whether nobody has said yet that the policy speaks for the organisation that it names.

    Said it is by `organisation` of kept.toml, or by a name that no shipped bundle has.
    """
    from kept.policy import bundle as policy_bundle

    name = made.organisation.name
    if config.organisation is not None:
        return config.organisation != name
    root = clone()
    texts = [] if root is None else sorted((root / "policies").glob("*/policy.yml"))
    return not texts or any(policy_bundle.load(t.parent).organisation.name == name for t in texts)


def warn_of_stranger(common: Common, config: Deployment, made: Bundle) -> None:
    """Say on stderr in whose name something goes out, where nobody has decided that."""
    if stranger(config, made):
        common.out.warn(
            f"Warning: this speaks in the name of {made.organisation.name}. {whose(config, made)}."
        )


def whose(config: Deployment, made: Bundle) -> str:
    """How it is decided for whom the policy speaks."""
    from kept.deployment import FILE

    return (
        f"If that is not you, change `organisation:` in {config.bundle / 'policy.yml'}; if it is,"
        f' write `organisation = "{made.organisation.name}"` at the head of {FILE}'
    )


def clone() -> Path | None:
    """The clone that this installation runs from, or None: examples/ and bench/ lie in it."""
    root = Path(__file__).resolve().parents[4]
    return (
        root if (root / "pyproject.toml").is_file() and (root / "src" / "kept").is_dir() else None
    )
