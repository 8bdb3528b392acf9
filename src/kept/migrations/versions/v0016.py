"""Recipients are told, and an erasure says on which ground it is asked for."""

from kept.migrations import run

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run("0016_recipients.sql")
