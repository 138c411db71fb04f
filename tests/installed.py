"""Programs that some tests need and that not every machine has."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """
    Return the path of an installed program.

    Without it the test is skipped. Where NO_SKIPS is set, as in the gate, it fails.
    """
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path:
        return path
    missing = f"{program} is not installed (Debian: apt-get install {program})"
    if os.environ.get("NO_SKIPS"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
