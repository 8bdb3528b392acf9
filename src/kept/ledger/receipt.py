"""The receipt of a choice: a record, signed by the key of the ledger, checkable by anybody.

Who holds it needs nothing of ours but that key: `kept-verify FILE --key KEY`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from kept.keys import Vault

#: Before what is signed, so that a receipt can never be taken for a checkpoint, nor the other
#: way round.
DOMAIN: Final = b"kept consent receipt v1\n"


def sign(vault: Vault, record: Mapping[str, Any]) -> tuple[str, str]:
    """A record in its canonical form (RFC 8785), and its signature in base64."""
    text = rfc8785.dumps(dict(record))
    return text.decode(), base64.b64encode(vault.signing_key().sign(DOMAIN + text)).decode()


def receipt(text: str, signature: str, key: object) -> dict[str, Any]:
    """What is handed to the person: the record, its signature, and by which key."""
    return {
        "kept": "consent receipt 1",
        "record": json.loads(text),
        "signature": signature,
        "key": str(key),
    }
