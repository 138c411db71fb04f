"""A stranger who reaches the sandbox, such as a page in somebody's browser, controls and reads nothing."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from dispatcher.sandbox import SandboxSettings, serving
from dispatcher.sandbox.settings import SECRET_VARIABLE, FixedAtStart, read_settings
from tests.providers.peer import listening
from tests.sandbox.running_sandbox import OPEN, TOKEN, run, running_sandbox

NUMBER = "+254701234567"
SUBMIT = {"to": NUMBER, "text": "x", "reference": "m-1"}
CONTROL = [
    ("POST", "/inbound", {"from": NUMBER, "to": "22141", "text": "STOP"}),
    ("GET", "/stats", None),
    ("GET", "/messages", None),
    ("GET", "/settings", None),
    ("PUT", "/settings", {"reject_rate": 1}),
    ("POST", "/reset", None),
]


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer é"])
@pytest.mark.parametrize(("method", "path", "body"), CONTROL)
def test_control_needs_the_token(method: str, path: str, body: object, shown: str | None) -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            await stage.send(NUMBER)
            headers = {b"Authorization": (shown or "").encode()}
            answer = await stage.client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 401
            assert NUMBER not in answer.text
            assert (await stage.stats())["submits"] == 1

    run(work())


@pytest.mark.parametrize(("method", "path", "body"), CONTROL)
def test_without_a_token_nobody_has_control(method: str, path: str, body: object) -> None:
    async def work() -> None:
        async with running_sandbox(control_token=None) as stage:
            for token in ("None", TOKEN):
                headers = {"Authorization": f"Bearer {token}"}
                answer = await stage.client.request(method, path, json=body, headers=headers)
                assert answer.status_code == 401

    run(work())


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain; x=application/json", "application/x-www-form-urlencoded", ""]
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/submit"), ("POST", "/inbound"), ("PUT", "/settings")]
)
def test_a_body_that_a_page_can_send_anywhere_is_refused(method: str, path: str, kind: str) -> None:
    async def work() -> None:
        async with running_sandbox() as stage:
            content = json.dumps(SUBMIT | {"reject_rate": 1}).encode()
            answer = await stage.client.request(
                method, path, content=content, headers={"Content-Type": kind} if kind else {}
            )
            assert answer.status_code == 415
            assert (await stage.stats())["submits"] == 0
            assert (await stage.client.get("/settings")).json()["reject_rate"] == 0

    run(work())


def test_a_submit_cannot_have_receipts_posted_elsewhere() -> None:
    async def work() -> None:
        async with listening(OPEN) as elsewhere, running_sandbox(post_to=["127.0.0.1:9"]) as stage:
            answer = await stage.client.post("/submit", json=SUBMIT | {"receipt_url": f"{elsewhere.url}/x"})
            assert answer.status_code == 400
            assert f"--post-to 127.0.0.1:{elsewhere.port}" in answer.json()["error"]["message"]
            assert (await stage.stats())["pending_receipts"] == 0
            assert elsewhere.requests == []

    run(work())


@pytest.mark.parametrize(
    "change",
    [{"receipt_url": "http://127.0.0.1:8/x"}, {"post_to": ["127.0.0.1"]}, {"control_token": "other"}],
)
def test_what_is_fixed_at_start_stays_so(change: dict[str, object]) -> None:
    async def work() -> None:
        async with running_sandbox(post_to=["127.0.0.1:9"]) as stage:
            before = (await stage.client.get("/settings")).json()
            assert (await stage.change(**change)).status_code == 422
            assert (await stage.client.get("/settings")).json() == before

    run(work())


def test_the_host_of_the_receipt_url_at_start_is_a_destination() -> None:
    async def work() -> None:
        async with listening(OPEN) as receiver:
            url = f"{receiver.url}/receipts"
            async with running_sandbox(post_to=[], receipt_url=url) as stage:
                await stage.client.post("/submit", json=SUBMIT)
                assert (await stage.quiet())["receipts_sent"] == 1
                again = SUBMIT | {"receipt_url": "http://127.0.0.1:9/x"}
                assert (await stage.client.post("/submit", json=again)).status_code == 400
            assert len(receiver.requests) == 1

    run(work())


@pytest.mark.parametrize(
    ("post_to", "url", "allowed"),
    [
        ("api", "http://api/x", True),
        ("api", "http://api:8080/x", True),
        ("API:8080", "http://api:8080/x", True),
        ("api:8080", "http://API:8080/x", True),
        ("api:8080", "http://api/x", False),
        ("api:8080", "http://api:80/x", False),
        ("api:443", "https://api/x", True),
        ("api", "http://api.evil.example/x", False),
        ("api", "http://evil.example/api", False),
        ("api", "http://api@evil.example/", False),
        ("127.0.0.1", "http://127.0.0.1:9/", True),
        ("127.0.0.1", "http://localhost:9/", False),
        ("127.0.0.1", "http://[::1]:9/", False),
        ("[::1]:9", "http://[::1]:9/", True),
        ("[::1]", "http://[::1]:9/", True),
    ],
)
def test_a_destination_is_a_host_with_or_without_a_port(post_to: str, url: str, allowed: bool) -> None:
    settings = SandboxSettings(post_to=[post_to])
    if allowed:
        settings.require_destination(url)
        return
    with pytest.raises(FixedAtStart, match="receipts are not posted to"):
        settings.require_destination(url)


@pytest.mark.parametrize("wrong", ["", "http://api", "api/x", "a b", "user@api", "::1", "api:x", "api:99999"])
def test_a_destination_that_is_no_host_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        read_settings("{}", post_to=[wrong], environ={})


def test_secrets_may_come_from_the_environment() -> None:
    environ = {SECRET_VARIABLE: "from outside"}
    read = read_settings("{}", environ=environ)
    assert (read.receipt_secret, read.control_token, read.token) == ("from outside", "from outside", None)
    own = read_settings('{"receipt_secret": "mine", "control_token": "too"}', environ=environ)
    assert (own.receipt_secret, own.control_token) == ("mine", "too")
    assert read_settings("{}", environ={SECRET_VARIABLE: ""}).control_token is None


def test_a_secret_from_the_environment_is_not_printed() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "dispatcher.sandbox", "--port", "0", "--post-to", "api:8080"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, SECRET_VARIABLE: "from outside"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("sandbox on http://127.0.0.1:")
        process.terminate()
        assert process.stdout.read() == ""


def test_the_sandbox_is_on_loopback() -> None:
    async def work(**arguments: Any) -> str:
        async with serving(SandboxSettings(), **arguments) as url:
            return url

    assert run(work()).startswith("http://127.0.0.1:")
