"""The Global Privacy Platform string for the United States: what a visitor opted out of.

A header names the sections; each is bits in base64url: a core of small numbers, and in most a
second part that says whether Global Privacy Control was heard. In every field 0 is "does not
apply", 1 yes, 2 no. Layouts are those of the IAB's specification; tests hold this codec against
its reference implementation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kept.errors import UsageError

_P: Final = (
    "ProcessingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice SaleOptOut"
    " TargetedAdvertisingOptOut"
)
_S: Final = _P.replace("Processing", "Sharing", 1)
_M: Final = "MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode"
_ADDED: Final = "AdditionalDataProcessingConsent"
_SENSE: Final = "SensitiveDataProcessing"
_CHILD: Final = "KnownChildSensitiveDataConsents"
_NEW: Final = f"MspaCoveredTransaction MspaMode {_P}"


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its number, version, fields as (name, how many numbers of two bits), and whether
    a second part tells of Global Privacy Control.
    """

    number: int
    version: int
    fields: tuple[tuple[str, int], ...]
    gpc: bool


def _section(number: int, layout: str, *, version: int = 1, gpc: bool = True) -> Section:
    fields = []
    for word in layout.split():
        name, _, count = word.partition(":")
        fields.append((name, int(count or 1)))
    return Section(number, version, tuple(fields), gpc)


#: Name → section. `usnat` is for the whole country, the others for a state.
SECTIONS: Final[Mapping[str, Section]] = {
    "usnat": _section(7, "SharingNotice SaleOptOutNotice SharingOptOutNotice"
        " TargetedAdvertisingOptOutNotice SensitiveDataProcessingOptOutNotice"
        " SensitiveDataLimitUseNotice SaleOptOut SharingOptOut TargetedAdvertisingOptOut"
        f" {_SENSE}:16 {_CHILD}:3 PersonalDataConsents {_M}", version=2),
    "usca": _section(8, "SaleOptOutNotice SharingOptOutNotice SensitiveDataLimitUseNotice"
        f" SaleOptOut SharingOptOut {_SENSE}:9 {_CHILD}:2 PersonalDataConsents {_M}"),
    "usva": _section(9, f"{_S} {_SENSE}:8 {_CHILD} {_M}", gpc=False),
    "usco": _section(10, f"{_S} {_SENSE}:7 {_CHILD} {_M}"),
    "usut": _section(11, "SharingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice"
        " SensitiveDataProcessingOptOutNotice SaleOptOut TargetedAdvertisingOptOut"
        f" {_SENSE}:8 {_CHILD} {_M}", gpc=False),
    "usct": _section(12, f"{_S} {_SENSE}:8 {_CHILD}:3 {_M}"),
    "usfl": _section(13, f"{_P} {_SENSE}:8 {_CHILD}:3 {_ADDED} {_M}", gpc=False),
    "usmt": _section(14, f"{_S} {_SENSE}:8 {_CHILD}:3 {_ADDED} {_M}"),
    "usor": _section(15, f"{_P} {_SENSE}:11 {_CHILD}:3 {_ADDED} {_M}"),
    "ustx": _section(16, f"{_P} {_SENSE}:8 {_CHILD} {_ADDED} {_M}"),
    "usde": _section(17, f"{_P} {_SENSE}:9 {_CHILD}:5 {_ADDED} {_M}"),
    "usia": _section(18, "ProcessingNotice SaleOptOutNotice TargetedAdvertisingOptOutNotice"
        " SensitiveDataOptOutNotice SaleOptOut TargetedAdvertisingOptOut"
        f" {_SENSE}:8 {_CHILD} {_M}"),
    "usne": _section(19, f"{_P} {_SENSE}:8 {_CHILD} {_ADDED} {_M}"),
    "usnh": _section(20, f"{_P} {_SENSE}:8 {_CHILD}:3 {_ADDED} {_M}"),
    "usnj": _section(21, f"{_P} {_SENSE}:10 {_CHILD}:5 {_ADDED} {_M}"),
    "ustn": _section(22, f"{_P} {_SENSE}:8 {_CHILD} {_ADDED} {_M}"),
    "usmn": _section(23, f"{_P} {_SENSE}:8 {_CHILD} {_ADDED} {_M}"),
    "usmd": _section(24, f"{_NEW} {_ADDED}"),
    "usin": _section(25, f"{_NEW} {_CHILD} {_ADDED}", gpc=False),
    "usky": _section(26, f"{_NEW} {_CHILD} {_ADDED}", gpc=False),
    "usri": _section(27, f"{_NEW} {_CHILD} {_ADDED}", gpc=False),
}  # fmt: skip
_BY_NUMBER: Final = {section.number: name for name, section in SECTIONS.items()}
_OPT_OUTS: Final = frozenset({"SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"})
_NOTICES: Final = frozenset(
    {
        "SharingNotice", "ProcessingNotice", "SaleOptOutNotice", "SharingOptOutNotice",
        "TargetedAdvertisingOptOutNotice",
    }
)  # fmt: skip
_LONGEST: Final = 4096

#: Section → field → its number, or numbers; `Gpc` is 1 where the signal was heard, else 0.
Said = Mapping[str, Mapping[str, int | tuple[int, ...]]]


