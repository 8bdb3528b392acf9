"""Changes as statements of an engine: one per dataset and change, for all people at once.

An update writes only rows that differ, so that repeating it changes nothing and says so.
What does not depend on values is compiled once, as in `stores.reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from kept.errors import NotAble, StoreError, UsageError
from kept.model.change import Assignment, Change, Const, PerRow, Template
from kept.model.generalise import Generalise
from kept.model.redact import Redact
from kept.model.values import Value
from kept.stores.columns import Column, Element, Param, Table
from kept.stores.dialects import Binder
from kept.stores.reading import Call, Memo, ReadCall, Reading, all_of
from kept.stores.rows import held, template_fields, template_parts

__all__ = ["Call", "Memo", "ReadCall", "Statements", "Written"]

#: The condition for the rows of a change (changed or not), and the statement.
Built: TypeAlias = tuple[Sequence[Element], sa.Delete | sa.Update]


@dataclass(frozen=True, slots=True)
class Written:
    """A change, bound to its values. `shape` is all that its text depends on (None: unknown).

    `counts`: the rows found have to be counted with it; else they are counted already.
    """

    table: Table
    binder: Binder
    build: Callable[[], Built]
    shape: Any = None
    counts: bool = True
    deletes: bool = False

    @property
    def text(self) -> str:
        """The statement with literal values in it, for a person."""
        return self.binder.written(self.build()[1]) + ";"


class Statements(Reading):
    """Writes the statements of one store."""

    def compiled(
        self, use: str, made: Written, form: Callable[[Built], sa.ClauseElement]
    ) -> tuple[str, list[Param]]:
        """The text of `form` for one `use`, compiled once per shape, and its parameters."""
        key = None if made.shape is None else (use, made.shape)
        text = None if key is None else self.texts.get(key)
        if text is None:
            text = self.keep(key, form(made.build()))
        return text[0], [made.binder.params[name] for name in text[1]]

    def writable(self, change: Change) -> Table:
        """The table of a change; NotAble for a view, before anything is tried."""
        return self._changeable(change.select.dataset, change.assign or ())

    def _changeable(self, dataset: str, names: Iterable[str]) -> Table:
        table = self.table(dataset)
        if table.view:
            raise NotAble(
                f"`{table.dataset}` is a view; its rows cannot be changed through it",
                expected="a table",
                fix="map the tables that the view reads",
            )
        if table.barred is not None:
            raise NotAble(
                f"`{table.dataset}` is {table.barred}",
                expected="a table whose changes are undone by a rollback and leave nothing behind",
                fix="let its owner change the table, or do it in the system itself",
            )
        for name in names:
            if table.column(name).generated:
                raise NotAble(
                    f"`{name}` of `{table.dataset}` is computed by the engine",
                    expected="a column that can be written",
                    fix="overwrite the columns that it is computed from",
                )
        return table

    def by_row(self, change: Change) -> bool:
        """Whether the new values must be computed outside the engine."""
        table = self.table(change.select.dataset)
        for how in (change.assign or {}).values():
            if isinstance(how, (PerRow, Generalise, Redact)):
                return True
            if isinstance(how, Template):
                for name in template_fields(how.text):
                    if name not in table.columns:
                        raise UsageError(
                            f"a template for `{table.dataset}` names a field that is not there",
                            met=f"`{name}`",
                            fix="name a column of the table in braces",
                        )
                    column = table.column(name)
                    if column.type not in self.dialect.templated or column.padded:
                        return True
        return False

    def change(self, change: Change, memo: Memo) -> Written | None:
        """The change, bound to its values; None: no row can match."""
        table = self.writable(change)
        select = change.select
        bound = self.bind(select, False, memo)
        if bound is None:
            return None
        shape, params = bound
        binder = Binder(self.dialect)
        binder.params.update(params)
        for name, param in self._params(change.assign or {}, table).items():
            binder.params[name] = param

        def build() -> Built:
            where = self.where(select, table, shape, binder)
            if change.assign is None:
                return where, sa.delete(table.clause).where(*where)
            new = self._news(change.assign, table)
            differs = [
                self.dialect.differs(table.column(name), table.clause.c[name], value)
                for name, value in new.items()
            ]
            return where, self._update(table, [*where, sa.or_(*differs)], new)

        what = None if change.assign is None else self._form(change.assign)
        key = (select.dataset, select.key, shape, what) if all_of(select) else None
        return Written(table, binder, build, key, deletes=change.deletes)

    @staticmethod
    def _update(table: Table, where: Sequence[Element], new: Mapping[str, Element]) -> sa.Update:
        """The update; what the engine would set by itself keeps its value."""
        at = table.clause
        kept = {n: at.c[n] for n, c in table.columns.items() if c.touched and n not in new}
        return sa.update(at).where(*where).values({**new, **kept})

    @staticmethod
    def _form(assign: Mapping[str, Assignment]) -> tuple[tuple[str, object], ...]:
        """What the text of an update depends on; a constant only by being null."""
        return tuple(
            (name, how.text if isinstance(how, Template) else how == Const(None))
            for name, how in assign.items()
        )

    def _params(self, assign: Mapping[str, Assignment], table: Table) -> dict[str, Param]:
        """The parameters of new values, by the names that `_news` gives them."""
        params: dict[str, Param] = {}
        for name, how in assign.items():
            column = table.column(name)
            if isinstance(how, Const):
                value = held(how.value, column.type, dataset=table.dataset, field=name)
                if value is not None:
                    params[f"n{len(params)}"] = self.dialect.stored(value, column)
            elif isinstance(how, Template):
                for words, _ in template_parts(how.text):
                    if words:
                        params[f"n{len(params)}"] = self.dialect.stored(words, Column(name))
        return params

    def _news(self, assign: Mapping[str, Assignment], table: Table) -> dict[str, Element]:
        """The new values as expressions."""
        new: dict[str, Element] = {}
        used = 0

        def bind() -> Element:
            nonlocal used
            used += 1
            return sa.bindparam(f"n{used - 1}")

        for name, how in assign.items():
            column = table.column(name)
            if isinstance(how, Const):
                new[name] = self.dialect.new(column, sa.null() if how.value is None else bind())
            elif isinstance(how, Template):
                parts: list[Element] = []
                for words, field in template_parts(how.text):
                    if words:
                        parts.append(self.dialect.new(Column(name), bind()))
                    if field is not None:
                        shown = self.dialect.shown_as(table.column(field), table.clause.c[field])
                        cast = sa.cast(shown, sa.TEXT)
                        parts.append(sa.func.coalesce(cast, sa.literal_column("''")))
                made = self.dialect.together(parts) if parts else sa.literal_column("''")
                new[name] = self.dialect.new(column, made)
        return new

    def insertion(
        self, dataset: str, row: Mapping[str, Value], key: Sequence[str]
    ) -> tuple[str, list[Param]]:
        """The text that adds a row and answers with its key, and its parameters."""
        table = self._changeable(dataset, row)
        assign = {name: Const(value) for name, value in row.items()}

        def build() -> sa.ClauseElement:
            added = sa.insert(table.clause).values(self._news(assign, table))
            return added.returning(*(table.clause.c[name] for name in key))

        shape = ("add", dataset, tuple(key), self._form(assign))
        text = self.texts.get(shape) or self.keep(shape, build())
        params = self._params(assign, table)
        return text[0], [params[name] for name in text[1]]

    def insertions(
        self, dataset: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]
    ) -> tuple[str, list[Param]]:
        """The text that adds rows, and its parameters."""
        table = self._changeable(dataset, dict.fromkeys(columns))
        there = [table.column(name) for name in columns]
        values = [
            self._stored(each, column, table)
            for each, column in zip(zip(*rows, strict=True), there, strict=True)
        ]
        unfolded = self.dialect.unfolded(there, values)
        shape = ("add rows", dataset, tuple(columns), 0 if unfolded else len(rows))
        text = self.texts.get(shape)
        if unfolded is not None:
            selected, params = unfolded
            added = sa.insert(table.clause).from_select(list(columns), selected)
            text = text or self.keep(shape, added)
            named: dict[str, Param] = {f"c{i}": param for i, param in enumerate(params)}
        else:
            text = text or self.keep(shape, self._inserted(table, there, len(rows)))
            named = {
                f"n{n}x{i}": param for i, each in enumerate(values) for n, param in enumerate(each)
            }
        return text[0], [named[name] for name in text[1]]

    def _inserted(self, table: Table, columns: Sequence[Column], count: int) -> sa.ClauseElement:
        new = self.dialect.new
        made = [
            {c.name: new(c, sa.bindparam(f"n{n}x{i}")) for i, c in enumerate(columns)}
            for n in range(count)
        ]
        return sa.insert(table.clause).values(made)

    def _stored(self, values: Sequence[Value], column: Column, table: Table) -> list[Param]:
        """The values of one column of many rows, as they are stored."""
        stored, text = self.dialect.stored, column.type == "text"
        made: list[Param] = []
        last: Value = None
        param: Param = None
        for value in values:
            if value is None:
                made.append(None)
                continue
            if value is not last:  # the stamps of a batch are the same in each of its rows
                plain = text and type(value) is str
                kept = value if plain else held(
                    value, column.type, dataset=table.dataset, field=column.name
                )  # fmt: skip
                param, last = stored(kept, column), value
            made.append(param)
        return made

    def by_key(
        self,
        table: Table,
        key: tuple[str, ...],
        names: Sequence[str],
        rows: Sequence[tuple[tuple[Value, ...], tuple[Value, ...]]],
    ) -> Written:
        """One update of many rows from (key, new values); only rows that differ are written."""
        dialect, binder = self.dialect, Binder(self.dialect)
        identity = [table.column(n) for n in key]
        columns = [table.column(n) for n in names]
        stored = [
            (
                *(self._key(v, c, table) for v, c in zip(k, identity, strict=True)),
                *(
                    dialect.stored(held(v, c.type, dataset=table.dataset, field=c.name), c)
                    for v, c in zip(values, columns, strict=True)
                ),
            )
            for k, values in rows
        ]
        if not all(dialect.listable(param) for row in stored for param in row):
            raise StoreError(
                f"a text computed for `{table.dataset}` holds a null character",
                fix="let the function give text without it",
            )
        made_of = list(zip(*stored, strict=True))[len(identity) :]
        carried = [*identity]
        for column, params_of in zip(columns, made_of, strict=True):
            blob = any(isinstance(param, bytes) for param in params_of)
            carried.append(Column(column.name, "bytes" if blob else "text"))
        params = dialect.key_params(stored, carried, None)
        binds = [binder.bind(param) for param in params]
        _, values, _ = dialect.key_list("k0", carried, binds, None)
        at = table.clause
        mine = [
            dialect.side(c, at.c[c.name]) == v
            for c, v in zip(identity, values[: len(identity)], strict=True)
        ]
        new = {
            c.name: dialect.new(c, v) for c, v in zip(columns, values[len(identity) :], strict=True)
        }
        differs = [dialect.differs(c, at.c[c.name], new[c.name]) for c in columns]
        update = self._update(table, [*mine, sa.or_(*differs)], new)
        return Written(table, binder, lambda: (mine, update), counts=False)

    def _key(self, value: Value, column: Column, table: Table) -> Param:
        forms = self.dialect.keys(value, column)
        if len(forms) < 1:
            raise StoreError(
                f"a row of `{table.dataset}` has no key by which it could be written",
                expected="key fields that are never null",
                fix="name another key in the data map",
            )
        return forms[0]
