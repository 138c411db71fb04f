"""Receipts without a signature: believed only where the options say so, and then with a warning."""

from typing import Final, Literal

import structlog

from dispatcher.providers.contract import ReceiptRequest
from dispatcher.strict_model import StrictModel

log = structlog.get_logger()

HOW_TO_BELIEVE: Final = 'write "signature": {"kind": "none"} to believe everybody who knows the URL'
"""The end of an error about a signature that is missing."""


class NoSignature(StrictModel):
    """None: whoever knows the URL is believed. Written down, because a forged receipt ends a message."""

    kind: Literal["none"]

    def verify(self, request: ReceiptRequest, *, now: float) -> None:
        """Accept every request."""


def warn_if_unsigned(provider: str, signature: object) -> None:
    """Log that a provider believes everybody, if its signature is none."""
    if isinstance(signature, NoSignature):
        log.warning("receipts_believed_unsigned", provider=provider)


def refuse_both(option: str, secret: object, signature: NoSignature | None) -> None:
    """Raise ValueError if options have both the secret that verifies receipts and no signature."""
    if secret is not None and signature is not None:
        raise ValueError(f"{option} and signature exclude each other: leave signature out to verify receipts")


def require_one(option: str, secret: object, signature: NoSignature | None) -> None:
    """Raise ValueError unless options have either the secret that verifies receipts or no signature."""
    refuse_both(option, secret, signature)
    if secret is None and signature is None:
        raise ValueError(
            f"{option} is missing: set the one with which the provider signs; or {HOW_TO_BELIEVE}"
        )
