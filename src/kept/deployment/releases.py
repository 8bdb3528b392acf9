"""`[releases.NAME]` of kept.toml: what goes out to whom, for what, and of whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kept.datamap.map import DataMap, Dataset
from kept.deployment import toml
from kept.errors import ConfigError
from kept.policy.bundle import Bundle
from kept.policy.shapes import Activity
from kept.stores.tasks import SAFE

_KEYS: Final = frozenset(
    ("to", "activity", "dataset", "fields", "url", "secret", "ca", "context", "ages", "audience")
)
#: The lane of those who advertise: what goes there is an audience.
NETWORKS: Final = "ad-network"
#: What is promoted has to say at whom it aims.
PROMOTION: Final = ("marketing", "advertising")
#: Kinds of identifiers by which somebody is given to others, the best first.
NAMED_BY: Final = ("email", "account", "phone", "cookie")


@dataclass(frozen=True, slots=True)
class Ages:
    """Whom something is aimed at, in whole years of age; `high` None: without an upper end."""

    low: int
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One `[releases.NAME]`: data of people that goes to somebody else, and can be taken back.

    `to` is the recipient, `place` whence the rows come, `fields` which of their columns go, each
    under the recipient's name for it; `audience` is that of a network which is filled so.
    """

    name: str
    to: str
    activity: str
    place: tuple[str, str]
    fields: Mapping[str, str]
    url: str
    secret: str | None
    ca: str | None
    context: str | None
    ages: Ages | None
    audience: str | None


def release(path: Path, name: str, table: Any) -> Release:
    """One of `[releases]`, as far as it can be read without the policy."""
    where = toml.where(path, f"[releases.{name}")
    if not isinstance(table, dict) or not SAFE.match(name):
        raise ConfigError(
            f"`releases.{name}` is no release", where=where,
            expected="a table [releases.NAME], its name of letters, digits and . _ -",
        )  # fmt: skip
    for key in table:
        if key not in _KEYS:
            raise toml.unknown(path, key, _KEYS)
    head = f"releases.{name}"
    system, dot, dataset = toml.text(path, table, "dataset", head).partition(".")
    fields = table.get("fields", {})
    if isinstance(fields, list) and all(isinstance(one, str) for one in fields):
        fields = {one: one for one in fields}
    named = isinstance(fields, dict) and all(isinstance(one, str) for one in fields.values())
    if not (system and dot and dataset and fields and named):
        raise ConfigError(
            f"it is not said what of whom `{name}` sends", where=where,
            expected='dataset = "SYSTEM.DATASET" of the data map, and fields = ["email"], or'
            ' fields = {email = "as the recipient calls it"}',
        )  # fmt: skip
    twice = sorted(theirs for theirs, n in Counter(fields.values()).items() if n > 1)
    if twice:
        raise ConfigError(
            f"`{name}` sends two fields as `{twice[0]}`: only one of them would arrive",
            where=where, expected="a name of the recipient's own for each field",
            fix=f"rename one in `fields`, or take it out: {', '.join(_under(fields, twice[0]))}",
        )  # fmt: skip
    url = toml.secret(path, table.get("url"), "url")
    if not url:
        raise ConfigError(f"it is not said where `{name}` goes", where=where,
                          expected='url = "https://…" of the recipient')  # fmt: skip
    secret = table.get("secret")
    return Release(
        name, toml.text(path, table, "to", head), toml.text(path, table, "activity", head),
        (system, dataset), dict(fields), url,
        None if secret is None else str(toml.option(path, secret, "secret")),
        toml.perhaps(path, table, "ca"), toml.perhaps(path, table, "context"),
        _ages(path, name, table.get("ages")), toml.perhaps(path, table, "audience"),
    )  # fmt: skip


def _under(fields: Mapping[str, str], theirs: str) -> list[str]:
    return [f"`{ours}`" for ours, name in fields.items() if name == theirs]


def _ages(path: Path, name: str, value: Any) -> Ages | None:
    if value is None:
        return None
    low, high = (value.get("from"), value.get("to")) if isinstance(value, dict) else (None, None)
    if (
        type(low) is not int or not 0 <= low <= 150 or not isinstance(value, dict)
        or set(value) - {"from", "to"}
        or (high is not None and (type(high) is not int or high < low))
    ):  # fmt: skip
        raise ConfigError(
            f"`ages` of `{name}` does not say from which age on people are meant",
            where=toml.where(path, f"[releases.{name}"),
            expected="ages = {from = 18}, in whole years, and as you like `to`",
        )
    return Ages(low, high)


