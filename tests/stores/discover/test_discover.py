"""Discovery on real engines, in databases without a single declared key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.stores.discover import worlds

from kept.datamap import check as checking
from kept.datamap import load
from kept.datamap.map import Dataset, Link, Owner, Shared
from kept.stores.discover import Discovery, discover, draft, owners
from kept.stores.relational import SqlStore
from kept.stores.sql import PostgreSQLStore, SQLiteStore
from kept.terms.vocabulary import SHIPPED

VIEW = (
    'CREATE VIEW "Mailing" AS SELECT u."EmailAddress" AS "Reach", p."FullName" AS "Who", '
    'o."Total" AS "Sum", p."FullName" || \' \' || u."EmailAddress" AS "Label" FROM "Users" u '
    'JOIN "UserProfiles" p ON p."UserId" = u."Id" JOIN "Orders" o ON o."UserID" = u."Id"'
)
VIEW_OF_VIEW = 'CREATE VIEW "Labels" AS SELECT "Label" AS "Line" FROM "Mailing"'


def links(found: Discovery) -> set[tuple[str, str, str]]:
    return {
        (name, link.columns[0], link.to)
        for name, one in found.datasets.items()
        for link in one.links
        if link.basis == "inferred"
    }


def open_world(
    engine: str, world: list[worlds.Table], url: str, directory: Path, *more: str
) -> SqlStore:
    if engine == "sqlite":
        return SQLiteStore("s", (), worlds.into_sqlite(directory / "s.sqlite", world, more))
    worlds.into_postgresql(url, world, more)
    return PostgreSQLStore("s", (), url)


ENGINES = ("sqlite", "postgresql")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("language", worlds.ALL)
def test_every_link_and_no_other(
    engine: str, language: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    world = worlds.ALL[language]
    store = open_world(engine, world, fresh_pg_url, tmp_path)
    assert links(discover(store, year=2026)) == worlds.truth(world)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_key_is_known_by_its_name_and_more(
    engine: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """`approver_emp_number` beside `emp_number`; and a badge that has the number of its employee
    for its key is hers, while what names an employee does not lead to her badge."""
    world = worlds.NUMBERED
    store = open_world(engine, world, fresh_pg_url, tmp_path, *worlds.LETTERED)
    found = discover(store, year=2026)
    assert links(found) == worlds.truth(world)
    assert all(k.ask is None for k in found.datasets["moves"].links)


@pytest.mark.parametrize("engine", ENGINES)
def test_who_did_it_is_somebody(engine: str, fresh_pg_url: str, tmp_path: Path) -> None:
    """Of users, too, somebody made the account; a customer did not."""
    store = open_world(engine, worlds.DOING, fresh_pg_url, tmp_path)
    assert links(discover(store, year=2026)) == worlds.truth(worlds.DOING)


def test_without_rows_a_key_of_two_words_is_known_by_its_name(tmp_path: Path) -> None:
    world = [(name, columns, 0) for name, columns, _ in worlds.NUMBERED]
    found = discover(open_world("sqlite", world, "", tmp_path), year=2026)
    assert ("emp_salary", "emp_number", "employee") in links(found)


@pytest.mark.parametrize("engine", ENGINES)
def test_who_has_a_name_an_address_and_a_birthday_is_somebody(
    engine: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Whatever the table is called; of whom only two of the three are known may be a thing."""
    store = open_world(engine, worlds.UNNAMED, fresh_pg_url, tmp_path)
    found = discover(store, year=2026)
    assert {n for n, one in found.datasets.items() if one.person == "person"} == {
        "policyholders", "eperson",
    }  # fmt: skip
    assert links(found) == {("items", "submitter_id", "eperson")}


