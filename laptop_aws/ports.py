"""Ports of 127.0.0.1, reserved for a child process that listens later.

Two stacks that start at the same time, even as different users, get different ports.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

PORTS = 100
_HOST = "127.0.0.1"


class NoPortError(Exception):
    """All ports of the range are in use."""


@contextmanager
def claimed(preferred: int) -> Iterator[int]:
    """Reserve and yield the first free TCP port of the `PORTS` ports from `preferred`.

    The UDP port of the same number, which is not used otherwise, is the reservation: the kernel
    gives it to one socket at a time, across users, and releases it when the process ends. Use
    ports below the ephemeral range (on Linux from 32768): until the child listens, an outgoing
    connection could take a port of that range.

    Raises:
        NoPortError: no port of the range is free.
    """
    with ExitStack() as claim:
        for port in range(preferred, preferred + PORTS):
            with suppress(OSError), ExitStack() as attempt:
                holder = attempt.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                holder.bind((_HOST, port))
                with socket.socket() as probe:
                    # As servers do: a port in TIME_WAIT is free.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((_HOST, port))
                claim.push(attempt.pop_all())
                break
        else:
            last = preferred + PORTS - 1
            raise NoPortError(f"No port is free from {preferred} to {last} on {_HOST}.")
        yield port
