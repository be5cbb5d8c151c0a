"""Run a command while standard input stays open, then stop it.

The guard's standard input is a pipe that only its parent holds. When the parent ends, even by
kill -9, the pipe closes, and the guard stops the command with the given signal. It runs as a script
by path with the standard library only, so that it starts in milliseconds.

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
    """Run the command; return its exit status, or 0 if the guard stopped it."""
    stop_signal, command = getattr(signal, sys.argv[1]), sys.argv[2:]
    # A signal to the guard has the same effect as the end of the pipe.
    stopped, stop = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(stop, b"x"))
    exited, exit_ = os.pipe()
    signal.signal(signal.SIGCHLD, lambda *_: os.write(exit_, b"x"))

    def follow_guard() -> None:
        # On Linux the kernel also stops the command if the guard itself is killed.
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop_signal)

    child = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, preexec_fn=follow_guard
    )
    while child.poll() is None:
        ready, _, _ = select.select([0, stopped, exited], [], [])
        if 0 in ready or stopped in ready:
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
