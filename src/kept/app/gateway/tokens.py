"""HTML as it streams by, cut into tags and all that lies between them.

The pieces joined are the bytes that came in, wherever those were cut. Only where tags begin and
end is decided here (HTML Standard, 13.2.5), on the bytes of any encoding in which ASCII means
itself. What is no HTML at all comes out as pieces of text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

#: So long may a tag be; what is longer is let through, and all that follows it.
LONGEST: Final = 256 * 1024
_SPACE: Final = rb"[\t\n\x0c\r ]"
# Possessive throughout: a tag is read in one way, from its start, as browsers read it. A quote
# that nothing closes runs to the end of what is there, and the tag with it.
_ATTRIBUTE: Final = (
    rb"[^\t\n\x0c\r />][^\t\n\x0c\r />=]*+(?:" + _SPACE + rb"*+=" + _SPACE + rb"*+"
    rb"""(?>"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|(?=>)|[^\t\n\x0c\r "'>][^\t\n\x0c\r >]*+))?+"""
)
_TAG: Final = re.compile(
    rb"<(/?)([A-Za-z][^\t\n\x0c\r />]*+)(?:[\t\n\x0c\r /]++|" + _ATTRIBUTE + rb")*+>"
)
_ONE: Final = re.compile(
    rb"([^\t\n\x0c\r />][^\t\n\x0c\r />=]*+)(?:" + _SPACE + rb"*+=" + _SPACE + rb"*+"
    rb"""(?:"([^"]*+)"|'([^']*+)'|(?=\Z)|([^\t\n\x0c\r "'>][^\t\n\x0c\r >]*+)))?+"""
)
#: Elements whose content is text up to their own end tag.
_RAW: Final = frozenset(
    (
        b"script", b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes",
        b"noscript",
    )
)  # fmt: skip
_END: Final = {name: re.compile(rb"(?i)</" + name + rb"(?=[\t\n\x0c\r />])") for name in _RAW}
#: What opens and closes within a script, where a comment can hide an end tag (13.2.5.17 ff.).
_STEP: Final = re.compile(
    rb"(?i)(<!--)|(-->)|(<script(?=[\t\n\x0c\r />]))|(</script(?=[\t\n\x0c\r />]))"
)
_PLAIN, _ESCAPED, _DOUBLE = 0, 1, 2
#: (state, step) → state; what is missing changes nothing.
_NEXT: Final = {
    (_PLAIN, 1): _ESCAPED, (_ESCAPED, 2): _PLAIN, (_ESCAPED, 3): _DOUBLE, (_DOUBLE, 2): _PLAIN,
    (_DOUBLE, 4): _ESCAPED,
}  # fmt: skip
_FOREIGN: Final = frozenset((b"svg", b"math"))
#: Start tags that end a picture or a formula which somebody forgot to close (13.2.6.5).
_BREAKS_OUT: Final = frozenset(
    b"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img"
    b" li listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul"
    b" var".split()
)


class Tag(NamedTuple):
    """A start tag, or an end tag where `end`. `raw` are its bytes; `name` is in lower case."""

    raw: bytes
    name: bytes
    end: bool

    def attributes(self) -> dict[str, str]:
        """Attributes by name in lower case; of one given twice the first, as browsers do."""
        found: dict[str, str] = {}
        for met in _ONE.finditer(self.raw, 1 + len(self.name), len(self.raw) - 1):
            value = met[2] or met[3] or met[4] or b""
            found.setdefault(
                met[1].decode("latin-1").lower(),
                html.unescape(value.decode("utf-8", "surrogateescape")),
            )
        return found

    def changed(self, values: Mapping[str, str]) -> bytes:
        """The start tag with these attributes; the others stay as they were written."""
        start, end = 1 + len(self.name), len(self.raw) - 1
        missing, parts, at = dict(values), [b""], start
        for met in _ONE.finditer(self.raw, start, end):
            value = missing.pop(met[1].decode("latin-1").lower(), None)
            if value is not None:
                parts += [self.raw[at : met.start()], _written(met[1], value)]
                at = met.end()
        parts.append(self.raw[at:])
        parts[0] = b"".join(b" " + _written(n.encode(), v) for n, v in missing.items())
        return self.raw[:start] + b"".join(parts)


def _written(name: bytes, value: str) -> bytes:
    return name + b'="' + html.escape(value).encode("utf-8", "surrogateescape") + b'"'


Piece: TypeAlias = bytes | Tag


@lru_cache
def passes(wanted: frozenset[bytes], also: bytes | None = None) -> re.Pattern[bytes]:
    """What goes by at one go: text, tags of other names that change nothing, and `also`."""
    names = b"|".join(sorted(wanted | _RAW | _FOREIGN | {b"plaintext"}))
    return re.compile(
        rb"(?i)(?:[^<]++|"
        + (also + b"|" if also else b"")
        + rb"</?(?!(?:"
        + names
        + rb")[\t\n\x0c\r />])[A-Za-z][^\t\n\x0c\r />]*+(?:[\t\n\x0c\r /]++|"
        + _ATTRIBUTE
        + rb")*+>)++"
    )


