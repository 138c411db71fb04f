"""The options of the `http` provider, checked at start; `docs/providers/http.md` explains each."""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from dispatcher.domain.errors import Misconfigured
from dispatcher.domain.status import MISSED, Status
from dispatcher.providers.http.template import Json, check, names_in

_HEADER_NAMES = frozenset({"reference", "attempt", "segments", "tier", "not_after", "to", "to_digits"})
_OURS = frozenset({"content-length", "transfer-encoding", "traceparent"})
_RANGE = re.compile(r"([1-5])xx|(\d{3})-(\d{3})|(\d{3})")


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _checked_text(template: str) -> str:
    check(template)
    return template


def _checked_json(template: Json) -> Json:
    check(template)
    return template


def _statuses(spec: object) -> frozenset[int]:
    """Read 429, "4xx", "500-599", or a list of these."""
    if isinstance(spec, list):
        return frozenset().union(*(_statuses(item) for item in spec))
    parts = _RANGE.fullmatch(str(spec))
    if not parts:
        raise ValueError(f'{spec!r} is not an HTTP status: write 429, "4xx", "500-599" or a list of these')
    if parts[1]:
        return frozenset(range(int(parts[1]) * 100, int(parts[1]) * 100 + 100))
    if parts[2]:
        return frozenset(range(int(parts[2]), int(parts[3]) + 1))
    return frozenset({int(parts[4])})


def _missed(code: Status) -> Status:
    if code not in MISSED:
        raise ValueError(f"{code.value} is not a code of a refusal; these are {sorted(MISSED)}")
    return code


