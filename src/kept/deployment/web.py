"""The parts of kept.toml about pages, forms, lists and whom pages call."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kept.deployment import toml
from kept.deployment.shapes import Before, Destination, Network, Supply
from kept.errors import ConfigError
from kept.policy.shapes import OURSELVES

_DESTINATION = frozenset({"dataset", "fields", "stamps", "constants"})
#: What is stored with what a form takes.
STAMPS = frozenset({"basis", "activity", "policy", "notice", "at"})
#: What is stored with each line of a list: of whom and by which agreement it came, where it stood
#: and from which day it is, and a mark by which the same line is known again.
MARKS = frozenset({"basis", "activity", "policy", "source", "address", "date", "mark", "at"})
_NEEDED_MARKS = frozenset({"basis", "source", "mark"})
_SUPPLY = _DESTINATION | {"sources", "encoding"}
#: Where a page comes from (RFC 6454), as browsers say it; on this machine any port may be meant.
ORIGIN = re.compile(
    r"https://[a-z0-9.-]+(?::[0-9]{1,5})?|http://(?:127\.0\.0\.1|localhost):(?:[0-9]{1,5}|\*)"
)


def before(path: Path, table: Mapping[str, Any]) -> Before:
    """`[gateway]`: the site before which Kept stands."""
    lists = {}
    for key in ("hosts", "forms", "links"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise ConfigError(
                f"`{key}` is no list of hosts", where=toml.where(path, key),
                expected=f'{key} = ["www.example.org"]',
            )  # fmt: skip
        lists[key] = tuple(host.lower() for host in value)
    for host in lists["hosts"]:
        if "/" in host or host.count(":") == 1:  # more of them are an IPv6 address
            raise ConfigError(
                "`hosts` of [gateway] holds more than a name", where=toml.where(path, "hosts"),
                expected='names without scheme and port: ["www.example.org"]',
            )  # fmt: skip
    return Before(
        upstream=toml.perhaps(path, table, "upstream"),
        acts=toml.flag(path, table, "acts"),
        proxy=toml.flag(path, table, "proxy"),
        workers=toml.flag(path, table, "workers"),
        **lists,
    )


def members(path: Path, value: Any) -> tuple[str, ...]:
    """`members` of [site]: the beginnings of paths."""
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(one, str) and re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", one) for one in value
    ):
        raise ConfigError(
            "`members` of [site] is no list of paths", where=toml.where(path, "members"),
            expected='where pages need an account, as ["/account", "/orders"]',
        )  # fmt: skip
    return tuple(value)


def hosts(path: Path, value: Any) -> frozenset[str]:
    """`look` of [links]: hosts, by name."""
    host = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(one, str) and host.fullmatch(one) for one in value
    ):
        raise ConfigError(
            "`look` of [links] is no list of hosts",
            where=toml.where(path, "look"),
            expected='names of hosts such as ["optout.aboutads.info"]',
        )
    return frozenset(value)


def addresses(path: Path, value: Any) -> Mapping[str, str]:
    """`addresses` of [links]: a link of the bundle that has none → where it leads."""
    if not isinstance(value, dict) or not all(
        isinstance(url, str) and re.fullmatch(r"https?://[^\s/?#@\\]+([/?#][^\s\\]*)?", url)
        for url in value.values()
    ):
        raise ConfigError(
            "`addresses` of [links] does not say where links lead",
            where=toml.where(path, "addresses"),
            expected='a table of addresses: {nai-education = "https://…"}',
        )
    return MappingProxyType(dict(value))


def networks(path: Path, section: Mapping[str, Any]) -> Mapping[str, Network]:
    """`[networks]`: of recipients of the policy, what only the operator knows."""
    found = {}
    for name, row in section.items():
        if not (
            isinstance(row, dict)
            and set(row) == {"country", "audiences"}
            and re.fullmatch(r"[A-Z]{2}", str(row["country"]))
            and isinstance(row["audiences"], list)
            and all(isinstance(one, str) and one.strip() for one in row["audiences"])
        ):
            raise ConfigError(
                f"`{name}` of [networks] does not say where the network is and what it holds",
                where=toml.where(path, name),
                expected='{country = "US", audiences = []}, or the names of the audiences',
            )
        found[name] = Network(row["country"], tuple(row["audiences"]))
    return MappingProxyType(found)


def origins(path: Path, table: Mapping[str, Any]) -> dict[str, str]:
    """`[origins]`: further places at which a site of the policy answers, each with that site."""
    for origin, site in table.items():
        if not ORIGIN.fullmatch(origin) or not isinstance(site, str):
            raise ConfigError(
                "this is no origin of a site",
                where=toml.where(path, origin),
                expected='"https://host" = "https://site-of-the-policy"; without TLS a loopback'
                ' address alone, as "http://127.0.0.1:8780" or, for any port, "http://127.0.0.1:*"',
            )
    return dict(table)


def destination(path: Path, form: str, table: Any) -> Destination:
    """`[forms.NAME]`: where Kept stores what a form takes."""
    place, named = _stored(path, "forms", form, table, _DESTINATION)
    if named["stamps"].keys() - STAMPS or {"basis", "notice"} - named["stamps"].keys():
        raise _stamps(path, "forms", form, "basis and notice", STAMPS)
    return Destination(place, **named)


def supply(path: Path, name: str, table: Any) -> Supply:
    """`[imports.NAME]`: where Kept stores what a list brings, and who may give it."""
    place, named = _stored(path, "imports", name, table, _SUPPLY)
    if named["stamps"].keys() - MARKS or _NEEDED_MARKS - named["stamps"].keys():
        raise _stamps(path, "imports", name, "basis, source and mark", MARKS)
    sources = table.get("sources")
    if not isinstance(sources, list) or not sources or not all(isinstance(s, str) for s in sources):
        raise ConfigError(
            f"it is not said who gives `{name}`", where=toml.where(path, f"[imports.{name}"),
            expected=f'sources = ["NAME"], each a recipient of the policy, or "{OURSELVES}"',
        )  # fmt: skip
    encoding = toml.perhaps(path, table, "encoding")
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError:
        raise ConfigError(
            f"the encoding of `{name}` is not known", where=toml.where(path, "encoding"),
            expected='a name such as "windows-1252"',
        ) from None  # fmt: skip
    return Supply(place, **named, sources=tuple(sources), encoding=encoding)


def _stored(
    path: Path, section: str, name: str, table: Any, keys: frozenset[str]
) -> tuple[tuple[str, str], dict[str, dict[str, str]]]:
    """The dataset that a table names, and the columns of it."""
    head = f"[{section}.{name}"
    where = toml.where(path, head)
    if not isinstance(table, dict):
        raise ConfigError(f"`{section}.{name}` is a table", where=where)
    for key in table:
        if key not in keys:
            raise toml.unknown(path, key, keys)
    system, dot, dataset = toml.text(path, table, "dataset", f"{head}]").partition(".")
    if not (system and dot and dataset):
        what = "takes" if section == "forms" else "brings"
        raise ConfigError(
            f"it is not said where what `{name}` {what} is stored", where=where,
            expected='dataset = "SYSTEM.DATASET", as the data map names them',
        )  # fmt: skip
    named: dict[str, dict[str, str]] = {}
    for key in ("fields", "stamps", "constants"):
        rows = table.get(key, {})
        if not isinstance(rows, dict) or not all(isinstance(v, str) for v in rows.values()):
            raise ConfigError(
                f"`{key}` of `{name}` is no table of names", where=where,
                expected=f'{key} = {{name = "column"}}',
            )  # fmt: skip
        named[key] = dict(rows)
    return (system, dataset), named


def _stamps(path: Path, section: str, name: str, needed: str, known: frozenset[str]) -> ConfigError:
    return ConfigError(
        f"`stamps` of `{name}` does not name the columns of the stamps",
        where=toml.where(path, f"[{section}.{name}"),
        expected=f"{needed}, and as you like " + ", ".join(sorted(known)),
    )
