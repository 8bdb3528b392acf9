"""What an agent asked and was done but for a part, the person is still to be told."""

from kept.migrations import run

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    run("0051_partly.sql")
