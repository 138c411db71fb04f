import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from dispatcher.sandbox.settings import SECRET_VARIABLE
from dispatcher.smpp.constants import Command
from dispatcher.smpp.pdu import encode

PROGRAM = [sys.executable, "-m", "dispatcher.sandbox"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_serves_until_it_is_stopped(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*PROGRAM, "--port", "0", "--settings", '{"tps": 7}'],
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != SECRET_VARIABLE},
    ) as process:
        assert process.stdout is not None
        said = re.search(r"http://\S+", process.stdout.readline())
        assert said is not None
        made_up = process.stdout.readline().removeprefix("control token ").strip()
        assert httpx.get(f"{said[0]}/settings", trust_env=False).status_code == 401
        control = {"Authorization": f"Bearer {made_up}"}
        assert httpx.get(f"{said[0]}/settings", headers=control, trust_env=False).json()["tps"] == 7
        process.send_signal(number)
        assert process.wait(10) == 0


def test_the_program_speaks_smpp_where_it_says() -> None:
    with subprocess.Popen(
        [*PROGRAM, "--port", "0", "--smpp-port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = re.search(r"SMPP on ([\d.]+):(\d+)", process.stdout.readline())
        assert said is not None
        with socket.create_connection((said[1], int(said[2])), timeout=10) as connection:
            connection.sendall(encode(Command.ENQUIRE_LINK, sequence=1))
            assert connection.recv(100) == encode(Command.ENQUIRE_LINK_RESP, sequence=1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_wrong_setting_is_reported_and_nothing_is_served() -> None:
    ended = subprocess.run(
        [*PROGRAM, "--settings", '{"tps": -1}'], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "tps" in ended.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[]", 'must be a JSON object such as {"tps": 50'),
        ("5", 'must be a JSON object such as {"tps": 50'),
        ("tps=7", "(Invalid JSON: expected"),
        ('{"tsp": 7}', "tsp: unknown; did you mean tps?"),
        ("@/nowhere/settings", "No such file or directory"),
    ],
)
def test_unreadable_settings_are_reported_in_one_line(given: str, said: str) -> None:
    ended = subprocess.run(
        [*PROGRAM, "--port", "0", "--settings", given], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert said in ended.stderr.splitlines()[-1].partition("--settings: ")[2]
    assert "Traceback" not in ended.stderr
