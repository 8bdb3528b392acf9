"""A page of ours as a stranger gets it: for controls that look at what is served."""

from __future__ import annotations

import html.parser
import http.client
import urllib.parse
from dataclasses import dataclass, field
from typing import NamedTuple


class Reply(NamedTuple):
    """What answered; names of headers are in small letters."""

    status: int
    text: str
    headers: list[tuple[str, str]]


def fetch(url: str, path: str, *, seconds: float = 10, most: int | None = None) -> Reply | None:
    """A page, or its first `most` bytes; None where nothing answers within so many seconds."""
    base = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
    if base.hostname is None:
        return None
    try:
        connection = kind(base.hostname, base.port, timeout=seconds)
        try:
            connection.request("GET", path, headers={"Accept": "text/html"})
            answer = connection.getresponse()
            text = answer.read(most).decode("utf-8", "replace")
            return Reply(answer.status, text, [(n.lower(), v) for n, v in answer.getheaders()])
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None


@dataclass
class Field:
    """One thing on a page that can be filled in, changed or pressed."""

    tag: str
    type: str
    name: str
    value: str
    checked: bool = False
    fixed: bool = False
    needed: bool = False


@dataclass
class Page:
    """What stands on a page: fields and buttons in their order, links, and by whom it is."""

    fields: list[Field] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    marks: tuple[str, ...] = ()


def page(text: str) -> Page:
    """What stands on a page."""
    reader = _Reader()
    reader.feed(text)
    return reader.page


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {k: v or "" for k, v in attrs}
        if tag == "a":
            self.page.links.append(said.get("href", ""))
        elif tag == "meta" and said.get("name") == "kept":
            self.page.marks = tuple(said.get("content", "").split())
        elif tag in ("input", "button", "textarea", "select"):
            kind = said.get("type", "submit" if tag == "button" else "text")
            self.page.fields.append(
                Field(tag, kind, said.get("name", ""), said.get("value", ""), "checked" in said,
                      "disabled" in said, "required" in said)
            )  # fmt: skip
