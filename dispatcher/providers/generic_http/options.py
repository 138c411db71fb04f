"""The options of the `http` provider, checked at start; `docs/providers/http.md` explains each."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator

from dispatcher.providers.contract import Misconfigured
from dispatcher.providers.generic_http.batch import BatchFormat
from dispatcher.providers.generic_http.conditions import ResponseRule
from dispatcher.providers.generic_http.fields import (
    HeaderName,
    Options,
    ReceiptUrl,
    TemplateText,
    checked_json,
)
from dispatcher.providers.generic_http.receipt_options import InboundOptions, ReceiptOptions
from dispatcher.providers.generic_http.recipe import apply_recipe
from dispatcher.providers.generic_http.reference import Reference
from dispatcher.providers.generic_http.template import RECEIPT_URL, placeholders_in, placeholders_within
from dispatcher.providers.http_client.client import Wire
from dispatcher.providers.option_types import ProxyUrl, Secret, basic_auth, called_url
from dispatcher.strict_model import describe

_NOT_IN_HEADERS = frozenset({"text"})
_RESERVED_HEADERS = frozenset({"content-length", "transfer-encoding", "traceparent"})


class BasicAuth(Options):
    """User name and password in the Authorization header."""

    kind: Literal["basic"]
    username: str
    password: SecretStr

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate us."""
        return {"Authorization": basic_auth(self.username, self.password)}


class BearerAuth(Options):
    """A token in the Authorization header."""

    kind: Literal["bearer"]
    token: Secret

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate us."""
        return {"Authorization": f"Bearer {self.token.get_secret_value()}"}


class HeaderAuth(Options):
    """A key in a header of the provider's choice."""

    kind: Literal["header"]
    name: HeaderName
    value: Secret

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate us."""
        return {self.name: self.value.get_secret_value()}


class HeadersAuth(Options):
    """Several headers, such as a name and a password."""

    kind: Literal["headers"]
    values: dict[HeaderName, Secret] = Field(min_length=1)

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate us."""
        return {name: value.get_secret_value() for name, value in self.values.items()}


class ValidityBounds(Options):
    """The shortest and the longest time that the provider may be asked to try to deliver a message."""

    min: timedelta = Field(timedelta(seconds=1), ge=timedelta(seconds=1))
    max: timedelta | None = None

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError("max must be at least min")
        return self


class HttpOptions(Options):
    """All options of one `http` provider."""

    url: str
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: dict[HeaderName, TemplateText] = Field(default_factory=dict)
    query: dict[str, TemplateText] = Field(default_factory=dict)
    body_json: Annotated[Any, AfterValidator(checked_json)] = Field(None, alias="json")
    body_form: dict[str, TemplateText] | None = Field(None, alias="form")
    body_text: TemplateText | None = Field(None, alias="text")
    batch: BatchFormat | None = None
    validity: ValidityBounds = ValidityBounds()
    auth: Annotated[BasicAuth | BearerAuth | HeaderAuth | HeadersAuth, Field(discriminator="kind")] | None = (
        None
    )
    receipt_url: ReceiptUrl | None = None
    wire: Wire = "ours"
    proxy: ProxyUrl | None = None
    connect_timeout: timedelta = Field(timedelta(seconds=3), gt=timedelta(0))
    keep_alive: timedelta = Field(timedelta(seconds=4), ge=timedelta(0))
    reference: Reference | None = None
    reason: str | None = None
    rules: tuple[ResponseRule, ...] = ()
    receipts: ReceiptOptions | None = None
    inbound: InboundOptions | None = None

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        called_url(url)
        return url

    @field_validator("headers")
    @classmethod
    def _fits_a_header(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, template in headers.items():
            if unsafe := placeholders_in(template) & _NOT_IN_HEADERS:
                raise ValueError(
                    f"{name} has {{{min(unsafe)}}}, which may contain characters that no header can carry"
                )
            if name.lower() in _RESERVED_HEADERS:
                raise ValueError(f"{name} must not be set: we write it for each message")
            if not template.isascii() or not template.isprintable():
                raise ValueError(f"{name} must be one line of ASCII")
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        bodies = [body for body in (self.body_json, self.body_form, self.body_text) if body is not None]
        if len(bodies) > 1:
            raise ValueError("set only one of json, form and text")
        if self.method == "GET" and bodies:
            raise ValueError("a GET has no body: use query")
        return self

    @model_validator(mode="after")
    def _shares_the_url(self) -> Self:
        if self.inbound is not None and self.receipts is None:
            raise ValueError("inbound needs receipts: both use the same URL, source and signature")
        return self

    @model_validator(mode="after")
    def _can_be_batched(self) -> Self:
        if self.batch is None:
            return self
        if self.reference is not None and self.reference.path is None:
            raise ValueError(
                "batch needs reference.path: the place of the reference in each item of the response"
            )
        outside = [self.batch.without_messages(self.body_json), *self.headers.values(), *self.query.values()]
        if names := placeholders_within(outside) - {RECEIPT_URL}:
            raise ValueError(f"batch: {{{min(names)}}} differs by message, and must be inside the item")
        return self


def read_options(provider: str, options: Mapping[str, object]) -> HttpOptions:
    """
    Return the options, with those of their recipe.

    Raises Misconfigured, which names every faulty option and no secret's value.
    """
    document = apply_recipe(provider, options)
    try:
        return HttpOptions.model_validate(document)
    except ValidationError as error:
        raise Misconfigured(f"provider {provider}: {describe(error, document)}") from None
