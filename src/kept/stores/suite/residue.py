"""Laws of what is left beneath the rows: nothing is called gone that was not looked at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from kept.model.change import Change, Const
from kept.model.residue import Fate, Needles, Residue
from kept.stores.base import Store
from kept.stores.suite.laws import Laws
from kept.stores.suite.sample import of, person, sample

_NOW: Final = dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC)
#: Values that stand in no other row of the sample.
_GOING, _WRITTEN_OVER = "zoe.going@residue.example", "yan.over@residue.example"


class ResidueLaws(Laws):
    """A layer that is called gone holds none of the values; the author shows its bytes."""

    def beneath(self, layer: str) -> Iterable[bytes] | None:
        """The bytes of a layer of what `make` filled last, read without the store's help.

        None: they cannot be shown; then the store must not call the layer gone.
        """
        return None

    def test_gone_is_said_only_of_what_was_looked_at(self) -> None:
        """Before and after an erasure, and after a scrubbing; the other rows stay as they are.

        The rows spell the values with other capitals than they are looked for.
        """
        rows = sample()
        # more people than fit on one page, hers among them
        crowd = [person(n, f"p{n}@residue.invalid", name="x" * 50) for n in range(100, 400)]
        crowd[150]["email"], crowd[250]["email"] = _GOING.title(), _WRITTEN_OVER.upper()
        rows["person"] += crowd
        store = self.fresh(rows)
        self._told(store)
        self.do(store, Change(of("person", 250)), Change(of("person", 350), {"email": Const(None)}))
        left = self.content()
        self._told(store)
        for full in (False, True):
            if list(store.scrubbing(full=full)):
                store.scrub(full=full)
                self._told(store)
                assert self.content() == left
        store.close()

    def test_words_and_layers_tell_no_value(self) -> None:
        """What is said of the layers holds none of the values, also of rows that are there."""
        store = self.fresh({"person": [person(1, _GOING, name=_WRITTEN_OVER)]})
        self.do(store, Change(of("person", 1)))
        assert _GOING not in repr(Needles([_GOING]))
        for one in self._told(store):
            assert _GOING not in repr(one)
        store.close()

    def _told(self, store: Store) -> list[Residue]:
        needles = Needles([_GOING, _WRITTEN_OVER])
        told = list(store.residue(needles, _NOW))
        assert told, "a store that says nothing hides what is left"
        for one in told:
            if one.fate is not Fate.GONE:
                continue
            shown = self.beneath(one.layer)
            assert shown is not None, f"nobody shows the bytes of `{one.layer}`"
            parts = list(shown)
            assert sum(map(len, parts)), f"there was nothing to look at in `{one.layer}`"
            for text in needles:
                assert not any(text.encode() in part.lower() for part in parts), one.layer
        return told
