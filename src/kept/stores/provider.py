"""The login of another house: one provider of OpenID Connect (Core 1.0) that the operator named.

Authorization code with PKCE (RFC 7636), state and nonce. Who somebody is comes from the ID token
alone, whose signature, issuer, audience, times and nonce are checked. Asked is the issuer, and
what its own description names on hosts that the operator allowed; no redirect is followed, no
proxy of the machine is used, an answer that is too long is none.
"""

from __future__ import annotations

import datetime as dt
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kept.errors import ConfigError, Denied, StoreUnreachable
from kept.stores.callback import allowed

#: Settings of `[login.oidc]` in kept.toml.
SETTINGS: Final = frozenset(("issuer", "client", "secret", "title", "hosts", "amr", "acr"))
#: What a token has to say of how somebody was let in there, where the operator says nothing
#: (RFC 8176): by several proofs.
AMR: Final = ("mfa",)
#: Signatures that are taken: by a key that only the provider has.
_SIGNED: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
#: Seconds for one answer, and its bytes at most.
_TIMEOUT: Final = 5.0
_MOST: Final = 1 << 20
#: For how long its description and its keys are believed; how soon keys are asked for again,
#: and how soon a provider that could not be asked.
_BELIEVED: Final = dt.timedelta(hours=1)
_KEYS_AGAIN: Final = dt.timedelta(minutes=1)
_AGAIN: Final = dt.timedelta(seconds=10)
#: Seconds by which its clock may differ from ours.
_LEEWAY: Final = 60
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Oidc:
    """`[login.oidc]`. `hosts`: where the provider may be asked; `amr`: one of these has to be
    among the ways in which it let somebody in; `acr`: it has to say one of these; empty: nothing.
    """

    issuer: str
    client: str
    secret: str | None
    title: str
    hosts: tuple[str, ...]
    amr: tuple[str, ...]
    acr: tuple[str, ...]


