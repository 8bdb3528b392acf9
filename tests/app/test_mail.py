"""Mail to people: one letter, whatever stands in it, sent at least once and to nobody else."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import email
import email.policy
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.asking import Inbox, mail_server, read, text
from tests.stores import conftest as stores
from tests.world import NOW, edit, make

from kept import deployment
from kept.app import mail, promptly
from kept.controller import Controller
from kept.errors import ConfigError
from kept.records.outbox import Letter
from kept.stores.post import Written, _nobody

DAY = dt.timedelta(days=1)
certificate = stores.certificate


@pytest.fixture
def post(kept_url: str, tmp_path: Path) -> Iterator[tuple[Controller, Inbox]]:
    with mail_server() as (inbox, url):
        settings = f'[mail]\nurl = "{url}"\nfrom = "privacy@example.net"\n'
        directory = make(tmp_path / "world", kept_url, extra=settings)
        with Controller.open(deployment.read(directory)) as controller:
            yield controller, inbox


def put(controller: Controller, to: str, words: str = "hello", **more: dt.datetime) -> str:
    with controller.database.connection() as c:
        return controller.outbox.put(
            to, "reply", {"words": words, "link": "https://x.example/r"}, more.get("at", NOW),
            good_until=more.get("good_until", NOW + DAY), connection=c,
        )  # fmt: skip


@pytest.mark.parametrize(
    "to",
    [
        "ana@example.org", "o'neill+tag@example.org", '"quoted name"@example.org',
        "ä.ü@xn--bcher-kva.example", "Ana@localhost",
    ],
)  # fmt: skip
def test_a_letter_reaches_every_address_that_is_one(
    post: tuple[Controller, Inbox], to: str
) -> None:
    controller, inbox = post
    put(controller, to)
    assert mail.deliver(controller, lambda: NOW) == mail.Sent(1, 0)
    (letter,) = inbox.letters
    assert letter["X-Rcpt"].casefold() == to.casefold()
    assert "hello" in text(letter)


def test_a_server_whose_certificate_is_not_known_gets_nothing_and_that_is_logged(
    kept_url: str, tmp_path: Path, certificate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        got: list[bytes] = []

        def answer() -> None:
            one, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(one, server_side=True) as safe:
                got.append(safe.recv(100))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        settings = (
            f'[mail]\nurl = "smtps://localhost:{listener.getsockname()[1]}"\n'
            'from = "privacy@example.net"\n'
        )
        directory = make(tmp_path / "world", kept_url, extra=settings)
        with Controller.open(deployment.read(directory)) as controller:
            put(controller, "ana@example.org")
            capsys.readouterr()
            assert mail.deliver(controller, lambda: NOW) == mail.Sent(0, 1)
            said = capsys.readouterr().err
        thread.join(10)
    assert got in ([], [b""])
    assert said == (
        f"kept: {NOW:%Y-%m-%dT%H:%M:%SZ} a letter waits: mail to people could not be sent"
        " (SSLCertVerificationError)\n"
    )


def test_nothing_that_is_written_becomes_a_header_or_a_mark(
    post: tuple[Controller, Inbox],
) -> None:
    controller, inbox = post
    put(controller, "ana@example.org", "x\r\nBcc: all@example.org\r\n\r\n<script>1</script>")
    mail.deliver(controller, lambda: NOW)
    (letter,) = inbox.letters
    assert letter["Bcc"] is None
    assert letter["X-Rcpt"] == "ana@example.org"
    body = letter.get_body(("html",))
    assert body is not None
    assert "<script" not in body.get_content()
    assert "src=" not in body.get_content()


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Our answer", "Our answer"),
        ("Unsere Antwort für Jürgen 😀", "Unsere Antwort für Jürgen 😀"),
        ("long words " * 30, ("long words " * 30).strip()),
        ("w" * 300, "w" * 300),
        ("=?utf-8?q?a_=3D_b?=", "= ?utf-8?q?a_=3D_b?="),
        (
            "=?utf-8?q?a=0d=0aReply-To=3a_b=40evil.example?=",
            "= ?utf-8?q?a=0d=0aReply-To=3a_b=40evil.example?=",
        ),
        ("a\rBcc: all@example.org\x00\x85\u2028", "a Bcc: all@example.org"),
    ],
)
@pytest.mark.parametrize("to", ["ana@example.org", "ä@example.org", f"{'a' * 64}@{'b' * 60}.org"])
def test_every_program_reads_in_a_letter_what_was_written(
    post: tuple[Controller, Inbox], title: str, subject: str, to: str
) -> None:
    words = "Größe <1> & 2\n.\n\n- one\n- two\n\nhttps://x.example/r?a=1&b=2\n\n1234 5678"
    values = {"title": title, "words": words, "case": "1"}
    made = mail.composed(post[0], Letter("1", to, "answer", values, NOW))
    assert (made.to, made.id) == ((to,), "<1@example.net>")
    met = read(made)
    parts = list(met.walk())
    assert [one.defects for one in parts] == [[], [], []]
    assert (met["Subject"], met["Date"].datetime) == (subject, NOW)
    if to.isascii():
        assert met["To"].addresses[0].addr_spec == to
        assert [d for one in parts for h in one.values() for d in h.defects] == []
    assert to.isascii() or f"\r\nTo: {to}\r\n".encode() in made.data  # RFC 6532
    assert met["From"].addresses[0].display_name == "interop.io"
    assert words in text(met)
    html = parts[2].get_content()
    assert "Größe &lt;1&gt; &amp; 2<br>." in html
    assert "<ul><li>one</li><li>two</li></ul>" in html
    assert '<a href="https://x.example/r?a=1&amp;b=2">' in html
    assert "<b><big>1234 5678</big></b>" in html
    lines = made.data.split(b"\r\n")
    assert not any(one in line for line in lines for one in (b"\r", b"\n", b"\0"))
    assert max(map(len, lines)) < 998  # RFC 5322, 2.1.1
    assert made.data.isascii() == to.isascii()


def test_an_address_that_looks_like_an_encoded_word_stands_as_it_is(
    post: tuple[Controller, Inbox],
) -> None:
    to = "=?utf-8?b?dmljdGltQGJhbmsuZXhhbXBsZSw=?=@evil.example"
    values = {"title": "Our answer", "words": "x", "case": "1"}
    made = mail.composed(post[0], Letter("1", to, "answer", values, NOW))
    assert f"\r\nTo: {to}\r\n".encode() in made.data


@pytest.mark.parametrize(
    "to",
    ["a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org", "a", "", "<a@b.de>"],
)
def test_what_is_not_one_address_goes_nowhere_and_stops_nothing(
    post: tuple[Controller, Inbox], to: str
) -> None:
    controller, inbox = post
    put(controller, to)
    put(controller, "ana@example.org")
    assert mail.deliver(controller, lambda: NOW) == mail.Sent(1, 1)
    assert [m["X-Rcpt"] for m in inbox.letters] == ["ana@example.org"]
    assert controller.outbox.waiting() == 0


def test_what_waits_too_long_is_given_up_with_its_words_and_what_went_is_forgotten(
    post: tuple[Controller, Inbox],
) -> None:
    controller, inbox = post
    put(controller, "ana@example.org", good_until=NOW + DAY)
    assert controller.outbox.tidy(NOW + 2 * DAY) == 1
    assert mail.deliver(controller, lambda: NOW + 2 * DAY).sent == 0
    with controller.database.connection() as c:
        assert c.execute("SELECT outcome, sealed FROM outbox").fetchall() == [("given-up", None)]
        assert c.execute("SELECT count(*) FROM subject_key WHERE class = 'outbox'").fetchone() == (
            0,
        )
    assert controller.outbox.tidy(NOW + 31 * DAY) == 0
    with controller.database.connection() as c:
        assert c.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    assert inbox.letters == []


def test_two_who_send_at_once_send_each_letter_once(post: tuple[Controller, Inbox]) -> None:
    controller, inbox = post
    for n in range(12):
        put(controller, f"p{n}@example.org")
    threads = [
        threading.Thread(target=mail.deliver, args=(controller, lambda: NOW)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(m["X-Rcpt"] for m in inbox.letters) == sorted(
        f"p{n}@example.org" for n in range(12)
    )


_SENDER = """
import datetime as dt, sys
from pathlib import Path
from kept import deployment
from kept.app import mail
from kept.controller import Controller
with Controller.open(deployment.read(Path(sys.argv[1]))) as controller:
    mail.deliver(controller, lambda: dt.datetime.fromisoformat(sys.argv[2]))
