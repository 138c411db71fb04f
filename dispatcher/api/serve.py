"""Running the API on uvicorn."""

from datetime import timedelta

import uvicorn

from dispatcher.api.app import create_app
from dispatcher.api.connections import connection_limits
from dispatcher.bootstrap import configure_logging, tune_garbage_collection
from dispatcher.settings import Settings

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
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=connection_limits().protocol(),
        lifespan="on",
        access_log=False,  # the router writes its own, without the query
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=int(_GRACE.total_seconds()),
    )
