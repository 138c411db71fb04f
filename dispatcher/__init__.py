"""An asynchronous SMS dispatcher: windows, priority tiers, five HTTP dialects, any provider."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dispatcher.producer import Dispatcher

__all__ = ["Dispatcher"]


def __getattr__(name: str) -> object:
    """Import the producer on first use: the domain alone does not need it."""
    if name == "Dispatcher":
        from dispatcher.producer import Dispatcher

        return Dispatcher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
