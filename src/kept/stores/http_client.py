"""One service over HTTP, asked politely: at its pace, again where that is safe, never elsewhere.

The only host that is ever contacted is the one that the operator wrote into kept.toml:
redirects are not followed, and a page or a status address on another host is an error. No
proxy, no cookie and no password file is used. Certificates are checked, and without TLS
only this very machine is asked. Errors name the endpoint as described, and the status, never
an address that was filled in and never an answer.
"""

from __future__ import annotations

import email.utils
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, Final

import httpcore
import httpx

from kept.errors import ConfigError, StoreError, StoreUnreachable
from kept.model.safety import Measured
from kept.stores.http_describe import Limits
from kept.stores.in_time import Deadline, Network

#: Methods that do no more the second time (RFC 9110, 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})
_FIRST_PAUSE: Final = 0.5
_DIGITS: Final = 1000  # of one number
_CONNECTIONS: Final = 100
_IDLE: Final = 5.0  # seconds that a connection is kept for the next request
#: No answer, or none that is HTTP.
_LOST: Final = (
    httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, TimeoutError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from `url`: `document` is the JSON of the body, None for an empty one."""

    status: int
    headers: httpx.Headers
    document: Any
    url: httpx.URL


class Client:
    """A client of one origin. Threads may share it.

    `clock` (seconds) and `pause` are the machine's unless a test brings its own.
    """

    def __init__(
        self,
        system: str,
        url: str,
        limits: Limits,
        headers: Mapping[str, str],
        *,
        ca: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._system, self._limits = system, limits
        self._base = _base(system, url)
        self._headers = {
            "Accept": "application/json",
            # Compressed, a short answer could unpack to any length.
            "Accept-Encoding": "identity",
            "Cache-Control": "no-cache",
            "User-Agent": "kept",
            **headers,
        }
        self._ca, self._clock, self._pause = ca, clock, pause
        self._deadline = Deadline(clock)
        self._lock = threading.Lock()
        self._free = 0.0
        self._made: httpcore.ConnectionPool | None = None

    @property
    def way(self) -> Measured:
        """How the way to the service is guarded: `_base` lets in nothing but these."""
        secure = self._base.scheme == "https"
        words = "https, with its certificate checked" if secure else "on this machine"
        return Measured("transport", True, words)

    def url(self, path: str, query: Sequence[tuple[str, str]] = ()) -> httpx.URL:
        """The address of a described path, below the base."""
        root = self._base.raw_path.decode().rstrip("/")
        url = self._base.copy_with(raw_path=(root + path).encode())
        return url.copy_merge_params(list(query)) if query else url

    def link(self, endpoint: str, text: str, seen_at: httpx.URL) -> httpx.URL:
        """An address that the service gave; StoreError where it is not on its own origin."""
        try:
            url = seen_at.join(text)
        except httpx.InvalidURL:
            url = httpx.URL("invalid:")
        if _origin(url) != _origin(self._base) or url.userinfo:
            raise StoreError(
                f"`{self._system}` sends {endpoint} to another host, which is not asked",
                expected="an address on the host that kept.toml names",
                fix="see whether the service is well; name the right host in kept.toml",
            )
        return url

    def ask(
        self,
        endpoint: str,
        method: str,
        url: httpx.URL,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> Answer:
        """Send one request to an address made by `url` or `link`.

        A request that may be repeated (by its method, or because `repeatable` says so) is
        repeated after 5xx answers and lost connections, any request after 429. Raises
        StoreUnreachable where no answer could be had, StoreError for a redirect and for an
        answer that is too long.
        """
        again = repeatable or method in _IDEMPOTENT
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {**self._headers, **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        for attempt in range(self._limits.retries + 1):
            last = attempt == self._limits.retries
            self._turn()
            try:
                status, met, raw = self._send(method, url, content, sent, endpoint)
            except _LOST as error:
                if last or not again:
                    raise self._unreachable(endpoint, type(error).__name__) from None
                self._pause(_FIRST_PAUSE * 2**attempt)
                continue
            if status == 429 or (status >= 500 and again):
                if last:
                    raise self._unreachable(endpoint, f"status {status}")
                self._pause(self._wait(endpoint, met, attempt))
                continue
            if status >= 500:
                raise self._unreachable(endpoint, f"status {status}")
            if 300 <= status < 400:
                raise StoreError(
                    f"`{self._system}` answers {endpoint} with a redirect, which is not followed",
                    met=f"status {status}",
                    fix="write the address that it leads to into kept.toml or the description",
                )
            return Answer(status, met, self._document(endpoint, raw), url)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Give connections back; may be called twice."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    # ------------------------------------------------------------ inside

    def _document(self, endpoint: str, raw: bytes) -> Any:
        try:
            return document(raw)
        except ValueError:
            pass
        raise StoreError(
            f"`{self._system}` answers {endpoint} with a number of too many digits",
            expected=f"at most {_DIGITS} digits, exponents counted as digits",
            fix="ask those who run the service what it means",
        )

    def _send(
        self,
        method: str,
        url: httpx.URL,
        content: bytes | None,
        headers: Mapping[str, str],
        endpoint: str,
    ) -> tuple[int, httpx.Headers, bytes]:
        limit = self._limits.timeout
        to = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        more = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), limit)}
        sent = httpx.Headers(headers).raw
        with (
            self._deadline.within(limit),
            self._client().stream(
                method, to, headers=sent, content=content, extensions=more
            ) as answer,
        ):
            met = httpx.Headers(answer.headers)
            if met.get("Content-Encoding", "identity") not in ("", "identity"):
                raise StoreError(
                    f"`{self._system}` answers {endpoint} compressed, which was not asked for"
                )
            raw = bytearray()
            for chunk in answer.iter_stream():
                raw += chunk
                if len(raw) > self._limits.bytes:
                    raise StoreError(
                        f"`{self._system}` answers {endpoint} with too much",
                        expected=f"at most {self._limits.bytes} bytes",
                        fix="ask for smaller pages, or raise `bytes` under `limits:`",
                    )
                self._deadline.left(None)
            return answer.status, met, bytes(raw)

    def _client(self) -> httpcore.ConnectionPool:
        with self._lock:
            if self._made is None:
                secure = self._base.scheme == "https"
                context = (
                    ssl.create_default_context(cafile=self._ca)
                    if secure
                    else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                )
                self._made = httpcore.ConnectionPool(
                    ssl_context=context,
                    max_connections=_CONNECTIONS,
                    keepalive_expiry=_IDLE,
                    network_backend=Network(self._deadline),
                )
            return self._made

    def _turn(self) -> None:
        """Wait until another request is within the rate."""
        with self._lock:
            now = self._clock()
            start = max(now, self._free)
            self._free = start + 1 / self._limits.rate
        if start > now:
            self._pause(start - now)

    def _wait(self, endpoint: str, headers: httpx.Headers, attempt: int) -> float:
        """How long to wait: what the service asks for (RFC 9110, 10.2.3), else ever longer."""
        asked = headers.get("Retry-After", "")
        if asked.strip().isdigit():
            seconds = float(asked)
        else:
            try:
                until = email.utils.parsedate_to_datetime(asked)
                since = email.utils.parsedate_to_datetime(headers.get("Date", ""))
                seconds = max(0.0, (until - since).total_seconds())
            except (ValueError, TypeError):
                seconds = _FIRST_PAUSE * 2**attempt
        if seconds > self._limits.wait:
            raise StoreUnreachable(
                f"`{self._system}` wants us to wait with {endpoint} longer than allowed",
                expected=f"at most {self._limits.wait:g} seconds",
                fix="run it again later, or raise `wait` under `limits:`",
            )
        return seconds

    def _unreachable(self, endpoint: str, met: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"`{self._system}` could not be asked for {endpoint}",
            met=met,
            fix="see that the service runs, then run it again",
        )


#: Stands for a body that is no JSON: an error where one is needed, of no interest elsewhere.
NOT_JSON: Final = object()


class _Endless(ValueError):
    """A number of more digits than anybody means; one of few letters can have any number."""


def _refuse(word: str) -> Any:
    raise ValueError


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if len(text) > _DIGITS or (number and abs(number.adjusted()) > _DIGITS):
        raise _Endless(f"a number of more than {_DIGITS} digits")
    return number


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise _Endless(f"a number of more than {_DIGITS} digits")
    return int(text)


def document(raw: bytes) -> Any:
    """A body as JSON, NOT_JSON where it is none, None for an empty one.

    ValueError for a number of more than 1000 digits.
    """
    if not raw.strip():
        return None
    try:
        return json.loads(raw, parse_float=_number, parse_int=_whole, parse_constant=_refuse)
    except _Endless:
        raise
    except (ValueError, RecursionError, ArithmeticError):
        return NOT_JSON


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme, 0)


def _base(system: str, url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL:
        base = httpx.URL("")
    if base.scheme not in ("https", "http") or not base.host or base.query or base.fragment:
        raise ConfigError(
            f"the `url` of [systems.{system}] is no address of a service",
            expected="https://host/path, without a query",
            fix="mend it in kept.toml",
        )
    if base.userinfo:
        raise ConfigError(
            f"the `url` of [systems.{system}] holds a password",
            fix='write it as `secret = "env:NAME"`, and `auth:` in the description',
        )
    if base.scheme == "http" and not _here(base.host):
        raise ConfigError(
            f"the `url` of [systems.{system}] is not encrypted",
            expected="https://, or a service on this very machine",
            fix="write https://",
        )
    return base


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
