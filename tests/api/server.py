"""The API on a real socket, in a thread of the test: for clients that bring their own HTTP."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from dispatcher.api.app import create_app
from dispatcher.settings import Settings


@contextmanager
def running_api(settings: Settings) -> Iterator[str]:
    """Serve on a free port of this machine; give the base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings), lifespan="on", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    serving = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        serving.join(30)
        listener.close()
