"""Incidents, and what was done about each."""

from kept.migrations import run

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run("0023_incidents.sql")
