"""What an agent asked and was done but for a part, the person is still to be told."""

from kept.migrations import run

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    run("0050_partly.sql")
