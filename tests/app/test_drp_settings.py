"""`[drp]` of kept.toml and the directory of agents: each mistake is named, and the doctor looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.agent import Client
from tests.app.conftest import Kept
from tests.world import NOW

from kept import deployment
from kept.controller import Controller
from kept.errors import ConfigError

SETTINGS = '\n[drp]\non = true\nbusiness = "OUR_HOUSE"\ndirectory = "agents.json"\n'
AGENT = Client("AGENT_ONE", lambda *_: httpx.Response(500), lambda: NOW)


def read(world: Path, entries: Any, settings: str = SETTINGS) -> deployment.Deployment:
    (world / "agents.json").write_text(
        entries if isinstance(entries, str) else json.dumps(entries), "utf-8"
    )
    with (world / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    return deployment.read(world)


def test_it_is_off_unless_it_is_on(world: Path) -> None:
    assert deployment.read(world).drp is None
    assert read(world, "nothing", SETTINGS.replace("true", "false")).drp is None


def test_the_directory_is_read(world: Path) -> None:
    made = read(world, [AGENT.entry("a.example.org", "b.example.org:8443")]).drp
    assert made is not None
    assert made.business == "OUR_HOUSE"
    assert made.verifications == made.sale == ()
    one = made.agents["AGENT_ONE"]
    assert one.key == AGENT.key.public_key().public_bytes_raw()
    assert one.hosts == {"a.example.org", "b.example.org:8443"}


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ("{nothing", "cannot be read"),
        ({}, "no list"),
        (["AGENT_ONE"], "an object"),
        ([AGENT.entry(), AGENT.entry()], "twice"),
        ([AGENT.entry() | {"id": "agent-one"}], "`id` of an agent"),
        ([AGENT.entry() | {"id": 7}], "no `id`"),
        ([AGENT.entry() | {"verify_key": "00" * 32}], "`verify_key`"),
        ([AGENT.entry() | {"verify_key": "AAAA"}], "`verify_key`"),
        ([AGENT.entry("https://a.example.org")], "`callback_hosts`"),
        ([AGENT.entry() | {"callback_hosts": "a.example.org"}], "`callback_hosts`"),
        ([AGENT.entry() | {"callback_host": []}], "unknown"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_directory_is_named(world: Path, entries: Any, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        read(world, entries)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ('[drp]\non = "yes"\n', "true or false"),
        ('[drp]\non = true\ndirectory = "agents.json"\n', "`business` is missing"),
        (SETTINGS.replace("OUR_HOUSE", "our house"), "no id of the protocol"),
        (SETTINGS.replace("agents.json", "elsewhere.json"), "cannot be read"),
        (SETTINGS + 'verifications = ["address"]\n', "cannot be checked here"),
        (SETTINGS + 'verifications = "email"\n', "no list"),
        (SETTINGS + "agents = 1\n", "not a setting"),
    ],
)
def test_a_mistake_in_the_settings_is_named(world: Path, settings: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        read(world, [], settings)


def test_a_purpose_that_the_policy_does_not_have_is_no_sale(world: Path) -> None:
    config = read(world, [], SETTINGS + 'sale = ["selling"]\n')
    with pytest.raises(ConfigError, match="purpose that the policy does not have"):
        Controller.open(config)


def test_the_doctor_says_who_may_ask_and_what_is_missing(world: Path, kept: Kept) -> None:
    def line() -> dict[str, Any] | None:
        checks = kept("doctor", "--json", "--dir", world).document["checks"]
        found: list[dict[str, Any]] = [c for c in checks if c["name"] == "agents"]
        return found[0] if found else None

    assert line() is None
    read(world, [AGENT.entry()])
    with (
        Controller.open(deployment.read(world)) as controller,
        controller.database.connection() as c,
    ):
        for name in ("AGENT_ONE", "AGENT_GONE"):
            controller.agents.issue(name, NOW, connection=c)
    met = line()
    assert met is not None
    assert met["ok"] is None
    assert met["words"].startswith("1 agent in the directory of OUR_HOUSE, 1 of them with a token")
    assert "not heard any more: AGENT_GONE" in met["words"]
    assert len(met["fixes"]) == 2
