"""The settings of every process, from environment variables."""

from dispatcher.settings.model import (
    BrokerSettings,
    ProviderSettings,
    RepeatPolicy,
    Settings,
    load_broker_settings,
    load_settings,
)

__all__ = [
    "BrokerSettings",
    "ProviderSettings",
    "RepeatPolicy",
    "Settings",
    "load_broker_settings",
    "load_settings",
]
