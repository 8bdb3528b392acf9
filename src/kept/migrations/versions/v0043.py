"""When a package was fetched first."""

from kept.migrations import run

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    run("0043_first_fetched.sql")
