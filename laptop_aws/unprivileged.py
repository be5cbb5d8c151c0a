"""Replace this process, which is root's, by a command that another user runs.

PostgreSQL refuses to run as root, which containers and CI run as. The command runs as the given
user, but may still enter folders that only root can, so no parent of the data has to be opened.
Linux only. It runs as a script by path, on the standard library alone, and needs no setpriv.

Usage: python -I -S unprivileged.py UID COMMAND [ARGUMENT ...]
"""

import ctypes
import os
import signal
import sys

# linux/prctl.h, linux/securebits.h, linux/capability.h; see capabilities(7).
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 1, 28, 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


class Header(ctypes.Structure):
    """Whose capabilities capset(2) sets: those of this process."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class Sets(ctypes.Structure):
    """One half, 32 capabilities, of a process's sets."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main() -> None:
    """Become the user, keep CAP_DAC_OVERRIDE alone, and run the command."""
    user, command = int(sys.argv[1]), sys.argv[2:]
    try:
        _become(user)
    except OSError as error:
        sys.exit(
            f"PostgreSQL does not run as root, and root may not become user {user} here "
            f"({error.strerror}). Run as an ordinary user, or give the container the "
            "capabilities SETUID, SETGID, SETPCAP, CHOWN and DAC_OVERRIDE."
        )
    os.execv(command[0], command)  # noqa: S606 - our own argv


def _become(user: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # Without it, access(2) ignores the capability once the real user is not root, and initdb
    # does not find its own programs below a folder of mode 0700. It also keeps the capabilities.
    _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    only = 1 << CAP_DAC_OVERRIDE
    halves = (Sets * 2)(Sets(only, only, only), Sets(0, 0, 0))
    _check(libc.capset(ctypes.byref(Header(CAPABILITY_VERSION_3, 0)), halves))
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))
    # A change of user clears it; the guard set it before.
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
