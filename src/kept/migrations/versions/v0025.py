"""How well it is known who asks."""

from kept.migrations import run

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run("0025_proof.sql")
