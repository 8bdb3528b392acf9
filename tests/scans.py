"""Small scans of letters, each whole: a PNG, a JPEG, a PDF."""

from __future__ import annotations

import struct
import zlib


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\0"))
    + _chunk(b"IEND", b"")
)
JPEG = (
    b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\1\1\0\0\1\0\1\0\0"
    b"\xff\xda" + struct.pack(">H", 8) + b"\1\1\0\0\x3f\0" + b"\x55\xff\xd9"
)


def packed(head: bytes, data: bytes, more: bytes = b"") -> bytes:
    """That PDF with one more object, a stream, behind its page."""
    one = b"4 0 obj<<%b/Length %d>>stream\n%b\nendstream\nendobj\n" % (head, len(data), data)
    return pdf(more).replace(b"xref\n", one + b"xref\n", 1)


def objects(*those: bytes, first: bytes = b"") -> bytes:
    """What a stream of packed objects says before it is packed (ISO 32000, 7.5.7)."""
    head = b" ".join(b"%d 0" % n for n in range(9, 9 + len(those)))
    return first + head + b" " + b" ".join(those)


def pdf(more: bytes = b"") -> bytes:
    """A PDF of one empty page, whose catalog says `more`."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + more + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
    ]
    made, places = b"%PDF-1.4\n", list[int]()
    for number, one in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % at for at in places)
    return (
        made + b"xref\n0 4\n0000000000 65535 f \n" + table
        + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(made)
    )  # fmt: skip
