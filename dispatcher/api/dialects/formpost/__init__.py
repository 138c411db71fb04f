"""Dialect: form post and key API."""

from dispatcher.api.door import Claim, Door

NAME = "formpost"

door = Door(
    NAME,
    title="Form and key API",
    claims=(
        Claim("/v1/sms", bulk=True),
        Claim("/api/v1/sms/send", bulk=True),
        Claim("/api/v2"),
        Claim("/api/v2/sms", bulk=True),
        Claim("/api/generate-key"),
        Claim("/api/revoke-key"),
        Claim("/api/regenerate-key"),
        Claim("/api/oauth2-callback"),
    ),
    envelope=lambda failure: {"message": failure.message},
    docs="/api/v2",
)
