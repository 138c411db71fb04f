"""
Dialect: form post (v1) and keys (v2), at /v1/sms/send, /api/v2 and /api/…-key.

Two surfaces of one dialect, each with its own error format: `{"error": …}` with a
full stop in v1, Laravel's in v2 and at the key endpoints. `docs/dialects/formpost.md`
lists what their document leaves open, and what we decided.
"""

from dispatcher.api.dialects.formpost.routes import dialect

__all__ = ["dialect"]
