"""The command line. `kept --help` lists the verbs; each takes `--json` and `--dir`.

Exit status: 0 done, 1 a promise is broken or a request incomplete, 2 wrong use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

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
from kept.app.commands import (
    bench,
    case,
    demo,
    doctor,
    hold,
    ledger,
    mapping,
    new,
    policy,
    prove,
    rights,
    serve,
    task,
)
from kept.app.output import Output
from kept.errors import KeptError, UsageError

#: In the order in which the documentation shows them.
_GROUPS: Final = (
    demo, new, serve, doctor, policy, mapping, rights, case, task, hold, prove, ledger, bench,
)  # fmt: skip


def make() -> App:
    """The command line with all its verbs."""
    app = App(
        name="kept",
        help="A privacy policy that keeps itself.",
        version=__version__,
        result_action="return_value",
        help_format="plaintext",
    )
    for group in _GROUPS:
        group.register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `kept`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = make()(given, exit_on_error=False, print_error=False)
    except CycloptsError as problem:
        wrong = _wrong_use(problem)
        Output(as_json="--json" in given).error(wrong)
        sys.exit(wrong.exit_status)
    except KeptError as problem:
        Output(as_json="--json" in given).error(problem)
        sys.exit(problem.exit_status)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _wrong_use(problem: CycloptsError) -> UsageError:
    """The error in Kept's words. It repeats no value that was given: it could name a person."""
    chain = " ".join(("kept", *(problem.command_chain or ())))
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
            return UsageError(f"`{option}` of `{chain}` is missing", fix=fix)
        case CoercionError():
            return UsageError(f"the value of `{option}` is not of its kind", fix=fix)
        case RepeatArgumentError():
            return UsageError(f"`{option}` was given twice", fix=fix)
        case UnusedCliTokensError():
            count = len(problem.unused_tokens or ())
            more = "one argument" if count == 1 else f"{count} arguments"
            return UsageError(f"`{chain}` was given {more} too many", fix=fix)
        case _:
            return UsageError(f"`{chain}` was not understood", fix=fix)
