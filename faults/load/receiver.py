"""Our receiver of callbacks: it writes each one to the journal, and can fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from dispatcher.local.embedded.ports import LOOPBACK, free_port
from faults.journal import Journal


class Receiver:
    """Takes the callbacks of all dialects; `fails` makes it answer 500."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.fails = False
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        """Take one callback of the SMS Gateway dialect or of the management API."""
        body = await request.json()
        if self.fails:
            return web.Response(status=500)
        if "payload" in body:
            number, event = body["payload"]["phoneNumber"], body["event"]
        else:
            number, event = body["data"]["number"], body["type"]
        self._journal.write("callback", path=request.path, number=number, event=event)
        return web.Response(status=200)


@asynccontextmanager
async def running_receiver(journal: Journal) -> AsyncIterator[Receiver]:
    """Serve a receiver during the block."""
    receiver, port = Receiver(journal), free_port()
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    receiver.url = f"http://{LOOPBACK}:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
