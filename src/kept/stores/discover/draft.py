"""A first map from what was found: YAML that `kept map check` reads, with questions as comments.

The map says only what its format can say and what was found to be likely; everything else
stands in a comment where somebody has to decide. Retention classes and activities belong to
the bundle and are never guessed. Every `# ?` asks something, and how many do is what `questions`
counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from kept.datamap import others
from kept.datamap.map import DataMap, Dataset, Field, Link, OnErase, Owner, Shared, System
from kept.datamap.sides import STAYING, wrong
from kept.stores.discover.names import listed, words
from kept.stores.discover.owners import LAST_OWNER, ONE_SIDE, PAIR
from kept.stores.discover.shapes import Discovered, Discovery, Found, Verdict
from kept.stores.discover.words import LOG_IN, SECRET_TYPES, secretive
from kept.terms.vocabulary import SHIPPED

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORDS: Final = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
#: A question of a draft: a comment that begins with a question mark.
MARK: Final = re.compile(r"#\s*\?\s")
#: Of texts: who is named in another's is found only where the map says what becomes of that.
_NAMED: Final = (
    "may others be named here? `true` has nobody looked for in it: write `free_text: redact` (the"
    " passage goes) or `delete`"
)
_OTHERS: Final = "does it name somebody else? say `others: staff`, `others: person` or `others: no`"
#: Whose words a message holds: the side that sent it.
_WRITES: Final = listed(
    "from sender author writer von absender autor expediteur auteur emisor remitente autor"
)
_TEXTS: Final = listed("message body text content subject note betreff nachricht mensaje inhalt")
#: What names of columns share without saying whose they are.
_NOISE: Final = listed("id no number nr key ref user person member customer")
#: What stands in a column that may not be null when the person in it is gone.
_ERASED: Final = {
    "text": "erased", "other": "erased", "integer": '"0"', "decimal": '"0"', "real": '"0"',
    "boolean": '"false"', "date": '"1900-01-01"', "datetime": '"1900-01-01T00:00:00"',
    "uuid": '"00000000-0000-0000-0000-000000000000"',
}  # fmt: skip


def draft(found: Discovery, system: str, classes: Mapping[str, str] | None = None) -> str:
    """The YAML of a map of `system`.

    `classes` are the retention classes to choose from, each with the category that it is for
    (empty: any); each choice is marked as a question. Without them a comment asks, and `kept map
    check` reports what is missing.
    """
    return "\n".join(_lines(found, system, classes or {})) + "\n"


def questions(found: Discovery, name: str) -> int:
    """How many questions the draft asks of one dataset, whatever the retention classes are."""
    one = found.datasets[name]
    if not one.profile.table.columns:
        return 0
    return sum(len(MARK.findall(line)) for line in _dataset(found, name, one, {}))


def _lines(found: Discovery, system: str, classes: Mapping[str, str]) -> Iterator[str]:
    looked = "all rows" if found.sample is None else f"up to {found.sample:,} rows of each table"
    yield f"# A draft by `kept map discover`, which looked at {looked}."
    yield "# A question mark in a comment marks what is not sure: decide, then remove the comment."
    yield f"system: {_word(system)}"
    yield f"title: {_word(system)}"
    yield "datasets:"
    for name, one in found.datasets.items():
        if not one.profile.table.columns:
            continue
        yield from _dataset(found, name, one, classes)


def _dataset(
    found: Discovery, name: str, one: Discovered, classes: Mapping[str, str]
) -> Iterator[str]:
    table = one.profile.table
    view = table.view
    personal = [n for n, v in one.fields.items() if v.category is not None and not view]
    links = [link for link in one.links if _sayable(found, link)]
    if one.outcome == LAST_OWNER:
        together = [*links, *_together(found, name)]
        if _outcome(one, together, key_of(one))[0] is not None:
            links = together
    shared = any(link.kind is Owner.SHARED for link in links)
    key = key_of(one)
    word, asked, sides = _outcome(one, links, key) if shared else (None, None, {})
    if name in found.unseen:
        yield f"  # ? what does {_word(name)} hold? It could not be read; only names were judged"
    for question in one.questions:
        yield f"  # ? {_comment(question.words)}"
    if one.outcome and word is None:
        yield f"  # for several people: {_comment(one.outcome)}"
    yield f"  {_word(name)}:"
    if view:
        yield "    title: a view; its rows are those of the tables behind it"
    unsure = "" if table.key else "  # ? does this name one row? Nothing promises it"
    yield f"    key: [{', '.join(map(_word, key))}]{unsure}"
    if personal:
        retention = _retention(one, classes)
        if retention is None:
            yield "    # ? how long is it kept? Name a class of retention.yml under `retention:`"
        else:
            yield f"    retention: {_word(retention)}  # ? is this the right class?"
        yield "    # ? what is it used for? Name it, of activities.yml, under `activities:`"
    tied = {*key, *(c for link in links for c in link.columns)}
    bare = [n for n, v in one.fields.items() if v.category is None and n not in tied]
    if bare and not view and (personal or any(li.kind is not Owner.ACCESSED for li in links)):
        yield (
            "    # ? where does what has no category come from? Say `origin: provided`, `observed`,"
            " `derived`, `others` or `own`; a field with a category needs its own"
        )
    if shared:
        said = f"shared: {word.value}" if word else "erase: overwrite"
        yield f"    {said}  # ? {asked}" if asked else f"    {said}"
    elif not personal and all(link.kind is Owner.ACCESSED and not link.ask for link in links):
        yield "    erase: never"
    mapped = _mapped(one, links, key)
    whole = DataMap({"": System("", datasets={name: mapped})})
    theirs = {} if view else dict(others.unsaid(whole, ("", name)))
    parted = _ties(links, key) if word in STAYING else ()
    yield "    fields:"
    for column in table.columns.values():
        verdict = one.fields.get(column.name) or Verdict(None, 0.5)
        stays = (shared and word is not Shared.DELETE) or _referred(found, name)
        yield from _field(
            column.name, column.type, column.nullable, verdict, key, view, stays,
            theirs.get(column.name), sides.get(column.name), tie=column.name in parted,
        )  # fmt: skip
    if links:
        yield "    links:"
        for link in links:
            yield from _link(link)
    for link in one.links:
        if not _sayable(found, link):
            yield f"    # {_unsayable(link)}"


def key_of(one: Discovered) -> tuple[str, ...]:
    """By what the draft names a row."""
    return one.profile.table.key or _whole(one)


def _outcome(
    one: Discovered, links: list[Found], key: tuple[str, ...]
) -> tuple[Shared | None, str | None, dict[str, tuple[str, str | None]]]:
    """What follows when one of the people goes, what is asked of that, and whose each field is;
    None where the map could not say it of these columns.
    """
    held = {name for name, v in one.fields.items() if v.category is not None}
    tied = {c for link in links for c in link.columns}
    words_ = {PAIR: Shared.DELETE, ONE_SIDE: Shared.ONE_SIDE}
    word = words_.get(one.outcome or "", Shared.LAST_OWNER)
    if word is Shared.DELETE:
        ask = "does it say nothing but that they are tied? Else write `one-side` or `last-owner`"
        return word, ask if held - tied else None, {}
    sides = _sides(one, links, key) if word is Shared.ONE_SIDE else {}
    mapped = _mapped(one, links, key)
    fields = {n: replace(f, side=sides[n][0] if n in sides else None)
              for n, f in mapped.fields.items()}  # fmt: skip
    if any(wrong(replace(mapped, shared=word, fields=fields))):
        return None, "what follows when one of them goes? All that is personal is emptied", {}
    return word, None, sides


def _together(found: Discovery, name: str) -> Iterator[Found]:
    """The link by which the rows of a thing are those people's whom a table between ties to it."""
    for other, one in found.datasets.items():
        for link in one.links:
            if link.to == name and link.outcome == f"of `{name}`: {LAST_OWNER}":
                yield Found(
                    link.on, other, link.columns, link.confidence,
                    (f"several people are tied to it by `{other}`",), kind=Owner.SHARED,
                )  # fmt: skip


