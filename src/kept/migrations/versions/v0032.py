"""What went to people by mail, and what the desk keeps of floods and of disclosures."""

from kept.migrations import run

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    run("0032_desk.sql")
