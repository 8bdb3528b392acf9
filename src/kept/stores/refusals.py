"""Why a server could not be asked, in words of our own: drivers like to repeat what they got."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import Final

LOGIN: Final = "it refused the login"
DATABASE: Final = "it has no such database"
NO_HOST: Final = "there is no host of that name"
NOBODY: Final = "nothing answers there"
LATE: Final = "it did not answer in time"
#: What to look at, by what was met.
_CHECK: Final = {
    LOGIN: "check user and password of",
    DATABASE: "check the name of the database in",
    NO_HOST: "check the host in",
    NOBODY: "check host and port in",
    LATE: "check host and port in",
}
#: libpq gives a refused connection no code, only words; these are its own and the server's in
#: English. Of others nothing more is said than that no connection was had.
_WORDS: Final[Sequence[tuple[str, str]]] = (
    (r'FATAL: +database ".*" does not exist', DATABASE),
    (r"FATAL: +(password|role|no pg_hba|peer|ident|.*authentication)|no password supplied", LOGIN),
    (r"failed to resolve host|could not translate host", NO_HOST),
    (r"Connection refused|No such file or directory|No route to host|unreachable", NOBODY),
    (r"timeout expired", LATE),
)


def of_libpq(error: Exception) -> str:
    """What libpq met, in one of the words above; empty where it cannot be told."""
    text = str(error)
    return next((words for met, words in _WORDS if re.search(met, text)), "")


def of_socket(error: BaseException | None) -> str:
    """What the operating system met; empty where it cannot be told."""
    match error:
        case socket.gaierror():
            return NO_HOST
        case TimeoutError():
            return LATE
        case OSError():
            return NOBODY
    return ""


def fix(met: str) -> str:
    """How to mend it."""
    what = _CHECK.get(met, "check host, port, database, user and password of")
    runs = "" if met in (LOGIN, DATABASE) else ", and that the server runs"
    return f"{what} the system's `url` in kept.toml{runs}"
