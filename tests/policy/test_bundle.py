"""Reading a bundle, its values, and choices made by a deployment."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import time
from pathlib import Path

import pytest
import yaml
from tests.policy.conftest import CONTROLS, Write, line_of
from tests.world import edit, make

from kept import deployment
from kept.errors import BundleError
from kept.policy import bundle as reading
from kept.policy import clauses, versions, yamlfile
from kept.policy.shapes import Anchor, LawHold


def test_values(write: Write) -> None:
    bundle = reading.load(write())
    assert bundle.version == dt.date(2024, 3, 1)
    assert bundle.organisation.country == "NO"  # Norway, not a boolean of YAML 1.1
    assert bundle.organisation.post == ("Example Ltd", "1 High Street")
    assert bundle.choices["statistics.least-group"].value == 10
    assert [section.id for section in bundle.sections] == ["SCOPE", "USE", "KEEP"]
    assert [unit.kind for unit in bundle.sections[1].units] == [
        "section", "sentence", "sentence", "bullet", "bullet", "heading", "sentence",
    ]  # fmt: skip
    object_ = bundle.units[-4]
    assert (object_.text, object_.clauses, object_.line) == ("You can object.", ("USE-3",), 15)
    assert bundle.clauses["KEEP-2"].line == line_of("clauses.yml", "KEEP-2")
    assert bundle.clauses["USE-3"].document is not None
    assert bundle.vocabulary.within("purposes", "support.chat", "support")
    assert bundle.activities["answer"].bases["default"] == "legitimate-interest"
    assert bundle.retention["invoices"].law == LawHold(
        "Bookkeeping Act s. 13", "Books are kept for five years.", "P5Y"
    )
    assert bundle.retention["messages"].keep is None
    assert bundle.links["lost"].url is None
    assert bundle.forms["contact"].fields["message"].why == "to answer"


@pytest.mark.parametrize("place", ["me:secret@", "me@", ":secret@", "example.com\\\\@"])
def test_an_address_holds_no_password(write: Write, place: str) -> None:
    with pytest.raises(BundleError, match="without user:password@"):
        reading.load(write(("links.yml", "https://example.com", f"https://{place}example.com")))


def test_an_at_behind_the_name_of_a_host_is_a_letter_like_others(write: Write) -> None:
    bundle = reading.load(write(("links.yml", "https://example.com/guide", "https://a.example/@b")))
    assert bundle.links["guide"].url == "https://a.example/@b"


def test_paragraphs(write: Write) -> None:
    units = reading.load(write()).sections[1].units
    assert units[1].paragraph == units[2].paragraph == units[3].paragraph
    assert len({units[0].paragraph, units[1].paragraph, units[5].paragraph}) == 3


def test_anchors_carry_their_own_lines(write: Write) -> None:
    digest = "a" * 64
    source = f"""\
  status: checked
  source:
    - {{ref: L1.1, sha256: {digest}}}
    - {{ref: L1.2, sha256: {digest}}}