def _one_line(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", secret.get_secret_value()):
        raise ValueError(
            "a header carries one line of ASCII without blanks around it; look for a newline at the end"
        )
    return secret


def _parsed(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as wrong:
        raise ValueError(f"this is no URL: {wrong}") from None


def _proxy(secret: SecretStr) -> SecretStr:
    url = _parsed(secret.get_secret_value())
    if url.scheme != "http" or not url.host or url.raw_path != b"/":
        raise ValueError("this is no proxy: write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")
    return secret


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderSecret = Annotated[SecretStr, AfterValidator(_one_line)]
Text = Annotated[str, AfterValidator(_checked_text)]
Missed = Annotated[Status, AfterValidator(_missed)]


class BasicAuth(_Options):
    """User name and password in the Authorization header."""

    kind: Literal["basic"]
    username: str
    password: SecretStr

    def headers(self) -> dict[str, str]:
        """Say who we are."""
        pair = f"{self.username}:{self.password.get_secret_value()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


class BearerAuth(_Options):
    """A token in the Authorization header."""

    kind: Literal["bearer"]
    token: HeaderSecret

    def headers(self) -> dict[str, str]:
        """Say who we are."""
        return {"Authorization": f"Bearer {self.token.get_secret_value()}"}


class HeaderAuth(_Options):
    """A key in a header of the provider's choice."""

    kind: Literal["header"]
    name: HeaderName
    value: HeaderSecret

    def headers(self) -> dict[str, str]:
        """Say who we are."""
        return {self.name: self.value.get_secret_value()}


class Reference(_Options):
    """Where the provider's reference is in its answer; one of the three."""

    path: str | None = None
    regex: re.Pattern[str] | None = None
    header: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(place is not None for place in (self.path, self.regex, self.header)) != 1:
            raise ValueError("give one of path, regex and header")
        return self


class Rule(_Options):
    """
    If all that is named here fits the answer, then this is what it means.

    `path` alone asks whether something is there; `equals`, `in` and `matches`
    look at the value there, or without a path at the whole text.
    """

    http: frozenset[int] | None = None
    path: str | None = None
    equals: JsonValue = None
    one_of: list[JsonValue] | None = Field(None, alias="in")
    matches: re.Pattern[str] | None = None
    then: Literal["accepted", "rejected", "deferred", "unknown"]
    code: Missed = Status.FAILED
    after: timedelta | None = None

    @field_validator("http", mode="before")
    @classmethod
    def _read_http(cls, spec: object) -> frozenset[int] | None:
        return None if spec is None else _statuses(spec)

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if not {"http", "path", "equals", "one_of", "matches"} & self.model_fields_set:
            raise ValueError("this rule has no condition: give http, path, equals, in or matches")
        if "code" in self.model_fields_set and self.then != "rejected":
            raise ValueError("code belongs to a rule that says rejected")
        return self


class TokenSignature(_Options):
    """The provider shows a shared token, in a header or in the receipt URL's query."""

    kind: Literal["token"]
    token: SecretStr = Field(min_length=8)
    header: str | None = None
    query: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is None) == (self.query is None):
            raise ValueError("give one of header and query")
        return self


class HmacSignature(_Options):
    """HMAC-SHA256 of the body as it came in, in a header."""

    kind: Literal["hmac-sha256"]
    secret: SecretStr = Field(min_length=8)
    header: str
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""


class Receipts(_Options):
    """How a receipt looks and what its words mean; None means on its way."""

    source: Literal["json", "form", "query"] = "json"
    items: str | None = None
    ref: str | None = None
    reference: str | None = None
    status: str
    reason: str | None = None
    words: dict[str, Status | None] = Field(min_length=1)
    unknown_word: Status | None = None
    signature: Annotated[TokenSignature | HmacSignature, Field(discriminator="kind")] | None = None

    @field_validator("words", "unknown_word")
    @classmethod
    def _only_ends(cls, value: Any) -> Any:
        for code in value.values() if isinstance(value, dict) else [value]:
            if code is not None and code is not Status.RECEIVED:
                _missed(code)
        return {word.casefold(): code for word, code in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.ref is None and self.reference is None:
            raise ValueError("give ref, reference or both: a receipt must name its message")
        if self.source == "query" and isinstance(self.signature, HmacSignature):
            raise ValueError("a receipt in the query has no body to sign; use a token")
        if self.source != "json" and self.items is not None:
            raise ValueError("items needs source json")
        return self


class HttpOptions(_Options):
    """All options of one `http` provider."""

    url: str
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: dict[HeaderName, Text] = Field(default_factory=dict)
    query: dict[str, Text] = Field(default_factory=dict)
    body_json: Annotated[Any, AfterValidator(_checked_json)] = Field(None, alias="json")
    body_form: dict[str, Text] | None = Field(None, alias="form")
    auth: Annotated[BasicAuth | BearerAuth | HeaderAuth, Field(discriminator="kind")] | None = None
    receipt_url: str | None = None
    proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = None
    connect_timeout: timedelta = Field(timedelta(seconds=3), gt=timedelta(0))
    keep_alive: timedelta = Field(timedelta(seconds=4), ge=timedelta(0))
    reference: Reference | None = None
    reason: str | None = None
    rules: tuple[Rule, ...] = ()
    receipts: Receipts | None = None

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        parsed = _parsed(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("this is not an absolute http or https URL")
        if parsed.userinfo:
            raise ValueError("no user and password in a URL, where logs keep them; use auth")
        return url

    @field_validator("headers")
    @classmethod
    def _fits_a_header(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, template in headers.items():
            if wild := names_in(template) - _HEADER_NAMES:
                raise ValueError(f"{name} has {{{min(wild)}}}, which may hold what no header can carry")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is written by us, to fit the message")
            if not template.isascii() or not template.isprintable():
                raise ValueError(f"{name} is not one line of ASCII")
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body_json is not None and self.body_form is not None:
            raise ValueError("give json or form, not both")
        if self.method == "GET" and (self.body_json is not None or self.body_form is not None):
            raise ValueError("a GET has no body; use query")
        return self


def read_options(provider: str, options: Mapping[str, object]) -> HttpOptions:
    """Check all options; Misconfigured names every faulty one, and never a secret's value."""
    try:
        return HttpOptions.model_validate(dict(options))
    except ValidationError as wrong:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'options'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in wrong.errors(include_input=False, include_url=False)
        )
        raise Misconfigured(f"provider {provider}: {faults}") from None
