"""Values that begin with a dash, and the dash that means standard input, as --help writes them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from tests.app.conftest import Kept

ANA = ("--identity", "email=ana@example.org", "--override", "a test")


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize("option", ["--identity-file", "--people"])
def test_a_dash_is_standard_input(
    kept: Kept, place: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    typed(monkeypatch, "email=ana@example.org\n")
    ran = kept("rights", "erase", option, "-", "--override", "a test", "--json", "--dir", place)
    assert '"dataset": "customer"' in ran.out, ran.said


def test_a_right_value_comes_by_standard_input(
    kept: Kept, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "Anna Example\n")
    at = ("--at", "example.customer.name")
    ran = kept("rights", "rectify", *ANA, *at, "--value-file", "-", "--json", "--dir", place)
    assert ran.document["steps"][0]["dataset"] == "customer", ran.said


def test_words_may_begin_with_a_dash(kept: Kept, place: Path) -> None:
    words = ("--ground", "- see the file", "--clause", "RET-10", "--system", "example")
    ran = kept("hold", "add", *ANA[:2], *words, "--dir", place)
    assert ran.status == 0, ran.said


def test_what_the_parser_takes_for_an_option_is_told(kept: Kept, place: Path) -> None:
    ran = kept("hold", "add", "--clause", "RET-6", "--ground", "-unclear", "--dir", place)
    assert ran.status == 2
    assert "--ground=-…" in ran.err
    # An option is no value of the option before it.
    assert kept("rights", "erase", "--identity-file", "--yes", "--dir", place).status == 2
