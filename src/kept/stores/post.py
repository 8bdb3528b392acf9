"""The way out for mail: by SMTP, encrypted or to this very machine; or into a folder."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import getaddresses, parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from kept.errors import ConfigError, StoreUnreachable
from kept.private import make_private

_TIMEOUT: Final = 30.0
#: Settings of outgoing mail in kept.toml, beside `url`.
SETTINGS: Final = frozenset(("from", "user", "password", "ca"))


class NotTaken(StoreUnreachable):
    """The mail server is there, and does not take this one letter for whoever it goes to."""


@dataclass(frozen=True, slots=True)
class Written:
    """A letter as it goes: to whom, its Message-ID, and all of it, its lines ended by CRLF."""

    to: tuple[str, ...]
    id: str
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, message: EmailMessage) -> Written:
        """The letter of a message, to whom it says itself."""
        to = tuple(one for _, one in getaddresses([str(message["To"])]))
        policy = SMTP if _ascii(to) else SMTPUTF8
        return cls(to, str(message["Message-ID"]), message.as_bytes(policy=policy))


class Send(Protocol):
    """What hands over one letter: see `Post.send`."""

    def __call__(self, message: Written, *, what: str, then: str) -> None:
        """Raises StoreUnreachable, NotTaken where others may be taken."""


@dataclass(frozen=True, slots=True)
class Mail:
    """`[mail]` of kept.toml: a mail server or a folder, and the settings of `SETTINGS`."""

    url: str
    options: Mapping[str, Any]

    def open(self, directory: Path) -> Post | Folder:
        """The way out, for a deployment in `directory`. Connects to nothing."""
        given = {**self.options, "directory": directory}
        if "://" in self.url:
            return Post("mail", self.url, given)
        return Folder(directory / self.url, address("mail", given, "from"))


class Post:
    """The way out by SMTP: encrypted, or to this very machine.

    `table` names the settings in kept.toml; ConfigError where they are none of a mail server.
    """

    def __init__(self, table: str, url: str, given: Mapping[str, Any]) -> None:
        parts = urlsplit(url)
        try:
            port: int | None = parts.port or 0
        except ValueError:
            port = None
        usable = parts.scheme in ("smtp", "smtps") and parts.hostname and not parts.password
        if not usable or parts.hostname is None or port is None:
            raise ConfigError(
                f"the `url` of [{table}] is no mail server",
                expected="smtp://host:587 (STARTTLS), smtps://host, or a folder for the letters",
                fix='mend it in kept.toml; a password is written as `password = "env:NAME"`',
            )
        self.sender = address(table, given, "from")
        self._secure = parts.scheme == "smtps"
        self._host, self._port = parts.hostname, port or (465 if self._secure else 587)
        self._user, self._password = given.get("user"), given.get("password")
        ca = given.get("ca")
        self._ca = str(Path(given["directory"]) / ca) if ca else None

    def send(self, message: Written, *, what: str, then: str) -> None:
        """Hand one letter to the mail server. StoreUnreachable, without its words.

        `what` could not be sent is said of a failure, and `then` what is to be done next.
        """
        with self.many() as send:
            send(message, what=what, then=then)

    @contextlib.contextmanager
    def many(self) -> Iterator[Send]:
        """As `send`, for letters one after another over one connection, made with the first."""
        server: smtplib.SMTP | None = None
        sender = parseaddr(self.sender)[1]
        with contextlib.ExitStack() as stack:

            def shut() -> None:
                nonlocal server
                server = None
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    stack.close()

            def hand(message: Written) -> None:
                nonlocal server
                if server is None:
                    server = stack.enter_context(self._open())
                    if self._user:
                        server.login(str(self._user), str(self._password or ""))
                server.ehlo_or_helo_if_needed()
                beyond = not _ascii((sender, *message.to))
                if beyond and not server.has_extn("smtputf8"):
                    raise smtplib.SMTPNotSupportedError("the server takes ASCII alone")
                options = ("SMTPUTF8", "BODY=8BITMIME") if beyond else ()
                server.sendmail(sender, message.to, message.data, options)

            def send(message: Written, *, what: str, then: str) -> None:
                used = server is not None
                try:
                    try:
                        hand(message)
                    except (OSError, smtplib.SMTPException) as error:
                        if not used or not _over(error):
                            raise
                        shut()  # it takes so many over one connection, and no more
                        hand(message)
                except (OSError, smtplib.SMTPException, ValueError) as error:
                    nobody = _nobody(error, message)
                    if not nobody:
                        shut()
                    raise (NotTaken if nobody else StoreUnreachable)(
                        f"{what} could not be sent",
                        met=type(error).__name__,
                        fix=f"see the mail server and its settings in kept.toml, then {then}",
                    ) from None

            try:
                yield send
            finally:
                shut()  # what was taken is sent, however the connection ends

    @contextlib.contextmanager
    def _open(self) -> Iterator[smtplib.SMTP]:
        if self._secure:
            with smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT, context=self._context()
            ) as s:
                yield s
            return
        with smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT) as s:
            s.ehlo()
            if s.has_extn("starttls") or not _here(self._host):
                s.starttls(context=self._context())  # raises where the server cannot
                s.ehlo()
            yield s

    def _context(self) -> ssl.SSLContext:
        # Only where it is used: to read all that is trusted takes as long as some letters.
        return ssl.create_default_context(cafile=self._ca)


class Folder:
    """A folder in which letters are laid, each a file of its own, for somebody else to send."""

    def __init__(self, path: Path, sender: str) -> None:
        self._path, self.sender = path, sender

    @contextlib.contextmanager
    def many(self) -> Iterator[Send]:
        """As `send`, for letters one after another."""
        yield self.send

    def send(self, message: Written, *, what: str, then: str) -> None:
        """Lay one letter there; the same Message-ID takes the place of itself."""
        name = "".join(c for c in message.id if c.isalnum() or c in "-.@")
        try:
            make_private(self._path)
            laid = self._path / f"{name}.eml.part"
            laid.touch(0o600)
            laid.write_bytes(message.data.replace(b"\r\n", b"\n"))
            laid.replace(self._path / f"{name}.eml")
        except OSError as error:
            raise StoreUnreachable(
                f"{what} could not be laid down",
                met=type(error).__name__,
                fix=f"see the folder of [mail] in kept.toml, then {then}",
            ) from None


def address(table: str, given: Mapping[str, Any], name: str) -> str:
    """The address that a setting names; ConfigError where it names none."""
    found = given.get(name)
    if not isinstance(found, str) or "@" not in found or not found.isprintable():
        raise ConfigError(
            f"[{table}] does not say whose address stands under `{name}`",
            expected=f'{name} = "name@example.org"',
        )
    return found


def _ascii(addresses: Iterable[str]) -> bool:
    return "".join(addresses).isascii()


def _nobody(error: Exception, message: Written) -> bool:
    """Whether it is only whoever a letter goes to that the server does not take."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return not _ascii(message.to)  # a server that takes ASCII alone
    # For good: what it says for now (4xx) may be said to everybody.
    return isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        500 <= code < 600 for code, _ in error.recipients.values()
    )


def _over(error: Exception) -> bool:
    """Whether a connection that was good has come to its end."""
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code == 421
    # What a mail server says is an OSError too, by the word of the library.
    return isinstance(error, smtplib.SMTPServerDisconnected) or not isinstance(
        error, smtplib.SMTPException
    )


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
