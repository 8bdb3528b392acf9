"""Sealed copies of rows whose personal fields left the company's table."""

from kept.migrations import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run("0008_isolated.sql")
