"""The data map: where personal data lies and to whom it belongs.

DataMap → System → Dataset → Field, Link. Values only; `load` reads them from YAML,
`reach` turns identifiers into Selects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kept.model.plan import Mode
from kept.model.safety import Declared
from kept.model.values import Type
from kept.terms.origins import Origin, origin_of
from kept.terms.vocabulary import Vocabulary


class Owner(StrEnum):
    """What a link says about the rows it starts from."""

    OWNED = "owned-by"  # the row is the other end's person's data
    ACCESSED = "accessed-by"  # staff who handle it; not their data
    SHARED = "shared"  # belongs to several people


class OnErase(StrEnum):
    """What the map wants when a person's rows are to go."""

    DELETE = "delete"
    OVERWRITE = "overwrite"  # the row must stay for others; its personal fields go
    ANONYMISE = "anonymise"  # the row stays and is nobody's
    NEVER = "never"  # no personal data of hers (reference data)


class Shared(StrEnum):
    """What follows for a row of several people when one of them goes."""

    DELETE = "delete"  # it says only that they are tied: it goes with the first of them
    ONE_SIDE = "one-side"  # what is hers is emptied; the row goes with the last of them
    LAST_OWNER = "last-owner"  # it stays as it is, without her, and goes with the last of them


class Stays(StrEnum):
    """What becomes of rows that a law or a hold keeps from an erasure."""

    ISOLATED = "isolated"  # sealed with Kept; the table holds what an overwriting puts there
    IN_PLACE = "in-place"  # the law itself wants them readable where they are (books)


