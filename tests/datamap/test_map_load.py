"""The map from YAML: what it says, and every way of writing it wrong."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from kept.datamap.check import realised
from kept.datamap.load import check, compare, load, read
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner, Stays, System
from kept.datamap.overwrite import assignment, standing, stuck, written
from kept.errors import MapError
from kept.model.change import Const, Template
from kept.model.plan import Mode

MUSIC = Path(__file__).with_name("music.yml")
CATEGORIES = {
    "contact.name", "contact.email", "contact.phone", "contact.address", "transaction.paid",
    "identifier.account",
}  # fmt: skip
CLASSES = {"staff", "account", "invoices"}


def music() -> System:
    return load({"shop": MUSIC}).systems["shop"]


def problems(tmp_path: Path, text: str, **others: str) -> list[str]:
    """`line: what. Fix` of all problems of a map."""
    files = {}
    for name, words in {"shop": text, **others}.items():
        files[name] = tmp_path / f"{name}.yml"
        files[name].write_text(words)
    _, found = read(files)
    return [str(p).replace(f"{tmp_path}/", "") for p in found]


def small(dataset: str, head: str = "system: shop\ndatasets:\n") -> str:
    return head + "  people:\n    key: [id]\n" + dataset


def test_a_map_says_what_is_written() -> None:
    datamap = load({"shop": MUSIC}, {"shop": Mode.ACT}, {"shop": "postgresql"})
    shop = datamap.systems["shop"]
    assert (shop.mode, shop.store, shop.country) == (Mode.ACT, "postgresql", "NO")
    customer = shop.datasets["customer"]
    assert customer.key == ("customer_id",)
    assert customer.line == 20
    assert customer.fields["email"] == Field(
        "email", "text", "contact.email", "email", True, False, False,
        "erased-{customer_id}@erased.invalid",
    )  # fmt: skip
    assert not customer.fields["phone"].folded
    assert customer.fields["country"] == Field("country")
    assert customer.links == (
        Link(("support_rep_id",), "employee", ("employee_id",), Owner.ACCESSED),
    )
    # `on` is the key of the other end unless it is said; `on:` is a word and no boolean.
    assert shop.datasets["invoice_line"].links[0].on == ("invoice_id",)
    assert shop.datasets["track"].on_erase is OnErase.NEVER
    assert shop.datasets["invoice"].activities == ("billing",)
    assert len(datamap.digest) == 64


def test_without_modes_a_system_observes_and_has_no_store() -> None:
    shop = music()
    assert (shop.mode, shop.store) == (Mode.OBSERVE, None)


def test_the_digest_follows_the_letters(tmp_path: Path) -> None:
    copy = tmp_path / "shop.yml"
    copy.write_bytes(MUSIC.read_bytes())
    assert load({"shop": copy}).digest == load({"shop": MUSIC}).digest
    copy.write_bytes(MUSIC.read_bytes() + b"# more\n")
    assert load({"shop": copy}).digest != load({"shop": MUSIC}).digest


ID = "    fields: {id: integer}\n    "
SHARED = """    shared: {word}
    fields:
      id: integer
      x: integer
      y: integer
      {field}
    links:
      - {{fields: [x], to: who, kind: shared}}
      - {{fields: [y], to: who, kind: shared}}
  who:
    key: [id]
    fields: {{id: integer}}
