"""The settings of the sandbox, which can change while it runs."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from yarl import URL

from dispatcher.strict_model import StrictModel

_EXAMPLE = '{"tps": 50, "latency_ms": 10}'

SECRETS = frozenset({"token", "control_token", "receipt_secret", "smpp_password"})

SECRET_VARIABLE = "DISPATCHER_SANDBOX_SECRET"  # noqa: S105 - the name of a variable
"""The variable with the `receipt_secret` and the `control_token` of settings that have none."""

_HOST = re.compile(r"([^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?")
_FIXED = ("control_token", "post_to")


class FixedAtStart(ValueError):
    """A setting that a running sandbox does not change."""


def http_url(text: str) -> str:
    """Return the URL. Raises ValueError if it is not an absolute http or https URL."""
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not an absolute http or https URL")
    return text


def _destination(text: str) -> str:
    """Return the host, or host and port. Raises ValueError."""
    try:
        is_host = bool(_HOST.fullmatch(text) and URL(f"http://{text}").host)
    except ValueError:
        is_host = False
    if not is_host:
        raise ValueError(
            f"{text!r} is no host: write api.example, api.example:8080, 127.0.0.1:8080 or [::1]:8080"
        )
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
    client is accepted; with `control_token` None, nobody controls the sandbox.
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
    control_token: str | None = None
    post_to: list[Annotated[str, AfterValidator(_destination)]] = Field(default_factory=list)
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

    def started(self) -> "SandboxSettings":
        """Return the settings with which a sandbox starts: it may also post to the host of `receipt_url`."""
        if self.receipt_url is None:
            return self
        return self.model_copy(update={"post_to": [*self.post_to, URL(self.receipt_url).authority]})

    def changed(self, changes: dict[str, object]) -> "SandboxSettings":
        """Return the settings with these changes. Raises ValidationError, and FixedAtStart."""
        for name in _FIXED:
            if name in changes:
                raise FixedAtStart(f"{name} is fixed when the sandbox starts")
        new = SandboxSettings.model_validate(self.model_dump() | changes)
        if new.receipt_url is not None:
            new.require_destination(new.receipt_url)
        return new

    def require_destination(self, url: str) -> None:
        """Raise FixedAtStart unless receipts may be posted to this URL."""
        target = URL(url)
        for named in (URL(f"http://{text}") for text in self.post_to):
            if named.host == target.host and named.explicit_port in (None, target.port):
                return
        raise FixedAtStart(
            f"receipts are not posted to {target.authority}: only to "
            f"{', '.join(self.post_to) or 'no host'}. Start the sandbox with --post-to {target.authority}"
        )

    def public_values(self) -> dict[str, object]:
        """Return the values, with secrets hidden."""
        values: dict[str, object] = self.model_dump()
        return {name: "***" if value and name in SECRETS else value for name, value in values.items()}


def read_settings(
    argument: str, *, post_to: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> SandboxSettings:
    """
    Return the settings of --settings, JSON or @FILE, and of --post-to.

    The secrets that they lack are those of the environment. Raises OSError, or ValueError for people.
    """
    text = Path(argument[1:]).read_text(encoding="utf-8") if argument.startswith("@") else argument
    try:
        named = SandboxSettings.model_validate_json(text)
        secret = environ.get(SECRET_VARIABLE) or None
        lacking = {
            name: secret for name in ("receipt_secret", "control_token") if getattr(named, name) is None
        }
        return SandboxSettings.model_validate(
            named.model_dump() | lacking | {"post_to": [*named.post_to, *post_to]}
        )
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
