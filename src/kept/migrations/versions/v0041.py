"""Scans that are copies of identity papers."""

from kept.migrations import run

revision = "0041"
down_revision = "0039"


def upgrade() -> None:
    run("0041_scans_that_stay.sql")
