"""Ports of 127.0.0.1, claimed for a child that listens only later.

Belongs here: that no two who start something at once, whichever user they are, get the same port.
Who listens, and what ports are preferred, is the caller's business.
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
    """Claim a port for TCP: the first of `PORTS` from `preferred` on that is free; yield it.

    What claims it is the UDP port of the same number, which nobody else here uses: the kernel
    gives it to one socket at a time, sees all users, and takes it back however its owner ends.
    Keep clear of ports that the system hands out by itself (on Linux from 32768 on): until the
    child listens, a connection could get one of these.

    Raises:
        NoPortError: none is free.
    """
    with ExitStack() as claim:
        for port in range(preferred, preferred + PORTS):
            with suppress(OSError), ExitStack() as unless_claimed:
                holder = unless_claimed.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                holder.bind((_HOST, port))
                with socket.socket() as probe:
                    # As servers do: a port whose connections have just ended is free.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((_HOST, port))
                claim.push(unless_claimed.pop_all())
                break
        else:
            last = preferred + PORTS - 1
            raise NoPortError(f"No port is free from {preferred} to {last} on {_HOST}.")
        yield port
