"""Accounts of the staff, their roles, sessions and tries; whom they opened."""

from kept.migrations import run

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run("0018_accounts.sql")
