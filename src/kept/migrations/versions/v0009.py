"""What was left beneath the rows, layer by layer."""

from kept.migrations import run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run("0009_residue.sql")
