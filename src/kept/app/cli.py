"""The command line. `kept --help` lists the verbs; each takes `--json` and `--dir`.

Exit status: 0 done, 1 a promise is broken or a request incomplete, 2 wrong use.
"""

from __future__ import annotations

import errno
import gc
import itertools
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final, Literal, get_args, get_origin

from cyclopts import App, CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from kept import __version__
from kept.app.commands.common import as_called, called, program
from kept.app.output import Output
from kept.errors import KeptError, UsageError

#: First words of the commands, and the file that adds them, in the order in which the
#: documentation shows them. A file is read when one of its commands is called, and not before:
#: what the others need costs more time than most of them take.
_GROUPS: Final[tuple[tuple[str, Callable[[], ModuleType]], ...]] = (
    ("demo", lambda: import_module("kept.app.commands.demo")),
    ("new", lambda: import_module("kept.app.commands.new")),
    ("serve", lambda: import_module("kept.app.commands.serve")),
    ("gateway", lambda: import_module("kept.app.commands.gateway")),
    ("doctor", lambda: import_module("kept.app.commands.doctor")),
    ("authorities", lambda: import_module("kept.app.commands.authorities")),
    ("policy", lambda: import_module("kept.app.commands.policy")),
    ("map", lambda: import_module("kept.app.commands.mapping")),
    ("import", lambda: import_module("kept.app.commands.importing")),
    ("request", lambda: import_module("kept.app.commands.request")),
    ("rights", lambda: import_module("kept.app.commands.rights")),
    ("rights", lambda: import_module("kept.app.commands.correcting")),
    ("rights", lambda: import_module("kept.app.commands.choices")),
    ("case", lambda: import_module("kept.app.commands.case")),
    ("case", lambda: import_module("kept.app.commands.answering")),
    ("case", lambda: import_module("kept.app.commands.redacting")),
    ("task", lambda: import_module("kept.app.commands.task")),
    ("account", lambda: import_module("kept.app.commands.account")),
    ("identity", lambda: import_module("kept.app.commands.identity")),
    ("hold", lambda: import_module("kept.app.commands.hold")),
    ("complaint", lambda: import_module("kept.app.commands.complaint")),
    ("disclosure", lambda: import_module("kept.app.commands.disclosure")),
    ("release", lambda: import_module("kept.app.commands.release")),
    ("incident", lambda: import_module("kept.app.commands.incident")),
    ("measure", lambda: import_module("kept.app.commands.measure")),
    ("notice quarantine", lambda: import_module("kept.app.commands.shown")),
    ("retain", lambda: import_module("kept.app.commands.retain")),
    ("prove", lambda: import_module("kept.app.commands.prove")),
    ("scan", lambda: import_module("kept.app.commands.scan")),
    ("trackers", lambda: import_module("kept.app.commands.trackers")),
    ("links", lambda: import_module("kept.app.commands.links")),
    ("preferences", lambda: import_module("kept.app.commands.preferences")),
    ("stats", lambda: import_module("kept.app.commands.stats")),
    ("ledger", lambda: import_module("kept.app.commands.ledger")),
    ("bench", lambda: import_module("kept.app.commands.bench")),
)


#: Set to anything: where an error of the program itself was met is shown, line by line.
DEBUG: Final = "KEPT_DEBUG"
#: What the operating system refuses because of what it was asked; the rest is its own trouble.
_ASKED_WRONG: Final = frozenset(
    (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
     errno.EEXIST, errno.EROFS, errno.ELOOP, errno.EINVAL)
)  # fmt: skip
#: An option that has no value yet.
_OPTION: Final = re.compile(r"--[a-z][a-z-]*")


def make(given: Sequence[str] | None = None) -> App:
    """The command line: with all its verbs, or with those that these arguments can mean."""
    app = App(
        name="kept",
        help="A privacy policy that keeps itself.",
        version=__version__,
        result_action="return_value",
        help_format="plaintext",
    )
    for load in _meant(given):
        load().register(app)
    return app


