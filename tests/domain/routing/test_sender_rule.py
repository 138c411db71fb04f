"""Sender rules: names may be allowed, registered or forbidden in a country; numbers always are allowed."""

import pytest

from dispatcher.domain.routing.sender_rule import Alphanumeric, SenderRule

REGISTERED = frozenset({"SHOP"})


@pytest.mark.parametrize(
    ("policy", "sender", "shown"),
    [
        (Alphanumeric.ALLOWED, "ANY", "ANY"),
        (Alphanumeric.FORBIDDEN, "SHOP", None),
        (Alphanumeric.FORBIDDEN, "+12025550123", "+12025550123"),
        (Alphanumeric.FORBIDDEN, "20880", "20880"),
        (Alphanumeric.FORBIDDEN, "+1 202", None),
        (Alphanumeric.FORBIDDEN, "٠١٢", None),
        (Alphanumeric.REGISTERED, "SHOP", "SHOP"),
        (Alphanumeric.REGISTERED, "Shop", None),
        (Alphanumeric.REGISTERED, "NEWS", None),
        (Alphanumeric.REGISTERED, "20880", "20880"),
    ],
)
def test_the_sender_shown_follows_the_rule_of_the_country(
    policy: Alphanumeric, sender: str, shown: str | None
) -> None:
    registered = REGISTERED if policy is Alphanumeric.REGISTERED else frozenset[str]()
    assert SenderRule(policy, registered).shown(sender) == shown
    assert SenderRule(policy, registered, "38080").shown(sender) == (shown or "38080")
