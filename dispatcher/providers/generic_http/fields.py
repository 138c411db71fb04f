"""Types of the options of the `http` provider, each validated when it is read."""

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from dispatcher.domain.messages.status import MISSED
from dispatcher.providers.contract import Status
from dispatcher.providers.generic_http.template import Json, check_placeholders
from dispatcher.strict_model import StrictModel

_RANGE = re.compile(r"([1-5])xx|(\d{3})-(\d{3})|(\d{3})")


class Options(StrictModel):
    """A set of options that refuses unknown ones."""

    model_config = ConfigDict(arbitrary_types_allowed=True)


def checked_json(template: Json) -> Json:
    """Return the JSON template. Raises ValueError for a placeholder that is unknown."""
    check_placeholders(template)
    return template


def http_statuses(spec: object) -> frozenset[int]:
    """Return the statuses that 429, "4xx", "500-599" or a list of these names. Raises ValueError."""
    if isinstance(spec, list):
        return frozenset().union(*(http_statuses(item) for item in spec))
    parts = _RANGE.fullmatch(str(spec))
    if not parts:
        raise ValueError(f'{spec!r} is not an HTTP status: write 429, "4xx", "500-599" or a list of these')
    if parts[1]:
        return frozenset(range(int(parts[1]) * 100, int(parts[1]) * 100 + 100))
    if parts[2]:
        return frozenset(range(int(parts[2]), int(parts[3]) + 1))
    return frozenset({int(parts[4])})


def _checked_text(template: str) -> str:
    check_placeholders(template)
    return template


def _checked_missed(code: Status) -> Status:
    if code not in MISSED:
        raise ValueError(f"{code.value} is not a code of a refusal; use one of {sorted(map(int, MISSED))}")
    return code


def _checked_final(code: Status) -> Status:
    return code if code is Status.RECEIVED else _checked_missed(code)


def _checked_receipt_url(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", secret.get_secret_value()):
        raise ValueError("a URL must be one line of ASCII without blanks")
    return secret


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
ReceiptUrl = Annotated[SecretStr, AfterValidator(_checked_receipt_url)]
"""A secret, because it may contain a token."""
TemplateText = Annotated[str, AfterValidator(_checked_text)]
MissedStatus = Annotated[Status, AfterValidator(_checked_missed)]
FinalStatus = Annotated[Status, AfterValidator(_checked_final)]
"""A status that a receipt may end a message with: 13, or one of the missed."""
