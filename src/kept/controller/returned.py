"""Looking again for people who were erased: by the keyed hashes that are left of them.

Nobody is asked for by name, because Kept has no names any more: every value that identifies
somebody is read, brought into its one spelling, and hashed as the hashes that were kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from kept.controller.execute import as_wanted
from kept.controller.retained import named, read
from kept.datamap.map import Dataset, OnErase, System
from kept.datamap.overwrite import written
from kept.errors import IdentifierError
from kept.model.plan import Action, Step
from kept.model.predicate import IsNull, Not
from kept.model.select import KeyTable, Select
from kept.model.values import Value
from kept.records.subject import LINKING
from kept.stores.base import Store
from kept.terms.identifiers import Identifier

#: An identifier → the hash under which somebody who was erased is still known by it, or None.
Known: TypeAlias = Callable[[Identifier], bytes | None]
#: (system, dataset, keys, rows) → whether each is a row that was retained, as it was.
Hidden: TypeAlias = Callable[
    [str, str, Sequence[Sequence[Value]], Sequence[Mapping[str, Value]]], Sequence[bool]
]

#: What stands around an address in a text.
_AROUND: Final = ".,;:!?'\"<>()[]{}*_-/"


@dataclass(frozen=True, slots=True)
class Again:
    """A row that names somebody who was erased: who (a hash), and what its clock says.

    `at` is None where the dataset has no clock, or the row no time.
    """

    who: bytes
    at: dt.datetime | None


def look(
    store: Store, system: System, dataset: Dataset, hidden: Hidden, known: Known
) -> tuple[int, list[Again]]:
    """How many rows were looked at, and those that name somebody who was erased.

    Left out are rows that were retained and those that say what an erasure writes over them.
    """
    assign = written(system, dataset)
    kinds = {
        f.name: str(f.identifies)
        for f in dataset.fields.values()
        # Of a row that was made nobody's the number stays, and leads to nobody.
        if f.identifies in LINKING
        and (dataset.on_erase is not OnErase.ANONYMISE or f.name in assign)
    }
    texts = [f.name for f in dataset.fields.values() if f.mentions]
    if not kinds and not texts:
        return 0, []
    fields = tuple(dict.fromkeys((*dataset.key, *kinds, *texts)))
    looked = 0
    met: dict[tuple[Value, ...], bytes] = {}
    whole = Select(dataset.name, dataset.key, only=Not(IsNull(dataset.key[0])), fields=fields)
    with store.session() as session:
        for _, batch in session.read([whole]):
            at = {name: n for n, name in enumerate(batch.columns)}
            looked += len(batch.rows)
            for row in batch.rows:
                said = [(kind, row[at[name]]) for name, kind in kinds.items()]
                said += [("email", w) for name in texts for w in _addresses(row[at[name]])]
                for kind, value in said:
                    who = _who(kind, value, known)
                    if who is not None:
                        met[tuple(row[at[name]] for name in dataset.key)] = who
                        break
    if not met:
        return looked, []
    place = (system.name, dataset.name)
    table = KeyTable(dataset.key, tuple((0, key) for key in met))
    rows = read({system.name: store}, place, table)
    there = [key for key in met if named(key) in rows]
    kept = hidden(*place, there, [rows[named(key)] for key in there])
    step = Step(0, *place, Action.OVERWRITE, table, assign=assign)
    found = []
    for key, is_kept in zip(there, kept, strict=True):
        row_ = rows[named(key)]
        if is_kept or (assign and as_wanted(step, dataset, row_)):
            continue
        found.append(Again(met[key], _moment(row_.get(dataset.clock or ""))))
    return looked, found


def _who(kind: str, value: Value, known: Known) -> bytes | None:
    if value is None:
        return None
    try:
        one = Identifier(kind, str(value))
        return known(one) if one.normalised else None
    except IdentifierError:
        return None


def _addresses(text: Value) -> Iterator[str]:
    if isinstance(text, str) and "@" in text:
        for word in text.split():
            if "@" in word:
                yield word.strip(_AROUND)


def _moment(value: Value) -> dt.datetime | None:
    """A time as the row has it; without a zone it is taken for UTC, a day for its end."""
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time.max, dt.UTC)
    return None
