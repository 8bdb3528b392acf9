"""A copy is owed also where nothing but texts of others names somebody."""

from kept.migrations import run

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    run("0048_named.sql")
