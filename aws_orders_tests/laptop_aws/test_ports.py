"""Claimed ports: two claims never overlap, and a claim ends with its process."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from laptop_aws import ports

# Not the stacks' ports, below the ephemeral range, and usually different for each test run.
FIRST = 20_000 + os.getpid() % 10 * 1_000

CLAIM = """
import os, sys, time
from laptop_aws.ports import claimed
if os.geteuid() == 0 and len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
with claimed(int(sys.argv[1])) as port:
    print(port, flush=True)
    sys.stdin.read()
"""


def claimant(*arguments: str) -> "subprocess.Popen[str]":
    """Start a process that claims a port and holds it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_claims_of_many_threads_and_processes_are_different() -> None:
    with ExitStack() as claims, ThreadPoolExecutor(8) as pool:
        others = [claims.enter_context(claimant(str(FIRST))) for _ in range(4)]
        found = list(pool.map(lambda _: claims.enter_context(ports.claimed(FIRST)), range(24)))
        found += [int(other.stdout.readline()) for other in others if other.stdout]
        assert len(set(found)) == 28
        for other in others:
            assert other.stdin
            other.stdin.close()


@pytest.mark.parametrize("user", ["0", "12345"])
def test_a_claim_of_another_user_counts_and_ends_with_its_process(user: str) -> None:
    with claimant(str(FIRST + 100), user) as other:
        assert other.stdout
        theirs = int(other.stdout.readline())
        with ports.claimed(theirs) as ours:
            assert ours != theirs
        other.send_signal(signal.SIGKILL)
        other.wait()
        with ports.claimed(theirs) as ours:
            assert ours == theirs


def test_a_port_in_use_is_not_claimed() -> None:
    with ports.claimed(FIRST + 200) as port:
        pass
    with socket.create_server(("127.0.0.1", port)), ports.claimed(port) as ours:
        assert ours != port


def test_a_port_can_be_listened_on_while_it_is_claimed_and_again_soon_after() -> None:
    for _ in range(2):
        with (
            ports.claimed(FIRST + 300) as port,
            socket.create_server(("127.0.0.1", port)) as server,
            socket.create_connection(("127.0.0.1", port)) as client,
        ):
            assert port == FIRST + 300
            served, _ = server.accept()
            served.close()  # the server closes first, so its port is in TIME_WAIT for a minute
            assert client.recv(1) == b""


def test_child_processes_do_not_inherit_a_claim() -> None:
    with ports.claimed(FIRST + 400) as port:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child, ports.claimed(port) as again:
        assert again == port
        assert child.stdin
        child.stdin.close()


def test_a_range_without_a_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORTS", 1)
    with (
        ports.claimed(FIRST + 500) as port,
        pytest.raises(ports.NoPortError, match=f"from {port} to {port} on"),
        ports.claimed(port),
    ):
        pass
