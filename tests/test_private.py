"""Where personal data lies, nobody but its owner may enter; the way there neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from kept.private import make_private
from kept.stores.tasks import TaskFolder


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_every_missing_directory_on_the_way_is_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "letters" / "provider" / "sent")
    for made in ("letters", "letters/provider", "letters/provider/sent"):
        assert _mode(tmp_path / made) == 0o700
    assert _mode(tmp_path) == 0o755  # what was there is not ours to close


def test_twice_is_once_and_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    make_private(tmp_path / "a")
    make_private(tmp_path / "a")
    (tmp_path / "file").touch()
    for there in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            make_private(there)


def test_a_folder_of_tasks_inside_that_of_letters_leaves_neither_open(tmp_path: Path) -> None:
    TaskFolder(tmp_path / "letters" / "provider").write("task.txt", "Delete eve@example.org")
    assert _mode(tmp_path / "letters") == _mode(tmp_path / "letters" / "provider") == 0o700
