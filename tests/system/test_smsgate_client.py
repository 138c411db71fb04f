"""SMS Gateway's own TypeScript client, unchanged, against a running stack."""

import asyncio
import hashlib
import hmac
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dispatcher.bootstrap import open_context
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.service.accounts import accounts, callback_secrets, credentials
from dispatcher.service.accounts.credentials import NewKey
from dispatcher.settings import Settings
from tests.system.stack import Stack, running_stack, until

SCRIPT = Path(__file__).parent / "smsgate_client.mjs"
PACKAGE = "android-sms-gateway@3.0.0"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="node is missing"),
]


@dataclass
class Receiver:
    """A producer's web server that keeps the callbacks it gets."""

    url: str = ""
    callbacks: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.callbacks.append((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def test_the_client_sends_polls_lists_cancels_and_gets_webhooks(tmp_path: Path) -> None:
    module = _install(tmp_path)
    settings = {"DISPATCHER_CALLBACK_PRIVATE": "true"}
    with receiving() as receiver, running_stack(tmp_path / "stack", settings=settings) as stack:
        login, secret = asyncio.run(_login(stack))
        result = _run(module, stack, login, receiver)
        assert result["sent"]["state"] == "Pending"
        assert result["state"]["state"] == "Delivered"
        assert result["state"]["recipients"] == [
            {"phoneNumber": "+254712345678", "state": "Delivered", "error": None}
        ]
        assert [item["state"] for item in result["list"]] == ["Pending", "Delivered"]
        assert result["cancelled"]["state"] == "Cancelled"
        assert result["webhook"] in result["webhooks"]
        assert len(result["devices"]) == 1
        assert result["health"]["status"] == "pass"
        assert stack.stats()["submits"] == 1
        until(lambda: len(receiver.callbacks) == 1, seconds=30, what="the webhook is called")
        _check(receiver, result, secret)


def _check(receiver: Receiver, result: dict[str, Any], secret: str) -> None:
    [(headers, body)] = receiver.callbacks
    signed = body + headers["X-Timestamp"].encode()
    assert headers["X-Signature"] == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    event = json.loads(body)
    assert (event["event"], event["webhookId"]) == ("sms:delivered", result["webhook"]["id"])
    assert event["payload"]["messageId"] == result["sent"]["id"]
    assert event["payload"]["phoneNumber"] == "+254712345678"


def _install(directory: Path) -> Path:
    """Install the client, and copy it to an .mjs file: its package does not declare an ES module."""
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    subprocess.run([*command, "--prefix", str(directory), PACKAGE], check=True, capture_output=True)
    dist = directory / "node_modules" / "android-sms-gateway" / "dist" / "index.js"
    return Path(shutil.copy(dist, directory / "client.mjs"))


async def _login(stack: Stack) -> tuple[NewKey, str]:
    settings = Settings(database_url=stack.database_url, redis_url=stack.redis_url)
    async with open_context(settings, name="test") as ctx:
        account = await accounts.find(ctx, "demo")
        login = await credentials.create(ctx, account, CredentialKind.LOGIN, dialect="smsgate")
        return login, (await callback_secrets.find(ctx, account)).current


def _run(module: Path, stack: Stack, login: NewKey, receiver: Receiver) -> dict[str, Any]:
    base = str(stack.api.base_url.join("/api/3rdparty/v1"))
    command = ["node", str(SCRIPT), str(module), base, str(login.name), login.secret, receiver.url]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found
