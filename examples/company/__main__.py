"""The company as a program: `python -m examples.company prepare|site|life|stop DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from examples.company import life, seed, site, world


def main() -> int:
    """Exit status 0: done; 1: the story did not go as it should; 2: wrong use."""
    parser = argparse.ArgumentParser(prog="python -m examples.company", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, words in {
        "prepare": "make the databases and a deployment of Kept in DIR; start its PostgreSQL",
        "site": "serve the web site until Ctrl-C; `kept serve` must be running to store anything",
        "life": "one person's story through the site and Kept, both of which must be running",
        "stop": "stop the company's PostgreSQL",
    }.items():
        verb = verbs.add_parser(name, help=words, description=words)
        verb.add_argument("directory", type=Path, metavar="DIR")
        if name == "prepare":
            verb.add_argument("--port", type=int, default=8790, help="where Kept will serve")
            verb.add_argument("--street", type=int, default=0, help="where examples.street will")
        if name == "site":
            verb.add_argument("--port", type=int, default=8780, help="0 takes a free one")
        if name == "life":
            verb.add_argument("--site", required=True, metavar="URL")
            verb.add_argument("--json", action="store_true")
        if name in ("site", "life"):
            verb.add_argument("--kept", metavar="URL", help="where Kept serves, if elsewhere")
    given = parser.parse_args()
    try:
        return _run(given)
    except FileNotFoundError:
        print("There is no company here; make one with `prepare DIR`.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"That does not work there: {error.strerror}.", file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    if given.verb == "stop":
        world.stop(given.directory.resolve())
        return 0
    if given.verb == "prepare":
        made, new = world.prepare(given.directory, given.port, given.street)
        people = seed.fill(made) if new else None
        world.finish(made)
        told = {k: v for k, v in asdict(made).items() if k not in ("token", "own")}
        print(json.dumps({**told, "new": new, "people": people}))
        return 0
    here = world.load(given.directory)
    world.start(given.directory.resolve())
    if given.kept:
        here = replace(here, kept=given.kept.rstrip("/"))
    if given.verb == "site":
        site.serve(here, given.port)
        return 0
    story = life.live(here, given.site, quiet=given.json)
    if given.json:
        print(json.dumps({"steps": story.steps, "wrong": story.wrong}, ensure_ascii=False))
    else:
        for wrong in story.wrong:
            print(f"  NOT AS IT SHOULD BE: {wrong}")
    return 1 if story.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
