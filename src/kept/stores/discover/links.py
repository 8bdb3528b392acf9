"""Which columns lead to which tables: candidates by name and type, judged by their values.

Each candidate's evidence is weighed in log-odds; the best of a column is a link where the sum
says that it is likelier than not. Values weigh by how surprising they are: that every number
of a column is met in a key without gaps says nothing, that every UUID is says nearly all.
The weights were set by hand; docs/adr/0023 says how.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from kept.stores.columns import Column
from kept.stores.discover import names
from kept.stores.discover.names import Words, listed
from kept.stores.discover.overlap import Met, Overlap, Side
from kept.stores.discover.shapes import Found, Profile
from kept.stores.discover.tables import LAST, SHORT, Naming, People

#: Log-odds before anything is known of a pair.
_PRIOR: Final = -2.0
#: A link from this probability on; a question from the lower one on.
LIKELY: Final = 0.5
POSSIBLE: Final = 0.3
#: Candidates of one column that are compared.
_MOST: Final = 8

#: Keys that may count up, and from which share of their span in use on any small number is one.
_DENSE: Final = ("integer", "decimal")
_FULL: Final = 0.9
_KEY_TYPES: Final = frozenset(("integer", "uuid", "text", "decimal", "other"))
_SELF: Final = listed(
    "parent root ancestor superior predecessor successor original duplicate reply replies reports "
    "previous next prev thread quote quoted reblog repost"
)
#: What is done to rows by other rows.
_INSTEAD: Final = listed(
    "replaced superseded merged cloned copied duplicate alias derived split forked reversed "
    "cancelled corrected renewed translated inherited moved reblogged"
)
#: Of that, what nobody does: `superseded_by` is a row, `cancelled_by` may be a person.
_ONLY_ROWS: Final = listed("replaced superseded duplicate alias derived inherited reversed")
#: Who stands above a person, in the languages of `names`.
_ABOVE: Final = listed(
    "manager supervisor boss chief vorgesetzter chef superieur jefe capo responsabile chefe "
    "leidinggevende przelozony"
)
_NUMBERS: Final = (("id",), ("uuid",), ("guid",), ("uid",))
#: With one of these before it, a word says yes or no: `is_owner`, `only_assigned`.
_FLAGS: Final = listed(
    "is has was can may only allow allows allowed enable enabled use uses show hide require "
    "requires"
)
#: What is counted or measured leads nowhere, whatever values it shares with a key.
MEASURES: Final = listed("""
    count counter total sum max min avg mean limit level score rank ranking position order sort
    size length width height weight status state flags flag version year month day age amount
    quantity qty price rate percent duration seconds minutes hours points balance lft rght lft
    number num nb left right depth tree numchild retries attempts priority port index offset
    """)


@dataclass(slots=True)
class Candidate:
    """A pair to judge: log-odds so far, and why."""

    here: Side
    there: Side
    score: float
    why: list[str]
    role: str | None = None
    must: bool = False  # counts only where the values agree
    basis: str = "inferred"
    met: Met | None = None

    @property
    def confidence(self) -> float:
        """The probability that the pair is a link."""
        return 1 / (1 + math.exp(-self.score))


@dataclass(slots=True)
class Linker:
    """Finds the links of all tables of a store."""

    profiles: Mapping[str, Profile]
    called: Naming
    people: Mapping[str, People]
    overlap: Overlap
    main: str | None = field(init=False)
    #: the words of a key, where they say which → the tables that have it
    _keys: dict[Words, list[str]] = field(init=False, default_factory=dict)
    _parts: dict[tuple[Side, Side], bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name, profile in self.profiles.items():
            key = profile.table.key
            if len(key) == 1 and not profile.table.view and not names.generic(key[0]):
                self._keys.setdefault(names.words(key[0]), []).append(name)
        order = sorted(self.people, key=lambda n: -self.people[n].weight)
        persons = [n for n in order if self.people[n].kind == "person"]
        self.main = next(iter(persons or order), None)

    def links(self, name: str) -> tuple[list[Found], list[Found]]:
        """The links of a table, and pairs that are possible but not likely: questions."""
        profile = self.profiles[name]
        if profile.table.view:
            return [], []
        found = [_declared(r.fields, r.to, r.on) for r in profile.table.references]
        done = {r.fields for r in profile.table.references}
        candidates = [
            c
            for column in profile.table.columns.values()
            if (column.name,) not in done
            for c in self._of_column(profile, column)
        ]
        candidates += [c for c in self._composite(profile) if c.here.fields not in done]
        if profile.size != 0 and not profile.unseen:
            self._weigh(profile, candidates)
        else:
            for candidate in candidates:
                candidate.met = Met(0, 0)
                self.judge(candidate)
        sure, perhaps = self._best(candidates)
        return [*found, *sure], perhaps

    # ------------------------------------------------------------ candidates

    def _of_column(self, profile: Profile, column: Column) -> list[Candidate]:
        if column.type not in _KEY_TYPES or column.generated:
            return []
        if (column.name,) == profile.table.key and names.after(column.name, profile.table.name):
            return []
        here = Side(profile.name, (column.name,))
        made = self.named(profile, column.name, column.type, here)
        look = profile.look(column.name)
        if not made and look.share("uuid") > 0.9 and (column.name,) != profile.table.key:
            made = list(self._by_values(profile, here))
        return made

    def named(self, profile: Profile, name: str, kind: str, here: Side) -> list[Candidate]:
        """Candidates for a column (or a place in a document) called `name`."""
        parts, keyed = names.base(name, self.called.glued)
        prefix = self.called.columns.get(profile.name, "")
        if prefix and len(parts) > 1 and parts[0] == prefix:
            made = self._graded(profile, name, parts[1:], keyed, kind, here)
            if made:
                return made
        return self._graded(profile, name, parts, keyed, kind, here)

    def _graded(
        self, profile: Profile, name: str, parts: Words, keyed: bool, kind: str, here: Side
    ) -> list[Candidate]:
        if not parts:
            return []
        keyed = keyed or self._called_key(profile.name, name)
        keyish = self._penalty(name, parts, keyed, kind)
        if keyish is None:
            return []
        penalty, must = keyish
        made: dict[tuple[str, str], Candidate] = {}
        acts = names.actor(parts) and not names.person_word(parts[-1])
        for target, grade, why, role in self._grades(profile, name, parts, keyed):
            for on, extra in self._targets(profile, name, here, target, kind):
                known = made.get((target, on))
                score = _PRIOR + grade + extra - penalty
                if target == profile.name and role not in ("self", "handle") and not acts:
                    # `customer_id` of a customer is rather what another system calls him
                    score -= 2.5
                if known is None or known.score < score:
                    there = Side(target, (on,))
                    made[target, on] = Candidate(here, there, score, [why], role, must)
        return sorted(made.values(), key=lambda c: -c.score)[:_MOST]

    def _penalty(
        self, name: str, parts: Words, keyed: bool, kind: str
    ) -> tuple[float, bool] | None:
        """What speaks against the column as a key, and whether values must agree."""
        if keyed:
            return (0.5 if kind in ("text", "other") else 0.0), False
        soft = len(names.words(name)) > len(parts)  # `order_number`, `ref`
        if not soft and (set(parts) & MEASURES or (len(parts) > 1 and parts[0] in _FLAGS)):
            return None
        if kind in ("integer", "uuid", "decimal"):
            plural = names.singular(parts[-1]) != parts[-1]
            return (3.5 if plural else 1.5 if soft else 0.0), False
        return 1.0, True

    def _targets(
        self, profile: Profile, name: str, here: Side, target: str, kind: str
    ) -> Iterator[tuple[str, float]]:
        """Columns of the target that the values could be: its key, or a unique namesake."""
        table = self.profiles[target].table
        fields = [next(iter(u)) for u in table.unique if len(u) == 1]
        if len(table.key) == 1:
            fields = [table.key[0], *fields]
        for on in dict.fromkeys(fields):
            if on not in table.columns or (target == profile.name and (on,) == here.fields):
                continue
            column = table.columns[on]
            # a number of its own beside a natural key is a key as well
            number = (on,) != table.key and names.words(on) in _NUMBERS
            key = (on,) == table.key or number
            namesake = on.lower() == name.lower()
            if not key and not namesake and kind != "text":
                continue
            if not _fit(kind, column.type):
                continue
            if not key and column.type == "text" and not (namesake or _label(on)):
                continue
            yield on, -0.2 * number if key else (-0.5 if namesake else -1.5)

    def _grades(
        self, profile: Profile, name: str, parts: Words, keyed: bool
    ) -> Iterator[tuple[str, float, str, str | None]]:
        """(table, weight, why, role) for all tables that the words could mean."""
        named = False
        role = names.part(parts)
        for target, handle, weight in self.called.called(parts[-1]):
            if names.alike(parts, handle):
                grade = {LAST: 2.2}.get(weight, 4.5)
                person = target in self.people and names.person_word(parts[-1])
                if weight == LAST and (person or self._near(profile.name, target, parts)):
                    grade = 4.2
                elif self._kin(profile.name, target):
                    grade += 0.4
                named = named or grade > 4
                yield target, grade, f"called after `{target}`", None
            elif len(parts) > len(handle) and names.alike(parts[-len(handle) :], handle):
                if weight != LAST:
                    named = True
                    role_here = names.part(parts[: -len(handle)])
                    yield target, 3.6, f"ends with the name of `{target}`", role_here
                else:
                    yield target, 1.2, f"ends with the last word of `{target}`", None
        for target, grade, why, whole in self._joined(profile.name, parts):
            named = named or whole
            yield target, grade, why, None
        for cut in range(1, len(parts)):
            rest = parts[cut:]
            if all(map(names.qualifier, rest)):
                for target, handle, weight in self.called.called(parts[cut - 1]):
                    if weight != LAST and names.alike(parts[:cut], handle):
                        named = True
                        yield target, 3.4, f"begins with the name of `{target}`", names.part(rest)
        yield from self._namesakes(profile, name, named, keyed)
        if len(parts) > 1 and parts[0] in _INSTEAD and parts[-1] in ("by", "into", "from", "of"):
            yield profile.name, 3.2, "leads to another row of the same table", "self"
            if parts[-1] != "by" or parts[0] in _ONLY_ROWS:
                return
        if set(parts) & _SELF and not (named and parts[-1] not in _SELF):
            yield profile.name, 3.0, "leads to another row of the same table", "self"
        elif profile.name in self.people and parts[-1] in _ABOVE:
            yield profile.name, 3.2, "leads to another row of the same table", "handle"
        if not named or names.actor(parts):
            yield from self._persons(parts, keyed, role, 1.0 if named else 0.0)
        if not named:
            yield from self._short(parts, keyed)

    def _near(self, here: str, target: str, parts: Words) -> bool:
        """Whether the table's own words complete the target's: `item` of an order."""
        mine = self.called.own(here)
        whole = next((h for h, w in self.called.handles[target] if w >= SHORT), ())
        return any(
            names.alike((*mine[:n], *parts), whole) for n in range(1, len(mine) + 1)
        ) or (bool(mine) and names.alike((*mine[:1], *parts), whole))  # fmt: skip

    def _joined(self, here: str, parts: Words) -> Iterator[tuple[str, float, str, bool]]:
        """Tables whose words are written as one: `shipping_address_id` of `shippingaddress`."""
        mine = "".join(self.called.own(here))
        text = "".join(parts[:-1]) + names.singular(parts[-1])
        for target, whole in self.called.joined.get(text, {}).items():
            if not whole or len(parts) > 1:
                grade = 4.3 + 0.3 * self._kin(here, target)
                yield target, grade, f"called after `{target}`", True
        for cut in range(1, len(parts)):
            end = "".join(parts[cut:-1]) + names.singular(parts[-1])
            for target, whole in self.called.joined.get(end, {}).items():
                if not whole or len(parts) - cut > 1:
                    yield target, 3.4, f"ends with the name of `{target}`", True
        for n in range(3, len(mine) + 1):
            for target in self.called.joined.get(mine[:n] + text, {}):
                yield target, 3.9, f"with its own table's name: `{target}`", True
            if mine[:n].endswith(text) and n > len(text):
                for target in self.called.joined.get(mine[:n], {}):
                    if target != here:
                        yield target, 3.2, f"its table is a part of `{target}`", True

    def _kin(self, here: str, target: str) -> bool:
        return bool(self.called.prefixes.get(here)) and (
            self.called.prefixes[here] == self.called.prefixes.get(target)
        )

    def _called_key(self, here: str, name: str) -> bool:
        """Whether a word of the column says "key" as it does in a key of another table: the
        `emp_number` of a salary, and its `approver_emp_number`.
        """
        parts = names.words(name)
        several = [key for key, _ in _within(parts)]
        if any(table != here for table in self._keys.get(parts, ())):
            several.append(parts)
        return any(
            len(key) > 1 and key in self._keys and not names.KEYS.isdisjoint((key[0], key[-1]))
            for key in several
        )

    def _namesakes(
        self, profile: Profile, name: str, named: bool, keyed: bool
    ) -> Iterator[tuple[str, float, str, str | None]]:
        """Tables whose key has the very name of the column, or one that the column's begins or
        ends with: `manager_emp_no` beside `emp_no`.
        """
        if names.generic(name):
            return
        mine = profile.table.key == (name,)
        words, _ = names.base(name, self.called.glued)
        other_than = {t for t, h, _ in self.called.called(words[-1]) if names.alike(words, h)}
        for target, other in self.profiles.items():
            table = other.table
            if table.view or target == profile.name:
                continue
            keys = {next(iter(u)) for u in table.unique if len(u) == 1} | (
                set(table.key) if len(table.key) == 1 else set()
            )
            if any(name.lower() == key.lower() for key in keys):
                after = any(
                    names.alike(words, h) for h, w in self.called.handles[target] if w >= SHORT
                )
                # where another table is called so, this one's key only leads there too
                grade = (
                    4.5 if after else 1.0 if mine or named or other_than else 3.4 if keyed else 2.8
                )
                yield target, grade, f"has the name of the key of `{target}`", None
        # of one word, only values tell it from any other
        column = profile.table.columns.get(name)
        wordy = column is not None and column.type not in _DENSE
        for held, rest in () if mine else _within(names.words(name)):
            for target in self._keys.get(held, ()) if len(held) > 1 or wordy else ():
                grade = 1.0 if named or other_than else 3.0 if keyed else 2.2
                why = f"its name holds that of the key of `{target}`"
                yield target, grade, why, names.part(rest)

    def _persons(
        self, parts: Words, keyed: bool, role: str | None, doubt: float
    ) -> Iterator[tuple[str, float, str, str | None]]:
        """Tables of people, where the words say that somebody acts."""
        word = parts[-1]
        acts = names.actor(parts)
        means = names.person_word(word)
        if acts or (role and keyed):
            weak = 1.2 if names.unsure(parts) else 2.2
            grade, why = (3.3 if acts else weak), "says what a person does"
        elif means in ("person", "staff") and keyed:
            grade, why = 2.8, f"`{word}` means people"
        elif keyed and names.agent(parts):
            grade, why = 1.4, "sounds like somebody who acts"
        else:
            return
        for target, who in self.people.items():
            less = doubt if target == self.main else 0.8 + doubt
            if who.kind == "staff" and (role == "handle" or means == "staff"):
                less = doubt
            elif who.kind == "staff" and means == "person":
                less = 1.5
            elif role == "handle" and any(p.kind == "staff" for p in self.people.values()):
                less += 0.6
            yield target, grade - less, why, role or ("handle" if means == "staff" else None)

    def _short(self, parts: Words, keyed: bool) -> Iterator[tuple[str, float, str, str | None]]:
        """Tables whose name begins with the word: `cust_id`, `emp_no`."""
        word = parts[-1]
        if not keyed or not 3 <= len(word) <= 5:
            return
        for target, handles in self.called.handles.items():
            whole = [h for h, weight in handles if weight >= SHORT]
            one = whole[-1] if whole else ()
            if len(one) == 1 and one[0] != word and one[0].startswith(word):
                yield target, 2.6, f"may be short for `{target}`", None

    def _by_values(self, profile: Profile, here: Side) -> Iterator[Candidate]:
        """Every table with UUIDs for a key: values alone must tell."""
        for target, other in self.profiles.items():
            key = other.table.key
            if other.table.view or len(key) != 1 or target == profile.name:
                continue
            if other.look(key[0]).share("uuid") > 0.9:
                why = ["its values are of the same kind"]
                yield Candidate(here, Side(target, key), _PRIOR, why, None, must=True)

    def _composite(self, profile: Profile) -> Iterator[Candidate]:
        """Tables whose key of several columns stands here under the same names."""
        mine = {c.lower(): c for c in profile.table.columns}
        for target, other in self.profiles.items():
            key = other.table.key
            if len(key) < 2 or other.table.view or target == profile.name:
                continue
            if any(names.generic(k) for k in key) or not all(k.lower() in mine for k in key):
                continue
            fields = tuple(mine[k.lower()] for k in key)
            if set(fields) == set(profile.table.key):
                continue
            kinds = zip(fields, key, strict=True)
            if all(_fit(profile.table.columns[a].type, other.table.columns[b].type)
                   for a, b in kinds):  # fmt: skip
                why = [f"has the {len(key)} columns of the key of `{target}`"]
                yield Candidate(
                    Side(profile.name, fields), Side(target, key), _PRIOR + 2.2, why, must=True
                )

    # ------------------------------------------------------------ judgement

    def _weigh(self, profile: Profile, candidates: list[Candidate]) -> None:
        """Add what the values say."""
        for start in range(0, len(candidates), 60):
            some = candidates[start : start + 60]
            answers = self.overlap.compare([(c.here, c.there) for c in some])
            for candidate, met in zip(some, answers, strict=True):
                candidate.met = met
                self.judge(candidate)

    def judge(self, candidate: Candidate) -> None:
        """Weigh what was met at the other end."""
        met = candidate.met
        if met is None:
            candidate.why.append("the values could not be compared")
            candidate.score -= 3 if candidate.must else 0
            return
        if met.values == 0:
            candidate.why.append("no values to compare")
            candidate.score -= 3 if candidate.must else 0
            return
        share = met.hits / met.values
        candidate.why.append(f"{met.hits:,} of {met.values:,} distinct values are there")
        if share >= 0.99:
            candidate.score += self._surprise(candidate, met)
        elif met.values < 4:
            candidate.score -= 1.5 if share < 0.5 else 0.5
        else:
            candidate.score -= (
                0.2 if share >= 0.9 else 1.2 if share >= 0.75 else 2.5 if share >= 0.5 else 5.0
            )
        if candidate.must and share < 0.9:
            candidate.score -= 3

    def _surprise(self, candidate: Candidate, met: Met) -> float:
        there = candidate.there
        table = self.profiles[there.dataset].table
        if len(there.fields) == 1 and table.columns[there.fields[0]].type in _DENSE:
            density = self.overlap.density(there.dataset, there.fields[0])
            if density > _FULL:
                candidate.why.append("any small number would be: this proves little")
                return 0.4
            return min(3.5, 0.4 - met.values * math.log(density))
        if candidate.must:
            return 4.0 if met.values >= 5 else 2.0 if met.values >= 2 else 0.8
        return 3.0 if met.values >= 3 else 1.0

    def _best(self, candidates: list[Candidate]) -> tuple[list[Found], list[Found]]:
        columns: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Candidate]] = {}
        for candidate in candidates:
            columns.setdefault((candidate.here.fields, candidate.here.path), []).append(candidate)
        sure, perhaps = [], []
        for several in columns.values():
            several.sort(key=self._order)
            best = self._whole(several)
            rival = next(
                (c for c in several if c.there.dataset != best.there.dataset
                 and not self._part(c.there, best.there)), None,
            )  # fmt: skip
            ask = None
            confidence = best.confidence
            if rival is not None and rival.confidence > 0.2:
                # two that cannot both be right share the probability
                odds = math.exp(best.score - rival.score)
                confidence = max(0.5, odds / (1 + odds) * best.confidence)
                if rival.score > best.score - 0.7:
                    ask = f"does it lead to `{best.there.dataset}` or to `{rival.there.dataset}`?"
            if best.confidence >= LIKELY:
                sure.append(found(best, confidence, ask))
            elif best.confidence >= POSSIBLE:
                question = f"does it lead to `{best.there.dataset}`?"
                perhaps.append(found(best, confidence, question))
        return sure, perhaps

    def _order(self, candidate: Candidate) -> tuple[float, bool, bool]:
        """The likeliest first; of several as likely, people."""
        there = candidate.there.dataset
        return -round(candidate.score, 6), there != self.main, there not in self.people

    def _whole(self, several: list[Candidate]) -> Candidate:
        """The first, or what it is but a part of: the picture of an employee has her number for
        its key, and whoever is meant by that number is the employee.
        """
        best = several[0]
        for other in several[1:]:
            if other.score > best.score - 0.7 and self._part(best.there, other.there):
                best = other
        return best

    def _part(self, one: Side, other: Side) -> bool:
        """Whether two tables have a key of one name, and all values of the first's, but not only
        they, stand in the second; no where any small number would.
        """
        keys = [self.profiles[side.dataset].table.key for side in (one, other)]
        if one.dataset == other.dataset or keys != [one.fields, other.fields] or len(keys[0]) != 1:
            return False
        if names.generic(keys[0][0]) or names.words(keys[0][0]) != names.words(keys[1][0]):
            return False
        number = self.profiles[other.dataset].table.columns[other.fields[0]].type in _DENSE
        if number and self.overlap.density(other.dataset, other.fields[0]) > _FULL:
            return False
        if (one, other) not in self._parts:
            there, back = (self.overlap.compare([pair])[0] for pair in ((one, other), (other, one)))
            self._parts[one, other] = (
                there is not None and back is not None
                and 0 < there.values == there.hits and back.hits < back.values
            )  # fmt: skip
        return self._parts[one, other]


def found(candidate: Candidate, confidence: float, ask: str | None) -> Found:
    """The candidate as a finding; a question where it is not sure enough."""
    if ask is None and confidence < 0.75:
        ask = f"does it lead to `{candidate.there.dataset}`?"
    return Found(
        candidate.here.fields,
        candidate.there.dataset,
        candidate.there.fields,
        confidence,
        tuple(candidate.why),
        candidate.basis,
        role=candidate.role,
        when=candidate.here.when[0] if candidate.here.when else None,
        path=candidate.here.path,
        ask=ask,
    )


def _declared(fields: tuple[str, ...], to: str, on: tuple[str, ...]) -> Found:
    role = names.part(names.base(fields[0])[0]) if len(fields) == 1 else None
    return Found(fields, to, on, 0.99, ("declared as a foreign key",), "declared", role=role)


def _within(parts: Words) -> Iterator[tuple[Words, Words]]:
    """What a name begins or ends with, and the rest of it."""
    for cut in range(1, len(parts)):
        yield parts[:cut], parts[cut:]
        yield parts[cut:], parts[:cut]


def _fit(one: str, other: str) -> bool:
    """Whether values of the two types can be compared."""
    numbers = {"integer", "decimal", "other"}
    texts = {"text", "uuid", "other"}
    return one == other or {one, other} <= numbers or {one, other} <= texts


def _label(column: str) -> bool:
    """Whether people are called by the column: a login, an e-mail address."""
    return bool(
        {"username", "login", "email", "mail", "nickname", "handle", "user", "benutzername"}
        & set(names.words(column))
    )
