"""A restriction is answered once it holds for all that leads to her, of every system."""

from kept.migrations import run

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    run("0048_in_force.sql")
