"""`kept scan` on the shop: clean through the gateway; amiss past it, and with a planted script."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.app.gateway.conftest import Shop
from tests.browser import NEEDS_CHROMIUM

from kept import deployment
from kept.controller import Controller
from kept.model.choice import DAYS

pytestmark = NEEDS_CHROMIUM


def started(shop: Shop, port: int, *more: str, host: str = "localhost") -> subprocess.Popen[str]:
    """A browser says where a form comes from on https, and on this very machine."""
    command = [
        sys.executable, "-m", "kept.app", "scan", f"http://{host}:{port}/?who=ana",
        "--dir", str(shop.directory), "--resolve", "shop.test=127.0.0.1", "--settle", "150",
        "--json", *more,
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    out, told = process.communicate(timeout=240)
    return process.returncode, json.loads(out) if out.strip() else {}, told


def test_every_choice_is_kept_behind_the_gateway(shop: Shop) -> None:
    """Stopped after the first visitor, it goes on with the second; nobody else hears of it."""
    shop.others.forget()
    more = ("--states", "none,refused,all", "--country", "DE", "--country", "US", "--no-gpc",
            "--page", "/thank-you", "--pages", "2")  # fmt: skip
    first = started(shop, shop.port, *more)
    state = shop.directory / "scan" / "localhost.json"
    for _ in range(400):
        if state.exists() or first.poll() is not None:
            break
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    code, _, told = ended(first)
    assert code == 130, told
    assert "goes on from there" in told
    before = json.loads(state.read_text("utf-8"))["passes"]
    assert 1 <= len(before) < 6
    code, found, told = ended(started(shop, shop.port, *more))
    assert code == 0, (found, told)
    assert found["amiss"] == []
    assert found["passes"][: len(before)] == before
    assert [(p["choice"], p["country"]) for p in found["passes"]] == [
        (choice, country) for country in ("DE", "US") for choice in ("none", "refused", "all")
    ]
    assert not state.exists()
    assert shop.others.connected == 0  # a page in the US asked for declared tags; they stayed here
    asked = {
        (p["choice"], p["country"]): {i["name"] for i in p["items"] if i["outcome"] == "asked"}
        for p in found["passes"]
    }
    assert asked["none", "DE"] == asked["refused", "DE"] == asked["refused", "US"] == set()
    assert asked["none", "US"] == {"analytics.test", "ads.test"}
    assert {"social.test", "video.test", "ads.test"} <= asked["all", "DE"]
    assert "own-session" in found["unseen"]
    assert {"unknown.test"} <= {row["name"] for row in found["review"]}
    chosen = [i for p in found["passes"] for i in p["items"] if i["name"] == "kept-choices"]
    assert {i["days"] for i in chosen} == {DAYS}
    login = next(i for i in found["passes"][0]["items"] if i["name"] == "login")
    assert login["http_only"]
    assert not found["whole"]


def test_a_planted_script_is_found(shop: Shop, tmp_path: Path) -> None:
    """It loads nothing of others, so that only a browser that looks sees what it leaves."""
    page = tmp_path / "evidence.html"
    code, found, told = ended(
        started(
            shop, shop.port, "--states", "refused", "--country", "US", "--gpc", "--page",
            "/planted", "--pages", "2", "--draft", "--evidence", str(page),
        )
    )  # fmt: skip
    assert code == 1, told
    assert {row["what"] for row in found["amiss"]} == {"planted_*", "visitor"}
    assert 'name: "planted_*", kind: cookie, party: first, lifetime: P105D' in found["draft"]
    assert "purposes: []" in found["draft"]
    for text in (json.dumps(found), page.read_text("utf-8")):
        assert "secret" not in text
        assert "81723" not in text
        assert "ana" not in text
    with Controller.open(deployment.read(shop.directory)) as controller:
        assert ("cookie", "planted_*") in {(m.kind, m.name) for m in controller.sightings.all()}


def test_past_the_gateway_tags_are_met(shop: Shop) -> None:
    shop.others.forget()
    port = int(shop.said["upstream"].rpartition(":")[2])
    code, found, told = ended(
        started(
            shop,
            port,
            "--states",
            "none",
            "--country",
            "DE",
            "--no-gpc",
            "--pages",
            "1",
            host="shop.test",
        )
    )
    assert code == 1, told
    amiss = {row["what"] for row in found["amiss"]}
    assert {"unknown.test", "ads.test", "analytics.test", "social.test", "strange"} <= amiss
    assert shop.others.connected == 0
    via = {i["via"] for i in found["passes"][0]["items"]}
    assert {"script", "image", "document", "ping", "fetch", "websocket", "hint"} <= via
    code, _, told = ended(started(shop, port, "--states", "all", "--country", "DE"))
    assert code == 2
    assert "no page on which to choose" in told
    assert ended(started(shop, port, "--states", "some"))[0] == 2
