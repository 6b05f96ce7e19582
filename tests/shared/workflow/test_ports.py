"""A port that cannot be listened at is an error that names another."""

import re
import socket

import pytest

from shared.errors import ConfigError
from shared.workflow.ports import check_port, free_port


def test_a_free_port_is_free_and_given_back():
    port = free_port()
    check_port(port)
    with socket.create_server(("127.0.0.1", port)) as server:
        assert server.getsockname()[1] == port


def test_a_taken_port_is_named_with_one_that_is_free():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is taken") as caught:
            check_port(port)
        proposed = int(re.search(r"--port (\d+)", caught.value.fix)[1])
        assert proposed != port
        check_port(proposed)
        with pytest.raises(ConfigError, match="make it so"):
            check_port(port, fix="make it so")


def test_a_port_that_was_just_left_may_be_taken_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    check_port(port)


@pytest.mark.parametrize("port", [70000, -1])
def test_no_port(port):
    with pytest.raises(ConfigError, match="1 to 65535"):
        check_port(port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_another_computer(host):
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1 or 0\.0\.0\.0"):
        check_port(5000, host=host)
