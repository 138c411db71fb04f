"""
Dialect: eMsgNow, under /sms. API key in x-api-key; errors are {"error": ...}.

`docs/dialects/emsgnow.md` lists what its document leaves open, and what we decided.
"""

from dispatcher.api.dialects.emsgnow.routes import dialect

__all__ = ["dialect"]
