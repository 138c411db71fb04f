"""What can be set, and changed while the sandbox runs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from yarl import URL

_EXAMPLE = '{"tps": 50, "latency_ms": 10}'

SECRETS = frozenset({"token", "receipt_secret", "smpp_password"})


def http_url(text: str) -> str:
    """Check that this is an absolute http or https URL; ValueError if not."""
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not an absolute http or https URL")
    return text


IdFormat = Annotated[str, Field(pattern=r"^(0[1-5]?\d)?[dxX]$")]
"""How an id is written, as Python's formats are: `d`, `x`, `X`, or `020d` for zeros before it."""


class SandboxSettings(BaseModel):
    """
    How the simulated network behaves towards numbers that are not special.

    Rates are probabilities, drawn from a generator started with `seed`, so
    that a run with one client can be repeated. `token` and `smpp_password` None
    let everybody in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    smpp_receipts: Literal["both", "text", "tlvs"] = "both"
    smpp_window: int = Field(200, ge=1)
    smpp_repeat_s: float = Field(10, gt=0)
    smpp_enquire_s: float = Field(30, ge=0)

    def changed(self, changes: dict[str, object]) -> "SandboxSettings":
        """Make settings with these changes; what is not named stays."""
        return SandboxSettings.model_validate(self.model_dump() | changes)

    def shown(self) -> dict[str, object]:
        """List them with the secrets hidden."""
        values: dict[str, object] = self.model_dump()
        return {name: "***" if value and name in SECRETS else value for name, value in values.items()}


def read_settings(argument: str) -> SandboxSettings:
    """Read what --settings was given, JSON or @FILE; OSError, or ValueError in words for who typed it."""
    text = Path(argument[1:]).read_text(encoding="utf-8") if argument.startswith("@") else argument
    try:
        return SandboxSettings.model_validate_json(text)
    except ValidationError as wrong:
        raise ValueError(
            "; ".join(_fault_text(fault["loc"], fault["msg"]) for fault in wrong.errors())
        ) from None


def _fault_text(where: tuple[int | str, ...], what: str) -> str:
    """Tell one fault; without a place it is the whole that is wrong, and pydantic would name the class."""
    if where:
        return f"{'.'.join(map(str, where))}: {what}"
    reason = f" ({what})" if what.startswith("Invalid JSON") else ""
    return f"must be a JSON object such as {_EXAMPLE}{reason}"
