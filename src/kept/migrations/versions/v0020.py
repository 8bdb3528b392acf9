"""Answers: why a request was refused, and packages behind links that expire."""

from kept.migrations import run

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run("0020_answers.sql")
