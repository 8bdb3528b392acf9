"""A package on its way to the person: encrypted, behind a link that ends, with a fresh code.

The link alone opens nothing: it asks for a code of eight digits that is good for ten minutes and
comes another way. After the last download, or when its time is over, the file is destroyed: its
key is given up first, then the file goes; both are logged without a word of whom it was for.

The file is a run of chunks, each sealed with AES-256-GCM under the file's own key; the nonce
counts them and marks the last (as in STREAM, Hoang et al. 2015), so none can be left out, moved
or cut off unseen. One chunk at a time is in memory.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights import clock
from kept.duties.rights.mailing import mail_link
from kept.duties.rights.proving import require_known_asker
from kept.errors import Denied, UsageError, VaultError
from kept.ledger.entry import Entry, moment, name
from kept.private import make_private
from kept.records import answered
from kept.records.actor import Actor
from kept.records.case import Case
from kept.records.delivery import Delivery
from kept.records.outbox import SENT

#: Sends a code to the person of a case: (the case, the code, until when it is good). It may use
#: only a way that was verified for her, and says False where it knows none.
Sender: TypeAlias = Callable[[Case, str, dt.datetime], bool]

DAYS: Final = 5
DOWNLOADS: Final = 3
#: The longest that a package may wait, and the most often that it may be fetched.
MOST_DAYS: Final = 45
MOST_DOWNLOADS: Final = 10
_CHUNK: Final = 1 << 16
_TAG: Final = 16
_SUFFIX: Final = ".sealed"
#: After which a file of no delivery is taken for left behind.
_STALE: Final = dt.timedelta(hours=1)
#: How the folders begin in which packages are made.
_ASIDE: Final = ".kept-package-"
_PACKED: Final = ("access", "portability")


@dataclass(frozen=True, slots=True)
class Made:
    """A delivery that was made. `token` is in the link and nowhere else. `mailed`: the link goes
    to the address that she proved hers.
    """

    case: str
    token: str
    ends_at: dt.datetime
    allowed: int
    size: int
    mailed: bool = False


def folder(controller: Controller) -> Path:
    """Where packages wait; nobody but the account of Kept reads it."""
    return controller.directory / "state" / "deliveries"


def deliver(
    controller: Controller, case_id: str, package: Path, actor: Actor, now: dt.datetime,
    *, days: int = DAYS, downloads: int = DOWNLOADS, desk: bool = False,
) -> Made:  # fmt: skip
    """Put the package of a case behind a link; `desk`: for the staff, and nobody has it.

    Raises UsageError where it is not its package, or the mail with the link to it waits to be
    sent; Denied where nobody knows or answers for who asks.
    """
    if not 1 <= days <= MOST_DAYS or not 1 <= downloads <= MOST_DOWNLOADS:
        raise UsageError(
            "a package waits for a while, and is fetched a few times",
            expected=f"1 to {MOST_DAYS} days and 1 to {MOST_DOWNLOADS} downloads",
        )
    case = controller.cases.get(case_id)
    if case.right not in _PACKED:
        raise UsageError(
            f"a case about `{case.right}` has no package",
            expected=f"a case about {' or '.join(_PACKED)}",
        )
    require_known_asker(controller, case)
    given = _refuse_other(controller, case, package)
    token, file, key = secrets.token_urlsafe(32), f"{secrets.token_hex(16)}{_SUFFIX}", _key()
    there = folder(controller)
    make_private(there)
    ends_at = now + dt.timedelta(days=days)
    with package.open("rb") as source:
        size = seal(source, there / file, key)
    mailed = False
    try:
        with controller.database.connection() as connection:
            if not desk:
                _refuse_twice(controller, case, given, now, connection)
            controller.deliveries.add(
                case, token, file, key, size, downloads, now, ends_at, connection=connection,
                desk=desk,
            )  # fmt: skip
            # An agent who asked for her is given the link too; without her code it opens nothing.
            if not desk:
                controller.agents.delivered(case.number, token, connection=connection)
                # With it, so that no package waits behind a link that went to nobody.
                mailed = mail_link(controller, case, token, ends_at, actor, now, connection)
            body = {
                "case": case.id,
                "file": file_hash(file),
                "ends": moment(ends_at),
                "allowed": downloads,
                "size": size,
                "actor": name(actor.role),
            }
            controller.ledger.append_in(connection, [Entry("delivery.made", now, body)])
    except BaseException:
        (there / file).unlink(missing_ok=True)
        raise
    return Made(case.id, token, ends_at, downloads, size, mailed)


def found(controller: Controller, token: str, now: dt.datetime) -> Delivery | None:
    """The delivery of a link while it can be fetched; None for any other. Changes nothing."""
    one = controller.deliveries.by_token(token)
    return one if one is not None and one.outcome is None and now < one.ends_at else None


def fresh_code(
    controller: Controller, one: Delivery, now: dt.datetime, send: Sender | None = None
) -> str | None:
    """Make a code the one that counts, and send it; None where no more are given, or it cannot be
    sent. Without `send` it is for somebody who tells her on the telephone or by letter.
    """
    code = f"{secrets.randbelow(10**8):08d}"
    with controller.database.connection() as connection:
        if not controller.deliveries.give_code(one, code, now, connection=connection):
            return None
    if send is not None:
        until = now + dt.timedelta(minutes=10)
        return code if send(controller.cases.get(one.case), code, until) else None
    return code


def code_for(controller: Controller, case_id: str, now: dt.datetime) -> str:
    """A fresh code for the newest package that waits in a case. UsageError where none does."""
    case = controller.cases.get(case_id)
    waiting = [d for d in _waiting(controller, case, now) if not d.desk]
    if not waiting:
        raise UsageError(
            f"no package of case {case.id} waits to be fetched",
            fix=f"put it behind a link: `kept case deliver {case.id} PACKAGE`",
        )
    code = fresh_code(controller, waiting[-1], now)
    if code is None:
        raise Denied(
            "this delivery was given all the codes that it gets",
            fix=f"put the package behind a new link: `kept case deliver {case.id} PACKAGE`",
        )
    return code


def fetch(
    controller: Controller, token: str, code: str, now: dt.datetime
) -> tuple[Delivery, Iterator[bytes]] | None:
    """The package, chunk by chunk, to whoever has link and code; None to everybody else.

    A download counts when it begins. With the last one key and file go: what is being read is
    read to its end.
    """
    with controller.database.connection() as connection:
        one = controller.deliveries.by_token(token, connection=connection, alone=True)
        if one is None or one.outcome is not None or now >= one.ends_at:
            return None
        digits = "".join(c for c in code if c.isascii() and c.isdigit())
        if not controller.deliveries.try_code(one, digits, now, connection=connection):
            return None
        begun = _begun(controller, one, now, connection)
    return None if begun is None else (one, begun())


def keep(
    controller: Controller, case_id: str, package: Path, actor: Actor, now: dt.datetime
) -> None:
    """Let the package that staff have made wait for them, for a day and a few downloads: a
    connection that breaks loses nothing. It lies like one behind a link, and nobody has the link.
    """
    deliver(controller, case_id, package, actor, now, days=1, desk=True)


def link(
    controller: Controller, case_id: str, actor: Actor, now: dt.datetime, *, days: int = DAYS,
    downloads: int = DOWNLOADS,
) -> Made:  # fmt: skip
    """Put the package that waits for the staff behind a link, for her; theirs waits on.

    UsageError where none waits, or it cannot be read any more.
    """
    case = controller.cases.get(case_id)
    one = at_desk(controller, case, now)
    if one is None:
        raise UsageError(
            f"no package of case {case.id} waits here any more",
            expected="one that was made here within a day, and not fetched too often",
            fix="put the file that was fetched behind a link: `kept case deliver`",
        )
    with controller.database.connection() as connection:
        key = controller.deliveries.key(one, connection=connection)
    with aside(controller) as there:
        package = there / "package.zip"
        try:
            if key is None:
                raise OSError
            file = (folder(controller) / one.file).open("rb")
        except OSError:
            raise UsageError(f"the package of case {case.id} is not there any more") from None
        with package.open("xb") as out:  # the folder is open to nobody else
            out.writelines(opened(file, key))
        return deliver(controller, case.id, package, actor, now, days=days, downloads=downloads)


@contextlib.contextmanager
def aside(controller: Controller) -> Iterator[Path]:
    """A folder for a package that is not encrypted yet, open to nobody else, and gone afterwards;
    of whoever dies with it `sweep` removes it.
    """
    there = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=controller.reach.directory))
    handle = os.open(there, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # the system gives it back when he dies
        yield there
    finally:
        shutil.rmtree(there, ignore_errors=True)
        os.close(handle)


def _left(directory: Path, before: float) -> None:
    """Remove the folders of packages that whoever made them left behind."""
    for there in directory.glob(f"{_ASIDE}*"):
        with contextlib.suppress(OSError):  # gone meanwhile, locked, a link, somebody else's
            handle = os.open(there, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                met = os.fstat(handle)
                if met.st_uid == os.geteuid() and met.st_mtime < before:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(there)
            finally:
                os.close(handle)


def at_desk(controller: Controller, case: Case, now: dt.datetime) -> Delivery | None:
    """The package of a case that waits for the staff; None where none does."""
    return next((d for d in reversed(_waiting(controller, case, now)) if d.desk), None)


def behind_links(controller: Controller, case: Case) -> list[Delivery]:
    """The packages of a case that wait, or waited, behind a link, oldest first."""
    return [d for d in controller.deliveries.of(case) if not d.desk]


def never_fetched(controller: Controller, case: Case, now: dt.datetime) -> dt.datetime | None:
    """When the last of the packages was over to which a link led her, where she fetched none;
    None where one waits still or is on its way to her, she fetched one, or there was none.
    """
    if any(m.kind == "link" and m.outcome is None for m in controller.mailed.of(case)):
        return None
    # Of what was packed before all was done she need not ask again: more is to come.
    open_ = case.done_at is None
    behind = [
        d for d in _leading(controller, case) if open_ or not clock.too_early(case, d.made_at)
    ]
    over = [d.over(now) for d in behind]
    if not behind or None in over or any(d.fetched for d in behind):
        return None
    end = max(filter(None, over))
    return None if any(at >= end for at in _handed(controller, case)) else end


def _leading(controller: Controller, case: Case) -> list[Delivery]:
    """The packages of a case to which a link led her, oldest first."""
    # A link that was put into a mail, and that no server took, leads nobody anywhere.
    links = [m for m in controller.mailed.of(case) if m.kind == "link"]
    lost = {m.put_at for m in links if m.outcome != SENT}
    return [d for d in behind_links(controller, case) if d.fetched or d.made_at not in lost]


def copy_owed(controller: Controller, case: Case) -> bool:
    """Whether a copy was made of what is held, and nothing on record says that it is with her or
    waits for her: no link leads to it, and no staff entered that she was handed it. A letter that
    it was made is not the copy.
    """
    with controller.database.connection() as c:
        if not answered.with_copy(c, case):
            return False
    if any(not clock.too_early(case, d.made_at) for d in _leading(controller, case)):
        return False
    return not _handed(controller, case)


def _handed(controller: Controller, case: Case) -> list[dt.datetime]:
    """When a letter on paper was made that went out as the answer, and when it was entered that
    she was handed it. It may have held the copy; that is the word of whoever entered it.
    """
    posted = [p for p in controller.papers.of(case) if p.posted_on is not None]
    handed = controller.ledger.entries(kind="answer.handed", case=case.id)
    return [
        *(p.made_at for p in posted if p.kind == "answer" and not clock.too_early(case, p.made_at)),
        *(entry.at for _, entry in handed),
    ]


def hand(
    controller: Controller, case: Case, now: dt.datetime
) -> tuple[Delivery, Iterator[bytes]] | None:
    """The package that waits for the staff, chunk by chunk; None where none does. Each counts."""
    one = at_desk(controller, case, now)
    if one is None:
        return None
    with controller.database.connection() as connection:
        one = controller.deliveries.locked(one, connection=connection)
        if one.outcome is not None:
            return None  # somebody else took the last one in this moment
        begun = _begun(controller, one, now, connection)
    return None if begun is None else (one, begun())


def _waiting(controller: Controller, case: Case, now: dt.datetime) -> list[Delivery]:
    return [d for d in controller.deliveries.of(case) if d.outcome is None and now < d.ends_at]


def _begun(
    controller: Controller, one: Delivery, now: dt.datetime, connection: Connection
) -> Callable[[], Iterator[bytes]] | None:
    """Count a download that begins; what makes its chunks, once that is committed. None where
    the file is lost, which ends the delivery.
    """
    key = controller.deliveries.key(one, connection=connection)
    path = folder(controller) / one.file
    try:
        file = path.open("rb")
    except OSError:
        ended(controller, [one], "lost", now, connection)
        return None
    fetched = controller.deliveries.count(one, now, connection=connection)
    body = {"case": one.case, "file": file_hash(one.file), "fetched": fetched}
    controller.ledger.append_in(connection, [Entry("delivery.fetched", now, body)])
    if fetched >= one.allowed:
        ended(controller, [replace(one, fetched=fetched)], "fetched", now, connection)
    assert key is not None

    def chunks() -> Iterator[bytes]:
        if fetched >= one.allowed:
            path.unlink(missing_ok=True)
        return opened(file, key)

    return chunks


def ended(
    controller: Controller,
    those: list[Delivery],
    outcome: str,
    now: dt.datetime,
    connection: Connection,
) -> None:
    """Give up the keys and log it, in the caller's transaction; the files go afterwards."""
    gone = controller.deliveries.end(those, outcome, now, connection=connection)
    entries = [
        Entry(
            "delivery.ended",
            now,
            {"case": one.case, "file": file_hash(one.file), "outcome": outcome,
             "fetched": one.fetched},
        )
        for one in gone
    ]  # fmt: skip
    if entries:
        controller.ledger.append_in(connection, entries)


