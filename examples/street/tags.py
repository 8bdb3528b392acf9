"""What the others gave the company to paste into its pages, and what it declared of that."""

from __future__ import annotations

import shutil
from pathlib import Path
from string import Template

PAGES = Path(__file__).with_name("pages")


def pasted(path: str, port: int) -> str:
    """A page as marketing left it, with all that was pasted into it; "" where there is none."""
    file = PAGES / f"{path.strip('/')}.html"
    there = port and path.strip("/").replace("-", "").isalpha() and file.exists()
    return Template(file.read_text("utf-8")).substitute(port=port) if there else ""


def declare(bundle: Path, to: Path, port: int) -> None:
    """A copy of a policy that declares whom these pages call; nobody declared `pasted`."""
    shutil.copytree(bundle, to, dirs_exist_ok=True)
    rows = Template((PAGES / "trackers.yml").read_text("utf-8")).substitute(port=port)
    with (to / "trackers.yml").open("a", encoding="utf-8") as file:
        file.write(rows)
