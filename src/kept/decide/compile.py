"""The judgement of `use` as a Predicate over stored words, for a whole audience at once.

The facts of each person stand in one or more integer columns of 63 bits (`words`). A row
matches exactly where `use` would allow; a word that is null, where it matters, never does.
"""

from __future__ import annotations

from kept.decide.facts import WORD_BITS
from kept.decide.use import Check, Rules
from kept.errors import UsageError
from kept.model.decision import Ask, Facts
from kept.model.predicate import NOTHING, And, Bits, Or, Predicate

_MASK = (1 << WORD_BITS) - 1


def columns(rules: Rules) -> int:
    """How many columns the facts of one person take."""
    return -(-len(rules.facts) // WORD_BITS)


def words(rules: Rules, facts: Facts) -> tuple[int, ...]:
    """The facts of one person as the values of those columns, each from 0 to 2**63 - 1."""
    word = rules.word(facts)
    return tuple(word >> (WORD_BITS * i) & _MASK for i in range(columns(rules)))


def compile(rules: Rules, ask: Ask, words: tuple[str, ...]) -> Predicate:
    """The rows whose facts, in the columns `words`, `use` would allow for this Ask.

    Raises UsageError where there are fewer columns than the facts take.
    """
    if len(words) < columns(rules):
        raise UsageError(
            "the facts do not fit into the columns",
            expected=f"{columns(rules)} columns of {WORD_BITS} bits",
            met=f"{len(words)}",
        )
    judge = rules.judge(ask)
    if not judge.lawful:
        return NOTHING
    # Checks over single bits come together as one comparison of each word; it goes first,
    # because it is cheap and throws out the most rows.
    mask = value = 0
    lifted: list[Check] = []
    for check in judge.checks:
        if check.lifts:
            lifted.append(check)
        else:
            mask |= check.forbids | check.needs
            value |= check.needs
    parts: list[Predicate] = _clear(words, mask, value)
    parts += [
        Or((_all(_clear(words, check.forbids, 0)), *_clear(words, check.lifts, check.lifts)))
        for check in lifted
    ]
    return _all(parts)


def _clear(words: tuple[str, ...], mask: int, value: int) -> list[Predicate]:
    """Where the bits of `mask` are as in `value`: one comparison for each word they stand in."""
    return [
        Bits(name, part, value >> WORD_BITS * i & _MASK)
        for i, name in enumerate(words)
        if (part := mask >> WORD_BITS * i & _MASK)
    ]


def _all(parts: list[Predicate]) -> Predicate:
    return parts[0] if len(parts) == 1 else And(tuple(parts))
