"""
Dialect: SMS Scheduler v1, under /api/v1. Bearer key; errors are {"errors": {field: [message, ...]}}.

`docs/dialects/scheduler.md` lists what its document leaves open, and what we decided.
"""

from dispatcher.api.dialects.scheduler.routes import dialect

__all__ = ["dialect"]
