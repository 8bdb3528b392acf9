"""Cases that are done, and of which nobody has seen yet that the person was told."""

from kept.migrations import run

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    run("0045_done_and_untold.sql")
