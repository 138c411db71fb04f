"""The types of fields in bodies, parameters and responses."""

import re
from datetime import UTC, datetime
from typing import Annotated
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
    WithJsonSchema,
    computed_field,
)
from pydantic_core import PydanticCustomError

from dispatcher.api.request_body import LARGEST_ID
from dispatcher.domain.messages.status import Status

_DIGITS = re.compile(r"[0-9]{1,19}")
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


class RequestModel(BaseModel):
    """A body. Unknown fields are ignored: a newer client may send more."""

    model_config = ConfigDict(frozen=True)


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


def _in_range(at: datetime) -> datetime:
    # Compared before it is converted: at the calendar's ends a conversion overflows.
    if not _FIRST <= at <= _LAST:
        raise PydanticCustomError("time", "is not between the years 1970 and 9999")
    return at.astimezone(UTC)


def _digits(raw: object) -> object:
    if isinstance(raw, str) and not _DIGITS.fullmatch(raw):
        raise ValueError("not an id")
    return raw


# Postgres cannot store NUL in a text.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
ShortText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200)]
Time = Annotated[AwareDatetime, AfterValidator(_in_range)]
RowId = Annotated[int, Field(ge=0, le=LARGEST_ID)]
AnyId = RowId | UUID
"""The id of a message, batch or callback: its number or its public id."""

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
