"""How tables may be called in a column's name, and which of them hold people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kept.stores.discover import names
from kept.stores.discover import words as words_of
from kept.stores.discover.names import Words, listed
from kept.stores.discover.shapes import Profile

#: Ways to call a table, from the surest on: its whole name, without the prefix that it shares
#: with others, its last word alone.
WHOLE: Final = 1.0
SHORT: Final = 0.95
LAST: Final = 0.5

_NOISE: Final = frozenset(("tbl", "tb", "t", "tab", "dim", "fact", "app", "public", "the"))


@dataclass(slots=True)
class Naming:
    """How tables are called. `by_stem` finds those whose last word may be a given one."""

    handles: dict[str, list[tuple[Words, float]]] = field(default_factory=dict)
    by_stem: dict[str, list[tuple[str, Words, float]]] = field(default_factory=dict)
    glued: frozenset[str] = frozenset()
    prefixes: dict[str, Words] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    #: a name's words as one → the tables so called, and whether it is one word there
    joined: dict[str, dict[str, bool]] = field(default_factory=dict)

    def called(self, word: str) -> Iterable[tuple[str, Words, float]]:
        """Tables with a handle that ends with the word: (dataset, handle, how sure)."""
        met: dict[tuple[str, Words], float] = {}
        for stem in names.stems(word):
            for table, handle, weight in self.by_stem.get(stem, ()):
                met[table, handle] = max(weight, met.get((table, handle), 0.0))
        return ((t, h, w) for (t, h), w in met.items())

    def own(self, table: str) -> Words:
        """The table's name without noise and shared prefixes."""
        return self.handles[table][-1][0] if not self.handles[table] else self._short(table)

    def _short(self, table: str) -> Words:
        sure = [h for h, weight in self.handles[table] if weight >= SHORT]
        return sure[-1] if sure else self.handles[table][0][0]


def naming(profiles: Mapping[str, Profile]) -> Naming:
    """The ways to call every table; views cannot be linked to and have none."""
    made = Naming()
    plain: dict[str, Words] = {}
    for name, profile in profiles.items():
        parts = names.words(name.rpartition(".")[2])
        if len(parts) == 1 and parts[0].startswith(("tbl", "tb_")) and len(parts[0]) > 6:
            parts = (parts[0][3:],)
        while len(parts) > 1 and parts[0] in _NOISE:
            parts = parts[1:]
        plain[name] = parts or (name.lower(),)
        made.handles[name] = []
        if profile.table.view:
            continue
        made.handles[name].append((plain[name], WHOLE))
    real = {n: p for n, p in plain.items() if made.handles[n]}
    first = Counter(parts[0] for parts in real.values() if len(parts) > 1)
    second = Counter(parts[:2] for parts in real.values() if len(parts) > 2)
    entities = {names.singular(parts[0]) for parts in real.values() if len(parts) == 1}
    for name, parts in real.items():
        prefix: Words = ()
        if len(parts) > 1 and first[parts[0]] >= 2:
            most = first[parts[0]] >= 0.6 * len(real)
            if most or names.singular(parts[0]) not in entities:
                prefix = parts[:1]
                made.handles[name].append((parts[1:], SHORT))
        if (
            prefix
            and first[parts[0]] >= 0.6 * len(real)
            and len(parts) > 2
            and second[parts[:2]] >= 2
            and not ({names.singular(parts[1]), parts[1]} & entities)
        ):
            # an application within a suite: `suite_users_user`
            prefix = parts[:2]
            made.handles[name].append((parts[2:], SHORT))
        made.prefixes[name] = prefix
        if len(parts) - len(prefix) > 1:
            made.handles[name].append((parts[-1:], LAST))
    for name, handles in made.handles.items():
        for handle, weight in handles:
            for stem in names.stems(handle[-1]):
                made.by_stem.setdefault(stem, []).append((name, handle, weight))
    for name, handles in made.handles.items():
        for handle, weight in handles:
            if weight >= SHORT:
                text = "".join(handle[:-1]) + names.singular(handle[-1])
                made.joined.setdefault(text, {})[name] = len(handle) == 1
    made.glued = frozenset(
        stem for parts in real.values() for word in parts for stem in names.stems(word)
    ) | (names.PEOPLE | names.STAFF)
    for name, profile in profiles.items():
        made.columns[name] = _column_prefix(profile)
    return made


def _column_prefix(profile: Profile) -> str:
    """The word with which most columns of the table begin: `rc_user`, `rc_title`."""
    heads = [w[0] for c in profile.table.columns if len(w := names.words(c)) > 1]
    if len(profile.table.columns) < 4 or not heads:
        return ""
    word, count = Counter(heads).most_common(1)[0]
    return word if count >= 0.7 * len(profile.table.columns) else ""


@dataclass(frozen=True, slots=True)
class People:
    """A table of people. `kind` is `person` or `staff`, `weight` how much others refer to it."""

    kind: str
    confidence: float
    weight: float
    evidence: tuple[str, ...]


