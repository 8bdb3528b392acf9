"""What is left out of packages because it concerns others; and to whom data was passed on."""

from kept.migrations import run

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run("0024_leaving.sql")
