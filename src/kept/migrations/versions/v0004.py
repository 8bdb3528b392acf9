"""Words in cases become bytes, which are sealed."""

from kept.migrations import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run("0004_case_words.sql")
