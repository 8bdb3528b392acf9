"""What happens with what a form brought: it is stored with the stamps of Kept's answer.

Whatever was not declared, and whatever may not be stored, is not in the answer.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import yaml
from examples.company.world import World

TERMS_VERSION = "2023-01"
STAMPS = ("legal_basis", "activity", "policy_version", "notice")
PRODUCTS = {"io-connect": ("One seat, a year", 24_000), "io-trial": ("Trial", 0), "erased": ("", 0)}
#: Forms of which the subscription is all that is stored, and forms with a table of their own.
TOPICS = {"newsletter": "news", "partner-offers": "partner-offers"}
TABLES = {"webinar": "registration", "testimonial": "testimonial"}
#: Whom an answer of Kept's is about: its values, and the stamps of a row that is made of them.
Taken = Mapping[str, Any]


class Incomplete(Exception):
    """What was sent cannot be used; the message says what is missing, and shows no value."""


def forms(bundle: Path) -> dict[str, str]:
    """Path → id of every form that the policy bundle declares."""
    declared = yaml.safe_load((bundle / "forms.yml").read_text("utf-8"))
    return {form["path"]: name for name, form in declared.items()}


def stamps(taken: Taken, consent: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """legal_basis, activity, policy_version, notice; those of a consent, where one is given."""
    own, row = consent or taken["stamps"], taken["stamps"]
    return own["basis"], own["activity"], row["policy"], row["notice"]


def insert(
    connection: psycopg.Connection[Any], table: str, stamped: Sequence[str], **row: Any
) -> None:
    """Insert a row with its stamps; what was collected before notices were kept has three."""
    full = dict(zip(STAMPS, stamped, strict=False)) | row
    marks = ", ".join(["%s"] * len(full))
    connection.execute(
        f"INSERT INTO {table} ({', '.join(full)}) VALUES ({marks})", list(full.values())
    )


def submit(world: World, form: str, taken: Taken, now: dt.datetime) -> dict[str, Any]:
    """A form that needs no account. A box that was ticked and may not count is not stored."""
    boxes = {c["purpose"]: c for c in taken["consents"] if c["allow"]}
    texts = {n: v for n, v in taken["values"].items() if n not in ("newsletter", "country")}
    with world.database() as connection:
        if form in TABLES:
            insert(connection, TABLES[form], stamps(taken), submitted_at=now, **texts)
        elif form not in TOPICS:
            customer = _trial(connection, texts, taken, now) if form == "trial" else None
            insert(
                connection, "form_submission", stamps(taken),
                form_id=form, customer_id=customer, submitted_at=now, **texts,
            )  # fmt: skip
        for topic in [TOPICS[form]] if form in TOPICS else ["news"] * ("marketing.email" in boxes):
            insert(
                connection, "subscription", stamps(taken, next(iter(boxes.values()))),
                email=texts["email"], topic=topic, wanted=True, last_interest_at=now,
            )  # fmt: skip
    asked = next((c for c in taken["consents"] if c["purpose"] == "marketing.email"), None)
    return {"newsletter": asked and asked["allow"], "newsletter_basis": asked and asked["basis"]}


def _trial(
    connection: psycopg.Connection[Any], texts: Mapping[str, str], taken: Taken, now: dt.datetime
) -> int:
    number = _next(connection, "customer", "customer_id")
    about = {"name": "not given", **texts, "customer_id": number, "sales_rep_id": 1}
    insert(connection, "customer", stamps(taken), created_at=now, **about)
    insert(
        connection, "free_transaction", stamps(taken),
        customer_id=number, product_code="io-trial", kind="trial", started_at=now,
    )  # fmt: skip
    return number


def _next(c: psycopg.Connection[Any], table: str, key: str) -> int:
    c.execute("SELECT pg_advisory_xact_lock(5000)")  # of two at once each gets a number of its own
    return int(*c.execute(f"SELECT greatest(max({key}), 4999) + 1 FROM {table}").fetchall()[0])


def onboard(
    world: World, taken: Taken, password: str, now: dt.datetime
) -> tuple[dict[str, Any], str]:
    """An account for a customer, with the Terms of Service accepted; also the session's token."""
    given = dict(taken["values"])
    email, country = given["email"], given["country"].upper()
    token, account = secrets.token_urlsafe(24), uuid.uuid4()
    agreed = stamps(taken, taken["fields"]["terms"])
    with world.database() as connection:
        found = connection.execute(
            "SELECT customer_id FROM customer WHERE lower(btrim(email)) = lower(%s)"
            " AND customer_id NOT IN (SELECT customer_id FROM account)"
            " ORDER BY customer_id LIMIT 1",
            (email,),
        ).fetchone()
        if found is None:
            raise Incomplete("there is no open trial under this address")
        about = {n: given[n] for n in ("name", "address", "state") if given.get(n)}
        about["country"] = country
        connection.execute(
            f"UPDATE customer SET {', '.join(f'{n} = %s' for n in about)} WHERE customer_id = %s",
            [*about.values(), found[0]],
        )
        salt = secrets.token_bytes(16)
        hashed = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
        insert(
            connection, "account", stamps(taken),
            account_id=account, customer_id=found[0], login=email, created_at=now,
            password_hash=f"scrypt:{salt.hex()}:{hashed.hex()}",
        )  # fmt: skip
        insert(
            connection, "terms_acceptance", agreed,
            account_id=account, terms_version=TERMS_VERSION, accepted_at=now,
        )  # fmt: skip
        connection.execute(
            "INSERT INTO login_session (token_hash, account_id, created_at) VALUES (%s, %s, %s)",
            (_hash(token), account, now),
        )
    return {"customer": found[0], "terms": TERMS_VERSION}, token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def customer_of(world: World, token: str) -> dict[str, Any] | None:
    """The customer whose session this is; None where the session is not known."""
    with world.database() as connection:
        row = connection.execute(
            "SELECT customer_id, email, name, address, country, state FROM login_session"
            " JOIN account USING (account_id) JOIN customer USING (customer_id)"
            " WHERE token_hash = %s",
            (_hash(token),),
        ).fetchone()
    names = ("customer_id", "email", "name", "address", "country", "state")
    return None if row is None else dict(zip(names, row, strict=True))


