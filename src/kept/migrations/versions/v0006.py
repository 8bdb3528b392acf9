"""Retained rows are known by what they say, not by their key alone."""

from kept.migrations import run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run("0006_retained_content.sql")
