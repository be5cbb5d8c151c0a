"""Replace this root process by a command that runs as another user.

PostgreSQL does not run as root, but containers and CI do. The command keeps the capability to
enter directories that only root can, so that the parents of the data keep their permissions. Linux
only. It runs as a script by path with the standard library only, and needs no setpriv.

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
    """The process whose capabilities capset(2) sets: this one."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class Sets(ctypes.Structure):
    """32 capabilities, which is half of a process's sets."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main() -> None:
    """Become the user, keep only CAP_DAC_OVERRIDE, and run the command."""
    user, command = int(sys.argv[1]), sys.argv[2:]
    try:
        _become(user)
    except OSError as error:
        sys.exit(
            f"PostgreSQL does not run as root, and this root cannot become user {user} "
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
    # The guard set it, and the change of user cleared it.
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
