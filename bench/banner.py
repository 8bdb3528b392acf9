"""The banner's script on a page that loads: how long it keeps the browser's main thread.

A page with the banner, labelled tags, a box and forty links, opened in headless Chromium again and
again, as fast as the machine is and slowed down four times as a cheap telephone is. What counts is
what the trace of the browser says of the script: its compilation, its run, and what it does once
the page is there; in time of that thread, as other programs want the same cores. In turns with it
the same page is opened with a script by hand that does only what no banner can leave out: it says
to Google's tags what is denied, moves the banner to where the keyboard begins, and listens for the
answer. Behind the gateway a second script, the guard, stands before it and has rows of its own.
Beside it stands the whole work of the main thread for the page, to see it in proportion.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from _ratio import Result, Row, bench, median, quantile
from kept.app.pages import asset_bytes
from kept.decide.visit import judge
from kept.duties import visits
from kept.duties.visits import banner
from kept.policy import bundle as policies

ROOT = Path(__file__).resolve().parents[1]
#: Milliseconds that it may take of the main thread while a page loads.
GOAL = 1.0
#: Page → the script of it that is looked at.
PAGES = {"/": banner.SCRIPT, "/by-hand": "/by-hand.js", "/guarded": banner.GUARD}
#: What the trace calls the work of a script.
_WORK = {"EvaluateScript", "v8.compile", "FunctionCall", "v8.produceCache"}


#: The least that a banner does while a page loads.
BY_HAND = b"""(function (d, w) {
  var state = d.currentScript.dataset, layer = w.dataLayer = w.dataLayer || [];
  w.gtag = function () { layer.push(arguments); };
  w.gtag("consent", "default", {
    ad_storage: "denied", ad_user_data: "denied", ad_personalization: "denied",
    analytics_storage: "denied", personalization_storage: "denied"
  });
  var gpc = w.navigator.globalPrivacyControl === true;
  d.addEventListener("submit", function (event) {
    if (event.submitter) w.fetch(event.target.action);
  });
  d.addEventListener("DOMContentLoaded", function () {
    var banner = d.getElementById("kept-banner");
    if (gpc && !state.allowed) banner.remove();
    else d.body.prepend(banner);
    banner.addEventListener("keydown", function (event) {
      if (event.key === "Escape") banner.remove();
    });
  });
})(document, window);
"""


def page(script: str, guarded: bool = False) -> bytes:
    loaded, *_ = policies.read(ROOT / "policies" / "interop.io")
    visit = judge(loaded.visits, "EEA")
    like = loaded.trackers["facebook-like"]
    links = "".join(
        f'<p><a href="/thing/{n}">there</a> {"More words. " * 20}</p>' for n in range(40)
    )
    held = '<script type="text/plain" data-kept="google-analytics" data-src="/tag.js"></script>' * 3
    head = str(visits.head(loaded, visit)).replace(f'"{banner.SCRIPT}"', f'"{script}"')
    head = (str(banner.guard(loaded, visit)) if guarded else "") + head
    return (
        f'<!doctype html><html lang="en"><head>{head}<meta charset="utf-8">'
        f"<title>Prices</title></head><body><h1>Prices</h1>{links}{held}"
        f"{visits.placeholder(loaded, like, 'en', '/', '')}"
        f"{visits.fragment(loaded, visit, 'en', '/')}</body></html>"
    ).encode()


def serving() -> ThreadingHTTPServer:
    html = "text/html; charset=utf-8"
    kinds = {**dict.fromkeys(PAGES, html), banner.SCRIPT: "text/javascript",
             banner.GUARD: "text/javascript", "/by-hand.js": "text/javascript",
             banner.STYLE: "text/css"}  # fmt: skip
    files = {"/": page(banner.SCRIPT), "/guarded": page(banner.SCRIPT, guarded=True),
             "/by-hand": page("/by-hand.js"), "/by-hand.js": BY_HAND,
             banner.SCRIPT: asset_bytes("banner.js"), banner.GUARD: asset_bytes("guard.js"),
             banner.STYLE: asset_bytes("banner.css")}  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            body = files.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kinds.get(self.path, "text/plain"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def spent(trace: bytes, script: str) -> tuple[float, float]:
    """Milliseconds of the main thread: of a script, and of everything."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (e["pid"], e["tid"]) for e in events
        if e.get("name") == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }  # fmt: skip
    ours, tasks = [], 0.0
    for event in events:
        if (
            event.get("ph") != "X"
            or "tdur" not in event
            or (event["pid"], event["tid"]) not in mains
        ):
            continue
        if event["name"] == "RunTask" or event["name"] == "ThreadControllerImpl::RunTask":
            tasks += event["tdur"]
        about = event.get("args", {}).get("data", {})
        if event["name"] in _WORK and str(about.get("url", "")).endswith(script):
            ours.append((event["tts"], event["tts"] + event["tdur"]))
    total, until = 0.0, 0.0
    for start, end in sorted(ours):  # one within another counts once
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total / 1e3, tasks / 1e3


def opened(browser: Any, url: str, slower: int, file: Path) -> None:
    """The page in a browser that knows nothing yet, with a trace of it."""
    context = browser.new_context()
    tab = context.new_page()
    context.new_cdp_session(tab).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    browser.start_tracing(
        page=tab, path=file,
        categories=["devtools.timeline", "v8", "toplevel", "__metadata",
                    "disabled-by-default-devtools.timeline"],
    )  # fmt: skip
    tab.goto(url, wait_until="load")
    tab.locator(".kept-banner").wait_for()
    browser.stop_tracing()
    context.close()


def run(args: argparse.Namespace) -> Result:
    from playwright.sync_api import sync_playwright

    where = shutil.which("chromium") or shutil.which("chromium-browser")
    if where is None:
        raise SystemExit("this benchmark needs Chromium")
    server = serving()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    flags = ["--disable-dev-shm-usage", "--disable-gpu", *["--no-sandbox"] * (os.geteuid() == 0)]
    rows: list[Row] = []
    notes: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=where, args=flags)
        notes["Chromium"] = browser.version
        for slower in (1, 4):
            times: dict[str, list[float]] = {name: [] for name in PAGES}
            tasks = []
            for turn in range(args.rounds):
                for name in sorted(PAGES, reverse=bool(turn % 2)):
                    file = Path(directory) / "trace"
                    opened(browser, url + name, slower, file)
                    script, all_of_it = spent(file.read_bytes(), PAGES[name])
                    if not script:
                        raise SystemExit("the trace says nothing of the script")
                    times[name].append(script)
                    if name == "/":
                        tasks.append(all_of_it)
            how = "as it is" if slower == 1 else f"{slower} times slower"
            ours = median(times["/"])
            rows += [
                Row(f"script, against one by hand, {how}", median(times["/by-hand"]), ours, "ms",
                    1.5, ours_p99=quantile(times["/"], 0.99)),
                Row(f"script, against the goal, {how}", GOAL, ours, "ms",
                    1 if slower == 1 else None),
                Row(f"the guard beside it, {how}", ours, median(times["/guarded"]), "ms"),
                Row(f"all of the page beside it, {how}", median(tasks), ours, "ms"),
            ]  # fmt: skip
        browser.close()
    server.shutdown()
    return Result(tuple(rows), notes)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=15, help="times each page is opened")


if __name__ == "__main__":
    bench("banner", run, arguments=arguments)
