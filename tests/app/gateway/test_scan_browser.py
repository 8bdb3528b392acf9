"""`kept scan` behind the gateway: clean, stopped and gone on; what it finds: tests/acceptance."""

from __future__ import annotations

import json
import signal
import time

import pytest
from tests.app.gateway.conftest import Shop
from tests.app.gateway.scanning import ended, started
from tests.browser import NEEDS_CHROMIUM

from kept.app import mail
from kept.app.cli import main
from kept.model.choice import DAYS

pytestmark = NEEDS_CHROMIUM


def test_every_choice_is_kept_behind_the_gateway(shop: Shop) -> None:
    """Stopped after the first visitor, it goes on with the second; nobody else hears of it."""
    shop.others.forget()
    more = ("--states", "none,refused,all", "--country", "DE", "--country", "US", "--no-gpc",
            "--page", "/thank-you", "--pages", "1")  # fmt: skip
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
    assert found["letters"] > 20
    assert found["pages"] == ["/", "/thank-you"]  # what is named is opened whatever the most is
    assert found["left"] > 0  # the shop has more
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


def test_a_pixel_in_a_letter_of_ours_is_found(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = mail._html
    pixel = '<img src="https://px.test/o.gif"></body>'
    monkeypatch.setattr(mail, "_html", lambda *a: plain(*a).replace("</body>", pixel))
    with pytest.raises(SystemExit) as end:
        main(["scan", f"http://localhost:{shop.port}/", "--states", "none", "--no-gpc", "--country",
              "DE", "--pages", "1", "--dir", str(shop.directory), "--json"])  # fmt: skip
    assert end.value.code == 1
    found = json.loads(capfd.readouterr().out)
    assert len(found["amiss"]) == found["letters"]
    assert {row["what"] for row in found["amiss"]} >= {"allowed", "answer"}
    assert {row["words"] for row in found["amiss"]} == {"the letter would load something: img src"}
