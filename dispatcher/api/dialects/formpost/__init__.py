"""
Dialect: form post (v1) and keys (v2), at /v1/sms/send, /api/v2 and /api/…-key.

Two surfaces of one dialect, each with error bodies of its own: `{"error": …}`
with a full stop in v1, Laravel's habits in the rest. `docs/dialects/formpost.md`
lists what their document leaves open, and what we decided.
"""

from dispatcher.api.dialects.formpost.routes import dialect

__all__ = ["dialect"]
