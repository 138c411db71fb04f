"""Dialect: Emess API v0, under /api/v0. Bearer JWT; errors are {"message": ...}."""

from dispatcher.api.door import Claim, Door

NAME = "emess"

door = Door(
    NAME,
    title="Emess API",
    claims=(Claim("/api/v0"), Claim("/api/v0/sms/bulk", bulk=True)),
    envelope=lambda failure: {"message": failure.message},
    docs="/api/v0",
)
