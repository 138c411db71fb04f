"""A full disk is said in one line, with the directory and what to do."""

import errno
import os
from pathlib import Path

from dispatcher.domain.errors import Misconfigured
from dispatcher.local import disk
from tests.cli.command import Run, refused


def test_up_on_a_full_disk_says_so_in_one_line(run: Run, bare: Path) -> None:
    data = bare / "my data"
    data.mkdir()
    (data / "parts.new").symlink_to("/dev/full")  # each write there fails as on a full disk
    ended = run("up", "--data", str(data))
    refused(ended, 1, f"no space is left for {data} (")
    assert "name another directory with --data" in ended.err


def test_another_error_is_not_a_full_disk(tmp_path: Path) -> None:
    assert not disk.is_full(tmp_path, OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert not disk.is_full(tmp_path / "not" / "yet", Misconfigured("initdb failed"))
    assert disk.is_full(tmp_path, OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)))
    assert disk.is_full(tmp_path, Misconfigured("initdb failed: could not write: No space left on device"))
