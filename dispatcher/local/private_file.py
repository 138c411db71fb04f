"""Writes files with secrets: mode 0600 from the first byte on, and replaced atomically."""

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read, whatever the umask. Readers see the old or the new file."""
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as new:
        new.write(text)
    unfinished.replace(file)
