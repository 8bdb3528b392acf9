"""What a message would load from elsewhere when it is opened: pictures, styles, anything."""

from __future__ import annotations

import html.parser
import re
from typing import Final

_LOADS: Final = frozenset(
    ("src", "srcset", "poster", "background", "data", "lowsrc", "dynsrc", "xlink:href", "code")
)
_STYLED: Final = re.compile(r"url\s*\(|@import|image-set\s*\(", re.I)
#: A letter of CSS written by its number.
_ESCAPED: Final = re.compile(r"\\([0-9a-f]{1,6})\s?", re.I)
#: One picture of several (HTML, `srcset`): its address, commas within it too, and its size.
_PICTURE: Final = re.compile(r"[\s,]*(\S*[^\s,])(?:,+(?=\s|$)|\s[^,]*(?:,|$)|$)")
#: What comes with the message itself.
_INSIDE: Final = ("cid:", "data:")


def _styled(text: str) -> bool:
    """Whether a style loads something, however that is written."""
    plain = _ESCAPED.sub(lambda met: chr(int(met[1], 16) % 0x110000), text).replace("\\", "")
    return _STYLED.search(plain) is not None


def _inside(name: str, value: str) -> bool:
    """Whether everything that an attribute names comes with the message."""
    several = _PICTURE.findall(value) if name == "srcset" else [value]
    return all(one.lower().startswith(_INSIDE) for one in several)


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = [(name, (value or "").strip()) for name, value in attrs]
        for name, value in values:
            inside = _inside(name, value)
            if name in _LOADS and value and not inside:
                self.found.append(f"{tag} {name}")
            if name == "style" and _styled(value):
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
        if self._style and _styled(data):
            self.found.append("style")


def loads(text: str) -> list[str]:
    """The parts of a message in HTML that would load something; a link to click is none."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return list(dict.fromkeys(reader.found))
