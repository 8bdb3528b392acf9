"""Letters to people who serve a system, handed to a real mail server on 127.0.0.1."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller as MailServer
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kept.datamap.map import Dataset, Field
from kept.errors import ConfigError, Pending, StoreError, StoreUnreachable, UsageError
from kept.model.change import Change
from kept.model.plan import Action
from kept.model.select import KeyTable, Route, Select, by_key
from kept.stores.mailbox import MailboxStore
from kept.stores.tasks import Answered, Outcome, Task

NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SUBSCRIBERS = Dataset(
    "subscribers",
    ("who",),
    {
        "who": Field("who", "text", category="contact", nullable=False),
        "email": Field("email", "text", category="contact.email", identifies="email"),
    },
)


class Inbox:
    """What the mail server took; `refuse` turns away so many letters first."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.logins: list[bytes | None] = []
        self.refuse = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse:
            self.refuse -= 1
            return "451 try later, ana@example.org"
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.letters.append(message)
        self.encrypted.append(session.ssl is not None)
        self.logins.append(session.auth_data)
        return "250 taken"


def _known(server: SMTP, session: Session, envelope: Envelope, how: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (b"kept", b"s3cret")
    return AuthResult(success=right, auth_data=data.login if right else None, handled=right)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def server(inbox: Inbox, certificate: Path) -> Iterator[MailServer]:
    """Encrypted by STARTTLS, and only for whoever logs in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = MailServer(
        inbox, hostname="127.0.0.1", port=_free(), server_hostname="localhost",
        tls_context=context, require_starttls=True, auth_required=True, authenticator=_known,
    )  # fmt: skip
    made.start()
    yield made
    made.stop()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def store(url: str, directory: Path, **options: Any) -> MailboxStore:
    given = {"to": "privacy@agency.example", "from": "privacy@company.example", "days": 10,
             "remind": 3, "directory": directory, "user": "kept", "password": "s3cret",
             **options}  # fmt: skip
    return MailboxStore("agency", (SUBSCRIBERS,), url, options=given)


def ask(mailbox: MailboxStore, mark: str = "case-1") -> Task:
    """Write down that Ana is to be erased."""
    who = KeyTable(("email",), ((0, ("ana@example.org",)),))
    with mailbox.session() as session:
        keys = session.keys([Select("subscribers", ("who",), (Route(who),))])
    rows = by_key("subscribers", keys["subscribers"])
    with mailbox.session(write=True) as session:
        session.apply([Change(rows)], mark)
        session.commit()
    (task,) = mailbox.tasks()
    return task


def test_names_that_look_alike_have_a_task_each(tmp_path: Path) -> None:
    """`news.list` and `news_list`, and any two names in letters of other scripts."""
    names = ["news.list", "news_list", "客户", "订单"]
    mailbox = MailboxStore(
        "agency", [replace(SUBSCRIBERS, name=n) for n in names], "letters",
        options={"directory": tmp_path},
    )  # fmt: skip
    who = KeyTable(("who",), ((0, ('[["email", "ana@example.org"]]',)),))
    # As an older version wrote it down: found under its own name, not taken for its neighbour's.
    old = Task(
        "case-1.news_list.delete", "case-1", "agency", "news.list", Action.DELETE, (), asked=NOW
    )
    mailbox.folder.put(old)
    with mailbox.session(write=True) as session:
        session.apply([Change(by_key(name, who)) for name in names], "case-1")
    tasks = {task.dataset: task for task in mailbox.tasks()}
    assert (len(mailbox.tasks()), set(tasks)) == (4, set(names))
    assert tasks["news.list"] == old
    mailbox.answer(old.id, Answered(Outcome.DONE, "officer", NOW, "their mail"))
    mailbox.answer(tasks["客户"].id, Answered(Outcome.DONE, "officer", NOW, "their mail"))
    os.mkfifo(mailbox.folder.directory / "pipe.task.json")
    with pytest.raises(StoreError, match="cannot be read"):
        mailbox.tasks()
    with mailbox.session() as session:
        done = [session.word(name, Action.DELETE, "case-1").done for name in names]
        assert done == [True, None, True, None]
        # A file in the place of another step's is no word about that step.
        stolen = replace(tasks["订单"], dataset="客户")
        mailbox.folder.put(stolen)
        with pytest.raises(StoreError, match="another step"):
            session.word("订单", Action.DELETE, "case-1")


def test_rows_go_to_whom_they_name(tmp_path: Path) -> None:
    """Never all to the first of several; of one person, what names somebody else is refused."""
    mailbox = MailboxStore("agency", [SUBSCRIBERS], "letters", options={"directory": tmp_path})
    people = KeyTable(
        ("who",),
        ((0, ('[["email", "ana@example.org"]]',)), (7, ('[["email", "ben@example.org"]]',))),
    )

    def asked(mark: str, keys: KeyTable) -> list[int]:
        with mailbox.session() as session:
            session.mark = mark
            met = session.read([by_key("subscribers", keys)])
            return [who for _, batch in met for who in batch.persons]

    def hand_in(mark: str, *rows: dict[str, str], same: bool = False) -> None:
        task = mailbox.folder.of(mark, "subscribers", Action.READ)
        assert task is not None
        mailbox.answer(task.id, Answered(Outcome.DONE, "officer", NOW, "mail", rows, same))

    with pytest.raises(Pending):
        asked("two", people)
    hers, his = {"email": "ANA@example.org "}, {"email": "ben@example.org"}
    for wrong in ({"email": "cleo@example.org"}, {}):
        with pytest.raises(UsageError, match="1 of 3 rows") as refused:
            hand_in("two", his, hers, wrong)
        assert "@" not in str(refused.value)
    hand_in("two", his, hers)
    assert asked("two", people) == [7, 0]
    ana = KeyTable(("who",), people.rows[:1])
    with pytest.raises(Pending):
        asked("one", ana)
    with pytest.raises(UsageError, match="not about"):
        hand_in("one", hers, his)
    hand_in("one", hers, his, {}, same=True)
    assert asked("one", ana) == [0, 0, 0]


def test_a_letter_goes_out_encrypted_once_and_is_reminded_of(
    server: MailServer, inbox: Inbox, certificate: Path, tmp_path: Path
) -> None:
    mailbox = store(f"smtp://localhost:{server.port}", tmp_path, ca=str(certificate))
    task = ask(mailbox)
    assert [t.id for t in mailbox.deliver(NOW)] == [task.id]
    assert mailbox.deliver(NOW + DAY) == []
    assert (inbox.encrypted, inbox.logins) == ([True], [b"kept"])
    (first,) = inbox.letters
    assert (first["To"], first["From"]) == ("privacy@agency.example", "privacy@company.example")
    assert first["Subject"] == f"Erasure request {task.id}"
    assert first["Auto-Submitted"] == "auto-generated"
    assert "ana@example.org" in first.get_content()
    # The headers travel through logs of others: nobody is named in them.
    assert not [v for v in first.values() if "ana" in v]

    assert mailbox.deliver(NOW + 10 * DAY)
    assert mailbox.deliver(NOW + 11 * DAY) == []
    assert inbox.letters[1]["Subject"] == f"Reminder: Erasure request {task.id}"
    assert inbox.letters[1]["Message-ID"] != first["Message-ID"]
    assert "We asked you on 2026-11-23" in inbox.letters[1].get_content()

    mailbox.answer(task.id, Answered(Outcome.DONE, "officer", NOW + 12 * DAY, "their mail"))
    assert mailbox.deliver(NOW + 40 * DAY) == []
    assert len(inbox.letters) == 2


def test_a_letter_that_was_refused_waits_and_goes_later(
    server: MailServer, inbox: Inbox, certificate: Path, tmp_path: Path
) -> None:
    mailbox = store(f"smtp://localhost:{server.port}", tmp_path, ca=str(certificate))
    task = ask(mailbox)
    inbox.refuse = 1
    with pytest.raises(StoreUnreachable) as refused:
        mailbox.deliver(NOW)
    # What the server answered may name somebody.
    assert "ana" not in str(refused.value)
    (waiting,) = mailbox.tasks()
    assert waiting.asked is None
    (sent,) = mailbox.deliver(NOW + DAY)
    assert (sent.id, sent.due) == (task.id, NOW + 11 * DAY)
    assert len(inbox.letters) == 1


@pytest.mark.parametrize("options", [{"password": "wrong"}, {"ca": None}], ids=["login", "ca"])
def test_nothing_goes_out_to_whoever_is_not_known(
    options: dict[str, Any], server: MailServer, inbox: Inbox, certificate: Path, tmp_path: Path
) -> None:
    mailbox = store(
        f"smtp://localhost:{server.port}", tmp_path, **{"ca": str(certificate), **options}
    )
    ask(mailbox)
    with pytest.raises(StoreUnreachable, match="could not be sent") as refused:
        mailbox.deliver(NOW)
    assert "s3cret" not in str(refused.value)
    assert inbox.letters == []
    assert mailbox.tasks()[0].asked is None


def test_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    mailbox = store(f"smtp://127.0.0.1:{_free()}", tmp_path)
    ask(mailbox)
    with pytest.raises(StoreUnreachable, match="could not be sent"):
        mailbox.deliver(NOW)
    assert mailbox.tasks()[0].asked is None


def test_smtps(inbox: Inbox, certificate: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = MailServer(inbox, hostname="127.0.0.1", port=_free(), ssl_context=context,
                      server_hostname="localhost")  # fmt: skip
    client = ssl.create_default_context(cafile=certificate)

    def knock() -> None:  # the server's own knock does not trust the certificate
        with socket.create_connection(("127.0.0.1", made.port), 5) as plain:
            client.wrap_socket(plain, server_hostname="localhost").close()

    made._trigger_server = knock  # type: ignore[method-assign]
    made.start()
    try:
        mailbox = store(f"smtps://localhost:{made.port}", tmp_path, ca=str(certificate),
                        user=None, password=None)  # fmt: skip
        ask(mailbox)
        assert len(mailbox.deliver(NOW)) == 1
    finally:
        made.stop()
    assert len(inbox.letters) == 1  # it speaks nothing but TLS


@pytest.mark.parametrize("url", ["smtp://", "imap://x", "smtp://kept:pw@host", "smtp://host:x"])
def test_an_address_that_is_no_mail_server_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        store(url, tmp_path)