def check(
    releases: Mapping[str, Release], networks: Mapping[str, Sequence[str]], bundle: Bundle,
    datamap: DataMap, line: Callable[[str], str],
) -> None:  # fmt: skip
    """Refuse what the policy does not let go out, and what nobody may be aimed at with."""
    met: dict[tuple[str, str | None], str] = {}
    for one in releases.values():
        for what, expected, fix in _amiss(one, networks, bundle, datamap):
            raise ConfigError(
                f"the release `{one.name}` {what}", where=line(f"[releases.{one.name}"),
                expected=expected, fix=fix,
            )  # fmt: skip
        other = met.setdefault((one.to, one.audience), one.name)
        if one.audience is not None and other != one.name:
            raise ConfigError(
                f"`{one.name}` and `{other}` fill one audience",
                where=line(f"[releases.{one.name}"), expected="one release for each audience",
                fix="give one of them an audience of its own",
            )  # fmt: skip


def promotes(bundle: Bundle, purpose: str) -> bool:
    """Whether something is promoted for a purpose."""
    return any(bundle.vocabulary.within("purposes", purpose, one) for one in PROMOTION)


def to_network(bundle: Bundle, recipient: str) -> bool:
    """Whether a recipient is one of those who advertise, analyse or show buttons."""
    return bundle.vocabulary.within("recipients", recipient, NETWORKS)


def _amiss(
    one: Release, networks: Mapping[str, Sequence[str]], bundle: Bundle, datamap: DataMap
) -> Iterable[tuple[str, str, str | None]]:
    words = bundle.vocabulary
    activity = bundle.activities.get(one.activity)
    if activity is None:
        yield "is for no activity of the policy", f"one of {', '.join(bundle.activities)}", None
        return
    if one.to not in words.recipients or not any(
        words.within("recipients", one.to, lane) for lane in activity.recipients
    ):
        yield (
            f"goes to `{one.to}`, who gets nothing of the activity `{activity.id}`",
            f"a recipient in {', '.join(activity.recipients) or 'no lane: nobody gets anything'}",
            "name it under [recipients] with its lane, or in the policy",
        )
        return
    if one.context is None and len(activity.contexts) != 1:
        yield (
            "does not say where its data was collected",
            f"context = one of {', '.join(activity.contexts)}", None,
        )  # fmt: skip
    elif one.context is not None and not {one.context, "any"} & {*activity.contexts}:
        yield "names a context that its activity has not", ", ".join(activity.contexts), None
    system = datamap.systems.get(one.place[0])
    dataset = system.datasets.get(one.place[1]) if system else None
    if dataset is None or activity.id not in dataset.activities:
        yield (
            f"takes from `{'.'.join(one.place)}`, which does not serve `{activity.id}`",
            f"a dataset of the map with `{activity.id}` among its activities", None,
        )  # fmt: skip
        return
    yield from _fields(one, bundle, activity, dataset)
    if to_network(bundle, one.to):
        if one.audience not in networks.get(one.to, ()):
            yield (
                "fills no audience that is on record",
                f"audience = one of those of `{one.to}` under [networks]",
                f'write {one.to} = {{country = "…", audiences = ["{one.audience or "…"}"]}} there',
            )
    elif one.audience is not None:
        yield "names an audience, and goes to nobody who advertises", "no `audience`", None
    elif not any(f.stamp == "notice" for f in dataset.fields.values()):
        yield (
            f"takes from `{'.'.join(one.place)}`, whose rows do not say what people were shown",
            "a field with `stamp: notice` in the map", None,
        )  # fmt: skip
    yield from _aimed(one, bundle, activity)


def _fields(
    one: Release, bundle: Bundle, activity: Activity, dataset: Dataset
) -> Iterable[tuple[str, str, str | None]]:
    for name in one.fields:
        field = dataset.fields.get(name)
        category = field.category if field else None
        if field is None or field.secret or not any(
            category and bundle.vocabulary.within("categories", category, c)
            for c in activity.categories
        ):  # fmt: skip
            yield (
                f"sends `{name}`, which the activity `{activity.id}` does not use",
                f"fields of {', '.join(activity.categories)}", "take it out of `fields`",
            )  # fmt: skip
    kinds = {f.identifies for f in dataset.fields.values()}
    if not kinds & {*NAMED_BY}:
        yield (
            f"takes from `{'.'.join(one.place)}`, where nothing names a person",
            f"a field that identifies by {', '.join(NAMED_BY)}", None,
        )  # fmt: skip


def _aimed(
    one: Release, bundle: Bundle, activity: Activity
) -> Iterable[tuple[str, str, str | None]]:
    """What is promoted is aimed at nobody who is younger than the policy says."""
    least = bundle.minimum_age
    if least is None or not (promotes(bundle, activity.purpose) or to_network(bundle, one.to)):
        return
    if one.ages is None:
        yield (
            "does not say at which ages it aims",
            f"ages = {{from = {least}}}, or older: nothing is aimed at people under {least}", None,
        )  # fmt: skip
    elif one.ages.low < least:
        yield (
            f"aims at people from {one.ages.low} on, and nothing is aimed at people under {least}",
            f"ages = {{from = {least}}}, or older", None,
        )  # fmt: skip
