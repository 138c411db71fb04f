"""Free ports, and helpful errors for ports that are taken."""

import socket

import pytest

from dispatcher.domain.errors import Misconfigured
from dispatcher.local.embedded.ports import LOOPBACK, free_port, is_free, require_free_port


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()
    assert is_free(LOOPBACK, port)
    require_free_port(LOOPBACK, port, "the API")


def test_a_taken_port_is_refused_with_the_option_that_chooses_another() -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        assert not is_free(LOOPBACK, port)
        with pytest.raises(Misconfigured, match=f"port {port} on 127.0.0.1 is taken.*Flower.*--flower-port"):
            require_free_port(LOOPBACK, port, "Flower", option="--flower-port")


def test_if_no_port_is_free_the_error_says_so() -> None:
    with pytest.raises(Misconfigured, match=r"is free on 192\.0\.2\.1"):
        free_port("192.0.2.1")


def test_an_address_of_another_machine_is_refused_with_the_reason() -> None:
    with pytest.raises(Misconfigured, match="cannot be used"):
        require_free_port("192.0.2.1", 8080, "the API")  # TEST-NET-1
