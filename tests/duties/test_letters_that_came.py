"""What is taken as a scan, and what is read of a mail that somebody hostile wrote. Pure."""

from __future__ import annotations

import datetime as dt
import io
import struct
import zipfile
import zlib
from email.message import EmailMessage

import pytest

from kept.duties.rights import saved_mail, scan_form
from kept.errors import UsageError
from tests.scans import JPEG, PNG, objects, packed, pdf

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
MX = "mx.company.example"
STAMP = f"from x by {MX} with ESMTPS id 1; Mon, 23 Nov 2026 23:30:00 -0500"


@pytest.mark.parametrize(
    ("content", "form"),
    [(PNG, "png"), (JPEG, "jpeg"), (pdf(), "pdf"), (JPEG[:2] + b"\xff" + JPEG[2:], "jpeg")],
)
def test_a_scan_is_what_it_is(content: bytes, form: str) -> None:
    assert scan_form.form_of(content) == form


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", b"<html><script>", b"PK\3\4", b"%PDF-", PNG[:-4], JPEG[:-2],
        # More than a picture: a page or an archive behind it, or another picture's name.
        PNG + b"<script>alert(1)</script>", JPEG + b"PK\3\4", b"GIF89a" + PNG, b"\n" + pdf(),
        b"%PDF-1.4 no more", pdf() + b"x" * 300, b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        pdf(b"/OpenAction<</S/JavaScript/JS(app.alert(1))>>"), pdf(b"/Names<</EmbeddedFiles 4>>"),
        pdf(b"/AA<</O 4 0 R>>"), pdf(b"/#4aavaScript 4 0 R"), pdf(b"/#4A#53(x)"),
        pdf().replace(b"trailer<<", b"trailer<</Encrypt 5 0 R"),
    ],
)  # fmt: skip
def test_what_is_no_scan_is_refused_whatever_its_name(content: bytes) -> None:
    with pytest.raises(UsageError) as met:
        scan_form.form_of(content)
    assert met.value.expected


SCRIPT = b"<</S/JavaScript/JS(app.alert(1))>>"
PACKS = b"/Type/ObjStm/N 1/First 4/Filter/FlateDecode"


def predicted(data: bytes) -> bytes:
    """As a PNG predictor leaves it (Up, over one column more than there are): each line begins
    with the number of its way.
    """
    return b"\x02" + data


def stored(data: bytes) -> bytes:
    """A block of a zlib stream that is not packed (RFC 1951, 3.2.4)."""
    return b"\0" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data


