"""The ledger: entries, tiles, head, checkpoints."""

from kept.migrations import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run("0002_ledger.sql")
