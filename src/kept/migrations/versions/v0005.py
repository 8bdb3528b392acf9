"""The bits of facts say from when on they are right."""

from kept.migrations import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run("0005_facts_since.sql")
