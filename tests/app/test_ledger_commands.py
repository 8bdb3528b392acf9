"""`kept ledger`: what was altered is neither signed nor handed on as whole."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from tests.app.conftest import Kept
from tests.world import make

ALTERED = (
    "ALTER TABLE ledger_entry DISABLE TRIGGER USER;"
    " UPDATE ledger_entry SET leaf = set_byte(leaf, 8, get_byte(leaf, 8) # 1) WHERE index = 0"
)
#: A record of an entry that the ledger does not have: it was longer once.
CUT = "ALTER TABLE control_run DISABLE TRIGGER USER; UPDATE control_run SET entry = entry + 9999"


@pytest.fixture
def place(tmp_path: Path, fresh_pg_url: str, kept: Kept) -> Path:
    made = make(tmp_path / "world", fresh_pg_url)
    who = ("--identity", "email=ana@example.org", "--override", "test", "--dir", made)
    assert kept("rights", "erase", *who).status == 0
    proved = kept("prove", "--dir", made)
    assert proved.status in (0, 1), proved.said
    return made


#: Every signature taken away, by somebody who may do anything in the database.
BARE = (
    "ALTER TABLE ledger_checkpoint DISABLE TRIGGER USER; DELETE FROM ledger_checkpoint;"
    " ALTER TABLE ledger_checkpoint ENABLE TRIGGER USER"
)


@pytest.mark.parametrize("harm", [ALTERED, CUT, BARE], ids=["altered", "cut off", "bare"])
def test_a_ledger_that_does_not_hold_is_not_signed(
    harm: str, place: Path, fresh_pg_url: str, kept: Kept, tmp_path: Path
) -> None:
    assert kept("ledger", "verify", "--dir", place).status == 0
    with psycopg.connect(fresh_pg_url) as connection:
        connection.execute(harm.encode())
        runs = connection.execute("SELECT count(*) FROM control_run").fetchone()
        signed = connection.execute("SELECT count(*) FROM ledger_checkpoint").fetchone()
    assert runs is not None
    assert runs[0] > 0
    said = kept("ledger", "verify", "--json", "--dir", place)
    assert (said.status, said.document["ok"]) == (1, False)
    refused = kept("ledger", "checkpoint", "--dir", place)
    assert refused.status != 0
    assert "nothing was signed" in refused.err
    copied = kept("ledger", "export", tmp_path / "copy", "--dir", place)
    assert copied.status == 1, copied.said
    assert "does NOT hold" in copied.out or "no signed head" in copied.err
    # Controls say what they see, and write nothing on top of it.
    proved = kept("prove", "--dir", place)
    assert proved.status == 1
    assert "UniqueViolation" not in proved.said
    with psycopg.connect(fresh_pg_url) as connection:
        after = connection.execute("SELECT count(*) FROM ledger_checkpoint").fetchone()
    assert after == signed


def test_signatures_that_were_taken_away_are_missed(
    place: Path, fresh_pg_url: str, kept: Kept
) -> None:
    with psycopg.connect(fresh_pg_url) as connection:
        connection.execute(BARE.encode())
    said = kept("ledger", "verify", "--dir", place)
    assert said.status == 1
    assert "signatures were taken away" in said.out
    doctor = kept("doctor", "--json", "--dir", place).document
    (of_ledger,) = (c for c in doctor["checks"] if c["name"] == "ledger")
    assert of_ledger["ok"] is False
    # What is signed afterwards does not bring them back.
    opened = kept("rights", "access", "--identity", "email=ben@example.org", "--override", "test",
                  "--out", place / "ben.zip", "--dir", place)  # fmt: skip
    assert opened.status in (0, 1), opened.said
    with psycopg.connect(fresh_pg_url) as connection:
        assert connection.execute("SELECT 1 FROM ledger_checkpoint").fetchone()
    assert kept("ledger", "verify", "--json", "--dir", place).document["ok"] is False


def test_a_ledger_that_nobody_signed_is_not_said_to_hold(
    tmp_path: Path, fresh_pg_url: str, kept: Kept
) -> None:
    """No run proves that there was a signature; but nothing is signed."""
    made = make(tmp_path / "world", fresh_pg_url)
    who = ("--identity", "email=ana@example.org", "--override", "test", "--dir", made)
    assert kept("rights", "erase", *who).status == 0
    with psycopg.connect(fresh_pg_url) as connection:
        connection.execute(BARE.encode())
    said = kept("ledger", "verify", "--dir", made)
    assert said.status == 1
    assert "is not signed" in said.out
    assert "The ledger holds" not in said.out
    doctor = kept("doctor", "--json", "--dir", made).document
    (of_ledger,) = (c for c in doctor["checks"] if c["name"] == "ledger")
    assert of_ledger["ok"] is None
    assert "signed by nothing" in of_ledger["words"]
    assert kept("ledger", "checkpoint", "--dir", made).status == 0
    assert "The ledger holds." in kept("ledger", "verify", "--dir", made).out
