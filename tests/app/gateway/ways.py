"""Pages that reach somebody else, each in one way that no header of a page governs; and who
listens for each of them.

Every way has a port of its own, for TCP and for UDP: a connection is counted without being
understood, so that one without a request is seen, and one that is not HTTP.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_PLAIN, _SAFE = "http://way.test:PORT", "https://way.test:PORT"
_RULES: Final = json.dumps({"prefetch": [{"urls": [f"{_SAFE}/x"], "eagerness": "immediate"}]})
_AHEAD: Final = (
    "<div id=h></div><script>const ahead = document.createElement('script');"
    f" ahead.type = 'speculationrules'; ahead.textContent = '{_RULES}';"
)
_CALL: Final = "c.createDataChannel('x'); c.createOffer().then(o => c.setLocalDescription(o))"
_SERVERS: Final = (
    "{iceServers: [{urls: 'turn:way.test:PORT?transport=tcp', username: 'u', credential: 'c'}]}"
)
_BYTES: Final = "new Uint8Array(16)"
_KEY: Final = (
    f"{{publicKey: {{challenge: {_BYTES}, rp: {{id: 'NAME.rp.test', name: 'x'}}, user: {{id:"
    f" {_BYTES}, name: 'x', displayName: 'x'}}, pubKeyCredParams: [{{type: 'public-key', alg: -7}}]"
    "}}"
)
#: The same in a shadow tree that only the parser of the browser knows.
_WRITTEN: Final = (
    "<script>document.write(`<div><template shadowrootmode=closed><script type=speculationrules>"
    f"{_RULES}<\\/script></template></div>`)</script>"
)
#: Name → what a page holds. PORT is that of the way, NAME its name.
SHUT: Final[Mapping[str, str]] = {
    "rules": _AHEAD + "document.body.append(ahead)</script>",
    "rules-shadow": _AHEAD + "h.attachShadow({mode: 'open'}).append(ahead)</script>",
    "rules-closed": _AHEAD + "h.attachShadow({mode: 'closed'}).append(ahead)</script>",
    "rules-nested": _AHEAD + "const d = document.createElement('p');"
        " h.attachShadow({mode: 'closed'}).append(d);"
        " d.attachShadow({mode: 'open'}).append(ahead)</script>",
    "rules-declared": _AHEAD + "h.setHTMLUnsafe('<p><template shadowrootmode=open></template>');"
        " h.firstChild.shadowRoot.append(ahead)</script>",
    "no-head": _AHEAD + "document.documentElement.append(ahead)</script>",
    "hint": "<script>const l = document.createElement('link'); l.rel = 'preconnect';"
        f" l.href = '{_PLAIN}'; document.head.append(l)</script>",
    "hint-set": "<script>const l = document.createElement('link'); document.head.append(l);"
        f" l.setAttribute('HREF', '{_PLAIN}'); l.setAttribute('rel', 'preconnect')</script>",
    "call": f"<script>const c = new RTCPeerConnection({_SERVERS}); {_CALL}</script>",
    "call-later": "<script>const c = new RTCPeerConnection();"
        f" c.setConfiguration({_SERVERS}); {_CALL}</script>",
    "passkey": f"<script>navigator.credentials.get({{publicKey: {{challenge: {_BYTES},"
        " rpId: 'NAME.rp.test'}}).catch(() => 0)</script>",
    "passkey-made": f"<script>navigator.credentials.create({_KEY}).catch(() => 0)</script>",
}  # fmt: skip
#: What is left, and said in docs/how-to/guard-a-site.md.
OPEN: Final[Mapping[str, str]] = {
    "rules-written": _WRITTEN,
    "hint-written": f"<script>document.write('<link rel=preconnect href=\"{_PLAIN}\">')</script>",
    "frame": "<script>const f = document.createElement('iframe');"
        f" f.src = '{_PLAIN}/x'; document.body.append(f)</script>",
    "form": f"<iframe name=t></iframe><form action='{_PLAIN}/x' target=t id=f></form>"
        "<script>f.submit()</script>",
    "call-peer": "<script>const c = new RTCPeerConnection(); c.createDataChannel('x');"
        " c.createOffer().then(async o => {await c.setLocalDescription(o);"
        " const e = new RTCPeerConnection(); await e.setRemoteDescription(o);"
        " const a = await e.createAnswer(); await e.setLocalDescription(a);"
        " await c.setRemoteDescription(a); await c.addIceCandidate({sdpMid: '0', candidate:"
        " 'candidate:1 1 udp 2113937151 127.0.0.1 PORT typ host'})})</script>",
}  # fmt: skip
#: Of these nothing but a connection is made: no request, and so no page that is read.
BARELY: Final = frozenset({"hint-written", "frame", "form"})
#: A script of the site's own that presses the button for whoever reads.
PRESSES: Final = (
    "<script>fetch('/privacy/choices', {method: 'POST', body: new URLSearchParams({do: 'accept',"
    " by: 'banner'}), headers: {Accept: 'application/json'}})</script>"
)
WAYS: Final = {**SHUT, **OPEN}


class Listening:
    """A port for each way: how often one came there, and what was said first."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.met: Counter[str] = Counter()
        self.said: dict[str, bytes] = {}
        self._ready, self._over = selectors.DefaultSelector(), threading.Event()
        for name in WAYS:
            self._open(name)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _open(self, name: str) -> None:
        while name not in self.ports:
            stream, loose = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
            stream.bind(("127.0.0.1", 0))
            try:
                loose.bind(stream.getsockname())
            except OSError:
                stream.close()
                loose.close()
                continue
            stream.listen()
            self.ports[name] = stream.getsockname()[1]
            for one in (stream, loose):
                self._ready.register(one, selectors.EVENT_READ, name)

    def _listen(self) -> None:
        while not self._over.is_set():
            for key, _ in self._ready.select(0.1):
                one: Any = key.fileobj
                self.met[key.data] += 1
                if one.type == socket.SOCK_DGRAM:
                    said = one.recv(2048)
                else:
                    other, _ = one.accept()
                    other.settimeout(0.1)
                    try:
                        said = other.recv(2048)
                    except OSError:
                        said = b""
                    other.close()
                self.said[key.data] = said or self.said.get(key.data, b"")

    def forget(self) -> None:
        self.met.clear()
        self.said.clear()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for key in list(self._ready.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._ready.close()


class Site(ThreadingHTTPServer):
    """A site with a page for each way."""

    daemon_threads = True

    def __init__(self, ports: Mapping[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.ports = ports


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.strip("/")
        head = "" if name == "no-head" else "<head><meta charset=utf-8></head><body>"
        inside = WAYS.get(name, "")
        text = f"<!doctype html>{head}<p>{name}</p>{inside}"
        port = str(self.server.ports.get(name, 0))
        body = text.replace("PORT", port).replace("NAME", name).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
