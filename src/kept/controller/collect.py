"""One row that somebody sent by a form, on its way into a store of the company's.

It is added and held open until what Kept itself records of it is committed; then it is committed
too, and read back by its key through a second session.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from kept.datamap.map import DataMap
from kept.datamap.reach import Place
from kept.errors import NotAble, StoreError
from kept.model.plan import Mode
from kept.model.select import KeyTable, by_key
from kept.model.values import Value
from kept.stores.base import Store


class Collecting:
    """A row that is added and not committed; leaving it without `commit` takes it back."""

    def __init__(
        self, datamap: DataMap, stores: Mapping[str, Store], place: Place, row: Mapping[str, Value]
    ) -> None:
        system, dataset = place
        if datamap.systems[system].mode is not Mode.ACT:
            raise NotAble(
                f"nothing may be stored in `{system}`",
                expected="mode act",
                fix=f'write `mode = "act"` under [systems.{system}], or store it yourself',
            )
        self._store = stores[system]
        self._mapped, self._name = datamap.dataset(system, dataset), f"{system}.{dataset}"
        self._session = self._store.session(write=True)
        try:
            self._key = self._session.add(dataset, row)
        except BaseException:
            self._session.close()
            raise

    def __enter__(self) -> Collecting:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    def commit(self) -> None:
        """Make it durable, and see that it is; StoreError where it is not."""
        self._session.commit()
        self._session.close()
        table = KeyTable(self._mapped.key, ((0, self._key),))
        with self._store.session() as session:
            if session.count([by_key(self._mapped.name, table)]) != [1]:
                raise StoreError(f"what was stored in `{self._name}` is not found there again")
