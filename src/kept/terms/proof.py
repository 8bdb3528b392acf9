"""How well it has to be known who asks, in proportion to what is asked: one row a need. Pure.

GDPR Art. 12(6), EDPB 01/2022 ch. 3.3: no more is asked for than it takes, and never a copy of a
paper by rule. What is needed follows from the right and from what could go wrong, never from who
asks or from what is held of her: so nobody learns from it whether somebody is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kept.errors import UsageError

NONE, ADDRESS, FACTS, LOGIN = range(4)

#: Level → what it takes, in words for everybody.
LEVELS: Final[Mapping[int, str]] = MappingProxyType(
    {
        NONE: "nothing",
        ADDRESS: "an address, a number or a cookie of hers is in her hands",
        FACTS: "two things that only she and we know",
        LOGIN: "her login, or two such things and a signed statement",
    }
)


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which it was found out who asks. `level` is what it proves by itself, or beside
    `beside` where that is another way that has to be there too; `staff`: a person may record it.
    """

    word: str
    level: int
    means: str
    staff: bool = False
    beside: str | None = None


_WAYS: Final = (
    Way("free", NONE, "whoever asks for this need not prove who it is"),
    Way("code", ADDRESS, "a code that was sent to her address was typed in"),
    Way("cookie", ADDRESS, "her browser held the live cookie"),
    Way("attested", ADDRESS, "an agent of the directory signed for it"),
    Way("both", ADDRESS, "codes were typed in that went to the old and to the new address"),
    Way("checked", ADDRESS, "somebody checked it, and said how", staff=True),
    Way("facts", FACTS, "two things were told that are held of her", staff=True),
    Way("statement", LOGIN, "a signed statement came", staff=True, beside="facts"),
    Way("login", LOGIN, "she asked from her account, logged in", staff=True),
)
WAYS: Final[Mapping[str, Way]] = MappingProxyType({way.word: way for way in _WAYS})
#: Ways that a person may record, with words.
RECORDED: Final = tuple(way.word for way in _WAYS if way.staff)

#: What reaches a level by itself, as everybody is told it.
HOW: Final[Mapping[str, str]] = MappingProxyType(
    {
        "login": "Log in to your account and ask us from there:",
        "facts": "Answer two questions that only you and we can answer.",
        "statement": "Answer two questions that only you and we can answer, and send us a signed"
        " statement that you are the person whose data you ask for: by letter, or a picture of it"
        " by e-mail.",
        "person": "The questions are asked by a person: write to us, and say how we reach you.",
    }
)


@dataclass(frozen=True, slots=True)
class Need:
    """How much a right takes, where a risk is met (empty: always), why, and where that stands."""

    rights: tuple[str, ...]
    risk: str
    level: int
    why: str
    source: str


_ALL: Final = ("access", "portability", "rectification", "erasure", "restriction", "objection",
               "withdrawal")  # fmt: skip
#: Risks of which a case can be: no use of an address is harmed by an end of mail; special
#: categories are held; specific pieces go to somebody in California.
OPT_OUT: Final = "opt-out"
SENSITIVE: Final = "sensitive"
CALIFORNIA: Final = "california"

#: The highest row that fits counts; `OPT_OUT` alone takes the place of the ordinary one.
NEEDS: Final = (
    Need(("complaint",), "", NONE, "a complaint gives nothing away", "GDPR Art. 77"),
    Need(("objection", "withdrawal"), OPT_OUT, NONE,
         "an end of advertising harms nobody", "GDPR Art. 21(3); 11 CCR § 7026(d)"),
    Need(_ALL, "", ADDRESS, "whoever holds the address is taken for her", "EDPB 01/2022 no. 65"),
    Need(("access", "portability"), SENSITIVE, FACTS,
         "special categories of data would be given out", "EDPB 01/2022 no. 69; GDPR Art. 9"),
    Need(("erasure", "rectification"), CALIFORNIA, FACTS,
         "what is wrongly deleted or changed does not come back", "11 CCR § 7062(d)"),
    Need(("access", "portability"), CALIFORNIA, LOGIN,
         "specific pieces of data would be given out", "11 CCR § 7062(c)"),
)  # fmt: skip


def needed(right: str, risks: Collection[str], raised: Mapping[str, int] | None = None) -> Need:
    """The row that counts for a right under these risks; `raised` is what the organisation asks
    for beyond that, right by right. It never asks for less than the table.
    """
    fit = [n for n in NEEDS if right in n.rights and (not n.risk or n.risk in risks)]
    free = [n for n in fit if n.risk == OPT_OUT]
    if free:
        return free[0]
    found = max(fit, key=lambda n: n.level)
    level = (raised or {}).get(right, 0)
    if level > found.level:
        return Need(
            (right,), "", level, "the organisation asks for more", "kept.toml, [desk.proof]"
        )
    return found


def reached(ways: Iterable[str]) -> int:
    """The level that these ways prove together."""
    there = set(ways)
    known = [WAYS[word] for word in there if word in WAYS]
    return max((w.level for w in known if w.beside is None or w.beside in there), default=NONE)


def recorded(word: str) -> Way:
    """The way of that word, which a person may record; UsageError for any other."""
    if word not in RECORDED:
        known = "; ".join(f"{w}: {WAYS[w].means}" for w in RECORDED)
        raise UsageError("nobody can record that as a proof", expected=known)
    return WAYS[word]