@pytest.mark.parametrize("engine", ENGINES)
def test_small_numbers_lead_to_nobody(engine: str, fresh_pg_url: str, tmp_path: Path) -> None:
    store = open_world(engine, worlds.NOBODY, fresh_pg_url, tmp_path)
    for sample in (50, 1000, None):
        found = discover(store, year=2026, sample=sample)
        assert links(found) == {("readings", "machine_id", "machines")}
        assert found.datasets["readings"].person is None
        assert found.datasets["machines"].person is None


@pytest.mark.parametrize("engine", ENGINES)
def test_a_number_that_is_not_there_breaks_the_link(
    engine: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """The name says `klienci`, the values say no: rows of another system's customers."""
    world = worlds.POLISH
    spoilt = "UPDATE zamowienia SET klient_id = klient_id + 100000"
    store = open_world(engine, world, fresh_pg_url, tmp_path, spoilt)
    assert links(discover(store, year=2026)) == set()


@pytest.fixture(scope="module", params=ENGINES)
def english(
    request: pytest.FixtureRequest, pg_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Discovery:
    store = open_world(
        request.param, worlds.ENGLISH, pg_url, tmp_path_factory.mktemp("en"), VIEW, VIEW_OF_VIEW
    )
    return discover(store, year=2026)


def drafted(found: Discovery, directory: Path) -> Mapping[str, Dataset]:
    """The datasets of a draft, as they are read."""
    (directory / "draft.yml").write_text(draft(found, "shop"), "utf-8")
    return load.load({"shop": directory / "draft.yml"}).systems["shop"].datasets


def kinds(found: Discovery, dataset: str) -> dict[str, Owner]:
    return {
        ".".join((*link.columns, *link.path)): link.kind
        for link in found.datasets[dataset].links
        if link.basis != "polymorphic"
    }


def test_whose_the_rows_are(english: Discovery) -> None:
    assert kinds(english, "Orders") == {"UserID": Owner.OWNED, "ApprovedBy": Owner.ACCESSED}
    assert kinds(english, "UserProfiles") == {"UserId": Owner.OWNED}
    assert kinds(english, "OrderLines") == {"OrderID": Owner.OWNED, "ProductID": Owner.ACCESSED}
    assert kinds(english, "Users") == {"ManagerId": Owner.ACCESSED}
    assert {n for n, d in english.datasets.items() if d.person == "person"} == {"Users"}
    assert english.datasets["Products"].person is None


def test_a_row_of_two_people_is_shared_and_says_what_follows(english: Discovery) -> None:
    assert set(kinds(english, "Followers").values()) == {Owner.SHARED}
    assert (english.datasets["Followers"].outcome or "").startswith("delete when either")
    assert "\n    shared: delete\n" in draft(english, "shop")


def test_a_message_keeps_its_other_side(tmp_path: Path) -> None:
    store = open_world("sqlite", worlds.FRENCH, "", tmp_path)
    found = discover(store, year=2026)
    assert set(kinds(found, "messages").values()) == {Owner.SHARED}
    assert (found.datasets["messages"].outcome or "").startswith("anonymise one side")
    made = drafted(found, tmp_path)["messages"]
    assert made.shared is Shared.ONE_SIDE
    assert {f.name: f.side for f in made.fields.values() if f.side} == dict.fromkeys(
        ("contenu", "message"), "expediteur_id"
    )


def _gym() -> tuple[str, ...]:
    """A gym in Spanish: numbers of members with gaps, words for numbers before what they number."""
    return (
        "CREATE TABLE socios (nro_socio INTEGER PRIMARY KEY, nombre TEXT, correo TEXT)",
        "CREATE TABLE monitores (cod INTEGER PRIMARY KEY, nombre TEXT, correo TEXT)",
        "CREATE TABLE recibos (num TEXT PRIMARY KEY, socio INTEGER)",
        "CREATE TABLE lineas_recibo (num_recibo TEXT, pos INTEGER)",
        "CREATE TABLE mensajes (remitente INTEGER, destinatario INTEGER, texto TEXT)",
        "CREATE TABLE adjuntos (tipo_propietario TEXT, id_propietario INTEGER)",
        *(
            statement
            for n in range(60)
            for statement in (
                f"INSERT INTO socios VALUES ({1000 * n + 7}, 'Ana', 'socio{n}@correo.example')",
                f"INSERT INTO monitores VALUES ({3 * n + 2}, 'Luis', 'monitor{n}@correo.example')",
                f"INSERT INTO recibos VALUES ('R-2026-{n:04}', {1000 * n + 7})",
                f"INSERT INTO lineas_recibo VALUES ('R-2026-{n:04}', 1), ('R-2026-{n:04}', 2)",
                f"INSERT INTO mensajes VALUES ({1000 * n + 7}, {1000 * (59 - n) + 7}, 'Hola')",
                f"INSERT INTO adjuntos VALUES ('socio', {1000 * n + 7}), ('monitor', {3 * n + 2})",
            )
        ),
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_word_for_number_may_come_first(engine: str, fresh_pg_url: str, tmp_path: Path) -> None:
    """`num_recibo` is the `num` of `recibos`, `id_propietario` whose kind `tipo_propietario`
    says; what was said in a message stays for whom it was said to, whatever the column is called.
    """
    found = discover(open_world(engine, [], fresh_pg_url, tmp_path, *_gym()), year=2026)
    assert links(found) == {
        ("recibos", "socio", "socios"), ("lineas_recibo", "num_recibo", "recibos"),
        ("mensajes", "remitente", "socios"), ("mensajes", "destinatario", "socios"),
    }  # fmt: skip
    assert found.datasets["lineas_recibo"].person == "owned"
    several = [k for k in found.datasets["adjuntos"].links if k.basis == "polymorphic"]
    assert {(k.to, k.when) for k in several} == {
        ("socios", "tipo_propietario"), ("monitores", "tipo_propietario"),
    }  # fmt: skip
    assert (found.datasets["mensajes"].outcome or "").startswith("anonymise one side")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_few_rows_with_high_numbers_are_all_looked_at(
    engine: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    found = discover(open_world(engine, [], fresh_pg_url, tmp_path, *_gym()), year=2026)
    profile = found.datasets["socios"].profile
    assert (profile.size, profile.exact, profile.look("correo").seen) == (60, True, 60)


HOUSEHOLDS: list[worlds.Table] = [
    ("persons", {
        "id": ("integer primary key", "key"), "first_name": ("text", "first"),
        "email": ("text", "email"),
    }, 90),
    ("households", {"id": ("integer primary key", "key"), "label": ("text", "thing")}, 40),
    ("household_members", {
        "household_id": ("integer", "households"), "person_id": ("integer", "persons"),
    }, 130),
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_junction_table_ties_stays_until_the_last_owner_goes(
    engine: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    found = discover(open_world(engine, HOUSEHOLDS, fresh_pg_url, tmp_path), year=2026)
    assert kinds(found, "household_members") == {
        "person_id": Owner.OWNED, "household_id": Owner.ACCESSED,
    }  # fmt: skip
    said = "keep until the last owner goes, then delete"
    assert found.datasets["households"].outcome == said
    assert any("household_members" in q.words for q in found.datasets["households"].questions)
    (tie,) = (k for k in found.datasets["household_members"].links if k.to == "households")
    assert tie.outcome == f"of `households`: {said}"
    made = drafted(found, tmp_path)["households"]
    assert made.shared is Shared.LAST_OWNER
    assert made.links == (Link(("id",), "household_members", ("household_id",), Owner.SHARED),)


@pytest.mark.parametrize("engine", ENGINES)
def test_addresses_alone_tie_a_table_to_people(
    engine: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Spelt in capitals, and some of them of people who are no users."""
    world = [t for t in worlds.ENGLISH if t[0] in ("Users", "NewsletterSignups")]
    same = (
        'UPDATE "NewsletterSignups" SET "Email" = (SELECT upper(u."EmailAddress") FROM "Users" u '
        'WHERE u."Id" = "NewsletterSignups"."Id") WHERE "Id" <= 30'
    )
    found = discover(open_world(engine, world, fresh_pg_url, tmp_path, same), year=2026)
    (tie,) = found.datasets["NewsletterSignups"].links
    assert (tie.columns, tie.to, tie.on) == (("Email",), "Users", ("EmailAddress",))
    assert (tie.basis, tie.kind) == ("email", Owner.OWNED)


def test_addresses_of_others_tie_nothing(tmp_path: Path) -> None:
    world = [t for t in worlds.ENGLISH if t[0] in ("Users", "NewsletterSignups")]
    other = 'UPDATE "NewsletterSignups" SET "Email" = \'n\' || "Id" || \'@example.net\''
    found = discover(open_world("sqlite", world, "", tmp_path, other), year=2026)
    assert found.datasets["NewsletterSignups"].links == ()


def test_owners_of_several_kinds(english: Discovery) -> None:
    several = [k for k in english.datasets["Attachments"].links if k.basis == "polymorphic"]
    assert {(k.to, k.when) for k in several} == {
        ("Users", "OwnerType"), ("Products", "OwnerType"), ("Orders", "OwnerType"),
    }  # fmt: skip
    assert [k.to for k in several if k.kind is Owner.OWNED] == ["Users"]


@pytest.mark.parametrize("backwards", [False, True])
def test_whose_a_row_is_does_not_hang_on_the_order_of_links(
    backwards: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = owners.ownership

    def turned(*given: Any) -> owners.Ownership:
        made = decided(*given)
        made.links = {n: links[::-1] if backwards else links for n, links in made.links.items()}
        return made

    monkeypatch.setattr(owners, "ownership", turned)
    found = discover(open_world("sqlite", worlds.ENGLISH, "", tmp_path), year=2026)
    assert found.datasets["Attachments"].fields["OwnerId"].category == "identifier.account"


def test_a_key_inside_a_document(english: Discovery) -> None:
    inside = {k.path: k for k in english.datasets["AuditEvents"].links if k.basis == "json"}
    assert inside["user_id",].to == "Users"
    assert inside["user_id",].kind is Owner.OWNED


def test_a_table_of_addresses_is_found(english: Discovery) -> None:
    column = english.datasets["NewsletterSignups"].fields["Email"]
    assert (column.category, column.identifies) == ("contact.email", "email")
    assert column.confidence > 0.9


def test_views_show_what_is_behind_them(english: Discovery) -> None:
    view = english.datasets["Mailing"].fields
    assert view["Reach"].category == "contact.email"
    assert view["Who"].category == "contact.name"
    assert view["Reach"].evidence == ("shows `Users.EmailAddress`",)
    assert view["Label"].category in ("contact.email", "contact.name")
    line = english.datasets["Labels"].fields["Line"]
    assert line.category in ("contact.email", "contact.name")
    assert "Users.EmailAddress" in line.evidence[0]


EXPECTED = {
    "de": {
        "kunden.vorname": "contact.name", "kunden.nachname": "contact.name",
        "kunden.geburtsdatum": "contact", "kunden.email": "contact.email",
        "kunden.telefon": "contact.phone", "kunden.strasse": "contact.address",
        "kunden.plz": "contact.address", "kunden.ort": "contact.address",
        "bestellungen.betrag": "transaction.paid", "bestellungen.bemerkung": "free-text",
        "artikel.bezeichnung": None, "artikel.lagerbestand": None,
    },
    "fr": {
        "utilisateurs.prenom": "contact.name", "utilisateurs.courriel": "contact.email",
        "utilisateurs.mot_de_passe": "account", "utilisateurs.date_naissance": "contact",
        "utilisateurs.adresse_ip": "navigation.ip", "messages.contenu": "free-text",
        "commentaires.commentaire": "free-text", "articles.nombre_vues": None,
    },
    "pl": {
        "klienci.imie": "contact.name", "klienci.adres_email": "contact.email",
        "klienci.ulica": "contact.address", "zamowienia.kwota": "transaction.paid",
        "zamowienia.uwagi": "free-text",
    },
    "es": {
        "clientes.apellidos": "contact.name", "clientes.correo": "contact.email",
        "clientes.movil": "contact.phone", "clientes.codigo_postal": "contact.address",
        "pedidos.importe": "transaction.paid",
    },
    "pt": {
        "usuarios.sobrenome": "contact.name", "usuarios.correio": "contact.email",
        "usuarios.celular": "contact.phone", "pagamentos.iban": "transaction.paid",
    },
    "it": {"utenti.cognome": "contact.name", "utenti.indirizzo": "contact.address"},
    "nl": {
        "klanten.achternaam": "contact.name", "klanten.woonplaats": "contact.address",
        "klanten.telefoonnummer": "contact.phone", "facturen.bedrag": "transaction.paid",
    },
    "en": {
        "Users.PasswordHash": "account", "Users.LastIP": "navigation.ip",
        "UserProfiles.DateOfBirth": "contact", "UserProfiles.Bio": "free-text",
        "Products.Name": None, "Products.Description": None, "Orders.Priority": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("language", EXPECTED)
def test_categories(language: str, tmp_path: Path) -> None:
    found = discover(open_world("sqlite", worlds.ALL[language], "", tmp_path), year=2026)
    met = {
        place: found.datasets[place.partition(".")[0]].fields[place.partition(".")[2]].category
        for place in EXPECTED[language]
    }
    assert met == EXPECTED[language]


FURTHER = {
    "tr": {
        "danisanlar.ad": "contact.name", "danisanlar.soyad": "contact.name",
        "danisanlar.cep_telefonu": "contact.phone", "danisanlar.ev_adresi": "contact.address",
        "danisanlar.dogum_tarihi": "contact", "randevular.aciklama": "free-text",
        "odalar.ad": None,
    },
    "vi": {
        "độc_giả.họ_tên": "contact.name", "độc_giả.số_điện_thoại": "contact.phone",
        "độc_giả.địa_chỉ": "contact.address", "độc_giả.ngày_sinh": "contact",
        "phieu_muon.ghi_chu": "free-text",
    },
    "cs": {
        "čtenáři.jméno": "contact.name", "čtenáři.příjmení": "contact.name",
        "čtenáři.telefonní_číslo": "contact.phone", "čtenáři.bydliště": "contact.address",
        "čtenáři.datum_narození": "contact", "vypujcky.poznámka": "free-text",
    },
    "bg": {
        "потребители.име": "contact.name", "потребители.презиме": "contact.name",
        "потребители.телефонен_номер": "contact.phone",
        "потребители.постоянен_адрес": "contact.address",
        "потребители.дата_на_раждане": "contact", "zhalbi.zabelezhka": "free-text",
    },
}  # fmt: skip


@pytest.mark.parametrize("language", FURTHER)
def test_further_languages(language: str, tmp_path: Path) -> None:
    world = worlds.FURTHER[language]
    found = discover(open_world("sqlite", world, "", tmp_path), year=2026)
    met = {
        place: found.datasets[place.partition(".")[0]].fields[place.partition(".")[2]].category
        for place in FURTHER[language]
    }
    assert met == FURTHER[language]
    assert links(found) == worlds.truth(world)


def test_numbers_dialled_at_home_and_streets_are_asked_about(tmp_path: Path) -> None:
    """Whatever the columns are called; numbers of parts, and codes, are not."""
    found = discover(open_world("sqlite", worlds.UNKNOWN, "", tmp_path), year=2026)
    asked = {n: v.ask for n, v in found.datasets["mambo"].fields.items() if v.ask}
    assert asked == {
        "simu": "is this somebody's telephone number?", "mahali": "is this where somebody lives?",
    }  # fmt: skip


def test_confidence_is_a_probability_and_what_is_unsure_is_asked(english: Discovery) -> None:
    for one in english.datasets.values():
        for verdict in one.fields.values():
            assert 0 <= verdict.confidence <= 1
            assert verdict.evidence
            assert verdict.category is None or verdict.category in SHIPPED.categories
            assert verdict.ask or verdict.category is None or verdict.confidence >= 0.6
        for link in one.links:
            assert 0.5 <= link.confidence <= 1
            assert link.ask or link.confidence >= 0.75


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sample_and_all_rows_agree(engine: str, fresh_pg_url: str, tmp_path: Path) -> None:
    more = worlds.ENGLISH[:3] + [(t, c, 40 * n) for t, c, n in worlds.ENGLISH[4:5]]
    store = open_world(engine, more, fresh_pg_url, tmp_path)
    sampled = discover(store, year=2026, sample=100)
    assert not sampled.datasets["OrderLines"].profile.exact
    assert links(sampled) == links(discover(store, year=2026, sample=None))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sample_follows_no_rhythm_of_the_rows(
    engine: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Every second row has an address; a sample of every hundredth would see all or none."""
    columns = {"id": ("integer primary key", "key"), "reach": ("text", "email")}
    world = [("signups", columns, 20_000)]
    gone = 'UPDATE "signups" SET "reach" = \'none\' WHERE "id" % 2 = 0'
    found = discover(open_world(engine, world, fresh_pg_url, tmp_path, gone), year=2026, sample=200)
    look = found.datasets["signups"].profile.look("reach")
    assert look.shapes["name"] == 1
    assert 200 <= look.seen <= 600
    # `none` is one value however often it stands
    assert 0.35 < look.distinct / look.seen < 0.65


def test_nothing_is_written(tmp_path: Path) -> None:
    store = open_world("sqlite", worlds.ENGLISH, "", tmp_path, VIEW)
    file = tmp_path / "s.sqlite"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    discover(store, year=2026)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.sqlite"]


def test_a_table_that_may_not_be_read_is_named(fresh_pg_url: str) -> None:
    worlds.into_postgresql(fresh_pg_url, worlds.POLISH)
    with psycopg.connect(fresh_pg_url) as connection:
        connection.execute("REVOKE ALL ON klienci FROM PUBLIC, company")
    found = discover(PostgreSQLStore("s", (), fresh_pg_url), year=2026)
    assert set(found.unseen) == {"klienci"}
    assert found.datasets["klienci"].person == "person"
    assert found.datasets["klienci"].fields["adres_email"].category == "contact.email"
    assert ("zamowienia", "klient_id", "klienci") in links(found)


@pytest.mark.parametrize("language", ["de", "fr", "pl", "es", "it", "nl", "pt"])
def test_the_draft_is_a_map(language: str, tmp_path: Path) -> None:
    store = open_world("sqlite", worlds.ALL[language], "", tmp_path)
    file = tmp_path / "shop.yml"
    file.write_text(draft(discover(store, year=2026), "shop", {"contact": "contact"}), "utf-8")
    made, problems = load.read({"shop": file})
    problems += checking.check(made, set(SHIPPED.categories), {"contact"})
    problems += checking.compare(made.systems["shop"], store.datasets())
    assert problems == []
    names = {name for name, _, _ in worlds.ALL[language]}
    assert set(made.systems["shop"].datasets) == names


def test_a_draft_of_odd_names_is_still_yaml(tmp_path: Path) -> None:
    odd = 'CREATE TABLE "on: # x" ("null" integer primary key, "a ""b"", {c}" text, "no" text)'
    store = open_world("sqlite", worlds.POLISH, "", tmp_path, odd)
    file = tmp_path / "shop.yml"
    file.write_text(draft(discover(store, year=2026), "shop", {"contact": "contact"}), "utf-8")
    made, problems = load.read({"shop": file})
    assert problems == []
    assert set(made.systems["shop"].datasets["on: # x"].fields) == {"null", 'a "b", {c}', "no"}
