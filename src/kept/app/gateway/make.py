"""From a deployment to the site that is guarded: rules, key and names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from kept import deployment
from kept.app.gateway.boxes import Fragments
from kept.app.gateway.guard import Site
from kept.controller import Controller
from kept.decide.visit import Visit
from kept.deployment import LOOPBACK, Deployment
from kept.errors import ConfigError
from kept.policy.bundle import Bundle


def site(
    config: Deployment, bundle: Bundle, key: bytes, *, acts: bool | None = None,
    noticed: Callable[[str, str, str], None] = lambda *_: None,
    met: Callable[[Visit], None] = lambda _: None, views: bool = False,
) -> Site:  # fmt: skip
    """The guarded site of a deployment. `views`: somebody takes views of its pages at `/c`."""
    settings = config.gateway
    public = urlsplit(config.url).hostname if config.url else None
    named = {*settings.hosts, *((public,) if public else ()), *LOOPBACK}
    names = {f"[{name}]" if ":" in name else name for name in named}  # as addresses write them
    return Site(
        bundle=bundle,
        key=key,
        names=frozenset(names),
        acts=settings.acts if acts is None else acts,
        boxes=Fragments(bundle, views=views),
        secure=(config.url or "").startswith("https://"),
        country=country_of(config),
        forms=settings.forms,
        links=frozenset(settings.links),
        workers=settings.workers,
        noticed=noticed,
        met=met,
    )


def of_directory(directory: Path | str, *, acts: bool | None = None) -> Site:
    """The guarded site of the deployment in a directory: for a middleware in a site's server."""
    config = deployment.read(Path(directory))
    with Controller.open(config) as controller:
        return site(config, controller.bundle, key_of(controller), acts=acts)


def key_of(controller: Controller) -> bytes:
    """The key of the seal on the cookie in which a browser keeps a choice."""
    return controller.vault.mac("visitor choices", b"cookie")


def upstream(config: Deployment, given: str | None) -> str:
    """The address of the site behind. Raises ConfigError where there is none that can be."""
    url = given or config.gateway.upstream
    parts = urlsplit(url or "")
    if url is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "it is not said which site the gateway stands before",
            expected="--upstream http://127.0.0.1:8080, or `upstream` of [gateway]",
        )
    if parts.path not in ("", "/") or parts.query or parts.username:
        raise ConfigError(
            "the address of the site has more than a host and a port",
            expected="an address such as http://127.0.0.1:8080",
        )
    return url.rstrip("/")


def country_of(config: Deployment) -> bytes | None:
    """The header that says where a visitor is; None where no server before the gateway does."""
    said = config.country if config.gateway.proxy else None
    return said.lower().encode("latin-1") if said else None


def clock() -> dt.datetime:
    """Now."""
    return dt.datetime.now(dt.UTC)
