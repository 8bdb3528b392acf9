"""Until when the makers of software mend its faults: one dated row per release, with its source.

Facts as of the day in `READ`; no judgement of anybody's faults. Who mends beyond these days is not
known here: a company that pays for that says so itself. Where a source names a month only, its
last day stands; where sources differ, the earlier one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

#: When the rows were compared with their sources.
READ: Final = dt.date(2026, 11, 30)
_PYTHON: Final = "https://devguide.python.org/versions/"
_OPENSSL: Final = "https://openssl-library.org/policies/releasestrat/"
_SQLITE: Final = "https://sqlite.org/lts.html"
_POSTGRESQL: Final = "https://www.postgresql.org/support/versioning/"
_MARIADB: Final = "https://mariadb.org/about/#maintenance-policy"
_DEBIAN: Final = "https://wiki.debian.org/LTS"
_UBUNTU: Final = "https://ubuntu.com/about/release-cycle"


class Software(NamedTuple):
    """A program in use as it names itself, as ("PostgreSQL", "18.1"). `where` it was met is said
    where it is not obvious; `shipped`: it is that of the operating system, whose makers mend it.
    """

    name: str
    version: str
    where: str = ""
    shipped: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Faults of this release are mended up to and with the day `until`, by the word of `source`."""

    release: str
    until: dt.date
    source: str


#: By release, as "Python 3.11": the name, and as much of the version as its maker counts by.
ROWS: Final = MappingProxyType(
    {
        f"{name} {version}": Row(f"{name} {version}", dt.date.fromisoformat(until), source)
        for name, source, releases in (
            ("Python", _PYTHON, {
                "3.10": "2026-10-31", "3.11": "2027-10-31", "3.12": "2028-10-31",
                "3.13": "2029-10-31", "3.14": "2030-10-31", "3.15": "2031-10-31",
            }),
            ("OpenSSL", _OPENSSL, {
                "1.1": "2023-09-11", "3.0": "2026-09-07", "3.1": "2025-03-14",
                "3.2": "2025-11-23", "3.3": "2026-04-09", "3.4": "2026-10-22",
                "3.5": "2030-04-08", "3.6": "2026-11-01", "4.0": "2027-05-14",
            }),
            ("SQLite", _SQLITE, {"3": "2050-12-31"}),
            ("PostgreSQL", _POSTGRESQL, {
                "13": "2025-11-13", "14": "2026-11-12", "15": "2027-11-11",
                "16": "2028-11-09", "17": "2029-11-08", "18": "2030-11-14",
            }),
            ("MariaDB", _MARIADB, {
                "10.5": "2025-06-24", "10.6": "2026-07-06", "10.11": "2028-02-16",
                "11.4": "2029-05-29", "11.8": "2028-06-04", "12.3": "2029-06-30",
            }),
            ("debian", _DEBIAN, {"11": "2026-08-31", "12": "2028-06-30", "13": "2030-06-30"}),
            ("ubuntu", _UBUNTU, {"22.04": "2027-04-30", "24.04": "2029-04-30"}),
        )
        for version, until in releases.items()
    }
)  # fmt: skip


def release(name: str, version: str) -> str:
    """Which release a version such as "3.11.7" is of, as its maker counts: "Python 3.11"."""
    depth = max((r.count(".") + 1 for r in ROWS if r.startswith(f"{name} ")), default=2)
    return f"{name} {'.'.join(version.split('.')[:depth])}"
