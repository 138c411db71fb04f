"""Dialect: SMS Gateway third-party API."""

from dispatcher.api.door import Claim, Door

NAME = "smsgate"

door = Door(
    NAME,
    title="SMS Gateway",
    claims=(Claim("/api/3rdparty/v1"), Claim("/3rdparty/v1")),
    envelope=lambda failure: {"message": failure.message},
    docs="/api/3rdparty/v1",
)
