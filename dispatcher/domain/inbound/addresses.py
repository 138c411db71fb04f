"""Messages from handsets: who wrote, and by which names a sender of ours may be known."""

from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse

_ANY = NumberPolicy(require_valid=False, lenient=True)


def read_number(raw: str) -> str:
    """
    Give a number in E.164, with or without "+" in what the provider told.

    What is none (a short code, letters, a national number) is given as it is.
    """
    try:
        return parse(raw, _ANY).e164
    except InvalidNumber:
        return raw


def address_forms(recipient: str) -> frozenset[str]:
    """Give the names that the sender written to may have: as told, in E.164, and without "+"."""
    told = recipient.strip()
    number = read_number(told)
    return frozenset({told, told.removeprefix("+"), number, number.removeprefix("+")}) - {""}
