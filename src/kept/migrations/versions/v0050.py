"""What may be somebody's and waits to be decided is counted without reading all that was."""

from kept.migrations import run

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    run("0050_doubts_wait.sql")
