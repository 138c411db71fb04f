"""Which providers may carry a message, in order: a pure function of what is known of both."""

from collections.abc import Sequence

from dispatcher.domain.provider import ProviderConfig


def route(country: str, providers: Sequence[ProviderConfig]) -> tuple[str, ...]:
    """Name the providers that serve this country, in the order they were configured; none means 28."""
    return tuple(p.name for p in providers if not p.countries or country in p.countries)
