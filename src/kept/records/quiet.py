"""How many rows stand in Kept's own tables: whoever only reads a page adds none.

Tables that grow without anybody (what runs by itself, the ledger, what scans and browsers say of
the site) and counters of nobody are left out: they say nothing about a reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psycopg import sql

from kept.database import Database
from kept.records.declared import DATASETS

_BY_ITSELF: Final = frozenset(
    (
        "control_run", "form_refused", "job", "key_check", "key_epoch", "known_list", "known_name",
        "ledger_checkpoint", "ledger_entry", "ledger_head", "ledger_tile", "notice_text",
        "outbound_look", "policy_version", "scan", "sighting", "sighting_verdict", "system_away",
        "visit_notice", "visit_signal",
    )
)  # fmt: skip


def counted(database: Database) -> Mapping[str, int]:
    """Rows by table, of the tables in which something of a reader could stand."""
    names = [d.name for d in DATASETS if d.name not in _BY_ITSELF]
    each = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(n), sql.Identifier(n))
        for n in names
    )
    with database.by_statement() as c:
        return {str(name): int(count) for name, count in c.execute(each).fetchall()}
