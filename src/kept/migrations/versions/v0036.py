"""Lists of people that were brought in: how far each is, and counts."""

from kept.migrations import run

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    run("0036_imports.sql")
