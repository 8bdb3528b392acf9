"""The way to whoever receives people: one request for each, which does no more the second time.

    PUT    URL/MEMBER     the fields that are declared, as JSON
    DELETE URL/MEMBER

MEMBER (64 hex digits) is the name under which this recipient knows her: a keyed hash, another one
for each release. An answer of 200, 201 or 204 says that it is done; of 202, that it was taken and
is not done yet; to DELETE, 404 and 410 say that there is nothing of her (any more). Every wrong
address says so too, so that it counts only at the one to which she was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final

from kept.deployment import Release
from kept.errors import StoreError
from kept.model.values import Value
from kept.stores.http_describe import Limits, plain

_DONE: Final = (200, 201, 204)
_NOTHING: Final = (404, 410)
_TAKEN: Final = 202
#: What failed is asked again by the next run, so that one attempt more is enough.
_LIMITS: Final = Limits(rate=200.0, timeout=15.0, bytes=100_000, retries=1, wait=5.0)
#: So many requests in a row without an answer: nobody is there. One alone may be one row of theirs
#: over which they break off, and nobody else waits for that.
_AWAY: Final = 3


class Refused(StoreError):
    """The recipient does not take it, or not like this."""


class Unknown(StoreError):
    """Nothing of her is there, says an address to which she was not sent."""


class Way:
    """The way of one release. StoreError where nobody answers; then nothing is believed.

    `silent`: so many requests in a row got no answer until now.
    """

    def __init__(self, release: Release, directory: str) -> None:
        self.silent = 0
        # Every start would wait for it, and few release anything.
        from kept.stores.http_client import Client

        headers = {"Authorization": f"Bearer {release.secret}"} if release.secret else {}
        self._client = Client(
            release.name, release.url, _LIMITS, headers,
            ca=f"{directory}/{release.ca}" if release.ca else None,
        )  # fmt: skip

    def __enter__(self) -> Way:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._client.close()

    @property
    def away(self) -> bool:
        """Whether it is of no use to ask for the next one too."""
        return self.silent >= _AWAY

    def put(self, member: str, values: Mapping[str, Value]) -> bool:
        """Whether the recipient says that it has her; False: it has taken it and not done it."""
        body = {name: plain(value) for name, value in values.items()}
        return self._ask("PUT", member, body, _DONE)

    def remove(self, member: str, *, went_here: bool) -> bool:
        """Whether the recipient says that she is gone. Unknown where it has nothing of her, and
        she did not go (`went_here`) to this address.
        """
        return self._ask("DELETE", member, None, _DONE + _NOTHING if went_here else _DONE)

    def _ask(
        self, method: str, member: str, body: Mapping[str, object] | None, done: tuple[int, ...]
    ) -> bool:
        endpoint = f"`{method} /MEMBER`"
        url = self._client.url(f"/{member}")
        self.silent += 1
        status = self._client.ask(endpoint, method, url, body=body).status
        self.silent = 0
        if status in done:
            return True
        if status == _TAKEN:
            return False
        if method == "DELETE" and status in _NOTHING:
            raise Unknown(
                "nothing of her is there, at another address than she was sent to",
                met=f"status {status}",
                fix="put the `url` back to which people went, or let the recipient answer 204",
            )
        raise Refused(
            f"whoever receives it refuses {endpoint}",
            expected=f"one of the statuses {', '.join(map(str, done))}", met=f"status {status}",
            fix="see `url` and `secret` of the release in kept.toml",
        )  # fmt: skip
