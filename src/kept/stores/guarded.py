"""How safe files are where they lie: who can read them, on which drive, what lies beside them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kept.model.safety import Measured, Safety

_MOUNTS: Final = Path("/proc/self/mountinfo")
_DEVICES: Final = Path("/sys/dev/block")
#: File systems whose bytes come over a network.
_FAR: Final = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs")
)
#: How files of data begin: SQLite (file format, section 1.3), Parquet (its specification).
_SIGNS: Final = {b"SQLite format 3\x00": "a SQLite database", b"PAR1": "a Parquet file"}
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: its device (major:minor), its kind, what it is made of."""

    device: str
    kind: str
    source: str


def safety(root: Path, files: Iterable[Path], beside: Iterable[Path]) -> Safety:
    """The Safety of data in `files`, known as `root`; `beside` are looked at for further data."""
    everything = list(files)
    found = mount(root)
    return Safety(
        (encrypted(root, found), way(found), exposure(everything)),
        frozenset((name(root),)),
        {name(path): f"{what}, `{path.name}`" for path, what in _data(beside)},
    )


def name(path: Path) -> str:
    """Under which name a file or folder is known."""
    return f"file:{path.resolve()}"


def exposure(files: Iterable[Path]) -> Measured:
    """Whether every account of the machine can read or change one of the files.

    It can where its mode says so and the way to it is open; a group is somebody's decision.
    """
    looked = open_ = 0
    ways: dict[Path, bool] = {}
    for path in files:
        try:
            mode = path.stat().st_mode
            way = path.resolve().parent
            if way not in ways:
                above = (way, *way.parents)
                ways[way] = all(one.stat().st_mode & stat.S_IXOTH for one in above)
        except OSError:
            continue  # gone meanwhile
        looked += 1
        open_ += bool(mode & (stat.S_IROTH | stat.S_IWOTH)) and ways[way]
    if not looked:
        return Measured("exposure", None, "there is no file to look at")
    if open_:
        what = "1 file" if open_ == 1 else f"{open_:,} files"
        return Measured(
            "exposure",
            False,
            f"every account of this machine can read or change {what} of it",
            "take that away (chmod o-rwx) from the files and from the folder they lie in",
        )
    return Measured("exposure", True, "only its owner and group can read the files")


def encrypted(path: Path, drive: Mount | None = None, devices: Path = _DEVICES) -> Measured:
    """Whether the drive under `path` is encrypted by dm-crypt (LUKS), by what Linux says of it."""
    drive = drive or mount(path)
    if drive is not None and _crypt(_device(drive, devices)):
        return Measured("encryption", True, "the drive is encrypted (dm-crypt)")
    return Measured("encryption", None, "whether the drive is encrypted cannot be told from here")


def way(drive: Mount | None) -> Measured:
    """Whether the bytes of files stay on this machine."""
    if drive is None:
        return Measured("transport", None, "on which drive the files lie cannot be told")
    if drive.kind in _FAR:
        words = f"the files come over a network ({drive.kind}), and nothing says how it is guarded"
        return Measured("transport", None, words)
    return Measured("transport", True, "files on this machine")


def mount(path: Path, mounts: Path = _MOUNTS) -> Mount | None:
    """Where the file system of `path` comes from (proc(5), mountinfo); None where nobody says."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    here, best, found = path.resolve(), -1, None
    for line in lines:
        left, _, right = line.partition(" - ")
        first, second = left.split(), right.split()
        if len(first) < 5 or len(second) < 2:
            continue
        point = Path(_OCTAL.sub(lambda m: chr(int(m[1], 8)), first[4]))
        # Of two on one point the later one covers the other.
        if (here == point or point in here.parents) and len(point.parts) >= best:
            best, found = len(point.parts), Mount(first[2], second[0], second[1])
    return found


def _device(drive: Mount, devices: Path) -> Path:
    """The block device of a mount; some file systems show a number of their own for it."""
    if drive.device.startswith("0:") and drive.source.startswith("/dev/"):
        try:
            number = os.stat(drive.source).st_rdev
        except OSError:
            return devices / drive.device
        return devices / f"{os.major(number)}:{os.minor(number)}"
    return devices / drive.device


def _crypt(device: Path) -> bool:
    """Whether it is encrypted, or lies on nothing but what is (a volume on LUKS)."""
    try:
        if (device / "dm" / "uuid").read_text("ascii").startswith("CRYPT-"):
            return True
    except (OSError, UnicodeDecodeError):
        pass
    try:
        below = list((device / "slaves").iterdir())
    except OSError:
        return False
    return bool(below) and all(_crypt(one) for one in below)


def _data(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Those of the paths that are files of data, by how they begin."""
    for path in paths:
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                head = file.read(16)
        except OSError:
            continue
        what = next((what for sign, what in _SIGNS.items() if head.startswith(sign)), None)
        if what is not None:
            yield path, what
