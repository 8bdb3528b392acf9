"""Mail to people: one letter, whatever stands in it, sent at least once and to nobody else."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import smtplib
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.asking import Inbox, mail_server, text
from tests.world import NOW, edit, make

from kept import deployment
from kept.app import mail, promptly
from kept.controller import Controller
from kept.errors import ConfigError
from kept.stores.post import _nobody

DAY = dt.timedelta(days=1)


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
    letter = EmailMessage()
    letter["To"] = "ü@example.org"
    assert _nobody(smtplib.SMTPNotSupportedError(), letter)
