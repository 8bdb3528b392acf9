"""What a browser met on the pages, and lists of others that say who something may be."""

from kept.migrations import run

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run("0031_scans.sql")