@dataclass(frozen=True, slots=True)
class Field:
    """One column. `category` is a vocabulary term or None (not personal).

    `identifies` names the identifier kind the values are of (terms.identifiers).
    `folded` says that spelling in another case is the same (e-mail). `indexed_exact` promises
    that values are stored folded already, so plain equality finds them.
    `free_text`: people write here what they like; None: the map does not say, and its category
    may (`DataMap.with_texts`).
    `mentions`: people are found in this text who are named in it, and when one of them goes the
    passage does (`redact`) or the text (`delete`).
    `anonymise` is the method (model.generalise) where rows are made anonymous.
    `overwrite` is what stands there instead after an erasure that must keep the row: None sets
    a null, text is a model.change.Template. `stamp` "basis": the legal basis on which the row
    was collected stands here; "notice": the hash of what the person was shown then.
    Only a store knows, no map says: `computed`, from which fields the
    engine itself makes the value (None: it does not); `loose`, that the engine takes unlike
    texts for equal. `origin`: whether she gave it, it was observed, or made of other data
    (terms.origins); None: its category or its dataset says (`Dataset.whence`). `secret`: what
    proves who somebody is (a hash of a password, a token); it goes with an erasure and is handed
    out to nobody; None: the map does not say. `others`: it names somebody else, a member of
    `staff` or another `person`, and answers say only that; `no`: it names nobody else although it
    may look so (datamap.others). `source`: who gave it, of what came from others. `side`: a field
    of the link by which it is somebody's, where the row is several people's (datamap.sides).
    """

    name: str
    type: Type = "text"
    category: str | None = None
    identifies: str | None = None
    folded: bool = False
    indexed_exact: bool = False
    nullable: bool = True
    overwrite: str | None = None
    free_text: bool | None = None
    stamp: str | None = None
    computed: tuple[str, ...] | None = None
    loose: bool = False
    origin: Origin | None = None
    secret: bool | None = None
    anonymise: str | None = None
    mentions: str | None = None
    others: str | None = None
    source: str | None = None
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Rows here whose `fields` equal `on` of dataset `to` (same system unless `system`)."""

    fields: tuple[str, ...]
    to: str
    on: tuple[str, ...]
    kind: Owner = Owner.OWNED
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table, collection or folder of files.

    `key` identifies one row; `unique` False: the store was seen not to promise that;
    `readonly`: it was seen to be a view, whose rows cannot be changed through it; `unmapped`:
    columns that were seen there and that the map does not name.
    `retention` names a class of the bundle's retention.yml,
    `clock` the field from which that class counts, `activities` the activities it serves.
    `k`: how many people have to be alike where rows are made anonymous.
    `stays` None: the map does not say, and rows that must stay do so in place.
    `copy_of` (system, dataset): its rows are those of that dataset, under the same keys.
    `origin`: where the fields come from of which neither they nor their category say it
    (`whence`). `source`: who gave the fields that came from others. `shared`: what follows where
    its rows are several people's and one of them goes; None: the map does not say.
    """

    name: str
    key: tuple[str, ...]
    fields: Mapping[str, Field]
    links: tuple[Link, ...] = ()
    retention: str | None = None
    clock: str | None = None
    activities: tuple[str, ...] = ()
    on_erase: OnErase = OnErase.DELETE
    title: str | None = None
    line: int = 0
    unique: bool = True
    readonly: bool = False
    unmapped: tuple[str, ...] = ()
    stays: Stays | None = None
    k: int | None = None
    origin: Origin | None = None
    copy_of: tuple[str, str] | None = None
    source: str | None = None
    shared: Shared | None = None

    def said(self, item: Field) -> Origin | None:
        """Where a field comes from, as the map itself says; None: its category may know.

        On which basis a row rests is the organisation's own note. The dataset speaks only for
        fields without a category.
        """
        own: Origin | None = "own" if item.stamp else None
        return item.origin or own or (self.origin if item.category is None else None)

    def whence(self, item: Field, words: Vocabulary) -> Origin | None:
        """Where a field comes from: its own word, else its category's, else its dataset's.

        The dataset's also counts for a category that does not know (one of the bundle's own).
        None: nobody said, so nobody can say that it is hers to take along.
        """
        return self.said(item) or origin_of(words, item.category, None) or self.origin

    def unsaid_texts(self, words: Vocabulary) -> tuple[str, ...]:
        """Fields of texts by their category, of which the map does not say who is named there."""
        return tuple(
            f.name
            for f in self.fields.values()
            if f.free_text is None and words.is_text(f.category)
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Fields whose values no answer hands out."""
        return tuple(f.name for f in self.fields.values() if f.secret)

    @property
    def personal(self) -> tuple[Field, ...]:
        """Fields that hold personal data."""
        return tuple(f for f in self.fields.values() if f.category is not None)


@dataclass(frozen=True, slots=True)
class System:
    """A place where personal data lies. Without a store it is known but cannot be asked.

    `owner` answers for it; `accounts` of the staff see its tasks in the role `system-owner`;
    `declared` is what people vouch for of how safe it is.
    """

    name: str
    mode: Mode = Mode.OBSERVE
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    store: str | None = None  # the kind, an entry point of `kept.stores`; None: none yet
    title: str | None = None
    country: str | None = None
    file: str = ""
    owner: str | None = None
    accounts: tuple[str, ...] = ()
    declared: tuple[Declared, ...] = ()


@dataclass(frozen=True, slots=True)
class DataMap:
    """All known systems of a deployment, with or without a working store."""

    systems: Mapping[str, System] = field(default_factory=dict)
    digest: str = ""  # SHA-256 of the map's files

    def with_texts(self, words: Vocabulary) -> DataMap:
        """The map in which what its category calls a text is one, where it does not say itself:
        nobody may take an unsaid text for one in which nobody is named.
        """
        systems = {}
        for system in self.systems.values():
            datasets = dict(system.datasets)
            for dataset in system.datasets.values():
                if texts := dataset.unsaid_texts(words):
                    said = {name: replace(dataset.fields[name], free_text=True) for name in texts}
                    fields = {**dataset.fields, **said}
                    datasets[dataset.name] = replace(dataset, fields=fields)
            systems[system.name] = replace(system, datasets=datasets)
        return replace(self, systems=systems)

    def dataset(self, system: str, name: str) -> Dataset:
        """The dataset `name` of `system`; KeyError where the map has none."""
        return self.systems[system].datasets[name]
