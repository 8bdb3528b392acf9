"""Names say the same however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.stores.discover import names, tongues, words

word = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8)


@given(st.lists(word, min_size=1, max_size=4))
def test_style_does_not_matter(parts: list[str]) -> None:
    snake = names.words("_".join(parts))
    assert snake == tuple(parts)
    assert names.words("".join(p.capitalize() for p in parts)) == snake
    assert names.words("-".join(parts).upper()) == snake


@given(word)
def test_a_word_is_like_itself_and_its_plural(one: str) -> None:
    assert names.same(one, one)
    if len(one) > 3 and one[-1] not in "sxzyhui":
        assert names.same(one, one + "s")


@pytest.mark.parametrize(
    ("column", "base", "keyed"),
    [
        ("customer_id", ("customer",), True),
        ("CustomerID", ("customer",), True),
        ("fk_kunde", ("kunde",), True),
        ("id_cliente", ("cliente",), True),
        ("kundennr", ("kunden",), True),
        ("userid", ("user",), True),
        ("user_ptr_id", ("user",), True),
        ("created_by", ("created", "by"), False),
        ("quantity", ("quantity",), False),
        ("paid", ("paid",), False),
    ],
)
def test_the_key_part_is_taken_off(column: str, base: tuple[str, ...], keyed: bool) -> None:
    assert names.base(column, ("kunde", "user")) == (base, keyed)


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ("author_id", "own"), ("created_by", "own"), ("approved_by", "handle"),
        ("erstellt_von", "own"), ("cree_par", "own"), ("gemaakt_door", "own"),
        ("approvato_da", "handle"), ("sender_id", "party"), ("empfaenger_id", "party"),
        ("expediteur_id", "party"), ("support_rep_id", "handle"), ("country_id", None),
    ],
)  # fmt: skip
def test_what_a_person_has_to_do_with_the_row(column: str, part: str | None) -> None:
    assert names.part(names.base(column)[0]) == part


@pytest.mark.parametrize(
    ("column", "category"),
    [
        ("FirstName", "contact.name"), ("geburtsdatum", "contact"), ("courriel", "contact.email"),
        ("codigo_postal", "contact.address"), ("cognome", "contact.name"),
        ("telemovel", "contact.phone"), ("achternaam", "contact.name"),
        ("kod_pocztowy", "contact.address"), ("ip_address", "navigation.ip"),
        ("user_agent", "navigation.browser"), ("partita_iva", "identifier"),
        ("numer_konta", "transaction.paid"), ("opmerking", "free-text"),
    ],
)  # fmt: skip
def test_what_columns_are_called(column: str, category: str) -> None:
    assert category in {meaning.category for meaning, _, _ in words.meanings(column)}


@pytest.mark.parametrize(
    "column", ["email_verified", "phone_count", "is_name_public", "address_id", "email_template"]
)
def test_what_is_about_a_thing_is_not_the_thing(column: str) -> None:
    assert {m.category for m, _, _ in words.meanings(column)} <= {"account", "preference"}


def test_every_category_is_a_term_of_the_vocabulary() -> None:
    from kept.terms.vocabulary import SHIPPED

    assert {m.category for m in words.MEANINGS} <= set(SHIPPED.categories)


@pytest.mark.parametrize(
    ("word", "acts"),
    [("approver", True), ("pianist", True), ("cyclist", True), ("playlist", False),
     ("pricelist", False)],
)  # fmt: skip
def test_who_does_something_is_known_by_the_end_of_the_word(word: str, acts: bool) -> None:
    assert names.agent((word,)) is acts


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("khách_hàng_id", ("khachhang", "id")), ("KhachHangID", ("khachhang", "id")),
        ("Πελάτης", ("pelatis",)), ("ΗΜΕΡΟΜΗΝΙΑ_ΓΕΝΝΗΣΗΣ", ("imerominia", "gennisis")),
        ("дата_рождения", ("data", "rozhdeniya")), ("ФАМИЛИЯ", ("familiya",)),
        ("kullanıcıAdı", ("kullanici", "adi")), ("điện_thoại", ("dien", "thoai")),
        ("příjmení", ("prijmeni",)),
    ],
)  # fmt: skip
def test_letters_of_other_scripts_are_read(name: str, read: tuple[str, ...]) -> None:
    assert names.words(name) == read


@pytest.mark.parametrize(
    ("table", "stem"),
    [("kullanicilar", "kullanici"), ("zakaznici", "zakaznik"), ("ugyfelek", "ugyfel"),
     ("angajati", "angajat"), ("asiakkaat", "asiakas"), ("pelates", "pelatis")],
)  # fmt: skip
def test_plurals_of_other_languages(table: str, stem: str) -> None:
    assert names.same(table, stem)
    assert names.person_word(table) in ("person", "staff")
    assert not names.same("controller", "controls")


def test_no_way_to_say_it_has_two_meanings() -> None:
    met: dict[str, set[tuple[str, str | None, bool]]] = {}
    for meaning in words.MEANINGS:
        for way in meaning.ways.split(","):
            glued = "".join(names.words(way))
            assert glued, way
            met.setdefault(glued, set()).add((meaning.category, meaning.detail, meaning.shy))
    assert {way: meant for way, meant in met.items() if len(meant) > 1} == {}
    several = [names.PEOPLE, names.STAFF, names.PERHAPS]
    assert len(frozenset().union(*several)) == sum(map(len, several))
    people = {
        "".join(names.words(w)) for term in tongues.OF_PEOPLE for w in tongues.said(term)
    }  # fmt: skip
    assert people.isdisjoint(met)
    assert (people | set(met)).isdisjoint(names.KEYS)


def test_every_term_of_a_language_is_read_somewhere() -> None:
    terms = {meaning.term for meaning in words.MEANINGS}
    for tongue in tongues.TONGUES.values():
        assert set(tongue) <= {*tongues.OF_PEOPLE, *tongues.OF_DETAILS}
    assert set(tongues.OF_DETAILS) <= terms


@pytest.mark.parametrize("way", ["ad", "ten", "hp", "gsm"])
def test_what_means_something_else_too_is_shy(way: str) -> None:
    assert {m.shy for m, _, _ in words.meanings(way)} == {True}
