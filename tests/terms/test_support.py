"""Until when software is mended: rows that can be found by what programs say of themselves."""

from __future__ import annotations

import datetime as dt

import pytest

from kept.terms.support import ROWS, release


@pytest.mark.parametrize(
    ("name", "version", "of"),
    [
        ("Python", "3.11.7", "Python 3.11"),
        ("Python", "3.99.0rc1", "Python 3.99"),
        ("OpenSSL", "3.0.19", "OpenSSL 3.0"),
        ("PostgreSQL", "18.1", "PostgreSQL 18"),
        ("PostgreSQL", "19beta1", "PostgreSQL 19beta1"),
        ("MariaDB", "10.11.6", "MariaDB 10.11"),
        ("SQLite", "3.40.1", "SQLite 3"),
        ("debian", "12", "debian 12"),
        ("ubuntu", "24.04", "ubuntu 24.04"),
        ("something", "1.2.3", "something 1.2"),
    ],
)
def test_a_version_is_of_one_release(name: str, version: str, of: str) -> None:
    assert release(name, version) == of


def test_every_row_is_found_again_and_has_its_source() -> None:
    for name, row in ROWS.items():
        assert row.release == name == release(*name.split(" "))
        assert row.source.startswith("https://")
        assert dt.date(2020, 1, 1) < row.until < dt.date(2060, 1, 1)
    assert ROWS["Python 3.11"].until == dt.date(2027, 10, 31)
    assert ROWS["PostgreSQL 18"].until == dt.date(2030, 11, 14)
