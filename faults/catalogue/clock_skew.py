"""A wrong wall clock for one process, by libfaketime."""

from collections.abc import Mapping
from pathlib import Path

SKEW = "+30s"
_PLACES = ("/usr/lib", "/usr/local/lib", "/lib")


def variables() -> Mapping[str, str] | None:
    """Return the environment of a process whose wall clock is ahead by SKEW; None without libfaketime."""
    for place in _PLACES:
        for library in sorted(Path(place).glob("**/faketime/libfaketimeMT.so.1")):
            return {
                "LD_PRELOAD": str(library),
                "FAKETIME": SKEW,
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
    return None
