"""The option `reference`: the place of the provider's reference in its response."""

import re
from typing import Self

from pydantic import model_validator

from dispatcher.providers.generic_http.fields import Options


class Reference(Options):
    """The place of the provider's reference in its response: exactly one of the three."""

    path: str | None = None
    regex: re.Pattern[str] | None = None
    header: str | None = None

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if sum(place is not None for place in (self.path, self.regex, self.header)) != 1:
            raise ValueError("set exactly one of path, regex and header")
        return self
