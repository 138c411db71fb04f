"""Programs that some tests need and that not every machine has."""

import shutil

import pytest


def require(program: str) -> str:
    """Return the path of an installed program; without it the test is skipped."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path
