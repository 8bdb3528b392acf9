"""What of a dataset is hers to take along (GDPR Art. 20), and why the rest is not.

Hers is what she provided and what was observed of her (WP 242 rev.01), where it is processed on
consent or a contract. Where a field comes from the map says (`origin`), or its category does. A
field of which nobody said it is undecided: it is named, never passed over. What names a row or
ties it to another goes along with it: without that no other system could load the tables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kept.controller import Controller
from kept.controller.naming import THEIRS
from kept.datamap.map import Dataset, Field, Owner
from kept.terms.origins import PORTABLE
from kept.terms.vocabulary import Vocabulary

#: Bases whose data is hers to take along.
GROUNDS: Final = ("consent", "contract")


class Why(StrEnum):
    """Why something of hers is not taken along."""

    DERIVED = "derived"
    OTHERS = "others"
    OWN = "own"
    UNDECIDED = "undecided"
    UNMAPPED = "unmapped"
    LOG_IN = "log-in"
    NAMED = "named"
    STAFF = "staff"
    NOTHING = "nothing"
    PURPOSE = "purpose"
    GROUND = "ground"
    TEXTS = "texts"
    KEPT = "kept"


#: What somebody still has to decide: it may be hers.
UNDECIDED: Final = (Why.UNDECIDED, Why.UNMAPPED, Why.PURPOSE)
#: For whoever answers her.
WORDS: Final[Mapping[Why, str]] = MappingProxyType(
    {
        Why.DERIVED: "made of other data",
        Why.OTHERS: "given by others",
        Why.OWN: "written by the organisation for itself",
        Why.UNDECIDED: "undecided: the map does not say where it comes from; write `origin:` there",
        Why.UNMAPPED: "undecided: the map does not name it",
        Why.LOG_IN: "it proves who she is: whoever reads it could pass for her",
        Why.NAMED: "it names somebody else",
        Why.STAFF: "it leads to somebody else's row",
        Why.NOTHING: "nothing in it was provided by her or observed of her",
        Why.PURPOSE: "undecided: the map does not say what it is used for; write `activities:`",
        Why.GROUND: "it rests on neither consent nor contract",
        Why.TEXTS: "others of the organisation had a part in it",
        Why.KEPT: "an erasure left it, for a law or a hold: it rests on no consent or contract",
    }
)
#: For her.
TOLD: Final[Mapping[Why, str]] = MappingProxyType(
    {
        Why.DERIVED: "Worked out from other data. You did not give it to us.",
        Why.OTHERS: "It came from others, not from you.",
        Why.OWN: "We wrote it for ourselves, to run our business.",
        Why.UNDECIDED: "Nobody has written down yet whether it came from you. Ask us: if it did,"
        " it is yours to take along.",
        Why.UNMAPPED: "Nobody has written down yet what it is. Ask us: if it came from you, it is"
        " yours to take along.",
        Why.LOG_IN: "It proves who you are: whoever reads it could pass for you.",
        Why.NAMED: "It names somebody else.",
        Why.STAFF: "It says which of our own people handled it.",
        Why.NOTHING: "Nothing in it was given by you or noted while you used our services.",
        Why.PURPOSE: "Nobody has written down yet what it is used for. Ask us: if it rests on a"
        " consent or a contract of yours, it is yours to take along.",
        Why.GROUND: "We do not hold it because of a consent or a contract of yours. You can see it"
        " all the same: ask what we hold about you.",
        Why.TEXTS: "Others of our own people had a part in these texts.",
        Why.KEPT: "It was to be deleted, and stays for now only because something asks for that."
        " You can see it, and why it stays: ask what we hold about you.",
    }
)


@dataclass(frozen=True, slots=True)
class Portable:
    """What of a dataset is hers to take along.

    `fields` in the order of the map, keys and links among them; empty where nothing goes along,
    and then `why` says it. `left`: every other field, by why. `stamp` the field that says of
    each row on which basis it was collected; `ground` that of the activities it serves, where
    that is one; `texts` free text that somebody else may have written, where one of `staff`
    stands in the row.
    """

    fields: tuple[str, ...] = ()
    left: Mapping[Why, tuple[str, ...]] = field(default_factory=dict)
    why: Why | None = None
    stamp: str | None = None
    ground: str | None = None
    texts: tuple[str, ...] = ()
    staff: tuple[str, ...] = ()


def portable(controller: Controller, dataset: Dataset, region: str) -> Portable:
    """What of the rows of a dataset is hers to take along, by the legal bases of a region."""
    words = controller.bundle.vocabulary
    tied = {*dataset.key} | {
        name for li in dataset.links if li.kind is not Owner.ACCESSED for name in li.fields
    }
    staff = tuple(n for li in dataset.links if li.kind is Owner.ACCESSED for n in li.fields)
    left: dict[Why, list[str]] = {}
    given, hers = [], False
    for item in dataset.fields.values():
        why = _withheld(words, dataset, item, staff)
        if item.name in tied:
            # A number that ties rows together is no reason by itself to hand them out.
            hers = hers or (why is None and bool({item.origin, dataset.origin} & {*PORTABLE}))
        elif why is not None:
            left.setdefault(why, []).append(item.name)
            continue
        else:
            hers = True
        given.append(item.name)
    ground, stamp = _ground(controller, dataset, region)
    rest = {why: tuple(names) for why, names in left.items()}
    if ground is None and stamp is None:
        return Portable(left=rest, why=Why.GROUND if dataset.activities else Why.PURPOSE)
    if not hers:
        # Nothing but numbers that tie rows together says nothing of whose doing it was.
        known = dataset.origin is not None or bool(left.keys() - {Why.UNDECIDED, Why.STAFF})
        unknown = Why.UNDECIDED in left or not known
        return Portable(left=rest, why=Why.UNDECIDED if unknown else Why.NOTHING)
    texts = tuple(n for n in given if dataset.fields[n].free_text)
    return Portable(tuple(given), rest, None, stamp, ground, texts, staff)


def _withheld(
    words: Vocabulary, dataset: Dataset, item: Field, staff: Collection[str]
) -> Why | None:
    """Why a field is not taken along, whatever it rests on; None: it is hers."""
    if item.secret:
        return Why.LOG_IN
    if item.others in THEIRS:
        return Why.NAMED
    if item.name in staff:
        return Why.STAFF
    origin = dataset.whence(item, words)
    if origin in PORTABLE:
        return None
    return Why.UNDECIDED if origin is None else Why(origin)


def _ground(controller: Controller, dataset: Dataset, region: str) -> tuple[str | None, str | None]:
    """(basis that lets her take it along, the field that says each row's own)."""
    register = controller.rules.register
    bases = {
        basis
        for activity in register.sound
        if activity.id in dataset.activities
        and (basis := register.basis(activity, region)) is not None
    }
    stamp = next((f.name for f in dataset.fields.values() if f.stamp == "basis"), None)
    return next((g for g in GROUNDS if g in bases), None), stamp
