"""A mail that no server took tells nobody that her request has come."""

from kept.migrations import run

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    run("0055_untold.sql")
