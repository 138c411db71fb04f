"""The API behind Debian's nginx with TLS and a root path, configured as docs/proxy.md says."""

import asyncio
import hashlib
import hmac
import json
import os
import re
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from structlog.testing import capture_logs

from dispatcher.api.app import create_app
from dispatcher.bootstrap import open_providers
from dispatcher.domain.accounts.credential import CredentialKind
from dispatcher.local.embedded.ports import free_port
from dispatcher.sandbox.provider_options import http_options
from dispatcher.service.accounts import credentials
from dispatcher.service.accounts.credentials import MANAGE
from dispatcher.settings import ProviderSettings, Settings
from tests.api.test_scenario import CANCELLED, CLIENTS, HOUR, WANTED
from tests.installed import require
from tests.world import ScriptedProvider, World

PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
ROOT = "/sms"
CLIENT, OTHER, INVENTED = "127.0.0.2", "127.0.0.3", "198.51.100.7"
SECRET = "a receipt secret"
PASSWORD = "correct horse battery"

KEPT, REMOVED, REPORTED = "kept", "removed", "removed and reported"
"""What the proxy does with the root path."""

pytestmark = pytest.mark.timeout(120)


@dataclass
class Proxied:
    """The API's address as clients see it, and the certificate authority they trust."""

    url: str
    authority: ssl.SSLContext
    world: World

    def client(self, address: str = CLIENT, **headers: str) -> httpx.AsyncClient:
        """Return a client with this address, whose paths are below the root path."""
        transport = httpx.AsyncHTTPTransport(local_address=address, verify=self.authority)
        return httpx.AsyncClient(base_url=self.url, transport=transport, headers=headers, timeout=30)

    async def operator(self) -> Mapping[str, str]:
        key = await credentials.create(self.world.ctx, None, CredentialKind.BEARER, dialect=MANAGE)
        return {"Authorization": f"Bearer {key.secret}"}


Story = Callable[[Proxied], Awaitable[None]]


@pytest.fixture
def nginx() -> str:
    return require("nginx")


def run(nginx: str, directory: Path, settings: Settings, story: Story, *, path: str = KEPT) -> None:
    """Run the story of a client in front of nginx, which has the API behind it."""
    changed = {
        "forwarded_allow_ips": "127.0.0.1",
        "root_path": ROOT,
        "jwt_secret": SecretStr("x" * 40),
        "address_rate_limit": 5,
    }
    world = World(settings.model_copy(update=changed))
    world.providers["signed"] = cast("ScriptedProvider", _signing_provider(settings))

    async def main() -> None:
        async with _serving(world) as port:
            with _proxying(nginx, directory, port, path=path) as (front, authority):
                await _until_it_listens(front)
                await story(Proxied(f"https://127.0.0.1:{front}{ROOT}", authority, world))

    world.run(main)


def _signing_provider(settings: Settings) -> object:
    """Return the real plug-in for HTTP, whose provider signs the URL that it calls, and the body."""
    options = http_options("http://127.0.0.1:1", receipt_secret=SECRET)
    receipts = cast("dict[str, Any]", options["receipts"])
    receipts["signature"] = {
        "kind": "hmac-sha256",
        "header": "X-Signature",
        "secret": SECRET,
        "signed": "{url}{body}",
    }
    signed = ProviderSettings(name="signed", plugin="http", options=options)
    return open_providers(settings.model_copy(update={"providers": (signed,)}))["signed"].provider


