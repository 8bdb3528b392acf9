"""A letter that waits to be sent can be replaced by a newer one."""

from kept.migrations import run

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    run("0046_replaced.sql")
