"""What staff said was taken back is listed until she is told, also of before."""

from kept.migrations import run

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    run("0047_taken_back.sql")
