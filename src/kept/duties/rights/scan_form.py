"""What a scan is, told by its bytes: a whole PDF, PNG or JPEG, and nothing beside it.

A picture is walked to its end, and nothing stands behind that. A PDF is searched for what a page
that a scanner made never has, also in objects that are packed away (ISO 32000, 7.5.7), which are
unfolded up to a bound. Nothing is drawn, and no library that draws is asked.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from kept.errors import UsageError

#: The largest scan, in bytes.
LARGEST: Final = 5_000_000
#: Packed objects unfold to so many bytes at most, all of a file together.
_UNFOLDED: Final = 20_000_000
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PDF: Final = re.compile(rb"%PDF-[12]\.[0-9][\r\n ]")
#: What ends a name (ISO 32000, 7.2.3).
_ENDS: Final = rb"[\x00\t\n\f\r ()<>\[\]{}/%]"
#: What a page that a scanner made never has: programs, files within, ways out, a lock. The two
#: short names are met in pictures by chance; there no words follow.
_ACTS: Final = re.compile(
    rb"/(?:(?:JavaScript|Launch|EmbeddedFiles?|RichMedia|Rendition|SubmitForm|ImportData|GoToR"
    rb"|GoToE|OpenAction|XFA|Encrypt)(?:" + _ENDS + rb"|\Z)"
    rb"|(?:JS|AA)(?:[\x00\t\n\f\r ]*%|" + _ENDS + rb"[\x00\t\n\f\r -~]{5}))"
)
#: A letter of a name may be written as its number (ISO 32000, 7.3.5).
_NUMBER: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM: Final = re.compile(rb"(?<!end)stream[\x00\t\n\f\r ]*")
#: Without one of these no objects are packed; and what says that they are, in a way not read here.
_PACKED: Final = re.compile(rb"/(?:ObjStm|First)" + _ENDS)
_OTHERWISE: Final = re.compile(
    rb"/(?:LZW(?:Decode)?|RunLengthDecode|ASCIIHexDecode|AHx|ASCII85Decode|A85|Crypt)" + _ENDS
    + rb"|/RL" + _ENDS + rb"[\x00\t\n\f\r -~]{5}"
    rb"|/Predictor(?![\x00\t\n\f\r ]*1[0-5]?[\x00\t\n\f\r ]*[/>])"
    rb"|/ObjStm[^>]{0,120}/(?:DCT|JPX|JBIG2|CCF|CCITTFax)"
)  # fmt: skip
#: How packed objects begin: with the number of the first of them (or a remark).
_NUMBERED: Final = re.compile(rb"[\x00-\x04]?[\x00\t\n\f\r ]*[-+.0-9%]")
_PEEK: Final = 64
#: More streams of a PDF, or segments of a picture, than this no scanner makes.
_PARTS: Final = 10_000
#: A marker in the data of a JPEG picture: no stuffed byte, no restart, no filling.
_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
#: Where a segment begins: filled up with as many bytes as one likes.
_BEGINS: Final = re.compile(rb"\xff+[^\xff]", re.DOTALL)
#: How other files begin, that are found wherever they stand; and what ends an archive, which is
#: found from the end on.
_OTHERS: Final = re.compile(
    rb"%PDF-|<!doctype|<html|<script|<svg|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c", re.IGNORECASE
)
_ARCHIVE: Final = b"PK\x05\x06"
_FROM_END: Final = 65_557


def form_of(content: bytes) -> str:
    """pdf, png or jpeg. UsageError for anything else, for what is too large, for a picture with
    another file in or behind it, and for a PDF that can do something.
    """
    if not 0 < len(content) <= LARGEST:
        raise UsageError(
            "the scan is too large" if content else "the scan is empty",
            expected=f"a file of 1 to {LARGEST:,} bytes", met=f"{len(content):,} bytes",
            fix="scan it in black and white, or in parts",
        )  # fmt: skip
    if content.startswith(_PNG):
        form, end = "png", _end_of_png(content)
    elif content.startswith(b"\xff\xd8\xff"):
        form, end = "jpeg", _end_of_jpeg(content)
    elif _PDF.match(content) and b"%%EOF" in content[-64:] and b"startxref" in content[-256:]:
        form, end = "pdf", len(content)
    else:
        form, end = "", None
    if end is None:
        raise UsageError(
            "that is no scan", expected="a whole PDF, PNG or JPEG file",
            met="something else, or a part of one, whatever its name says", fix="scan it anew",
        )  # fmt: skip
    if form == "pdf":
        _only_pages(content)
    if (
        content[end:].strip(b"\x00")
        or _ARCHIVE in content[-_FROM_END:]
        or (form != "pdf" and _OTHERS.search(content))
    ):
        raise UsageError(
            "another file stands in the scan, or behind its end",
            expected="one picture, or pages, and nothing else",
            fix="open it, save it anew as one picture, or scan it anew",
        )
    return form


def _end_of_png(content: bytes) -> int | None:
    """Where it ends; None where its chunks do not lead from the header there."""
    at, first = len(_PNG), True
    while at + 12 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if first and (kind, size) != (b"IHDR", 13):
            return None
        end = at + 12 + size
        if zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            return None
        at, first = end, False
        if kind == b"IEND":
            return at if size == 0 else None
    return None


def _end_of_jpeg(content: bytes) -> int | None:
    """Where it ends; None where its segments do not lead over a picture to an end."""
    at, drawn = 2, False
    for _ in range(_PARTS):
        begins = _BEGINS.match(content, at)
        if begins is None:
            return None
        at, kind = begins.end() - 2, content[begins.end() - 1]
        if kind == 0xD9:
            return at + 2 if drawn else None
        size = int.from_bytes(content[at + 2 : at + 4], "big")
        if size < 2 or kind == 0xD8:
            return None
        at += 2 + size
        if kind == 0xDA:  # the picture itself, up to the next marker
            drawn, met = True, _MARKER.search(content, at)
            if met is None:
                return None
            at = met.start()
    return None


def _only_pages(content: bytes) -> None:
    """Raise UsageError where a PDF can do something, or hides whether it can."""
    plain = _spelt(content)
    if _ACTS.search(plain):
        raise _can_act()
    if not _PACKED.search(plain):
        return
    if _OTHERWISE.search(plain):
        raise _hidden("packed in a way that is not read here")
    # Streams do not lie within each other: unfolding reads no more than the file, once and a half.
    reads, makes = [len(content) * 3 // 2], [_UNFOLDED]
    for n, met in enumerate(_STREAM.finditer(content)):
        if n == _PARTS:
            raise _hidden(f"more than {_PARTS:,}")
        begins = _unfolded(content, met.end(), reads, [_PEEK])
        if _zlib(begins) and _unfolded(begins, 0, [_PEEK], [_PEEK]):
            raise _hidden("packed twice")
        if not _NUMBERED.match(begins):
            continue
        if begins[0] in range(1, 5):
            raise _hidden("packed in a way that is not read here")
        plain = _spelt(_unfolded(content, met.end(), reads, makes))
        if _ACTS.search(plain):
            raise _can_act()
        if _OTHERWISE.search(plain):
            raise _hidden("packed in a way that is not read here")


def _unfolded(content: bytes, at: int, reads: list[int], makes: list[int]) -> bytes:
    """What zlib packed at a place, as far as it can be read: also where a checksum is wrong or the
    end is missing, since there are readers that do not mind. Takes from the budgets of bytes that
    are read and made; a peek makes as much as it may, and everything else that has no end here is
    a bomb: UsageError.
    """
    made, at = bytearray(), at + 2
    if not _zlib(content[at - 2 : at]):
        return b""
    folded = zlib.decompressobj(-zlib.MAX_WBITS)
    while at < len(content) and not folded.eof and len(made) < makes[0]:
        chunk = content[at : at + 4096]
        before = folded.copy()
        try:
            made += folded.decompress(chunk, makes[0] - len(made))
        except zlib.error:
            for n in range(len(chunk)):  # what came before the fault
                try:
                    made += before.decompress(chunk[n : n + 1], makes[0] - len(made))
                except (zlib.error, ValueError):
                    break
            break
        read = len(chunk) - len(folded.unconsumed_tail) - len(folded.unused_data)
        at, reads[0] = at + read, reads[0] - read
        if reads[0] < 0:
            raise _hidden("packed within each other")
    if makes[0] > _PEEK:
        makes[0] -= len(made)
        if makes[0] <= _PEEK:
            raise _hidden(f"packed so that they unfold to more than {_UNFOLDED:,} bytes")
    return bytes(made)


def _zlib(content: bytes) -> bool:
    """Whether it begins as what zlib packed (RFC 1950)."""
    head = content[:2]
    return len(head) == 2 and head[0] & 15 == 8 and int.from_bytes(head, "big") % 31 == 0


def _spelt(content: bytes) -> bytes:
    """With the letters that are written as numbers."""
    return _NUMBER.sub(lambda met: bytes([int(met[1], 16)]), content)


def _can_act() -> UsageError:
    return UsageError(
        "the PDF holds more than pages: a program, a file within, a lock or a way out",
        expected="pages as a scanner makes them", fix="print it, or scan it anew",
    )  # fmt: skip


def _hidden(how: str) -> UsageError:
    return UsageError(
        f"parts of the PDF are {how}, so nobody can say what they do",
        expected="pages as a scanner makes them", fix="print it, or scan it anew",
    )  # fmt: skip
