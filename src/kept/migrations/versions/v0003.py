"""Published versions of the policy, runs of controls."""

from kept.migrations import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run("0003_publication.sql")
