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


@pytest.mark.parametrize("harm", [ALTERED, CUT], ids=["altered", "cut off"])
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
    assert "does NOT hold" in copied.out
    # Controls say what they see, and write nothing on top of it.
    proved = kept("prove", "--dir", place)
    assert proved.status == 1
    assert "UniqueViolation" not in proved.said
    with psycopg.connect(fresh_pg_url) as connection:
        after = connection.execute("SELECT count(*) FROM ledger_checkpoint").fetchone()
    assert after == signed
