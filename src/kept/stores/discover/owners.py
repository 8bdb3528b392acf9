"""Whose rows these are: owned-by, accessed-by or shared, and what follows for shared rows.

People's own tables come first; then, outward along the links, whatever names one of them, and
the details of that. A row is owned through its nearest link only, so that nothing owns itself
in a circle: an issue belongs to its author, not also to the owner of the project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kept.datamap.map import Owner
from kept.stores.discover import names
from kept.stores.discover import words as words_of
from kept.stores.discover.names import listed
from kept.stores.discover.shapes import Found, Profile, Question
from kept.stores.discover.tables import People

ONE_SIDE: Final = "anonymise one side: the row stays for the other person, her fields go"
LAST_OWNER: Final = "keep until the last owner goes, then delete"
PAIR: Final = "delete when either person goes: the row says nothing but that they are tied"

#: A table through which rows belong to several: a company, a project, a household.
_TENANTS: Final = listed(
    "tenant organization organisation company group team workspace project site store shop "
    "department branch household family community club school class course category"
)
_AMOUNTS: Final = listed("amount total")

#: Why a link is taken to say nothing of whose a row is.
NOBODYS: Final = "the rows there are nobody's"

#: What several people have together.
_TOGETHER: Final = listed(
    "conversation chat thread room channel household family account album trip booking "
    "reservation document file folder board calendar event meeting group list"
)


@dataclass(slots=True)
class Ownership:
    """How each dataset takes part, its links with their kinds, and what follows where shared."""

    persons: dict[str, str] = field(default_factory=dict)
    links: dict[str, list[Found]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    questions: dict[str, list[Question]] = field(default_factory=dict)


def ownership(
    profiles: Mapping[str, Profile], links: Mapping[str, list[Found]], people: Mapping[str, People]
) -> Ownership:
    """Decide for every dataset and link."""
    made = Ownership()
    depth: dict[str, int] = dict.fromkeys(people, 0)
    made.persons.update({name: who.kind for name, who in people.items()})
    # an account that belongs to a person of another table is hers
    for name in people:
        for link in links.get(name, ()):
            same = link.to != name and _same_person(profiles[name], link, people)
            if same and depth[link.to] == 0 and people[link.to].kind == "person":
                depth[name] = 1
    changed = True
    while changed:
        changed = False
        nearest = {
            name: min(
                (depth[k.to] for k in several if k.to in depth and _owning(k, several, people)
                 and k.to != name),
                default=None,
            )
            for name, several in links.items()
            if name not in depth
        }  # fmt: skip
        known = [d for d in nearest.values() if d is not None]
        if known:
            low = min(known)
            for name, at in nearest.items():
                if at == low:
                    depth[name] = low + 1
                    made.persons[name] = "owned"
                    changed = True
    for name, several in links.items():
        made.links[name] = _kinds(profiles[name], several, depth, people, made)
    _junctions(profiles, made, people, depth)
    return made


def _same_person(profile: Profile, link: Found, people: Mapping[str, People]) -> bool:
    return (
        link.to in people
        and len(link.columns) == 1
        and link.role is None
        and (profile.unique(link.columns[0]) or link.columns == profile.table.key)
    )


def _owning(link: Found, several: list[Found], people: Mapping[str, People]) -> bool:
    """Whether the link can say whose row it is."""
    if link.role in ("handle", "self"):
        return False
    if link.to in people and people[link.to].kind == "staff":
        # what staff did is the work of staff, unless nobody else is named
        return not any(
            k.to in people and people[k.to].kind == "person" for k in several
        ) and link.role != "handle"  # fmt: skip
    return link.confidence >= 0.5


def _kinds(
    profile: Profile,
    several: list[Found],
    depth: Mapping[str, int],
    people: Mapping[str, People],
    made: Ownership,
) -> list[Found]:
    name = profile.name
    mine = depth.get(name)
    done = []
    able = [k for k in several if _owning(k, several, people) and mine is not None
            and k.to != name and depth.get(k.to, mine) < mine]  # fmt: skip
    near = min((depth[k.to] for k in able), default=None)
    owning = [k for k in able if depth[k.to] == near]
    direct = [k for k in owning if k.to in people and k.basis != "polymorphic"]
    plain = [k for k in direct if k.role is None]
    parties = [k for k in direct if k.role == "party"]
    shared: list[Found] = []
    if len({k.columns for k in direct}) >= 2 and (parties or len(plain) >= 2):
        shared = [k for k in direct if k.role in ("party", None)] if parties else plain
        if len(shared) < 2:
            shared = direct
    for link in several:
        why = link.evidence
        ask = link.ask
        if link in shared:
            kind = Owner.SHARED
            why = (*why, "one of several people of the row")
        elif link in owning and not (shared and link in direct):
            kind = Owner.OWNED
            if link in direct and plain and link.role is not None and link not in plain:
                # somebody else is whose row it is: this one only made it
                kind = Owner.ACCESSED
                why = (*why, "another column says whose row it is")
            elif link.to in people and people[link.to].kind == "staff":
                ask = ask or _worked_on(profile, link, several, people, made)
            elif len(names.words(name)) and near and _TENANTS & set(names.words(link.to)):
                ask = ask or f"are rows of `{name}` the data of whoever owns the `{link.to}`?"
        else:
            kind = Owner.ACCESSED
            why = (*why, _why_not(link, name, depth, people))
        done.append(replace(link, kind=kind, evidence=why, ask=ask))
    if shared:
        made.persons[name] = "shared"
        says = any(_says(profile, column) for column in profile.table.columns)
        outcome = made.outcomes[name] = ONE_SIDE if says else PAIR
        done = [replace(k, outcome=outcome) if k.kind is Owner.SHARED else k for k in done]
    return done


def _says(profile: Profile, column: str) -> bool:
    """Whether the column tells what one of the people said or gave, in whatever words."""
    look = profile.look(column)
    return bool(
        _AMOUNTS & set(names.words(column))
        or look.prose
        or look.shapes.get("mentions")
        or any(meaning.free_text for meaning, _, _ in words_of.meanings(column))
    )


def _worked_on(
    profile: Profile, link: Found, several: list[Found], people: Mapping[str, People],
    made: Ownership,
) -> str | None:  # fmt: skip
    """A question where staff stand beside something of a person: a reply to her ticket, or a
    ticket that only an address ties to whoever wrote it.
    """
    for other in several:
        if other.to not in people and made.persons.get(other.to) in ("owned", "shared"):
            return (
                f"is a row what somebody of `{link.to}` did for whoever a row of `{other.to}` is"
                " about? Then write `accessed-by` here, and `owned-by` there"
            )
    for column in profile.table.columns:
        if profile.look(column).share("email") > 0.5:
            return (
                f"is a row what somebody of `{link.to}` did for whoever `{column}` names? Then"
                " write `accessed-by`"
            )
    return None


def _why_not(link: Found, name: str, depth: Mapping[str, int], people: Mapping[str, People]) -> str:
    if link.to not in depth:
        return NOBODYS
    if link.role == "handle":
        return "says who handled the row"
    if link.to == name:
        return "another row of the same table may be another person's"
    if name in people:
        return "a person is nobody's data"
    return "a nearer link says whose row it is"


def _junctions(
    profiles: Mapping[str, Profile],
    made: Ownership,
    people: Mapping[str, People],
    depth: Mapping[str, int],
) -> None:
    """Rows that many people share through a table between: kept until the last one goes."""
    for name, several in list(made.links.items()):
        profile = profiles[name]
        one = [k for k in several if k.to in people and k.kind is not Owner.ACCESSED]
        other = [k for k in several if k.to not in people and k.to != name]
        small = len(profile.table.columns) <= len(several) + 5
        if len(one) != 1 or len(other) != 1 or not small:
            continue
        thing = other[0].to
        pair = {*one[0].columns, *other[0].columns}
        key = set(profile.table.key) == pair or any(pair == set(u) for u in profile.table.unique)
        parts = set(names.words(name))
        named = parts & {"member", "members", "membership", "memberships", "participant",
                         "participants", "user", "users", "attendee", "attendees"}  # fmt: skip
        if (key or named) and thing not in depth and _personal(profiles[thing]):
            made.outcomes[thing] = LAST_OWNER
            made.links[name] = [
                replace(k, outcome=f"of `{thing}`: {LAST_OWNER}") if k is other[0] else k
                for k in several
            ]
            made.questions.setdefault(thing, []).append(
                Question(f"do its rows belong to the people that `{name}` ties to them?")
            )


def _personal(profile: Profile) -> bool:
    """Whether rows of the thing could say something of people: a household, a conversation."""
    parts = {names.singular(w) for w in names.words(profile.name)}
    return bool(parts & _TOGETHER)
