"""Which words may be a password: long ones that nobody tries first (OWASP ASVS 5.0, 6.2). Pure.

No rule says which signs have to be in it: such rules make passwords alike.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import Final

SHORTEST: Final = 12
LONGEST: Final = 256
#: What is tried first, as it is met at twelve signs and more: words, rows of keys, seasons.
_COMMON: Final = frozenset(
    (
        "password", "passwort", "passphrase", "kennwort", "motdepasse", "contrasena", "letmein",
        "welcome", "willkommen", "bienvenue", "changeme", "iloveyou", "sunshine", "princess",
        "football", "baseball", "dragon", "monkey", "master", "shadow", "superman", "batman",
        "trustno", "whatever", "starwars", "computer", "internet", "administrator", "admin",
        "qwerty", "qwertyuiop", "qwertz", "qwertzuiop", "azerty", "azertyuiop", "asdfgh",
        "asdfghjkl", "zxcvbn", "zxcvbnm", "yxcvbnm", "qazwsx", "qazwsxedc", "abcdef",
        "abcdefghijkl", "correcthorsebatterystaple", "spring", "summer", "autumn", "winter",
        "secret", "geheim", "privacy", "datenschutz", "kept", "test", "user", "login",
    )
)  # fmt: skip
_ROWS: Final = ("01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz")
#: Figures and signs around a common word that do not make it another one.
_TRIMMINGS: Final = 8
#: Signs that stand in for letters.
_LEET: Final = str.maketrans("013457@$!", "oleastasi")


def problem(password: str, own: Iterable[str]) -> str | None:
    """What is wrong with a password, in words; None where nothing is.

    `own` are names that an attacker knows: the organisation's, the person's own.
    """
    if len(password) < SHORTEST:
        return f"it is shorter than {SHORTEST} signs"
    if len(password) > LONGEST:
        return f"it is longer than {LONGEST} signs"
    low = password.casefold()
    if len(set(low)) < 5:
        return "it is made of too few different signs"
    if any(low in row * 3 or low in (row * 3)[::-1] for row in _ROWS):
        return "it is a row that is tried first"
    words = {_letters(word) for name in own for word in (name, *name.split())}
    known = _COMMON | {word for word in words if len(word) > 2}
    core = low.strip(string.digits + string.punctuation + " ")
    for spelt in (_letters(low), _letters(core.translate(_LEET))):
        if spelt and len(low) - len(spelt) <= _TRIMMINGS and _made_of(spelt, known):
            return "it is a word that is tried first, or a name that others know"
    return None


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalpha())


def _made_of(text: str, words: Iterable[str]) -> bool:
    """Whether `text` is nothing but such words, one after another."""
    ends = {0}
    for at in range(len(text)):
        if at in ends:
            ends |= {at + len(word) for word in words if text.startswith(word, at)}
    return len(text) in ends
