"""Lines for a web server that encrypts and stands before the gateway."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from kept.deployment import Deployment
from kept.errors import UsageError

_NGINX: Final = """\
# Everything for {name} goes through the gateway, which passes /privacy on to Kept by itself.
# kept.toml needs proxy = true under [site] and under [gateway]: then these headers are believed.
upstream kept_gateway {{ server 127.0.0.1:8800; keepalive 32; }}
server {{
    listen 443 ssl;
    server_name {name};
    # ssl_certificate …; ssl_certificate_key …;
    location / {{
        proxy_pass http://kept_gateway;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;{country}
        proxy_buffering off;
        proxy_cache off;
    }}
    # A websocket of the site does not pass the gateway: lead its path straight to the site.
    # location /socket {{ proxy_pass {upstream}; proxy_http_version 1.1;
    #     proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }}
}}"""
_CADDY: Final = """\
# Everything for {name} goes through the gateway, which passes /privacy on to Kept by itself.
# kept.toml needs proxy = true under [site] and under [gateway]: then these headers are believed.
{name} {{
    encode gzip
    # A websocket of the site does not pass the gateway: lead it straight to the site.
    @websocket {{
        header Connection *Upgrade*
        header Upgrade websocket
    }}
    reverse_proxy @websocket {upstream}
    reverse_proxy 127.0.0.1:8800 {{
        header_up X-Forwarded-For {{remote_host}}
        header_up X-Forwarded-Proto {{scheme}}{country}
    }}
}}"""
SERVERS: Final = {"nginx": _NGINX, "caddy": _CADDY}


def text(server: str, config: Deployment) -> str:
    """The lines for a kind of server. Raises UsageError for one that is not known."""
    if server not in SERVERS:
        raise UsageError("there are no lines for that server", expected="nginx or caddy")
    name = urlsplit(config.url or "").hostname or next(
        iter(config.gateway.hosts), "www.example.org"
    )
    country = ""
    if config.country:
        header = config.country
        country = (
            f"\n        # From a table of your own; never what the visitor sent.\n"
            f"        proxy_set_header {header} $geoip2_country_code;"
            if server == "nginx"
            else f"\n        # From a table of your own; never what the visitor sent.\n"
            f"        header_up {header} {{vars.country}}"
        )
    return SERVERS[server].format(
        name=name, country=country, upstream=config.gateway.upstream or "http://127.0.0.1:8080"
    )
