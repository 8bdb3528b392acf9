"""A case waits until its recipients have answered."""

from kept.migrations import run

revision = "0042"
down_revision = "0037"


def upgrade() -> None:
    run("0042_awaiting.sql")
