"""The custodian: keeps the keys that must never enter the database.

`FileCustodian` keeps them as files under a master key, which comes from a passphrase
(argon2id, RFC 9106) or lies beside them, readable by its owner only. Other custodians (a
hardware token, a key service) fulfil the same Protocol.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Final, Protocol

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.errors import VaultError
from kept.private import make_private

_MASTER: Final = "master.key"
_PASSPHRASE: Final = "passphrase.json"  # noqa: S105 — the name of a file
_MAGIC: Final = b"kept\x01"
_CHECK: Final = b"the passphrase is right"
#: argon2id: passes and KiB of memory.
PASSES: Final = 3
MEMORY: Final = 64 * 1024


class Custodian(Protocol):
    """Keeps KEKs by epoch and named secrets. All keys are 32 bytes."""

    def kek(self, epoch: int) -> bytes:
        """The KEK of an epoch. Raises VaultError where it is not there (any more)."""
        ...

    def make(self, epoch: int) -> None:
        """Make the KEK of an epoch, durably; nothing happens where it exists."""
        ...

    def destroy(self, epoch: int) -> None:
        """Destroy the KEK of an epoch for good; nothing happens where it is gone."""
        ...

    def secret(self, name: str, *, make: bool) -> bytes:
        """A named secret; made if `make` and missing, else VaultError."""
        ...


class FileCustodian:
    """Keys as files in `directory`, sealed under the master key."""

    def __init__(
        self,
        directory: Path,
        passphrase: str | None = None,
        *,
        passes: int = PASSES,
        memory: int = MEMORY,
    ) -> None:
        """Open or make the key directory. Raises VaultError for a wrong or missing passphrase."""
        self.directory = directory
        try:
            make_private(directory)
            self._master = (
                self._master_file() if passphrase is None else self._derived(
                    passphrase, passes, memory
                )
            )  # fmt: skip
        except OSError as error:
            raise VaultError(
                "the key directory cannot be used",
                where=str(directory),
                met=error.strerror or type(error).__name__,
                fix="give it to the account that runs kept, with mode 0700",
            ) from None
        # epoch → (identity of the file, KEK): a KEK that another process destroyed is forgotten.
        self._keks: dict[int, tuple[tuple[int, int], bytes]] = {}

    def kek(self, epoch: int) -> bytes:
        """The KEK of an epoch. Raises VaultError where it is not there (any more)."""
        path = self._path(f"epoch-{epoch}")
        try:
            met = path.stat()
        except FileNotFoundError:
            self._keks.pop(epoch, None)
            raise VaultError(
                f"the key of epoch {epoch} is not there",
                where=str(path),
                fix="put the key directory of this deployment back; a destroyed key stays gone",
            ) from None
        identity = (met.st_ino, met.st_mtime_ns)
        known = self._keks.get(epoch)
        if known is None or known[0] != identity:
            known = self._keks[epoch] = (identity, self._read(f"epoch-{epoch}"))
        return known[1]

    def make(self, epoch: int) -> None:
        """Make the KEK of an epoch, durably; nothing happens where it exists."""
        self._write(f"epoch-{epoch}", secrets.token_bytes(32))

    def destroy(self, epoch: int) -> None:
        """Overwrite and remove the KEK's file; nothing happens where it is gone.

        On media that write elsewhere than told (flash, copy-on-write file systems) the old
        block may live on until it is reused; the master key still covers it there.
        """
        self._keks.pop(epoch, None)
        path = self._path(f"epoch-{epoch}")
        with contextlib.suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(secrets.token_bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            self._sync()

    def secret(self, name: str, *, make: bool) -> bytes:
        """A named secret; made if `make` and missing, else VaultError."""
        if make:
            self._write(name, secrets.token_bytes(32))
        return self._read(name)

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.key"

    def _read(self, name: str) -> bytes:
        path = self._path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise VaultError(
                f"the key `{name}` is not there",
                where=str(path),
                fix="put the key directory of this deployment back from its backup",
            ) from None
        if not data.startswith(_MAGIC):
            raise _unreadable(path)
        at = len(_MAGIC)
        try:
            return AESGCM(self._master).decrypt(data[at : at + 12], data[at + 12 :], name.encode())
        except InvalidTag:
            raise _unreadable(path) from None

    def _write(self, name: str, key: bytes) -> None:
        nonce = secrets.token_bytes(12)
        self._create(
            self._path(name),
            _MAGIC + nonce + AESGCM(self._master).encrypt(nonce, key, name.encode()),
        )

    def _create(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all; the first of two writers wins."""
        if path.exists():
            return
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(new, path)
        finally:
            new.unlink(missing_ok=True)
        self._sync()

    def _sync(self) -> None:
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _master_file(self) -> bytes:
        if (self.directory / _PASSPHRASE).exists():
            raise VaultError(
                "the keys are locked with a passphrase",
                where=str(self.directory),
                expected="the passphrase with which they were made",
                met="none",
                fix='name it in kept.toml: [keys] passphrase = "env:KEPT_PASSPHRASE"',
            )
        path = self.directory / _MASTER
        self._create(path, secrets.token_bytes(32))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise VaultError(
                "the master key can be read by others",
                where=str(path),
                expected="mode 0600",
                fix=f"run: chmod 600 {path}",
            )
        data = path.read_bytes()
        if len(data) != 32:
            raise _unreadable(path)
        return data

    def _derived(self, passphrase: str, passes: int, memory: int) -> bytes:
        if (self.directory / _MASTER).exists():
            raise VaultError(
                "the keys were made without a passphrase",
                where=str(self.directory),
                fix="leave `passphrase` out of [keys] in kept.toml",
            )
        path = self.directory / _PASSPHRASE
        if not path.exists():
            salt = secrets.token_bytes(16)
            key = _argon2id(passphrase, salt, passes, memory)
            nonce = secrets.token_bytes(12)
            check = nonce + AESGCM(key).encrypt(nonce, _CHECK, b"check")
            self._create(
                path,
                json.dumps(
                    {
                        "kdf": "argon2id",
                        "passes": passes,
                        "memory_kib": memory,
                        "salt": base64.b64encode(salt).decode(),
                        "check": base64.b64encode(check).decode(),
                    },
                    indent=1,
                ).encode(),
            )
        try:
            said = json.loads(path.read_bytes())
            salt, check = base64.b64decode(said["salt"]), base64.b64decode(said["check"])
            key = _argon2id(passphrase, salt, int(said["passes"]), int(said["memory_kib"]))
        except (ValueError, KeyError, TypeError):
            raise _unreadable(path) from None
        try:
            AESGCM(key).decrypt(check[:12], check[12:], b"check")
        except InvalidTag:
            raise VaultError(
                "the passphrase of the keys is wrong",
                where=str(self.directory),
                fix="give the passphrase with which this deployment was made",
            ) from None
        return key


def _argon2id(passphrase: str, salt: bytes, passes: int, memory: int) -> bytes:
    return hash_secret_raw(
        passphrase.encode(), salt, time_cost=passes, memory_cost=memory, parallelism=1,
        hash_len=32, type=Type.ID,
    )  # fmt: skip


def _unreadable(path: Path) -> VaultError:
    return VaultError(
        "a key file is damaged, or sealed under another master key",
        where=str(path),
        fix="put the key directory of this deployment back from its backup",
    )
