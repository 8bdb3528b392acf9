"""What browsers report, and what is kept of it: which host, for what, on which kind of page.

A report comes from strangers and names the page that somebody read. What stays says nothing of
her: no address, no query, no words of a path that could be hers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from kept.terms.addresses import host_in

Kind = Literal["host", "cookie"]
#: The directives of a policy that are kept; `script-src-elem` is a `script-src`.
_DIRECTIVES: Final = frozenset(
    (
        "default", "script", "style", "img", "connect", "font", "media", "frame", "worker",
        "manifest", "object", "child",
    )
)  # fmt: skip
_OTHERS: Final = ("base-uri", "form-action")
_HOST: Final = re.compile(r"(?=.{1,120}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9!#$&'*.^_`|~-]{1,64}", re.ASCII)
#: A part of a path or of a name that is a word, not somebody's.
_WORD: Final = re.compile(r"[a-z]{1,20}(-[a-z]{1,20}){0,3}(\.(html?|php|aspx?|jsp))?", re.ASCII)
#: What comes after one of these in a path is somebody's, word or not.
_PEOPLE: Final = frozenset(
    [
        "u",
        "user",
        "users",
        "member",
        "members",
        "profile",
        "profiles",
        "people",
        "person",
        "persons",
        "author",
        "authors",
        "team",
        "staff",
        "customer",
        "customers",
        "client",
        "clients",
        "account",
        "accounts",
        "contact",
        "contacts",
        "kunde",
        "kunden",
        "nutzer",
        "benutzer",
        "mitglied",
        "mitglieder",
        "profil",
        "autor",
        "autoren",
        "konto",
        # what is somebody's alone to open, or what she typed
        "reset",
        "invite",
        "invitation",
        "invitations",
        "einladung",
        "verify",
        "confirm",
        "activate",
        "token",
        "unsubscribe",
        "search",
        "suche",
    ]
)
_DEEP: Final = 4
#: Reports in one message, and how often a cookie may be said to have been met.
_MOST: Final = 50
_OFTEN: Final = 1_000_000
#: The kind of report by which the gateway tells of cookies; browsers have none of this name.
COOKIE: Final = "kept-cookie"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something that was met on a page: a host and what it was asked for, or a cookie."""

    kind: Kind
    name: str
    directive: str
    page: str


def read(body: bytes) -> Iterator[tuple[Sighting, int]]:
    """(what a message of reports says, how often); what is no report says nothing."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    rows = document if isinstance(document, list) else [document]
    for row in rows[:_MOST]:
        if isinstance(row, dict):
            found = _of(row)
            if found is not None:
                yield found


def _of(row: Mapping[str, Any]) -> tuple[Sighting, int] | None:
    body = row.get("csp-report", row.get("body"))
    if not isinstance(body, dict):
        return None
    if row.get("type") == COOKIE:
        name, count = str(body.get("name", "")), body.get("count")
        if _NAME.fullmatch(name) is None or type(count) is not int or not 0 < count < _OFTEN:
            return None
        return Sighting("cookie", shown_name(name), "", pattern(str(body.get("path", "")))), count
    source = _text(body, "source-file", "sourceFile")
    if source and host_in(source) is None and ":" in source:
        return None  # an extension of the browser asked, not the page
    page = _text(body, "document-uri", "documentURL")
    host = host_in(_text(body, "blocked-uri", "blockedURL"))
    directive = _directive(_text(body, "effective-directive", "effectiveDirective",
                                 "violated-directive"))  # fmt: skip
    if host is None or directive is None or host == host_in(page) or not _HOST.fullmatch(host):
        return None
    return Sighting("host", shown_host(host), directive, pattern(page)), 1


def _text(body: Mapping[str, Any], *names: str) -> str:
    found = next((body[name] for name in names if name in body), "")
    return found[:2000] if isinstance(found, str) else ""


def _directive(text: str) -> str | None:
    name = text.strip().partition(" ")[0].lower()
    if name in _OTHERS:
        return name
    name = name.removesuffix("-elem").removesuffix("-attr")
    return name if name.removesuffix("-src") in _DIRECTIVES and name.endswith("-src") else None


def shown_host(host: str) -> str:
    """A host, its labels below the domain without one that could be somebody's."""
    labels = host.split(".")
    return ".".join([*map(_label, labels[:-2]), *labels[-2:]])


def _label(label: str) -> str:
    """A label below a domain, unless it could stand for somebody: some trackers make one each."""
    return label if len(label) <= 20 and sum(c.isdigit() for c in label) <= 3 else "*"


def shown_name(name: str) -> str:
    """The name of a cookie, without a number at its end that could be somebody's."""
    return re.sub(r"[0-9A-Fa-f-]{6,}$|[0-9]{3,}$", "*", name)


def pattern(address: str) -> str:
    """The kind of page that an address names: words of its path, a star for anything else."""
    path = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "", address)
    path = re.split(r"[?#]", path, maxsplit=1)[0]
    parts = [part for part in path.split("/") if part]
    shown = [
        part if _WORD.fullmatch(part) and before not in _PEOPLE else "*"
        for before, part in zip(["", *parts], parts[:_DEEP], strict=False)
    ]
    return "/" + "/".join([*shown, *(["*"] if len(parts) > _DEEP else [])])
