"""Maps from files in the format of Fides: what is carried over, and that the rest is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.app.cli import main
from kept.datamap import load
from kept.datamap.fides import Imported, convert
from kept.datamap.fides_words import CATEGORIES, IDENTITIES
from kept.datamap.map import DataMap, Link, OnErase, Owner, Shared
from kept.errors import MapError
from kept.terms.identifiers import KINDS
from kept.terms.vocabulary import SHIPPED

SAMPLE = Path(__file__).parent / "fides.yml"


def imported(tmp_path: Path, made: Imported) -> DataMap:
    files = {}
    for system, text in made.maps.items():
        files[system] = tmp_path / f"{system}.yml"
        files[system].write_text(text, "utf-8")
    return load.load(files)


@pytest.fixture
def made() -> Imported:
    return convert({"fides.yml": SAMPLE.read_text("utf-8")}, "contact")


def test_the_maps_load_as_they_are_meant(made: Imported, tmp_path: Path) -> None:
    crm = imported(tmp_path, made).systems["crm"].datasets
    person = crm["person"]
    assert person.key == ("person_no",)
    assert person.retention == "contact"
    assert {f.name: (f.type, f.category, f.identifies) for f in person.fields.values()} == {
        "person_no": ("integer", "identifier.account", None),
        "mail": ("text", "contact.email", "email"),
        "nick": ("text", "identifier.account", None),
        "call_name": ("text", "contact.name", None),
        "blood_group": ("other", "user.health.condition", None),
        "place_no": ("other", None, None),
        "shoe_size": ("other", None, None),
        "work": ("json", "contact", None),
    }
    assert person.fields["call_name"].overwrite == "gone {{x}}-y"
    assert crm["order"].links == (Link(("buyer",), "person", ("person_no",), Owner.OWNED),)
    assert crm["place"].links == (Link(("no",), "person", ("place_no",), Owner.SHARED),)
    assert crm["place"].on_erase is OnErase.OVERWRITE
    assert crm["article"].on_erase is OnErase.NEVER
    assert crm["no"].fields["mail"].category == "contact.email"
    desk = imported(tmp_path, made).systems["desk"].datasets["ticket"]
    assert desk.links == (Link(("person",), "person", ("person_no",), Owner.OWNED, "crm"),)
    assert desk.fields["words"].category == "free-text"


def test_what_is_not_carried_over_is_named_at_its_line(made: Imported) -> None:
    lines = SAMPLE.read_text("utf-8").splitlines()
    said = [(lines[int(n.where.partition(":")[2]) - 1].strip(), n.what) for n in made.notes]
    for line, what in (
        ("fides_meta: {after: [other]}", "`after` of the dataset"),
        ("fides_meta: {data_type: string, masking_strategy_override: {strategy: hmac}}",
         "masking by `hmac` was not carried over: a hash"),
        ("- name: nick", "several categories"),
        ("- name: blood_group", "`user.health.condition` has no word here"),
        ("- name: person", "`person`: nothing says what `place_no`, `shoe_size` hold"),
        ("references: [{dataset: crm, field: place.no, direction: to}]", "shared: emptied"),
        ("- name: title", "lies inside a document"),
        ("fides_meta: {identity: email}", "`identity` of `person.work.boss`"),
        ("fides_meta: {erase_after: [crm.person]}", "`erase_after`"),
        ("references: [{dataset: crm, field: article.id, direction: to}]", "nothing personal"),
        ('fides_meta: {data_type: "string[]", identity: phone_number}', "lists cannot be searched"),
        ('- name: "no"', "`no` says no primary key; `mail, seen` was written"),
        ("fides_meta: {identity: email}", "names people, so `contact.email` was written"),
        ("fides_meta: {references: [{dataset: elsewhere, field: x.y, direction: from}]}",
         "not among the files"),
        ("references: [{dataset: crm, field: person.person_no}]", "goes both ways"),
        ("fides_meta: {read_only: true}", "`read_only` of `ticket.words`"),
        ("fides_meta: {identity: club_number}", "it is not a kind of identifier here"),
    ):  # fmt: skip
        assert any(line == there and what in text for there, text in said), (line, what, said)


def test_a_collection_whose_rows_go_as_such_goes_with_the_first_who_asks(tmp_path: Path) -> None:
    text = SAMPLE.read_text("utf-8")
    before = "      - name: place\n"
    assert before in text
    rule = "        fides_meta: {masking_strategy_override: {strategy: delete}}\n"
    made = convert({"x.yml": text.replace(before, before + rule)})
    place = imported(tmp_path, made).systems["crm"].datasets["place"]
    assert (place.shared, place.on_erase) == (Shared.DELETE, OnErase.DELETE)
    assert any("shared: deleted with the first" in n.what for n in made.notes)


def test_rows_never_own_each_other_in_a_circle(tmp_path: Path) -> None:
    def collection(name: str, other: str) -> str:
        return (
            f"      - name: {name}\n        fields:\n          - name: id\n"
            "            data_categories: [user.unique_id]\n            fides_meta:\n"
            "              primary_key: true\n"
            f"              references: [{{dataset: d, field: {other}.id, direction: from}}]\n"
        )

    names = ["a", "b", "c"]
    parts = [collection(n, names[i - 1]) for i, n in enumerate(names)]
    text = "dataset:\n  - fides_key: d\n    collections:\n" + "".join(parts)
    made = convert({"x.yml": text})
    datasets = imported(tmp_path, made).systems["d"].datasets
    assert sum(len(d.links) for d in datasets.values()) == 2
    assert any("in a circle" in n.what for n in made.notes)


def test_our_words_are_words() -> None:
    for word in CATEGORIES.values():
        assert word is None or word in SHIPPED.categories
    for kind, category in IDENTITIES.values():
        assert kind in KINDS
        assert category in SHIPPED.categories


_NAMES = st.one_of(
    st.sampled_from(["a", "b", "no", "true", "null", "a b", "ä", "1", "x:y", "{z}", "'", '"', "-"]),
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        _NAMES.filter(str.strip),
        st.dictionaries(
            _NAMES.filter(str.strip),
            st.fixed_dictionaries(
                {},
                optional={
                    "data_categories": st.lists(st.sampled_from([*CATEGORIES, "user", "x"])),
                    "fides_meta": st.fixed_dictionaries(
                        {},
                        optional={
                            "identity": st.sampled_from(["email", "phone_number", "x"]),
                            "primary_key": st.booleans(),
                            "data_type": st.sampled_from(["string", "object", "string[]", "x"]),
                        },
                    ),
                },
            ),
            min_size=1, max_size=4,
        ),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_whatever_the_names_the_map_loads(
    tmp_path_factory: pytest.TempPathFactory, collections: dict[str, dict[str, dict[str, object]]]
) -> None:
    listed = [
        {"name": n, "fields": [{"name": f, **rest} for f, rest in fields.items()]}
        for n, fields in collections.items()
    ]
    text = json.dumps({"dataset": [{"fides_key": "d", "collections": listed}]}, ensure_ascii=False)
    made = convert({"x.json": text})
    datasets = imported(tmp_path_factory.mktemp("m"), made).systems["d"].datasets
    assert set(datasets) == set(collections)
    for name, fields in collections.items():
        assert set(datasets[name].fields) == set(fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "this is not YAML"),
        ("system: shop\n", "describes no dataset"),
        ("dataset: [{name: x}]", "without `fides_key`"),
        ("", "describes no dataset"),
    ],
)
def test_what_is_no_such_file(text: str, words: str) -> None:
    with pytest.raises(MapError) as met:
        convert({"x.yml": text})
    assert words in str(met.value)


def test_the_command_writes_and_leaves_alone_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["map", "import-fides", str(SAMPLE), "--write", str(tmp_path / "datamap"), "--json"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    document = json.loads(capsys.readouterr().out)
    assert (ended.value.code, document["problems"]) == (0, [])
    assert {p.name for p in (tmp_path / "datamap").iterdir()} == {"crm.yml", "desk.yml"}
    (tmp_path / "datamap" / "crm.yml").write_text("mine", "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert (tmp_path / "datamap" / "crm.yml").read_text("utf-8") == "mine"
