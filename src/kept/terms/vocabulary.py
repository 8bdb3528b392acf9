"""Vocabulary: the words in which a policy speaks, as trees.

Whether one term lies under another is a fact of the tree, never of its spelling:
`marketing.email` is marketing because its parent says so. Every term carries the IRI of
its concept in the W3C Data Privacy Vocabulary (DPV 2), or of the nearest broader one.
The shipped trees stand in `kept.terms.dpv`; a bundle extends them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from kept.errors import BundleError
from kept.terms import dpv

#: Which tree a term belongs to.
Kind = Literal["purposes", "categories", "recipients", "channels", "bases"]
KINDS: Final[tuple[Kind, ...]] = ("purposes", "categories", "recipients", "channels", "bases")

_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*\Z")


@dataclass(frozen=True, slots=True)
class Term:
    """One word: dotted lower-case id, the id of its parent, what people read, its IRI.

    `channel` is only for purposes: the channel by which the purpose reaches a person.
    It holds for all purposes below as well.
    """

    id: str
    parent: str | None
    label: str
    iri: str | None = None
    channel: str | None = None


Tree: TypeAlias = Mapping[str, Term]
_EMPTY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Vocabulary:
    """Five trees of terms, id → Term. Parents exist and there are no circles.

    Raises BundleError where they do not, or where an id is not dotted lower case.
    """

    purposes: Tree
    categories: Tree
    recipients: Tree
    channels: Tree
    bases: Tree
    _above: Mapping[str, Mapping[str, frozenset[str]]] = field(
        init=False, repr=False, compare=False
    )
    _below: Mapping[str, Mapping[str, frozenset[str]]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        above: dict[str, Mapping[str, frozenset[str]]] = {}
        below: dict[str, Mapping[str, frozenset[str]]] = {}
        for kind in KINDS:
            tree = MappingProxyType(dict(self.tree(kind)))
            object.__setattr__(self, kind, tree)
            above[kind] = _ancestors(kind, tree)
            under: dict[str, set[str]] = {name: set() for name in tree}
            for name, ups in above[kind].items():
                for up in ups:
                    under[up].add(name)
            below[kind] = {name: frozenset(names) for name, names in under.items()}
        for term in self.purposes.values():
            if term.channel is not None and term.channel not in self.channels:
                raise BundleError(
                    f"the purpose `{term.id}` names the channel `{term.channel}`",
                    expected=f"one of {', '.join(sorted(self.channels))}",
                    fix="add the channel to the vocabulary, or name another",
                )
        object.__setattr__(self, "_above", above)
        object.__setattr__(self, "_below", below)

    def tree(self, kind: Kind) -> Tree:
        """The tree of that kind, id → Term."""
        tree: Tree = getattr(self, kind)
        return tree

    def within(self, kind: Kind, a: str, b: str) -> bool:
        """Whether term `a` is `b` or lies below it. An unknown term is within nothing."""
        return b in self._above[kind].get(a, _EMPTY)

    def above(self, kind: Kind, term: str) -> frozenset[str]:
        """The term and everything above it; nothing for an unknown term."""
        return self._above[kind].get(term, _EMPTY)

    def below(self, kind: Kind, term: str) -> frozenset[str]:
        """The term and everything below it; nothing for an unknown term."""
        return self._below[kind].get(term, _EMPTY)

    def is_name(self, category: str | None) -> bool:
        """Whether a category is a person's name: it or one above stands for that concept of DPV."""
        above = self.above("categories", category) if category is not None else ()
        return any(self.categories[one].iri == dpv.NAME for one in above)

    def is_text(self, category: str | None) -> bool:
        """Whether a category is what people write as they like, or something below it."""
        return category is not None and self.within("categories", category, dpv.TEXT)

    def channel_of(self, purpose: str) -> str | None:
        """The channel of the purpose, or of the nearest purpose above that has one."""
        term = self.purposes.get(purpose)
        while term is not None:
            if term.channel is not None:
                return term.channel
            term = self.purposes.get(term.parent) if term.parent is not None else None
        return None

    def with_terms(self, extra: Mapping[Kind, Iterable[Term] | Mapping[str, Term]]) -> Vocabulary:
        """This vocabulary with more terms; a term with a known id takes the old one's place."""
        changed: dict[str, Tree] = {}
        for kind, terms in extra.items():
            if kind not in KINDS:
                raise BundleError(
                    f"`{kind}` is not a part of a vocabulary", expected=f"one of {', '.join(KINDS)}"
                )
            values = terms.values() if isinstance(terms, Mapping) else terms
            changed[kind] = {**self.tree(kind), **{term.id: term for term in values}}
        return replace(
            self,
            purposes=changed.get("purposes", self.purposes),
            categories=changed.get("categories", self.categories),
            recipients=changed.get("recipients", self.recipients),
            channels=changed.get("channels", self.channels),
            bases=changed.get("bases", self.bases),
        )


def _ancestors(kind: str, tree: Tree) -> dict[str, frozenset[str]]:
    """Each term with itself and everything above it."""
    found: dict[str, frozenset[str]] = {}
    for name, term in tree.items():
        if name != term.id or not _ID.match(name):
            raise BundleError(
                f"`{name}` of {kind} is not the id of a term",
                expected="dotted lower-case words such as `marketing.email`, each under its own id",
            )
        path: dict[str, None] = {}
        at: str | None = name
        while at is not None:
            if at in path:
                raise BundleError(
                    f"the term `{name}` of {kind} lies under itself",
                    fix=f"give one of {', '.join(sorted(path))} another parent",
                )
            if at not in tree:
                raise BundleError(
                    f"the term `{next(reversed(path))}` of {kind} lies under `{at}`, "
                    "which is not there",
                    fix=f"add `{at}` to {kind}, or name another parent",
                )
            path[at] = None
            at = tree[at].parent
        found[name] = frozenset(path)
    return found


def _shipped(kind: Kind) -> dict[str, Term]:
    rows = dpv.TABLES[kind]
    return {
        row[0]: Term(row[0], row[1], row[2], row[3], row[4] if len(row) > 4 else None)
        for row in rows
    }


#: The words that come with Kept; every bundle starts from them.
SHIPPED: Final = Vocabulary(**{kind: _shipped(kind) for kind in KINDS})
