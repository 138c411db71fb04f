"""The settings of the sandbox, which can change while it runs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from yarl import URL

from dispatcher.strict_model import StrictModel

_EXAMPLE = '{"tps": 50, "latency_ms": 10}'

SECRETS = frozenset({"token", "receipt_secret", "smpp_password"})


def http_url(text: str) -> str:
    """Return the URL. Raises ValueError if it is not an absolute http or https URL."""
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not an absolute http or https URL")
    return text


def _ascii(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} must be printable ASCII without blanks")
    return text


IdFormat = Annotated[str, Field(pattern=r"^(0[1-5]?\d)?[dxX]$")]
"""The format of an id, in Python's notation: `d`, `x`, `X`, or `020d` for leading zeros."""


class SandboxSettings(StrictModel):
    """
    The behaviour of the simulated network for numbers that are not special.

    Rates are probabilities, drawn from a generator with `seed`, so that a run
    with one client can be repeated. With `token` or `smpp_password` None, every
    client is accepted.
    """

    latency_ms: float = Field(20, ge=0)
    slow_share: float = Field(0, ge=0, le=1)
    slow_ms: float = Field(2000, ge=0)
    tps: float = Field(0, ge=0, description="segments a second; 0 is no limit")
    burst_s: float = Field(1, gt=0, description="how many seconds' worth of tps may come at once")
    reject_rate: float = Field(0, ge=0, le=1)
    defer_rate: float = Field(0, ge=0, le=1)
    unknown_rate: float = Field(0, ge=0, le=1, description="hung up on; half of these were taken")
    undelivered_rate: float = Field(0, ge=0, le=1)
    seed: int = 1
    dedupe: bool = False
    token: str | None = None
    receipt_url: Annotated[str, AfterValidator(http_url)] | None = None
    receipt_secret: str | None = None
    receipt_delay_ms: float = Field(200, ge=0)
    receipt_batch: int = Field(50, ge=1, le=1000)
    receipt_connections: int = Field(20, ge=1, le=200)

    smpp_system_id: str | None = None
    smpp_password: str | None = None
    smpp_most_binds: int = Field(0, ge=0, description="of one system_id; 0 is no limit")
    smpp_ids: IdFormat = "d"
    smpp_receipt_ids: IdFormat = "d"
    smpp_id_prefix: Annotated[str, AfterValidator(_ascii)] = ""
    smpp_receipt_id_prefix: Annotated[str, AfterValidator(_ascii)] | None = None
    smpp_ids_repeat_after: int = Field(0, ge=0, description="ids, then the first again; 0 is never")
    smpp_receipts: Literal["both", "text", "tlvs"] = "both"
    smpp_submit_window: int = Field(0, ge=0, description="on one bind; 0 is no limit")
    smpp_throttle_every: int = Field(0, ge=0, description="0 throttles none")
    smpp_receipt_command: Literal["deliver_sm", "data_sm"] = "deliver_sm"
    smpp_receipt_words: dict[str, str] = Field(default_factory=dict)
    smpp_receipt_states: dict[str, Annotated[int, Field(ge=0, le=255)]] = Field(default_factory=dict)
    smpp_receipt_tail: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})*$")] = ""
    smpp_window: int = Field(200, ge=1)
    smpp_repeat_s: float = Field(10, gt=0)
    smpp_enquire_s: float = Field(30, ge=0)

    def changed(self, changes: dict[str, object]) -> "SandboxSettings":
        """Return the settings with these changes. Raises ValidationError."""
        return SandboxSettings.model_validate(self.model_dump() | changes)

    def public_values(self) -> dict[str, object]:
        """Return the values, with secrets hidden."""
        values: dict[str, object] = self.model_dump()
        return {name: "***" if value and name in SECRETS else value for name, value in values.items()}


def read_settings(argument: str) -> SandboxSettings:
    """Return the settings of --settings, JSON or @FILE. Raises OSError, or ValueError for people."""
    text = Path(argument[1:]).read_text(encoding="utf-8") if argument.startswith("@") else argument
    try:
        return SandboxSettings.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(
            "; ".join(_fault_text(fault["loc"], fault["msg"]) for fault in error.errors())
        ) from None


def _fault_text(location: tuple[int | str, ...], message: str) -> str:
    """Return one fault as text. Without a location the whole is wrong, and pydantic would name the class."""
    if location:
        return f"{'.'.join(map(str, location))}: {message}"
    reason = f" ({message})" if message.startswith("Invalid JSON") else ""
    return f"must be a JSON object such as {_EXAMPLE}{reason}"
