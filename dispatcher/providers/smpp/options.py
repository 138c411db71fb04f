"""The options of an `smpp` provider, checked at start; `docs/providers/smpp.md` explains each."""

import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from dispatcher.domain.messages.status import MISSED
from dispatcher.providers.contract import InboundPart, Misconfigured, Status
from dispatcher.smpp.constants import CommandStatus
from dispatcher.strict_model import StrictModel, describe

Octet = Annotated[int, Field(ge=0, le=255)]
OutcomeWord = Literal["deferred", "unknown"]


class IdBases(NamedTuple):
    """The base in which an SMSC writes a message's id: in its response to the submit, and in the receipt."""

    response: int
    receipt: int


ID_BASES: Mapping[str, IdBases | None] = {
    "as-is": None,
    "hex-to-decimal": IdBases(response=16, receipt=10),
    "decimal-to-hex": IdBases(response=10, receipt=16),
}


def _c_octet_string(longest: int) -> AfterValidator:
    """Return a validator for a C-Octet String. The limits of v3.4 include the NUL, ours do not."""

    def check(text: str) -> str:
        if len(text) > longest or not text.isascii() or not text.isprintable():
            raise ValueError(f"this must be at most {longest} printable ASCII characters")
        return text

    return AfterValidator(check)


def _checked_password(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise ValueError("a password must be printable ASCII; look for a newline at its end")
    return secret


def _checked_final(code: Status | None) -> Status | None:
    if code not in {None, Status.RECEIVED, *MISSED}:
        raise ValueError(f"{code} is not a status of a receipt: use 13, one of {sorted(MISSED)}, or null")
    return code


def _checked_missed(code: Status) -> Status:
    if code not in MISSED:
        raise ValueError(f"{code.value} is not a code of a refusal; use one of {sorted(MISSED)}")
    return code


MissedWord = Annotated[Status, AfterValidator(_checked_missed)]
OptionalFinalStatus = Annotated[Status | None, AfterValidator(_checked_final)]


class AddressType(StrictModel):
    """Type of number and numbering plan."""

    ton: Octet
    npi: Octet


class AddressTypes(StrictModel):
    """The type of an address by its form. The defaults are those that Infobip and others document."""

    alphanumeric: AddressType = AddressType(ton=5, npi=0)
    short: AddressType = AddressType(ton=3, npi=0)
    number: AddressType = AddressType(ton=1, npi=1)
    recipient: AddressType = AddressType(ton=1, npi=1)


class SmppOptions(StrictModel):
    """All options of one `smpp` provider."""

    host: str = Field(min_length=1)
    port: int = Field(2775, ge=1, le=65535)
    system_id: Annotated[str, _c_octet_string(15)]
    password: Annotated[SecretStr, AfterValidator(_checked_password)]
    system_type: Annotated[str, _c_octet_string(12)] = ""
    tls: bool = False
    ca_file: Path | None = None

    binds: int = Field(1, ge=1, le=100)
    window: int = Field(200, ge=1, le=10_000)
    connect_timeout: timedelta = Field(timedelta(seconds=3), gt=timedelta(0))
    enquire_link: timedelta = Field(timedelta(seconds=30), gt=timedelta(0))
    refused_pause: timedelta = Field(timedelta(seconds=30), gt=timedelta(0))

    service_type: Annotated[str, _c_octet_string(5)] = ""
    addresses: AddressTypes = AddressTypes()
    alphabet: Literal["gsm7", "latin1"] = "gsm7"
    long_texts: Literal["parts", "payload"] = "parts"
    validity: bool = True
    registered_delivery: Octet = 1
    statuses: dict[int, MissedWord | OutcomeWord] = Field(default_factory=dict)

    ids: Literal["as-is", "hex-to-decimal", "decimal-to-hex"] = "as-is"
    words: dict[str, OptionalFinalStatus] = Field(default_factory=dict)
    errors: dict[str, MissedWord] = Field(default_factory=dict)
    default_alphabet: Literal["gsm7", "ascii", "latin1", "cp1252", "utf8"] = "gsm7"
    join: timedelta = Field(InboundPart.JOIN, ge=timedelta(0), le=timedelta(hours=1))

    @field_validator("statuses", mode="before")
    @classmethod
    def _read_statuses(cls, spec: object) -> object:
        """Accept "ESME_RTHROTTLED", "0x413" and 1043."""
        return (
            {_command_status(key): value for key, value in spec.items()} if isinstance(spec, dict) else spec
        )

    @field_validator("words", mode="after")
    @classmethod
    def _fold(cls, words: dict[str, Status | None]) -> dict[str, Status | None]:
        return {word.upper(): code for word, code in words.items()}

    @field_validator("errors", mode="after")
    @classmethod
    def _plain(cls, errors: dict[str, Status]) -> dict[str, Status]:
        return {normalized_error(error): code for error, code in errors.items()}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file needs tls")
        return self

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS context, None without TLS. Raises Misconfigured if `ca_file` cannot be used."""
        if not self.tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"ca_file: {self.ca_file} cannot be used: {error}") from None


def normalized_error(error: str) -> str:
    """Return a network's error code in upper case and without leading zeros."""
    return error.upper().lstrip("0") or "0"


def read_options(provider: str, options: Mapping[str, object]) -> SmppOptions:
    """Return the options. Raises Misconfigured, which names every faulty option and no secret's value."""
    try:
        return SmppOptions.model_validate(dict(options))
    except ValidationError as error:
        raise Misconfigured(f"provider {provider}: {describe(error, options)}") from None


def _command_status(key: object) -> int:
    text = str(key)
    if text in CommandStatus.__members__:
        number = int(CommandStatus[text])
    else:
        try:
            number = int(text, 0)
        except ValueError:
            raise ValueError(f"{text!r} is not a command_status: write ESME_RTHROTTLED, 0x58 or 88") from None
    if not 0 < number <= 0xFFFFFFFF:
        raise ValueError(f"{text!r} is not a command_status of a refusal")
    return number
