"""What the requests of several people will ask of the stores, asked for all of them at once.

The Selects are worked out person by person, as her own request does it; only their answers come
together. What is not foreseen here, or could not be asked, her request asks for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from kept.controller import alike, locate, mentions, naming
from kept.controller.together import EACH, MOST, Asked, Memory
from kept.datamap.map import DataMap, Dataset
from kept.datamap.reach import Place, Reach, reach
from kept.errors import KeptError
from kept.model.select import KeyTable, Select, by_key
from kept.records.locator import Veil
from kept.records.subject import LINKING
from kept.stores.base import Store
from kept.terms.identifiers import Identifier
from kept.terms.vocabulary import Vocabulary

#: What is asked of each system.
_Asked = dict[str, list[Asked]]


class Foreseen:
    """What is known of people whose requests come one after the other.

    Keys of everybody's rows are asked for at once, rows for as many people as are held in memory.
    """

    def __init__(
        self, datamap: DataMap, stores: Mapping[str, Store], veil: Callable[[], Veil],
        words: Vocabulary, people: Sequence[Sequence[Identifier]], *, whole: bool,
    ) -> None:  # fmt: skip
        """`whole`: their rows are to be shown; else only what says whose they are is read."""
        self._datamap, self._veil, self._words, self._whole = datamap, veil, words, whole
        self._people = [tuple(one) for one in people]
        self.memory = Memory(stores, len(self._people))
        self.stores = self.memory.stores
        self._away: set[str] = set()
        looks: list[tuple[int, Reach]] = []
        self._numbers()
        for n, one in enumerate(self._people):
            try:
                found = locate.Located((one,))
                with self.memory.turn(n):
                    met = locate.numbers(datamap, self.stores, found)
                looks.append((n, reach(datamap, [one], met=met)))
            except KeptError:
                self.memory.forget(n)
        self._selects = dict(self._find(looks))
        self._ready: set[int] = set()

    @contextmanager
    def turn(self, n: int) -> Iterator[None]:
        """The request of the person with this number is under way; afterwards she is forgotten."""
        if n not in self._ready and self.memory.knows(n):
            self._read(self._next(n))
        with self.memory.turn(n):
            yield
        self.memory.forget(n)

    def _numbers(self) -> None:
        """Ask at once how rows spell the telephone numbers of all."""
        asked: _Asked = {}
        for n, one in enumerate(self._people):
            with suppress(KeptError):
                for system, selects in locate.holding(self._datamap, self.stores, one).items():
                    asked.setdefault(system, []).extend((n, select) for select in selects)
        self._rows(asked, hers=False)

    def _find(
        self, looks: Sequence[tuple[int, Reach]]
    ) -> list[tuple[int, Mapping[str, tuple[Select, ...]]]]:
        """Follow everybody's search to its end; then her Selects, their keys known."""
        ended = []
        while looks:
            found = self._keys((n, look.seek) for n, look in looks)
            ended += [(n, look) for n, look in looks if not look.seek]
            looks = [
                (n, look.next({s: told.get(n, {}) for s, told in found.items()}))
                for n, look in looks
                if look.seek
            ]
        selects = [(n, self._asked(look.selects)) for n, look in ended]
        self._keys(selects)
        return selects

    def _asked(self, selects: Mapping[str, tuple[Select, ...]]) -> Mapping[str, tuple[Select, ...]]:
        return {s: each for s, each in selects.items() if s in self.stores and s not in self._away}

    def _keys(
        self, asked: Iterable[tuple[int, Mapping[str, tuple[Select, ...]]]]
    ) -> dict[str, dict[int, dict[str, KeyTable]]]:
        """System → page → dataset → keys."""
        wanted: _Asked = {}
        for n, systems in asked:
            for system, selects in self._asked(systems).items():
                wanted.setdefault(system, []).extend((n, select) for select in selects)
        found: dict[str, dict[int, dict[str, KeyTable]]] = {}
        for system, each in wanted.items():
            try:
                found[system] = self.memory.ask_keys(system, each)
            except KeptError:
                self._away.add(system)
        return found

    def _next(self, first: int) -> list[int]:
        """Whose rows are read together: hers and those of the next, as many as memory holds."""
        found: list[int] = []
        room = MOST // 2
        for n in range(first, len(self._people)):
            if n in self._ready or not self.memory.knows(n):
                continue
            rows = sum(len(table) for table in self._own(n).values())
            if rows > EACH:
                # She is read alone, streamed.
                self.memory.forget(n)
                continue
            room -= rows
            if found and room < 0:
                break
            found.append(n)
        return found

    def _own(self, n: int) -> dict[Place, KeyTable]:
        """The keys of her rows in the systems that were asked, as her request sees them."""
        found = locate.Located((self._people[n],), dict(self._asked(self._selects.get(n, {}))))
        with self.memory.turn(n):
            return locate.shown(self._veil(), self.stores, found)

    def _read(self, pages: Sequence[int]) -> None:
        self._ready.update(pages)
        own = {n: self._own(n) for n in pages}
        rows: _Asked = {}
        for n in pages:
            if self._whole:
                for system, selects in self._asked(self._selects.get(n, {})).items():
                    rows.setdefault(system, []).extend((n, select) for select in selects)
                continue
            for place, table in own[n].items():
                fields = self._telling(self._datamap.dataset(*place))
                select = by_key(place[1], table, fields)
                rows.setdefault(place[0], []).append((n, select))
        self._rows(rows, hers=True)
        if not self._whole:
            self._find([look for n in pages for look in self._others(n, own[n])])
        likely: _Asked = {}
        for n in pages:
            for system, select in self._likely(n, own[n]):
                likely.setdefault(system, []).append((n, select))
        self._rows(likely, hers=False)

    def _rows(self, asked: _Asked, *, hers: bool) -> None:
        for system, each in asked.items():
            if system not in self._away:
                # What cannot be asked for all, or is too much at once, each asks for herself.
                with suppress(KeptError):
                    self.memory.ask_rows(system, each, hers=hers)

    def _telling(self, dataset: Dataset) -> tuple[str, ...]:
        """What says whose a row is, and on which ground it is held."""
        is_name = self._words.is_name
        more = (
            f.name
            for f in dataset.fields.values()
            if f.identifies or is_name(f.category) or f.stamp == "basis"
        )
        return tuple(dict.fromkeys((*dataset.key, *alike.told_by(dataset, is_name), *more)))

    def _others(self, n: int, own: Mapping[Place, KeyTable]) -> Iterator[tuple[int, Reach]]:
        """The search by each identifier that her rows hold beside what was given."""
        with self.memory.turn(n), suppress(KeptError):
            known = {(i.kind, i.normalised) for i in self._people[n]}
            for _, one in naming.identifiers(self._datamap, self.stores, own):
                if one.kind in LINKING and (one.kind, one.normalised) not in known:
                    known.add((one.kind, one.normalised))
                    yield n, reach(self._datamap, [[one]])

    def _likely(self, n: int, own: Mapping[Place, KeyTable]) -> list[tuple[str, Select]]:
        """What is asked for rows that may be hers, and for texts that may name her."""
        found: list[tuple[str, Select]] = []
        with self.memory.turn(n), suppress(KeptError):
            people = [self._people[n]]
            is_name = self._words.is_name
            for place, select in alike.asked(self._datamap, self.stores, is_name, people, own):
                found.append((place[0], select))
            if self._whole:
                texts = mentions.Texts(self._datamap, self.stores, self._veil, self._words)
                for place, select in texts.asked(texts.known_by(people, own)):
                    found.append((place[0], select))
        return [one for one in found if one[0] in self.stores]
