"""Passwords as hashes (argon2id, RFC 9106), and what is compared where there is none."""

from __future__ import annotations

import base64
import secrets
import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

#: One pass over 46 MiB: what OWASP's sheet on storing passwords asks for at least.
_HASHER: Final = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
#: How many are worked out at once: many tries together wait, and take no more memory.
_AT_ONCE: Final = threading.Semaphore(2)
#: Letters and figures that nobody mistakes for others; 20 of them are 99 bits.
_SIGNS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def hashed(password: str) -> str:
    """The hash of a password, with its salt and settings (PHC format)."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def _nobodys() -> str:
    """A hash that no word is known to have: of chance, in the shape and with the settings of all.

    It is not worked out, since every start of the program would wait for that.
    """
    salt, digest = (
        base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=")
        for n in (_HASHER.salt_len, _HASHER.hash_len)
    )
    costs = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


#: Verified against where a name is nobody's, so that it takes as long as where it is somebody's.
NOBODYS: Final = _nobodys()


def verified(hash_: str, password: str) -> bool:
    """Whether it is the password of this hash. Takes the same work either way."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(hash_, password)
        except (VerificationError, InvalidHashError):
            return False


def once() -> str:
    """A password for one use: four groups of five signs."""
    return "-".join("".join(secrets.choice(_SIGNS) for _ in range(5)) for _ in range(4))


def code() -> str:
    """A recovery code: four groups of six signs (118 bits, so that a keyed hash guards it)."""
    return "-".join("".join(secrets.choice(_SIGNS) for _ in range(6)) for _ in range(4))


def typed(given: str) -> str:
    """What was typed of a code, without what people add or leave out."""
    return "".join(c for c in given.casefold() if c.isalnum())
