"""`dispatcher doctor` warns of providers whose receipts are believed whoever sends them."""

import pytest

from dispatcher.cli.commands.doctor import checks
from dispatcher.settings import ProviderSettings, Settings

UNSIGNED = {"kind": "none"}
SIGNED = {"kind": "token", "query": "token", "token": "12345678"}


@pytest.mark.parametrize(("signature", "warnings"), [(UNSIGNED, 1), (SIGNED, 0)])
def test_a_provider_that_believes_everybody_is_named(
    settings: Settings, signature: dict[str, str], warnings: int
) -> None:
    options: dict[str, object] = {"receipts": {"signature": signature}}
    acme = ProviderSettings(name="acme", plugin="http", options=options)
    found = checks.unsigned(settings.model_copy(update={"providers": [acme]}))
    assert len(found) == warnings
    assert all("acme" in finding.text for finding in found)
