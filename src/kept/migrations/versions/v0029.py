"""Choices of visitors, what they were shown, signals in figures, and how links stood."""

from kept.migrations import run

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run("0029_visits.sql")