def discard(controller: Controller, those: list[Delivery]) -> None:
    """Remove the files of deliveries that have ended; what is left of them `sweep` removes."""
    for one in those:
        (folder(controller) / one.file).unlink(missing_ok=True)


def sweep(controller: Controller, now: dt.datetime) -> int:
    """End what is past its time, and remove every file that no waiting delivery has, and what was
    being made by whoever was killed; how many deliveries ended. May be repeated and cut off at any
    point.
    """
    _left(controller.reach.directory, (now - _STALE).timestamp())
    with controller.database.connection() as connection:
        late = [d for d in controller.deliveries.waiting(connection=connection) if d.ends_at <= now]
        if late:
            ended(controller, late, "expired", now, connection)
    wanted = {d.file for d in controller.deliveries.waiting()}
    known = {d.file for d in controller.deliveries.all()}
    there = folder(controller)
    for path in there.glob(f"*{_SUFFIX}") if there.is_dir() else ():
        if path.name in wanted:
            continue
        # One that no record names may be of a delivery that is being made right now.
        if path.name in known or path.stat().st_mtime < (now - _STALE).timestamp():
            path.unlink(missing_ok=True)
    return len(late)


def seal(source: IO[bytes], target: Path, key: bytes) -> int:
    """Encrypt a file into a new one (mode 0600), on the disk when this returns; its plain size."""
    sealer, size, number = AESGCM(key), 0, 0
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            chunk = source.read(_CHUNK)
            while True:
                after = source.read(_CHUNK)
                out.write(sealer.encrypt(_nonce(number, last=not after), chunk, None))
                size, number = size + len(chunk), number + 1
                if not after:
                    break
                chunk = after
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return size


