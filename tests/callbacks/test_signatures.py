import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from dispatcher.callbacks.signatures import standard_webhook, timestamped

AT = datetime(2026, 3, 1, 12, 0, 0, 900_000, tzinfo=UTC)
ELSEWHERE = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
BODY = '{"text": "Grüße, мир 🙂"}'.encode()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize("at", [AT, ELSEWHERE], ids=["UTC", "another zone"])
@time_machine.travel(AT, tick=False)
def test_a_standard_webhook_is_verified_by_the_library(at: datetime) -> None:
    headers = standard_webhook(SECRET, id="evt_1", at=at, body=BODY)
    assert Webhook(SECRET).verify(BODY, headers) == {"text": "Grüße, мир 🙂"}
    assert headers["webhook-id"] == "evt_1"
    assert headers["webhook-timestamp"] == "1772366400"


@pytest.mark.parametrize(
    ("name", "value"),
    [("webhook-id", "evt_2"), ("webhook-timestamp", "1772366401"), ("webhook-signature", "v1,AAAA")],
)
@time_machine.travel(AT, tick=False)
def test_a_standard_webhook_with_a_changed_header_is_not_verified(name: str, value: str) -> None:
    headers = standard_webhook(SECRET, id="evt_1", at=AT, body=BODY) | {name: value}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers)


def test_a_standard_webhook_is_the_one_of_the_specification() -> None:
    # the example of the Standard Webhooks and Svix documentation
    headers = standard_webhook(
        SECRET,
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1_614_265_330, UTC),
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_timestamped_signature_covers_body_and_time() -> None:
    headers = timestamped("s3cret-ключ", at=AT, body=BODY)
    assert headers == {
        "X-Timestamp": "1772366400",
        "X-Signature": hmac.new("s3cret-ключ".encode(), BODY + b"1772366400", hashlib.sha256).hexdigest(),
    }
    assert timestamped("s3cret-ключ", at=ELSEWHERE, body=BODY) == headers


def test_a_time_without_a_zone_is_not_signed() -> None:
    naive = AT.replace(tzinfo=None)
    with pytest.raises(ValueError, match="no time zone"):
        standard_webhook(SECRET, id="evt_1", at=naive, body=BODY)
    with pytest.raises(ValueError, match="no time zone"):
        timestamped(SECRET, at=naive, body=BODY)
