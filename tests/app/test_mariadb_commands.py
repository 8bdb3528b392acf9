"""A MariaDB system in a deployment: the doctor, the map check, and what a message may tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.app.conftest import Kept
from tests.stores.mariadb_shop import run

MAP = """\
system: shop
title: Shop
country: US
datasets:
  client:
    key: [id]
    retention: account
    activities: [service]
    fields:
      id: {type: integer, category: identifier.account, nullable: false}
      mail: {category: contact.email, identifies: email}
"""


@pytest.fixture
def shop(place: Path, fresh_maria_url: str) -> Path:
    """A deployment with a second system, in MariaDB."""
    run(fresh_maria_url, "CREATE TABLE client (id int PRIMARY KEY, mail varchar(90))")
    (place / "datamap" / "shop.yml").write_text(MAP, "utf-8")
    with (place / "kept.toml").open("a", encoding="utf-8") as settings:
        settings.write(
            f'\n[systems.shop]\nstore = "mariadb"\nurl = "{fresh_maria_url}"\nmode = "act"\n'
            'map = "datamap/shop.yml"\n'
        )
    return place


def test_it_answers_and_is_mapped(kept: Kept, shop: Path) -> None:
    ran = kept("doctor", "--json", "--dir", shop)
    assert ran.status == 0, ran.said
    assert {c["name"]: c["ok"] for c in ran.document["checks"]}["system shop"] is True
    assert kept("map", "check", "--dir", shop).status == 0


def test_what_the_map_does_not_say_is_found(kept: Kept, shop: Path, fresh_maria_url: str) -> None:
    run(
        fresh_maria_url,
        "ALTER TABLE client ADD nick text, ENGINE = MyISAM;\n"
        "CREATE TABLE more (id int PRIMARY KEY)",
    )
    ran = kept("map", "check", "--dir", shop)
    assert ran.status == 1
    for words in ("`nick` is there", "`more` is there", "MyISAM, which has no transactions"):
        assert words in " ".join(ran.said.split())


def test_a_password_is_never_shown(kept: Kept, shop: Path) -> None:
    file = shop / "kept.toml"
    text = file.read_text("utf-8")
    for wrong in ("geheim-77@/", "geheim-77@[no/", "geheim-77@127.0.0.1:1/"):
        file.write_text(re.sub(r"(mariadb://\w+:)[^@]+@/", rf"\g<1>{wrong}", text), "utf-8")
        for command in (("doctor",), ("doctor", "--json"), ("map", "check")):
            ran = kept(*command, "--dir", shop)
            assert ran.status == 1
            assert "geheim" not in ran.said
            assert "shop" in ran.said
