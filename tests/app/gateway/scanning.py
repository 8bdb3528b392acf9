"""`kept scan` as a program, on the shop."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.app.gateway.conftest import Shop


def started(shop: Shop, port: int, *more: str, host: str = "localhost") -> subprocess.Popen[str]:
    """A browser says where a form comes from on https, and on this very machine."""
    command = [
        sys.executable, "-m", "kept.app", "scan", f"http://{host}:{port}/?who=ana",
        "--dir", str(shop.directory), "--resolve", "shop.test=127.0.0.1", "--settle", "150",
        "--json", *more,
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    out, told = process.communicate(timeout=240)
    return process.returncode, json.loads(out) if out.strip() else {}, told
