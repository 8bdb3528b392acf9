"""On CI a test may be skipped only because ../shared is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = "import pytest\n@pytest.mark.skip(reason='needs ../shared')\ndef test_a(): pass\n"
BROWSER = "import pytest\n@pytest.mark.skip(reason='no browser here')\ndef test_b(): pass\n"
MODULE = "import pytest\npytest.skip('no browser here', allow_module_level=True)\n"
GOOD = "def test_c(): pass\n"


@pytest.mark.parametrize(
    ("files", "ci", "workers", "status"),
    [
        ((GOOD, SHARED), True, 0, 0),
        ((GOOD, BROWSER), False, 0, 0),
        ((GOOD, BROWSER), True, 0, 1),
        ((GOOD, MODULE), True, 2, 1),
    ],
)
def test_only_the_missing_originals_excuse(
    tmp_path: Path, files: tuple[str, ...], ci: bool, workers: int, status: int
) -> None:
    for number, text in enumerate(files):
        (tmp_path / f"test_{number}.py").write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests._skips", f"-n{workers}", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "CI": "true" if ci else "false"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == status, run.stdout + run.stderr
    assert "1 passed, 1 skipped" in run.stdout.splitlines()[-1]
    assert ("not allowed on CI" in run.stdout) is bool(status)
