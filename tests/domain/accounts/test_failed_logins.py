"""Failed logins are counted for an hour, and the address of most of them is known."""

from datetime import UTC, datetime, timedelta

from dispatcher.domain.accounts.failed_logins import (
    MOST_ADDRESSES,
    NONE_FAILED,
    OTHERS,
    FailedLoginCount,
    FailedLogins,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_none_failed_at_first() -> None:
    assert FailedLogins().last_hour(NOW) == NONE_FAILED


def test_the_address_with_the_most_is_named() -> None:
    failed = FailedLogins()
    for number in range(10):
        failed.note("192.0.2.1" if number % 3 else "192.0.2.2", now=NOW + number * MINUTE)
    assert failed.last_hour(NOW + 10 * MINUTE) == FailedLoginCount(10, "192.0.2.1", 6)


def test_a_failure_is_forgotten_after_an_hour() -> None:
    failed = FailedLogins()
    failed.note("192.0.2.1", now=NOW)
    failed.note("192.0.2.2", now=NOW + 30 * MINUTE)
    assert failed.last_hour(NOW + 59 * MINUTE).count == 2
    assert failed.last_hour(NOW + 60 * MINUTE) == FailedLoginCount(1, "192.0.2.2", 1)
    assert failed.last_hour(NOW + 90 * MINUTE) == NONE_FAILED


def test_many_addresses_are_counted_together() -> None:
    failed = FailedLogins()
    for number in range(3 * MOST_ADDRESSES):
        failed.note(f"2001:db8:0:{number:x}::/64", now=NOW)
    assert failed.last_hour(NOW) == FailedLoginCount(3 * MOST_ADDRESSES, OTHERS, 2 * MOST_ADDRESSES)
