"""Refused receipts are logged at once, then once a minute with their number, and never with their content."""

from structlog.testing import capture_logs

from dispatcher.domain.errors import BadReceipt, BadSignature
from dispatcher.service.receipts.refused import INTERVAL, RefusedReceipts

MINUTE = INTERVAL.total_seconds()


class Seconds:
    """A clock that advances when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_flood_of_forged_receipts_logs_one_line_a_minute_with_their_count() -> None:
    clock = Seconds()
    refusals = RefusedReceipts(clock)
    with capture_logs() as lines:
        for _ in range(1000):
            refusals.note("sim", BadSignature("the signature does not fit the body"))
        clock.now += MINUTE
        refusals.note("sim", BadSignature("the signature does not fit the body"))
    assert [(line["event"], line["provider"], line["count"]) for line in lines] == [
        ("receipts_forged", "sim", 1),
        ("receipts_forged", "sim", 1000),
    ]


def test_each_provider_and_kind_of_refusal_is_logged_separately() -> None:
    refusals = RefusedReceipts(Seconds())
    with capture_logs() as lines:
        for provider in ("one", "other"):
            refusals.note(provider, BadSignature("wrong"))
            refusals.note(provider, BadReceipt("not JSON"))
    assert [(line["event"], line["provider"]) for line in lines] == [
        ("receipts_forged", "one"),
        ("receipts_unreadable", "one"),
        ("receipts_forged", "other"),
        ("receipts_unreadable", "other"),
    ]