@asynccontextmanager
async def _serving(world: World) -> AsyncIterator[int]:
    port = free_port()
    app = create_app(world.settings, context=world.ctx)
    config = uvicorn.Config(app, port=port, lifespan="on", log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await _until_it_listens(port)
        yield port
    finally:
        server.should_exit = True
        await task


@contextmanager
def _proxying(nginx: str, directory: Path, port: int, *, path: str) -> Iterator[tuple[int, ssl.SSLContext]]:
    front, certificate, key = free_port(), directory / "example.pem", directory / "example.key"
    _write_certificate(certificate, key)
    file = directory / "nginx.conf"
    file.write_text(_configuration(directory, port, front, path=path))
    with subprocess.Popen([nginx, "-c", str(file), "-e", str(directory / "error.log")]) as process:
        try:
            yield front, ssl.create_default_context(cafile=str(certificate))
        finally:
            process.terminate()


def _configuration(directory: Path, port: int, front: int, *, path: str) -> str:
    [shown] = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    changes = {
        "server 127.0.0.1:8080;": f"server 127.0.0.1:{port};",
        "listen 443 ssl;": f"listen 127.0.0.1:{front} ssl;",
        "/etc/nginx/example.org.pem": str(directory / "example.pem"),
        "/etc/nginx/example.org.key": str(directory / "example.key"),
    }
    if path != KEPT:
        changes["location /sms/ {\n        proxy_pass http://dispatcher;"] = (
            "location /sms/ {\n        proxy_pass http://dispatcher/;"
        )
    if path == REPORTED:
        changes['proxy_set_header Connection "";'] = (
            f'proxy_set_header Connection "";\nproxy_set_header X-Forwarded-Prefix {ROOT};'
        )
        changes["any size, which are read as they come\n        proxy_pass http://dispatcher;"] = (
            "any size, which are read as they come\n        proxy_pass http://dispatcher/manage/;"
        )
    for old, new in changes.items():
        assert shown.count(old) == 1, f"docs/proxy.md has {old!r} {shown.count(old)} times"
        shown = shown.replace(old, new)
    temporary = "".join(
        f"{name}_temp_path {directory / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off; worker_processes 1; pid {directory / 'pid'};\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{shown}}}\n"
    )


def _write_certificate(certificate: Path, key: Path) -> None:
    """Write a certificate for 127.0.0.1 that signs itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@pytest.mark.parametrize("path", [KEPT, REMOVED])
def test_every_dialect_works_below_the_root_path(
    nginx: str, tmp_path: Path, settings: Settings, path: str
) -> None:
    async def story(api: Proxied) -> None:
        operator = await api.operator()
        for make in CLIENTS.values():
            async with api.client() as http:
                client = make(http, operator, api.world)
                await client.connect()
                at = (api.world.time.now() + HOUR).replace(microsecond=0)
                wanted, unwanted = [await client.send(number, at) for number in (WANTED, CANCELLED)]
                assert await client.read(wanted) == client.waits
                await client.cancel(unwanted)

    run(nginx, tmp_path, settings, story, path=path)


@pytest.mark.parametrize(
    ("path", "wanted"), [(KEPT, ""), (REMOVED, "/api/v1/docs"), (REPORTED, f"{ROOT}/sms/docs")]
)
def test_every_page_comes_with_all_its_files_and_a_document_of_the_right_server(
    nginx: str, tmp_path: Path, settings: Settings, path: str, wanted: str
) -> None:
    async def story(api: Proxied) -> None:
        async with api.client() as http:
            overview = await http.get("/docs")
            pages = re.findall(r'href="([^"]+)"', overview.text)
            assert len(pages) == len(CLIENTS) + 1
            chosen = [page for page in pages if page.endswith(wanted)]
            assert chosen
            for page in chosen:
                await _check_page(http, urljoin(api.url, page))

    run(nginx, tmp_path, settings, story, path=path)


async def _check_page(http: httpx.AsyncClient, url: str) -> None:
    """Load a page of Swagger UI as a browser does: its files, its script, its document and a path of that."""
    page = await http.get(url)
    assert page.status_code == 200, url
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) == 3, url
    for file in files:
        assert (await http.get(urljoin(url, file))).status_code == 200, file
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in page.headers["content-security-policy"]
    [document_url] = re.findall(r"""url: ["'](.*?)["']""", script)
    document = (await http.get(urljoin(url, json.loads(f'"{document_url}"')))).json()
    assert document["servers"] == [{"url": ROOT}], url
    first = next(path for path in document["paths"] if "{" not in path)
    answer = await http.get(urljoin(url, document["servers"][0]["url"] + first))
    assert "There is no API at this path" not in answer.text, first


def test_a_location_can_be_followed(nginx: str, tmp_path: Path, settings: Settings) -> None:
    async def story(api: Proxied) -> None:
        async with api.client(**await api.operator()) as http:
            shop = "/manage/v1/accounts/shop"
            batch = {"recipients": [WANTED], "text": "Hello"}
            made = [await http.post(f"{shop}/batches", json=batch) for _ in range(2)]
            csv = f"number\n{WANTED}\n".encode()
            made += [await http.post(f"{shop}/audiences", params={"audience": "all"}, content=csv)]
            campaign = {"name": "news", "audience": "all", "text": "Hello", "cron": "0 9 * * mon"}
            made += [await http.post(f"{shop}/campaigns", json=campaign)]
            assert [one.status_code for one in made] == [201] * 4, [one.text for one in made]
            for one in made:
                location = one.headers["location"]
                assert location.startswith(f"{ROOT}/manage/v1/")
                assert (await http.get(urljoin(api.url, location))).status_code == 200, location
        login = await credentials.create(
            api.world.ctx, api.world.caller.account, CredentialKind.LOGIN, dialect="smsgate"
        )
        async with api.client() as http:
            http.auth = httpx.BasicAuth(str(login.name), login.secret)
            body = {"phoneNumbers": [CANCELLED], "textMessage": {"text": "Hello"}}
            location = (await http.post("/api/3rdparty/v1/messages", json=body)).headers["location"]
            assert (await http.get(urljoin(api.url, location))).json()["state"] == "Pending"

    run(nginx, tmp_path, settings, story)


def test_the_client_s_own_address_is_logged_and_limited_whatever_it_invents(
    nginx: str, tmp_path: Path, settings: Settings
) -> None:
    async def story(api: Proxied) -> None:
        wrong = {"Authorization": "Bearer wrong"}
        with capture_logs() as lines:
            async with api.client(**wrong) as http:
                answers = [
                    (
                        await http.get("/api/v1/sms/1", headers={"X-Forwarded-For": f"{INVENTED}{n}"})
                    ).status_code
                    for n in range(8)
                ]
            async with api.client(OTHER, **wrong) as http:
                other = (await http.get("/api/v1/sms/1")).status_code
        assert (answers[0], answers[-1], other) == (401, 429, 401)
        clients = [line["client"] for line in lines if line["event"] == "request_answered"]
        assert clients == [CLIENT] * 8 + [OTHER]

    run(nginx, tmp_path, settings, story)


@pytest.mark.parametrize("path", [KEPT, REMOVED])
def test_a_signature_over_the_url_that_a_provider_called_fits(
    nginx: str, tmp_path: Path, settings: Settings, path: str
) -> None:
    async def story(api: Proxied) -> None:
        body = json.dumps({"reports": [{"id": "sim-1", "reference": None, "status": "DELIVRD"}]}).encode()
        async with api.client() as http:
            url = f"{api.url}/receipts/signed?account=7&x=%2B1"
            for signed, status in ((url, 200), (url.replace("https", "http"), 401), (f"{url}1", 401)):
                mac = hmac.new(SECRET.encode(), signed.encode() + body, hashlib.sha256).hexdigest()
                answer = await http.post(url, content=body, headers={"X-Signature": mac})
                assert answer.status_code == status, answer.text

    run(nginx, tmp_path, settings, story, path=path)


def test_every_response_has_the_headers_that_protect_it(
    nginx: str, tmp_path: Path, settings: Settings
) -> None:
    async def story(api: Proxied) -> None:
        async with api.client(**await api.operator()) as http:
            for path in (
                "/docs",
                "/api/v1/docs",
                "/manage/v1/accounts",
                "/api/v1/sms/1",
                "/nothing",
                "/healthz",
            ):
                answer = await http.get(path)
                assert answer.headers["cache-control"] == "no-store", path
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
                assert answer.headers["referrer-policy"] == "no-referrer", path
                assert answer.headers["x-content-type-options"] == "nosniff", path
                assert answer.headers["strict-transport-security"] == "max-age=31536000", path
        assert urlsplit(api.url).scheme == "https"

    run(nginx, tmp_path, settings, story)
