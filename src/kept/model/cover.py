"""What is somebody else's in a person's data is covered by what they are to her (GDPR Art. 15(4)).

In a text these are found: e-mail addresses (RFC 5321 and 6531, checked), telephone numbers (valid
ones, in the international form or as dialled in one of the regions given), and names of staff and
of others that are given, of at least two words, whole. What is hers is never covered, however it
is spelt. Pure.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import phonenumbers

from kept.errors import IdentifierError
from kept.terms.identifiers import normalise
from kept.terms.printed import BARE, KEYBOARD

#: What somebody is to her.
Role: TypeAlias = Literal["staff", "person"]
#: Role → what stands there instead.
ROLES: Final[Mapping[Role, str]] = {"staff": "a member of staff", "person": "another person"}
#: What a text says instead of something of theirs, beside the role.
_OF: Final[Mapping[str, str]] = {"email": "e-mail address", "phone": "telephone number"}

_LOCAL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~\-]+\Z")
_DOMAIN: Final = re.compile(r"[\w\-]+(?:\.[\w\-]+)+")
#: The longest local part and domain that are looked at, in characters (RFC 5321, 4.5.3.1).
_LOCAL_MOST, _DOMAIN_MOST = 64, 255
_DIGITS: Final = re.compile(rf"\d(?:[\s{re.escape(BARE)}]{{0,3}}\d){{6}}")
_LETTER: Final = r"(?:[^\W\d_]|[\u0300-\u036f])"
_WORD: Final = re.compile(rf"{_LETTER}+(?:['’\-]{_LETTER}+)*\.?")
_BETWEEN: Final = re.compile(r",?\s{1,3}\Z")

#: A place in a text: from, to, who stands there, and what to write instead.
Span: TypeAlias = tuple[int, int, Role, str]


@dataclass(frozen=True, slots=True)
class Cover:
    """Who she is and who the staff are. `hers`, `staff`: (kind, value) as `sign` writes them.

    `public` are addresses of the organisation itself, which are nobody's. `regions` (ISO 3166)
    are those in which a number without its country may have been dialled.
    """

    hers: frozenset[tuple[str, str]] = frozenset()
    staff: frozenset[tuple[str, str]] = frozenset()
    public: frozenset[tuple[str, str]] = frozenset()
    regions: tuple[str, ...] = ()
    _names: Mapping[str, Mapping[tuple[str, ...], Role]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        hers: Iterable[tuple[str, str]],
        staff: Iterable[tuple[str, str]] = (),
        public: Iterable[str] = (),
        regions: Sequence[str] = (),
        people: Iterable[tuple[str, str]] = (),
    ) -> Cover:
        """From (kind, value) as they were found; what is not of its kind is left out. `people`
        are others who are known.
        """
        places = tuple(dict.fromkeys(r for r in regions if r))
        names: dict[str, dict[tuple[str, ...], Role]] = {}
        known = set(signs(hers, places))
        theirs = set(signs(staff, places))
        others: set[tuple[str, str]] = set(signs(people, places)) - theirs
        roles: tuple[tuple[set[tuple[str, str]], Role], ...] = (theirs, "staff"), (others, "person")
        for those, role in roles:
            for kind, value in those - known:
                words = tuple(value.split()) if kind == "name" else ()
                # A single word may be a month, a colour, a verb; who is meant nobody can tell.
                if len(words) > 1:
                    for form in (words, (words[-1], *words[:-1])):
                        names.setdefault(form[0], {}).setdefault(form, role)
        return cls(
            frozenset(known), frozenset(theirs), frozenset(signs(("email", p) for p in public)),
            places, names,
        )  # fmt: skip

    def is_hers(self, kind: str | None, value: str) -> bool:
        """Whether a value names her; of a value of no known kind: as a name or an address."""
        kinds = (kind,) if kind else ("name", "email")
        return any(one in self.hers for k in kinds for one in signs(((k, value),), self.regions))

    def text(self, text: str) -> tuple[str, Counter[Role]]:
        """The text with others covered, and how many places that were, by role."""
        met: Counter[Role] = Counter()
        parts, at = [], 0
        for start, end, role, words in (taken := self.spans(text)):
            parts += [text[at:start], words]
            at = end
            met[role] += 1
        return "".join([*parts, text[at:]]) if taken else text, met

    def spans(self, text: str) -> list[Span]:
        """The places where somebody else is named, in order; none overlaps another."""
        taken: list[Span] = []
        there = bytearray(len(text))
        for span in (*self._addresses(text), *self._numbers(text), *self._named(text)):
            start, end, _, _ = span
            if not any(there[start:end]):
                there[start:end] = b"x" * (end - start)
                taken.append(span)
        return sorted(taken)

    def _role(self, one: tuple[str, str]) -> Role:
        return "staff" if one in self.staff else "person"

    def _addresses(self, text: str) -> Iterator[Span]:
        at = text.find("@")
        while at >= 0:
            local = _LOCAL.search(text[max(0, at - _LOCAL_MOST) : at])
            domain = _DOMAIN.match(text, at + 1, at + 1 + _DOMAIN_MOST)
            if local and domain:
                whole = local[0]
                # What stands around an address may be a sign that an address can begin with.
                bare = whole.lstrip("'`*/=~{|.!?#&")
                spellings = [f"{part}@{domain[0]}" for part in (whole, bare) if part]
                ones = [one for s in spellings if (one := sign("email", s)) is not None]
                if ones and not any(one in self.hers or one in self.public for one in ones):
                    role = self._role(ones[-1])
                    start = at - len(bare or whole)
                    yield start, domain.end(), role, f"[{ROLES[role]}'s {_OF['email']}]"
            at = text.find("@", at + 1)

    def _numbers(self, text: str) -> Iterator[Span]:
        if not _DIGITS.search(text):
            return
        spans: dict[tuple[int, int], set[tuple[str, str]]] = {}
        # The matcher ends a number at a thin blank: its last digits would stand uncovered, and of
        # her own number the rest would be taken for somebody else's.
        plain = text.translate(KEYBOARD)
        for region in self.regions or (None,):
            for match in phonenumbers.PhoneNumberMatcher(plain, region):
                number = phonenumbers.format_number(
                    match.number, phonenumbers.PhoneNumberFormat.E164
                )
                # A bracket around the whole number is not part of it.
                start = match.start + (match.raw_string[0] == "(" and ")" not in match.raw_string)
                spans.setdefault((start, match.end), set()).add(("phone", number))
        for (start, end), ones in spans.items():
            digits = re.sub(r"\D", "", text[start:end])
            # A number of hers that is no telephone number may look like one.
            if ones & self.hers or any(digits == value for _, value in self.hers):
                continue
            role: Role = "staff" if ones & self.staff else "person"
            yield start, end, role, f"[{ROLES[role]}'s {_OF['phone']}]"

    def _named(self, text: str) -> Iterator[Span]:
        if not self._names:
            return
        words = []
        for m in _WORD.finditer(text):
            word = _plain(m[0].rstrip(".")).casefold()
            # A full stop belongs to an initial; after a word it ends what was said.
            words.append((word, m.start(), m.end() - (m[0].endswith(".") and len(word) > 1)))
        for i, (word, start, _) in enumerate(words):
            for form, role in self._names.get(word, {}).items():
                run = words[i : i + len(form)]
                if tuple(w for w, _, _ in run) == form and all(
                    _BETWEEN.match(text[a[2] : b[1]]) for a, b in itertools.pairwise(run)
                ):
                    yield start, run[-1][2], role, f"[{ROLES[role]}]"
                    break


def sign(kind: str, value: str, region: str | None = None) -> tuple[str, str] | None:
    """(kind, the one spelling), names without case; None for what is not of its kind."""
    if kind == "name":
        words = _plain(" ".join(value.replace(".", " ").split()).casefold())
        return ("name", words) if words else None
    return _strict(kind, value.strip(), region)


@lru_cache(maxsize=4096)
def _strict(kind: str, value: str, region: str | None) -> tuple[str, str] | None:
    try:
        return kind, normalise(kind, value, region=region)
    except IdentifierError:
        return None


def signs(
    values: Iterable[tuple[str, str]], regions: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Every form in which these may be met: a number written without a country, in each region."""
    for kind, value in values:
        for region in (None, *regions) if kind == "phone" else (None,):
            if (one := sign(kind, value, region)) is not None:
                yield one


def _plain(word: str) -> str:
    return unicodedata.normalize("NFC", word)
