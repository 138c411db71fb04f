"""The version of this installation, and how it introduces itself in HTTP."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("sms-dispatcher")

USER_AGENT: Final = f"sms-dispatcher/{VERSION}"
"""The User-Agent of every call of ours: to providers, to callbacks' URLs, to our own processes."""
