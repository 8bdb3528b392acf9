"""Whence a request comes, also where a server of the organisation's stands before this one."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection


def whence(connection: ASGIConnection[Any, Any, Any, Any], proxy: bool) -> str:
    """The address of the machine that asks; "" where none is known.

    `proxy`: what the server before this one wrote last counts. It may have written into a header
    that was there or added one of its own: only the very last is its word, not the asker's.
    """
    host = connection.client.host if connection.client else ""
    if not proxy:
        return host
    said = ",".join(connection.headers.getall("x-forwarded-for", []))
    return said.rpartition(",")[2].strip() or host
