"""Whether an objection was not followed, in part or at all."""

from kept.migrations import run

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    run("0052_unmet.sql")
