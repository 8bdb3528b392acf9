"""Values of kept.toml: what one may be, and where it stands when it is amiss."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kept.errors import ConfigError
from kept.policy.shapes import PERIOD

#: Ports that a server can listen on; 0 takes a free one.
PORTS = range(2**16)
#: What a bearer token is made of (RFC 6750, section 2.1: b64token).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def flag(path: Path, table: Mapping[str, Any], key: str) -> bool:
    """True or false; false where it is missing."""
    value = table.get(key, False)
    if type(value) is not bool:
        raise ConfigError(f"`{key}` is not true or false", where=where(path, key))
    return value


def https(path: Path, value: Any) -> str | None:
    """The address of a partner's own policy."""
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"https://[^\s/]+(?:/\S*)?", value):
        raise ConfigError(
            "`policy` is no address of a privacy policy",
            where=where(path, "policy"),
            expected='an address such as "https://partner.example/privacy"',
        )
    return value


def names(path: Path, value: Any, key: str) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise ConfigError(
            f"`{key}` is no list of names", where=where(path, key), expected='["…", "…"]'
        )
    return tuple(value)


def option(path: Path, value: Any, key: str) -> Any:
    """A setting of one kind of store; a text may name where the secret is kept."""
    if isinstance(value, str) and value.startswith("file:"):
        file = path.parent / value.removeprefix("file:")
        try:
            return file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                f"the file of `{key}` cannot be read",
                where=where(path, value),
                expected="a text file in UTF-8 beside kept.toml",
            ) from None
    return secret(path, value, key) if isinstance(value, str) else value


def beside(path: Path, store: Any, url: str | None) -> str | None:
    """A file or folder is named relative to kept.toml, whatever the current directory is."""
    prefix = {"sqlite": "sqlite:///", "parquet": "file://"}.get(store)
    if prefix is None or url is None:
        return url
    return str((path.parent / url.removeprefix(prefix)).resolve())


def one_of(path: Path, value: str, known: tuple[str, ...], key: str) -> str:
    """One of the known words."""
    if value not in known:
        raise ConfigError(
            f"`{value}` is not a value of `{key}`",
            where=where(path, value),
            expected=f"one of {', '.join(known)}",
        )
    return value


def port(path: Path, value: Any) -> int:
    """A port to listen on."""
    if type(value) is not int or value not in PORTS:
        raise ConfigError(
            "`port` is not a port",
            where=where(path, "port"),
            expected=f"a whole number from {PORTS[0]} to {PORTS[-1]}; 0 takes a free one",
        )
    return value


def per_hour(path: Path, table: Mapping[str, Any], key: str, usual: int) -> int:
    """How much one source may send in an hour."""
    value = table.get(key, usual)
    if type(value) is not int or not 0 <= value <= 100_000:
        raise ConfigError(
            f"`{key}` is not a number of {key.partition('_')[0]}",
            where=where(path, key),
            expected="a whole number up to 100000: so many may one source send; 0: any number",
        )
    return value


def text(path: Path, table: Mapping[str, Any], key: str, inside: str = "") -> str:
    """A text that has to be there, in the table `inside`."""
    value = table.get(key)
    if not isinstance(value, str) or not value:
        place = f" in [{inside}]" if inside else ""
        raise ConfigError(
            f"`{key}` is missing{place}",
            where=where(path, inside.rpartition(".")[2] or key),
            expected="a path relative to kept.toml",
            fix=f'add `{key} = "…"`{place}',
        )
    return value


def perhaps(path: Path, table: Mapping[str, Any], key: str) -> str | None:
    """A text that may be missing."""
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(
            f"`{key}` is not text",
            where=where(path, key),
            expected=f'`{key} = "…"`',
            met=kind(value),
            fix="put it in quotes, or leave the line out",
        )
    return value


def kind(value: Any) -> str:
    """What kind of value stands there, in words; never the value, which may be a secret."""
    if isinstance(value, str) and not value.strip():
        return "nothing between the quotes"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"), (int, "a number"), (float, "a number"), (str, "a text"),
        (dt.datetime, "a moment"), (dt.date, "a date"), (dt.time, "a time"), (list, "a list"),
        (dict, "a table"),
    )  # fmt: skip
    return next(words for of, words in kinds if isinstance(value, of))


def is_choice(value: Any, *, period: bool) -> bool:
    """Whether a value of [choices] is one: a period, or words, numbers, yes or no, or several."""
    if period:
        return isinstance(value, str) and re.fullmatch(PERIOD, value) is not None
    values = value if isinstance(value, list) else [value]
    # "…" is where a value has to go, not a value.
    return all(any(c.isalnum() for c in v) if isinstance(v, str) else is_number(v) for v in values)


def is_number(value: Any) -> bool:
    """A number, or yes or no, that JSON can hold and every reader reads alike."""
    return isinstance(value, (int, float)) and -(2**53) < value < 2**53


def choice(value: Any) -> Any:
    """A value of [choices]; days as they are written in the bundle."""
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else value


def secret(path: Path, value: Any, key: str, *, required: bool = True) -> str | None:
    """A text, or what the environment has under the name that `env:NAME` gives."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"`{key}` is not text", where=where(path, key), expected="a text value")
    if not value.startswith("env:"):
        return value
    name = value.removeprefix("env:")
    found = os.environ.get(name)
    if found is None and required:
        raise ConfigError(
            f"the environment variable `{name}` is not set",
            where=where(path, name),
            expected=f"the value of `{key}`",
            fix=f"set {name} before starting kept",
        )
    return found


def token(path: Path, value: Any) -> str | None:
    """What opens the API, as it can be sent."""
    laid = isinstance(value, str) and value.startswith("file:")
    found = option(path, value, "token") if laid else secret(path, value, "token", required=False)
    if found and not _TOKEN.fullmatch(found):
        raise ConfigError(
            "`token` cannot be sent as a bearer token (RFC 6750)",
            where=where(path, "token"),
            expected="letters A to Z, digits and - . _ ~ + /, with = at the end only",
            fix="make one of such signs, for example 32 hexadecimal digits or more",
        )
    return found


def unknown(path: Path, key: str, known: set[str] | frozenset[str]) -> ConfigError:
    """What is said of a key that is none."""
    return ConfigError(
        f"`{key}` is not a setting",
        where=where(path, key),
        expected=f"one of {', '.join(sorted(known))}",
        fix="correct its spelling, or remove it",
    )


def where(path: Path, word: str) -> str:
    """The line of the file on which a word stands first."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return str(path)
    there = (n for n, line in enumerate(lines, 1) if word and word in line.partition("#")[0])
    return f"{path.name}:{next(there, 1)}"
