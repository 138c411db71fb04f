"""The state of a caller's rate limit, from which dialects make their response headers."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """The state of a caller's rate limit after a request."""

    limit: int  # requests a minute
    remaining: int  # requests that may follow at once
    reset: timedelta  # until the full quota is available again
    retry_after: timedelta | None  # how long until a request is allowed; None if this one is

    @property
    def exceeded(self) -> bool:
        """Whether the request must be refused."""
        return self.retry_after is not None
