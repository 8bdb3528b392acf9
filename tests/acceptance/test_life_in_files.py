"""One person over a SQLite shop, a PostgreSQL club and a lake of Parquet files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import EraseAnswer, Request
from kept.errors import ConfigError, Obstructed
from kept.model.plan import Action
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.world import NOW, ROOT, edit, make, sql

EMAIL = "email=ana@example.org"

CLUB = """
system: club
title: Club
country: US
datasets:
  member:
    key: [no]
    retention: account
    clock: since
    activities: [account]
    origin: provided
    fields:
      "no": {type: integer, category: identifier.account, nullable: false}
      mail: {category: contact.email, identifies: email, nullable: false}
      since: {type: datetime, nullable: false}
"""

LAKE = """
system: lake
title: Logs of the site
country: US
datasets:
  visit:
    title: Visits
    key: [id]
    retention: messages
    activities: [communicate]
    origin: observed
    fields:
      id: {type: integer, nullable: false}
      customer: {category: identifier.account}
      member: {type: real, category: identifier.account}
      mails: {category: contact.email, identifies: email}
      page: text
      day: date
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by, system: shop}
      - {fields: [member], to: member, on: ["no"], kind: owned-by, system: club}
  click:
    title: Clicks
    key: [visit, n]
    retention: messages
    activities: [communicate]
    origin: observed
    fields:
      visit: {type: integer, nullable: false}
      n: integer
      who.ip: {category: contact.email}
    links:
      - {fields: [visit], to: visit, on: [id], kind: owned-by}
"""

#: id → (customer as text, member as a number, mails); Ana is customer 1 and member 0.
VISITS: dict[int, tuple[str | None, float | None, list[str] | None]] = {
    0: ("1", None, None), 1: ("2", None, ["ben@example.org"]), 2: (None, 0.0, []),
    3: (None, None, ["x@example.org", "Ana@Example.org"]), 4: (None, None, None),
    5: ("01", 1.0, ["ana@example.org.evil"]), 6: ("1", 0.0, ["ana@example.org"]),
    7: ("3", 7.0, None),
}  # fmt: skip
HERS = {0, 2, 3, 6}


@pytest.fixture
def world(kept_url: str, fresh_pg_url: str, tmp_path: Path) -> Path:
    made = make(tmp_path / "lakeside", kept_url)
    with psycopg.connect(fresh_pg_url) as club:
        club.execute("CREATE TABLE member (no bigint PRIMARY KEY, mail text NOT NULL,"
                     " since timestamp NOT NULL)")  # fmt: skip
        club.execute("INSERT INTO member VALUES (0, 'ana@example.org', '2024-01-01'),"
                     " (1, 'ben@example.org', '2024-01-01')")  # fmt: skip
    root = made / "logs"
    for day in (1, 2):
        ids = [n for n in VISITS if n % 2 == day - 1]
        where = root / "visit" / f"day=2026-01-0{day}"
        where.mkdir(parents=True)
        columns = {
            "id": ids,
            "customer": pa.array([VISITS[n][0] for n in ids], pa.string()).dictionary_encode(),
            "member": pa.array([VISITS[n][1] for n in ids], pa.float64()),
            "mails": pa.array([VISITS[n][2] for n in ids], pa.list_(pa.string())),
            "page": ["/"] * len(ids),
        }
        pq.write_table(pa.table(columns), where / "part.parquet", compression="zstd")
    (root / "click").mkdir()
    for part in (0, 1):
        some = [(n, k) for n in VISITS for k in (1, 2) if k == part + 1]
        columns = {
            "visit": [n for n, _ in some],
            "n": [k for _, k in some],
            "who": [{"ip": f"10.0.0.{n}"} for n, _ in some],
        }
        pq.write_table(pa.table(columns), root / "click" / f"{part}.parquet")
    (made / "lake.yml").write_text(LAKE, "utf-8")
    (made / "club.yml").write_text(CLUB, "utf-8")
    with (made / "kept.toml").open("a") as file:
        file.write(
            '\n[systems.lake]\nstore = "parquet"\nurl = "logs"\nmode = "act"\nmap = "lake.yml"\n'
            f'\n[systems.club]\nstore = "postgresql"\nurl = "{fresh_pg_url}"\nmode = "act"\n'
            'map = "club.yml"\n'
        )
    return made


def state(world: Path) -> dict[str, set[Any]]:
    visits = pq.read_table(world / "logs" / "visit")
    clicks = pq.read_table(world / "logs" / "click")
    return {
        "visit": set(visits["id"].to_pylist()),
        "click": {(r["visit"], r["n"]) for r in clicks.to_pylist()},
    }


LEFT = {
    "visit": set(VISITS) - HERS,
    "click": {(n, k) for n in VISITS if n not in HERS for k in (1, 2)},
}


def told(answer: EraseAnswer) -> dict[tuple[str, Action], tuple[int, int, int]]:
    return {
        (f"{s.store}.{s.dataset}", s.action): (s.counts.found, s.counts.changed, s.counts.retained)
        for s in answer.steps
        if s.store in ("lake", "club")
    }


TOLD = {
    ("club.member", Action.DELETE): (1, 1, 0),
    ("lake.visit", Action.DELETE): (4, 4, 0),
    ("lake.click", Action.DELETE): (8, 8, 0),
}


def erase(world: Path, case: str | None = None) -> EraseAnswer:
    request = Request(people=((parse(EMAIL),),), override="test", case=case)
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, request, NOW)


def test_RIGHT_1_access_finds_her_rows_in_the_lake(world: Path) -> None:
    """RIGHT-1: by account numbers of other types in other engines, and by her address."""
    request = Request(people=((parse(EMAIL),),), override="test")
    with Controller.open(deployment.read(world)) as controller:
        answer = rights.access(controller, request, NOW, out=world / "pack.zip")
    rows = {(s.store, s.dataset): s.counts.found for s in answer.steps}
    assert rows["lake", "visit"] == len(HERS)
    assert rows["lake", "click"] == 2 * len(HERS)


def test_RIGHT_3_erasure_reaches_the_lake(world: Path) -> None:
    """RIGHT-3: her rows are gone from every engine, everybody else's are there."""
    before = pq.read_table(world / "logs" / "visit")
    (world / "logs" / "visit" / "_old").mkdir()
    (world / "logs" / "visit" / "_old" / "1.parquet").write_bytes(
        next((world / "logs" / "visit").rglob("*.parquet")).read_bytes()
    )
    os.mkfifo(world / "logs" / "visit" / "pipe.parquet")
    answer = erase(world)
    assert answer.complete, [s.problem for s in answer.steps]
    # What readers of a lake pass over is not searched, and the answer says so.
    assert [w.partition(":")[0] for w in answer.warnings] == [
        "`lake`", "`lake`", "what others wrote in `note` of `shop` is not searched",
    ]  # fmt: skip
    assert "in `visit` 1 file is Parquet under a name that begins with" in answer.warnings[0]
    assert "in `visit` 1 name is no file" in answer.warnings[1]
    (world / "logs" / "visit" / "pipe.parquet").unlink()
    assert told(answer) == TOLD
    assert state(world) == LEFT
    others = pa.compute.invert(pa.compute.is_in(before["id"], pa.array(sorted(HERS))))
    left = pq.read_table(world / "logs" / "visit")
    assert left.to_pylist() == before.filter(others).to_pylist()
    assert left.schema.equals(before.schema, check_metadata=True)
    assert sql(world, "SELECT count(*) FROM note WHERE about LIKE 'ana%'") == [(0,)]


