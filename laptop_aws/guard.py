"""Run a command for as long as standard input stays open, then stop it.

The guard's standard input is a pipe that only its parent holds. However the parent ends, kill -9
included, the pipe closes, and the guard stops the command with the signal that suits it. It runs
as a script by path, on the standard library alone, so that it costs some milliseconds.

Usage: python -I -S guard.py SIGNAL COMMAND [ARGUMENT ...]
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

GRACE_SECONDS = 10
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the command; return its exit status, or 0 where it was stopped."""
    stop_signal, command = getattr(signal, sys.argv[1]), sys.argv[2:]
    # Signals to the guard mean the same as the end of the pipe.
    told, tell = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(tell, b"x"))
    exited, exit_ = os.pipe()
    signal.signal(signal.SIGCHLD, lambda *_: os.write(exit_, b"x"))

    def follow_guard() -> None:
        # Where the kernel offers it, even a guard that is killed takes its command along.
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop_signal)

    child = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, preexec_fn=follow_guard
    )
    while child.poll() is None:
        ready, _, _ = select.select([0, told, exited], [], [])
        if 0 in ready or told in ready:
            child.send_signal(stop_signal)
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE_SECONDS)
            child.kill()
            child.wait()
            return 0
        os.read(exited, 1)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
