"""The promises, one module per group of policy sections.

This is the one table of duties: importing it makes the shipped controls known.
"""

from kept.duties import (
    choices,
    collect,
    disclosure,
    figures,
    incidents,
    navigation,
    page,
    preferences,
    publication,
    release,
    rights,
    security,
    sharing,
    staff,
    trackers,
    verification,
    visits,
)

__all__ = [
    "choices",
    "collect",
    "disclosure",
    "figures",
    "incidents",
    "navigation",
    "page",
    "preferences",
    "publication",
    "release",
    "rights",
    "security",
    "sharing",
    "staff",
    "trackers",
    "verification",
    "visits",
]
