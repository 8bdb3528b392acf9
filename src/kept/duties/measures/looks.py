"""What is looked at for a measure itself: logins, the way to the pages, secrets, limits."""

from __future__ import annotations

import datetime as dt
import ipaddress
import stat
import tomllib
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from kept.controller import Controller
from kept.deployment import FILE
from kept.errors import StoreError
from kept.model.safety import Safety
from kept.records.session import BOTH, WINDOW
from kept.stores.post import Folder
from kept.terms.words import many

#: What every place of data says of itself, asked once.
Places: TypeAlias = Callable[[], Mapping[str, Safety | StoreError]]

#: What a secret is called in kept.toml, wherever it stands.
_SECRETS: Final = frozenset(("password", "passphrase", "secret", "token"))
#: Where secrets lie that are not in kept.toml.
_KEPT: Final = ("env:", "file:")


class Seen(NamedTuple):
    """How it is. `holds` None: there is nothing to look at; what nobody knows does not hold.

    Words and `fix` name files, settings and counts, never a value or a person. `unasked`: a place
    did not answer, so nothing is known to be amiss.
    """

    holds: bool | None
    words: str
    fix: str = ""
    unasked: bool = False


def login(controller: Controller, now: dt.datetime, places: Places) -> Iterator[Seen]:
    """Whoever of the staff has a role proves twice who it is.

    A new account lets nobody further than to its second proof; it has a week for that.
    """
    del places
    staff = [a for a in controller.accounts.all(now) if a.roles and a.disabled_at is None]
    provider = controller.provider
    if provider is not None:
        asked = provider.settings.amr or provider.settings.acr
        word = controller.measures.words.get("login")
        said = f"{provider.settings.title} also lets staff in, and "
        if asked:
            yield Seen(True, said + "has to say that it asked for two proofs")
        elif word is not None and word.in_force(now):
            yield Seen(True, f"{said}{word.by} vouches for it, {word.date}: {word.how}")
        else:
            yield Seen(
                False,
                said + "need not say that it asked for two proofs",
                f"name in `amr` or `acr` of [login.oidc] in {FILE} what it says; or look how it"
                ' asks, then write below [measures]: login = {by = "NAME", date = 2026-01-31,'
                ' how = "…"}',
            )
    bare = [a for a in staff if not a.enrolled]
    late = [a for a in bare if a.good_until is None or a.good_until <= now]
    if late:
        words = f"{many(len(late), 'account')} with a role had a week to set up a second proof"
        yield Seen(False, f"{words}, and did not", "disable them, or give a new first password, at"
                   " /desk/accounts")  # fmt: skip
    elif staff:
        words = f"{many(len(staff) - len(bare), 'account')} with a role and a second proof"
        yield Seen(True, words + (f", {len(bare)} still to set it up" if bare else ""))
    else:
        yield Seen(None, "nobody of the staff has an account with a role")


def way(controller: Controller, now: dt.datetime, places: Places) -> Iterator[Seen]:
    """Pages are served by https and letters go encrypted, or neither leaves this machine."""
    del now, places
    if controller.site_url is not None:
        at = urllib.parse.urlsplit(controller.site_url)
        if at.scheme == "https":
            yield Seen(True, "people find the pages by https")
        elif _here(at.hostname or ""):
            yield Seen(True, "the pages are served to this machine alone")
        else:
            yield Seen(
                False,
                "the pages are served without encryption",
                f"put a server before Kept that encrypts, and write `url` of [site] in {FILE}"
                " with https://",
            )
    if isinstance(controller.post, Folder):
        yield Seen(True, "letters are laid in a folder; the way they go on is not seen")
    elif controller.post is not None:
        yield Seen(True, "mail goes encrypted or to this machine, or not at all")


def secrets(controller: Controller, now: dt.datetime, places: Places) -> Iterator[Seen]:
    """Keys and files with secrets are for their owner alone, and kept.toml holds no secret."""
    del now, places
    file = controller.directory / FILE
    try:
        raw = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        raw = {}
    named = list(_named(raw, ()))
    plain = [where for where, value in named if not value.startswith(_KEPT)]
    if plain:
        yield Seen(
            False,
            f"{FILE} itself holds {many(len(plain), 'secret')}: {', '.join(plain)}",
            'write "env:NAME" for it and set NAME before Kept starts, or "file:NAME" where it'
            " can lie in a file",
        )
    files = [controller.directory / v[len("file:") :] for _, v in named if v.startswith("file:")]
    files += (controller.directory / "keys").rglob("*")
    files = [one for one in files if one.is_file()]
    open_ = [one for one in files if _open(one)]
    if open_:
        yield Seen(
            False,
            f"others than their owner can reach {many(len(open_), 'file')} with keys or secrets",
            f"chmod 600, for example: {open_[0].name}",
        )
    if not plain and not open_:
        yield Seen(True, f"{many(len(files), 'file')} for their owner alone, none in {FILE}")


def _named(value: Any, at: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every secret of kept.toml: where it stands, and what stands there."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _named(one, (*at, key))
    elif isinstance(value, str) and value and (at[-1] in _SECRETS or _password(value)):
        yield ".".join(at), value


def _password(value: str) -> bool:
    """Whether it is an address with a password in it."""
    try:
        at = urllib.parse.urlsplit(value)
        return "://" in value and bool(at.password or "password" in urllib.parse.parse_qs(at.query))
    except ValueError:
        return False


def _open(file: Path) -> bool:
    """Whether another account than the owner's can reach a file, by its mode and its folder's."""
    closed = stat.S_IRWXG | stat.S_IRWXO
    try:
        return bool(file.stat().st_mode & closed and file.parent.stat().st_mode & closed)
    except OSError:  # gone meanwhile
        return False


def limits(controller: Controller, now: dt.datetime, places: Places) -> Iterator[Seen]:
    """Nobody tries logins, forms or choices without end."""
    del now, places
    minutes = int(WINDOW.total_seconds() // 60)
    said = [f"{BOTH} logins of one name in {minutes} minutes"]
    for what, most in controller.limits.items():
        if most:
            said.append(f"{most:,} {what} an hour")
        else:
            yield Seen(
                False,
                f"one source may send as many {what} as it likes",
                f"write `{what}_per_hour` of [site] in {FILE}, or leave the line out",
            )
    yield Seen(True, f"at most from one source: {', '.join(said)}")


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