"""


@pytest.mark.parametrize(
    ("body", "place", "what", "fix"),
    [
        (ID + "colour: red\n", 6, "unknown key `colour`", "write one of"),
        (ID + "retension: a\n", 6, "unknown key", "write `retention`"),
        (ID + "key: [id]\n", 6, "second time", "first is in line 4"),
        ("    fields: {id: integer, id: text}\n", 5, "second time", "keep one"),
        ("    fields: {name: text}\n", 4, "no field `id`, as `key` says", "write one of: name"),
        (ID + "clock: made\n", 6, "no field `made`", "write one of: id"),
        ("    title: x\n", 4, "`fields` is missing", "add `fields:`"),
        ("    fields: {id: int}\n", 5, "`type: int` is not known", "integer"),
        (ID + "erase: maybe\n", 6, "`erase: maybe`", "overwrite"),
        (ID + "clock: [a]\n", 6, "`clock` is no text", "one value"),
        (ID + "activities: a\n", 6, "is no list", "[one, two]"),
        ("    fields: []\n", 5, "no mapping", "key: value"),
        ("    fields: {id: {nullable: yes}}\n", 5, "neither true nor false", "write true"),
        ("    fields: {id: integer, e: {identifies: email}}\n", 5, "has no category", "category"),
        ("    fields: {id: integer, e: {free_text: true}}\n", 5, "has no category", "category"),
        (
            "    fields: {id: integer, e: {category: contact.email, identifies: mail}}\n",
            5, "`identifies: mail` is not known", "email",
        ),
        (
            "    fields: {id: integer, e: {category: contact.email}}\n    erase: never\n",
            6, "nothing is exempt from erasure", "retention class",
        ),
        (
            "    fields: {id: integer, p: integer}\n    erase: never\n"
            "    links: [{fields: [p], to: a, kind: owned-by}]\n",
            6, "a link says whose its rows are", "remove `erase: never`",
        ),
        (
            "    fields: {id: {type: integer, overwrite: '0'}}\n",
            5, "names the row and cannot be written over", "remove",
        ),
        (
            "    fields: {id: integer, e: {overwrite: 'x-{f}'}}\n",
            5, "names no whole field", "write one of: e, id",
        ),
        (
            "    fields: {id: integer, e: {overwrite: 'x-{id!r}'}}\n",
            5, "names no whole field", "write `id`",
        ),
        (
            "    fields: {id: integer, e: {overwrite: '{f}'}, f: {category: contact.name}}\n",
            5, "would keep `f`", "use only the key: id",
        ),
        ("    fields: {id: integer, e: {overwrite: 'x{'}}\n", 5, "a brace too many", "{{"),
        (
            "    fields: {id: integer, e: {type: date, overwrite: 'never'}}\n",
            5, "cannot hold", "a value of type date",
        ),
        (
            "    fields: {id: integer, e: {type: integer, overwrite: '{id}'}}\n",
            5, "cannot hold", "a value of type integer",
        ),
        (ID + "links: {to: x}\n", 6, "`links` is no list", "dash"),
        (ID + "links: [{to: people}]\n", 6, "`fields` is missing", ""),
        (
            ID + "links: [{fields: [id], to: people}]\n",
            6, "`kind` is missing", "add `kind:`",
        ),
        (
            ID + "links: [{fields: [id], to: people, kind: ours}]\n",
            6, "`kind: ours` is not known", "owned-by, accessed-by, shared",
        ),
        (
            ID + "links: [{fields: [if], to: people, kind: accessed-by}]\n",
            6, "field `if` is not mapped", "write one of: id",
        ),
        (
            ID + "links:\n      - {fields: [id], to: peple, kind: accessed-by}\n",
            7, "maps no dataset `peple`", "write `people`",
        ),
        (
            ID + "links: [{fields: [id], to: people, on: [x], kind: accessed-by}]\n",
            6, "`people` has no field `x`", "write one of: id",
        ),
        (
            ID.replace("}", ", p: text}") + "links: [{fields: [id, p], to: people, kind: shared}]",
            6, "pairs 2 fields with 1", "as many",
        ),
        (
            ID + "links: [{fields: [id], to: x, system: there, kind: accessed-by}]\n",
            6, "no system `there`", "write one of: shop",
        ),
        (
            ID + "links: [{fields: [id], to: people, kind: shared}]\n",
            6, "none may go because one person asks", "erase: overwrite",
        ),
        (
            ID + "erase: overwrite\n    shared: delete\n"
            "    links: [{fields: [id], to: people, kind: shared}]\n",
            7, "say two things", "remove `erase:`",
        ),
        (ID + "shared: one-side\n", 6, "no link is shared", "kind: shared"),
        (
            SHARED.format(word="both", field="b: integer"),
            5, "`shared: both` is not known", "one-side",
        ),
        (
            SHARED.format(word="one-side", field="b: {category: free-text, side: c}"),
            10, "`side: c` of `b` is no field of one", "name one of them: x, y",
        ),
        (
            SHARED.format(word="last-owner", field="b: {category: free-text, side: x}"),
            10, "would take from a row that stays", "shared: one-side",
        ),
        (
            SHARED.format(word="one-side", field="b: {category: contact.email, identifies: email}"),
            10, "nothing says on which side", "write `side:`",
        ),
        (
            SHARED.format(word="one-side", field="b: integer").replace("[y]", "[id]"),
            5, "the side `id` cannot be emptied", "last-owner",
        ),
    ],
)  # fmt: skip
def test_what_is_written_wrong_is_found_with_its_line(
    tmp_path: Path, body: str, place: int, what: str, fix: str
) -> None:
    found = problems(tmp_path, small(body))
    assert any(
        p.startswith(f"shop.yml:{place}:") and what in p and fix.lower() in p.lower() for p in found
    ), found  # fmt: skip


def test_load_raises_the_first_and_names_them_all(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_text(small("    fields: {id: int}\n    colour: red\n"))
    with pytest.raises(MapError) as met:
        load({"shop": path})
    assert str(met.value).startswith(f"{path}:5: `type: int` is not known")
    assert "shop.yml:6: people: unknown key `colour`" in str(met.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the map is empty"),
        ("system: shop\n", "`datasets` is missing"),
        ("system: other\ndatasets: {a: {key: [i], fields: {i: text}}}\n", "the map of `other`"),
        ("system: shop\ndatasets: {}\n", "datasets: empty"),
        ("system: shop\n  datasets: x\n", "this is not YAML"),
        ("- a\n", "no mapping"),
        ("system: shop\ndatasets: {[a]: {}}\n", "a key that is no word"),
        ("a: \x00", "this is not YAML"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, what: str) -> None:
    assert any(what in p for p in problems(tmp_path, text))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "shop.yml"
    path.write_bytes(b"system: shop\ntitle: \xff\n")
    with pytest.raises(MapError, match=r"shop\.yml:2: this is not UTF-8"):
        load({"shop": path})
    with pytest.raises(MapError, match="cannot be read"):
        load({"shop": tmp_path / "absent.yml"})


def test_rows_that_own_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    text = """system: shop
datasets:
  a: {key: [i], fields: {i: text, x: text}, links: [{fields: [x], to: b, kind: owned-by}]}
  b: {key: [i], fields: {i: text, x: text}, links: [{fields: [x], to: c, kind: owned-by}]}
  c: {key: [i], fields: {i: text, x: text}, links: [{fields: [x], to: a, kind: owned-by}]}
  d: {key: [i], fields: {i: text, x: text}, links: [{fields: [x], to: d, kind: owned-by}]}
  e: {key: [i], fields: {i: text, x: text}, links: [{fields: [x], to: a, kind: owned-by}]}
