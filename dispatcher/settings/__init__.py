"""The settings of every process, from environment variables."""

from dispatcher.settings.model import ProviderSettings, RepeatPolicy, Settings, load_settings

__all__ = ["ProviderSettings", "RepeatPolicy", "Settings", "load_settings"]
