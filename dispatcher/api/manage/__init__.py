"""
Our own management API, under /manage/v1: for operators, over all accounts and dialects.

One module for each subject; `entrance` has the application, and authenticates
operators. `docs/management.md` explains how to use it.
"""

from dispatcher.api.manage import (
    accounts,
    audiences,
    batches,
    callbacks,
    campaigns,
    credentials,
    edits,
    hours,
    inbound,
    lanes,
    messages,
    operators,
    opt_outs,
    providers,
    receipts,
    routes,
    senders,
    templates,
    webhooks,
)
from dispatcher.api.manage.entrance import management

__all__ = [
    "accounts",
    "audiences",
    "batches",
    "callbacks",
    "campaigns",
    "credentials",
    "edits",
    "hours",
    "inbound",
    "lanes",
    "management",
    "messages",
    "operators",
    "opt_outs",
    "providers",
    "receipts",
    "routes",
    "senders",
    "templates",
    "webhooks",
]
