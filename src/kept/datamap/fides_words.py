"""The words of Fides and ours: categories, kinds of identities, types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kept.terms.vocabulary import SHIPPED

#: Their categories → ours; the longest beginning counts. None: not personal.
CATEGORIES: Final[Mapping[str, str | None]] = {
    "system": None,
    "user.account": "account",
    "user.account.settings": "preference",
    "user.account.username": "identifier.account",
    "user.authorization": "account",
    "user.behavior": "navigation",
    "user.behavior.browsing_history": "navigation.pages",
    "user.behavior.purchase_history": "transaction",
    "user.contact": "contact",
    "user.contact.address": "contact.address",
    "user.contact.email": "contact.email",
    "user.contact.fax_number": "contact.phone",
    "user.contact.organization": "contact.company",
    "user.contact.phone_number": "contact.phone",
    "user.content": "free-text",
    "user.device": "device-signal",
    "user.device.cookie": "cookie",
    "user.device.cookie_id": "identifier.cookie",
    "user.device.device_id": "identifier",
    "user.device.ip_address": "navigation.ip",
    "user.job_title": "contact.job",
    "user.location": "navigation.location",
    "user.name": "contact.name",
    "user.privacy_preferences": "preference",
    "user.professional_information": "contact.job",
    "user.professional_information.workplace": "contact.company",
    "user.sensor": "device-signal",
    "user.settings": "preference",
    "user.telemetry": "device-signal",
    "user.unique_id": "identifier.account",
    "user.user_sensor": "device-signal",
    "user.workplace": "contact.company",
}
#: Below these nothing has a word here, whatever the beginning says.
_NO_WORD: Final = frozenset(("user.content.self_image",))
#: Their kinds of identities → ours, with the category that such a field has at least.
IDENTITIES: Final[Mapping[str, tuple[str, str]]] = {
    "email": ("email", "contact.email"),
    "phone_number": ("phone", "contact.phone"),
    "external_id": ("account", "identifier.account"),
    "fides_user_device_id": ("device", "identifier"),
    "ga_client_id": ("cookie", "identifier.cookie"),
}
TYPES: Final[Mapping[str, str]] = {
    "string": "text", "integer": "integer", "float": "real", "boolean": "boolean",
    "object_id": "text", "object": "json",
}  # fmt: skip


def ours(word: str) -> tuple[str | None, bool]:
    """Our category for theirs, and whether there is one; without one it stays as it is."""
    if word in _NO_WORD:
        return word, False
    at = word
    while at:
        if at in CATEGORIES:
            return CATEGORIES[at], True
        at = at.rpartition(".")[0]
    return word, False


def common(categories: list[str]) -> str | None:
    """The nearest category above all of them; the first where there is none.

    One that has no word here comes before all others: somebody has to decide.
    """
    if not categories:
        return None
    for one in categories:
        if one not in SHIPPED.categories:
            return one
    shared = SHIPPED.above("categories", categories[0])
    for one in categories[1:]:
        shared &= SHIPPED.above("categories", one)
    return max(shared, key=lambda c: (c.count("."), c), default=categories[0])
