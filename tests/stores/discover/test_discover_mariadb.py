"""Discovery on a real MariaDB: the same findings as on the other engines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.stores.discover import worlds
from tests.stores.discover.test_discover import VIEW, VIEW_OF_VIEW, kinds, links
from tests.stores.discover.test_map_discover import CANARY, COMMAND, canaries

from kept.datamap.map import Owner
from kept.stores.discover import Discovery, discover, document
from kept.stores.mariadb import MariaDBStore
from kept.stores.sql import SQLiteStore


@pytest.mark.parametrize("language", worlds.ALL)
def test_every_link_and_no_other(language: str, fresh_maria_url: str) -> None:
    world = worlds.ALL[language]
    worlds.into_mariadb(fresh_maria_url, world)
    assert links(discover(MariaDBStore("s", (), fresh_maria_url), year=2026)) == worlds.truth(world)


def test_small_numbers_lead_to_nobody(fresh_maria_url: str) -> None:
    worlds.into_mariadb(fresh_maria_url, worlds.NOBODY)
    for sample in (50, 1000, None):
        found = discover(MariaDBStore("s", (), fresh_maria_url), year=2026, sample=sample)
        assert links(found) == {("readings", "machine_id", "machines")}


@pytest.fixture(scope="module")
def english(maria_url: str) -> Discovery:
    worlds.into_mariadb(maria_url, worlds.ENGLISH, (VIEW, VIEW_OF_VIEW))
    return discover(MariaDBStore("s", (), maria_url), year=2026)


def test_the_findings_are_those_of_another_engine(english: Discovery, tmp_path: Path) -> None:
    url = worlds.into_sqlite(tmp_path / "s.sqlite", worlds.ENGLISH, (VIEW, VIEW_OF_VIEW))
    other = discover(SQLiteStore("s", (), url), year=2026)
    for name, one in other.datasets.items():
        assert kinds(english, name) == kinds(other, name)
        if one.profile.table.view:
            continue  # what is made of a name and an address is shown as either
        categories = {n: v.category for n, v in one.fields.items()}
        assert {n: v.category for n, v in english.datasets[name].fields.items()} == categories


def test_owners_of_several_kinds_documents_and_views(english: Discovery) -> None:
    several = [k for k in english.datasets["Attachments"].links if k.basis == "polymorphic"]
    assert {k.to for k in several} == {"Users", "Products", "Orders"}
    (inside,) = (k for k in english.datasets["AuditEvents"].links if k.path == ("user_id",))
    assert (inside.to, inside.kind) == ("Users", Owner.OWNED)
    reach = english.datasets["Mailing"].fields["Reach"]
    assert reach.evidence == ("shows `Users.EmailAddress`",)


def test_a_sample_and_all_rows_agree(fresh_maria_url: str) -> None:
    more = worlds.ENGLISH[:3] + [(t, c, 40 * n) for t, c, n in worlds.ENGLISH[4:5]]
    worlds.into_mariadb(fresh_maria_url, more, ('ANALYZE TABLE "OrderLines"',))
    sampled = discover(MariaDBStore("s", (), fresh_maria_url), year=2026, sample=100)
    again = discover(MariaDBStore("s", (), fresh_maria_url), year=2026, sample=100)
    assert document(sampled) == document(again)
    whole = discover(MariaDBStore("s", (), fresh_maria_url), year=2026, sample=None)
    assert links(sampled) == links(whole)


def test_no_value_ever_comes_out(fresh_maria_url: str, tmp_path: Path) -> None:
    changes = [text.replace("::", "") for text in canaries(worlds.ENGLISH)]
    worlds.into_mariadb(fresh_maria_url, worlds.ENGLISH, (*changes, VIEW))
    for more in ([], ["--json"], ["--full", "--write", str(tmp_path / "s.yml")]):
        command = [*COMMAND, fresh_maria_url, *more]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        for text in (ran.stdout, ran.stderr):
            assert CANARY.lower() not in text.lower()
            assert "177151317" not in text
        if "--json" in more:
            assert set(json.loads(ran.stdout)) == {"datasets"}
    assert CANARY.lower() not in (tmp_path / "s.yml").read_text("utf-8").lower()
