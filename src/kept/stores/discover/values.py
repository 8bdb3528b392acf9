"""What the values of a column look like: counts of shapes, never the values.

A sample goes in, a `Look` comes out: how many of the values are e-mail addresses, telephone
numbers, checksummed numbers, addresses of machines, places, prose. The sample is dropped.
"""

from __future__ import annotations

import datetime as dt
import importlib
import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeVar

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from kept.model.values import Type
from kept.stores.discover.names import listed
from kept.terms.printed import BLANKS, DASHES, KEYBOARD

_T = TypeVar("_T")

#: Characters of a value that are looked at, and values a column.
LONGEST: Final = 400
VALUES: Final = 200
#: Telephone numbers and checksums are tried on fewer: they are slow.
_SLOW: Final = 40

_EMAIL: Final = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>]{1,190}\Z")
_PHONE: Final = re.compile(rf"[+(0-9][0-9 ()./\-{BLANKS}{DASHES}]{{5,22}}[0-9]\Z")
#: Addresses and numbers with their country inside of texts, with or without blanks around them.
_MAIL_IN: Final = re.compile(r"[\w.+\-%]@[\w\-]+\.\w")
_CALL_IN: Final = re.compile(rf"(?<![\w+])(?:\+|00)[1-9][0-9 ()./\-{BLANKS}{DASHES}]{{6,22}}[0-9]")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\Z")
_HASH: Final = re.compile(r"(\$(2[aby]?|argon2|pbkdf2|scrypt|5|6)|pbkdf2_|sha1\$|bcrypt|argon2)\S+")
_AGENT: Final = re.compile(r"(Mozilla|Opera|Dalvik|curl|okhttp|PostmanRuntime)/\d|\(compatible;")
_URL: Final = re.compile(r"https?://\S+\Z", re.I)
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[ ]?([A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{1,4}\Z")
_DIGITS: Final = re.compile(r"[\d \-]{12,23}\Z")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-=+/.:]{16,}\Z")
_POST: Final = re.compile(
    r"(\d{4,5}(-\d{3,4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d"
    r"|\d{4} ?[A-Z]{2}|[A-Z]{1,2}-\d{4,5}|\d{3} \d{2})\Z"
)
_STREET: Final = re.compile(r"(\d+[a-zA-Z]?[ ,].*[A-Za-z]{3}|[A-Za-z].*[a-zß.é] \d+[a-zA-Z]?\Z)")
#: A house and its street in letters of any country, the number behind or before it.
_HOUSE: Final = re.compile(
    r"(?:[^\W\d_][^\d@]{2,40}[ .:/]\d{1,4} ?[^\W\d_]?(?:[ /\-]+\d{1,4})?[.]?"
    r"|\d{1,4}[^\W\d_]?(?:[/\-]\d{1,4})?,? [^\W\d_][^\d@]{2,40})\Z"
)
_NAME: Final = re.compile(r"[^\W\d_][^\W\d_'’.\-]*(?:[ '’.\-]+[^\W\d_][^\W\d_'’.\-]*){0,4}\Z")
_COORDINATE: Final = re.compile(r"-?\d{1,3}\.\d{3,}\s*,\s*-?\d{1,3}\.\d{3,}\Z")
_STEP: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,40}\Z")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")

_COUNTRIES: Final = listed("""
    germany deutschland allemagne alemania germania alemanha duitsland niemcy
    france frankreich francia frankrijk francja spain spanien espagne espana spagna espanha spanje
    italy italien italie italia wlochy portugal portogallo netherlands niederlande pays-bas
    nederland holandia paises-bajos poland polen pologne polonia polska austria oesterreich
    osterreich autriche oostenrijk switzerland schweiz suisse svizzera suiza suica zwitserland
    belgium belgien belgique belgica belgie belgio belgia sweden norway denmark finland iceland
    ireland usa canada mexico brazil brasil argentina chile colombia peru india china japan
    australia russia ukraine turkey greece hungary romania bulgaria croatia serbia slovakia
    slovenia luxembourg israel egypt morocco nigeria kenya indonesia vietnam thailand malaysia
    singapore philippines pakistan bangladesh england scotland wales united-kingdom
    united-states united-states-of-america czech-republic czechia south-africa new-zealand
    """)
