"""The cookie of choices in the hands of strangers: a yes cannot be forged, a no is never lost."""

from __future__ import annotations

import datetime as dt
from http.cookies import SimpleCookie

from hypothesis import given
from hypothesis import strategies as st

from kept.model import choice
from kept.model.choice import DAYS, Choices, decode, encode

KEY, OTHER = b"k" * 32, b"o" * 32
TODAY = dt.date(2026, 11, 29)
EDITION = "00c0ffee"
IDS = st.from_regex(r"[a-z0-9]{1,8}([.-][a-z0-9]{1,8}){0,2}", fullmatch=True)
SAID = st.dictionaries(IDS, st.booleans(), max_size=6)


def read(value: str | None, today: dt.date = TODAY, edition: str = EDITION) -> Choices | None:
    return decode(value, KEY, edition=edition, today=today)


@given(SAID, SAID, st.integers(0, DAYS))
def test_what_is_written_is_read(aims: dict[str, bool], rows: dict[str, bool], age: int) -> None:
    made = Choices(TODAY - dt.timedelta(days=age), EDITION, aims, rows)
    value = encode(made, KEY)
    assert all(33 <= ord(c) < 127 and c not in ' ",;\\' for c in value)
    jar = SimpleCookie()
    jar.load(choice.set_cookie(value, secure=True))
    assert jar[choice.name(True)].value == value
    assert read(value) == (made if aims or rows else None)


@given(SAID, SAID, st.sampled_from(["key", "edition", "old", "future", "cut"]))
def test_a_yes_counts_only_as_it_was_given(
    aims: dict[str, bool], rows: dict[str, bool], how: str
) -> None:
    on = TODAY + dt.timedelta(days={"old": -DAYS - 1, "future": 2}.get(how, 0))
    value = encode(
        Choices(on, "deadbeef" if how == "edition" else EDITION, aims, rows),
        OTHER if how == "key" else KEY,
    )
    if how == "cut":
        value = value[: value.rindex("~")]
    met = read(value)
    said = {**aims, **{f"t/{name}": yes for name, yes in rows.items()}}
    got = {**met.aims, **{f"t/{name}": yes for name, yes in met.trackers.items()}} if met else {}
    assert got == {name: False for name, yes in said.items() if not yes}


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda b: b.decode("latin-1"))))
def test_any_text_is_no_yes(value: str) -> None:
    met = read(value)
    assert met is None or not any((*met.aims.values(), *met.trackers.values()))


@given(SAID, st.data())
def test_a_changed_letter_never_allows_more(aims: dict[str, bool], data: st.DataObject) -> None:
    value = encode(Choices(TODAY, EDITION, aims), KEY)
    at = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    met = read(value[:at] + letter + value[at + 1 :])
    allowed = {name for name, yes in (met.aims if met else {}).items() if yes}
    assert allowed <= {name for name, yes in aims.items() if yes}


def test_a_name_with_both_marks_is_refused() -> None:
    met = read("1~20000~00c0ffee~+a!a~")
    assert met is not None
    assert dict(met.aims) == {"a": False}


def test_too_long_is_nothing() -> None:
    assert read("1~20000~00c0ffee~" + "!a" * 2000 + "~") is None


def test_which_cookie_is_read() -> None:
    assert choice.found(["a=b; kept-choices=x"], secure=False) == "x"
    assert choice.found(["a=b; kept-choices=x"], secure=True) is None
    assert choice.found(["__Host-kept-choices=x", "c=d"], secure=True) == "x"
    # Two that differ: whoever planted the second gains nothing.
    assert choice.found(["kept-choices=x; kept-choices=y"], secure=False) is None
    assert choice.found([], secure=True) is None


def test_how_it_is_kept() -> None:
    kept = choice.set_cookie("v", secure=True)
    assert kept.startswith("__Host-kept-choices=v; Path=/; Max-Age=15552000;")
    assert "Secure" in kept
    assert "HttpOnly" in kept
    assert "SameSite=Lax" in kept
    assert "Domain" not in kept


def test_a_no_is_set_anew_before_it_fades_and_a_yes_ends_all_the_same() -> None:
    both = encode(Choices(TODAY, EDITION, {"a": True, "b": False}), KEY)
    yes = encode(Choices(TODAY, EDITION, {"a": True}), KEY)
    no = encode(Choices(TODAY, EDITION, {"b": False}, {"x": False}), KEY)
    later, late = (TODAY + dt.timedelta(days=n) for n in (31, DAYS - 29))
    for value in (both, no):
        assert choice.renewed(value, TODAY) is None
    assert choice.renewed(both, later) is None
    assert choice.renewed(no, later) == no
    left = choice.renewed(both, late)
    assert left is not None
    assert "+" not in left
    kept = read(left, late)
    assert kept is not None
    assert dict(kept.aims) == {"b": False}
    assert choice.renewed(left, late) == left  # until somebody chooses again
    for value in (yes, "nonsense!", "1~1~00000000~!" + "a" * 3000 + "~"):
        assert choice.renewed(value, late) is None
    end = TODAY + dt.timedelta(days=DAYS + 1)
    met = read(both, end)
    assert met is not None
    assert dict(met.aims) == {"b": False}
    assert read(yes, end) is None


def test_what_is_too_long_to_be_a_choice_is_none_at_once() -> None:
    """Whoever remembers what somebody chose does not hold a stranger's kilobytes for it."""
    name = choice.name(True)
    assert choice.found([f"{name}={'x' * 2048}"], True) == "x" * 2048
    assert choice.found([f"{name}={'x' * 2049}"], True) is None