"""
    (found,) = problems(tmp_path, text)
    assert found.startswith("shop.yml:3: rows own each other in a circle: a → b → c → a")
    assert (
        problems(tmp_path, text.replace("to: a, kind: owned-by", "to: a, kind: accessed-by")) == []
    )


ACCOUNT = "{type: integer, category: identifier.account, identifies: account}"


def test_account_numbers_of_unrelated_series_are_refused(tmp_path: Path) -> None:
    text = f"""system: shop
datasets:
  customer: {{key: [id], fields: {{id: {ACCOUNT}}}}}
  employee: {{key: [id], fields: {{id: {ACCOUNT}}}}}
"""
    (found,) = problems(tmp_path, text)
    assert found.startswith("shop.yml:4: employee: `id` identifies an account, and so does `id`")
    other = f"""system: desk
datasets:
  ticket:
    key: [t]
    fields: {{t: integer, who: {ACCOUNT}}}
    links: [{{fields: [who], to: customer, system: shop, kind: owned-by}}]
"""
    text = text.rsplit("\n", 2)[0] + "\n"
    assert problems(tmp_path, text, desk=other) == []


def test_words_that_the_bundle_does_not_have_are_found() -> None:
    datamap = load({"shop": MUSIC})
    assert check(datamap, CATEGORIES, CLASSES, {"billing"}, {"invoices"}) == []
    found = [str(p) for p in check(datamap, CATEGORIES - {"contact.phone"}, {"account"}, set())]
    assert any("the category `contact.phone` of `phone`" in p for p in found)
    assert any("`invoices` is not in retention.yml" in p for p in found)
    assert any("activity `billing`" in p for p in found)
    assert all(":" in p for p in found)


def test_personal_data_without_a_class_would_stay_for_ever() -> None:
    shop = music()
    customer = replace(shop.datasets["customer"], retention=None)
    line = replace(shop.datasets["invoice_line"], links=())
    changed = replace(shop, datasets={**shop.datasets, "customer": customer, "invoice_line": line})
    datamap = replace(load({"shop": MUSIC}), systems={"shop": changed})
    found = [p.what for p in check(datamap, CATEGORIES, CLASSES, None, {"invoices"})]
    assert found == [
        "customer: personal data without a retention class",
        "invoice_line: a law keeps `invoices`, but no date says since when",
    ]


def real() -> list[Dataset]:
    """What an engine would say is there, where it agrees with the map."""
    return [
        replace(d, links=tuple(li for li in d.links), fields=dict(d.fields), line=0)
        for d in music().datasets.values()
    ]


def test_a_map_that_agrees_with_what_is_there_has_no_problems() -> None:
    assert compare(music(), real()) == []


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("invoice", {"key": ()}, "nothing promises that `invoice_id` names one row"),
        ("invoice", {"key": ("a", "b")}, "`invoice_id` may name several rows"),
        ("customer", {"links": (Link(("country",), "employee", ("email",)),)}, "has no link"),
    ],
)
def test_keys_and_foreign_keys_are_held_against_the_map(
    name: str, change: dict[str, object], what: str
) -> None:
    there = [replace(d, **change) if d.name == name else d for d in real()]  # type: ignore[arg-type]
    (found,) = compare(music(), there)
    assert what in found.what


def test_columns_and_tables_on_one_side_only_are_found() -> None:
    there = [d for d in real() if d.name != "track"]
    customer = next(d for d in there if d.name == "customer")
    fields = {n: f for n, f in customer.fields.items() if n != "phone"}
    fields |= {"birthday": Field("birthday", "date")}
    there[there.index(customer)] = replace(customer, fields=fields)
    found = [p.what for p in compare(music(), [*there, Dataset("audit", ("id",), {})])]
    assert found == [
        "customer: the field `phone` is mapped, but not there",
        "customer: the field `birthday` is there, but no map names it",
        "`track` is mapped, but `shop` has no such dataset",
        "`audit` is there, but no map names it",
    ]


def test_a_key_of_another_type_would_compare_nothing() -> None:
    there = real()
    invoice = next(d for d in there if d.name == "invoice")
    fields = {**invoice.fields, "customer_id": Field("customer_id", "text")}
    there[there.index(invoice)] = replace(invoice, fields=fields)
    (found,) = compare(music(), there)
    assert "`customer_id` is mapped as integer, but it is text" in found.what


def test_a_field_that_may_have_to_be_emptied_but_may_not_be_null_is_found() -> None:
    there = real()
    customer = next(d for d in there if d.name == "customer")
    fields = {**customer.fields, "phone": Field("phone", nullable=False)}
    there[there.index(customer)] = replace(customer, fields=fields)
    (found,) = compare(music(), there)
    assert "`phone` may not be null" in found.what
    assert "`customer.phone`" in found.fix
    shop = realised(music(), there)
    assert stuck(shop, shop.datasets["customer"])[0][0] == "not-null"
    assert not stuck(music(), music().datasets["customer"])


def test_so_is_one_of_rows_that_are_to_be_sealed_away() -> None:
    datasets = {n: d for n, d in music().datasets.items() if n != "invoice_line"}
    invoice = datasets["invoice"]
    fields = {**invoice.fields, "city": Field("city", category="contact.address", nullable=False)}

    def found(stays: Stays) -> list[str]:
        mapped = replace(invoice, fields=fields, stays=stays)
        there = [d for d in real() if d.name in datasets and d.name != "invoice"]
        system = replace(music(), datasets={**datasets, "invoice": mapped})
        return [p.what for p in compare(system, [*there, mapped])]

    (sealed,) = found(Stays.ISOLATED)
    assert "`city` may not be null" in sealed
    assert not found(Stays.IN_PLACE)


def test_what_a_law_keeps_of_a_child_may_have_to_be_emptied_too() -> None:
    """Nothing refers to a line of an invoice; of a child it is sealed away and emptied."""
    there, shop = real(), music()
    line = shop.datasets["invoice_line"]
    assert line.retention is not None
    fields = {**line.fields, "note": Field("note", category="free-text", nullable=False)}
    shop = replace(shop, datasets={**shop.datasets, "invoice_line": replace(line, fields=fields)})
    met = next(d for d in there if d.name == "invoice_line")
    there[there.index(met)] = replace(
        met, fields={**met.fields, "note": Field("note", nullable=False)}
    )
    assert compare(shop, there) == []
    (found,) = compare(shop, there, {line.retention})
    assert "`note` may not be null" in found.what


def test_overwriting_leaves_only_numbers() -> None:
    shop = music()
    assert written(shop, shop.datasets["customer"]) == {
        "first_name": Const("erased"),
        "last_name": Const("erased"),
        "phone": Const(None),
        "email": Template("erased-{customer_id}@erased.invalid"),
    }
    assert standing(shop, shop.datasets["invoice"]) == {"invoice_id", "customer_id"}
    by_mail = Dataset(
        "letter",
        ("id",),
        {"id": Field("id"), "mail": Field("mail", category="contact.email")},
        (Link(("mail",), "customer", ("email",)),),
    )
    assert written(shop, by_mail) == {"mail": Const(None)}


def test_a_key_that_is_personal_cannot_be_emptied() -> None:
    shop = music()
    by_mail = Dataset("reader", ("mail",), {"mail": Field("mail", category="contact.email")})
    ((kind, what, _),) = stuck(shop, by_mail)
    assert kind == "other"
    assert "names the row and is personal itself" in what


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Field("a", "integer", overwrite="0"), Const(0)),
        (Field("a", "date", overwrite="1900-01-01"), Const(dt.date(1900, 1, 1))),
        (Field("a", "boolean", overwrite="false"), Const(False)),
        (Field("a", overwrite=""), Const("")),
        (Field("a", overwrite="{{x}}"), Const("{x}")),
        (Field("a"), Const(None)),
    ],
)
def test_what_is_written_over_has_the_type_of_the_field(item: Field, expected: Const) -> None:
    assert assignment(item) == expected


@pytest.mark.parametrize(
    ("field", "met"),
    [
        ("integer", "it is integer"),
        ("{category: contact.name}", "it is text with the category `contact.name`"),
        ("date", None),
        ("datetime", None),
        ("text", None),
    ],
)
def test_a_clock_is_a_date(field: str, met: str | None, tmp_path: Path) -> None:
    fields = f"    clock: since\n    fields: {{id: integer, since: {field}}}\n"
    found = problems(tmp_path, small(fields))
    if met is None:
        assert found == []
    else:
        (one,) = found
        assert one.startswith(f"shop.yml:5: people: `since` is no date, as `clock` needs: {met}.")


def test_of_a_map_that_is_no_yaml_nothing_else_is_said(tmp_path: Path) -> None:
    other = (
        "system: other\ndatasets:\n  note:\n    key: [id]\n    fields: {id: integer}\n    links:\n"
        "      - {fields: [id], system: shop, to: people, kind: owned-by}\n"
    )
    (one,) = problems(tmp_path, "system: shop\nfoo: [\n", other=other)
    assert "shop.yml:" in one
    assert "this is not YAML" in one


_COPY = (
    "system: far\ndatasets:\n  people:\n    key: [id]\n    copy_of: {}\n"
    "    fields: {{id: integer}}\n"
)
_HERE = (
    "    fields:\n      id: {type: integer, category: identifier.account, identifies: account}\n"
)


def test_a_copy_is_owned_by_the_rows_that_it_is_a_copy_of(tmp_path: Path) -> None:
    files = {"shop": tmp_path / "shop.yml", "far": tmp_path / "far.yml"}
    files["shop"].write_text(small(_HERE))
    files["far"].write_text(_COPY.format("shop.people"))
    far = load(files).systems["far"].datasets["people"]
    assert far.copy_of == ("shop", "people")
    assert far.links == (Link(("id",), "people", ("id",), Owner.OWNED, "shop"),)


@pytest.mark.parametrize(
    ("of", "what"),
    [
        ("shop.peeple", "far.yml:3: people: a copy of `shop.peeple`, which no map has"),
        ("shop", "far.yml:3: people: a copy of `shop.`, which no map has"),
        ("far.people", "far.yml:3: people: a copy of `far.people`, which is one itself"),
        ("shop.lines", "far.yml:3: people: its key is not that of `shop.lines`, its source"),
    ],
)
def test_a_copy_of_nothing_is_refused(tmp_path: Path, of: str, what: str) -> None:
    lines = "  lines: {key: [a, b], fields: {a: integer, b: integer}}\n"
    (found,) = problems(tmp_path, small(_HERE) + lines, far=_COPY.format(of))
    assert found.startswith(what)
