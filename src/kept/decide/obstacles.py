"""What stands in the way of steps by what is known of a dataset and its store. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from kept.datamap.check import READONLY
from kept.datamap.map import Dataset, Link
from kept.datamap.reach import Place
from kept.model.abilities import Abilities, Verb
from kept.model.plan import Action, Obstacle, Step

#: Actions that leave the row and write over fields of it.
EMPTYING: Final = (Action.ISOLATE, Action.OVERWRITE, Action.ANONYMISE, Action.REDACT)
_WRITES: Final = (Action.DELETE, *EMPTYING)
_BY_HAND: Final = "set the system's mode to `assisted`, so that a person does it"
_NEEDS: Final[tuple[tuple[Verb, Collection[Action], str, str], ...]] = (
    ("delete", (Action.DELETE,), "the store cannot delete rows", _BY_HAND),
    ("update", EMPTYING, "the store cannot change rows", _BY_HAND),
    (
        "compute",
        (Action.ANONYMISE,),
        "nobody could say whether rows that stay there are anonymous: the store cannot be given"
        " single values, or not be read back",
        "write `erase: delete` or `erase: overwrite` for it in the map",
    ),
    (
        "compute",
        (Action.REDACT,),
        "no passage can be taken out of its texts: the store cannot be given single values, or"
        " not be read back",
        "write `free_text: true` for them in the map, and have it done in the system itself",
    ),
)


def amiss(dataset: Dataset, steps: Iterable[Step], abilities: Abilities) -> Iterator[Obstacle]:
    """Why these steps on a dataset cannot be carried out."""
    steps = list(steps)
    if any(step.action in _WRITES for step in steps) and dataset.readonly:
        what = "it is a view, or kept so that nothing of it can be deleted or overwritten"
        yield Obstacle(dataset.name, "other", what, READONLY)
        return
    for verb, actions, words, fix in _NEEDS:
        if not abilities.able(dataset.name, verb) and any(s.action in actions for s in steps):
            yield Obstacle(dataset.name, "other", words, fix)
    yield from _unnamed(dataset, steps, abilities)


def unmapped(system: str, dataset: Dataset) -> Iterator[Obstacle]:
    """Columns of rows that stay without the person, of which nobody said what they hold: what
    stands there would stay readable.
    """
    if dataset.unmapped:
        names = ", ".join(f"`{system}.{dataset.name}.{name}`" for name in dataset.unmapped)
        yield Obstacle(
            dataset.name,
            "other",
            f"rows of it stay without the person, and no map names {names}: what stands there"
            " would stay too; map it first",
            f"name it in the map under `fields:` of `{dataset.name}`, with its category, or with"
            " its type alone where it is not personal",
        )


def unsearched(dataset: str) -> Obstacle:
    """The map wants people found in texts that nobody can search."""
    return Obstacle(
        dataset,
        "other",
        "the map wants people found in its texts, and nothing there can search or list them",
        "describe a request that lists all rows, or write `free_text: true` in the map and have"
        " its texts searched in the system itself",
    )


def _unnamed(dataset: Dataset, steps: Iterable[Step], abilities: Abilities) -> Iterator[Obstacle]:
    """Rows that their key does not name: another row could go for them, or none at all."""
    written_to = [s for s in steps if s.action in _WRITES]
    fields = ", ".join(dataset.key)
    if written_to and not dataset.unique:
        yield Obstacle(
            dataset.name,
            "key",
            f"nothing promises that `{fields}` names one row",
            "give the table a primary key or a unique constraint, and map it as `key`",
        )
    elif any(
        None in key and not (abilities.null_keys and any(v is not None for v in key))
        for s in written_to
        for key in s.keys.values
    ):
        yield Obstacle(
            dataset.name,
            "key",
            f"a row that would have to go has a null in its key (`{fields}`)",
            "fill the key of that row, and declare its fields NOT NULL",
        )


def loose(
    system: str,
    dataset: Dataset,
    steps: Iterable[Step],
    foreign_keys: Mapping[Place, Iterable[Link]] | None,
) -> Iterator[Obstacle]:
    """Rows that the engine would take along because it compares their reference loosely: rows
    that no search by the key itself has met, and that may be somebody else's.
    """
    if not any(step.action is Action.DELETE for step in steps):
        return
    for place, links in sorted((foreign_keys or {}).items()):
        for link in links:
            fields = [n for n in link.on if n in dataset.fields and dataset.fields[n].loose]
            if place[0] == system and link.to == dataset.name and fields:
                yield Obstacle(
                    dataset.name,
                    "key",
                    f"`{place[1]}` refers to `{fields[0]}`, and the engine takes texts that differ"
                    " (in case) for the same there: rows of others could go",
                    f"give `{fields[0]}` an exact collation (BINARY, or a deterministic one)",
                )
                return
