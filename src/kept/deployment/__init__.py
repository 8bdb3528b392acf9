"""A deployment: the directory with kept.toml that says which bundle, map and systems.

Secrets never stand in the file: a value `env:NAME` is read from the environment.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from kept.deployment import house, releases, toml, web
from kept.deployment.releases import Ages, Release
from kept.deployment.shapes import (
    CHOICES_PER_HOUR,
    FILE,
    FORMS_PER_HOUR,
    LOOPBACK,
    Before,
    Deployment,
    Desk,
    Destination,
    Document,
    Measures,
    Network,
    Own,
    Supply,
    SystemConfig,
    served,
)
from kept.deployment.toml import PORTS
from kept.deployment.web import MARKS, ORIGIN, STAMPS
from kept.errors import ConfigError
from kept.model.safety import WORDS
from kept.stores.post import SETTINGS as MAIL

__all__ = [
    "CHOICES_PER_HOUR",
    "FILE",
    "FORMS_PER_HOUR",
    "LOOPBACK",
    "MARKS",
    "ORIGIN",
    "PORTS",
    "SHOWS",
    "STAMPS",
    "Ages",
    "Before",
    "Deployment",
    "Desk",
    "Destination",
    "Document",
    "Measures",
    "Network",
    "Own",
    "Release",
    "Supply",
    "SystemConfig",
    "read",
    "served",
]

_TABLES: Mapping[str, frozenset[str]] = {
    "choices": frozenset(),  # names come from the bundle
    "systems": frozenset(),  # names are the operator's
    "documents": frozenset(),  # names are facts
    "recipients": frozenset(),  # names are the bundle's or the operator's; settings for all
    "keys": frozenset({"passphrase"}),
    "api": frozenset({"token"}),
    "mail": MAIL | {"url"},
    "site": frozenset(
        {"host", "port", "url", "shows", "proxy", "cookie", "country", "members"}
        | {"forms_per_hour", "choices_per_hour"}
    ),
    "links": frozenset({"look", "addresses"}),
    "networks": frozenset(),  # names are those of recipients of the bundle
    "gateway": frozenset({"upstream", "hosts", "acts", "proxy", "forms", "links", "workers"}),
    "jobs": frozenset(
        ("retain", "letters", "clocks", "systems", "intake", "agents", "deliveries", "forms")
        + ("visits", "releases")
    ),
    "drp": frozenset({"on", "business", "directory", "verifications", "sale"}),
    "desk": frozenset(
        {
            "on",
            "country",
            "subdivision",
            "zone",
            "people",
            "records",
            "large",
            "review_days",
            "pause_days",
            "requests",
            "proof",
            "facts",
            "login",
            "mail_servers",
        }
    ),
    "login": frozenset({"oidc"}),
    "own": frozenset({"country", "owner", "declared"}),
    "measures": frozenset({*WORDS, "supported"}),
    "forms": frozenset(),  # names come from the bundle
    "imports": frozenset(),  # names come from the bundle
    "releases": frozenset(),  # names are the operator's
    "origins": frozenset(),  # names are origins, values sites of the bundle
}
#: What the public page shows: the text only, dated checks that passed, or how all stands.
SHOWS = ("text", "checks", "live")


def read(directory: Path) -> Deployment:
    """Read `directory`/kept.toml. ConfigError names the line and the way out."""
    directory = directory.resolve()
    path = directory / FILE
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "there is no deployment here",
            where=str(path),
            expected="a kept.toml",
            fix="make one with `kept new DIR`, or name the directory with `--dir DIR`",
        ) from None
    except UnicodeDecodeError as problem:
        line = problem.object[: problem.start].count(b"\n") + 1
        raise ConfigError(
            "kept.toml is not UTF-8", where=f"{path}:{line}", fix="save the file as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as problem:
        words, _, at = str(problem).partition(" (at ")
        line_met = re.match(r"line (\d+)", at)
        raise ConfigError(
            f"kept.toml cannot be read: {words[:1].lower()}{words[1:]}",
            where=f"{path}:{line_met[1]}" if line_met else str(path),
            expected="TOML in UTF-8",
            fix="a text stands in quotes, a date without (2026-01-31), and a day has to exist;"
            " each table and each key stands once",
        ) from None
    known = {"bundle", "database", "organisation", *_TABLES}
    for key in raw:
        if key not in known:
            raise toml.unknown(path, key, known)
    for table, keys in _TABLES.items():
        section = raw.get(table, {})
        if not isinstance(section, dict):
            raise ConfigError(
                f"`{table}` is a table", where=toml.where(path, table), fix=f"write it as [{table}]"
            )
        for key in section if keys else ():
            if key not in keys:
                raise toml.unknown(path, key, keys)
    site = raw.get("site", {})
    return Deployment(
        directory=directory,
        bundle=(directory / toml.text(path, raw, "bundle")).resolve(),
        database=toml.secret(path, str(raw.get("database", "embedded")), "database") or "embedded",
        choices={k: toml.choice(v) for k, v in raw.get("choices", {}).items()},
        systems={name: house.system(path, name, t) for name, t in raw.get("systems", {}).items()},
        documents=tuple(house.document(path, k, v) for k, v in raw.get("documents", {}).items()),
        passphrase=toml.secret(path, raw.get("keys", {}).get("passphrase"), "passphrase"),
        token=toml.token(path, raw.get("api", {}).get("token")),
        host=toml.perhaps(path, site, "host") or "127.0.0.1",
        port=toml.port(path, site.get("port", 8790)),
        url=toml.perhaps(path, site, "url"),
        shows=toml.one_of(path, str(site.get("shows", "text")), SHOWS, "shows"),
        jobs={name: house.pace(path, name, value) for name, value in raw.get("jobs", {}).items()},
        recipients=house.ways(path, raw.get("recipients", {})),
        own=house.own(path, raw.get("own", {})),
        organisation=toml.perhaps(path, raw, "organisation"),
        desk=house.desk(path, raw.get("desk", {})),
        measures=house.measures(path, raw.get("measures", {})),
        mail=house.mail(path, raw.get("mail", {})),
        proxy=toml.flag(path, site, "proxy"),
        cookie=toml.perhaps(path, site, "cookie"),
        country=toml.perhaps(path, site, "country") if toml.flag(path, site, "proxy") else None,
        members=web.members(path, site.get("members", ())),
        looks=web.hosts(path, raw.get("links", {}).get("look", ())),
        addresses=web.addresses(path, raw.get("links", {}).get("addresses", {})),
        networks=web.networks(path, raw.get("networks", {})),
        drp=house.drp(path, raw.get("drp", {})),
        gateway=web.before(path, raw.get("gateway", {})),
        origins=web.origins(path, raw.get("origins", {})),
        forms={n: web.destination(path, n, t) for n, t in raw.get("forms", {}).items()},
        imports={n: web.supply(path, n, t) for n, t in raw.get("imports", {}).items()},
        releases={n: releases.release(path, n, t) for n, t in raw.get("releases", {}).items()},
        oidc=house.oidc(path, raw.get("login", {}).get("oidc")),
        forms_per_hour=toml.per_hour(path, site, "forms_per_hour", FORMS_PER_HOUR),
        choices_per_hour=toml.per_hour(path, site, "choices_per_hour", CHOICES_PER_HOUR),
    )
