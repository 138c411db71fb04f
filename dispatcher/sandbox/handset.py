"""What a handset writes, as the request to the sandbox says, and the deliver_sm of each part."""

from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dispatcher.domain.messages.alphabets import GSM7
from dispatcher.domain.messages.encoding import to_gsm7
from dispatcher.sandbox.bodies import address_of
from dispatcher.smpp.constants import EsmClass
from dispatcher.smpp.pdu import Sm
from dispatcher.smpp.text import add_part_headers, alphabet_of, encode_text

_SINGLE, _PART = 140, 134
"""The most octets of a message, and of a part beside its header; of septets 160 and 153."""
_SINGLE_SEPTETS, _PART_SEPTETS = 160, 153

Octet = Annotated[int, Field(ge=0, le=255)]
Hex = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})*$")]
_LONGEST: Final = 254


class HandsetMessage(BaseModel):
    """
    A message from a handset.

    `text` is encoded as a handset does; with `data_coding`, in that coding, and
    cut into parts wherever it is full, even within a character. `parts` are the
    parts that are delivered, in that order; each may come more than once, or
    not at all. Those of one `reference` belong together.

    `octets` in place of a text are delivered as they are, behind the header `udh`.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    sender: Annotated[str, Field(alias="from", min_length=1)]
    recipient: Annotated[str, Field(alias="to", min_length=1)]
    text: Annotated[str, Field(min_length=1)] | None = None
    octets: Hex | None = None
    udh: Hex = ""
    data_coding: Octet | None = None
    reference: Octet | None = None
    parts: tuple[int, ...] | None = None
    system_id: str | None = None

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.text is None) == (self.octets is None):
            raise ValueError("set text or octets")
        if self.octets is not None and len(self.udh + self.octets) // 2 > _LONGEST:
            raise ValueError(f"octets and udh are at most {_LONGEST} octets")
        return self

    def bodies(self, *, reference: int) -> Sequence[bytes]:
        """Return the body of each delivery. Raises ValueError if SMPP cannot carry it."""
        data_coding, parts = self._encoded()
        has_header = len(parts) > 1 or bool(self.udh)
        if len(parts) > 1:
            own = reference if self.reference is None else self.reference
            parts = add_part_headers(parts, reference=own)
        if self.parts is not None:
            if not all(1 <= number <= len(parts) for number in self.parts):
                raise ValueError(f"parts are numbers from 1 to {len(parts)}: the text has so many")
            parts = tuple(parts[number - 1] for number in self.parts)
        sm = Sm(address_of(self.sender), address_of(self.recipient), data_coding=data_coding)
        esm_class = EsmClass.UDH if has_header else 0
        return [sm._replace(text=part, esm_class=esm_class).encode() for part in parts]

    def _encoded(self) -> tuple[int, tuple[bytes, ...]]:
        """Return the data_coding, and the octets of each part."""
        if self.octets is not None:
            return self.data_coding or 0, (bytes.fromhex(self.udh + self.octets),)
        assert self.text is not None, "see the validator"
        if self.data_coding is None:
            return encode_text(self.text)
        alphabet = alphabet_of(self.data_coding) if self.data_coding else GSM7
        if alphabet is None:
            raise ValueError(f"data_coding {self.data_coding} is no alphabet: set octets")
        if alphabet == GSM7:
            return self.data_coding, _cut(to_gsm7(self.text), single=_SINGLE_SEPTETS, part=_PART_SEPTETS)
        return self.data_coding, _cut(self.text.encode(alphabet), single=_SINGLE, part=_PART)


def _cut(octets: bytes, *, single: int, part: int) -> tuple[bytes, ...]:
    if len(octets) <= single:
        return (octets,)
    return tuple(octets[start : start + part] for start in range(0, len(octets), part))
