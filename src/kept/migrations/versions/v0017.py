"""Requests have a last day for their answer."""

from kept.migrations import run

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run("0017_clocks.sql")
