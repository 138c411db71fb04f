"""
Dialect: SMS Gateway third-party API, under /api/3rdparty/v1 and /3rdparty/v1.

Basic or Bearer; errors are {"message": ..., "code": ...}. It follows the document,
and the public program behind it ("upstream"), whose clients send, follow and cancel
here unchanged. `docs/dialects/smsgate.md` lists what we decided where they differ.
"""

from dispatcher.api.dialects.smsgate.routes import dialect

__all__ = ["dialect"]
