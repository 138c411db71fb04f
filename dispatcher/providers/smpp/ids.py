"""One form for message ids, which many SMSCs write differently in responses and in receipts."""

import re

from dispatcher.providers.smpp.options import ID_BASES

_HEX = re.compile(r"[0-9A-Fa-f]+")


class IdNormalizer:
    """
    Normalizes ids, so that those of responses and of receipts compare equal.

    A decimal or hexadecimal number is written in lower case and without leading
    zeros; any other id is unchanged, and the service ignores its case. If the SMSC uses two bases, ids of
    responses are converted to the base of the receipts.
    """

    def __init__(self, ids: str) -> None:
        self._bases = ID_BASES[ids]

    def from_response(self, message_id: str) -> str:
        """Return the normalized id of a submit_sm_resp."""
        if self._bases is not None:
            try:
                number = int(message_id, self._bases.response)
            except ValueError:
                return message_id
            return str(number) if self._bases.receipt == 10 else f"{number:x}"
        return _normalized(message_id)

    def from_receipt(self, message_id: str) -> str:
        """Return the normalized id of a receipt."""
        return _normalized(message_id)


def _normalized(message_id: str) -> str:
    if _HEX.fullmatch(message_id):
        return message_id.lstrip("0").lower() or "0"
    return message_id