def settings(given: Mapping[str, Any], where: str) -> Oidc:
    """Check what the operator wrote. ConfigError."""

    def text(key: str) -> str:
        value = given.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"`{key}` of [login.oidc] is missing", where=where, expected="a text")
        return value

    def words(key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = given.get(key, list(default))
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise ConfigError(
                f"`{key}` of [login.oidc] is no list of words", where=where, expected='["…"]'
            )
        return tuple(value)

    issuer = text("issuer")
    parts = urllib.parse.urlsplit(issuer)
    own = parts.netloc
    if not allowed(issuer, (own,)) or parts.query:
        raise ConfigError(
            "`issuer` of [login.oidc] is no address of a provider",
            where=where,
            expected="https://… as the provider writes it, without ? and #",
        )
    acr = words("acr", ())
    return Oidc(
        issuer, text("client"), text("secret") if "secret" in given else None,
        text("title") if "title" in given else (parts.hostname or own),
        (own, *words("hosts", ())), words("amr", () if acr else AMR), acr,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pass:
    """What one login goes with: three words that nobody guesses, and where it comes back to."""

    state: str
    nonce: str
    verifier: str
    back: str


class Provider:
    """The provider, as it describes itself. Threads may share it; making it connects to nothing."""

    def __init__(self, given: Oidc) -> None:
        self.settings = given
        _library()
        self._lock = threading.Lock()
        self._known: tuple[dt.datetime, Mapping[str, Any]] | None = None
        self._keys: tuple[dt.datetime, Any] | None = None
        self._away: dt.datetime | None = None

    @property
    def leave(self) -> str | None:
        """Where one logs out there (RP-Initiated Logout 1.0), as far as that was heard already."""
        found = self._known[1].get("end_session_endpoint") if self._known else None
        if not isinstance(found, str) or not allowed(found, self.settings.hosts):
            return None
        sign = "&" if urllib.parse.urlsplit(found).query else "?"
        return f"{found}{sign}{urllib.parse.urlencode({'client_id': self.settings.client})}"

    def way(self, going: Pass, now: dt.datetime) -> str:
        """The address at which somebody logs in there. Raises StoreUnreachable."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        wanted = {"acr_values": " ".join(self.settings.acr)} if self.settings.acr else {}
        made = prepare_grant_uri(
            self._described(now)["authorization_endpoint"], self.settings.client, "code",
            redirect_uri=going.back, scope="openid", state=going.state, nonce=going.nonce,
            code_challenge=create_s256_code_challenge(going.verifier),
            code_challenge_method="S256", **wanted,
        )  # fmt: skip
        return str(made)

    def who(self, code: str, issuer: str | None, going: Pass, now: dt.datetime) -> str:
        """By which word the provider knows whoever brings this code, once only (`sub`).

        Raises Denied where what it says does not hold, StoreUnreachable where it cannot be asked.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        met = self._described(now)
        # Whose answer this is (RFC 9207): not that of another provider which was mixed in.
        named = met.get("authorization_response_iss_parameter_supported") is True
        if issuer != self.settings.issuer and (issuer is not None or named):
            raise _refused("the answer is of another provider")
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=going.back, code_verifier=going.verifier
        )
        address, headers, body = self._proved(met, body)
        given = self._asked("POST", address, now, headers, body)
        if not isinstance(given.get("id_token"), str):
            raise _refused("the code was not taken there")
        return self._judged(given, going, now)

    def _judged(self, given: Mapping[str, Any], going: Pass, now: dt.datetime) -> str:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        told = given["id_token"]
        try:
            try:
                token = jwt.decode(told, self._keyset(now), algorithms=list(_SIGNED))
            except InvalidKeyIdError:  # it may have changed its keys since
                token = jwt.decode(told, self._keyset(now, anew=True), algorithms=list(_SIGNED))
            wanted = {
                "iss": {"essential": True, "value": self.settings.issuer},
                "aud": {"essential": True, "value": self.settings.client},
            }
            own = {
                "nonce": going.nonce, "client_id": self.settings.client,
                "access_token": given.get("access_token"),
            }  # fmt: skip
            claims = CodeIDToken(token.claims, token.header, wanted, own)
            claims.validate(int(now.timestamp()), _LEEWAY)
        except (JoseError, ValueError, TypeError, AttributeError):
            # Whatever it was: a token that is not understood lets nobody in.
            raise _refused("its word on who it is does not hold") from None
        if self.settings.acr and claims.get("acr") not in self.settings.acr:
            raise _refused("it was not sure enough there who it is")
        ways = claims.get("amr")
        if self.settings.amr and not (
            isinstance(ways, list) and any(one in ways for one in self.settings.amr)
        ):
            raise _refused("one proof alone was given there")
        sub = claims["sub"]
        if not isinstance(sub, str) or not 0 < len(sub) <= 255 or not sub.isascii():
            raise _refused("its word on who it is does not hold")
        return sub

    def _proved(self, met: Mapping[str, Any], body: str) -> tuple[str, dict[str, str], str]:
        """The request for a token, with the proof that it is Kept who asks (RFC 6749, 2.3.1)."""
        from authlib.oauth2 import ClientAuth

        client, secret = self.settings.client, self.settings.secret
        ways = met.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        how = "none" if secret is None else "client_secret_basic"
        if how not in ways and secret is not None:
            how = "client_secret_post"
        if how == "client_secret_basic":
            client, secret = (urllib.parse.quote(one, safe="") for one in (client, secret or ""))
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        address, headers, body = ClientAuth(client, secret, how).prepare(
            "POST", met["token_endpoint"], headers, body
        )
        return str(address), headers, str(body)

    def _described(self, now: dt.datetime) -> Mapping[str, Any]:
        """What the provider says of itself (Discovery 1.0). StoreUnreachable where it does not."""
        with self._lock:
            if self._known is not None and now < self._known[0] + _BELIEVED:
                return self._known[1]
            met = self._asked("GET", self.settings.issuer.rstrip("/") + _WELL_KNOWN, now)
            ends = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if met.get("issuer") != self.settings.issuer or not all(
                isinstance(met.get(end), str) and allowed(met[end], self.settings.hosts)
                for end in ends
            ):
                raise StoreUnreachable(
                    "the provider of logins describes itself in another way than kept.toml",
                    expected="its `issuer` as in [login.oidc], and addresses on its own host or on"
                    " `hosts` there",
                    fix="compare what it says with [login.oidc]",
                )
            self._known = (now, met)
            return met

    def _keyset(self, now: dt.datetime, *, anew: bool = False) -> Any:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        address = self._described(now)["jwks_uri"]
        with self._lock:
            kept = self._keys
            if kept is not None and now < kept[0] + (_KEYS_AGAIN if anew else _BELIEVED):
                return kept[1]
            met = self._asked("GET", address, now)
            try:
                found = KeySet.import_key_set({"keys": met["keys"]})
            except (JoseError, KeyError, ValueError, TypeError):
                raise _away("its keys cannot be read") from None
            self._keys = (now, found)
            return found

    def _asked(
        self, method: str, address: str, now: dt.datetime,
        headers: Mapping[str, str] | None = None, body: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """What it answers in JSON; {} where it refuses. StoreUnreachable."""
        import httpx  # every start would wait for it, and few ask a provider

        if self._away is not None and self._away <= now < self._away + _AGAIN:
            raise _away("it could not be asked a moment ago")
        context = (
            ssl.create_default_context()
            if address.startswith("https:")
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        try:
            with (
                httpx.Client(
                    verify=context, timeout=_TIMEOUT, follow_redirects=False, trust_env=False
                ) as client,
                client.stream(
                    method, address, content=body,
                    headers={"Accept": "application/json", "User-Agent": "kept", **(headers or {})},
                ) as answer,
            ):  # fmt: skip
                whole = b""
                for part in answer.iter_bytes():
                    whole += part
                    if len(whole) > _MOST:
                        raise _away("its answer is too long")
                status = answer.status_code
            found = msgspec.json.decode(whole) if status == 200 else {}
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            self._away = now
            raise _away("it did not answer as it should") from None
        if status >= 500 or not isinstance(found, dict):
            self._away = now
            raise _away("it did not answer as it should")
        return found


def _library() -> None:
    try:
        import authlib
        import joserfc
    except ImportError:
        raise ConfigError(
            "[login.oidc] is set up, and the library for it is not installed",
            expected="the packages Authlib and joserfc",
            fix="install Kept with its extra: `pip install 'kept[oidc]'`",
        ) from None
    del authlib, joserfc


def _refused(why: str) -> Denied:
    return Denied(f"the login elsewhere was not taken: {why}", fix="try once more from the start")


def _away(why: str) -> StoreUnreachable:
    return StoreUnreachable(
        f"the provider of logins cannot be asked now: {why}",
        fix="log in with your password here, or try later",
    )
