"""Lines for whoever runs the server, on stderr: when, and what, as one line.

Never with what was sent or stored: words of ours, classes of failures, routes as the table spells
them, and of the staff the pseudonym by which the ledger names an account.
"""

from __future__ import annotations

import datetime as dt
import sys


def logged(now: dt.datetime, words: str) -> None:
    """Write a line with its moment in UTC (RFC 3339); signs that end lines do not end this one."""
    flat = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in words)
    print(f"kept: {now.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ} {flat}", file=sys.stderr, flush=True)
