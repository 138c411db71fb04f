"""Dialect: eMsgNow, under /sms. API key in x-api-key; errors are {"error": ...}."""

from dispatcher.api.door import Claim, Door

NAME = "emsgnow"

door = Door(
    NAME,
    title="eMsgNow SMS API",
    claims=(Claim("/sms"),),
    envelope=lambda failure: {"message": failure.message},
    docs="/sms",
)