def _meant(given: Sequence[str] | None) -> list[Callable[[], ModuleType]]:
    """The files of the command that is called; of none for the version, else of all."""
    word = given[0] if given else ""
    if word == "--version":
        return []
    return [f for words, f in _GROUPS if word in words.split()] or [f for _, f in _GROUPS]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command, from its words to its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # The driver's own words about a lost connection would stand before Kept's, and name hosts.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    called(given)
    try:
        _refuse_bytes(given)
        app = make(given)
        _collect()
        status = app(_joined(given), exit_on_error=False, print_error=False)
    except CycloptsError as problem:
        wrong = _wrong_use(problem, given)
        Output(as_json="--json" in given).error(wrong)
        sys.exit(wrong.exit_status)
    except KeptError as problem:
        problem.fix = as_called(problem.fix, _directory(given))
        Output(as_json="--json" in given).error(problem)
        sys.exit(problem.exit_status)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        told = _unexpected(problem)
        Output(as_json="--json" in given).error(told)
        if os.environ.get(DEBUG):
            # Places only: the words of an error, and of what led to it, may hold a person's data.
            print("".join(traceback.format_tb(problem.__traceback__)), file=sys.stderr)
        sys.exit(told.exit_status)
    sys.exit(status if isinstance(status, int) else 0)


def _collect() -> None:
    """Look for what goes away from here on, if that was put off; what was read in stays."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _joined(given: Sequence[str]) -> list[str]:
    """The arguments, with a lone dash and words that begin with one joined to their option.

    The parser takes whatever begins with a dash for an option; none is called `-` (standard
    input) or has a blank in its name, so these are the value of what stands before them.
    """
    made: list[str] = []
    for word in given:
        value = word == "-" or (word.startswith("-") and any(c.isspace() for c in word))
        named = made and "--" not in made and _OPTION.fullmatch(made[-1])
        if value and named:
            made[-1] += f"={word}"
        else:
            made.append(word)
    return made


def _refuse_bytes(given: Sequence[str]) -> None:
    """Refuse bytes that are not UTF-8: they could be neither stored, signed nor shown."""
    named = [(word, f"argument {n}") for n, word in enumerate(given, 1)]
    named += [(word, f"`{name}`") for name, word in os.environ.items() if name.startswith("KEPT_")]
    for word, where in named:
        if any("\ud800" <= c <= "\udfff" for c in word):
            raise UsageError(
                f"{where} is not UTF-8",
                expected="text in UTF-8",
                fix="write it in UTF-8; a file of another name can be renamed or linked",
            )


def _unexpected(problem: Exception) -> KeptError:
    """What nobody foresaw, without its words and its file: they can name a person."""
    if isinstance(problem, OSError):
        wrong = problem.errno in _ASKED_WRONG
        return (UsageError if wrong else KeptError)(
            "a file, a directory or a connection could not be used",
            met=(os.strerror(problem.errno) if problem.errno else type(problem).__name__),
            fix="name another, or mend its rights" if wrong else "mend that, then run it again",
        )
    return KeptError(
        "something went wrong inside Kept; what was not committed is undone",
        met=type(problem).__name__,
        fix=f"set {DEBUG}=1 and run it again to see where; please report that",
    )


def _directory(given: Sequence[str]) -> Path | None:
    """What `--dir` names."""
    for word, after in itertools.zip_longest(given, given[1:], fillvalue=""):
        if word == "--dir" and after:
            return Path(after)
        if word.startswith("--dir="):
            return Path(word.partition("=")[2])
    return None


def _kind(hint: object) -> str | None:
    """What an option takes, in words: its choices, or a number."""
    if get_origin(hint) is Literal:
        return " or ".join(f"`{one}`" for one in get_args(hint))
    return "a whole number" if hint is int else "a number" if hint is float else None


def _wrong_use(problem: CycloptsError, given: Sequence[str]) -> UsageError:
    """The error in Kept's words. It repeats no value that was given: it could name a person."""
    chain = " ".join((program(), *(problem.command_chain or ())))
    fix = f"see `{chain} --help`"
    argument = getattr(problem, "argument", None)
    option = argument.name if argument is not None else None
    match problem:
        case UnknownCommandError():
            return UsageError(f"`{chain}` has no such command", fix=fix)
        case UnknownOptionError():
            keyword = problem.token.keyword or ""
            return UsageError(f"`{chain}` has no option `{keyword.partition('=')[0]}`", fix=fix)
        case MissingArgumentError():
            if option in given:
                fix = f"a value that begins with a dash is written {option}=-…; {fix}"
            return UsageError(f"`{option}` of `{chain}` is missing", fix=fix)
        case CoercionError():
            kind = _kind(argument.hint) if argument is not None else None
            return UsageError(f"the value of `{option}` is not of its kind", expected=kind, fix=fix)
        case RepeatArgumentError():
            return UsageError(f"`{option}` was given twice", fix=fix)
        case UnusedCliTokensError():
            count = len(problem.unused_tokens or ())
            more = "one argument" if count == 1 else f"{count} arguments"
            return UsageError(f"`{chain}` was given {more} too many", fix=fix)
        case _:
            return UsageError(f"`{chain}` was not understood", fix=fix)
