"""Put packages into a virtual environment: with uv, which takes seconds, or else with pip.

Usage: python3 install.py VENV INSTALL-ARGUMENT ...

Does nothing where the same arguments were installed before from the same pyproject.toml and
constraints.txt. The Makefile calls it. It runs on whatever python3 there is, so the syntax is
that of Python 3.6, and it needs nothing but the standard library.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time

PROJECT = os.path.dirname(os.path.abspath(__file__))
STAMPS = ".installed"  # in the environment: what was installed from which inputs
INPUTS = ("pyproject.toml", "constraints.txt")
SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}  # its new and its old name


class InstallError(Exception):
    """Nothing can be installed here; the message says why and what to do, in one line."""


def main(venv, arguments):
    """Install unless it is installed; return the exit status."""
    try:
        check_python()
        os.chdir(PROJECT)
        if not is_installed(venv, arguments):
            print(f"Installing into {venv}, once:", flush=True)
            install(venv, arguments)
            record(venv, arguments)
    except InstallError as refusal:
        print(f"aws_orders: {refusal}", file=sys.stderr)
        return 1
    return 0


def check_python():
    """Raise InstallError where this Python is too old."""
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        raise InstallError(
            f"Python 3.11 or newer is needed, and {sys.executable} is {found}. "
            "Name another one: make PYTHON=python3.12 ..."
        )


def install(venv, arguments):
    """Make the environment and install, each step a line with its seconds."""
    check_writable(venv)
    uv = shutil.which("uv")
    make_environment(venv, with_pip=uv is None)
    python = os.path.join(venv, "bin", "python")
    pip = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    errors = []
    if uv is None:
        uv = os.path.join(venv, "bin", "uv")
        errors += step("uv", [*pip, "--retries", "1", "--constraint", "constraints.txt", "uv"])
    if not errors:
        command = [uv, "pip", "install", "--python", python, *arguments]
        # The system's certificates know a company's proxy; uv's own do without ca-certificates.
        errors = step("packages", command, SYSTEM_CERTIFICATES)
        if errors and "certificate" in errors[0]:
            errors += step("packages, with uv's own certificates", command)
            errors = errors if len(errors) > 1 else []
        if not errors:
            return
    # pip may have an index of its own that uv does not know.
    make_environment(venv, with_pip=True)
    error = step("packages, with pip: a minute or two", [*pip, *arguments])
    if error:
        print("\n\n".join([*errors, *error]), file=sys.stderr)
        raise InstallError("the packages cannot be installed; the installers' errors are above.")


def check_writable(venv):
    """Raise InstallError where no environment of ours can be at `venv`."""
    advice = "Name other folders: make VENV=DIR STATE=DIR ..."
    try:
        os.makedirs(venv, exist_ok=True)
    except OSError as error:
        raise InstallError(f"{venv} cannot be made ({error.strerror}). {advice}") from None
    if not os.access(venv, os.W_OK):
        raise InstallError(f"{venv} belongs to somebody else. {advice}")
    if os.listdir(venv) and not os.path.exists(os.path.join(venv, "pyvenv.cfg")):
        raise InstallError(f"{venv} holds something else than a virtual environment. {advice}")


def make_environment(venv, with_pip):
    """Make a virtual environment, or add pip to one."""
    program = os.path.join(venv, "bin", "pip" if with_pip else "python")
    if os.path.exists(program):
        return
    if with_pip and importlib.util.find_spec("ensurepip") is None:
        raise InstallError("Python lacks its venv module. On Debian: apt-get install python3-venv")
    options = [] if with_pip else ["--without-pip"]
    error = step("virtual environment", [sys.executable, "-m", "venv", *options, venv])
    if error:
        print(*error, file=sys.stderr)
        raise InstallError(f"{venv} cannot be made; venv's error is above. Start anew: make clean")


def step(name, command, more=None):
    """Run a command and print how long it took; return what it said, if it failed."""
    started = time.monotonic()
    print(f"  {name} ...", end="", flush=True)
    done = subprocess.run(
        command,
        env=environment(more or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    seconds = time.monotonic() - started
    if done.returncode == 0:
        print(f" {seconds:.1f} s", flush=True)
        return []
    print(f" failed after {seconds:.1f} s", flush=True)
    return [f"{name}: {done.stdout.strip() or done.returncode}"]


def environment(more):
    """Return the environment of an installer."""
    found = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    # A user's own defaults that no virtual environment can follow.
    found.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", **more)
    # Without a home uv would make its cache here.
    if not os.access(os.path.expanduser("~"), os.W_OK):
        found["UV_NO_CACHE"] = "1"
    return found


def stamps(venv):
    """Return the digest of each installed list of arguments, by the arguments."""
    try:
        with open(os.path.join(venv, STAMPS), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        found = {}
    return found


def digest():
    """Return what decides an installation: where this is, and what the project's files say."""
    found = hashlib.sha256(os.fsencode(PROJECT))
    for name in INPUTS:
        with open(os.path.join(PROJECT, name), "rb") as file:
            found.update(file.read())
    return found.hexdigest()


def is_installed(venv, arguments):
    """Tell whether these arguments were installed from what is here now."""
    runs = os.path.exists(os.path.join(venv, "bin", "python"))
    return runs and stamps(venv).get(" ".join(arguments)) == digest()


def record(venv, arguments):
    """Write down what was installed; what another version of the project installed is forgotten."""
    now = digest()
    found = {words: was for words, was in stamps(venv).items() if was == now}
    found[" ".join(arguments)] = now
    path = os.path.join(venv, STAMPS)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(found, file)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))
