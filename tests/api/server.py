"""The API on a real socket, in a thread of the test, for clients with an HTTP stack of their own."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from dispatcher.api.app import create_app
from dispatcher.api.connections import ConnectionLimits
from dispatcher.settings import Settings


@contextmanager
def running_api(settings: Settings, *, most_connections: int = 1000) -> Iterator[str]:
    """Serve the API on a free local port; yield the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings),
        http=ConnectionLimits(most_connections).protocol(),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