@pytest.mark.parametrize(
    "content",
    [
        packed(PACKS, zlib.compress(objects(b"<</Type/Annot>>"))),
        packed(PACKS + b"/N 0", zlib.compress(b"")), packed(b"", b"plain"),
        # A picture that by chance says what an action says, and the contents of the document.
        packed(b"/Filter/DCTDecode", b"\xff\xd8\xff/AA\x80/JS\x91\x92", b"/X<</First 4 0 R>>"),
        packed(b"/Filter/FlateDecode", zlib.compress(b"\x90/AA(nothing)"), b"/X<</First 1>>"),
    ],
)  # fmt: skip
def test_a_pdf_may_be_packed(content: bytes) -> None:
    assert scan_form.form_of(content) == "pdf"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (packed(PACKS, zlib.compress(objects(SCRIPT))), "more than pages"),
        (packed(PACKS, zlib.compress(objects(b"<</S/#4aavaScript>>"))), "more than pages"),
        (packed(PACKS, zlib.compress(objects(b"<</AA<</O 4 0 R>>>>", first=b"%x\n"))), "more than"),
        (packed(b"/Type/#4fbjStm/Fi#72st 4/Filter/Fl", zlib.compress(objects(SCRIPT))), "more"),
        # A checksum that is wrong, an end that is missing, a fault behind what matters.
        (packed(PACKS, zlib.compress(objects(SCRIPT))[:-4] + b"nono"), "more than pages"),
        (packed(PACKS, zlib.compress(objects(SCRIPT), 0)[:-4] + b"\xff" * 9), "more than pages"),
        # Words in a head that look like the beginning of a stream.
        (packed(PACKS + b"/X(stream\n)", zlib.compress(objects(SCRIPT))), "more than pages"),
        (packed(b"/First 4/X(/FlateDecode stream\n" + zlib.compress(b"x") + b")" + PACKS,
                zlib.compress(objects(SCRIPT))), "more than pages"),
        # Packed otherwise, twice, or after a prediction.
        (packed(b"/Type/ObjStm/N 1/First 4/Filter[/ASCIIHexDecode/FlateDecode]",
                zlib.compress(objects(SCRIPT)).hex().encode() + b">"), "in a way"),
        (packed(b"/Type/ObjStm/N 1/First 4/Filter[/Fl/Fl]",
                zlib.compress(zlib.compress(objects(SCRIPT)))), "packed twice"),
        (packed(PACKS, zlib.compress(predicted(objects(SCRIPT)))), "in a way"),
        (packed(PACKS + b"/DecodeParms<</Predictor 2>>", zlib.compress(objects(SCRIPT))),
         "in a way"),
        (packed(PACKS + b"/DecodeParms 5 0 R", zlib.compress(objects(b"<</Predictor 2>>"))),
         "in a way"),
        (packed(b"/Type/ObjStm/N 1/First 4/Filter/JBIG2Decode", b"\0"), "in a way"),
        # Bombs: one that unfolds for ever, and one with nothing in it but beginnings.
        (packed(PACKS, zlib.compress(b"1 0 " + bytes(50_000_000))), "unfold to more than"),
        (packed(PACKS, b"\x78\x9c" + (stored(b"stream\n\x78\x9c") * 6) + stored(b"") * 50_000),
         "within each other"),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_a_pdf_has_packed_away_is_looked_at(content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        scan_form.form_of(content)


def zipped(comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.txt", b"hello")
        archive.comment = comment
    return made.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    made = struct.pack(">I", len(data)) + kind + data
    return made + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        *((form + more, "another file") for form in (PNG, JPEG) for more in (
            zipped(), pdf(), b"<html><script>x</script>", PNG, JPEG, zipped() + b"\xff\xd9",
            b"\0\0<svg", b"x",
        )),
        # In the picture, as a remark, a text, or what an archive takes for its comment.
        (JPEG[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(pdf())) + pdf() + JPEG[2:], "another"),
        (JPEG[:2] + b"\xff\xfe\0\x0b<!DocType" + JPEG[2:], "another file"),
        (PNG[:33] + chunk(b"tEXt", b"a\0<SCRIPT>") + PNG[33:], "another file"),
        (PNG[:33] + chunk(b"prVt", zipped(PNG[33:])[:-len(PNG[33:])]) + PNG[33:], "another file"),
        (zipped().join([pdf()[:-40], pdf()[-40:]]), "another file"),
        # Pictures with something broken in them, or without a picture.
        (PNG[:40] + b"\x01" + PNG[41:], "no scan"), (JPEG[:20] + b"\xff\xd9", "no scan"),
        (JPEG[:-2] + b"\xff\xda", "no scan"), (JPEG[:-1], "no scan"),
    ],
)  # fmt: skip
def test_a_picture_ends_where_it_ends(content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        scan_form.form_of(content)


def test_a_picture_in_many_scans_is_whole() -> None:
    """Restarts, stuffed bytes, filling, and a second scan of the same picture."""
    again = JPEG[20:-2] + b"\xff\x00\xff\xd3\x12\xff\xff\xda" + JPEG[22:]
    assert scan_form.form_of(JPEG[:20] + again) == "jpeg"


def test_a_scan_has_a_size() -> None:
    with pytest.raises(UsageError, match="too large"):
        scan_form.form_of(JPEG[:-2] + bytes(scan_form.LARGEST) + b"\xff\xd9")


def letter(words: str = "Please delete my data.", *stamps: str) -> EmailMessage:
    made = EmailMessage()
    for stamp in stamps:
        made["Received"] = stamp
    made["From"], made["To"] = "Gil <gil@example.org>", "info@company.example"
    made["Date"] = "Fri, 01 Jan 1999 00:00:00 +0000"
    made.set_content(words)
    return made


def test_the_day_is_that_of_the_topmost_stamp_that_is_trusted() -> None:
    met = saved_mail.read(bytes(letter("x", STAMP)), [MX], NOW)
    assert met.arrived == dt.datetime(2026, 11, 24, 4, 30, tzinfo=dt.UTC)
    assert met.sender is not None
    assert met.sender.value == "gil@example.org"
    # Above it stands a server behind ours; below it what the sender forged.
    behind = "from a by inner.company.example; Tue, 24 Nov 2026 09:00:00 +0000"
    forged = f"from y by {MX}; Sun, 01 Nov 2026 00:00:00 +0000"
    met = saved_mail.read(bytes(letter("x", behind, STAMP, forged)), [MX.upper()], NOW)
    assert met.arrived == dt.datetime(2026, 11, 24, 4, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "stamp",
    [
        f"from x by {MX}.evil.example; Mon, 23 Nov 2026 10:00:00 +0000",
        f"from {MX} (by-{MX}) by other.example; Mon, 23 Nov 2026 10:00:00 +0000",
        f"from x by {MX}; Mon, 23 Nov 2037 10:00:00 +0000",
        f"from x by {MX}; Mon, 23 Nov 1998 10:00:00 +0000",
        f"from x by {MX}; yesterday", f"from x by {MX}; Mon, 99 Nov 2026 99:00:00 +9999", "by", ";",
        f"from x by {MX}; Mon, 23 Nov 2026 10:00:00",
    ],
)  # fmt: skip
def test_a_stamp_that_is_not_ours_or_cannot_be_says_no_day(stamp: str) -> None:
    assert saved_mail.read(bytes(letter("x", stamp)), [MX], NOW).arrived is None
    assert saved_mail.read(bytes(letter("x", STAMP)), [], NOW).arrived is None


def test_of_a_mail_that_was_passed_on_the_one_within_counts() -> None:
    outer = letter("see below", STAMP.replace("23 Nov", "25 Nov"))
    outer.add_attachment(letter("I want a copy of my data.", STAMP))
    met = saved_mail.read(bytes(outer), [MX], NOW)
    assert "copy of my data" in met.words
    assert met.arrived is not None
    assert met.arrived.day == 23


@pytest.mark.parametrize(
    "line",
    [
        "---------- Forwarded message ---------", "-------- Weitergeleitete Nachricht --------",
        "Begin forwarded message:", "---------- Message transféré ---------",
        "---------- Mensaje reenviado ---------",
    ],
)  # fmt: skip
def test_who_passed_a_mail_on_as_text_is_not_who_asks(line: str) -> None:
    words = f"fyi\n\n{line}\nFrom: Dora <dora@example.org>\n\nA copy of my data, please.\n"
    met = saved_mail.read(bytes(letter(words, STAMP)), [MX], NOW)
    assert (met.sender, met.arrived) == (None, None)
    assert "A copy of my data" in met.words
    # A word of it in a sentence is none.
    plain = saved_mail.read(bytes(letter("I never got your forwarded message.", STAMP)), [MX], NOW)
    assert plain.sender is not None
    assert plain.arrived is not None


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (b"text/plain; charset=utf-8", "Löscht alles".encode(), "Löscht alles"),
        (b"text/plain; charset=iso-8859-1", "Löscht alles".encode("latin-1"), "Löscht alles"),
        (b"text/plain; charset=utf-8", "Löscht".encode("latin-1"), "L\ufffdscht"),
        (b"text/plain; charset=no-such-alphabet", b"delete me", "delete me"),
        (b"text/plain; charset=\"utf-8\0\"", b"delete me", "delete me"),
        (b"text/plain; charset=rot13", b"delete me", "delete me"),
        (b"text/html", b"<style>p{}</style><p>delete&nbsp;<b>me</b><script>x", "delete\xa0 me"),
        (b"text/html", b"<!-- <p>no --><p>yes</p><title>no</title>", "yes"),
        (b"nonsense", b"delete me", "delete me"),
    ],
)  # fmt: skip
def test_wrong_alphabets_are_read_as_far_as_they_go(kind: bytes, body: bytes, words: str) -> None:
    head = b"From: gil@example.org\r\nMIME-Version: 1.0\r\nContent-Type: "
    met = saved_mail.read(head + kind + b"\r\n\r\n" + body, (), NOW)
    assert words in met.words
    assert "no -->" not in met.words