"""


def test_killed_while_it_sends_nothing_is_lost_and_only_what_was_under_way_goes_again(
    kept_url: str, tmp_path: Path
) -> None:
    with mail_server() as (inbox, url):
        settings = f'[mail]\nurl = "{url}"\nfrom = "privacy@example.net"\n'
        directory = make(tmp_path / "world", kept_url, extra=settings)
        with Controller.open(deployment.read(directory)) as controller:
            ids = {f"<{put(controller, f'p{n}@example.org')}@example.net>" for n in range(120)}
            for met in (1, 40, 80):
                command = [sys.executable, "-c", _SENDER, str(directory), NOW.isoformat()]
                with subprocess.Popen(command) as sender:
                    while len(inbox.letters) < met and sender.poll() is None:
                        time.sleep(0.001)
                    assert sender.poll() is None
                    sender.kill()
            assert controller.outbox.waiting() > 0
            # A connection that nobody is behind any more gives back what it held.
            for _ in range(100):
                mail.deliver(controller, lambda: NOW)
                if not controller.outbox.waiting():
                    break
                time.sleep(0.1)
    came = collections.Counter(str(letter["Message-ID"]) for letter in inbox.letters)
    assert set(came) == ids
    # Three send side by side.
    assert len(inbox.letters) <= len(ids) + 3 * 3


def test_the_thread_sends_as_soon_as_it_is_told(post: tuple[Controller, Inbox]) -> None:
    controller, inbox = post
    with promptly.running(controller, lambda: NOW) as wake:
        put(controller, "ana@example.org")
        wake()
        for _ in range(200):
            if inbox.letters:
                break
            threading.Event().wait(0.05)
    assert len(inbox.letters) == 1


def test_letters_can_be_laid_in_a_folder(kept_url: str, tmp_path: Path) -> None:
    settings = '[mail]\nurl = "letters"\nfrom = "privacy@example.net"\n'
    directory = make(tmp_path / "world", kept_url, extra=settings)
    with Controller.open(deployment.read(directory)) as controller:
        put(controller, "ana@example.org")
        assert mail.deliver(controller, lambda: NOW) == mail.Sent(1, 0)
    (laid,) = (directory / "letters").iterdir()
    assert laid.stat().st_mode & 0o077 == 0
    met = email.message_from_bytes(laid.read_bytes(), policy=email.policy.default)
    assert met["To"] == "ana@example.org"
    assert met["From"].addresses[0].addr_spec == "privacy@example.net"
    assert met["From"].addresses[0].display_name == "interop.io"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("[mail]\nfrom = 'a@b.de'\n", "not said how mail goes out"),
        ("[mail]\nurl = 'smtp://x'\n", "whose address stands under `from`"),
        ("[mail]\nurl = 'letters'\n", "whose address stands under `from`"),
        ("[mail]\nurl = 'http://x'\nfrom = 'a@b.de'\n", "no mail server"),
        ("[mail]\nurl = 'smtp://a:b@x'\nfrom = 'a@b.de'\n", "no mail server"),
        ("[mail]\nurl = 'x'\nto = 'a@b.de'\n", "`to` is not a setting"),
        ("[site]\nproxy = 'yes'\n", "`proxy` is not true or false"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_words(
    kept_url: str, tmp_path: Path, settings: str, words: str
) -> None:
    directory = make(tmp_path / "world", kept_url, extra=settings)
    with pytest.raises(ConfigError) as met, Controller.open(deployment.read(directory)):
        pass
    assert words in str(met.value)
    edit(directory / "kept.toml", settings, "")


def test_letters_go_over_one_connection_until_the_server_ends_it(
    kept_url: str, tmp_path: Path
) -> None:
    class Short:
        """Takes two letters over a connection, then says that it is enough."""

        def __init__(self) -> None:
            self.met: list[tuple[int, str]] = []
            self.refused = ""

        async def handle_MAIL(
            self, server: Any, session: Any, envelope: Any, address: str, options: Any
        ) -> str:
            if sum(port == session.peer[1] for port, _ in self.met) == 2:
                return "421 enough over this one"
            envelope.mail_from = address
            return "250 OK"

        async def handle_RCPT(
            self, server: Any, session: Any, envelope: Any, address: str, options: Any
        ) -> str:
            if address == self.refused:
                return "550 nobody here"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            self.met.append((session.peer[1], envelope.rcpt_tos[0]))
            return "250 OK"

    handler = Short()
    with mail_server(handler) as (_, url):
        settings = f'[mail]\nurl = "{url}"\nfrom = "privacy@example.net"\n'
        directory = make(tmp_path / "world", kept_url, extra=settings)
        with Controller.open(deployment.read(directory)) as controller:
            for number in range(5):
                put(controller, f"p{number}@example.org")
            assert mail.deliver(controller, lambda: NOW) == mail.Sent(5, 0)
            assert [to for _, to in handler.met] == [f"p{n}@example.org" for n in range(5)]
            assert len({port for port, _ in handler.met}) == 3
            # One that is refused fails alone, and is not tried twice in a row.
            handler.refused = "no@example.org"
            for to in ("a@example.org", handler.refused, "b@example.org"):
                put(controller, to)
            assert mail.deliver(controller, lambda: NOW) == mail.Sent(2, 1)
            assert [to for _, to in handler.met[5:]] == ["a@example.org", "b@example.org"]
            # However many of them stand first, they hold up nobody.
            for to in (*[handler.refused] * 4, "c@example.org"):
                put(controller, to)
            assert mail.deliver(controller, lambda: NOW) == mail.Sent(1, 4)
            # Refused again and again, they are given up.
            for day in range(1, 6):
                at = NOW + dt.timedelta(hours=2 * day)
                mail.deliver(controller, lambda at=at: at)  # type: ignore[misc]
            assert controller.outbox.waiting() == 0
    # Nor do those that a server which takes ASCII alone cannot be given.
    letter = Written(("ü@example.org",), "<1@example.net>", b"")
    assert _nobody(smtplib.SMTPNotSupportedError(), letter)
