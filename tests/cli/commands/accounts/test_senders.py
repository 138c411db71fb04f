"""`dispatcher sender`."""

from tests.cli.command import Run, refused


def test_the_first_sender_is_the_default(shop: Run) -> None:
    assert shop("sender", "add", "shop", "SHOP").out == "sender 1 of shop is SHOP\n"
    assert shop("sender", "add", "shop", "Sale 24", "--json").json == {
        "id": 2,
        "account": "shop",
        "name": "Sale 24",
    }
    senders = shop("sender", "list", "shop", "--json").json
    assert [(s["id"], s["name"], s["is_default"]) for s in senders] == [
        (1, "SHOP", True),
        (2, "Sale 24", False),
    ]
    header, first, _ = shop("sender", "list", "shop").out.splitlines()
    assert header.split() == ["id", "name", "default", "disabled"]
    assert first.split() == ["1", "SHOP", "yes", "-"]
    assert "  sender 1: SHOP default\n" in shop("account", "show", "shop").out


def test_a_known_or_wrong_sender_is_refused(shop: Run) -> None:
    shop("sender", "add", "shop", "SHOP")
    refused(shop("sender", "add", "shop", "SHOP"), 1, "account 'shop' has a sender 'SHOP' already")
    refused(shop("sender", "add", "shop", "much too long a name"), 2, "is not a sender ID")
