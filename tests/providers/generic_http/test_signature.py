"""Signatures of receipts: the signed data, the methods, and their validity."""

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from dispatcher.domain.delivery.provider import ReceiptRequest
from dispatcher.domain.errors import BadSignature, Misconfigured
from dispatcher.providers.generic_http.options import read_options
from dispatcher.providers.generic_http.signature import Ed25519Signature, HmacSignature

SECRET = "a-shared-secret"
NOW = 1_772_366_400.0


def by_hmac(**more: Any) -> HmacSignature:
    return HmacSignature.model_validate({"kind": "hmac-sha256", "secret": SECRET, "header": "X-Sig"} | more)


def hexed(data: bytes) -> str:
    return hmac.digest(SECRET.encode(), data, hashlib.sha256).hex()


def a_request(
    body: bytes = b"body", url: str = "https://our.example/r?b=2&a=1", **headers: str
) -> ReceiptRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ReceiptRequest("POST", named, {}, body, url)


@pytest.mark.parametrize(
    ("signed", "data"),
    [
        ("{body}", b"b\xff{url}"),
        ("{url}", b"https://our.example/r?b=2&a=1"),
        ("v1:{nonce}.{timestamp}.{body}", b"v1:n-1.1772366400.b\xff{url}"),
    ],
)
def test_the_signed_data_is_built_from_its_parts(signed: str, data: bytes) -> None:
    named = {part: f"X-{part}" for part in ("nonce", "timestamp") if part in signed}
    request = a_request(b"b\xff{url}", x_sig=hexed(data), x_nonce="n-1", x_timestamp="1772366400")
    by_hmac(signed=signed, **named).verify(request, now=NOW)
    with pytest.raises(BadSignature):
        by_hmac(signed=signed + "!", **named).verify(request, now=NOW)


@pytest.mark.parametrize(
    ("body", "url", "data"),
    [
        (b"", "https://our.example/r", b"https://our.example/r"),
        (b"", "https://our.example/r?b=2&a=1", b"https://our.example/r?a=1&b=2"),
        (b"z=1&y=%C3%A9+x", "https://our.example/r", "https://our.example/r?yé xz1".encode()),
        (b"k=2&k=1", "https://our.example/r?b=", b"https://our.example/r?b=.k1k2"),
    ],
)
def test_url_and_form_are_sorted(body: bytes, url: str, data: bytes) -> None:
    by_hmac(signed="{url_and_form}").verify(a_request(body, url, x_sig=hexed(data)), now=NOW)


def test_any_of_several_signatures_and_headers_may_be_right() -> None:
    right = hexed(b"body")
    either = by_hmac(header=["X-New", "X-Old"])
    either.verify(a_request(x_old=f"{'0' * 64}, {right}"), now=NOW)
    either.verify(a_request(x_new=right, x_old="nonsense"), now=NOW)
    with pytest.raises(BadSignature):
        either.verify(a_request(x_sig=right), now=NOW)


@pytest.mark.parametrize("shown", ["," * 60_000, f"{'0' * 64}," * 900, "nonsense"])
def test_however_many_signatures_there_are_the_body_is_read_once_at_most(
    shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests: list[int] = []

    def counted(key: bytes, data: bytes, name: Any) -> bytes:
        digests.append(len(data))
        return digest(key, data, name)

    digest = hmac.digest
    monkeypatch.setattr(hmac, "digest", counted)
    with pytest.raises(BadSignature):
        by_hmac().verify(a_request(b"x" * 1_000_000, x_sig=shown), now=NOW)
    assert len(digests) <= 1


def test_the_first_five_signatures_count() -> None:
    wrong, right = "0" * 64, hexed(b"body")
    by_hmac().verify(a_request(x_sig=",".join([*[wrong] * 4, right])), now=NOW)
    with pytest.raises(BadSignature):
        by_hmac().verify(a_request(x_sig=",".join([*[wrong] * 5, right])), now=NOW)


@pytest.mark.parametrize("said", ["1772366100", "1772366700"])
def test_a_signature_counts_for_as_long_as_the_options_say(said: str) -> None:
    signature = by_hmac(signed="{timestamp}.{body}", timestamp="X-T", max_age=timedelta(minutes=5))
    request = a_request(x_sig=hexed(f"{said}.body".encode()), x_t=said)
    signature.verify(request, now=NOW)
    with pytest.raises(BadSignature, match="300 s"):
        signature.verify(request, now=NOW + (1 if said < str(int(NOW)) else -1))


@pytest.mark.parametrize("said", ["", "-5", "1e9", "soon", "1772366400000000"])
def test_an_invalid_time_is_refused(said: str) -> None:
    signature = by_hmac(signed="{timestamp}.{body}", timestamp="X-T", max_age=timedelta(minutes=5))
    with pytest.raises(BadSignature, match="not a time"):
        signature.verify(a_request(x_sig=hexed(f"{said}.body".encode()), x_t=said), now=NOW)


def test_ed25519_is_verified_with_the_providers_key() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    form = {"kind": "ed25519", "public_key": public, "header": "X-Sig"}
    signature = Ed25519Signature.model_validate(form)
    signature.verify(a_request(x_sig=key.sign(b"body").hex()), now=NOW)
    for wrong in ("", "00", key.sign(b"another").hex(), "zz"):
        with pytest.raises(BadSignature):
            signature.verify(a_request(x_sig=wrong), now=NOW)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signed": "{body}{moon}"}, "there is no {moon} to sign"),
        ({"signed": "{nonce}{body}"}, "{nonce} in signed and the header option"),
        ({"timestamp": "X-T"}, "{timestamp} in signed and the header option"),
        ({"max_age": "PT5M"}, "max_age needs a signed timestamp"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        by_hmac(**options)
    assert words in str(wrong.value)


@pytest.mark.parametrize("key", ["", "AAAA", "not base64"])
def test_an_invalid_public_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="not an Ed25519 public key"):
        Ed25519Signature.model_validate({"kind": "ed25519", "public_key": key, "header": "X"})


def test_receipts_without_a_signature_are_believed_only_if_the_options_say_so() -> None:
    receipts = {"ref": "id", "status": "s", "words": {"ok": 13}}
    with pytest.raises(Misconfigured, match=r"signature is missing.*token, hmac-sha256.*\"kind\": \"none\""):
        read_options("acme", {"url": "https://provider.example", "receipts": receipts})
    read_options(
        "acme", {"url": "https://provider.example", "receipts": receipts | {"signature": {"kind": "none"}}}
    )
