"""One message to a program of somebody else, at an address that the operator allowed.

No redirect is followed, no proxy of the machine is used, certificates are checked, and of the
answer only its status is looked at.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

#: Seconds for all of it.
_TIMEOUT: Final = 10.0
_HERE: Final = frozenset(("localhost", "127.0.0.1", "::1"))


def allowed(url: str, hosts: Collection[str]) -> bool:
    """Whether an address is by https, or on this machine, on one of these hosts (`host`, or
    `host:port` where the port is not the usual one), without a name or password in it.
    """
    if not url.isascii() or "\\" in url or any(c.isspace() or not c.isprintable() for c in url):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment:
        return False
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _HERE):
        return False
    spelt = f"[{host}]" if ":" in host else host
    usual = port in (None, 443 if parts.scheme == "https" else 80)
    return f"{spelt}:{port}" in hosts or (usual and spelt in hosts)


def tell(url: str, document: Mapping[str, Any], *, timeout: float = _TIMEOUT) -> bool:
    """POST a document as JSON; whether it was taken (an answer of 200 to 299).

    Whether the address may be asked at all is for the caller to know.
    """
    import httpx  # every start would wait for it, and few tell anybody

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
