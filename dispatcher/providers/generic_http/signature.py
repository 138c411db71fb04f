"""
How a provider authenticates its receipts: a shared token, an HMAC, Ed25519 or a JWT.

A template describes the signed data, so a new provider needs a line of options
and no code. Signatures are compared in constant time. A timestamp must be part
of the signed data.
"""

import base64
import binascii
import hashlib
import hmac
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AfterValidator, Field, SecretStr, model_validator

from dispatcher.providers.contract import BadSignature, ReceiptRequest
from dispatcher.providers.generic_http.fields import Options
from dispatcher.providers.unsigned import NoSignature

_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_LEEWAY_SECONDS: Final = 1


class TokenSignature(Options):
    """A shared token, in a header or in the query of the receipt URL."""

    kind: Literal["token"]
    token: SecretStr = Field(min_length=8)
    header: str | None = None
    query: str | None = None

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.header is None) == (self.query is None):
            raise ValueError("set exactly one of header and query")
        return self

    def verify(self, request: ReceiptRequest, *, now: float) -> None:
        """Raise BadSignature if the token is missing or wrong."""
        shown = request.headers.get((self.header or "").lower(), "")
        if self.query is not None:
            shown = request.query.get(self.query, "")
        if not hmac.compare_digest(shown.encode(), self.token.get_secret_value().encode()):
            raise BadSignature("the token of this receipt is missing or wrong")


def _checked_parts(template: str) -> str:
    for name in _PLACEHOLDER.findall(template):
        if name not in _SIGNED_PARTS:
            raise ValueError(
                f"there is no {{{name}}} to sign; choose from {', '.join(sorted(_SIGNED_PARTS))}"
            )
    return template


_MOST_SIGNATURES = 5  # while a secret rotates there are two; each costs a pass over the body


class _HeaderSignature(Options):
    """A signature in a header, over `signed`. Of several, separated by commas, the first five are tried."""

    header: str | list[str]
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    signed: Annotated[str, AfterValidator(_checked_parts)] = "{body}"
    nonce: str | None = None
    timestamp: str | None = None
    max_age: timedelta | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        parts = set(_PLACEHOLDER.findall(self.signed))
        for name, header in (("nonce", self.nonce), ("timestamp", self.timestamp)):
            if (name in parts) != (header is not None):
                raise ValueError(f"{{{name}}} in signed and the header option {name} need each other")
        if self.max_age is not None and self.timestamp is None:
            raise ValueError("max_age needs a signed timestamp")
        return self

    def signs_the_body_alone(self) -> bool:
        """Whether only the body is signed, so that a receipt without one would be signed by nothing."""
        return self.signed == "{body}"

    def verify(self, request: ReceiptRequest, *, now: float) -> None:
        """Raise BadSignature if no signature is right, or if the timestamp is too old."""
        self._check_age(request, now)
        headers = [self.header] if isinstance(self.header, str) else self.header
        shown = [one for header in headers for one in _shown_signatures(request, header)]
        received = [one for one in map(self._decoded, shown) if one]
        if not received or not self._has_right(received, self._data(request)):
            raise BadSignature("the signature is missing or wrong")

    def _data(self, request: ReceiptRequest) -> bytes:
        """Return the signed data: in a split by one group, every second piece is a name."""
        pieces = enumerate(_PLACEHOLDER.split(self.signed))
        return b"".join(
            _SIGNED_PARTS[piece](request, self) if index % 2 else piece.encode() for index, piece in pieces
        )

    def _check_age(self, request: ReceiptRequest, now: float) -> None:
        if self.max_age is None or self.timestamp is None:
            return
        text = request.headers.get(self.timestamp.lower(), "")
        if not re.fullmatch(r"[0-9]{1,12}", text):
            raise BadSignature(f"the header {self.timestamp} is not a time in seconds")
        if abs(now - int(text)) > self.max_age.total_seconds():
            raise BadSignature(
                f"the timestamp of the signature is more than {self.max_age.total_seconds():g} s off"
            )

    def _decoded(self, signature: str) -> bytes | None:
        if not signature.startswith(self.prefix):
            return None
        text = signature.removeprefix(self.prefix)
        try:
            return bytes.fromhex(text) if self.encoding == "hex" else base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            return None

    @abstractmethod
    def _has_right(self, signatures: Sequence[bytes], data: bytes) -> bool:
        """Whether one of these signatures is right."""


