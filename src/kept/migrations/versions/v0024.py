"""What is left out of packages because it concerns others, and by whom."""

from kept.migrations import run

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run("0024_redaction.sql")
