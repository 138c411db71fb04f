"""The SMPP server with an independent ESME: the PyPI package smpplib, unchanged."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from dispatcher.domain.messages.encoding import split

smpplib_client = pytest.importorskip("smpplib.client")
smpplib_smpp = pytest.importorskip("smpplib.smpp")
smpplib_gsm = pytest.importorskip("smpplib.gsm")
smpplib_exceptions = pytest.importorskip("smpplib.exceptions")

_SETTINGS = (
    '{"latency_ms": 0, "receipt_delay_ms": 0, "smpp_system_id": "us", "smpp_password": "a-secret",'
    ' "control_token": "a-token"}'
)
_CONTROL = {"Authorization": "Bearer a-token"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[tuple[httpx.Client, int]]:
    """Serve in another process, because the independent ESME blocks this one."""
    command = [
        sys.executable,
        "-m",
        "dispatcher.sandbox",
        "--port=0",
        "--smpp-port=0",
        "--settings",
        _SETTINGS,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = re.search(r"(http://\S+), SMPP on \S+:(\d+)", process.stdout.readline())
        assert said is not None
        with httpx.Client(base_url=said[1], headers=_CONTROL, trust_env=False) as client:
            yield client, int(said[2])
        process.terminate()


@contextmanager
def a_stranger(port: int) -> Iterator[Any]:
    client = smpplib_client.Client("127.0.0.1", port, allow_unknown_opt_params=True)
    client.connect()
    try:
        yield client
    finally:
        client.disconnect()


def listen(client: Any, count: int) -> tuple[list[Any], list[Any]]:
    """Read until this many responses and deliveries arrived; the package acknowledges deliveries itself."""
    answers: list[Any] = []
    deliveries: list[Any] = []
    client.set_message_sent_handler(lambda pdu: answers.append(pdu))
    client.set_message_received_handler(lambda pdu: deliveries.append(pdu))
    while len(answers) < count or len(deliveries) < count:
        client.read_once()
    return answers, deliveries


@pytest.mark.parametrize("bind", ["bind_transmitter", "bind_receiver", "bind_transceiver"])
def test_it_binds_enquires_and_unbinds(sandbox: tuple[httpx.Client, int], bind: str) -> None:
    with a_stranger(sandbox[1]) as client:
        getattr(client, bind)(system_id="us", password="a-secret")
        client.send_pdu(smpplib_smpp.make_pdu("enquire_link", client=client))
        assert client.read_pdu().command == "enquire_link_resp"
        assert client.unbind().command == "unbind_resp"


def test_a_wrong_password_is_reported(sandbox: tuple[httpx.Client, int]) -> None:
    with (
        a_stranger(sandbox[1]) as client,
        pytest.raises(smpplib_exceptions.PDUError, match="Invalid Password"),
    ):
        client.bind_transceiver(system_id="us", password="wrong")


@pytest.mark.parametrize(
    "text",
    ["Grüße @ [5] €", "Привет", "x" * 300, "я" * 100],
    ids=["gsm7", "ucs2", "gsm7-parts", "ucs2-parts"],
)
def test_a_submit_is_read_as_it_was_written_and_each_part_has_its_receipt(
    sandbox: tuple[httpx.Client, int], text: str
) -> None:
    http, port = sandbox
    http.post("/reset")
    parts, coding, esm_class = smpplib_gsm.make_parts(text)
    with a_stranger(port) as client:
        client.bind_transceiver(system_id="us", password="a-secret")
        for part in parts:
            client.send_message(
                source_addr_ton=5, source_addr="ACME", dest_addr_ton=1, dest_addr_npi=1,
                destination_addr="254701234567", short_message=part, data_coding=coding,
                esm_class=esm_class, registered_delivery=True,
            )  # fmt: skip
        answers, receipts = listen(client, len(parts))
    kept = http.get("/messages", params={"to": "+254701234567"}).json()
    assert [message["text"] for message in kept] == list(split(text))
    ids = [message["ids"][0] for message in kept]
    assert [answer.message_id.decode() for answer in answers] == ids
    assert [receipt.receipted_message_id.decode() for receipt in receipts] == ids
    assert {receipt.message_state for receipt in receipts} == {2}
