"""
Dialect: Emess API v0, under /api/v0. Bearer JWT; errors are {"message": ...}.

`docs/dialects/emess.md` lists what its document leaves open, and what we decided.
"""

from dispatcher.api.dialects.emess.routes import dialect

__all__ = ["dialect"]
