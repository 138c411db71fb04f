"""A small file system below Postgres, which can be filled."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = 512 << 20
_PIECE = 1 << 20


class SmallDisk:
    """A tmpfs with the data of Postgres."""

    def __init__(self, place: Path) -> None:
        self._file = place / "filler"

    def fill(self) -> None:
        """Write until nothing more fits."""
        with self._file.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(_PIECE)) == _PIECE:
                    pass
            except OSError:
                return

    def empty(self) -> None:
        """Give the space back."""
        self._file.unlink(missing_ok=True)


@contextmanager
def small_disk(place: Path) -> Iterator[SmallDisk | None]:
    """Mount a small tmpfs on this directory during the block; yield None where that is not allowed."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    place.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or mount is None or umount is None:
        yield None
        return
    options = ["-t", "tmpfs", "-o", f"size={_SIZE},mode=0700", "tmpfs", str(place)]
    if subprocess.run([mount, *options], capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run([umount, "--lazy", str(place)], capture_output=True)
