"""`kept bench links` reads the schemas of a directory and counts what is found of their keys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

POSTGRESQL = """
-- a comment; with a semicolon
CREATE TABLE members (id serial PRIMARY KEY, email varchar(80) UNIQUE, "lastName" text);
CREATE FUNCTION f() RETURNS int AS $body$ SELECT 1; $body$ LANGUAGE sql;
CREATE TABLE loans (
    id serial PRIMARY KEY, member_id int NOT NULL REFERENCES members, colour int NOT NULL
);
ALTER TABLE ONLY loans ADD CONSTRAINT odd FOREIGN KEY (colour) REFERENCES members (id);
"""
MYSQL = """
CREATE TABLE `Kunde` (`KundenNr` int(11) NOT NULL AUTO_INCREMENT, `Nachname` varchar(40),
    PRIMARY KEY (`KundenNr`)) ENGINE=InnoDB;
CREATE TABLE `Bestellung` (`Id` int(11) NOT NULL, `KundenNr` int(11) DEFAULT NULL,
    PRIMARY KEY (`Id`), KEY `k` (`KundenNr`),
    CONSTRAINT `b` FOREIGN KEY (`KundenNr`) REFERENCES `Kunde` (`KundenNr`));
"""


def test_keys_are_read_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "library.sql").write_text(POSTGRESQL, "utf-8")
    (tmp_path / "shop.mysql.sql").write_text(MYSQL, "utf-8")
    people = {"library": ["members"], "shop": ["kunde"]}
    (tmp_path / "people.json").write_text(json.dumps(people), "utf-8")
    command = [sys.executable, "-m", "kept.app", "bench", "links", tmp_path.name]
    ran = subprocess.run(
        [*command, "--tries", "1", "--json"], cwd=tmp_path.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    made = json.loads(ran.stdout)
    # `colour` leads to members by declaration only: nobody could know
    assert made["notes"]["library, 2 tables"].startswith("people precision 1.000, recall 0.500")
    assert made["notes"]["shop, 2 tables"].startswith("people precision 1.000, recall 1.000")
    assert [row["ours"] for row in made["rows"]] == [1.0, 2 / 3]
    assert ran.returncode == 1  # the goal was missed, and it says so


def test_without_a_directory_nothing_is_measured() -> None:
    command = [sys.executable, "-m", "kept.app", "bench", "links"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nothing measured" in ran.stdout


def test_a_directory_without_schemas_is_wrong_use_and_no_perfect_score(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kept.app", "bench", "links", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "met none" in ran.stderr
