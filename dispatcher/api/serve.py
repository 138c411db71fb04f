"""Running the API on uvicorn, with a listener of its own for the management API if one is set."""

import asyncio
import socket
import sys
from contextlib import suppress
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from dispatcher.api.app import create_app
from dispatcher.api.connections import connection_limits
from dispatcher.bootstrap import configure_logging, tune_garbage_collection
from dispatcher.settings import Settings
from dispatcher.settings.listening import ListenAddress, read_listen

_GRACE = timedelta(seconds=20)


def run(host: str, port: int, settings: Settings) -> None:
    """
    Serve until SIGTERM or Ctrl-C; open requests then have 20 seconds to end.

    Exits the process with a status above zero if the server cannot start. Raises
    Misconfigured.
    """
    configure_logging(settings)
    app = create_app(settings)
    tune_garbage_collection()
    protocol = connection_limits().protocol()
    server = ApiServer(_config(app, ListenAddress(host, port), protocol))
    if (address := read_listen(settings.manage_listen)) is not None:
        server.listen_also(_config(app.serve_management, address, protocol))
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once all is closed
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class ApiServer(uvicorn.Server):
    """A server that may serve another application at another address, with the same limits of connections."""

    _second: tuple[uvicorn.Config, socket.socket] | None = None

    def listen_also(self, config: uvicorn.Config) -> None:
        """Serve this, too, once the server has started. Exits the process if the address is taken."""
        config.load()
        self._second = config, config.bind_socket()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start both listeners."""
        await super().startup(sockets)
        if self._second is None:
            return
        config, bound = self._second

        def connect() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn's own
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )

        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(connect, sock=bound, backlog=config.backlog))


def _config(app: ASGIApp, address: ListenAddress, protocol: type[asyncio.Protocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        http=protocol,
        interface="asgi3",  # which uvicorn does not see in a method
        lifespan="on",
        proxy_headers=False,  # the router reads them
        access_log=False,  # the router writes its own, without the query
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(_GRACE.total_seconds()),
    )
