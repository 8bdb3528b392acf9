"""The shared persisted nouns: keys, subjects, cases, choices, holds, suppressions, locator."""

from kept.migrations import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    run("0001_records.sql")
