"""All that is done is looked at once more: who was not told, by what counts since, is listed."""

from kept.migrations import run

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    run("0047_looked_at_again.sql")
