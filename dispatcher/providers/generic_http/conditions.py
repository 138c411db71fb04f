"""Conditions on a provider's responses and receipts, and the rules for responses."""

import re
from datetime import timedelta
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from dispatcher.providers.contract import Status
from dispatcher.providers.generic_http.fields import MissedStatus, Options, http_statuses
from dispatcher.providers.generic_http.path import as_text, find_values
from dispatcher.providers.generic_http.template import Json

_CONDITIONS: Final = ("http", "path", "equals", "one_of", "matches")


class Conditions(Options):
    """
    Conditions that must all be met.

    `path` alone is met if there is a value. `equals`, `in` and `matches` compare
    that value or, without a path, the whole text.
    """

    path: str | None = None
    equals: str | None = None
    one_of: frozenset[str] | None = Field(None, alias="in")
    matches: re.Pattern[str] | None = None

    @field_validator("equals", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> str:
        return as_text(value)

    @field_validator("one_of", mode="before")
    @classmethod
    def _as_texts(cls, values: Any) -> Any:
        return frozenset(map(as_text, values)) if isinstance(values, list) else values

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        known = [name for name in _CONDITIONS if name in type(self).model_fields]
        if not self.model_fields_set.intersection(known):
            names = ", ".join("in" if name == "one_of" else name for name in known)
            raise ValueError(f"this rule has no condition: set at least one of {names}")
        return self

    @property
    def compares_value(self) -> bool:
        """Whether a condition compares the value at the path, or the text."""
        return self.equals is not None or self.one_of is not None or self.matches is not None

    def are_met(self, document: Json, text: str) -> bool:
        """Whether all conditions are met, the HTTP status aside; without a path they compare `text`."""
        if self.path is None:
            return self._accepts(text)
        return any(self._accepts(as_text(value)) for value in find_values(document, self.path))

    def _accepts(self, value: str) -> bool:
        if self.equals is not None and value != self.equals:
            return False
        if self.one_of is not None and value not in self.one_of:
            return False
        return self.matches is None or self.matches.search(value) is not None


class ResponseRule(Conditions):
    """The outcome of a response that meets all conditions."""

    http: frozenset[int] | None = None
    then: Literal["accepted", "rejected", "deferred", "unknown"]
    code: MissedStatus = Status.FAILED
    opted_out: bool = False
    after: timedelta | None = None

    @field_validator("http", mode="before")
    @classmethod
    def _read_http(cls, spec: object) -> frozenset[int] | None:
        return None if spec is None else http_statuses(spec)

    @model_validator(mode="after")
    def _only_with_rejected(self) -> Self:
        for name in ("code", "opted_out"):
            if name in self.model_fields_set and self.then != "rejected":
                raise ValueError(f"{name} needs then: rejected in the same rule")
        return self
