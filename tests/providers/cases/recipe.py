"""The options and the time that the cases of all recipes share."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dispatcher.providers.generic_http import HttpProvider

NOW = 1_772_366_400
"""2026-03-01 12:00 UTC, by the clock that recipes under test are given."""

RECEIPT_URL = "https://sms.our.example/receipts/acme"

opened = partial(HttpProvider, clock=lambda: float(NOW))


def options(recipe: str, **values: str) -> Callable[[str, int], Mapping[str, Any]]:
    """Return the options of a recipe for an address."""
    return lambda host, port: {
        "recipe": recipe,
        "with": {"base_url": f"http://{host}:{port}", "receipt_url": RECEIPT_URL, **values},
    }
