"""Corrections are remembered, so that no import undoes them."""

from kept.migrations import run

revision = "0012"
down_revision = "0010"


def upgrade() -> None:
    run("0012_bulk.sql")
