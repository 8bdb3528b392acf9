"""From what on an hour was too much is kept with it."""

from kept.migrations import run

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    run("0054_too_many.sql")