_CODES: Final = listed("""
    AT AU BE BG BR CA CH CL CN CO CY CZ DE DK EE ES FI FR GB GR HR HU IE IL IN IS IT JP KR LT LU
    LV MT MX NL NO NZ PL PT RO RS RU SE SG SI SK TR UA UK US ZA
    """)


@dataclass(slots=True)
class Look:
    """Counts over a sample of one column; `seen` values that are not null, of `rows`.

    `shapes` counts how many of the `tried` values are of a kind. `words` and `length` are means.
    """

    rows: int = 0
    seen: int = 0
    distinct: int = 0
    tried: int = 0
    shapes: dict[str, int] = field(default_factory=dict)
    words: float = 0.0
    length: float = 0.0
    variety: float = 0.0
    vocabulary: int = 0
    entropy: float = 0.0
    paths: dict[tuple[str, ...], dict[str, int]] = field(default_factory=dict)

    def share(self, shape: str) -> float:
        """The part of the values tried that have the shape, 0 to 1."""
        return self.shapes.get(shape, 0) / self.tried if self.tried else 0.0

    @property
    def unique(self) -> bool:
        """Whether no value of the sample came twice."""
        return self.seen > 0 and self.distinct == self.seen

    @property
    def prose(self) -> bool:
        """Whether sentences stand here: several words, many different ones."""
        many = self.variety >= 0.35 or self.vocabulary >= 25
        return self.tried >= 3 and self.words >= 4 and many and self.distinct > self.seen / 3

    @property
    def opaque(self) -> bool:
        """Whether the values look drawn at random: tokens, cookies, hashes."""
        return self.share("token") > 0.9 and self.entropy >= 3.2 and self.distinct > self.seen / 2


@lru_cache(maxsize=4096)
def email(text: str) -> bool:
    """An e-mail address by its syntax alone; nothing is looked up."""
    if not _EMAIL.match(text):
        return False
    local, _, domain = text.rpartition("@")
    try:
        validate_email(f"{local}@{domain}.com", check_deliverability=False)
    except EmailNotValidError:
        return False
    return "." in domain or domain == "localhost"


def phone(text: str) -> bool:
    """A telephone number: of its country where one is written, else possible in some."""
    text = text.translate(KEYBOARD)  # blanks of printers end a number for the library
    text = text[4:] if text[:4].lower() == "tel:" else text
    if not _PHONE.match(text) or _DATE_LIKE.match(text):
        return False
    regions = (None,) if text.startswith("+") else ("US", "DE", "FR", "GB", "ES", "IT", "PL")
    for region in regions:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number) or (
            region is None and phonenumbers.is_possible_number(number)
        ):
            return True
    return False


#: What is written like a number to dial and is none: years, books, numbers padded with zeros,
#: one point or one dash between two numbers.
_COUNTED: Final = re.compile(r"(19|20)\d\d[-/. ]|97[89]|000|\d+[.]\d+\Z|\d{1,3}[- ]\d{1,3}\Z")


def dialled(text: str) -> bool:
    """What may be a telephone number of some country by its digits and length (ITU-T E.164: at
    most 15), as it is dialled at home: with a zero, a bracket or a plus first, or in groups.
    """
    text = text.translate(KEYBOARD)
    if not _PHONE.match(text) or _DATE_LIKE.match(text) or _COUNTED.match(text):
        return False
    digits = [c for c in text if c.isdigit()]
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2 and (
        text[0] in "+(0" or len(text) > len(digits)
    )  # fmt: skip


_DATE_LIKE: Final = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}\Z")


def ip(text: str) -> bool:
    """An IP address or a network, version 4 or 6."""
    if "." not in text and text.count(":") < 2:
        return False
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def iban(text: str) -> bool:
    """An IBAN whose check digits are right (ISO 13616, ISO 7064 mod 97-10)."""
    if not _IBAN.match(text):
        return False
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def card(text: str) -> bool:
    """A payment card by length and check digit (ISO/IEC 7812)."""
    if not _DIGITS.match(text):
        return False
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) < 3:
        return False
    total = sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits[::-1]))
    return total % 10 == 0


