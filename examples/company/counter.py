"""What happens when a form comes in: ask Kept, then store with the stamps of its answer.

Every function either stores all of it, or raises Refused or Unanswered and stores nothing.
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
from examples.company.door import Answer, Door, Use, region_of
from examples.company.world import World

TERMS_VERSION = "2023-01"
STAMPS = ("legal_basis", "activity", "policy_version")
PRODUCTS = {"io-connect": ("Desktop, one seat for a year", 24_000), "io-trial": ("Trial", 0)}


class Incomplete(Exception):
    """What was sent cannot be used; the message says what is missing, and shows no value."""


def forms(bundle: Path) -> dict[str, dict[str, Any]]:
    """Path → form, as the policy bundle declares it: what is not named there is never stored."""
    declared = yaml.safe_load((bundle / "forms.yml").read_text("utf-8"))
    return {form["path"]: {**form, "id": name} for name, form in declared.items()}


def _stored(what: str, answer: Answer, **more: Any) -> dict[str, Any]:
    return {
        "stored": what, "basis": answer.basis, "activity": answer.activity,
        "because": list(answer.because), "policy": answer.policy_version, **more,
    }  # fmt: skip


def insert(
    connection: psycopg.Connection[Any], table: str, stamps: Sequence[str], **row: Any
) -> None:
    """Insert a row with its stamps: legal_basis, activity, policy_version."""
    full = dict(zip(STAMPS, stamps, strict=True)) | row
    marks = ", ".join(["%s"] * len(full))
    connection.execute(
        f"INSERT INTO {table} ({', '.join(full)}) VALUES ({marks})", list(full.values())
    )


def submit(
    world: World, door: Door, form: Mapping[str, Any], sent: Mapping[str, str], now: dt.datetime
) -> dict[str, Any]:
    """A contact or trial form. Undeclared fields are dropped before anything else is done."""
    fields: Mapping[str, Mapping[str, Any]] = form["fields"]
    given = {name: sent[name].strip() for name in fields if sent.get(name, "").strip()}
    for name, field in fields.items():
        if field["required"] and name not in given:
            raise Incomplete(f"{field['label']} is missing")
    email, purpose, trial = given["email"], form["purposes"][0], form["id"] == "trial"
    boxes = [name for name in given if "consent" in fields[name]]
    texts = {name: text for name, text in given.items() if name not in boxes}
    # Who asks for a trial asks for a contract; who only writes does not.
    use = Use(purpose, form["context"], grounds=("contract",) * trial)
    categories = [fields[name]["category"] for name in texts] + ["transaction.free"] * trial
    answer = door.allowed(use, categories, email)
    # A second use stands on its own legs: if it is refused, the message is kept all the same.
    wish = None
    for name in boxes:
        consent = fields[name]["consent"]
        grounds = (f"consent:{consent}", f"preference:{consent.rpartition('.')[2]}")
        promotion = Use(consent, form["context"], grounds=grounds)
        wish = door.ask(promotion, fields[name]["category"], email)
    with world.database() as connection:
        customer = _trial(connection, texts, answer, now) if trial else None
        insert(
            connection, "form_submission", answer.stamps,
            form_id=form["id"], customer_id=customer, submitted_at=now, **texts,
        )  # fmt: skip
        if wish is not None and wish.allow:
            insert(
                connection, "subscription", wish.stamps,
                email=email, topic="news", wanted=True, last_interest_at=now,
            )  # fmt: skip
    return _stored(
        form["id"], answer, dropped=len(set(sent) - set(fields)),
        newsletter=wish and wish.allow, newsletter_basis=wish and wish.basis,
    )  # fmt: skip


def _trial(
    connection: psycopg.Connection[Any], texts: Mapping[str, str], answer: Answer, now: dt.datetime
) -> int:
    number = _next(connection, "customer", "customer_id")
    about = {"name": "not given", **texts, "customer_id": number, "sales_rep_id": 1}
    insert(connection, "customer", answer.stamps, created_at=now, **about)
    insert(
        connection, "free_transaction", answer.stamps,
        customer_id=number, product_code="io-trial", kind="trial", started_at=now,
    )  # fmt: skip
    return number


def _next(connection: psycopg.Connection[Any], table: str, key: str) -> int:
    row = connection.execute(f"SELECT greatest(max({key}), 4999) + 1 FROM {table}").fetchone()
    return int(row[0]) if row else 5000


def onboard(
    world: World, door: Door, sent: Mapping[str, str], now: dt.datetime
) -> tuple[dict[str, Any], str]:
    """An account for a customer, with the Terms of Service accepted; also the session's token."""
    need = ("email", "password", "name", "address", "country")
    missing = [name for name in need if not sent.get(name, "").strip()]
    if missing:
        raise Incomplete(f"missing: {', '.join(missing)}")
    if sent.get("terms") != "yes":
        raise Incomplete("without accepting the Terms of Service there is no account")
    email, country = sent["email"].strip(), sent["country"].strip().upper()
    region = region_of(country, sent.get("state"))
    opening = Use("service.account", "sales-onboarding", region, ("contract",))
    categories = ("account", "contact.email", "contact.name", "contact.address", "identifier")
    answer = door.allowed(opening, categories, email)
    agreeing = Use("contract.terms", "sales-onboarding", region, ("contract", "terms"))
    agreed = door.allowed(agreeing, ("terms-acceptance",), email)
    token, account = secrets.token_urlsafe(24), uuid.uuid4()
    with world.database() as connection:
        found = connection.execute(
            "SELECT customer_id FROM customer WHERE lower(btrim(email)) = lower(%s)"
            " AND customer_id NOT IN (SELECT customer_id FROM account)"
            " ORDER BY customer_id LIMIT 1",
            (email,),
        ).fetchone()
        if found is None:
            raise Incomplete("there is no open trial under this address")
        about = {n: sent[n].strip() for n in ("name", "address", "state") if sent.get(n)}
        about["country"] = country
        connection.execute(
            f"UPDATE customer SET {', '.join(f'{n} = %s' for n in about)} WHERE customer_id = %s",
            [*about.values(), found[0]],
        )
        salt = secrets.token_bytes(16)
        hashed = hashlib.scrypt(sent["password"].encode(), salt=salt, n=2**14, r=8, p=1)
        insert(
            connection, "account", answer.stamps,
            account_id=account, customer_id=found[0], login=email, created_at=now,
            password_hash=f"scrypt:{salt.hex()}:{hashed.hex()}",
        )  # fmt: skip
        insert(
            connection, "terms_acceptance", agreed.stamps,
            account_id=account, terms_version=TERMS_VERSION, accepted_at=now,
        )  # fmt: skip
        connection.execute(
            "INSERT INTO login_session (token_hash, account_id, created_at) VALUES (%s, %s, %s)",
            (_hash(token), account, now),
        )
    return _stored("account", answer, customer=found[0], terms=TERMS_VERSION), token


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


