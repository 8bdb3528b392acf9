"""What may be the same as an identifier and is not by any rule: for a human to look at.

Plus-tags are the same mailbox with many providers and another one by RFC 5321, which leaves the
local part to the receiver. A number written without its country is somebody else's in the next
one. `0042` and `42` are one key here and two there. None of these is ever merged by itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

import phonenumbers

from kept.terms.identifiers import Identifier, fold, spellings

#: Reason of a doubtful match → what people are told of it.
REASONS: Final[dict[str, str]] = {
    "namesake": "carry the same name",
    "shared": "carry an address or number that others use as well",
    "unproven": "carry an address or number of hers that nobody has proven to be hers",
    "plus-tag": "carry her address with or without a tag after +",
    "national": "carry her telephone number without its country, or with more beside it",
    "typed-key": "carry her number written with other zeros",
    "same-machine": "carry an IP address or a device of hers, and nothing else that says whose",
}
#: Of these what stands in the pair is said by her own rows as well.
OF_HER_ROWS: Final = ("unproven", "shared", "same-machine")
#: Digits up to which a key is looked for with zeros before it.
_WIDEST: Final = 12


def variants(one: Identifier) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(reason, folded texts) under which a store may hold what may be the same."""
    if one.kind == "email":
        local, _, domain = one.normalised.rpartition("@")
        if "+" in local[1:]:
            base = Identifier("email", f"{local[: local.index('+', 1)]}@{domain}")
            yield "plus-tag", spellings(base)
    elif one.kind == "phone":
        yield "national", national(one)
    elif one.kind == "account":
        value = one.normalised
        if value.isascii() and value.isdecimal():
            bare = value.lstrip("0") or "0"
            padded = (bare.zfill(width) for width in range(len(bare), _WIDEST + 1))
            yield "typed-key", tuple(text for text in padded if text != value)


def tagged(one: Identifier, other: Identifier) -> bool:
    """Whether two addresses differ by a tag after + only; equal ones do not differ."""
    if one.kind != "email" or other.kind != "email" or one.normalised == other.normalised:
        return False
    return untagged(one) == untagged(other)


def national(one: Identifier) -> tuple[str, ...]:
    """The folded spellings of a telephone number inside its own country."""
    number = phonenumbers.parse(one.normalised)
    said = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    digits = "".join(c for c in said if c.isdecimal())
    plain = " ".join("".join(c if c.isdecimal() else " " for c in said).split())
    return tuple(dict.fromkeys(fold(text) for text in (said, digits, plain)))


def same_name(text: str) -> tuple[str, ...]:
    """The words of a name in the form in which two names are the same: no case, any order,
    accents as one sign.
    """
    return tuple(sorted(unicodedata.normalize("NFC", text).casefold().split()))


def untagged(one: Identifier) -> str:
    """An address without the tag after +."""
    local, _, domain = one.normalised.rpartition("@")
    head, mark, _ = local[1:].partition("+")
    return f"{local[:1]}{head if mark else local[1:]}@{domain}"
