"""Sending callbacks step by step, without the loop that sends them in the product."""

import asyncio

from dispatcher.service.callbacks.sender import CallbackSender


async def send_due(sender: CallbackSender) -> int:
    """Send all callbacks that are due now, write their results, and return how many were due."""
    total = 0
    while True:
        were_calling = bool(sender._calls)
        taken = await sender.take()
        if not (taken or were_calling):
            return total
        total += taken
        await asyncio.gather(*sender._calls)
        await sender.write()
