"""Sending callbacks step by step, without the loop that sends them in the product."""

import asyncio

from dispatcher.service.callbacks.sender import CallbackSender


async def work_off(teller: CallbackSender) -> int:
    """Send all that is due now, write what came of it, and return how many were due."""
    total = 0
    while True:
        were_calls = bool(teller._calls)
        taken = await teller.take()
        if not (taken or were_calls):
            return total
        total += taken
        await asyncio.gather(*teller._calls)
        await teller.write()
