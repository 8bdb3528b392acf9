"""What columns hold: words and values together, each with its evidence, judged in context.

`raw` looks at a column alone; `verdicts` knows whose rows the table holds: a name in a table
of products is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from kept.stores.columns import Column
from kept.stores.discover import names, words
from kept.stores.discover.names import listed
from kept.stores.discover.shapes import Profile, Verdict
from kept.stores.discover.values import Look

#: Shape of values → category, identifier kind, detail, share that is enough, confidence.
_SHAPES: Final[tuple[tuple[str, str, str | None, str | None, float, float], ...]] = (
    ("email", "contact.email", "email", None, 0.6, 0.95),
    ("iban", "transaction.paid", None, "means of payment", 0.6, 0.95),
    ("card", "transaction.paid", None, "means of payment", 0.8, 0.85),
    ("agent", "navigation.browser", None, None, 0.6, 0.95),
    ("hash", "account", None, words.LOG_IN, 0.8, 0.9),
    ("ip", "navigation.ip", "ip", None, 0.8, 0.9),
    ("national", "identifier", None, "number given by a state", 0.9, 0.7),
    ("phone", "contact.phone", "phone", None, 0.8, 0.7),
    ("coordinate", "navigation.location", None, None, 0.8, 0.8),
)
#: Of texts that no word explains: how they are written, the share that is enough, the question.
_WRITTEN: Final = (
    ("dialled", 0.8, "like numbers that are dialled", "is this somebody's telephone number?"),
    ("house", 0.8, "like a street and the number of a house", "is this where somebody lives?"),
)
#: Words of columns whose values are codes, however they are written.
_CODED: Final = (
    listed(
        "sku isbn issn ean gtin upc barcode serial version build batch lot tracking invoice vin "
        "imo hs"
    )
    | names.KEYS
)
_SAID: Final = {
    "email": "an e-mail address", "iban": "an IBAN with right check digits",
    "card": "a card number with a right check digit", "agent": "a browser's name",
    "hash": "a hashed password", "ip": "an IP address", "phone": "a telephone number",
    "national": "a state's number with right check digits", "coordinate": "a place on the map",
    "past-life": "a year in which people alive were born", "name": "a name by its letters",
    "url": "a web address", "uuid": "a UUID",
}  # fmt: skip
_LIVES: Final = "is this where somebody lives?"
_NAMED: Final = "may people be named in this text?"
#: Of a table that no word calls people, whose rows hold an address or a telephone number.
_WHO: Final = frozenset(("who", "whom", "wer", "wen", "qui", "quien", "quem", "chi", "kto"))
#: Of names of people by their letters, where a word speaks of people and nothing else does.
WHO: Final = "is this the name of a person?"
_WHOSE_NAME: Final = "is this the name of whoever is reached by what stands beside it?"


@dataclass(frozen=True, slots=True)
class Raw:
    """What a column says by itself. `always`: personal wherever it stands."""

    verdict: Verdict
    always: bool


def raw(profile: Profile, column: Column) -> Raw | None:
    """The likeliest meaning of a column, without regard to whose rows these are."""
    look = profile.look(column.name)
    found = [r for r in (_named(column, look), _shaped(column, look)) if r is not None]
    if not found:
        return None
    if len(found) == 2 and found[0].verdict.category == found[1].verdict.category:
        return found[0]
    return max(found, key=lambda r: r.verdict.confidence + 0.1 * r.always)


def _named(column: Column, look: Look) -> Raw | None:
    best: Raw | None = None
    for meaning, share, said in words.meanings(column.name):
        if column.type not in meaning.types:
            continue
        if meaning.shy and not _agrees(meaning, share, look):
            continue
        confidence = (0.55 if meaning.weak else 0.8) * (0.6 + 0.4 * share)
        why = [f"called `{said}`"]
        if meaning.shape is not None and look.tried >= 3:
            part = look.share(meaning.shape)
            if meaning.shape == "iban":
                part = max(part, look.share("card"))
            elif meaning.shape == "phone":  # of a country whose rules nobody tried
                part = max(part, look.share("dialled"))
            seen = round(part * look.tried)
            said_of = _SAID.get(meaning.shape, meaning.shape)
            if part >= 0.6:
                confidence = max(confidence, 0.9) + 0.07 * part
                why.append(f"{seen} of {look.tried} values: {said_of}")
            elif part < 0.1 and meaning.shape in ("email", "ip", "agent", "phone"):
                confidence *= 0.5
                why.append(f"but {seen} of {look.tried} values: {said_of}")
        if meaning.free_text and look.prose:
            confidence = max(confidence, 0.85)
            why.append(f"{look.words:.0f} words a value, most of them different")
        elif meaning.free_text and look.tried >= 5 and look.words < 2:
            confidence *= 0.4
            why.append("single words")
        verdict = Verdict(
            meaning.category, min(confidence, 0.98), tuple(why), meaning.identifies,
            meaning.free_text, meaning.detail,
        )  # fmt: skip
        if best is None or verdict.confidence > best.verdict.confidence + 0.01:
            best = Raw(verdict, meaning.always)
    return best


def _agrees(meaning: words.Meaning, share: float, look: Look) -> bool:
    """Whether the values say what a word that means many things may mean here."""
    shapes = {meaning.shape or "", "dialled" if meaning.shape == "phone" else ""}
    return share == 1 and look.tried >= 5 and max(map(look.share, shapes)) >= 0.8


def _shaped(column: Column, look: Look) -> Raw | None:
    if column.type not in ("text", "other", "integer") or look.tried < 3:
        return None
    for shape, category, identifies, detail, enough, confidence in _SHAPES:
        part = look.share(shape)
        if part >= enough and (shape != "phone" or look.share("number") < 0.5):
            sure = confidence * (0.7 + 0.3 * min(1.0, look.tried / 10)) * part
            why = (f"{round(part * look.tried)} of {look.tried} values: {_SAID[shape]}",)
            return Raw(Verdict(category, sure, why, identifies, False, detail), True)
    if look.prose and column.type != "integer":
        why = (f"{look.words:.0f} words a value, most of them different",)
        return Raw(Verdict("free-text", 0.6, why, None, True), False)
    if look.opaque and {"cookie", "session", "visitor", "tracking"} & set(names.words(column.name)):
        why = (f"drawn at random: {look.entropy:.1f} bits a character",)
        return Raw(Verdict("identifier.cookie", 0.75, why, "cookie"), True)
    return None


def verdicts(
    profile: Profile,
    person: str | None,
    raws: dict[str, Raw | None],
    keys: dict[str, Verdict],
    money: bool,
) -> dict[str, Verdict]:
    """Every column's verdict; `person` is how the table takes part, `keys` those of links.

    `money`: the table is of orders, invoices or payments.
    """
    found: dict[str, Verdict] = {}
    lived = _lived_in(profile, raws) if person is None else frozenset[str]()
    reached = bool(lived) or any(
        one is not None and (one.always or one.verdict.identifies)
        and one.verdict.confidence >= 0.6 and one.verdict.category != "contact.name"
        for one in raws.values()
    )  # fmt: skip
    for name, column in profile.table.columns.items():
        if name in keys:
            found[name] = keys[name]
            continue
        one = raws.get(name)
        if name in lived and one is not None:
            found[name] = replace(one.verdict, confidence=0.5, ask=_LIVES)
            continue
        if one is None:
            found[name] = _nothing(profile, name, person, reached)
            continue
        found[name] = _mixed(_judged(profile, column, one, person, money, reached), profile, name)
    return found


def _mixed(verdict: Verdict, profile: Profile, name: str) -> Verdict:
    """Ask where one column holds addresses and numbers: by one kind of them alone it is searched,
    so whoever stands there by the other is not found.
    """
    other = {"email": "phone", "phone": "email"}.get(verdict.identifies or "")
    look = profile.look(name)
    count = look.shapes.get(other, 0) if other else 0
    if other is None or not count or verdict.ask is not None:
        return verdict
    ask = (
        f"{count} of {look.tried} values: {_SAID[other]}. Rows are found by `identifies:"
        f" {verdict.identifies}` alone; who finds, and erases, those?"
    )
    return replace(verdict, ask=ask)


def _lived_in(profile: Profile, raws: dict[str, Raw | None]) -> frozenset[str]:
    """The columns of a postal address, in rows that no word and no link says are anybody's; none
    where there is no street or postcode among them: a town is of a place.
    """
    parts = {
        name for name, one in raws.items()
        if one is not None and one.verdict.category == "contact.address"
    }  # fmt: skip
    exact = any(
        profile.look(name).share(shape) > 0.6 for name in parts for shape in ("street", "post")
    )
    return frozenset(parts) if exact and len(parts) > 1 else frozenset()


def _nothing(profile: Profile, name: str, person: str | None, reached: bool) -> Verdict:
    look = profile.look(name)
    column = profile.table.columns[name]
    born = look.share("past-life") > 0.9 and look.share("recent") < 0.05 and look.tried >= 10
    if born and person is not None and look.distinct > look.seen / 2:
        return Verdict(
            "contact", 0.4, ("dates at which people alive may have been born",),
            detail=words.BORN, ask="is this a date of birth?",
        )  # fmt: skip
    inside = _inside(look, column)
    if inside is not None:
        return inside
    written = _written(profile, name)
    if written is not None:
        return written
    if person in ("person", "staff") and column.type in ("text", "other", "json", "bytes"):
        return Verdict(
            None, 0.5, ("nothing says what it holds, and the row is a person",),
            ask="does it say something about her?",
        )  # fmt: skip
    many = look.distinct > min(10, look.seen / 2)
    if reached and column.type in ("text", "other") and look.share("name") >= 0.6 and many:
        count = look.shapes["name"]
        return Verdict(
            None, 0.5, (f"{count} of {look.tried} values: {_SAID['name']}",), ask=_WHOSE_NAME,
        )  # fmt: skip
    if person is None and _speaks(profile, name):
        count = look.shapes["name"]
        return Verdict(None, 0.5, (f"{count} of {look.tried} values: {_SAID['name']}",), ask=WHO)
    sure = 0.9 if person is None else 0.7
    return Verdict(None, sure, ("neither its name nor its values say otherwise",))


def _written(profile: Profile, name: str) -> Verdict | None:
    """A question where texts look like telephone numbers or like streets with their houses, in
    whatever language the column is called and whoever's the rows are.
    """
    look, column, table = profile.look(name), profile.table.columns[name], profile.table
    coded = not _CODED.isdisjoint(names.words(name))
    if column.type not in ("text", "other") or coded or look.tried < 5:
        return None
    if name in table.key or look.distinct <= min(10, look.seen / 2):
        return None
    for shape, enough, like, ask in _WRITTEN:
        # what is called one word and numbered are rooms and products
        varied = shape != "house" or look.vocabulary >= min(8, look.tried / 2)
        if look.share(shape) >= enough and varied:
            why = (f"{look.shapes[shape]} of {look.tried} values: written {like}",)
            return Verdict(None, 0.5, why, ask=ask)
    return None


def _speaks(profile: Profile, name: str) -> bool:
    """Whether names of two words and more stand here, and a word of the column or of the table
    speaks of people: `hikers.name`, `guestbook.who`. Products and places have such names, too.
    """
    look = profile.look(name)
    if profile.table.columns[name].type not in ("text", "other") or look.words < 1.6:
        return False
    if look.share("name") < 0.6 or look.distinct <= min(10, look.seen / 2):
        return False
    table = names.words(profile.name.rpartition(".")[2])
    return any(
        parts and (parts[-1] in _WHO or names.person_word(parts[-1]) in ("person", "staff")
                   or names.agent((*parts[:-1], names.singular(parts[-1]))))
        for parts in (names.words(name), table)
    )  # fmt: skip


def _inside(look: Look, column: Column) -> Verdict | None:
    """Addresses inside of texts and documents: whoever they name stands there, whose row it is
    or not, and whatever the column is called."""
    # Some of the values may be an address and nothing else, beside `system` or a number.
    mailed = look.shapes.get("mentions", 0) + look.shapes.get("email", 0)
    called = look.shapes.get("calls", 0)
    for count, said in ((mailed, "an address"), (called, "a telephone number")):
        if count and column.type in ("text", "other"):
            return Verdict(
                "free-text", 0.5, (f"{count} of {look.tried} values: text with {said} in it",),
                free_text=True, ask=_NAMED,
            )  # fmt: skip
    mails = sum(c.get("email", 0) for c in look.paths.values())
    if mails:
        return Verdict(
            "free-text", 0.7, (f"documents with {mails} e-mail addresses in them",), free_text=True,
            ask="which places of the document hold personal data?",
        )  # fmt: skip
    return None


def _judged(
    profile: Profile, column: Column, one: Raw, person: str | None, money: bool, reached: bool
) -> Verdict:
    verdict = one.verdict
    beside = any(
        names.person_word(w) in ("person", "staff") or w in ("billing", "shipping", "ship", "home")
        for w in names.words(column.name)
    )
    if verdict.category == "transaction.paid" and verdict.detail is None:
        if not (person and money):
            return Verdict(None, 0.75, ("an amount, but no row of a purchase of somebody",))
        return replace(verdict, confidence=0.8)
    if not one.always and person is None and not beside:
        inside = _inside(profile.look(column.name), column)
        if inside is not None:
            return replace(inside, evidence=(*verdict.evidence[:1], *inside.evidence))
        why = (*verdict.evidence, "but the rows are nobody's")
        if verdict.free_text and profile.look(column.name).prose:
            return Verdict(None, 0.7, why, ask=_NAMED)
        if verdict.category == "contact.name" and _speaks(profile, column.name):
            return Verdict(None, 0.5, verdict.evidence, ask=WHO)
        return Verdict(None, 0.85, why)
    confidence = verdict.confidence
    if person in ("person", "staff"):
        confidence = min(0.97, confidence + 0.3 * (1 - confidence) + 0.1)
    elif person is not None:
        confidence = min(0.97, confidence + 0.15 * (1 - confidence))
        if verdict.category == "contact.name" and not one.always and not beside:
            if reached:
                return replace(verdict, confidence=0.55, ask=_WHOSE_NAME)
            # the name of a playlist, of a project: not that of its owner
            return Verdict(None, 0.65, (*verdict.evidence, "but rows of this kind are no people"))
    ask = None
    if verdict.detail is not None and verdict.detail.startswith("special"):
        ask = "the vocabulary has no word of its own for this: which law and which clause cover it?"
    elif confidence < 0.6:
        ask = f"does this hold {verdict.category}?"
    return replace(verdict, confidence=confidence, ask=ask)
