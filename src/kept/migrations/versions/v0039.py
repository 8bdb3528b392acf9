"""Views of pages, as the policy declares them."""

from kept.migrations import run

revision = "0039"
down_revision = "0036"


def upgrade() -> None:
    run("0039_views.sql")
