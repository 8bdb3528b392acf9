"""Who was there before: a small cast whose identities are hard on purpose, and ordinary people.

Hard are: two namesakes, one of whom shares a mailbox with a third person; one person under
several spellings, in letters and in a domain written both ways; one with three addresses;
addresses that a pattern would mix up (`a_b` and `axb`); quotes, blanks and signs in names; the
customer's number as an integer here and as a text there, or missing; links that lead nowhere yet.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from examples.company.counter import PRODUCTS, TERMS_VERSION, add_message, insert, open_ticket
from examples.company.world import World

POLICY = "2023-06-27"
SPACE = uuid.UUID("6f9619ff-8b86-5011-b42d-00cf4fc964ff")


def day(year: int, month: int, number: int = 1) -> dt.datetime:
    """Noon of a day, UTC."""
    return dt.datetime(year, month, number, 12, tzinfo=dt.UTC)


SINCE = day(2024, 3)


@dataclass(frozen=True, slots=True)
class Person:
    """One of the cast, and which traces there are."""

    number: int
    name: str
    email: str
    country: str
    state: str | None = None
    phone: str | None = None
    company: str | None = None
    since: dt.datetime = SINCE
    closed: dt.datetime | None = None
    account: bool = False
    trial: bool = False
    orders: Sequence[tuple[dt.datetime, int]] = ()
    news: bool | None = None  # None: never asked
    writes: Sequence[tuple[str, str]] = ()  # (address as typed, message)
    tickets: Sequence[tuple[str | None, str, str]] = ()  # (customer text, address, message)


CAST = (
    Person(
        1001, "Ana Weber", "ana.weber@example.de", "DE", phone="+49 30 901820", account=True,
        company="Weber Optik", trial=True, orders=((day(2025, 2, 3), 2), (day(2026, 1, 9), 5)),
        news=True, writes=((" Ana.Weber@Example.DE ", "Please call me: 030 901820."),),
        tickets=(("1001", "ANA.WEBER@EXAMPLE.DE", "The layout is lost. My phone: +49 30 901820."),
                 (None, "ana.weber@example.de", "I wrote from the train, without my number.")),
    ),
    Person(
        1002, "Ana Weber", "office@weber-optik.example", "DE", account=True, company="Weber Optik",
        orders=((day(2025, 6, 1), 1),),
        tickets=(("1002", "office@weber-optik.example", "Invoice?"),),
        writes=(("office@weber-optik.example", "Bernd here. Ana is on holiday."),),
    ),
    Person(
        1003, "Κώστας Γεωργίου", "costas@ελιά.example", "CY", trial=True,
        writes=(("Costas@xn--hxarmh.example", "May we try it for another week?"),),
        tickets=((None, "COSTAS@ελιά.example", "The trial does not start."),),
    ),
    Person(
        1004, "Nils Ødegård", "nils@fjord.example", "NO", phone="0047 22 22 55 55", account=True,
        orders=((day(2025, 11, 20), 1),), tickets=(("1004", "nils@fjord.example", "Thanks!"),),
    ),
    Person(1005, 'Uma "Ume" O\'Neil', "uma.o'neil@example.co.uk", "GB", account=True,
           orders=((day(2026, 4, 2), 3),)),
    Person(1006, "Carl Díaz", "carl@example.com", "US", "CA", account=True, news=False),
    Person(1007, "Vera Smith", "vera@example.net", "US", "VA", news=False, trial=True),
    Person(
        1008, "Ex Émile", "emile@example.fr", "FR", since=day(2014, 1), closed=day(2015, 12, 31),
        account=True, orders=((day(2014, 2, 1), 9),), news=False,
    ),
    Person(1009, "Robert'); DROP TABLE customer;--", "a_b@example.org", "SE", trial=True),
    Person(1010, "100% 李 ", "axb@example.org", "SE", trial=True,
           writes=(("axb@example.org", "Not a_b@example.org, please."),)),
    Person(
        1011, "Teresa Ångström", "teresa@angstrom.example", "SE", account=True,
        writes=(("t.angstrom@work.example", "Is it for two screens?"),),
        tickets=((None, "Teresa+io@ANGSTROM.example", "My trial is over."),),
    ),
)  # fmt: skip

FIRST = ("Maja", "Jonas", "Ida", "Luc", "Sofia", "Ben", "Elif", "Marek", "Nora", "Tom")
LAST = ("Kovač", "Lind", "Müller", "Rossi", "Nowak", "Silva", "Dubois", "Berg")


def ordinary(count: int = 40) -> list[Person]:
    """People without anything remarkable, always the same ones."""
    chance = random.Random(1)
    found = []
    for number in range(2000, 2000 + count):
        name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
        since = day(2022 + chance.randrange(4), 1 + chance.randrange(12))
        orders = [(since + dt.timedelta(days=30), 1 + chance.randrange(9))]
        found.append(
            Person(
                number, name, f"person{number}@example.org",
                chance.choice(["DE", "FR", "GB", "US"]),
                since=since, account=True, trial=chance.random() < 0.5,
                orders=orders * (chance.random() < 0.6), news=chance.choice([None, True, False]),
                tickets=[(str(number), f"person{number}@example.org", "A question.")]
                * (chance.random() < 0.4),
            )
        )  # fmt: skip
    return found


def fill(world: World) -> int:
    """Put everybody into the empty databases; how many people."""
    people = [*CAST, *ordinary()]
    with world.database() as connection:
        connection.execute(
            "INSERT INTO employee VALUES (1, 'Jane Peacock', 'jane@company.example'),"
            " (2, 'Steve Johnson', 'steve@company.example')"
        )
        connection.cursor().executemany(
            "INSERT INTO product VALUES (%s, %s, %s)",
            [(code, title, price) for code, (title, price) in PRODUCTS.items()],
        )
        invoices = 0
        for person in people:
            invoices = _customer(connection, person, invoices)
    with world.desk() as desk:
        desk.execute("INSERT INTO agent VALUES (1, 'Jane Peacock', 'jane@company.example')")
        for person in people:
            for customer, email, body in person.tickets:
                number = open_ticket(
                    desk, customer, email, person.name, "A request", person.since,
                    ("contract", "support", POLICY), closed=person.since + dt.timedelta(days=2),
                )  # fmt: skip
                add_message(desk, number, None, body, person.since)
                add_message(desk, number, 1, f"Hello {person.name}, done.", person.since)
    return len(people)


def _customer(connection: psycopg.Connection[Any], person: Person, invoices: int) -> int:
    def put(table: str, basis: str, activity: str, **row: Any) -> None:
        insert(connection, table, (basis, activity, POLICY), **row)

    number, since, closed = person.number, person.since, person.closed
    put(
        "customer", "contract", "account" if person.account else "trial",
        customer_id=number, name=person.name, email=person.email, phone=person.phone,
        company=person.company, country=person.country, state=person.state,
        sales_rep_id=1 + number % 2, created_at=since, closed_at=closed,
    )  # fmt: skip
    if person.trial:
        put(
            "free_transaction", "contract", "trial", customer_id=number, product_code="io-trial",
            kind="trial", started_at=since, ended_at=since + dt.timedelta(days=30),
        )  # fmt: skip
    for email, message in person.writes:
        # Whoever writes is not yet known to be a customer: the link stays empty.
        put(
            "form_submission", "legitimate-interest", "communicate", form_id="contact",
            email=email, name=person.name, message=message, submitted_at=since, handled_at=since,
        )  # fmt: skip
    if person.news is not None:
        put(
            "subscription", "consent", "newsletter",
            email=person.email, topic="news", wanted=person.news, last_interest_at=since,
        )  # fmt: skip
    if person.account:
        account = uuid.uuid5(SPACE, str(number))
        put(
            "account", "contract", "account",
            account_id=account, customer_id=number, login=person.email, created_at=since,
            closed_at=closed, password_hash=hashlib.sha256(account.bytes).hexdigest(),
        )  # fmt: skip
        put(
            "terms_acceptance", "contract", "terms", account_id=account,
            terms_version=TERMS_VERSION, accepted_at=since, ended_at=closed,
        )  # fmt: skip
    for at, quantity in person.orders:
        invoices += 1
        price = PRODUCTS["io-connect"][1]
        put(
            "invoice", "contract", "payment", invoice_id=invoices, customer_id=number,
            number=f"R-{invoices}", billing_name=person.name,
            billing_address=f"Street 1, {person.country}", total_cents=quantity * price,
            currency="EUR", issued_at=at,
        )  # fmt: skip
        put(
            "order_line", "contract", "order", invoice_id=invoices, line=1,
            product_code="io-connect", quantity=quantity, price_cents=price,
        )  # fmt: skip
    return invoices
