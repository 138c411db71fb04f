"""The options `receipts` and `inbound`: how a provider tells of messages, and what handsets wrote."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from dispatcher.providers.generic_http.conditions import Conditions
from dispatcher.providers.generic_http.fields import FinalStatus, Options
from dispatcher.providers.generic_http.signature import HmacSignature, Signature


class ReportRule(Conditions):
    """If all its conditions fit the report, then this is its code; None means on its way."""

    code: FinalStatus | None
    opted_out: bool = False


class ReceiptOptions(Options):
    """How a receipt looks and what it means: the first rule that fits, else its word."""

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
            raise ValueError("give ref, reference or both: a receipt must name its message")
        signature = self.signature
        if (
            self.source == "query"
            and isinstance(signature, HmacSignature)
            and signature.signs_the_body_alone()
        ):
            raise ValueError("a receipt in the query has no body to sign; use a token")
        if self.source != "json" and self.items is not None:
            raise ValueError("items needs source json")
        return self


class InboundOptions(Options):
    """How a message from a handset looks, told apart from receipts by `when`."""

    when: Conditions
    sender: str
    recipient: str
    text: str
    ref: str | None = None
    sent_at: str | None = None
    charset: str | None = None