def opened(file: IO[bytes], key: bytes) -> Iterator[bytes]:
    """What `seal` wrote, chunk by chunk; VaultError where any of it was changed or is missing."""
    opener, number = AESGCM(key), 0
    with contextlib.closing(file):
        chunk = file.read(_CHUNK + _TAG)
        while True:
            after = file.read(_CHUNK + _TAG)
            try:
                yield opener.decrypt(_nonce(number, last=not after), chunk, None)
            except InvalidTag:
                raise VaultError(
                    "a package that waits was altered",
                    fix="put it behind a new link with `kept case deliver`",
                ) from None
            if not after:
                return
            chunk, number = after, number + 1


def _nonce(number: int, *, last: bool) -> bytes:
    # The key is this file's alone, so the count is enough to be used once.
    return number.to_bytes(11, "big") + bytes([last])


def _key() -> bytes:
    return AESGCM.generate_key(256)


def file_hash(file: str) -> str:
    """By what the ledger knows the file of a package."""
    return hashlib.sha256(file.encode()).hexdigest()


def _refuse_twice(
    controller: Controller, case: Case, given: dt.datetime, now: dt.datetime,
    connection: Connection,
) -> None:  # fmt: skip
    """UsageError while a mail with a link to the same package, which was made at `given`, waits to
    be sent: once a server takes mail again she would get one for each time that it was pressed.
    """
    mails = controller.mailed.alone(case, connection)
    waiting = {d.made_at for d in _waiting(controller, case, now) if not d.desk}
    if any(m.kind == "link" and m.waits and m.put_at in waiting and m.put_at >= given
           for m in mails):  # fmt: skip
        raise UsageError(
            "the link to this package waits to be sent already; it goes once",
            fix="wait until a mail server takes it, or hand her the package in another way",
        )


def _refuse_other(controller: Controller, case: Case, package: Path) -> dt.datetime:
    """When the package was made. UsageError unless the file is the one that the ledger says was
    made last in this case: one of before lacks what was reached since.
    """
    entries = [e for _, e in controller.ledger.entries(kind="access.given", case=case.id)]
    made = [str(e.body["package"]) for e in entries]
    if not made:
        raise UsageError(
            f"no package was made in case {case.id} yet",
            fix=f"see `kept case show {case.id}`, which says how it goes on",
        )
    try:
        with zipfile.ZipFile(package) as archive, archive.open("manifest.json") as manifest:
            met = hashlib.file_digest(manifest, "sha256").hexdigest()  # type: ignore[arg-type]
    except (OSError, zipfile.BadZipFile, KeyError):
        raise UsageError(
            "that is no package that can be read", expected="the file that the case wrote (--out)"
        ) from None
    if met != made[-1]:
        older = met in made
        raise UsageError(
            f"that is not the package of case {case.id}; nothing was put behind a link",
            expected="the file that the command wrote last for this case",
            met="one that was made before" if older else None,
            fix="name that file; another person's package is never handed out by mistake",
        )
    return entries[-1].at
