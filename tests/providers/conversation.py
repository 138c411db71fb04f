"""One exchange with a plug-in: a message, or a poll, to a peer with a given response."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from dispatcher.domain.delivery.provider import (
    Outcome,
    Outgoing,
    Polls,
    Provider,
    ProviderConfig,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
)
from tests.providers.conformance import Case, a_message
from tests.providers.peer import Got, Reply, always, listening
from tests.providers.transports import run

NOW = datetime(2026, 2, 28, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Talk:
    """A plug-in with its own options."""

    case: Case
    more: dict[str, object]

    def open(self, port: int = 9, **arguments: Any) -> Provider:
        options = {**self.case.options("127.0.0.1", port), **self.more}
        present = {name: value for name, value in options.items() if value is not None}
        factory = cast("Callable[..., Provider]", self.case.factory)
        return factory(ProviderConfig("acme", self.case.name, present), **arguments)

    def send(self, answer: bytes, message: Outgoing | None = None, **arguments: Any) -> tuple[Outcome, Got]:
        """Send one message, and return its outcome and the request."""

        async def work() -> tuple[Outcome, Got]:
            async with listening(always(answer)) as peer:
                provider = self.open(peer.port, **arguments)
                (outcome,) = await provider.send([message or a_message()], lambda: True)
                await provider.close()
                return outcome, peer.requests[0]

        return run(work())

    def poll(
        self, answers: dict[str, bytes], refs: Sequence[str]
    ) -> tuple[Sequence[ReceiptReport], list[Got]]:
        """Poll; the peer responds by the end of the path."""

        def script(got: Got) -> bytes:
            return next(answer for end, answer in answers.items() if got.target.endswith(end))

        async def work() -> tuple[Sequence[ReceiptReport], list[Got]]:
            async with listening(lambda got, _: Reply(script(got))) as peer:
                provider = self.open(peer.port)
                assert isinstance(provider, Polls)
                try:
                    return await provider.poll(refs), peer.requests
                finally:
                    await provider.close()

        return run(work())

    def read(self, request: ReceiptRequest) -> Sequence[ProviderReports]:
        """Return the reports of a receipt."""

        async def work() -> Sequence[ProviderReports]:
            provider = self.open()
            try:
                return provider.read_receipt(request)
            finally:
                await provider.close()

        return run(work())


def talking(case: Case, **more: object) -> Talk:
    """Return the plug-in of a case; an option of None is left out."""
    return Talk(case, more)
