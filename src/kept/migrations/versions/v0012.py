"""A list of people is a run of ordinary cases, and each of its lines has an end of her own."""

from kept.migrations import run

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    run("0012_bulk.sql")
