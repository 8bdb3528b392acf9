"""Why something stays, told in another language than the plan is written in."""

from __future__ import annotations

import pytest

from kept.decide import reasons
from kept.terms import tongues

LAW = {"Bills stay in the books for ten years": "Rechnungen bleiben zehn Jahre in den Büchern"}


@pytest.mark.parametrize(
    ("words", "german"),
    [
        (reasons.BARE, "Der Eintrag bleibt für andere, und nichts darin nennt Sie."),
        (reasons.REFERRED_FROM.format(title="{x}"), "Was von „{x}“ bleibt, verweist darauf."),
        (*LAW, *LAW.values()),
        (
            f"Bills stay in the books for ten years. {reasons.UNDECIDED}",
            "Rechnungen bleiben zehn Jahre in den Büchern. Wie lange, ist noch nicht entschieden;"
            " darum lässt sich kein Ende nennen.",
        ),
        ("A court asked for it.", "A court asked for it."),
    ],
)
def test_our_words_are_said_again_and_peoples_stay(words: str, german: str) -> None:
    assert reasons.told(words) == words
    with tongues.speaking("de", own=LAW):
        assert reasons.told(words) == german
