"""Which providers may carry a message, in order: a pure function of what is known of both."""

from collections.abc import Sequence

from dispatcher.domain.provider import ProviderConfig, Takes


def route(country: str, providers: Sequence[ProviderConfig], *, is_test: bool = False) -> tuple[str, ...]:
    """Name the providers that serve this country, in the order they were configured; none means 28."""
    other = Takes.LIVE if is_test else Takes.TESTS
    return tuple(
        p.name for p in providers if p.takes is not other and (not p.countries or country in p.countries)
    )
