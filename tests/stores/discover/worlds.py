"""Databases without a single foreign key, made from a seed; nothing in them is of anybody.

Every whole-number key counts from 1, so that the numbers of every table are met in every other:
the values by themselves prove nothing.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from tests.stores.engines import opened

FIRST = ("Aurelia", "Bastian", "Clotilde", "Dorotea", "Emeric", "Fabrizia", "Gaspard", "Ignacy")
LAST = ("Achterberg", "Brzezinska", "Carvalho", "Dellarosa", "Eichendorf", "Fontaine", "Hoogland")
PROSE = re.findall(
    "[a-z]+",
    "please call back about the broken pump in the cellar before noon on monday because "
    "nobody could tell me whether the second invoice had been paid or sent again",
)

#: (table, columns with their types, rows): a type is SQL, then what stands there.
Table = tuple[str, dict[str, tuple[str, str]], int]

GERMAN: list[Table] = [
    ("kunden", {
        "kundennr": ("integer primary key", "key"), "vorname": ("text", "first"),
        "nachname": ("text", "last"), "geburtsdatum": ("date", "birth"),
        "email": ("text", "email"), "telefon": ("text", "phone"), "strasse": ("text", "street"),
        "plz": ("text", "post"), "ort": ("text", "city"),
    }, 120),
    ("mitarbeiter", {
        "id": ("integer primary key", "key"), "nachname": ("text", "last"),
        "email": ("text", "email"), "vorgesetzter_id": ("integer", "mitarbeiter"),
    }, 15),
    ("bestellungen", {
        "bestellnr": ("integer primary key", "key"), "kundennr": ("integer", "kunden"),
        "betreuer_id": ("integer", "mitarbeiter"), "bestelldatum": ("date", "day"),
        "betrag": ("numeric", "money"), "bemerkung": ("text", "prose"),
    }, 300),
    ("artikel", {
        "id": ("integer primary key", "key"), "bezeichnung": ("text", "thing"),
        "lagerbestand": ("integer", "small"),
    }, 80),
    ("bestellpositionen", {
        "id": ("integer primary key", "key"), "bestellnr": ("integer", "bestellungen"),
        "artikel_id": ("integer", "artikel"), "menge": ("integer", "small"),
    }, 500),
]  # fmt: skip
FRENCH: list[Table] = [
    ("utilisateurs", {
        "id": ("integer primary key", "key"), "prenom": ("text", "first"),
        "nom_famille": ("text", "last"), "courriel": ("text", "email"),
        "mot_de_passe": ("text", "hash"), "date_naissance": ("date", "birth"),
        "adresse_ip": ("text", "ip"),
    }, 90),
    ("messages", {
        "id": ("integer primary key", "key"), "expediteur_id": ("integer", "utilisateurs"),
        "destinataire_id": ("integer", "utilisateurs"), "contenu": ("text", "prose"),
        "message": ("text", "prose"),
    }, 200),
    ("articles", {
        "id": ("integer primary key", "key"), "auteur_id": ("integer", "utilisateurs"),
        "titre": ("text", "thing"), "nombre_vues": ("integer", "small"),
    }, 90),
    ("commentaires", {
        "id": ("integer primary key", "key"), "article_id": ("integer", "articles"),
        "cree_par": ("integer", "utilisateurs"), "commentaire": ("text", "prose"),
    }, 200),
]  # fmt: skip
POLISH: list[Table] = [
    ("klienci", {
        "id": ("integer primary key", "key"), "imie": ("text", "first"),
        "nazwisko": ("text", "last"), "adres_email": ("text", "email"),
        "ulica": ("text", "street"), "kod_pocztowy": ("text", "post"),
    }, 70),
    ("zamowienia", {
        "id": ("integer primary key", "key"), "klient_id": ("integer", "klienci"),
        "kwota": ("numeric", "money"), "uwagi": ("text", "prose"),
    }, 150),
]  # fmt: skip
SPANISH: list[Table] = [
    ("clientes", {
        "id_cliente": ("integer primary key", "key"), "nombre": ("text", "first"),
        "apellidos": ("text", "last"), "correo": ("text", "email"),
        "movil": ("text", "phone"), "codigo_postal": ("text", "post"),
    }, 70),
    ("pedidos", {
        "id_pedido": ("integer primary key", "key"), "fk_cliente": ("integer", "clientes"),
        "importe": ("numeric", "money"),
    }, 150),
]  # fmt: skip
PORTUGUESE: list[Table] = [
    ("usuarios", {
        "id": ("integer primary key", "key"), "nome": ("text", "first"),
        "sobrenome": ("text", "last"), "correio": ("text", "email"), "celular": ("text", "phone"),
    }, 70),
    ("pagamentos", {
        "id": ("integer primary key", "key"), "usuario_id": ("integer", "usuarios"),
        "valor": ("numeric", "money"), "iban": ("text", "iban"),
    }, 150),
]  # fmt: skip
ITALIAN: list[Table] = [
    ("utenti", {
        "id": ("integer primary key", "key"), "nome": ("text", "first"),
        "cognome": ("text", "last"), "indirizzo": ("text", "street"), "email": ("text", "email"),
    }, 70),
    ("fatture", {
        "id": ("integer primary key", "key"), "utente_id": ("integer", "utenti"),
        "importo": ("numeric", "money"), "approvato_da": ("integer", "utenti"),
    }, 150),
]  # fmt: skip
DUTCH: list[Table] = [
    ("klanten", {
        "klantnr": ("integer primary key", "key"), "voornaam": ("text", "first"),
        "achternaam": ("text", "last"), "telefoonnummer": ("text", "phone"),
        "woonplaats": ("text", "city"), "email": ("text", "email"),
    }, 70),
    ("facturen", {
        "id": ("integer primary key", "key"), "klantnr": ("integer", "klanten"),
        "bedrag": ("numeric", "money"), "gemaakt_door": ("integer", "klanten"),
    }, 150),
]  # fmt: skip
ENGLISH: list[Table] = [
    ("Users", {
        "Id": ("integer primary key", "key"), "UserName": ("text", "login"),
        "EmailAddress": ("text", "email"), "PasswordHash": ("text", "hash"),
        "LastIP": ("text", "ip"), "ManagerId": ("integer", "Users"),
    }, 100),
    ("UserProfiles", {
        "UserId": ("integer primary key", "Users!"), "FullName": ("text", "full"),
        "DateOfBirth": ("date", "birth"), "Bio": ("text", "prose"),
    }, 100),
    ("Orders", {
        "OrderID": ("integer primary key", "key"), "UserID": ("integer", "Users"),
        "ApprovedBy": ("integer", "Users"), "Total": ("numeric", "money"),
        "Priority": ("integer", "small"), "WarehouseRow": ("integer", "small"),
    }, 300),
    ("Products", {
        "ProductID": ("integer primary key", "key"), "Name": ("text", "thing"),
        "Description": ("text", "prose"), "StockLevel": ("integer", "small"),
    }, 60),
    ("OrderLines", {
        "OrderID": ("integer", "Orders"), "LineNo": ("integer", "small"),
        "ProductID": ("integer", "Products"), "Quantity": ("integer", "small"),
    }, 400),
    ("Followers", {
        "FollowerId": ("integer", "Users"), "FollowedId": ("integer", "Users"),
    }, 150),
    ("NewsletterSignups", {
        "Id": ("integer primary key", "key"), "Email": ("text", "email"),
        "ConsentAt": ("date", "day"),
    }, 80),
    ("Attachments", {
        "Id": ("integer primary key", "key"), "OwnerType": ("text", "kind:User,Product,Order"),
        "OwnerId": ("integer", "small"), "FileName": ("text", "thing"),
    }, 120),
    ("AuditEvents", {
        "Id": ("integer primary key", "key"), "Payload": ("json", "doc:Users"),
    }, 120),
]  # fmt: skip
#: Small numbers everywhere, and nothing that leads to a person.
NOBODY: list[Table] = [
    ("users", {
        "id": ("integer primary key", "key"), "email": ("text", "email"),
        "first_name": ("text", "first"),
    }, 100),
    ("machines", {
        "id": ("integer primary key", "key"), "name": ("text", "thing"),
        "slot": ("integer", "small"), "rack_position": ("integer", "small"),
        "user_count": ("integer", "small"), "max_users": ("integer", "small"),
        "firmware_id": ("integer", "small"), "vendor_code": ("integer", "small"),
        "status": ("integer", "small"), "users": ("integer", "small"),
        "server_id": ("integer", "small"), "folder_id": ("integer", "small"),
        "order_number": ("integer", "small"), "customer_rating": ("integer", "small"),
    }, 100),
    ("readings", {
        "id": ("integer primary key", "key"), "machine_id": ("integer", "machines"),
        "value": ("integer", "small"), "level": ("integer", "small"),
        "sensor_id": ("integer", "small"), "counter": ("integer", "small"),
        "external_ref": ("text", "number"),
    }, 400),
]  # fmt: skip
#: Keys that are not called after their tables, and tables that share them.
NUMBERED: list[Table] = [
    ("employee", {
        "emp_number": ("varchar(8) primary key", "key"), "emp_lastname": ("text", "last"),
        "emp_birthday": ("date", "birth"), "emp_work_email": ("text", "email"),
    }, 90),
    ("badges", {
        "emp_number": ("varchar(8) primary key", "employee!"), "file_name": ("text", "thing"),
    }, 80),
    ("emp_salary", {
        "id": ("integer primary key", "key"), "emp_number": ("varchar(8)", "employee"),
        "approver_emp_number": ("varchar(8)", "employee"), "amount": ("numeric", "money"),
    }, 300),
    ("shelves", {"shelf": ("integer primary key", "key"), "label": ("text", "thing")}, 60),
    ("boxes", {
        "id": ("integer primary key", "key"), "shelf_rows": ("integer", "small"),
        "full_shelf": ("integer", "small"),
    }, 60),
    ("depots", {"site": ("varchar(8) primary key", "places!"), "size": ("integer", "small")}, 38),
    ("places", {"site": ("varchar(8) primary key", "key"), "city": ("text", "city")}, 40),
    ("moves", {
        "id": ("integer primary key", "key"), "site_before": ("varchar(8)", "places"),
        "new_site": ("varchar(8)", "places"), "parking": ("text", "thing"),
    }, 200),
]  # fmt: skip
#: The same keys with a letter before them; whatever moved, moved between depots.
LETTERED = tuple(
    f'DELETE FROM "moves" WHERE CAST("{column}" AS integer) > 38'
    for column in ("site_before", "new_site")
) + tuple(
    f'UPDATE "{table}" SET "{column}" = \'{letter}\' || "{column}"'
    for table, column, letter in (
        ("employee", "emp_number", "E"), ("badges", "emp_number", "E"),
        ("emp_salary", "emp_number", "E"), ("emp_salary", "approver_emp_number", "E"),
        ("places", "site", "S"), ("depots", "site", "S"), ("moves", "site_before", "S"),
        ("moves", "new_site", "S"),
    )
)  # fmt: skip
#: What people do, without a word that says "key".
DOING: list[Table] = [
    ("users", {
        "id": ("integer primary key", "key"), "email": ("text", "email"),
        "first_name": ("text", "first"), "password": ("text", "hash"),
        "created_by": ("integer", "users"),
    }, 80),
    ("sessions", {
        "id": ("integer primary key", "key"), "user_id": ("integer", "users"),
    }, 90),
    ("customers", {
        "id": ("integer primary key", "key"), "last_name": ("text", "last"),
        "email": ("text", "email"),
    }, 200),
    ("purchases", {
        "id": ("integer primary key", "key"), "customer_id": ("integer", "customers"),
        "cancelled_by": ("integer", "users"), "assigned_to": ("integer", "users"),
        "superseded_by": ("integer", "purchases"), "moved_to": ("integer", "small"),
    }, 150),
]  # fmt: skip
#: People whose tables no word calls so, and what is not quite one.
UNNAMED: list[Table] = [
    ("policyholders", {
        "id": ("integer primary key", "key"), "first_name": ("text", "first"),
        "last_name": ("text", "last"), "email": ("text", "email"),
        "date_of_birth": ("date", "birth"),
    }, 60),
    ("eperson", {
        "eperson_id": ("integer primary key", "key"), "email": ("text", "email"),
        "password": ("text", "hash"), "firstname": ("text", "first"), "lastname": ("text", "last"),
    }, 120),
    ("items", {
        "item_id": ("integer primary key", "key"), "submitter_id": ("integer", "eperson"),
        "title": ("text", "thing"), "only_assigned": ("integer", "small"),
        "has_owner": ("integer", "small"),
    }, 120),
    ("mailboxes", {
        "id": ("integer primary key", "key"), "email": ("text", "email"),
        "username": ("text", "login"), "password": ("text", "hash"),
    }, 20),
    ("leaflets", {
        "id": ("integer primary key", "key"), "email": ("text", "email"),
        "first_name": ("text", "first"), "last_name": ("text", "last"),
    }, 30),
]  # fmt: skip
TURKISH: list[Table] = [
    ("danisanlar", {
        "id": ("integer primary key", "key"), "ad": ("text", "first"), "soyad": ("text", "last"),
        "cep_telefonu": ("text", "dialled"), "ev_adresi": ("text", "house"),
        "dogum_tarihi": ("date", "birth"),
    }, 90),
    ("randevular", {
        "id": ("integer primary key", "key"), "danisan_id": ("integer", "danisanlar"),
        "gun": ("date", "day"), "aciklama": ("text", "prose"),
    }, 200),
    ("odalar", {"id": ("integer primary key", "key"), "ad": ("text", "thing")}, 50),
]  # fmt: skip
VIETNAMESE: list[Table] = [
    ("độc_giả", {
        "id": ("integer primary key", "key"), "họ_tên": ("text", "full"),
        "số_điện_thoại": ("text", "dialled"), "địa_chỉ": ("text", "house"),
        "ngày_sinh": ("date", "birth"),
    }, 110),
    ("phieu_muon", {
        "id": ("integer primary key", "key"), "doc_gia_id": ("integer", "độc_giả"),
        "ghi_chu": ("text", "prose"),
    }, 240),
]  # fmt: skip
CZECH: list[Table] = [
    ("čtenáři", {
        "id": ("integer primary key", "key"), "jméno": ("text", "first"),
        "příjmení": ("text", "last"), "telefonní_číslo": ("text", "dialled"),
        "bydliště": ("text", "house"), "datum_narození": ("date", "birth"),
    }, 80),
    ("vypujcky", {
        "id": ("integer primary key", "key"), "ctenar_id": ("integer", "čtenáři"),
        "poznámka": ("text", "prose"),
    }, 210),
]  # fmt: skip
BULGARIAN: list[Table] = [
    ("потребители", {
        "id": ("integer primary key", "key"), "име": ("text", "first"),
        "презиме": ("text", "last"), "телефонен_номер": ("text", "dialled"),
        "постоянен_адрес": ("text", "house"), "дата_на_раждане": ("date", "birth"),
    }, 70),
    ("zhalbi", {
        "id": ("integer primary key", "key"), "potrebitel_id": ("integer", "потребители"),
        "zabelezhka": ("text", "prose"),
    }, 190),
]  # fmt: skip
#: Nobody's words: what is asked about by its values alone, and what is not.
UNKNOWN: list[Table] = [
    ("mambo", {
        "id": ("integer primary key", "key"), "simu": ("text", "dialled"),
        "mahali": ("text", "house"), "sehemu": ("text", "part"),
        "simu_code": ("text", "dialled"),
    }, 60),
]  # fmt: skip
FURTHER = {"tr": TURKISH, "vi": VIETNAMESE, "cs": CZECH, "bg": BULGARIAN}
ALL = {
    "de": GERMAN, "fr": FRENCH, "pl": POLISH, "es": SPANISH, "pt": PORTUGUESE, "it": ITALIAN,
    "nl": DUTCH, "en": ENGLISH,
}  # fmt: skip


def truth(world: list[Table]) -> set[tuple[str, str, str]]:
    """(table, column, table it leads to), as the rows are made."""
    names = {name for name, _, _ in world}
    return {
        (table, column, what.removesuffix("!"))
        for table, columns, _ in world
        for column, (_, what) in columns.items()
        if what.removesuffix("!") in names
    }


def rows(world: list[Table], seed: int = 1) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
    """The rows of each table."""
    draw = random.Random(seed)
    sizes = {name: count for name, _, count in world}
    for table, columns, count in world:
        made = [
            [value(draw, what, n, sizes) for _, what in columns.values()]
            for n in range(1, count + 1)
        ]
        yield table, list(columns), made


def value(draw: random.Random, what: str, n: int, sizes: dict[str, int]) -> Any:
    if what in sizes:
        return draw.randrange(1, sizes[what] + 1)
    first, last = draw.choice(FIRST), draw.choice(LAST)
    match what.partition(":")[0].removesuffix("!"):
        case "key":
            return n
        case "first":
            return first
        case "last":
            return last
        case "full":
            return f"{first} {last}"
        case "login":
            return f"{first.lower()}{n}"
        case "email":
            return f"{first}.{last}{n}@example.org".lower()
        case "phone":
            return f"+49 30 {draw.randrange(2_000_000, 9_000_000)}"
        case "birth":
            return dt.date(draw.randrange(1940, 2005), draw.randrange(1, 13), 3).isoformat()
        case "day":
            return dt.date(2026, draw.randrange(1, 11), draw.randrange(1, 28)).isoformat()
        case "street":
            return f"{last}straat {draw.randrange(1, 99)}"
        case "dialled":
            return f"({n % 9 + 11}) 9{draw.randrange(1000, 9999)}-{draw.randrange(1000, 9999)}"
        case "house":
            return f"Jl. {draw.choice(LAST)} {draw.choice(FIRST)} No. {draw.randrange(1, 300)}"
        case "part":
            return f"2024-{draw.randrange(100_000, 999_999)}"
        case "post":
            return f"{draw.randrange(10_000, 99_999)}"
        case "city":
            return draw.choice(["Berlin", "Rotterdam", "Lyon", "Porto"])
        case "ip":
            return f"10.{n % 250}.7.{draw.randrange(1, 250)}"
        case "hash":
            return "$2b$12$" + "".join(draw.choices("abcdefghijkABCDEFGH0123456789", k=53))
        case "money":
            return draw.randrange(1, 90_000) / 100
        case "iban":
            return iban(draw)
        case "small":
            return draw.randrange(1, 60)
        case "number":
            return str(draw.randrange(1, 60))
        case "thing":
            return f"{draw.choice(PROSE)} {draw.choice(PROSE)}"
        case "prose":
            return " ".join(draw.choice(PROSE) for _ in range(12))
        case "uuid":
            return str(uuid.UUID(int=draw.getrandbits(128)))
        case "kind":
            return draw.choice(what.partition(":")[2].split(","))
        case "doc":
            to = draw.randrange(1, sizes[what.partition(":")[2]] + 1)
            mail = f"{first}.{last}{n}@example.org".lower()
            return f'{{"user_id": {to}, "who": {{"email": "{mail}"}}, "ok": true}}'
        case _:
            return n  # a table of the same name with `!`: one to one


def iban(draw: random.Random) -> str:
    """A German IBAN with right check digits, of no bank."""
    account = f"{draw.randrange(10**17, 10**18 - 1)}"
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02}{account}"


def ddl(world: list[Table], json_type: str) -> Iterator[str]:
    for table, columns, _ in world:
        inner = ", ".join(
            f'"{name}" {json_type if kind == "json" else kind}'
            for name, (kind, _) in columns.items()
        )
        yield f'CREATE TABLE "{table}" ({inner})'


def into_postgresql(url: str, world: list[Table], more: Sequence[str] = ()) -> None:
    with psycopg.connect(url) as connection:
        for text in ddl(world, "jsonb"):
            connection.execute(text)
        for table, names, made in rows(world):
            columns = ", ".join(f'"{n}"' for n in names)
            with connection.cursor().copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:
                for row in made:
                    copy.write_row(row)
        for text in more:
            connection.execute(text)


def into_mariadb(url: str, world: list[Table], more: Sequence[str] = ()) -> None:
    with opened(url) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'")
        for text in ddl(world, "json"):
            cursor.execute(text)
        for table, names, made in rows(world):
            places = ", ".join(["%s"] * len(names))
            cursor.executemany(f'INSERT INTO "{table}" VALUES ({places})', made)
        for text in more:
            cursor.execute(text)
        connection.commit()


def into_sqlite(file: Path, world: list[Table], more: Sequence[str] = ()) -> str:
    connection = sqlite3.connect(file)
    for text in ddl(world, "json"):
        connection.execute(text)
    for table, names, made in rows(world):
        places = ", ".join("?" * len(names))
        connection.executemany(f'INSERT INTO "{table}" VALUES ({places})', made)
    for text in more:
        connection.execute(text)
    connection.commit()
    connection.close()
    return f"sqlite:///{file}"