@pytest.mark.parametrize(
    "sender", ["", "nobody", "a@example.org, b@example.org", "@@", "=?x?q?=?="]
)
def test_who_is_not_one_address_is_nobody(sender: str) -> None:
    met = saved_mail.read(f"From: {sender}\r\n\r\nhello\r\n".encode(), (), NOW)
    assert met.sender is None


def nested(levels: int, kind: bytes) -> bytes:
    parts = b""
    for n in range(levels):
        parts += b"Content-Type: " + kind % n + b"\r\n\r\n--b%d\r\n" % n
    return b"From: a@example.org\r\nMIME-Version: 1.0\r\n" + parts + b"\r\ndelete me"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0" * 1000, nested(60, b"multipart/mixed; boundary=b%d"),
        nested(1500, b"multipart/mixed; boundary=b%d"),
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\n\r\n\r\n" * 3000,
        b"Content-Type: message/rfc822\r\n\r\n" * 1500 + b"x",
        b"From: " + b"(" * 100_000 + b"\r\n\r\ndelete me",
        b"Content-Type: text/plain" + b";\r\n a=b" * 10_000 + b"\r\n\r\ndelete me",
        b"Content-Type: image/png\r\n\r\nxx", bytes(saved_mail.LARGEST + 1),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_holds_no_words_or_too_much_is_refused_and_not_repeated(data: bytes) -> None:
    with pytest.raises(UsageError) as met:
        saved_mail.read(data, (), NOW)
    assert "delete me" not in str(met.value)


@pytest.mark.parametrize(
    "body", [b"<" * 400_000, b"<style>" * 60_000, b"<!--" * 100_000, b"<p " * 130_000]
)
def test_marks_without_an_end_are_read_in_one_pass(body: bytes) -> None:
    data = b"From: a@example.org\r\nContent-Type: text/html\r\n\r\nhello " + body
    assert "hello" in saved_mail.read(data, (), NOW).words
