"""`kept policy`: check a bundle, read it, compare two, publish one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    names_shipped,
    opened,
    shipped,
    warn_of_stranger,
)
from kept.app.output import table
from kept.errors import UsageError
from kept.policy import anchors, bundle, clauses, versions
from kept.policy import render as rendering
from kept.policy.bundle import Bundle
from kept.policy.versions import Published
from kept.terms.words import many

# A bundle is checked and read without a deployment too; what only that needs is read with it.

group = App(name="policy", help="The published text and its rules.")

BundleDir = Annotated[
    Path | None, Parameter(help="the bundle's directory (default: that of the deployment)")
]


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def check(
    directory: BundleDir = None,
    /,
    *,
    source: Annotated[
        Path | None, Parameter(help="the original text: every anchor is checked against it")
    ] = None,
    common: Common = COMMON,
) -> int:
    """Everything amiss with a bundle, by file and line, with the fix; and what is still open.

    With --dir (or in a deployment, without DIR) the operator's choices are filled in and
    what was published before is taken into account.
    """
    names = names_shipped()
    deployed = directory is None or common.dir is not None
    place = directory
    published: Published | None = None
    filled: Bundle | None = None
    if deployed:
        from kept import deployment
        from kept.database import Database
        from kept.records.version import Versions

        config = deployment.read(common.directory)
        place = directory or config.bundle
        made, problems = bundle.read(place)
        if made is not None:
            filled = dataclasses.replace(config, bundle=place).read_bundle()
            with Database.open(config.database, config.directory) as database:
                newest = Versions(database).newest(filled.id)
            published = newest.published if newest else None
            problems = clauses.check(filled, names, published)
    else:
        assert directory is not None
        filled, problems = clauses.check_directory(directory, names)
    text = "" if source is None else _read(source)
    if source is not None and filled is not None:
        problems = sorted({*problems, *anchors.check(filled, text, source.name)},
                          key=lambda p: p.place)  # fmt: skip
    document = clauses.summary(filled, problems)
    words: list[str] = [str(p) for p in problems]
    if problems:
        words.append("")
        words.append(f"{many(len(problems), 'problem')}.")
    else:
        words.append(f"{document['clauses']} clauses, no problems.")
        if source is not None and filled is not None:
            compared = sum(len(c.sources) for c in filled.clauses.values())
            there = len(anchors.units(text, filled.splitter_exceptions))
            document["anchors"] = {"compared": compared, "sentences": there}
            words.append(
                f"{many(compared, 'anchor')} of the clauses compared with {source.name}: every one"
                f" matches, and each of its {many(there, 'sentence')} is anchored."
            )
        bare = document["addresses_open"]
        words.append(
            f"{many(len(document['open']), 'clause')} open: not kept yet, clauses.yml says why;"
            f" {many(len(document['choices_open']), 'choice')} not made yet"
            + (f", {many(len(bare), 'link')} without an address." if bare else ".")
        )
    common.out.result(document, words)
    return 1 if problems else 0


@group.command
def render(directory: BundleDir = None, /, *, common: Common = COMMON) -> int:
    """The text as people read it, in plain words."""
    made = _bundle(directory, common)
    text = rendering.plain(made)
    document = {
        "id": made.id,
        "version": made.version.isoformat(),
        "title": made.title,
        "text_sha256": made.text_digest,
        "text": text,
    }
    common.out.result(document, [text.rstrip("\n")])
    return 0


@group.command
def diff(old: Path, new: BundleDir = None, /, *, common: Common = COMMON) -> int:
    """How two bundles differ: the text sentence by sentence, the rules value by value."""
    before, after = bundle.load(old), _bundle(new, common)
    found = versions.differences(before, after)
    words: list[str] = []
    for one in found:
        words.append(f"{one.of} {one.what}")
        words += [f"  - {one.before}"] if one.before is not None else []
        words += [f"  + {one.after}"] if one.after is not None else []
    if not found:
        words.append("Text and rules are the same.")
    document = {
        "old": before.version.isoformat(),
        "new": after.version.isoformat(),
        "differences": [
            {"of": d.of, "what": d.what, "before": d.before, "after": d.after} for d in found
        ],
    }
    common.out.result(document, words)
    return 0


@group.command(name="publish")
def publish_command(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Write id, date and hashes of text and rules into the ledger; the text is archived."""
    from kept.deployment import FILE
    from kept.duties.publication import publish
    from kept.records.version import Versions, as_mapping

    names = set(shipped())
    now = acting.moment
    with opened(common, "policy publish", acting.role) as (controller, config):
        warn_of_stranger(common, config, controller.bundle)
        before = Versions(controller.database).newest(controller.bundle.id)
        version = publish(controller, now, names)
        controller.ledger.checkpoint(now)
        made = controller.bundle
    left = [name for name, choice in made.choices.items() if choice.value is None]
    again = before is not None and before.published == version.published
    document = dict(as_mapping(version))
    rows = [(key.replace("_", " "), value) for key, value in document.items()]
    said = f"Was published already, on {version.at:%Y-%m-%d}; nothing changed."
    words: list[str] = [said if again else "Published.", table(("", ""), rows)]
    if left:
        where = common.next("policy", "check", "--json")
        words.append(
            f"{many(len(left), 'choice')} not made yet, and {many(len(made.waiting), 'clause')}"
            f" open until then: make them under [choices] in {common.directory / FILE}. By name"
            f" under `choices_open`: {where}"
        )
    bare = [link.id for link in made.unaddressed]
    if bare:
        words.append(
            f"Addresses that the policy leaves to you: {', '.join(bare)}. Until they stand under"
            f" [links] addresses in {common.directory / FILE}, people read that they are missing,"
            " and their clauses stay open."
        )
    document = {
        **document, "already_published": again, "choices_open": left, "addresses_open": bare,
    }  # fmt: skip
    common.out.result(document, words)
    return 0


def _bundle(directory: Path | None, common: Common) -> Bundle:
    if directory is not None:
        return bundle.load(directory)
    from kept import deployment
    from kept.deployment import FILE

    if not (common.directory / FILE).exists():
        raise UsageError(
            "no bundle is named",
            expected="the directory of a bundle, or a deployment (--dir)",
            fix="name one, for example of the folder policies/ of a clone",
        )
    return deployment.read(common.directory).read_bundle()


def _read(source: Path) -> str:
    try:
        return source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(
            "the source cannot be read",
            where=str(source),
            expected="a text file in UTF-8",
            met=problem.strerror if isinstance(problem, OSError) else "bytes that are not UTF-8",
            fix="name the file of the original text after --source",
        ) from None
