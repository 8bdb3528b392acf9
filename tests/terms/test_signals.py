"""What a browser says by itself is taken at its word, and only at its word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.terms.signals import signals


@pytest.mark.parametrize(
    ("headers", "gpc", "dnt"),
    [
        ([], False, False),
        ([("Sec-GPC", "1")], True, False),
        ([(b"sec-gpc", b"1")], True, False),
        ([("SEC-GPC", " 1\t")], True, False),
        ([("Sec-GPC", "0")], False, False),
        ([("Sec-GPC", "true")], False, False),
        ([("Sec-GPC", "1, 1")], False, False),
        ([("Sec-GPC", "")], False, False),
        ([("Sec-GPC", "0"), ("Sec-GPC", "1")], True, False),
        ([("DNT", "1")], False, True),
        ([("DNT", "null")], False, False),
        ([("X-Sec-GPC", "1")], False, False),
    ],
)
def test_exactly_one(headers: list[tuple[str, str]], gpc: bool, dnt: bool) -> None:
    said = signals(headers)
    assert (said.gpc, said.dnt) == (gpc, dnt)


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12))))
def test_any_bytes(headers: list[tuple[bytes, bytes]]) -> None:
    said = signals(headers)
    assert said.gpc == any(
        name.lower() == b"sec-gpc" and value.strip(b" \t") == b"1" for name, value in headers
    )