class Tokens:
    """Cuts a stream. `feed` gives pieces as soon as they are whole, `close` what is left.

    `passing` (of `passes`, or None) may be changed between two pieces: what it matches comes as
    bytes, tags and all. Where `unless`
    is found in what was fed, in whatever case, every tag comes as a tag.
    """

    def __init__(
        self, passing: re.Pattern[bytes] | None = None, unless: bytes | None = None
    ) -> None:
        self.passing, self._unless = passing, unless
        self._rest = b""
        self._raw: bytes | None = None  # within an element whose content is text
        self._script = _PLAIN
        self._foreign = 0
        self._until: bytes | None = None  # within what ends so
        self._plain = False  # nothing is looked at any more

    @property
    def within(self) -> bytes | None:
        """The element in whose text we are: browsers that run scripts read no tags there."""
        return self._raw

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that are whole by now."""
        self._rest = data if not self._rest else self._rest + data
        if self._plain:
            at = 0
        else:
            at = yield from self._cut(self._rest)
            self._rest = self._rest[at:]
            self._plain = self._plain or len(self._rest) > LONGEST
        if self._plain:
            yield from self.close()

    def close(self) -> Iterator[Piece]:
        """What is left, as it is: a tag that was not whole is none."""
        if self._rest:
            yield self._rest
        self._rest = b""

    def _cut(self, text: bytes) -> Generator[Piece, None, int]:
        """All pieces that are whole; how much of the text they are."""
        at, size = 0, len(text)
        every = self._unless is not None and self._unless in text.lower()
        while at < size and not self._plain:
            start = at
            calm = not (every or self._until or self._raw or self._foreign)
            if calm and self.passing and (met := self.passing.match(text, at)) is not None:
                at, whole = met.end(), True
            elif self._until is not None:
                at, whole = _find(text, at, self._until)
                self._until = None if whole else self._until
            elif self._raw is not None:
                at, whole = self._text(self._raw, text, at)
                self._raw = None if whole else self._raw
            elif (met := _TAG.match(text, at)) is not None:
                tag = Tag(met[0], met[2].lower(), bool(met[1]))
                self._entered(tag)
                yield tag
                at = met.end()
                continue
            else:
                at, whole = self._other(text, at)
            if at > start:
                yield text[start:at]
            if not whole:
                break
        return at

    def _entered(self, tag: Tag) -> None:
        name = tag.name
        if name in _FOREIGN:
            closed = tag.end or tag.raw.endswith(b"/>")
            self._foreign = max(0, self._foreign + (-1 if tag.end else 0 if closed else 1))
        elif tag.end:
            return
        elif self._foreign:
            if name in _BREAKS_OUT:
                self._foreign = 0
        elif name in _RAW:
            self._raw, self._script = name, _PLAIN
        elif name == b"plaintext":
            self._plain = True

    def _text(self, name: bytes, text: bytes, at: int) -> tuple[int, bool]:
        """(how far the text of an element surely goes, whether its end tag follows)."""
        if name != b"script":
            met = _END[name].search(text, at)
            return (met.start(), True) if met else (max(at, len(text) - len(name) - 2), False)
        step = _STEP.search(text, at)
        while step is not None:
            kind = step.lastindex or 0
            if kind == 4 and self._script != _DOUBLE:
                return step.start(), True
            self._script = _NEXT.get((self._script, kind), self._script)
            # The dashes that open a comment can close it too: `<!-->`.
            at = step.end() - 2 if kind == 1 else step.end()
            step = _STEP.search(text, at)
        return max(at, len(text) - len(b"</script")), False

    def _other(self, text: bytes, at: int) -> tuple[int, bool]:
        """(the end of a piece that begins here and is no tag, False where it is not known yet)."""
        if text[at] != 0x3C:
            end = text.find(b"<", at)
            return (len(text) if end < 0 else end), True
        second = text[at + 1 : at + 2]
        if second == b"!":
            return self._declaration(text, at)
        if second == b"?":
            self._until = b">"
            return at + 2, True
        if second == b"/":
            third = text[at + 2 : at + 3]
            if not third or third.isalpha():
                return at, False
            self._until = b">"
            return at + 2, True
        if not second or second.isalpha():
            return at, False
        return at + 1, True

    def _declaration(self, text: bytes, at: int) -> tuple[int, bool]:
        """A comment, a document type, or what browsers take for a comment."""
        for opening, until in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>")):
            there = text[at : at + len(opening)]
            if there == opening and (until == b"-->" or self._foreign):
                self._until = until
                # `<!-->` is a whole comment: its dashes count for both ends.
                return at + (2 if until == b"-->" else len(opening)), True
            if len(there) < len(opening) and opening.startswith(there):
                return at, False
        self._until = b">"
        return at + 2, True


def _find(text: bytes, at: int, until: bytes) -> tuple[int, bool]:
    """(the end of what ends so, or how far it surely goes; whether it ended)."""
    end = text.find(until, at)
    if until == b"-->":
        other = text.find(b"--!>", at)
        if other >= 0 and (end < 0 or other < end):
            return other + 4, True
    if end >= 0:
        return end + len(until), True
    return max(at, len(text) - (3 if until == b"-->" else len(until) - 1)), False
