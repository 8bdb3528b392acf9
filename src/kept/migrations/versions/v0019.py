"""What people ask before it is known who asks, and the mail that goes to them."""

from kept.migrations import run

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run("0019_intake.sql")
