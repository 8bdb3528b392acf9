"""The one table of duties: importing it makes the shipped controls known.

Whoever runs controls imports it; whoever carries out one duty imports that duty alone.
"""

from kept.duties import (
    choices,
    collect,
    disclosure,
    figures,
    incidents,
    measures,
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
    "measures",
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
