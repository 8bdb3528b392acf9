"""The console: which cases wait, whose they are, notes, and what is being carried out."""

from kept.migrations import run

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run("0021_console.sql")
