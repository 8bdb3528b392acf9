"""One message to a program of somebody else, at an address that the operator allowed.

No redirect is followed, no proxy of the machine is used, certificates are checked, and of the
answer only its status is looked at.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx

#: Seconds for all of it.
_TIMEOUT: Final = 10.0


def tell(url: str, document: Mapping[str, Any], *, timeout: float = _TIMEOUT) -> bool:
    """POST a document as JSON; whether it was taken (an answer of 200 to 299).

    Whether the address may be asked at all is for the caller to know.
    """
    context = (
        ssl.create_default_context()
        if url.startswith("https:")
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    try:
        with (
            httpx.Client(
                verify=context, timeout=timeout, follow_redirects=False, trust_env=False
            ) as client,
            client.stream(
                "POST", url, json=dict(document), headers={"User-Agent": "kept"}
            ) as answer,
        ):
            return 200 <= answer.status_code < 300
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False
