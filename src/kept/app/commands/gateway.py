"""`kept gateway`: the server before a site, so that nothing loads which was not allowed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import App, Parameter

from kept import deployment
from kept.app.commands.common import COMMON, Common
from kept.app.commands.serve import free_port
from kept.app.output import table
from kept.controller import Controller
from kept.deployment import Deployment
from kept.errors import KeptError
from kept.policy.bundle import Bundle

if TYPE_CHECKING:
    from kept.app.gateway.guard import Site

#: Seconds within which the head of a request has to arrive, the next one's too.
_HEAD_SECONDS: Final = 15
#: Bytes of a head that are read at all; what is allowed of them is less.
_HEAD: Final = 128 * 1024


def register(app: App) -> None:
    """Add the commands to the command line."""
    group = App(name="gateway", help="The server before a site.")
    group.default(gateway)
    group.command(snippet)
    app.command(group)


def gateway(
    *,
    upstream: Annotated[
        str | None, Parameter(help="the site behind (default: `upstream` of [gateway])")
    ] = None,
    kept: Annotated[
        str | None, Parameter(help="where `kept serve` listens (default: as kept.toml says)")
    ] = None,
    host: Annotated[str, Parameter(help="the address to listen on")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="the port; 0 takes a free one")] = 8800,
    acts: Annotated[
        bool | None,
        Parameter(help="refuse and change, or only have browsers report what would be"),
    ] = None,
    common: Common = COMMON,
) -> int:
    """Stand before a site: pages load only what their visitor allowed. Ctrl-C stops it."""
    from kept.app.gateway import make
    from kept.app.gateway.asgi import Guarded
    from kept.app.gateway.collect import Collector, Recorder
    from kept.app.gateway.keeping import Rules, Signalled, keep
    from kept.app.gateway.noticed import Noticed
    from kept.app.gateway.upstream import Gateway, Upstream
    from kept.app.serving import serve

    config = deployment.read(common.directory)
    behind = make.upstream(config, upstream)
    beside = kept or f"http://{config.host}:{config.port}"
    number = free_port(host, port)
    noticed, signals, recorder = Noticed(beside), Signalled(config), Recorder(config)
    newest = config

    def guarded(config: Deployment, bundle: Bundle) -> Site:
        nonlocal newest
        newest = config
        return make.site(
            config, bundle, key, acts=acts, noticed=noticed, met=signals, views=True
        )  # fmt: skip

    rules = Rules(config, guarded)  # before they are read: what changes meanwhile is read again
    with Controller.open(config) as controller:
        bundle, key = controller.bundle, make.key_of(controller)
    site = guarded(config, bundle)
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}"
    document: dict[str, Any] = {
        "url": url, "upstream": behind, "kept": beside, "acts": site.acts, "pid": os.getpid(),
        "hosts": sorted(site.names),
    }  # fmt: skip

    def ready() -> None:
        rows = [
            ("site", f"{url}  (from {behind})"),
            ("privacy", f"{url}/privacy  (from {beside})"),
            ("names", ", ".join(sorted(site.names))),
            ("mode", "acts: what was not allowed does not load" if site.acts else
             "observes: nothing is refused; `acts = true` under [gateway] refuses"),
        ]  # fmt: skip
        common.out.result(document, [table(("", ""), rows), "", "Ctrl-C stops it."])
        sys.stdout.flush()

    async def run() -> None:
        trusts = config.gateway.proxy
        inner = Upstream(behind, proxied=trusts)
        ours = Upstream(beside, proxied=trusts, last=True)
        unsaid = frozenset(filter(None, [None if trusts else named(config.country)]))
        outer = Guarded(inner, site, make.clock)
        views = Collector(site, recorder, make.clock, cookie=config.cookie, proxied=trusts)
        app = Gateway(
            outer, ours, site.names, proxied=trusts, unsaid=unsaid,
            bundle=lambda: outer.site.bundle, views=views,
        )  # fmt: skip
        stopped, told = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for signalled in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signalled, stopped.set)
        loop.add_signal_handler(signal.SIGHUP, told.set)

        def swap(fresh: Site) -> None:
            outer.site = views.site = fresh
            recorder.renew(newest)

        telling = [
            asyncio.create_task(noticed.tell()),
            asyncio.create_task(keep(signals, rules, make.clock, told, swap, common.out.warn)),
        ]
        try:
            await serve(
                app, host, number, ready, stopped, head_seconds=_HEAD_SECONDS, head_bytes=_HEAD
            )
        finally:
            for task in telling:
                task.cancel()
            await noticed.flush()
            await views.close()
            recorder.close()
            with contextlib.suppress(KeptError):
                await asyncio.to_thread(signals.flush, make.clock())
            inner.close()
            ours.close()

    asyncio.run(run())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # as `kept serve`: the server's own threads outlive it by a moment


def named(header: str | None) -> bytes | None:
    """The name of a header as it comes in."""
    return header.lower().encode("latin-1") if header else None


def snippet(
    server: Annotated[str, Parameter(help="nginx or caddy")], /, *, common: Common = COMMON
) -> int:
    """Print the lines that lead a site's visitors through the gateway, for nginx or Caddy."""
    from kept.app.gateway import snippet as made

    config = deployment.read(common.directory)
    text = made.text(server, config)
    common.out.result({"server": server, "text": text}, [text])
    return 0
