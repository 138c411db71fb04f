"""The numbers in a message from a handset, in the forms in which they are compared."""

from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse

_ANY = NumberPolicy(require_valid=False, lenient=True)


def read_sender_number(raw: str) -> str:
    """
    Return a number in E.164, whether or not the provider wrote it with "+".

    Text that is not an international number (a short code, letters, a
    national number) is returned unchanged.
    """
    try:
        return parse(raw, _ANY).e164
    except InvalidNumber:
        return raw


def address_forms(recipient: str) -> frozenset[str]:
    """Return the forms that this address may have as a sender: as reported, in E.164, without "+"."""
    reported = recipient.strip()
    number = read_sender_number(reported)
    return frozenset({reported, reported.removeprefix("+"), number, number.removeprefix("+")}) - {""}
