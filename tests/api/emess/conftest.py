"""Fixtures of Emess: a dispatcher that can sign tokens."""

import pytest
from pydantic import SecretStr

from dispatcher.settings import Settings
from tests.api.emess.sample import JWT_SECRET


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return the settings with a secret for tokens."""
    return settings.model_copy(update={"jwt_secret": SecretStr(JWT_SECRET)})
