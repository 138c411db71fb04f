"""The disk of a data directory, when it is full."""

import errno
import shutil
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}
_LEAST = 10_000_000  # with less, the servers cannot work, whatever their error says
_NEEDED = "about 100 MB"


def is_full(directory: Path, error: BaseException) -> bool:
    """Return whether an error is due to a full disk or a used-up quota."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return "No space left on device" in str(error) or shutil.disk_usage(_existing(directory)).free < _LEAST


def advice(directory: Path) -> str:
    """Return one line on a full disk, with what to do."""
    free = shutil.disk_usage(_existing(directory)).free / 1_000_000
    return (
        f"no space is left for {directory} ({free:.1f} MB free, or a quota is used up): free some, or name"
        f" another directory with --data; a new one needs {_NEEDED}"
    )


def _existing(directory: Path) -> Path:
    return next(folder for folder in (directory, *directory.parents) if folder.exists())
