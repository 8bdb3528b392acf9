"""Logins at the desk: from where they are counted."""

from __future__ import annotations

import pytest

from kept.records.session import coarse


@pytest.mark.parametrize(
    ("source", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"),
        # As a server calls it that listens for both kinds: not all of IPv4 is one place.
        ("::ffff:192.0.2.77", "192.0.2.0/24"), ("somewhere", ""),
    ],
)  # fmt: skip
def test_whence_a_login_comes_is_a_network(source: str, network: str) -> None:
    assert coarse(source) == network