def test_RIGHT_3_rows_whose_key_holds_a_null_go_alone(world: Path) -> None:
    """RIGHT-3: visit 0 (hers) and visit 1 (his) each have a click without a number."""
    columns = {
        "visit": [0, 1],
        "n": pa.array([None, None], pa.int64()),
        "who": [{"ip": "10.0.0.0"}, {"ip": "10.0.0.1"}],
    }
    pq.write_table(pa.table(columns), world / "logs" / "click" / "2.parquet")
    answer = erase(world)
    assert answer.complete, [s.problem for s in answer.steps]
    assert told(answer)["lake.click", Action.DELETE] == (9, 9, 0)
    assert state(world) == {**LEFT, "click": LEFT["click"] | {(1, None)}}


def test_RIGHT_3_a_key_that_names_several_rows_of_the_lake_is_refused(world: Path) -> None:
    """RIGHT-3: two visits under one number: the other one could be somebody else's."""
    where = world / "logs" / "visit" / "day=2026-01-01"
    shutil.copy(where / "part.parquet", where / "again.parquet")
    before = state(world)
    with pytest.raises(Obstructed, match=r"`lake.visit` .* met rows that their key"):
        erase(world)
    assert state(world) == before


def test_the_map_check_says_what_of_the_lake_is_not_seen(world: Path) -> None:
    (world / "logs" / "visit" / "ana.csv").touch()
    with (world / "kept.toml").open("a") as file:
        file.write("\n[systems.lake.options]\ncount_keys = 0\nthreads = 1\n")
    checked = kept(world, "map", "check")
    assert checked.status == 0
    assert {n["store"] for n in checked.document["notes"]} == {"lake"}
    csv, click, visit = (n["words"] for n in checked.document["notes"])
    assert csv.startswith("in `visit` 1 file is not Parquet (.csv)")
    assert "`id` names one row of `visit` is taken on the map's word" in visit
    assert "`visit, n`" in click
    said = " ".join(kept(world, "doctor", json=False).out.split())
    assert "not Parquet (.csv)" in said
    assert "ana" not in said
    edit(world / "kept.toml", "count_keys = 0", "count_keys = -1")
    with pytest.raises(ConfigError, match="count_keys"), Controller.open(deployment.read(world)):
        pass


_DRIVER = """
import os, signal, sys
from pathlib import Path
from kept.stores.lake import store as module
whole, calls = module.ParquetSession._replace, 0
def killed(self, file, touched):
    global calls
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    calls += 1
    whole(self, file, touched)
module.ParquetSession._replace = killed
from tests.acceptance.test_life_in_files import erase
erase(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("files", [0, 1, 2, 3])
def test_RIGHT_3_killed_between_two_files_it_goes_on_and_reports_truly(
    world: Path, files: int
) -> None:
    """RIGHT-3: what a killed erasure left is done by the next, and the counts are of all."""
    killed = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(world), str(files)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    between = state(world)
    assert (between == LEFT) is False
    assert all(LEFT[name] <= between[name] for name in LEFT)
    with Controller.open(deployment.read(world)) as controller:
        case = controller.cases.all()[0].id
    resumed = erase(world, case)
    assert resumed.complete, [s.problem for s in resumed.steps]
    assert told(resumed) == TOLD
    assert state(world) == LEFT
    assert told(erase(world, case)) == TOLD
