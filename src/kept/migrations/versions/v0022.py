"""Agents who ask in the name of people: their tokens, what was met of them, their requests."""

from kept.migrations import run

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run("0022_agents.sql")