def _ties(links: list[Found], key: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that tie one of the people alone, a side each."""
    both = [link for link in links if link.kind is Owner.SHARED]
    return tuple(
        link.columns[0] for link in both if len(link.columns) == 1 and link.columns[0] not in key
    )


def _sides(
    one: Discovered, links: list[Found], key: tuple[str, ...]
) -> dict[str, tuple[str, str | None]]:
    """Field → whose it is, of the columns of the links, and what is asked of that."""
    ties = _ties(links, key)
    sender = next((c for c in ties if _WRITES & set(words(c))), None)
    said: dict[str, tuple[str, str | None]] = {}
    for name, verdict in one.fields.items():
        if verdict.category is None or name in key or any(name in li.columns for li in links):
            continue
        mine = next((c for c in ties if c != name and _stem(c) & _stem(name)), None)
        if mine is not None and verdict.identifies:
            said[name] = (mine, None)
        elif verdict.identifies:
            said[name] = (ties[0], "whose is it? She would be found by it when she is gone")
        elif verdict.free_text or one.profile.look(name).prose or _TEXTS & set(words(name)):
            whose = sender or ties[0]
            ask = None if sender else "whose words are these?"
            said[name] = (whose, ask)
    return said


def _stem(name: str) -> set[str]:
    return set(words(name)) - _NOISE


def _mapped(one: Discovered, links: list[Found], key: tuple[str, ...]) -> Dataset:
    """The dataset as the draft maps it, as far as whose data stands in it goes."""
    fields = {}
    for column in one.profile.table.columns.values():
        verdict = one.fields.get(column.name) or Verdict(None, 0.5)
        fields[column.name] = Field(
            column.name, column.type, verdict.category, verdict.identifies,
            secret=True if _secret(column.name, verdict, key) else None,
        )  # fmt: skip
    tied = tuple(Link(link.columns, link.to, link.on, link.kind) for link in links)
    personal = any(field.category is not None for field in fields.values())
    about = personal or any(link.kind is not Owner.ACCESSED for link in links)
    erase = OnErase.DELETE if about else OnErase.NEVER
    return Dataset(one.profile.name, key, fields, tied, on_erase=erase)


def _secret(name: str, verdict: Verdict, key: tuple[str, ...]) -> bool:
    """Whether a column proves who logs in, and names neither a row nor a person."""
    return verdict.detail == LOG_IN and name not in key and not verdict.identifies


def _field(
    name: str,
    kind: str,
    nullable: bool,
    verdict: Verdict,
    key: tuple[str, ...],
    view: bool,
    stays: bool,
    theirs: str | None,
    side: tuple[str, str | None] | None = None,
    *,
    tie: bool = False,
) -> Iterator[str]:
    category = None if view else verdict.category
    parts = {"type": kind}
    if category is not None:
        parts["category"] = category
        if verdict.identifies:
            parts["identifies"] = verdict.identifies
        if verdict.free_text:
            parts["free_text"] = "true"
        if _secret(name, verdict, key):
            parts |= dict.fromkeys(("secret",), "true")
    if not nullable:
        parts["nullable"] = "false"
        if ((category is not None and stays) or tie) and name not in key and kind in _ERASED:
            parts["overwrite"] = _erased(verdict, key, kind)
    if side is not None and category is not None:
        parts["side"] = _word(side[0])
    said = "; ".join(verdict.evidence)
    asked = [verdict.ask] if verdict.ask else []
    unsaid = category is not None and "secret" not in parts and kind in SECRET_TYPES
    if unsaid and secretive(name):
        asked.append("is it a secret? It is named like one: say `secret: true` or `secret: false`")
    if side is not None and side[1] and category is not None:
        asked.append(side[1])
    if theirs is not None:
        asked.append(f"{_OTHERS}: {theirs}")
    if "free_text" in parts:
        asked.append(_NAMED)
    comment = ""
    if asked:
        marks = "".join(f"  # ? {_comment(one)}" for one in asked)
        comment = f"{marks} ({_comment(said)})" if said else marks
    elif category is not None:
        comment = f"  # {_comment(said)}"
    if view and verdict.category is not None:
        comment = f"  # {_comment(said)}: {verdict.category}"
    if list(parts) == ["type"]:
        yield f"      {_word(name)}: {kind}{comment}"
        return
    inner = ", ".join(f"{k}: {v}" for k, v in parts.items())
    yield f"      {_word(name)}: {{{inner}}}{comment}"


def _retention(one: Discovered, classes: Mapping[str, str]) -> str | None:
    """The class whose category covers most of the personal columns."""
    held = [v.category for v in one.fields.values() if v.category is not None]

    def covers(name: str) -> int:
        return sum(SHIPPED.within("categories", c, classes[name]) for c in held)

    return max(classes, key=covers, default=None)


def _erased(verdict: Verdict, key: tuple[str, ...], kind: str) -> str:
    if verdict.identifies == "email" and kind in ("text", "other"):
        return json.dumps("erased-" + "-".join("{" + k + "}" for k in key) + "@erased.invalid")
    return _ERASED[kind]


def _link(link: Found) -> Iterator[str]:
    mark = f"? {_comment(link.ask)} (" if link.ask else ""
    said = _comment("; ".join(link.evidence)) + (")" if link.ask else "")
    yield (
        f"      - {{fields: [{', '.join(map(_word, link.columns))}], to: {_word(link.to)}, "
        f"on: [{', '.join(map(_word, link.on))}], kind: {link.kind.value}}}"
        f"  # {mark}{link.confidence:.2f}: {said}"
    )


def _sayable(found: Discovery, link: Found) -> bool:
    """Whether the map's format has words for the link, and people may be at its end."""
    if link.basis in ("polymorphic", "json", "email"):
        return False
    target = found.datasets[link.to]
    personal = any(v.category is not None for v in target.fields.values())
    return target.person is not None or personal or link.ask is not None


def _unsayable(link: Found) -> str:
    """A link that the map's format has no words for; a question where rows may be overlooked."""
    at = ".".join((*link.columns, *link.path))
    to = f"{link.to}.{', '.join(link.on)}"
    by_hand = "the map cannot say it, so who finds these rows, and erases them?"
    if link.basis == "polymorphic":
        said = f"{_comment(at)} leads to {to} where {link.when} says so ({link.kind.value})"
        return f"? {by_hand} {said}"
    if link.basis == "json":
        return f"? {by_hand} {_comment(at)}, inside a document, leads to {to} ({link.kind.value})"
    if link.basis == "email":
        return f"{_comment(at)} holds addresses of {to}; `identifies: email` finds the rows"
    return f"{_comment(at)} leads to {to}, whose rows are nobody's"


def _referred(found: Discovery, name: str) -> bool:
    """Whether rows may have to stay because others refer to them."""
    return any(
        link.to == name and link.basis in ("declared", "inferred")
        for one in found.datasets.values()
        for link in one.links
    )


def _whole(one: Discovered) -> tuple[str, ...]:
    """A stand-in for a key that nobody declared: what was unique in the sample, else all."""
    columns: Mapping[str, object] = one.profile.table.columns
    for name in columns:
        if one.profile.look(name).seen >= 20 and one.profile.look(name).unique:
            return (name,)
    return tuple(columns)


def _word(text: str) -> str:
    plain = _PLAIN.match(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    """One line; names of columns may hold anything."""
    return " ".join(text.split())