def country(text: str) -> bool:
    """A country by name (eight languages) or by its two letters."""
    return text in _CODES or "-".join(text.lower().split()) in _COUNTRIES


#: Numbers that states give to people; with the extra `discover` their check digits are tried.
_NATIONAL: Final = (
    ("stdnum.es", "dni"), ("stdnum.es", "nie"), ("stdnum.it", "codicefiscale"),
    ("stdnum.fr", "nir"), ("stdnum.nl", "bsn"), ("stdnum.pl", "pesel"), ("stdnum.de", "idnr"),
    ("stdnum.br", "cpf"), ("stdnum.pt", "cc"), ("stdnum.be", "nn"), ("stdnum.se", "personnummer"),
)  # fmt: skip
_FORMATS: Final = re.compile(r"(\d{3}-\d{2}-\d{4}|[0-9A-Z][0-9A-Z .\-]{7,20})\Z")


@lru_cache(maxsize=1)
def _validators() -> tuple[tuple[str, Callable[[str], bool]], ...]:
    found = []
    for package, name in _NATIONAL:
        try:
            stdnum = importlib.import_module("stdnum")
        except ImportError:
            return ()
        module = getattr(stdnum, "get_cc_module", None)
        if module is None:
            return ()
        util = importlib.import_module("stdnum.util")
        made = util.get_cc_module(package.rpartition(".")[2], name)
        if made is not None:
            found.append((f"{package.rpartition('.')[2]}.{name}", made.is_valid))
    return tuple(found)


def checked() -> bool:
    """Whether check digits of states' numbers can be tried: the extra `discover` is there."""
    return bool(_validators())


def national(texts: Sequence[str]) -> int:
    """How many of the values are numbers of ONE state's series with right check digits."""
    texts = [t for t in texts if _FORMATS.match(t) and sum(c.isdigit() for c in t) >= 7]
    return max((sum(map(valid, texts)) for _, valid in _validators()), default=0)


def entropy(texts: Iterable[str]) -> float:
    """Shannon entropy of the characters of all values together, in bits a character."""
    counts: dict[str, int] = {}
    for text in texts:
        for character in text:
            counts[character] = counts.get(character, 0) + 1
    total = sum(counts.values())
    return -sum(n / total * math.log2(n / total) for n in counts.values()) if total else 0.0


#: A whole number with zeros or letters before it, and several of them in one text.
_WRITTEN: Final = re.compile(r"(?:[A-Za-z]{1,4}[-_#:/ ]?\d{2,12}|0\d{2,18})\Z")
#: Only one way to read each gap: of two, a text of forty numbers and a letter never ends.
_SEVERAL: Final = re.compile(r"[\[{(]?\s*\d{1,18}(?:(?:\s+|\s*[,;|]\s*)\d{1,18})*\s*[\]})]?\Z")

_SHAPES: Final[tuple[tuple[str, Callable[[str], object]], ...]] = (
    ("email", email), ("ip", ip), ("uuid", _UUID.match), ("hash", _HASH.match),
    ("agent", _AGENT.search), ("url", _URL.match), ("iban", iban), ("card", card),
    ("country", country), ("post", _POST.match), ("street", _STREET.match),
    ("dialled", dialled), ("house", _HOUSE.match),
    ("coordinate", _COORDINATE.match), ("token", _TOKEN.match), ("name", _NAME.match),
    ("number", str.isdigit), ("written", _WRITTEN.match), ("several", _SEVERAL.match),
)  # fmt: skip


def look(values: Sequence[Any], kind: Type, year: int) -> Look:
    """What the values of a sample (nulls included) look like; `year` is the present one."""
    there = [v for v in values if v is not None]
    found = Look(len(values), len(there))
    found.distinct = len({v if isinstance(v, (int, str)) else str(v) for v in there})
    if kind in ("date", "datetime"):
        _dates(found, there, year)
        return found
    if kind in ("integer", "boolean", "real", "decimal"):
        _numbers(found, there)
        return found
    texts = _spread(list(dict.fromkeys(str(v)[:LONGEST].strip() for v in there)), VALUES)
    _texts(found, [t for t in texts if t])
    return found


