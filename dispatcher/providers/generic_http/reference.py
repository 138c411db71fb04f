"""Where a provider's own reference is in its answer."""

import re
from typing import Self

from pydantic import model_validator

from dispatcher.providers.generic_http.fields import Options


class Reference(Options):
    """Where the provider's reference is in its answer; one of the three."""

    path: str | None = None
    regex: re.Pattern[str] | None = None
    header: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(place is not None for place in (self.path, self.regex, self.header)) != 1:
            raise ValueError("give one of path, regex and header")
        return self
