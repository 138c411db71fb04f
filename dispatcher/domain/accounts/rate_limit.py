"""Where a caller stands with its rate limit: what the headers of a dialect are made of."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """Where a caller stands with its rate limit after a request."""

    limit: int  # requests a minute
    remaining: int  # how many may follow at once
    reset: timedelta  # until the full quota is there again
    retry_after: timedelta | None  # None: the request may go on; else how long until one may

    @property
    def exceeded(self) -> bool:
        """Whether the request must be refused."""
        return self.retry_after is not None
