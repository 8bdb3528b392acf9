"""One message to a program of somebody else, at an address that the operator allowed.

No redirect is followed, no proxy of the machine is used, certificates are checked, and of the
answer only its status is looked at.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

#: Seconds for all of it, however slowly the other side speaks.
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
    # Every start would wait for these, and few tell anybody.
    import httpcore

    from kept.stores.in_time import Deadline, Network

    context = (
        ssl.create_default_context()
        if url.startswith("https:")
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    headers = [("Content-Type", "application/json"), ("User-Agent", "kept")]
    limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)}
    deadline = Deadline(time.monotonic)
    try:
        with (
            deadline.within(timeout),
            httpcore.ConnectionPool(
                ssl_context=context, network_backend=Network(deadline)
            ) as pool,
            pool.stream(
                "POST", url, headers=headers, content=json.dumps(dict(document)).encode(),
                extensions=limits,
            ) as answer,
        ):  # fmt: skip
            return 200 <= answer.status < 300
    except (
        httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError,
        httpcore.UnsupportedProtocol, TimeoutError, ValueError,
    ):  # fmt: skip
        return False
