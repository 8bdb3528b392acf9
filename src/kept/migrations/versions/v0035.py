"""Mail that leads to the page of choices, and the people of a refusal found by an index."""

from kept.migrations import run

revision = "0035"
down_revision = "0033"


def upgrade() -> None:
    run("0035_preferences.sql")
