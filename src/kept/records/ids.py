"""Ids that sort by time and say nothing else (UUID version 7, RFC 9562)."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid


def new_id(now: dt.datetime) -> str:
    """A UUID of version 7 as text, its milliseconds those of `now`."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    random = secrets.randbits(74)
    number = milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62
    return str(uuid.UUID(int=number | random & ((1 << 62) - 1)))