def order(world: World, who: Mapping[str, Any], taken: Taken, now: dt.datetime) -> dict[str, Any]:
    """A paid order of a customer with an account, and its invoice."""
    quantity = taken["values"]["quantity"]
    if not (quantity.isascii() and quantity.isdigit()):
        raise Incomplete("choose how many seats")
    count, price = max(1, min(int(quantity), 500)), PRODUCTS["io-connect"][1]
    # The invoice is for taking payment, its lines for delivering: each has its own activity.
    billed = stamps(taken, taken["fields"][":transaction.paid"])
    with world.database() as connection:
        number = _next(connection, "invoice", "invoice_id")
        insert(
            connection, "invoice", billed,
            invoice_id=number, customer_id=who["customer_id"], number=f"R-{number}",
            billing_name=who["name"], billing_address=who["address"],
            total_cents=count * price, currency="EUR", issued_at=now,
        )  # fmt: skip
        insert(
            connection, "order_line", stamps(taken),
            invoice_id=number, line=1, product_code="io-connect", quantity=count,
            price_cents=price,
        )  # fmt: skip
    return {"invoice": f"R-{number}", "total_cents": count * price}


def ticket(world: World, who: Mapping[str, Any], taken: Taken, now: dt.datetime) -> dict[str, Any]:
    """A support request; the desk keeps the customer's number as text."""
    given = taken["values"]
    with world.desk() as desk:
        number = open_ticket(
            desk, str(who["customer_id"]), str(who["email"]).upper(), who["name"],
            given["subject"], now, stamps(taken),
        )  # fmt: skip
        add_message(desk, number, None, given["body"], now)
        add_message(desk, number, 1, "Thank you. We are looking into it.", now)
    return {"ticket": number}


def open_ticket(
    desk: sqlite3.Connection, customer: str | None, email: str, name: str | None, subject: str,
    now: dt.datetime, stamped: tuple[str, ...], closed: dt.datetime | None = None,
) -> int:  # fmt: skip
    """Insert a ticket; its number. The desk writes addresses in capitals, as it always has."""
    cursor = desk.execute(
        "INSERT INTO ticket (customer_ref, requester_email, requester_name, subject, agent_id,"
        " opened_at, closed_at, legal_basis, activity, policy_version, notice)"
        " VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
        (
            customer,
            email,
            name,
            subject,
            _moment(now),
            closed and _moment(closed),
            *stamped,
            *[None] * (len(STAMPS) - len(stamped)),
        ),
    )
    return int(cursor.lastrowid or 0)


def add_message(
    desk: sqlite3.Connection, ticket: int, agent: int | None, body: str, now: dt.datetime
) -> None:
    """Insert a message of a ticket; `agent` None: the customer wrote it."""
    desk.execute(
        "INSERT INTO message (ticket_id, agent_id, body, sent_at) VALUES (?, ?, ?, ?)",
        (ticket, agent, body, _moment(now)),
    )


def _moment(now: dt.datetime) -> str:
    return now.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "seconds")
