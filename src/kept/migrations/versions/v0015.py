"""What runs by itself is known by when it ran last and how it ended."""

from kept.migrations import run

revision = "0015"
down_revision = "0012"


def upgrade() -> None:
    run("0015_jobs.sql")
