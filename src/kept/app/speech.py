"""In which language people's pages speak: `?lang=`, else what a browser asks for, else the policy's
first. Nothing is remembered: the links of a page carry what was chosen by its own link.
"""

from __future__ import annotations

import re
import urllib.parse
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from markupsafe import Markup

from kept.duties.visits.banner import language_of
from kept.policy.bundle import Bundle
from kept.policy.spoken import speaking
from kept.terms import tongues

#: Under these the staff and programs are answered, who read English.
_ENGLISH: Final = ("/desk", "/api/", "/v1/", "/assets/", "/.well-known/", "/health")
_LINK: Final = re.compile(
    r'(?P<to>(?:href|action)="/(?:privacy|forms|[pu]/)[^"?#]*)(?:\?(?P<query>[^"#]*))?(?P<at>#[^"]*)?"'
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a page stands, and the language that its address names; None: it names none."""

    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    language: str | None = None


_NONE: Final = Chosen()
_CHOSEN: Final[ContextVar[Chosen]] = ContextVar("chosen", default=_NONE)


def offered(bundle: Bundle) -> list[str]:
    """The languages in which a page can be had: those of the policy of which words are there."""
    return [one for one in bundle.languages if tongues.known(one)] or [bundle.languages[0]]


def links(bundle: Bundle) -> list[dict[str, Any]]:
    """The page in each of its languages; empty where there is one alone."""
    chosen, now = _CHOSEN.get(), tongues.spoken().language
    there = offered(bundle)
    if len(there) < 2:
        return []
    rest = [(name, value) for name, value in chosen.query if name != "lang"]
    return [
        {
            "language": one, "name": tongues.tongue_of(one).name, "now": one == now,
            "href": f"?{urllib.parse.urlencode([*rest, ('lang', one)])}",
        }
        for one in there
    ]  # fmt: skip


def carried() -> Markup:
    """A field of a form that asks by GET, so that its answer speaks the same language."""
    language = _CHOSEN.get().language
    if language is None:
        return Markup("")
    return Markup('<input type="hidden" name="lang" value="{}">').format(language)


def carrying(page: str) -> str:
    """A page whose links to other pages of ours say the language that its own address says."""
    language = _CHOSEN.get().language
    if language is None:
        return page

    def with_language(met: re.Match[str]) -> str:
        query = f"{met['query']}&amp;" if met["query"] else ""
        return f'{met["to"]}?{query}lang={language}{met["at"] or ""}"'

    return _LINK.sub(with_language, page)


def speaks(app: ASGIApp, bundle: Bundle) -> ASGIApp:
    """The application, each request in its language; where it leads on, the language goes along."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] != ScopeType.HTTP or path.startswith(_ENGLISH):
            await app(scope, receive, send)
            return
        raw = scope.get("query_string", b"").decode("latin-1")
        query = tuple(urllib.parse.parse_qsl(raw, keep_blank_values=True)[:20])
        wanted = dict(query).get("lang")
        named = wanted if wanted in bundle.languages else None
        header = b", ".join(v for k, v in scope["headers"] if k.lower() == b"accept-language")
        asked = named or language_of(bundle, header.decode("latin-1")) if header or named else None

        async def leading(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _headers(message["headers"], named)}
            await send(message)

        token = _CHOSEN.set(Chosen(path, query, named))
        try:
            with speaking(bundle, asked):
                await app(scope, receive, leading)
        finally:
            _CHOSEN.reset(token)

    return answer


def _headers(headers: Any, language: str | None) -> list[tuple[bytes, bytes]]:
    """Those of an answer: pages differ by language, and lead on in the one that was named."""
    found = [(bytes(k), bytes(v)) for k, v in headers]
    if any(k.lower() == b"content-type" and v.startswith(b"text/html") for k, v in found):
        found.append((b"vary", b"Accept-Language"))
        found.append((b"content-language", tongues.spoken().language.encode()))
    if language is None:
        return found
    return [(k, _led(v, language) if k.lower() == b"location" else v) for k, v in found]


def _led(location: bytes, language: str) -> bytes:
    parts = urllib.parse.urlsplit(location.decode("latin-1"))
    if parts.scheme or parts.netloc or not parts.path.startswith(("/privacy", "/forms")):
        return location
    query = f"{parts.query}&lang={language}" if parts.query else f"lang={language}"
    return urllib.parse.urlunsplit(parts._replace(query=query)).encode("latin-1")
