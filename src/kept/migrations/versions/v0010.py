"""Corrections are remembered, so that no import undoes them."""

from kept.migrations import run

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run("0010_corrections.sql")
