"""Who is out there by a release, and may have to be taken back."""

from kept.migrations import run

revision = "0037"
down_revision = "0041"


def upgrade() -> None:
    run("0037_releases.sql")