class HmacSignature(_HeaderSignature):
    """HMAC-SHA256 with a shared secret."""

    kind: Literal["hmac-sha256"]
    secret: SecretStr = Field(min_length=8)

    def _has_right(self, signatures: Sequence[bytes], data: bytes) -> bool:
        expected = hmac.digest(self.secret.get_secret_value().encode(), data, hashlib.sha256)
        return any(hmac.compare_digest(signature, expected) for signature in signatures)


def _public_key(text: str) -> str:
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise ValueError("this is not an Ed25519 public key (32 bytes in base64)") from None
    return text


class Ed25519Signature(_HeaderSignature):
    """Ed25519 (RFC 8032) by the provider's key."""

    kind: Literal["ed25519"]
    public_key: Annotated[str, AfterValidator(_public_key)]

    def _has_right(self, signatures: Sequence[bytes], data: bytes) -> bool:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public_key))
        return any(_is_right(key, signature, data) for signature in signatures)


def _is_right(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


class JwtSignature(Options):
    """A JWT (HS256) in a header, valid until its `exp`, with SHA-256 of the URL and of the body as claims."""

    kind: Literal["jwt"]
    secret: SecretStr = Field(min_length=32)  # RFC 7518, 3.2: as long as the hash
    header: str
    issuer: str
    url_claim: str = "url_hash"
    body_claim: str = "payload_hash"

    def verify(self, request: ReceiptRequest, *, now: float) -> None:
        """Raise BadSignature if the JWT is not the provider's, not for this request, or expired."""
        claims = self._claims(request)
        if not claims["nbf"] - _LEEWAY_SECONDS <= now <= claims["exp"] + _LEEWAY_SECONDS:
            raise BadSignature("the JWT of this receipt is expired or not yet valid")
        if claims.get(self.url_claim) != hashlib.sha256(request.url.encode()).hexdigest():
            raise BadSignature("the JWT of this receipt is for another URL")
        body = hashlib.sha256(request.body).hexdigest() if request.body else None
        if claims.get(self.body_claim) != body:
            raise BadSignature("the JWT of this receipt is for another body")

    def _claims(self, request: ReceiptRequest) -> dict[str, Any]:
        """Return the claims. Their times are not checked here, but against the caller's clock."""
        try:
            claims: dict[str, Any] = jwt.decode(
                request.headers.get(self.header.lower(), ""),
                self.secret.get_secret_value(),
                algorithms=["HS256"],
                issuer=self.issuer,
                options={
                    "require": ["exp", "nbf", "iss"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            raise BadSignature("the JWT of this receipt is missing or wrong") from None
        if not all(isinstance(claims[name], int | float) for name in ("exp", "nbf")):
            raise BadSignature("the JWT of this receipt has no times")
        return claims


Signature = Annotated[
    NoSignature | TokenSignature | HmacSignature | Ed25519Signature | JwtSignature,
    Field(discriminator="kind"),
]


def _shown_signatures(request: ReceiptRequest, header: str) -> list[str]:
    shown = request.headers.get(header.lower(), "").split(",", _MOST_SIGNATURES)
    return [signature.strip() for signature in shown[:_MOST_SIGNATURES]]


def _url_and_form(request: ReceiptRequest, _: _HeaderSignature) -> bytes:
    """
    Return the URL with its query sorted, followed by the sorted fields of a form.

    Plivo signs this: "Signature Validation" of its documentation, and
    `plivo.utils.signature_v3` of its client. A body that is not a form has no fields.
    """
    url = urlsplit(request.url)
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(url.query, True)))
    fields = sorted(parse_qsl(request.body.decode("latin-1"), True, encoding="utf-8"))
    form = "".join(f"{name}{value}" for name, value in fields)
    mark = "?" if query or form else ""
    return f"{url.scheme}://{url.netloc}{url.path}{mark}{query}{'.' if query and form else ''}{form}".encode()


def _header_bytes(request: ReceiptRequest, name: str | None) -> bytes:
    return request.headers.get((name or "").lower(), "").encode()


_SIGNED_PARTS: Final[dict[str, Callable[[ReceiptRequest, _HeaderSignature], bytes]]] = {
    "body": lambda request, _: request.body,
    "url": lambda request, _: request.url.encode(),
    "url_and_form": _url_and_form,
    "nonce": lambda request, signed: _header_bytes(request, signed.nonce),
    "timestamp": lambda request, signed: _header_bytes(request, signed.timestamp),
}
"""The data that a signature may cover, by the name in `signed`."""
