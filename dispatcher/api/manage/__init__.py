"""
Our own management API, under /manage/v1: for operators, over all accounts and dialects.

One module for each subject; `entrance` has the application, and authenticates
operators. `docs/management.md` explains how to use it.
"""

from dispatcher.api.manage import inbound, lanes, receipts
from dispatcher.api.manage.accounts import (
    accounts,
    credentials,
    hours,
    operators,
    opt_outs,
    senders,
    templates,
)
from dispatcher.api.manage.app import management
from dispatcher.api.manage.callbacks import callbacks, webhooks
from dispatcher.api.manage.campaigns import audiences, campaigns
from dispatcher.api.manage.messages import batches, edits, messages
from dispatcher.api.manage.routing import providers, routes

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