def opted(out: bool, *, gpc: bool, state: str | None = None) -> str:
    """The string of somebody in the United States who opted out of sale, sharing and targeted
    advertisements, or did not; `state` is its two letters, where it is known.
    """
    names = ["usnat"]
    if state and f"us{state.lower()}" in SECTIONS:
        names.append(f"us{state.lower()}")
    said: dict[str, dict[str, int]] = {}
    for name in names:
        said[name] = {
            **{field: 1 for field, _ in SECTIONS[name].fields if field in _NOTICES},
            **{field: 1 if out else 2 for field, _ in SECTIONS[name].fields
               if field in _OPT_OUTS},
            # We are in no contract of the IAB's by which this would be covered.
            "MspaCoveredTransaction": 2,
        }  # fmt: skip
        if SECTIONS[name].gpc:
            said[name]["Gpc"] = int(gpc)
    return encode(said)


def encode(said: Said) -> str:
    """The string of these sections; a field that is left out does not apply (0)."""
    names = sorted(said, key=lambda name: SECTIONS[name].number)
    numbers = [SECTIONS[name].number for name in names]
    header = _bits(3, 6) + _bits(1, 6) + _bits(len(numbers), 12)
    before = 0
    for number in numbers:
        header += "0" + _fibonacci(number - before)
        before = number
    return "~".join([_text(header), *(_one(SECTIONS[name], said[name]) for name in names)])


def _one(section: Section, said: Mapping[str, int | tuple[int, ...]]) -> str:
    bits = _bits(section.version, 6)
    for name, count in section.fields:
        default = 1 if name == "MspaCoveredTransaction" else 0
        value = said.get(name, default if count == 1 else (0,) * count)
        numbers = (value,) if isinstance(value, int) else value
        if len(numbers) != count:
            raise UsageError(f"`{name}` holds another number of values", expected=str(count))
        bits += "".join(_bits(one, 2) for one in numbers)
    if not section.gpc:
        return _text(bits)
    return f"{_text(bits)}.{_text('01' + str(int(bool(said.get('Gpc', 0)))))}"


def decode(text: str) -> Said:
    """What a string says, by section. Raises UsageError where it is none, or has other sections."""
    try:
        return _decoded(text)
    except (ValueError, KeyError, IndexError, binascii.Error):
        raise UsageError(
            "this is no string of the Global Privacy Platform with sections of the United States",
            expected="a header and its sections, joined by ~",
        ) from None


def _decoded(text: str) -> Said:
    if len(text) > _LONGEST:
        raise ValueError
    header, *rest = text.split("~")
    bits = _read(header)
    if (int(bits[:6], 2), int(bits[6:12], 2)) != (3, 1):
        raise ValueError
    numbers: list[int] = []
    at, before = 24, 0
    for _ in range(int(bits[12:24], 2)):
        ranged = bits[at] == "1"
        start, at = _unfibonacci(bits, at + 1)
        start += before
        end = start
        if ranged:
            more, at = _unfibonacci(bits, at)
            end = start + more
        if end > 100:
            raise ValueError
        numbers += range(start, end + 1)
        before = end
    if len(numbers) != len(rest):
        raise ValueError
    return {
        _BY_NUMBER[number]: _unpacked(SECTIONS[_BY_NUMBER[number]], part)
        for number, part in zip(numbers, rest, strict=True)
    }


def _unpacked(section: Section, text: str) -> dict[str, int | tuple[int, ...]]:
    core, *more = text.split(".")
    bits = _read(core)
    if int(bits[:6], 2) != section.version:
        raise ValueError
    said: dict[str, int | tuple[int, ...]] = {}
    at = 6
    for name, count in section.fields:
        numbers = tuple(int(bits[at + 2 * n : at + 2 * n + 2], 2) for n in range(count))
        at += 2 * count
        said[name] = numbers[0] if count == 1 else numbers
    if at > len(bits):
        raise ValueError
    if section.gpc:
        parts = [_read(one) for one in more]
        said["Gpc"] = int(any(part[:2] == "01" and part[2] == "1" for part in parts))
    return said


def _bits(number: int, width: int) -> str:
    if not 0 <= number < 1 << width:
        raise UsageError("a number does not fit into its field", expected=f"{width} bits")
    return format(number, f"0{width}b")


def _fibonacci(number: int) -> str:
    """Fibonacci coding: a sum of distinct Fibonacci numbers, least first, ended by a second 1."""
    numbers = [1, 2]
    while numbers[-1] <= number:
        numbers.append(numbers[-1] + numbers[-2])
    marks = ["0"] * len(numbers)
    highest = 0
    for n in range(len(numbers) - 1, -1, -1):
        if numbers[n] <= number:
            number -= numbers[n]
            marks[n] = "1"
            highest = max(highest, n)
    return "".join(marks[: highest + 1]) + "1"


def _unfibonacci(bits: str, at: int) -> tuple[int, int]:
    end = bits.index("11", at)
    total, one, two = 0, 1, 2
    for mark in bits[at : end + 1]:
        total += one if mark == "1" else 0
        one, two = two, one + two
    return total, end + 2


def _text(bits: str) -> str:
    """Bits, filled up to whole bytes, in base64url without padding."""
    whole = bits + "0" * (-len(bits) % 8)
    data = int(whole, 2).to_bytes(len(whole) // 8, "big")
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _read(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text, re.ASCII):
        raise ValueError
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return "".join(format(alphabet.index(letter), "06b") for letter in text)
