"""What a message would load from elsewhere when it is opened: pictures, styles, anything."""

from __future__ import annotations

import html.parser
import re
from typing import Final

_LOADS: Final = frozenset(
    ("src", "srcset", "poster", "background", "data", "lowsrc", "dynsrc", "xlink:href", "code")
)
_STYLED: Final = re.compile(r"url\s*\(|@import|image-set\s*\(", re.I)
#: What comes with the message itself.
_INSIDE: Final = ("cid:", "data:")


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = [(name, (value or "").strip()) for name, value in attrs]
        for name, value in values:
            inside = value.lower().startswith(_INSIDE)
            if name in _LOADS and value and not inside:
                self.found.append(f"{tag} {name}")
            if name == "style" and _STYLED.search(value):
                self.found.append(f"{tag} style")
            if name == "href" and tag in ("link", "base", "image", "use") and not inside:
                self.found.append(f"{tag} href")
        if tag in ("script", "iframe", "form"):
            self.found.append(tag)
        if tag == "meta" and ("http-equiv", "refresh") in [(n, v.lower()) for n, v in values]:
            self.found.append("meta refresh")
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = self._style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._style and _STYLED.search(data):
            self.found.append("style")


def loads(text: str) -> list[str]:
    """The parts of a message in HTML that would load something; a link to click is none."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return list(dict.fromkeys(reader.found))
