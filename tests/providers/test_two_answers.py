"""A provider that answers a request twice: no answer goes to another message."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatcher.domain.delivery.provider import Accepted, Outcome, ProviderConfig, Rejected, Unknown
from dispatcher.providers.generic_http import HttpProvider
from tests.providers.generic_http.test_provider import MESSAGE
from tests.providers.peer import Peer, conversing, http_reply, read_request
from tests.providers.transports import LOOPS, Run

MESSAGES = 600
DELAYS = {"in one segment": None, "at once": 0.0, "within 3 ms": 0.003}
WIRES = pytest.mark.parametrize("wire", ["ours", "aiohttp"])


async def outcomes_of(wire: str, *, delay: float | None, refused: bool) -> dict[str, Outcome]:
    """Return the outcomes by reference from a provider that answers a tenth of the requests twice."""
    rng = random.Random(18)

    async def answer(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while got := await read_request(peer, reader):
            own = str(got.document["reference"])
            is_refused = refused and own.endswith("7")
            reply = http_reply(422, {"of": own}) if is_refused else http_reply(202, {"id": f"p-{own}"})
            await asyncio.sleep(rng.random() * 0.001)
            again = own.endswith("7")
            if again and delay is None:
                writer.write(reply + reply)
                continue
            writer.write(reply)
            if again and delay is not None:
                asyncio.get_running_loop().call_later(rng.random() * delay, writer.write, reply)

    async with conversing(answer) as peer:
        options = {
            "url": peer.url,
            "json": {"reference": "{reference}"},
            "reference": {"path": "id"},
            "wire": wire,
        }
        config = ProviderConfig(
            "twice", "http", options, max_connections=8, call_timeout=timedelta(seconds=3)
        )
        provider = HttpProvider(config)
        slots, found = asyncio.Semaphore(8), dict[str, Outcome]()

        async def send(number: int) -> None:
            async with slots:
                message = replace(MESSAGE, reference=f"m-{number}")
                [found[message.reference]] = await provider.send([message], lambda: True)

        await asyncio.gather(*map(send, range(MESSAGES)))
        await provider.close()
    return found


def strangers(found: dict[str, Outcome], *, refused: bool) -> int:
    """Return how many messages have the answer of another."""
    return sum(
        outcome.refs != (f"p-{own}",) or (refused and own.endswith("7"))
        if isinstance(outcome, Accepted)
        else isinstance(outcome, Rejected) and not (refused and own.endswith("7"))
        for own, outcome in found.items()
    )


@LOOPS
@WIRES
@pytest.mark.parametrize("refused", [False, True], ids=["accepted", "refused"])
@pytest.mark.parametrize("delay", DELAYS.values(), ids=DELAYS)
def test_no_message_gets_the_answer_of_another(
    run: Run, wire: str, delay: float | None, refused: bool
) -> None:
    found = run(outcomes_of(wire, delay=delay, refused=refused))
    assert len(found) == MESSAGES
    assert strangers(found, refused=refused) == 0
    doubtful = sum(isinstance(outcome, Unknown) for outcome in found.values())
    assert doubtful <= MESSAGES / 10  # at most one for each answer that came twice