def order(
    world: World, door: Door, who: Mapping[str, Any], sent: Mapping[str, str], now: dt.datetime
) -> dict[str, Any]:
    """A paid order of a customer with an account, and its invoice."""
    product = sent.get("product", "io-connect")
    quantity = sent.get("quantity", "1")
    if product not in PRODUCTS or not (quantity.isascii() and quantity.isdigit()):
        raise Incomplete("choose a product and a quantity")
    count = max(1, min(int(quantity), 500))
    price = PRODUCTS[product][1]
    region = region_of(who["country"], who["state"])
    billing = Use("service.payment", "order", region, ("contract",))
    told = ("transaction.paid", "contact.name", "contact.address")
    answer = door.allowed(billing, told, who["email"])
    delivering = Use("service.provide", "order", region, ("contract",))
    delivered = door.allowed(delivering, ("transaction.paid",), who["email"])
    with world.database() as connection:
        number = _next(connection, "invoice", "invoice_id")
        insert(
            connection, "invoice", answer.stamps,
            invoice_id=number, customer_id=who["customer_id"], number=f"R-{number}",
            billing_name=who["name"], billing_address=who["address"],
            total_cents=count * price, currency="EUR", issued_at=now,
        )  # fmt: skip
        insert(
            connection, "order_line", delivered.stamps,
            invoice_id=number, line=1, product_code=product, quantity=count, price_cents=price,
        )  # fmt: skip
    return _stored("order", answer, invoice=f"R-{number}", total_cents=count * price)


def ticket(
    world: World, door: Door, who: Mapping[str, Any], sent: Mapping[str, str], now: dt.datetime
) -> dict[str, Any]:
    """A support request; the desk keeps the customer's number as text."""
    subject, body = sent.get("subject", "").strip(), sent.get("body", "").strip()
    if not subject or not body:
        raise Incomplete("a subject and a message are needed")
    use = Use("support", "support", region_of(who["country"], who["state"]), ("contract",))
    categories = ("support-case", "free-text", "contact.email", "contact.name", "identifier")
    answer = door.allowed(use, categories, who["email"])
    with world.desk() as desk:
        number = open_ticket(
            desk, str(who["customer_id"]), str(who["email"]).upper(), who["name"], subject, now,
            answer.stamps,
        )  # fmt: skip
        add_message(desk, number, None, body, now)
        add_message(desk, number, 1, "Thank you. We are looking into it.", now)
    return _stored("ticket", answer, ticket=number)


def open_ticket(
    desk: sqlite3.Connection, customer: str | None, email: str, name: str | None, subject: str,
    now: dt.datetime, stamps: tuple[str, str, str], closed: dt.datetime | None = None,
) -> int:  # fmt: skip
    """Insert a ticket; its number. The desk writes addresses in capitals, as it always has."""
    cursor = desk.execute(
        "INSERT INTO ticket (customer_ref, requester_email, requester_name, subject, agent_id,"
        " opened_at, closed_at, legal_basis, activity, policy_version)"
        " VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
        (customer, email, name, subject, _moment(now), closed and _moment(closed), *stamps),
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
