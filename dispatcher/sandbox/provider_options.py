"""The options of the `http` and `smpp` providers for the sandbox: for `up`, tests and documents."""

from dispatcher.sandbox.bodies import ERRORS, STATES
from dispatcher.sandbox.receipts import SIGNATURE_HEADER

REJECTIONS = {
    "invalid_number": 30,
    "blocked": 31,
    "expired": 32,
    "unreachable": 33,
    "refused": 38,
    "account_refused": 39,
}
"""The status of each error code of the sandbox."""

RECEIPT_WORDS: dict[str, int | None] = {
    "DELIVRD": 13,
    "INVALID": 30,
    "BLOCKED": 31,
    "EXPIRED": 32,
    "UNREACH": 33,
    "UNDELIV": 38,
    "ENROUTE": None,
}
"""The status of each receipt word; MOONED is missing on purpose."""


INBOUND: dict[str, object] = {
    "when": {"path": "text"},
    "sender": "from",
    "recipient": "to",
    "text": "text",
    "ref": "id",
}
"""A handset's message: it arrives among the receipts, and only it has a text."""


def http_options(
    base_url: str,
    *,
    receipt_url: str | None = None,
    token: str | None = None,
    receipt_secret: str | None = None,
) -> dict[str, object]:
    """Return the options; `token` and `receipt_secret` are those of the sandbox's settings."""
    options = _submission(base_url) | {"receipts": _receipts(receipt_secret), "inbound": dict(INBOUND)}
    if receipt_url:
        options["receipt_url"] = receipt_url
    if token:
        options["auth"] = {"kind": "bearer", "token": token}
    return options


def smpp_options(
    host: str, port: int, *, system_id: str = "sandbox", password: str = ""
) -> dict[str, object]:
    """Return the options; `system_id` and `password` must match the sandbox's settings, if set there."""
    return {
        "host": host,
        "port": port,
        "system_id": system_id,
        "password": password,
        "statuses": {f"0x{ERRORS[word]:X}": code for word, code in REJECTIONS.items()},
        "errors": {STATES[word][1]: code for word, code in RECEIPT_WORDS.items() if _is_by_error(word)},
    }


def _is_by_error(word: str) -> bool:
    """Whether receipts express this word by the network's error code."""
    return word in STATES and STATES[word][1] != "000"


def _submission(base_url: str) -> dict[str, object]:
    return {
        "url": f"{base_url.rstrip('/')}/submit",
        "json": {
            "to": "{to}",
            "from": "{sender}",
            "text": "{text}",
            "reference": "{reference}",
            "segments": "{segments}",
            "tier": "{tier}",
            "receipt_url": "{receipt_url}",
        },
        "reference": {"path": "ids"},
        "reason": "error.code",
        "rules": [
            {"http": "4xx", "path": "error.code", "equals": word, "then": "rejected", "code": code}
            for word, code in REJECTIONS.items()
        ],
    }


def _receipts(secret: str | None) -> dict[str, object]:
    receipts: dict[str, object] = {
        "items": "reports",
        "ref": "id",
        "reference": "reference",
        "status": "status",
        "words": dict(RECEIPT_WORDS),
    }
    receipts["signature"] = (
        {"kind": "hmac-sha256", "header": SIGNATURE_HEADER, "secret": secret} if secret else {"kind": "none"}
    )
    return receipts
