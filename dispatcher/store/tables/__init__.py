"""The tables, as SQLAlchemy Core. The migrations make exactly these; a test compares them."""

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
