"""Words in holds become bytes, which are sealed."""

from kept.migrations import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run("0007_hold_words.sql")
