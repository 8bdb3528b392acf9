"""A provider of logins (OpenID Connect) on this machine, for tests: it keeps the rules as a client
needs them kept, and can be told to break one.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import http.server
import json
import secrets
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.serving import running

CLIENT, SECRET = "kept desk", "a secret: with / signs %"


@dataclass
class Provider:
    """What it knows and does. `claims` and `token` change what it says; `down`: it answers 500."""

    clock: Callable[[], dt.datetime]
    url: str = ""
    sub: str = "24400320"
    methods: tuple[str, ...] = ("pwd", "mfa")
    down: bool = False
    described: dict[str, Any] = field(default_factory=dict)
    claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    token: Callable[[dict[str, Any]], str] | None = None
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
        self.keys = [RSAKey.generate_key(2048, {"kid": "old", "use": "sig"}), self.key]

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": True,
            **self.described,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """The person is let in here at once; where the browser goes next."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["scope"] == "openid"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(24)
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.url}
        return f"{asked['redirect_uri']}?{urllib.parse.urlencode(back)}"

    def exchange(self, proof: str, asked: dict[str, str]) -> dict[str, Any] | None:
        """What a code is worth, once; None: nothing."""
        user, _, password = base64.b64decode(proof.removeprefix("Basic ")).decode().partition(":")
        begun = self.codes.pop(asked.get("code", ""), None)
        if (urllib.parse.unquote(user), urllib.parse.unquote(password)) != (CLIENT, SECRET):
            return None
        if begun is None or begun["redirect_uri"] != asked.get("redirect_uri"):
            return None
        met = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(met).rstrip(b"=").decode() != begun["code_challenge"]:
            return None
        now = int(self.clock().timestamp())
        claims = self.claims({
            "iss": self.url, "sub": self.sub, "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": begun["nonce"], "amr": list(self.methods),
        })  # fmt: skip
        told = self.token(claims) if self.token else self.signed(claims)
        return {"access_token": "at", "token_type": "Bearer", "id_token": told}

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "ES256", "kid": str(self.key.kid)}, claims, self.key)

    def with_no_signature(self, claims: dict[str, Any]) -> str:
        parts = ({"alg": "none"}, claims)
        return ".".join(_b64(json.dumps(one).encode()) for one in parts) + "."

    def with_its_public_key(self, claims: dict[str, Any]) -> str:
        """The public key taken for a shared secret: what everybody could have signed."""
        header = {"alg": "HS256", "kid": "one"}
        said = ".".join(_b64(json.dumps(one).encode()) for one in (header, claims))
        met = hmac.digest(self.key.as_pem(private=False), said.encode(), "sha256")
        return f"{said}.{_b64(met)}"

    def with_another_key(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "ES256", "kid": "one"}, claims, ECKey.generate_key("P-256"))

    def with_a_key_inside(self, claims: dict[str, Any]) -> str:
        key = ECKey.generate_key("P-256", {"kid": "mine"})
        return jwt.encode({"alg": "ES256", "kid": "mine", "jwk": key.as_dict(private=False)},
                          claims, key)  # fmt: skip


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def served(clock: Callable[[], dt.datetime]) -> Iterator[Provider]:
    """The provider at work on a free port of this machine."""
    made = Provider(clock)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            made.asked.append(path)
            if made.down:
                self._json(500, {})
            elif path == "/.well-known/openid-configuration":
                self._json(200, made.document())
            elif path == "/jwks":
                self._json(200, {"keys": [k.as_dict(private=False) for k in made.keys]})
            elif path == "/authorize":
                self.send_response(302)
                self.send_header("Location", made.authorize(dict(urllib.parse.parse_qsl(query))))
                self.end_headers()
            else:
                self._json(200 if path == "/logout" else 404, {})

        def do_POST(self) -> None:
            made.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            proof = self.headers.get("Authorization", "")
            told = made.exchange(proof, dict(urllib.parse.parse_qsl(body)))
            if made.down:
                self._json(500, {})
            elif told is None:
                self._json(400, {"error": "invalid_grant"})
            else:
                self._json(200, told)

        def _json(self, status: int, document: Any) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as made.url:
        yield made
