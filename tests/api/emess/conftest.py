"""Every story here has a dispatcher that can sign tokens."""

import pytest
from pydantic import SecretStr

from dispatcher.settings import Settings
from tests.api.emess.sample import JWT_SECRET


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Give the settings of every test, and a secret to sign with."""
    return settings.model_copy(update={"jwt_secret": SecretStr(JWT_SECRET)})
