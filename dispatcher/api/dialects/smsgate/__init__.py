"""
Dialect: SMS Gateway third-party API, under /api/3rdparty/v1 and /3rdparty/v1.

Basic or Bearer; errors are {"message": ..., "code": ...}. It is the
document's, and that of the public program behind it ("upstream"), whose
clients send, follow and cancel here unchanged. `docs/dialects/smsgate.md` lists
what was decided between the two.
"""

from dispatcher.api.dialects.smsgate.routes import dialect

__all__ = ["dialect"]
