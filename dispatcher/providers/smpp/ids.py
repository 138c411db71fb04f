"""One spelling for a message's id, which many SMSCs write in one way in their answer and in another later."""

import re

from dispatcher.providers.smpp.options import ID_BASES

_HEX = re.compile(r"[0-9A-Fa-f]+")


class IdNormalizer:
    """
    Spells ids so that those of answers and those of receipts compare.

    A number, hexadecimal or decimal, loses its capitals and the zeros before
    it; anything else stays as it is. Where the SMSC changes the base in
    between, the receipt's base is the one that both are given in.
    """

    def __init__(self, ids: str) -> None:
        self._bases = ID_BASES[ids]

    def of_answer(self, message_id: str) -> str:
        """Spell an id that came in a submit_sm_resp."""
        if self._bases is not None:
            try:
                number = int(message_id, self._bases.answer)
            except ValueError:
                return message_id
            return str(number) if self._bases.receipt == 10 else f"{number:x}"
        return _normalized(message_id)

    def of_receipt(self, message_id: str) -> str:
        """Spell an id that came in a receipt."""
        return _normalized(message_id)


def _normalized(message_id: str) -> str:
    if _HEX.fullmatch(message_id):
        return message_id.lstrip("0").lower() or "0"
    return message_id
