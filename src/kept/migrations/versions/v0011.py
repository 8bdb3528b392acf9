"""Links and unlinks of identity, and matches that a person has to decide."""

from kept.migrations import run

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run("0011_identity.sql")
