"""The tables, as SQLAlchemy Core. The migrations create exactly these, which a test verifies."""

from dispatcher.store.tables import accounts, callbacks, campaigns, inbound, providers, receipts, routes
from dispatcher.store.tables.base import metadata
from dispatcher.store.tables.messages import messages

__all__ = [
    "accounts",
    "callbacks",
    "campaigns",
    "inbound",
    "messages",
    "metadata",
    "providers",
    "receipts",
    "routes",
]
