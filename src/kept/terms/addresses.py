"""Addresses on the web: whose host one names, and what in it tells who somebody is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Schemes of addresses that a host answers.
_WEB: Final = frozenset({"http", "https", "ws", "wss", "ftp"})
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
#: What browsers take out of an address before they read it (URL Standard, 4.4).
_IGNORED: Final = re.compile(r"[\t\n\r]")
_AROUND: Final = "".join(map(chr, range(0x21)))
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_MAIL: Final = re.compile(r"[^\s@/?&=]+@[^\s@/?&=]+\.[^\s@/?&=.]{2,}")
_PLACE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)")
_ORIGIN: Final = re.compile(
    r"(?i)(https?)://(?:[^/?#\\@\s]*@)?(\[[0-9a-f:.]+\]|[^/?#\\@:\[\]\s]+)(?::([0-9]{0,5}))?(?=[/?#]|\Z)"
)
_USUAL: Final = {"http": 80, "https": 443}
#: Names of parameters by which people or their clicks are known, in lower case without - and _.
_NAMES: Final = frozenset(
    (
        "email", "emailaddress", "mail", "usermail", "useremail", "contactemail", "loginhint",
        "phone", "tel", "telephone", "mobile", "firstname", "lastname", "fullname", "username",
        "uid", "userid", "user", "customer", "customerid", "customernumber", "contactid",
        "clientid", "subscriberid", "memberid", "accountid", "visitorid", "personid",
        "token", "accesstoken", "authtoken", "idtoken", "session", "sessionid", "sid", "jsessionid",
        "phpsessid", "password", "apikey",
        "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "liclid",
        "lifatid", "ttclid", "yclid", "igshid", "epik", "scclid", "rdtcid", "irclickid",
        "mceid", "mccid", "mkttok", "hsenc", "hsmi", "hsctatracking", "vero", "veroid",
        "veroconv", "olyencid", "olyanonid", "bemid", "ckinsubscriberid",
        "sbxemail", "trkcontact", "trkmsg", "nrid", "elqtrackid", "elqtrack",
    )
)  # fmt: skip
#: Those that are ids only with a line before them: `gl` alone is a country.
_WITH_LINE: Final = frozenset({"_ga", "_gl", "_gac"})


def host_in(address: str) -> str | None:
    """The host that an address names; None for a relative one, or of another kind (`mailto:`)."""
    text = _IGNORED.sub("", address).strip(_AROUND)
    met = _SCHEME.match(text)
    if met is not None:
        if met[1].lower() not in _WEB:
            return None
        rest = text[met.end() :].lstrip("/\\")
    elif text[:1] in ("/", "\\") and text[1:2] in ("/", "\\"):
        rest = text.lstrip("/\\")
    else:
        return None
    authority = re.split(r"[/\\?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return host_of(authority)


def place_of(address: str) -> str:
    """Host and port of an address as it names them, in lower case; "" where it names none."""
    met = _PLACE.match(address)
    return met[1].lower() if met else ""


def web_origin(address: str) -> str | None:
    """Scheme, host and port of an address or an Origin header (RFC 6454); None where it has none,
    or one that is not on the web. The port goes where it is the usual one.
    """
    met = _ORIGIN.match(address)
    if met is None:
        return None
    scheme, host, port = met[1].lower(), met[2].lower(), int(met[3]) if met[3] else None
    if port is not None and port > 65_535:
        return None
    return f"{scheme}://{host}" + (f":{port}" if port not in (None, _USUAL[scheme]) else "")


def host_of(authority: str) -> str:
    """The name in `host:port`, in lower case and in the letters of the wire."""
    name = authority.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    name = name.partition(":")[0].rstrip(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return name
    return name


def elsewhere(address: str, own: Iterable[str]) -> str | None:
    """The host of an address, where it is none of the site's own; else None."""
    host = host_in(address)
    return None if host is None or host in own else host


def without_people(address: str) -> str:
    """The address without what tells a stranger who follows it: ids, addresses, passwords.

    Whatever else it says stays as it is, letter by letter.
    """
    body, mark, fragment = address.partition("#")
    place, question, query = body.partition("?")
    parts = query.split("&")
    stay = [part for part in parts if not _names(part)]
    if len(stay) != len(parts):
        query = "&".join(stay)
        question = "?" if query else ""
    if "=" in fragment:
        pieces = [part for part in fragment.split("&") if not _names(part)]
        fragment = "&".join(pieces)
        mark = mark if fragment else ""
    return _nameless(place) + question + query + mark + fragment


def _names(part: str) -> bool:
    name, _, value = part.partition("=")
    if not value:
        return False
    key = _plain(name).lower()
    if key in _WITH_LINE or key.replace("_", "").replace("-", "") in _NAMES:
        return True
    return ("@" in value or "%" in value) and _MAIL.search(_plain(value)) is not None


def _plain(part: str) -> str:
    """A part of a query without its escapes; one within another too (`%2540`)."""
    if "%" not in part and "+" not in part:
        return part
    for _ in range(2):
        part = _ESCAPE.sub(lambda met: chr(int(met[1], 16)), part.replace("+", " "))
    return part


def _nameless(place: str) -> str:
    """Without `user:password@` before the host."""
    met = re.match(r"([^/\\]*[/\\]{2})([^/\\?#]*)@", place)
    return place if met is None else met[1] + place[met.end() :]


def masked(address: str) -> str:
    """An e-mail address as it may be shown to whoever looks over a shoulder: a•••@e•••.org."""
    local, _, domain = address.strip().rpartition("@")
    name, dot, top = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••{dot}{top}"
