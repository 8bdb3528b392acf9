"""Notices as they were shown, what waits for a person, and counters of what was refused."""

from kept.migrations import run

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run("0028_forms.sql")
