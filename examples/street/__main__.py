"""All of them in one program: `python -m examples.street --port 8770`."""

from __future__ import annotations

import argparse
import html
import json
import signal
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIXEL = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
KINDS = {".js": "text/javascript", ".gif": "image/gif", ".css": "text/css"}


class Street(ThreadingHTTPServer):
    """Everybody on it, and what each was asked for."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Door)
        self.asked: Counter[str] = Counter()


class Door(BaseHTTPRequestHandler):
    """One request. It is counted by name and path; who asked is not looked at."""

    server: Street

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        """A script, a picture, a frame; or the count."""
        name = self.headers.get("Host", "").partition(":")[0]
        path = self.path.partition("?")[0]
        kind = KINDS.get(path[path.rfind(".") :] if "." in path else "", "text/html")
        if path == "/asked":
            kind, body = "application/json", json.dumps(self.server.asked).encode()
        elif path == "/" and name in ("localhost", "127.0.0.1"):
            rows = "".join(
                f"<li>{html.escape(one)}: {count}</li>" for one, count in self.server.asked.items()
            )
            body = (
                f"<!doctype html><title>The street</title><ul>{rows or 'Nobody yet.'}</ul>".encode()
            )
        else:
            self.server.asked[name.removesuffix(".localhost") + path] += 1
            who = html.escape(name)
            body = {
                "text/javascript": f"document.documentElement.dataset.met = '{who}'".encode(),
                "image/gif": PIXEL,
                "text/css": b"",
            }.get(kind, f"<!doctype html><title>{who}</title><p>This is {who}.".encode())
        self.send_response_only(200)
        for header, value in {
            "Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "Set-Cookie": "seen=1; SameSite=Lax", "Access-Control-Allow-Origin": "*",
        }.items():  # fmt: skip
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """A beacon."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; prints one line of JSON when it is ready."""
    parser = argparse.ArgumentParser(prog="python -m examples.street", description=__doc__)
    parser.add_argument("--port", type=int, default=8770, help="0 takes a free one")
    street = Street(parser.parse_args().port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    print(json.dumps({"street": f"http://127.0.0.1:{street.server_address[1]}"}), flush=True)
    street.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
