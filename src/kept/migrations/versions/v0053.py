"""The entries of a case are found by it."""

from kept.migrations import run

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    run("0053_entries_of_a_case.sql")
