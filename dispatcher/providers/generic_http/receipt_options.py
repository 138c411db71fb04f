"""The options `receipts` and `inbound`: the format of a provider's receipts and inbound messages."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from dispatcher.providers.contract import InboundPart
from dispatcher.providers.generic_http.conditions import Conditions
from dispatcher.providers.generic_http.fields import FinalStatus, Options
from dispatcher.providers.generic_http.signature import HmacSignature, Signature
from dispatcher.providers.unsigned import HOW_TO_BELIEVE

_UNSIGNED = (
    "signature is missing: set its kind to one of token, hmac-sha256, ed25519 and jwt, such as "
    f'{{"kind": "token", "query": "token", "token": "..."}}; or {HOW_TO_BELIEVE}'
)


class ReportRule(Conditions):
    """The status of a report that meets all conditions; None means on its way."""

    code: FinalStatus | None
    opted_out: bool = False


class ReceiptOptions(Options):
    """The format and meaning of a receipt: the first matching rule decides, else its word."""

    source: Literal["json", "form", "query", "fields"] = "json"
    items: str | None = None
    ref: str | None = None
    reference: str | None = None
    status: str
    reason: str | None = None
    rules: tuple[ReportRule, ...] = ()
    words: dict[str, FinalStatus | None] = Field(min_length=1)
    unknown_word: FinalStatus | None = None
    signature: Signature | None = None

    @field_validator("words")
    @classmethod
    def _without_case(cls, words: dict[str, FinalStatus | None]) -> dict[str, FinalStatus | None]:
        return {word.casefold(): code for word, code in words.items()}

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.ref is None and self.reference is None:
            raise ValueError("set ref, reference or both: a receipt must name its message")
        signature = self.signature
        if signature is None:
            raise ValueError(_UNSIGNED)
        if (
            self.source == "query"
            and isinstance(signature, HmacSignature)
            and signature.signs_the_body_alone()
        ):
            raise ValueError("a receipt in the query has no body to sign: use a token")
        if self.source != "json" and self.items is not None:
            raise ValueError("items needs source: json")
        return self


class PartOptions(Options):
    """Where a part of a long message says which one it is; `join` is how long the others are waited for."""

    reference: str
    total: str
    number: str
    join: timedelta = Field(InboundPart.JOIN, ge=timedelta(0), le=timedelta(hours=1))


class InboundOptions(Options):
    """
    The format of a handset's message. `when` distinguishes it from receipts.

    A request that meets one of the conditions in `data` has something that is
    no text, with or without a text beside it.
    """

    when: Conditions
    data: tuple[Conditions, ...] = ()
    sender: str
    recipient: str
    text: str
    ref: str | None = None
    sent_at: str | None = None
    charset: str | None = None
    part: PartOptions | None = None