"""
    root = write(("clauses.yml", "  status: checked\n", source))
    line = line_of("clauses.yml", "  status: checked") + 2
    assert reading.load(root).clauses["USE-1"].sources == (
        Anchor("L1.1", digest, line),
        Anchor("L1.2", digest, line + 1),
    )


def test_a_bundle_cannot_be_changed(write: Write) -> None:
    bundle = reading.load(write())
    with pytest.raises(dataclasses.FrozenInstanceError):
        bundle.id = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        bundle.clauses["USE-1"] = bundle.clauses["USE-2"]  # type: ignore[index]
    with pytest.raises(TypeError):
        bundle.activities["answer"].bases["UK"] = "consent"  # type: ignore[index]


def test_choices_fill_what_names_them(write: Write) -> None:
    draft = reading.load(write())
    assert draft.waiting == {"KEEP-2": ("retention.messages",)}
    assert draft.status("KEEP-2") == "open"
    chosen = draft.with_choices({"retention.messages": "P18M"})
    assert chosen.retention["messages"].keep == "P18M"
    assert chosen.waiting == {}
    assert draft.retention["messages"].keep is None
    # What the bundle has decided may be said again, not otherwise.
    assert draft.with_choices({"statistics.least-group": 10}).rules_digest == draft.rules_digest
    with pytest.raises(BundleError, match="made by the bundle itself") as error:
        draft.with_choices({"statistics.least-group": 1})
    assert error.value.where == f"policy.yml:{line_of('policy.yml', '  statistics')}"


@pytest.mark.parametrize("value", ["two years", "P1Y6M", 24, True, "P0D"])
def test_a_choice_of_a_period_must_be_one(write: Write, value: object) -> None:
    with pytest.raises(BundleError, match="is no period") as error:
        reading.load(write()).with_choices({"retention.messages": value})
    assert "P24M" in (error.value.fix or "")


def test_a_choice_that_is_not_asked_for(write: Write) -> None:
    with pytest.raises(BundleError, match="leaves no choice named") as error:
        reading.load(write()).with_choices({"retention.mesages": "P1Y"})
    assert error.value.fix == "write retention.messages"


def test_a_law_may_wait_for_a_choice(write: Write) -> None:
    root = write(("retention.yml", "keep: P5Y", "keep: {choice: retention.messages}"))
    draft = reading.load(root)
    assert draft.retention["invoices"].law == LawHold(
        "Bookkeeping Act s. 13", "Books are kept for five years.", None, "retention.messages"
    )
    law = draft.with_choices({"retention.messages": "P7Y"}).retention["invoices"].law
    assert law is not None
    assert law.keep == "P7Y"


def test_a_clause_under_an_open_choice_is_open(write: Write) -> None:
    root = write(("policy.yml", "clauses: [KEEP-2]", "clauses: [KEEP-2, KEEP-1]"))
    bundle, problems = clauses.check_directory(root, CONTROLS)
    assert bundle is not None
    assert problems == []
    assert bundle.clauses["KEEP-1"].status == "checked"
    assert bundle.status("KEEP-1") == "open"
    assert clauses.summary(bundle, problems)["open"] == ["KEEP-1", "KEEP-2"]


def test_digests_do_not_depend_on_how_the_files_are_written(write: Write) -> None:
    plain = reading.load(write())
    root = write(name="again")
    for path in root.glob("*.yml"):
        loaded = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
        restored = json.dumps(loaded, indent=1)
        for word in ("null", "true", "false", "1", "10", "16"):
            restored = restored.replace(f'"{word}"', word)
        path.write_text(restored)
    again = reading.load(root)
    assert again.text_digest == plain.text_digest
    assert again.rules_digest == plain.rules_digest


def test_without_the_c_parser_it_reads_the_same(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write()
    quick, _ = reading.read(root)
    monkeypatch.setattr(yamlfile, "_Loader", yaml.SafeLoader)
    slow, _ = reading.read(root)
    assert slow is not None
    assert quick is not None
    assert (slow.text_digest, slow.rules_digest) == (quick.text_digest, quick.rules_digest)
    assert slow.clauses == quick.clauses


def test_what_has_not_changed_is_not_read_again(write: Write) -> None:
    root = write()
    first = reading.load(root)
    assert reading.load(root) is first
    (root / "text.md").write_bytes((root / "text.md").read_bytes().replace(b"You can", b"You may"))
    second = reading.load(root)
    assert second.text_digest != first.text_digest
    (root / "stray.yml").write_text("")
    with pytest.raises(BundleError, match="no part of a bundle"):
        reading.load(root)
    (root / "stray.yml").unlink()
    assert reading.load(root) is second
    (root / "links.yml").unlink()
    with contextlib.suppress(BundleError):
        assert reading.load(root).links == {}


def test_differences(write: Write) -> None:
    old = reading.load(write())
    new = reading.load(
        write(
            ("text.md", "You can object.", "You may object."),
            ("text.md", "- You can read {link:guide}. {#USE-2}\n", ""),
            ("retention.yml", "keep: P1Y", "keep: P2Y"),
            ("policy.yml", "value: null", "value: P1Y"),
            ("recipients.yml", "country: US", "country: null"),
            ("policy.yml", "version: 2024-03-01", "version: 2024-04-01"),
            name="new",
        )
    )
    found = {(d.of, d.what): (d.before, d.after) for d in versions.differences(old, new)}
    assert found == {
        ("text", "SCOPE"): (
            "This policy is in force since 1 March 2024.",
            "This policy is in force since 1 April 2024.",
        ),
        ("text", "USE"): ("You can object.", "You may object."),  # the later of two in USE
        ("rules", "version"): ("2024-03-01", "2024-04-01"),
        ("rules", "choices.retention.messages"): ("not decided", "P1Y"),
        ("rules", "retention.invoices.keep"): ("P1Y", "P2Y"),
        ("rules", "retention.messages.keep"): ("not decided", "P1Y"),
        ("rules", "recipients.helpdesk.country"): ("US", "not decided"),
    }
    gone = [d for d in versions.differences(old, new) if d.after is None]
    assert [d.before for d in gone] == ["You can read our guide."]
    assert versions.differences(old, old) == ()


def test_what_is_new_and_what_is_gone(write: Write) -> None:
    old = reading.load(write())
    new = reading.load(
        write(("links.yml", 'guide: {url: "https://example.com/guide", ', "help: {url: null, "),
              ("links.yml", "clause: USE-2}", "clause: USE-2, note: moved}"),
              ("text.md", "{link:guide}", "{link:help}"), name="new")
    )  # fmt: skip
    found = {d.what: (d.before, d.after) for d in versions.differences(old, new)}
    assert found["links.guide"][1] is None
    assert found["links.help"][0] is None
    assert "url: not decided" in (found["links.help"][1] or "")


def test_a_large_bundle_is_read_and_checked_in_a_second(write: Write) -> None:
    """Ten times the reference: 1,900 clauses with an anchor each, on one slow core."""
    root = write()
    rows, text = [], []
    for n in range(1, 1901):
        rows.append(
            f"BIG-{n}: {{mode: must, kind: use, status: open, notes: later, "
            f"source: [{{ref: L{n}.1, sha256: {'b' * 64}}}]}}"
        )
        text.append(f"We do the thing of number {n} and nothing else. {{#BIG-{n}}}")
    with (root / "clauses.yml").open("a") as file:
        file.write("\n".join(rows))
    with (root / "text.md").open("a") as file:
        file.write("\n".join(text))
    before = time.process_time()
    bundle, problems = clauses.check_directory(root, CONTROLS)
    took = time.process_time() - before
    assert bundle is not None
    assert problems == []
    assert len(bundle.clauses) == 1907
    assert took < 2  # about 0.25 s here; what must not come is something quadratic


def test_what_deployments_fill_in_is_worked_out_once_and_again_where_it_differs(
    tmp_path: Path,
) -> None:
    def made(name: str, was: str = "", now: str = "") -> reading.Bundle:
        place = make(tmp_path / name, "embedded")
        edit(place / "kept.toml", was, now)
        return deployment.read(place).read_bundle()

    first = made("first")
    assert made("same") is first
    partner = (
        '[recipients.partner-x]\ntitle = "X"\nlane = "partner-prepackaged"\n'
        'policy = "https://x.example/privacy"\nrecorded = false\n'
    )
    choice = made("choice", '"P10Y"', '"P11Y"')
    named = made("partner", "[recipients.provider]", f"{partner}[recipients.provider]")
    link = made(
        "link", "[choices]", '[links.addresses]\ngoogle-data-use = "https://x.example/"\n[choices]'
    )
    digests = {bundle.rules_digest for bundle in (first, choice, named, link)}
    assert len(digests) == 4
    edit(tmp_path / "same" / "policy" / "links.yml", "\n", "\n\n")
    assert deployment.read(tmp_path / "same").read_bundle() is not first
