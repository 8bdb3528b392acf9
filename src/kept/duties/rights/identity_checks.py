"""What proves that everybody gets all that is proven hers, and nobody what is somebody else's.

The oracle reads Kept's own tables and the ledger by itself, and compares rows value by value.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.errors import StoreError
from kept.keys import PERSON
from kept.terms.identifiers import Identifier

#: People who are looked up.
SAMPLE: Final = 25
#: The levels that prove, and those by which somebody's claim counts: as the policy's people know
#: them, not as the search does.
_PROOF: Final = ("account", "verified")
_CLAIM: Final = ("used", *_PROOF)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table of links: person, what she was settled to be with, the identifier."""

    subject: int
    group: int
    mac: bytes
    identifier: Identifier
    evidence: str


def _links(controller: Controller) -> list[_Row]:
    """Every link, with the least number of whom was settled to be one person."""
    with controller.database.connection() as c:
        ties = c.execute("SELECT subject, other FROM identity_tie").fetchall()
        rows = c.execute(
            "SELECT subject, mac, kind, sealed, evidence FROM identity ORDER BY subject, mac"
        ).fetchall()
        group = {int(row[0]): int(row[0]) for row in rows}
        for _ in ties:
            for one, other in ties:
                least = min(group.get(one, one), group.get(other, other))
                group[one] = group[other] = least
        return [
            _Row(
                subject, group[subject], bytes(mac),
                Identifier(
                    kind,
                    controller.vault.unseal(
                        subject, PERSON, sealed, b"identity:" + kind.encode(), connection=c
                    ).decode(),
                ),
                evidence,
            )
            for subject, mac, kind, sealed, evidence in rows
        ]  # fmt: skip


def _hers_alone(rows: list[_Row]) -> dict[int, list[_Row]]:
    """Person → the links proven hers, of which nobody else has a claim."""
    claims: dict[bytes, set[int]] = {}
    for row in rows:
        if row.evidence in _CLAIM:
            claims.setdefault(row.mac, set()).add(row.group)
    found: dict[int, list[_Row]] = {}
    for row in rows:
        if row.evidence in _PROOF and len(claims[row.mac]) == 1:
            found.setdefault(row.group, []).append(row)
    return found


@control("rights.proven-addresses-are-covered")
def proven_addresses_are_covered(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """A request by one identifier of a person finds the rows of all that are proven hers.

    For people to whom several are linked. The oracle compares the fields that identify, value by
    value, with each of her identifiers.
    """
    inspector = controller.inspect()
    several = [
        group for group in _hers_alone(_links(controller)).values()
        if len({row.mac for row in group}) > 1
    ]  # fmt: skip
    looked: Counter[str] = Counter()
    for group in several[:SAMPLE]:
        hers = list({row.mac: row.identifier for row in group}.values())
        try:
            answers = [inspector.found(controller.identities.widen([[one]])) for one in hers]
            for system in inspector.systems:
                for dataset in controller.datamap.systems[system].datasets.values():
                    kinds = {f.name: f.identifies for f in dataset.fields.values() if f.identifies}
                    if dataset.on_erase == "never" or not kinds:
                        continue
                    meant = inspector.naming(system, dataset, kinds, hers).hashes()
                    looked[system] += len(meant)
                    for answer in answers:
                        place = (system, dataset.name)
                        got = answer[place].hashes() if place in answer else frozenset()
                        if meant - got:
                            yield Finding(
                                ".".join(place),
                                f"a request by one identifier lacks {len(meant - got)} rows of"
                                " another that is proven the same person's",
                            )
        except StoreError as problem:
            yield unasked("a system", problem)
    for system, count in looked.items():
        yield Looked(count, system, system)


@control("rights.nobody-is-merged")
def nobody_is_merged(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Nobody's search is widened but by proof that somebody recorded; what is shared widens none.

    Every proven link of a person, and every tie of two, has an entry in the ledger that was not
    undone; an identifier that is weak, or that others claim, adds nothing.
    """
    rows = _links(controller)
    told: list[tuple[int, str, str | None]] = []
    for kind in ("identity.linked", "identity.unlinked"):
        for index, entry in controller.ledger.entries(kind=kind):
            told.append((index, entry.body["link"], entry.body.get("level")))
    level = {named: word for _, named, word in sorted(told)}
    alone = _hers_alone(rows)

    def recorded(subject: int, mac: bytes) -> bool:
        said = b"link\x00" + str(subject).encode() + b"\x00" + mac
        return level.get(controller.digest(said)) in _PROOF

    for row in rows:
        if row.evidence in _PROOF and not recorded(row.subject, row.mac):
            yield Finding(
                "a link", "a proven link of a person has no entry of who made it",
                "undo it, or make it with `kept identity link`",
            )  # fmt: skip
        proven = any(row.mac == other.mac for other in alone.get(row.group, ()))
        if not proven and controller.identities.widen([[row.identifier]]) != ((row.identifier,),):
            yield Finding("a link", "an identifier that proves nothing widens a search")
    with controller.database.connection() as c:
        ties = c.execute(
            "SELECT DISTINCT ON (least(subject, other), greatest(subject, other)) subject, other,"
            " mac FROM identity_tie"
        ).fetchall()
    for subject, other, mac in ties:
        if not recorded(subject, bytes(mac)) and not recorded(other, bytes(mac)):
            yield Finding("a tie", "two people are held to be one and no entry says who settled it")
    yield Looked(len(rows) + len(ties), "links of identity")
