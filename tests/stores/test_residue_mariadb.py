"""What is left in a MariaDB: never called gone; the binary log by the server's own settings."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.stores.mariadb_shop import run

from kept.datamap.map import Dataset, Field
from kept.model.predicate import IsNull, Not
from kept.model.residue import Fate, Needles
from kept.model.select import Select
from kept.stores import residue_mariadb
from kept.stores.mariadb import MariaDBStore

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
NEEDLES = Needles(["ana@residue.example"])
PERSON = Dataset("person", ("id",), {"id": Field("id", "integer")})


def test_nothing_is_gone_that_is_not_shown(fresh_maria_url: str) -> None:
    run(fresh_maria_url, "CREATE TABLE person (id int PRIMARY KEY, mail text);\n"
                         "INSERT INTO person VALUES (1, 'ben@x.de');\n")  # fmt: skip
    store = MariaDBStore("shop", (PERSON,), fresh_maria_url)
    told = list(store.residue(NEEDLES, NOW))
    assert told
    assert Fate.GONE not in {r.fate for r in told}
    assert list(store.scrubbing()) == []
    (full,) = store.scrubbing(full=True)
    assert full.what == "OPTIMIZE TABLE `person`"
    store.scrub()
    store.scrub(full=True)
    with store.session() as session:
        assert session.count([Select("person", ("id",), (), Not(IsNull("id")))]) == [1]
    store.close()


@pytest.mark.parametrize(
    ("settings", "fate", "until"),
    [
        ((1, 864_000), Fate.UNTIL, dt.date(2026, 1, 12)),
        ((1, 0), Fate.UNTIL, None),
        ((0, 864_000), None, None),
    ],
)
def test_the_binary_log_has_the_date_of_the_servers_settings(
    settings: tuple[int, int], fate: Fate | None, until: dt.date | None
) -> None:
    told = {r.layer: r for r in residue_mariadb.residue(lambda _: [settings], NOW)}
    log = told.get("binary log")
    assert (log.fate if log else None, log.until if log else None) == (fate, until)
