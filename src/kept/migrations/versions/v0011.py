"""Sealed copies of rows whose personal fields left the company's table."""

from kept.migrations import run

revision = "0011"
down_revision = "0007"


def upgrade() -> None:
    run("0011_isolated.sql")
