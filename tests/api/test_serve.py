"""The API in a process of its own, on real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from sqlalchemy.engine import make_url

from dispatcher.local.embedded.ports import free_port
from dispatcher.settings import Settings

_SERVE = (
    "import sys; from dispatcher.api.serve import run; from dispatcher.settings import load_settings;"
    "run('127.0.0.1', int(sys.argv[1]), load_settings())"
)


def _environment(settings: Settings, **changed: str) -> Mapping[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        **changed,
    }


@contextmanager
def _serving(settings: Settings) -> Iterator[tuple[httpx.Client, "subprocess.Popen[str]"]]:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(port)],
        env=_environment(settings),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        try:
            _until_it_answers(client, process)
            yield client, process
        finally:
            client.close()
            process.kill()


def _until_it_answers(client: httpx.Client, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + 60
    while True:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until, "the API did not come up"
            time.sleep(0.05)
        else:
            return


def test_it_serves_and_ends_cleanly_on_a_signal(settings: Settings) -> None:
    with _serving(settings) as (client, process):
        assert client.get("/readyz").json()["status"] == "degraded"
        response = client.get("/api/v1/sms/1?token=secret")
        assert response.status_code == 401
        assert "server" not in response.headers
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        # uvicorn raises the signal again once all is closed
        assert process.returncode in {0, -signal.SIGTERM}
    assert "secret" not in errors
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    paths = [line["path"] for line in lines if line["event"] == "request_answered"]
    assert paths.count("/api/v1/sms/1") == 1
    assert "Traceback" not in errors


def test_a_body_beyond_the_limit_is_refused_and_the_connection_still_serves(settings: Settings) -> None:
    with _serving(settings) as (client, _):
        for content in (b"x" * (12 << 20), iter([b"x" * (1 << 20)] * 12)):
            response = client.post("/api/v1/sms", content=content, headers={"Authorization": "Bearer x"})
            assert response.status_code in {401, 413}
            assert list(response.json()) == ["errors"]
        assert client.get("/healthz").status_code == 200


def test_it_refuses_to_start_behind_the_newest_migration_in_one_line(settings: Settings) -> None:
    url = make_url(settings.database_url.get_secret_value())
    empty = url.set(database="postgres").render_as_string(hide_password=False)
    process = subprocess.run(
        [sys.executable, "-c", _SERVE, str(free_port())],
        env=_environment(settings, DATABASE_URL=empty),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 3
    assert "the database is at migration none" in process.stderr
    assert "run `dispatcher migrate`" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_port_that_is_taken_ends_the_process(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = subprocess.run(
            [sys.executable, "-c", _SERVE, str(taken.getsockname()[1])],
            env=_environment(settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert process.returncode != 0
    assert "address already in use" in process.stderr
