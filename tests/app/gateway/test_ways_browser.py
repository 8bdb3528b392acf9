"""What no header of a page governs, in a real browser with a profile of its own: what is left."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.app.gateway.conftest import Shop
from tests.app.gateway.street import gateway
from tests.app.gateway.test_gateway_browser import ARGUMENTS
from tests.app.gateway.ways import BARELY, OPEN, SHUT, WAYS, Listening, Site
from tests.browser import CHROMIUM, NEEDS_CHROMIUM
from tests.serving import running

pytestmark = NEEDS_CHROMIUM


def test_what_no_header_governs_is_kept_out_or_said(shop: Shop, tmp_path: Path) -> None:
    """Each way reaches somebody without the gateway, and behind it only those that are known."""
    heard = Listening()
    site = Site(heard.ports)
    bare = f"http://localhost:{site.server_address[1]}"
    rules = ",".join(
        f"MAP {name}.rp.test 127.0.0.1:{port}" for name, port in heard.ports.items()
    )  # a site that is asked whether its passkeys may be used elsewhere: always at port 443
    arguments = [one.replace("rules=", f"rules={rules},") for one in ARGUMENTS]
    try:
        with (
            running(site),
            gateway(shop.directory, bare.replace("localhost", "127.0.0.1"), "--kept", shop.kept)
            as said,
            sync_playwright() as playwright,
        ):  # fmt: skip
            context = playwright.chromium.launch_persistent_context(
                tmp_path, executable_path=CHROMIUM, args=arguments,
                extra_http_headers={"X-Country": "DE"},
            )  # fmt: skip
            page = context.pages[0]
            guarded = said["url"].replace("127.0.0.1", "localhost")
            for name in WAYS:
                page.goto(f"{guarded}/{name}", wait_until="load")
                page.wait_for_timeout(250)
            page.wait_for_timeout(500)
            left, told = set(heard.met), dict(heard.said)
            assert left <= set(OPEN)
            assert not [name for name in BARELY & left if told.get(name)]
            heard.forget()
            for name in WAYS:
                page.goto(f"{bare}/{name}", wait_until="load")
                until = time.monotonic() + (8 if name in SHUT else 2)
                while not heard.met[name] and time.monotonic() < until:
                    page.wait_for_timeout(50)
            assert {name for name in WAYS if heard.met[name]} >= set(SHUT)
            context.close()
    finally:
        heard.close()
