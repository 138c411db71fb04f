"""Responses of an SMSC to nothing that waits: dropped and counted, and no submit takes one for its own."""

import asyncio

import pytest
from structlog.testing import capture_logs

from dispatcher.domain.delivery.provider import Accepted
from dispatcher.smpp.constants import RESPONSE_BIT, Command
from dispatcher.smpp.pdu import Pdu, encode, encode_id, respond
from tests.providers.smpp.smsc import Line, a_message, a_provider, an_smsc, wide_open
from tests.providers.transports import LOOPS, Run

STRAY = [Command.UNBIND_RESP, Command.DATA_SM_RESP, Command.BIND_TRANSCEIVER_RESP, Command.QUERY_SM_RESP]


@LOOPS
@pytest.mark.parametrize("stray", [*STRAY, None], ids=lambda one: "answered" if one is None else one.name)
def test_a_response_that_fits_no_request_is_dropped_and_counted(run: Run, stray: Command | None) -> None:
    """`stray` is the type of the response with the submit's sequence number; None is a second answer."""

    async def work() -> None:
        def answer(line: Line, pdu: Pdu) -> None:
            own = respond(pdu, body=encode_id(f"p-{len(line.smsc.submits)}"))
            unknown = encode(
                Command.SUBMIT_SM | RESPONSE_BIT, sequence=pdu.sequence + 1000, body=encode_id("unknown")
            )
            if stray is None:
                line.write(own + own + unknown)
            else:
                line.write(encode(stray, sequence=pdu.sequence, body=encode_id("stray")) + unknown + own)

        with capture_logs() as logs:
            async with an_smsc({Command.SUBMIT_SM: answer}) as smsc, a_provider(smsc.port) as provider:
                found = [(await provider.send([a_message()], wide_open))[0] for _ in range(10)]
                assert found == [Accepted((f"p-{number}",)) for number in range(1, 11)]
                assert len(smsc.lines) == 1
        dropped = [entry["dropped"] for entry in logs if entry["event"] == "smpp_responses_dropped"]
        assert dropped == [1, 2, 4, 8, 16]  # of twenty

    run(asyncio.wait_for(work(), 10))