_MAIL: Final = listed("email mail emails correo courriel epost posta") | words_of.ways("email")
_NAMES: Final = listed(
    "firstname lastname surname forename vorname nachname prenom nombre apellido apellidos "
    "cognome voornaam achternaam imie nazwisko sobrenome username login nickname fullname "
    "displayname realname"
) | words_of.ways("name", "login")

_LOGINS: Final = listed("username login nickname") | words_of.ways("login")
_NAMED: Final = frozenset(("name",)) | words_of.ways("named", "named?")
_PASSWORDS: Final = listed("password passwd kennwort passwort") | words_of.ways("password")


def people(profiles: Mapping[str, Profile], called: Naming) -> dict[str, People]:
    """The tables that hold people, one row each."""
    references = _references(profiles, called)
    found: dict[str, People] = {}
    for name, profile in profiles.items():
        if profile.table.view or not profile.table.columns:
            continue
        score, kind, why = _person(profile, called, references.get(name, 0))
        confidence = 1 / (1 + math.exp(-score))
        if confidence >= 0.5:
            found[name] = People(kind, confidence, score + references.get(name, 0), tuple(why))
    return found


def _references(profiles: Mapping[str, Profile], called: Naming) -> Counter[str]:
    """How many columns of other tables are called like each table."""
    counts: Counter[str] = Counter()
    for name, profile in profiles.items():
        for column in profile.table.columns:
            parts, keyed = names.base(column, called.glued)
            if not parts or not keyed:
                continue
            for other, handle, weight in called.called(parts[-1]):
                if other != name and weight >= SHORT and names.alike(parts, handle):
                    counts[other] += 1
        for reference in profile.table.references:
            if reference.to != name:
                counts[reference.to] += 1
    return counts


def _person(profile: Profile, called: Naming, references: int) -> tuple[float, str, list[str]]:
    score, why = -3.0, []
    kind = "person"
    sure = [h for h, weight in called.handles[profile.name] if weight >= SHORT] or [()]
    words = sure[-1]
    head = names.person_word(words[-1]) if words else None
    if head is None and len(words) > 1 and names.person_word(words[0]) in ("person", "staff"):
        # adjectives follow in some languages; so do things, in others
        rest = set(words[1:]) <= _BESIDE
        head = names.person_word(words[0]) if rest else None
    if head in ("person", "staff"):
        score += 4 if len(words) == 1 or set(words[:-1]) <= _BESIDE else 3
        kind = head or kind
        why.append(f"the word `{words[-1]}` means people")
    elif head == "perhaps":
        score += 1.5
        why.append(f"the word `{words[-1]}` may mean people")
    columns = {c: names.words(c) for c in profile.table.columns}
    mail = [
        c for c, parts in columns.items()
        if profile.look(c).share("email") > 0.5
        or (_MAIL & set(parts) and profile.table.columns[c].type in ("text", "other"))
    ]  # fmt: skip
    if mail:
        score += 2.0 if head else 1.2
        why.append("has an e-mail address")
    joined = {"".join(parts) for parts in columns.values()}
    if joined & _NAMES or ({"name", "last"} & joined and {"first", "name"} <= joined):
        score += 1.5 if head else 1.0
        why.append("has the names of a person")
    if any(_PASSWORDS & {*parts, "".join(parts)} for parts in columns.values()):
        # who logs in somewhere else has a user name there
        score += 1.5 if head else 1.0 if joined & _NAMES - _LOGINS else 0.7
        why.append("has a password")
    if any(_born(profile, c) for c in columns):
        score += 1.0
        why.append("has a date of birth")
    if head and references:
        score += min(2.0, 0.5 * references)
        why.append(f"{references} columns elsewhere are called after it")
    named = any(parts and names.person_word(parts[-1]) for parts in columns.values())
    if not (mail or references or joined & (_NAMES | _NAMED) or named):
        score -= 2.0
        why.append("nothing in it is of a person")
    if len(profile.table.key) > 1:
        score -= 2.5
        why.append("its key has several columns")
    if _follows(profile, called) and not (head and mail):
        score -= 2.5 if not head else 1.0 if head == "staff" else 4.0
        why.append("its rows name a person of another table")
    return score, kind, why


def _born(profile: Profile, column: str) -> bool:
    """Whether a column is called a date of birth, and its values may be."""
    look = profile.look(column)
    said = any(m.detail == words_of.BORN for m, _, _ in words_of.meanings(column))
    kind = profile.table.columns[column].type in ("date", "datetime")
    return said and (kind or look.share("past-life") > 0.5)


_BESIDE: Final = listed(
    "auth core base accounts account custom app system site main crm res hr public local "
    "registered external internal all my new old test staff web portal shop cms sys"
)


def _follows(profile: Profile, called: Naming) -> bool:
    """Whether a column is called after people: then its rows are theirs, not people."""
    for column in profile.table.columns:
        parts, keyed = names.base(column, called.glued)
        if keyed and parts and names.person_word(parts[-1]) in ("person", "staff"):
            return True
    return False
