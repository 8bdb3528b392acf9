"""Identifiers: what names a person, in the form in which two spellings are the same.

No message of this module repeats a value; `repr` hides it too.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import ipaddress
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from kept.errors import IdentifierError
from kept.terms.printed import KEYBOARD

#: Kinds of identifiers → what people call them.
KINDS: Final[dict[str, str]] = {
    "email": "e-mail address",
    "phone": "telephone number",
    "account": "account number",
    "cookie": "cookie or visitor id",
    "ip": "IP address",
    "name": "name",
    "device": "device id",
}

#: The longest value that is looked at, in characters.
LONGEST: Final = 512

#: An address that needs no library: ASCII letters, digits and a few marks, single dots between
#: them, no label that could be one of IDNA (`xn--`). Every one is valid, and its one spelling is
#: that in small letters.
_PLAIN: Final = re.compile(
    "[a-z0-9_+-]+(?:[.][a-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*[.])*[a-z0-9]+(?:-[a-z0-9]+)*",
    re.ASCII | re.IGNORECASE,
).fullmatch
#: So long it may be, in characters: what any part of an address may have (RFC 5321).
_SHORT: Final = 63

#: So many letters beyond A to Z are looked for in every mixture of cases (2 to this power).
CASES: Final = 5


@dataclass(frozen=True, slots=True, repr=False)
class Identifier:
    """A kind and a value as given. Equal spellings compare by `normalised`, not by `==`."""

    kind: str
    value: str
    #: `normalised`, once it was worked out: of thousands of people it is asked many times.
    _one: str | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        _known(self.kind)

    def __repr__(self) -> str:
        return f"Identifier({self.kind!r}, …)"

    @property
    def normalised(self) -> str:
        """`normalise` of the value; raises IdentifierError where it is not of its kind."""
        if self._one is None:
            object.__setattr__(self, "_one", normalise(self.kind, self.value))
        assert self._one is not None
        return self._one


def parse(text: str, *, region: str | None = None) -> Identifier:
    """`email=ana@x.de` → Identifier, its value checked.

    `region` (ISO 3166 alpha-2) reads telephone numbers written without a country.
    """
    kind, mark, value = text.partition("=")
    kind = fold(kind)
    if not mark:
        raise IdentifierError(
            "an identifier has no kind",
            expected=f"KIND=VALUE, the kind one of {', '.join(KINDS)}",
            fix="write for example email=name@example.org",
        )
    one = normalise(kind, value, region=region)
    # A number read with the help of a region must not need it again.
    made = Identifier(kind, one if kind == "phone" and region else value.strip())
    object.__setattr__(made, "_one", one)
    return made


def normalise(kind: str, value: str, *, region: str | None = None) -> str:
    """The one spelling of a value.

    E-mail: syntax checked (RFC 5321, 5322, 6531; no look-up), the domain lower-case and in
    ASCII (IDNA 2008), the local part lower-case as far as a letter has one capital and one small
    form: servers may tell `Ana` from `ana`, people do not, and missing a person is the worse
    mistake; `ı`, `ß` and `ſ` are no forms of i, ss and s. Telephone: E.164; 00 is a +. IP
    address: its shortest form (RFC 5952). Names, accounts, cookies, devices: NFC, runs of blanks
    to one space, trimmed; case stays.

    Raises IdentifierError, without the value, where it is not of its kind.
    """
    _known(kind)
    if kind == "email" and _PLAIN(value) and len(value) <= _SHORT:
        return value.lower()
    text = unicodedata.normalize("NFC", value).strip()
    # K of a unit (U+212A) and its like become A to Z: another sign, another address.
    if kind != "name" and any(
        not c.isascii() and unicodedata.normalize("NFC", c).isascii() for c in value
    ):
        raise IdentifierError(
            "the value holds signs that only look like letters or marks of ASCII",
            expected="the letters and marks of a keyboard",
            fix="type it by hand instead of copying it",
        )
    # Names may need them to join letters; elsewhere they only hide that two spellings differ.
    if kind != "name" and any(unicodedata.category(c) == "Cf" for c in text):
        raise IdentifierError(
            "the value holds characters that cannot be seen",
            expected="only characters that can be seen",
            fix="type it by hand instead of copying it",
        )
    if (
        not text
        or len(text) > LONGEST
        or any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
    ):
        raise IdentifierError(
            f"this is not {'an' if KINDS[kind][0] in 'aeiouI' else 'a'} {KINDS[kind]}",
            expected=f"1 to {LONGEST} characters, no control characters",
        )
    if kind == "email":
        return _email(text)
    if kind == "phone":
        return _phone(text, region)
    if kind == "ip":
        try:
            return ipaddress.ip_address(text).compressed
        except ValueError:
            raise IdentifierError(
                "this is not an IP address", expected="IPv4 or IPv6, without a port"
            ) from None
    return " ".join(text.split())


def spellings(identifier: Identifier) -> tuple[str, ...]:
    """The folded spellings under which a store may hold the value, the likeliest first.

    Stores compare after `fold`, which knows only the letters A to Z; so what folding does not
    bring together is asked for by name: an e-mail's domain in ASCII and in its own letters,
    other letters as given and in lower case, a telephone number with and without its signs.
    """
    given = unicodedata.normalize("NFC", " ".join(identifier.value.split()))
    one = identifier.normalised
    found = dict.fromkeys((fold(given), fold(one)))
    if identifier.kind == "email":
        local, _, domain = one.rpartition("@")
        found[fold(f"{local}@{_own_letters(domain)}")] = None
    elif identifier.kind == "phone":
        # The national form is left out: without a country it is somebody else's number too.
        digits = one.removeprefix("+")
        international = phonenumbers.format_number(
            phonenumbers.parse(one), phonenumbers.PhoneNumberFormat.INTERNATIONAL
        )
        found.update(dict.fromkeys((digits, "00" + digits, fold(international))))
    if identifier.kind in ("email", "name"):
        for text in tuple(found):
            found.update(dict.fromkeys(map(fold, _cases(text, identifier.kind))))
    # Stores written on other machines hold accents as separate signs (NFD).
    for text in tuple(found):
        found[fold(unicodedata.normalize("NFD", text))] = None
    return tuple(found)


def written(identifier: Identifier) -> tuple[str, ...]:
    """The spellings by which bytes are searched that are compared with A to Z in either case.

    Fewer than `spellings`, since each costs a look at all bytes: other letters as given, all
    small, all capital or capitals first; an e-mail's domain in ASCII and in its own letters.
    """
    found = {identifier.value: None}
    with contextlib.suppress(IdentifierError):
        found[identifier.normalised] = None
        if identifier.kind == "phone":
            found.update(dict.fromkeys(spellings(identifier)))
    if identifier.kind == "email":
        local, _, domain = identifier.value.rpartition("@")
        with contextlib.suppress(EmailNotValidError):
            for one in _checked(f"a@{domain}")[1:]:
                found[f"{local}@{one}"] = None
    made: dict[str, None] = {}
    for text in found:
        whole = unicodedata.normalize("NFC", text)
        for cased in (text, whole, *_cases(whole, identifier.kind, 0)):
            for form in (cased, unicodedata.normalize("NFD", cased)):
                made[fold(form)] = None
    return tuple(made)


def home_digits(number: Identifier) -> str:
    """The digits of a telephone number without its country, which every spelling of it holds."""
    return phonenumbers.national_significant_number(phonenumbers.parse(number.normalised))


def whole_number(text: str) -> str | None:
    """E.164 of a text that is a telephone number with its country, however it is grouped.

    Of one without (030 123456), or without + or 00 before it, None: that is somebody else's number
    in the next country.
    """
    said = " ".join(text.translate(KEYBOARD).split())
    if said[:4].lower() == "tel:":
        said = said[4:]
    said = said.lstrip("( ")
    if not said.startswith(("+", "00")):
        return None
    try:
        return normalise("phone", said)
    except IdentifierError:
        return None


def keyed_hash(key: bytes, identifier: Identifier) -> bytes:
    """HMAC-SHA-256 (32 bytes) over kind, a zero byte and the normalised value.

    Equal spellings give equal hashes; without the key nobody can try values.
    """
    message = f"{identifier.kind}\x00{identifier.normalised}".encode()
    return hmac.new(key, message, hashlib.sha256).digest()


_LOWER: Final = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


def fold(text: str) -> str:
    """As stores fold (`kept.model.values.fold`, to which words may not reach up)."""
    return text.strip(" \t\r\n\f\v").translate(_LOWER)


def _cases(text: str, kind: str, most: int = CASES) -> Iterator[str]:
    """The text with its letters beyond A to Z in every mixture of cases, which no store folds.

    Where these are more than `most` letters, only all small, all capital and capitals first.
    """
    forms = [_forms(c, kind) for c in text]
    if all(small == capital for small, capital in forms):
        return
    if sum(small != capital for small, capital in forms) > most:
        first = (i == 0 or not text[i - 1].isalpha() for i in range(len(text)))
        yield "".join(small for small, _ in forms)
        yield "".join(capital for _, capital in forms)
        yield "".join(one[begins] for one, begins in zip(forms, first, strict=True))
        return
    for mixture in itertools.product(*(dict.fromkeys(one) for one in forms)):
        yield "".join(mixture)


def _forms(letter: str, kind: str) -> tuple[str, str]:
    """A letter small and capital; an address, which is a secret of one person, only by pairs.

    `ı`, `ſ` and `ß` become I, S and SS in capitals, and these other letters in small ones again:
    whoever holds the one address must not be given what belongs to the other. Names are never
    enough alone, so there the wider reading misses nobody.
    """
    if letter.isascii():
        return letter, letter
    small, capital = letter.lower(), letter.upper()
    if kind == "name":
        return small, capital
    return (
        small if len(small) == 1 and small.upper() == letter else letter,
        capital if len(capital) == 1 and capital.lower() == letter else letter,
    )


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise IdentifierError("the kind of identifier is unknown", expected=", ".join(KINDS))


def _checked(text: str) -> tuple[str, str, str]:
    """Local part, domain in its own letters, domain in ASCII; raises EmailNotValidError."""
    # The library refuses reserved domains (localhost, .invalid, .local). No mail may reach
    # them, but a company's database may hold a person under one: a suffix hides the last label.
    suffix = ".com"
    met = validate_email(text + suffix, check_deliverability=False, allow_quoted_local=True)
    domain = met.domain.removesuffix(suffix)
    return met.local_part, domain, (met.ascii_domain or met.domain).removesuffix(suffix)


@functools.lru_cache(1024)
def _own_letters(domain: str) -> str:
    """A domain in its own letters; many people share one."""
    return _checked(f"a@{domain}")[1]


def _email(text: str) -> str:
    try:
        local, _, domain = _checked(text)
    except EmailNotValidError:
        raise IdentifierError(
            "this is not an e-mail address",
            expected="one address such as name@example.org, without a display name",
        ) from None
    small = "".join(_forms(c, "email")[0] for c in local)
    return f"{fold(small)}@{domain.lower()}"


def _phone(text: str, region: str | None) -> str:
    text = text.translate(KEYBOARD)
    if region is None and text.startswith("00"):
        text = f"+{text[2:]}"
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise IdentifierError(
            "this is not a telephone number",
            expected="the international form, such as +49 30 123456",
            fix="begin with + and the country, or name the country",
        )
    if number.extension:
        raise IdentifierError(
            "this is a telephone number with an extension",
            expected="the number alone; an extension would be left out of the search",
            fix="leave the extension out if the whole number is meant",
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
