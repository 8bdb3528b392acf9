"""What is struck is gone everywhere, what is not stays, and a changed text is another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.model import strike
from kept.model.cover import Cover
from kept.model.strike import Strikes, added, digest, names

WORDS = st.sampled_from(
    ["Ben", "ben", "Ünal", "Bö", "O'Neill", "x@y.example", "a", "-", "(", "+49 30 1"]
)
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=4)), max_size=12).map(" ".join)


def struck(*words: str) -> Strikes:
    return Strikes(tuple(added(w) for w in words), frozenset())


@settings(deadline=None)
@given(TEXTS, st.lists(WORDS, max_size=4, unique=True))
def test_nothing_struck_is_left_and_nothing_else_goes(text: str, words: list[str]) -> None:
    told, met = struck(*words).apply(text)
    places = strike.places(text, struck(*words).strikes)
    assert met.total() == len(places)
    mark = "[another person]"
    at = 0
    for start, end, _ in places:
        assert told.startswith(text[at:start])
        told = told[start - at :]
        assert told.startswith(mark)
        told, at = told[len(mark) :], end
    assert told == text[at:]
    for word in words:
        # Only inside of something longer, as a letter of another word.
        rest = "".join(
            text[a:b] if keep else "\x00" * (b - a) for a, b, keep in _runs(text, places)
        )
        assert not strike.holds(rest, word)


def _runs(text: str, places: list[tuple[int, int, strike.Strike]]) -> list[tuple[int, int, bool]]:
    made, at = [], 0
    for start, end, _ in places:
        made += [(at, start, True), (start, end, False)]
        at = end
    return [*made, (at, len(text), True)]


@pytest.mark.parametrize(
    ("text", "words", "left"),
    [
        ("Benno met Ben, BEN and ben.", ["Ben"], "Benno met [another person], [another person] and"
         " [another person]."),
        ("Dora\n Quill, dora quill", ["Dora Quill"], "[another person], [another person]"),
        ("Jos\u0065\u0301 and Jos\u00e9", ["Jos\u00e9"], "[another person] and [another person]"),
        ("Dora Quill", ["Quill", "Dora Quill"], "[another person]"),
        ("my sister Ann, Ann", ["my sister Ann"], "[another person], Ann"),
        ("a.b a+b", ["a.b"], "[another person] a+b"),
        # What a reader sees as the same words, whatever stands between or for their letters.
        ("Max\u200b Mus\u00adter, Ma\u200dx\ufeff Muster", ["Max Muster"],
         "[another person], [another person]"),
        ("Max&nbsp;Muster <b>Max</b> <i>Muster</i> Mus&shy;ter", ["Max Muster", "Muster"],
         "[another person] <b>[another person]</i> [another person]"),
        ("Zo&euml; Zo&#235; ZO&Euml; Zo&#xEB;", ["Zoë"], " ".join(["[another person]"] * 4)),
        ("Weiss WEISS Weiß", ["Weiß"], " ".join(["[another person]"] * 3)),
        ("Ssx Mass", ["Max"], "Ssx Mass"),
        ("Weiss Weiß", ["Weiss"], "[another person] [another person]"),
        ("O\u2019Neill O`Neill Mayer\u2011Lang", ["O'Neill", "Mayer-Lang"],
         " ".join(["[another person]"] * 3)),
        ("\uff2d\uff41\uff58 Maxim", ["Max"], "[another person] Maxim"),
    ],
)  # fmt: skip
def test_words_are_found_whole_and_in_every_spelling(
    text: str, words: list[str], left: str
) -> None:
    assert struck(*words).apply(text)[0] == left


def test_what_is_suggested_is_never_hers() -> None:
    cover = Cover.of([("name", "Ana O'Neill"), ("email", "ana@x.example")],
                     people=[("name", "Dora Quill"), ("name", "Ana O'Neill")])  # fmt: skip
    texts = ["Ana O'Neill and Quill, Dora; ana@x.example, max@x.example", "DORA  QUILL"]
    assert [s.words for s in strike.suggested(cover, texts)] == [
        "Quill, Dora", "max@x.example", "DORA QUILL"
    ]  # fmt: skip


def test_what_may_name_somebody_in_another_way_is_suggested() -> None:
    cover = Cover.of([("name", "Ana O'Neill"), ("email", "ana@x.example")])
    met = {
        "ask @tom_b. or @ana, not me@x": ["@tom_b"],
        "tom(at)example. Then ana (at) x [dot] example": ["tom(at)example"],
        "Max.M [at] mail {punkt} example (at) noon": ["Max.M [at] mail {punkt} example"],
        "to DE89 3704 0044 0532 0130 00, ref DE88 3704 0044 0532 0130 00": [
            "DE89 3704 0044 0532 0130 00"
        ],
        "GB29NWBK60161331926819": ["GB29NWBK60161331926819"],
        "write to max@x.example": ["max@x.example"],
        "once @ 5, a@b, he (at the door)": [],
    }
    for text, words in met.items():
        found = [s.words for s in strike.suggested(cover, [text])]
        assert found == words, text
        assert all(strike.holds(text, one) == 1 for one in found)


def test_a_run_that_may_be_a_name_begins_each_word_with_a_capital() -> None:
    assert set(names("Then Dora van Quill met Ana-Maria O'Neill Jr. Twice. no One")) == {
        ("Then", "Dora"), ("Ana-Maria", "O'Neill"), ("O'Neill", "Jr"), ("Jr", "Twice"),
        ("Ana-Maria", "O'Neill", "Jr"), ("O'Neill", "Jr", "Twice"),
    }  # fmt: skip


def test_a_text_is_known_by_every_sign_of_it() -> None:
    assert digest("a") != digest("a ")
