"""Accounts that log in through a provider; letters on paper."""

from kept.migrations import run

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run("0027_elsewhere_and_paper.sql")
