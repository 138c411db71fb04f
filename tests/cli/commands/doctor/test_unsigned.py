"""`dispatcher doctor` warns of providers whose receipts are believed whoever sends them."""

import pytest

from dispatcher.cli.commands.doctor import checks
from dispatcher.settings import ProviderSettings, Settings

UNSIGNED = {"kind": "none"}
SIGNED = {"kind": "token", "query": "token", "token": "12345678"}


@pytest.mark.parametrize(
    ("plugin", "options", "warnings"),
    [
        ("http", {"receipts": {"signature": UNSIGNED}}, 1),
        ("http", {"recipe": "kannel", "with": {}, "receipts": {"signature": UNSIGNED}}, 1),
        ("http", {"receipts": {"signature": SIGNED}}, 0),
        ("http", {}, 0),
        ("vonage", {"signature": UNSIGNED}, 1),
        ("vonage", {"signature_secret": "12345678"}, 0),
        ("smsgate", {"signature": UNSIGNED}, 1),
        ("smsgate", {}, 0),
    ],
)
def test_a_provider_that_believes_everybody_is_named(
    settings: Settings, plugin: str, options: dict[str, object], warnings: int
) -> None:
    acme = ProviderSettings(name="acme", plugin=plugin, options=options)
    found = checks.unsigned(settings.model_copy(update={"providers": [acme]}))
    assert len(found) == warnings
    assert all("acme" in finding.text for finding in found)