def _spread(values: Sequence[_T], most: int) -> list[_T]:
    """At most `most` of the values, from the whole length of them."""
    if len(values) <= most:
        return list(values)
    return [values[n * len(values) // most] for n in range(most)]


def _dates(found: Look, values: Sequence[Any], year: int) -> None:
    years = []
    for value in _spread(values, VALUES):
        if isinstance(value, dt.date):
            years.append(value.year)
        elif isinstance(value, str) and value[:4].isdigit():
            years.append(int(value[:4]))
    found.tried = len(years)
    found.shapes["past-life"] = sum(year - 110 <= y <= year - 14 for y in years)
    found.shapes["recent"] = sum(y > year - 14 for y in years)


def _numbers(found: Look, values: Sequence[Any]) -> None:
    sample = _spread(values, VALUES)
    found.tried = len(sample)
    # A column of numbers of SQLite holds texts as well.
    found.shapes["latitude"] = sum(
        not isinstance(v, int | str | bytes) and abs(float(v)) <= 180 and float(v) % 1 != 0
        for v in sample
    )


def _texts(found: Look, texts: Sequence[str]) -> None:
    found.tried = len(texts)
    if not texts:
        return
    for shape, matches in _SHAPES:
        count = sum(1 for text in texts if matches(text))
        if count:
            found.shapes[shape] = count
    like = [t for t in texts if _PHONE.match(t) or t[:4].lower() == "tel:"]
    rest = _spread(like, _SLOW)
    if rest and not found.shapes.get("ip"):
        right = sum(map(phone, rest))
        every = len(like)
        found.shapes["phone"] = round(right / len(rest) * every)
    if found.shapes.get("email", 0) + found.shapes.get("url", 0) == 0:
        tried = _spread(texts, _SLOW)
        found.shapes["national"] = round(national(tried) / len(tried) * len(texts))
    spoken = [_WORD.findall(text) for text in texts]
    total = sum(map(len, spoken))
    found.words = total / len(texts)
    found.length = sum(map(len, texts)) / len(texts)
    found.vocabulary = len({w.lower() for line in spoken for w in line})
    found.variety = found.vocabulary / total if total else 0.0
    found.entropy = entropy(texts[:50])
    found.shapes["cased"] = sum(1 for t in texts if t[:1].isupper() and not t.isupper())
    found.shapes["mentions"] = sum(
        1 for t in texts if "@" in t and (" " in t or (_MAIL_IN.search(t) and not email(t)))
    )
    calls = [m[0] for t in texts if (m := _CALL_IN.search(t))]
    tried = _spread(calls, _SLOW)
    found.shapes["calls"] = round(sum(map(phone, tried)) / len(tried) * len(calls)) if tried else 0


def paths(
    documents: Iterable[Mapping[str, Any]], *, deep: int = 4
) -> dict[tuple[str, ...], dict[str, int]]:
    """Where in documents scalars stand: path → counts of `seen`, `whole`, `email`, `uuid`.

    Members of lists are not followed: they have no path of their own. Only steps that look like
    names and stand in several documents count: a document may be keyed by people.
    """
    documents = list(documents)
    found: dict[tuple[str, ...], dict[str, int]] = {}

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, Mapping):
            if len(path) < deep and len(value) <= 64:
                for key, inner in value.items():
                    if _STEP.match(str(key)):
                        walk(inner, (*path, str(key)))
            return
        if isinstance(value, (list, bool)) or value is None or not path:
            return
        counts = found.setdefault(path, {})
        counts["seen"] = counts.get("seen", 0) + 1
        text = str(value)
        for shape, met in (
            ("whole", isinstance(value, int) or text.isdigit()),
            ("email", email(text)),
            ("uuid", bool(_UUID.match(text))),
        ):
            if met:
                counts[shape] = counts.get(shape, 0) + 1

    for document in documents:
        walk(document, ())
    least = max(2, len(documents) // 5)
    return {path: counts for path, counts in found.items() if counts["seen"] >= least}
