"""What a visitor chose, and the cookie that remembers it.

The cookie says what was chosen and on which day, nothing of who chose: the seal of the house on
it is the proof that it was given here, and needs no number by which a browser could be known
again. It is read from the hands of strangers, so:

- what was allowed counts only under the seal, for what it was about (`edition`), and for
  180 days;
- what was refused counts without it: nobody gains by forging a no, and a no outlives keys,
  editions and days;
- anything else is no choice at all.
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

#: For how many days something allowed counts, and a browser keeps the cookie.
DAYS: Final = 180
#: After so many days a no alone is set anew, by whoever answers for the pages; one that stands
#: beside a yes so many days before its end.
_AGAIN: Final = 30
_NAME: Final = "kept-choices"
_LONGEST: Final = 2048
_ID: Final = r"[a-z0-9]+(?:[.-][a-z0-9]+)*"
_MARKS: Final = rf"(?:[+!]{_ID})*"
_VALUE: Final = re.compile(
    rf"1~([1-9][0-9]{{0,5}})~([0-9a-f]{{8}})~({_MARKS})~({_MARKS})(?:~([A-Za-z0-9_-]{{22}}))?",
    re.ASCII,
)
_MARK: Final = re.compile(rf"([+!])({_ID})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Choices:
    """What somebody chose in one browser: aim → allowed or not, and the same by tracker.

    What is in neither was not chosen. `on` is the day of the choice, `edition` what it was
    about (`Bundle.edition`).
    """

    on: dt.date
    edition: str
    aims: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    trackers: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))


def name(secure: bool) -> str:
    """What the cookie is called. Over https no other host and no plain page can plant it."""
    return f"__Host-{_NAME}" if secure else _NAME


def encode(choices: Choices, key: bytes) -> str:
    """The value of the cookie."""
    said = (choices.aims, choices.trackers)
    day = (choices.on - dt.date(1970, 1, 1)).days
    body = f"1~{day}~{choices.edition}~" + "~".join(map(_marks, said))
    return f"{body}~{_seal(body, key)}"


def decode(value: str | None, key: bytes, *, edition: str, today: dt.date) -> Choices | None:
    """What a value says that counts today, or None: no choice was made, or none is readable.

    `edition` is the one of now. Whatever the value is, nothing is raised.
    """
    met = _VALUE.fullmatch(value) if value and len(value) <= _LONGEST else None
    if value is None or met is None:
        return None
    day, about, aims, trackers, seal = met.groups()
    age = (today - dt.date(1970, 1, 1)).days - int(day)
    body = value.removesuffix(f"~{seal}") if seal else value
    genuine = seal is not None and hmac.compare_digest(seal, _seal(body, key))
    if genuine and age < -1:  # a day of grace for the time zones of two machines
        genuine = False
    counts = genuine and age <= DAYS and about == edition
    said = [
        {about: mark == "+" for mark, about in _MARK.findall(part) if mark == "!" or counts}
        for part in (aims, trackers)
    ]
    # A name with both marks is refused.
    for part, found in zip((aims, trackers), said, strict=True):
        found.update(dict.fromkeys((n for m, n in _MARK.findall(part) if m == "!"), False))
    if not any(said):
        return None
    on = dt.date(1970, 1, 1) + dt.timedelta(days=int(day)) if genuine else today
    return Choices(on, about, MappingProxyType(said[0]), MappingProxyType(said[1]))


def found(cookies: Iterable[str], secure: bool) -> str | None:
    """The value in the `Cookie` headers of a request.

    Of several that differ, what any of them refuses: a script can set another one beside hers
    (of a longer path, or partitioned), and that must not lift a no.
    """
    values = _values(cookies, name(secure))
    if len(values) < 2:  # what is too long is no choice, and need not be held by whoever asks
        return next((value for value in values if len(value) <= _LONGEST), None)
    read = [met for value in values if len(value) <= _LONGEST and (met := _VALUE.fullmatch(value))]
    aims, trackers = (
        {about for met in read for mark, about in _MARK.findall(met[n]) if mark == "!"}
        for n in (3, 4)
    )
    if not aims and not trackers:
        return None
    day, edition = max((int(met[1]), met[2]) for met in read)
    return f"1~{day}~{edition}~" + "~".join(
        _marks(dict.fromkeys(n, False)) for n in (aims, trackers)
    )


def named(cookies: Iterable[str], wanted: str) -> str | None:
    """The value of the cookie of that name; None where there is none, or two that differ."""
    values = _values(cookies, wanted)
    return values.pop() if len(values) == 1 else None


def _values(cookies: Iterable[str], wanted: str) -> set[str]:
    values = set()
    for header in cookies:
        for pair in header.split(";"):
            key, equals, value = pair.strip(" \t").partition("=")
            if equals and key == wanted:
                values.add(value)
    return values


def renewed(value: str, today: dt.date) -> str | None:
    """The value to set anew, so that what was refused outlives the cookie; None while it lasts.

    Never a yes: it ends with its day. Where one stands beside a no, the no alone is set anew
    shortly before that, so that an answer that comes late brings back nothing taken back since.
    """
    met = _VALUE.fullmatch(value) if len(value) <= _LONGEST else None
    if met is None or "!" not in value:
        return None
    age = (today - dt.date(1970, 1, 1)).days - int(met[1])
    if "+" not in value:
        return value if age > _AGAIN else None
    if age <= DAYS - _AGAIN:
        return None
    said = ("".join(f"!{about}" for mark, about in _MARK.findall(met[n]) if mark == "!")
            for n in (3, 4))  # fmt: skip
    return f"1~{met[1]}~{met[2]}~" + "~".join(said)


def set_cookie(value: str, secure: bool) -> str:
    """The `Set-Cookie` header that keeps a value."""
    rest = "; Secure" if secure else ""
    return f"{name(secure)}={value}; Path=/; Max-Age={DAYS * 86400}; HttpOnly; SameSite=Lax{rest}"


def _marks(said: Mapping[str, bool]) -> str:
    return "".join(("+" if yes else "!") + about for about, yes in sorted(said.items()))


def _seal(body: str, key: bytes) -> str:
    mac = hmac.digest(key, body.encode("ascii"), "sha256")[:16]
    return base64.urlsafe_b64encode(mac).decode("ascii").rstrip("=")
