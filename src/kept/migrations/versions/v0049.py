"""A copy is owed also where nothing but texts of others names somebody."""

from kept.migrations import run

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    run("0049_named.sql")
