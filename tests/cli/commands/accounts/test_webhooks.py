"""`dispatcher webhook`, and what the doctor says of webhooks that are switched off."""

import psycopg

from tests.cli.command import Run, refused
from tests.conftest import plain_url

REASON = "its URL answered 410 Gone"


def register(database_url: str, name: str, *, disabled: bool) -> None:
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO webhooks (account_id, dialect, id, url, event, statuses, disabled_at, disabled_reason)
            SELECT id, 'smsgate', %(name)s, 'https://shop.example/', 'sms:sent', '{30}',
                   CASE WHEN %(disabled)s THEN now() END, CASE WHEN %(disabled)s THEN %(reason)s END
            FROM accounts
            """,
            {"name": name, "disabled": disabled, "reason": REASON},
        )


def test_a_webhook_that_is_off_is_listed_with_its_reason_and_enabled(shop: Run, database_url: str) -> None:
    register(database_url, "a", disabled=False)
    register(database_url, "b c", disabled=True)
    listed = {one["id"]: one["disabled_reason"] for one in shop("webhook", "list", "shop", "--json").json}
    assert listed == {"a": None, "b c": REASON}
    printed = shop("webhook", "list", "shop").out
    command = "dispatcher webhook enable shop 'b c'"
    assert f"b c was switched off: {REASON}\n  to switch it on: {command}\n" in printed
    found = [one for one in shop("doctor", "--json").json if one["subject"] == "webhook b c"]
    assert [(one["level"], one["advice"]) for one in found] == [
        ("warn", "once its URL works, `dispatcher webhook enable shop 'b c'`")
    ]
    enabled = shop("webhook", "enable", "shop", "b c")
    assert enabled.out == "webhook b c of shop (smsgate) is on, for what happens from now on\n"
    assert [one["disabled_at"] for one in shop("webhook", "list", "shop", "--json").json] == [None, None]
    assert not [one for one in shop("doctor", "--json").json if one["subject"].startswith("webhook")]


def test_an_unknown_webhook_cannot_be_enabled(shop: Run, database_url: str) -> None:
    register(database_url, "orders", disabled=True)
    refused(shop("webhook", "enable", "shop", "order"), 1, "has no webhook 'order'")
