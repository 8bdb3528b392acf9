"""What values look like: checksums catch every changed digit, prose is told from labels."""

from __future__ import annotations

import random
import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.stores.discover import worlds

from kept.stores.discover import values
from kept.stores.discover.idioms import Idiom
from kept.stores.discover.overlap import Overlap

YEAR = 2026


@given(st.integers(0, 2**32), st.integers(4, 21), st.integers(1, 9))
def test_a_changed_digit_is_no_iban(seed: int, at: int, step: int) -> None:
    good = worlds.iban(random.Random(seed))
    assert values.iban(good)
    digit = str((int(good[at]) + step) % 10)
    assert not values.iban(good[:at] + digit + good[at + 1 :])


def luhn(digits: list[int]) -> int:
    """The check digit of ISO/IEC 7812, counted from the right, written another way."""
    table = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    total = sum(table[d] if i % 2 == 0 else d for i, d in enumerate(reversed(digits)))
    return -total % 10


@given(st.lists(st.integers(0, 9), min_size=14, max_size=14), st.integers(1, 9))
def test_a_wrong_check_digit_is_no_card(rest: list[int], step: int) -> None:
    digits = [4, *rest]
    if len(set(digits)) < 3:
        return
    check = luhn(digits)
    assert values.card("".join(map(str, [*digits, check])))
    assert not values.card("".join(map(str, [*digits, (check + step) % 10])))


@pytest.mark.parametrize(
    ("shape", "yes", "no"),
    [
        ("email", ["ana@example.org", "jörg.m@bücher.de"], ["ana@", "@x.org", "a b@x.org", "user"]),
        ("ip", ["10.0.0.1", "2001:db8::1", "192.168.0.0/24"], ["1.2", "10.0.0.300", "12:30"]),
        (
            "phone",
            [
                "+49 30 2000 1234",
                "(212) 555-0187",
                "+49\u202f30\u202f2000\u20091234",
                "tel:+49-30-2000-1234",
            ],
            ["2024-01-02", "12", "0.5", "1 2 3"],
        ),
        (
            "dialled",
            ["0812 3456 7890", "081234567890", "(021) 555-1234", "6-12-34-56-78"],
            [
                "2024-000123",
                "00012345678",
                "978-3-16-148410-0",
                "1234567890",
                "12345.678",
                "2024-01-02",
            ],
        ),
        ("country", ["DE", "Germany", "Niemcy", "United States"], ["XX", "Berlinia"]),
    ],
)
def test_shapes(shape: str, yes: list[str], no: list[str]) -> None:
    tests = {
        "email": values.email, "ip": values.ip, "phone": values.phone, "country": values.country,
        "dialled": values.dialled,
    }  # fmt: skip
    assert [v for v in yes if not tests[shape](v)] == []
    assert [v for v in no if tests[shape](v)] == []


def test_numbers_of_states_need_their_check_digit() -> None:
    pytest.importorskip("stdnum", reason="needs the extra `discover`")
    assert values.national(["44051401359", "02070803628"]) == 2  # PESEL
    assert values.national(["44051401358", "02070803627"]) == 0


def test_prose_and_labels() -> None:
    draw = random.Random(1)
    text = [" ".join(draw.choice(worlds.PROSE) for _ in range(12)) for _ in range(8)]
    assert values.look(text, "text", YEAR).prose
    assert not values.look(["red shirt", "blue shirt", "red coat"], "text", YEAR).prose


def test_random_ids_are_opaque() -> None:
    ids = [str(uuid.UUID(int=n * 977**9 % 2**128)) for n in range(1, 40)]
    assert values.look(ids, "text", YEAR).opaque
    assert not values.look(["aaaaaaaaaaaaaaaaaaaa"] * 9, "text", YEAR).opaque


@given(st.lists(st.one_of(st.none(), st.text(max_size=60), st.integers()), max_size=30))
def test_any_values_can_be_looked_at_and_none_is_kept(given_values: list[object]) -> None:
    met = values.look(given_values, "text", YEAR)
    assert met.rows == len(given_values)
    assert met.seen <= met.rows
    assert met.distinct <= met.seen
    assert all(count <= met.tried for count in met.shapes.values())
    assert all(isinstance(count, int) for count in met.shapes.values())


def test_documents_keyed_by_people_give_no_path() -> None:
    documents = [
        {"user_id": n, "by": {f"person{n}": 1, "ana@example.org": 2}, "ok": True} for n in range(20)
    ]
    assert set(values.paths(documents)) == {("user_id",)}


def test_several_numbers_in_a_text_are_told_in_one_reading() -> None:
    """Somebody's text of numbers, gaps and a letter at the end holds up no discovery."""
    hostile = "   ".join("1" * 60) + "x"
    assert values.look([hostile, "1, 2", "3 ; 4", "[5  6]", "7|8"], "text", 2026).shapes[
        "several"
    ] == 4  # fmt: skip


def test_numbers_that_no_key_can_be_end_no_discovery() -> None:
    """A decimal of many digits, without end or of none at all is no end of whole numbers."""
    clause = sa.table("t", sa.column("a"), sa.column("b"))
    columns = dict.fromkeys("ab", SimpleNamespace(type="decimal"))
    profiles: Any = {"t": SimpleNamespace(table=SimpleNamespace(clause=clause, columns=columns))}
    for most, whole in (
        (Decimal("1e30"), True), (Decimal("Infinity"), False), (Decimal("NaN"), False),
        (1e20, True), (float("inf"), False), (2.5, False), (None, False), ("x", False),
    ):  # fmt: skip
        session: Any = SimpleNamespace(ask=lambda *_, most=most: [(1, most, 1, 9)])
        ends = Overlap(session, Idiom(), profiles, None).ends("t", ("a", "b"))
        assert ends == ({"a": (1, int(cast("Any", most)))} if whole else {}) | {"b": (1, 9)}
