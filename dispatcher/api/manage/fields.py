"""The types of fields in bodies, parameters and responses."""

import re
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    computed_field,
)
from pydantic_core import PydanticCustomError

from dispatcher.api.request_body import LARGEST_ID
from dispatcher.domain.messages.status import Status
from dispatcher.strict_model import StrictModel

T = TypeVar("T")

_DIGITS = re.compile(r"[0-9]{1,19}")
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class RequestModel(StrictModel):
    """
    A body, in the types of JSON alone: `true`, `"5"` and `5.0` are no amounts.

    What JSON can only write as a text, such as a date or the word of an enum, is `FromText`.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class ResponseModel(BaseModel):
    """A response, filled from a value of the service by attribute names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def status_word(status: Status) -> str:
    """Return the word for a status: its name in lower case."""
    return status.name.lower()


_STATUSES = {status_word(status): status for status in Status}


def _status(raw: object) -> object:
    if isinstance(raw, str) and (status := _STATUSES.get(raw)) is not None:
        return status
    if isinstance(raw, Status):
        return raw
    raise PydanticCustomError(
        "status", "is not a status; choose from {known}", {"known": ", ".join(_STATUSES)}
    )


def after(earlier: str) -> AfterValidator:
    """Return a validator of an end: it is after the field `earlier`, which is declared before it."""

    def check(end: datetime | None, others: ValidationInfo) -> datetime | None:
        start = others.data.get(earlier)
        if start is not None and end is not None and end <= start:
            raise PydanticCustomError("order", f"must be after {earlier}, which is {start.isoformat()}")
        return end

    return AfterValidator(check)


def _text_alone(raw: object) -> object:
    if isinstance(raw, str) and not raw.strip().lstrip("+-").replace(".", "", 1).isdecimal():
        return raw
    raise PydanticCustomError("time", "must be a text like 2026-12-31T09:00:00Z")


def _in_range(at: datetime) -> datetime:
    # Compared before it is converted: at the calendar's ends a conversion overflows.
    if not _FIRST <= at <= _LAST:
        raise PydanticCustomError("time", "is not between the years 1970 and 9999")
    return at.astimezone(UTC)


def _digits(raw: object) -> object:
    if isinstance(raw, str) and not _DIGITS.fullmatch(raw):
        raise PydanticCustomError("digits", "must be a whole number, in digits alone")
    return raw


# Postgres cannot store NUL in a text.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
ShortText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200)]
FromText = Annotated[T, Field(strict=False)]
"""A value that JSON writes as a text: an enum, a date, a UUID, a secret."""
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text_alone), AfterValidator(_in_range)]
RowId = Annotated[int, Field(ge=0, le=LARGEST_ID)]
AnyId = RowId | FromText[UUID]
"""The id of a message, batch or callback: its number or its public id."""
QueryCount = Annotated[int, BeforeValidator(_digits)]
"""A number in the query, where everything is a text: digits alone, and neither 5.0 nor 1_0."""

PathId = Annotated[int, BeforeValidator(_digits), Path(ge=0, le=LARGEST_ID)]
"""A number in a path; one that cannot be an id is 404, as an unknown id is."""

StatusWord = Annotated[
    Status,
    BeforeValidator(_status),
    PlainSerializer(status_word, return_type=str),
    WithJsonSchema({"type": "string", "enum": list(_STATUSES)}),
]


class StatusResponse(ResponseModel):
    """A response with a status: its word, and its number as `code`."""

    status: StatusWord

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def code(self) -> int:
        """The number of the status."""
        return self.status.value
