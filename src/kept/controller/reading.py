"""Reading rows, streamed: what is retained stays away, but where it is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kept.controller.locate import Located
from kept.datamap.map import DataMap
from kept.datamap.reach import Place
from kept.errors import StoreError
from kept.model.plan import Mode
from kept.model.select import Batch, KeyTable, Select, by_key
from kept.records.isolated import Opened
from kept.records.locator import Veil
from kept.stores.base import Store


def rows(
    datamap: DataMap,
    stores: Mapping[str, Store],
    veil: Veil,
    found: Located,
    retained: Mapping[Place, KeyTable],
    opened: Opened | None,
    mark: str,
) -> Iterator[tuple[Place, Batch]]:
    """The rows, as `Controller.read` gives them."""
    extra = dict(retained)
    for system in list(dict.fromkeys((*found.selects, *(s for s, _ in extra)))):
        if system in found.unreached:
            continue
        served = stores[system].abilities.word
        if served and datamap.systems[system].mode is Mode.OBSERVE:
            found.unreached[system] = "mode observe: nobody is asked"
            continue
        # What is retained of a dataset comes right after the rest of it: one turn for both.
        asked: list[tuple[Select, bool]] = []
        for select in found.selects.get(system, ()):
            asked.append((select, False))
            table = extra.pop((system, select.dataset), None)
            if table is not None:
                asked.append((by_key(select.dataset, table), True))
        asked += [(by_key(p[1], t), True) for p, t in extra.items() if p[0] == system]
        selects = [select for select, _ in asked]
        try:
            with stores[system].session() as session:
                session.mark = mark
                for index, batch in session.read(selects):
                    place = (system, selects[index].dataset)
                    key = datamap.dataset(*place).key
                    if not asked[index][1]:
                        batch = _visible(veil, place, key, batch)
                    elif opened is not None:
                        batch = opened.overlaid(place, key, batch)
                    if batch.rows:
                        yield place, batch
        except StoreError as problem:
            found.unreached[system] = str(problem)


def _visible(veil: Veil, place: Place, key: tuple[str, ...], batch: Batch) -> Batch:
    if not veil.covers(*place):
        return batch
    at = [batch.columns.index(f) for f in key]
    hidden = veil.hidden(
        *place,
        [tuple(row[j] for j in at) for row in batch.rows],
        [dict(zip(batch.columns, row, strict=True)) for row in batch.rows],
    )
    if not any(hidden):
        return batch
    shown = [i for i, hide in enumerate(hidden) if not hide]
    return Batch(batch.columns, [batch.rows[i] for i in shown], [batch.persons[i] for i in shown])
