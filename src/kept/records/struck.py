"""A case that forgets whom it was about: what is left of it says that there was one, no more.

For the case of a child (GDPR Art. 17(1)(f)): nobody may be found by the record of her own erasure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from kept.database import Connection
from kept.keys import Vault
from kept.records.case import case_mac
from kept.records.case_state import FINISHED, Case
from kept.terms.identifiers import Identifier

_CLASS: Final = "case"


def also_about(
    vault: Vault, case: Case, known: Sequence[Identifier], connection: Connection
) -> dict[int, str]:
    """Number → id of other cases, over, that name her and nobody else."""
    rows = connection.execute(
        "SELECT DISTINCT r.number, r.id FROM rights_case r JOIN case_person p USING (number)"
        " WHERE p.mac = ANY(%s) AND r.number <> %s AND r.people = 1 AND r.state = ANY(%s)",
        ([case_mac(vault, i) for i in known], case.number, list(FINISHED)),
    ).fetchall()
    return dict(rows)


def hers(
    vault: Vault, subject: int, known: Sequence[Identifier], hold: str, connection: Connection
) -> set[int]:
    """Numbers of the cases that name a person, or of which rows stayed because of a hold."""
    rows = connection.execute(
        "SELECT number FROM case_person WHERE mac = ANY(%s)"
        " UNION SELECT number FROM case_subject WHERE subject = %s"
        " UNION SELECT number FROM case_step WHERE hold = %s",
        ([case_mac(vault, i) for i in known], subject, hold),
    ).fetchall()
    return {int(row[0]) for row in rows}


def ended(connection: Connection) -> list[tuple[int, str, dt.datetime]]:
    """(number, id, when it ended) of cases that are over and not struck out yet."""
    rows = connection.execute(
        "SELECT number, id, closed_at FROM rights_case WHERE closed_at IS NOT NULL"
        " AND sealed IS NOT NULL ORDER BY number"
    ).fetchall()
    return [(int(n), str(id_), at) for n, id_, at in rows]


def proven(connection: Connection) -> list[tuple[int, dt.datetime]]:
    """(number, since when all is done) of cases that still say how it was checked who asks."""
    rows = connection.execute(
        "SELECT number, done_at FROM rights_case WHERE done_at IS NOT NULL"
        " AND length(evidence) > 0 ORDER BY number"
    ).fetchall()
    return [(int(n), at) for n, at in rows]


def strike_proof(numbers: Sequence[int], connection: Connection) -> None:
    """Strike out how it was checked who asks; that it was is still to be seen."""
    of = (list(numbers),)
    connection.execute(
        "UPDATE rights_case SET evidence = substring(evidence FOR 0) WHERE number = ANY(%s)", of
    )
    connection.execute(
        "UPDATE case_event SET words = NULL WHERE number = ANY(%s) AND state = 'identified'", of
    )


def strike(
    vault: Vault, numbers: Sequence[int], now: dt.datetime, connection: Connection
) -> dt.date:
    """Strike out whom these cases name and all words in them, and destroy their keys; the day on
    which no copy of a key is of any use any more. That a word was there is still to be seen.
    """
    of = (list(numbers),)
    # Nobody can decide any more of whom: what looks like somebody's is met again when she asks.
    connection.execute("DELETE FROM identity_doubt WHERE number = ANY(%s) AND outcome IS NULL", of)
    for table in ("case_person", "case_subject", "case_sealed", "case_note", "case_letter"):
        connection.execute(f"DELETE FROM {table} WHERE number = ANY(%s)", of)
    connection.execute(
        "UPDATE rights_case SET sealed = NULL, override = substring(override FOR 0),"
        " evidence = substring(evidence FOR 0) WHERE number = ANY(%s)",
        of,
    )
    connection.execute("UPDATE case_proof SET about = NULL WHERE number = ANY(%s)", of)
    connection.execute("UPDATE case_event SET words = NULL WHERE number = ANY(%s)", of)
    connection.execute("UPDATE case_clock_change SET words = NULL WHERE number = ANY(%s)", of)
    connection.execute("UPDATE case_recipient SET sealed = NULL WHERE number = ANY(%s)", of)
    connection.execute("UPDATE case_redaction SET sealed = NULL WHERE number = ANY(%s)", of)
    connection.execute(
        "UPDATE case_part SET words = substring(words FOR 0) WHERE number = ANY(%s)", of
    )
    connection.execute("UPDATE case_redaction_act SET words = NULL WHERE number = ANY(%s)", of)
    return vault.shred([-number for number in numbers], {_CLASS}, now, connection=connection)
