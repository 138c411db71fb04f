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
def _serving(settings: Settings, **changed: str) -> Iterator[tuple[httpx.Client, "subprocess.Popen[str]"]]:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(port)],
        env=_environment(settings, **changed),
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


def test_management_has_a_listener_of_its_own_that_ends_with_the_process(settings: Settings) -> None:
    address = f"127.0.0.1:{free_port()}"
    with (
        _serving(settings, DISPATCHER_MANAGE_LISTEN=address) as (public, process),
        httpx.Client(base_url=f"http://{address}", timeout=30) as operators,
    ):
        for path in ("/manage/v1/accounts", "/manage/v1/docs", "/manage/v1/openapi.json"):
            assert "There is no API at this path" in public.get(path).text
            assert "There is no API at this path" not in operators.get(path).text
        assert operators.get("/manage/v1/accounts").status_code == 401
        for path in ("/api/v1/sms/1", "/receipts/x", "/sms", "/api/v2"):
            assert "There is no API at this path" in operators.get(path).text
        assert (
            "Management API" in public.get("/docs").text,
            "SMS Scheduler" in public.get("/docs").text,
        ) == (
            False,
            True,
        )
        overview = operators.get("/docs").text
        assert "Management API" in overview
        assert "SMS Scheduler" not in overview
        assert operators.get("/docs/assets/swagger-ui.css").status_code == 200
        assert operators.get("/readyz").status_code == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in errors


def test_management_can_be_off(settings: Settings) -> None:
    with _serving(settings, DISPATCHER_MANAGE_LISTEN="off") as (client, _):
        assert "There is no API at this path" in client.get("/manage/v1/accounts").text
        assert client.get("/api/v1/sms/1").status_code == 401


def test_a_taken_port_of_the_management_listener_ends_the_process(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = subprocess.run(
            [sys.executable, "-c", _SERVE, str(free_port())],
            env=_environment(settings, DISPATCHER_MANAGE_LISTEN=address),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert process.returncode != 0
    assert "address already in use" in process.stderr.lower()
    assert "Traceback" not in process.stderr


def test_nobody_s_word_about_a_client_s_address_counts_unless_a_setting_says_so(settings: Settings) -> None:
    asked = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    seen = {}
    for trusted in ("", "127.0.0.1"):
        changed = {"DISPATCHER_FORWARDED_ALLOW_IPS": trusted, "FORWARDED_ALLOW_IPS": "*"}
        with _serving(settings, **changed) as (client, process):
            client.get("/api/v1/sms/1", headers=asked)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
        seen[trusted] = [line["client"] for line in lines if line.get("path") == "/api/v1/sms/1"]
        warned = [line["peer"] for line in lines if line["event"] == "proxy_not_believed"]
        assert warned == ([] if trusted else ["127.0.0.1"])
    assert seen == {"": ["127.0.0.1"], "127.0.0.1": ["203.0.113.9"]}
