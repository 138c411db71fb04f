"""A broker with TLS and a private CA: workers, publishers and Flower's page of the broker."""

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
import redis
from flower.utils.broker import Broker  # type: ignore[import-untyped]

from dispatcher.domain.tier import Tier
from dispatcher.lanes.celery_app import DELIVER, broker_tls, make_celery
from dispatcher.local.embedded.ports import LOOPBACK, free_port

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl writes the certificate")


@pytest.fixture
def tls_url(tmp_path: Path, redis_url: str) -> Iterator[str]:
    """
    Yield a URL of our Valkey behind TLS, with a certificate that no public CA signed.

    The embedded Valkey is built without TLS, so TLS ends in front of it.
    """
    folder = tmp_path / "with blank"
    folder.mkdir()
    certificate, key = folder / "ca.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "rsa:2048", "-subj", "/CN=valkey",
         "-addext", f"subjectAltName=IP:{LOOPBACK}", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = urlsplit(redis_url)
    port, stop = free_port(), threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(server.hostname, server.port)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    async def run() -> None:
        async with await asyncio.start_server(serve, LOOPBACK, port, ssl=tls):
            listening.set()
            await asyncio.to_thread(stop.wait)

    listening = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert listening.wait(10)
    password = quote(unquote(server.password or ""), safe="")
    yield f"rediss://:{password}@{LOOPBACK}:{port}{server.path}?ssl_ca_certs={quote(str(certificate))}"
    stop.set()
    thread.join(10)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def test_flowers_page_of_the_broker_trusts_the_private_ca_of_the_url(tls_url: str) -> None:
    celery = make_celery(tls_url)
    celery.send_task(DELIVER[Tier.BULK], args=[[1]], queue="bulk", retry=False)
    # As Flower opens it: with the URL of the application's connection, and its options.
    broker = Broker(
        celery.connection().as_uri(include_password=True),
        broker_options=celery.conf.broker_transport_options,
        broker_use_ssl=celery.conf.broker_use_ssl,
    )
    assert asyncio.run(broker.queues(["bulk", "standard"])) == [
        {"name": "bulk", "messages": 1},
        {"name": "standard", "messages": 0},
    ]


def test_a_certificate_of_an_unknown_ca_is_refused(tls_url: str) -> None:
    celery = make_celery(tls_url.partition("?")[0])
    broker = Broker(
        celery.connection().as_uri(include_password=True), broker_use_ssl=celery.conf.broker_use_ssl
    )
    with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(broker.queues(["bulk"]))


def test_a_broker_without_tls_has_no_tls_options() -> None:
    assert broker_tls("redis://127.0.0.1:6379/0") is None
    assert broker_tls("rediss://127.0.0.1:6379/0?ssl_check_hostname=false") == {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": False,
    }
