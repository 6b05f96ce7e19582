"""Whether a server can listen where it is asked to; a port that is taken is said before anything is started."""

from __future__ import annotations

import errno
import socket

from shared.errors import ConfigError


def check_port(port: int, *, host: str = "127.0.0.1", fix: str = "") -> None:
    """Raise unless a server could listen there now.

    Args:
        port: 1 to 65535.
        host: address or name of this computer.
        fix: how to choose another port; by default the flag ``--port`` with one that is free.

    Raises:
        ConfigError: the port is taken, forbidden or no port, or the host is not this computer.
    """
    try:
        _listen(port, host=host)
    except OverflowError:
        reason, expected = f"{port} is no port", "a whole number from 1 to 65535"
    except OSError as error:
        reason, expected = _reason(error, port=port, host=host)
    else:
        return
    raise ConfigError(reason, expected=expected, fix=fix or f"choose another one, for example --port {free_port()}")


def free_port(*, host: str = "127.0.0.1") -> int:
    """A port that nothing listens at now, as the system gives it."""
    return _listen(0, host=host)


def _listen(port: int, *, host: str) -> int:
    """Take a port for a moment; its number. As servers do, one that was left less than a minute ago is taken again."""
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        place.listen()
        return int(place.getsockname()[1])


def _reason(error: OSError, *, port: int, host: str) -> tuple[str, str]:
    """What was received and what was expected."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: another program listens there", "a port that is free"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} of {host} may not be used by this user", "a port above 1023"
    return f"nothing can listen at {host}:{port}: {error}", "an address of this computer, such as 127.0.0.1 or 0.0.0.0"
