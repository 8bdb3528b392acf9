"""What was met on the pages of the site and stands on no list."""

from kept.migrations import run

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run("0030_sightings.sql")
