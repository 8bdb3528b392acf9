"""Where data came from: given by the person, observed of her, made of other data, from others.

Portability (GDPR Art. 20) covers what she provided, which takes in what was observed of her use
(WP 242 rev.01), and nothing that was inferred. A field of the map may say it (`origin`); else its
category does, else its dataset (`datamap.map.Dataset.whence`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, get_args

from kept.terms.vocabulary import Vocabulary

Origin = Literal["provided", "observed", "derived", "others", "own"]
#: She gave it · it was observed of what she did · it was made of other data · others gave it ·
#: the organisation wrote it for itself.
ORIGINS: Final[tuple[Origin, ...]] = get_args(Origin)
#: What is hers to take along.
PORTABLE: Final[tuple[Origin, ...]] = ("provided", "observed")

#: Shipped category → origin, for it and what lies below it.
_OF: Final = MappingProxyType[str, Origin](
    {
        "contact": "provided",
        "free-text": "provided",
        "transaction": "provided",
        "preference": "provided",
        "account": "provided",
        "terms-acceptance": "provided",
        "support-case": "provided",
        "testimonial": "provided",
        "navigation": "observed",
        "log": "observed",
        "cookie": "observed",
        "device-signal": "observed",
        "interest-event": "observed",
        "identifier": "observed",
        "identity-link": "derived",
        "statistics": "derived",
        "public-web": "others",
        "enrichment": "others",
        "partner-lead": "others",
        "tenant-recipient": "others",
        "suppression": "own",
        "rights-case": "own",
        "disclosure-record": "own",
    }
)


def origin_of(words: Vocabulary, category: str | None, said: Origin | None) -> Origin | None:
    """The origin of a field: the one that the map says, else that of its category.

    None where neither is known: then nobody can say that it is hers to take along.
    """
    if said is not None or category is None:
        return said
    at: str | None = category
    while at is not None and at in words.categories:
        if at in _OF:
            return _OF[at]
        at = words.categories[at].parent
    return None
