"""`kept account` and the first officer of `kept new`; every command tried in every role."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from tests.app.conftest import Kept

from kept.app.cli import make
from kept.app.surface import COMMANDS
from kept.model.surface import Surface
from kept.records.actor import ROLES

#: What an option has to be given so that a command comes as far as asking for the role.
VALUES = {
    "--identity": "email=ana@example.org", "--until": "2090-01-01", "--evidence": "seen",
    "--at": "example.customer.name", "--value": "x", "--to": "email=ben@example.org",
    "--of": "email=ben@example.org", "--told": "by letter", "--from": "email=ben@example.org",
    "--arrived": "2026-01-31", "--notice-sent": "2026-01-31", "--reason": "not-identified",
    "--on": "2026-01-31",
}  # fmt: skip


def _flat(hint: object) -> list[object]:
    """What a type is made of: the choices of a list of choices too."""
    return [leaf for part in get_args(hint) for leaf in (_flat(part) or [part])]


def line(surface: Surface) -> list[str]:
    """The shortest command line of a command."""
    app = make()
    words = surface.name.split()
    for word in words:
        app = app[word]
    for argument in app.assemble_argument_collection():
        named = argument.name.startswith("--")
        if argument.required:
            choices = [c for c in _flat(argument.hint) if isinstance(c, str)]
            value = choices[0] if choices else VALUES.get(argument.name, "x")
            words += [argument.name, value] if named else [value]
        elif argument.name in VALUES and argument.name not in ("--until", "--reason"):
            words += [argument.name, VALUES[argument.name]]
    return words


GUARDED = [s for s in COMMANDS if s.roles]


@pytest.mark.parametrize("surface", GUARDED, ids=lambda s: s.name.replace(" ", "-"))
def test_every_command_refuses_every_role_that_the_table_does_not_name(
    surface: Surface, kept: Kept, tmp_path: Path
) -> None:
    """Before anything is opened: there is no deployment there at all."""
    words = line(surface)
    assert ROLES.keys() - surface.roles
    for role in [*ROLES, "king"]:
        ran = kept(*words, "--role", role, "--dir", tmp_path / "nowhere")
        refused = "may not use `" in ran.err or "there is no such role" in ran.err
        assert refused == (role not in surface.roles), (role, ran.said)
        assert ran.status in (1, 2)


def test_the_life_of_an_account(kept: Kept, place: Path) -> None:
    where = ("--json", "--dir", place)
    (officer,) = kept("account", "list", *where).document["accounts"]
    assert (officer["name"], officer["roles"]) == ("officer", ["privacy-officer"])
    assert officer["state"] == "first password"
    ran = kept("account", "add", "ana", "--role", "intake", "--role", "redactor", *where)
    assert ran.status == 0, ran.said
    made = ran.document
    assert re.fullmatch("(?:[a-z0-9]{5}-){3}[a-z0-9]{5}", made["password"])
    assert made["roles"] == ["intake", "redactor"]
    assert kept("account", "add", "ana", *where).status == 2
    for bad in ("A B", "-", "", "ä", "x" * 65, "a\nb"):
        assert kept("account", "add", bad, *where).status == 2
    assert kept("account", "grant", "ana", "--role", "king", "--why", "x", *where).status == 2
    assert kept("account", "grant", "ana", "--role", "approver", "--why", "x", *where).status == 1
    assert kept("account", "grant", "ana", "--role", "support", "--why", "-", *where).status == 2
    assert kept("account", "grant", "ana", "--role", "support", "--why", "x", *where).status == 0
    assert kept("account", "revoke", "ana", "--role", "redactor", "--why", "x", *where).status == 0
    assert kept("account", "revoke", "ana", "--role", "redactor", "--why", "x", *where).status == 2
    assert kept("account", "disable", "ana", "--why", "x", *where).status == 0
    ana = kept("account", "list", *where).document["accounts"][0]
    assert (ana["state"], ana["roles"]) == ("disabled", ["intake", "support"])
    assert kept("account", "enable", "ana", "--why", "x", *where).status == 0
    anew = kept("account", "reset", "ana", "--why", "forgot", *where).document["password"]
    assert anew != made["password"]
    assert kept("account", "reset", "bo", "--why", "x", *where).status == 2
    assert kept("account", "disable", "officer", "--why", "x", *where).status == 1
    words = kept("account", "list", "--dir", place).out
    assert re.search(r"ana +intake, support +first password +never", words)
    # The ledger knows them by an id that says nothing, and no word that was said.
    entries = [e for e in _ledger(kept, place) if e["kind"].startswith("account.")]
    assert len(entries) >= 9
    said = json.dumps(entries)
    for secret in ("ana", "forgot", made["password"], anew, 'officer"'):
        assert secret not in said.replace("privacy-officer", ""), secret
    assert {e["body"]["account"] for e in entries} == {officer["id"], ana["id"]}


def _ledger(kept: Kept, place: Path) -> list[dict[str, object]]:
    from kept import deployment
    from kept.controller import Controller

    with Controller.open(deployment.read(place)) as controller:
        return [{"kind": e.kind, "body": dict(e.body)} for _, e in controller.ledger.entries()]


def test_new_leaves_an_officer_whose_password_is_shown_once(kept: Kept, tmp_path: Path) -> None:
    ran = kept("new", tmp_path / "d", "--officer", "mia", "--json")
    officer = ran.document["officer"]
    assert officer["name"] == "mia"
    for file in (tmp_path / "d").rglob("*"):
        if file.is_file():
            assert officer["password"].encode() not in file.read_bytes(), file
    left = tmp_path / "d" / "keys" / "first-officer.json"
    assert left.stat().st_mode & 0o077 == 0
    assert left.parent.stat().st_mode & 0o077 == 0
    ran = kept("new", tmp_path / "e")
    assert re.search(r"name +officer\n +password +(?:[a-z0-9]{5}-){3}[a-z0-9]{5}\n", ran.out)
    assert kept("new", tmp_path / "f", "--officer", "M M").status == 2
    assert not (tmp_path / "f").exists()


def test_link_and_unlink_need_a_provider(kept: Kept, place: Path) -> None:
    kept("account", "add", "ana", "--dir", place)
    words = ("account", "link", "ana", "--word", "77", "--why", "seen", "--dir", place)
    assert "no other place to log in is set up" in kept(*words).said
    with (place / "kept.toml").open("a", encoding="utf-8") as file:
        file.write('\n[login.oidc]\nissuer = "https://login.example"\nclient = "kept"\n')
    assert kept(*words).status == 0, "nothing is asked of the provider for it"
    assert kept(*words).status == 2
    assert kept("account", "unlink", "ana", "--why", "left", "--dir", place).status == 0
    assert kept("account", "unlink", "ana", "--why", "left", "--dir", place).status == 2
