"""To which address of a recipient somebody was sent."""

from kept.migrations import run

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    run("0044_where_they_went.sql")
