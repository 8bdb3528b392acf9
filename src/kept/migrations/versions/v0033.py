"""Mail in its turn, and the scans of letters on paper."""

from kept.migrations import run

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    run("0033_letters_that_came.sql")
