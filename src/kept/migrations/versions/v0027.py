"""Accounts that log in through a provider."""

from kept.migrations import run

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run("0027_login_elsewhere.sql")
