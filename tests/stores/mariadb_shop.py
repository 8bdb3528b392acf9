"""A MariaDB shop in which everything that is special about MariaDB stands."""

from __future__ import annotations

import datetime as dt
import re
import uuid

from tests.stores.engines import opened

from kept.datamap.map import Dataset, Field
from kept.model.change import Change
from kept.model.plan import Counts
from kept.model.predicate import Predicate
from kept.model.select import KeyTable, Select, by_key
from kept.model.values import Type, Value
from kept.stores.mariadb import MariaDBStore

TOKEN = uuid.UUID("6f2c0d3e-1111-4222-8333-abcdefabcdef")
NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)

SCHEMA = """
CREATE TABLE types (
    id int unsigned PRIMARY KEY, big bigint unsigned, year_ year, bits bit(9), yes bit(1),
    flag tinyint(1), small tinyint(1), price decimal(20,4), f float, d double, token uuid,
    packed binary(16), raw varbinary(20), doc json, kind enum('a','b','É'), tags set('x','y'),
    born date NOT NULL, seen datetime, at timestamp(6) NULL, clock time(3), six inet6,
    four inet4, place point, c char(6), v varchar(60), l varchar(60) CHARACTER SET latin1,
    twice varchar(120) GENERATED ALWAYS AS (concat(v, v)) STORED, secret int INVISIBLE
) DEFAULT CHARSET utf8mb4;
INSERT INTO types (id, big, year_, bits, yes, flag, small, price, f, d, token, packed, raw, doc,
    kind, tags, born, seen, at, clock, six, four, place, c, v, l) VALUES
    (1, 18446744073709551615, 2024, b'101', b'1', 1, 7, 1.5, 0.1, 0.1,
     '6f2c0d3e-1111-4222-8333-abcdefabcdef', unhex('6f2c0d3e111142228333abcdefabcdef'),
     x'00ff27', '{"a": [1]}', 'b', 'x,y', '1990-01-31', '2024-01-01 12:00:00',
     '2024-01-01 12:00:00.000001', '-10:00:00.5', '::1', '10.0.0.1', point(1, 2),
     'ab ', 'Ana ', 'é');
INSERT INTO types (id, born) VALUES (2, '1990-02-01');
SET sql_mode = 'ALLOW_INVALID_DATES';
INSERT INTO types (id, born, seen) VALUES
    (3, '0000-00-00', '0000-00-00'), (4, '2024-02-31', '2024-00-00'), (5, '0000-05-05', NULL);
SET sql_mode = 'STRICT_ALL_TABLES';
CREATE TABLE person (id int PRIMARY KEY, mail varchar(100), nick varchar(100) CHARACTER SET
    latin1 COLLATE latin1_german1_ci, code char(10) NOT NULL UNIQUE, upd timestamp NOT NULL
    DEFAULT '2020-01-01 00:00:00' ON UPDATE current_timestamp(), KEY (mail), KEY (nick))
    DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci;
INSERT INTO person (id, mail, nick, code) VALUES (1, 'ana@x.de', 'Ana', 'A1'),
    (2, 'ANA@x.de', 'ana', 'B2'), (3, 'áná@x.de', 'Äna', 'C3'), (4, 'ana@x.de ', 'ana ', 'D4');
CREATE TABLE child (id int PRIMARY KEY, person int NOT NULL, code varchar(10) CHARACTER SET
    utf8mb4 COLLATE utf8mb4_bin, note varchar(20), CONSTRAINT no_word CHECK (note <> 'forbidden'),
    FOREIGN KEY (person) REFERENCES person (id));
INSERT INTO child VALUES (1, 1, 'A1', 'n'), (2, 2, 'a1', 'n'), (3, 1, 'B2', 'n');
CREATE TABLE trail (id int PRIMARY KEY, child int,
    FOREIGN KEY (child) REFERENCES child (id) ON DELETE CASCADE);
INSERT INTO trail VALUES (1, 2);
CREATE TABLE tree (id int PRIMARY KEY, above int,
    FOREIGN KEY (above) REFERENCES tree (id) ON DELETE SET NULL);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
CREATE TABLE heap (id int, who int, note varchar(10), KEY (who)) DEFAULT CHARSET utf8mb4;
INSERT INTO heap VALUES (1, 1, 'a'), (1, 1, 'a'), (1, 2, 'A'), (NULL, 1, 'a'), (NULL, NULL, 'c');
CREATE TABLE pair (a int, b int, note text, UNIQUE (a, b));
INSERT INTO pair VALUES (1, NULL, 'x'), (1, NULL, 'y'), (1, 1, 'z');
CREATE TABLE old (id int PRIMARY KEY, name text) ENGINE = MyISAM;
INSERT INTO old VALUES (1, 'x');
CREATE TABLE aria (id int PRIMARY KEY) ENGINE = Aria;
CREATE TABLE past (id int PRIMARY KEY, name text) WITH SYSTEM VERSIONING;
INSERT INTO past VALUES (1, 'x');
CREATE SEQUENCE numbers;
CREATE VIEW watched AS SELECT id, mail FROM person;
CREATE TABLE guarded (id int PRIMARY KEY, note text);
INSERT INTO guarded VALUES (1, 'n');
CREATE TRIGGER guard BEFORE DELETE ON guarded FOR EACH ROW
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'secret words';
CREATE TABLE `order``s %s.x` (`select` int PRIMARY KEY, `O'Hara` text);
INSERT INTO `order``s %s.x` VALUES (1, 'x'), (2, 'y');
"""


def run(url: str, script: str) -> None:
    with opened(url) as connection, connection.cursor() as cursor:
        for statement in re.split(r";\n", script):
            if statement.strip():
                cursor.execute(statement)
        connection.commit()


#: Columns of two meanings, as the map understands them.
_KINDS: dict[str, Type] = {"id": "integer", "small": "integer", "packed": "uuid"}
MAPPED = Dataset("types", ("id",), {n: Field(n, t) for n, t in _KINDS.items()})


def keys(name: str, field: str, *values: Value) -> Select:
    return by_key(name, KeyTable((field,), tuple((0, (v,)) for v in values)))


def read(store: MariaDBStore, select: Select) -> list[dict[str, Value]]:
    with store.session() as session:
        return [
            dict(zip(batch.columns, row, strict=True))
            for _, batch in session.read([select])
            for row in batch.rows
        ]


def ids(store: MariaDBStore, name: str, only: Predicate) -> list[Value]:
    return sorted([r["id"] for r in read(store, Select(name, ("id",), (), only))], key=repr)


def do(store: MariaDBStore, *changes: Change) -> list[Counts]:
    with store.session(write=True) as session:
        counts = session.apply(changes, "s")
        session.commit()
    return counts
