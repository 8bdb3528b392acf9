"""Complaints about the organisation, and of what somebody was reminded by mail."""

from kept.migrations import run

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run("0026_complaints.sql")
